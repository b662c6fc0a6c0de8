# SPDX-License-Identifier: GPL-2.0-only
"""Figures, drawn by gnuplot from data files that stay beside them."""

import contextlib
import dataclasses
import json
import math
import os
import statistics

from . import catalog, cells, client, document, flame, gate, metrics, profile, results
from .command import last_line
from .errors import Failure

SCRIPTS = cells.REPO / "scripts" / "plots"
DIRECTORY = "plots"
FORMATS = ("svg", "png")
WIDTH = 760
ROW, FRAME = 22, 140
# of one figure, so that a sheet of paper holds it
ROWS = 40
# of the width of a character at the size of a label
CHARACTER = 0.88
LINES_HEIGHT = 400
# what a key of four rows needs beyond one of one row
KEY = 90
TAIL_WORKLOADS = 4
# of one trend, and what the circles in it are called
TREND_CELLS, STEP = 8, "step"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """What gnuplot is to draw: a script, its arguments and its data."""

    name: str
    title: str
    caption: str
    script: str
    data: str
    height: int
    # between the size and the data, and the series' names after it with what else the script wants to know
    before: tuple
    mark: str
    series: tuple


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def label(text, bold=False):
    """As gnuplot's enhanced text wants it."""
    for character in "\\{}^_@&~":
        # twice: once for the data file, once for enhanced text
        text = text.replace(character, "\\\\" + character)
    return quoted(f"{{/:Bold {text}}}" if bold else text)


def rows_of(groups):
    """[(heading, [(label, values)])] as [(row, label, values)] and the lines of the headings, which have rows too."""
    rows, headings, row = [], [], 0
    for heading, entries in groups:
        row += 1
        headings.append(f"{row} {label(heading, bold=True)}")
        for name, values in entries:
            row += 1
            rows.append((row, label(name), values))
    return rows, headings


def sheets(groups):
    """The groups on as many figures as they need, none of them divided: [(what to add to the figure's name, groups)]"""
    found = []
    room = 0
    for heading, entries in groups:
        room -= 1 + len(entries)
        if room < 0 or not found:
            found.append([])
            room = ROWS - 1 - len(entries)
        found[-1].append((heading, entries))
    return [(f"-{number}" if number > 1 else "", each) for number, each in enumerate(found, 1)]


def height(rows):
    return FRAME + ROW * rows[-1][0]


def axis(intervals):
    """The ends of an axis for intervals and for 1."""
    low, high = (most([1, *(each[at] for each in intervals)]) for most, at in ((min, 1), (max, 2)))
    room = max(high / low, 1.01) ** 0.05
    return f"{low / room} {high * room}"


def margin(groups):
    """Characters that the labels take."""
    return str(round(max(len(name) for _, entries in groups for name, _ in entries) * CHARACTER) + 3)


def blocks(series):
    return "\n\n\n".join("\n".join(lines) for lines in series) + "\n"


def way(arm):
    return f"{arm.label if arm.engine == cells.FIO else arm.layout}{' with PI' if arm.has_pi and arm.engine == cells.FIO else ''}"


def bar(arm):
    return f"{'PI' if arm.has_pi else arm.state}, {arm.label if arm.engine == cells.FIO else arm.layout}"


def whole(session):
    """Workloads where every I/O carries what the arm says."""
    return [workload for workload in session.workloads if workload.mix == cells.ALL_PI]


def rounds_of(session):
    return f"{session.rounds()} round{'s' * (session.rounds() != 1)}"


def middle_of(session):
    return f"Median of {session.rounds()} rounds" if session.rounds() > 1 else "One round"


def runs_of(session):
    limits = "95 % limits" if session.rounds() >= 6 else "lowest to highest round"
    return f"{session.name}, {rounds_of(session)}; bars: {limits}."


def ratios(name, title, caption, groups, states, to, limit=0):
    """Drawings of [(heading, [(label, {state: interval})])], a mark for each state that has any; limit: a ratio to mark, or 0."""
    every = [interval for _, entries in groups for _, found in entries for interval in found.values()]
    ends = axis([*every, *[(limit, limit, limit)] * bool(limit)])
    drawings = []
    for sheet, entries in sheets(groups):
        rows, headings = rows_of(entries)
        series = [[f"{row} {name}" for row, name, _ in rows], headings]
        shown = {}
        for number, state in enumerate(states, 1):
            if points := [f"{row} {' '.join(map(str, found[state]))}" for row, _, found in rows if state in found]:
                shown[state] = str(number)
                series.append(points)
        axes = margin(groups), f"ratio to {next(iter(shown)) if len(shown) == 1 else to}"
        mark = f"{limit} {ends} {' '.join(shown.values())}"
        drawings.append(Drawing(f"{name}{sheet}", title, caption, "forest.gp", blocks(series), height(rows), axes, mark, tuple(shown)))
    return drawings


