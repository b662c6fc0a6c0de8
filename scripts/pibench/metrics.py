# SPDX-License-Identifier: GPL-2.0-only
"""What is read off a run.  Which figures mean something depends on what a session can measure."""

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
    """Of the I/Os that are counted."""
    return lambda run: run[field] / run["counted"]


def in_rooms(wanted):
    """Instructions in rooms that are wanted."""
    return lambda run: sum(taken for room, taken in run["rooms"].items() if wanted(room)) / run["counted"]


# counted by function: what is the system's, what a drive does that is none, and what befalls any run
HOST = Metric("host", "host instructions per I/O", "instructions", in_rooms(lambda room: room not in profile.APART))
DRIVE = Metric("drive", profile.DRIVE, "instructions", in_rooms(lambda room: room == profile.DRIVE))
OTHERS = Metric("others", profile.OTHERS, "instructions", in_rooms(lambda room: room in (profile.OTHERS, profile.UNEXPLAINED)))
ROOMS = {room: Metric(room, room, "instructions", in_rooms(lambda each, room=room: each == room)) for room in profile.ROOMS}
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
    """What of them counts, where instructions do: by function where that is known of all."""
    return HOST if runs and all("rooms" in run for run in runs) else TOTAL


def of(mode, icount, runs=()):
    """The metrics of a session, its main one first."""
    if mode == cells.INSTRUCTIONS:
        return (counted(runs),)
    if mode == cells.CPU:
        return (CPU_INSTRUCTIONS if icount else CPU,)
    # what other machines take is not known
    return (IOPS, RATE, LATENCY, P99) + (CPU,) * all("hosts" not in run for run in runs)
