#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What cannot work is refused in one line, before the first I/O."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, refuses  # noqa: E402

JOB = {'rw': 'read', 'bs': '4k', 'size': '1m'}
REFUSED = {
    'pi_act=1': ({'pi_act': 1}, 'pi_act=1', 'pi_act=0'),
    'buffered I/O': ({'direct': 0}, 'direct=1'),
    'a storage tag': ({'pi_storage_tag': 7}, 'pi_storage_tag', '/dev/ngXnY'),
    'a check of the storage tag': ({'pi_chk': 'STORTAG'}, 'STORTAG', 'no storage tag'),
    'zones': ({'zonemode': 'zbd', 'zonesize': '128k'}, 'zonemode=zbd', 'drop zonemode'),
    'hipri': ({'hipri': True}, 'hipri', 'pi_layout=none'),
    'atomic': ({'rw': 'write', 'atomic': 1}, 'atomic', 'pi_layout=none'),
    'uncached': ({'uncached': 1, 'direct': 0}, 'direct=1'),
    'fdp': ({'rw': 'write', 'fdp': 1}, 'fdp', '/dev/ngXnY'),
    'streams': ({'rw': 'write', 'dataplacement': 'streams', 'plids': '1,2'}, 'plids=1', '0 write streams'),
    'a tag that is none': ({'pi_chk': 'GUARD,RETAG'}, 'RETAG', 'REFTAG'),
    'a tag in small letters': ({'pi_chk': 'guard'}, 'guard', 'GUARD'),
    'shares of more than all': ({'pi_chk': 'GUARD/60:none/60'}, 'pi_chk', 'add up to 120'),
    'no pattern': ({'pi_chk': 'GUARD@9-:none'}, 'pi_chk', 'not a valid pattern', 'REFTAG@0-999:GUARD'),
    'blocks that the disk has not': ({'pi_chk': 'GUARD@0-9:REFTAG@262144-262145'}, 'pi_chk', '262144 to 262145', 'which has 0 to '),
    'a pattern that nobody checks': ({'pi_chk': 'GUARD/50:none', 'pi_verify': 'none'}, 'pi_chk', 'pi_verify=none'),
    'a pattern, and plain I/O': ({'pi_chk': 'GUARD/50:none', 'pi_mix': 50}, 'pi_chk', 'pi_mix'),
    'a pattern, and faults': ({'rw': 'write', 'pi_chk': 'GUARD/50:none', 'pi_inject': 'guard'}, 'pi_chk', 'pi_inject'),
    'a pattern of the host': ({'pi_host_chk': 'GUARD/50:none'}, 'pi_host_chk', "'GUARD/50:none'"),
    'a mask the device cannot have': (
        {'pi_chk': 'APPTAG', 'apptag_mask': 0xff}, 'apptag_mask', 'drop'),
    'a tag of its own for each block, and the device': (
        {'pi_chk': 'APPTAG', 'pi_apptag': 'lba'}, 'pi_apptag', 'drop'),
    'a block size below the interval': ({'bs': 512}, 'bs=512', '4096'),
    'a block size that cuts an interval': ({'bs': 6144}, 'bs=6144', '4096'),
    'a split that does': ({'bssplit': '4k/50:5k/50'}, '5120', '4096'),
    'an offset that does': ({'offset': 512}, 'offset=512', '4096'),
    'an alignment that does': ({'rw': 'randread', 'blockalign': 512},
                               'blockalign=512', '4096'),
    'an aligned offset that does': ({'offset': '10%', 'offset_align': 512}, 'offset_align=512', '4096'),
    'zones that do': ({'zonemode': 'strided', 'zonesize': 6144}, 'zonesize=6144', '4096'),
    'parts of zones that do': ({'zonemode': 'strided', 'zonesize': 4096, 'zonerange': 6144}, 'zonerange=6144', '4096'),
    'space between zones that does': ({'zonemode': 'strided', 'zonesize': '64k', 'zoneskip': 512}, 'zoneskip=512', '4096'),
    'a step that does': ({'rw': 'read:1k'}, 'what rw= adds', 'protection interval'),
    'a step back that does': ({'rw': 'read:-6k'}, 'what rw= adds', 'protection interval'),
    'bs_unaligned': ({'bsrange': '4k-16k', 'bs_unaligned': True},
                     'bs_unaligned'),
    'iovecs that cut one': ({'nonvectored': 0, 'pi_iovec': 512}, 'pi_iovec=512', '4096'),
    'iovec size without vectored I/O': ({'pi_iovec': 4096}, 'pi_iovec', 'nonvectored=0'),
    'too many iovecs': ({'nonvectored': 0, 'pi_iovec': 4096, 'bs': '8m', 'size': '16m'}, 'pi_iovec', '1024'),
    'too little metadata': ({'bs': '64k', 'md_per_io_size': 127},
                            'md_per_io_size=127', '128'),
}
# fio would truncate these, or take the minus sign for a range
NUMBERS = {'apptag': (-1, 0x80000000, (1 << 32) + 5), 'apptag_mask': (-1, 1 << 32), 'pi_mix': (-1, 1 << 32),
           'pi_reftag': (-1, 1 << 32), 'pi_inject_rate': (-1, 0), 'pi_errors_max': (0, -1), 'pi_dump_max': (0, -1),
           'pi_inject_seed': (-1,), 'md_per_io_size': (-1,),
           'nonvectored': (-2, 2, 1 << 32), 'pi_iovec': (-1, 1 << 32), 'force_async': (-1,), 'uncached': (-1, 1 << 32),
           'sqthread_poll_cpu': (-2, 1 << 32), 'pi_storage_tag': (-1, 1 << 64, '7x'), 'readfua': (-1,), 'writefua': (-1,)}
