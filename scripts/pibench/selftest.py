# SPDX-License-Identifier: GPL-2.0-only
"""Tests the gate: on simulated noise, on recorded runs of one build, and in guests on slowed-down engines."""

import collections
import functools
import itertools
import json
import math
import random
import statistics

from . import cells, document, fio, gate, limits, report, verdicts
from .errors import OK, REGRESSED, Failure

RECORDED = fio.REPO / "t" / "pibench" / "aa-runs.jsonl"
# one engine as OLD and as NEW in several boots: host instructions per I/O of each run
COUNTED = fio.REPO / "t" / "pibench" / "aa-instructions.jsonl"
# extra instructions per I/O that must be found where they are counted by function
INJECTED_COUNT = 25
TRIALS, QUICK_TRIALS = 1000, 300
FALSE_ALARMS, FOUND, CONFIDENCE = 0.01, 0.95, 0.95
NOISE = 0.02
SLOWER = 0.02
# two rules in common use, which are not good enough: more than 5 %, and a rank test at 1 %
REJECTED_LIMIT, REJECTED_P, BATCH = 0.05, 0.01, 20


def most_by_chance(trials, rate):
    """The largest number of hits in so many trials that shows a lower rate with CONFIDENCE; -1: the trials are too few."""
    hits, likelihood = -1, 0
    while True:
        likelihood += math.comb(trials, hits + 1) * rate ** (hits + 1) * (1 - rate) ** (trials - hits - 1)
        if likelihood > 1 - CONFIDENCE:
            return hits
        hits += 1


def most_alarms(trials):
    return most_by_chance(trials, FALSE_ALARMS)


def least_found(trials):
    return trials - most_by_chance(trials, 1 - FOUND)


# kinds of noise: the log of the cost of each run in turn, to be scaled


def normal(rng):
    while True:
        yield rng.gauss(0, 1)


def heavy_tailed(rng):
    """Student's t with 4 degrees of freedom, and three runs in a hundred far off."""
    while True:
        value = rng.gauss(0, 1) / math.sqrt(rng.gammavariate(2, 2) / 4)
        yield value + (rng.choice((-6, 6)) if rng.random() < 0.03 else 0)


def bimodal(rng):
    """A run is fast or slow, for example by where its memory happens to be."""
    while True:
        yield rng.gauss(0, 1) + (6 if rng.random() < 0.3 else 0)


def autocorrelated(rng):
    value = 0
    while True:
        value = 0.6 * value + rng.gauss(0, 0.8)
        yield value


def drifting(rng):
    """Each run is slower than the one before, by up to 20 % of the noise."""
    value = rng.uniform(-0.2, 0.2)
    for number in range(1 << 30):
        yield rng.gauss(0, 1) + value * number


def bursty(rng):
    """At times a neighbour keeps the machine busy."""
    left = 0
    while True:
        left = left - 1 if left else rng.randrange(4, 40) * (rng.random() < 0.02)
        yield abs(rng.gauss(8, 4)) if left else rng.gauss(0, 1)


REGIMES = (normal, heavy_tailed, bimodal, autocorrelated, drifting, bursty)


def paired(old, new):
    """The log-ratio of a round; old, new: its two runs of each build."""
    return statistics.fmean(new) - statistics.fmean(old)


def rounds(costs, slower, rng):
    """Log-ratios of rounds, each old, new, new, old or the reverse."""
    while True:
        first, *inner, last = (next(costs) for _ in range(4))
        old, new = (inner, (first, last)) if rng.random() < 0.5 else ((first, last), inner)
        yield paired(old, new) + slower


@functools.cache
def scale(regime):
    """The factor that makes the rounds of this noise scatter by NOISE."""
    rng = random.Random(0)
    sample = [next(one) for one in (rounds(regime(rng), 0, rng) for _ in range(200)) for _ in range(20)]
    return NOISE / statistics.pstdev(sample)


def until_decided(differences):
    """(verdict, rounds used), after as many rounds as the gate asks for."""
    seen = []
    while gate.wants(seen):
        seen.append(next(differences))
    return gate.time(seen).verdict, len(seen)


def operate(regime, slower, trials, seed):
    """(how often each verdict, mean number of rounds) where NEW is slower by this share."""
    rng = random.Random(f"{seed} {regime.__name__} {slower}")
    unit = scale(regime)
    verdicts, used = collections.Counter(), 0
    for _ in range(trials):
        verdict, count = until_decided(rounds((value * unit for value in regime(rng)), math.log1p(slower), rng))
        verdicts[verdict] += 1
        used += count
    return verdicts, used / trials


