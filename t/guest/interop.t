#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fio's own io_uring engine, the kernel and we read each other's PI."""
import mmap
import os

from tap import Fio, main, ok, passes, pi, plain_read, poke

FORMATS = {'512+8': 128, '4096+8': 16, '4096+64,pos=first': 128,
           '4096+64,pos=last': 128, '4096+8,type=3': 16,
           '4096+64,guard=crc64': 128, '512+16,guard=crc64,pos=first': 256}
SIZE = 2 << 20
TAGS = 'GUARD,REFTAG,APPTAG'


def test(*devices):
    for (name, md_size), device in zip(FORMATS.items(), devices):
        type3 = 'type=3' in name
        own = {'size': SIZE, 'bs': '8k', 'iodepth': 8, 'pi_act': 0,
               'md_per_io_size': md_size,
               'pi_chk': 'GUARD,APPTAG' if type3 else TAGS}
        job = {'size': SIZE, 'bs': '8k', 'iodepth': 8}

        passes(Fio('io_uring', device, rw='write', **own),
               f"{name}: fio's own engine writes", write=SIZE >> 13)
        passes(pi(device, rw='read', **own), f'{name}: we verify that',
               read=SIZE >> 13)
        passes(pi(device, rw='write', **job), f'{name}: we write',
               write=SIZE >> 13)
        passes(Fio('io_uring', device, rw='read', **own),
               f"{name}: it passes fio's own engine and the device",
               read=SIZE >> 13)
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
               f'{name}: we verify what the kernel generated (tag 0)',
               read=SIZE >> 13)
        poked = poke(device, 3)
        ok(any(poked), f'{name}: so there are tuples', poked.hex())
        passes(pi(device, rw='read', apptag_mask=0, **job),
               f'{name}: likewise with no application tag compared',
               read=SIZE >> 13)


main(test, [word for name in FORMATS for word in ('--disk', name)])
