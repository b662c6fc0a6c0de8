#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reference tags on a partition count from the disk's block 0."""
from tap import add_partition, main, ok, passes, pi, plain_read, poke, refuses

START, SIZE = 16 << 20, 2 << 20


def test(*devices):
    for device in devices:
        partition = add_partition(device, 1, START, 4 * SIZE)
        job = {'bs': '16k', 'size': SIZE, 'iodepth': 8}

        passes(pi(partition, rw='randwrite', verify='crc32c', **job),
               'write and verify on the partition', write=SIZE >> 14,
               read=SIZE >> 14)
        passes(pi(device, rw='read', offset=START, **job),
               'the disk has the same, at its place', read=SIZE >> 14)
        ok(plain_read(partition) == 0 and plain_read(device, START) == 0,
           'the kernel agrees on both')
        block = START // (512 if devices.index(device) else 4096) + 5
        tuple_ = poke(device, block)
        ok(int.from_bytes(tuple_[4:8], 'big') == block,
           "the reference tag on the media is the disk's block number",
           tuple_.hex())
        poke(device, block, ('md', 7, 1))
        refuses(pi(partition, rw='read', pi_verify='host', **job),
                'a wrong tag is named by its place on the disk',
                f'block {block} ', 'reference tag', f'expected 0x{block:x}')
        passes(pi(device, rw='write', offset=START, **job),
               'write on the disk', write=SIZE >> 14)
        passes(pi(partition, rw='read', **job), 'read on the partition',
               read=SIZE >> 14)


main(test, ['--disk', '4096+8', '--disk', '512+8'])
