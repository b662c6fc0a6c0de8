# SPDX-License-Identifier: GPL-2.0-only
"""Proves the gate: on simulated noise, on recorded runs of one build against itself, and live on injected slowdowns."""

import functools
import itertools
import json
import math
import random
import statistics

from . import cells, document, fio, gate, metrics, report

RECORDED = fio.REPO / "t" / "pibench" / "aa-runs.jsonl"
# of one engine as OLD and NEW in several boots: what each run took by function, the host's, the drive's and the rest
COUNTED = fio.REPO / "t" / "pibench" / "aa-instructions.jsonl"
# instructions more that must be found
INJECTED_COUNT = 25
TRIALS, QUICK_TRIALS = 1000, 300
FALSE_ALARMS, FOUND, CONFIDENCE = 0.01, 0.95, 0.95
NOISE = 0.02
SLOWER = 0.02
# as in the rules people use: more than 5 %, or a rank test at 1 %
REJECTED_LIMIT, REJECTED_P, BATCH = 0.05, 0.01, 20


def binomial(trials, chance, most):
    """The chance of at most so many."""
    return sum(math.comb(trials, n) * chance**n * (1 - chance) ** (trials - n) for n in range(most + 1))


def most_alarms(trials):
    """So few, or fewer, show with confidence that the rate is below FALSE_ALARMS; -1: the trials are too few."""
    most = -1
    while binomial(trials, FALSE_ALARMS, most + 1) <= 1 - CONFIDENCE:
        most += 1
    return most


def least_found(trials):
    """So many, or more, show with confidence that the rate is above FOUND."""
    missed = -1
    while binomial(trials, 1 - FOUND, missed + 1) <= 1 - CONFIDENCE:
        missed += 1
    return trials - missed


# log of the cost of one run after another, in units that are scaled afterwards


def normal(rng):
    while True:
        yield rng.gauss(0, 1)


def heavy_tailed(rng):
    """Student's t with 4 degrees of freedom, and three runs in a hundred far off."""
    while True:
        value = rng.gauss(0, 1) / math.sqrt(rng.gammavariate(2, 2) / 4)
        yield value + (rng.choice((-6, 6)) if rng.random() < 0.03 else 0)


def bimodal(rng):
    """A run is fast or slow, as where its memory happens to lie."""
    while True:
        yield rng.gauss(0, 1) + (6 if rng.random() < 0.3 else 0)


def autocorrelated(rng):
    value = 0
    while True:
        value = 0.6 * value + rng.gauss(0, 0.8)
        yield value


def drifting(rng):
    """Every run a little slower than the one before: 20 % of the noise."""
    value = rng.uniform(-0.2, 0.2)
    for number in range(1 << 30):
        yield rng.gauss(0, 1) + value * number


def bursty(rng):
    """Now and then a neighbour takes the machine for a while."""
    left = 0
    while True:
        left = left - 1 if left else rng.randrange(4, 40) * (rng.random() < 0.02)
        yield abs(rng.gauss(8, 4)) if left else rng.gauss(0, 1)


REGIMES = (normal, heavy_tailed, bimodal, autocorrelated, drifting, bursty)


def paired(old, new):
    """What a round adds: two runs of each."""
    return statistics.fmean(new) - statistics.fmean(old)


def rounds(costs, slower, rng):
    """Log-ratios of rounds, each old-new-new-old or the other way round."""
    while True:
        outer, first, second, last = (next(costs) for _ in range(4))
        inner = (first, second)
        swapped = rng.random() < 0.5
        yield (paired(inner, (outer, last)) if swapped else paired((outer, last), inner)) + slower


@functools.cache
def scale(regime):
    """What makes a regime's rounds scatter by NOISE."""
    rng = random.Random(0)
    sample = [next(one) for one in (rounds(regime(rng), 0, rng) for _ in range(200)) for _ in range(20)]
    return NOISE / statistics.pstdev(sample)


def until_decided(differences):
    """The verdict, after as many rounds as the gate asks for, and those."""
    seen = []
    while gate.wants(seen):
        seen.append(next(differences))
    return gate.time(seen).verdict, seen