def forest(session):
    """[Ratios to plain, a row for each way to carry PI, a mark for each baseline.]"""
    metric = session.metrics[0]
    groups = {}
    for workload in whole(session):
        for arm in (arm for arm in session.arms(workload) if arm.has_pi):
            every = {state: session.against((workload, arm), (workload, arm.without_pi(state)), metric) for state in cells.BASELINES}
            if found := {state: interval for state, interval in every.items() if interval}:
                groups.setdefault(workload.title, []).append((way(arm), found))
    side = "further right costs more" if metric.verb == "takes" else "further right is faster"
    return ratios(
        f"forest-{session.name}",
        f"{session.name}: {metric.title}, ratio to plain io_uring",
        f"1 is plain io_uring with the same engine; {side}. {runs_of(session)}",
        list(groups.items()),
        cells.BASELINES,
        "plain io_uring",
    )


# {name: (colour, meaning)}
PARTS = {
    "kernel": ("#0072B2", "Kernel: the system calls."),
    "generate and verify": ("#D55E00", "Generate and verify: guards and tags by the engine, from a run of its own with pi_time=1."),
    "rest": ("#E69F00", "Rest: fio and the engine."),
    "not split": ("#999999", "Not split: kernel and rest where they cannot be told apart."),
}
ROOMS = {room: (flame.COLOURS[room], "") for room in profile.ROOMS}
BY_FUNCTION = "Each instruction counted at its address, by who called; the emulated drive is no part of the host's cost."


def split(record, total, metric):
    """PARTS of a total, from the engine's own clocks; what each reading costs is taken off.

    Where time is measured a system call may sleep: then only generation and verification are known.
    """
    if not record:
        return 0, 0, 0, total
    told = record["stats"]
    clock = told["clock_ns"]

    def net(*names):
        return sum(max(0, told["ns"][name] - told["calls"][name] * clock) for name in names) / record["ios"]

    pi = net("generate", "verify")
    if metric != metrics.TOTAL:
        return 0, pi, 0, max(0, total - pi)
    kernel = min(net("submit", "wait"), max(0, total - pi))
    return kernel, pi, max(0, total - kernel - pi), 0


# by the thousand; what has no units of its own has a letter on the axis instead
UNITS = {"ns": ("ns", "µs", "ms")}
LETTERS = ("", "k", "M")
# up to here figures stay as they are
PLAIN = 1e4
# how much longer than the longest bar the axis is, for the figure beside it, and the most ticks of the axis after 0
ROOM, TICKS = 1.16, 6
# of the longest bar: a part that is smaller everywhere has no name in the key
NARROWEST = 0.001


@dataclasses.dataclass(frozen=True)
class Ticks:
    """Of an axis from 0: each step has a label, which is in the unit, so many of the figures' own."""

    unit: str
    divisor: int
    step: float
    labels: tuple


def ticks(largest, unit):
    """Ticks that do not run into each other, for figures up to the largest."""
    power = 0 if largest < PLAIN else 1 if largest < PLAIN * 1e3 else 2
    end = largest * ROOM
    least = end / TICKS
    ten = 10 ** math.floor(math.log10(least))
    step = next(many * ten for many in (1, 2, 5, 10) if many * ten >= least)
    divisor, letter = 1000**power, "" if unit in UNITS else LETTERS[power]
    labels = tuple(f"{number * step / divisor:,g}{letter * bool(number)}" for number in range(int(end / step) + 1))
    return Ticks(UNITS[unit][power] if unit in UNITS else unit, divisor, step, labels)


def largest_of(every):
    return max(map(sum, every), default=0)


