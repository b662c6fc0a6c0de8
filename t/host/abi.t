#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""An engine loaded into a fio it was not built for runs, or says why not in one line; no combination crashes.

Every engine is tried in every fio: PI_FIO, the distribution's own (its binary package, and an engine built from the
source of the same version), and the built source trees in PI_FIO_TREES, separated by colons.
"""
import json
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.fios import WORK, Version, distribution, make, others, ours  # noqa: E402
from lib.tap import ROOT, ok, run  # noqa: E402

JOB = ['--name=j', '--pi_layout=none', f'--filename={WORK}/file', '--size=1m', '--rw=randrw', '--bs=4k', '--iodepth=8',
       '--verify=crc32c', '--verify_state_save=0', '--output-format=json']


def variant(name, of, file, pattern, text):
    """Copy the headers of a source tree and make one change."""
    tree = WORK / f'{name}-tree'
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(of.tree, tree, ignore=lambda directory, names: [
        each for each in names if not each.endswith(('.h', 'FIO-VERSION-FILE')) and not Path(directory, each).is_dir()])
    changed, count = re.subn(pattern, text, (tree / file).read_text(), flags=re.M)
    ok(count == 1, f'{name}: {file} of {of.name} was changed')
    (tree / file).write_text(changed)
    return Version(name, tree)


def runs(engine, fio):
    for extra in ([], ['--thread']):
        got = fio.ran(f'--ioengine=external:{engine.engine}', *JOB, *extra)
        begin = got.stdout.find('{')
        jobs = json.loads(got.stdout[begin:])['jobs'] if got.returncode == 0 else []
        ok(jobs and jobs[0]['read']['total_ios'] + jobs[0]['write']['total_ios'] >= 256 and 'io_uring_pi' not in got.stderr,
           f'the engine for {engine.name} runs in {fio.name} {" ".join(extra)}', got)


def refuses(engine, fio, on_loading=True):
    # --parse-only and --showcmd load the engine but do not call it
    for extra, may_pass in (('--name=j', False), ('--thread', False), ('--parse-only', True), ('--showcmd', True)):
        got = fio.ran(f'--ioengine=external:{engine.engine}', *JOB, extra)
        said = [line for line in (got.stderr + got.stdout).splitlines() if line.startswith('io_uring_pi:')]
        ok(0 < got.returncode + may_pass < 128 and len(said) == (on_loading or not may_pass) and
           all('built for fio-' in line and 'make FIO=DIR' in line for line in said),
           f'the engine for {engine.name} refuses {fio.name}, {extra}', got)
    got = fio.ran(f'--enghelp={engine.engine}')
    ok(0 <= got.returncode < 128, f'--enghelp does not crash: the engine for {engine.name} in {fio.name}', got)


def test():
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / 'file').unlink(missing_ok=True)
    own = ours()
    found = distribution()
    versions = [own, *others(), *([found] if found else [])]

    for engine in [version for version in versions if version.build()]:
        for fio in versions:
            (runs if fio is engine else refuses)(engine, fio)

    # the option table is the same, but the option structure is not
    shifted = variant('shifted', own, 'fio.h', r'^(\s*struct ioengine_ops \*io_ops;)', r'\tchar shift[64];\n\1')
    if shifted.build():
        refuses(shifted, own, on_loading=False)
    # distributions configure with other libraries; differences from that alone are accepted
    other = variant('without-aio', own, 'config-host.h', r'^#define CONFIG_POSIXAIO$', '')
    if other.build():
        runs(other, own)

    unconfigured = make(f'FIO={WORK}', f'E={WORK.relative_to(ROOT)}/none')
    ok(unconfigured.returncode and 'run ./configure there' in unconfigured.stderr, 'FIO= with an unconfigured tree is refused',
       unconfigured.stderr)


run(test)
