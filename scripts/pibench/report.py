# SPDX-License-Identifier: GPL-2.0-only
"""What all reports share: where it was measured, what was not, what was held still, and how it is written."""

import csv
import dataclasses
import io
import os
import pathlib

from . import cells, document, environment, health, metrics, results, steady
from .document import Banner, Command, Folded, Heading, Items, Paragraph
from .errors import IO, OK

NONE = "–"
ENOUGH = 6
LOST = 4
MODES = {
    cells.INSTRUCTIONS: "total instructions per I/O: guest time of one processor that never idles, under icount",
    cells.CPU: "CPU per I/O: fio, its job and their io_uring threads, plus all kernel threads",
    cells.TIME: "throughput, latency and CPU per I/O",
}


BY_FUNCTION = "host instructions per I/O, each counted at its address, without those of an emulated drive, interrupts and other threads"
# how far what is counted by function and the guest's time may lie apart
AGREE = 0.001


def counted(session):
    """What counts in a session, in words."""
    if session.hosts:
        return f"throughput and latency of {len(session.hosts)} host{'s' * (len(session.hosts) != 1)} together"
    return BY_FUNCTION if session.by_function else MODES[session.mode]


@dataclasses.dataclass
class Report:
    """What a command ends with: its head on a terminal, all of it in files."""

    title: str
    head: list
    body: list
    status: int
    # names and texts of files besides
    files: dict = dataclasses.field(default_factory=dict)


def figure(value, digits=0, missing=NONE):
    return missing if value is None else f"{value:,.{digits}f}"


def absolute(session, cell, metric):
    """The median of a cell as text, or why there is none."""
    lost = "failed" if cell.name in session.failures else "not possible" if cell.name in session.skips else NONE
    return figure(session.median(cell.workload, cell.arm, metric), metric.digits, lost)


def described(metric):
    return metric.title if metric.unit in metric.title else f"{metric.title}, {metric.unit}"


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
        for path, iops in session.conditioned.items():
            item(steady.reached(iops), f"{where}: {path}: {steady.told(iops)}")
        if session.mode == cells.TIME:
            governor = found.get("governor", environment.MISSING)
            item(governor == "performance", f"{where}: frequency governor {governor}")
            for which, after in found.get("after", {}).items():
                drive = found["devices"][which]
                good, words = health.told(drive["health"], after)
                item(good, f"{where}: {drive['path']}: {words}")
            if not session.conditioned:
                item(False, f"{where}: state of the medium (preconditioning, steady state): not controlled, not recorded")
        else:
            counted = session.mode == cells.INSTRUCTIONS
            item(counted, f"{where}: {'every instruction is counted' if counted else 'threads only, on an emulated device'}; "
                 "caches, memory latency and time are not measured")  # fmt: skip
        if session.by_function:
            apart = session.disagreement()
            told = f"to {AGREE:.1%}" if abs(apart) <= AGREE else f"but for {apart:+.2%} in one cell"
            item(abs(apart) <= AGREE, f"{where}: the guest's time says the same as all that was counted by function, {told}")
        unfilled = session.read_only
        item(not unfilled, f"{where}: blocks were {'read as they were found' if unfilled else 'written before they were read'}")
        others = [f"{name} in {number} runs, {share:.1%} of one at most" for name, (number, share) in session.others().items()]
        if not session.hosts:
            item(not others, f"{where}: {'other threads took part: ' + ', '.join(others) if others else 'no other thread took part'}")
        virtual = found.get("virtualisation", environment.MISSING)
        item(virtual in ("none", environment.MISSING) or session.icount, f"{where}: virtualisation: {virtual}")
    commit = host.get("engine_commit", environment.MISSING)
    item(commit != environment.MISSING and not commit.endswith("-dirty"), f"engine: commit {commit}")
    item(host.get("fio_sha256", environment.MISSING) != environment.MISSING, f"fio: {host.get('fio', environment.MISSING)}")
    item(False, "this build against itself, in this session: not measured; pi-bench selftest --live does")
    return lines


