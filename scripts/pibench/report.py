# SPDX-License-Identifier: GPL-2.0-only
"""report.md out of raw results."""

import dataclasses

from . import cells, metrics, stats

NONE = "–"
MODES = {
    cells.INSTRUCTIONS: "total instructions per I/O: guest time of one processor that never idles, under icount",
    cells.CPU: "CPU per I/O: the fio thread plus all kernel threads",
    cells.TIME: "throughput, latency and CPU per I/O",
}


@dataclasses.dataclass
class Results:
    """The records of one session, grouped by cell."""

    name: str
    mode: str
    icount: bool
    seed: int
    read_only: bool
    runs: dict
    failures: dict
    skips: dict
    discarded: int = 0

    @property
    def metrics(self):
        return metrics.of(self.mode, self.icount)

    @property
    def cells(self):
        """Those that were run, with success or without."""
        return [cell for cell in cells.CELLS if cell.name in self.runs or cell.name in self.failures]

    @property
    def workloads(self):
        return list(dict.fromkeys(cell.workload for cell in self.cells))

    def arms(self, workload):
        return [cell.arm for cell in self.cells if cell.workload == workload]

    def measured(self, workload, arm):
        return self.runs.get(cells.Cell(workload, arm).name, [])

    def summary(self, workload, arm, metric):
        return stats.summarise(metric.value(run) for run in self.measured(workload, arm))

    def ratio(self, workload, arm, reference, metric):
        if reference is None:
            return None
        one, other = (self.summary(workload, a, metric) for a in (arm, reference))
        return one.median / other.median if one and other and other.median else None

    def widest_spread(self):
        main = self.metrics[0]
        spreads = [self.summary(c.workload, c.arm, main) for c in self.cells]
        return max((s.spread[1] - s.spread[0] for s in spreads if s), default=0)

    def rounds(self):
        return max((len(runs) for runs in self.runs.values()), default=0)


def group(records):
    """[Results], one a session; the warm-up round is dropped here, by rule."""
    sessions = {}
    for record in records:
        session = sessions.get(record["session"])
        if session is None:
            head = (record[name] for name in ("session", "mode", "icount", "seed", "read_only"))
            session = Results(*head, {}, {}, {})
            sessions[session.name] = session
        cell = record["cell"]
        if record["kind"] == "run":
            if record["round"] != cells.WARM_UP:
                session.runs.setdefault(cell, []).append(record)
        elif record["kind"] == "discard":
            session.discarded += 1
        elif record["kind"] == "failure":
            session.failures.setdefault(cell, record["reason"])
        elif record["kind"] == "skip" and cell not in session.failures:
            session.skips.setdefault(cell, record["reason"])
    order = (cells.INSTRUCTIONS, cells.TIME, cells.CPU)
    return sorted(sessions.values(), key=lambda session: order.index(session.mode))


def baseline(arm, state):
    """The same engine without PI, against the device in that state."""
    return cells.Arm(state, arm.engine, "none")


def peer(arm):
    """fio's own engine in the same place."""
    return cells.Arm(arm.state, cells.FIO, "md" if arm.has_pi else "none")


def ratios(session, workload, arm, metric):
    """Against the same engine in each baseline, and against fio's own engine in the same place."""
    references = [*(baseline(arm, state) for state in cells.BASELINES), peer(arm)]
    return [session.ratio(workload, arm, reference, metric) for reference in references]


def table(headers, rows, text=1):
    """A Markdown table, padded so that it reads as well on a terminal; the first columns are text, the others figures."""
    widths = [max(len(row[i]) for row in [headers, *rows]) for i in range(len(headers))]

    def line(row):
        return "| " + " | ".join(c.ljust(w) if i < text else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))) + " |"

    rule = "|".join("-" * (w + 2) if i < text else "-" * (w + 1) + ":" for i, w in enumerate(widths))
    return "\n".join([line(headers), f"|{rule}|", *map(line, rows)])


def figure(value, digits=0):
    return NONE if value is None else f"{value:,.{digits}f}"


def times(ratio):
    return NONE if ratio is None else f"{ratio:.3f}"


def spread(summary):
    if summary is None or summary.count < 2:
        return NONE
    low, high = (f"{abs(part) * 100:.2f}" for part in summary.spread)
    return f"−{low}…+{high} %"


