#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Data written with PI verifies when it is read, in every format and mode."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.formats import KINDS  # noqa: E402
from lib.tap import main, ok, passes, pi, plain_read  # noqa: E402

TAGS = {
    'pattern': {'pi_opaque': 'pattern'},
    'tag lba': {'pi_apptag': 'lba'},
    'tag random': {'pi_apptag': 'random'},
    'tag file': {'pi_apptag': 'file'},
}
MODES = {
    'as it comes': {},
    'vectored': {'nonvectored': 0},
    'vectors of two': {'nonvectored': 0, 'pi_iovec': 4096},
    'fixed buffers': {'fixedbufs': True},
    'registered files': {'registerfiles': True},
    'both registered': {'fixedbufs': True, 'registerfiles': True},
    'SQPOLL': {'sqthread_poll': True},
    'forced async': {'force_async': 3},
    'nowait': {'nowait': 1},
    'threads': {'thread': True},
    'host alone': {'pi_verify': 'host'},
    'device alone': {'pi_verify': 'device'},
    'nobody': {'pi_verify': 'none'},
    'guard alone': {'pi_chk': 'GUARD'},
    'batches': {'iodepth_batch_submit': 8, 'iodepth_batch_complete_min': 4},
    'batches of none': {'iodepth_batch_complete_min': 0},
    'a shown tag': {'apptag': 0xbeef},
}
SIZE = 4 << 20


def test(*devices):
    for name, device in zip(KINDS, devices):
        common = {'size': SIZE, 'iodepth': 16}
        passes(pi(device, rw='write', bs='64k', **common),
               f'{name}: write', write=SIZE >> 16)
        ok(plain_read(device) == 0, f'{name}: the kernel verifies it too')
        passes(pi(device, rw='randread', bs='4k', **common),
               f'{name}: read', read=SIZE >> 12)
        passes(pi(device, rw='randwrite', bs='4k', verify='crc32c', **common),
               f'{name}: write and read back with verify=crc32c',
               write=SIZE >> 12, read=SIZE >> 12)
        another = {'pi_reftag': 0x123456789abc if 'crc64' in name else 0x12345678}
        for tags, options in {**TAGS, 'another reference tag': another}.items():
            passes(pi(device, rw='randwrite', bs='16k', verify='crc32c',
                      **common, **options),
                   f'{name}: {tags}', write=SIZE >> 14, read=SIZE >> 14)
        passes(pi(device, rw='randwrite', bssplit='4k/50:12k/30:128k/20',
                  verify='md5', **common),
               f'{name}: mixed block sizes')
        passes(pi(device, rw='randrw', bsrange='4k-64k', time_based=True,
                  runtime=1, serialize_overlap=1, **common),
               f'{name}: mixed reads and writes')

    device = devices[KINDS.index('4096+8')]
    for mode, options in MODES.items():
        common = {'size': SIZE, 'iodepth': 16, 'bs': '8k', **options}
        passes(pi(device, rw='randwrite', verify='crc32c', **common),
               f'4096+8, {mode}: write and verify',
               write=SIZE >> 13, read=SIZE >> 13)
        passes(pi(device, rw='randread', **common), f'4096+8, {mode}: read',
               read=SIZE >> 13)

    passes(pi(device, rw='randwrite', bsrange='4k-256k', verify='crc32c', size=4 * SIZE, iodepth=16, nonvectored=0,
              pi_iovec=4096), '4096+8, up to 64 iovecs with one metadata buffer')
    passes(pi(device, rw='randwrite', bs='4k', size=4 * SIZE, verify='crc32c', iodepth=1024),
           'writes and verification at depth 1024', write=SIZE >> 10, read=SIZE >> 10)
    passes(pi(device, rw='randwrite', bs='4k', size=SIZE, numjobs=3,
              offset_increment=SIZE, iodepth=8, group_reporting=True),
           'three jobs', write=3 * (SIZE >> 12))
    passes(pi(':'.join(devices), rw='randwrite', bs='8k', nrfiles=len(devices),
              size=len(devices) * SIZE, iodepth=32, verify='crc32c'),
           'one job on every format at once',
           write=len(devices) * (SIZE >> 13), read=len(devices) * (SIZE >> 13))
    passes(pi(device, rw='trimwrite', bs='4k', size=SIZE), 'trims and writes',
           trim=SIZE >> 12, write=SIZE >> 12)
    passes(pi(device, rw='randread', bs='4k', size=SIZE, iodepth=8),
           'blocks that were trimmed and written again can be read', read=SIZE >> 12)
    passes(pi(device, rw='write', bs='4k', size=SIZE, fsync=16, fdatasync=8,
              iodepth=8), 'fsync and fdatasync', write=SIZE >> 12)
    passes(pi(device, rw='randread', bs='4k', size=SIZE, iodepth=1024,
              number_ios=2000, norandommap=True), 'depth 1024')
    for engine_layout in ({'pi_layout': 'none'},
                          {'pi_layout': 'none', 'hipri': True}):
        passes(pi(device, rw='randread', bs='4k', size=SIZE, **engine_layout),
               f'plain: {engine_layout}', read=SIZE >> 12)


main(test, ['--append', 'nvme.poll_queues=1',
            *(word for name in KINDS for word in ('--disk', name))])
