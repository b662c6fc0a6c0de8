#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The job files in configs/ do what their comments say, on disks of two formats, with reduced sizes."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, main, ok, poke  # noqa: E402

# smaller sizes, so that the jobs fit the disks
LESS = {'size=256m': 'size=8m', 'size=768m': 'size=24m', 'offset=768m': 'offset=24m', 'size=1g': 'size=8m',
        'offset=1g': 'offset=8m', 'offset=2g': 'offset=16m', 'offset=3g': 'offset=24m', 'size=64m': 'size=8m',
        'bs=1m': 'bs=512k',
        # and a number of I/Os instead of a time
        'time_based=1': 'time_based=0', r'runtime=\$\{RUNTIME\}': 'io_size=2m', 'ramp_time=2': 'ramp_time=0'}
VARIABLES = {'ENGINE': str(BUILD / 'io_uring_pi.so'), 'ERRORS': 'errors', 'LAYOUT': 'indirect', 'IOS': '500'}
READ_ONLY = ('random-read', 'verify-drive', 'layouts', 'scrub')
# jobs that send commands: to fio these are writes, to a character device
COMMANDS = ('scrub',)


def fio(name, device):
    text = (ROOT / f'configs/{name}.fio').read_text()
    for long, short in LESS.items():
        text = re.sub(rf'^{long}$', short, text, flags=re.M)
    Path('job.fio').write_text(text)
    Path('errors').unlink(missing_ok=True)
    readonly = name in READ_ONLY and name not in COMMANDS
    words = [FIO, '--output-format=json', '--eta=never', 'job.fio', *(['--readonly'] if readonly else [])]
    dut = device.replace('/dev/nvme', '/dev/ng') if name in COMMANDS else device
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **VARIABLES, 'DUT': dut})
    begin = done.stdout.find('{')
    try:
        jobs = {job['jobname']: job for job in json.loads(done.stdout[begin:])['jobs']}
    except ValueError:
        jobs = {}
    return done, jobs


def writes(device):
    return int(Path('/sys/class/block', Path(device).name, 'stat').read_text().split()[4])


def runs(name, device, jobs):
    """Check that every job did I/O, none failed, and the engine reported nothing."""
    before = writes(device)
    done, ran = fio(name, device)
    idle = [job for job, result in ran.items() if not result['read']['total_ios'] + result['write']['total_ios']]
    ok(done.returncode == 0 and len(ran) == jobs and not idle and 'io_uring_pi' not in done.stderr and
       not (os.path.exists('errors') and os.path.getsize('errors')), f'{name} on {device}', idle, done)
    ok((writes(device) == before) == (name in READ_ONLY), f'{name} {"reads only" if name in READ_ONLY else "writes"}')


def test(small, large):
    # all except those that pi-bench runs itself
    ours = {path.stem for path in (ROOT / 'configs').glob('*.fio')} - {'bench', 'lab', 'perf'}
    tried = {'quick-check': 1, 'random-read': 4, 'verify-drive': 1, 'scrub': 1, 'layouts': 1, 'mixed-load': 4, 'faults': 6, 'soak': 4}
    ok(set(tried) == ours, 'each is tried here', set(tried) ^ ours)
    for device in (small, large):
        for name, jobs in tried.items():
            # the last job leaves its faults on the disk
            runs(name, device, jobs)
        poke(device, 77, ('md', 0, 1))
        for name, job in (('verify-drive', 'verify'), ('scrub', 'scrub')):
            done, ran = fio(name, device)
            records = [json.loads(line) for line in Path('errors').read_text().splitlines()]
            ok([record['block'] for record in records] == [77] and ran[job]['total_err'] == 1,
               f'{name} finds the one block and goes on', records, done)
        poke(device, 77, ('md', 0, 1))


main(test, ['--disk', '4096+8,size=64M', '--disk', '512+64,size=64M'])
