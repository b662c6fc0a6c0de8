#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every format of QEMU's NVMe: block sizes, ways to submit, reads and writes."""
import itertools
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.formats import NVME  # noqa: E402
from lib.tap import ENGINE, FIO, main, ok  # noqa: E402

MODES = {
    'single': [],
    'vectored': ['nonvectored=0'],
    'fixed': ['fixedbufs', 'registerfiles'],
    'sqpoll': ['sqthread_poll'],
}
# what the device takes in one piece, and four times that, which is split
LARGEST = 512 << 10


def sizes(interval):
    return [interval, 3 * interval, 16 * interval, LARGEST, 4 * LARGEST]


def job_file(device, interval):
    """Writes with verify=, then mixed reads and writes, in each mode and size."""
    lines = ['[global]', f'ioengine={ENGINE}', f'filename={device}', 'direct=1',
             'allow_file_create=0', 'iodepth=8', 'stonewall', 'pi_opaque=pattern']
    jobs = {}
    for (mode, options), bs in itertools.product(MODES.items(), sizes(interval)):
        for rw in ('randwrite', 'randrw'):
            name = f'{rw} {mode} {bs}'
            ios = 16 if bs < LARGEST else 2
            jobs[name] = ios
            lines += [f'[{name}]', f'rw={rw}', f'bs={bs}', f'size={ios * bs}',
                      f'number_ios={ios}', 'serialize_overlap=1', *options]
            if rw == 'randwrite':
                lines += ['verify=crc32c']
    return jobs, '\n'.join(lines) + '\n'


def test(*devices):
    for name, device in zip(NVME, devices):
        jobs, text = job_file(device, int(name.split('+', 1)[0]))
        Path('job').write_text(text)
        done = subprocess.run([FIO, '--output-format=json', '--eta=never', 'job'],
                              capture_output=True, text=True)
        begin = done.stdout.find('{')
        ran = json.loads(done.stdout[begin:])['jobs'] if begin >= 0 else []
        right = {job['jobname'] for job in ran if not job['error'] and
                 job['read']['total_ios'] + job['write']['total_ios'] >=
                 jobs[job['jobname']]}
        ok(done.returncode == 0 and not (lost := set(jobs) - right),
           f'{name}: {len(jobs)} jobs', *sorted(lost), done.stderr)


main(test, [word for name in NVME for word in ('--disk', name)], timeout=5400)
