# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench lab has measured: the attribute by itself, and whole I/Os, each layout over plain."""

from . import catalog, cells, metrics, outcome, plot, report
from .document import Bars, Heading, Items, Paragraph, Table
from .report import NONE, figure

TITLE = "What each layout of the PI attribute costs"
PLAIN, REFERENCE = ("none", "64"), ("indirect", "64")
BASE = cells.Arm(cells.NOVERIFY, cells.OURS, cells.NONE)
INDIRECT = cells.Arm(cells.PI, cells.OURS, "indirect")
DEPTHS = (1, 32)
BUFFERS = {"single": "read", "vectored": "vectored", cells.FIXED: "fixed buffer"}
BARS = 10
# where the attribute's own cost is looked for in whole I/Os
MAIN = cells.Workload("randread", 4096, 32, buffers="single")
METRICS = {cells.CPU: (metrics.CPU,), cells.TIME: (metrics.CPU, metrics.TIME)}


def signed(value, digits=0):
    return NONE if value is None else f"{value:+,.{digits}f}".replace("-", "−")


class Attribute:
    """What attr-cost has measured in a session."""

    def __init__(self, session):
        self.rows = session.attr
        self.unit = session.about.get("unit", "")

    @property
    def batches(self):
        return list(dict.fromkeys(batch for *_, batch in self.rows))

    def ways(self, batch):
        return list(dict.fromkeys((layout, sqe) for layout, sqe, _, at in self.rows if at == batch))

    def shares(self, way):
        return sorted({mix for layout, sqe, mix, _ in self.rows if (layout, sqe) == way})

    def row(self, way, batch, mix=None):
        wanted = mix if mix is not None else 0 if way[0] == PLAIN[0] else cells.ALL_PI
        return self.rows.get((*way, wanted, batch))

    def over(self, way, batch, mix=None, part="total"):
        return self.row(way, batch, mix)["over_plain"][part]

    def table(self, batch):
        rows = []
        for way in self.ways(batch):
            row = self.row(way, batch)
            line = [*way, figure(row["total"]["median"], 1)]
            if way == PLAIN:
                line += [*(figure(row[part]["median"], 1) for part in ("user", "kernel")), "", "", "", "", ""]
            else:
                over = self.over(way, batch)
                quartiles = "…".join(signed(over[name], 1) for name in ("q1", "q3"))
                line += ["", "", signed(over["min"], 1), signed(over["median"], 1), quartiles]
                line += [signed(self.over(way, batch, part=part)["median"], 1) for part in ("user", "kernel")]
            rows.append(line)
        headers = ["layout", "SQE", f"{self.unit} per request", "user", "kernel", "minimum over plain", "over plain", "quartiles",
                   "user over plain", "kernel over plain"]  # fmt: skip
        return Table(headers, rows, 2)

    def by_share(self, batch):
        ways = [way for way in self.ways(batch) if way[0] != PLAIN[0]]
        shares = self.shares(ways[0])
        rows = [[*way, *(signed(self.over(way, batch, mix)["median"], 1) for mix in shares)] for way in ways]
        return Table(["layout", "SQE", *(f"{share} %" for share in shares)], rows, 2)

    def curves(self, batch):
        """{way: [(share, over plain, q1, q3)]} of the rings there are."""
        present = self.ways(batch)
        chosen = catalog.rings(layout for layout, _ in present)
        return {
            way: [(mix, *(self.over(way, batch, mix)[name] for name in ("median", "q1", "q3"))) for mix in self.shares(way)]
            for way in catalog.ways() if way in present and way[0] in chosen
        }  # fmt: skip


def arms(session):
    """Of whole I/Os: plain, then every layout."""
    return [BASE, *session.layouts]


def over(found, base):
    """What one takes over another, where both were measured."""
    return "" if found is None or base is None else signed(found - base)


def whole_table(session, rw, metric):
    """Absolute, over plain and over the layout that Linux has, for each depth."""
    headers, rows = ["layout"], []
    for depth in DEPTHS:
        headers += [f"depth {depth}", "over plain", "over indirect"]
    for arm in arms(session):
        line = [arm.layout]
        for depth in DEPTHS:
            workload = cells.Workload(rw, 4096, depth, buffers="single")
            found, base, reference = (session.median(workload, each, metric) for each in (arm, BASE, INDIRECT))
            line.append(figure(found, metric.digits))
            line += ["" if arm == BASE else over(found, base), "" if arm in (BASE, INDIRECT) else over(found, reference)]
        rows.append(line)
    return Table(headers, rows)


