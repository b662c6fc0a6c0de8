# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench perf has counted, as tables, and beside what the engine is to cost at most."""

import dataclasses
import os
import re

from . import cells, results, stats
from .document import Heading, Items, Table, markdown
from .errors import Failure

AUTOPI, NOVERIFY, FLOOR = cells.AUTOPI, cells.NOVERIFY, "floor"
MD, ISAL, CMD, CMD_ISAL = "io_uring-md", "io_uring-md-isal", "io_uring_cmd", "io_uring_cmd-isal"
DIRECTIONS = {"randread": "random read", "randwrite": "random write"}


@dataclasses.dataclass(frozen=True)
class Target:
    """At most so many times what another takes, in one session; None: shown only."""

    session: str
    way: str
    other: str
    read: float | None
    write: float | None

    def limit(self, workload):
        return self.read if workload.startswith("randread") else self.write


PI, PLAIN, GROWN, HOST, STARTED = "pi", "plain", "grown", "host", "start"
TARGETS = (
    Target(PLAIN, "none", "io_uring", 1.00, 1.00),
    Target(GROWN, "none", "io_uring", 1.00, 1.00),
    # the kernel pins metadata from user space for each I/O, and ISA-L has no AVX-512 under TCG: 1.07 was measured for writes
    Target(PI, "indirect", AUTOPI, 0.95, 1.10),
    # fio 3.41's io_uring verifies nothing that it reads
    Target(PI, "indirect", MD, None, 0.27),
    Target(PI, "indirect", CMD, 0.27, None),
    Target(PI, "indirect", ISAL, None, None),
)
# at most so many times what depth 32 takes: jobs take turns on one processor, and an emulated drive's answers come in bunches
GROWTH = {(GROWN, "none"): 1.02, (PI, "indirect"): 1.05}
# nanoseconds beyond fio's own engine
START = 50_000_000
REFERENCE = "randread-4k-qd32"


class Counts:
    """What each took, by session, workload and way, the rounds in order."""

    def __init__(self, records):
        self.rounds = {}
        self.failures = {}
        self.memory = {}
        for record in records:
            if record["kind"] == "failure":
                self.failures[record["cell"]] = record["reason"]
            elif record["kind"] == "memory":
                self.memory.setdefault((record["way"], record["block"]), {})[record["iodepth"]] = record["bytes"]
            elif record["kind"] == "run" and record["round"]:
                key = (record["session"], *record["cell"].split())
                self.rounds.setdefault(key, {})[record["round"]] = record["count"] / record["ios"]

    def workloads(self, session, *ways):
        return list(dict.fromkeys(workload for at, workload, way in sorted(self.rounds, key=rank) if at == session and way in ways))

    def summary(self, session, workload, way):
        return stats.summarise(self.rounds.get((session, workload, way), {}).values())

    def ratio(self, session, one, other):
        """Of runs (workload, way) in the same round."""
        ours, theirs = (self.rounds.get((session, *each), {}) for each in (one, other))
        return stats.summarise(ours[number] / theirs[number] for number in ours if number in theirs)


def rank(key):
    """Reads first, by depth, then what is grown of it."""
    session, workload, way = key
    return session, workload.split("-")[0], [int(number) for number in re.findall(r"\d+", workload)], workload, way


def title(workload):
    rw, _, depth, *more = workload.split("-")
    words = {"bare": "bare", "x4": "4 times as many", "jobs4": "4 jobs", "files64": "64 files"}
    return ", ".join([DIRECTIONS[rw], f"depth {depth[2:]}", *(words.get(word, word) for word in more)])


def figure(summary):
    return f"{summary.median:,.0f}" if summary else "-"


def spread(summary):
    return f"{summary.median:.3f} ({summary.low:.3f} to {summary.high:.3f})"


def line(name, one, other, ratio, limit):
    """A limit that some rounds keep is not told from one that all do."""
    if limit is None:
        return [name, one, other, spread(ratio), "", ""]
    return [name, one, other, spread(ratio), f"{limit:.2f}", "MISSED" if ratio.low > limit else "met"]


