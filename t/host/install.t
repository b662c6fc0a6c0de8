#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make install, make uninstall and make deb: all files are installed, work where they are, and are removed again."""
import hashlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.fios import distribution, make, ours  # noqa: E402
from lib.tap import BUILD, ROOT, ok, run  # noqa: E402

WORK = BUILD / 'install'
JOB = ['--name=j', '--pi_layout=none', f'--filename={WORK}/file', '--size=1m', '--rw=write', '--bs=4k', '--output-format=terse']
TOOLS = ['pi-info', 'attr-cost']


def files(directory):
    return {str(path.relative_to(directory)) for path in directory.rglob('*') if path.is_symlink() or path.is_file()}


def closed(directory):
    """Return what other users cannot read, search or run."""
    return [path for path in directory.rglob('*') if not path.is_symlink() and
            path.stat().st_mode & 0o055 != (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044)]


def expected(prefix, engine_directory):
    """Return the files that users rely on; running pi-bench shows that its parts are there."""
    return {f'{engine_directory}/fio-io_uring_pi.so', *(f'{prefix}/bin/{tool}' for tool in (*TOOLS, 'pi-bench')),
            *(f'{prefix}/share/fio-pi/configs/{path.name}' for path in (ROOT / 'configs').glob('*.fio')),
            *(f'{prefix}/share/bash-completion/completions/{tool}' for tool in (*TOOLS, 'pi-bench')),
            *(f'{prefix}/share/man/man{path.suffix[1:]}/{path.name}' for path in (ROOT / 'man').iterdir())}


def says(*words):
    return subprocess.run(words, cwd=WORK, capture_output=True, text=True)


def dynamic_fio(fio, directory):
    """Build the same fio as if configured with --dynamic-libengines and FIO_EXT_ENG_DIR; only one source file differs."""
    commands = subprocess.run(['make', '-n', 'V=1', '-W', 'ioengines.c', 'fio'], cwd=fio.tree, capture_output=True,
                              text=True).stdout.replace('\\\n', ' ').splitlines()
    source = (fio.tree / 'ioengines.c').read_text().replace('FIO_EXT_ENG_DIR', f'"{directory}"')
    (WORK / 'ioengines.c').write_text(source)
    for output, replaced in (('ioengines.o', {'ioengines.c': f'{WORK}/ioengines.c', 'ioengines.o': f'{WORK}/ioengines.o'}),
                             ('fio', {'ioengines.o': f'{WORK}/ioengines.o', 'fio': f'{WORK}/fio'})):
        command = next(line for line in commands if f' -o {output} ' in f'{line} ')
        words = [replaced.get(word, word) for word in shlex.split(command.partition(';')[0])]
        subprocess.run([*words, *(['-DCONFIG_DYNAMIC_ENGINES', '-I.'] if output != 'fio' else [])], cwd=fio.tree, check=True)
    return WORK / 'fio'


def test():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    fio = ours()

    # with the defaults
    root = WORK / 'root'
    made = make('install', f'FIO={fio.tree}', f'DESTDIR={root}', umask=0o077)
    wanted = expected('usr/local', 'usr/local/lib/fio')
    ok(made.returncode == 0 and wanted <= files(root), 'make install', wanted - files(root), made)
    ok(not closed(root), 'every user can use what root installs with umask 077', closed(root))
    engine = root / 'usr/local/lib/fio/fio-io_uring_pi.so'
    ok(says(fio.program, f'--ioengine=external:{engine}', *JOB).returncode == 0, 'the installed engine runs')
    got = says(dynamic_fio(fio, engine.parent), '--ioengine=io_uring_pi', *JOB)
    ok(got.returncode == 0 and got.stdout.count(';') > 100, 'ioengine=io_uring_pi works in a fio with dynamic engines', got)
    engine.rename(engine.with_name('fio-another.so'))
    ok(says(WORK / 'fio', '--ioengine=io_uring_pi', *JOB).returncode != 0, 'which finds the engine by its file name')
    engine.with_name('fio-another.so').rename(engine)

    for tool in TOOLS:
        ok(says(root / 'usr/local/bin' / tool, '--help').returncode == 0, f'{tool} --help')
    tab = f'. {root}/usr/local/share/bash-completion/completions/pi-info; complete -p pi-info pi-bench attr-cost'
    got = says('bash', '-c', tab)
    ok(got.returncode == 0 and got.stdout.count('_fio_pi') == 3 and says('bash', '-c', f'{tab} guest').returncode != 0,
       'bash completion for what is installed, and nothing else', got)
    bench = root / 'usr/local/bin/pi-bench'
    version = re.search(r'^## ([\d.]+)', (ROOT / 'doc/changes.md').read_text(), re.M)[1]
    got = says(bench, '--version')
    ok(got.stdout == f'pi-bench {version}\n', 'pi-bench --version', got)
    got = says(bench, 'list')
    ok(got.returncode == 0 and 'randread' in got.stdout, 'pi-bench list', got)
    got = says(bench, 'env', '--fio', fio.program)
    found = json.loads(got.stdout) if got.returncode == 0 else {}
    ok(found.get('engine_sha256') == hashlib.sha256(engine.read_bytes()).hexdigest() and 'fio-' in found['fio'],
       'pi-bench env names the engine and the fio', got)
    got = says(bench, 'run', '--guest', '--fio', fio.program, '--out', WORK / 'out')
    ok(got.returncode not in (0, 1) and 'scripts/guest' in got.stderr and 'Traceback' not in got.stderr,
       'commands that need the source tree say so', got)
    links = [path for path in root.rglob('*') if path.is_symlink() and path.name != 'fio']
    ok(all(path.resolve().is_relative_to(root) and path.exists() for path in links), 'no link leads outside', links)
    made = make('uninstall', f'FIO={fio.tree}', f'DESTDIR={root}')
    ok(made.returncode == 0 and not files(root), 'make uninstall leaves no file', files(root))

    # with other directories
    places = ('PREFIX=/opt/pi', 'ENGDIR=/opt/engines', f'DESTDIR={root}', f'FIO={fio.tree}')
    made = make('install', *places)
    wanted = expected('opt/pi', 'opt/engines')
    ok(made.returncode == 0 and wanted <= files(root) and not (root / 'usr/local/bin/pi-bench').exists(),
       'make install with PREFIX and ENGDIR', wanted - files(root))
    ok(make('uninstall', *places).returncode == 0 and not files(root), 'make uninstall with PREFIX and ENGDIR', files(root))

    # a package for the distribution's fio
    own = distribution()
    if own:
        deb(own)


