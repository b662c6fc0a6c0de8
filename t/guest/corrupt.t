#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Wrong guards, application tags and reference tags are each detected and named."""
import json
import os
import resource
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, poke, refuses  # noqa: E402

FORMATS = ['4096+8', '512+8', '4096+64,pos=first', '4096+64,pos=last',
           '4096+8,type=3', '4096+64,guard=crc64', '512+16,guard=crc64']
PLACE = {'4096+64,pos=last': 56, '4096+64,guard=crc64': 48}
CRC16 = {'guard': (0, 2), 'application tag': (2, 4), 'reference tag': (4, 8)}
CRC64 = {'guard': (0, 8), 'application tag': (8, 10), 'reference tag': (10, 16)}
SIZE = 1 << 20
BLOCK = 37
TAGS = 'GUARD,REFTAG,APPTAG'


def job(device, **options):
    return pi(device, rw='read', bs='32k', size=SIZE, **options)


def damaged(name, device, tag, flips, at, fields):
    """Read one block with each verifier."""
    before = poke(device, BLOCK)
    poke(device, BLOCK, *flips)
    after = poke(device, BLOCK)
    what = f'{name}, {tag}, {flips}'
    words = [device, f'block {BLOCK} ', tag, 'expected 0x']
    if flips[0][0] == 'md' and flips[0][1] >= at:
        first, end = fields[tag]
        good = int.from_bytes(before[at + first:at + end], 'big')
        bad = int.from_bytes(after[at + first:at + end], 'big')
        words.append(f'expected 0x{good:x}, found 0x{bad:x}')
    for verify in ('host', 'device', 'both'):
        run = job(device, pi_verify=verify)
        refuses(run, f'{what}: pi_verify={verify} names it', *words,
                'by the host' if verify == 'host' else 'by the device')
        ok(run.jobs and run.jobs[0]['error'] == 84,
           f'{what}: pi_verify={verify} ends in EILSEQ', run)
    passes(job(device, pi_verify='none'),
           f'{what}: pi_verify=none does not look', read=SIZE >> 15)
    run = job(device, continue_on_error='verify')
    ok(run.status == 0 and run.jobs[0]['total_err'] == 1 and
       run.jobs[0]['first_error'] == 84 and
       run.ios('read') == SIZE >> 15,
       f'{what}: continue_on_error=verify counts one and goes on', run)
    poke(device, BLOCK, *flips)
    passes(job(device), f'{what}: it reads again after the repair', read=SIZE >> 15)


def each_tag(name, device):
    interval = 512 if name.startswith('512') else 4096
    at = PLACE.get(name, 0)
    fields = CRC64 if 'crc64' in name else CRC16
    tags = {tag: [('md', at + first + 1, 0x10)]
            for tag, (first, _) in fields.items()}
    if 'type=3' in name:
        del tags['reference tag']
    tags['guard '] = [('data', interval - 1, 0x80)]
    if at:
        tags['guard  '] = [('md', 5, 0x02)]

    passes(pi(device, rw='write', bs='64k', size=SIZE), f'{name}: write')
    for tag, flips in tags.items():
        damaged(name, device, tag.strip(), flips, at, fields)


def opaque(device):
    passes(pi(device, rw='write', bs='64k', size=SIZE,
              pi_opaque='pattern'), 'opaque bytes: write')
    poke(device, BLOCK, ('md', 20, 0x08))
    passes(job(device), 'opaque bytes: not looked at', read=SIZE >> 15)
    refuses(job(device, pi_opaque='pattern'), 'opaque bytes: looked at',
            f'block {BLOCK} ', 'opaque byte 20', 'by the host')


def chosen_checks(device):
    refuses(job(device, pi_verify='host', apptag=0x4321),
            'another application tag than was written', 'application tag',
            'expected 0x4321, found 0x1234')
    poke(device, BLOCK, ('md', 2, 0x01))
    passes(job(device, pi_verify='device', pi_chk='GUARD,REFTAG'),
           'pi_chk without APPTAG leaves that tag unchecked', read=SIZE >> 15)
    for verify in ('host', 'both'):
        passes(job(device, pi_verify=verify, pi_chk='GUARD,REFTAG'),
               f'so it does with pi_verify={verify}', read=SIZE >> 15)
    refuses(job(device, pi_chk='GUARD,REFTAG', pi_host_chk='APPTAG'),
            'pi_host_chk has the host check others', f'block {BLOCK} ',
            'application tag', 'by the host')
    passes(job(device, pi_host_chk='GUARD', pi_verify='host'),
           'or fewer', read=SIZE >> 15)
    refuses(job(device, pi_host_chk='GUARD'),
            'and the device as before', f'block {BLOCK} ',
            'application tag', 'by the device')
    passes(job(device, pi_host_chk=TAGS, pi_chk='GUARD,REFTAG', apptag_mask=0xfeff),
           'apptag_mask leaves out the flipped bit', read=SIZE >> 15)
    refuses(job(device, pi_host_chk=TAGS, pi_chk='GUARD,REFTAG', apptag_mask=0x0100),
            'apptag_mask with only the flipped bit', 'application tag')
    poke(device, BLOCK, ('md', 2, 0x01))


