#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""DEFAULTS in io_uring_pi(7): each with fio's own engine, with this one, and with this one and the option for fio's behaviour."""
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import Fio, main, ok, passes, pi, poke, refuses  # noqa: E402

SIZE, STATS = 64 << 12, 'stats.json'
JOB = {'bs': '16k', 'size': SIZE}
IOS = SIZE >> 14
BLOCK = 5
# positions of the tags in the 8 bytes of a tuple
GUARD, APP, REF = slice(0, 2), slice(2, 4), slice(4, 8)


class Disk:
    def __init__(self, device):
        self.block, self.char = device, device.replace('/dev/nvme', '/dev/ng')

    def cmd(self, rw, **options):
        """Run fio's io_uring_cmd, with a metadata buffer if pi_act=0."""
        return Fio('io_uring_cmd', self.char, rw=rw, direct=0, cmd_type='nvme',
                   **{'md_per_io_size': 32, 'pi_act': 0, **JOB, **options})

    def uring(self, rw, **options):
        return Fio('io_uring', self.block, rw=rw, **{**JOB, **options})

    def ours(self, rw, character=True, **options):
        return pi(self.char if character else self.block, rw=rw, pi_stats=STATS, **{**JOB, **options})

    def tuple(self, block=BLOCK):
        return poke(self.block, block)


def stats():
    with open(STATS) as file:
        line = json.loads(file.readlines()[-1])
    os.unlink(STATS)
    return line


def action(disk):
    passes(disk.ours('write'), 'write with good tuples', write=IOS)
    passes(disk.cmd('write', pi_act=1, apptag=0x77), 'io_uring_cmd: pi_act=1', write=IOS)
    inserted = disk.tuple()
    ok(inserted[APP] == b'\0\0', 'it sends no application tag with a command that does not check it', inserted.hex())
    run = Fio('io_uring_cmd', disk.char, rw='write', direct=0, cmd_type='nvme', **JOB)
    passes(run, 'and that is its default', write=IOS)
    ok(disk.tuple()[APP] == inserted[APP] and disk.tuple()[REF] == inserted[REF], 'the same tags', disk.tuple().hex())
    passes(disk.ours('write', apptag=0x77), 'ours: pi_act=0', write=IOS)
    ok(stats()['device_blocks']['generated'] == 0 and disk.tuple()[APP] == b'\0\x77', 'the host makes the tuples', disk.tuple().hex())
    passes(disk.ours('write', pi_act=1, apptag=0), 'pi_act=1', write=IOS)
    ok(stats()['device_blocks']['generated'] == SIZE >> 12 and disk.tuple()[APP] == b'\0\0', 'the device does', disk.tuple().hex())


def checks(disk):
    """Nothing is checked unless pi_chk is given; then host and device check the same."""
    passes(disk.ours('write', apptag=0x55), 'write with another tag', write=IOS)
    passes(disk.cmd('read'), 'io_uring_cmd checks nothing', read=IOS)
    refuses(disk.ours('read'), 'ours all', 'application tag expected 0x1234, found 0x55')
    passes(disk.ours('read', pi_verify='none'), 'or nothing, with pi_verify=none', read=IOS)
    for chk in ('GUARD', 'GUARD,REFTAG', 'REFTAG'):
        passes(disk.cmd('read', pi_chk=chk), f'io_uring_cmd: pi_chk={chk}', read=IOS)
        for verify in ('both', 'host', 'device'):
            passes(disk.ours('read', pi_chk=chk, pi_verify=verify), f'ours: pi_chk={chk} pi_verify={verify}', read=IOS)
    run = disk.cmd('read', pi_chk='APPTAG')
    ok(run.status != 0, 'io_uring_cmd: pi_chk=APPTAG', run)
    for verify in ('host', 'device'):
        refuses(disk.ours('read', pi_chk='APPTAG', pi_verify=verify), f'ours: pi_chk=APPTAG pi_verify={verify}',
                'application tag expected 0x1234, found 0x55', f'by the {verify}')
    for character in (True, False):
        refuses(disk.ours('read', character, pi_chk='GUARD', pi_host_chk='GUARD,APPTAG'), 'pi_host_chk', 'by the host')
        refuses(disk.ours('read', character, pi_chk='GUARD,APPTAG', pi_host_chk='GUARD'), 'without it for the host', 'by the device')
    for options in ({'pi_verify': 'device'}, {'pi_verify': 'none'}, {'pi_act': 1}):
        refuses(disk.ours('read', pi_host_chk='GUARD', **options), f'pi_host_chk with {options}', 'pi_host_chk')

    poke(disk.block, BLOCK, ('md', 0, 0xff))
    for verify in ('host', 'device', 'both'):
        refuses(disk.ours('read', pi_chk='GUARD', pi_verify=verify), f'pi_chk=GUARD pi_verify={verify} finds the guard',
                f'block {BLOCK} ', 'guard expected')
        passes(disk.ours('read', pi_chk='REFTAG', pi_verify=verify), f'pi_chk=REFTAG pi_verify={verify} does not', read=IOS)
    for kind, chk in (('guard', 'REFTAG'), ('apptag', 'GUARD'), ('reftag', 'GUARD,APPTAG'), ('data', 'APPTAG')):
        refuses(disk.ours('write', pi_chk=chk, pi_inject=kind), f'{kind} faults with pi_chk={chk} would not show', f'pi_inject={kind}',
                'pi_chk')
    run = disk.ours('write', pi_chk='GUARD', pi_inject='all', pi_inject_rate=8, pi_inject_expect=1, verify='null', apptag=0x66)
    ok(run.status == 0 and not run.lines(), 'all that show with pi_chk=GUARD are found', run)


