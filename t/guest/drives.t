#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Emulated targets for what QEMU's drives cannot do: another checker (LIO), errors on chosen I/Os, any tuple at all."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, plain_read, refuses  # noqa: E402

SIZE = 1 << 20
BAD = 77
READ, WRITE = 0x28, 0x2a
# sense key, additional sense code and qualifier
GUARD, MEDIUM = (0xb, 0x10, 1), (3, 0x11, 0)
PARAMETERS = Path('/sys/module/scsi_debug/parameters')


def checker(device):
    """LIO checks with its own code, sbc_dif_verify()."""
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
    """Make one scsi_debug command end with CHECK CONDITION."""
    file = next(Path('/sys/kernel/debug/scsi_debug').glob('*:*/error'))
    file.write_text(f'2 -1 {command:x} 0 0 2 ' + ' '.join(f'{byte:x}' for byte in sense) + '\n')


def errors(device):
    job = {'bs': '4k', 'size': SIZE}
    passes(pi(device, rw='write', **job), 'scsi_debug: write', write=SIZE >> 12)
    next_fails(READ, GUARD)
    refuses(pi(device, rw='read', **job), 'PROTECTION at a read whose tuples are right', 'block 0 (read',
            'the device found wrong protection information', 'not when it was read again')
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
    passes(pi(device, rw='read', **job), 'and afterwards there are no errors', read=SIZE >> 12)


class Any:
    """A disk that checks nothing and returns the contents of its files."""

    FIELDS = {8: {'guard': 2, 'application tag': 2, 'reference tag': 4}, 16: {'guard': 8, 'application tag': 2, 'reference tag': 6}}

    def __init__(self, name, device):
        self.name, self.device = name, device
        self.block, self.metadata = map(int, name.split(',')[0].partition(':')[2].split('+'))
        self.tuple = 16 if 'crc64' in name else 8
        self.at = 0 if 'first' in name else self.metadata - self.tuple
        self.type3 = 'type=3' in name
        self.data, self.md = (Path(f'/run/{Path(device).name.replace("ublkb", "ublk")}.{what}') for what in ('data', 'md'))

    def tag_of(self, byte):
        """Return the tag that a byte of the tuple belongs to."""
        for tag, size in self.FIELDS[self.tuple].items():
            if byte < size:
                return tag
            byte -= size
        return None

    def get(self, block):
        with open(self.md, 'rb') as file:
            file.seek(block * self.metadata)
            return file.read(self.metadata)

    def put(self, block, content):
        with open(self.md, 'r+b') as file:
            file.seek(block * self.metadata)
            file.write(content)

    def exchange(self, one, other):
        """Swap the data of two blocks."""
        with open(self.data, 'r+b') as file:
            both = [(file.seek(at * self.block), file.read(self.block))[1] for at in (one, other)]
            for at, content in zip((other, one), both):
                file.seek(at * self.block)
                file.write(content)

    def found(self, **options):
        """Return {block: tag} of the errors that a read finds, and the run."""
        errors = Path('found')
        errors.unlink(missing_ok=True)
        run = pi(self.device, rw='read', bs='32k', size=SIZE, continue_on_error='verify', pi_errors=errors, **options)
        records = [json.loads(line) for line in errors.read_text().splitlines()]
        return {record['block']: record['tag'] for record in records if record['finder'] == 'host'}, run


def each_bit(disk):
    """Flip one bit of the tuple in each block, also in metadata that the guard covers."""
    wrong = {}
    for bit in range(8 * disk.tuple):
        content = bytearray(disk.get(bit))
        content[disk.at + bit // 8] ^= 1 << bit % 8
        disk.put(bit, content)
        if not (disk.type3 and disk.tag_of(bit // 8) == 'reference tag'):
            wrong[bit] = disk.tag_of(bit // 8)
    if disk.at:
        block = 8 * disk.tuple
        disk.put(block, b'\x01' + disk.get(block)[1:])
        wrong[block] = 'guard'
    found, run = disk.found()
    ok(found == wrong and run.jobs[0]['total_err'] and run.status == 0,
       f'{disk.name}: each of {8 * disk.tuple} bits of a tuple is found, and is its tag', set(found.items()) ^ set(wrong.items()), run)
    ok(disk.found(pi_verify='device')[0] == {}, f'{disk.name}: the device finds nothing')


def never_from_a_drive(disk):
    """Read tuples that a checking device would never return."""
    disk.exchange(3, 4)
    one, other = disk.get(3), disk.get(4)
    disk.put(3, other)
    disk.put(4, one)
    escaped = bytearray(disk.get(7))
    escaped[disk.at] ^= 0xff
    escaped[disk.at + 2 + 6 * (disk.tuple == 16):disk.at + 4 + 6 * (disk.tuple == 16)] = b'\xff\xff'
    disk.put(7, escaped)
    wrong = {7: 'guard'} if disk.type3 else {3: 'reference tag', 4: 'reference tag'}
    found, run = disk.found()
    ok(found == wrong, f'{disk.name}: two blocks in each other\'s places, each with its own guard; a tuple with the escape', found, run)
    if disk.type3:
        escaped[disk.at + disk.tuple // 2 + 2 * (disk.tuple == 16):disk.at + disk.tuple] = bytes([255]) * (4 if disk.tuple == 8 else 6)
        disk.put(7, escaped)
        ok(disk.found()[0] == {}, f'{disk.name}: it escapes with a reference tag of ones')


def checked_by_turns(disk):
    """All reference tags are wrong, but only some of the I/Os check them."""
    good = disk.md.read_bytes()
    for block in range(SIZE // disk.block):
        content = bytearray(disk.get(block))
        content[disk.at + disk.tuple - 1] ^= 1
        disk.put(block, content)
    found, run = disk.found(pi_chk='REFTAG/25:GUARD/75')
    ios = sorted({block // 8 for block in found})
    ok(len(found) == SIZE // disk.block // 4 and set(found.values()) == {'reference tag'} and
       ios == list(range(ios[0], SIZE >> 15, 4)), f'{disk.name}: pi_chk by share: one I/O in four', ios, run)
    found, run = disk.found(pi_chk='GUARD,REFTAG@64-127:GUARD', iodepth=8)
    ok(found == dict.fromkeys(range(64, 128), 'reference tag'), f'{disk.name}: by block: those alone', found, run)
    disk.md.write_bytes(good)


def anything(disk):
    job = {'bs': '16k', 'size': SIZE, 'iodepth': 8}
    passes(pi(disk.device, rw='read', **job), f'{disk.name}: never written, nothing is checked', read=SIZE >> 14)
    passes(pi(disk.device, rw='randwrite', verify='crc32c', **job), f'{disk.name}: write and verify', write=SIZE >> 14, read=SIZE >> 14)
    ok(plain_read(disk.device) == 0, f'{disk.name}: the kernel verifies it')
    good = disk.md.read_bytes()
    each_bit(disk)
    disk.md.write_bytes(good)
    never_from_a_drive(disk)
    disk.exchange(3, 4)
    disk.md.write_bytes(good)


def test(loop, debug, *others):
    disks = [Any(name, device) for name, device in zip(ANY, others)]
    for disk in disks:
        anything(disk)
    checked_by_turns(disks[0])
    checker(loop)
    errors(debug)


ANY = ['ublk:4096+8', 'ublk:512+8,type=3', 'ublk:4096+64', 'ublk:512+16,guard=crc64,pos=first', 'ublk:512+8,guard=ip']
main(test, [word for name in ['tcm_loop:4096+8', 'scsi_debug:4096+8', *ANY] for word in ('--disk', name)])