def stack(session, size):
    """[What an I/O takes and where, for the workloads of one block size.]"""
    metric = metrics.CPU if session.mode == cells.TIME else session.metrics[0]
    if metric not in session.metrics:
        return []
    rooms = ROOMS if session.by_function else PARTS
    groups = []
    for workload in whole(session):
        entries = []
        for arm in session.arms(workload) if workload.block_size == size else ():
            total = session.median(workload, arm, metric)
            timed = session.timed.get(cells.Cell(workload, arm).name)
            if total is not None:
                apart = session.rooms(workload, arm) if rooms is ROOMS else {}
                entries.append((bar(arm), [apart.get(room, 0) for room in ROOMS] if apart else split(timed, total, metric)))
        if entries:
            groups.append((workload.title, entries))
    every = [parts for _, entries in groups for _, parts in entries]
    used = [n for n in range(len(rooms)) if any(parts[n] >= largest_of(every) * NARROWEST for parts in every)]
    names = tuple(list(rooms)[n] for n in used)
    colours, meanings = zip(*(rooms[name] for name in names)) if used else ((), ())
    meanings = (BY_FUNCTION,) if rooms is ROOMS else meanings
    largest = largest_of(every)
    if not largest:
        return []
    marked = ticks(largest, metric.unit)
    drawings = []
    for sheet, entries in sheets(groups):
        rows, headings = rows_of(entries)
        lines = []
        for row, name, parts in rows:
            total = sum(parts)
            shown = f"{total:,.0f}" if marked.unit == metric.unit else f"{total / marked.divisor:,.1f}"
            ends = [sum(parts[: n + 1]) for n in used]
            lines.append(f"{row} {name} {quoted(shown)} {total} {' '.join(f'{end:.3f}' for end in ends)}")
        drawing = Drawing(
            f"stack-{session.name}-{size // 1024}k{sheet}",
            f"{session.name}: {metric.title}, {size // 1024} KiB",
            " ".join([*(meanings if len(used) > 1 else ()), middle_of(session) + "."]),
            "stack.gp",
            blocks([lines, headings]),
            height(rows) + KEY * (len(used) > 4),
            (margin(groups), f"{marked.unit} per I/O"),
            f"{largest * ROOM} {' '.join(colours)} {marked.step} {' '.join(marked.labels)}",
            names,
        )
        drawings.append(drawing)
    return drawings


def stacks(session):
    return [drawing for size in dict.fromkeys(w.block_size for w in whole(session)) for drawing in stack(session, size)]


def curve(points):
    """Lines 'x y low high' of [(x, (y, low, high))]."""
    return [f"{x} {y} {low} {high}" for x, (y, low, high) in points]


def look(arm):
    """The number of its colour and shape in style.gp: a layout's from 1 on by their order, a baseline's from -1 on."""
    if not arm.has_pi:
        return -1 - list(cells.BASELINES).index(arm.state)
    return 1 + catalog.rank(arm.layout)


def lines(name, title, caption, kind, axes, series):
    """series: [(title, look, [line])]"""
    kept = [each for each in series if each[2]]
    if not kept:
        return None
    titles, looks, data = zip(*kept)
    mark = " ".join(map(str, (kind, *looks)))
    return Drawing(name, title, caption, "lines.gp", blocks(data), LINES_HEIGHT, axes, mark, titles)


