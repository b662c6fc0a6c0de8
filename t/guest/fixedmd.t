#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Metadata in a registered buffer, on the lab kernel: round trips and wrong tags in every format, sizes, retries."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.formats import KINDS  # noqa: E402
from lib.tap import main, ok, passes, pi, plain_read, poke, refuses  # noqa: E402

SIZE = 512 << 10
ELSEWHERE = {'size': SIZE, 'iodepth': 16}
COMMON = {**ELSEWHERE, 'fixedmd': True}
WAYS = {
    'as it comes': {},
    'fixed buffers': {'fixedbufs': True},
    'all registered': {'fixedbufs': True, 'registerfiles': True},
    'vectors of two': {'nonvectored': 0, 'pi_iovec': 4096},
    'SQPOLL': {'sqthread_poll': True},
    'forced async': {'force_async': 3},
    'pi_mix': {'pi_mix': 50, 'apptag': 0},
    'depth 1024': {'iodepth': 1024, 'bs': '4k'},
}


def tags(name):
    """Of a format: the tag, a byte of it in the metadata, and whether the device checks it."""
    base, options = name.split(',')[0], name.split(',')[1:]
    size = int(base.split('+')[1])
    wide = 'guard=crc64' in options
    first = 0 if 'pos=first' in options else size - (16 if wide else 8)
    guard, ref = (8, 6) if wide else (2, 4)
    found = {'guard': first + guard - 1, 'application tag': first + guard + 1}
    if 'type=3' not in options:
        found['reference tag'] = first + guard + 2 + ref - 1
    return found


def round_trip(name, device):
    passes(pi(device, rw='randwrite', bs='16k', verify='crc32c', **COMMON), f'{name}: write and verify', write=SIZE >> 14,
           read=SIZE >> 14)
    ok(plain_read(device) == 0, f'{name}: the kernel verifies it too')
    passes(pi(device, rw='randread', bs='4k', **ELSEWHERE), f'{name}: and metadata from elsewhere',
           read=SIZE >> 12)
    passes(pi(device, rw='write', bs='64k', **ELSEWHERE), f'{name}: written from elsewhere',
           write=SIZE >> 16)
    passes(pi(device, rw='randread', bs='4k', **COMMON), f'{name}: read', read=SIZE >> 12)
    passes(pi(device, rw='randwrite', bssplit='4k/50:12k/30:128k/20', verify='md5', pi_reftag=0x1234567, **COMMON),
           f'{name}: mixed sizes and another reference tag')
    # the first has no tuple, and a bad one cannot be written to the second
    if 'type=0' in name or 'scsi' in name:
        return
    passes(pi(device, rw='write', bs='64k', **COMMON), f'{name}: write', write=SIZE >> 16)
    for tag, byte in tags(name).items():
        poke(device, 37, ('md', byte, 0x40))
        for verify in ('host', 'device'):
            refuses(pi(device, rw='read', bs='16k', pi_verify=verify, **COMMON), f'{name}: a wrong {tag}, {verify}',
                    'block 37 ', tag, f'by the {verify}')
        poke(device, 37, ('md', byte, 0x40))
    options = {'pi_opaque': 'pattern'} if '+64' in name else {}
    passes(pi(device, rw='write', bs='64k', apptag=1, randseed=1, **COMMON, **options), f'{name}: fill', write=SIZE >> 16)
    run = pi(device, rw='randwrite', bs='16k', verify='null', apptag=2, randseed=2, refill_buffers=1, pi_inject='all',
             pi_inject_rate=20, pi_inject_expect=1, **COMMON, **options)
    ok(run.status == 0 and not run.lines(), f'{name}: faults of every kind are found', run)


def ways(device):
    for way, options in WAYS.items():
        job = {**COMMON, 'bs': '8k', **options}
        passes(pi(device, rw='randwrite', verify='crc32c', **job), f'{way}: write and verify')
        passes(pi(device, rw='randread', **job), f'{way}: read')


def retries(name, device):
    """More than the queue takes, and larger than one request."""
    queue = Path('/sys/block', os.path.basename(device), 'queue')
    before = (queue / 'nr_requests').read_text()
    (queue / 'nr_requests').write_text('4')
    for bs, options in (('4k', {'iodepth': 256}), ('1m', {}), ('4m', {'iodepth': 4}), ('1m', {'fixedbufs': True})):
        passes(pi(device, rw='randwrite', bs=bs, verify='crc32c', **{**COMMON, 'size': 8 << 20, **options}),
               f'{name}: bs={bs} {options}, more than there are requests')
    ok(plain_read(device) == 0, f'{name}: the kernel agrees after that')
    (queue / 'nr_requests').write_text(before)


def test(*devices):
    for name, device in zip(KINDS, devices):
        round_trip(name, device)
    ways(devices[KINDS.index('4096+8')])
    for name in ('4096+8', '512+64,pos=last'):
        retries(name, devices[KINDS.index(name)])
    scsi = devices[-1]
    round_trip('scsi 512+8', scsi)
    retries('scsi 512+8', scsi)
    whole = ':'.join(devices[:-1])
    passes(pi(whole, rw='randwrite', bs='8k', nrfiles=len(KINDS), verify='crc32c', fixedbufs=True,
              **{**COMMON, 'size': len(KINDS) * SIZE}), 'one job on every format at once')


main(test, ['--kernel', 'lab', '--smp', '2',
            *(word for name in [*KINDS, 'scsi_debug:512+8'] for word in ('--disk', name))])