def operate(regime, slower, trials, seed):
    """{verdict: how often} of a change that is there, or not, in noise of a kind; and the mean number of rounds."""
    rng = random.Random(f"{seed} {regime.__name__} {slower}")
    verdicts = dict.fromkeys((gate.PASS, gate.REGRESSION, gate.INCONCLUSIVE, gate.IMPROVED), 0)
    used = 0
    for _ in range(trials):
        unit = scale(regime)
        costs = (value * unit for value in regime(rng))
        verdict, seen = until_decided(rounds(costs, math.log1p(slower), rng))
        verdicts[verdict] += 1
        used += len(seen)
    return verdicts, used / trials


def recorded(path=RECORDED):
    """{(job, figure): log of the cost of each run, in the order they were made}"""
    series = {}
    with open(path, encoding="utf-8") as file:
        for run in map(json.loads, file):
            series.setdefault((run["job"], "iops"), []).append(-math.log(run["iops"]))
            series.setdefault((run["job"], "CPU"), []).append(math.log(run["cpu"]))
    return series


def pairs(series):
    """Log-ratios of the rounds that a recording of one build holds."""
    return [paired((a, d), (b, c)) for a, b, c, d in zip(*(series[i::4] for i in range(4)))]


def replay(differences):
    """Verdicts of one comparison after another, each on rounds of its own; what is left at the end decides nothing."""
    rest = iter(differences)
    verdicts = []
    try:
        while True:
            verdicts.append(until_decided(rest)[0])
    except StopIteration:
        return verdicts


def ranks_differ(old, new):
    """Mann and Whitney's test, normal approximation, one-sided: the new ones cost more."""
    above = sum((n > o) + (n == o) / 2 for o in old for n in new)
    mean, spread = len(old) * len(new) / 2, math.sqrt(len(old) * len(new) * (len(old) + len(new) + 1) / 12)
    return 1 - statistics.NormalDist().cdf((above - mean) / spread) < REJECTED_P


def single_run(series):
    """Alarms of the rule that compares one run with the one before."""
    return [new - old > math.log1p(REJECTED_LIMIT) for old, new in zip(series, series[1:])]


def stored_baseline(series):
    """Alarms of the rule that compares batches with one from before."""
    batches = [series[at : at + BATCH] for at in range(0, len(series) - BATCH + 1, BATCH)]
    return [ranks_differ(old, new) for at, old in enumerate(batches) for new in batches[at + 1 :]]


class Proof:
    """Says what holds and what does not."""

    def __init__(self, say=print):
        self.say = say
        self.failed = 0

    def claim(self, holds, text):
        self.failed += not holds
        self.say(f"{'ok    ' if holds else 'FAILED'} {text}")

    def holds(self):
        self.say("The gate holds." if not self.failed else f"{self.failed} of the claims do not hold.")
        return not self.failed


def prove_simulated(proof, trials, seed):
    alarms, found = most_alarms(trials), least_found(trials)
    proof.say(
        f"Simulated, {trials} trials each, noise of {NOISE:.0%} in a round, seed {seed}. At most {alarms} alarms show a rate "
        f"below {FALSE_ALARMS:.0%}, at least {found} finds one above {FOUND:.0%}, each with {CONFIDENCE:.0%} confidence."
    )
    for slower, bound in ((0.0, f"at most {alarms} alarms"), (SLOWER, f"at least {found} found")):
        for regime in REGIMES:
            verdicts, mean = operate(regime, slower, trials, seed)
            hits = verdicts[gate.REGRESSION]
            name = regime.__name__.replace("_", "-")
            what = f"{slower:.0%} slower" if slower else "the same build"
            proof.claim(
                hits >= found if slower else hits <= alarms,
                f"{name}, {what}: {hits} REGRESSION ({bound}), {verdicts[gate.PASS]} PASS, "
                f"{verdicts[gate.INCONCLUSIVE]} INCONCLUSIVE, {verdicts[gate.IMPROVED]} IMPROVED, {mean:.0f} rounds on average",
            )


