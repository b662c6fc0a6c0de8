#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Data placement (fdp, dataplacement, plids) with protection information, checked by the drive's reclaim unit handles."""
import ctypes
import fcntl
import os
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, poke, refuses  # noqa: E402

BLOCKS, BLOCK, HANDLES = 256, 37, 4
JOB = {'rw': 'write', 'bs': '4k', 'size': '1m', 'iodepth': 4, 'plid_select': 'roundrobin'}


def left(char):
    """Return the number of blocks that each handle's reclaim unit can still take."""
    size = 16 + 32 * HANDLES
    data = ctypes.create_string_buffer(size)
    fd = os.open(char, os.O_RDWR)
    nsid = fcntl.ioctl(fd, 0x4e40)              # NVME_IOCTL_ID
    command = bytearray(struct.pack('<BBHIIIQQIIIIIIIIII', 0x12, 0, 0, nsid, 0, 0, 0, ctypes.addressof(data), 0, size,
                                    1, size // 4 - 1, 0, 0, 0, 0, 0, 0))
    status = fcntl.ioctl(fd, 0xc0484e43, command)           # NVME_IOCTL_IO_CMD
    os.close(fd)
    if status:
        raise RuntimeError(f'Reclaim Unit Handle Status: NVMe status {status:#x}')
    return [struct.unpack_from('<Q', data, 16 + 32 * handle + 8)[0] for handle in range(HANDLES)]


def goes(name, device, char, handles, **options):
    before = left(char)
    run = pi(device, **{**JOB, **options})
    passes(run, name, write=BLOCKS)
    went = [was - now for was, now in zip(before, left(char))]
    ok(went == handles, f'{name}: to these handles', went, handles)
    passes(pi(device, rw='randread', bs='4k', size='1m', iodepth=8, direct=options.get('direct', 1)), f'{name}: and is right', read=BLOCKS)
    poke(device.replace('/dev/ng', '/dev/nvme'), BLOCK, ('md', 1, 0x10))
    refuses(pi(device, rw='read', bs='4k', size='1m', direct=options.get('direct', 1)), f'{name}: a wrong guard is found',
            f'block {BLOCK} ', 'guard')
    poke(device.replace('/dev/ng', '/dev/nvme'), BLOCK, ('md', 1, 0x10))


def test(placed, other):
    char = placed.replace('/dev/nvme', '/dev/ng')
    half = BLOCKS // 2
    goes('fdp=1', char, char, [0, half, half, 0], fdp=1, plids='1,2', direct=0)
    goes('dataplacement=fdp', char, char, [0, 0, 0, BLOCKS], dataplacement='fdp', plids='3', direct=0, fixedbufs=True)
    goes('all handles', char, char, 4 * [BLOCKS // 4], dataplacement='fdp', direct=0)
    goes('with mixed commands', char, char, [0, half, 0, 0], fdp=1, plids='1', direct=0, write_mode='write/50:verify/50')
    goes('streams', placed, char, [half, 0, half, 0], dataplacement='streams', plids='1,3')
    for options in ({'pi_layout': 'sqe128'}, {'nonvectored': 0}, {'fixedbufs': True, 'registerfiles': True}, {'force_async': 2},
                    {'sqthread_poll': True}):
        goes(f'streams, {options}', placed, char, [0, 0, half, half], dataplacement='streams', plids='3,4', **options)
    before = left(char)
    passes(pi(placed, **JOB, dataplacement='streams', plids=2, pi_layout='none'), 'streams of plain I/O', write=BLOCKS)
    ok([was - now for was, now in zip(before, left(char))] == [0, BLOCKS, 0, 0], 'go there too', before, left(char))

    def no(what, *words, device=placed, **options):
        refuses(pi(device, **{**JOB, **options}), what, *words)

    for layout in ('indirect', 'none'):
        for plid in (0, 5):
            no(f'stream {plid}, pi_layout={layout}', f'plids={plid}', '4 write streams', dataplacement='streams', plids=plid,
               pi_layout=layout)
    no('fdp on a block device', 'fdp', '/dev/ngXnY', fdp=1)
    no('a disk without streams', 'plids=1', 'has 0 write streams', device=other, dataplacement='streams', plids=1)
    no('a drive without the directive', 'Streams directive', device=char, dataplacement='streams', plids=1, direct=0)


main(test, ['--disk', '4096+8,fdp', '--disk', 'scsi_debug:4096+8'])
