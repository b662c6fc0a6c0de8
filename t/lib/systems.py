# SPDX-License-Identifier: GPL-2.0-only
"""Pretend to be another system: in a mount namespace, replace os-release, and hide apt and dpkg if the other has none."""
import os
import subprocess

from .tap import BUILD, ROOT

WORK = BUILD / 'elsewhere'
RELEASES = {
    'fedora': 'NAME="Fedora Linux"\nID=fedora\nVERSION_ID=42\n',
    'rocky': 'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
    'suse': 'NAME="openSUSE Leap"\nID="opensuse-leap"\nID_LIKE="suse opensuse"\n',
    'arch': 'ID=arch\n',
    'other': 'ID=other\n',
    'ubuntu': 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n'}
ENTER = '''
mount --bind "$1" "$(readlink -f /etc/os-release)"
for program in $2; do
	for place in /bin /usr/bin /sbin /usr/sbin; do
		[ ! -e $place/$program ] || mount --bind "$3" $place/$program
	done
done
shift 3
exec "$@"'''
APT = 'apt apt-get apt-cache apt-config dpkg dpkg-deb dpkg-query'


def on(system, *words, hide='', path='', **variables):
    """Run the words on such a system, with `path` as PATH if given."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('MAKE', 'ISAL', 'PKG_CONFIG'))}
    namespace = ['unshare', '-m'] if os.getuid() == 0 else ['unshare', '-r', '-m']
    return subprocess.run(
        [*namespace, 'sh', '-ec', ENTER, 'sh', WORK / system, hide if system == 'ubuntu' else f'{APT} {hide}', WORK / 'empty',
         'env', *(f'{name}={value}' for name, value in variables.items()), *([f'PATH={path}'] if path else []), *words],
        cwd=ROOT, env=environment, capture_output=True, text=True)


def releases():
    """Create the files that on() needs."""
    WORK.mkdir(parents=True, exist_ok=True)
    for name, text in RELEASES.items():
        (WORK / name).write_text(text)
    (WORK / 'empty').touch()