def left_over(records, env):
    """(steps done, steps planned) where they differ: something stopped it."""
    done = sum("step" in record for record in records)
    known = {record["session"]: record["steps"] for record in records if record["kind"] == "plan"}
    planned = sum(known.get(name, steps) for name, steps in (env.get("planned") or {}).items())
    return (done, planned) if done < planned else None


def summary(sessions, left):
    """The banner: whether everything ran."""
    failed = sum(len(s.failures) for s in sessions)
    measured = sum(len(s.runs) for s in sessions)
    if failed:
        reasons = [reason for session in sessions for reason in session.failures.values()]
        why = "an I/O or its protection information went wrong"
        if all("built for" in reason for reason in reasons):
            why = "the engine is built for another fio"
        return Banner("FAILED", f"{failed} of {failed + measured} cells: {why}, see below.")
    if left:
        return Banner("STOPPED", f"{left[0]} of {left[1]} steps are done; the same with --resume does the others.")
    return Banner("COMPLETE", f"{measured} cell{'s' * (measured != 1)} measured, no I/O and no protection information went wrong.")


def csv_text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def every_run(sessions):
    """The rows of results.csv."""
    yield ["session", "cell", "round", "metric", "unit", "value"]
    for session in sessions:
        for cell in session.cells:
            for run in session.runs.get(cell.name, ()):
                for metric in (*session.metrics, *(metrics.ROOMS.values() if session.by_function else ())):
                    yield [session.name, cell.name, run["round"], metric.title, metric.unit, f"{metric.value(run):.6g}"]


def status(sessions):
    return IO if any(session.failures for session in sessions) else OK


def surroundings(env):
    """How to have it all again, and where it was."""
    again = [Heading("To reproduce"), Command(env["command"])] if env.get("command") else []
    lists = environment_lists(env)
    return [*again, *([Heading("Environment"), *lists] if lists else [])]


def tail(sessions, env, notes):
    left = missing(sessions)
    found = [Heading("Not measured"), Items(left)] if left else []
    return [*found, Heading("Notes"), Items(notes), Heading("Controlled, and not"), Items(checklist(sessions, env)), *surroundings(env)]


def measured(title, sessions, env, verdict, head, body, notes, bad=OK):
    """The Report of measurements: how it went, what came out of it, and what has to be said of every one."""
    head = [verdict, *stops(sessions), *lost(sessions), *head]
    files = {"results.csv": csv_text(every_run(sessions))}
    return Report(title, head, [*body, *tail(sessions, env, notes)], status(sessions) or bad, files=files)


def lost(sessions):
    """For a terminal: cells that failed by name, and how many were left out, which the report lists."""
    found = [f"{session.name} {name}: {reason}" for session in sessions for name, reason in session.failures.items()]
    more = [f"and {len(found) - LOST} more"] if len(found) > LOST else []
    skipped = sum(len(session.skips) for session in sessions)
    if skipped:
        more.append(f"{skipped} cell{'s' * (skipped != 1)} left out here; the report says which and why.")
    return [Items([document.shortened(each) for each in found[:LOST]] + more)] if found or more else []


def stops(sessions):
    return [Paragraph(line) for session in sessions for line in session.ended]


def write(out, made):
    """report.md, index.html and what else there is."""
    whole = [Heading(made.title, 1), *made.head, *made.body]
    files = {"report.md": document.markdown(whole), "index.html": document.page(made.title, whole), **made.files}
    for name, text in files.items():
        place = pathlib.Path(out, name)
        place.parent.mkdir(exist_ok=True)
        with results.saving(place) as file:
            file.write(text)


def end(name, made):
    """What is left to read on the terminal; the exit status."""
    print(document.terminal(made.head), end="")
    print(f"\nAll of it: {os.path.join(name, 'index.html')}, report.md")
    return made.status
