# SPDX-License-Identifier: GPL-2.0-only
"""Block devices: which of them may be touched, what PI they have, and their settings."""

import contextlib
import dataclasses
import errno
import os
import re
import signal
import socket
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
        """Another name of it: for a program that is to open it more than once."""
        path = os.path.join(tempfile.gettempdir(), f"{self.name}-{number}")
        with contextlib.suppress(FileExistsError):
            os.symlink(self.path, path)
        return path

    @property
    def format(self):
        if not self.block_size:
            # of another machine
            return "PI" if self.pi else "no PI"
        return f"{self.block_size}+{self.pi.metadata} {self.pi.format}" if self.pi else f"{self.block_size}"


FILE, FILE_BYTES = "file:", 16 << 20


def file(path):
    """A regular file as a Device, for what goes no further than the page cache; fill() makes it."""
    path = path.removeprefix(FILE)
    return Device(path, os.path.basename(path), "", FILE_BYTES, 4096, None)


def number(host, path):
    text = host.read(path)
    return int(text) if text and text.isdigit() else None


def find_pi(host, disk):
    base = f"/sys/class/block/{disk}"
    name = host.read(f"{base}/integrity/format")
    known = catalog.profiles()
    if name not in known:
        return None
    tuple_size, counts_blocks = known[name]
    interval = number(host, f"{base}/integrity/protection_interval_bytes")
    if not interval:
        interval = number(host, f"{base}/queue/logical_block_size")
    return Pi(name, interval, number(host, f"{base}/metadata_bytes") or tuple_size, counts_blocks)


def describe(host, path):
    """The Device at a path in /dev; refuses what is not a block device."""
    if not host.exists(path):
        raise Failure(f"{path}: no such device")
    numbers = host.block_numbers(path)
    if not numbers:
        raise Failure(f"{path}: not a block device; name one such as /dev/nvme0n1")
    directory = os.path.realpath(host.at(f"/sys/dev/block/{numbers}"))
    name = os.path.basename(directory)
    is_partition = os.path.exists(os.path.join(directory, "partition"))
    disk = os.path.basename(os.path.dirname(directory)) if is_partition else name
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
    names = [disk] + [
        entry for entry in host.list(f"/sys/class/block/{disk}") if host.exists(f"/sys/class/block/{disk}/{entry}/partition")
    ]
    return {name: host.read(f"/sys/class/block/{name}/dev") for name in names}


def mounts(host):
    """(major:minor, mount point, source) of every mount."""
    for line in (host.read("/proc/self/mountinfo") or "").splitlines():
        fields, _, rest = line.partition(" - ")
        numbers, mount_point = fields.split()[2], fields.split()[4]
        source = rest.split()[1] if len(rest.split()) > 1 else "none"
        # btrfs and others mount under a number that no device has
        yield (host.block_numbers(source) if source.startswith("/") else None) or numbers, mount_point, source


def swaps(host):
    lines = (host.read("/proc/swaps") or "").splitlines()[1:]
    return {host.block_numbers(line.split()[0]) for line in lines if line.split()} - {None}


def disks_below(host, numbers):
    """The disks that a block device, through dm, md and partitions, rests on."""
    directory = os.path.realpath(host.at(f"/sys/dev/block/{numbers}"))
    if not os.path.isdir(directory):
        return set()
    if os.path.exists(os.path.join(directory, "partition")):
        directory = os.path.dirname(directory)
    name = os.path.basename(directory)
    below = {name}
    for slave in host.list(f"/sys/class/block/{name}/slaves"):
        below |= disks_below(host, host.read(f"/sys/class/block/{slave}/dev") or "-")
    return below


def signature(host, path):
    """What libblkid finds on the device: 'ext4', 'gpt partition table', or None."""
    found = host.run(["blkid", "-p", "-o", "export", host.at(path)])
    if found is None:
        raise Failure(f"{path}: cannot look for a file system without blkid; install util-linux")
    # 2 is "nothing found" and also "cannot read"; only the latter says something
    if found.returncode == 2 and not found.stderr.strip():
        return None
    if found.returncode not in (0, 8):
        raise Failure(f"{path}: blkid exited with {found.returncode}: {found.stderr.strip() or 'no message'}")
    tags = dict(line.split("=", 1) for line in found.stdout.splitlines() if "=" in line)
    if "TYPE" in tags:
        return tags["TYPE"]
    if "PTTYPE" in tags:
        return f"{tags['PTTYPE']} partition table"
    # a partition is described by its parent's table, which is not a signature on it
    return "ambivalent" if found.returncode == 8 else None


