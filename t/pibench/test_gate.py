# SPDX-License-Identifier: GPL-2.0-only
import itertools
import json
import math
import random
import tempfile
import unittest
import unittest.mock

from pibench import document, gate, selftest, stats
from pibench.errors import Failure


class SignedRanks(unittest.TestCase):
    def test_distribution_is_that_of_every_sign(self):
        for count in range(1, 9):
            sums = [0] * (count * (count + 1) // 2 + 1)
            for signs in itertools.product((0, 1), repeat=count):
                sums[sum(rank for rank, sign in enumerate(signs, 1) if sign)] += 1
            self.assertEqual(stats.signed_ranks(count), sums)

    def test_limits_are_those_of_the_printed_tables(self):
        # largest rank sum that is significant, one-sided: Wilcoxon and Wilcox 1964
        for alpha, table in ((0.05, {5: 0, 6: 2, 7: 3, 8: 5, 9: 8, 10: 10, 12: 17}), (0.005, {8: 0, 9: 1, 10: 3, 12: 7})):
            for count, most in table.items():
                self.assertEqual(stats.cut(count, alpha), most + 1, (alpha, count))
        self.assertIsNone(stats.cut(11, gate.ALPHA))
        self.assertEqual(stats.cut(12, gate.ALPHA), 1)

    def test_estimate_by_hand(self):
        found = stats.shift([1, 2, 3, 4, 10], 0.05)
        # means of pairs: 1 1.5 2 2 2.5 2.5 3 3 3.5 4 5.5 6 6.5 7 10
        self.assertEqual((found.estimate, found.low, found.high), (3, 1, 10))

    def test_too_few_values_have_no_limits(self):
        found = stats.shift([1, 2], 0.05)
        self.assertEqual((found.low, found.high), (-math.inf, math.inf))

    def test_swapping_negates_and_scaling_scales(self):
        rng = random.Random(5)
        for count in (12, 20, 40):
            values = [rng.gauss(0.01, 0.02) for _ in range(count)]
            found = stats.shift(values, gate.ALPHA)
            for factor in (-1, 3):
                other = stats.shift([factor * value for value in values], gate.ALPHA)
                limits = sorted((factor * found.low, factor * found.high))
                for one, two in zip((factor * found.estimate, *limits), (other.estimate, other.low, other.high)):
                    self.assertAlmostEqual(one, two, places=12)


class Instructions(unittest.TestCase):
    def verdict(self, *news, old=20000):
        return gate.instructions([(old, new) for new in news]).verdict

    def test_counted_by_function_a_number_is_the_limit(self):
        def verdict(*news):
            return gate.instructions([(200000, new) for new in news], most=20).verdict

        self.assertEqual(verdict(200000, 200019, 200090), gate.PASS)
        self.assertEqual(verdict(200000, 200020, 200090), gate.REGRESSION)
        self.assertEqual(verdict(199980, 199970, 199975), gate.IMPROVED)
        self.assertEqual(verdict(199981, 199970, 199975), gate.PASS, "not in every boot")
        self.assertEqual(verdict(200100), gate.INCONCLUSIVE)

    def test_the_limit_is_half_a_per_cent_of_the_median(self):
        self.assertEqual(self.verdict(20000, 20010, 20080), gate.PASS)
        self.assertEqual(self.verdict(20100, 20100, 20000), gate.REGRESSION)
        self.assertEqual(self.verdict(20089, 20089, 20089), gate.PASS)
        self.assertEqual(self.verdict(20091, 20091, 20091), gate.REGRESSION, "0.455 is 0.5 to a tenth")
        self.assertEqual(self.verdict(19000, 19000, 19000), gate.IMPROVED)
        self.assertEqual(self.verdict(19000, 19000, 20000), gate.PASS, "not in every boot")
        self.assertEqual(self.verdict(19950, 19950, 19950), gate.PASS)

    def test_and_twenty_instructions(self):
        self.assertEqual(self.verdict(1019, 1019, 1019, old=1000), gate.PASS)
        self.assertEqual(self.verdict(1020, 1020, 1020, old=1000), gate.REGRESSION)

    def test_pass_says_which_limit_it_is_below(self):
        for old, new, limit in ((20000, 20088, "less than 0.5 % more"), (20000, 19950, "less than 0.5 % more"),
                                (1000, 1019, "fewer than 20 instructions more")):  # fmt: skip
            found = gate.instructions([(old, new)] * 3)
            self.assertEqual((found.below, found.why), (limit, f"{new - old:+,} instructions, {limit}"))
        self.assertEqual(gate.instructions([(1000, 1020)] * 3).below, "")
        self.assertEqual(gate.instructions([(1000, 1000)] * 2).below, "")

    def test_one_odd_boot_decides_nothing(self):
        self.assertEqual(self.verdict(20000, 20001, 30000), gate.PASS)
        self.assertEqual(self.verdict(20200, 20201, 10000), gate.REGRESSION)

    def test_too_few_boots(self):
        self.assertEqual(self.verdict(30000, 30000), gate.INCONCLUSIVE)
        self.assertEqual(self.verdict(), gate.INCONCLUSIVE)


class Time(unittest.TestCase):
    def test_clear_cases_end_at_the_first_look(self):
        same, slower = [0.001, -0.001] * 60, [0.03, 0.031] * 60
        self.assertEqual((gate.time(same).verdict, gate.time(same).count), (gate.PASS, 12))
        self.assertEqual(gate.time(slower).verdict, gate.REGRESSION)
        self.assertFalse(gate.wants(same[:12]))
        self.assertTrue(gate.wants(same[:11]))
        self.assertTrue(gate.wants(slower[:12]), "it must show again")
        self.assertFalse(gate.wants(slower[:24]))

    def test_pass_says_which_limit_it_is_below(self):
        found = gate.time([0.005, 0.0049] * 6)
        self.assertEqual((found.verdict, found.below, found.why), (gate.PASS, "less than 2 % more", "less than 2 % more after 12 rounds"))
        self.assertEqual([gate.time(values).below for values in ([0.03, 0.031] * 60, [0.1, -0.09] * 40)], ["", ""])

    def test_a_burst_that_does_not_come_again_is_no_regression(self):
        burst = [0.05] * 12 + [0.0005, -0.0005] * 20
        self.assertEqual(gate.time(burst).verdict, gate.INCONCLUSIVE)
        self.assertIn("not again", gate.time(burst).why)

    def test_between_one_and_two_per_cent_is_left_open(self):
        self.assertEqual(gate.time([0.008] * 12 + [0.03, -0.02] * 40).verdict, gate.PASS)
        wide = [0.1, -0.09] * 40
        self.assertEqual((gate.time(wide).verdict, gate.time(wide).count), (gate.INCONCLUSIVE, 40))
        self.assertFalse(gate.wants(wide[:40]))

    def test_too_few_rounds(self):
        for count in (0, 1, 11):
            self.assertEqual(gate.time([0.5] * count).verdict, gate.INCONCLUSIVE)

    def test_faster_passes(self):
        self.assertEqual(gate.time([-0.05, -0.051] * 20).verdict, gate.IMPROVED)
        self.assertEqual(gate.time([-0.005, -0.0051] * 20).verdict, gate.PASS)

    def test_overall(self):
        self.assertEqual(gate.overall([gate.PASS, gate.INCONCLUSIVE, gate.REGRESSION]), gate.REGRESSION)
        self.assertEqual(gate.overall([gate.PASS, gate.INCONCLUSIVE]), gate.INCONCLUSIVE)
        self.assertEqual(gate.overall([gate.PASS]), gate.PASS)
        self.assertEqual(gate.overall([]), gate.INCONCLUSIVE)


class Proofs(unittest.TestCase):
    """The selftest passes, and fails when the gate is broken."""

    def proved(self, more):
        """What is said of three boots, the new build's runs so many instructions longer."""
        with tempfile.NamedTemporaryFile("w") as file:
            for boot, (build, longer) in itertools.product((1, 2, 3), (("old", 0), ("new", more), ("new", more), ("old", 0))):
                print(json.dumps({"boot": boot, "cell": "x", "build": build, "host": 14000 + boot + longer}), file=file, flush=True)
            said = []
            proof = selftest.Proof(said.append)
            selftest.prove_counted(proof, file.name)
            return proof.failed, said[-1]

    def test_what_was_counted_in_several_boots_must_agree(self):
        self.assertEqual(self.proved(1), (0, "ok     x: differs by 1.0 at most in 3 boots; PASS in 1 of 1 comparisons, REGRESSION in "
                                             "1 of 1 with 25 more instructions"))  # fmt: skip
        for more in (21, -8):
            self.assertEqual(self.proved(more)[0], 1, more)

    def failures(self, prove, *arguments):
        said = []
        proof = selftest.Proof(said.append)
        prove(proof, *arguments)
        return proof.failed, said

    def test_bounds(self):
        self.assertEqual((selftest.most_alarms(1000), selftest.least_found(1000)), (4, 962))
        self.assertEqual(selftest.most_alarms(100), -1, "too few to show anything")

    def test_it_holds(self):
        said = []
        self.assertTrue(selftest.run(quick=True, seed=1, say=said.append), "\n".join(said))
        for name in ("normal", "heavy-tailed", "bimodal", "autocorrelated", "drifting", "bursty"):
            self.assertEqual(sum(name in line for line in said), 2, name)
        self.assertEqual(said[-1], "The gate holds.")

    def test_a_lax_rule_is_found_out(self):
        lax = unittest.mock.patch.multiple(gate, ALPHA=0.2, ALPHA_AGAIN=0.5, MARGIN=0.0)
        with lax, unittest.mock.patch.object(selftest, "REGIMES", (selftest.normal, selftest.bursty)):
            failed, said = self.failures(selftest.prove_simulated, 300, 1)
            self.assertGreaterEqual(failed, 2, said)
            failed, said = self.failures(selftest.prove_recorded)
            self.assertEqual(failed, 2, said)

    def test_a_blind_rule_is_found_out(self):
        with unittest.mock.patch.object(gate, "MARGIN", 0.03), unittest.mock.patch.object(selftest, "REGIMES", (selftest.normal,)):
            failed, said = self.failures(selftest.prove_simulated, 300, 1)
        self.assertEqual(failed, 1, said)

    def test_a_rule_without_confirmation_is_louder(self):
        trials = {}
        for name, again in (("with", gate.ALPHA_AGAIN), ("without", None)):
            rule = gate.look if again else lambda differences, alpha: (gate.REGRESSION, stats.shift([0.1] * 12, 0.1), 12)
            with unittest.mock.patch.object(gate, "look", rule):
                trials[name] = selftest.operate(selftest.bursty, 0.0, 20, 1)[0][gate.REGRESSION]
        self.assertEqual(trials["with"], 0)
        self.assertGreater(trials["without"], 0)

    def test_the_reversed_sign_is_found_out(self):
        with unittest.mock.patch.object(selftest, "paired", lambda old, new: sum(old) / 2 - sum(new) / 2):
            series = {("x", "y"): [0.0, 0.05, 0.05, 0.0] * 80}
            self.assertEqual(selftest.replay(selftest.pairs(series["x", "y"]))[0], gate.IMPROVED)
        self.assertEqual(selftest.replay(selftest.pairs(series["x", "y"]))[0], gate.REGRESSION)

    def test_a_recording_without_noise_makes_the_rejected_rules_look_good_and_that_is_said(self):
        rng = random.Random(1)
        calm = {("calm", "iops"): [rng.gauss(0, 0.001) for _ in range(400)]}
        with unittest.mock.patch.object(selftest, "recorded", lambda path: calm):
            failed, said = self.failures(selftest.prove_recorded)
        self.assertEqual(failed, 2, said)

    def test_regimes_scatter_as_said(self):
        for regime in selftest.REGIMES:
            rng = random.Random(11)
            unit = selftest.scale(regime)
            found = []
            for _ in range(200):
                one = selftest.rounds((value * unit for value in regime(rng)), 0, rng)
                found += [next(one) for _ in range(20)]
            self.assertAlmostEqual(selftest.statistics.pstdev(found), selftest.NOISE, delta=0.004, msg=regime.__name__)


class Live(unittest.TestCase):
    """What selftest --live says of its boots."""

    def records(self, boots=7, slower=((100, 100), (0, 0)), noise=0.0001):
        """Runs of the engine, which takes 20,000 instructions, and of (what is injected, what it really adds)."""
        rng = random.Random(3)
        for boot in range(1, boots + 1):
            for number in (0, 1):
                for build, more in (("old", 0), *slower):
                    for _ in range(2):
                        cost = (20000 + more) * rng.gauss(1, noise) * (100 if number == 0 else 1)
                        yield {"kind": "run", "session": f"boot{boot}", "round": number, "build": str(build), "reference": "",
                               "window_ns": 10 * cost, "counted": 10}  # fmt: skip

    def test_each_boot_is_in_one_comparison(self):
        found = selftest.comparisons(self.records())
        self.assertEqual({injected: len(lines) for injected, lines in found.items()}, {0: 2, 100: 2})
        self.assertEqual({line.verdict.verdict for line in found[100]}, {gate.REGRESSION})
        self.assertEqual({line.verdict.verdict for line in found[0]}, {gate.PASS})
        for line in found[100]:
            self.assertAlmostEqual(line.change, 0.005, places=3)

    def test_results_of_an_older_pi_bench_are_refused(self):
        with self.assertRaisesRegex(Failure, "'0.5%' is no number of instructions; an older pi-bench wrote them"):
            selftest.comparisons(self.records(slower=[("0.5%", 100)]))

    def report(self, **more):
        made = selftest.make(None, ".", list(self.records(**more)), {})
        document.markdown(made.body)
        return made.status, document.terminal(made.head)

    def test_it_says_what_was_found(self):
        status, shown = self.report(boots=10)
        self.assertEqual(status, 0)
        self.assertTrue(shown.startswith("PASS: no false alarm"), shown)
        self.assertRegex(shown, r"a copy of it +0 of 3\n +100 more instructions +3 of 3 +█")

    def test_what_is_missed_and_a_false_alarm_are_no_success(self):
        for slower in ((0, 200), (20, 20), (100, 0)):
            status, shown = self.report(slower=[slower])
            self.assertEqual((status, shown[:7]), (1, "FAILED:"))
        self.assertEqual(self.report(boots=2)[0], 1)

    def test_a_change_measured_wrong_is_no_success(self):
        for added, status in ((105, 0), (130, 1)):
            self.assertEqual(self.report(slower=[(100, added)])[0], status)

    def test_an_engine_that_was_not_measured_is_no_success(self):
        kept = [run for run in self.records() if run["build"] != "0" or run["session"] in ("boot1", "boot2")]
        for found in (kept, [run for run in kept if run["build"] != "old"]):
            self.assertEqual(selftest.make(None, ".", found, {}).status, 1)
