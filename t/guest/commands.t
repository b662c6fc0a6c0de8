#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Commands other than read and write: Verify, Write Zeroes, Compare and mixes of them, with protection information."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, poke, refuses  # noqa: E402

FORMATS = ['4096+8', '4096+64,pos=last', '4096+16,guard=crc64', '512+8,extended', '4096+64,extended,pos=first', '4096+8,type=3',
           '4096+64,type=0']
TAGS = {'guard': 0x282, 'application tag': 0x283, 'reference tag': 0x284}
MODES = {'vectored': {'nonvectored': 0}, 'fixed buffers': {'fixedbufs': True}, 'polled': {'hipri': True},
         'SQPOLL': {'sqthread_poll': True}, 'forced async': {'force_async': 3}, 'FUA': {'writefua': 1},
         'the device makes tuples': {'pi_act': 1}, 'nobody checks': {'pi_verify': 'none'}, 'host alone': {'pi_verify': 'host'}}
BLOCKS, BLOCK = 256, 37


class Disk:
    def __init__(self, name, block):
        head = name.partition(',')[0]
        self.name, self.interval, self.md = name, *map(int, head.split('+'))
        self.block, self.char = block, block.replace('/dev/nvme', '/dev/ng')
        self.extended, self.pi = 'extended' in name, 'type=0' not in name
        self.stride = self.interval + self.md * self.extended
        self.pi_size = 16 if 'crc64' in name else 8
        self.at = 0 if 'first' in name else self.md - self.pi_size
        self.poked = self.char if self.extended else self.block

    def run(self, mode, blocks=8, **options):
        Path('stats').unlink(missing_ok=True)
        options = {'rw': 'write', 'direct': 0, 'bs': blocks * self.stride, 'size': BLOCKS * self.stride, 'iodepth': 4,
                   'pi_stats': 'stats', **({'write_mode': mode} if mode else {}), **options}
        return pi(self.char, **options)


def stats():
    return json.loads(Path('stats').read_text())