def by_share(session, arm, metric):
    """[(share, Summary)] of whole I/Os."""
    alike = [w for w in session.workloads if (w.rw, w.block_size, w.iodepth, w.buffers) == (MAIN.rw, 4096, 32, MAIN.buffers)]
    found = [(workload.mix, session.summary(workload, arm, metric)) for workload in alike]
    return sorted((share, each) for share, each in found if each)


def share_table(session, metric):
    found = {arm: dict(by_share(session, arm, metric)) for arm in session.layouts}
    found = {arm: points for arm, points in found.items() if len(points) > 1}
    shares = sorted({share for points in found.values() for share in points})
    rows = [[arm.layout, catalog.sqe(arm.layout), *(figure(points[s].median if s in points else None) for s in shares)]
            for arm, points in found.items()]  # fmt: skip
    return Table(["layout", "SQE", *(f"{share} %" for share in shares)], rows, 2) if rows else None


def buffer_table(session, metric):
    rows = []
    for arm in arms(session):
        line = [arm.layout]
        for buffers in BUFFERS:
            workload = cells.Workload("randread", 4096, 32, buffers=buffers)
            skipped = cells.Cell(workload, arm).name in session.skips
            line.append(figure(session.median(workload, arm, metric), missing="not possible" if skipped else NONE))
        rows.append(line)
    return Table(["layout", *BUFFERS.values()], rows)


def registered_table(session, metric):
    """Metadata from user space and from a registered buffer, over plain, data being registered in either case."""
    rows = []
    for arm in session.layouts:
        line = [arm.layout]
        for rw in ("randread", "randwrite"):
            kinds = [cells.Workload(rw, 4096, 32, buffers=buffers) for buffers in (cells.FIXED, cells.REGISTERED)]
            base = session.median(kinds[0], BASE, metric)
            fixed, registered = (session.median(kind, arm, metric) for kind in kinds)
            line += [over(fixed, base), over(registered, base), over(registered, fixed)]
        if any(line[1:]):
            rows.append(line)
    headers = [f"{what}{kind}" for what in ("read", "write") for kind in (", over plain", ", metadata registered", ", saved")]
    return Table(["layout", *headers], rows)


def whole_curves(session, metric):
    base = session.median(MAIN, BASE, metric)
    names = catalog.rings(arm.layout for arm in session.layouts) if base is not None else ()
    curves = {}
    for arm in (cells.Arm(cells.PI, cells.OURS, name) for name in names):
        points = by_share(session, arm, metric)
        if len(points) > 1:
            way = arm.layout, catalog.sqe(arm.layout)
            curves[way] = [(share, *(v - base for v in (s.median, s.low, s.high))) for share, s in points]
    return curves


def root(points):
    """Where [(share, cost over another, noise)] comes down from above the noise to below it, or None."""
    above = [(x, y) for x, y, noise in points if y > noise]
    below = [(x, y) for x, y, noise in points if y < -noise]
    if not above or not below or above[-1][0] >= below[0][0]:
        return None
    (x0, y0), (x1, y1) = above[-1], below[0]
    return x0 + (x1 - x0) * y0 / (y0 - y1)


def in_words(name, reference, points):
    """What to say of [(share, cost over the reference, noise)]."""
    at = root(points)
    above, below = (any(sign * y > noise for _, y, noise in points) for sign in (1, -1))
    if at is not None:
        return f"{name} costs less than {reference} once {at:.1f} % of the requests carry PI."
    if above and below:
        return f"{name} costs more than {reference} at some shares of requests with PI and less at others."
    if above or below:
        return f"{name} costs no {'less' if above else 'more'} than {reference} at any share of requests with PI."
    return f"{name} and {reference} cannot be told apart at any share of requests with PI."


def title_of(way):
    return way[0] if way[0] == way[1] else f"{way[0]}, SQE {way[1]}"


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
    return [in_words(title_of(way), title_of(REFERENCE), against(curves, way)) for way in others]


def kernel_of(env, session):
    return " ".join(((env.get("sessions") or {}).get(session.name) or {}).get("kernel", "").split()[:2])


def subtitle(env, session):
    return f"{kernel_of(env, session)}{', icount guest' if session.icount else ''}"


