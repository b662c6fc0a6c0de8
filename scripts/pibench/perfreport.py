# SPDX-License-Identifier: GPL-2.0-only
"""The report of pi-bench perf: what the engine costs, and the limits that it must keep."""

import dataclasses

from . import cells, metrics, outcome, report
from .document import Banner, Bars, Heading, Table
from .errors import OK, REGRESSED
from .perf import GROWN, HOST, JOBS, PI, PLAIN, REGISTERED
from .report import figure, number_of

TITLE = "What the engine costs"
AUTOPI, INDIRECT, PASSTHRU = "plain-autopi/io_uring", "pi/indirect", "pi/passthru"
OURS, THEIRS = "plain-nopi/none", "plain-nopi/io_uring"
ITSELF = "itself at depth 32"
BARS = 8
BLOCK = 4096
DEPTH_32 = cells.Workload("randread", BLOCK, 32)
# how much a ratio varies from boot to boot: of exact counts, and of CPU next to an emulated drive that answers when it likes
TOLERANCE = {cells.INSTRUCTIONS: 0.001, cells.CPU: 0.05}
# a job may take this many milliseconds longer to start and end than with fio's own engine
START = 50


@dataclasses.dataclass(frozen=True)
class Target:
    """The most that an arm may take compared with another, for reads and writes; None: only shown."""

    session: str
    arm: str
    other: str
    read: float | None
    write: float | None
    # whether it is about metadata in registered buffers
    registered: bool = False

    def limit(self, workload):
        return self.read if workload.direction == "read" else self.write

    def reference(self, workload):
        """The (workload, arm) to compare with, or None where there is none."""
        if workload.block_size != BLOCK or (workload.buffers == cells.REGISTERED) != self.registered:
            return None
        if self.other == ITSELF:
            return (DEPTH_32, cells.arm(self.arm)) if workload.rw == DEPTH_32.rw and workload != DEPTH_32 else None
        # an arm without metadata has none to register
        return dataclasses.replace(workload, buffers=cells.FIXED) if self.registered else workload, cells.arm(self.other)


