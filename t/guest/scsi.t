#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""scsi_debug with DIF and DIX: how SCSI differs from NVMe."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import load_scsi, main, ok, passes, pi, plain_read, refuses  # noqa: E402

SIZE = 4 << 20


def test(device):
    for dif, sector, guard in ((1, 512, 0), (1, 4096, 0), (2, 512, 0),
                               (3, 512, 0), (3, 4096, 0), (1, 512, 1),
                               (1, 4096, 1), (3, 512, 1)):
        load_scsi(device, sector, dif, guard)
        job = {'size': SIZE, 'iodepth': 16}
        name = f'DIF type {dif}, {sector} bytes, {"IP" if guard else "CRC"}'

        passes(pi(device, rw='write', bs='64k', **job), f'{name}: write',
               write=SIZE >> 16)
        ok(plain_read(device) == 0, f'{name}: the kernel verifies it')
        passes(pi(device, rw='randread', bs='4k', **job), f'{name}: read',
               read=SIZE >> 12)
        passes(pi(device, rw='randwrite', bsrange='4k-128k', verify='crc32c',
                  **job), f'{name}: write and verify')
        refuses(pi(device, rw='read', bs='4k', size=SIZE, apptag=0x5555),
                f'{name}: SCSI does not check the application tag, we do',
                'application tag expected 0x5555, found 0x1234 by the host')


main(test, ['--disk', 'scsi_debug:512+8'])