def cost(session, env, attribute, batch):
    """[Drawing]: what each layout costs over plain, in two parts."""
    ways = [way for way in attribute.ways(batch) if way != PLAIN and attribute.over(way, batch)["median"] > 0.5]
    ways.sort(key=lambda way: attribute.over(way, batch)["median"], reverse=True)
    if not ways:
        return []
    lines = []
    for at, way in enumerate(ways):
        total, user = attribute.over(way, batch), attribute.over(way, batch, part="user")
        name = title_of(("plain" if way[0] == PLAIN[0] else way[0], way[1]))
        lines.append(f"{at} {max(0, user['median']):.3f} {total['median']:.3f} {total['q1']:.3f} {total['q3']:.3f} {plot.quoted(name)}")
    base, timed = attribute.row(PLAIN, batch), not session.icount
    caption = (
        f"Over a plain read of {base['total']['median']:,.0f} {attribute.unit}, batch {batch}; {subtitle(env, session)}; median of "
        f"{session.about['repetitions']}{', quartiles marked' if timed else ''}."
    )
    return [plot.Drawing(f"cost-{session.name}", "What it costs to pass the PI attribute", caption, "cost.gp",
                         plot.blocks([lines]), 110 + 30 * len(ways), (f"{attribute.unit} per request, over plain", str(len(ways))),
                         str(int(timed)), ())]  # fmt: skip


def crossover(stem, curves, title, caption, unit):
    """[Drawing]: each kind of ring by the share of requests with PI."""
    if REFERENCE not in curves or len(curves) < 2:
        return []
    series, marks = [], []
    for way, points in curves.items():
        differences = {share: f"{difference} {noise}" for share, difference, noise in against(curves, way)}
        lines = [f"{share} {value} {low} {high} {differences.get(share, 'NaN NaN')}" for share, value, low, high in points]
        series.append([plot.quoted(title_of(way)), *lines])
        at = root(against(curves, way)) if way != REFERENCE else None
        marks.append(f"{at:.1f}" if at else "-")
    numbers = " ".join(str(catalog.ways().index(way) + 1) for way in curves)
    return [plot.Drawing(stem, title, caption, "crossover.gp", plot.blocks(series), 420, (unit, numbers), " ".join(marks), ())]


def handing_over(session, env, draw):
    """Of the attribute by itself."""
    attribute = Attribute(session)
    if not attribute.rows:
        return []
    unit, last = attribute.unit, attribute.batches[-1]
    ticks = "reads of an invalid descriptor: the kernel accepts the request and its attribute, then fails it"
    found = [Heading(f"Passing the attribute ({unit} per request; {ticks})", 3)]
    for batch in reversed(attribute.batches):
        found += [Paragraph(f"Batch of {batch}:"), attribute.table(batch)]
    found += draw(cost(session, env, attribute, last))
    curves = attribute.curves(last)
    found += [Paragraph(f"Cost over plain requests, by the share of requests with PI, batch of {last}:"), attribute.by_share(last)]
    found += [Items(crossovers(curves))] * bool(crossovers(curves))
    caption = f"Passing the attribute, batch {last}; {subtitle(env, session)}."
    title = "Rings of 64- and 128-byte SQEs by share of PI"
    return found + draw(crossover(f"crossover-{session.name}", curves, title, caption, f"{unit} per request"))


def whole_io(session, env, draw, metric):
    spreads = [summary.spread for cell in session.cells if (summary := session.summary(cell.workload, cell.arm, metric))]
    widest = max((high - low for low, high in spreads), default=0)
    number = session.rounds()
    told = f"median of {number} rounds, widest spread between rounds {widest * 100:.2f} %" if number > 1 else "one round"
    found = [Heading(f"Whole I/O: {metric.title}", 3), Paragraph(f"4 KiB random I/O by fio and io_uring_pi, {told}.")]
    for rw, what in (("randread", "Random read"), ("randwrite", "Random write")):
        if any(workload.rw == rw for workload in session.workloads):
            found += [Paragraph(f"{what}:"), whole_table(session, rw, metric)]
    if shares := share_table(session, metric):
        curves = whole_curves(session, metric)
        found += [Paragraph("Random read, depth 32, by the share of I/Os with PI:"), shares]
        found += [Items(crossovers(curves))] * bool(crossovers(curves))
        title = "Rings of 64- and 128-byte SQEs by share of PI, whole I/Os"
        caption = f"4 KiB random read, depth 32; {subtitle(env, session)}."
        found += draw(crossover(f"crossover-io-{session.name}-{metric.name}", curves, title, caption, f"{metric.unit} per I/O"))
    found += [Paragraph("Random read, depth 32, by opcode:"), buffer_table(session, metric)]
    if session.by_function:
        found += draw(plot.stacks(session))
    text = "Depth 32, registered data, metadata from user space and from a registered buffer:"
    return [*found, Paragraph(text), registered_table(session, metric)]


