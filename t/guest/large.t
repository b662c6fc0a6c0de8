#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Beyond block 2^32: reference tags of 48 bits are whole, those of 32 begin anew."""
from tap import main, ok, passes, pi, plain_read, poke, refuses

FORMATS = {'512+16,guard=crc64': (10, 16), '512+8': (4, 8)}
SIZE = 1 << 20
START = (512 << 32) - SIZE // 2


def test(*devices):
    for (name, (first, end)), device in zip(FORMATS.items(), devices):
        job = {'offset': START, 'size': SIZE, 'iodepth': 8}
        for bs in (4096, 256 << 10):
            passes(pi(device, rw='randwrite', bs=bs, verify='crc32c', **job),
                   f'{name}: write and verify, bs={bs}', write=SIZE // bs,
                   read=SIZE // bs)
        passes(pi(device, rw='read', bs='64k', **job), f'{name}: read', read=16)
        ok(plain_read(device, START, SIZE) == 0, f'{name}: the kernel agrees')
        for block in ((1 << 32) - 1, 1 << 32, (1 << 32) + 1023):
            tag = int.from_bytes(poke(device, block)[first:end], 'big')
            ok(tag == block % (1 << 8 * (end - first)), f'{name}: tag of block {block}',
               hex(tag))
        block = (1 << 32) + 5
        poke(device, block, ('md', first + 1, 1))
        refuses(pi(device, rw='read', bs='64k', **job), f'{name}: a wrong tag',
                f'block {block} ', 'reference tag')
        poke(device, block, ('md', first + 1, 1))

    refuses(pi(devices[0], rw='read', bs='1m', **job), '48 bits, in an I/O that is split',
            'max_sectors_kb=512', '32 bits')
    passes(pi(devices[1], rw='read', bs='1m', **job), '32 bits, likewise', read=1)


main(test, [word for name in FORMATS for word in ('--disk', f'{name},size=2200G')])
