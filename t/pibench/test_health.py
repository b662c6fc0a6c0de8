# SPDX-License-Identifier: GPL-2.0-only
"""A drive's temperature and SMART log: how they are read, and what a report says of them."""

import struct
import unittest

import synthetic
import test_device
from pibench import cells, health, outcome, report

LOG = {0: b"\x04", 1: struct.pack("<H", 273 + 38), 3: b"\x64", 5: b"\x07", 48: (4_000_000).to_bytes(16, "little"),
       128: (1 << 70).to_bytes(16, "little"), 160: b"\x02", 216: struct.pack("<II", 3, 1)}  # fmt: skip


def log():
    found = bytearray(512)
    for at, value in LOG.items():
        found[at : at + len(value)] = value
    return bytes(found)


class Health(test_device.Machine):
    def test_the_command_is_the_kernels(self):
        command = health.smart_command(0x1122334455667788)
        self.assertEqual(len(command), 72)
        self.assertEqual((command[0], command[4:8], command[24:32]), (2, b"\xff" * 4, bytes.fromhex("8877665544332211")))
        self.assertEqual(struct.unpack_from("<II", command, 36), (512, 127 << 16 | 2))

    def test_smart(self):
        self.host.nvme_log = lambda path, command, size: log()
        self.assertEqual(health.of(self.host, "nvme0n1", "/dev/nvme0n1"), {
            "temperature, °C": 38, "critical warnings": 4, "spare, %": 100, "used, %": 7, "written, GB": 2048, "hours": 1 << 70,
            "media errors": 2, "throttled": 4})  # fmt: skip

    def test_without_a_log_there_is_hwmon(self):
        for place in ("hwmon3", "hwmon/hwmon3"):
            self.put(f"/sys/class/block/sda/device/{place}/temp1_input", "41850")
            self.assertEqual(health.of(self.host, "sda", "/dev/null"), {"temperature, °C": 42})
            (self.root / f"sys/class/block/sda/device/{place}/temp1_input").unlink()
        self.assertEqual(health.of(self.host, "sda", "/dev/null"), {})

    def test_told(self):
        cool = {"temperature, °C": 38, "media errors": 2, "throttled": 4}
        self.assertEqual(health.told(cool, cool | {"temperature, °C": 51}),
                         (True, "temperature 38 °C before and 51 °C after; media errors +0, throttled +0"))  # fmt: skip
        self.assertFalse(health.told(cool, cool | {"throttled": 5})[0])
        self.assertFalse(health.told(cool, cool | {"media errors": 3})[0])
        self.assertEqual(health.told({"temperature, °C": 38}, {"temperature, °C": 40}),
                         (False, "temperature 38 °C before and 40 °C after; SMART not recorded"))  # fmt: skip
        self.assertEqual(health.told({}, {}), (False, "temperature and SMART: not recorded"))

    def test_a_report_says_so(self):
        cell = cells.parse("randread-4k-qd32 pi/indirect")
        records = [synthetic.record("run", cell, number, cells.TIME, "nvme0n1", 100) for number in range(3)]
        env = {"sessions": {"nvme0n1": {"devices": {"pi": {"path": "/dev/nvme0n1", "health": health.smart(log())}},
                                        "after": {"pi": health.smart(log()) | {"throttled": 6}}}}}  # fmt: skip
        said = "✗ nvme0n1: /dev/nvme0n1: temperature 38 °C before and 38 °C after; media errors +0, throttled +2"
        self.assertIn(said, report.checklist(outcome.group(records), env))
        self.assertFalse([line for line in report.checklist(outcome.group(records), {}) if "temperature" in line])


if __name__ == "__main__":
    unittest.main()
