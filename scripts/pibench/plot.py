# SPDX-License-Identifier: GPL-2.0-only
"""Figures, drawn by gnuplot from data files that are kept beside them."""

import contextlib
import dataclasses
import itertools
import json
import os

from . import catalog, cells, client, document, fio, flame, gate, metrics, profile, results, stats
from .command import last_line
from .errors import Failure

SCRIPTS = cells.REPO / "scripts" / "plots"
DIRECTORY = "plots"
FORMATS = ("svg", "png")
WIDTH = 760
ROW, FRAME = 22, 140
# rows in one figure: as many as a printed page holds
ROWS = 40
# width of a character of a row's label, in characters of gnuplot's margins
CHARACTER = 0.88
LINES_HEIGHT, CROSSOVER_HEIGHT = 400, 420
# added to the height for a key of four rows
KEY = 90
TAIL_WORKLOADS = 4
# cells in one trend, and the name of the circles that mark steps
TREND_CELLS, STEP = 8, "step"


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure for gnuplot: the script that draws it, the variables that the script reads, and the data."""

    name: str
    title: str
    caption: str
    script: str
    height: int
    data: str
    variables: dict


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def label(text, bold=False):
    """Quote text for a data file, with the characters escaped that gnuplot's enhanced text treats as markup."""
    for character in "\\{}^_@&~":
        # twice: once for the data file, once for enhanced text
        text = text.replace(character, "\\\\" + character)
    return quoted(f"{{/:Bold {text}}}" if bold else text)


def blocks(tables):
    """The text of a data file: a block for each table, a line for each row."""
    return "\n\n\n".join("\n".join(" ".join(map(str, row)) for row in table) for table in tables) + "\n"


def title_of(arm):
    return f"{'PI' if arm.has_pi else arm.state}, {arm.label if arm.engine == cells.FIO else arm.layout}"


def rounds_of(session):
    return f"{session.rounds()} round{'s' * (session.rounds() != 1)}"


def middle_of(session):
    return f"Median of {rounds_of(session)}" if session.rounds() > 1 else "One round"


def runs_of(session):
    limits = "95 % limits" if session.rounds() >= 6 else "lowest to highest round"
    return f"{session.name}, {rounds_of(session)}; bars: {limits}."


def sheets(entries):
    """[(rows, headings)] of [(heading, label, fields)], for a figure each that has all entries of its headings."""
    found, row = [], ROWS
    for heading, group in itertools.groupby(entries, key=lambda entry: entry[0]):
        group = list(group)
        if row + 1 + len(group) > ROWS:
            found.append(([], []))
            row = 0
        rows, headings = found[-1]
        row += 1
        headings.append((row, label(heading, bold=True)))
        for row, (_, text, fields) in enumerate(group, row + 1):
            rows.append((row, label(text), *fields))
    return found


def by_row(name, title, caption, script, entries, variables, extra=0):
    """Drawings of [(heading, label, fields)], a row for each heading and each label."""
    margin = round(max((len(text) for _, text, _ in entries), default=0) * CHARACTER) + 3
    drawings = []
    for number, (rows, headings) in enumerate(sheets(entries), 1):
        stem = f"{name}-{number}" if number > 1 else name
        height = FRAME + ROW * rows[-1][0] + extra
        drawings.append(Drawing(stem, title, caption, script, height, blocks([rows, headings]), {"margin": margin, **variables}))
    return drawings


def ratios(name, title, caption, entries, names, reference, limit=0):
    """Drawings of [(heading, label, {name: (ratio, low, high)})], a mark for each name; limit: a ratio to mark, or 0."""
    every = [found for *_, found in entries]
    shown = [name for name in names if any(name in found for found in every)]
    left = min([1, *(low for found in every for _, low, _ in found.values())])
    right = max([1, limit, *(high for found in every for *_, high in found.values())])
    space = max(right / left, 1.01) ** 0.05
    variables = {
        "axis": f"ratio to {shown[0] if len(shown) == 1 else reference}",
        "left": left / space,
        "right": right * space,
        "limit": limit,
        "styles": [names.index(name) + 1 for name in shown],
        "series": shown,
    }
    missing = ("NaN",) * 3
    rows = [(heading, text, [value for name in shown for value in found.get(name, missing)]) for heading, text, found in entries]
    return by_row(name, title, caption, "forest.gp", rows, variables)


