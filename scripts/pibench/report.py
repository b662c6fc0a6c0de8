# SPDX-License-Identifier: GPL-2.0-only
"""What all reports share: the verdict, what was not measured, the checklist, the environment, and the files."""

import csv
import dataclasses
import io
import os
import pathlib

from . import cells, document, environment, health, metrics, results, steady
from .document import Banner, Command, Folded, Heading, Items
from .errors import IO, OK

NONE = "–"
# rounds that 95 % limits need
ENOUGH = 6
# lines of failures on a terminal, and cells that one line names
SHOWN, NAMED = 3, 10
MODES = {
    cells.INSTRUCTIONS: "total instructions per I/O: guest time under icount, of one processor that never idles",
    cells.CPU: "CPU per I/O: fio, its job, their io_uring threads and all kernel threads",
    cells.TIME: "throughput, latency and CPU per I/O",
}
BY_FUNCTION = "host instructions per I/O, each counted at its address, without the emulated drive, interrupts and other threads"
# (what the reason of each failure has, what it means); any other failure is of I/O
CAUSES = (
    ("built for", "the engine is built for another fio"),
    ("the processor idled", "the instructions cannot be counted"),
)
WRONG = "an I/O or its protection information was wrong"
# the count by function and the guest's time may differ by this share
AGREE = 0.001


def counted(session):
    """What a session measures, in words."""
    if session.hosts:
        return f"throughput and latency of {number_of(len(session.hosts), 'host')} together"
    return BY_FUNCTION if session.by_function else MODES[session.mode]


@dataclasses.dataclass
class Report:
    """The result of a command: a terminal shows the head, the files have all of it."""

    title: str
    head: list
    body: list
    status: int
    # {name: text} of further files
    files: dict = dataclasses.field(default_factory=dict)


def number_of(count, what):
    return f"{count} {what}{'s' * (count != 1)}"


def figure(value, digits=0, missing=NONE):
    return missing if value is None else f"{value:,.{digits}f}"


def absolute(session, cell, metric):
    """The median of a cell as text, or why there is none."""
    lost = "failed" if cell.name in session.failures else "not possible" if cell.name in session.skips else NONE
    return figure(session.median(cell.workload, cell.arm, metric), metric.digits, lost)


def described(metric):
    return metric.title if metric.unit in metric.title else f"{metric.title}, {metric.unit}"


def unmeasured(failures, skips, where=""):
    """Why cells failed or were skipped, a line per reason."""
    for kind, found in (("failed", failures), ("skipped", skips)):
        for reason in dict.fromkeys(found.values()):
            names = [cell for cell in found if found[cell] == reason]
            more = f" and {len(names) - NAMED} more" * (len(names) > NAMED)
            yield f"{where}{kind}: {', '.join(names[:NAMED])}{more}: {reason}"


def setbacks(stopped=(), failed=(), skipped=0):
    """What stopped, which cells failed and how many were skipped, in the few lines that a terminal has room for."""
    lines = [*stopped, *map(document.shortened, failed[:SHOWN])]
    if len(failed) > SHOWN:
        lines.append(f"and {len(failed) - SHOWN} more")
    if skipped:
        lines.append(f"{number_of(skipped, 'cell')} left out; the report says which and why.")
    return [Items(lines)] if lines else []


def not_measured(lines):
    return [Heading("Not measured"), Items(lines)] if lines else []


def settings(found, prefix=""):
    """'key: value' of every value in nested dicts."""
    for name, value in found.items():
        if isinstance(value, dict):
            yield from settings(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}: {value}"


def surroundings(env):
    """The command that measures the same again, and the environment."""
    again = [Heading("To reproduce"), Command(env["command"])] if env.get("command") else []
    guest = {"guest": env["guest"]} if env.get("guest") else {}
    places = {"Host": {**guest, **(env.get("host") or {})}}
    places |= {f"Session {name}": found for name, found in (env.get("sessions") or {}).items()}
    lists = [Folded(name, [Items(list(settings(found)))]) for name, found in places.items() if found]
    return [*again, *([Heading("Environment"), *lists] if lists else [])]


def checks(session, found):
    """(whether it was controlled, the line that says so) for one session; found: its environment."""
    enough, drift = session.rounds() >= ENOUGH, session.drift()
    limits = "95 % limits are exact" if enough else f"95 % limits need {ENOUGH}, so lowest and highest are shown"
    yield enough, f"{number_of(session.rounds(), 'round')}, each cell once per round in shuffled order (seed {session.seed}); {limits}"
    change = "not measured" if drift is None else f"{drift:+.2%} from the first to the last run of a round"
    yield drift is not None and abs(drift) < 0.01, f"drift of the plain reference: {change}"
    for path, iops in session.conditioned.items():
        yield steady.reached(iops), f"{path}: {steady.told(iops)}"
    if session.mode == cells.TIME:
        governor = found.get("governor", environment.MISSING)
        yield governor == "performance", f"frequency governor: {governor}"
        for which, after in found.get("after", {}).items():
            drive = found["devices"][which]
            good, words = health.told(drive["health"], after)
            yield good, f"{drive['path']}: {words}"
        if not session.conditioned:
            yield False, "state of the medium (preconditioning, steady state): neither controlled nor recorded"
    else:
        complete = session.mode == cells.INSTRUCTIONS
        what = "every instruction is counted" if complete else "only threads are counted, on an emulated device"
        yield complete, f"{what}; caches, memory latency and time are not measured"
    if session.by_function:
        apart = session.disagreement()
        agreement = f"agree to {AGREE:.1%}" if abs(apart) <= AGREE else f"differ by {apart:+.2%} in one cell"
        yield abs(apart) <= AGREE, f"the guest's time and the count by function {agreement}"
    yield not session.read_only, f"blocks were {'read as they were found' if session.read_only else 'written before they were read'}"
    others = [f"{name} in {number_of(number, 'run')}, at most {share:.1%} of a run" for name, (number, share) in session.others().items()]
    if not session.hosts:
        yield not others, f"other threads that ran: {', '.join(others) or 'none'}"
    virtual = found.get("virtualisation", environment.MISSING)
    yield virtual in ("none", environment.MISSING) or session.icount, f"virtualisation: {virtual}"


