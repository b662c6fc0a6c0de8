# SPDX-License-Identifier: GPL-2.0-only
"""Tests that every attribute layout must pass, on whichever kernel supports it."""
import itertools
import json
import subprocess
from pathlib import Path

from pibench import catalog

from .tap import ENGINE, FIO, ok, passes, pi, poke, refuses

FORMATS = ['4096+8', '512+8']
MODES = {
    'single': [],
    'vectored': ['nonvectored=0'],
    'fixed': ['fixedbufs'],
    'files': ['registerfiles'],
    'both': ['fixedbufs', 'registerfiles'],
    'sqpoll': ['sqthread_poll'],
    'metadata': ['fixedmd'],
    'all': ['fixedbufs', 'registerfiles', 'fixedmd'],
}
DEPTHS = [1, 32, 256]
TAGS = {'GUARD': ('md', 1, 0x40), 'APPTAG': ('md', 3, 0x02),
        'REFTAG': ('md', 7, 0x20)}
BLOCKS = 128


def modes(layout):
    """Return the modes that the layout and the kernel support: vectors, fixed buffers and registered metadata are optional."""
    row = catalog.rows()[layout]
    lacking = [option for option, has in (('nonvectored=0', row['vectored']), ('fixedbufs', row['fixed']),
                                          ('fixedmd', row['fixed_md'] and not catalog.ask()['fixed_md'])) if not has]
    return [mode for mode, options in MODES.items() if not set(options) & set(lacking)]


def fio(device, jobs):
    """Run several jobs ({name: options}) one after the other."""
    lines = ['[global]', f'ioengine={ENGINE}', f'filename={device}', 'direct=1',
             'thread', 'stonewall', 'allow_file_create=0']
    for name, options in jobs.items():
        lines += [f'[{name}]', *options]
    Path('job').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    done = subprocess.run([FIO, '--output-format=json', '--eta=never', 'job'],
                          capture_output=True, text=True)
    begin, end = done.stdout.find('{'), done.stdout.rfind('}') + 1
    ran = json.loads(done.stdout[begin:end])['jobs'] if end else []
    return done, {job['jobname']: job for job in ran}


def round_trips(layout, device, interval):
    """Write with verify=, then read back through another layout and through this one."""
    jobs, ios = {}, {}
    depths, sizes = itertools.cycle(DEPTHS), itertools.cycle((1, 3, 16, 0))
    for mode in modes(layout) * 2:
        blocks, depth = next(sizes), next(depths)
        size = f'bs={blocks * interval}' if blocks else \
            f'bsrange={interval}-{16 * interval}'
        name = f'{mode} {size} {depth}'
        count = {1: 300, 3: 100}.get(blocks, 32)
        common = [size, f'size={count * (blocks or 16) * interval}',
                  f'iodepth={depth}', 'serialize_overlap=1']
        own = [f'pi_layout={layout}', *MODES[mode]]
        jobs[f'{name} write'] = ['rw=randwrite', 'verify=crc32c', *common, *own]
        jobs[f'{name} indirect'] = ['rw=randread', *common]
        jobs[f'{name} read'] = ['rw=randread', *common, *own]
        ios[name] = count
    done, ran = fio(device, jobs)
    wrong = []
    for name in jobs:
        job = ran.get(name)
        least = ios[name.rpartition(' ')[0]]
        both = (job['write']['total_ios'], job['read']['total_ios']) if job else ()
        if not job or job['error'] or both[1] < least or \
                'write' in name and both[0] < least:
            wrong.append(f'{name}: {both}')
    return ok(done.returncode == 0 and not wrong and 'io_uring_pi' not in done.stderr,
              f'{layout}, {interval}+8: {len(jobs)} jobs in every mode and size succeed',
              *wrong, done.stderr)


