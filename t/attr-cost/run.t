#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""attr-cost on this machine: what it prints must follow from what it measured. No time is asserted."""
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = ROOT / 'build/t/attr-cost'
FEW = ['--repetitions', '6', '--requests', '100']

checks = failures = 0


def ok(passed, name, *why):
    global checks, failures
    checks += 1
    failures += not passed
    print(f'{"ok" if passed else "not ok"} {checks} - {name}')
    if not passed:
        for line in '\n'.join(map(str, why)).splitlines():
            print(f'# {line}')


def run(*words):
    return subprocess.run([PROGRAM, *words], capture_output=True, text=True)


def refused(words, status, *parts):
    done = run(*words)
    lines = done.stderr.splitlines()
    ok(done.returncode == status and len(lines) == 1 and lines[0].startswith('attr-cost: ') and
       all(part in lines[0] for part in parts), f'refuses {" ".join(words)}', done)


def close(a, b):
    # figures have three decimals, and so have the samples they come from
    return abs(a - b) <= 0.0021


def five(values):
    q1, median, q3 = statistics.quantiles(values, n=4, method='inclusive')
    return {'min': min(values), 'q1': q1, 'median': median, 'q3': q3, 'max': max(values)}


def same(found, expected):
    return all(close(found[name], expected[name]) for name in found)


def options():
    done = run('--help')
    ok(done.returncode == 0 and '--repetitions' in done.stdout and not done.stderr, 'explains itself', done)
    refused(['--batch', '0'], 2, '--batch', "'0'", '1 to 128')
    refused(['--batch', '129'], 2, '--batch')
    refused(['--mix', '101'], 2, '--mix', '0 to 100')
    refused(['--repetitions', '-1'], 2, '--repetitions')
    refused(['--repetitions', '5x'], 2, "'5x'")
    refused(['--requests', ''], 2, '--requests')
    refused(['--seed', '99999999999'], 2, '--seed')
    refused(['--layout', 'inlined'], 2, "'inlined'", 'indirect', 'inline')
    refused(['everything'], 2, "'everything'", '--help')
    done = run('--colour')
    ok(done.returncode == 2 and 'usage:' in done.stderr, 'refuses an unknown option with the usage', done)


def figures(rows):
    cells = [row for row in rows if row['kind'] == 'cell']
    plain = {row['batch']: row for row in cells if (row['layout'], row['sqe']) == ('none', '64')}
    parts = ('total', 'user', 'kernel')
    ok(set(plain) == {3, 8} and all(row['batch'] in plain for row in cells), 'the batches asked for, each with plain', rows)
    ok(all(len(row['samples'][part]) == 6 for row in cells for part in parts), 'as many samples as repetitions')
    wrong = [row for row in cells for part in parts if not same(row[part], five(row['samples'][part]))]
    ok(not wrong, 'minimum, quartiles, median and maximum are those of the samples', *wrong[:1])
    wrong = [row for row in cells if not all(close(t, u + k) for t, u, k in zip(*(row['samples'][part] for part in parts)))]
    ok(not wrong, 'the user\'s and the kernel\'s part make the whole', *wrong[:1])
    wrong = []
    for row in cells:
        for part in parts:
            mine, base = row['samples'][part], plain[row['batch']]['samples'][part]
            expected = {**five([a - b for a, b in zip(mine, base)]), 'min': min(mine) - min(base)}
            if not same(row['over_plain'][part], expected):
                wrong.append((row, part, expected))
    ok(not wrong, 'over plain pairs what belongs to one repetition', *wrong[:1])
    ok(all(row['samples']['total'] != row['samples']['user'] and min(row['samples']['user']) > 0 for row in cells),
       'the kernel was entered, and the user\'s part measured')


def layouts(rows):
    with open(ROOT / 'lib/layout.c') as file:
        known = {line.split('"')[1] for line in file if line.strip().startswith('.name')}
    taken = {row['layout'] for row in rows if row['kind'] == 'cell'}
    lacking = {row['layout'] for row in rows if row['kind'] == 'skip'}
    ok(known and known == taken | lacking, 'every layout of the table is measured or said not to be', known, taken, lacking)
    ok(all(row['reason'] for row in rows if row['kind'] == 'skip'), 'with the reason')
    for layout in taken - {'none'}:
        found = {(row['sqe'], row['mix']) for row in rows if row['kind'] == 'cell' and row['layout'] == layout}
        ok({mix for _, mix in found} == {25, 100} and len(found) % 2 == 0, f'{layout}: the shares asked for, and all', found)
        one = run('--json', *FEW, '--layout', layout, '--batch', '8')
        names = {json.loads(line)['layout'] for line in one.stdout.splitlines()[1:]}
        ok(one.returncode == 0 and names == {'none', layout}, f'--layout {layout} measures that and plain', one)
    for layout in known - taken:
        reason = next(row['reason'] for row in rows if row['kind'] == 'skip' and row['layout'] == layout)
        refused(['--layout', layout], 1, reason)


def text(rows):
    done = run(*FEW, '--batch', '8', '--instructions')
    ok(done.returncode == 0 and 'batch 8' in done.stdout and 'instructions' in done.stdout.splitlines()[0],
       'tables for people say the unit', done)
    skipped = {row['layout'] for row in rows if row['kind'] == 'skip'}
    ok(all(f'not measured: {layout}' in done.stdout for layout in skipped), 'and what is not measured', done.stdout)
    with open('/dev/full', 'w') as full:
        status = subprocess.run([PROGRAM, *FEW, '--batch', '8'], stdout=full, stderr=subprocess.DEVNULL).returncode
    ok(status == 1, 'output that cannot be written is a failure', status)


options()
done = run('--json', '--samples', *FEW, '--batch', '3', '--batch', '8', '--mix', '25', '--seed', '7')
if done.returncode and 'io_uring' in done.stderr:
    checks += 1
    print(f'ok {checks} - figures # SKIP {done.stderr.strip()}')
else:
    ok(done.returncode == 0 and not done.stderr, 'measures', done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    head = rows.pop(0)
    ok(head == {'kind': 'run', 'schema': 1, 'kernel': os.uname().release, 'unit': 'ns', 'repetitions': 6, 'requests': 100,
                'seed': 7}, 'says first what it does', head)
    figures(rows)
    layouts(rows)
    text(rows)
print(f'1..{checks}')
sys.exit(failures != 0)
