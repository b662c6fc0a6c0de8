# SPDX-License-Identifier: GPL-2.0-only
"""Code shared by the guest tests: a guest to run in, fio, and TAP output for prove."""
import ctypes
import fcntl
import json
import os
import shutil
import struct
import subprocess
import sys
import time
import traceback
from pathlib import Path

from . import ROOT

BUILD = ROOT / 'build'
FIO = os.environ.get('PI_FIO', BUILD / 'fio/fio')
ENGINE = f'external:{BUILD}/io_uring_pi.so'

checks = failures = 0


def ok(passed, name, *why):
    global checks, failures
    checks += 1
    failures += not passed
    print(f'{"ok" if passed else "not ok"} {checks} - {name}', flush=True)
    if not passed:
        # prove shows standard error and hides the rest
        for line in [f'{Path(sys.argv[0]).name} {checks}: {name}', *'\n'.join(map(str, why)).splitlines()]:
            print(f'# {line}', file=sys.stderr, flush=True)
    return passed


def skip(name, why):
    """Report that something cannot be tested here: a failure, unless EXPECT_SKIP lists it."""
    global checks
    if name not in os.environ.get('PI_EXPECT_SKIP', '').split():
        return ok(False, f'{name}: not tested', why, f'if that was to be expected: make test EXPECT_SKIP={name}')
    checks += 1
    print(f'ok {checks} - {name} # SKIP {why}', flush=True)
    return True


def disks():
    """Return the devices of this guest, in the order of the --disk options."""
    names = []
    while f'PI_DISK{len(names)}' in os.environ:
        names.append(os.environ[f'PI_DISK{len(names)}'])
    return names


def for_anybody(path):
    """Copy a program or library to where unprivileged users can reach it, because the tree may be in /root."""
    copy = Path('/tmp', Path(path).name)
    shutil.copyfile(path, copy)
    copy.chmod(0o755)
    return copy


def main(test, options, name=sys.argv[0], timeout=1200):
    """Boot a guest for this script, and call test(*disks()) in it."""
    if 'PI_TEST_IN_GUEST' not in os.environ:
        os.chdir(ROOT)
        os.environ['PI_TEST_IN_GUEST'] = '1'
        os.execv(ROOT / 'scripts/guest',
                 ['guest', 'run', '--quiet', '--timeout', str(timeout), *options, '--',
                  sys.executable, os.path.abspath(name), *sys.argv[1:]])
    os.chdir('/tmp')
    run(test, *disks())


def run(test, *arguments):
    """Call the test here, print the TAP plan, and exit."""
    try:
        test(*arguments)
    except Exception:
        ok(False, 'no exception', traceback.format_exc())
    print(f'1..{checks}')
    sys.exit(failures != 0)


class Fio:
    """A finished run of fio with one job: status, JSON and other output."""

    def __init__(self, engine, filename, program=FIO, **options):
        words = [program, '--name=job', '--output-format=json',
                 '--eta=never', f'--ioengine={engine}', f'--filename={filename}']
        options = {'direct': 1, 'allow_file_create': 0, **options}
        for option, value in options.items():
            words.append(f'--{option}' if value is True else f'--{option}={value}')
        self.words = ' '.join(map(str, words))
        done = subprocess.run(words, capture_output=True, text=True)
        self.status, self.stderr = done.returncode, done.stderr
        begin, end = done.stdout.find('{'), done.stdout.rfind('}') + 1
        self.jobs = json.loads(done.stdout[begin:end])['jobs'] if end else []
        self.out = done.stdout[:begin] + done.stdout[end:] if end else done.stdout

    def ios(self, direction):
        return sum(job[direction]['total_ios'] for job in self.jobs)

    def lines(self):
        """Return the lines that the engine printed."""
        return [line for line in (self.stderr + self.out).splitlines()
                if line.startswith('io_uring_pi:')]

    def __str__(self):
        return f'{self.words}\nstatus {self.status}\n{self.stderr}{self.out}'


def pi(filename, **options):
    return Fio(ENGINE, filename, **options)


