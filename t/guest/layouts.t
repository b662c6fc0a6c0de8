#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The lab kernel supports every layout, and each gives the same results."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.layouts import FORMATS, all_of  # noqa: E402
from lib.tap import add_partition, main, ok, passes, pi, plain_read, poke, refuses  # noqa: E402
from pibench import catalog  # noqa: E402

# all except the one used to read back what the others wrote
LAYOUTS = [layout for layout in catalog.layouts() if layout not in ('indirect', *catalog.commands())]
START = 16 << 20


def test(*devices):
    missing = {name: why for name, why in catalog.ask()['layouts'].items() if why}
    ok(not missing and not catalog.ask()['fixed_md'], 'pi-info: all layouts work here, and registered metadata', missing)
    for mode in ({'fixedbufs': True}, {'nonvectored': 0}):
        refuses(pi(devices[0], rw='read', bs='4k', size='1m', pi_layout='opcode',
                   **mode), f'opcode: {mode}', "layout 'opcode'",
                'drop fixedbufs and nonvectored=0')
    # a layout that passes the reference tag, and one that leaves it to the kernel
    partition = add_partition(devices[1], 1, START, 1 << 20)
    for layout in ('inline', 'opcode'):
        job = {'bs': '4k', 'size': '64k', 'pi_layout': layout, 'iodepth': 8}
        passes(pi(partition, rw='randwrite', verify='crc32c', **job),
               f'{layout}: on a partition', write=16, read=16)
        passes(pi(devices[1], rw='read', offset=START, **job),
               f'{layout}: the disk has the same at its place', read=16)
        passes(pi(partition, rw='write', pi_apptag='lba', **job), f'{layout}: pi_apptag=lba on a partition', write=16)
        passes(pi(devices[1], rw='read', offset=START, pi_apptag='lba', **job),
               f'{layout}: follows the number on the disk', read=16)
        passes(pi(partition, rw='write', **job), f'{layout}: pi_apptag=constant again', write=16)
        poke(devices[1], START // 512 + 5, ('md', 7, 1))
        refuses(pi(partition, rw='read', pi_verify='host', **job),
                f'{layout}: a wrong block is named by its place on the disk',
                f'block {START // 512 + 5} ', f'reference tag expected 0x{START // 512 + 5:x}, found 0x{START // 512 + 4:x} ')
    # layouts that pass a seed, and one that uses the kernel's, with retries beyond block 2^32
    Path(f'/sys/block/{os.path.basename(devices[2])}/queue/nr_requests').write_text('4')
    for layout in ('indirect', 'inline', 'opcode'):
        job = {'offset': (512 << 32) - (512 << 10), 'size': 1 << 20, 'iodepth': 256, 'pi_layout': layout}
        for bs in (4096, 1 << 20):
            passes(pi(devices[2], rw='randwrite', bs=bs, verify='crc32c', **job),
                   f'{layout}: write and verify beyond block 2^32, bs={bs}', write=(1 << 20) // bs,
                   read=(1 << 20) // bs)
        ok(plain_read(devices[2], job['offset']) == 0, f'{layout}: the kernel agrees')
    for layout in LAYOUTS:
        all_of(layout, *devices[:2])


main(test, ['--kernel', 'lab', '--smp', '2', *(word for name in [*FORMATS, '512+16,guard=crc64,size=2200G']
                                               for word in ('--disk', name))])
