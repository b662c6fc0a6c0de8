#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""On systems other than Debian: use what is there; name what is missing, and the command to type, in one line.

The package managers here are fakes that only record being called.
"""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.fios import debian  # noqa: E402
from lib.systems import RELEASES, WORK, on, releases  # noqa: E402
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

BIN, CALLED = WORK / 'bin', WORK / 'called'


def says(done, name, *words, status=2):
    """Check that it failed with one line that contains these words; make adds a line of its own."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith('make')]
    return ok(done.returncode == status and len(lines) == 1 and all(word in lines[0] for word in words), name,
              f'status {done.returncode}, expected {status} and one line with {words}', done.stderr, done.stdout)


def program(name, text):
    path = BIN / name
    path.unlink(missing_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)


def bare():
    """Build a PATH without the programs under test."""
    shutil.rmtree(WORK, ignore_errors=True)
    BIN.mkdir(parents=True)
    for name in ('sh', 'sed', 'tr', 'find', 'tail', 'grep', 'cat', 'env'):
        (BIN / name).symlink_to(shutil.which(name))
    releases()
    program('id', 'echo 1000')


def packages():
    def manager(name):
        program(name, f'echo {name} "$@" >>{CALLED}')

    for system, install, names in (
            ('fedora', 'dnf install -y', 'gcc make pkgconf-pkg-config liburing-devel libnvme-devel isa-l-devel libcmocka-devel '
             'zlib-devel python3 perl-Test-Harness xz gnuplot'),
            ('rocky', 'dnf install -y', 'gcc isa-l-devel'),
            ('suse', 'zypper install -y --no-recommends', 'gcc make pkg-config liburing-devel libnvme-devel isa-l-devel '
             'libcmocka-devel zlib-devel python3 perl xz gnuplot'),
            ('arch', 'pacman -S --needed', 'gcc make pkgconf liburing libnvme isa-l cmocka zlib python perl xz gnuplot')):
        manager(install.split()[0])
        done = on(system, 'scripts/deps', path=BIN)
        says(done, f'{system}: prints the command to type', f'type: sudo {install} ')
        ok(set(names.split()) <= set(done.stderr.split()), f'{system}: with all packages', names, done.stderr)
        says(on(system, 'scripts/deps', 'kernel', path=BIN), f'{system}: the same for the lab kernel', f'type: sudo {install} ',
             ' bison ', ' flex ', 'libelf')
        program('id', 'echo 0')
        says(on(system, 'scripts/deps', path=BIN), f'{system}: the same as root', f'type: {install} ')
        program('id', 'echo 1000')
        says(on('other', 'scripts/deps', path=BIN), f'{system}: an unknown system is recognised by its package manager', f' {install} ')
        ok(not CALLED.exists(), f'{system}: nothing was installed')
        (BIN / install.split()[0]).unlink()
    says(on('other', 'scripts/deps', path=BIN), 'unknown system: names what is missing', 'missing: cc make pkg-config')

    program('dpkg-query', 'exit 1')
    manager('apt-get')
    manager('dnf')      # installed as a program only
    says(on('ubuntu', 'scripts/deps', path=BIN), 'Ubuntu: prints the command to type',
         'type: sudo apt-get install -y --no-install-recommends build-essential', ' liburing-dev ', ' debian-archive-keyring ')
    program('id', 'echo 0')
    done = on('ubuntu', 'scripts/deps', path=BIN)
    called = CALLED.read_text() if CALLED.exists() else ''
    ok(done.returncode == 0 and re.fullmatch('apt-get install -y .* liburing-dev .*\n', called), 'Ubuntu: installs as root',
       done.stderr, called)


def isal(version, **variables):
    """Present our ISA-L as the system's, with that version; use the system's own if it is new enough."""
    own = WORK / f'isal-{version}'
    own.mkdir(exist_ok=True)
    built = (BUILD / 'isal/isa-l.a').exists()
    (own / 'libisal.pc').write_text(
        f'Name: libisal\nDescription: ISA-L\nVersion: {version}\nLibs: {BUILD}/isal/isa-l.a\nCflags: -I{BUILD}/isal/include\n'
        if built else f'Name: libisal\nDescription: ISA-L\nVersion: {version}\nLibs: -lisal\nCflags:\n')
    return {'PKG_CONFIG_PATH': own}


def build():
    tree = Path(FIO).resolve().parent
    there, old = isal('2.31.0'), isal('2.30.0')
    out = WORK.relative_to(ROOT) / 'built'
    done = on('fedora', 'scripts/deps', **there)
    ok(done.returncode == 0 and not done.stderr, 'Fedora: prints nothing if nothing is missing', done.stderr)
    says(on('fedora', 'scripts/deps', hide='gnuplot bison', **there), 'Fedora: names only what is missing', 'missing: gnuplot; type:')

    done = on('fedora', 'make', f'FIO={tree}', f'B={out}', f'{out}/io_uring_pi.so', **there)
    ok(done.returncode == 0 and not done.stderr, 'Fedora: make FIO=DIR builds the engine', done.stdout, done.stderr)
    job = subprocess.run([FIO, '--name=j', f'--ioengine=external:{ROOT / out}/io_uring_pi.so', '--pi_layout=none', '--size=1m',
                          f'--filename={WORK}/file', '--rw=randwrite', '--bs=4k'], cwd=WORK, capture_output=True, text=True)
    ok(job.returncode == 0, 'and the engine runs', job)
    says(on('fedora', 'make', f'B={out}', f'{out}/fio/fio', **there), 'Fedora: make without FIO= is refused', 'type: make FIO=DIR')
    says(on('fedora', 'make', f'FIO={WORK}', f'B={out}', **there), 'Fedora: FIO= with an unconfigured tree is refused',
         'no configured fio source')

    library = f'{out}/isal/isa-l.a'
    says(on('fedora', 'make', f'B={out}', library, **old), 'Fedora: an old ISA-L is refused', '2.31 or newer', 'here is 2.30.0', 'ISAL=DIR')
    says(on('fedora', 'make', f'B={out}', f'ISAL={WORK}', library, **old), 'Fedora: ISAL= without its source is refused',
         f'ISAL={WORK}: no source of ISA-L')
    source = debian('source', 'libisal', '2.31')
    done = on('fedora', 'make', f'B={out}', f'ISAL={source}', library, **old)
    ok(done.returncode == 0 and (ROOT / library).exists(), 'Fedora: ISAL=DIR builds ISA-L', done.stderr)


