# SPDX-License-Identifier: GPL-2.0-only
"""The health of a drive before and after a session: its temperature and, for NVMe, the SMART log."""

import struct

# struct nvme_admin_cmd: get log page 2, all of its 512 bytes
ADMIN_COMMAND = struct.Struct("<BBHIIIQQIIIIIIIIII")
GET_LOG_PAGE, SMART, SIZE, EVERY_NAMESPACE = 2, 2, 512, 0xFFFFFFFF
KELVIN = 273
# a session in which one of these grew has not measured the drive in its normal state
SPOILS = ("media errors", "throttled")


def smart_command(address):
    """The command that stores the SMART log at an address, for the ioctl."""
    return bytearray(ADMIN_COMMAND.pack(
        GET_LOG_PAGE, 0, 0, EVERY_NAMESPACE, 0, 0, 0, address, 0, SIZE, (SIZE // 4 - 1) << 16 | SMART, *[0] * 7))  # fmt: skip


def smart(log):
    """{name: value} of the SMART log."""
    warning, kelvin, spare, _, used = struct.unpack_from("<BHBBB", log)
    written, hours, errors = (int.from_bytes(log[at : at + 16], "little") for at in (48, 128, 160))
    return {
        "temperature, °C": kelvin - KELVIN, "critical warnings": warning, "spare, %": spare, "used, %": used,
        "written, GB": round(written * 512_000 / 1e9), "hours": hours, "media errors": errors,
        "throttled": sum(struct.unpack_from("<II", log, 216)),
    }  # fmt: skip


def of(host, disk, path):
    """{name: value} of a drive: from its SMART log, else the temperature from hwmon if there is one."""
    log = host.nvme_log(path, smart_command, SIZE)
    if log:
        return smart(log)
    base = f"/sys/class/block/{disk}/device"
    for place in (base, f"{base}/hwmon"):
        for name in host.list(place):
            if name.startswith("hwmon") and (found := host.read(f"{place}/{name}/temp1_input")):
                return {"temperature, °C": round(int(found) / 1000)}
    return {}


def told(before, after):
    """(whether the drive stayed in its normal state, in words) of a session."""
    warm = [each.get("temperature, °C") for each in (before, after)]
    if None in warm:
        return False, "temperature and SMART: not recorded"
    more = {name: after[name] - before[name] for name in SPOILS if name in before and name in after}
    words = [f"{name} +{value}" for name, value in more.items()] or ["SMART not recorded"]
    return bool(more) and not any(more.values()), f"temperature {warm[0]} °C before and {warm[1]} °C after; {', '.join(words)}"
