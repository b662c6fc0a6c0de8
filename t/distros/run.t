#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""In a new Debian of each release: build, test, and run what users run, with gcc and with clang; from one, cross-build for arm64.

Each release gets a root below build/distros by debootstrap, with this machine's mirror and apt's settings, and a copy of
this tree as it stands. What was downloaded is kept there, and for a week the system that debootstrap made of it.
--shell RELEASE is a look around: a new Debian with git and make, the tree in /root, nothing installed or built.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ROOT  # noqa: E402
from pibench.command import die_with_parent  # noqa: E402
from pibench.errors import Failure  # noqa: E402
from pibench.progress import Progress, clock  # noqa: E402

DISTROS = ROOT / 'build/distros'
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
SCRIPTS = Path('/usr/share/debootstrap/scripts')
RELEASES = {'bookworm': 'fio-pi', 'trixie': 'fio pi', 'testing': 'fio-pi'}
# testing is what nobody has tried: a warning that its compilers are the first to have must not break a build
WERROR = {'bookworm': ' WERROR=1', 'trixie': ' WERROR=1', 'testing': ''}
BASE_AGE = 7 * 24 * 3600
LIMIT = 40 * 60
PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
KEPT = [name for proxy in ('http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy') for name in (proxy, proxy.upper())] + ['TERM']
JOB = ('build/fio/fio --name=j --output-format=json --ioengine="external:$PWD/build/io_uring_pi.so" '
       '--bs=4k --size={size} --rw=randwrite --verify=crc32c ')
HOST_JOB = JOB.format(size='4m') + '--pi_layout=none --filename=/root/file --unlink=1'
GUEST_JOB = 'scripts/guest run --timeout 300 --disk 4096+8 -- ' + JOB.format(size='16m') + '--direct=1 --filename=/dev/nvme0n1'
ATTR_COST = 'build/t/attr-cost --json --repetitions 6 --requests 100'

# mounts of one step, seen by nobody else and gone with it
ENTER = '''set -e
root=$1 debs=$2 here=$3; shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --bind "$debs" "$root/var/cache/apt/archives"
exec chroot "$root" /usr/bin/env -C "$here" "$@"
'''
ISOLATED = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--']


