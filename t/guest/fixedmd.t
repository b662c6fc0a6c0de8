#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Metadata in a registered buffer, on the lab kernel: round trips and wrong tags in every format, sizes, retries."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.formats import KINDS  # noqa: E402
from lib.layouts import fio  # noqa: E402
from lib.tap import main, ok, plain_read, poke  # noqa: E402

SIZE = 512 << 10
ELSEWHERE = [f'size={SIZE}', 'iodepth=16']
COMMON = [*ELSEWHERE, 'fixedmd']
WAYS = {
    'as it comes': [],
    'fixed buffers': ['fixedbufs'],
    'all registered': ['fixedbufs', 'registerfiles'],
    'vectors of two': ['nonvectored=0', 'pi_iovec=4096'],
    'SQPOLL': ['sqthread_poll'],
    'forced async': ['force_async=3'],
    'pi_mix': ['pi_mix=50', 'apptag=0'],
    'depth 1024': ['iodepth=1024', 'bs=4k'],
}
# a job that finds wrong tags has an error, so the exit status does not matter
FAULTS = 'pi_inject_expect=1'
# one wrong tag each, in separate I/Os
WRONG = {'guard': 37, 'application tag': 70, 'reference tag': 101}


def tags(name):
    """Return {tag: one of its bytes in the metadata} for a format."""
    base, options = name.split(',')[0], name.split(',')[1:]
    size = int(base.split('+')[1])
    wide = 'guard=crc64' in options
    first = 0 if 'pos=first' in options else size - (16 if wide else 8)
    guard, ref = (8, 6) if wide else (2, 4)
    found = {'guard': first + guard - 1, 'application tag': first + guard + 1}
    if 'type=3' not in options:
        found['reference tag'] = first + guard + 2 + ref - 1
    return found


def lines(done):
    return [line for line in done.stderr.splitlines() if 'io_uring_pi:' in line]


def all_pass(name, device, jobs):
    """Run jobs {job: (options, writes, reads)}; None accepts any number of I/Os."""
    done, ran = fio(device, {job: options for job, (options, *_) in jobs.items()})
    for job, (_, *expected) in jobs.items():
        ios = [ran[job][way]['total_ios'] for way in ('write', 'read')] if job in ran else [0, 0]
        good = job in ran and (not ran[job]['error'] or FAULTS in jobs[job][0]) and sum(ios) > 0 and all(
            count is None or count == had for count, had in zip(expected, ios))
        ok(good, f'{name}: {job}', ios, expected, done.stderr)
    ok(done.returncode == 0 and not lines(done), f'{name}: without a message', f'status {done.returncode}', done.stderr)


def wrong_tags(name, device):
    """Each wrong tag is found and named by whoever checks it."""
    found = tags(name)
    for tag, byte in found.items():
        poke(device, WRONG[tag], ('md', byte, 0x40))
    jobs = {verify: ['rw=read', 'bs=16k', f'pi_verify={verify}', 'continue_on_error=verify', *COMMON] for verify in ('host', 'device')}
    done, ran = fio(device, jobs)
    said = lines(done)
    for verify in jobs:
        for tag in found:
            mine = [line for line in said if f'block {WRONG[tag]} ' in line and tag in line and f'by the {verify}' in line]
            ok(len(mine) == 1, f'{name}: a wrong {tag}, {verify}', mine, done.stderr)
    ok(len(said) == 2 * len(found) and all(ran[verify]['total_err'] == len(found) for verify in jobs), f'{name}: and nothing else',
       done.stderr)
    for tag, byte in found.items():
        poke(device, WRONG[tag], ('md', byte, 0x40))


def round_trip(name, device):
    all_pass(name, device, {
        'write and verify': (['rw=randwrite', 'bs=16k', 'verify=crc32c', *COMMON], SIZE >> 14, SIZE >> 14),
        'and metadata from elsewhere': (['rw=randread', 'bs=4k', *ELSEWHERE], 0, SIZE >> 12),
        'written from elsewhere': (['rw=write', 'bs=64k', *ELSEWHERE], SIZE >> 16, 0),
        'read': (['rw=randread', 'bs=4k', *COMMON], 0, SIZE >> 12),
        'mixed sizes and another reference tag': (
            ['rw=randwrite', 'bssplit=4k/50:12k/30:128k/20', 'verify=md5', 'pi_reftag=0x1234567', *COMMON], None, None),
        'write': (['rw=write', 'bs=64k', *COMMON], SIZE >> 16, 0)})
    ok(plain_read(device, length=SIZE) == 0, f'{name}: the kernel verifies it too')
    # the first has no tuple, and the second refuses a wrong one
    if 'type=0' in name or 'scsi' in name:
        return
    wrong_tags(name, device)
    options = ['pi_opaque=pattern'] if '+64' in name else []
    all_pass(name, device, {
        'fill': (['rw=write', 'bs=64k', 'apptag=1', 'randseed=1', *COMMON, *options], SIZE >> 16, 0),
        'faults of every kind are found': (
            ['rw=randwrite', 'bs=16k', 'verify=null', 'apptag=2', 'randseed=2', 'refill_buffers=1', 'pi_inject=all', 'pi_inject_rate=20',
             FAULTS, *COMMON, *options], None, None)})


def ways(device):
    jobs = {}
    for way, options in WAYS.items():
        jobs[f'{way}: write and verify'] = ['rw=randwrite', 'verify=crc32c', *COMMON, 'bs=8k', *options], None, None
        jobs[f'{way}: read'] = ['rw=randread', *COMMON, 'bs=8k', *options], 0, None
    all_pass('4096+8', device, jobs)


def retries(name, device):
    """More I/Os than the queue takes, and larger than one request."""
    queue = Path('/sys/block', os.path.basename(device), 'queue')
    before = (queue / 'nr_requests').read_text()
    (queue / 'nr_requests').write_text('4')
    sizes = {'4k': ['iodepth=256'], '1m': [], '4m': ['iodepth=4'], '1m, fixed buffers': ['fixedbufs']}
    all_pass(f'{name}, more than there are requests', device, {
        f'bs={bs}': (['rw=randwrite', f'bs={bs.partition(",")[0]}', 'verify=crc32c', *COMMON, 'size=8m', *options], None, None)
        for bs, options in sizes.items()})
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
    all_pass('one job on every format at once', ':'.join(devices[:-1]), {
        'write and verify': (['rw=randwrite', 'bs=8k', f'nrfiles={len(KINDS)}', 'verify=crc32c', 'fixedbufs', *COMMON,
                              f'size={len(KINDS) * SIZE}'], None, None)})


main(test, ['--kernel', 'lab', '--smp', '2',
            *(word for name in [*KINDS, 'scsi_debug:512+8'] for word in ('--disk', name))])