BAD_VALUES = {'pi_layout': 'inlin', 'pi_verify': 'maybe', 'apptag': 0x10000,
              'apptag_mask': 0x10000, 'md_per_io_size': 'x', 'pi_layouts': 'none'}


def writes(device):
    """Return the number of sectors written so far."""
    stat = Path('/sys/class/block', os.path.basename(device), 'stat')
    return int(stat.read_text().split()[6])


def iolog(device, direction):
    """Write an iolog with so many small I/Os that fio starts before it reads the large one."""
    small = [f'{device} {direction} {block << 12} 4096' for block in range(64)]
    Path('iolog').write_text('\n'.join(['fio version 2 iolog', f'{device} add', f'{device} open', *small,
                                        f'{device} {direction} 524288 65536', f'{device} close']) + '\n')
    return {'rw': direction, 'bs': '4k', 'read_iolog': 'iolog'}


def largest(with_pi, without, much):
    """I/Os larger than the kernel accepts, or than those the job started with."""
    for rw in ('read', 'write'):
        refuses(pi(with_pi, **iolog(with_pi, rw), read_iolog_chunked=1), f'a log that is read in pieces, {rw}',
                'read_iolog_chunked')
    refuses(pi(without, **iolog(without, 'read'), read_iolog_chunked=1, pi_layout='none', fixedbufs=True),
            'and fixed buffers', 'read_iolog_chunked', 'fixedbufs')
    for option in ('registerfiles', 'sqthread_poll'):
        refuses(pi(without, **iolog(without, 'read'), read_iolog_chunked=1, pi_layout='none', **{option: True}),
                f'and {option}', 'read_iolog_chunked', option)
        refuses(pi(without, **iolog(without, 'read'), pi_layout='none', **{option: True}), f'a log and {option}', 'read_iolog says')
    passes(pi(without, **iolog(without, 'read'), read_iolog_chunked=1, pi_layout='none'), 'and neither', read=65)
    passes(pi(with_pi, **iolog(with_pi, 'read')), 'a log with a larger I/O than bs', read=65)

    for device, layout in ((with_pi, 'indirect'), (without, 'none')):
        for options in ({'bs': '2g'}, {'bs': '4g'}, {'bssplit': '4k/99:4g/1'}, {'bs': '4k,4g'}):
            refuses(pi(device, rw='read', pi_layout=layout, **options), f'pi_layout={layout}, {options}',
                    '2147479552')
    refuses(pi(much, rw='read', bs=(4 << 20) + 512, size='16m'), 'more metadata than the kernel takes', 'bs=4194816',
            'at most 4194304')
    refuses(pi(much, rw='read', bs='8m', size='16m'), 'twice as much', 'bs=8388608', 'at most 4194304')
    for options in ({}, {'nonvectored': 0}, {'fixedbufs': True}):
        passes(pi(much, rw='write', bs='4m', size='16m', verify='crc32c', **options),
               f'as much as it takes {options}', write=4, read=4)


