# SPDX-License-Identifier: GPL-2.0-only
"""The report of pi-bench lab: what each layout costs over plain I/O, for the attribute alone and for whole I/Os."""

import dataclasses

from . import catalog, cells, metrics, outcome, plot, report
from .document import Bars, Heading, Items, Paragraph, table
from .report import figure

TITLE = "What each layout of the PI attribute costs"
PLAIN = (cells.NONE, "64")
BASE = cells.Arm(cells.NOVERIFY, cells.OURS, cells.NONE)
INDIRECT = cells.Arm(cells.PI, cells.OURS, "indirect")
DEPTHS = (1, 32)
BUFFERS = {"single": "read", "vectored": "vectored", cells.FIXED: "fixed buffer"}
BARS = 10
# the workload of the headline and of the curves
MAIN = cells.Workload("randread", 4096, 32, buffers="single")
METRICS = {cells.CPU: (metrics.CPU,), cells.TIME: (metrics.CPU, metrics.TIME)}
PARTS = {"user": ("#E69F00", ""), "kernel": ("#0072B2", "")}
RINGS = "Rings of 64- and 128-byte SQEs by share of PI"


def signed(value, digits=0):
    # adding 0 turns -0 into 0
    return f"{round(value, digits) + 0:+,.{digits}f}".replace("-", "−")


class Attribute:
    """What attr-cost measured with one batch size, by ring: (layout, SQE)."""

    def __init__(self, session, batch):
        self.batch, self.unit = batch, session.about.get("unit", "")
        self.rows = {(layout, sqe, mix): row for (layout, sqe, mix, at), row in session.attr.items() if at == batch}
        self.rings = list(dict.fromkeys((layout, sqe) for layout, sqe, _ in self.rows))
        self.with_pi = [ring for ring in self.rings if ring[0] != cells.NONE]

    def shares(self, ring):
        return sorted(mix for *at, mix in self.rows if tuple(at) == ring)

    def row(self, ring, mix=None):
        every = 0 if ring[0] == cells.NONE else cells.ALL_PI
        return self.rows[*ring, every if mix is None else mix]

    def over(self, ring, mix=None, part="total"):
        return self.row(ring, mix)["over_plain"][part]

    def median(self, ring, mix=None, part="total"):
        return signed(self.over(ring, mix, part)["median"], 1)

    def table(self):
        columns = {"layout": lambda ring: ring[0], "SQE": lambda ring: ring[1]}
        for part, title in (("total", f"{self.unit} per request"), ("user", "user"), ("kernel", "kernel")):
            columns[title] = lambda ring, part=part: figure(self.row(ring)[part]["median"], 1)
        columns |= {
            "minimum over plain": lambda ring: signed(self.over(ring)["min"], 1),
            "over plain": self.median,
            "quartiles": lambda ring: "…".join(signed(self.over(ring)[name], 1) for name in ("q1", "q3")),
            "user over plain": lambda ring: self.median(ring, part="user"),
            "kernel over plain": lambda ring: self.median(ring, part="kernel"),
        }
        return table(self.rings, columns, 2)

    def by_share(self):
        columns = {"layout": lambda ring: ring[0], "SQE": lambda ring: ring[1]}
        columns |= {f"{share} %": lambda ring, share=share: self.median(ring, share) for share in self.shares(self.with_pi[0])}
        return table(self.with_pi, columns, 2)

    def curves(self):
        """For plot.crossover: one layout for each kind of ring."""
        chosen = catalog.rings(layout for layout, _ in self.rings)
        return {
            ring: [(mix, *(self.over(ring, mix)[name] for name in ("median", "q1", "q3"))) for mix in self.shares(ring)]
            for ring in catalog.ways() if ring in self.rings and ring[0] in chosen
        }  # fmt: skip


def by_batch(session):
    return [Attribute(session, batch) for batch in dict.fromkeys(batch for *_, batch in session.attr)]


def absolute(session, metric, workload):
    """A column: what each arm takes."""
    return lambda arm: report.absolute(session, cells.Cell(workload, arm), metric)


def over(session, metric, workload, base=None, elsewhere=None):
    """A column: what each arm takes over another, or over itself in another workload."""

    def text(arm):
        one, other = session.median(workload, arm, metric), session.median(elsewhere or workload, base or arm, metric)
        return "" if one is None or other is None or arm in (BASE, base) else signed(one - other)

    return text


def by_layout(arms, columns, text=1):
    return table(arms, {"layout": lambda arm: arm.layout, **columns}, text)