def scrub(disk):
    """Verify finds each wrong tag, and neither changes nor transfers anything."""
    name = disk.name
    passes(disk.run(None), f'{name}: write', write=BLOCKS // 8)
    before = poke(disk.poked, BLOCK)
    passes(disk.run('verify'), f'{name}: Verify passes', write=BLOCKS // 8)
    said = stats()
    ok(said['commands'] == {'uncor': 0, 'zeroes': 0, 'verify': BLOCKS, 'compare': 0} and said['pi_ios'] == BLOCKS // 8 and
       said['device_blocks']['verified'] == BLOCKS * disk.pi and not said['blocks']['generated'], f'{name}: the commands are counted', said)
    ok(poke(disk.poked, BLOCK) == before, f'{name}: it writes nothing')
    passes(disk.run(None, rw='randread'), f'{name}: and the data is unchanged', read=BLOCKS // 8)
    if not disk.pi:
        return
    split = (8, 10) if disk.pi_size == 16 else (2, 4)
    for tag, byte in (('guard', 1), ('application tag', split[0]), ('reference tag', split[1] + 1)):
        if tag == 'reference tag' and 'type=3' in name:
            continue
        flip = ('md', disk.at + byte, 0x10)
        poke(disk.poked, BLOCK, flip)
        run = disk.run('verify', iodepth=1)
        refuses(run, f'{name}: Verify finds a wrong {tag}', f'block {BLOCK} (6 of 8 in the verify at', f'{tag} expected 0x',
                f'by the device (NVMe status 0x{TAGS[tag]:x}, {tag})')
        ok(run.jobs and run.jobs[0]['error'] == 84, f'{name}: that ends in EILSEQ', run)
        ok(f'fio: io_uring_pi: {disk.char}: block {BLOCK}, {tag}: ' in run.stderr + run.out and ' Check' in run.stderr + run.out,
           f"{name}: fio's own message has block, tag, and the status by its name", run)
        chk = ','.join({'guard': 'GUARD', 'application tag': 'APPTAG', 'reference tag': 'REFTAG'}[other] for other in TAGS
                       if other != tag and not (other == 'reference tag' and 'type=3' in name))
        passes(disk.run('verify', pi_chk=chk), f'{name}: with pi_chk={chk} it does not look', write=BLOCKS // 8)
        run = disk.run('verify', continue_on_error='verify', pi_errors='errors')
        records = [json.loads(line) for line in Path('errors').read_text().splitlines()]
        Path('errors').unlink()
        ok(run.status == 0 and run.ios('write') == BLOCKS // 8 and [(each['block'], each['tag'], each['direction'], each['finder'])
           for each in records] == [(BLOCK, tag, 'verify', 'device')],
           f'{name}: the scrub goes on, and pi_errors has the block', records, run)
        poke(disk.poked, BLOCK, flip)


def zeroes(disk):
    """Write Zeroes: the device generates the tuples."""
    name = disk.name
    passes(disk.run(None, apptag=7), f'{name}: write before zeroing', write=BLOCKS // 8)
    passes(disk.run('zeroes', apptag=0x4321), f'{name}: Write Zeroes', write=BLOCKS // 8)
    said = stats()
    ok(said['commands']['zeroes'] == BLOCKS == said['device_blocks']['generated'] and not said['blocks']['generated'],
       f'{name}: the commands are counted', said)
    stored = poke(disk.poked, BLOCK)
    if not disk.pi:
        ok(not any(stored), f'{name}: the metadata is zero', stored.hex())
        return
    passes(disk.run(None, rw='read', apptag=0x4321), f'{name}: host and device find them right', read=BLOCKS // 8)
    ok(b'\x43\x21' in stored[disk.at:disk.at + disk.pi_size], f'{name}: the tag is on the media', stored.hex())
    refuses(disk.run(None, rw='read', apptag=0x4322, iodepth=1), f'{name}: another is not', 'application tag', '0x4321')
    if not disk.extended:
        passes(disk.run(None, rw='read', verify='pattern', verify_pattern=0, apptag=0x4321), f'{name}: the data is zero',
               read=BLOCKS // 8)


def compare(disk):
    """The device compares what verify= wrote, including the tuples."""
    name = disk.name
    job = {'verify': 'pattern', 'verify_pattern': 0x5a, 'verify_mode': 'compare', 'verify_interval': disk.stride}
    passes(disk.run(None, **job), f'{name}: Compare passes', write=BLOCKS // 8, read=BLOCKS // 8)
    said = stats()
    ok(said['commands']['compare'] == BLOCKS and said['blocks']['generated'] >= BLOCKS, f'{name}: the commands are counted', said)
    passes(disk.run(None, **{**job, 'verify_pattern': '%o'}, blocks=1), f'{name}: with the offset in it', write=BLOCKS, read=BLOCKS)
    passes(disk.run(None, **job), f'{name}: write the pattern again', write=BLOCKS // 8, read=BLOCKS // 8)
    only = {**job, 'verify_only': 1, 'iodepth': 1}
    poke(disk.poked, BLOCK, ('data', 17, 0x80))
    refuses(disk.run(None, pi_verify='none', **only), f'{name}: a byte that differs is found',
            f'block {BLOCK} (6 of 8 in the compare at', 'byte 17 of the data expected 0x5a, found 0xda by the device (NVMe status 0x285)')
    refuses(disk.run(None, **only), f'{name}: and where the device checks tags too', f'block {BLOCK} ', 'NVMe status 0x28')
    poke(disk.poked, BLOCK, ('data', 17, 0x80))
    poke(disk.poked, BLOCK, ('md', disk.md - 1, 1))
    run = disk.run(None, pi_verify='none', pi_errors='errors', **only)
    refuses(run, f'{name}: so is one of the metadata', f'block {BLOCK} ', f'byte {disk.md - 1} of the metadata', '0x285')
    records = [json.loads(line) for line in Path('errors').read_text().splitlines()]
    Path('errors').unlink()
    ok([(each['block'], each['tag'], each['byte']) for each in records] == [(BLOCK, 'metadata', disk.md - 1)],
       f'{name}: pi_errors has it', records)
    poke(disk.poked, BLOCK, ('md', disk.md - 1, 1))


def mixes(disk):
    passes(disk.run('write/50:zeroes/25:verify/', blocks=1, iodepth=1), 'a mix of three', write=BLOCKS)
    said = stats()
    ok(said['commands']['zeroes'] == BLOCKS // 4 == said['commands']['verify'] and said['blocks']['generated'] == BLOCKS // 2,
       'each has its share', said)
    passes(disk.run('zeroes/0:write/100', blocks=1), 'a share of nothing', write=BLOCKS)
    ok(stats()['blocks']['generated'] == BLOCKS and not stats()['commands']['zeroes'], 'is none', stats())
    passes(disk.run('verify', rw='randrw', rwmixread=50, norandommap=1), 'with reads in between',
           write=disk.run('verify', rw='randrw', rwmixread=50, norandommap=1).ios('write'))
    run = disk.run('verify')
    ok(run.jobs and run.jobs[0]['write']['total_ios'] == BLOCKS // 8, 'fio counts them as writes', run)


def refusals(disk):
    def no(what, *words, mode=None, **options):
        refuses(disk.run(mode, **options), what, *words)

    no('a mode that is none', 'write_mode=zeros', mode='zeros')
    no('shares of more than all', 'write/60:zeroes/50', mode='write/60:zeroes/50')
    no('shares of less', 'write/60:zeroes/30', mode='write/60:zeroes/30')
    no('a zone append', 'zone', mode='zone_append')
    no('what the device lacks', 'does not support the Write Uncorrectable command (ONCS', mode='uncor')
    no('a share of that', 'Write Uncorrectable', mode='write/90:uncor/10')
    no('DEAC', 'DLFEAT', mode='zeroes', deac=1)
    no('DEAC of nothing', 'deac', 'write_mode=zeroes', deac=1)
    no('a mode for writes without any', 'rw=write', mode='verify', rw='read')
    no('more than one Verify names', 'bs=1048576', '524288', 'Verify', mode='verify', bs='1m', size='4m')
    no('checks by I/O', 'pi_chk', 'write_mode', mode='verify', pi_chk='GUARD/50:none')
    no('faults', 'pi_inject', mode='verify', pi_inject='guard')
    no('zeros in a pattern', 'pi_opaque', mode='zeroes', pi_opaque='pattern')
    no('zeros with tags of their own', 'pi_apptag', mode='zeroes', pi_apptag='lba')
    no('Compare of tuples that the device makes', 'pi_act', verify_mode='compare', verify='md5', pi_act=1)
    no('Compare of headers', 'verify=pattern', verify_mode='compare', verify='crc32c')
    no('Compare with random data', 'verify_pattern', verify_mode='compare', verify='pattern')
    no('zones', 'zonemode=zbd', mode='verify', zonemode='zbd', zonesize='128k')
    no('verify= of data that was not written', 'verify', mode='zeroes', verify='md5')
    for options in ({'write_mode': 'zeroes'}, {'verify_mode': 'compare'}, {'deac': 1}):
        refuses(pi(disk.block, rw='write', bs='4k', size='1m', **options), f'{options} on a block device', '/dev/ngXnY', *options)


def test(*devices):
    disks = {name: Disk(name, device) for name, device in zip(FORMATS, devices)}
    for disk in disks.values():
        scrub(disk)
        zeroes(disk)
        if not disk.extended:
            compare(disk)
    disk = disks['4096+8']
    disk.run(None)
    for mode, options in MODES.items():
        passes(disk.run('verify', **options), f'Verify, {mode}', write=BLOCKS // 8)
        passes(disk.run('zeroes', **options), f'Write Zeroes, {mode}', write=BLOCKS // 8)
        if 'pi_act' not in options:
            passes(disk.run(None, verify='pattern', verify_pattern='0x77', verify_mode='compare', **options), f'Compare, {mode}',
                   read=BLOCKS // 8)
    mixes(disk)
    refusals(disk)


main(test, ['--append', 'nvme.poll_queues=1', *(word for name in FORMATS for word in ('--disk', name))])
