#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Without FS_IOC_GETLBMD_CAP the format comes from sysfs and the drive."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import main, ok, passes, pi, plain_read, refuses  # noqa: E402

FORMATS = ['512+8', '4096+64,pos=first', '4096+64,pos=last', '4096+8,type=3']


def test(*devices):
    for name, device in zip(FORMATS, devices):
        passes(pi(device, rw='randwrite', bs='8k', size='2m', iodepth=8,
                  verify='crc32c'),
               f'{name}: write and verify', write=256, read=256)
        ok(plain_read(device) == 0, f'{name}: the kernel agrees')
    refuses(pi(devices[-1], rw='read', bs='4k', size='1m'),
            'no protection information', 'LBA format 4096+0')


main(test, ['--kernel', '6.16', *(word for name in [*FORMATS, '4096']
                                  for word in ('--disk', name))])