def may_write(host, paths, allowed):
    """Those of the devices that --allow-write names; it may name no other."""
    named = set()
    for name in allowed:
        same = [path for path in paths if host.block_numbers(name) == host.block_numbers(path)]
        if not same:
            raise Failure(f"--allow-write names {name}, not {' or '.join(paths)}; both must name the same device")
        named.update(same)
    return named


def check(host, path, write=False):
    """The Device, if a benchmark may use it; else a Failure saying what keeps it."""
    device = describe(host, path)
    if not device.size:
        raise Failure(f"{path}: has no size; name a device with a medium")
    if write and host.read(f"/sys/class/block/{device.name}/ro") == "1":
        raise Failure(f"{path}: is read-only; leave out --allow-write")

    for numbers, mount_point, _ in mounts(host):
        if mount_point == "/" and device.disk in disks_below(host, numbers):
            raise Failure(f"{path}: the root file system is on {device.disk}; name another device")
    # partitions count: integrity settings belong to the whole disk
    parts = members(host, device.disk)
    used = {numbers: name for name, numbers in parts.items()}
    for numbers, mount_point, _ in mounts(host):
        if numbers in used:
            raise Failure(f"{path}: {used[numbers]} is mounted on {mount_point}; unmount it first")
    for numbers in swaps(host):
        if numbers in used:
            raise Failure(f"{path}: {used[numbers]} is in use as swap; swapoff it first")
    for name in parts:
        holders = host.list(f"/sys/class/block/{name}/holders")
        if holders:
            raise Failure(f"{path}: {name} is held by {', '.join(holders)}; take that down first")
    found = signature(host, path)
    if found:
        raise Failure(f"{path}: carries a signature ({found}); if nobody needs it: wipefs -a {path}")
    return device


def hold(host, path):
    """Claim the device for as long as the descriptor is open."""
    try:
        return host.hold(path)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Failure(f"{path}: held exclusively by another program; stop that first") from None
        raise Failure(f"{path}: {error.strerror}") from None


class Settings:
    """sysfs attributes to change for a while: each is put back on leaving, come what may."""

    def __init__(self, host, values):
        self.host = host
        self.values = values
        self.saved = {}
        self.heir = None

    def __enter__(self):
        for path in self.values:
            old = self.host.read(path)
            if old is None:
                raise Failure(f"{path}: no such setting; this kernel or device lacks it")
            chosen = re.search(r"\[(.*?)\]", old)
            self.saved[path] = chosen.group(1) if chosen else old
        try:
            with self.undisturbed():
                self.heir = self.appoint()
            for path, value in self.values.items():
                self.host.write(path, value)
        except BaseException:
            self.restore()
            raise
        return self

    def __exit__(self, *_):
        self.restore()

    @contextlib.contextmanager
    def undisturbed(self):
        masked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, masked)

    def appoint(self):
        """(pid, socket) of a process that puts the settings back when that ends without a word: SIGKILL leaves no time."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid:
            ours.close()
            # before it has a session of its own, it would go with this one's
            if not theirs.recv(1):
                raise Failure("the process that would put settings back after a kill has ended; nothing was changed")
            return pid, theirs
        try:
            os.setsid()
            os.closerange(0, ours.fileno())
            os.closerange(ours.fileno() + 1, os.sysconf("SC_OPEN_MAX"))
            ours.send(b".")
            if not ours.recv(1):
                self.put_back()
        finally:
            os._exit(0)

    def put_back(self):
        """Those that could not be, as one can type them."""
        failed = []
        for path, value in self.saved.items():
            try:
                self.host.write(path, value)
            except Failure:
                failed.append(f"echo {value} >{path}")
        return failed

    def restore(self):
        with self.undisturbed():
            failed = self.put_back()
            if self.heir:
                pid, heir = self.heir
                with heir, contextlib.suppress(BrokenPipeError):
                    heir.send(b".")
                os.waitpid(pid, 0)
                self.heir = None
            if failed:
                raise Failure(f"a setting was not put back; do it by hand: {'; '.join(failed)}")


def no_integrity(device):
    """Settings under which the kernel neither generates nor verifies PI by itself."""
    return {f"{device.integrity}/{name}": "0" for name in ("read_verify", "write_generate")}


def fewest_requests(host, device):
    """Settings under which there are as few tags as the kernel allows and, on SCSI, commands at once."""
    depth = f"/sys/class/block/{device.disk}/device/queue_depth"
    settings = {f"/sys/class/block/{device.disk}/queue/nr_requests": "4"}  # BLKDEV_MIN_RQ
    return {**settings, depth: "4"} if host.exists(depth) else settings