def ask(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise Failure(f'{words[0]}: {done.stderr.strip() or "failed"}')
    return done.stdout


def settings():
    """How this machine's apt gets at the archive; not its hooks, nor what it keeps."""
    lines = ask('apt-config', 'dump', 'Acquire').splitlines()
    return ''.join(f'{line}\n' for line in lines if not re.match(r'Acquire::(IndexTargets|Changelogs|CompressionTypes)', line))


def killed_with_parent():
    die_with_parent(signal.SIGKILL)


class Release:
    def __init__(self, name, directory=None):
        self.name, self.suite = name, name
        self.place = DISTROS / name
        self.base, self.root, self.debs = (self.place / part for part in ('base', 'root', 'debs'))
        self.tree = f'/root/{directory or RELEASES[name]}'
        self.log = None
        self.debs.mkdir(parents=True, exist_ok=True)

    def run(self, words, **options):
        return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, timeout=LIMIT,
                              preexec_fn=killed_with_parent, **options).returncode

    def inside(self, command, **options):
        environment = {'HOME': '/root', 'PATH': PATH, 'LANG': 'C.UTF-8',
                       **{name: os.environ[name] for name in KEPT if name in os.environ}}
        words = [*ISOLATED, 'sh', '-c', ENTER, 'sh', self.root, self.debs, self.tree, 'sh', '-c', command]
        return (options.pop('run', self.run))(words, env=environment, **options)

    def debootstrap(self):
        """A system of debootstrap's, new or not older than a week."""
        stamp = self.place / 'stamp'
        if stamp.exists() and self.base.exists() and time.time() - stamp.stat().st_mtime < BASE_AGE:
            self.suite = stamp.read_text()
            return True
        stamp.unlink(missing_ok=True)
        for self.suite in (self.name, 'sid') if self.name == 'testing' else (self.name,):
            remove(self.base)
            uri = ask(ROOT / 'scripts/debian', 'mirror').strip()
            script = SCRIPTS / self.suite
            extra = ',ca-certificates' if uri.startswith('https') else ''
            words = [*ISOLATED, 'debootstrap', '--variant=minbase', f'--include=git,make{extra}', f'--keyring={KEYRING}',
                     f'--cache-dir={self.debs}', self.suite, self.base, uri, script if script.exists() else SCRIPTS / 'sid']
            if self.run(words) == 0:
                stamp.write_text(self.suite)
                return True
        return False

    def populate(self):
        remove(self.root)
        subprocess.run(['cp', '-a', '--reflink=auto', self.base, self.root], check=True)
        (self.root / 'etc/apt/apt.conf.d/10machine').write_text(settings())
        for name in ('etc/resolv.conf', 'etc/hosts', 'etc/apt/auth.conf'):
            if Path('/', name).exists():
                shutil.copyfile(Path('/', name), self.root / name)
        if Path('/etc/apt/auth.conf.d').exists():
            shutil.copytree('/etc/apt/auth.conf.d', self.root / 'etc/apt/auth.conf.d', dirs_exist_ok=True)
        copy_tree(self.root / self.tree[1:])
        self.lend()

    def lend(self):
        """What was downloaded before, here or for the tree's own tests: apt checks its sum, and fetches what is wrong or missing."""
        archives = self.root / self.tree[1:] / 'build/apt/cache/archives'
        (archives / 'partial').mkdir(parents=True)
        for place in (ROOT / 'build/apt/cache/archives', self.place / 'sources'):
            for path in place.glob('*.*'):
                if not (archives / path.name).exists():
                    os.link(path, archives / path.name)

    def keep(self):
        (self.place / 'sources').mkdir(exist_ok=True)
        for path in (self.root / self.tree[1:] / 'build/apt/cache/archives').glob('*.*'):
            if not (self.place / 'sources' / path.name).exists():
                os.link(path, self.place / 'sources' / path.name)

    def start(self):
        return self.debootstrap() and (self.populate() or True)

    def job(self, command, ios):
        """fio wrote and read back all of it."""
        status = self.inside(command)
        self.log.seek(0)
        text = self.log.read()
        try:
            job, = json.loads(text[text.index('{'):text.rindex('}') + 1])['jobs']
        except ValueError:
            return False
        return status == 0 and job['error'] == 0 and job['read']['total_ios'] == job['write']['total_ios'] == ios

    def steps(self):
        """(what, seconds it takes about, whether it went well)"""
        def sh(command):
            return lambda: self.inside(command) == 0
        werror = WERROR[self.name]
        clang = 'CC=clang'
        arm64 = [('arm64, cross-built: unit tests, engine and tools', 240, sh('t/distros/arm64.sh'))]
        return [
            ('debootstrap', 60, self.start),
            ('make', 240, sh('make && test -f build/t/insn-plugin.so')),
            (f'make check{werror}', 80, sh(f'make check{werror}')),
            ('a job without PI', 2, lambda: self.job(HOST_JOB, 1024)),
            ('attr-cost', 5, sh(ATTR_COST)),
            ('write and verify in a guest', 90, lambda: self.job(GUEST_JOB, 4096)),
            ('make, clang', 60, sh('apt-get install -y --no-install-recommends clang libclang-rt-dev && '
                                   f'make clean && make {clang}')),
            (f'make check{werror}, clang', 80, sh(f'make check {clang}{werror}')),
            ('a job without PI, clang', 2, lambda: self.job(HOST_JOB, 1024)),
            # its ISA-L is new enough to come from a package
            *(arm64 if self.name == 'trixie' else []),
        ]


def remove(root):
    if root.exists():
        subprocess.run(['rm', '-rf', '--one-file-system', root], check=True)


