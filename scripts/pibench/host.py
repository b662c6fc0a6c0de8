# SPDX-License-Identifier: GPL-2.0-only
"""The machine as /proc, /sys and /dev show it, below a root directory that tests replace."""

import ctypes
import fcntl
import os
import pathlib
import subprocess

from .errors import Failure

# NVME_IOCTL_ADMIN_CMD
ADMIN = 0xC0484E41


class Host:
    def __init__(self, root="/"):
        self.root = root

    def at(self, path):
        return os.path.join(self.root, path.lstrip("/"))

    def read(self, path):
        """The file's text, stripped, or None."""
        try:
            with open(self.at(path), encoding="utf-8", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def write(self, path, value):
        try:
            with open(self.at(path), "w", encoding="utf-8") as file:
                file.write(value)
        except OSError as error:
            raise Failure(f"{path}: cannot write {value}: {error.strerror}") from None

    def list(self, path):
        try:
            return sorted(os.listdir(self.at(path)))
        except OSError:
            return []

    def exists(self, path):
        return os.path.exists(self.at(path))

    def run(self, argv):
        """The finished process, or None if there is no such program."""
        try:
            return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
        except OSError:
            return None

    def block_numbers(self, path):
        """'major:minor' of a block device, else None."""
        if not pathlib.Path(self.at(path)).is_block_device():
            return None
        number = os.stat(self.at(path)).st_rdev
        return f"{os.major(number)}:{os.minor(number)}"

    def nvme_log(self, path, command, size):
        """A log page of an NVMe drive, or None if it has none; command(address) asks for the page to be stored there."""
        buffer = (ctypes.c_char * size)()
        try:
            with open(self.at(path), "rb") as file:
                if fcntl.ioctl(file, ADMIN, command(ctypes.addressof(buffer))):
                    return None
        except OSError:
            return None
        return bytes(buffer)

    def hold(self, path):
        """Open the device so that nobody can mount or claim it."""
        return os.open(self.at(path), os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC)
