# SPDX-License-Identifier: GPL-2.0-only
"""The figures of a run, and which of them mean something in a session."""

import dataclasses
import typing

from . import cells, profile


@dataclasses.dataclass(frozen=True)
class Metric:
    name: str
    title: str
    unit: str
    value: typing.Callable
    digits: int = 0
    verb: str = "takes"


def per_io(field):
    return lambda run: run[field] / run["counted"]


def in_rooms(*wanted):
    """Instructions per I/O in some rooms."""
    return lambda run: sum(run["rooms"].get(room, 0) for room in wanted) / run["counted"]


# counted by function: the host's instructions, and apart from them the emulated drive's, and interrupts and other threads
HOST = Metric(
    "host",
    "host instructions per I/O",
    "instructions",
    lambda run: sum(taken for room, taken in run["rooms"].items() if room not in profile.APART) / run["counted"],
)
DRIVE = Metric("drive", profile.DRIVE, "instructions", in_rooms(profile.DRIVE))
OTHERS = Metric("others", profile.OTHERS, "instructions", in_rooms(profile.OTHERS, profile.UNEXPLAINED))
ROOMS = {room: Metric(room, room, "instructions", in_rooms(room)) for room in profile.ROOMS}
TOTAL = Metric("total", "total instructions per I/O", "instructions", per_io("window_ns"))
CPU_INSTRUCTIONS = Metric("cpu", "CPU per I/O in instructions", "instructions", per_io("cpu_ns"))
CPU = Metric("cpu", "CPU per I/O", "ns", per_io("cpu_ns"))
TIME = Metric("time", "time per I/O", "ns", lambda run: run["runtime_ns"] / run["ios"])
START = Metric("start", "from start to end of a short job", "ms", lambda run: run["start_ns"] / 1e6, 1)
RESIDENT = Metric("resident", "resident at most", "KiB", lambda run: run["resident"] / 1024)
IOPS = Metric("iops", "I/O per second", "IOPS", lambda run: run["ios"] * 1e9 / run["runtime_ns"], verb="reaches")
RATE = Metric("rate", "throughput", "MB/s", lambda run: run["bytes"] * 1e3 / run["runtime_ns"], 1)
LATENCY = Metric("latency", "mean latency", "µs", lambda run: run["latency_ns"] / 1e3, 1)
P99 = Metric("p99", "p99 latency", "µs", lambda run: (run["percentiles_ns"].get("99") or 0) / 1e3, 1)


def counted(runs):
    """The metric of runs that count instructions: the host's alone if all of them were counted by function."""
    return HOST if runs and all("rooms" in run for run in runs) else TOTAL


def of(mode, icount, runs=()):
    """The metrics of a session, the main one first."""
    if mode == cells.INSTRUCTIONS:
        return (counted(runs),)
    if mode == cells.CPU:
        return (CPU_INSTRUCTIONS if icount else CPU,)
    # other machines' CPU time is not known
    return (IOPS, RATE, LATENCY, P99) + (CPU,) * all("hosts" not in run for run in runs)