def sweep(session, rw, depth):
    """Ratios by block size, where there are enough of them to make a curve."""
    metric = session.metrics[0]
    chosen = [workload for workload in whole(session) if (workload.rw, workload.iodepth) == (rw, depth)]
    if len(chosen) < 3:
        return None
    state = next((s for s in (cells.NOVERIFY, cells.NOPI, cells.AUTOPI)
                  if any(session.measured(w, cells.Arm(s, cells.OURS, cells.NONE)) for w in chosen)), None)  # fmt: skip
    series = []
    for arm in dict.fromkeys(arm for workload in chosen for arm in session.arms(workload) if arm.has_pi):
        found = [(w, session.against((w, arm), (w, arm.without_pi(state)), metric)) for w in chosen]
        series.append((way(arm), look(arm), curve([(w.block_size // 1024, interval) for w, interval in found if interval])))
    return lines(
        f"sweep-{session.name}-{rw}-qd{depth}",
        f"{session.name}: {metric.title} by block size, {chosen[0].title.partition(' KiB ')[2]}",
        f"Ratio to {state} with the same engine. {runs_of(session)}",
        "sweep",
        ("block size", f"ratio to {state}"),
        series,
    )


def root(shares, differences):
    """Where a broken line crosses 0, or None."""
    for (x0, y0), (x1, y1) in zip(zip(shares, differences), zip(shares[1:], differences[1:])):
        if y0 == 0:
            return x0
        if y0 * y1 < 0:
            return x0 + (x1 - x0) * y0 / (y0 - y1)
    return None


def crossings(session, chosen, one, other, metric):
    """What to say of two layouts: where in each round their curves cross."""
    by_round = {}
    for workload in chosen:
        for arm in (one, other):
            for run in session.measured(workload, arm):
                by_round.setdefault(run["round"], {})[workload.mix, arm] = metric.value(run)
    roots = []
    for found in by_round.values():
        shares = [w.mix for w in chosen if (w.mix, one) in found and (w.mix, other) in found]
        at = root(shares, [found[mix, one] - found[mix, other] for mix in shares])
        if at is not None:
            roots.append(at)
    if len(roots) * 2 <= len(by_round):
        return f"{one.layout} and {other.layout}: no crossover in {chosen[0].mix} to {chosen[-1].mix} %."
    return (
        f"{one.layout} and {other.layout} cross at {statistics.median(roots):.0f} % of I/Os with PI "
        f"({min(roots):.0f} to {max(roots):.0f} over {len(roots)} of {len(by_round)} rounds)."
    )


def mix(session, rw, size, depth):
    """Absolute figures by the share of I/Os that carry PI."""
    metric = session.metrics[0]
    chosen = [w for w in session.workloads if (w.rw, w.block_size, w.iodepth) == (rw, size, depth)]
    if len({w.mix for w in chosen}) < 3:
        return None
    arms = [arm for arm in dict.fromkeys(a for w in chosen for a in session.arms(w)) if arm.has_pi and arm.engine == cells.OURS]
    series = []
    for arm in arms:
        found = [(w.mix, session.summary(w, arm, metric)) for w in chosen]
        series.append((arm.layout, look(arm), curve([(share, (s.median, s.low, s.high)) for share, s in found if s])))
    plain = cells.Arm(cells.NOVERIFY, cells.OURS, cells.NONE)
    all_pi = next((w for w in chosen if w.mix == cells.ALL_PI), None)
    if all_pi and (found := session.summary(all_pi, plain, metric)):
        flat = (found.median, found.low, found.high)
        series.append((plain.state, look(plain), curve([(chosen[0].mix, flat), (chosen[-1].mix, flat)])))
    told = [crossings(session, chosen, arms[0], other, metric) for other in arms[1:]]
    title = dataclasses.replace(chosen[0], mix=cells.ALL_PI).title
    return lines(
        f"mix-{session.name}-{rw}-{size // 1024}k-qd{depth}",
        f"{session.name}: {metric.title} by the share of I/Os with PI, {title}",
        " ".join([*told, f"{middle_of(session)}, bars: lowest to highest."]),
        "mix",
        ("I/Os with PI, per cent", f"{metric.title}, {metric.unit}"),
        series,
    )


def merged_bins(session, workload, arm, out):
    """{ns: I/Os} over all rounds, from fio's own output."""
    found = []
    for run in session.measured(workload, arm):
        with contextlib.suppress(OSError, ValueError, KeyError), open(os.path.join(out, run["raw"]), encoding="utf-8") as file:
            whole = json.load(file)
            jobs = whole.get("jobs") or [part for part in whole["client_stats"] if part["jobname"] != client.ALL]
            found += [job[workload.direction]["clat_ns"] for job in jobs[: len(session.hosts) or 1]]
    return client.merged(found)


def drawn(session, workload):
    """{arm: what it is called} where a line stands for each: without PI that of our engine only."""
    arms = [arm for arm in session.arms(workload) if arm.engine == cells.OURS or arm.has_pi]
    return {arm: bar(arm) for arm in arms}


def tail(session, workload, out):
    """The share of I/Os that took longer than a time."""
    series = []
    for arm, title in drawn(session, workload).items():
        bins = merged_bins(session, workload, arm, out)
        total, left, points, shown = sum(bins.values()), sum(bins.values()), [], 0
        for at in sorted(bins):
            # closer together than the eye can tell
            if at > shown * 1.01:
                points.append(f"{at / 1e3:.3f} {left / total:.6g}")
                shown = at
            left -= bins[at]
        series.append((title, look(arm), points))
    return lines(
        f"tail-{session.name}-{workload.name}",
        f"{session.name}: completion latency, {workload.title}",
        f"All I/Os of {session.rounds()} rounds; the further left, the sooner they were done. fio's buckets are 1.6 % wide.",
        "tail",
        ("completion latency, µs", "share done by then"),
        series,
    )


def course(session, workload):
    """Throughput from second to second, as long as every round lasted."""
    series = []
    for arm, title in drawn(session, workload).items():
        rounds = [run["seconds"] for run in session.measured(workload, arm) if "seconds" in run]
        points = [(at, (statistics.median(each), min(each), max(each))) for at, each in enumerate(zip(*rounds), 1)]
        series.append((title, look(arm), curve(points)))
    return lines(
        f"course-{session.name}-{workload.name}",
        f"{session.name}: throughput from second to second, {workload.title}",
        "The middle of the rounds, as long as each of them lasted; bars: lowest to highest round.",
        "course",
        ("second of a run", "MB/s"),
        series,
    )


def trend(name, group, names, marks):
    """One cell after another over revisions, relative to the first; marks: {cell: places of its steps}."""
    series, stepped = [], []
    for number, cell in enumerate(names, 1):
        first = group[0]["cells"][cell][0]
        points = [(at, [value / first * 100 for value in entry["cells"][cell]]) for at, entry in enumerate(group)]
        series.append((cell, number, [f"{line} {quoted(entry['commit'][:8])}" for line, entry in zip(curve(points), group)]))
        stepped += [f"{at} {points[at][1][0]}" for at in marks.get(cell, ())]
    return lines(
        name,
        f"{group[0]['session']}: {group[0]['metric']} over revisions",
        f"Per cent of the first. Measured alike ({len(group)} runs); bars: lowest to highest round; circles: steps.",
        "trend",
        ("revision", "per cent of the first"),
        [*series, (STEP, 0, stepped)],
    )


def figures(sessions, out):
    """The Drawings that the results have enough for."""
    found = []
    for session in (s for s in sessions if s.runs):
        found += forest(session)
        found += stacks(session)
        found += [mix(session, *key) for key in dict.fromkeys((w.rw, w.block_size, w.iodepth) for w in session.workloads)]
        found += [sweep(session, *key) for key in dict.fromkeys((w.rw, w.iodepth) for w in session.workloads)]
        if session.mode == cells.TIME:
            for workload in whole(session)[:TAIL_WORKLOADS]:
                found += [tail(session, workload, out), course(session, workload)]
    return [drawing for drawing in found if drawing]


def comparison(comparison):
    """The change of each cell with its limits."""
    groups = {}
    for line in comparison.lines:
        found = line.verdict
        if found.ratio is not None and 0 < found.low <= found.high < float("inf"):
            interval = {cells.OLD: (found.ratio, found.low, found.high)}
            groups.setdefault(line.metric.title, []).append((f"{line.cell}: {found.verdict}", interval))
    # so many instructions are another share of each
    by_function = any(line.metric == metrics.HOST for line in comparison.lines)
    limit = 0 if by_function else 1 + gate.LIMIT if comparison.mode == cells.INSTRUCTIONS else 1.02
    told = f"; dotted: {limit - 1:+.1%}" if limit else ""
    caption = f"1: no change{told}. Bars: see the rule below the table."
    return ratios("comparison", "New to old", caption, list(groups.items()), [cells.OLD], cells.OLD, limit)


def render(host, drawing, out):
    """The Figure, or None where there is no gnuplot."""
    place = os.path.join(out, DIRECTORY)
    os.makedirs(place, exist_ok=True)
    data = os.path.join(place, f"{drawing.name}.dat")
    with results.saving(data) as file:
        file.write(drawing.data)
    for kind in FORMATS:
        target = os.path.join(place, f"{drawing.name}.{kind}")
        arguments = [str(SCRIPTS / "style.gp"), target, str(WIDTH), str(drawing.height), *drawing.before, data, drawing.mark,
                     " ".join(map(quoted, drawing.series))]  # fmt: skip
        done = host.run(["gnuplot", "-c", str(SCRIPTS / drawing.script), *arguments])
        if done is None:
            return None
        if done.returncode != 0:
            raise Failure(f"gnuplot: {drawing.name}: {last_line(done.stderr, done.returncode)}")
    with open(os.path.join(place, f"{drawing.name}.svg"), encoding="utf-8") as file:
        picture = file.read()
    return document.Figure(drawing.name, drawing.title, drawing.caption, picture, f"{DIRECTORY}/{drawing.name}.png")


def draw(host, drawings, out, say):
    """Figures of the Drawings; none, and a line that says so, without gnuplot."""
    found = []
    for drawing in drawings:
        figure = render(host, drawing, out)
        if not figure:
            say("pi-bench: no figures: gnuplot is not installed")
            return []
        found.append(figure)
    return found
