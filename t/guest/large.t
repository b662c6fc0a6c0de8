#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Beyond block 2^32: 48-bit reference tags are complete, 32-bit ones wrap around."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, plain_read, poke, refuses  # noqa: E402

FORMATS = {'512+16,guard=crc64': (10, 16), '512+8': (4, 8)}
SIZE = 1 << 20
START = (512 << 32) - SIZE // 2
BEYOND = (1 << 32) + 5


def lines(name):
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def retried(name, device, job, **options):
    """Have every I/O retried by a worker, because the queue is full or the I/O is split."""
    for bs in (4096, 1 << 20):
        run = {'bs': bs, **{**job, 'iodepth': 256}, **options}
        passes(pi(device, rw='randwrite', verify='crc32c', **run), f'{name}: write and verify at depth 256, bs={bs}',
               write=SIZE // bs, read=SIZE // bs)
        passes(pi(device, rw='randread', **run), f'{name}: read at depth 256, bs={bs}', read=SIZE // bs)
    ok(plain_read(device, START, SIZE) == 0, f'{name}: the kernel agrees after that')


def found(name, device, job, **options):
    """Host and device detect a tag that lost its upper half on the media, and report the media's value."""
    expected = options.get('pi_reftag', 0) + BEYOND
    for verify in ('host', 'device'):
        Path('errors').unlink(missing_ok=True)
        refuses(pi(device, rw='read', bs='64k', pi_verify=verify, pi_errors='errors', **job, **options),
                f'{name}: a tag that lost its upper half, {verify}', f'block {BEYOND} ', f'by the {verify}',
                f'reference tag expected 0x{expected:x}, found 0x5 ')
        ok([(r['block'], r['tag'], r['expected'], r['actual']) for r in lines('errors')] ==
           [(BEYOND, 'reference tag', hex(expected), '0x5')], f'{name}: its record, {verify}', lines('errors'))


def injected(name, device, job, kinds, **options):
    for words, by in (({'pi_verify': 'host'}, 'host'), ({}, 'device'),
                      ({'pi_inject_at': 'back', 'pi_inject': 'guard,reftag', 'rw': 'read', 'verify': '0'}, 'host')):
        for log in ('errors', 'log'):
            Path(log).unlink(missing_ok=True)
        run = pi(device, **{'rw': 'write', 'bs': '16k', 'verify': 'null', 'pi_inject': kinds, 'pi_inject_rate': 20,
                            'pi_inject_expect': 1, 'pi_inject_log': 'log', 'pi_errors': 'errors', **job, **options,
                            **words})
        faults = {fault['block']: fault for fault in lines('log') if 'kind' in fault}
        wrong = {record['block'] for record in lines('errors')}
        first = START // 512
        ok(run.status == 0 and not run.lines() and len(faults) > 20 and wrong == set(faults) and
           all(first <= block < first + SIZE // 512 for block in faults),
           f'{name}: {len(faults)} faults, all found by the {by}', wrong ^ set(faults), run)
        # a bit of the expected tag
        flips = [record for record in lines('errors') if faults[record['block']]['kind'] == 'reftag']
        ok(all((int(r['expected'], 16) ^ int(r['actual'], 16)).bit_count() in (1, 2) for r in flips),
           f'{name}: a reference tag has a bit flipped', flips)
        passes(pi(device, rw='write', bs='64k', **job, **options), f'{name}: put right', write=16)


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
        poke(device, BEYOND, ('md', first + 1, 1))
        refuses(pi(device, rw='read', bs='64k', **job), f'{name}: a wrong tag',
                f'block {BEYOND} ', 'reference tag')
        poke(device, BEYOND, ('md', first + 1, 1))

        Path(f'/sys/block/{os.path.basename(device)}/queue/nr_requests').write_text('4')
        retried(name, device, job)
        injected(name, device, job, 'guard,apptag,reftag,misplace')

    wide = devices[0]
    for tag in ('0x123456789abc', '0xfffffff0'):
        retried(f'pi_reftag={tag}', wide, job, pi_reftag=tag)
    injected('pi_reftag', wide, job, 'guard,apptag,reftag,misplace', pi_reftag=0x123456789abc)
    poke(wide, BEYOND, ('md', 11, 1))
    for name, options in (('48 bits', {}), ('48 bits, pi_reftag', {'pi_reftag': 0x777}),
                          ('48 bits, wide pi_reftag', {'pi_reftag': 0x123456789abc})):
        found(name, wide, job, **options)
    poke(wide, BEYOND, ('md', 11, 1))
    # a wrong guard is found in a write whose reference tags the kernel has remapped
    Path('errors').unlink(missing_ok=True)
    refuses(pi(wide, rw='write', bs='64k', pi_inject='guard', pi_inject_blocks=BEYOND, pi_errors='errors', **job),
            'a refused write names the wrong tag', f'block {BEYOND} ', 'guard expected')
    ok([(r['block'], r['tag']) for r in lines('errors')] == [(BEYOND, 'guard')], 'and nothing else', lines('errors'))
    passes(pi(wide, rw='write', bs='64k', **job), 'put right', write=16)
    poke(wide, BEYOND, ('md', 0, 1))
    os.mkdir('dump')
    refuses(pi(wide, rw='read', bs='64k', pi_dump='dump', **job), 'a wrong guard', f'block {BEYOND} ', 'guard')
    kept = Path(f'dump/{os.path.basename(wide)}-{BEYOND}.md').read_bytes()
    ok(kept == poke(wide, BEYOND), 'pi_dump keeps its metadata as it is on the media', kept.hex())


main(test, [word for name in FORMATS for word in ('--disk', f'{name},size=2200G')])
