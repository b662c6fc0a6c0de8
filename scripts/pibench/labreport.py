# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench lab has measured, as tables and plots."""

import dataclasses
import json
import os
import re

from . import catalog, cells, metrics, report, results, stats
from .document import Table, markdown
from .errors import Failure

PLOTS = cells.REPO / "scripts" / "plots"
TERMINALS = {
    "svg": "svg size {},{} dynamic font 'DejaVu Sans,Arial,sans-serif,13' background 'white'",
    "png": "pngcairo size {},{} font 'DejaVu Sans,10' background '#ffffff'",
}
PLAIN, REFERENCE = ("none", "64"), ("indirect", "64")
REFERENCES = ("none", "indirect")
DIRECTIONS, DEPTHS = {"randread": "Random read", "randwrite": "Random write"}, (1, 32)
SWEEP = "randread-4k-qd32"
METHODS = {"single": "read", "vectored": "vectored", "fixed": "fixed buffer"}
ALL_PI = 100


METRICS = {
    cells.INSTRUCTIONS: (("instructions per I/O", "instructions", metrics.per_io("window_ns")),),
    cells.TIME: (
        ("CPU per I/O", "ns", metrics.per_io("thread_ns", "kernel_ns")),
        ("time per I/O", "ns", metrics.per_io("runtime_ns")),
    ),
}


@dataclasses.dataclass
class Found:
    """The records of one session."""

    name: str
    mode: str
    icount: bool
    seed: int
    about: dict = dataclasses.field(default_factory=dict)
    attr: dict = dataclasses.field(default_factory=dict)
    lacking: dict = dataclasses.field(default_factory=dict)
    runs: dict = dataclasses.field(default_factory=dict)
    skips: dict = dataclasses.field(default_factory=dict)
    failures: dict = dataclasses.field(default_factory=dict)

    @property
    def batches(self):
        return list(dict.fromkeys(batch for *_, batch in self.attr))

    def ways(self, batch):
        return list(dict.fromkeys((layout, sqe) for layout, sqe, _, at in self.attr if at == batch))

    def shares(self, way):
        return sorted({mix for layout, sqe, mix, _ in self.attr if (layout, sqe) == way})

    def row(self, way, batch, mix=None):
        wanted = mix if mix is not None else 0 if way[0] == PLAIN[0] else ALL_PI
        return self.attr.get((*way, wanted, batch))

    def summary(self, name, metric):
        return stats.summarise(metric(run) for run in self.runs.get(name, ()))

    @property
    def layouts(self):
        """Of whole I/Os, as attr-cost lists them, then those that it does not measure."""
        present = [name.split()[1] for name in self.runs]
        listed = [layout for layout, *_ in self.attr if layout in present]
        return list(dict.fromkeys((*listed, *sorted(present))))


def group(records):
    sessions = {}
    for record in records:
        name = record["session"]
        found = sessions.setdefault(name, Found(name, record["mode"], record["icount"], record["seed"]))
        if record["kind"] == "attr":
            row = record["row"]
            if row["kind"] == "run":
                found.about = row
            elif row["kind"] == "cell":
                found.attr[row["layout"], row["sqe"], row["mix"], row["batch"]] = row
            else:
                found.lacking.setdefault(row["reason"], []).append(title_of((row["layout"], row["sqe"])))
        elif record["kind"] == "run":
            if record["round"] != cells.WARM_UP:
                found.runs.setdefault(record["cell"], []).append(record)
        elif record["kind"] == "failure":
            found.failures.setdefault(record["cell"], record["reason"])
        elif record["kind"] == "skip":
            found.skips.setdefault(record["cell"], record["reason"])
    return list(sessions.values())


def signed(value, digits):
    return report.NONE if value is None else f"{value:+,.{digits}f}".replace("-", "−")


class Tables:
    """Markdown for people, and each row as a line of JSON."""

    def __init__(self):
        self.lines = []

    def add(self, session, name, headers, rows, text=2, names=None):
        """rows: lists of (value for JSON, text); names: of the fields in JSON, where headers are not unique"""
        for row in rows:
            fields = {field: value for field, (value, _) in zip(names or headers, row)}
            self.lines.append(json.dumps({"session": session.name, "table": name, **fields}))
        return Table(headers, [[shown for _, shown in row] for row in rows], text).markdown()