def section(session, env, draw):
    where = session.icount and env.get("guest") or kernel_of(env, session)
    kind = "counting instructions" if session.icount else "time"
    found = [Heading(f"{session.name}: {where}; {kind}"), *handing_over(session, env, draw)]
    for metric in METRICS.get(session.mode, session.metrics) if session.runs else ():
        found += whole_io(session, env, draw, metric)
    lines = [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in session.unmeasured.items()]
    return [*found, Heading("Not measured", 3), Items(lines)] if lines else found


def emulated(env, session):
    """Whether the times of a session are an emulator's."""
    found = (env.get("sessions") or {}).get(session.name) or {}
    return session.mode == cells.TIME and (found.get("virtualisation") == "qemu" or "TCG" in found.get("cpu", ""))


def notes(sessions, env):
    lines = [f"{s.name}: the processor is emulated, so its times mean nothing." for s in sessions if emulated(env, s)]
    lines += [
        "over plain: compared with the same requests without PI in a ring of 64-byte SQEs; over indirect: compared with the layout "
        "that Linux has. '128 zeroed': the application zeroes the second half of every SQE, which plain requests do not need.",
        "user: filling SQE and attribute and reading the completion; kernel: io_uring_enter().",
    ]
    if any(s.icount for s in sessions):
        lines.append(
            "Instructions are not time: they do not show caches, memory latency, the cost of entering user memory (SMAP) or what "
            "overlaps. On a real processor a copy from user memory costs more, and a second cache line is not free."
        )
    timed = {layout for s in sessions if s.mode == cells.TIME for layout, *_ in s.attr}
    if not timed & set(catalog.of_the_lab()):
        lines.append(
            "The lab kernel's layouts were not measured in time: that takes a machine with KVM, where the same command adds it. "
            "Stock layouts on a drive with PI: make lab DEV=/dev/nvme0n1."
        )
    for session in sessions:
        if session.about:
            lines.append(
                f"{session.name}: attr-cost with {session.about['repetitions']} repetitions of {session.about['requests']} "
                f"requests, in an order shuffled by seed {session.seed}."
            )
        if session.runs and session.mode == cells.INSTRUCTIONS:
            lines.append(
                f"{session.name}, whole I/O: null_blk with an integrity profile, pi_verify=device; two runs a round, of which the "
                "longer one's further I/Os are counted: neither fio's start nor the set-up of a ring. Each begins with the kernel's "
                "slab caches empty and at the same addresses, and no other thread runs until it ends (SCHED_FIFO); the timer's "
                "interrupts count. One round to warm up is dropped."
            )
    return lines


def headline(sessions):
    """What a reader takes away: what the layouts cost, from the session that says it most exactly."""
    session = next((s for s in sessions if s.attr and s.icount), next((s for s in sessions if s.attr), None))
    if not session:
        return []
    attribute = Attribute(session)
    batch = attribute.batches[-1]
    ways = [way for way in attribute.ways(batch) if way[0] != PLAIN[0] and way[1] != "128 zeroed"]
    ways.sort(key=lambda way: attribute.over(way, batch)["median"])
    rows = [(title_of(way), signed(attribute.over(way, batch)["median"], 1), attribute.over(way, batch)["median"]) for way in ways]
    unit = attribute.unit
    title = f"{session.name}: {unit} that one request takes more than a plain one, batch {batch}"
    least, most = rows[0][2], rows[-1][2]
    found = [
        Paragraph(f"**Passing the attribute of one request takes {least:,.0f} to {most:,.0f} {unit}, depending on the layout.**"),
        Bars(title, rows[:BARS]),
    ]
    plain, pi = (session.median(MAIN, arm, session.metrics[0]) if session.runs and session.icount else None for arm in (BASE, INDIRECT))
    if plain and pi:
        text = f"A whole 4 KiB read at depth 32 takes {plain:,.0f} instructions without PI and {pi:,.0f} with `indirect`."
        found.append(Paragraph(text))
    return found


def make(host, out, records, env, say=print):
    sessions = outcome.group(records)

    def draw(drawings):
        return plot.draw(host, drawings, str(out), say)

    verdict = report.summary(sessions, report.left_over(records, env))
    body = [block for session in sessions for block in section(session, env, draw)]
    return report.measured(TITLE, sessions, env, verdict, headline(sessions), body, notes(sessions, env))
