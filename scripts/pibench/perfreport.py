# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench perf has counted, and beside it what the engine is to cost at most."""

import dataclasses

from . import cells, metrics, outcome, report
from .document import Banner, Bars, Heading, Table
from .errors import OK, REGRESSED
from .perf import GROWN, HOST, JOBS, PI, PLAIN, REGISTERED
from .report import figure

TITLE = "What the engine costs"
AUTOPI, INDIRECT, PASSTHRU = "plain-autopi/io_uring", "pi/indirect", "pi/passthru"
OURS, THEIRS = "plain-nopi/none", "plain-nopi/io_uring"
BARS = 8
# how far a ratio repeats from boot to boot: exactly counted, or CPU while an emulated drive answers when it likes
TOLERANCE = {cells.INSTRUCTIONS: 0.001, cells.CPU: 0.05}


@dataclasses.dataclass(frozen=True)
class Target:
    """At most so many times what another takes, in one session; None: shown only."""

    session: str
    arm: str
    other: str
    read: float | None
    write: float | None

    def limit(self, workload):
        return self.read if workload.direction == "read" else self.write


TARGETS = (
    Target(PLAIN, OURS, THEIRS, 1.00, 1.00),
    Target(GROWN, OURS, THEIRS, 1.00, 1.00),
    Target(JOBS, OURS, THEIRS, 1.00, 1.00),
    # the kernel pins metadata from user space for each I/O, and ISA-L has no AVX-512 under TCG: 1.07 was measured for writes
    Target(PI, INDIRECT, AUTOPI, 0.95, 1.10),
    # fio 3.41's io_uring verifies nothing that it reads
    Target(PI, INDIRECT, "pi/io_uring", None, 0.27),
    Target(PI, INDIRECT, "pi/io_uring_cmd", 0.27, None),
    Target(PI, INDIRECT, "pi/io_uring-isal", None, None),
    Target(PI, PASSTHRU, "pi/io_uring_cmd", 0.25, 0.25),
    Target(PI, PASSTHRU, "pi/io_uring_cmd-isal", 0.99, 0.99),
    # exactly counted: 0.704 and 1.042 were measured
    Target(REGISTERED, INDIRECT, AUTOPI, 0.74, 1.06),
)
# the same where metadata lies in a registered buffer: 0.645 and 0.951
WITH_METADATA = {cells.REGISTERED: Target(REGISTERED, INDIRECT, AUTOPI, 0.68, 0.97)}
# at most so many times what depth 32 takes: jobs take turns on one processor, and an emulated drive's answers come in bunches
GROWTH = {(GROWN, OURS): 1.02, (JOBS, OURS): 1.02, (PI, INDIRECT): 1.05}
# milliseconds beyond fio's own engine
START = 50
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Ratio:
    """One ratio and its limit."""

    session: str
    workload: cells.Workload
    one: str
    other: str
    ratio: tuple
    limit: float | None
    tolerance: float

    @property
    def missed(self):
        """In every round, and by more than one boot differs from the next."""
        return self.limit is not None and self.ratio[1] > self.limit * (1 + self.tolerance)

    @property
    def row(self):
        middle, low, high = self.ratio
        verdict = "" if self.limit is None else "MISSED" if self.missed else "met"
        return [self.session, self.workload.title, self.one, self.other, f"{middle:.3f} ({low:.3f} to {high:.3f})",
                f"{self.limit:.2f}" if self.limit else "", verdict]  # fmt: skip


def lines(sessions):
    """A Ratio for each target and workload."""
    by_name = {session.name: session for session in sessions}
    for target in TARGETS:
        session = by_name.get(target.session)
        for workload in session.workloads if session else ():
            # what is registered of an I/O's metadata says nothing of one that has none
            plain = dataclasses.replace(workload, buffers=cells.FIXED) if workload.buffers in WITH_METADATA else workload
            ratio = session.against((workload, cells.arm(target.arm)), (plain, cells.arm(target.other)), session.metrics[0])
            if ratio and workload.block_size == BLOCK:
                limit = WITH_METADATA.get(workload.buffers, target).limit(workload)
                yield Ratio(session.name, workload, target.arm, target.other, ratio, limit, TOLERANCE[session.mode])
    for (name, arm), limit in GROWTH.items():
        session = by_name.get(name)
        reference = cells.Workload("randread", BLOCK, 32)
        for workload in session.workloads if session else ():
            ratio = session.against((workload, cells.arm(arm)), (reference, cells.arm(arm)), session.metrics[0])
            alike = workload.rw == reference.rw and workload.block_size == BLOCK and workload != reference
            if ratio and alike:
                yield Ratio(name, workload, arm, "itself at depth 32", ratio, limit, TOLERANCE[session.mode])


def absolute(session, metric=None, block=BLOCK):
    """Every figure of a session: a line a workload, a column for each way."""
    metric = metric or session.metrics[0]
    arms = sorted({cell.arm for cell in session.cells}, key=lambda arm: arm.rank)
    rows = []
    for workload in (w for w in session.workloads if w.block_size == block):
        rows.append([workload.title, *(figure(session.median(workload, arm, metric), metric.digits) for arm in arms)])
    used = [at for at in range(len(arms)) if any(row[at + 1] != report.NONE for row in rows)]
    if len(used) > len(rows):
        # the longer side downwards: a sheet of paper is not wide
        headers = [report.described(metric), *(workload.name for workload in session.workloads if workload.block_size == block)]
        return Table(headers, [[arms[at].name, *(row[at + 1] for row in rows)] for at in used])
    headers = [report.described(metric), *(arms[at].name for at in used)]
    return Table(headers, [[row[0], *(row[at + 1] for at in used)] for row in rows])


