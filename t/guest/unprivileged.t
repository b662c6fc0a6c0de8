#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Read access to the device suffices: engine and pi-info work without root, and say in one line what needs it."""
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ENGINE, FIO, for_anybody, main, ok, pi  # noqa: E402

NOBODY = {'user': 65534, 'group': 65534, 'extra_groups': []}


def said(words, limit=None, **who):
    def less():
        if limit:
            resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, preexec_fn=less, **who)


def lines(done):
    return [line for line in (done.stderr + done.stdout).splitlines() if line.startswith('io_uring_pi:')]


def test(device):
    pi(device, rw='write', bs='64k', size='4m')
    info = [for_anybody(BUILD / 't/pi-info'), '--json', device]
    engine = for_anybody(ENGINE.partition(':')[2])
    job = [for_anybody(FIO), '--name=j', '--output-format=json', '--eta=never', f'--ioengine=external:{engine}',
           f'--filename={device}', '--direct=1', '--readonly', '--rw=randread', '--bs=4k', '--size=4m', '--iodepth=16']
    os.chmod(device, 0o600)
    done = said(job, **NOBODY)
    ok(done.returncode and len(lines(done)) == 1 and device in lines(done)[0] and 'Permission denied' in lines(done)[0],
       'a device that may not be read', done)
    done = said(info, **NOBODY)
    ok(done.returncode == 2 and 'Permission denied' in done.stderr and len(done.stderr.splitlines()) == 1, 'pi-info reports it as well',
       done)
    os.chmod(device, 0o604)
    done, root = said(info, **NOBODY), said(info)
    ok(done.returncode == 0 and json.loads(done.stdout) == json.loads(root.stdout), 'pi-info reports the same as for root',
       done, root)
    done = said(job, **NOBODY)
    jobs = json.loads(done.stdout[done.stdout.find('{'):])['jobs'] if done.returncode == 0 else []
    ok([job['read']['total_ios'] for job in jobs] == [1024] and not lines(done), 'reading and verifying', done)
    done = said([*job, '--fixedbufs', '--bs=64k', '--iodepth=64'], limit=1 << 20, **NOBODY)
    ok(done.returncode and len(lines(done)) == 1 and 'ulimit -l' in lines(done)[0], 'fixedbufs above ulimit -l', done)


main(test, ['--disk', '4096+8'])
