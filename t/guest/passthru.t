#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""NVMe commands on the character device: every format, mode and option."""
import ctypes
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ENGINE, FIO, Fio, main, ok, passes, pi, poke, refuses  # noqa: E402

FORMATS = ['512+8', '4096+8', '4096+64,pos=first', '4096+64,pos=last',
           '4096+16,guard=crc64', '4096+8,type=2', '4096+8,type=3',
           '4096+64,type=0', '512+8,extended', '4096+8,extended',
           '4096+64,extended,pos=first', '4096+64,extended,pos=last',
           '4096+64,extended,guard=crc64', '4096+64,extended,type=0', '4096']
SIZES = re.compile(r'(\d+)(?:\+(\d+))?')
ACTION = ['4096+8', '4096+64,pos=first', '4096+16,guard=crc64',
          '4096+8,type=3', '512+8,extended', '4096+64,extended,pos=last',
          '4096+64,extended,guard=crc64']
INTEROP = ['512+8', '4096+64,pos=last', '4096+16,guard=crc64', '4096+8,type=3',
           '512+8,extended', '4096+64,extended,pos=first',
           '4096+64,extended,guard=crc64']
TAGS = {'guard': 0x282, 'application tag': 0x283, 'reference tag': 0x284}
BLOCK = 37
BLOCKS = 256
FINDS = ['vectored', 'fixed buffers', 'polled', 'SQPOLL']
MODES = {
    'vectored': {'nonvectored': 0},
    'fixed buffers': {'fixedbufs': True},
    'registered files': {'registerfiles': True},
    'both registered': {'fixedbufs': True, 'registerfiles': True},
    'SQPOLL': {'sqthread_poll': True},
    'polled': {'hipri': True},
    'polled, both registered': {'hipri': True, 'fixedbufs': True,
                                'registerfiles': True},
    'forced async': {'force_async': 3},
    'threads': {'thread': True},
    'depth 1': {'iodepth': 1},
    'depth 256': {'iodepth': 256},
    'batches': {'iodepth_batch_submit': 8, 'iodepth_batch_complete_min': 4},
    'FUA': {'readfua': 1, 'writefua': 1},
    'host alone': {'pi_verify': 'host'},
    'device alone': {'pi_verify': 'device'},
    'nobody': {'pi_verify': 'none'},
    'direct': {'direct': 1},
}


def ng(device):
    return device.replace('/dev/nvme', '/dev/ng')


class Disk:
    def __init__(self, name, block):
        self.name, self.block, self.char = name, block, ng(block)
        self.interval, self.md = (int(n or 0) for n in SIZES.match(name).groups())
        self.extended = 'extended' in name
        self.pi_size = 0 if 'type=0' in name else 16 if 'crc64' in name else 8
        self.stride = self.interval + (self.md if self.extended else 0)
        self.at = 0 if 'first' in name else self.md - self.pi_size
        self.poked = self.char if self.extended else self.block

    def job(self, blocks=1, **options):
        """Return the options of a job that covers BLOCKS blocks in I/Os of that many."""
        stride = options.pop('stride', self.stride)
        return {'direct': 0, 'bs': blocks * stride, 'size': BLOCKS * stride,
                'iodepth': 1 if blocks > 4 else 16, **options}


