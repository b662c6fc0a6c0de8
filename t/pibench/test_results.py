# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import fcntl
import io
import json
import os
import pathlib
import struct
import tempfile
import termios
import unittest

from pibench import results, stats
from pibench.errors import Failure
from pibench.progress import Progress


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name)
        self.path = self.out / results.NAME

    def test_one_line_a_record(self):
        for number in range(3):
            results.append(self.path, {"round": number})
        lines = self.path.read_text().splitlines()
        self.assertEqual([json.loads(line) for line in lines], [{"schema": 1, "round": n} for n in range(3)])
        self.assertEqual(len(results.load(self.out)), 3)

    def test_a_line_cut_short_costs_that_line_only(self):
        results.append(self.path, {"round": 0})
        with open(self.path, "a") as file:
            file.write('{"schema": 1, "rou')
        self.assertEqual([r["round"] for r in results.load(self.out)], [0])

    def test_other_schema(self):
        self.path.write_text('{"schema": 99}\n')
        with self.assertRaisesRegex(Failure, "schema 99"):
            results.load(self.out)

    def test_nothing_there(self):
        with self.assertRaisesRegex(Failure, "pi-bench run"):
            results.load(self.out)
        self.path.write_text("")
        with self.assertRaisesRegex(Failure, "no results"):
            results.load(self.out)

    def test_full_disk_is_said(self):
        with self.assertRaisesRegex(Failure, "/dev/full: No space left"):
            results.append("/dev/full", {})


class Statistics(unittest.TestCase):
    def test_median_and_spread(self):
        summary = stats.summarise([110, 100, 98])
        self.assertEqual((summary.count, summary.median), (3, 100))
        self.assertAlmostEqual(summary.spread[0], -0.02)
        self.assertAlmostEqual(summary.spread[1], 0.10)

    def test_nothing(self):
        self.assertIsNone(stats.summarise([]))


class ProgressLine(unittest.TestCase):
    def test_the_slower_session_sets_the_time_left(self):
        now = [0.0]
        stream = io.StringIO()
        progress = Progress({"a": [30, 30], "b": [30, 30, 60]}, stream, lambda: now[0])
        now[0] = 60
        progress.step("a", "first")
        # 30 s of the plan took 60, of which the plan is believed for as many
        self.assertIn("[1/5] 1:00 elapsed, 2:40 left: first", stream.getvalue())
        progress.step("b", "second")
        self.assertEqual(progress.left(), 120)
        for _ in range(2):
            progress.step("b", "more")
        progress.step("a", "last")
        self.assertIn("[5/5] 1:00 elapsed, 0:00 left: last", stream.getvalue())

    def test_sessions_that_wait_for_others(self):
        beside = (({}, 30), ({"at_once": 2}, 60), ({"at_once": 3}, 40))
        for how, seconds in (*beside, ({"at_once": 2, "alone": "a"}, 75), ({"alone": "abcd"}, 120)):
            with self.subTest(how=how):
                now = [0.0]
                progress = Progress(dict.fromkeys("abcd", [15, 15]), io.StringIO(), lambda: now[0], **how)
                self.assertEqual(progress.left(), seconds)

    def test_of_many_two_at_once(self):
        now = [0.0]
        progress = Progress({n: [10, 10] for n in range(120)}, io.StringIO(), lambda: now[0], at_once=2)
        for n in range(0, 120, 2):
            for _ in range(2):
                now[0] += 20
                progress.step(n, "x")
                progress.step(n + 1, "x")
            self.assertAlmostEqual(progress.left(), (118 - n) / 2 * 40, delta=0.5 * (118 - n) / 2 * 40)
        self.assertEqual(progress.left(), 0)

    def test_a_line_does_not_wrap(self):
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 40, 0, 0))
        with open(theirs, "w") as stream:
            progress = Progress({"a": [1, 1]}, stream)
            progress.step("a", "long " * 20)
            progress.step("a", "short")
        # a terminal hands on what was written when it likes; an error is its end
        text = ""
        with contextlib.suppress(OSError):
            while part := os.read(ours, 4096):
                text += part.decode()
        os.close(ours)
        lines = text.split("\r")[1:]
        self.assertEqual([len(line) for line in lines], [39, 39])
        self.assertIn("left: short", lines[1])

    def test_what_was_measured_outweighs_the_plan(self):
        now = [0.0]
        progress = Progress({"a": [1] * 1000}, io.StringIO(), lambda: now[0])
        self.assertEqual(progress.left(), 1000)
        for _ in range(500):
            now[0] += 10
            progress.step("a", "x")
        self.assertAlmostEqual(progress.left(), 5000, delta=600)
