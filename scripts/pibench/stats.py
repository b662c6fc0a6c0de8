# SPDX-License-Identifier: GPL-2.0-only
"""Summaries of repeated runs; the run is the unit, never fio's samples within one."""

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
    def spread(self):
        """Lowest and highest value as fractions off the median."""
        if not self.median:
            return (0.0, 0.0)
        return (self.low / self.median - 1, self.high / self.median - 1)


def summarise(values):
    values = list(values)
    return Summary(len(values), statistics.median(values), min(values), max(values)) if values else None


def walsh(values):
    """Every mean of two values, and the values themselves, sorted."""
    return sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])


@functools.cache
def signed_ranks(count):
    """In how many of the 2 ** count cases Wilcoxon's signed-rank sum is 0, 1, 2, …"""
    ways = [1]
    for rank in range(1, count + 1):
        longer = ways + [0] * rank
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    return ways


@functools.cache
def cut(count, alpha):
    """How many Walsh averages lie outside a one-sided limit of that alpha, or None: too few values for any limit."""
    below, cases = 0, 2**count
    for total, number in enumerate(signed_ranks(count)):
        below += number
        if below > alpha * cases:
            return total or None
    return None


@dataclasses.dataclass(frozen=True)
class Shift:
    """How far values lie off 0: Hodges-Lehmann's estimate, and one-sided limits from the exact signed-rank distribution."""

    count: int
    estimate: float
    low: float
    high: float

    @property
    def as_ratio(self):
        """Of log-ratios: estimate, low and high as ratios."""
        return tuple(map(math.exp, (self.estimate, self.low, self.high)))


def shift(values, alpha):
    """Shift of the values; its limits are infinite where they are too few for that alpha."""
    averages = walsh(values)
    outside = cut(len(values), alpha)
    low, high = (averages[outside - 1], averages[-outside]) if outside else (-math.inf, math.inf)
    return Shift(len(values), statistics.median(averages), low, high)