def unchecked_in_writes(disk):
    passes(disk.ours('write'), 'good tuples', write=IOS)
    good = disk.tuple()
    passes(disk.cmd('write', pi_chk='GUARD'), 'io_uring_cmd writes the tags in pi_chk', write=IOS)
    ok(disk.tuple()[APP] != good[APP] and disk.tuple()[REF] != good[REF], 'and no others', disk.tuple().hex())
    passes(disk.ours('write', pi_chk='GUARD'), 'ours writes all of them', write=IOS)
    ok(disk.tuple()[APP] == good[APP] and disk.tuple()[REF] == good[REF], 'pi_chk or not', disk.tuple().hex())


def attribute(disk):
    """Test the defaults on the block device."""
    passes(disk.uring('write'), 'io_uring without md_per_io_size: plain I/O', write=IOS)
    ok(disk.tuple()[APP] == b'\0\0', 'the kernel makes the tuples', disk.tuple().hex())
    passes(disk.ours('write', False), 'ours: with protection information', write=IOS)
    ok(disk.tuple()[APP] == b'\x12\x34', 'of its own', disk.tuple().hex())
    passes(disk.ours('write', False, pi_layout='none'), 'without, with pi_layout=none', write=IOS)
    ok(disk.tuple()[APP] == b'\0\0', 'as there', disk.tuple().hex())
    own = {'md_per_io_size': 32, 'pi_act': 0, 'pi_chk': 'GUARD', 'apptag_mask': 0xff}
    run = disk.uring('write', **own)
    ok(run.status != 0 and 'apptag_mask' in str(run), 'io_uring refuses another apptag_mask than 0xffff', run)
    passes(disk.ours('write', False, **own), 'ours takes it', write=IOS)
    passes(disk.ours('read', False, apptag=0xff34, apptag_mask=0xff), 'for the host', read=IOS)


def errors(disk):
    passes(disk.ours('write'), 'write', write=IOS)
    poke(disk.block, BLOCK, ('md', 3, 0x10))
    run = disk.cmd('read', pi_chk='GUARD,APPTAG,REFTAG', continue_on_error='verify')
    ok(run.status != 0 and run.jobs and run.jobs[0]['error'] not in (0, 84), 'io_uring_cmd: a wrong tuple is not EILSEQ', run)
    for which, passed in (('verify', True), ('read', False), ('all', True)):
        run = disk.ours('read', continue_on_error=which)
        ok((run.status == 0) == passed and run.jobs[0]['total_err' if passed else 'error'] == (1 if passed else 84),
           f'ours: EILSEQ, continue_on_error={which}', run)


def test(device):
    disk = Disk(device)
    action(disk)
    checks(disk)
    unchecked_in_writes(disk)
    attribute(disk)
    errors(disk)


main(test, ['--disk', '4096+8'])
