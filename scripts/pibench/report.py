# SPDX-License-Identifier: GPL-2.0-only
"""The report: what raw results say, as blocks that become Markdown and HTML."""

import csv
import dataclasses
import hashlib
import json
import math
import os
import statistics

from . import cells, document, environment, gate, metrics, plot, results, stats
from .document import Command, Folded, Heading, Items, Paragraph, Table, Verdict
from .errors import Failure

NONE = "–"
TITLE = "Protection information through io_uring: what it costs"
# one-sided: both limits together 95 %
CONFIDENCE = 0.025
ENOUGH = 6
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
    builds: bool = False
    discarded: int = 0
    timed: dict = dataclasses.field(default_factory=dict)
    references: dict = dataclasses.field(default_factory=dict)
    stopped: str = ""

    @property
    def metrics(self):
        return metrics.of(self.mode, self.icount)

    @property
    def cells(self):
        """Those that were run, with success or without."""
        return sorted((cells.parse(name) for name in {*self.runs, *self.failures}), key=lambda cell: cell.rank)

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

    def interval(self, workload, arm, reference, metric):
        """Ratio of the two in each round: its middle, and 95 % limits or, of few rounds, the lowest and highest; or None."""
        one, other = ({run["round"]: metric.value(run) for run in self.measured(workload, each)} for each in (arm, reference))
        logs = [math.log(one[n] / other[n]) for n in sorted(one.keys() & other.keys()) if one[n] and other[n]]
        if not logs:
            return None
        found = stats.shift(logs, CONFIDENCE)
        limits = (min(logs), max(logs)) if math.isinf(found.low) else (found.low, found.high)
        return tuple(map(math.exp, (found.estimate, *limits)))

    def drift(self):
        """Last reference run of a round to its first: the middle over the rounds, or None."""
        main = self.metrics[0]
        pairs = [ends for ends in self.references.values() if len(ends) == 2]
        ratios = [main.value(ends[cells.LAST]) / main.value(ends[cells.FIRST]) for ends in pairs]
        return statistics.median(ratios) - 1 if ratios else None

    def widest_spread(self):
        main = self.metrics[0]
        spreads = [self.summary(c.workload, c.arm, main) for c in self.cells]
        return max((s.spread[1] - s.spread[0] for s in spreads if s), default=0)

    @property
    def ended(self):
        """What has stopped it, a line or none."""
        return [f"{self.name}: {self.stopped}; {self.rounds()} rounds were begun"] if self.stopped else []

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
        if "step" in record:
            # gone on with after it was stopped
            session.stopped = ""
        if record["kind"] == "run":
            session.builds = session.builds or bool(record["build"])
            if record["round"] == cells.WARM_UP:
                continue
            if record["reference"]:
                session.references.setdefault(record["round"], {})[record["reference"]] = record
            else:
                session.runs.setdefault(cell, []).append(record)
        elif record["kind"] == "timed":
            session.timed[cell] = record
        elif record["kind"] == "stop":
            session.stopped = record["reason"]
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
    return Table(headers, rows, text=2)


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
    return [
        Table(["state", "engine", *names], absolute, text=2),
        Table(["state", "engine", "against", *(f"× {s}" for s in short)], relative, text=3),
    ]


def details(sessions):
    parts = []
    for workload in dict.fromkeys(w for session in sessions for w in session.workloads):
        parts.append(Heading(workload.title, 3))
        for session in sessions:
            if workload not in session.workloads:
                continue
            alone = len(session.metrics) == 1
            parts.append(Paragraph(f"{session.name}, {session.metrics[0].title if alone else MODES[session.mode]}:"))
            parts += [compact(session, workload)] if alone else wide(session, workload)
    return parts


def layouts(session):
    arms = {cell.arm for cell in session.cells if cell.arm.has_pi and cell.arm.engine == cells.OURS}
    return sorted(arms, key=lambda arm: arm.rank)


