# SPDX-License-Identifier: GPL-2.0-only
"""What came out of a session: its records, grouped by cell, and what is read off them."""

import dataclasses
import math
import statistics

from . import cells, metrics, stats

# one-sided: both limits together 95 %
CONFIDENCE = 0.025
# other threads that took more of a run than this are named
NOTABLE = 0.001
# nearer to each other than this, two are alike
SAME = 0.01


def middle_and_limits(logs):
    """(middle, low, high, whether these are limits of 95 %, and not of few rounds the lowest and highest)"""
    found = stats.shift(logs, CONFIDENCE)
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
    # {device: IOPS of each round} of those that were to be brought to steady state
    conditioned: dict = dataclasses.field(default_factory=dict)
    # of the attribute by itself: rows by (layout, SQE, mix, batch), what attr-cost said of itself, and what it could not measure
    attr: dict = dataclasses.field(default_factory=dict)
    about: dict = dataclasses.field(default_factory=dict)
    unmeasured: dict = dataclasses.field(default_factory=dict)

    def take(self, record):
        """One record; the warm-up round is dropped here, by rule."""
        kind, cell = record["kind"], record["cell"]
        if "step" in record:
            # gone on with after it was stopped
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
    def metrics(self):
        return metrics.of(self.mode, self.icount, [run for runs in self.runs.values() for run in runs])

    @property
    def hosts(self):
        """Other machines that have done it."""
        return list(next((run.get("hosts", ()) for runs in self.runs.values() for run in runs), ()))

    @property
    def by_function(self):
        return self.metrics[0] == metrics.HOST

    def rooms(self, workload, arm):
        """{room: instructions an I/O}, medians of the rounds."""
        found = {room: self.median(workload, arm, metric) for room, metric in metrics.ROOMS.items()}
        return {room: value for room, value in found.items() if value}

    def disagreement(self):
        """How far apart what was counted by function and the guest's time are, in the cell where most: a share of it."""
        def both(runs):
            times, sums = (statistics.median(value(run) for run in runs) for value in
                           (metrics.TOTAL.value, lambda run: sum(run["rooms"].values()) / run["counted"]))  # fmt: skip
            return sums / times - 1

        return max((both(runs) for runs in self.runs.values()), key=abs, default=0)

    @property
    def cells(self):
        """Those that were run, with success or without."""
        return sorted((cells.parse(name) for name in {*self.runs, *self.failures}), key=lambda cell: cell.rank)

    @property
    def workloads(self):
        return list(dict.fromkeys(cell.workload for cell in self.cells))

    def arms(self, workload):
        return [cell.arm for cell in self.cells if cell.workload == workload]

    @property
    def layouts(self):
        """The arms that carry PI with the engine."""
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

    def logs(self, one, other, metric):
        """{round: logarithm of the ratio of two cells, (workload, arm) each}"""
        ours, theirs = ({run["round"]: metric.value(run) for run in self.measured(*each)} for each in (one, other))
        return {n: math.log(ours[n] / theirs[n]) for n in sorted(ours.keys() & theirs.keys()) if ours[n] > 0 and theirs[n] > 0}

    def against(self, one, other, metric):
        """Ratio of two cells in each round: its middle, and 95 % limits or, of few rounds, the lowest and highest; or None."""
        logs = list(self.logs(one, other, metric).values())
        return tuple(map(math.exp, middle_and_limits(logs)[:3])) if logs else None

    def overall(self, workloads, arm, reference, metric):
        """Geometric mean of the ratios in each round: (middle, low, high, whether they tell anything); or None."""
        rounds = {}
        for workload in workloads:
            for number, log in self.logs((workload, arm), (workload, reference), metric).items():
                rounds.setdefault(number, []).append(log)
        most = max(map(len, rounds.values()), default=0)
        logs = [statistics.fmean(found) for _, found in sorted(rounds.items()) if len(found) == most]
        if not logs:
            return None
        middle, low, high, exact = middle_and_limits(logs)
        # few rounds can agree by chance: believed is what lies further out by as much again
        room = 0 if exact else high - low
        told = low - room > 0 or high + room < 0 or max(high + room, room - low) < SAME
        return *map(math.exp, (middle, low, high)), told

    def drift(self):
        """Last reference run of a round to its first: the middle over the rounds, or None."""
        main = self.metrics[0]
        pairs = [ends for ends in self.references.values() if len(ends) == 2]
        ratios = [main.value(ends[cells.LAST]) / main.value(ends[cells.FIRST]) for ends in pairs]
        return statistics.median(ratios) - 1 if ratios else None

    def widest_spread(self):
        main = self.metrics[0]
        spreads = [self.summary(c.workload, c.arm, main) for c in self.cells]
        return max((s.spread[1] - s.spread[0] for s in spreads if s), default=0)

    def others(self):
        """{thread: (runs in which it took a notable part, the largest)} of what is neither the job's nor a worker for it."""
        found = {}
        for run in (run for runs in self.runs.values() for run in runs):
            for name, took in run.get("threads", {}).items():
                share = took / max(1, run["wall_ns"])
                if share > NOTABLE and name != "kworker":
                    number, largest = found.get(name, (0, 0))
                    found[name] = number + 1, max(largest, share)
        return found

    @property
    def ended(self):
        """What has stopped it, a line or none."""
        return [f"{self.name}: {self.stopped}; {self.rounds()} rounds were begun"] if self.stopped else []

    def rounds(self):
        return max((len(runs) for runs in self.runs.values()), default=0)


def group(records):
    """[Results], one a session."""
    sessions = {}
    for record in records:
        if record["session"] not in sessions:
            head = (record[name] for name in ("session", "mode", "icount", "seed", "read_only"))
            sessions[record["session"]] = Results(*head)
        sessions[record["session"]].take(record)
    order = (cells.INSTRUCTIONS, cells.TIME, cells.CPU)
    return sorted(sessions.values(), key=lambda session: order.index(session.mode))
