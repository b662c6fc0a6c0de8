# SPDX-License-Identifier: GPL-2.0-only
"""The available versions of fio: PI_FIO, the distribution's own, and those in PI_FIO_TREES."""
import os
import re
import subprocess
from pathlib import Path

from pibench import command
from pibench.errors import Failure

from .tap import BUILD, FIO, ROOT, ok, skip

WORK = BUILD / 'abi'


def make(*words, umask=-1):
    environment = {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}
    return subprocess.run(['make', *words], cwd=ROOT, env=environment, capture_output=True, text=True, umask=umask)


class Version:
    """A fio: the source tree an engine is built for, and the program, if there is one."""

    def __init__(self, name, tree, program=None, libraries=''):
        self.name, self.tree, self.program = name, Path(tree), program
        self.environment = {**os.environ, 'LD_LIBRARY_PATH': libraries}
        self.engine = WORK / name / 'io_uring_pi.so'

    def build(self):
        made = make(f'FIO={self.tree}', f'E={self.engine.parent.relative_to(ROOT)}', str(self.engine.relative_to(ROOT)))
        return ok(made.returncode == 0 and not re.search('warning', made.stdout + made.stderr),
                  f'an engine for {self.name} builds without a warning', made.stderr)

    def ran(self, *words):
        return subprocess.run([self.program, *words], env=self.environment, cwd=WORK, capture_output=True, text=True, timeout=120)


def debian(*words):
    try:
        return command.debian(*words)
    except Failure:
        return None


def distribution():
    """Return the distribution's own fio, or None after skipping with the reason."""
    package = debian('package', 'fio')
    version = package and package.name.partition('-')[2]
    if package and any(package.glob('**/libc.so.6')):
        skip('distribution-fio', "only Debian's is available here, and it has its own C library")
        return None
    source = package and debian('source', 'fio', version)
    if not source or source.name != f'fio-{version}':
        skip('distribution-fio', f'no source of {version or "it"} in the archive')
        return None
    if not (source / 'config-host.h').exists():
        subprocess.run(['./configure', '--disable-native'], cwd=source, check=True, capture_output=True)
    libraries = {str(path.parent) for path in package.glob('**/*.so*')}
    return Version(f'debian-{version}', source, package / 'usr/bin/fio', ':'.join(libraries))


def ours():
    tree = Path(FIO).parent.resolve()
    return Version(f'built-{tree.name}', tree, FIO)


def others():
    trees = [Path(tree).resolve() for tree in os.environ.get('PI_FIO_TREES', '').split(':') if tree]
    return [Version(f'tree-{tree.name}', tree, tree / 'fio') for tree in trees]
