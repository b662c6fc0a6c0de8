#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Removing a disk during a job ends the job, although the kernel reports reads of nothing as success."""
import errno
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import Nvme, main, ok, passes, pi  # noqa: E402

JOB = {'bs': '16k', 'size': '16m', 'iodepth': 8}
KINDS = {'with PI': {}, 'submitted by the kernel': {'sqthread_poll': True}, 'plain': {'pi_layout': 'none'},
         'as fixed buffers': {'fixedbufs': True, 'registerfiles': True},
         # last, because a block in flight may be half old and half new
         'writing': {'rw': 'randwrite'}}


def removed(devices, options):
    disk = Nvme(devices[0])
    away = threading.Thread(target=disk.gone_after, args=(1,))
    away.start()
    run = pi(disk.device, **{**JOB, 'rw': 'randread', 'time_based': True, 'runtime': '60s', **options})
    away.join()
    disk.back(devices)
    return run


def test(*disks):
    devices = list(disks)
    for name, options in KINDS.items():
        # writes, and I/O that is just being submitted, fail in the kernel; this test needs reads in flight
        told = 'rw' not in options
        for _ in range(3):
            run = removed(devices, options)
            if run.lines() or not told:
                break
        ok(run.status > 0 and run.jobs[0]['error'] in ([errno.EIO] if told else [errno.EIO, errno.ENOSPC]) and
           len(run.lines()) == told and all('was removed' in line for line in run.lines()), name, run)
    passes(pi(devices[0], **JOB, rw='write', verify='crc32c'), 'it is written and read again when it is back', write=1024, read=1024)


main(test, ['--disk', '4096+8', '--disk', '512+8'])