def within(summary, digits):
    """Median and the largest deviation from it."""
    if summary is None:
        return "failed"
    deviation = max(map(abs, summary.spread))
    return f"{summary.median:,.{digits}f}" + (f" ±{deviation * 100:.1f} %" if summary.count > 1 else "")


def compact(session, workload):
    """One metric: absolute figures and every ratio in one table."""
    metric = session.metrics[0]
    headers = ["state", "engine", metric.unit, "spread", *(f"× {b}" for b in cells.BASELINES), "× io_uring"]
    rows = []
    for arm in session.arms(workload):
        summary = session.summary(workload, arm, metric)
        absolute = figure(summary.median, metric.digits) if summary else "failed"
        rows.append([arm.state, arm.label, absolute, spread(summary), *map(times, ratios(session, workload, arm, metric))])
    return table(headers, rows, text=2)


def comparisons(arm):
    """(what it is compared with, arm) pairs that answer a question."""
    if arm.has_pi:
        yield from ((state, baseline(arm, state)) for state in cells.BASELINES)
    if arm.engine != cells.FIO:
        yield f"{arm.state} {peer(arm).label}", peer(arm)


def wide(session, workload):
    """Several metrics: a table of absolute figures, then one of ratios."""
    arms = session.arms(workload)
    absolute = [
        [arm.state, arm.label, *(within(session.summary(workload, arm, m), m.digits) for m in session.metrics)] for arm in arms
    ]
    relative = [
        [arm.state, arm.label, what, *(times(session.ratio(workload, arm, other, m)) for m in session.metrics)]
        for arm in arms
        for what, other in comparisons(arm)
    ]
    names = [f"{m.title}, {m.unit}" if m.unit not in ("IOPS", "MB/s") else m.unit for m in session.metrics]
    short = ["IOPS", "MB/s", "mean", "p99", "CPU"]
    return "\n\n".join(
        [
            table(["state", "engine", *names], absolute, text=2),
            table(["state", "engine", "against", *(f"× {s}" for s in short)], relative, text=3),
        ]
    )


def details(sessions):
    parts = []
    for workload in dict.fromkeys(w for session in sessions for w in session.workloads):
        parts.append(f"### {workload.title}")
        for session in sessions:
            if workload not in session.workloads:
                continue
            parts.append(f"{session.name}, {session.metrics[0].title if len(session.metrics) == 1 else MODES[session.mode]}:")
            parts.append((compact if len(session.metrics) == 1 else wide)(session, workload))
    return parts


def layouts(session):
    return [arm for arm in cells.ARMS if arm.has_pi and arm.engine == cells.OURS and arm.layout in cells.LAYOUTS]


def span(column):
    """Geometric mean, lowest and highest of one ratio over the workloads."""
    known = [ratio for ratio in column if ratio]
    if len(known) < 2:
        return f"{known[0]:.2f}" if known else None
    return f"{stats.geometric_mean(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def headline(session):
    """What a reader takes away if he reads nothing else."""
    metric = session.metrics[0]
    lines = []
    for arm in layouts(session):
        columns = zip(*(ratios(session, workload, arm, metric) for workload in session.workloads))
        spans = zip(map(span, columns), [*cells.BASELINES, "fio's own PI"])
        parts = ", ".join(f"{found} × {what}" for found, what in spans if found)
        if parts:
            bounds = " (geometric mean, lowest and highest workload)" if len(session.workloads) > 1 else ""
            lines.append(f"**{session.name}, {metric.title}: io_uring_pi {arm.layout} {metric.verb} {parts}**{bounds}.")
    return lines


def overview(session):
    """One line a workload: what PI costs against each baseline."""
    metric = session.metrics[0]
    headers = ["workload", "layout", metric.unit, *(f"× {b}" for b in cells.BASELINES), "× fio's PI"]
    rows = []
    for workload in session.workloads:
        for arm in layouts(session):
            summary = session.summary(workload, arm, metric)
            if summary:
                absolute = figure(summary.median, metric.digits)
                rows.append([workload.title, arm.layout, absolute, *map(times, ratios(session, workload, arm, metric))])
    return [f"{session.name}, {metric.title}, PI with io_uring_pi:", table(headers, rows, text=2)] if rows else []