def plain(text):
    return text, text


def number(value, digits=0):
    return value, report.figure(value, digits)


def attr_table(session, batch, tables):
    unit = session.about["unit"]
    rows = []
    for way in session.ways(batch):
        row = session.row(way, batch)
        over = row["over_plain"]
        line = [plain(way[0]), plain(way[1]), number(row["total"]["median"], 1)]
        if way == PLAIN:
            line += [number(row[part]["median"], 1) for part in ("user", "kernel")] + [(None, "")] * 5
        else:
            quartiles = [over["total"][name] for name in ("q1", "q3")]
            line += [(None, "")] * 2
            line += [(over["total"][name], signed(over["total"][name], 1)) for name in ("min", "median")]
            line.append((quartiles, "…".join(signed(value, 1) for value in quartiles)))
            line += [(over[part]["median"], signed(over[part]["median"], 1)) for part in ("user", "kernel")]
        rows.append(line)
    headers = ["layout", "SQE", f"{unit} a request", "user", "kernel", "least over plain", "over plain", "quartiles",
               "user over plain", "kernel over plain"]  # fmt: skip
    return tables.add(session, f"attribute, batch {batch}", headers, rows)


def mix_table(session, batch, tables):
    ways = [way for way in session.ways(batch) if way[0] != PLAIN[0]]
    shares = session.shares(ways[0])
    rows = []
    for way in ways:
        values = [session.row(way, batch, mix)["over_plain"]["total"]["median"] for mix in shares]
        rows.append([plain(way[0]), plain(way[1]), *((value, signed(value, 1)) for value in values)])
    return tables.add(session, f"attribute by share, batch {batch}", ["layout", "SQE", *(f"{s} %" for s in shares)], rows)


def over(found, base):
    """A median over another, where both were measured."""
    difference = found.median - base.median if found and base else None
    return difference, signed(difference, 0) if found and base else ""


def whole_table(session, direction, title, metric, tables):
    """Absolute, over plain and over the layout that Linux has, for each depth."""
    headers = ["layout"]
    for depth in DEPTHS:
        headers += [f"depth {depth}", "over plain", "over indirect"]
    rows = []
    for layout in session.layouts:
        line = [plain(layout)]
        for depth in DEPTHS:
            found, base, reference = (session.summary(f"{direction}-4k-qd{depth} {name}", metric) for name in (layout, *REFERENCES))
            line.append(number(found.median) if found else (None, report.NONE))
            line += [(None, "") if layout in same else over(found, other)
                     for same, other in ((REFERENCES[:1], base), (REFERENCES, reference))]  # fmt: skip
        rows.append(line)
    names = ["layout"] + [f"{name}, depth {depth}" for depth in DEPTHS for name in ("absolute", "over plain", "over indirect")]
    return tables.add(session, f"{title}, {direction}", headers, rows, text=1, names=names)


def sweep_points(session, layout, metric):
    """[(share, Summary)] of whole I/Os."""
    found = []
    for name in session.runs:
        match = re.fullmatch(rf"{SWEEP}(?:-mix(\d+))? {layout}", name)
        if match:
            found.append((int(match[1] or ALL_PI), session.summary(name, metric)))
    return sorted(found)


def sweep_table(session, title, metric, tables):
    layouts = [layout for layout in session.layouts if len(sweep_points(session, layout, metric)) > 1]
    if not layouts:
        return None
    shares = [share for share, _ in sweep_points(session, layouts[0], metric)]
    rows = []
    for layout in layouts:
        known = dict(sweep_points(session, layout, metric))
        figures = (number(known[s].median) if s in known else (None, report.NONE) for s in shares)
        rows.append([plain(layout), plain(catalog.sqe(layout)), *figures])
    return tables.add(session, f"{title} by share of PI", ["layout", "SQE", *(f"{s} %" for s in shares)], rows)


