# SPDX-License-Identifier: GPL-2.0-only
"""Build the engine with a function that is longer by a known number of instructions."""
import re
import shutil
import subprocess
from pathlib import Path

from .tap import BUILD, FIO, ROOT

# number of instructions to add to a function that each I/O calls once
LONGER, MORE = 'event_with_pi', 25


def longer(place):
    """Build the engine with the longer function below `place`; return its path."""
    tree = place / 'tree'
    tree.mkdir()
    for name in ('engines', 'lib', 'scripts', 'Makefile'):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tree / name)
    (tree / 'build').mkdir()
    for name in ('apt', 'fio', 'isal', 'src'):
        (tree / 'build' / name).symlink_to((BUILD / name).resolve())
    found = 0
    for source in (tree / 'engines').glob('*.c'):
        text, times = re.subn(rf'(\b{LONGER}\([^;{{}}]*\)\n\{{\n)', rf'\1\tasm volatile(".rept {MORE}\\n\\tnop\\n\\t.endr");\n',
                              source.read_text())
        source.write_text(text)
        found += times
    if found != 1:
        raise RuntimeError(f'{LONGER}: {found} times in engines/')
    subprocess.run(['make', '-s', '-C', tree, f'FIO={Path(FIO).resolve().parent}', 'build/io_uring_pi.so'], check=True, capture_output=True)
    return tree / 'build/io_uring_pi.so'
