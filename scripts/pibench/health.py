# SPDX-License-Identifier: GPL-2.0-only
"""What a drive says of itself: how warm it is, and of NVMe the SMART log, before a session and after it."""

import struct

# struct nvme_admin_cmd: get log page 2, all of its 512 bytes
ADMIN_COMMAND = struct.Struct("<BBHIIIQQIIIIIIIIII")
GET_LOG_PAGE, SMART, SIZE, EVERY_NAMESPACE = 2, 2, 512, 0xFFFFFFFF
KELVIN = 273
# what a session may add to: one that has added to what slows or spoils has not measured the drive as it is
SPOILS = ("media errors", "throttled")


def smart_command(address):
    """As the ioctl takes it."""
    return bytearray(ADMIN_COMMAND.pack(
        GET_LOG_PAGE, 0, 0, EVERY_NAMESPACE, 0, 0, 0, address, 0, SIZE, (SIZE // 4 - 1) << 16 | SMART, *[0] * 7))  # fmt: skip


def smart(log):
    """{what: figure} of the log."""
    warning, kelvin, spare, _, used = struct.unpack_from("<BHBBB", log)
    written, hours, errors = (int.from_bytes(log[at : at + 16], "little") for at in (48, 128, 160))
    return {
        "temperature, °C": kelvin - KELVIN, "critical warnings": warning, "spare, %": spare, "used, %": used,
        "written, GB": round(written * 512_000 / 1e9), "hours": hours, "media errors": errors,
        "throttled": sum(struct.unpack_from("<II", log, 216)),
    }  # fmt: skip


def of(host, disk, path):
    """{what: figure} of a drive; empty where it says nothing."""
    log = host.nvme_log(path, smart_command, SIZE)
    if log:
        return smart(log)
    base = f"/sys/class/block/{disk}/device"
    names = [f"{base}/{name}" for name in host.list(base) if name.startswith("hwmon")]
    names += [f"{base}/hwmon/{name}" for name in host.list(f"{base}/hwmon")]
    found = next((text for name in names if (text := host.read(f"{name}/temp1_input"))), None)
    return {"temperature, °C": round(int(found) / 1000)} if found else {}


def told(before, after):
    """(whether the drive was as it is, in words) of a session."""
    warm = [each.get("temperature, °C") for each in (before, after)]
    if None in warm:
        return False, "temperature and SMART: not recorded"
    more = {name: after[name] - before[name] for name in SPOILS if name in before and name in after}
    words = [f"{name} +{value}" for name, value in more.items()] or ["SMART not recorded"]
    return bool(more) and not any(more.values()), f"temperature {warm[0]} °C before and {warm[1]} °C after; {', '.join(words)}"
