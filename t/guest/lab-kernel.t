#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The lab kernel: each attribute layout passes all fields, and malformed attributes are refused."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, main, ok, passes, pi, plain_read, refuses  # noqa: E402

FORMATS = ['4096+8', '512+8']
AT_LEAST = 650


def refuse(name, device):
    done = subprocess.run([BUILD / 't/layout-refuse', device], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    good = [line for line in lines if line.startswith('ok ')]
    bad = [line for line in lines if not line.startswith('ok ')]
    ok(done.returncode == 0 and len(good) > AT_LEAST and lines[-1] == f'1..{len(good)}',
       f'{name}: {len(good)} checks of every layout', f'status {done.returncode}', *bad, done.stderr)


def seed(device):
    """A retried I/O keeps all bits of its seed: one larger than a request goes to io-wq."""
    Path(f'/sys/block/{os.path.basename(device)}/queue/max_sectors_kb').write_text('64')
    done = subprocess.run([BUILD / 't/layout-seed', device], capture_output=True, text=True)
    ok(done.returncode == 0, 'a seed of 45 bits outlives a retry', done.stderr)


def zeros(device):
    """Reads of null_blk return tuples that the kernel or the engine verifies; the application tag is zero."""
    ok(plain_read(device, offset=12288) == 0, 'null_blk: the kernel finds the tuples of zeros good')
    passes(pi(device, rw='randread', bs='12k', size='12m', iodepth=8, apptag=0, fixedmd=True), 'null_blk: so does the engine', read=1024)
    refuses(pi(device, rw='read', bs='4k', size='2m', apptag=1), 'null_blk: they are looked at', 'block 0 ', 'application tag')


def test(*devices):
    seed(devices[2])
    for name, device in zip(FORMATS, devices):
        refuse(name, device)
        passes(pi(device, rw='randwrite', bs='8k', size='2m', iodepth=8, verify='crc32c'),
               f'{name}: the merged layout works as ever', write=256, read=256)
        ok(plain_read(device) == 0, f'{name}: the kernel agrees')
    zeros(devices[-1])
    for rw in ('read', 'write'):
        passes(pi(devices[-2], rw=rw, bs='4k', size='2m', iodepth=8, pi_verify='none'), f'null_blk with metadata: {rw}',
               **{rw: 512})


DISKS = [*FORMATS, '512+16,guard=crc64', 'null_blk:4096+8', 'null_blk:4096+8,zeros']
main(test, ['--kernel', 'lab', *(word for name in DISKS for word in ('--disk', name))])
