#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tuple-cost on this machine: its output must follow from its samples. No test asserts on time."""
import ctypes
import json
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.measures import Program, five, same  # noqa: E402
from lib.tap import ok, run  # noqa: E402

TUPLE_COST = Program('tuple-cost')
FEW = ['--repetitions', '3', '--kib', '100', '--processes', '5']
SIDES = ('bare', 'generate', 'verify')
# each with separate metadata and extended, in I/Os of 4 and of 64 KiB
FORMATS = {'512+8 type 1 CRC16', '4096+8 type 1 CRC16', '4096+64 type 1 CRC16 first', '4096+64 type 1 CRC16 last',
           '4096+16 type 1 CRC32, 16-bit storage tag', '4096+64 type 1 CRC32 first, 16-bit storage tag',
           '4096+64 type 1 CRC32 last, 16-bit storage tag',
           '512+16 type 1 CRC64', '4096+16 type 1 CRC64', '4096+64 type 1 CRC64 first', '4096+64 type 1 CRC64 last',
           '512+8 type 1 IP checksum', '4096+8 type 1 IP checksum'}


def measured(*words):
    done = TUPLE_COST.run('--json', *FEW, *words)
    ok(done.returncode == 0 and not done.stderr, f'measures {" ".join(words)}', done.stderr)
    head, *cells = [json.loads(line) for line in done.stdout.splitlines()]
    return head, cells


def figures(cells):
    ok(all(set(cell['samples']) == set(SIDES) and all(len(cell['samples'][side]) == 5 for side in SIDES) for cell in cells),
       'there are as many samples as processes')
    ok(all(sample > 0 for cell in cells for side in SIDES for sample in cell['samples'][side]), 'each sample is above zero')
    wrong = [cell for cell in cells for side in SIDES if not same(cell[side], five(cell['samples'][side]))]
    ok(not wrong, 'minimum, quartiles, median and maximum are those of the samples', *wrong[:1])
    wrong = []
    for cell in cells:
        bare = cell['samples']['bare']
        for side in SIDES[1:]:
            mine = cell['samples'][side]
            expected = {**five([a / b for a, b in zip(mine, bare)]), 'min': min(mine) / min(bare)}
            if not same(cell['ratio'][side], expected):
                wrong.append((cell, side, expected))
    ok(not wrong, 'ratios pair samples of the same process', *wrong[:1])


def most_were_above(cell):
    """Return whether three in four processes exceeded the limit."""
    return max(cell['ratio'][side]['q1'] for side in SIDES[1:])


def started():
    """Return at least how often the program was started while measuring: the kernel opens its file each time."""
    library, opened, closed, event = ctypes.CDLL(None, use_errno=True), 0x20, 0x10, struct.Struct('iIII')
    watch = library.inotify_init()
    if library.inotify_add_watch(watch, os.fsencode(TUPLE_COST.path), opened | closed) < 0:
        raise OSError(ctypes.get_errno(), 'inotify')
    TUPLE_COST.run('--json', *FEW, '--only', '512+')
    seen = os.read(watch, 1 << 16)
    os.close(watch)
    return sum(mask == opened for _, mask, _, _ in event.iter_unpack(seen))


def test():
    TUPLE_COST.usage()
    TUPLE_COST.refused(['--kib', '0'], 2, '--kib', '1 to 1000000')
    TUPLE_COST.refused(['--only', 'CRC8'], 2, "'CRC8'")
    TUPLE_COST.refused(['--processes', '0'], 2, '--processes', '1 to 10000')
    TUPLE_COST.refused(['--limit=1,2'], 2, "'1,2'", '1.25')
    TUPLE_COST.full_disk(*FEW)

    head, cells = measured('--samples', '--seed', '7')
    ok(head.pop('cpu') and head == {'kind': 'run', 'schema': 1, 'unit': 'ns', 'processes': 5, 'repetitions': 3, 'kib': 100, 'apart': False,
                                    'sse': False, 'varied': False, 'seed': 7}, 'the first line describes the run', head)
    found = [(cell['format'].replace(' extended', ''), cell['extended'], cell['bytes']) for cell in cells]
    expected = {(name, extended, size) for name in FORMATS for extended in (False, True) for size in (4096, 65536)}
    ok(len(found) == len(expected) and set(found) == expected, 'it measures every format, buffer and size', *found)
    figures(cells)
    found = cells

    # addresses of code and buffers are chosen at program start, so the spread within one process does not show their effect
    times = started()
    ok(times >= 5, 'each sample comes from a new process', times)

    head, cells = measured('--only', '4096+64 extended', '--varied', '--apart', '--sse')
    ok(head['varied'] and head['apart'] and head['sse'] and len(cells) == 12 and all('samples' not in cell for cell in cells),
       '--only selects formats; the other options work', head, cells)
    for limit, status, missed in ('0.001', 3, True), ('999', 0, False):
        done = TUPLE_COST.run('--json', *FEW, '--only', '512+', f'--limit={limit}')
        cells = [json.loads(line) for line in done.stdout.splitlines()[1:]]
        limited = {cell['format'] for cell in cells if cell.get('limit') == float(limit) and cell['missed'] == missed}
        ok(done.returncode == status and len(cells) == 12 and limited == {name for cell in cells if 'IP' not in (name := cell['format'])},
           f'each is {"above" if missed else "below"} a limit of {limit}; the IP checksum has none', done, cells)
    for middle in (None, sorted(most_were_above(cell) for cell in found)[len(found) // 2]):
        done = TUPLE_COST.run('--json', *FEW, f'--limit={middle:.3f}' if middle else '--limit')
        cells = [json.loads(line) for line in done.stdout.splitlines()[1:]]
        limited = [cell for cell in cells if 'IP' not in cell['format']]
        ok(all(cell['limit'] == (middle or (1.15 if cell['format'].startswith('4096') and cell['bytes'] > 4096 else 1.25)) and
               # figures are rounded to three decimals
               (cell['missed'] == (most_were_above(cell) > cell['limit']) or abs(most_were_above(cell) - cell['limit']) < 0.001)
               for cell in limited) and done.returncode == 3 * any(cell['missed'] for cell in limited),
           f'{"a limit half are above" if middle else "the usual limits"}: missed if three in four processes are above', done, cells)
    done = TUPLE_COST.run(*FEW, '--only', '512+', '--limit=0.001')
    ok(done.returncode == 3 and '\n16 of 16 above 0.001; in three processes of four: *\n' in done.stdout and done.stdout.count('* ') == 16,
       'the table marks missed limits', done)
    done = TUPLE_COST.run(*FEW)
    ok(done.returncode == 0 and all(f'\n{name} ' in done.stdout for name in FORMATS), 'the table has every format', done)


run(test)
