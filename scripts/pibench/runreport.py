# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench run has measured: every workload, with PI and without, against each baseline."""

import statistics

from . import cells, client, fio, metrics, outcome, plot, report, stats
from .document import Bars, Folded, Heading, Paragraph, Table, table
from .errors import Failure
from .report import NONE, absolute, described, figure

TITLE = "Protection information through io_uring: what it costs"
BARS = 6
# columns of a table whose rows are cells
WORKLOAD = {"workload": lambda cell: cell.workload.title}
ARM = {"state": lambda cell: cell.arm.state, "engine": lambda cell: cell.arm.label}


def peer(arm):
    """fio's own engine in the same state."""
    return cells.Arm(arm.state, cells.FIO, "md" if arm.has_pi else "none")


# {name: function from an arm to the one it is compared with}
REFERENCES = {state: lambda arm, state=state: arm.without_pi(state) for state in cells.BASELINES} | {"fio's engine": peer}


def figures(session):
    """Columns: a cell's main metric, and its ratio to each reference."""
    metric = session.metrics[0]
    columns = {metric.unit: lambda cell: absolute(session, cell, metric)}
    for name, other in REFERENCES.items():
        columns[f"× {name}"] = lambda cell, other=other: figure(session.ratio(cell.workload, cell.arm, other(cell.arm), metric), 3)
    return columns


def spread(summary):
    if summary is None or summary.count < 2:
        return NONE
    low, high = (f"{abs(part) * 100:.2f}" for part in summary.spread)
    return f"−{low}…+{high} %"


def within(summary, digits):
    """The median and the largest deviation from it."""
    if summary is None:
        return "failed"
    deviation = max(map(abs, summary.spread))
    return f"{summary.median:,.{digits}f}" + (f" ±{deviation * 100:.1f} %" if summary.count > 1 else "")


def one_metric(session, chosen):
    """[Table] of the cells: the figure, its spread, the ratios, and what is counted apart from the host."""
    columns = {**ARM, **figures(session)}
    columns["spread"] = lambda cell: spread(session.summary(cell.workload, cell.arm, session.metrics[0]))
    for metric in (metrics.DRIVE, metrics.OTHERS) if session.by_function else ():
        columns[metric.title] = lambda cell, metric=metric: absolute(session, cell, metric)
    return [table(chosen, columns, 2)]


def several_metrics(session, chosen):
    """[Table of absolute figures, by host too if there are several, Table of ratios] of the cells."""
    absolute, relative = [], []
    for cell in chosen:
        arm = [cell.arm.state, cell.arm.label]
        runs = session.measured(cell.workload, cell.arm)
        for host in ("all", *session.hosts):
            parts = [run["hosts"][host] if host in session.hosts else run for run in runs]
            found = [within(stats.summarise(map(metric.value, parts)), metric.digits) for metric in session.metrics]
            absolute.append([*arm, *[host] * bool(session.hosts), *found])
        for name, other in REFERENCES.items():
            if other(cell.arm) != cell.arm and (cell.arm.has_pi or other == peer):
                ratios = [session.ratio(cell.workload, cell.arm, other(cell.arm), metric) for metric in session.metrics]
                relative.append([*arm, name, *(figure(ratio, 3) for ratio in ratios)])
    text = [*ARM, *["host"] * bool(session.hosts)]
    names = [metric.unit if metric.unit in ("IOPS", "MB/s") else f"{metric.title}, {metric.unit}" for metric in session.metrics]
    ratios = [f"× {metric.title}" for metric in session.metrics]
    return [Table([*text, *names], absolute, len(text)), Table([*ARM, "against", *ratios], relative, 3)]


def details(sessions):
    parts = []
    for workload in dict.fromkeys(workload for session in sessions for workload in session.workloads):
        parts.append(Heading(workload.title, 3))
        for session in sessions:
            chosen = [cell for cell in session.cells if cell.workload == workload]
            if chosen:
                alone = len(session.metrics) == 1
                parts.append(Paragraph(f"{session.name}, {session.metrics[0].title if alone else report.counted(session)}:"))
                parts += one_metric(session, chosen) if alone else several_metrics(session, chosen)
    return parts


