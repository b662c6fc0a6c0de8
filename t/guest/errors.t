#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The lab kernel fails chosen I/Os with a chosen status; the status is reported unchanged, and for those I/Os only."""
import errno
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, refuses  # noqa: E402

SIZE = 1 << 20
BAD = 77
IOS = SIZE >> 12
STATUS = {'TIMEOUT': errno.ETIMEDOUT, 'MEDIUM': errno.ENODATA}


class Injected:
    """Within this context, I/O of that kind to block BAD ends with that status."""

    def __init__(self, device, op, status):
        self.file = Path('/sys/kernel/debug/block', os.path.basename(device), 'error_injection')
        self.rule = f'add,op={op},start={BAD * 8},nr_sectors=8,status={status}\n'

    def __enter__(self):
        self.file.write_text(self.rule)

    def __exit__(self, *error):
        self.file.write_text('removeall\n')


def job(device, rw, **options):
    return pi(device, rw=rw, bs='4k', size=SIZE, iodepth=8, **options)


def stays(device, rw, status):
    with Injected(device, rw.upper(), status):
        run = job(device, rw)
        ok(run.status != 0 and run.jobs[0]['error'] == STATUS[status] and not run.lines(),
           f'{device}: {status} at a {rw}: the job ends with it, and no tuple is wrong', run)
        run = job(device, rw, continue_on_error='io', ignore_error=f'{STATUS[status]},{STATUS[status]}')
        ok(run.status == 0 and run.jobs[0]['total_err'] == 1 and run.ios(rw) == IOS and
           not any('wrong' in line for line in run.lines()), f'{device}: one I/O fails, and no other', run)
    passes(job(device, rw), f'{device}: and afterwards there are no errors', **{rw: IOS})


def protection(device):
    """The media is correct, and reading again fails in the same way."""
    with Injected(device, 'READ', 'PROTECTION'):
        refuses(job(device, 'read'), f'{device}: PROTECTION at a read', f'block {BAD} (',
                'the device found wrong protection information', 'does not say which tag of which block')
    with Injected(device, 'WRITE', 'PROTECTION'):
        refuses(job(device, 'write'), f'{device}: PROTECTION at a write', f'block {BAD} (', 'what the host sent is right')


def test(nvme, ublk):
    for device in (nvme, ublk):
        passes(job(device, 'randwrite', verify='crc32c'), f'{device}: write and verify', write=IOS, read=IOS)
    for rw, status in (('read', 'TIMEOUT'), ('write', 'TIMEOUT'), ('read', 'MEDIUM')):
        stays(nvme, rw, status)
    protection(nvme)
    passes(job(ublk, 'read', pi_layout='region', fixedmd=True), 'ublk with a layout of the lab kernel', read=IOS)


main(test, ['--kernel', 'lab', '--disk', '4096+8', '--disk', 'ublk:4096+8'])
