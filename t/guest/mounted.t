#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The character device of a disk in use is not written, just like its block device."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import add_partition, main, ok, passes, pi, refuses  # noqa: E402

JOB = {'bs': '4k', 'size': '64k', 'offset': '16m'}
WRITES = {'write': 'write', 'randrw': 'write', 'trim': 'trim'}


def sh(line, *arguments):
    subprocess.run(['sh', '-ec', line, 'sh', *arguments], check=True, capture_output=True)


def in_use(char, what, *words):
    for rw in WRITES:
        refuses(pi(char, rw=rw, **JOB), f'{what}: {rw}', char, *words, 'allow_mounted_write=1')
    passes(pi(char, rw='read', pi_verify='none', **JOB), f'{what}: reading does no harm', read=16)
    passes(pi(char, rw='write', allow_mounted_write=1, **JOB), f'{what}: written when allowed', write=16)


def test(device):
    char, name = device.replace('/dev/nvme', '/dev/ng'), os.path.basename(device)
    passes(pi(char, rw='write', **JOB), 'an unused disk is written', write=16)
    os.mkdir('there')
    sh('mkfs.ext4 -q "$1" 8m; mount "$1" there', device)
    # fio reads it, and a fresh debootstrap system has none
    if not os.path.exists('/etc/mtab'):
        os.symlink('/proc/self/mounts', '/etc/mtab')
    run = pi(device, rw='write', **JOB)
    ok('appears mounted' in str(run) and not run.ios('write'), 'fio refuses the block device', run)
    in_use(char, 'mounted', f'{name} is mounted on /tmp/there')
    sh('umount there')

    part = add_partition(device, 1, 1 << 20, 12 << 20)
    passes(pi(char, rw='write', **JOB), 'a disk with an unused partition is written', write=16)
    refuses(pi(part, rw='read', pi_layout='passthru', bs='4k', size='64k'), 'passthru on a partition names the whole disk', char,
            'the whole disk', 'offsets count from its start')
    sh('mkfs.ext4 -q "$1"; mount "$1" there', part)
    in_use(char, 'a partition mounted', f'{name}p1 is mounted on /tmp/there')
    sh('umount there; mkswap "$1"; swapon "$1"', part)
    in_use(char, 'swap', f'{name}p1 is swap space')
    sh('swapoff "$1"; echo "0 8 linear $1 0" | dmsetup --noudevsync create held', part)
    in_use(char, 'below a stack', f'{name}p1 is held by dm-')
    sh('dmsetup --noudevsync remove held')
    passes(pi(char, rw='write', **JOB), 'a disk that is no longer in use is written', write=16)


main(test, ['--disk', '4096+8'])
