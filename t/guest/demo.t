#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""make demo succeeds, says who found the damage and where, and prints each command; it fails if nobody finds the damage."""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402


def demo(**environment):
    return subprocess.run([ROOT / 'scripts/demo'], env={**os.environ, 'PI_FIO': str(FIO), **environment}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def around():
    return sorted(path.name for path in ROOT.iterdir())


def test():
    before = around()
    done = demo()
    ok(done.returncode == 0, 'it succeeds', done.stdout)
    ok(around() == before, 'it leaves nothing in the tree', around())
    for finder in ('device', 'host'):
        ok(re.search(rf'block 37 \(6 of 8 in the read at offset 131072\): guard expected \S+ found \S+ by the {finder}', done.stdout),
           f'the {finder} names the block and the tag', done.stdout)
    ok('>ata-`recious-dat<' in done.stdout and '>a-precious-data-<' in done.stdout, 'it shows the damaged byte',
       done.stdout)
    commands = re.findall(r'^\$ ((?:.*\\\n)*.*)', done.stdout, re.M)
    steps = re.findall(r'^(\d)\. ', done.stdout, re.M)
    ok(steps == list('12345678') and len(commands) == done.stdout.count('(exit status ') + 1, 'each command is printed before its output',
       commands)
    for word in ('/pi-info ', '/pi-poke ', '--rw=write', '--rw=read', '--pi_verify=device', '--pi_verify=host', 'od '):
        ok(any(word in command for command in commands), f'a command contains {word.strip()}', commands)

    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        # a fio that reads nothing, and so finds no damage
        blind = Path(directory, 'fio')
        blind.write_text(f'#!/bin/sh\ncase "$*" in *rw=read*) echo io_uring_pi: nothing; exit 0; esac\nexec {FIO} "$@"\n')
        blind.chmod(0o755)
        done = demo(PI_FIO=str(blind))
    ok(done.returncode == 1 and 'the damage was not found' in done.stdout, 'the demo fails if nobody finds the damage', done.stdout)


run(test)
