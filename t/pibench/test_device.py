# SPDX-License-Identifier: GPL-2.0-only
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from pibench import device
from pibench.errors import Failure, Interrupted
from pibench.host import Host


class FakeHost(Host):
    """A machine in a directory: a 'device' is a file whose text is its major:minor."""

    blkid = subprocess.CompletedProcess([], 2, "", "")
    exclusive = None

    def block_numbers(self, path):
        text = self.read(path) if path.startswith("/dev/") else None
        return text if text and ":" in text else None

    def hold(self, path):
        if self.exclusive:
            raise OSError(self.exclusive, os.strerror(self.exclusive))
        return os.open(self.at(path), os.O_RDONLY)

    def run(self, argv):
        return self.blkid


class Machine(unittest.TestCase):
    """vda holds the root; nvme0n1 (PI, two partitions) and nvme0n2 are free."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.host = FakeHost(scratch.name)
        self.disk("vda", "254:0", ["vda1"])
        self.disk("nvme0n1", "259:0", ["nvme0n1p1", "nvme0n1p2"])
        self.disk("nvme0n2", "259:5")
        self.disk("dm-0", "253:0")
        self.integrity("nvme0n1", "T10-DIF-TYPE1-CRC", 4096)
        self.put("/proc/self/mountinfo", "22 1 254:1 / / rw - ext4 /dev/vda1 rw\n23 22 0:5 / /proc rw - proc proc rw")
        self.put("/proc/swaps", "Filename Type Size Used Priority\n")
        self.put("/dev/null", "")

    def put(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def disk(self, name, numbers, partitions=(), place=None):
        place = place or f"/sys/devices/pci/{name}"
        self.node(place, name, numbers)
        self.put(f"{place}/queue/logical_block_size", "4096")
        for index, partition in enumerate(partitions, 1):
            major, minor = numbers.split(":")
            self.node(f"{place}/{partition}", partition, f"{major}:{int(minor) + index}")
            self.put(f"{place}/{partition}/partition", str(index))

    def node(self, place, name, numbers):
        self.put(f"{place}/dev", numbers)
        self.put(f"{place}/size", "2097152")
        self.put(f"{place}/ro", "0")
        (self.root / place[1:] / "holders").mkdir()
        for link in (f"sys/class/block/{name}", f"sys/dev/block/{numbers}"):
            link = self.root / link
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(self.root / place[1:], link.parent))
        self.put(f"/dev/{name}", numbers)

    def integrity(self, name, profile, interval, metadata=None):
        base = f"/sys/class/block/{name}"
        self.put(f"{base}/integrity/format", profile)
        self.put(f"{base}/integrity/protection_interval_bytes", str(interval))
        for knob in ("read_verify", "write_generate"):
            self.put(f"{base}/integrity/{knob}", "1")
        if metadata:
            self.put(f"{base}/metadata_bytes", str(metadata))

    def mount(self, line):
        self.put("/proc/self/mountinfo", self.host.read("/proc/self/mountinfo") + "\n" + line)


class Refusals(Machine):
    def refused(self, path, *words, write=False):
        with self.assertRaises(Failure) as caught:
            device.check(self.host, path, write)
        for word in words:
            self.assertIn(word, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(caught.exception.status, 2)

    def test_a_free_device_is_taken(self):
        self.assertEqual(device.check(self.host, "/dev/nvme0n1").name, "nvme0n1")
        self.assertEqual(device.check(self.host, "/dev/nvme0n1", write=True).size, 1 << 30)

    def test_not_a_block_device(self):
        self.refused("/dev/null", "not a block device")
        self.refused("/dev/nvme9n1", "no such device")

    def test_mounted(self):
        self.mount("30 22 259:5 / /srv rw - xfs /dev/nvme0n2 rw")
        self.refused("/dev/nvme0n2", "mounted on /srv")
        device.check(self.host, "/dev/nvme0n1")

    def test_mounted_under_a_number_of_the_file_system(self):
        self.mount("30 22 0:41 / /srv rw - btrfs /dev/nvme0n2 rw")
        self.refused("/dev/nvme0n2", "mounted on /srv")

    def test_partition_mounted(self):
        self.mount("30 22 259:2 / /srv rw - xfs /dev/nvme0n1p2 rw")
        self.refused("/dev/nvme0n1", "nvme0n1p2 is mounted")
        self.refused("/dev/nvme0n1p1", "nvme0n1p2 is mounted")

    def test_swap(self):
        self.put("/proc/swaps", "Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2\n")
        self.refused("/dev/nvme0n1", "swap")
        device.check(self.host, "/dev/nvme0n2")

    def test_held_by_dm(self):
        (self.root / "sys/class/block/nvme0n2/holders/dm-0").mkdir()
        self.refused("/dev/nvme0n2", "held by dm-0")

    def test_partition_held(self):
        (self.root / "sys/class/block/nvme0n1p2/holders/md127").mkdir()
        self.refused("/dev/nvme0n1", "nvme0n1p2 is held by md127")

    def test_root_disk(self):
        self.refused("/dev/vda", "root file system")

    def test_root_disk_beneath_dm(self):
        self.put("/proc/self/mountinfo", "22 1 253:0 / / rw - ext4 /dev/mapper/root rw")
        (self.root / "sys/class/block/dm-0/slaves/nvme0n1p2").mkdir(parents=True)
        self.refused("/dev/nvme0n1", "root file system is on nvme0n1")
        device.check(self.host, "/dev/nvme0n2")

    def test_signature(self):
        for found, word in (("DEVNAME=/dev/x\nTYPE=ext4\n", "ext4"), ("DEVNAME=/dev/x\nPTTYPE=gpt\n", "gpt")):
            self.host.blkid = subprocess.CompletedProcess([], 0, found, "")
            self.refused("/dev/nvme0n2", "signature", word)
        self.host.blkid = subprocess.CompletedProcess([], 8, "", "ambivalent result")
        self.refused("/dev/nvme0n2", "signature")

    def test_an_entry_in_the_parents_table_is_no_signature(self):
        self.host.blkid = subprocess.CompletedProcess([], 0, "DEVNAME=/dev/x\nPART_ENTRY_SCHEME=gpt\n", "")
        device.check(self.host, "/dev/nvme0n1p1")

    def test_no_look_no_use(self):
        self.host.blkid = subprocess.CompletedProcess([], 2, "", "error: /dev/nvme0n2: Operation not permitted")
        self.refused("/dev/nvme0n2", "blkid")
        self.host.blkid = None
        self.refused("/dev/nvme0n2", "util-linux")

    def test_allow_write_names_the_same_device(self):
        both = ["/dev/nvme0n1", "/dev/nvme0n2"]
        self.put("/dev/disk/by-id/x", "259:0")
        self.assertEqual(device.may_write(self.host, both, []), set())
        self.assertEqual(device.may_write(self.host, both, ["/dev/disk/by-id/x"]), {"/dev/nvme0n1"})
        self.assertEqual(device.may_write(self.host, both, both), set(both))
        for other in ("/dev/nvme0n2", "/dev/nvme0n1p1", "/dev/vda", "/dev/null", "/dev/nothing"):
            with self.assertRaisesRegex(Failure, "both must name the same device"):
                device.may_write(self.host, ["/dev/nvme0n1"], [other])

    def test_read_only_and_empty_devices(self):
        self.put("/sys/class/block/nvme0n2/ro", "1")
        device.check(self.host, "/dev/nvme0n2")
        self.refused("/dev/nvme0n2", "read-only", write=True)
        self.put("/sys/class/block/nvme0n2/size", "0")
        self.refused("/dev/nvme0n2", "no size")

    def test_held_exclusively(self):
        self.host.exclusive = 16
        with self.assertRaisesRegex(Failure, "held exclusively"):
            device.hold(self.host, "/dev/nvme0n2")
        self.host.exclusive = 13
        with self.assertRaisesRegex(Failure, "Permission denied"):
            device.hold(self.host, "/dev/nvme0n2")


class Formats(Machine):
    def test_what_sysfs_tells(self):
        found = device.describe(self.host, "/dev/nvme0n1").pi
        self.assertEqual((found.interval, found.metadata, found.checks), (4096, 8, "GUARD,REFTAG,APPTAG"))
        self.assertEqual(found.metadata_per_io(131072), 256)

    def test_wider_metadata_and_type_3(self):
        self.integrity("nvme0n2", "EXT-DIF-TYPE3-CRC64", 4096, metadata=64)
        found = device.describe(self.host, "/dev/nvme0n2").pi
        self.assertEqual((found.metadata, found.checks, found.metadata_per_io(8192)), (64, "GUARD,APPTAG", 128))

    def test_only_types_that_count_blocks_have_the_reference_tag_checked(self):
        for guard in ("T10-DIF-{}-CRC", "T10-DIF-{}-IP", "EXT-DIF-{}-CRC64"):
            for number, checks in (("TYPE1", "GUARD,REFTAG,APPTAG"), ("TYPE3", "GUARD,APPTAG")):
                self.integrity("nvme0n2", guard.format(number), 4096)
                self.assertEqual(device.describe(self.host, "/dev/nvme0n2").pi.checks, checks)

    def test_partition_has_the_format_of_its_disk(self):
        found = device.describe(self.host, "/dev/nvme0n1p1")
        self.assertEqual((found.disk, found.pi.metadata), ("nvme0n1", 8))

    def test_no_pi(self):
        self.assertIsNone(device.describe(self.host, "/dev/nvme0n2").pi)
        for profile in ("none", "nop"):
            self.integrity("nvme0n2", profile, 0)
            self.assertIsNone(device.describe(self.host, "/dev/nvme0n2").pi)


class Settings(Machine):
    def setUp(self):
        super().setUp()
        self.device = device.describe(self.host, "/dev/nvme0n1")
        self.knobs = [f"{self.device.integrity}/{name}" for name in ("read_verify", "write_generate")]
        self.put(self.knobs[1], "1")

    def values(self):
        return [self.host.read(knob) for knob in self.knobs]

    def test_changed_inside_and_put_back(self):
        with device.with_settings(self.host, device.no_integrity(self.device)):
            self.assertEqual(self.values(), ["0", "0"])
        self.assertEqual(self.values(), ["1", "1"])

    def test_what_was_off_stays_off(self):
        self.put(self.knobs[0], "0")
        with device.with_settings(self.host, device.no_integrity(self.device)):
            pass
        self.assertEqual(self.values(), ["0", "1"])

    def test_put_back_on_an_error(self):
        with self.assertRaises(ZeroDivisionError), device.with_settings(self.host, device.no_integrity(self.device)):
            raise ZeroDivisionError
        self.assertEqual(self.values(), ["1", "1"])

    def test_put_back_on_signals(self):
        def stop(number, _):
            raise Interrupted(number)

        for number in device.SIGNALS:
            self.addCleanup(signal.signal, number, signal.signal(number, stop))
            with self.assertRaises(Interrupted) as caught, device.with_settings(self.host, device.no_integrity(self.device)):
                os.kill(os.getpid(), number)
                self.fail("not interrupted")
            self.assertEqual(caught.exception.status, 128 + number)
            self.assertEqual(self.values(), ["1", "1"])

    def test_put_back_after_sigkill(self):
        pid = os.fork()
        if not pid:
            os.setpgid(0, 0)
            with device.with_settings(self.host, device.no_integrity(self.device)):
                if self.values() == ["0", "0"]:
                    os.killpg(0, signal.SIGKILL)
            os._exit(1)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -signal.SIGKILL)
        deadline = time.monotonic() + 30
        while self.values() != ["1", "1"] and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertEqual(self.values(), ["1", "1"])

    def test_second_setting_fails(self):
        (self.root / self.knobs[1][1:]).unlink()
        with self.assertRaisesRegex(Failure, "write_generate"):
            device.with_settings(self.host, device.no_integrity(self.device)).__enter__()
        self.assertEqual(self.host.read(self.knobs[0]), "1")

    def test_cannot_put_back_says_what_to_type(self):
        with self.assertRaisesRegex(Failure, "echo 1 >.*read_verify"):
            with device.with_settings(self.host, device.no_integrity(self.device)):
                (self.root / self.knobs[0][1:]).unlink()
                (self.root / self.knobs[0][1:]).mkdir()
        self.assertEqual(self.host.read(self.knobs[1]), "1")

    def test_choice_among_several(self):
        self.put("/sys/class/block/nvme0n1/queue/scheduler", "none [mq-deadline]")
        with device.with_settings(self.host, {"/sys/class/block/nvme0n1/queue/scheduler": "none"}):
            pass
        self.assertEqual(self.host.read("/sys/class/block/nvme0n1/queue/scheduler"), "mq-deadline")