TARGETS = (
    Target(PLAIN, OURS, THEIRS, 1.00, 1.00),
    Target(GROWN, OURS, THEIRS, 1.00, 1.00),
    Target(JOBS, OURS, THEIRS, 1.00, 1.00),
    # the kernel pins metadata in user memory for each I/O, and under TCG ISA-L has no AVX-512: 1.07 was measured for writes
    Target(PI, INDIRECT, AUTOPI, 0.95, 1.10),
    # fio 3.41's io_uring does not verify what it reads
    Target(PI, INDIRECT, "pi/io_uring", None, 0.27),
    Target(PI, INDIRECT, "pi/io_uring_cmd", 0.27, None),
    Target(PI, INDIRECT, "pi/io_uring-isal", None, None),
    Target(PI, PASSTHRU, "pi/io_uring_cmd", 0.25, 0.25),
    Target(PI, PASSTHRU, "pi/io_uring_cmd-isal", 0.99, 0.99),
    # counted exactly; 0.704 and 1.042 were measured, and 0.645 and 0.951 with registered metadata
    Target(REGISTERED, INDIRECT, AUTOPI, 0.74, 1.06),
    Target(REGISTERED, INDIRECT, AUTOPI, 0.68, 0.97, registered=True),
    # jobs take turns on one processor, and an emulated drive completes I/Os in bunches
    Target(GROWN, OURS, ITSELF, 1.02, None),
    Target(JOBS, OURS, ITSELF, 1.02, None),
    Target(PI, INDIRECT, ITSELF, 1.05, None),
)


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A measured ratio and its limit."""

    target: Target
    workload: cells.Workload
    ratio: tuple
    tolerance: float

    @property
    def limit(self):
        return self.target.limit(self.workload)

    @property
    def missed(self):
        """Above the limit in every round, by more than boots differ."""
        return self.limit is not None and self.ratio[1] > self.limit * (1 + self.tolerance)

    @property
    def row(self):
        middle, low, high = self.ratio
        verdict = "" if self.limit is None else "MISSED" if self.missed else "met"
        return [self.target.session, self.workload.title, self.target.arm, self.target.other,
                f"{middle:.3f} ({low:.3f} to {high:.3f})", figure(self.limit, 2, ""), verdict]  # fmt: skip


def ratios(sessions):
    """A Ratio for each target and workload."""
    by_name = {session.name: session for session in sessions}
    for target in TARGETS:
        session = by_name.get(target.session)
        for workload in session.workloads if session else ():
            other = target.reference(workload)
            ratio = other and session.against((workload, cells.arm(target.arm)), other, session.metrics[0])
            if ratio:
                yield Ratio(target, workload, ratio, TOLERANCE[session.mode])


def absolute(session, metric):
    """The figure of every arm and workload; the longer of the two lists goes down, as paper is not wide."""
    workloads = [workload for workload in session.workloads if workload.block_size == BLOCK]
    arms = sorted({cell.arm for cell in session.cells if cell.workload in workloads}, key=lambda arm: arm.rank)
    rows = [[figure(session.median(workload, arm, metric), metric.digits) for workload in workloads] for arm in arms]
    across, down = [workload.name for workload in workloads], [arm.name for arm in arms]
    if len(arms) <= len(workloads):
        across, down, rows = down, [workload.title for workload in workloads], list(zip(*rows))
    return Table([report.described(metric), *across], [[name, *row] for name, row in zip(down, rows)])


def floor(session):
    """What the engine takes more than a program without fio and checksums."""
    rows = []
    for workload in session.workloads:
        ours, least = (session.median(workload, cells.arm(name), session.metrics[0]) for name in (INDIRECT, f"pi/{cells.FLOOR}"))
        if ours and least:
            rows.append([workload.title, *map(figure, (ours, least, ours - least))])
    heading = Heading("Compared with a program without fio and checksums (t/bench/floor.c)", 3)
    return [heading, Table(["workload", "indirect", "floor", "difference"], rows)] if rows else []


def memory(session):
    """Resident memory: the part that grows with each I/O in flight, and the part that does not."""
    resident = {}
    for cell in (cell for cell in session.cells if cell.workload.block_size != BLOCK):
        if most := session.median(cell.workload, cell.arm, metrics.RESIDENT):
            resident.setdefault((cell.arm.name, cell.workload.block_size), {})[cell.workload.iodepth] = most
    rows = []
    for (name, block), by_depth in resident.items():
        low, high = min(by_depth), max(by_depth)
        if low < high:
            each = (by_depth[high] - by_depth[low]) * 1024 / (high - low)
            rows.append([name, *map(figure, (block, each, each - block, by_depth[low] - each * low / 1024))])
    headers = ["peak resident memory", "block", "bytes per I/O in flight", "beyond its block", "fixed part, KiB"]
    return [Heading("Memory of fio and its job", 3), Table(headers, rows)] if rows else []


def start(sessions):
    """(blocks, whether a job takes too long to start and end); the quickest run counts, as other load only ever adds."""
    session = next((session for session in sessions if session.name == HOST), None)
    workload = cells.Workload("randread", BLOCK, 1)
    taken = {name: session.summary(workload, cells.arm(name), metrics.START) for name in (THEIRS, OURS)} if session else {}
    if not taken or None in taken.values():
        return [], False
    more = taken[OURS].low - taken[THEIRS].low
    text = f"Start and end of a job of {cells.LEAD} I/Os: {more:+.1f} ms compared with fio's own engine, limit +{START}"
    rows = [[name, f"{each.low:.1f}", f"{each.median:.1f}"] for name, each in taken.items()]
    return [Heading(text, 3), Table(["", "quickest, ms", "median"], rows)], more > START


TITLES = {
    PLAIN: "Instructions per I/O without PI, null_blk",
    PI: "CPU instructions per I/O with PI, emulated NVMe, 4096+8",
    GROWN: "Instructions per I/O as depth, files and length grow, null_blk",
    JOBS: "CPU instructions per I/O of several jobs, null_blk",
    REGISTERED: "Instructions per I/O with PI, lab kernel, null_blk with PI",
    HOST: "CPU time per I/O on this machine, a file in the page cache",
}


def section(session):
    metric = metrics.CPU if session.mode == cells.TIME else session.metrics[0]
    found = [Heading(TITLES.get(session.name, session.name)), absolute(session, metric)]
    return [*found, *floor(session), *memory(session)] if session.name == PI else found


def notes(sessions):
    tolerances = ", ".join(f"{value:.1%} for {mode}" for mode, value in TOLERANCE.items())
    return [
        "A run with fewer I/Os is subtracted from each run, so neither fio's start nor the set-up of a ring is counted.",
        "A ratio is the median of the rounds, with the lowest and the highest. MISSED: above the limit in every round, by more than boots "
        f"differ ({tolerances}).",
        *(f"{session.name}: {report.counted(session)}. {number_of(session.rounds(), 'round')} (seed {session.seed})."
          for session in sessions),
    ]  # fmt: skip


def verdict(limited, late):
    missed = [f"{each.target.arm} compared with {each.target.other}, {each.workload.title}" for each in limited if each.missed]
    if missed or late:
        names = missed[:3] + ["the start of a job"] * late
        return Banner("MISSED", f"{number_of(len(missed) + late, 'limit')}: {'; '.join(names)}.")
    above = sum(each.ratio[0] > each.limit for each in limited)
    text = f" {number_of(above, 'ratio')} {'is' if above == 1 else 'are'} above the limit, but by no more than boots differ." * (above > 0)
    return Banner("MET", f"{f'all {len(limited)} limits' if len(limited) > 1 else 'the limits of what was measured'}.{text}")


def make(host, out, records, env, say=print):
    sessions = [session for session in outcome.group(records) if session.runs or session.failures]
    found = list(ratios(sessions))
    limited = sorted((each for each in found if each.limit is not None), key=lambda each: -each.ratio[0] / each.limit)
    rows = [
        (f"{each.workload.name}: {each.target.arm} to {each.target.other}", f"{each.ratio[0]:.3f} of {each.limit:.2f}",
         each.ratio[0] / each.limit) for each in limited[:BARS]
    ]  # fmt: skip
    head = [Bars("Ratios and their limits, closest first", rows)] if rows else []
    table = Table(["session", "workload", "ours", "compared with", "ratio", "limit", ""], [each.row for each in found], 4)
    started, late = start(sessions)
    body = [Heading("Ratios"), table, *(block for session in sessions for block in section(session)), *started]
    told = report.summary(sessions, report.left_over(records, env))
    if told.word == "COMPLETE" and (limited or started):
        told = verdict(limited, late)
    status = REGRESSED if late or any(each.missed for each in limited) else OK
    return report.measured(TITLE, sessions, env, told, head, body, notes(sessions), status)
