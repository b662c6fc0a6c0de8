# SPDX-License-Identifier: GPL-2.0-only
"""Summaries of repeated runs; the run is the unit, never fio's samples within one."""

import dataclasses
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


def geometric_mean(ratios):
    ratios = [r for r in ratios if r]
    return math.exp(sum(math.log(r) for r in ratios) / len(ratios)) if ratios else None