def recorded(path=RECORDED):
    """{(job, figure): logs of the cost of its runs, in the order they were made}"""
    series = {}
    with open(path, encoding="utf-8") as file:
        for run in map(json.loads, file):
            series.setdefault((run["job"], "iops"), []).append(-math.log(run["iops"]))
            series.setdefault((run["job"], "CPU"), []).append(math.log(run["cpu"]))
    return series


def pairs(series):
    """The log-ratios of rounds, from a recording of one build."""
    return [paired((a, d), (b, c)) for a, b, c, d in zip(*(series[i::4] for i in range(4)))]


def replay(differences):
    """The verdicts of consecutive comparisons; a last one that runs out of rounds is left out."""
    rest = iter(differences)
    verdicts = []
    try:
        while True:
            verdicts.append(until_decided(rest)[0])
    except StopIteration:
        return verdicts


def ranks_differ(old, new):
    """Whether new costs more by the one-sided Mann-Whitney test, normal approximation."""
    above = sum((n > o) + (n == o) / 2 for o in old for n in new)
    mean, spread = len(old) * len(new) / 2, math.sqrt(len(old) * len(new) * (len(old) + len(new) + 1) / 12)
    return 1 - statistics.NormalDist().cdf((above - mean) / spread) < REJECTED_P


def single_run(series):
    """The alarms of a rule that compares each run with the one before."""
    return [new - old > math.log1p(REJECTED_LIMIT) for old, new in zip(series, series[1:])]


def stored_baseline(series):
    """The alarms of a rule that compares each batch with an earlier one."""
    batches = [series[at : at + BATCH] for at in range(0, len(series) - BATCH + 1, BATCH)]
    return [ranks_differ(old, new) for at, old in enumerate(batches) for new in batches[at + 1 :]]


class Proof:
    """Prints the claims, and counts those that do not hold."""

    def __init__(self, say=print):
        self.say = say
        self.failed = 0

    def claim(self, holds, text):
        self.failed += not holds
        self.say(f"{'ok    ' if holds else 'FAILED'} {text}")

    def holds(self):
        self.say(f"{self.failed} of the claims do not hold." if self.failed else "The gate holds.")
        return not self.failed


def prove_simulated(proof, trials, seed):
    alarms, found = most_alarms(trials), least_found(trials)
    proof.say(
        f"Simulated: {trials} comparisons per line, noise of {NOISE:.0%} per round, seed {seed}. At most {alarms} false alarms show a rate "
        f"below {FALSE_ALARMS:.0%}, at least {found} slowdowns found show one above {FOUND:.0%}, with {CONFIDENCE:.0%} confidence."
    )
    for slower in (0.0, SLOWER):
        for regime in REGIMES:
            verdicts, mean = operate(regime, slower, trials, seed)
            hits = verdicts[gate.REGRESSION]
            holds, bound = (hits >= found, f"at least {found}") if slower else (hits <= alarms, f"at most {alarms}")
            others = ", ".join(f"{verdicts[name]} {name}" for name in (gate.PASS, gate.INCONCLUSIVE, gate.IMPROVED))
            what = f"{regime.__name__.replace('_', '-')}, {f'{slower:.0%} slower' if slower else 'the same build'}"
            proof.claim(holds, f"{what}: {hits} REGRESSION ({bound}), {others}, {mean:.0f} rounds on average")


def prove_recorded(proof, path=RECORDED):
    everything = recorded(path)
    proof.say(f"Recorded: one build on a busy machine, {', '.join(f'{job} {figure}' for job, figure in everything)}.")
    verdicts = [verdict for series in everything.values() for verdict in replay(pairs(series))]
    windows = [
        gate.time(differences[at : at + 2 * gate.LOOKS[-1]]).verdict
        for differences in map(pairs, everything.values())
        for at in range(len(differences) - gate.LOOKS[-1])
    ]
    for name, found in (("separate comparisons", verdicts), ("overlapping comparisons", windows)):
        alarms = found.count(gate.REGRESSION)
        proof.claim(found and not alarms, f"{alarms} false alarms in {len(found)} {name}, {found.count(gate.INCONCLUSIVE)} INCONCLUSIVE")
    for rule, name in ((single_run, "a single run, 5 %"), (stored_baseline, "a stored baseline, rank test at 1 %")):
        raised = [alarm for series in everything.values() for alarm in rule(series)]
        rate = sum(raised) / len(raised)
        proof.claim(rate > 0.05, f"a rule that is not used raises false alarms: {name}: {rate:.1%} of {len(raised)} comparisons")


