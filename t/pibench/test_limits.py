# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import io
import pathlib
import tempfile
import unittest
import unittest.mock

import synthetic
from test_report import Bare
from pibench import cells, cli, compare, comparereport, document, gate, limits, results
from pibench.errors import Failure

GATED = cells.load(cells.GATE, ("instructions",), ("indirect",))[:2]


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.path = pathlib.Path(scratch.name, "x.limits")
        self.out = pathlib.Path(scratch.name, "out")

    def load(self, text):
        self.path.write_text(text)
        return limits.load(str(self.path))

    def decided(self, text, slower=0.0, more=None):
        synthetic.compared(self.out, GATED, slower, more=more)
        env = results.load_json(self.out / "env.json")
        results.save_json(self.out / "env.json", {**env, "limits": self.load(text).plain()})
        return compare.of(*results.load_all(self.out))

    def test_ours_are_what_the_gate_is_proved_with(self):
        found = limits.load()
        self.assertEqual((found.fail, found.most), (gate.LIMIT, gate.LIMIT_COUNT))
        self.assertEqual(found.accepted, {})
        self.assertEqual(set(found.shares), set(limits.FIGURES))

    def test_fail(self):
        for text, verdict in (("fail = 3", gate.PASS), ("fail = 1.9", gate.REGRESSION), ("", gate.REGRESSION)):
            found = self.decided(f"[total instructions per I/O]\n{text}\n", 0.02)
            self.assertEqual({line.verdict.verdict for line in found.lines}, {verdict}, text)
            (self.out / results.NAME).unlink()
        self.assertIn("3.0%", comparereport.rule(found.mode, limits.Limits({"total instructions per I/O": {"fail": 0.03}})))

    def test_warn(self):
        found = self.decided("[total instructions per I/O]\nwarn = 0.2\n", 0.003)
        self.assertEqual((found.verdict, found.status(True)), (gate.PASS, 0))
        made = comparereport.make(Bare(), self.out, found, say=lambda line: None)
        shown = " ".join(document.terminal(made.head).split())
        self.assertRegex(shown, r"randread.*: \+0.30%: look into it \(the limit for a warning is \+0.20%\)")
        self.assertEqual([line.partition(" title")[0] for line in comparereport.annotations(found)], ["::warning"] * 2)
        (self.out / results.NAME).unlink()
        self.assertEqual(list(comparereport.annotations(self.decided("[total instructions per I/O]\nwarn = 0.4\n", 0.003))), [])

    def test_counted_by_function_instructions_are_limited(self):
        given = "[host instructions per I/O]\nwarn = 10\nfail = 20\n"
        for more, verdict, warned in ((0, gate.PASS, False), (14, gate.PASS, True), (26, gate.REGRESSION, False),
                                      (-26, gate.IMPROVED, False)):  # fmt: skip
            found = self.decided(given, more=more)
            self.assertEqual({line.verdict.verdict for line in found.lines}, {verdict}, more)
            self.assertEqual([bool(line.verdict.warning) for line in found.lines], [warned] * 2, more)
            self.assertEqual(compare.changed(found, 9) != [], abs(more) > 20)
            (self.out / results.NAME).unlink()
        found = self.decided("[host instructions per I/O]\nfail = 30\n", more=26)
        self.assertEqual(found.verdict, gate.PASS)
        kept_to = limits.Limits({"host instructions per I/O": {"fail": 30}})
        self.assertIn("at least 30 more host instructions", comparereport.rule(found.mode, kept_to, by_function=True))

    def test_what_is_accepted_passes_and_says_why_and_no_more_than_that(self):
        one, other = (cell.name for cell in GATED)
        found = self.decided(f"[accept]\n{one} = +2.1 each block is looked at twice\n{other} = 1.5 so it is\n", 0.02)
        said = {line.cell: (line.verdict.verdict, line.verdict.why.partition("; ")[2]) for line in found.lines}
        self.assertEqual(said, {one: (gate.PASS, "accepted up to +2.10%: each block is looked at twice"), other: (gate.REGRESSION, "")})
        self.assertEqual(found.status(False), 1)

    def test_what_is_wrong_is_said_with_its_place(self):
        for text, why in (
            ("[time per I/O]\nfail = 2\n", "only warn can be chosen"), ("[speed]\nwarn = 1\n", "no such limit"),
            ("[CPU per I/O]\nwarm = 1\n", "no such limit"), ("[CPU per I/O]\nwarn = x\n", "'x' is not a percentage"),
            ("[CPU per I/O]\nwarn = 0\n", "'0' is not a percentage"), ("[accept]\nrandread = 1 x\n", r"\[accept\] randread: not a cell"),
            ("[DEFAULT]\nwarn = 1\n", "no such limit"),
            ("[host instructions per I/O]\nfail = 0.5\n", "not a number of instructions"),
            ("[host instructions per I/O]\nwarn = 10\n  fail = 20\n", "not a number of instructions"),
            (f"[accept]\n{GATED[0].name} = 1.5\n", "not a percentage and a reason"), ("warn = 1", "no section headers"),
        ):  # fmt: skip
            with self.assertRaisesRegex(Failure, why) as refused:
                self.load(text)
            self.assertNotIn("\n", str(refused.exception))
        with self.assertRaisesRegex(Failure, "/nowhere: No such file"):
            limits.load("/nowhere")


class Bisect(unittest.TestCase):
    def status(self, does):
        with unittest.mock.patch.object(cli, "compare_sides", unittest.mock.Mock(side_effect=does)) as asked, \
             contextlib.redirect_stderr(io.StringIO()):  # fmt: skip
            return cli.main(["compare", "a", "b", "--guest", "--bisect"]), asked.call_args.args[1].strict

    def test_each_status_is_one_that_git_bisect_knows(self):
        for does, status in (([0], 0), ([1], 1), ([3], 125), ([4], 1), (Failure("x.so: does not build"), 125)):
            self.assertEqual(self.status(does), (status, True))

    def test_a_wrong_command_is_no_bad_revision(self):
        with contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(cli.main(["compare", "a", "b", "--guest", "--bisect", "--boots", "x"]), 125)