def change(seconds):
    """From the first quarter of a run to the last, as a share; None if nothing was done in the first."""
    quarter = max(1, len(seconds) // 4)
    first, last = (statistics.fmean(part) for part in (seconds[:quarter], seconds[-quarter:]))
    return last / first - 1 if first else None


def over_time(session):
    """[Folded] with the throughput of each second, where runs were long enough."""
    rows = []
    for cell in session.cells:
        logs = [run["seconds"] for run in session.runs.get(cell.name, ()) if "seconds" in run]
        if logs:
            every = stats.summarise(second for seconds in logs for second in seconds)
            changes = stats.summarise(found for seconds in logs if (found := change(seconds)) is not None)
            values = [f"{value:,.1f}" for value in (every.low, every.median, every.high)]
            drift = f"{changes.median:+.1%}" if changes else NONE
            rows.append([cell.workload.title, cell.arm.state, cell.arm.label, every.count, *values, drift])
    text = (
        f"The seconds of all rounds, of runs that took {fio.SECONDS} s or more. The change is from the first quarter of a run to the last: "
        "the median of the rounds."
    )
    headers = [*WORKLOAD, *ARM, "seconds", "lowest", "median", "highest", "change"]
    title = f"{session.name}, throughput over time, MB/s"
    return [Folded(title, [Paragraph(text), Table(headers, rows, 3)])] if rows else []


def span(ratios):
    """Geometric mean, lowest and highest of the ratios of several workloads."""
    known = [ratio for ratio in ratios if ratio]
    if len(known) < 2:
        return f"{known[0]:.2f}" if known else NONE
    return f"{statistics.geometric_mean(known):.2f} ({min(known):.2f} to {max(known):.2f})"


def claims(session, arm, workloads):
    """{name of a reference: (ratio of these workloads as text, whether it is conclusive)}"""
    metric, found = session.metrics[0], {}
    for name, reference in REFERENCES.items():
        other = reference(arm)
        overall = session.overall(workloads, arm, other, metric)
        if overall:
            low, high, conclusive = overall
            ratios = span(session.ratio(workload, arm, other, metric) for workload in workloads)
            found[name] = ratios if conclusive else f"{low:.2f} to {high:.2f} in {plot.rounds_of(session)}", conclusive
    return found


def extremes(session, arm):
    """The lowest and the highest figure of all workloads, as text."""
    metric = session.metrics[0]
    values = [session.median(workload, arm, metric) for workload in session.unmixed if session.measured(workload, arm)]
    return " to ".join(figure(value, metric.digits) for value in sorted({min(values), max(values)}))


def headline(session):
    """The result in a sentence for each layout; or, of more than two, in one about the first baseline and a table of all."""
    metric = session.metrics[0]
    about = f"{session.name}, {metric.title}"
    arms = [arm for arm in session.layouts if any(session.measured(workload, arm) for workload in session.unmixed)]
    # figures that stand side by side are of the same workloads
    common = [workload for workload in session.unmixed if all(session.measured(workload, arm) for arm in arms)] or session.unmixed
    which = "workload" if common == session.unmixed else f"of the {len(common)} workloads that all layouts have"
    bounds = f"geometric mean, lowest and highest {which}" if len(common) > 1 else "".join(workload.title for workload in common)
    found = {arm: claims(session, arm, common) for arm in arms}
    compared = [arm for arm in arms if found[arm]]
    if len(compared) > 2:
        columns = {"layout": lambda arm: arm.layout}
        for name in REFERENCES:
            columns[f"× {name}"] = lambda arm, name=name: found[arm].get(name, (NONE,))[0]
        first = next(name for name in REFERENCES if any(name in found[arm] for arm in compared))
        said = ", ".join(f"{arm.layout} {found[arm][first][0]}" for arm in compared if first in found[arm])
        return [Paragraph(f"**{about} × {first}: {said}**; {bounds}."), table(compared, columns)]
    lines = []
    for arm in arms:
        clear = [f"{ratio} × {name}" for name, (ratio, conclusive) in found[arm].items() if conclusive]
        said = [f"cannot be told apart from {name} yet ({ratio})" for name, (ratio, conclusive) in found[arm].items() if not conclusive]
        if clear or not said:
            said.insert(0, f"{metric.verb} {', '.join(clear) or extremes(session, arm)}")
        end = f"; {bounds}" if clear and len(session.unmixed) > 1 else ""
        lines.append(Paragraph(f"**{about}: io_uring_pi {arm.layout} {'; '.join(said)}**{end}."))
    return lines


def overview(session):
    """What PI costs against each baseline, a line for each workload and layout."""
    chosen = [cell for cell in session.cells if cell.arm in session.layouts and cell.name in session.runs]
    columns = {**WORKLOAD, "layout": lambda cell: cell.arm.layout, **figures(session)}
    text = f"{session.name}, {session.metrics[0].title}, PI with io_uring_pi:"
    return [Paragraph(text), table(chosen, columns, 2)] if chosen else []


def short(session, env, words=""):
    """Figures for another document: a line for each workload, a column for each arm."""
    workloads = list(dict.fromkeys(cell.workload for cell in cells.select(session.cells, [words])))
    if not workloads:
        raise Failure(f"--table {words}: no such workload was measured")
    plain = cells.FIO if any(cell.arm.engine == cells.FIO for cell in session.cells) else cells.OURS
    arms = sorted({cell.arm for cell in session.cells if cell.arm.has_pi or cell.arm.engine == plain}, key=lambda arm: arm.rank)
    metric = session.metrics[0]
    rows = []
    for workload in workloads:
        for each in (metric, *((metrics.DRIVE,) if session.by_function else ())):
            title = workload.title if each == metric else f"{each.title}, not included"
            rows.append([title, *(figure(session.median(workload, arm, each), each.digits) for arm in arms)])
    names = [f"{arm.label} with PI" if arm.has_pi else arm.state for arm in arms]
    host = env.get("host") or {}
    about = [env.get("guest"), f"{host.get('cpus')} x {host.get('cpu')}", host.get("fio"), f"commit {host.get('engine_commit', '')[:12]}"]
    about += [f"{plot.rounds_of(session)}, widest spread {session.widest_spread(metric):.2%}"]
    text = f"{session.name}, {described(metric)}: {'; '.join(filter(None, about))}; {env.get('command')}"
    return [Table(["", *names], rows), Paragraph(text)]


def bars(session):
    """[Bars] of what PI costs in a few workloads."""
    metric, state = session.metrics[0], next(iter(cells.BASELINES))
    arm = next(iter(session.layouts), None)
    rows = []
    for workload in session.unmixed if arm else ():
        ratio = session.ratio(workload, arm, arm.without_pi(state), metric)
        if ratio:
            rows.append((workload.title, f"{absolute(session, cells.Cell(workload, arm), metric)} {ratio:7.3f}", ratio))
    side = "cheaper" if metric.verb == "takes" else "slower"
    return [Bars(f"{session.name}, {metric.title}, io_uring_pi {arm.layout} × {state}, below 1 is {side}", rows[:BARS])] if rows else []


METHODS = {
    cells.INSTRUCTIONS: "Instructions are counted from the set-up of the ring to the end of the job, less those of a run of a few I/Os. "
    "They are not time: caches, memory latency and overlapping execution do not show.",
    cells.CPU: "CPU of fio, its job and their io_uring threads is what the kernel accounts when they end; that of kernel threads (kworkers "
    "that verify) is read from /proc/PID/schedstat around the run; neither has interrupts on an idle processor. An emulated device "
    "completes I/Os in the host's time, so IOPS, throughput and latency mean nothing and are not shown, and the CPU spent waiting "
    "varies with the host's load: a difference within the spread is no difference.",
}
BY_FUNCTION = (
    "Host instructions are those of fio, engine, kernel and driver. The tables show beside them what the emulated drive takes (it computes "
    "guards and copies the data), and interrupts and other threads."
)
WITH_DRIVE = (
    "On scsi_debug every figure includes the emulated drive's own work: it computes guards and copies the data, up to two thirds of what "
    "a large I/O takes. pi-bench explain separates it, and so does pi-bench run once build/t/insn-plugin.so is built."
)


def session_notes(session):
    lines = client.notes(session) if session.hosts else []
    ios = " or ".join(f"{number:,}" for number in sorted({run["ios"] for run in session.every_run}))
    lines.append(
        f"{session.name}: {report.counted(session)}. {plot.rounds_of(session)} in shuffled order (seed {session.seed}), after a warm-up "
        f"round that is dropped; {ios} I/Os in a run. Figures are medians; spreads are lowest to highest run, at most "
        f"{session.widest_spread(session.metrics[0]) * 100:.2f} %."
    )
    if session.read_only:
        lines.append("Nothing was written first: blocks never written carry the escape tag, and nobody checks those.")
    if session.mode == cells.INSTRUCTIONS:
        lines.append(BY_FUNCTION if session.by_function else WITH_DRIVE)
        lines.append(f"{session.name}: runs repeated because the processor idled in them: {session.discarded}.")
    if session.mode in METHODS:
        lines.append(METHODS[session.mode])
    return lines


def notes(sessions, environment):
    versions = sorted({run["fio"] for session in sessions for run in session.every_run})
    lines = [
        f"{', '.join(versions)}; every arm ran the same job file (configs/bench.fio) with the same options.",
        *(f"Baseline {name}: {row.description}." for name, row in cells.BASELINES.items()),
        "A ratio to a baseline compares with the same engine there; a ratio to fio's engine compares with fio's own io_uring engine in "
        "the same state.",
        "Every I/O with PI asks for GUARD, APPTAG and, where the format has a reference tag that counts blocks, REFTAG.",
    ]
    if "fio-3.41" in versions:
        lines.append("fio 3.41's own engine does not verify PI on the host when it reads (fixed in 3.42), so it does less there.")
    if "--disable-isal" in (environment.get("host") or {}).get("fio_configure", ""):
        lines.append("This fio is built without ISA-L: its own PI guards come from tables, byte by byte.")
    lines += [line for session in sessions if session.runs for line in session_notes(session)]
    return list(dict.fromkeys(lines))


def make(host, out, records, env, say=print):
    sessions = outcome.group(records)
    drawn = plot.draw(host, plot.figures(sessions, str(out)), str(out), say)
    head = [block for session in sessions for block in headline(session)]
    head += next((found for session in sessions if (found := bars(session))), [])
    if any(session.icount for session in sessions):
        head.append(Paragraph("Measured in an emulated guest that counts instructions. They are instructions, not time."))
    tables = [block for session in sessions for block in overview(session)]
    every = Folded("Every workload, every engine", details(sessions))
    body = [*drawn, *tables, Heading("Every workload"), every, *(block for session in sessions for block in over_time(session))]
    verdict = report.summary(sessions, report.left_over(records, env))
    return report.measured(TITLE, sessions, env, verdict, head, body, notes(sessions, env))