def method_table(session, title, metric, tables):
    rows = []
    for layout in session.layouts:
        line = [plain(layout)]
        for method in METHODS:
            name = f"{SWEEP}{'' if method == 'single' else f'-{method}'} {layout}"
            found = session.summary(name, metric)
            line.append(number(found.median) if found else (None, "not possible" if name in session.skips else report.NONE))
        rows.append(line)
    return tables.add(session, f"{title} by method", ["layout", *METHODS.values()], rows, text=1)


def root(points):
    """Where [(share, cost over another, noise)] comes down from above the noise to below it, or None."""
    above = [(x, y) for x, y, noise in points if y > noise]
    below = [(x, y) for x, y, noise in points if y < -noise]
    if not above or not below or above[-1][0] >= below[0][0]:
        return None
    (x0, y0), (x1, y1) = above[-1], below[0]
    return x0 + (x1 - x0) * y0 / (y0 - y1)


def verdict(name, reference, points):
    """What to say of [(share, cost over the reference, noise)]."""
    at = root(points)
    above, below = (any(sign * y > noise for _, y, noise in points) for sign in (1, -1))
    if at is not None:
        return f"{name} costs less than {reference} from {at:.1f} % of requests with PI on."
    if above and below:
        return f"{name} costs more than {reference} at some shares of requests with PI and less at others."
    if above or below:
        return f"{name} costs no {'less' if above else 'more'} than {reference} at any share of requests with PI."
    return f"{name} and {reference} cannot be told apart at any share of requests with PI."


def title_of(way):
    return way[0] if way[0] == way[1] else f"{way[0]}, SQE {way[1]}"


def attr_curves(session, batch):
    """{way: [(share, over plain, q1, q3)]} of the rings there are."""
    curves = {}
    present = session.ways(batch)
    chosen = catalog.rings(layout for layout, _ in present)
    for way in catalog.ways():
        if way in present and way[0] in chosen:
            rows = [(mix, session.row(way, batch, mix)["over_plain"]["total"]) for mix in session.shares(way)]
            curves[way] = [(mix, over["median"], over["q1"], over["q3"]) for mix, over in rows]
    return curves


def io_curves(session, metric):
    base = session.summary(f"{SWEEP} none", metric)
    curves = {}
    for layout in catalog.rings(session.layouts) if base else ():
        points = sweep_points(session, layout, metric)
        if len(points) > 1:
            curves[layout, catalog.sqe(layout)] = [(share, *(v - base.median for v in (s.median, s.low, s.high))) for share, s in points]
    return curves


def against(curves, way):
    """[(share, over the ring of 64-byte SQEs, noise)]"""
    reference = {share: value for share, value, *_ in curves[REFERENCE]}
    # three rounds can agree by chance: the widest of all points is believed
    noise = max((high - low) / 2 for _, _, low, high in (*curves[way], *curves[REFERENCE]))
    return [(share, value - reference[share], noise) for share, value, *_ in curves[way] if share in reference]


def crossovers(curves):
    if REFERENCE not in curves:
        return []
    others = [way for way in curves if way != REFERENCE]
    return [verdict(title_of(way), title_of(REFERENCE), against(curves, way)) for way in others]


def kernel_of(env, session):
    return " ".join(((env.get("sessions") or {}).get(session.name) or {}).get("kernel", "").split()[:2])


def where(env, session):
    guest = f", {env['guest']}" if session.icount and env.get("guest") else ""
    kind = "counting instructions" if session.icount else "time"
    return f"{session.name}: {kernel_of(env, session)}{guest}; {kind}"


def gnuplot(host, out, stem, script, size, title, subtitle, arguments, data):
    """Writes stem.dat, stem.svg and stem.png; whether there is a gnuplot."""
    path = out / f"{stem}.dat"
    path.write_text(data, encoding="utf-8")
    for kind, terminal in TERMINALS.items():
        words = [str(PLOTS / "style.gp"), terminal.format(*size), str(out / f"{stem}.{kind}"), title, subtitle, *arguments, str(path)]
        done = host.run(["gnuplot", "-c", str(PLOTS / script), *words])
        if done is None:
            return False
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise Failure(f"gnuplot: {said[-1] if said else f'exit status {done.returncode}'}")
    return True


