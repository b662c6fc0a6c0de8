# SPDX-License-Identifier: GPL-2.0-only
"""Turns the runs of two builds into verdicts, one per cell and metric."""

import dataclasses
import math
import statistics

from . import cells, gate, metrics, stats

# what decides where time is measured
GATED = (metrics.TIME, metrics.CPU)


@dataclasses.dataclass(frozen=True)
class Line:
    """A verdict, and what it is about."""

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

    def having(self, **changes):
        """The line with changes to its verdict."""
        return dataclasses.replace(self, verdict=dataclasses.replace(self.verdict, **changes))


def line(cell, metric, pairs, verdict):
    """The Line of a cell; pairs: its (old, new) values."""
    old, new = (statistics.median(side) for side in zip(*pairs)) if pairs else (None, None)
    return Line(cell, metric, old, new, verdict)


def rounds(runs, value, each=2):
    """[(old, new)] means of a cell's complete rounds, without the warm-up; each: runs of a build per round."""
    found = {}
    for run in runs:
        if run["round"] != cells.WARM_UP and not run["reference"]:
            found.setdefault(run["round"], {cells.OLD: [], cells.NEW: []})[run["build"]].append(value(run))
    complete = [found[number] for number in sorted(found) if all(len(side) == each for side in found[number].values())]
    return [(statistics.fmean(sides[cells.OLD]), statistics.fmean(sides[cells.NEW])) for sides in complete]


def differences(pairs):
    """Log-ratios of cost, new to old, one per round."""
    return [math.log(new / old) for old, new in pairs if old > 0 and new > 0]


def wanted(runs):
    """Whether another round of a cell could change the verdict."""
    return any(gate.wants(differences(rounds(runs, metric.value))) for metric in GATED)


def by_time(cell, runs):
    every = {metric: rounds(runs, metric.value) for metric in GATED}
    return [line(cell, metric, pairs, gate.time(differences(pairs))) for metric, pairs in every.items()]


def by_instructions(cell, boots, each, kept_to):
    """The Line of a cell; boots: its runs, boot by boot; each: runs of a build per round; kept_to: limits.Limits."""
    metric = metrics.counted([run for runs in boots for run in runs if run["round"] != cells.WARM_UP])
    pairs = [tuple(map(statistics.fmean, zip(*found))) for runs in boots if (found := rounds(runs, metric.value, each))]
    return line(cell, metric, pairs, kept_to.judge(metric, pairs))


def decide(mode, sessions, kept_to, each=2):
    """The Lines of every cell; sessions: {name: {cell: runs}}, several boots or the one session on a drive."""
    names = {name for runs in sessions.values() for name in runs}
    lines = []
    for name in sorted(names, key=lambda name: cells.parse(name).rank):
        found = [runs[name] for runs in sessions.values() if name in runs]
        lines += [by_instructions(name, found, each, kept_to)] if mode == cells.INSTRUCTIONS else by_time(name, found[0])
    return lines


def stored(name, old, new, kept_to):
    """The Line of a cell in two stored results that count instructions: the change of the medians, between the extremes."""
    metric = metrics.counted([*old, *new])
    before, after = (stats.summarise(metric.value(run) for run in runs) for runs in (old, new))
    pairs = [(before.median, after.median)]
    found = line(name, metric, pairs, kept_to.judge(metric, pairs, least=1))
    return found.having(low=after.low / before.high, high=after.high / before.low)