def counted(path=COUNTED):
    """{cell: [(old, new)]}, host instructions per I/O in each boot."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for run in map(json.loads, file):
            found.setdefault(run["cell"], {}).setdefault(run["boot"], {}).setdefault(run["build"], []).append(run["host"])
    return {cell: [tuple(statistics.fmean(builds[name]) for name in (cells.OLD, cells.NEW)) for builds in boots.values()]
            for cell, boots in found.items()}  # fmt: skip


def prove_counted(proof, path=COUNTED):
    """Judge every choice of three recorded boots, or of all where there are fewer."""
    proof.say(f"Recorded: one engine as OLD and NEW, counted by function; the limit is {gate.LIMIT_COUNT} instructions.")
    for cell, pairs in counted(path).items():
        chosen = list(itertools.combinations(pairs, min(gate.BOOTS, len(pairs))))
        largest = max(abs(new - old) for old, new in pairs)
        same, slower = (
            [gate.instructions([(old, new + more) for old, new in each], len(each), most=gate.LIMIT_COUNT).verdict for each in chosen]
            for more in (0, INJECTED_COUNT)
        )
        passed, found = same.count(gate.PASS), slower.count(gate.REGRESSION)
        proof.claim(
            passed == found == len(chosen),
            f"{cell}: differs by {largest:.1f} at most in {report.number_of(len(pairs), 'boot')}; PASS in {passed} of {len(chosen)} "
            f"comparisons, REGRESSION in {found} of {len(chosen)} with {INJECTED_COUNT} more instructions",
        )


def run(quick=False, seed=1, say=print):
    """Whether the gate keeps its promises."""
    proof = Proof(say)
    trials = QUICK_TRIALS if quick else TRIALS
    prove_simulated(proof, trials, seed)
    prove_recorded(proof)
    prove_counted(proof)
    return proof.holds()


LIVE = "randread-4k-qd32 pi/indirect"
BOOTS = 3 * gate.BOOTS
# extra instructions per I/O: about 0.5, 1, 2 and 3 % of all that LIVE takes, the emulated drive's included
INJECTED = (98, 196, 392, 588)
# a measured change may differ from the injected one by this share
EXACT = 0.001
TITLE = "How often the instruction gate finds a known slowdown, and raises a false alarm"


def comparisons(records):
    """{instructions injected: [verdicts.Line]}, a line for every gate.BOOTS boots; no boot is in two of them."""
    boots = {}
    for run in (record for record in records if record["kind"] == "run"):
        boots.setdefault(run["session"], []).append(run)
    every = list(boots.values())
    found = {}
    for at in range(0, len(every) - gate.BOOTS + 1, gate.BOOTS):
        chosen = every[at : at + gate.BOOTS]
        for build in {run["build"] for runs in chosen for run in runs} - {cells.OLD}:
            if not build.isdecimal():
                raise Failure(f"results: '{build}' is no number of instructions; an older pi-bench wrote them, run selftest again")
            names = {cells.OLD: cells.OLD, build: cells.NEW}
            pairs = [[{**run, "build": names[run["build"]]} for run in runs if run["build"] in names] for runs in chosen]
            found.setdefault(int(build), []).append(verdicts.by_instructions(LIVE, pairs, 2, limits.Limits()))
    return dict(sorted(found.items()))


def right(line, injected):
    """Whether the gate measured what was injected, and judged it as it should."""
    if line.change is None or abs(line.change - injected / line.old) > EXACT:
        return False
    return line.verdict.verdict == (gate.REGRESSION if injected else gate.PASS)


def make(host, out, records, env, say=print):
    """The Report of selftest --live."""
    rows, wrong = [], 0
    for injected, lines in comparisons(records).items():
        wrong += not all(right(line, injected) for line in lines)
        hits = sum(line.verdict.verdict == gate.REGRESSION for line in lines)
        changes = [line.change for line in lines if line.change is not None] or [math.nan]
        measured = (statistics.median(changes), min(changes), max(changes))
        what = f"{injected} more instructions" if injected else "a copy of it"
        rows.append([what, len(lines), hits, *(f"{value:+.3%}" for value in measured)])
    if not rows:
        verdict = document.Banner("FAILED", f"fewer than the {gate.BOOTS} boots that one comparison needs.")
    elif wrong:
        verdict = document.Banner("FAILED", f"{wrong} of {len(rows)} engines were measured or judged wrong: see the table.")
    else:
        verdict = document.Banner("PASS", "no false alarm, and every slowdown was found.")
    text = (
        f"{LIVE}, {gate.BOOTS} boots per comparison. Each comparison must measure what was injected to within {EXACT:.1%}; "
        "a slower engine must be a REGRESSION, a copy must PASS."
    )
    bars = document.Bars("REGRESSION, of the comparisons", [(what, f"{hits} of {count}", hits) for what, count, hits, *_ in rows])
    table = document.Table(["compared with the engine", "comparisons", "REGRESSION", "measured", "lowest", "highest"], rows)
    status = OK if rows and not wrong else REGRESSED
    return report.Report(TITLE, [verdict, document.Paragraph(text), bars], [table, *report.surroundings(env)], status)
