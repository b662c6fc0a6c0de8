#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The man pages format without warnings, and describe every option that --enghelp and --help list."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run, skip  # noqa: E402

MAN = ROOT / 'man'
COMMANDS = {'pi-info': [[]], 'attr-cost': [[]],
            'pi-bench': [[], *([command] for command in ('run', 'compare', 'lab', 'list', 'env', 'report', 'perf', 'selftest'))]}


def said(*words):
    done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True)
    return done.stdout + done.stderr


def page(name):
    """Return the page without font changes."""
    text = re.sub(r'\\f[BIPR]|"', '', (MAN / name).read_text())
    return text.replace('\\-', '-')


def program(name):
    return ROOT / 'scripts/pi-bench' if name == 'pi-bench' else BUILD / 't' / name


def test():
    engine = BUILD / 'io_uring_pi.so'
    options = re.findall(r'^(\w+)\s*:(.*)', said(FIO, f'--enghelp={engine}'), re.M)
    described = page('io_uring_pi.7')
    missing = [name for name, _ in options if not re.search(rf'^\.BI? ([\w=]+ )*{name}\b', described, re.M)]
    ok(len(options) > 20 and not missing, 'io_uring_pi(7) describes every engine option', *missing)
    silent = [name for name, text in options if text.strip() in ('', '(null)')]
    ok(not silent, '--enghelp explains every option', *silent)
    details = {name: said(FIO, f'--enghelp={engine},{name}') for name, _ in options}
    short = [name for name, text in details.items() if 'type:' not in text]
    ok(not short, '--enghelp=FILE,OPTION works for each', *short)
    # every value of an option has an explanation
    mute = [name for name, text in details.items()
            for value in re.findall(r'^\s*:? *(\S.*)', text.partition('valid values:')[2], re.M) if len(value.split()) < 2]
    ok('pi_verify' in details and not mute, 'and explains each value', *mute)

    for name, commands in COMMANDS.items():
        if not program(name).exists():
            ok(False, f'{name}: is built')
            continue
        usage = ''.join(said(program(name), *command, '--help') for command in commands)
        wanted = set(re.findall(r'(?<![\w-])--[a-z][a-z-]+', usage)) - {'--icount'}
        named = set(re.findall(r'--[a-z][a-z-]+', page(f'{name}.1')))
        ok(wanted and wanted <= named, f'{name}(1) describes every option in --help', wanted - named)

    for name in sorted(MAN.iterdir()):
        for words in (['groff', '-man', '-ww', '-z', '-Tutf8', '-K', 'utf8'], ['mandoc', '-T', 'lint', '-W', 'warning']):
            if not shutil.which(words[0]):
                skip(words[0], f'{name.name}: not installed')
                continue
            warnings = said(*words, str(name))
            ok(not warnings, f'{name.name}: {words[0]} prints no warning', warnings)
        title, section = name.name.rsplit('.', 1)
        ok(re.search(rf'^\.TH {re.escape(title)} {section} '.upper(), page(name.name).upper(), re.M),
           f'{name.name}: its title and section match its name')


run(test)
