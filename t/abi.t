#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""An engine built for one fio and loaded into another runs, or says in a line why not; no pair crashes.

Every engine meets every fio: that of PI_FIO, the distribution's own (the binary from its package, the engine from the
source of the same version), and the built source trees that PI_FIO_TREES names, separated by colons.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / 'guest'))
from tap import BUILD, FIO, ROOT, ok, run, skip  # noqa: E402

WORK = BUILD / 'abi'
JOB = ['--name=j', '--pi_layout=none', f'--filename={WORK}/file', '--size=1m', '--rw=randrw', '--bs=4k', '--iodepth=8',
       '--verify=crc32c', '--verify_state_save=0', '--output-format=json']


class Version:
    """A fio: the tree an engine is built for, and the program, if there is one."""

    def __init__(self, name, tree, program=None, libraries=''):
        self.name, self.tree, self.program = name, Path(tree), program
        self.environment = {**os.environ, 'LD_LIBRARY_PATH': libraries}
        self.engine = WORK / name / 'io_uring_pi.so'

    def build(self):
        environment = {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}
        made = subprocess.run(['make', f'FIO={self.tree}', f'E={self.engine.parent.relative_to(ROOT)}',
                               str(self.engine.relative_to(ROOT))], cwd=ROOT, env=environment, capture_output=True, text=True)
        return ok(made.returncode == 0 and not re.search('warning', made.stdout + made.stderr),
                  f'an engine for {self.name} builds without a warning', made.stderr)

    def ran(self, *words):
        return subprocess.run([self.program, *words], env=self.environment, cwd=WORK, capture_output=True, text=True, timeout=120)


def debian(*words):
    got = subprocess.run([ROOT / 'scripts/debian', *words], stdout=subprocess.PIPE, text=True)
    return Path(got.stdout.strip()) if got.returncode == 0 else None


def distribution():
    """The distribution's own fio, or None after saying why."""
    package = debian('package', 'fio')
    version = package and package.name.partition('-')[2]
    source = package and debian('source', 'fio', version)
    if not source or source.name != f'fio-{version}':
        skip("the distribution's fio", f'no source of {version or "it"} in the archive')
        return None
    if not (source / 'config-host.h').exists():
        subprocess.run(['./configure', '--disable-native'], cwd=source, check=True, capture_output=True)
    libraries = {str(path.parent) for path in package.glob('**/*.so*')}
    return Version(f'debian-{version}', source, package / 'usr/bin/fio', ':'.join(libraries))


def variant(name, of, file, pattern, text):
    """The headers of a tree with one change."""
    tree = WORK / f'{name}-tree'
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(of.tree, tree, ignore=lambda directory, names: [
        each for each in names if not each.endswith(('.h', 'FIO-VERSION-FILE')) and not Path(directory, each).is_dir()])
    changed, count = re.subn(pattern, text, (tree / file).read_text(), flags=re.M)
    ok(count == 1, f'{name}: {file} of {of.name} can be changed')
    (tree / file).write_text(changed)
    return Version(name, tree)


def runs(engine, fio):
    for extra in ([], ['--thread']):
        got = fio.ran(f'--ioengine=external:{engine.engine}', *JOB, *extra)
        begin = got.stdout.find('{')
        jobs = json.loads(got.stdout[begin:])['jobs'] if got.returncode == 0 else []
        ok(jobs and jobs[0]['read']['total_ios'] + jobs[0]['write']['total_ios'] >= 256 and 'io_uring_pi' not in got.stderr,
           f'the engine for {engine.name} runs in {fio.name} {" ".join(extra)}', got)


def refuses(engine, fio):
    for extra in ([], ['--thread'], ['--parse-only'], ['--showcmd']):
        got = fio.ran(f'--ioengine=external:{engine.engine}', *JOB, *extra)
        said = [line for line in (got.stderr + got.stdout).splitlines() if line.startswith('io_uring_pi:')]
        # what reads a job and runs none need not fail
        status = got.returncode > 0 or got.returncode == 0 and '--' in ''.join(extra[:1]) and extra != ['--thread']
        ok(status and got.returncode < 128 and (len(said) == 1 or not said and got.returncode == 0) and
           all('built for fio-' in line and 'make FIO=DIR' in line for line in said),
           f'the engine for {engine.name} refuses {fio.name} {" ".join(extra)}', got)
    got = fio.ran(f'--enghelp={engine.engine}')
    ok(0 <= got.returncode < 128, f'--enghelp of the engine for {engine.name} in {fio.name}', got)


def test():
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / 'file').unlink(missing_ok=True)
    ours = Version(f'built-{Path(FIO).parent.resolve().name}', Path(FIO).parent.resolve(), FIO)
    versions = [ours]
    trees = [Path(tree).resolve() for tree in os.environ.get('PI_FIO_TREES', '').split(':') if tree]
    versions += [Version(f'tree-{tree.name}', tree, tree / 'fio') for tree in trees]
    found = distribution()
    if found:
        versions.append(found)

    for engine in [version for version in versions if version.build()]:
        for fio in versions:
            (runs if fio is engine else refuses)(engine, fio)

    # the option table is the same, what stands behind it is not
    shifted = variant('shifted', ours, 'fio.h', r'^(\s*struct ioengine_ops \*io_ops;)', r'\tchar shift[64];\n\1')
    if shifted.build():
        refuses(shifted, ours)
    # distributions configure with other libraries; what that changes is not looked at
    other = variant('without-aio', ours, 'config-host.h', r'^#define CONFIG_POSIXAIO$', '')
    if other.build():
        runs(other, ours)

    unconfigured = subprocess.run(['make', f'FIO={WORK}', f'E={WORK.relative_to(ROOT)}/none'], cwd=ROOT,
                                  env={**os.environ, 'MAKEFLAGS': ''}, capture_output=True, text=True)
    ok(unconfigured.returncode and 'run ./configure there' in unconfigured.stderr, 'FIO= without a configured tree',
       unconfigured.stderr)


run(test)
