#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Trims of several ranges in one command, on the character device."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, poke, refuses  # noqa: E402

BLOCKS = 256


def trims(block, stride, poked):
    char = block.replace('/dev/nvme', '/dev/ng')
    job = {'direct': 0, 'bs': stride, 'size': BLOCKS * stride, 'iodepth': 4}
    passes(pi(char, rw='write', **{**job, 'bs': 8 * stride}), f'{stride}: write', write=BLOCKS // 8)
    passes(pi(char, rw='trim', num_range=16, **{**job, 'size': BLOCKS // 2 * stride}), f'{stride}: trims of 16 ranges',
           trim=BLOCKS // 2 // 16)
    trimmed = [set(poke(poked, at)) == {0xff} for at in (0, 15, 16, 77, BLOCKS // 2 - 1, BLOCKS // 2, BLOCKS - 1)]
    ok(trimmed == 5 * [True] + 2 * [False], f'{stride}: these blocks are trimmed, and no others', trimmed)
    passes(pi(char, rw='randtrim', num_range=256, registerfiles=True, offset=BLOCKS // 2 * stride,
              **{**job, 'size': BLOCKS // 2 * stride}), f'{stride}: fewer than would fit', trim=1)
    ok(set(poke(poked, BLOCKS - 1)) == {0xff}, f'{stride}: the rest is trimmed too', poke(poked, BLOCKS - 1).hex())
    passes(pi(char, rw='trim', num_range=4, hipri=True, **{**job, 'bs': 4 * stride}), f'{stride}: ranges of several blocks',
           trim=BLOCKS // 16)
    passes(pi(char, rw='read', **job), f'{stride}: trimmed blocks can be read', read=BLOCKS)
    refuses(pi(char, rw='trim', num_range=4, fixedbufs=True, **job), f'{stride}: fixed buffers of no data', 'num_range', 'fixedbufs')


def test(separate, extended):
    trims(separate, 4096, separate)
    trims(extended, 4104, extended.replace('/dev/nvme', '/dev/ng'))
    for layout in ('indirect', 'none'):
        refuses(pi(separate, rw='trim', bs='4k', size='1m', num_range=4, pi_layout=layout), f'several ranges, pi_layout={layout}',
                'num_range', '/dev/ngXnY')
    for device, layout in ((separate, 'indirect'), (separate, 'none'), (separate.replace('/dev/nvme', '/dev/ng'), 'passthru')):
        refuses(pi(device, rw='randtrim', bs='4k', size='1m', direct=0 if layout == 'passthru' else 1, fixedbufs=True,
                   pi_layout=layout), f'only trims, with fixed buffers, pi_layout={layout}', 'fixedbufs', 'only trims')
    passes(pi(separate, rw='trim', bs='4k', size='1m', num_range=1), 'one range', trim=BLOCKS)


main(test, ['--append', 'nvme.poll_queues=1', '--disk', '4096+8', '--disk', '4096+8,extended'])