def round_trip(disk):
    name, char = disk.name, disk.char
    if disk.md > disk.pi_size or name == '4096+8':
        shown = disk.job(4, pi_apptag='lba', pi_opaque='pattern')
        passes(pi(char, rw='write', **shown), f'{name}: write patterns',
               write=BLOCKS // 4)
        passes(pi(char, rw='randread', **shown), f'{name}: read them',
               read=BLOCKS // 4)
    if disk.md > disk.pi_size:
        byte = (disk.at + disk.pi_size) % disk.md
        poke(disk.poked, BLOCK, ('md', byte, 0x20))
        refuses(pi(char, rw='read', pi_verify='host', **shown),
                f'{name}: a wrong opaque byte is found', f'block {BLOCK} ',
                f'opaque byte {byte}')
    passes(pi(char, rw='write', **disk.job(8)), f'{name}: write',
           write=BLOCKS // 8)
    passes(pi(char, rw='randread', **disk.job()), f'{name}: read', read=BLOCKS)


def nvme_cli(status):
    """Return the name that nvme(1) uses."""
    words = ctypes.CDLL('libnvme.so').nvme_status_to_string
    words.restype = ctypes.c_char_p
    return words(status, False).decode()


def both_devices(disk):
    """The character device and the block device have the same blocks."""
    attr = {'bs': 8 * disk.interval, 'size': BLOCKS * disk.interval, 'iodepth': 8}
    passes(pi(disk.block, rw='read', **attr),
           f'{disk.name}: pi_layout=indirect reads it', read=BLOCKS // 8)
    passes(pi(disk.block, rw='randwrite', verify='crc32c', **attr),
           f'{disk.name}: pi_layout=indirect writes', write=BLOCKS // 8)
    passes(pi(disk.char, rw='randread', **disk.job(4)),
           f'{disk.name}: passthru reads that', read=BLOCKS // 4)


def corruption(disk):
    name, at = disk.name, disk.at
    split = (8, 10) if disk.pi_size == 16 else (2, 4)
    flips = {'guard': ('md', at + 1, 0x10),
             'application tag': ('md', at + split[0], 0x10),
             'reference tag': ('md', at + split[1] + 1, 0x10),
             'guard ': ('data', disk.interval - 1, 0x80)}
    if 'type=3' in name:
        del flips['reference tag']
    for tag, flip in flips.items():
        tag = tag.strip()
        poke(disk.poked, BLOCK, flip)
        for verify in ('host', 'device'):
            run = pi(disk.char, rw='read', pi_verify=verify, **disk.job(8))
            refuses(run, f'{name}, {tag} {flip}: pi_verify={verify} names it',
                    disk.char, f'block {BLOCK} ', f'{tag} expected 0x',
                    'by the host' if verify == 'host' else
                    f'by the device (NVMe status 0x{TAGS[tag]:x}, {tag})')
            ok(run.jobs and run.jobs[0]['error'] == 84,
               f'{name}, {tag} {flip}: pi_verify={verify} ends in EILSEQ', run)
        ok(nvme_cli(TAGS[tag]) in run.stderr + run.out, f'{name}, {tag} {flip}: fio names the status as nvme(1) does',
           nvme_cli(TAGS[tag]), run)
        if name in ACTION:
            refuses(pi(disk.char, rw='read', pi_act=1,
                       **disk.job(8, stride=stride_of_act(disk))),
                    f'{name}, {tag} {flip}: pi_act=1 names it',
                    'the device found', f'NVMe status 0x{TAGS[tag]:x}, {tag}',
                    'pi_act=0')
        poke(disk.poked, BLOCK, flip)
    passes(pi(disk.char, rw='read', **disk.job(8)), f'{name}: it reads again after the repair')


def stride_of_act(disk):
    """With pi_act=1, metadata that consists of the tuple alone is not transferred."""
    return disk.interval if disk.md == disk.pi_size else disk.stride


def action(disk):
    name = disk.name
    act = disk.job(4, stride=stride_of_act(disk), apptag=0x4321, pi_act=1)
    passes(pi(disk.char, rw='write', **act), f'{name}: pi_act=1 inserts',
           write=BLOCKS // 4)
    stored = poke(disk.poked, 3)[disk.at:disk.at + disk.pi_size]
    ok(any(stored[:2]) and b'\x43\x21' in stored,
       f'{name}: tuples with the tag are on the media', stored.hex())
    passes(pi(disk.char, rw='read', **disk.job(4, apptag=0x4321)),
           f'{name}: the host finds them right', read=BLOCKS // 4)
    passes(pi(disk.char, rw='randread', **act), f'{name}: pi_act=1 strips',
           read=BLOCKS // 4)
    refuses(pi(disk.char, rw='read', **{**act, 'apptag': 0x4322, 'iodepth': 1}),
            f'{name}: pi_act=1 with another tag', '0x283')
    if not disk.md > disk.pi_size:
        passes(pi(disk.char, rw='randwrite', verify='md5', **act),
               f'{name}: pi_act=1 with verify=md5', write=BLOCKS // 4,
               read=BLOCKS // 4)


def masks(disk):
    base = disk.job(8, pi_chk='GUARD,APPTAG,REFTAG')
    passes(pi(disk.char, rw='write', apptag=0x1234, **base), 'mask: write')
    passes(pi(disk.char, rw='read', apptag=0x1f34, apptag_mask=0xf0ff, **base),
           'mask: the bits that differ are left out by host and device',
           read=BLOCKS // 8)
    for verify in ('device', 'host'):
        refuses(pi(disk.char, rw='read', apptag=0x1f34, apptag_mask=0x0f00,
                   pi_verify=verify, **{**base, 'iodepth': 1}),
                f'mask: pi_verify={verify} looks at the others',
                'application tag expected 0x1f34, found 0x1234', f'by the {verify}')
    passes(pi(disk.char, rw='read', apptag=0x4444, apptag_mask=0, **base),
           'mask of no bits', read=BLOCKS // 8)


def modes(disk, names):
    for mode in names:
        options = MODES[mode]
        job = {**disk.job(2), **options}
        passes(pi(disk.char, rw='randwrite', **job),
               f'{disk.name}, {mode}: write', write=BLOCKS // 2)
        passes(pi(disk.char, rw='randread', **job),
               f'{disk.name}, {mode}: read', read=BLOCKS // 2)
        if mode not in FINDS:
            continue
        poke(disk.poked, BLOCK, ('md', disk.at, 0x10))
        refuses(pi(disk.char, rw='read', **job),
                f'{disk.name}, {mode}: a wrong guard is found',
                f'block {BLOCK} ', 'guard')


def others(disk):
    passes(pi(disk.char, rw='randwrite', verify='crc32c', **disk.job(4)),
           f'{disk.name}: verify=crc32c', write=BLOCKS // 4, read=BLOCKS // 4)
    passes(pi(disk.char, rw='write', fsync=16, fdatasync=8, **disk.job()),
           f'{disk.name}: flushes', write=BLOCKS)
    passes(pi(disk.char, rw='trimwrite', **disk.job()),
           f'{disk.name}: trims and writes', trim=BLOCKS, write=BLOCKS)
    run = pi(disk.char, rw='trim', **disk.job())
    passes(run, f'{disk.name}: trims', trim=BLOCKS)
    ok(set(poke(disk.poked, BLOCK)) == {0xff}, f'{disk.name}: they are trimmed',
       poke(disk.poked, BLOCK).hex())


def faults(disk):
    for kind in ('guard', 'apptag', 'reftag', 'data', 'misplace'):
        run = pi(disk.char, rw='write', pi_inject=kind,
                 pi_inject_rate=20, pi_verify='none', **disk.job(8))
        passes(run, f'{disk.name}: {kind} faults', write=BLOCKS // 8)
        run = pi(disk.char, rw='read', continue_on_error='verify',
                 pi_verify='host', **disk.job(8))
        ok(run.jobs[0]['total_err'] > 0, f'{disk.name}: {kind} faults are found',
           run)


def interop(disk):
    """fio's own engine and this one read each other's blocks."""
    own = disk.job(4, cmd_type='nvme', pi_act=0, apptag=0x888,
                   pi_chk='GUARD,APPTAG' if 'type=3' in disk.name else
                   'GUARD,APPTAG,REFTAG')
    if not disk.extended:
        own['md_per_io_size'] = 4 * disk.md
    passes(Fio('io_uring_cmd', disk.char, rw='write', **own),
           f'{disk.name}: io_uring_cmd writes', write=BLOCKS // 4)
    passes(pi(disk.char, rw='read', **own), f'{disk.name}: we verify that',
           read=BLOCKS // 4)
    passes(pi(disk.char, rw='write', **own), f'{disk.name}: we write',
           write=BLOCKS // 4)
    passes(Fio('io_uring_cmd', disk.char, rw='read', **own),
           f'{disk.name}: io_uring_cmd reads it', read=BLOCKS // 4)


def example(name, disk, **changes):
    """fio's example job, with only ioengine, device and sizes changed."""
    with open(BUILD / f'fio/examples/{name}', encoding='utf-8') as file:
        text = file.read()
    for option, value in {'ioengine': ENGINE, 'filename': disk.char,
                          'size': BLOCKS * disk.stride, **changes}.items():
        text = re.sub(f'^{option}=.*$', f'{option}={value}', text, flags=re.M)
    with open(name, 'w', encoding='utf-8') as file:
        file.write(text)
    done = subprocess.run([FIO, '--eta=never', name], capture_output=True,
                          text=True)
    lines = [line for line in done.stdout.splitlines()
             if line.startswith('io_uring_pi:')]
    ok(done.returncode == 0 and len(lines) >= 2 and
       all('layout passthru' in line for line in lines) and
       any(f' {BLOCKS} blocks read and verified' in line for line in lines),
       f"fio's {name}", done.stdout, done.stderr)


def refusals(disks):
    disk, extended = disks['4096+8'], disks['4096+64,extended,pos=last']

    def no(what, *words, device=disk.char, **options):
        refuses(pi(device, **{'rw': 'read', **disk.job(), **options}), what, *words)

    for layout in ('none', 'indirect', 'sqe128', 'inline', 'region'):
        no(f'pi_layout={layout} on a character device', disk.char, disk.block,
           pi_layout=layout, direct=1)
    no('passthru on a block device', disk.char, device=disk.block, direct=1,
       pi_layout='passthru')
    no('passthru on a device of its own kind', '/dev/ngXnY', device='/dev/null')
    no('no metadata', 'LBA format 4096+0', device=disks['4096'].char)
    no('extended, without the metadata', 'bs=4096', 'did you mean bs=4160?', device=extended.char)
    no('of several blocks', 'did you mean bs=133120?', device=extended.char, bs='128k', size='1m')
    no('extended with verify', 'verify', device=extended.char,
       bs=4160, size=BLOCKS * 4160, rw='write', verify='md5')
    no('an extended LBA by its block device', '/dev/ng', device=extended.block,
       direct=1)
    no('larger than a command', 'max_hw_sectors_kb', bs='1m', size='4m')
    no('of more than 32 bits', 'max_hw_sectors_kb', bs='4g', size='8g')
    no('a trim of more than a command names', 'for trims', rw='trim', bs='4k,4k,16t')
    no('flags that are no bool', 'readfua', readfua=-1)
    no('an offset between blocks', 'offset_increment', offset_increment=1000)
    for option in ('nowait', 'uncached'):
        no(option, option, **{option: 1})
    no('zones', 'zonemode=zbd', zonemode='zbd', zonesize='128k')
    no('prio', 'prio', prio=3)
    no('cmdprio', 'cmdprio', cmdprio_percentage=50)
    no('sync_file_range', 'sync_file_range', rw='write',
       sync_file_range='write:4')
    no('pi_mix', 'pi_mix', pi_mix=50)
    no('pi_reftag with type 1', 'pi_reftag', pi_reftag=7)
    no('a storage tag where there is none', 'pi_storage_tag', 'no storage tag', pi_storage_tag=7)
    no('a check of the storage tag', 'STORTAG', 'no storage tag', pi_chk='GUARD,STORTAG')
    no('a fault in it', 'pi_inject=stortag', pi_inject='stortag')
    no('pi_act with pi_verify=host', 'pi_verify', pi_act=1, pi_verify='host')
    no('pi_act with faults', 'pi_inject', pi_act=1, pi_inject='guard')
    no('pi_act with a pattern', 'pi_opaque', pi_act=1, pi_opaque='pattern')
    no('pi_act with many tags', 'pi_apptag', pi_act=1, pi_apptag='lba')
    no('pi_act without protection information', 'pi_act', pi_act=1,
       device=disks['4096+64,type=0'].char)
    no('REFTAG on type 3', 'REFTAG', pi_chk='REFTAG',
       device=disks['4096+8,type=3'].char)
    no('pi_act on a block device', '/dev/ngXnY', device=disk.block, direct=1,
       pi_act=1)
    no('FUA on a block device', 'readfua', device=disk.block, direct=1,
       readfua=1)


def said_by_the_device(disk, free):
    """An I/O beyond the end, which only an iolog can request; a reference tag that is not the block number."""
    Path('beyond').write_text(f'fio version 2 iolog\n{disk.char} add\n{disk.char} open\n{disk.char} read {1 << 40} 4096\n'
                              f'{disk.char} close\n', encoding='utf-8')
    refuses(pi(disk.char, rw='read', read_iolog='beyond'), 'a status in the words of nvme(1)', disk.char, 'read at offset 1099511627776',
            f'NVMe status 0x80: {nvme_cli(0x80)}')

    job = free.job(8, pi_reftag=0x1000, apptag=1)
    passes(pi(free.char, rw='write', **job), 'type 2 with a tag of its own',
           write=BLOCKS // 8)
    passes(pi(free.char, rw='read', **job), 'it is read', read=BLOCKS // 8)
    refuses(pi(free.char, rw='read', **{**job, 'pi_reftag': 0x1001}),
            'with another tag it is not', 'block 0 ',
            'reference tag expected 0x1001, found 0x1000', '0x284')


def test(*devices):
    disks = {name: Disk(name, device) for name, device in zip(FORMATS, devices)}
    for name, disk in disks.items():
        if not disk.md:
            continue
        round_trip(disk)
        if not disk.extended:
            both_devices(disk)
        if disk.pi_size:
            corruption(disk)
        if name in ACTION:
            action(disk)
        if name in INTEROP:
            interop(disk)
    masks(disks['4096+8'])
    modes(disks['4096+8'], MODES)
    modes(disks['4096+64,extended,pos=last'], FINDS)
    others(disks['4096+8'])
    faults(disks['4096+64,extended,pos=last'])
    example('uring-cmd-pi-sb.fio', disks['4096+64,pos=last'])
    example('uring-cmd-pi-ext.fio', disks['4096+64,extended,pos=last'])
    passes(pi(':'.join(d.char for d in disks.values() if d.md and not d.extended),
              rw='randwrite', nrfiles=8, bs=8192, size=8 << 20, iodepth=32,
              direct=0, verify='crc32c'), 'one job on eight namespaces')
    refusals(disks)
    said_by_the_device(disks['4096+8'], disks['4096+8,type=2'])


main(test, ['--append', 'nvme.poll_queues=1',
            *(word for name in FORMATS for word in ('--disk', name))])
