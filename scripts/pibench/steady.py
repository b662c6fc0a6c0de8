# SPDX-License-Identifier: GPL-2.0-only
"""Steady state as SNIA's Performance Test Specification has it: of the last five rounds of random writes."""

import statistics

# times that all of the drive is written before, rounds that are looked at, and rounds at most
FILLS, WINDOW, MOST = 2, 5, 25
# of their mean: the highest less the lowest, and what the line through them rises or falls
RANGE, SLOPE = 0.20, 0.10


def shares(figures):
    """(range, slope) of the last rounds, or None: there are too few."""
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
    """In words, of the IOPS of each round."""
    spread, slope = shares(figures)
    rounds = ", ".join(f"{value:,.0f}" for value in figures)
    return (
        f"written {FILLS} times, then random 4 KiB writes: {'steady' if reached(figures) else 'not steady'} after {len(figures)} rounds "
        f"(last {WINDOW}: range {spread:.0%} of at most {RANGE:.0%}, slope {slope:.0%} of at most {SLOPE:.0%}; IOPS {rounds})"
    )