def depth_table(session, rw, metric):
    columns = {}
    for depth in DEPTHS:
        workload = dataclasses.replace(MAIN, rw=rw, iodepth=depth)
        columns[f"depth {depth}"] = absolute(session, metric, workload)
        for base, name in ((BASE, "plain"), (INDIRECT, "indirect")):
            columns[f"depth {depth}, over {name}"] = over(session, metric, workload, base)
    return by_layout([BASE, *session.layouts], columns)


def share_table(session, metric):
    workloads = [w for w in session.workloads if dataclasses.replace(w, mix=cells.ALL_PI) == MAIN]
    arms = [arm for arm in session.layouts if sum(bool(session.measured(workload, arm)) for workload in workloads) > 1]
    columns = {f"{workload.mix} %": absolute(session, metric, workload) for workload in workloads}
    return by_layout(arms, {"SQE": lambda arm: catalog.sqe(arm.layout), **columns}, 2)


def buffer_table(session, metric):
    columns = {title: absolute(session, metric, dataclasses.replace(MAIN, buffers=buffers)) for buffers, title in BUFFERS.items()}
    return by_layout([BASE, *session.layouts], columns)


def registered_table(session, metric):
    """Metadata from user space and from a registered buffer; data is registered in both."""
    columns, used = {}, []
    for rw, name in (("randread", "read"), ("randwrite", "write")):
        fixed, registered = (dataclasses.replace(MAIN, rw=rw, buffers=buffers) for buffers in (cells.FIXED, cells.REGISTERED))
        columns[f"{name}, over plain"] = over(session, metric, fixed, BASE)
        columns[f"{name}, metadata registered"] = over(session, metric, registered, BASE, fixed)
        columns[f"{name}, saved"] = over(session, metric, registered, elsewhere=fixed)
        used += [arm for workload in (fixed, registered) for arm in session.arms(workload)]
    return by_layout([arm for arm in session.layouts if arm in used], columns)


def inside(env, session):
    """The environment that a session ran in."""
    return (env.get("sessions") or {}).get(session.name) or {}


def where(env, session):
    """For headings and captions: where the session measured, and what."""
    kernel = " ".join(inside(env, session).get("kernel", "").split()[:2])
    return f"{env.get('guest') or kernel}; counting instructions" if session.icount else f"{kernel}; time"


def cost(session, env, attribute):
    """Drawings of what each layout costs over plain, in user space and in the kernel."""
    rings = [ring for ring in attribute.rings if ring != PLAIN and attribute.over(ring)["median"] > 0.5]
    rows = []
    for ring in sorted(rings, key=lambda ring: -attribute.over(ring)["median"]):
        total, user = attribute.over(ring), max(0, attribute.over(ring, part="user")["median"])
        name = plot.ring_title("plain" if ring[0] == cells.NONE else ring[0], ring[1])
        rows.append((f"Batch of {attribute.batch}", name, {"user": user, "kernel": total["median"] - user}, total["q1"], total["q3"]))
    timed, unit = not session.icount, attribute.unit
    caption = (
        f"Over a plain read of {attribute.row(PLAIN)['total']['median']:,.0f} {unit}; {where(env, session)}; median of "
        f"{session.about['repetitions']} repetitions{', quartiles marked' if timed else ''}."
    )
    title = "What it costs to pass the PI attribute"
    return plot.stacked(f"cost-{session.name}", title, caption, rows, PARTS, unit, "per request, over plain", timed)


def crossover(name, title, caption, unit, curves, draw):
    """The figure of the curves, below what they say."""
    said = plot.crossovers(curves)
    return [Items(said)] * bool(said) + draw(plot.crossover(name, title, caption, unit, curves))


def attribute_alone(session, env, draw):
    if not session.attr:
        return []
    *_, last = found = by_batch(session)
    unit = f"{last.unit} per request"
    how = "reads of an invalid descriptor: the kernel accepts the request and its attribute, then fails it"
    caption = f"Passing the attribute, batch of {last.batch}; {where(env, session)}."
    tables = [
        Heading(f"Passing the attribute ({unit}; {how})", 3),
        *(block for each in reversed(found) for block in (Paragraph(f"Batch of {each.batch}:"), each.table())),
    ]
    # kernels before 6.14 have no layout, only rings
    if not last.with_pi:
        return tables
    return [
        *tables,
        *draw(cost(session, env, last)),
        Paragraph(f"Cost over plain requests, by the share of requests with PI, batch of {last.batch}:"),
        last.by_share(),
        *crossover(f"crossover-{session.name}", RINGS, caption, unit, last.curves(), draw),
    ]


