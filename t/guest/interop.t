#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""This engine, fio's own engines and the kernel read each other's PI.

PI_FIO_NEWER=/path/to/fio runs the engines of that fio too; from 3.42 on its
io_uring engine verifies what it reads.
"""
import mmap
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import FIO, Fio, main, ok, passes, pi, plain_read, poke, skip  # noqa: E402

FORMATS = {'512+8': 128, '4096+8': 16, '4096+16,pos=first': 32,
           '4096+16,pos=last': 32, '4096+64,pos=first': 128,
           '4096+64,pos=last': 128, '4096+8,type=3': 16,
           '4096+16,guard=crc64': 32, '4096+64,guard=crc64,pos=first': 128,
           '4096+64,guard=crc64,pos=last': 128,
           '512+16,guard=crc64,pos=first': 256}
SCSI = 'scsi_debug:4096+8'
SIZE = 2 << 20
COUNT = SIZE >> 13
TAGS = 'GUARD,REFTAG,APPTAG'
ENGINES = {'io_uring': {}, 'io_uring_cmd': {'cmd_type': 'nvme', 'direct': 0}}


def programs():
    newer = os.environ.get('PI_FIO_NEWER')
    return [FIO, newer] if newer else [FIO]


def version(program):
    return subprocess.run([program, '--version'], capture_output=True,
                          text=True, check=True).stdout.strip()


def peers(name, md_size, device):
    """Exchange data with fio's own engines, in every available fio."""
    own = {'size': SIZE, 'bs': '8k', 'iodepth': 8, 'pi_act': 0, 'apptag': 0xbeef,
           'md_per_io_size': md_size,
           'pi_chk': 'GUARD,APPTAG' if 'type=3' in name else TAGS}
    for program in programs():
        for engine, options in ENGINES.items():
            what = f"{name}: {version(program)}'s own {engine}"
            node = device.replace('/dev/nvme', '/dev/ng') if options else device
            peer = {'program': program, **own, **options}

            passes(Fio(engine, node, rw='write', **peer), f'{what} writes',
                   write=COUNT)
            passes(pi(device, rw='read', **own), f'{what}: we verify that',
                   read=COUNT)
            passes(pi(device, rw='write', bs='8k', size=SIZE, apptag=0xcafe),
                   f'{what}: we write', write=COUNT)
            passes(Fio(engine, node, rw='read', **{**peer, 'apptag': 0xcafe}),
                   f'{what} and the device verify that', read=COUNT)
    run = Fio(engine, node, rw='read', **peer)
    ok(run.status != 0 and re.search('nvalid or incomplete|sc=0x83', str(run)),
       f'{what}: not with another tag', run)


def newer_verifies(device):
    """A SCSI disk does not compare application tags, so only fio can find a wrong one."""
    job = {'size': SIZE, 'bs': '8k', 'pi_act': 0, 'md_per_io_size': 16,
           'pi_chk': TAGS}
    passes(pi(device, rw='write', bs='64k', size=SIZE, apptag=0xcafe),
           f'{SCSI}: we write', write=SIZE >> 16)
    for program in programs()[1:]:
        passes(Fio('io_uring', device, program, rw='read', apptag=0xcafe, **job),
               f'{SCSI}: {version(program)} verifies that', read=COUNT)
        run = Fio('io_uring', device, program, rw='read', apptag=0xbeef, **job)
        ok(run.status != 0 and 'beef' in str(run).lower(),
           f'{SCSI}: {version(program)} finds another tag', run)


def kernel(name, device):
    job = {'size': SIZE, 'bs': '8k', 'iodepth': 8}

    passes(pi(device, rw='write', **job), f'{name}: we write', write=COUNT)
    ok(plain_read(device, 0, SIZE) == 0,
       f"{name}: it passes the kernel's own checks")
    ok(any(poke(device, 3)),
       f'{name}: there are tuples on the media', poke(device, 3).hex())

    buffer = mmap.mmap(-1, SIZE)
    buffer.write(os.urandom(SIZE))
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    os.pwrite(fd, buffer, 0)
    os.close(fd)
    passes(pi(device, rw='read', apptag=0, **job),
           f'{name}: we verify what the kernel generated (tag 0)', read=COUNT)
    poked = poke(device, 3)
    ok(any(poked), f'{name}: so there are tuples', poked.hex())
    passes(pi(device, rw='read', apptag_mask=0, **job),
           f'{name}: likewise with no application tag compared', read=COUNT)


def test(*devices):
    if not programs()[1:]:
        skip('fio-3.42',
             'PI_FIO_NEWER names none; it takes 3.42 or newer')
    for (name, md_size), device in zip(FORMATS.items(), devices):
        peers(name, md_size, device)
        kernel(name, device)
    newer_verifies(devices[-1])


main(test, [word for name in (*FORMATS, SCSI) for word in ('--disk', name)])