def missing(sessions):
    """What was not measured, and why."""
    lines = []
    for session in sessions:
        for kind, found in (("failed", session.failures), ("skipped", session.skips)):
            reasons = {}
            for cell, reason in found.items():
                reasons.setdefault(reason, []).append(cell)
            for reason, names in reasons.items():
                listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
                lines.append(f"- {session.name}: {kind}: {listed}: {reason}")
        if session.failures and session.read_only:
            lines.append(
                f"- {session.name}: a medium that others wrote may carry tags these checks refuse; with --allow-write "
                "pi-bench fills what it reads first."
            )
    return lines


def notes(sessions, environment):
    fio_versions = sorted({run["fio"] for s in sessions for runs in s.runs.values() for run in runs})
    ios = {s.name: sorted({run["ios"] for runs in s.runs.values() for run in runs}) for s in sessions}
    lines = [f"- {', '.join(fio_versions)}; the same job file (configs/bench.fio) and options for every arm."]
    lines += [f"- Baseline {name}: {what}." for name, what in cells.BASELINES.items()]
    lines.append("- A ratio to a baseline compares with the same engine there, × io_uring with fio's own in the same state.")
    if "fio-3.41" in fio_versions:
        lines.append("- fio 3.41's own engine does not verify PI on the host when it reads (mended in 3.42): it does less there.")
    if "--disable-isal" in (environment.get("host") or {}).get("fio_configure", ""):
        lines.append("- This fio is built without ISA-L: its own PI guards come from tables, byte by byte.")
    lines.append("- Every I/O with PI asks for GUARD, APPTAG and, where the format has one that counts, REFTAG.")
    for session in (s for s in sessions if s.runs):
        counts = " or ".join(f"{n:,}" for n in ios[session.name])
        lines.append(
            f"- {session.name}: {MODES[session.mode]}. {session.rounds()} rounds in shuffled order (seed {session.seed}) after "
            f"one to warm up, which is dropped by rule; {counts} I/Os a run; median and lowest to highest run shown, "
            f"widest spread {session.widest_spread() * 100:.2f} %."
        )
        if session.read_only:
            lines.append("  Nothing was written beforehand: blocks never written carry the escape tag, and nobody checks those.")
        if session.mode == cells.INSTRUCTIONS:
            lines.append(
                "  Traced from the set-up of the ring to the end of the job. Instructions are not time: caches, memory latency "
                f"and overlap do not show. Runs repeated because the processor idled in them: {session.discarded}."
            )
        elif session.mode == cells.CPU:
            lines.append(
                "  The fio thread's share is fio's own figure, rounded to milliseconds; kernel threads (kworkers that verify) are "
                "from /proc/PID/schedstat around the run, start-up included; interrupts on an idle processor are in neither. An "
                "emulated device completes in the host's time: IOPS, throughput and latency mean nothing and are not shown, and "
                "the CPU it takes to wait varies with the host's load; a difference within the spread is none."
            )
    return lines


def flat(prefix, value):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(f"{prefix} {name}".strip(), inner)
    else:
        yield prefix, value


def environment_lists(environment):
    parts = []
    guest = {"guest": environment["guest"]} if environment.get("guest") else {}
    where = {"host": {**guest, **(environment.get("host") or {})}}
    where |= {f"session {name}": found for name, found in (environment.get("sessions") or {}).items() if found}
    for name, found in where.items():
        lines = [f"- {key}: {value}" for key, value in flat("", found)]
        parts += [f"### {name[0].upper()}{name[1:]}", "\n".join(lines)] if lines else []
    return parts


def markdown(records, environment):
    """(what a terminal shows, the whole report with the environment)"""
    sessions = group(records)
    environment = environment or {}
    parts = ["# Protection information through io_uring: what it costs"]
    for session in sessions:
        parts += headline(session)
    if any(session.icount for session in sessions):
        parts.append("Measured in an emulated guest that counts instructions. They are instructions, not time.")
    for session in sessions:
        parts += overview(session)
    lost = missing(sessions)
    if lost:
        parts += ["## Not measured", "\n".join(lost)]
    parts += ["## Every workload", *details(sessions)]
    parts += ["## Notes", "\n".join(notes(sessions, environment))]
    if environment.get("command"):
        parts.append(f"To reproduce: `{environment['command']}`")
    shown = "\n\n".join(parts) + "\n"
    lists = environment_lists(environment)
    whole = shown + ("\n## Environment\n\n" + "\n\n".join(lists) + "\n" if lists else "")
    return shown, whole
