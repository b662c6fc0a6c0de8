#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""attr-cost on this machine: its output must follow from its samples. No test asserts on time."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.measures import Program, close, five, same  # noqa: E402
from lib.tap import ok, run, skip  # noqa: E402
from pibench import catalog  # noqa: E402

ATTR_COST = Program('attr-cost')
FEW = ['--repetitions', '6', '--requests', '100']


def options():
    ATTR_COST.usage()
    ATTR_COST.refused(['--batch', '0'], 2, '--batch', "'0'", '1 to 128')
    ATTR_COST.refused(['--batch', '129'], 2, '--batch')
    ATTR_COST.refused(['--mix', '101'], 2, '--mix', '0 to 100')
    ATTR_COST.refused(['--requests', ''], 2, '--requests')
    ATTR_COST.refused(['--layout', 'inlined'], 2, "'inlined'", 'indirect', 'inline')
    ATTR_COST.refused(['--samples'], 2, '--samples', '--json')


def figures(rows):
    cells = [row for row in rows if row['kind'] == 'cell']
    plain = {row['batch']: row for row in cells if (row['layout'], row['sqe']) == ('none', '64')}
    parts = ('total', 'user', 'kernel')
    ok(set(plain) == {3, 8} and all(row['batch'] in plain for row in cells), 'it measures the requested batches, each also plain', rows)
    ok(all(len(row['samples'][part]) == 6 for row in cells for part in parts), 'there are as many samples as repetitions')
    wrong = [row for row in cells for part in parts if not same(row[part], five(row['samples'][part]))]
    ok(not wrong, 'minimum, quartiles, median and maximum are those of the samples', *wrong[:1])
    wrong = [row for row in cells if not all(close(t, u + k) for t, u, k in zip(*(row['samples'][part] for part in parts)))]
    ok(not wrong, 'user and kernel parts add up to the total', *wrong[:1])
    wrong = []
    for row in cells:
        for part in parts:
            mine, base = row['samples'][part], plain[row['batch']]['samples'][part]
            expected = {**five([a - b for a, b in zip(mine, base)]), 'min': min(mine) - min(base)}
            if not same(row['over_plain'][part], expected):
                wrong.append((row, part, expected))
    ok(not wrong, 'differences to plain pair samples of the same repetition', *wrong[:1])
    ok(all(row['samples']['total'] != row['samples']['user'] and min(row['samples']['user']) > 0 for row in cells),
       'the kernel was entered, and the user part measured')


def layouts(rows):
    known = {'none', *catalog.layouts()}
    taken = {row['layout'] for row in rows if row['kind'] == 'cell'}
    lacking = {row['layout'] for row in rows if row['kind'] == 'skip'}
    ok(known and known == taken | lacking, 'every layout is measured, or reported as not measured', known, taken, lacking)
    ok(all(row['reason'] for row in rows if row['kind'] == 'skip'), 'with a reason')
    for layout in taken - {'none'}:
        found = {(row['sqe'], row['mix']) for row in rows if row['kind'] == 'cell' and row['layout'] == layout}
        ok({mix for _, mix in found} == {25, 100} and len(found) % 2 == 0, f'{layout}: the requested shares, and 100 %', found)
        one = ATTR_COST.run('--json', *FEW, '--layout', layout, '--batch', '8')
        names = {json.loads(line)['layout'] for line in one.stdout.splitlines()[1:]}
        ok(one.returncode == 0 and names == {'none', layout}, f'--layout {layout} measures that layout and plain', one)
    for layout in known - taken:
        reason = next(row['reason'] for row in rows if row['kind'] == 'skip' and row['layout'] == layout)
        ATTR_COST.refused(['--layout', layout], 1, reason)


def text(rows):
    done = ATTR_COST.run(*FEW, '--batch', '8', '--instructions')
    ok(done.returncode == 0 and 'batch 8' in done.stdout and 'instructions' in done.stdout.splitlines()[0],
       'the table names the unit', done)
    skipped = {row['layout'] for row in rows if row['kind'] == 'skip'}
    ok(all(f'not measured: {layout}' in done.stdout for layout in skipped), 'and the layouts that were not measured', done.stdout)
    done = ATTR_COST.run('--layout', 'none', '--repetitions', '1', '--requests', '100', '--batch', '8')
    ok(done.returncode == 0 and ' 1 repetition of 100 ' in done.stdout and 'batch 8' in done.stdout and 'carry PI' not in done.stdout,
       'plain I/O alone has no table of shares of PI', done)
    ATTR_COST.full_disk(*FEW, '--batch', '8')


def test():
    options()
    done = ATTR_COST.run('--json', '--samples', *FEW, '--batch', '3', '--batch', '8', '--mix', '25', '--seed', '7')
    if done.returncode and 'io_uring' in done.stderr:
        skip('io_uring', done.stderr.strip())
        return
    ok(done.returncode == 0 and not done.stderr, 'it measures without an error', done.stderr)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    head = rows.pop(0)
    ok(head == {'kind': 'run', 'schema': 1, 'kernel': os.uname().release, 'unit': 'ns', 'repetitions': 6, 'requests': 100,
                'seed': 7}, 'the first line describes the run', head)
    figures(rows)
    layouts(rows)
    text(rows)


run(test)
