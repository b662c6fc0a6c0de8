#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A disk that goes away under way ends the job: the kernel then has nothing to read, and no error either."""
import errno
import threading

from tap import Nvme, main, ok, passes, pi

JOB = {'bs': '16k', 'size': '16m', 'iodepth': 8}
KINDS = {'with PI': {}, 'submitted by the kernel': {'sqthread_poll': True}, 'plain': {'pi_layout': 'none'},
         'as fixed buffers': {'fixedbufs': True, 'registerfiles': True},
         # last: a block that was under way may be half of either
         'writing': {'rw': 'randwrite'}}


def test(*disks):
    devices = list(disks)
    for name, options in KINDS.items():
        disk = Nvme(devices[0])
        away = threading.Thread(target=disk.gone_after, args=(1,))
        away.start()
        run = pi(disk.device, **{**JOB, 'rw': 'randread', 'time_based': True, 'runtime': '60s', **options})
        away.join()
        # what was under way may have an error of the kernel's own, writes after that have one too
        told = run.lines()
        ok(run.status > 0 and run.jobs[0]['error'] in (errno.EIO, *([errno.ENOSPC] if 'rw' in options else [])) and
           (told or 'rw' in options or 'Input/output error: read' in run.stderr) and
           len(told) <= 1 and all('went away' in line for line in told), name, run)
        disk.back(devices)
    passes(pi(devices[0], **JOB, rw='write', verify='crc32c'), 'it is written and read again when it is back', write=1024, read=1024)


main(test, ['--disk', '4096+8', '--disk', '512+8'])
