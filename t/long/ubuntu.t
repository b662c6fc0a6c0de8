#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""On Ubuntu the guest runs with a QEMU from Debian's archive and the C library that it was made for."""
import os
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.systems import WORK, on, releases  # noqa: E402
from lib.tap import BUILD, ROOT, ok, run  # noqa: E402


def test():
    tree = WORK / 'ubuntu-tree'
    shutil.rmtree(tree, ignore_errors=True)
    releases()
    shutil.copytree(ROOT / 'scripts', tree / 'scripts')
    shutil.copytree(ROOT / 'doc', tree / 'doc')
    kernel = max(BUILD.glob('pkg/linux-image-7*/**/vmlinuz*'), key=lambda path: path.stat().st_mtime)
    done = on('ubuntu', tree / 'scripts/guest', 'run', '--kernel', kernel, '--disk', '4096+8', '--', 'sh', '-c',
              '. /etc/os-release; echo $ID; cat /sys/block/${PI_DISK0#/dev/}/integrity/format', hide='qemu-system-x86_64')
    ok(done.returncode == 0 and done.stdout == 'ubuntu\nT10-DIF-TYPE1-CRC\n', 'a guest on Ubuntu', done)
    qemu = next(tree.glob('build/pkg/qemu-system-x86-*'), Path('/nowhere'))
    ok(any(qemu.glob('**/libc.so.6')) and os.fspath(tree) in (tree / 'build/apt/apt.conf').read_text(),
       'QEMU has a C library of its own', done.stderr)
    shutil.rmtree(tree)


run(test)
