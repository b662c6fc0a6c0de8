#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Drives without a drive: a checker that is neither NVMe's nor scsi_debug's, and errors at I/Os of our choice."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, plain_read, refuses  # noqa: E402

SIZE = 1 << 20
BAD = 77
READ, WRITE = 0x28, 0x2a
# sense key, additional sense code and its qualifier
GUARD, MEDIUM = (0xb, 0x10, 1), (3, 0x11, 0)
PARAMETERS = Path('/sys/module/scsi_debug/parameters')


def checker(device):
    """LIO, whose sbc_dif_verify() is code of its own."""
    passes(pi(device, rw='write', bs='16k', size=SIZE, iodepth=8), 'tcm_loop: write', write=SIZE >> 14)
    ok(plain_read(device) == 0, 'the kernel verifies it')
    passes(pi(device, rw='randread', bs='4k', size=SIZE, iodepth=8), 'read', read=SIZE >> 12)
    passes(pi(device, rw='randwrite', bsrange='4k-64k', size=SIZE, iodepth=8, verify='crc32c'), 'write and verify')
    for kind in ('guard', 'data', 'reftag'):
        run = pi(device, rw='write', bs='4k', size=SIZE, pi_verify='device', pi_inject=kind, pi_inject_rate=8)
        ok(run.status != 0 and any('by the device' in line or 'the device found' in line for line in run.lines()),
           f'it refuses a write with a wrong {kind}', run)
    passes(pi(device, rw='write', bs='16k', size=SIZE), 'and goes on', write=SIZE >> 14)
    refuses(pi(device, rw='read', bs='4k', size=SIZE, apptag=0x5555),
            'the application tag is left to us', 'application tag expected 0x5555, found 0x1234 by the host')


def next_fails(command, sense):
    """One command of scsi_debug, with status CHECK CONDITION."""
    file = next(Path('/sys/kernel/debug/scsi_debug').glob('*:*/error'))
    file.write_text(f'2 -1 {command:x} 0 0 2 ' + ' '.join(f'{byte:x}' for byte in sense) + '\n')


def errors(device):
    job = {'bs': '4k', 'size': SIZE}
    passes(pi(device, rw='write', **job), 'scsi_debug: write', write=SIZE >> 12)
    next_fails(READ, GUARD)
    refuses(pi(device, rw='read', **job), 'PROTECTION at a read whose tuples are right', 'blocks 0 to 0',
            'the device found wrong protection information', 'not when asked again')
    next_fails(WRITE, GUARD)
    refuses(pi(device, rw='write', **job), 'PROTECTION at a write', 'what the host sent is right')
    next_fails(READ, MEDIUM)
    run = pi(device, rw='read', **job)
    ok(run.status != 0 and not run.lines() and 'No data available' in str(run), 'MEDIUM is an error, and no wrong tuple', run)

    (PARAMETERS / 'medium_error_start').write_text(str(BAD))
    (PARAMETERS / 'medium_error_count').write_text('1')
    (PARAMETERS / 'opts').write_text('2')
    run = pi(device, rw='read', iodepth=8, continue_on_error='io', ignore_error='61', **job)
    ok(run.jobs and run.jobs[0]['total_err'] == 1 and not [line for line in run.lines() if 'wrong' in line],
       f'MEDIUM at block {BAD}: one I/O fails, and no other', run)
    (PARAMETERS / 'opts').write_text('0')
    passes(pi(device, rw='read', **job), 'and nothing is left of it', read=SIZE >> 12)


def test(loop, debug):
    checker(loop)
    errors(debug)


main(test, ['--disk', 'tcm_loop:4096+8', '--disk', 'scsi_debug:4096+8'])