def verdicts(counts):
    """A line for each target and workload."""
    for target in TARGETS:
        for workload in counts.workloads(target.session, target.way):
            ratio = counts.ratio(target.session, (workload, target.way), (workload, target.other))
            if ratio:
                yield line(title(workload), target.way, target.other, ratio, target.limit(workload))
    for (session, way), limit in GROWTH.items():
        for workload in counts.workloads(session, way):
            ratio = counts.ratio(session, (workload, way), (REFERENCE, way))
            if ratio and workload.startswith(REFERENCE.split("-")[0]) and workload != REFERENCE:
                yield line(title(workload), way, "itself at depth 32", ratio, limit)


def absolute(counts, session, heading, ways):
    workloads = counts.workloads(session, *ways)
    rows = [[title(workload), *(figure(counts.summary(session, workload, way)) for way in ways)] for workload in workloads]
    return Heading(heading), Table(["4 KiB", *ways], rows)


def floor(counts):
    rows = []
    for workload in counts.workloads(PI, FLOOR):
        ours, least = (counts.summary(PI, workload, way) for way in ("indirect", FLOOR))
        if ours:
            rows.append([title(workload), figure(ours), figure(least), f"{ours.median - least.median:,.0f}"])
    heading = Heading("Above what a program without fio and checksums takes (t/bench/floor.c)")
    return heading, Table(["4 KiB", "indirect", "floor", "above"], rows)


def memory(counts):
    """Bytes for each I/O more that can be in flight, and those that do not depend on how many there are."""
    rows = []
    for (way, block), resident in counts.memory.items():
        low, high = min(resident), max(resident)
        each = (resident[high] - resident[low]) / (high - low)
        constant = resident[low] - each * low
        rows.append([way, *(f"{value:,.0f}" for value in (block, each, each - block, constant / 1024))])
    headers = ["resident at most", "block", "bytes an I/O in flight", "beyond its block", "and KiB in all"]
    return Heading("Memory of fio and its job"), Table(headers, rows)


def start(counts):
    """((heading, table), whether it takes too long)."""
    ours, theirs = (counts.summary(STARTED, "randread-4k-qd1", way) for way in ("none", "io_uring"))
    if not ours or not theirs:
        return (Heading(""), Table([], [])), False
    # whatever else the machine does makes it longer
    more = ours.low - theirs.low
    rows = [[way, *(f"{value / 1e6:.1f}" for value in (each.low, each.median))] for way, each in (("io_uring", theirs), ("none", ours))]
    heading = f"Start of a job with one I/O: {more / 1e6:+.1f} ms to fio's own engine, at most +{START / 1e6:.0f}"
    return (Heading(heading), Table(["", "quickest, ms", "median"], rows)), more > START


def blocks(counts):
    late, too_late = start(counts)
    rows = list(verdicts(counts))
    parts = (
        (Heading("Ratios: median of the rounds' own, lowest to highest"), Table(["4 KiB", "ours", "to", "ratio", "at most", ""], rows, 3)),
        absolute(counts, PLAIN, "Total instructions per I/O without PI, null_blk", ("io_uring", "none")),
        absolute(counts, PI, "CPU instructions per I/O with PI, emulated NVMe, 4096+8",
                 (AUTOPI, NOVERIFY, MD, ISAL, CMD, CMD_ISAL, "passthru", "indirect", FLOOR)),
        floor(counts),
        absolute(counts, GROWN, "CPU instructions per I/O without PI, null_blk", ("io_uring", "none")),
        memory(counts),
        late,
        absolute(counts, HOST, "CPU nanoseconds per I/O on this machine, a file in the page cache", ("io_uring", "none")),
    )  # fmt: skip
    shown = [block for heading, table in parts if table.rows for block in (heading, table)]
    return [Heading("What the engine costs", 1), *shown], too_late or any(row[-1] == "MISSED" for row in rows)


def write(out):
    """Writes report.md; its text, and whether a target was missed or something could not be measured."""
    counts = Counts(results.load(out))
    if not counts.rounds:
        raise Failure(f"{out}: no round after the warm-up; run it again")
    shown, missed = blocks(counts)
    failed = [f"{name}: {reason}" for name, reason in counts.failures.items()]
    text = markdown(shown + ([Heading("Failed"), Items(failed)] if failed else []))
    with open(os.path.join(out, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    return text, missed or bool(failed)
