# SPDX-License-Identifier: GPL-2.0-only
"""Statistics over repeated runs; a run is one value, never fio's samples within it."""

import dataclasses
import functools
import math
import statistics


@dataclasses.dataclass(frozen=True)
class Summary:
    count: int
    median: float
    low: float
    high: float

    @property
    def interval(self):
        return self.median, self.low, self.high

    @property
    def spread(self):
        """How far the lowest and the highest value lie from the median, as shares of it."""
        if not self.median:
            return (0.0, 0.0)
        return (self.low / self.median - 1, self.high / self.median - 1)


def summarise(values):
    values = list(values)
    return Summary(len(values), statistics.median(values), min(values), max(values)) if values else None


def walsh(values):
    """The values and the means of any two of them, sorted."""
    return sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


@functools.cache
def signed_ranks(count):
    """For Wilcoxon's signed-rank sum 0, 1, 2, …: how many of the 2 ** count cases have that sum."""
    ways = [1]
    for rank in range(1, count + 1):
        longer = ways + [0] * rank
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    return ways


@functools.cache
def cut(count, alpha):
    """How many Walsh averages lie outside a one-sided limit at that alpha; None: too few values for any limit."""
    below, cases = 0, 2**count
    for total, number in enumerate(signed_ranks(count)):
        below += number
        if below > alpha * cases:
            return total or None
    return None


@dataclasses.dataclass(frozen=True)
class Shift:
    """Where values lie: the Hodges-Lehmann estimate, with one-sided limits from the exact signed-rank distribution."""

    count: int
    estimate: float
    low: float
    high: float

    @property
    def as_ratio(self):
        """(estimate, low, high) of log-ratios, as ratios."""
        return tuple(map(math.exp, (self.estimate, self.low, self.high)))


def shift(values, alpha):
    """The Shift of the values; its limits are infinite if there are too few values for that alpha."""
    averages = walsh(values)
    outside = cut(len(values), alpha)
    low, high = (averages[outside - 1], averages[-outside]) if outside else (-math.inf, math.inf)
    return Shift(len(values), statistics.median(averages), low, high)
