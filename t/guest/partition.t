#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Reference tags on a partition count from the disk's block 0."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import add_partition, main, ok, passes, pi, plain_read, poke, refuses  # noqa: E402

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
        # application tags derived from the block number do not depend on pi_reftag
        for app in ('lba', 'random'):
            follows = {**job, 'pi_apptag': app, 'pi_opaque': 'pattern'}
            for tag in (0x777, 0xfffffffe):
                passes(pi(partition, rw='randwrite', verify='crc32c', pi_reftag=tag, **follows),
                       f'pi_apptag={app}, pi_reftag={tag}: write and verify', write=SIZE >> 14, read=SIZE >> 14)
                passes(pi(device, rw='read', offset=START, **follows),
                       f'pi_apptag={app}, pi_reftag={tag}: the disk has the same, at its place', read=SIZE >> 14)
        passes(pi(device, rw='write', offset=START, **{**job, 'pi_apptag': 'lba', 'pi_opaque': 'pattern'}),
               'write on the disk', write=SIZE >> 14)
        app, opaque = poke(device, block)[2:4], poke(device, block)[8:]
        word = ((block + 1) * 0x243f6a8885a308d3 % (1 << 64)).to_bytes(8, 'little')
        ok(int.from_bytes(app, 'big') == block % 0x10000 and opaque == (word * 7)[:len(opaque)],
           "application tag and opaque bytes are those of the disk's block number", app.hex(), opaque.hex())


main(test, ['--disk', '4096+64,pos=first', '--disk', '512+8'])