def forest(session):
    """Drawings of the ratios to plain io_uring: a row for each arm with PI, a mark for each baseline."""
    metric, entries = session.metrics[0], []
    for workload in session.unmixed:
        for arm in (arm for arm in session.arms(workload) if arm.has_pi):
            every = {state: session.against((workload, arm), (workload, arm.without_pi(state)), metric) for state in cells.BASELINES}
            if found := {state: interval for state, interval in every.items() if interval}:
                entries.append((workload.title, title_of(arm), found))
    side = "further right costs more" if metric.verb == "takes" else "further right is faster"
    return ratios(
        f"forest-{session.name}",
        f"{session.name}: {metric.title}, ratio to plain io_uring",
        f"1 is plain io_uring with the same engine; {side}. {runs_of(session)}",
        entries,
        list(cells.BASELINES),
        "plain io_uring",
    )


def comparison(comparison):
    """Drawings of the change of each cell, with its limits."""
    entries = []
    for line in sorted(comparison.lines, key=lambda line: line.metric.title):
        found = line.verdict
        if found.ratio is not None and 0 < found.low <= found.high < float("inf"):
            interval = found.ratio, found.low, found.high
            entries.append((line.metric.title, f"{line.cell}: {found.verdict}", {cells.OLD: interval}))
    # by function the limit is a number of instructions: a different ratio for each cell
    by_function = any(line.metric == metrics.HOST for line in comparison.lines)
    limit = 0 if by_function else 1 + gate.LIMIT if comparison.mode == cells.INSTRUCTIONS else 1.02
    dotted = f"; dotted: {limit - 1:+.1%}" if limit else ""
    caption = f"1: no change{dotted}. The rule below the table says what the bars are."
    return ratios("comparison", "New to old", caption, entries, [cells.OLD], cells.OLD, limit)


# {part of an I/O: (colour, meaning)}
PARTS = {
    "kernel": ("#0072B2", "Kernel: system calls."),
    "generate and verify": ("#D55E00", "Generate and verify: guards and tags, timed by the engine in a separate run with pi_time=1."),
    "rest": ("#E69F00", "Rest: fio and the engine."),
    "not split": ("#999999", "Not split: kernel and rest, where the two cannot be told apart."),
}
BY_FUNCTION = "Each instruction is counted at its address and assigned by its callers; the emulated drive is not part of the host's cost."
ROOMS = {room: (flame.COLOURS[room], BY_FUNCTION) for room in profile.ROOMS}


def split(record, total, metric):
    """Split a total into PARTS by the engine's clocks, less the cost of reading them.

    A system call may sleep while time is measured: then only generation and verification are known.
    """
    if not record:
        return {"not split": total}
    clocks = record["stats"]

    def net(*names):
        return sum(max(0, clocks["ns"][name] - clocks["calls"][name] * clocks["clock_ns"]) for name in names) / record["ios"]

    pi = net("generate", "verify")
    left = max(0, total - pi)
    if metric != metrics.TOTAL:
        return {"generate and verify": pi, "not split": left}
    kernel = min(net("submit", "wait"), left)
    return {"kernel": kernel, "generate and verify": pi, "rest": left - kernel}


# longer times are shown in the next unit
LONGEST = 1e4
# length of the axis over the longest bar, which leaves room for the figure beside it
ROOM = 1.16
# a part smaller than this share of the longest bar in every bar is left out of the key
NARROWEST = 0.001


def scale(largest, unit):
    """(divisor, unit) that keep times up to the largest short; other figures stay as they are."""
    if unit != "ns" or largest < LONGEST:
        return 1, unit
    return (1000, "µs") if largest < LONGEST * 1000 else (1_000_000, "ms")


def stacked(name, title, caption, entries, parts, unit, per, whiskers=False):
    """Drawings of [(heading, label, {part: value}, low, high)], a bar each; parts: as PARTS; whiskers: from low to high."""
    bars = [values for _, _, values, *_ in entries]
    largest = max((sum(values.values()) for values in bars), default=0)
    if not largest:
        return []
    used = [part for part in parts if any(values.get(part, 0) >= largest * NARROWEST for values in bars)]
    colours, meanings = zip(*(parts[part] for part in used))
    divisor, unit = scale(largest, unit)
    rows = []
    for heading, text, values, low, high in entries:
        ends = list(itertools.accumulate(values.get(part, 0) / divisor for part in used))
        shown = quoted(f"{ends[-1]:,.{int(divisor > 1)}f}")
        rows.append((heading, text, (shown, low / divisor, high / divisor, *ends)))
    words = [*dict.fromkeys(meanings if len(used) > 1 else ()), caption]
    variables = {
        "axis": f"{unit} {per}",
        "end": largest / divisor * ROOM,
        "shades": colours,
        "series": used,
        "whiskers": int(whiskers),
    }
    return by_row(name, title, " ".join(filter(None, words)), "stack.gp", rows, variables, KEY * (len(used) > 4))