def span(column):
    """Geometric mean, lowest and highest of one ratio over the workloads."""
    known = [ratio for ratio in column if ratio]
    if len(known) < 2:
        return f"{known[0]:.2f}" if known else None
    return f"{stats.geometric_mean(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def headline(session):
    """What a reader takes away if he reads nothing else: a sentence, or a table where there are more than two layouts."""
    metric = session.metrics[0]
    whole = [workload for workload in session.workloads if workload.mix == cells.ALL_PI]
    bounds = "geometric mean, lowest and highest workload" if len(whole) > 1 else ""
    against = [*cells.BASELINES, "fio's own PI"]
    found, alone = {}, []
    for arm in layouts(session):
        columns = zip(*(ratios(session, workload, arm, metric) for workload in whole))
        found[arm.layout] = [span(column) for column in columns] or [None]
        values = [each.median for workload in whole if (each := session.summary(workload, arm, metric))]
        if values and not any(found[arm.layout]):
            ends = " to ".join(figure(each, metric.digits) for each in sorted({min(values), max(values)}))
            alone.append(Paragraph(f"**{session.name}, {metric.title}: io_uring_pi {arm.layout} {metric.verb} {ends}**."))
    found = {layout: spans for layout, spans in found.items() if any(spans)}
    if len(found) > 2:
        text = f"**{session.name}, {metric.title}, against plain io_uring**{f' ({bounds})' if bounds else ''}:"
        rows = [[layout, *(each or NONE for each in spans)] for layout, spans in found.items()]
        return [Paragraph(text), Table(["layout", *(f"× {name}" for name in against)], rows)]
    lines = []
    for layout, spans in found.items():
        parts = ", ".join(f"{each} × {name}" for each, name in zip(spans, against) if each)
        text = f"**{session.name}, {metric.title}: io_uring_pi {layout} {metric.verb} {parts}**{f' ({bounds})' if bounds else ''}."
        lines.append(Paragraph(text))
    return lines + alone


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
    return [Paragraph(f"{session.name}, {metric.title}, PI with io_uring_pi:"), Table(headers, rows, text=2)] if rows else []


def short(session, env, words=""):
    """Figures alone, for another text: a line a workload, a column for each way to do it."""
    chosen = {cell.workload for cell in cells.select(session.cells, [words])}
    workloads = [workload for workload in session.workloads if workload in chosen]
    if not workloads:
        raise Failure(f"--table {words}: no such workload was measured")
    plain = cells.FIO if any(cell.arm.engine == cells.FIO for cell in session.cells) else cells.OURS
    arms = sorted({cell.arm for cell in session.cells if cell.arm.has_pi or cell.arm.engine == plain}, key=lambda arm: arm.rank)
    metric = session.metrics[0]
    rows = []
    for workload in workloads:
        found = [session.summary(workload, arm, metric) for arm in arms]
        rows.append([workload.title, *(figure(each.median, metric.digits) if each else NONE for each in found)])
    names = [f"{arm.label} with PI" if arm.has_pi else arm.state for arm in arms]
    host = env.get("host") or {}
    about = [env.get("guest"), f"{host.get('cpus')} x {host.get('cpu')}", host.get("fio"), f"commit {host.get('engine_commit', '')[:12]}"]
    about += [f"{session.rounds()} rounds, widest spread {session.widest_spread():.2%}"]
    text = f"{session.name}, {described(metric)}: {'; '.join(filter(None, about))}; {env.get('command')}"
    return [Table(["", *names], rows), Paragraph(text)]


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
                lines.append(f"{session.name}: {kind}: {listed}: {reason}")
        if session.failures and session.read_only:
            lines.append(
                f"{session.name}: a medium that others wrote may carry tags these checks refuse; with --allow-write "
                "pi-bench fills what it reads first."
            )
        lines += session.ended
    return lines


