# SPDX-License-Identifier: GPL-2.0-only
"""Block devices: which of them may be used, what PI they have, and their settings."""

import contextlib
import dataclasses
import errno
import os
import re
import shlex
import signal
import subprocess
import tempfile

from . import catalog
from .command import SIGNALS
from .errors import Failure


@dataclasses.dataclass(frozen=True)
class Pi:
    format: str
    interval: int
    metadata: int
    counts_blocks: bool

    @property
    def checks(self):
        return "GUARD,REFTAG,APPTAG" if self.counts_blocks else "GUARD,APPTAG"

    def metadata_per_io(self, block_size):
        return block_size // self.interval * self.metadata


@dataclasses.dataclass(frozen=True)
class Device:
    path: str
    name: str
    disk: str
    size: int
    block_size: int
    pi: Pi | None

    @property
    def integrity(self):
        return f"/sys/class/block/{self.disk}/integrity"

    def alias(self, number):
        """Another name of the device, for a program that opens it more than once."""
        path = os.path.join(tempfile.gettempdir(), f"{self.name}-{number}")
        with contextlib.suppress(FileExistsError):
            os.symlink(self.path, path)
        return path

    @property
    def format(self):
        if not self.block_size:
            # on another machine
            return "PI" if self.pi else "no PI"
        return f"{self.block_size}+{self.pi.metadata} {self.pi.format}" if self.pi else f"{self.block_size}"


FILE, FILE_BYTES = "file:", 16 << 20


def file(path):
    """A regular file as a Device, for I/O that stays in the page cache; filling creates it."""
    path = path.removeprefix(FILE)
    return Device(path, os.path.basename(path), "", FILE_BYTES, 4096, None)


def number(host, path):
    text = host.read(path)
    return int(text) if text and text.isdigit() else None


def find_pi(host, disk):
    """The PI that a disk is formatted with, or None."""
    base = f"/sys/class/block/{disk}"
    name = host.read(f"{base}/integrity/format")
    known = catalog.profiles()
    if name not in known:
        return None
    tuple_size, counts_blocks = known[name]
    interval = number(host, f"{base}/integrity/protection_interval_bytes") or number(host, f"{base}/queue/logical_block_size")
    return Pi(name, interval, number(host, f"{base}/metadata_bytes") or tuple_size, counts_blocks)


def names(host, numbers):
    """(name, name of the disk) of a block device."""
    directory = os.path.realpath(host.at(f"/sys/dev/block/{numbers}"))
    is_partition = os.path.exists(os.path.join(directory, "partition"))
    disk = os.path.dirname(directory) if is_partition else directory
    return os.path.basename(directory), os.path.basename(disk)


def describe(host, path):
    """The Device at a path in /dev."""
    if not host.exists(path):
        raise Failure(f"{path}: no such device")
    numbers = host.block_numbers(path)
    if not numbers:
        raise Failure(f"{path}: not a block device; name one such as /dev/nvme0n1")
    name, disk = names(host, numbers)
    return Device(
        path=path,
        name=name,
        disk=disk,
        size=(number(host, f"/sys/class/block/{name}/size") or 0) * 512,
        block_size=number(host, f"/sys/class/block/{disk}/queue/logical_block_size") or 512,
        pi=find_pi(host, disk),
    )


def members(host, disk):
    """{kernel name: 'major:minor'} of a disk and its partitions."""
    base = f"/sys/class/block/{disk}"
    partitions = [entry for entry in host.list(base) if host.exists(f"{base}/{entry}/partition")]
    return {name: host.read(f"/sys/class/block/{name}/dev") for name in (disk, *partitions)}


def mounts(host):
    """(major:minor, mount point) of every mount."""
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        fields, _, rest = line.partition(" - ")
        numbers, mount_point = fields.split()[2], fields.split()[4]
        source = rest.split()[1] if len(rest.split()) > 1 else "none"
        # btrfs and others mount under a number that no device has
        yield (host.block_numbers(source) if source.startswith("/") else None) or numbers, mount_point


def swaps(host):
    """{major:minor} of the devices in use as swap."""
    lines = (host.read("/proc/swaps") or "").splitlines()[1:]
    return {host.block_numbers(line.split()[0]) for line in lines if line.split()} - {None}


def disks_below(host, numbers):
    """The disks below a block device: its own, and those under dm and md."""
    _, disk = names(host, numbers)
    below = {disk}
    for slave in host.list(f"/sys/class/block/{disk}/slaves"):
        below |= disks_below(host, host.read(f"/sys/class/block/{slave}/dev"))
    return below