def floor(session):
    """Above what a program without fio and checksums takes."""
    rows = []
    for workload in session.workloads:
        ours, least = (session.median(workload, cells.arm(name), session.metrics[0]) for name in (INDIRECT, f"pi/{cells.FLOOR}"))
        if ours and least:
            rows.append([workload.title, *map(figure, (ours, least, ours - least))])
    heading = Heading("Above what a program without fio and checksums takes (t/bench/floor.c)", 3)
    return [heading, Table(["workload", "indirect", "floor", "above"], rows)] if rows else []


def memory(session):
    """Bytes for each I/O more that can be in flight, and those that do not depend on how many there are."""
    rows = []
    found = {}
    for workload in (w for w in session.workloads if w.block_size != BLOCK):
        for arm in session.arms(workload):
            if at_most := session.median(workload, arm, metrics.RESIDENT):
                found.setdefault((arm.name, workload.block_size), {})[workload.iodepth] = at_most
    for (name, block), resident in found.items():
        low, high = min(resident), max(resident)
        if low == high:
            continue
        each = (resident[high] - resident[low]) * 1024 / (high - low)
        rows.append([name, *map(figure, (block, each, each - block, resident[low] - each * low / 1024))])
    headers = ["most memory resident", "block", "bytes per I/O in flight", "more than its block", "and in all, KiB"]
    return [Heading("Memory of fio and its job", 3), Table(headers, rows)] if rows else []


def start(session):
    """([blocks], whether it takes too long): whatever else the machine does makes it longer, so the quickest counts."""
    reference = cells.Workload("randread", BLOCK, 1)
    ours, theirs = (session.summary(reference, cells.arm(name), metrics.START) for name in (OURS, THEIRS))
    if not ours or not theirs:
        return [], False
    more = ours.low - theirs.low
    text = f"Start and end of a job of {cells.LEAD} I/Os: {more:+.1f} ms compared with fio's own engine, limit +{START}"
    rows = [[name, f"{each.low:.1f}", f"{each.median:.1f}"] for name, each in ((THEIRS, theirs), (OURS, ours))]
    return [Heading(text, 3), Table(["", "quickest, ms", "median"], rows)], more > START


WORDS = {
    PLAIN: "Instructions per I/O without PI, null_blk",
    PI: "CPU instructions per I/O with PI, emulated NVMe, 4096+8",
    GROWN: "Instructions per I/O as depth, files and length grow, null_blk",
    JOBS: "CPU instructions per I/O of several jobs, null_blk",
    REGISTERED: "Instructions per I/O with PI, lab kernel, null_blk with PI",
    HOST: "CPU time per I/O on this machine, a file in the page cache",
}


def section(session):
    metric = metrics.CPU if session.mode == cells.TIME else None
    found = [Heading(WORDS.get(session.name, session.name)), absolute(session, metric)]
    return [*found, *floor(session), *memory(session)] if session.name == PI else found


def notes(sessions):
    return [
        "A run with fewer I/Os is subtracted from each run, so neither fio's start nor the set-up of a ring is counted.",
        "Ratios are the median of the rounds, with the lowest and the highest. MISSED: above the limit in every round, by more than "
        "boots differ (" + ", ".join(f"{value:.1%} for {mode}" for mode, value in TOLERANCE.items()) + ").",
        *(f"{session.name}: {report.counted(session)}. {session.rounds()} rounds (seed {session.seed})." for session in sessions),
    ]


def verdict(found, late, sessions, left):
    missed = [line for line in found if line.missed]
    plain = report.summary(sessions, left)
    if plain.word != "COMPLETE":
        return plain
    if missed or late:
        names = [f"{line.one} compared with {line.other}, {line.workload.title}" for line in missed[:3]] + ["the start of a job"] * late
        return Banner("MISSED", f"{len(missed) + late} limits: {'; '.join(names)}.")
    limited = [line for line in found if line.limit is not None]
    above = sum(line.ratio[0] > line.limit for line in limited)
    text = f" {above} of the ratios {'is' if above == 1 else 'are'} above the limit, but by no more than boots differ." * (above > 0)
    return Banner("MET", f"all {len(limited)} limits.{text}")


def make(host, out, records, env, say=print):
    sessions = [session for session in outcome.group(records) if session.runs or session.failures]
    found = list(lines(sessions))
    late, too_late = next((start(session) for session in sessions if session.name == HOST), ([], False))
    limited = sorted((line for line in found if line.limit is not None), key=lambda line: -line.ratio[0] / line.limit)
    rows = [(f"{line.workload.name}: {line.one} to {line.other}", f"{line.ratio[0]:.3f} of {line.limit:.2f}", line.ratio[0] / line.limit)
            for line in limited[:BARS]]  # fmt: skip
    head = [Bars("Ratios and their limits, closest first", rows)] if rows else []
    table = Table(["session", "workload", "ours", "compared with", "ratio", "limit", ""], [line.row for line in found], 4)
    body = [Heading("Ratios"), table, *(block for session in sessions for block in section(session)), *late]
    told = verdict(found, too_late, sessions, report.left_over(records, env))
    status = REGRESSED if any(line.missed for line in found) or too_late else OK
    return report.measured(TITLE, sessions, env, told, head, body, notes(sessions), status)
