#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The lab kernel takes every layout, and each of them does the same."""
import json
import subprocess

from layouts import FORMATS, all_of
from tap import BUILD, add_partition, main, ok, passes, pi, poke, refuses

LAYOUTS = ['sqe128', 'inline', 'mixed', 'opcode', 'vec', 'flat', 'region']
START = 16 << 20


def test(*devices):
    done = subprocess.run([BUILD / 't/pi-info', '--json', devices[0]],
                          capture_output=True, text=True)
    missing = {name: why for name, why in json.loads(done.stdout)['layouts'].items()
               if why}
    ok(not missing, 'pi-info: all layouts work here', missing)
    for mode in ({'fixedbufs': True}, {'nonvectored': 0}):
        refuses(pi(devices[0], rw='read', bs='4k', size='1m', pi_layout='opcode',
                   **mode), f'opcode: {mode}', "layout 'opcode'",
                'drop fixedbufs and nonvectored=0')
    # a layout that says the reference tag, and one that leaves it to the kernel
    partition = add_partition(devices[1], 1, START, 1 << 20)
    for layout in ('inline', 'opcode'):
        job = {'bs': '4k', 'size': '64k', 'pi_layout': layout, 'iodepth': 8}
        passes(pi(partition, rw='randwrite', verify='crc32c', **job),
               f'{layout}: on a partition', write=16, read=16)
        passes(pi(devices[1], rw='read', offset=START, **job),
               f'{layout}: the disk has the same at its place', read=16)
        poke(devices[1], START // 512 + 5, ('md', 7, 1))
        refuses(pi(partition, rw='read', pi_verify='host', **job),
                f'{layout}: a wrong block is named by its place on the disk',
                f'block {START // 512 + 5} ', 'reference tag')
    for layout in LAYOUTS:
        all_of(layout, *devices)


main(test, ['--kernel', 'lab', '--smp', '2', *(word for name in FORMATS
                                 for word in ('--disk', name))])
