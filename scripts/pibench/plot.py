# SPDX-License-Identifier: GPL-2.0-only
"""Figures, drawn by gnuplot from data files that stay beside them."""

import os

from . import cells, fio
from .errors import Failure

SCRIPTS = fio.REPO / "scripts" / "plots"
FORMATS = ("svg", "png")


def legend(arm):
    return f"PI, {arm.label}" if arm.has_pi else f"{arm.state}, {arm.engine}"


def panels(session):
    """{block size: workloads}: they differ too much to share an axis."""
    found = {}
    for workload in session.workloads:
        found.setdefault(workload.block_size, []).append(workload)
    return found


def data(session, workloads, arms):
    """A block for each arm, its legend first: what bars.gp reads."""
    metric = session.metrics[0]
    blocks = []
    for arm in arms:
        lines = [f'"{legend(arm)}"']
        for group, workload in enumerate(workloads):
            summary = session.summary(workload, arm, metric)
            label = f"{workload.title.split(', ')[0]}\\nQD{workload.iodepth}"
            figures = f"{summary.median:.3f} {summary.low:.3f} {summary.high:.3f}" if summary else "NaN NaN NaN"
            lines.append(f'{group} {figures} "{label}"')
        blocks.append("\n".join(lines))
    return "\n\n\n".join(blocks) + "\n"


def highest(session, workloads, arms):
    summaries = (session.summary(w, a, session.metrics[0]) for w in workloads for a in arms)
    return max(s.high for s in summaries if s)


def subtitle(session, environment):
    system = ((environment.get("sessions") or {}).get(session.name) or environment.get("host") or {}).get("kernel", "")
    kernel = " ".join(system.split()[:2])
    ios = sorted({run["ios"] for runs in session.runs.values() for run in runs})
    counts = " or ".join(f"{n:,}" for n in ios)
    return (
        f"{session.name}, {counts} I/Os a run; bars: median of N = {session.rounds()} rounds, lowest to highest run marked "
        f"(widest {session.widest_spread() * 100:.2f} %); {kernel}{', icount guest' if session.icount else ''}"
    )


def bars(host, session, environment, out, stem):
    """Writes stem.svg and stem.png; returns their names, or () with the reason said by the caller."""
    metric = session.metrics[0]
    arms = [arm for arm in cells.ARMS if any(session.measured(w, arm) for w in session.workloads)]
    files, tops = [], []
    for size, workloads in panels(session).items():
        path = os.path.join(out, f"{stem}-{size // 1024}k.dat")
        with open(path, "w", encoding="utf-8") as file:
            file.write(data(session, workloads, arms))
        files.append(path)
        tops.append(f"{highest(session, workloads, arms):.3f}")
    names = []
    title = f"{metric.title[0].upper()}{metric.title[1:]}: PI against plain io_uring"
    for kind in FORMATS:
        name = f"{stem}.{kind}"
        unit = f"{metric.unit} per I/O" if metric.unit in ("instructions", "ns") else metric.unit
        arguments = [
            str(SCRIPTS / "style.gp"), os.path.join(out, name), title, subtitle(session, environment), unit,
            " ".join(arm.name for arm in arms), " ".join(tops), *files,
        ]  # fmt: skip
        done = host.run(["gnuplot", "-c", str(SCRIPTS / "bars.gp"), *arguments])
        if done is None:
            return ()
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise Failure(f"gnuplot: {said[-1] if said else f'exit status {done.returncode}'}")
        names.append(name)
    return tuple(names)