def tagged(version):
    """Return a repository whose only commit is that release."""
    (WORK / 'release').mkdir()
    user = ['-c', 'user.name=t', '-c', 'user.email=t@localhost', '-c', 'commit.gpgsign=false']
    for words in (['init', '-q', '.'], [*user, 'commit', '-q', '--allow-empty', '-m', 'release'],
                  ['update-ref', f'refs/tags/v{version}', 'HEAD']):
        subprocess.run(['git', *words], cwd=WORK / 'release', check=True)
    return WORK / 'release/.git'


def deb(own):
    words = ('deb', f'FIO={own.tree}', f'E={own.engine.parent.relative_to(ROOT)}')
    made = make(*words, 'VERSION=wrong')
    ok(made.returncode != 0 and 'wrong' in made.stderr, 'make deb fails if dpkg-deb does', made)
    newest = re.search(r'^## ([\d.]+)', (ROOT / 'doc/changes.md').read_text(), re.M)[1]
    made = make(*words, f'GIT_DIR={tagged(newest)}')
    release = [*BUILD.glob(f'*_{newest}+fio*.deb')]
    ok(made.returncode == 0 and len(release) == 1, "a tag makes the release's package, annotated or not", made)
    for package in release:
        package.unlink()
    made = make(*words, umask=0o077)
    found = re.search(r"'(\S+\.deb)'", made.stderr)
    if not ok(made.returncode == 0 and found, f'make deb for {own.name}', made):
        return
    package = (ROOT / found[1]).resolve()
    fields = says('dpkg-deb', '--field', package, 'Version').stdout
    ok(re.match(rf'{re.escape(newest)}[~+]', fields), 'its version is the newest in doc/changes.md, or sorts before it', fields)
    fields = says('dpkg-deb', '--field', package, 'Depends').stdout
    ranges = re.findall(r'fio \((\S+) ([^)]+)\)', fields)
    installed = own.tree.name.partition('-')[2]

    def satisfies(version):
        return all(says('dpkg', '--compare-versions', version, operator, than).returncode == 0 for operator, than in ranges)

    ok(len(ranges) == 2 and satisfies(f'{installed}-3') and satisfies(f'{installed}-1+b1') and
       not satisfies(f'{installed}.1-1') and not satisfies('3.1-1') and not satisfies('99.0-1'),
       'it depends on exactly that version of fio', fields)
    ok(all(re.search(rf'\b{name}\w* \(>= \d', fields) for name in ('liburing', 'libnvme')), 'and on the libraries', fields)
    root = WORK / 'deb'
    says('dpkg-deb', '-x', package, root)
    wanted = {f'{name}.gz' if '/man/' in name else name for name in expected('usr', 'usr/lib/fio')}
    ok(wanted <= files(root), 'it contains all files', wanted - files(root))
    ok(not closed(root), 'for every user', closed(root))
    ok(not [name for name in files(root) if not name.startswith('usr/') or name.startswith('usr/local')], 'below /usr')
    got = own.ran(f'--ioengine=external:{root}/usr/lib/fio/fio-io_uring_pi.so', *JOB)
    ok(got.returncode == 0 and got.stdout.count(';') > 100, f'its engine runs in {own.name}', got)
    package.unlink()


run(test)