def prove_recorded(proof, path=RECORDED):
    everything = recorded(path)
    proof.say(f"Recorded, one build on a busy machine: {', '.join(f'{job} {figure}' for job, figure in everything)}.")
    verdicts = [verdict for series in everything.values() for verdict in replay(pairs(series))]
    windows = [
        gate.time(differences[at : at + 2 * gate.LOOKS[-1]]).verdict
        for differences in map(pairs, everything.values())
        for at in range(len(differences) - gate.LOOKS[-1])
    ]
    for name, found in (("comparisons without a round in common", verdicts), ("overlapping ones", windows)):
        alarms = found.count(gate.REGRESSION)
        proof.claim(found and not alarms, f"{alarms} alarms in {len(found)} {name}, {found.count(gate.INCONCLUSIVE)} INCONCLUSIVE")
    for rule, name in ((single_run, "a single run, 5 %"), (stored_baseline, "a stored baseline, rank test at 1 %")):
        raised = [alarm for series in everything.values() for alarm in rule(series)]
        rate = sum(raised) / len(raised)
        proof.claim(rate > 0.05, f"the rejected rule cries wolf: {name}: {rate:.1%} of {len(raised)} comparisons")


def counted(path=COUNTED):
    """{cell: [(old, new) of each boot]}, in host instructions."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for run in map(json.loads, file):
            found.setdefault(run["cell"], {}).setdefault(run["boot"], {}).setdefault(run["build"], []).append(run["host"])
    return {cell: [tuple(statistics.fmean(builds[name]) for name in (cells.OLD, cells.NEW)) for builds in boots.values()]
            for cell, boots in found.items()}  # fmt: skip


def prove_counted(proof, path=COUNTED):
    """Every comparison of the recorded boots, three each, or all there are."""
    proof.say(f"Recorded, one engine as OLD and NEW, counted by function; the limit is {gate.LIMIT_COUNT} instructions.")

    def verdict(chosen, more):
        return gate.instructions([(old, new + more) for old, new in chosen], least=len(chosen), most=gate.LIMIT_COUNT).verdict

    for cell, pairs in counted(path).items():
        chosen = list(itertools.combinations(pairs, min(gate.BOOTS, len(pairs))))
        largest = max(abs(new - old) for old, new in pairs)
        alike, longer = ([verdict(each, more) for each in chosen] for more in (0, INJECTED_COUNT))
        proof.claim(
            set(alike) == {gate.PASS} and set(longer) == {gate.REGRESSION},
            f"{cell}: {largest:.1f} apart at most in {len(pairs)} boots; of {len(chosen)} comparisons {alike.count(gate.PASS)} PASS, and "
            f"{longer.count(gate.REGRESSION)} REGRESSION with {INJECTED_COUNT} instructions more",
        )


def prove_symmetry(proof, trials, seed):
    """Swapped sides negate the result, whatever the noise; a scaled cost changes nothing."""
    rng = random.Random(seed)
    wrong = 0
    for _ in range(trials):
        differences = [rng.gauss(0.01, 0.02) for _ in range(rng.choice(gate.LOOKS))]
        one = gate.stats.shift(differences, gate.ALPHA)
        other = gate.stats.shift([-difference for difference in differences], gate.ALPHA)
        same = (-other.estimate, -other.high, -other.low)
        wrong += not all(math.isclose(a, b, abs_tol=1e-15) for a, b in zip((one.estimate, one.low, one.high), same))
    proof.claim(not wrong, f"swapped sides negate the estimate and its limits: {trials} of {trials}" if not wrong else
                f"swapped sides do not negate the result: {wrong} of {trials}")  # fmt: skip


def run(quick=False, seed=1, say=print):
    """Whether the gate does what it promises."""
    proof = Proof(say)
    trials = QUICK_TRIALS if quick else TRIALS
    prove_simulated(proof, trials, seed)
    prove_symmetry(proof, trials, seed)
    prove_recorded(proof)
    prove_counted(proof)
    return proof.holds()


INJECTED = (0.005, 0.01, 0.02, 0.05)
EXACT = 0.001
LIVE = "randread-4k-qd32 pi/indirect"
# about what that takes, of which the shares are
TAKES = 19575


def live(compare, slow_down, say=print):
    """Whether the gate for instructions finds what is there, in real guests.

    compare(engine or None, words): the Comparison of the engine at hand with another, or with itself; slow_down(n): an
    engine that wastes n instructions on each I/O.
    """
    proof = Proof(say)
    alike = compare(None, None)
    for line in alike.lines:
        text = f"the same build: {line.cell}: {line.verdict.verdict}, {line.verdict.why}"
        proof.claim(line.verdict.verdict == gate.PASS, f"{text}, {line.change:+.3%}" if line.change is not None else text)
    total = next((line.old for line in alike.lines if line.cell == LIVE), None)
    if not total:
        proof.claim(False, f"{LIVE} was not measured")
        return False
    for part in INJECTED:
        count = math.ceil(total * part)
        found = compare(slow_down(count), LIVE).lines
        change = found[0].change if found else None
        if change is None:
            proof.claim(False, f"{part:.1%} injected: not measured")
            continue
        true = count / found[0].old
        proof.claim(
            found[0].verdict.verdict == gate.REGRESSION and abs(change - true) <= EXACT,
            f"{count} instructions injected, {true:.3%}: measured {change:.3%}, {found[0].verdict.verdict}",
        )
    return proof.holds()


# slowdowns whose detection is counted in many boots: beside the engine in each, and beside a copy of it
SHARES, SAME = (0.005, 0.01, 0.02, 0.03), "same"
TITLE = "How often the instruction gate finds what is there, and what is not"


def taken(records):
    """{boot: {build: instructions per I/O of LIVE}}"""
    runs = [record for record in records if record["kind"] == "run" and record["round"] != cells.WARM_UP]
    metric = metrics.counted(runs)
    found = {}
    for run in runs:
        found.setdefault(run["session"], {}).setdefault(run["build"], []).append(metric.value(run))
    return metric, {boot: {build: statistics.fmean(runs) for build, runs in builds.items()} for boot, builds in found.items()}


def characteristic(records, boots=gate.BOOTS):
    """{build: [(verdict, change) of each comparison]}, each comparison on boots of its own."""
    metric, by_boot = taken(records)
    most = gate.LIMIT_COUNT if metric == metrics.HOST else None
    counts = [builds for _, builds in sorted(by_boot.items(), key=lambda item: int(item[0].removeprefix("boot")))]
    found = {}
    for at in range(0, len(counts) - boots + 1, boots):
        chosen = counts[at : at + boots]
        for build in dict.fromkeys(name for builds in chosen for name in builds if name != cells.OLD):
            pairs = [(builds[cells.OLD], builds[build]) for builds in chosen if build in builds and cells.OLD in builds]
            verdict = gate.instructions(pairs, most=most)
            found.setdefault(build, []).append((verdict.verdict, (verdict.ratio or 1) - 1))
    return found


def make(host, out, records, env, say=print):
    """The Report of many boots."""
    injected = env.get("injected") or {}
    rows, wrong = [], 0
    for build, comparisons in sorted(characteristic(records).items(), key=lambda each: injected.get(each[0], 0)):
        hits = sum(verdict == gate.REGRESSION for verdict, _ in comparisons)
        changes = [change for _, change in comparisons]
        wrong += hits != (0 if build == SAME else len(comparisons))
        share = f", {build} of all" if build.endswith("%") else ""
        what = "a copy of it" if build == SAME else f"{injected.get(build, '?')} instructions more{share}"
        measured = (statistics.median(changes), min(changes), max(changes))
        rows.append([what, str(len(comparisons)), str(hits), *(f"{value:+.3%}" for value in measured)])
    (metric, by_boot), everything = taken(records), ["beside the engine", "comparisons", "REGRESSION", "measured", "lowest", "highest"]
    text = (f"{LIVE}: {len(by_boot)} boots, {gate.BOOTS} a comparison, each boot in one comparison only. Injected are shares of all "
            f"instructions per I/O, those of the emulated drive included; measured is the change in {metric.title}.")  # fmt: skip
    if not rows:
        verdict = document.Banner("FAILED", f"{len(by_boot)} boots: {gate.BOOTS} are needed.")
    elif wrong:
        verdict = document.Banner("FAILED", f"{wrong} of {len(rows)} are not what they should be: see the table.")
    else:
        verdict = document.Banner("PASS", "no alarm for the same build, and every slowdown is found.")
    bars = document.Bars("REGRESSION, of the comparisons", [(row[0], f"{row[2]} of {row[1]}", int(row[2])) for row in rows])
    status = 0 if rows and not wrong else 1
    body = [document.Table(everything, rows), *report.surroundings(env)]
    return report.Report(TITLE, [verdict, document.Paragraph(text), bars], body, status)
