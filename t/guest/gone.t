#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A disk that goes away under way ends the job: the kernel then has nothing to read, and no error either."""
import errno
import threading

from tap import Nvme, main, ok, passes, pi

JOB = {'bs': '16k', 'size': '16m', 'iodepth': 8}
KINDS = {'with PI': {}, 'submitted by the kernel': {'sqthread_poll': True}, 'plain': {'pi_layout': 'none'},
         'writing': {'rw': 'randwrite'}, 'as fixed buffers': {'fixedbufs': True, 'registerfiles': True}}


def test(*disks):
    devices = list(disks)
    for name, options in KINDS.items():
        disk = Nvme(devices[0])
        away = threading.Thread(target=disk.gone_after, args=(1,))
        away.start()
        run = pi(disk.device, **{**JOB, 'rw': 'randread', 'time_based': True, 'runtime': '60s', **options})
        away.join()
        # a write has an error of the kernel's own
        told = 'rw' not in options
        ok(run.status > 0 and run.jobs[0]['error'] == (errno.EIO if told else errno.ENOSPC) and
           len(run.lines()) == told and all('went away' in line for line in run.lines()), name, run)
        disk.back(devices)
    passes(pi(devices[0], **JOB, rw='write', verify='crc32c'), 'it is written and read again when it is back', write=1024, read=1024)


main(test, ['--disk', '4096+8', '--disk', '512+8'])