def whole_io(session, env, draw, metric):
    number, widest = session.rounds(), session.widest_spread(metric) * 100
    rounds = f"median of {number} rounds, widest spread between rounds {widest:.2f} %" if number > 1 else "one round"
    found = [Heading(f"Whole I/O: {metric.title}", 3), Paragraph(f"4 KiB random I/O by fio and io_uring_pi, {rounds}.")]
    for rw, what in (("randread", "Random read"), ("randwrite", "Random write")):
        if any(workload.rw == rw for workload in session.workloads):
            found += [Paragraph(f"{what}:"), depth_table(session, rw, metric)]
    shares = share_table(session, metric)
    if shares.rows:
        curves = plot.over_plain(session, MAIN, catalog.rings(arm.layout for arm in session.layouts), metric)
        caption = f"4 KiB random read, depth 32; {where(env, session)}."
        name = f"crossover-io-{session.name}-{metric.name}"
        found += [Paragraph("Random read, depth 32, by the share of I/Os with PI:"), shares]
        drawn = crossover(name, f"{RINGS}, whole I/Os", caption, f"{metric.unit} per I/O", curves, draw)
        # in one round nothing tells a difference from noise
        found += [block for block in drawn if number > 1 or not isinstance(block, Items)]
    found += [Paragraph("Random read, depth 32, by opcode:"), buffer_table(session, metric)]
    if session.by_function:
        found += draw(plot.stacks(session))
    text = "Depth 32, data in registered buffers, metadata in user memory and in a registered buffer:"
    return [*found, Paragraph(text), registered_table(session, metric)]


def section(session, env, draw):
    found = [Heading(f"{session.name}: {where(env, session)}"), *attribute_alone(session, env, draw)]
    for metric in METRICS.get(session.mode, session.metrics) if session.runs else ():
        found += whole_io(session, env, draw, metric)
    lines = [f"{', '.join(dict.fromkeys(names))}: {reason}" for reason, names in session.unmeasured.items()]
    return [*found, Heading("Not measured", 3), Items(lines)] if lines else found


def emulated(env, session):
    """Whether the times of a session are an emulator's."""
    found = inside(env, session)
    return session.mode == cells.TIME and (found.get("virtualisation") == "qemu" or "TCG" in found.get("cpu", ""))


def notes(sessions, env):
    lines = [f"{s.name}: the processor is emulated, so its times mean nothing." for s in sessions if emulated(env, s)]
    lines += [
        "over plain: compared with the same requests without PI in a ring of 64-byte SQEs; over indirect: compared with the layout "
        "that Linux has. '128 zeroed': the application zeroes the second half of every SQE, which plain requests do not need.",
        "user: filling the SQE and the attribute, and reading the completion; kernel: io_uring_enter().",
    ]
    if any(s.icount for s in sessions):
        lines.append(
            "Instructions are not time: they do not show caches, memory latency, the cost of entering user memory (SMAP) or overlapping "
            "execution. On a real processor a copy from user memory costs more, and a second cache line is not free."
        )
    timed = {layout for s in sessions if s.mode == cells.TIME for layout, *_ in s.attr}
    if not timed & set(catalog.of_the_lab()):
        lines.append(
            "The lab kernel's layouts were not measured in time. That takes a machine with KVM, where the same command adds it. "
            "To measure stock layouts on a drive with PI: make lab DEV=/dev/nvme0n1."
        )
    for session in sessions:
        if session.about:
            lines.append(
                f"{session.name}: attr-cost ran {session.about['repetitions']} repetitions of {session.about['requests']} requests, in "
                f"an order shuffled with seed {session.seed}."
            )
        if session.runs and session.mode == cells.INSTRUCTIONS:
            lines.append(
                f"{session.name}, whole I/O: null_blk with an integrity profile, pi_verify=device. Each round has a short and a long run; "
                "only the I/Os that the long one does beyond the short one count, so fio's start and ring set-up do not. Each run begins "
                "with empty slab caches at the same addresses, and no other thread runs until it ends (SCHED_FIFO); timer interrupts "
                "count. One warm-up round is dropped."
            )
    return lines


def headline(sessions):
    """What the layouts cost, from the session that measured it most exactly."""
    found = [s for s in sessions if any(layout != cells.NONE for layout, *_ in s.attr)]
    session = next((s for s in found if s.icount), next(iter(found), None))
    if not session:
        return []
    attribute = by_batch(session)[-1]
    costs = {ring: attribute.over(ring)["median"] for ring in attribute.with_pi if ring[1] != "128 zeroed"}
    rows = [(plot.ring_title(*ring), signed(value, 1), value) for ring, value in sorted(costs.items(), key=lambda item: item[1])]
    unit, least, most = attribute.unit, min(costs.values()), max(costs.values())
    found = [
        Paragraph(f"**Passing the attribute of one request takes {least:,.0f} to {most:,.0f} {unit}, depending on the layout.**"),
        Bars(f"{session.name}: {unit} that one request takes more than a plain one, batch of {attribute.batch}", rows[:BARS]),
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