def newest(pattern):
    return max(BUILD.glob(f'pkg/{pattern}'), key=lambda path: path.stat().st_mtime, default=None)


def guest():
    hide = 'qemu-system-x86_64 busybox'
    says(on('fedora', 'scripts/guest', 'run', '--', 'true', hide=hide), 'Fedora: names what a guest needs',
         'qemu-system-x86_64 10 or newer', 'busybox', '--kernel FILE', status=125)
    says(on('fedora', 'scripts/debian', 'package', 'hello'), 'Fedora: scripts/debian is refused without apt', 'apt', status=1)
    done = on('fedora', 'scripts/lab-kernel')
    ok(done.returncode and 'no apt here' in done.stderr and 'Traceback' not in done.stderr, 'Fedora: so is the lab kernel', done.stderr)

    kernel = newest('linux-image-7*/**/vmlinuz*')
    # as if installed; if Debian's were not fetched, use the system's own
    if qemu := newest('qemu-system-x86-1*/usr/bin/qemu-system-x86_64'):
        tree = qemu.parent.parent
        program(qemu.name, f'LD_LIBRARY_PATH={tree}/lib/x86_64-linux-gnu:{tree}/../lib/x86_64-linux-gnu exec {qemu} '
                f'-L {tree}/share/qemu -L {tree}/share/seabios "$@"')
    if busybox := newest('busybox-static*/**/bin/busybox'):
        (BIN / 'busybox').symlink_to(busybox)
    path = f'{BIN}:{os.environ["PATH"]}'
    says(on('fedora', 'scripts/guest', 'run', '--', 'true', path=path), 'Fedora: then only the kernel is missing', '--kernel FILE',
         status=125)
    done = on('fedora', 'scripts/guest', 'run', '--kernel', kernel, '--disk', '4096+8', '--', 'sh', '-c',
              '. /etc/os-release; echo $ID; cat /sys/block/${PI_DISK0#/dev/}/integrity/format', path=path)
    ok(done.returncode == 0 and done.stdout == 'fedora\nT10-DIF-TYPE1-CRC\n', 'Fedora: a guest boots with what the system has', done)


def archive():
    """Check what apt is asked to do on Ubuntu, in a separate tree."""
    tree = WORK / 'tree'
    shutil.copytree(ROOT / 'scripts', tree / 'scripts')
    shutil.copytree(ROOT / 'doc', tree / 'doc')
    sources = tree / 'build/apt/sources.list'
    program('apt-get', f'cat {sources} >>{WORK}/asked; echo "E: it has none" >&2; exit 1')
    path = f'{BIN}:{os.environ["PATH"]}'
    for mirror, variables in (('http://deb.debian.org/debian', {}),
                              ('http://mirror.example/debian', {'PI_DEBIAN_MIRROR': 'http://mirror.example/debian'})):
        (WORK / 'asked').unlink(missing_ok=True)
        done = on('ubuntu', tree / 'scripts/debian', 'package', 'qemu-system-x86/trixie', path=path, **variables)
        asked = (WORK / 'asked').read_text() if (WORK / 'asked').exists() else ''
        wanted = f'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg target=Packages] {mirror} trixie main'
        ok(done.returncode == 1 and wanted in asked.splitlines(), f"Ubuntu: {mirror}, with Debian's key", asked, done.stderr)
        ok('add' not in done.stderr and 'sources' not in done.stderr, 'Ubuntu: does not advise changing its package sources', done.stderr)
    conf = (tree / 'build/apt/apt.conf').read_text()
    ok(re.search(f'^Dir::State::status "{tree}/', conf, re.M), "Ubuntu: ignores Ubuntu's own packages", conf)
    hidden = on('ubuntu', 'sh', '-c', f'mount -t tmpfs none /usr/share/keyrings && exec {tree}/scripts/debian source fio', path=path)
    says(hidden, "Ubuntu: refused without Debian's key", 'install the package debian-archive-keyring', status=1)


def test():
    bare()
    namespace = on('fedora', 'cat', '/etc/os-release')
    if not ok(namespace.stdout == RELEASES['fedora'], 'mount namespaces work; otherwise run this as root', namespace.stderr):
        return
    packages()
    for name in ('dnf', 'apt-get', 'dpkg-query', 'id'):
        (BIN / name).unlink()
    build()
    archive()
    (BIN / 'apt-get').unlink()
    guest()


run(test)
