#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Build as others do: in a directory with blanks in its name, and with a compiler that gives other warnings."""
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

TREE = BUILD / 'a dír/fio pi'
# do not pass on the options of an outer make
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith('MAKE') and name not in ('WERROR', 'FIO', 'E', 'B', 'V')}


def make(*words, tree=TREE):
    return subprocess.run(['make', *words], cwd=tree, env=ENVIRONMENT, capture_output=True, text=True)


def linked(name, target):
    (TREE / name).parent.mkdir(parents=True, exist_ok=True)
    (TREE / name).symlink_to(target)


def test():
    shutil.rmtree(TREE.parent, ignore_errors=True)
    TREE.mkdir(parents=True)
    for name in ('Makefile', 'configs', 'doc', 'engines', 'lib', 'man', 'scripts', 't'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, TREE / name)
    fio = TREE / 'build/src/fio-0'
    linked('build/src/fio-0', Path(FIO).resolve().parent)
    if (BUILD / 'isal').exists():
        linked('build/src/libisal-0', (BUILD / 'isal/include/isa-l').resolve().parent)
        # scripts/debian needs an archive, which is already here
        (TREE / 'scripts/debian').write_text(f'#!/bin/sh\necho "{TREE}/build/src/libisal-0"\n')

    made = make(f'FIO={fio}', 'LDFLAGS=-Wl,-z,now')
    engine = TREE / 'build/io_uring_pi.so'
    if not ok(made.returncode == 0 and engine.exists(), 'make works in a path with blanks, and with FIO= in one', made):
        return
    lazy = [path for path in (engine, TREE / 'build/t/pi-info', TREE / 'build/t/attr-cost')
            if 'NOW' not in subprocess.run(['readelf', '-d', path], capture_output=True, text=True).stdout]
    ok(not lazy, 'LDFLAGS= counts for the engine and its tools', lazy)
    got = subprocess.run([FIO, '--name=j', f'--ioengine=external:{engine}', '--pi_layout=none', f'--filename={TREE}/file',
                          '--size=64k', '--rw=write'], cwd=TREE, capture_output=True, text=True)
    ok(got.returncode == 0, 'its engine runs', got)
    made = make(f'FIO={fio}', 'build/unit/test_json', 'build/unit-san/test_json')
    ok(made.returncode == 0, 'unit tests build', made)
    root = TREE / 'dest dir'
    made = make('install', f'FIO={fio}', f'DESTDIR={root}')
    ok(made.returncode == 0 and (root / 'usr/local/bin/pi-bench').exists() and
       len([*root.rglob('fio-io_uring_pi.so')]) == 1, 'make install DESTDIR=', made)
    made = make('uninstall', f'FIO={fio}', f'DESTDIR={root}')
    ok(made.returncode == 0 and not [path for path in root.rglob('*') if not path.is_dir()], 'make uninstall DESTDIR=', made)
    got = subprocess.run(['scripts/lab-kernel'], cwd=TREE, capture_output=True, text=True)
    ok(got.returncode == 1 and got.stderr.count('\n') == 1, 'the lab kernel is refused there in one line', got)
    made = make('help')
    ok(made.stdout.startswith('make  ') and '\nmake demo ' in made.stdout and 'CC ?=' not in made.stdout, 'make help', made)
    warnings()
    fetched()
    shutil.rmtree(TREE.parent)


def warnings():
    with open(TREE / 'lib/reason.c', 'a') as source:
        source.write('static int unused;\n')
    made = make('build/obj/lib/reason.o')
    ok(made.returncode == 0 and 'warning' in made.stderr, 'a warning does not break the build', made)
    made = make('build/obj/lib/reason.o', 'WERROR=1')
    ok(made.returncode != 0, 'but it does with WERROR=1, even for files already built', made)


def fetched():
    """Fetch a fio that builds at once, in a path that a shell would change."""
    tree = TREE.with_name("fio's $pi")
    TREE.rename(tree)
    shutil.rmtree(tree / 'build')
    source = tree / 'build/src/fio-0'
    source.mkdir(parents=True)
    (tree / 'scripts/debian').write_text('#!/bin/sh\ntouch asked\necho "$PWD/build/src/fio-0"\n')
    (source / 'configure').write_text('#!/bin/sh\n')
    (source / 'configure').chmod(0o755)
    (source / 'Makefile').write_text('fio:\n\ttouch fio\n')
    made = make('-n', tree=tree)
    ok(made.returncode == 0 and not (tree / 'asked').exists(), 'make -n fetches nothing', made)
    made = make('build/fio/fio', tree=tree)
    ok(made.returncode == 0 and (tree / 'build/fio').resolve() == source, 'make fetches and builds fio', made)


run(test)
