#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""With device mapper and md, each underlying device gets reference tags for its own blocks."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import add_partition, main, ok, passes, pi, plain_read, poke, refuses  # noqa: E402

FORMATS = ['4096+8', '4096+8', '4096+64,pos=first', '4096+64,pos=last',
           '4096+16,guard=crc64', '4096+16,guard=crc64', '4096', '512+8',
           '4096+8,type=3', '4096+8', '4096+8', '4096+8']
SECTOR = 512
CHUNK = 64 << 10
CRC16 = {'guard': 1, 'application tag': 3, 'reference tag': 7}
CRC64 = {'guard': 1, 'application tag': 9, 'reference tag': 15}
TYPE3 = {'guard': 1, 'application tag': 3}


class Stack:
    """A block device, and the mapping of its blocks to underlying devices."""

    def __init__(self, name, extents, interval=4096, device=None):
        self.name, self.interval = name, interval
        self.device = device or f'/dev/mapper/{name}'
        self.extents = extents
        self.blocks = sum(blocks for _, _, blocks in extents)
        self.size = self.blocks * interval

    def where(self, block):
        for device, start, blocks in self.extents:
            if block < blocks:
                return device, start + block
            block -= blocks
        raise IndexError(block)

    def below(self):
        """Return the blocks of underlying devices that this one uses, as (device, first, number)."""
        return {device: (min(s for d, s, _ in self.extents if d == device),
                         sum(n for d, _, n in self.extents if d == device))
                for device, _, _ in self.extents}.items()


def dm(name, *lines):
    begin, table = 0, []
    for sectors, target in lines:
        table.append(f'{begin} {sectors} {target}')
        begin += sectors
    subprocess.run(['dmsetup', '--noudevsync', 'create', name], check=True,
                   input='\n'.join(table), text=True)
    return f'/dev/mapper/{name}'


def linear(name, *extents, interval=4096):
    unit = interval // SECTOR
    dm(name, *((blocks * unit, f'linear {device} {start * unit}')
               for device, start, blocks in extents))
    return Stack(name, extents, interval)