def stack(session, size):
    """Drawings of what an I/O of one block size takes, by part."""
    metric = metrics.CPU if session.mode == cells.TIME else session.metrics[0]
    if metric not in session.metrics:
        return []
    entries = []
    for workload in (workload for workload in session.unmixed if workload.block_size == size):
        for arm in session.arms(workload):
            total = session.summary(workload, arm, metric)
            timed = session.timed.get(cells.Cell(workload, arm).name)
            if total:
                parts = session.rooms(workload, arm) if session.by_function else split(timed, total.median, metric)
                entries.append((workload.title, title_of(arm), parts, total.low, total.high))
    return stacked(
        f"stack-{session.name}-{size // 1024}k",
        f"{session.name}: {metric.title}, {size // 1024} KiB",
        f"{middle_of(session)}.",
        entries,
        ROOMS if session.by_function else PARTS,
        metric.unit,
        "per I/O",
    )


def stacks(session):
    return [drawing for size in dict.fromkeys(w.block_size for w in session.unmixed) for drawing in stack(session, size)]


def style_of(arm):
    """The number of its colour and shape in style.gp: from 1 for layouts, from -1 down for baselines."""
    if not arm.has_pi:
        return -1 - list(cells.BASELINES).index(arm.state)
    return 1 + catalog.rank(arm.layout)


def lines(name, title, caption, kind, axes, series):
    """[Drawing] of {name: (style, points)}, a curve for each name that has any; points: rows of the data file."""
    shown = {name: (style, points) for name, (style, points) in series.items() if points}
    if not shown:
        return []
    styles, tables = zip(*shown.values())
    variables = {"kind": kind, "axis": axes[0], "yaxis": axes[1], "styles": styles, "series": list(shown)}
    return [Drawing(name, title, caption, "lines.gp", LINES_HEIGHT, blocks(tables), variables)]


def by_arm(arms, points):
    """{title: (style, points(arm))} for lines()."""
    return {title_of(arm): (style_of(arm), points(arm)) for arm in arms}


def drawn(session, workload):
    """Arms that get a line: all with PI, and those of our engine without."""
    return [arm for arm in session.arms(workload) if arm.engine == cells.OURS or arm.has_pi]


