# SPDX-License-Identifier: GPL-2.0-only
"""The results of a session: its records by cell, and the figures computed from them."""

import dataclasses
import math
import statistics

from . import cells, metrics, stats

# one-sided: two limits make an interval of 95 %
ALPHA = 0.025
# reports name other threads that took more than this share of a run
NOTABLE = 0.001
# ratios that differ from 1 by less than this count as equal
SAME = 0.01


def middle_and_limits(logs):
    """(middle, low, high, whether these are 95 % limits: too few rounds have their lowest and highest instead)"""
    found = stats.shift(logs, ALPHA)
    exact = math.isfinite(found.low)
    return found.estimate, *((found.low, found.high) if exact else (min(logs), max(logs))), exact


@dataclasses.dataclass
class Results:
    """The records of one session."""

    name: str
    mode: str
    icount: bool
    seed: int
    read_only: bool
    runs: dict = dataclasses.field(default_factory=dict)
    failures: dict = dataclasses.field(default_factory=dict)
    skips: dict = dataclasses.field(default_factory=dict)
    builds: bool = False
    discarded: int = 0
    timed: dict = dataclasses.field(default_factory=dict)
    references: dict = dataclasses.field(default_factory=dict)
    stopped: str = ""
    # {device: IOPS of each preconditioning round}
    conditioned: dict = dataclasses.field(default_factory=dict)
    # attr-cost's rows by (layout, SQE, mix, batch), its own parameters, and {why it did not measure: layouts}
    attr: dict = dataclasses.field(default_factory=dict)
    about: dict = dataclasses.field(default_factory=dict)
    unmeasured: dict = dataclasses.field(default_factory=dict)

    def take(self, record):
        """Add a record; this drops the warm-up round."""
        kind, cell = record["kind"], record["cell"]
        if "step" in record:
            # resumed after a stop
            self.stopped = ""
        if kind == "run":
            self.builds = self.builds or bool(record["build"])
            if record["round"] == cells.WARM_UP:
                return
            if record["reference"]:
                self.references.setdefault(record["round"], {})[record["reference"]] = record
            else:
                self.runs.setdefault(cell, []).append(record)
        elif kind == "attr":
            self.take_attribute(record["row"])
        elif kind == "precondition":
            self.conditioned[record["device"]] = record["iops"]
        elif kind == "timed":
            self.timed[cell] = record
        elif kind == "stop":
            self.stopped = record["reason"]
        elif kind == "discard":
            self.discarded += 1
        elif kind == "failure":
            self.failures.setdefault(cell, record["reason"])
        elif kind == "skip" and cell not in self.failures:
            self.skips.setdefault(cell, record["reason"])

    def take_attribute(self, row):
        if row["kind"] == "run":
            self.about = row
        elif row["kind"] == "cell":
            self.attr[row["layout"], row["sqe"], row["mix"], row["batch"]] = row
        elif row["kind"] != "end":
            self.unmeasured.setdefault(row["reason"], []).append(row["layout"])

    @property
    def every_run(self):
        return [run for runs in self.runs.values() for run in runs]

    @property
    def metrics(self):
        return metrics.of(self.mode, self.icount, self.every_run)

    @property
    def hosts(self):
        """The machines that ran it as fio servers."""
        return list(next((run.get("hosts", ()) for run in self.every_run), ()))

    @property
    def by_function(self):
        return self.metrics[0] == metrics.HOST

    def rooms(self, workload, arm):
        """{room: instructions per I/O}, medians of the rounds."""
        found = {room: self.median(workload, arm, metric) for room, metric in metrics.ROOMS.items()}
        return {room: value for room, value in found.items() if value}

    def disagreement(self):
        """How far the sum of all functions lies from the guest's time, as a share, in the cell where they differ most."""
        found = []
        for runs in self.runs.values():
            counted = statistics.median(sum(run["rooms"].values()) / run["counted"] for run in runs)
            found.append(counted / statistics.median(map(metrics.TOTAL.value, runs)) - 1)
        return max(found, key=abs, default=0)

    @property
    def cells(self):
        """The cells that ran, whether they succeeded or failed."""
        return sorted((cells.parse(name) for name in {*self.runs, *self.failures}), key=lambda cell: cell.rank)

    @property
    def workloads(self):
        return list(dict.fromkeys(cell.workload for cell in self.cells))

    @property
    def unmixed(self):
        """The workloads in which every I/O carries PI if its arm does."""
        return [workload for workload in self.workloads if workload.mix == cells.ALL_PI]

    def arms(self, workload):
        return [cell.arm for cell in self.cells if cell.workload == workload]

    @property
    def layouts(self):
        """The engine's arms with PI, one for each layout."""
        arms = {cell.arm for cell in self.cells if cell.arm.has_pi and cell.arm.engine == cells.OURS}
        return sorted(arms, key=lambda arm: arm.rank)

    def measured(self, workload, arm):
        return self.runs.get(cells.Cell(workload, arm).name, [])

    def summary(self, workload, arm, metric):
        return stats.summarise(metric.value(run) for run in self.measured(workload, arm))

    def median(self, workload, arm, metric):
        found = self.summary(workload, arm, metric)
        return found.median if found else None

    def ratio(self, workload, arm, reference, metric):
        one, other = (self.median(workload, each, metric) for each in (arm, reference))
        return one / other if one is not None and other else None

    def logs(self, pairs, metric):
        """The logarithm of the ratio of two cells in each round, the mean of several pairs; a cell is (workload, arm)."""
        rounds = {}
        for pair in pairs:
            ours, theirs = ({run["round"]: metric.value(run) for run in self.measured(*cell)} for cell in pair)
            for number in ours.keys() & theirs.keys():
                if ours[number] > 0 and theirs[number] > 0:
                    rounds.setdefault(number, []).append(math.log(ours[number] / theirs[number]))
        # a round that was stopped lacks some
        complete = max(map(len, rounds.values()), default=0)
        return [statistics.fmean(found) for _, found in sorted(rounds.items()) if len(found) == complete]

    def against(self, one, other, metric):
        """(middle, low, high) of the ratio of two cells over the rounds, or None; limits as of middle_and_limits()."""
        logs = self.logs([(one, other)], metric)
        return tuple(map(math.exp, middle_and_limits(logs)[:3])) if logs else None

    def overall(self, workloads, arm, reference, metric):
        """(low, high, whether they are conclusive) of the geometric mean of the ratios in each round; or None."""
        logs = self.logs([((workload, arm), (workload, reference)) for workload in workloads], metric)
        if not logs:
            return None
        _, low, high, exact = middle_and_limits(logs)
        # a few rounds can agree by chance: their interval must stay clear when widened by its own length on each side
        extra = 0 if exact else high - low
        conclusive = low - extra > 0 or high + extra < 0 or max(high + extra, extra - low) < SAME
        return math.exp(low), math.exp(high), conclusive

    def drift(self):
        """Median over the rounds of the change from the first reference run to the last, a share; or None."""
        value = self.metrics[0].value
        pairs = [ends for ends in self.references.values() if len(ends) == 2]
        ratios = [value(ends[cells.LAST]) / value(ends[cells.FIRST]) for ends in pairs]
        return statistics.median(ratios) - 1 if ratios else None

    def widest_spread(self, metric):
        """Of all cells, the widest interval from lowest to highest round, as a share of the median."""
        spreads = [stats.summarise(map(metric.value, runs)).spread for runs in self.runs.values()]
        return max((high - low for low, high in spreads), default=0)

    def others(self):
        """{thread: (number of runs it took a notable share of, the largest share)}, without fio's threads and kworkers."""
        found = {}
        for run in self.every_run:
            for name, took in run.get("threads", {}).items():
                share = took / max(1, run["wall_ns"])
                if share > NOTABLE and name != "kworker":
                    number, largest = found.get(name, (0, 0))
                    found[name] = number + 1, max(largest, share)
        return found

    @property
    def ended(self):
        """Why it stopped early: a line or none."""
        return [f"{self.name}: {self.stopped}; {self.rounds()} rounds were begun"] if self.stopped else []

    def rounds(self):
        return max((len(runs) for runs in self.runs.values()), default=0)


def group(records):
    """[Results], one for each session."""
    sessions = {}
    for record in records:
        if record["session"] not in sessions:
            head = (record[name] for name in ("session", "mode", "icount", "seed", "read_only"))
            sessions[record["session"]] = Results(*head)
        sessions[record["session"]].take(record)
    order = (cells.INSTRUCTIONS, cells.TIME, cells.CPU)
    return sorted(sessions.values(), key=lambda session: order.index(session.mode))