def notes(sessions, environment):
    fio_versions = sorted({run["fio"] for s in sessions for runs in s.runs.values() for run in runs})
    ios = {s.name: sorted({run["ios"] for runs in s.runs.values() for run in runs}) for s in sessions}
    lines = [f"{', '.join(fio_versions)}; the same job file (configs/bench.fio) and options for every arm."]
    lines += [f"Baseline {row.name}: {row.words}." for row in cells.BASELINES.values()]
    lines.append("A ratio to a baseline compares with the same engine there, × io_uring with fio's own in the same state.")
    if "fio-3.41" in fio_versions:
        lines.append("fio 3.41's own engine does not verify PI on the host when it reads (mended in 3.42): it does less there.")
    if "--disable-isal" in (environment.get("host") or {}).get("fio_configure", ""):
        lines.append("This fio is built without ISA-L: its own PI guards come from tables, byte by byte.")
    lines.append("Every I/O with PI asks for GUARD, APPTAG and, where the format has one that counts, REFTAG.")
    for session in (s for s in sessions if s.runs):
        counts = " or ".join(f"{n:,}" for n in ios[session.name])
        lines.append(
            f"{session.name}: {MODES[session.mode]}. {session.rounds()} rounds in shuffled order (seed {session.seed}) after "
            f"one to warm up, which is dropped by rule; {counts} I/Os a run; median and lowest to highest run shown, "
            f"widest spread {session.widest_spread() * 100:.2f} %."
        )
        if session.read_only:
            lines.append("Nothing was written beforehand: blocks never written carry the escape tag, and nobody checks those.")
        if session.mode == cells.INSTRUCTIONS:
            lines.append(
                "Traced from the set-up of the ring to the end of the job. Instructions are not time: caches, memory latency "
                f"and overlap do not show. Runs repeated because the processor idled in them: {session.discarded}."
            )
        elif session.mode == cells.CPU:
            lines.append(
                "The fio thread's share is fio's own figure, rounded to milliseconds; kernel threads (kworkers that verify) are "
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


def environment_lists(env):
    guest = {"guest": env["guest"]} if env.get("guest") else {}
    where = {"host": {**guest, **(env.get("host") or {})}}
    where |= {f"session {name}": found for name, found in (env.get("sessions") or {}).items() if found}
    parts = []
    for name, found in where.items():
        lines = [f"{key}: {value}" for key, value in flat("", found)]
        if lines:
            parts.append(Folded(f"{name[0].upper()}{name[1:]}", [Items(lines)]))
    return parts


def checklist(sessions, env):
    """What was held still, what was not, and what nobody looked at."""
    host = env.get("host") or {}
    inside = {s.name: (env.get("sessions") or {}).get(s.name) or {} for s in sessions}
    lines = []

    def item(good, text):
        lines.append(f"{'✓' if good else '✗'} {text}")

    for session in (s for s in sessions if s.runs):
        where, found = session.name, inside[session.name]
        enough = session.rounds() >= ENOUGH
        kind = "95 % limits are exact" if enough else f"too few for limits ({ENOUGH} would do): lowest and highest are shown"
        item(enough, f"{where}: {session.rounds()} rounds, every cell once in each, in shuffled order (seed {session.seed}); {kind}")
        drift = session.drift()
        told = "was not measured" if drift is None else f"from first to last run of a round: {drift:+.2%}"
        item(drift is not None and abs(drift) < 0.01, f"{where}: drift of the plain reference {told}")
        if session.mode == cells.TIME:
            governor = found.get("governor", environment.MISSING)
            item(governor == "performance", f"{where}: frequency governor {governor}")
            item(False, f"{where}: state of the medium (preconditioning, steady state, temperature): not controlled, not recorded")
        else:
            counted = session.mode == cells.INSTRUCTIONS
            item(counted, f"{where}: {'every instruction is counted' if counted else 'threads only, on an emulated device'}; "
                 "caches, memory latency and time are not measured")  # fmt: skip
        unfilled = session.read_only
        item(not unfilled, f"{where}: blocks were {'read as they were found' if unfilled else 'written before they were read'}")
        virtual = found.get("virtualisation", environment.MISSING)
        item(virtual in ("none", environment.MISSING) or session.icount, f"{where}: virtualisation: {virtual}")
    commit = host.get("engine_commit", environment.MISSING)
    item(commit != environment.MISSING and not commit.endswith("-dirty"), f"engine: commit {commit}")
    item(host.get("fio_sha256", environment.MISSING) != environment.MISSING, f"fio: {host.get('fio', environment.MISSING)}")
    item(False, "this build against itself, in this session: not measured; pi-bench selftest --live does")
    return lines


def left_over(records, env):
    """(runs done, runs planned) where they differ: something stopped it."""
    done = sum("step" in record for record in records)
    planned = sum((env.get("planned") or {}).values())
    return (done, planned) if done < planned else None


def summary(sessions, left):
    """The banner: whether everything ran."""
    failed = sum(len(s.failures) for s in sessions)
    measured = sum(len(s.runs) for s in sessions)
    if failed:
        return Verdict("FAILED", f"{failed} of {failed + measured} cells: an I/O or its protection information went wrong, see below.")
    if left:
        return Verdict("STOPPED", f"{left[0]} of {left[1]} runs are done; the same with --resume does the others.")
    return Verdict("COMPLETE", f"{measured} cell{'s' * (measured != 1)} measured, no I/O and no protection information went wrong.")


def blocks(records, env, figures=()):
    sessions = group(records)
    parts = [Heading(TITLE, 1), summary(sessions, left_over(records, env))]
    for session in sessions:
        parts += headline(session)
    if any(session.icount for session in sessions):
        parts.append(Paragraph("Measured in an emulated guest that counts instructions. They are instructions, not time."))
    tables = [block for session in sessions for block in overview(session)]
    lost = missing(sessions)
    left = [Heading("Not measured"), Items(lost)] if lost else []
    every = [Heading("Every workload"), *details(sessions)]
    told = [Heading("Notes"), Items(notes(sessions, env))]
    again = [Heading("To reproduce"), Command(env["command"])] if env.get("command") else []
    lists = environment_lists(env)
    surroundings = [Heading("Environment"), *lists] if lists else []
    controlled = [Heading("Controlled, and not"), Items(checklist(sessions, env))]
    return [*parts, *figures, *tables, *left, *every, *told, *controlled, *again, *surroundings]


def markdown(records, env):
    return document.markdown(blocks(records, env or {}))


def write_csv(sessions, path):
    with results.saving(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["session", "cell", "round", "metric", "unit", "value"])
        for session in sessions:
            for cell in session.cells:
                for run in session.runs.get(cell.name, ()):
                    for metric in session.metrics:
                        writer.writerow([session.name, cell.name, run["round"], metric.title, metric.unit, f"{metric.value(run):.6g}"])


def save(out, name, text):
    with results.saving(os.path.join(out, name)) as file:
        file.write(text)


def write(host, out, history, say):
    """report.md, index.html, results.csv and the figures; returns whether anything failed."""
    records = results.load(out)
    env = results.load_json(os.path.join(out, "env.json")) or {}
    sessions = group(records)
    trends = read_history(history) if history else []
    figures = plot.draw(host, plot.figures(sessions, env, str(out), trends), str(out), say)
    whole = blocks(records, env, figures)
    save(out, "report.md", document.markdown(whole))
    save(out, "index.html", document.page(TITLE, whole))
    write_csv(sessions, os.path.join(out, "results.csv"))
    return any(s.failures for s in sessions)


def remember(path, records, env):
    """Append what a whole run measured, once, so that later reports show the trend over commits."""
    if left_over(records, env):
        return
    date = (env.get("host") or {}).get("date")
    there = {entry["session"] for entry in read_history(path) if entry["date"] == date} if os.path.exists(path) else ()
    for session in (s for s in group(records) if s.runs and s.name not in there):
        metric = session.metrics[0]
        alike = json.dumps((env.get("fingerprints") or {}).get(session.name), sort_keys=True)
        medians = {name: stats.summarise(map(metric.value, runs)) for name, runs in session.runs.items()}
        results.append(
            path,
            {
                "kind": "history",
                "session": session.name,
                "metric": metric.title,
                "commit": (env.get("host") or {}).get("engine_commit", environment.MISSING),
                "date": date,
                "alike": hashlib.sha256(alike.encode()).hexdigest()[:16],
                "cells": {name: [found.median, found.low, found.high] for name, found in medians.items()},
            },
        )


def read_history(path):
    try:
        return results.read(path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; pi-bench run --history writes it") from None


def sentence(comparison):
    """The verdict in words."""
    worst = [line for line in comparison.lines if line.verdict.verdict == comparison.verdict]
    worst = sorted(worst, key=lambda line: -(line.change or 0))
    names = ", ".join(f"{line.cell} ({line.change:+.2%})" for line in worst[:3] if line.change is not None)
    names += f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    if comparison.verdict == gate.REGRESSION:
        return f"{comparison.new} takes more than {comparison.old}: {names}."
    if comparison.verdict == gate.INCONCLUSIVE:
        return f"cannot tell whether {comparison.new} takes more than {comparison.old}: {names or 'nothing was measured'}."
    below = " or ".join(dict.fromkeys(line.verdict.below for line in worst))
    return f"{comparison.new} takes {below} than {comparison.old} in {len(worst)} comparison{'s' * (len(worst) != 1)}."


RULES = {
    cells.INSTRUCTIONS: f"Total instructions per I/O in {gate.BOOTS} boots, both builds in each; a regression is +{gate.LIMIT:.1%} "
    f"or more (to a tenth of a per cent) and {gate.LIMIT_COUNT} instructions or more in the median. Low and high: of the boots.",
    cells.TIME: f"Old-new-new-old in each round; a regression is +1 % or more with the exact signed-rank limit above 0 (one-sided "
    f"{gate.ALPHA} at each look after {', '.join(map(str, gate.LOOKS))} rounds), repeated in fresh rounds; PASS is "
    f"{gate.less_than(math.expm1(gate.CATCH))} by the upper limit. Low and high: these limits.",
}


def per_cent(ratio):
    return NONE if ratio is None or math.isinf(ratio) else f"{ratio - 1:+.2%}"


def described(metric):
    return metric.title if metric.unit in metric.title else f"{metric.title}, {metric.unit}"


def verdict_table(comparison):
    rows = []
    for line in comparison.lines:
        found = line.verdict
        figures = [figure(line.old), figure(line.new), *map(per_cent, (found.ratio, found.low, found.high))]
        rows.append([line.cell, described(line.metric), found.verdict, *figures, found.why])
    return Table(["cell", "figure", "verdict", "old", "new", "change", "low", "high", "why"], rows, text=3)


def comparison_blocks(comparison, figures=()):
    """(for a terminal and a CI summary, the whole report)"""
    lost = [f"failed: {cell}: {why}" for cell, why in comparison.failures.items()]
    lost += [f"skipped: {cell}: {why}" for cell, why in comparison.skips.items()]
    head = [Heading(f"{comparison.old} → {comparison.new}", 1)]
    if comparison.failures:
        number = len(comparison.failures)
        text = f"{number} cell{'s' * (number != 1)}: an I/O or its protection information went wrong, or was refused; see below."
        head.append(Verdict("FAILED", text))
    if comparison.lines or not comparison.failures:
        head.append(Verdict(comparison.verdict, sentence(comparison)))
    middle = [verdict_table(comparison)] if comparison.lines else []
    middle += [Heading("Not measured"), Items(lost)] if lost else []
    middle.append(Paragraph(RULES[comparison.mode]))
    env = comparison.environment
    again = [Heading("To reproduce"), Command(env["command"])] if env.get("command") else []
    lists = environment_lists(env)
    return [*head, *middle, *again], [*head, *figures, *middle, *again, *([Heading("Environment"), *lists] if lists else [])]


def write_comparison(host, comparison, out, say):
    """summary.md, report.md and index.html; returns the text for a terminal."""
    figures = plot.draw(host, plot.comparison(comparison), str(out), say)
    shown, whole = comparison_blocks(comparison, figures)
    save(out, "summary.md", document.markdown(shown))
    save(out, "report.md", document.markdown(whole))
    save(out, "index.html", document.page(f"{comparison.old} → {comparison.new}", whole))
    return document.markdown(shown)
