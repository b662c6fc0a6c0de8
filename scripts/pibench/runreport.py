# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench run has measured: every workload, with PI and without, against each baseline."""

import statistics

from . import cells, client, fio, metrics, outcome, plot, report, stats
from .document import Bars, Folded, Heading, Paragraph, Table
from .errors import Failure
from .report import NONE, described, figure

TITLE = "Protection information through io_uring: what it costs"
BARS = 6


def peer(arm):
    """fio's own engine in the same place."""
    return cells.Arm(arm.state, cells.FIO, "md" if arm.has_pi else "none")


def ratios(session, workload, arm, metric):
    """Against the same engine in each baseline, and against fio's own engine in the same place."""
    references = [*(arm.without_pi(state) for state in cells.BASELINES), peer(arm)]
    return [figure(session.ratio(workload, arm, reference, metric), 3) for reference in references]


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
    # what is no part of it, by itself
    apart = (metrics.DRIVE, metrics.OTHERS) if session.by_function else ()
    headers = ["state", "engine", metric.unit, "spread", *(f"× {b}" for b in cells.BASELINES), "× io_uring", *(m.title for m in apart)]
    rows = []
    for arm in session.arms(workload):
        absolute, *beside = (figure(session.median(workload, arm, each), each.digits, "failed") for each in (metric, *apart))
        told = spread(session.summary(workload, arm, metric))
        rows.append([arm.state, arm.label, absolute, told, *ratios(session, workload, arm, metric), *beside])
    return Table(headers, rows, text=2)


def comparisons(arm):
    """(what it is compared with, arm) pairs that answer a question."""
    if arm.has_pi:
        yield from ((state, arm.without_pi(state)) for state in cells.BASELINES)
    if arm.engine != cells.FIO:
        yield f"{arm.state} {peer(arm).label}", peer(arm)


def wide(session, workload):
    """Several metrics: a table of absolute figures, then one of ratios."""
    arms = session.arms(workload)
    absolute = [
        [arm.state, arm.label, *(within(session.summary(workload, arm, m), m.digits) for m in session.metrics)] for arm in arms
    ]
    relative = [
        [arm.state, arm.label, what, *(figure(session.ratio(workload, arm, other, m), 3) for m in session.metrics)]
        for arm in arms
        for what, other in comparisons(arm)
    ]
    names = [f"{m.title}, {m.unit}" if m.unit not in ("IOPS", "MB/s") else m.unit for m in session.metrics]
    short = ["IOPS", "MB/s", "mean", "p99", "CPU"][: len(names)]
    return [
        Table(["state", "engine", *names], absolute, text=2),
        Table(["state", "engine", "against", *(f"× {s}" for s in short)], relative, text=3),
        *hosts(session, workload, names),
    ]


def hosts(session, workload, names):
    """Of several machines each by itself."""
    rows = []
    for arm in session.arms(workload):
        runs = session.measured(workload, arm)
        for host in session.hosts if runs else ():
            found = [stats.summarise(metric.value(run["hosts"][host]) for run in runs) for metric in session.metrics]
            rows.append([arm.state, arm.label, host, *(within(each, metric.digits) for each, metric in zip(found, session.metrics))])
    return [Table(["state", "engine", "host", *names], rows, text=3)] if rows else []


def details(sessions):
    parts = []
    for workload in dict.fromkeys(w for session in sessions for w in session.workloads):
        parts.append(Heading(workload.title, 3))
        for session in sessions:
            if workload not in session.workloads:
                continue
            alone = len(session.metrics) == 1
            parts.append(Paragraph(f"{session.name}, {session.metrics[0].title if alone else report.counted(session)}:"))
            parts += [compact(session, workload)] if alone else wide(session, workload)
    return parts