def checklist(sessions, env):
    """What was controlled, what was not, and what nobody checked."""
    host, inside = env.get("host") or {}, env.get("sessions") or {}
    lines = []

    def add(good, text):
        lines.append(f"{'✓' if good else '✗'} {text}")

    for session in (session for session in sessions if session.runs):
        for good, text in checks(session, inside.get(session.name) or {}):
            add(good, f"{session.name}: {text}")
    commit = host.get("engine_commit", environment.MISSING)
    add(commit != environment.MISSING and not commit.endswith("-dirty"), f"engine: commit {commit}")
    add(host.get("fio_sha256", environment.MISSING) != environment.MISSING, f"fio: {host.get('fio', environment.MISSING)}")
    add(False, "this build compared with itself: not in this session; pi-bench selftest --live does that")
    return lines


def left_over(records, env):
    """(steps done, steps planned) of a run that is not complete, else None."""
    done = sum("step" in record for record in records)
    known = {record["session"]: record["steps"] for record in records if record["kind"] == "plan"}
    planned = sum(known.get(name, steps) for name, steps in (env.get("planned") or {}).items())
    return (done, planned) if done < planned else None


def summary(sessions, left):
    """The banner: whether every cell was measured."""
    reasons = [reason for session in sessions for reason in session.failures.values()]
    measured = sum(len(session.runs) for session in sessions)
    if reasons:
        why = next((why for sign, why in CAUSES if all(sign in reason for reason in reasons)), WRONG)
        return Banner("FAILED", f"{len(reasons)} of {number_of(len(reasons) + measured, 'cell')}: {why}, see below.")
    if left:
        return Banner("STOPPED", f"{left[0]} of {left[1]} steps are done; the same command with --resume does the others.")
    return Banner("COMPLETE", f"{number_of(measured, 'cell')} measured; no I/O failed, and all protection information was right.")


def status(sessions):
    return IO if any(session.failures for session in sessions) else OK


def csv_text(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def every_run(sessions):
    """The text of results.csv."""
    rows = [["session", "cell", "round", "metric", "unit", "value"]]
    for session in sessions:
        shown = (*session.metrics, *(metrics.ROOMS.values() if session.by_function else ()))
        for cell in session.cells:
            for run in session.runs.get(cell.name, ()):
                place = session.name, cell.name, run["round"]
                rows += [[*place, metric.title, metric.unit, f"{metric.value(run):.6g}"] for metric in shown]
    return csv_text(rows)


def opening(verdict, sessions):
    """The verdict, and what went wrong if anything did."""
    stopped = [line for session in sessions for line in session.ended]
    failed = [f"{session.name} {name}: {reason}" for session in sessions for name, reason in session.failures.items()]
    return [verdict, *setbacks(stopped, failed, sum(len(session.skips) for session in sessions))]


def measured(title, sessions, env, verdict, head, body, notes, bad=OK):
    """The Report of measurements, with what every one of them must say."""
    lost = []
    for session in sessions:
        lost += [*unmeasured(session.failures, session.skips, f"{session.name}: "), *session.ended]
        if session.failures and session.read_only:
            lost.append(
                f"{session.name}: blocks that others wrote may carry tags that these checks refuse; with --allow-write pi-bench "
                "writes what it reads first."
            )
    tail = [*not_measured(lost), Heading("Notes"), Items(notes), Heading("Controlled, and not"), Items(checklist(sessions, env))]
    files = {"results.csv": every_run(sessions)}
    return Report(
        title, [*opening(verdict, sessions), *head], [*body, *tail, *surroundings(env)], status(sessions) or bad, files=files
    )


def write(out, made):
    """Write report.md, index.html and the report's further files."""
    whole = [Heading(made.title, 1), *made.head, *made.body]
    files = {"report.md": document.markdown(whole), "index.html": document.page(made.title, whole), **made.files}
    for name, text in files.items():
        place = pathlib.Path(out, name)
        place.parent.mkdir(exist_ok=True)
        with results.saving(place) as file:
            file.write(text)


def end(name, made):
    """Print the head of the report; return the exit status."""
    print(document.terminal(made.head), end="")
    print(f"\nThe whole report: {os.path.join(name, 'index.html')}, report.md")
    return made.status