def passes(run, name, **ios):
    """Check that the run succeeded, did the expected I/Os, and the engine reported nothing."""
    wrong = [f'{direction}: {run.ios(direction)} I/Os, expected {count}'
             for direction, count in ios.items() if run.ios(direction) != count]
    return ok(run.status == 0 and not wrong and not run.lines(), name, *wrong, run)


def refuses(run, name, *words):
    """Check that the run failed with one line from the engine that contains these words."""
    lines = run.lines()
    return ok(run.status != 0 and len(lines) == 1 and
              all(word in lines[0] for word in words),
              name, f'expected one line with {words}', run)


def poke(device, block, *flips):
    """Flip bits on the media: ('md', byte, mask) or ('data', byte, mask)."""
    words = [str(word) for flip in flips for word in flip]
    done = subprocess.run([BUILD / 't/pi-poke', device, str(block), *words],
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'pi-poke: {done.stderr}')
    return bytes.fromhex(done.stdout.replace('metadata', ''))


def load_scsi(device, interval, dif, guard):
    """Replace the scsi_debug device by another one; guard 0 is CRC, 1 is IP."""
    subprocess.run(['rmmod', 'scsi_debug'], check=True)
    subprocess.run(['modprobe', 'scsi_debug', f'dif={dif}', 'dix=1', f'guard={guard}', f'sector_size={interval}',
                    'delay=0', 'dev_size_mb=64'], check=True)
    subprocess.run(['sh', '-c', 'until [ -b "$0" ]; do sleep 0.1; done', device], check=True, timeout=30)


def wait(until, what, seconds=60):
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError(f'{what}: not within {seconds} s')
        time.sleep(0.1)


class Disk:
    """A disk that can be removed."""

    def __init__(self, device):
        self.device = device
        self.block = Path('/sys/class/block', Path(device).name)

    def gone_after(self, seconds):
        """Remove the disk some seconds after the next I/O, because programs start slowly here."""
        before = (self.block / 'stat').read_text()
        wait(lambda: (self.block / 'stat').read_text() != before, f'I/O on {self.device}')
        time.sleep(seconds)
        self.gone()


class Scsi(Disk):
    """A SCSI disk; reloading the driver brings it back."""

    def gone(self):
        (self.block / 'device/delete').write_text('1')

    def back(self, devices):
        load_scsi(self.device, 512, 1, 0)


class Nvme(Disk):
    """An NVMe disk, removed with its controller and its other namespaces; afterwards their names may be swapped."""

    DRIVER = Path('/sys/bus/pci/drivers/nvme')

    def __init__(self, device):
        super().__init__(device)
        self.controller = (self.block / 'device/device').resolve().name
        self.before = self.names()

    def names(self):
        """{namespace: device}"""
        return {nsid.read_text(): f'/dev/{nsid.parent.name}' for nsid in Path('/sys/class/block').glob('nvme*/nsid')}

    def gone(self):
        (self.DRIVER / 'unbind').write_text(self.controller)

    def back(self, devices):
        """Bind the controller again, and update the names in the list of devices."""
        if not (self.DRIVER / self.controller).exists():
            (self.DRIVER / 'bind').write_text(self.controller)
        wait(lambda: self.names().keys() == self.before.keys() and all(map(os.path.exists, self.names().values())),
             f'the disks of {self.controller}')
        now = self.names()
        renamed = {device: now[nsid] for nsid, device in self.before.items()}
        devices[:] = [renamed.get(device, device) for device in devices]


def plain_read(device, offset=0, length=1 << 20):
    """Read like any program, with the kernel's own verification; return errno or 0."""
    import mmap
    buffer = mmap.mmap(-1, length)
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        return 0 if os.preadv(fd, [buffer], offset) == length else -1
    except OSError as error:
        return error.errno
    finally:
        os.close(fd)


def add_partition(device, number, start, length):
    """Add a partition (in bytes) that only the kernel knows about; return its name."""
    part = ctypes.create_string_buffer(struct.pack(
        'qqi64s64s4x', start, length, number, b'', b''))
    arg = struct.pack('iii4xP', 1, 0, len(part) - 1, ctypes.addressof(part))
    fd = os.open(device, os.O_RDONLY)
    fcntl.ioctl(fd, 0x1269, arg)     # BLKPG
    os.close(fd)
    return f'{device}{"p" if device[-1].isdigit() else ""}{number}'
