#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Injected faults are each found by the right checker, with the right tag, and recorded."""
import itertools
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, pi, plain_read, poke, refuses  # noqa: E402

SIZE = 8 << 20
FORMATS = {'4096+8': '', '512+8': '', '4096+64,pos=last': '', '512+64,pos=first': '',
           '4096+16,guard=crc64': '', '4096+8,type=3': 'type 3', '4096+16,type=0': 'no tuple'}
# the tag that each kind must be reported as
SHOWS = {'data': ['guard'], 'guard': ['guard'], 'tear': ['guard'], 'apptag': ['application tag'],
         'reftag': ['reference tag'], 'opaque': ['opaque byte'],
         'misplace': ['reference tag', 'application tag', 'opaque byte'], 'drop': ['application tag']}
SEEDS = itertools.count(1)


def lines(name):
    return [json.loads(line) for line in Path(name).read_text().splitlines()]


def data():
    """Options for data that differs from earlier runs, or tearing changes nothing; but is fixed: one tear in 65536 passes."""
    return {'refill_buffers': 1, 'randseed': next(SEEDS)}


def inject(device, **options):
    """Run with expected faults; return the run, its log and its records."""
    for name in ('log', 'errors'):
        Path(name).unlink(missing_ok=True)
    options = {'rw': 'write', 'bs': '16k', 'size': SIZE, 'iodepth': 8, 'verify': 'null', 'pi_inject': 'all',
               'pi_inject_rate': 20, 'pi_inject_expect': 1, 'pi_inject_log': 'log', 'pi_errors': 'errors',
               **data(), **options}
    run = pi(device, **options)
    told = lines('log') if os.path.exists('log') else []
    faults = {line['fault']: line for line in told if 'kind' in line}
    for line in told:
        if 'outcome' in line:
            faults[line['fault']].update(line)
    return run, list(faults.values()), lines('errors') if os.path.exists('errors') else []


def all_found(name, run, faults, records, by=('host', 'device')):
    """Check that every fault has a record with the right block and tag, and nothing else has one."""
    reported = {}
    for record in records:
        reported.setdefault(record['block'], set()).add(record['tag'])
    lost = [fault for fault in faults
            if not reported.get(fault['block'], set()) & set(SHOWS[fault['kind']]) or
            fault.get('outcome') not in [f'found by the {who}' for who in by]]
    invented = set(reported) - {fault['block'] for fault in faults}
    return ok(run.status == 0 and len(faults) > 20 and not lost and not invented and not run.lines(),
              f'{name}: {len(faults)} faults, all found', f'lost {lost[:5]}, invented {sorted(invented)[:5]}', run)


def fill(name, device, apptag, options):
    run = pi(device, rw='write', bs='64k', size=SIZE, apptag=apptag, **data(), **options)
    ok(run.status == 0 and not run.lines(), f'{name}: fill', run)


def every_kind(name, special, device):
    options = {'pi_opaque': 'pattern'} if '+64' in name or special == 'no tuple' else {}
    if special == 'type 3':
        options.update(pi_apptag='random', pi_reftag='0x12345678')
    fill(name, device, 1, options)
    run, faults, records = inject(device, pi_verify='host', apptag=2, **options)
    all_found(f'{name}, stored', run, faults, records, ['host'])
    kinds = {fault['kind'] for fault in faults}
    wanted = {'opaque', 'misplace'} if special == 'no tuple' else set(SHOWS)
    if not options.get('pi_opaque'):
        wanted.discard('opaque')
    ok(kinds == wanted, f'{name}: every kind that shows was injected', kinds ^ wanted)
    # the same seed gives the same faults, on the same blocks
    run, again, records = inject(device, pi_verify='host', apptag=3, iodepth=1, **options)
    differ = {(f['block'], f['kind']) for f in again} ^ {(f['block'], f['kind']) for f in faults}
    ok(not differ, f'{name}: the same seed, the same faults', sorted(differ), run)
    other = inject(device, pi_verify='host', apptag=4, pi_inject_seed=99, **options)[1]
    ok({fault['block'] for fault in other} != {fault['block'] for fault in faults},
       f'{name}: another seed, others')
    fill(name, device, 6, options)
    all_found(f'{name}, back', *inject(device, rw='randread', pi_verify='host', pi_inject_at='back', verify='0',
                                       apptag=6, **options), ['host'])
    if special != 'no tuple':
        run, faults, records = inject(device, apptag=5, **options)
        all_found(f'{name}, refused or stored', run, faults, records)
        ok(any(fault['outcome'] == 'found by the device' for fault in faults) and
           {fault['outcome'] for fault in faults if fault['kind'] == 'data'} == {'found by the device'},
           f'{name}: the device finds what hits the guard', faults[:5])


