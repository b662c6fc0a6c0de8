# SPDX-License-Identifier: GPL-2.0-only
"""From the runs of two builds to verdicts, a cell and a metric at a time."""

import dataclasses
import math
import statistics

from . import cells, gate, metrics, stats

# of what is gated by time
GATED = (metrics.TIME, metrics.CPU)


def rounds(runs, value, each=2):
    """{round: (old, new)} means of the complete rounds in runs of one cell, so many runs of each, the warm-up left out."""
    found = {}
    for run in runs:
        if run["round"] != cells.WARM_UP and not run["reference"]:
            found.setdefault(run["round"], {cells.OLD: [], cells.NEW: []})[run["build"]].append(value(run))
    return {
        number: (statistics.fmean(sides[cells.OLD]), statistics.fmean(sides[cells.NEW]))
        for number, sides in sorted(found.items())
        if len(sides[cells.OLD]) == len(sides[cells.NEW]) == each
    }


def differences(runs, value):
    """Log-ratios of cost, new to old, a round each."""
    return [math.log(new / old) for old, new in rounds(runs, value).values() if old > 0 and new > 0]


def wanted(runs):
    """Whether another round of a cell could still change what the gate says."""
    return any(gate.wants(differences(runs, metric.value)) for metric in GATED)


@dataclasses.dataclass(frozen=True)
class Line:
    """One thing the gate decided on."""

    cell: str
    metric: metrics.Metric
    old: float | None
    new: float | None
    verdict: gate.Verdict

    @property
    def name(self):
        return f"{self.cell}: {self.metric.title}"

    @property
    def change(self):
        return None if self.verdict.ratio is None else self.verdict.ratio - 1


def by_time(cell, runs):
    for metric in GATED:
        means = list(rounds(runs, metric.value).values())
        old, new = (statistics.median(side) for side in zip(*means)) if means else (None, None)
        yield Line(cell, metric, old, new, gate.time(differences(runs, metric.value)))


def by_instructions(cell, boots, each, kept_to):
    """The Line of a cell; boots: its runs in each boot, and of each build so many in a round."""
    metric = metrics.counted([run for runs in boots for run in runs if run["round"] != cells.WARM_UP])
    pairs = [tuple(map(statistics.fmean, zip(*found))) for runs in boots if (found := rounds(runs, metric.value, each).values())]
    old, new = (statistics.median(side) for side in zip(*pairs)) if pairs else (None, None)
    return Line(cell, metric, old, new, kept_to.judge(metric, pairs))


def decide(mode, sessions, kept_to, each=2):
    """Lines of every cell; sessions: {name: {cell: runs}}, the boots or the one session on a drive; each: runs of a build a round."""
    names = dict.fromkeys(name for runs in sessions.values() for name in runs)
    lines = []
    for name in sorted(names, key=lambda name: cells.parse(name).rank):
        found = [runs[name] for runs in sessions.values() if name in runs]
        lines += [by_instructions(name, found, each, kept_to)] if mode == cells.INSTRUCTIONS else by_time(name, found[0])
    return lines


def stored(name, old, new, kept_to):
    """The Line of a cell in two stored results that count instructions: the middles of what each has."""
    metric = metrics.counted([*old, *new])
    before, after = (stats.summarise(metric.value(run) for run in runs) for runs in (old, new))
    found = kept_to.judge(metric, [(before.median, after.median)], least=1)
    widest = dataclasses.replace(found, low=after.low / before.high, high=after.high / before.low)
    return Line(name, metric, before.median, after.median, widest)
