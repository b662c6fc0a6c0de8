#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""attr-cost in a guest in which one nanosecond is one instruction: its figures repeat and add up."""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, for_anybody, main, ok  # noqa: E402


def measure(seed, **more):
    # in 8 of 31 the slab cache runs empty
    done = subprocess.run([for_anybody(BUILD / 't/attr-cost'), '--json', '--instructions', '--layout', 'indirect',
                           '--mix', '50', '--batch', '1', '--batch', '8', '--batch', '32', '--repetitions', '31',
                           '--requests', '400', '--seed', str(seed)], capture_output=True, text=True, **more)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    cells = {(r['layout'], r['sqe'], r['mix'], r['batch']): r for r in rows if r['kind'] == 'cell'}
    return done, cells


def test():
    done, first = measure(1)
    ok(done.returncode == 0 and {r['unit'] for r in first.values()} == {'instructions'}, 'measures instructions', done)
    _, second = measure(2, user=65534)
    ok(second.keys() == first.keys(), 'without root too', second.keys())
    far = [(key, row['total']['median'], second[key]['total']['median']) for key, row in first.items()
           if abs(row['total']['median'] / second[key]['total']['median'] - 1) > 0.001]
    ok(not far, 'two runs in different orders agree to 0.1 %', *far)
    far = [(key, over) for key, row in first.items() if row['mix']
           for over in [row['over_plain']['total']] if max(over['q3'] - over['median'], over['median'] - over['q1']) > 0.1]
    ok(not far, 'the quartiles of the differences to plain lie within 0.1', *far)
    for batch in (1, 8, 32):
        over = {mix: first['indirect', '64', mix, batch]['over_plain'] for mix in (50, 100)}
        whole = over[100]['total']['median']
        ok(50 < whole < 400, f'batch {batch}: the attribute costs', whole)
        ok(abs(over[50]['total']['median'] - whole / 2) < 1, f'batch {batch}: of half the requests half', over)
        ok(0 < over[100]['user']['median'] < over[100]['kernel']['median'], f'batch {batch}: the kernel more than the user', over)


main(test, ['--icount'])
