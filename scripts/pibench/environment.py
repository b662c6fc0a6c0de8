# SPDX-License-Identifier: GPL-2.0-only
"""What a result depends on besides the code; what cannot be found out is recorded as "not recorded"."""

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


def read(host, path):
    return host.read(path) or MISSING


def settings(host, directory, names):
    return {name: read(host, f"{directory}/{name}") for name in names}


def first_line(host, argv):
    """The first line that a program prints."""
    done = host.run(argv)
    text = done.stdout.strip() if done else ""
    return text.splitlines()[0] if text else MISSING


def match(pattern, text):
    """The pattern's group in its first match."""
    found = re.search(pattern, text or "", re.MULTILINE)
    return found[1].strip() if found else MISSING


def sha256(path):
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return MISSING


def kernel_config(host, release):
    # a guest's kernel comes from a package unpacked under build/
    unpacked = glob.glob(str(fio.REPO / "build" / "pkg" / "*" / "boot" / f"config-{release}"))
    places = ("/proc/config.gz", f"/lib/modules/{release}/config", f"/boot/config-{release}", *unpacked)
    return next((sha256(host.at(path)) for path in places if host.exists(path)), MISSING)


def cpu_field(host, name):
    return match(rf"^{name}\s*:\s*(.*)$", host.read("/proc/cpuinfo"))


def virtualisation(host):
    """The word of systemd-detect-virt; 'qemu' is QEMU without KVM."""
    return first_line(host, ["systemd-detect-virt", "--vm"])


def emulated(host):
    """Whether QEMU translates instructions, so that time means nothing."""
    return virtualisation(host) == "qemu" or "TCG" in cpu_field(host, "model name")


def compiler_of(host, path):
    """The compiler that an object file names, else the one installed."""
    done = host.run(["readelf", "-p", ".comment", path])
    named = match(r"\]\s+(.*)$", done.stdout if done else "")
    return first_line(host, ["cc", "--version"]) if named == MISSING else named


def fio_configure(host, path):
    """The options fio was configured with: without ISA-L it computes guards from tables."""
    text = host.read(os.path.join(os.path.dirname(path), "config-host.mak"))
    return match(r"Configured with:\s*(.*)", text).replace("'", "")


def commit(host):
    git = ["git", "-C", str(fio.REPO)]
    revision = first_line(host, [*git, "rev-parse", "--verify", "HEAD"])
    is_dirty = revision != MISSING and first_line(host, [*git, "status", "--porcelain"]) != MISSING
    return f"{revision}-dirty" if is_dirty else revision


def device(host, described):
    base = f"/sys/class/block/{described.disk}"
    return {
        "path": described.path,
        "format": described.format,
        "bytes": described.size,
        "model": read(host, f"{base}/device/model"),
        "firmware": host.read(f"{base}/device/firmware_rev") or read(host, f"{base}/device/rev"),
        "queue": settings(host, f"{base}/queue", QUEUE),
        "integrity": settings(host, f"{base}/integrity", INTEGRITY),
        "health": health.of(host, described.disk, described.path),
    }


def machine(host, devices=None):
    """The kernel, the processor, and devices as {role: what device() returned}."""
    system = os.uname()
    vulnerabilities = "/sys/devices/system/cpu/vulnerabilities"
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "kernel": f"{system.sysname} {system.release} {system.version} {system.machine}",
        "kernel_config_sha256": kernel_config(host, system.release),
        "command_line": read(host, "/proc/cmdline"),
        "mitigations": settings(host, vulnerabilities, host.list(vulnerabilities)) or MISSING,
        "cpu": cpu_field(host, "model name"),
        "cpus": os.cpu_count() or MISSING,
        "microcode": cpu_field(host, "microcode"),
        "governor": read(host, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "clocksource": read(host, "/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "virtualisation": virtualisation(host),
        "load": read(host, "/proc/loadavg"),
        "devices": devices or MISSING,
    }


def software(host, tools):
    """The programs under test: a guest runs the same files, and would take long to look at them."""
    return {
        "fio": first_line(host, [tools.fio, "--version"]),
        "fio_sha256": sha256(tools.fio),
        "fio_configure": fio_configure(host, tools.fio),
        "liburing": first_line(host, ["pkg-config", "--modversion", "liburing"]),
        "engine_sha256": sha256(tools.engine),
        "engine_commit": commit(host),
        "engine_compiler": compiler_of(host, tools.engine),
    }
