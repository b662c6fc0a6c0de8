# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench perf has counted, as tables, and beside what the engine is to cost at most."""

import dataclasses
import os

from . import results, stats
from .document import Heading, Items, Table, markdown
from .errors import Failure

AUTOPI, FLOOR = "plain-autopi", "floor"
MD, ISAL, CMD, CMD_ISAL = "io_uring-md", "io_uring-md-isal", "io_uring_cmd", "io_uring_cmd-isal"
DIRECTIONS = {"randread": "random read", "randwrite": "random write"}


@dataclasses.dataclass(frozen=True)
class Target:
    """At most so many times what another takes."""

    way: str
    other: str
    read: float
    write: float

    def limit(self, workload):
        return self.read if workload.startswith("randread") else self.write


TARGETS = (
    Target("none", "io_uring", 1.00, 1.00),
    Target("indirect", AUTOPI, 0.95, 1.00),
    Target("indirect", MD, 0.25, 0.25),
)


class Counts:
    """Runs by workload and way, the rounds in order."""

    def __init__(self, records):
        self.rounds = {}
        self.failures = {}
        for record in records:
            if record["kind"] == "failure":
                self.failures[record["cell"]] = record["reason"]
            elif record["kind"] == "run" and record["round"]:
                workload, way = record["cell"].split()
                self.rounds.setdefault((workload, way), {})[record["round"]] = record["count"] / record["ios"]

    def workloads(self, way):
        return sorted({workload for workload, each in self.rounds if each == way})

    def summary(self, workload, way):
        return stats.summarise(self.rounds.get((workload, way), {}).values())

    def ratio(self, workload, way, other):
        """Of runs in the same round."""
        ours, theirs = (self.rounds.get((workload, each), {}) for each in (way, other))
        return stats.summarise(ours[number] / theirs[number] for number in ours if number in theirs)


def title(workload):
    rw, _, depth, *rest = workload.split("-")
    return ", ".join([DIRECTIONS[rw], f"depth {depth[2:]}", *rest])


def cell(summary, digits=0):
    return f"{summary.median:,.{digits}f}" if summary else "-"


def spread(summary):
    return f"{summary.median:.3f} ({summary.low:.3f} to {summary.high:.3f})"


def verdicts(counts):
    """(row of the table, whether the target was missed) for each."""
    for target in TARGETS:
        for workload in counts.workloads(target.way):
            ratio = counts.ratio(workload, target.way, target.other)
            if not ratio:
                continue
            limit = target.limit(workload)
            missed = ratio.median > limit
            row = [title(workload), target.way, target.other, spread(ratio), f"{limit:.2f}", "MISSED" if missed else "met"]
            yield row, missed


def absolute(counts, heading, ways):
    workloads = sorted({workload for workload, way in counts.rounds if way in ways})
    rows = [[title(workload), *(cell(counts.summary(workload, way)) for way in ways)] for workload in workloads]
    return Heading(heading), Table(["4 KiB", *ways], rows)


def blocks(counts):
    rows = [row for row, _ in verdicts(counts)]
    above = []
    for workload in counts.workloads(FLOOR):
        ours, floor = (counts.summary(workload, way) for way in ("indirect", FLOOR))
        if ours:
            above.append([title(workload), cell(ours), cell(floor), f"{ours.median - floor.median:,.0f}"])
    parts = (
        (Heading("Ratios: median of the rounds' own, lowest to highest"), Table(["4 KiB", "ours", "to", "ratio", "at most", ""], rows, 3)),
        absolute(counts, "Total instructions per I/O without PI, null_blk", ("io_uring", "none")),
        absolute(counts, "CPU instructions per I/O with PI, emulated NVMe, 4096+8",
                 (AUTOPI, MD, ISAL, CMD, CMD_ISAL, "passthru", "indirect", FLOOR)),
        (Heading("Above what a program without checksums takes"), Table(["4 KiB", "indirect", "floor", "above"], above)),
    )  # fmt: skip
    return [Heading("What the engine costs", 1), *(block for heading, table in parts if table.rows for block in (heading, table))]


def write(out):
    """Writes report.md; its text, and whether any target was missed or could not be measured."""
    records = results.load(out)
    counts = Counts(records)
    if not counts.rounds:
        raise Failure(f"{out}: no round after the warm-up; run it again")
    failed = [f"{name}: {reason}" for name, reason in counts.failures.items()]
    text = markdown(blocks(counts) + ([Heading("Failed"), Items(failed)] if failed else []))
    with open(os.path.join(out, "report.md"), "w", encoding="utf-8") as file:
        file.write(text)
    return text, any(missed for _, missed in verdicts(counts)) or bool(counts.failures)