def trims(much, big):
    """Large trims work: they transfer no data."""
    sizes = {'bs': '4k,4k,1m', 'size': '4m', 'md_per_io_size': 512}
    run = pi(much, rw='trimwrite', **sizes)
    passes(run, 'trims larger than md_per_io_size is for', trim=4)
    ok(run.ios('write') > 4, 'and smaller writes', run)
    refuses(pi(much, rw='randtrimwrite', **sizes), 'fio writes each trimmed range in one I/O', 'md_per_io_size=512', '131072')
    passes(pi(much, rw='trim', bs='16m', size='32m'), 'a trim of more than has metadata', trim=2)
    for layout in ('indirect', 'none'):
        passes(pi(big, rw='trim', bs='4g', size='8g', pi_layout=layout), f'pi_layout={layout}, a trim of 4 GiB', trim=2)


def test(with_pi, without, type3, extended, opaque, wide, much, big):
    before = [writes(device) for device in (with_pi, without, type3)]

    for name, (options, *words) in REFUSED.items():
        refuses(pi(with_pi, **{**JOB, **options}), name, *words)
    for option, value in BAD_VALUES.items():
        run = pi(with_pi, **{**JOB, option: value})
        ok(run.status != 0 and option in run.stderr + run.out,
           f'{option}={value}', run)
    for option, values in NUMBERS.items():
        for value in values:
            refuses(pi(with_pi, **JOB, **{option: value}), f'{option}={value}', option)
    passes(pi(with_pi, **JOB, md_per_io_size=8), 'enough metadata', read=256)
    passes(pi(with_pi, **JOB, md_per_io_size=1 << 32, force_async=1 << 32, nonvectored=-1, sqthread_poll=True,
              sqthread_poll_cpu=-1, pi_inject_seed=1 << 40), 'numbers that are not cut', read=256)
    refuses(pi(wide, **JOB, pi_reftag=1 << 48), 'a reference tag of more than 48 bits', 'pi_reftag', '48')

    os.mkfifo('/tmp/pipe')
    for name, device, words in (
            ('no protection information', without,
             ('LBA format 4096+0', 'pi_layout=none')),
            ('extended LBA', extended, ('4096+8', 'pi_layout=none')),
            ('a missing file', '/dev/nvme9n9', ('No such file',)),
            ('a regular file', __file__, ('not a block device',)),
            ('a pipe that nobody writes to', '/tmp/pipe', ('not a block device',)),
            ('a character device', '/dev/zero', ('not a block device',))):
        for rw in ('read', 'write'):
            refuses(pi(device, **{**JOB, 'rw': rw}), f'{name}, {rw}', device,
                    *words)
    ok(not os.path.exists('/dev/nvme9n9'), 'the missing file is not created')
    refuses(pi(type3, **JOB, pi_chk='REFTAG'), 'REFTAG on type 3', 'type 3')
    refuses(pi(opaque, **JOB, pi_chk='GUARD'), 'pi_chk without PI', 'pi_chk')
    for bs in ('512k', '2m'):
        run = pi(wide, rw='randwrite', bs=bs, size='16m', verify='crc32c',
                 pi_reftag=0x123456789abc)
        count = (16 << 10) // (512 if bs == '512k' else 2048)
        passes(run, f'a reference tag above 2^32, bs={bs}', write=count, read=count)
    passes(pi(wide, rw='randwrite', bs='2m', size='16m', verify='crc32c'),
           'one below it, split', write=8, read=8)
    refuses(pi(f'{with_pi}:{without}', **{**JOB, 'nrfiles': 2}),
            'one of two without', without)

    largest(with_pi, without, much)
    trims(much, big)
    run = pi(without, **JOB, pi_layout='none')
    passes(run, 'plain I/O without protection information', read=256)
    ok([writes(device) for device in (with_pi, without, type3)] == before,
       'nothing has been written anywhere')


main(test, [word for name in ('4096+8', '4096', '4096+8,type=3',
                              '4096+8,extended', '4096+8,type=0',
                              '4096+16,guard=crc64', '512+64',
                              '4096+8,size=16G')
            for word in ('--disk', name)])