def plot_cost(host, out, env, session, batch):
    ways = [way for way in session.ways(batch) if way != PLAIN and session.row(way, batch)["over_plain"]["total"]["median"] > 0.5]
    ways.sort(key=lambda way: session.row(way, batch)["over_plain"]["total"]["median"], reverse=True)
    if not ways:
        return None
    base, unit = session.row(PLAIN, batch), session.about["unit"]
    lines = []
    for at, way in enumerate(ways):
        over = session.row(way, batch)["over_plain"]
        name = "plain" if way[0] == PLAIN[0] else way[0]
        total = over["total"]
        parts = f"{max(0, over['user']['median']):.3f} {total['median']:.3f} {total['q1']:.3f} {total['q3']:.3f}"
        lines.append(f'{at} {parts} "{title_of((name, way[1]))}"')
    subtitle = (
        f"Over a plain read of {base['total']['median']:,.0f} {unit}, batch {batch}; {kernel_of(env, session)}"
        f"{', icount guest' if session.icount else ''}; median of {session.about['repetitions']}"
        f"{'' if session.icount else ', quartiles marked'}"
    )
    stem = f"cost-{session.name}"
    drawn = gnuplot(host, out, stem, "cost.gp", (820, 120 + 30 * len(ways)), "What it costs to hand the PI attribute over",
                    subtitle, [f"{unit} per request, over plain", str(len(ways)), "0" if session.icount else "1"],
                    "\n".join(lines) + "\n")  # fmt: skip
    return stem if drawn else None


def plot_crossover(host, out, stem, curves, title, subtitle, unit):
    if REFERENCE not in curves or len(curves) < 2:
        return None
    blocks, marks = [], []
    numbers = [str(catalog.ways().index(way) + 1) for way in curves]
    for way, points in curves.items():
        differences = {share: f"{difference} {noise}" for share, difference, noise in against(curves, way)}
        lines = [f'"{title_of(way)}"']
        lines += [f"{share} {value} {low} {high} {differences.get(share, 'NaN NaN')}" for share, value, low, high in points]
        blocks.append("\n".join(lines))
        at = root(against(curves, way)) if way != REFERENCE else None
        marks.append(f"{at:.1f}" if at else "-")
    drawn = gnuplot(host, out, stem, "crossover.gp", (980, 470), title, subtitle, [unit, " ".join(numbers), " ".join(marks)],
                    "\n\n\n".join(blocks) + "\n")  # fmt: skip
    return stem if drawn else None