def corruption(layout, device, interval):
    """The device checks the tags it was told to check, the host all of them."""
    size = BLOCKS * interval
    passes(pi(device, rw='write', bs=16 * interval, size=size, pi_layout=layout),
           f'{layout}, {interval}+8: write', write=BLOCKS // 16)
    for tag, flip in TAGS.items():
        poke(device, 37, flip)
        jobs = {chk: ['rw=read', f'bs={8 * interval}', f'size={size}',
                      f'pi_layout={layout}', 'pi_verify=device', f'pi_chk={chk}',
                      'continue_on_error=verify'] for chk in TAGS}
        jobs['host'] = [*jobs[tag][:4], 'pi_verify=host', 'continue_on_error=verify']
        done, ran = fio(device, jobs)
        found = {name for name, job in ran.items() if job['total_err'] == 1}
        lines = [line for line in done.stderr.splitlines() if 'io_uring_pi:' in line]
        ok(done.returncode == 0 and len(ran) == 4 and found == {tag, 'host'} and
           len(lines) == 2 and all('block 37 ' in line for line in lines),
           f'{layout}, {interval}+8: a wrong tag is found where {tag} is checked',
           found, done.stderr)
        poke(device, 37, flip)
    poke(device, 37, ('data', interval - 1, 0x80))
    refuses(pi(device, rw='read', bs=8 * interval, size=size, pi_layout=layout),
            f'{layout}, {interval}+8: a wrong byte of data is found', device,
            'block 37 ', 'guard')
    poke(device, 37, ('data', interval - 1, 0x80))


def with_pi(mix):
    """Return the blocks of a sequential read to which pi_mix gives PI."""
    return [n for n in range(BLOCKS) if (n + 1) * mix // 100 > n * mix // 100]


def mixes(layout, device, interval):
    """Mix I/Os with and without PI: exactly those with PI find a wrong tag."""
    size = BLOCKS * interval
    passes(pi(device, rw='write', bs=16 * interval, size=size, apptag=0x1111),
           f'{layout}, {interval}+8: pi_mix: write', write=BLOCKS // 16)
    common = ['rw=read', f'bs={interval}', f'size={size}', 'iodepth=32',
              f'pi_layout={layout}', 'pi_verify=host', 'pi_errors=errors',
              'continue_on_error=verify', 'apptag=0x2222']
    mix = itertools.cycle((0, 1, 50, 100, 33))
    jobs = {f'{mode} {n}': [*common, f'pi_mix={n}', *MODES[mode]]
            for mode, n in [*(('single', next(mix)) for _ in range(5)),
                            *((mode, next(mix)) for mode in modes(layout)[1:])]}
    Path('errors').write_text('')
    done, ran = fio(device, jobs)
    errors = [json.loads(line) for line in Path('errors').read_text().splitlines()]
    wrong = []
    for name in jobs:
        mix = int(name.split()[1])
        found = sorted(r['block'] for r in errors if r['job'] == name)
        job = ran.get(name)
        if not job or job['read']['total_ios'] != BLOCKS or \
                job['total_err'] != len(with_pi(mix)) or found != with_pi(mix):
            wrong.append(f'{name}: {found}')
    ok(done.returncode == 0 and not wrong,
       f'{layout}, {interval}+8: pi_mix gives the right I/Os PI, in every mode',
       *wrong, done.stderr)

    jobs = {}
    for mode, depth in zip(('single', modes(layout)[-2], 'sqpoll'), (32, 256, 1)):
        common = [f'size={size}', f'iodepth={depth}', f'pi_layout={layout}',
                  'pi_mix=50', 'apptag=0', 'serialize_overlap=1', *MODES[mode]]
        jobs[f'{mode} {depth} verify'] = [
            'rw=randwrite', f'bsrange={interval}-{8 * interval}',
            'verify=crc32c', 'fsync=3', *common]
        jobs[f'{mode} {depth} mixed'] = [
            'rw=randrw', f'bs={interval}', 'fdatasync=5', *common]
        jobs[f'{mode} {depth} trim'] = [
            'rw=randtrimwrite', f'bs={interval}', *common]
        jobs[f'{mode} {depth} read'] = [
            'rw=randread', f'bs={interval}', *common[:2], 'apptag=0']
    done, ran = fio(device, jobs)
    wrong = [name for name in jobs if name not in ran or ran[name]['error'] or
             not ran[name]['read']['total_ios'] + ran[name]['write']['total_ios']]
    ok(done.returncode == 0 and not wrong and 'io_uring_pi' not in done.stderr,
       f'{layout}, {interval}+8: pi_mix=50 with writes, flushes and trims',
       *wrong, done.stderr)


def all_of(layout, *devices):
    """Run all tests; corruption() on one device only, because the device checks both formats alike."""
    for device, name in zip(devices, FORMATS):
        interval = int(name.split('+', 1)[0])
        round_trips(layout, device, interval)
        mixes(layout, device, interval)
    corruption(layout, devices[0], 4096)