def outcomes(device):
    # faults that protection information cannot find are reported as missed, and the job fails
    run, faults, records = inject(device, pi_inject='data', pi_inject_at='before')
    ok(run.status != 0 and len(run.lines()) == 1 and 'missed' in run.lines()[0] and not records and
       {fault['outcome'] for fault in faults} == {'missed'}, 'before the tuples are generated: missed', run)
    run, faults, records = inject(device, pi_inject='data', pi_inject_at='before', verify='crc32c')
    ok(run.status != 0 and 'verify failed' in run.stderr + run.out, 'but fio sees that one', run)
    run, faults, records = inject(device, pi_verify='none')
    ok(run.status != 0 and {fault['outcome'] for fault in faults} == {'missed'}, 'nobody verifies: reported as missed', run)
    run, faults, records = inject(device, verify='0', pi_verify='host')
    ok(run.status != 0 and {fault['outcome'] for fault in faults} == {'not read back'}, 'nobody reads: reported as not read back', run)
    run, faults, records = inject(device, pi_verify='host', verify='0', loops=2)
    ok(run.status != 0 and {fault['outcome'] for fault in faults} == {'overwritten', 'not read back'} and
       len(faults) % 2 == 0, 'written twice: overwritten', run)


def chosen_blocks(device):
    # expected faults do not hide what fio's own verify finds
    pi(device, rw='write', bs='16k', size=SIZE)
    run, faults, records = inject(device, rw='read', pi_inject_at='back', pi_inject='guard', pi_inject_blocks='7',
                                  verify='crc32c')
    ok(run.status != 0 and faults[0]['outcome'] == 'found by the host' and '511 other failed I/Os' in run.lines()[-1],
       'a failed verify= fails the job, all faults found', faults, run)
    # a list of blocks; check the media
    pi(device, rw='write', bs='16k', size=SIZE)
    run, faults, records = inject(device, pi_verify='host', pi_inject='guard,reftag', pi_inject_blocks='7,100-103')
    ok(run.status == 0 and sorted(fault['block'] for fault in faults) == [7, 100, 101, 102, 103] and
       plain_read(device, 7 * 4096, 4096) == 84 and not plain_read(device, 8 * 4096, 4096),
       'pi_inject_blocks damages these and no others', faults, run)
    # with pi_reftag, the kernel has remapped the reference tags by the time a write is refused
    all_found('pi_reftag', *inject(device, pi_reftag='0x777', apptag=9))
    # a fault that this job did not inject is not expected
    pi(device, rw='write', bs='16k', size=SIZE)
    poke(device, 50, ('md', 0, 0x10))
    run, faults, records = inject(device, rw='read', verify='0', pi_inject_at='back', pi_inject='guard',
                                  pi_inject_blocks='7')
    ok(run.status != 0 and len(run.lines()) == 2 and 'block 50 ' in run.lines()[0] and
       '1 errors without a fault' in run.lines()[1], 'an error that was not injected fails the job', run)
    # without pi_inject_expect the faults are ordinary errors
    run, faults, records = inject(device, pi_verify='host', pi_inject='guard', pi_inject_blocks='9', pi_inject_expect=0)
    refuses(run, 'without pi_inject_expect a found fault ends the job', 'block 9 ', 'guard', 'by the host')
    pi(device, rw='write', bs='16k', size=SIZE)


def refused(device, type3):
    base = {'rw': 'read', 'bs': '16k', 'size': SIZE}
    for options, words in (
            ({'pi_inject': 'data,gard'}, ["'gard'", 'data,guard,apptag']),
            ({'pi_inject': ''}, []),
            ({'pi_inject': 'all', 'pi_inject_blocks': '9-3'}, ['9-3', '7,100-120']),
            ({'pi_inject': 'drop', 'pi_inject_at': 'back'}, ['drop', 'back']),
            ({'pi_inject': 'guard', 'pi_inject_at': 'before'}, ['guard', 'before']),
            ({'pi_inject': 'opaque'}, ['opaque', '4096+8', 'pi_opaque']),
            ({'pi_inject': 'all', 'apptag': '0xffff'}, ['not checked']),
            ({'pi_inject': 'all', 'pi_layout': 'none'}, ['pi_layout=none']),
            ({'pi_inject_expect': 1}, ['pi_inject=all']),
            ({'pi_inject': 'all', 'pi_inject_log': '/dev/null/x'}, ['pi_inject_log', 'Not a directory'])):
        run = pi(device, **base, **options)
        if words:
            refuses(run, f'refused: {options}', *words)
        else:
            ok(run.status != 0 and not run.ios('read'), f'refused: {options}', run)
    refuses(pi(type3, **base, pi_inject='reftag'), 'refused: no reference tag on type 3', 'reftag', 'type 3',
            'pi_reftag')


def test(*devices):
    for (name, special), device in zip(FORMATS.items(), devices):
        every_kind(name, special, device)
    outcomes(devices[0])
    chosen_blocks(devices[0])
    refused(devices[0], devices[5])


main(test, [word for name in FORMATS for word in ('--disk', name)])