def checks_by_block(device):
    """A wrong reference tag is detected exactly where it is checked."""
    poke(device, BLOCK, ('md', 7, 0x01))
    there, elsewhere = 'APPTAG,REFTAG@32-39:GUARD,APPTAG', 'GUARD,APPTAG@32-39:GUARD,APPTAG,REFTAG'
    for name, verify in ((device, 'host'), (device, 'device'), (device.replace('nvme', 'ng'), 'device')):
        refuses(job(name, pi_verify=verify, pi_chk=there), f'{name}: the {verify} checks REFTAG in some blocks', f'block {BLOCK} ',
                'reference tag', f'by the {verify}')
        passes(job(name, pi_verify=verify, pi_chk=elsewhere), f'{name}: or in all others', read=SIZE >> 15)
    poke(device, BLOCK, ('md', 7, 0x01))


def escape(device):
    # 0x1234 -> 0xffff is the escape value: the guard of that block is not checked either
    poke(device, BLOCK, ('md', 2, 0xed), ('md', 3, 0xcb), ('md', 0, 0xff))
    passes(job(device), 'a block with the escape is not checked',
           read=SIZE >> 15)
    poke(device, BLOCK + 1, ('md', 0, 0xff))
    refuses(job(device), 'the block after it is', f'block {BLOCK + 1} ', 'guard')


def told(device, wrong, verify):
    """Errors appear in messages, records and dumps."""
    os.makedirs('dump', exist_ok=True)
    run = job(device, continue_on_error='verify', pi_verify=verify,
              pi_errors='errors', pi_dump='dump')
    lines = run.lines()
    ok(run.jobs[0]['total_err'] == 3 and len(lines) == 3 and
       'and 1 more block' in lines[1] and
       all(any(f'block {block} ' in line for line in lines)
           for block in (1, 100, 200)),
       f'pi_verify={verify}: four wrong blocks in three reads: three lines',
       run)
    with open('errors', encoding='utf-8') as file:
        records = [json.loads(line) for line in file]
    ok({(r['block'], r['tag']) for r in records} == set(wrong.items()) and
       len(records) == 4 and
       all(r['finder'] == verify and r['file'] == device and
           r['job'] == 'job' and r['direction'] == 'read' and
           r['offset'] // 4096 + r['block_in_io'] == r['block'] and
           int(r['expected'], 16) ^ int(r['actual'], 16) for r in records),
       f'pi_verify={verify}: four records in pi_errors', records)
    for block in wrong:
        name = f'dump/{os.path.basename(device)}-{block}'
        ok(os.path.getsize(f'{name}.data') == 4096 and
           Path(f'{name}.md').read_bytes() == poke(device, block),
           f'pi_verify={verify}: pi_dump keeps block {block}')
    shutil.rmtree('dump')
    os.remove('errors')


def several(device):
    passes(pi(device, rw='write', bs='64k', size=SIZE), 'write once more')
    wrong = {1: 'guard', 100: 'application tag', 103: 'reference tag',
             200: 'guard'}
    for block, tag in wrong.items():
        poke(device, block, ('md', 2 * list(CRC16).index(tag), 0xf0))
    for verify in ('host', 'device'):
        told(device, wrong, verify)


def nowhere_and_many(device):
    for option in ('pi_errors', 'pi_dump'):
        refuses(job(device, **{option: '/dev/null/x'}), f'{option} nowhere',
                option, '/dev/null/x', 'Not a directory')
    os.mkdir('dump')
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
    run = job(device, continue_on_error='verify', pi_verify='host', pi_dump='dump')
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    said = [line for line in run.lines() if 'pi_dump' in line]
    ok(len(said) == 1 and 'No space left' in said[0] and not os.listdir('dump'), 'part of a block in pi_dump is reported, and removed', run,
       os.listdir('dump'))
    for block in range(30):
        poke(device, block, ('md', 0, 0xff))
    run = pi(device, rw='read', bs='4k', size=SIZE, iodepth=4,
             continue_on_error='verify', pi_verify='host')
    ok(run.jobs[0]['total_err'] == 33 and len(run.lines()) == 10 and
       'counted' in run.lines()[-1], 'many errors: ten lines, all counted', run)


def merged(device):
    """The kernel merges reads, and the device fails all of them for one wrong block."""
    passes(pi(device, rw='write', bs='64k', size=SIZE), 'write for the last time')
    poke(device, 60, ('md', 0, 0xff))
    run = pi(device, rw='read', bs='4k', size=SIZE, iodepth=32, iodepth_batch=32, iodepth_batch_complete_min=32,
             continue_on_error='verify', pi_verify='device')
    others = [line for line in run.lines() if ': block 60 ' not in line]
    ok(len(run.lines()) - len(others) == 1 and len(others) <= 10 and all('queue/nomerges' in line for line in others),
       'the wrong block is named, however many reads fail with it', run)


def test(*devices):
    for name, device in zip(FORMATS, devices):
        each_tag(name, device)
    opaque(devices[2])
    for part in (chosen_checks, checks_by_block, escape, several, nowhere_and_many, merged):
        part(devices[0])


main(test, [word for name in FORMATS for word in ('--disk', name)])
