# SPDX-License-Identifier: GPL-2.0-only
"""When a difference between two builds is a regression.

Instructions: the median of some boots, each compared within itself.  Time:
log-ratios of adjacent runs, looked at after 12, 20 and 40 rounds; what looks
like a regression must show again in rounds of its own.
"""

import dataclasses
import math
import statistics

from . import stats

PASS, REGRESSION, INCONCLUSIVE, IMPROVED = "PASS", "REGRESSION", "INCONCLUSIVE", "IMPROVED"

BOOTS = 3
# what the counts resolve: see selftest, and the spread every comparison prints
RESOLUTION = 0.001
LIMIT = 0.005
LIMIT_COUNT = 20

LOOKS = (12, 20, 40)
# one-sided, at each look: 0.001 for a cell, 1 % for the ten of the longest gate list
ALPHA = 0.00033
ALPHA_AGAIN = 0.01
MARGIN = math.log(1.01)
CATCH = math.log(1.02)
CELLS = 10


@dataclasses.dataclass(frozen=True)
class Verdict:
    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    count: int
    why: str
    # the limit that a PASS stays under, in words: whatever tells of the verdict says these
    below: str = ""
    # what is to be looked at, though it passes
    warning: str = ""


def less_than(share):
    return f"less than {100 * share:.3g} % more"


def instructions(pairs, least=BOOTS, limit=LIMIT, most=None):
    """Verdict on [(old, new)], a pair of counts per I/O for each boot; limit: the share that is a regression.

    most: so many instructions are one, whatever they are a share of; for what was counted by function.
    """
    if not pairs:
        return Verdict(INCONCLUSIVE, None, None, None, 0, "not measured")
    ratios, more = [new / old for old, new in pairs], [new - old for old, new in pairs]
    ratio, middle = statistics.median(ratios), statistics.median(more)
    found = Verdict(REGRESSION, ratio, min(ratios), max(ratios), len(pairs), f"{middle:+,.0f} instructions")
    if len(pairs) < least:
        return dataclasses.replace(found, verdict=INCONCLUSIVE, why=f"{found.why}, in {len(pairs)} of {least} boots")
    few = LIMIT_COUNT if most is None else most
    # what is measured as 0.5 is 0.5, whatever the next digit
    if most is None and ratio - 1 < limit - RESOLUTION / 2:
        below = less_than(limit)
    elif middle < few:
        below = f"fewer than {few:g} instructions more"
    else:
        return found
    # a median that is no one boot's doing
    less = max(more) <= -few if most is not None else 1 - max(ratios) >= LIMIT - RESOLUTION / 2 and middle <= -few
    if less:
        return dataclasses.replace(found, verdict=IMPROVED, below=below)
    return dataclasses.replace(found, verdict=PASS, why=f"{found.why}, {below}", below=below)


def judge(differences, alpha):
    """(verdict or None to go on, Shift) of paired log-ratios at one look; to pass always takes the stricter limit."""
    found = stats.shift(differences, ALPHA)
    if stats.shift(differences, alpha).low > 0 and found.estimate >= MARGIN:
        return REGRESSION, found
    if found.high < CATCH:
        return PASS, found
    return None, found


def look(differences, alpha):
    """(verdict or None, Shift, rounds used) of the first look that decides, else of the last that there can be."""
    decision, found, used = None, None, 0
    for used in (n for n in LOOKS if n <= len(differences)):
        decision, found = judge(differences[:used], alpha)
        if decision:
            break
    return decision, found, used


def wants(differences):
    """Whether the cell is still open: its next round is worth running."""
    decision, _, used = look(differences, ALPHA)
    if decision == REGRESSION:
        again, _, fresh = look(differences[used:], ALPHA_AGAIN)
        return not again and fresh < LOOKS[-1]
    return not decision and len(differences) < LOOKS[-1]


def time(differences):
    """Verdict on a cell's log-ratios of cost, new to old, in the order they were measured."""
    decision, found, used = look(differences, ALPHA)
    if found is None:
        return Verdict(INCONCLUSIVE, None, None, None, len(differences), f"{len(differences)} rounds, {LOOKS[0]} are needed")
    if decision == PASS:
        below = less_than(math.expm1(CATCH))
        if found.high < 0 and found.estimate <= -MARGIN:
            return Verdict(IMPROVED, *found.as_ratio, used, f"less after {used} rounds", below)
        return Verdict(PASS, *found.as_ratio, used, f"{below} after {used} rounds", below)
    if decision is None:
        return Verdict(INCONCLUSIVE, *found.as_ratio, used, f"too noisy to tell after {used} rounds")
    again, fresh, confirmed = look(differences[used:], ALPHA_AGAIN)
    if again == REGRESSION:
        return Verdict(REGRESSION, *fresh.as_ratio, confirmed, f"after {used} rounds, and again in {confirmed} fresh ones")
    why = f"slower in {used} rounds, but not again in {confirmed} fresh ones" if fresh else f"slower in {used} rounds, not repeated"
    return Verdict(INCONCLUSIVE, *(fresh or found).as_ratio, used + confirmed, why)


def overall(verdicts):
    """The worst of them, and IMPROVED where something did; nothing measured decides nothing."""
    for first in (REGRESSION, INCONCLUSIVE, IMPROVED):
        if first in verdicts:
            return first
    return PASS if verdicts else INCONCLUSIVE