def change(seconds):
    """From the first quarter of a run to the last, a share; None where nothing was done in the first."""
    quarter = max(1, len(seconds) // 4)
    first, last = (statistics.fmean(part) for part in (seconds[:quarter], seconds[-quarter:]))
    return last / first - 1 if first else None


def course(session):
    """Throughput from second to second, where runs were long enough."""
    rows = []
    for cell in session.cells:
        logs = [run["seconds"] for run in session.runs.get(cell.name, ()) if "seconds" in run]
        if logs:
            every = stats.summarise(second for seconds in logs for second in seconds)
            changes = stats.summarise(found for seconds in logs if (found := change(seconds)) is not None)
            figures = [f"{value:,.1f}" for value in (every.low, every.median, every.high)]
            rows.append([cell.workload.title, cell.arm.state, cell.arm.label, every.count, *figures,
                         f"{changes.median:+.1%}" if changes else NONE])  # fmt: skip
    if not rows:
        return []
    text = (f"Seconds of all rounds, of runs that took {fio.SECONDS} s or more; the change is from the first quarter of a run to its last, "
            "the middle of the rounds.")  # fmt: skip
    headers = ["workload", "state", "engine", "seconds", "lowest", "median", "highest", "change"]
    return [Folded(f"{session.name}, throughput from second to second, MB/s", [Paragraph(text), Table(headers, rows, text=3)])]


def span(column):
    """Geometric mean, lowest and highest of one ratio over the workloads."""
    known = [ratio for ratio in column if ratio]
    if len(known) < 2:
        return f"{known[0]:.2f}" if known else None
    return f"{statistics.geometric_mean(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def told(session, whole, arm, reference, name, metric):
    """A ratio over all workloads as a headline may say it, or None."""
    found = session.overall(whole, arm, reference, metric) if reference else None
    if not found:
        return None
    middle, low, high, clear = found
    if not clear:
        return f"cannot be told apart from {name} yet ({low:.2f} to {high:.2f} in {session.rounds()} rounds)"
    return f"{span(session.ratio(workload, arm, reference, metric) for workload in whole)} × {name}"


def headline(session):
    """What a reader takes away if he reads nothing else: a sentence, or a table where there are more than two layouts."""
    metric = session.metrics[0]
    whole = [workload for workload in session.workloads if workload.mix == cells.ALL_PI]
    bounds = "; geometric mean, lowest and highest workload" if len(whole) > 1 else ""
    found, alone = {}, []
    for arm in session.layouts:
        against = [*((state, arm.without_pi(state)) for state in cells.BASELINES), ("fio's own PI", peer(arm))]
        found[arm.layout] = {name: words for name, other in against if (words := told(session, whole, arm, other, name, metric))}
        values = [value for workload in whole if (value := session.median(workload, arm, metric)) is not None]
        if values and not found[arm.layout]:
            ends = " to ".join(figure(each, metric.digits) for each in sorted({min(values), max(values)}))
            alone.append(Paragraph(f"**{session.name}, {metric.title}: io_uring_pi {arm.layout} {metric.verb} {ends}**."))
    found = {layout: words for layout, words in found.items() if words}
    if len(found) > 2:
        names = [*cells.BASELINES, "fio's own PI"]
        rows = [[layout, *(words.get(name, NONE).partition(" ×")[0].partition(" yet")[0] for name in names)]
                for layout, words in found.items()]  # fmt: skip
        text = f"**{session.name}, {metric.title}, against plain io_uring**{bounds.replace('; ', ': ')}"
        return [Paragraph(text), Table(["layout", *(f"× {name}" for name in names)], rows)]
    lines = []
    for layout, words in found.items():
        clear = [text for text in words.values() if "×" in text]
        text = "; ".join([f"{metric.verb} {', '.join(clear)}"] * bool(clear) + [text for text in words.values() if "×" not in text])
        lines.append(Paragraph(f"**{session.name}, {metric.title}: io_uring_pi {layout} {text}**{bounds * bool(clear)}."))
    return lines + alone


def overview(session):
    """One line a workload: what PI costs against each baseline."""
    metric = session.metrics[0]
    headers = ["workload", "layout", metric.unit, *(f"× {b}" for b in cells.BASELINES), "× fio's PI"]
    rows = []
    for workload in session.workloads:
        for arm in session.layouts:
            if session.measured(workload, arm):
                absolute = figure(session.median(workload, arm, metric), metric.digits)
                rows.append([workload.title, arm.layout, absolute, *ratios(session, workload, arm, metric)])
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
        for each in (metric, *((metrics.DRIVE,) if session.by_function else ())):
            title = workload.title if each == metric else f"{each.title}, beside it"
            rows.append([title, *(figure(session.median(workload, arm, each), each.digits) for arm in arms)])
    names = [f"{arm.label} with PI" if arm.has_pi else arm.state for arm in arms]
    host = env.get("host") or {}
    about = [env.get("guest"), f"{host.get('cpus')} x {host.get('cpu')}", host.get("fio"), f"commit {host.get('engine_commit', '')[:12]}"]
    about += [f"{plot.rounds_of(session)}, widest spread {session.widest_spread():.2%}"]
    text = f"{session.name}, {described(metric)}: {'; '.join(filter(None, about))}; {env.get('command')}"
    return [Table(["", *names], rows), Paragraph(text)]


def bars(session):
    """What PI costs in a few workloads, the longest bar for the dearest."""
    metric, state = session.metrics[0], next(iter(cells.BASELINES))
    arm = next(iter(session.layouts), None)
    rows = []
    for workload in session.workloads if arm else ():
        ratio = session.ratio(workload, arm, arm.without_pi(state), metric)
        if ratio and workload.mix == cells.ALL_PI:
            absolute = figure(session.median(workload, arm, metric), metric.digits)
            rows.append((workload.title, f"{absolute} {ratio:7.3f}", ratio))
    side = "cheaper" if metric.verb == "takes" else "slower"
    title = f"{session.name}, {metric.title}, io_uring_pi {arm.layout if arm else ''} × {state}, below 1 is {side}"
    return [Bars(title, rows[:BARS])] if rows else []


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
        lines += client.notes(session) if session.hosts else []
        counts = " or ".join(f"{n:,}" for n in ios[session.name])
        lines.append(
            f"{session.name}: {report.counted(session)}. {plot.rounds_of(session)} in shuffled order (seed {session.seed}) after "
            f"one to warm up, which is dropped by rule; {counts} I/Os a run; median and lowest to highest run shown, "
            f"widest spread {session.widest_spread() * 100:.2f} %."
        )
        if session.read_only:
            lines.append("Nothing was written beforehand: blocks never written carry the escape tag, and nobody checks those.")
        if session.by_function:
            lines.append(
                "Host instructions are those of fio, engine, kernel and driver, each counted at its address. What the emulated drive "
                "does (it computes guards of its own and copies the data) and interrupts and other threads are no part of them, and "
                "stand beside them in the tables."
            )
        elif session.mode == cells.INSTRUCTIONS:
            lines.append(
                "On scsi_debug the emulated drive's own work is in every figure: it computes guards of its own and copies the data, "
                "up to two thirds of what a large I/O takes. pi-bench explain tells it apart, and so does "
                "this where build/t/insn-plugin.so is built."
            )
        if session.mode == cells.INSTRUCTIONS:
            lines.append(
                "Traced from the set-up of the ring to the end of the job; what a run of a few I/Os takes is taken off. Instructions "
                "are not time: caches, memory latency "
                f"and overlap do not show. Runs repeated because the processor idled in them: {session.discarded}."
            )
        elif session.mode == cells.CPU:
            lines.append(
                "fio, its job and their io_uring threads are as the kernel accounts for them when they end; kernel threads (kworkers "
                "that verify) are from /proc/PID/schedstat around the run; interrupts on an idle processor are in neither. An "
                "emulated device completes in the host's time: IOPS, throughput and latency mean nothing and are not shown, and "
                "the CPU it takes to wait varies with the host's load; a difference within the spread is none."
            )
    return lines


def make(host, out, records, env, say=print):
    sessions = outcome.group(records)
    figures = plot.draw(host, plot.figures(sessions, str(out)), str(out), say)
    emulated = any(session.icount for session in sessions)
    heads = [block for session in sessions for block in headline(session)]
    told = [Paragraph("Measured in an emulated guest that counts instructions. They are instructions, not time.")] if emulated else []
    shown = next((found for session in sessions if (found := bars(session))), [])
    verdict = report.summary(sessions, report.left_over(records, env))
    tables = [block for session in sessions for block in overview(session)]
    every = Folded("Every workload, every engine", details(sessions))
    courses = [block for session in sessions for block in course(session)]
    body = [*figures, *tables, Heading("Every workload"), every, *courses]
    return report.measured(TITLE, sessions, env, verdict, [*heads, *shown, *told], body, notes(sessions, env))