def sweep(session, rw, depth):
    """[Drawing] of the ratios by block size, where there are enough sizes for a curve."""
    metric = session.metrics[0]
    chosen = [workload for workload in session.unmixed if (workload.rw, workload.iodepth) == (rw, depth)]
    if len(chosen) < 3:
        return []
    arms = dict.fromkeys(arm for workload in chosen for arm in session.arms(workload))
    states = [arm.state for arm in arms if arm.engine == cells.OURS]
    state = next((state for state in (cells.NOVERIFY, cells.NOPI, cells.AUTOPI) if state in states), None)

    def points(arm):
        found = [(w.block_size // 1024, session.against((w, arm), (w, arm.without_pi(state)), metric)) for w in chosen]
        return [(size, *interval) for size, interval in found if interval]

    return lines(
        f"sweep-{session.name}-{rw}-qd{depth}",
        f"{session.name}: {metric.title} by block size, {chosen[0].title.partition(' KiB ')[2]}",
        f"Ratio to {state} with the same engine. {runs_of(session)}",
        "sweep",
        ("block size", f"ratio to {state}"),
        by_arm([arm for arm in arms if arm.has_pi], points),
    )


def merged_bins(session, workload, arm, out):
    """{ns: I/Os} over all rounds, from fio's own output."""
    found = []
    for run in session.measured(workload, arm):
        with contextlib.suppress(OSError, ValueError, KeyError), open(os.path.join(out, run["raw"]), encoding="utf-8") as file:
            whole = json.load(file)
            jobs = whole.get("jobs") or [part for part in whole["client_stats"] if part["jobname"] != client.ALL]
            found += [job[workload.direction]["clat_ns"] for job in jobs[: len(session.hosts) or 1]]
    return fio.merged(found)


def tail(session, workload, out):
    """[Drawing] of the share of I/Os that took longer than a time."""

    def points(arm):
        bins = merged_bins(session, workload, arm, out)
        total = left = sum(bins.values())
        found, last = [], 0
        for at in sorted(bins):
            # points less than 1 % apart are one to the eye
            if at > last * 1.01:
                found.append((at / 1e3, left / total))
                last = at
            left -= bins[at]
        return found

    return lines(
        f"tail-{session.name}-{workload.name}",
        f"{session.name}: completion latency, {workload.title}",
        f"All I/Os of {rounds_of(session)}; curves further left are faster. fio's buckets are 1.6 % wide.",
        "tail",
        ("completion latency, µs", "share done by then"),
        by_arm(drawn(session, workload), points),
    )


def throughput(session, workload):
    """[Drawing] of throughput over time, up to the end of the shortest round."""

    def points(arm):
        rounds = [run["seconds"] for run in session.measured(workload, arm) if "seconds" in run]
        return [(second, *stats.summarise(each).interval) for second, each in enumerate(zip(*rounds), 1)]

    return lines(
        f"throughput-{session.name}-{workload.name}",
        f"{session.name}: throughput over time, {workload.title}",
        "Median of the rounds for each second, up to the end of the shortest round; bars: lowest to highest round.",
        "throughput",
        ("second of a run", "MB/s"),
        by_arm(drawn(session, workload), points),
    )


def trend(name, group, names, marks):
    """[Drawing] of some cells over revisions, relative to the first; marks: {cell: places of its steps}."""
    series, stepped = {}, []
    for number, cell in enumerate(names, 1):
        first = group[0]["cells"][cell][0]
        values = [[value / first * 100 for value in entry["cells"][cell]] for entry in group]
        series[cell] = number, [(at, *each, quoted(entry["commit"][:8])) for at, (each, entry) in enumerate(zip(values, group))]
        stepped += [(at, values[at][0]) for at in marks.get(cell, ())]
    return lines(
        name,
        f"{group[0]['session']}: {group[0]['metric']} over revisions",
        f"Per cent of the first revision; {len(group)} comparable runs. Bars: lowest to highest round; circles: steps.",
        "trend",
        ("revision", "per cent of the first"),
        {**series, STEP: (0, stepped)},
    )


def over_plain(session, workload, layouts, metric):
    """{(layout, SQE): [(share of I/Os with PI, cost over plain I/O, low, high)]}, where there are enough shares for a curve."""
    base = session.median(workload, cells.Arm(cells.NOVERIFY, cells.OURS, cells.NONE), metric)
    if base is None:
        return {}
    alike = [w for w in session.workloads if dataclasses.replace(w, mix=cells.ALL_PI) == workload]
    curves = {}
    for layout in layouts:
        found = [(w.mix, session.summary(w, cells.Arm(cells.PI, cells.OURS, layout), metric)) for w in alike]
        points = [(share, *(value - base for value in summary.interval)) for share, summary in found if summary]
        if len(points) > 2:
            curves[layout, catalog.sqe(layout)] = points
    return curves


def over_first(curves, ring):
    """[(share, cost over the first curve, noise)]"""
    first = next(iter(curves.values()))
    reference = {share: value for share, value, *_ in first}
    # three rounds can agree by chance: the widest interval of any point is the noise of all
    noise = max((high - low) / 2 for _, _, low, high in (*curves[ring], *first))
    return [(share, value - reference[share], noise) for share, value, *_ in curves[ring] if share in reference]


def root(points):
    """The share at which [(share, cost over another, noise)] comes down from above the noise to below it, or None."""
    above = [(x, y) for x, y, noise in points if y > noise]
    below = [(x, y) for x, y, noise in points if y < -noise]
    if not above or not below or above[-1][0] >= below[0][0]:
        return None
    (x0, y0), (x1, y1) = above[-1], below[0]
    return x0 + (x1 - x0) * y0 / (y0 - y1)


def in_words(name, reference, points):
    """What [(share, cost over the reference, noise)] says."""
    at = root(points)
    above, below = (any(sign * y > noise for _, y, noise in points) for sign in (1, -1))
    if at is not None:
        return f"{name} costs less than {reference} once {at:.1f} % of the requests carry PI."
    if above and below:
        return f"{name} costs more than {reference} at some shares of requests with PI and less at others."
    if above or below:
        return f"{name} costs no {'less' if above else 'more'} than {reference} at any share of requests with PI."
    return f"{name} and {reference} cannot be told apart at any share of requests with PI."


def ring_title(layout, sqe):
    return layout if layout == sqe else f"{layout}, SQE {sqe}"


def crossovers(curves):
    """A sentence for each curve but the first."""
    titles = [ring_title(*ring) for ring in curves]
    return [in_words(title, titles[0], over_first(curves, ring)) for title, ring in list(zip(titles, curves))[1:]]


def crossover(name, title, caption, unit, curves):
    """[Drawing] of two or more curves by the share of requests with PI, and of what each costs over the first."""
    if len(curves) < 2:
        return []
    differences = [over_first(curves, ring) for ring in curves]
    variables = {
        "unit": unit,
        "styles": [-1 if "zeroed" in sqe else 1 + catalog.rank(layout) for layout, sqe in curves],
        "roots": ["-" if at is None else f"{at:.1f}" for at in map(root, differences)],
        "series": [ring_title(*ring) for ring in curves],
    }
    return [Drawing(name, title, caption, "crossover.gp", CROSSOVER_HEIGHT, blocks([*curves.values(), *differences]), variables)]


def mix(session, workload):
    """[Drawing] of what an I/O costs by the share of I/Os with PI."""
    metric = metrics.TIME if session.mode == cells.TIME else session.metrics[0]
    curves = over_plain(session, workload, [arm.layout for arm in session.layouts], metric)
    return crossover(
        f"mix-{session.name}-{workload.name}",
        f"{session.name}: {metric.title} by the share of I/Os with PI, {workload.title}",
        " ".join([*crossovers(curves), f"{middle_of(session)}; bands: lowest to highest round."]),
        f"{metric.unit} per I/O",
        curves,
    )


def figures(sessions, out):
    """The Drawings for which the sessions have enough results."""
    found = []
    for session in (session for session in sessions if session.runs):
        found += forest(session) + stacks(session)
        for workload in session.unmixed:
            found += mix(session, workload)
        for rw, depth in dict.fromkeys((workload.rw, workload.iodepth) for workload in session.unmixed):
            found += sweep(session, rw, depth)
        for workload in session.unmixed[:TAIL_WORKLOADS] if session.mode == cells.TIME else ():
            found += tail(session, workload, out) + throughput(session, workload)
    return found


def assignment(name, value):
    """A variable of a script, as gnuplot -e takes it."""
    if isinstance(value, (int, float)):
        return f"{name} = {value}"
    text = value if isinstance(value, str) else " ".join(quoted(str(word)) for word in value)
    return "{} = '{}'".format(name, text.replace("'", "''"))


def render(host, drawing, out):
    """The Figure, or None without gnuplot."""
    stem = os.path.join(out, DIRECTORY, drawing.name)
    os.makedirs(os.path.dirname(stem), exist_ok=True)
    with results.saving(f"{stem}.dat") as file:
        file.write(drawing.data)
    for kind in FORMATS:
        variables = {"target": f"{stem}.{kind}", "data": f"{stem}.dat", "width": WIDTH, "height": drawing.height, **drawing.variables}
        given = "; ".join(assignment(name, value) for name, value in variables.items())
        done = host.run(["gnuplot", "-e", given, str(SCRIPTS / "style.gp"), str(SCRIPTS / drawing.script)])
        if done is None:
            return None
        if done.returncode != 0:
            raise Failure(f"gnuplot: {drawing.name}: {last_line(done.stderr, done.returncode)}")
    with open(f"{stem}.svg", encoding="utf-8") as file:
        picture = file.read()
    return document.Figure(drawing.name, drawing.title, drawing.caption, picture, f"{DIRECTORY}/{drawing.name}.png")


def draw(host, drawings, out, say):
    """The Figures of the Drawings; none without gnuplot, and a line that says so."""
    found = []
    for drawing in drawings:
        figure = render(host, drawing, out)
        if not figure:
            say("pi-bench: no figures: gnuplot is not installed")
            return []
        found.append(figure)
    return found