def copy_tree(target):
    """A clone of what a commit of everything would be."""
    target.mkdir(parents=True)
    names = ask('git', '-C', ROOT, 'ls-files', '-z', '--cached', '--others', '--exclude-standard').split('\0')
    there = [name for name in names if name and os.path.lexists(ROOT / name)]
    pack = subprocess.Popen(['tar', '-C', ROOT, '-c', '--null', '--no-recursion', '-T', '-'], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    unpack = subprocess.Popen(['tar', '-x', '-C', target, '--no-same-owner'], stdin=pack.stdout)
    pack.stdin.write(''.join(f'{name}\0' for name in there).encode())
    pack.stdin.close()
    if pack.wait() or unpack.wait():
        raise Failure(f'{target}: tar failed')
    identity = ['-c', 'user.name=distros', '-c', 'user.email=distros@localhost', '-c', 'commit.gpgsign=false']
    for words in (['init', '-q'], ['add', '-A'], [*identity, 'commit', '-q', '--no-verify', '-m', 'as it stands']):
        ask('git', '-C', target, *words)


class Report:
    """TAP and the progress line of releases side by side."""

    def __init__(self, plan):
        self.lock = threading.Lock()
        self.progress = Progress({name: [seconds for _, seconds, _ in steps] for name, steps in plan.items()})
        self.count = self.failed = 0
        print(f'1..{sum(map(len, plan.values()))}', flush=True)

    def result(self, release, what, passed, seconds=None, log=None):
        with self.lock:
            self.count += 1
            self.failed += not passed
            name = f'{release}: {what}'
            took = '' if seconds is None else f' ({clock(seconds)})'
            print(f'{"ok" if passed else "not ok"} {self.count} - {name}{took}', flush=True)
            self.progress.step(release, name + took)
            if not passed and log:
                lines = log.read_text(errors='replace').splitlines()
                said = [line for line in lines[:-15] if line.startswith('# ')][-25:]
                for line in [f'{name}: failed{took}; what tests said in {log.relative_to(ROOT)}, and its end:',
                             *(f'  {line}' for line in said + lines[-15:])]:
                    self.progress.say(f'# {line}')


def test(release, steps, report):
    shutil.rmtree(release.place / 'log', ignore_errors=True)
    (release.place / 'log').mkdir()
    broken, failed = None, False
    for number, (what, _, work) in enumerate(steps, 1):
        if broken:
            report.result(release.name, f'{what} (not tried after {broken})', False)
            continue
        path = release.place / f'log/{number}-{re.sub(r"[^a-zA-Z0-9]+", "-", what)}'
        start = time.monotonic()
        with open(path, 'w+', errors='replace') as release.log:
            try:
                passed = work()
            except (Failure, OSError, subprocess.SubprocessError) as failure:
                release.log.seek(0, os.SEEK_END)
                release.log.write(f'{failure}\n')
                passed = False
        report.result(release.name, what, passed, time.monotonic() - start, path)
        failed = failed or not passed
        if not passed and what.startswith(('debootstrap', 'make')) and 'check' not in what:
            broken = what
    if release.root.exists():
        release.keep()
        if not failed:
            remove(release.root)


def shell(release, command):
    with open(os.devnull, 'w') as release.log:
        release.log = sys.stderr
        if not release.start():
            raise Failure(f'{release.name}: debootstrap failed')
    print(f'a new {release.suite}, in {release.root.relative_to(ROOT)} when you leave it', file=sys.stderr)
    return release.inside(command, run=lambda words, env: subprocess.run(words, env=env, preexec_fn=killed_with_parent).returncode)


def interrupt(number, _):
    # every step has a process of ours as its parent and dies with it
    os._exit(128 + number)


def main():
    parser = argparse.ArgumentParser(prog='distros', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('releases', nargs='*', metavar='RELEASE', help=f'some of {" ".join(RELEASES)} (default: all)')
    parser.add_argument('--shell', metavar='RELEASE', choices=list(RELEASES), help='a shell in a new one, instead of the tests')
    parser.add_argument('--command', default='exec bash -l', metavar='CMD', help='with --shell: run this there, and leave')
    options = parser.parse_args()
    unknown = set(options.releases) - set(RELEASES)
    if unknown:
        parser.error(f'{" ".join(unknown)}: none of {" ".join(RELEASES)}')
    if os.geteuid():
        raise Failure('chroots are made by root; type: sudo make test-distros')
    if options.shell:
        # Linux, which the lab kernel is, does not build in a path with a blank
        return shell(Release(options.shell, 'fio-pi'), options.command)
    releases = [Release(name) for name in options.releases or RELEASES]
    plan = {release.name: release.steps() for release in releases}
    report = Report(plan)
    with ThreadPoolExecutor(len(releases)) as pool:
        for done in [pool.submit(test, release, plan[release.name], report) for release in releases]:
            done.result()
    report.progress.end()
    return report.failed != 0


if __name__ == '__main__':
    die_with_parent()       # prove was ended
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, interrupt)
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f'distros: {failure}')
