# SPDX-License-Identifier: GPL-2.0-only
"""What a result depends on besides the code: recorded, or said to be not recorded."""

import datetime
import glob
import hashlib
import os
import re

from . import fio, health

MISSING = "not recorded"
QUEUE = (
    "scheduler", "nr_requests", "max_sectors_kb", "max_hw_sectors_kb", "max_integrity_segments", "nomerges",
    "rq_affinity", "iostats", "wbt_lat_usec", "write_cache", "rotational", "io_poll", "dma_alignment",
    "logical_block_size", "physical_block_size",
)  # fmt: skip
INTEGRITY = ("format", "tag_size", "protection_interval_bytes", "device_is_integrity_capable", "read_verify", "write_generate")


def first_line(host, argv):
    done = host.run(argv)
    lines = done.stdout.splitlines() if done and done.returncode == 0 else []
    return lines[0].strip() if lines and lines[0].strip() else MISSING


def sha256(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return MISSING


def kernel_config(host, release):
    # a guest's kernel comes out of a package unpacked under build/
    unpacked = glob.glob(str(fio.REPO / "build" / "pkg" / "*" / "boot" / f"config-{release}"))
    for path in ("/proc/config.gz", f"/lib/modules/{release}/config", f"/boot/config-{release}", *unpacked):
        if host.exists(path):
            return sha256(host.at(path))
    return MISSING


def cpu_field(host, name):
    found = re.search(rf"^{name}\s*:\s*(.*)$", host.read("/proc/cpuinfo") or "", re.MULTILINE)
    return found.group(1) if found else MISSING


def virtualisation(host):
    """systemd-detect-virt's word; 'qemu' is QEMU without KVM."""
    done = host.run(["systemd-detect-virt", "--vm"])
    if done and done.stdout.strip():
        return done.stdout.strip()
    return MISSING


def emulated(host):
    """Whether instructions are translated, so that no time means anything."""
    return virtualisation(host) == "qemu" or "TCG" in cpu_field(host, "model name")


def compiler_of(host, path):
    """What the object says it was compiled with, else the compiler at hand."""
    done = host.run(["readelf", "-p", ".comment", path])
    found = re.search(r"\]\s+(.*)$", done.stdout if done else "", re.MULTILINE)
    return found.group(1).strip() if found else first_line(host, ["cc", "--version"])


def fio_configure(host, path):
    """The options fio was configured with: without ISA-L it computes guards from tables."""
    text = host.read(os.path.join(os.path.dirname(path), "config-host.mak"))
    found = re.search(r"Configured with:\s*(.*)", text or "")
    return found.group(1).replace("'", "") if found else MISSING


def commit(host):
    git = ["git", "-C", str(fio.REPO)]
    revision = first_line(host, git + ["rev-parse", "HEAD"])
    if revision == MISSING:
        return MISSING
    return revision + ("-dirty" if first_line(host, git + ["status", "--porcelain"]) != MISSING else "")


def settings(host, directory, names):
    return {name: host.read(f"{directory}/{name}") or MISSING for name in names}


def device(host, described):
    base = f"/sys/class/block/{described.disk}"
    firmware = host.read(f"{base}/device/firmware_rev") or host.read(f"{base}/device/rev")
    return {
        "path": described.path,
        "format": described.format,
        "bytes": described.size,
        "model": host.read(f"{base}/device/model") or MISSING,
        "firmware": firmware or MISSING,
        "queue": settings(host, f"{base}/queue", QUEUE),
        "integrity": settings(host, f"{base}/integrity", INTEGRITY),
        "health": health.of(host, described.disk, described.path),
    }


def machine(host, devices=None):
    """What runs: kernel, processor, and devices, {role: what device() told}."""
    system = os.uname()
    vulnerabilities = "/sys/devices/system/cpu/vulnerabilities"
    mitigations = {name: host.read(f"{vulnerabilities}/{name}") or MISSING for name in host.list(vulnerabilities)}
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kernel": f"{system.sysname} {system.release} {system.version} {system.machine}",
        "kernel_config_sha256": kernel_config(host, system.release),
        "command_line": host.read("/proc/cmdline") or MISSING,
        "mitigations": mitigations or MISSING,
        "cpu": cpu_field(host, "model name"),
        "cpus": os.cpu_count() or MISSING,
        "microcode": cpu_field(host, "microcode"),
        "governor": host.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or MISSING,
        "clocksource": host.read("/sys/devices/system/clocksource/clocksource0/current_clocksource") or MISSING,
        "virtualisation": virtualisation(host),
        "load": host.read("/proc/loadavg") or MISSING,
        "devices": devices or MISSING,
    }


def software(host, tools):
    """What is run: the same in a guest, where it takes long to look."""
    return {
        "fio": first_line(host, [tools.fio, "--version"]),
        "fio_sha256": sha256(tools.fio),
        "fio_configure": fio_configure(host, tools.fio),
        "liburing": first_line(host, ["pkg-config", "--modversion", "liburing"]),
        "engine_sha256": sha256(tools.engine),
        "engine_commit": commit(host),
        "engine_compiler": compiler_of(host, tools.engine),
    }
