#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""scripts/kernel/upstream applies to a kernel without the lab's layouts, and makes the same changes as the lab kernel."""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ROOT, ok, run, skip  # noqa: E402

LAB = ROOT / 'scripts/kernel'
SERIES = sorted(path for path in (LAB / 'upstream').glob('0*.patch') if not path.name.startswith('0000'))


def subject(path):
    return re.search(r'^Subject: \[PATCH[^]]*\] (.*(?:\n .*)*)', path.read_text(), re.M)[1].replace('\n', '')


def body(path):
    """Return the added and removed lines of each file, without their positions."""
    return [line for line in path.read_text().splitlines() if re.match(r'\+\+\+ |[-+](?![-+] )', line)]


def test():
    lab = {subject(path): path for path in LAB.glob('0*.patch')}
    ok(len(SERIES) > 5 and all(subject(path) in lab for path in SERIES), 'each patch is also in the lab kernel',
       [subject(path) for path in SERIES if subject(path) not in lab])
    differ = [path.name for path in SERIES if body(path) != body(lab[subject(path)])]
    ok(differ == [path.name for path in SERIES if 'registered-buffer' in path.name and path.name.startswith('0004')],
       'and identical, except for the one whose context differs', differ)
    tarballs = list(BUILD.glob('pkg/linux-source-*/usr/src/linux-source-*.tar.xz'))
    if not tarballs:
        skip('upstream', 'no linux-source in build/pkg; make kernel fetches it')
        return
    touched = sorted({name for path in SERIES for name in re.findall(r'^\+\+\+ b/(\S+)', path.read_text(), re.M)})
    with tempfile.TemporaryDirectory() as tree:
        top = tarballs[-1].name.partition('.tar')[0]
        subprocess.run(['tar', '-xf', tarballs[-1], '-C', tree, '--strip-components=1', *(f'{top}/{name}' for name in touched)],
                       check=True)
        for path in SERIES:
            done = subprocess.run(['patch', '-p1', '--fuzz=0', '--batch', '-i', path], cwd=tree, capture_output=True, text=True)
            ok(done.returncode == 0, f'{path.name[:4]} applies to {tarballs[-1].parents[2].name}', done.stdout)


run(test)
