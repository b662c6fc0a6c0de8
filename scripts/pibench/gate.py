# SPDX-License-Identifier: GPL-2.0-only
"""Decides whether NEW is slower than OLD.

Instructions: the median over a few boots, each of which runs both builds.
Time: log-ratios of adjacent runs, checked after 12, 20 and 40 rounds; a
regression must show again in fresh rounds.
"""

import dataclasses
import math
import statistics

from . import stats

PASS, REGRESSION, INCONCLUSIVE, IMPROVED = "PASS", "REGRESSION", "INCONCLUSIVE", "IMPROVED"

BOOTS = 3
# shares of counts are compared to this precision: see selftest, and the spread that every comparison prints
RESOLUTION = 0.001
LIMIT = 0.005
LIMIT_COUNT = 20
# fewest I/Os of a run that can show LIMIT_COUNT: two equal runs differ by up to 2,500 instructions in all
IOS = 256

LOOKS = (12, 20, 40)
# one-sided, at each look: 0.001 per cell, 1 % for the ten cells of the longest gate list
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
    # the limit that a PASS is below, in words
    below: str = ""
    # why to look into it although it passes
    warning: str = ""


def less_than(share):
    return f"less than {100 * share:.3g} % more"


def instructions(pairs, least=BOOTS, limit=LIMIT, most=None):
    """The Verdict on [(old, new)] counts per I/O, a pair per boot.

    A regression is a share of at least limit and LIMIT_COUNT instructions or,
    where most is given, this many instructions whatever their share.
    """
    if not pairs:
        return Verdict(INCONCLUSIVE, None, None, None, 0, "not measured")
    ratios, more = [new / old for old, new in pairs], [new - old for old, new in pairs]
    ratio, middle = statistics.median(ratios), statistics.median(more)
    found = Verdict(REGRESSION, ratio, min(ratios), max(ratios), len(pairs), f"{middle:+,.0f} instructions")
    if len(pairs) < least:
        return dataclasses.replace(found, verdict=INCONCLUSIVE, why=f"{found.why}, in {len(pairs)} of {least} boots")
    few = LIMIT_COUNT if most is None else most
    # a share that rounds to the limit is the limit
    if most is None and ratio - 1 < limit - RESOLUTION / 2:
        below = less_than(limit)
    elif middle < few:
        below = f"fewer than {few:g} instructions more"
    else:
        return found
    # improved only if every boot shows it
    less = max(more) <= -few if most is not None else 1 - max(ratios) >= LIMIT - RESOLUTION / 2 and middle <= -few
    if less:
        return dataclasses.replace(found, verdict=IMPROVED, below=below)
    return dataclasses.replace(found, verdict=PASS, why=f"{found.why}, {below}", below=below)


def look(differences, alpha):
    """(REGRESSION, PASS or None, Shift, rounds used) at the first look that decides, else at the last possible one."""
    found, used = None, 0
    for used in (rounds for rounds in LOOKS if rounds <= len(differences)):
        # a PASS is always held to the stricter limit
        found = stats.shift(differences[:used], ALPHA)
        if stats.shift(differences[:used], alpha).low > 0 and found.estimate >= MARGIN:
            return REGRESSION, found, used
        if found.high < CATCH:
            return PASS, found, used
    return None, found, used


def wants(differences):
    """Whether another round could change the verdict."""
    decision, _, used = look(differences, ALPHA)
    if decision == REGRESSION:
        again, _, fresh = look(differences[used:], ALPHA_AGAIN)
        return not again and fresh < LOOKS[-1]
    return not decision and len(differences) < LOOKS[-1]


def time(differences):
    """The Verdict on log-ratios of cost, new to old, in the order they were measured."""
    decision, found, used = look(differences, ALPHA)
    if found is None:
        return Verdict(INCONCLUSIVE, None, None, None, len(differences), f"{len(differences)} rounds, {LOOKS[0]} are needed")
    if decision == PASS:
        below = less_than(math.expm1(CATCH))
        improved = found.high < 0 and found.estimate <= -MARGIN
        verdict, change = (IMPROVED, "less") if improved else (PASS, below)
        return Verdict(verdict, *found.as_ratio, used, f"{change} after {used} rounds", below)
    if decision is None:
        return Verdict(INCONCLUSIVE, *found.as_ratio, used, f"too noisy to tell after {used} rounds")
    again, fresh, confirmed = look(differences[used:], ALPHA_AGAIN)
    if again == REGRESSION:
        return Verdict(REGRESSION, *fresh.as_ratio, confirmed, f"after {used} rounds, and again in {confirmed} fresh ones")
    why = f"slower in {used} rounds, but not again in {confirmed} fresh ones" if fresh else f"slower in {used} rounds, not repeated"
    return Verdict(INCONCLUSIVE, *(fresh or found).as_ratio, used + confirmed, why)


def overall(verdicts):
    """The worst verdict; IMPROVED if a cell did and no other is worse than PASS; INCONCLUSIVE without any."""
    return next((verdict for verdict in (REGRESSION, INCONCLUSIVE, IMPROVED, PASS) if verdict in verdicts), INCONCLUSIVE)
