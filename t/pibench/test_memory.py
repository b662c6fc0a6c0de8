# SPDX-License-Identifier: GPL-2.0-only
"""The modelled memory: which caches are taken, whose the lines are, and what the report says."""

import pathlib
import tempfile
import unittest

import test_explain
from pibench import explain, memory, profile, symbols
from pibench.cli import parser
from pibench.errors import Failure
from test_explain import made

NAMES = [(*name, False) for name in symbols.NAMES] + [
    ("thread_main", "fio", False), ("thunk", "kernel", True), ("queue", "engine", False), ("elsewhere", "kernel", False),
]  # fmt: skip
JOB, THUNK, QUEUE, ELSEWHERE = range(len(symbols.NAMES), len(NAMES))
# the rows from the root on
ROWS = [f"{parent} {function} 0 0" for parent, function in (
    (symbols.ROOT, symbols.ROOT), (symbols.ROOT, symbols.INTERRUPTS), (symbols.ROOT, symbols.THREADS), (symbols.ROOT, symbols.PROGRAMS),
    (symbols.PROGRAMS, JOB), (6, THUNK), (7, QUEUE), (6, QUEUE), (6, ELSEWHERE))]  # fmt: skip


def root():
    found = profile.Node(*symbols.NAMES[symbols.ROOT])
    node = found.child(*symbols.NAMES[symbols.PROGRAMS]).child("thread_main", "fio")
    node.child("queue", "engine").instructions = 10
    profile.settle(found)
    return found


class Caches(unittest.TestCase):
    def test_what_the_plugin_gets(self):
        self.assertEqual(memory.Caches().arguments(), "d1=49152:12:64,i1=32768:8:64,l2=2097152:16:64")
        self.assertEqual(memory.Caches("4096:1:64", "4K:2:64", "64K:8:64").arguments(), "d1=4096:1:64,i1=4096:2:64,l2=65536:8:64")

    def test_what_is_no_cache(self):
        for text in ("", "48K", "48K:12", "48K:12:64:1", "48k:12:64", "48K:0:64", "48K:10:64", "48K:16:64", "48K:12:63", "1:1:64"):
            with self.assertRaisesRegex(Failure, "--d1 .*48K:12:64"):
                memory.Caches(d1=text).arguments()
        with self.assertRaisesRegex(Failure, "different sizes"):
            memory.Caches(d1="48K:12:32", l2="2M:16:64").arguments()


class Figures(unittest.TestCase):
    def test_difference_of_two_files(self):
        with tempfile.TemporaryDirectory() as place:
            path = pathlib.Path(place, "cache.1")
            path.write_text("6 1 2 3 4 5\n9 1 1 1 1 1\n")
            found = memory.read(path)
        self.assertEqual(memory.difference(found, {6: [2, 4, 6, 8, 10], 9: [1] * 5, 12: [5, 0, 0, 0, 1]}),
                         {6: [1, 2, 3, 4, 5], 9: [0] * 5, 12: [5, 0, 0, 0, 1]})  # fmt: skip

    def test_by_function_and_room(self):
        figures = {6: [1, 0, 0, 0, 0], 7: [2, 0, 0, 0, 0], 8: [4, 1, 0, 0, 0], 9: [8, 0, 3, 0, 0], 10: [16, 0, 0, 0, 9]}
        found = memory.by_function(figures, ROWS, NAMES, root())
        self.assertEqual(found, {
            (profile.FIO, "thread_main", "fio"): [3, 0, 0, 0, 0],
            (profile.ENGINE, "queue", "engine"): [12, 1, 3, 0, 0],
            (profile.OTHERS, "elsewhere", "kernel"): [16, 0, 0, 0, 9],
        })  # fmt: skip
        self.assertEqual(memory.total(found), [31, 1, 3, 0, 9])
        self.assertEqual(memory.total(found, profile.ENGINE), [12, 1, 3, 0, 0])


class Report(unittest.TestCase):
    def report(self, caches):
        shown = [made(), made()]
        for number, each in enumerate(shown):
            each.memory = {(profile.ENGINE, "queue", "engine"): [10.0 + 1.25 * number, 20.0, 1.0, 2.0, -0.01]} if caches else {}
        with tempfile.TemporaryDirectory() as place:
            out = test_explain.write(place, shown, caches=caches)
            return test_explain.report_again(out)[1], (out / "report.md").read_text()

    def test_it_says_that_it_is_modelled(self):
        text, report = self.report(memory.Caches())
        self.assertRegex(text, r"data lines, modelled +10.0 → 11.2  \+1.25 ")
        self.assertRegex(report, r"\| all +\| data lines, modelled +\| +10.0 +\| +11.2 +\| +\+1.2 +\|")
        self.assertIn("Memory, modelled", report)
        self.assertIn("L1D 48K:12:64", report)
        self.assertIn("L2 misses 0.0 to 0.0", report)
        self.assertRegex(report, r"\| queue +\| engine +\| +\+1.25 +\| +\+0.00 ")

    def test_nothing_without_a_model(self):
        for each in self.report(None):
            self.assertNotIn("modelled", each)


class Options(unittest.TestCase):
    def caches(self, *words):
        return explain.caches_of(parser().parse_args(["explain", "none", *words]))

    def test_a_model_is_asked_for(self):
        self.assertIsNone(self.caches())
        self.assertEqual(self.caches("--cache", "--l2", "1M:8:64"), memory.Caches(l2="1M:8:64"))
        with self.assertRaisesRegex(Failure, "--i1: .*add --cache"):
            self.caches("--i1", "32K:8:64")
        with self.assertRaisesRegex(Failure, "--i1 32K"):
            self.caches("--cache", "--i1", "32K")