def session_parts(host, out, env, session, tables):
    parts = [f"## {where(env, session)}"]
    batches = session.batches
    if batches:
        unit, last = session.about["unit"], batches[-1]
        ticks = "reads of an invalid descriptor: the kernel takes the request and its attribute in, then fails it"
        parts.append(f"### Handing the attribute over ({unit} per request; {ticks})")
        for batch in reversed(batches):
            parts += [f"Batch of {batch}:", attr_table(session, batch, tables)]
        stem = plot_cost(host, out, env, session, last)
        parts += [f"![cost of each layout]({stem}.svg)"] if stem else []
        parts += [f"Over plain by the share of requests with PI, batch of {last}:", mix_table(session, last, tables)]
        curves = attr_curves(session, last)
        parts += crossovers(curves)
        stem = plot_crossover(host, out, f"crossover-{session.name}", curves, "Rings of 64- and 128-byte SQEs by share of PI",
                              f"Handing requests over, batch {last}; {kernel_of(env, session)}"
                              f"{', icount guest' if session.icount else ''}", f"{unit} per request")  # fmt: skip
        parts += [f"![crossover]({stem}.svg)"] if stem else []
    for title, unit, metric in METRICS[session.mode] if session.runs else ():
        spreads = [summary.spread for name in session.runs if (summary := session.summary(name, metric))]
        widest = max(high - low for low, high in spreads)
        rounds = max(map(len, session.runs.values()))
        parts.append(
            f"### Whole I/O: {title}\n\n4 KiB random I/O by fio and io_uring_pi, median of {rounds} rounds, widest spread between "
            f"rounds {widest * 100:.2f} %."
        )
        for direction, what in DIRECTIONS.items():
            if any(name.startswith(f"{direction}-") for name in session.runs):
                parts += [f"{what}:", whole_table(session, direction, title, metric, tables)]
        if found := sweep_table(session, title, metric, tables):
            parts += ["Random read, depth 32, by the share of I/Os with PI:", found]
            curves = io_curves(session, metric)
            parts += crossovers(curves)
            stem = plot_crossover(host, out, f"crossover-io-{session.name}-{title.split()[0]}", curves,
                                  "Rings of 64- and 128-byte SQEs by share of PI, whole I/Os",
                                  f"4 KiB random read, depth 32; {kernel_of(env, session)}{', icount guest' if session.icount else ''}",
                                  f"{unit} per I/O")  # fmt: skip
            parts += [f"![crossover of whole I/Os]({stem}.svg)"] if stem else []
        parts += ["Random read, depth 32, by opcode:", method_table(session, title, metric, tables)]
    lost = [f"- {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in session.lacking.items()]
    for kind, found in (("", session.skips), ("failed: ", session.failures)):
        reasons = {}
        for cell, reason in found.items():
            reasons.setdefault(reason, []).append(cell)
        lost += [f"- {kind}{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if lost:
        parts += ["### Not measured", "\n".join(lost)]
    return parts


def emulated(env, session):
    """Whether the times of a session are an emulator's."""
    found = (env.get("sessions") or {}).get(session.name) or {}
    return session.mode == cells.TIME and (found.get("virtualisation") == "qemu" or "TCG" in found.get("cpu", ""))


def notes(sessions, env):
    lines = [f"- {s.name}: the processor is emulated, its times mean nothing." for s in sessions if emulated(env, s)]
    lines += [
        "- over plain: against the same requests without PI in a ring of 64-byte SQEs; over indirect: against the layout that "
        "Linux has. '128 zeroed': the application zeroes the second half of every SQE, which plain requests do not need.",
        "- user: filling SQE and attribute and reading the completion; kernel: io_uring_enter().",
    ]
    if any(s.icount for s in sessions):
        lines.append(
            "- Instructions are not time: caches, memory latency, the price of entering user memory (SMAP) and what overlaps do "
            "not show. A copy from user memory is dearer, and a second cache line is not free, on a real processor."
        )
    timed = {layout for s in sessions if s.mode == cells.TIME for layout, *_ in s.attr}
    if not timed & set(catalog.of_the_lab()):
        lines.append(
            "- The lab kernel's layouts were not measured in time: that takes a machine with KVM, where the same command adds it. "
            "Stock layouts on a drive with PI: make lab DEV=/dev/nvme0n1."
        )
    for session in sessions:
        if session.about:
            lines.append(
                f"- {session.name}: attr-cost with {session.about['repetitions']} repetitions of {session.about['requests']} "
                f"requests, in an order shuffled by seed {session.seed}."
            )
        if session.runs and session.mode == cells.INSTRUCTIONS:
            lines.append(
                f"- {session.name}, whole I/O: null_blk with an integrity profile, pi_verify=device; two runs a round, of which the "
                "longer one's further I/Os are counted: neither fio's start nor the set-up of a ring. Each begins with the kernel's "
                "slab caches empty and at the same addresses, and no other thread runs until it ends (SCHED_FIFO); the timer's "
                "interrupts count. One round to warm up is dropped."
            )
    return lines


def write(host, out):
    """report.md, tables.jsonl and plots; returns (the text, whether anything failed)."""
    sessions = group(results.load(out))
    env = results.load_json(os.path.join(out, "env.json")) or {}
    tables = Tables()
    parts = ["# What each layout of the PI attribute costs"]
    for session in sessions:
        parts += session_parts(host, out, env, session, tables)
    parts += ["## Notes", "\n".join(notes(sessions, env))]
    if env.get("command"):
        parts.append(f"To reproduce: `{env['command']}`")
    text = "\n\n".join(parts) + "\n"
    lists = report.environment_lists(env)
    whole = text + (f"\n## Environment\n\n{markdown(lists)}" if lists else "")
    (out / "report.md").write_text(whole, encoding="utf-8")
    (out / "tables.jsonl").write_text("".join(line + "\n" for line in tables.lines), encoding="utf-8")
    return text, any(session.failures for session in sessions)