def signature(host, path):
    """What libblkid finds on the device: 'ext4', 'gpt partition table', or None."""
    found = host.run(["blkid", "-p", "-o", "export", host.at(path)])
    if found is None:
        raise Failure(f"{path}: no blkid to look for a file system; install util-linux")
    # 2 means nothing found, or cannot read: only then there is a message
    if found.returncode == 2 and not found.stderr.strip():
        return None
    if found.returncode not in (0, 8):
        raise Failure(f"{path}: blkid exited with {found.returncode}: {found.stderr.strip() or 'no message'}")
    tags = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
    if "TYPE" in tags:
        return tags["TYPE"]
    if "PTTYPE" in tags:
        return f"{tags['PTTYPE']} partition table"
    # 8: several signatures; the entry in the parent's partition table is not one
    return "ambivalent" if found.returncode == 8 else None


def may_write(host, paths, allowed):
    """The devices that --allow-write names, none of which may be another one."""
    named = set()
    for name in allowed:
        same = [path for path in paths if host.block_numbers(name) == host.block_numbers(path)]
        if not same:
            raise Failure(f"--allow-write names {name}, not {' or '.join(paths)}; both must name the same device")
        named.update(same)
    return named


def check(host, path, write=False):
    """The Device, if a benchmark may use it; raises Failure if something else does."""
    device = describe(host, path)
    if not device.size:
        raise Failure(f"{path}: has no size; name a device with a medium")
    if write and host.read(f"/sys/class/block/{device.name}/ro") == "1":
        raise Failure(f"{path}: is read-only; leave out --allow-write")

    found = list(mounts(host))
    for numbers, mount_point in found:
        if mount_point == "/" and device.disk in disks_below(host, numbers):
            raise Failure(f"{path}: the root file system is on {device.disk}; name another device")
    mounted = dict(found)
    # other partitions of the disk count: integrity settings are those of the whole disk
    for name, numbers in members(host, device.disk).items():
        if numbers in mounted:
            raise Failure(f"{path}: {name} is mounted on {mounted[numbers]}; unmount it first")
        if numbers in swaps(host):
            raise Failure(f"{path}: {name} is in use as swap; swapoff it first")
        if holders := host.list(f"/sys/class/block/{name}/holders"):
            raise Failure(f"{path}: {name} is held by {', '.join(holders)}; take that down first")
    if found := signature(host, path):
        raise Failure(f"{path}: carries a signature ({found}); if nobody needs it: wipefs -a {path}")
    return device


def hold(host, path):
    """Claim the device until the descriptor is closed."""
    try:
        return host.hold(path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Failure(f"{path}: held exclusively by another program; stop that first") from None
        raise Failure(f"{path}: {error.strerror}") from None


@contextlib.contextmanager
def signals_blocked():
    masked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, masked)


def start_watcher(host, values):
    """Start a shell that waits until this process has ended, then writes these settings."""
    writes = [f"printf %s {shlex.quote(value)} >{shlex.quote(host.at(path))}" for path, value in values.items()]
    with signals_blocked():
        return subprocess.Popen(["sh", "-c", "; ".join(["read -r _", *writes])], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, start_new_session=True)  # fmt: skip


def restore(host, saved):
    failed = []
    for path, value in saved.items():
        try:
            host.write(path, value)
        except Failure:
            failed.append(f"echo {value} >{path}")
    if failed:
        raise Failure(f"a setting was not restored; do it by hand: {'; '.join(failed)}")


@contextlib.contextmanager
def with_settings(host, values):
    """Change sysfs attributes for a while, and restore them in any case: after SIGKILL a shell does it."""
    if not values:
        yield
        return
    saved = {}
    for path in values:
        old = host.read(path)
        if old is None:
            raise Failure(f"{path}: no such setting; this kernel or device lacks it")
        chosen = re.search(r"\[(.*?)\]", old)
        saved[path] = chosen[1] if chosen else old
    watcher = start_watcher(host, saved)
    try:
        for path, value in values.items():
            host.write(path, value)
        yield
    finally:
        with signals_blocked():
            try:
                restore(host, saved)
            finally:
                watcher.kill()
                watcher.communicate()


def no_integrity(device):
    """The settings under which the kernel neither generates nor verifies PI by itself."""
    return {f"{device.integrity}/{name}": "0" for name in ("read_verify", "write_generate")}


def fewest_requests(host, device):
    """The settings with as few tags as the kernel allows and, on SCSI, as few commands at once."""
    depth = f"/sys/class/block/{device.disk}/device/queue_depth"
    settings = {f"/sys/class/block/{device.disk}/queue/nr_requests": "4"}  # BLKDEV_MIN_RQ
    return {**settings, depth: "4"} if host.exists(depth) else settings