def stripes(blocks, *parts):
    """Return the extents of a stripe set whose parts start at (device, block)."""
    chunk = CHUNK // 4096
    return [(*at, chunk) for row in range(0, blocks // len(parts), chunk)
            for at in ((device, start + row) for device, start in parts)]


def striped(name, blocks, *parts):
    where = ' '.join(f'{device} {start * 8}' for device, start in parts)
    dm(name, (blocks * 8, f'striped {len(parts)} {CHUNK // SECTOR} {where}'))
    return Stack(name, stripes(blocks, *parts))


def raid0(name, blocks, *devices):
    """Create an md array without a superblock, which needs no mdadm."""
    Path('/sys/module/md_mod/parameters/new_array').write_text(f'md_{name}')
    md = Path(f'/sys/block/md_{name}/md')
    for file, value in (('metadata_version', 'none'), ('level', 'raid0'),
                        ('raid_disks', len(devices)), ('chunk_size', CHUNK)):
        (md / file).write_text(str(value))
    for slot, device in enumerate(devices):
        device = os.path.basename(device)
        (md / 'new_dev').write_text(Path(f'/sys/block/{device}/dev').read_text())
        (md / f'dev-{device}/size').write_text(str(blocks * 4 // len(devices)))
        (md / f'dev-{device}/slot').write_text(str(slot))
    (md / 'array_state').write_text('active')
    return Stack(f'raid0 {name}', stripes(blocks, *((d, 0) for d in devices)),
                 device=f'/dev/md_{name}')


def check(stack, tags=CRC16, at=0):
    name, size, unit = stack.name, stack.size, stack.interval
    boundary = stack.extents[0][2]
    samples = [boundary - 1, boundary % stack.blocks, stack.blocks - 1, 0]

    for bs in (1 << 20, 5 * CHUNK, 3 * unit, unit):
        passes(pi(stack.device, rw='randwrite', bs=bs, size=size, iodepth=8,
                  verify='crc32c', randrepeat=0), f'{name}: write and verify, bs={bs}',
               write=size // bs, read=size // bs)
    ok(plain_read(stack.device, 0, size) == 0, f'{name}: the kernel agrees')
    for device, (first, number) in stack.below():
        passes(pi(device, rw='read', bs=unit, offset=first * unit,
                  size=number * unit, iodepth=8),
               f'{name}: {device} has its own block numbers', read=number)
    for block in set(samples) if 'reference tag' in tags else ():
        device, below = stack.where(block)
        end = at + tags['reference tag'] + 1
        found = int.from_bytes(poke(device, below)[end - 4:end], 'big')
        ok(found == below, f'{name}: block {block} is {below} of {device} by its tag',
           hex(found))

    for device, (first, number) in stack.below():
        passes(pi(device, rw='write', bs=unit, offset=first * unit,
                  size=number * unit, iodepth=8),
               f'{name}: write to {device}', write=number)
    for bs in (unit, 1 << 20):
        passes(pi(stack.device, rw='read', bs=bs, size=size, iodepth=8),
               f'{name}: read that, bs={bs}', read=size // bs)

    for number, block in enumerate(samples[:len(tags)]):
        tag = list(tags)[number]
        device, below = stack.where(block)
        flip = ('md', at + tags[tag], 0x40)
        poke(device, below, flip)
        words = [stack.device, f'block {block} ', tag]
        if tag == 'reference tag':
            words.append(f'expected 0x{block:x}, found 0x{below ^ 0x40:x}')
        for verify in ('host', 'device'):
            refuses(pi(stack.device, rw='read', bs=4 * CHUNK, size=size,
                       pi_verify=verify),
                    f"{name}: a wrong {tag} below is this device's block {block}",
                    *words, f'by the {verify}')
        poke(device, below, flip)


def refused(one, other, first, last, wide, wide2, without):
    """Targets that do not pass PI on, and stacks on which PI must be refused."""
    half = (8192, f'linear {one} 0')
    job = {'rw': 'read', 'bs': '4k', 'size': '1m'}
    key = '00112233445566778899aabbccddeeff' * 2
    for name, lines, words in (
            ('zero', [(8192, 'zero')], ['no protection information']),
            ('crypt', [(8192, f'crypt aes-xts-plain64 {key} 0 {one} 0')],
             ['no protection information', os.path.basename(one)]),
            ('without', [(8192, f'linear {without} 0')],
             ['no protection information', os.path.basename(without)]),
            ('one-without', [half, (8192, f'linear {without} 0')],
             ['no protection information']),
            ('first-last', [(8192, f'linear {first} 0'), (8192, f'linear {last} 0')],
             [last, '4096+64 type 1 CRC16 last', 'CRC16 first', 'one format']),
            ('without-among', [(3 * 8192, f'striped 3 128 {without} 0 {one} 0 {other} 0')],
             [without, 'no protection information']),
            ('another-among', [(3 * 8192, f'striped 3 128 {one} 0 {first} 0 {other} 0')],
             [first, '4096+64 type 1 CRC16 first', '4096+8 type 1', 'one format'])):
        for rw in ('read', 'write'):
            refuses(pi(dm(f'{name}-{rw}', *lines), **{**job, 'rw': rw}),
                    f'{name}: refused, {rw}', f'/dev/mapper/{name}-{rw}', *words)
    nested = dm('nested', (8192, 'linear /dev/mapper/first-last-read 0'))
    refuses(pi(nested, **job), 'the same one level higher', nested, '/dev/dm-', last,
            'one format')

    wide_job = {'rw': 'randwrite', 'size': '4m', 'verify': 'crc32c',
                'pi_reftag': 0x123456789abc}
    stack = striped('wide', 1024, (wide, 0), (wide2, 0)).device
    passes(pi(stack, bs='512k', **wide_job), 'wide reference tags, cut by stripes')
    passes(pi(stack, bs='1m', **wide_job), 'wide ones, cut below')
    limit = Path(f'/sys/block/{os.path.basename(wide2)}/queue/max_sectors_kb')
    limit.write_text('64')
    passes(pi(stack, bs='128k', **wide_job), 'wide ones, cut below since the stack was built')
    limit.write_text('512')


def refused_writes(stack, bs):
    """When an underlying device refuses a write, the kernel has already put that device's tags into its metadata."""
    job = {'rw': 'write', 'bs': bs, 'size': stack.size, 'pi_errors': 'errors'}
    for kind, tag in ('guard', 'guard'), ('reftag', 'reference tag'), ('apptag', 'application tag'):
        Path('errors').unlink(missing_ok=True)
        refuses(pi(stack.device, pi_inject=kind, pi_inject_blocks='13', **job),
                f'{stack.name}, bs={bs}: a wrong {tag} in a refused write', f'{stack.device}: block 13 ',
                f'{tag} expected', 'by the device')
        errors = [json.loads(line) for line in Path('errors').read_text().splitlines()]
        ok([(record['block'], record['tag']) for record in errors] == [(13, tag)],
           f'{stack.name}, bs={bs}: its record, and no other', errors)
    passes(pi(stack.device, pi_inject='guard,reftag,apptag,misplace', pi_inject_rate=40, pi_inject_expect=1,
              verify='null', **job), f'{stack.name}, bs={bs}: all of many faults are found')
    passes(pi(stack.device, **job), f'{stack.name}, bs={bs}: put right', write=stack.size // bs)


def test(one, other, first, last, wide, wide2, without, small, type3,
         parted, *members):
    os.environ['DM_DISABLE_UDEV'] = '1'
    for module in ('dm-mod', 'dm-crypt', 'dm-zero', 'raid0'):
        subprocess.run(['modprobe', module], check=True)

    part = add_partition(parted, 1, 64 << 20, 64 << 20)
    dm('on-partition', (8192, f'linear {part} 80'))
    lower = linear('lower', (one, 30000, 1200)).device
    refused_writes(linear('refuses', (one, 1000, 1024)), 256 << 10)
    refused_writes(linear('refuses-parts', (one, 25001, 511), (other, 1003, 513)), 512 << 10)
    refused_writes(striped('refuses-striped', 1024, (one, 40000), (other, 50016)), 256 << 10)
    for stack, *where in (
            (linear('linear', (one, 8192, 1024)),),
            (linear('concatenation', (one, 20000, 511), (other, 5, 513)),),
            (striped('striped', 1024, (one, 0), (other, 16)),),
            (linear('levels', (lower, 100, 1024)),),
            (Stack('on-partition', [(parted, 16384 + 10, 1024)]),),
            (linear('small', (small, 3, 2048), interval=512),),
            (linear('last', (last, 77, 1024)), CRC16, 56),
            (linear('type3', (type3, 77, 1024)), TYPE3),
            (striped('crc64', 1024, (wide, 160), (wide2, 0)), CRC64)):
        check(stack, *where)

    array = raid0('array', 1024, *members)
    check(array)
    part = add_partition(array.device, 1, 1 << 20, 2 << 20)
    for writer, reader in ((part, array.device), (array.device, part)):
        job = {'bs': '128k', 'size': '2m', 'iodepth': 8}
        passes(pi(writer, rw='randwrite', verify='crc32c', **job,
                  offset=0 if writer == part else 1 << 20),
               f'raid0: write to {writer}', write=16, read=16)
        passes(pi(reader, rw='read', **job, offset=0 if reader == part else 1 << 20),
               f'raid0: read that from {reader}',
               read=16)
    refused(one, other, first, last, wide, wide2, without)


main(test, [word for name in FORMATS for word in ('--disk', name)])
