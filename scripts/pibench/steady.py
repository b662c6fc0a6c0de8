# SPDX-License-Identifier: GPL-2.0-only
"""Steady state as SNIA's Performance Test Specification defines it, over the last five rounds of random writes."""

import statistics

# times the whole drive is written first, rounds that must be steady, and rounds at most
FILLS, WINDOW, MOST = 2, 5, 25
# limits, as shares of the mean: highest minus lowest, and the rise or fall of the regression line
RANGE, SLOPE = 0.20, 0.10


def shares(figures):
    """(range, slope) of the last rounds as shares of their mean, or None if there are too few."""
    last = figures[-WINDOW:]
    if len(last) < WINDOW:
        return None
    mean = statistics.fmean(last)
    rise = statistics.linear_regression(range(WINDOW), last).slope * (WINDOW - 1)
    return (max(last) - min(last)) / mean, abs(rise) / mean


def reached(figures):
    found = shares(figures)
    return bool(found) and found[0] <= RANGE and found[1] <= SLOPE


def told(figures):
    """The line for the report; figures are the IOPS of each round."""
    spread, slope = shares(figures)
    rounds = ", ".join(f"{value:,.0f}" for value in figures)
    return (
        f"written {FILLS} times, then random 4 KiB writes: {'steady' if reached(figures) else 'not steady'} after {len(figures)} rounds "
        f"(last {WINDOW}: range {spread:.0%} of at most {RANGE:.0%}, slope {slope:.0%} of at most {SLOPE:.0%}; IOPS {rounds})"
    )
