# SPDX-License-Identifier: GPL-2.0-only
"""The history page: what is remembered, where a cell steps, and what the page says of it."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest
import unittest.mock

import synthetic
from pibench import cells, cli, history, metrics, plot, results
from pibench.errors import Failure

READ, WRITE = "randread-4k-qd32 pi/indirect", "randwrite-4k-qd32 pi/indirect"


def entry(commit, metric=metrics.HOST, alike="x", spread=0.0, **taken):
    return {"kind": "history", "session": "scsi_debug", "metric": metric.title, "commit": commit, "date": f"2026-11-{int(commit):02d}",
            "alike": alike, "cells": {{"read": READ, "write": WRITE}[name]: [value, value - spread, value + spread]
                                      for name, value in taken.items()}}  # fmt: skip


def line(*values, **more):
    return [entry(str(number), read=value, **more) for number, value in enumerate(values, 1)]


def put(path):
    """A history of thirty revisions, two cells and some steps."""
    path.parent.mkdir()
    for number in range(1, 31):
        taken = {"read": 10000 + 25 * (number >= 3) + 60 * (number >= 9), "write": 9000 - 40 * (number >= 5)}
        results.append(path, entry(str(number), spread=4, **taken))


class Steps(unittest.TestCase):
    def test_one_is_where_it_is(self):
        self.assertEqual(history.steps(line(1000, 1001, 1030, 1029, 1031), READ), [(2, 1000, 1030)])
        self.assertEqual(history.steps(line(1000, 980, 999, 998), READ), [(1, 1000, 980)], "back again is less than that")

    def test_noise_is_none(self):
        self.assertEqual(history.steps(line(1000, 1019, 981, 1019), READ), [])

    def test_what_creeps_adds_up(self):
        self.assertEqual(history.steps(line(*range(1000, 1060, 5)), READ), [(4, 1000, 1020), (8, 1020, 1040)])

    def test_beyond_what_rounds_differ_by(self):
        for metric, share in ((metrics.TOTAL, 1.006), (metrics.CPU, 1.02)):
            self.assertEqual(len(history.steps(line(10000, 10000 * share, metric=metric, spread=1), READ)), 1)
            self.assertEqual(history.steps(line(10000, 10000 * share, metric=metric, spread=200), READ), [])
        self.assertEqual(history.steps(line(10000, 10060, metric=metrics.CPU, spread=1), READ), [])

    def test_a_cell_that_comes_later(self):
        self.assertEqual(history.steps([entry("1", write=7), *line(1000, 1100)], READ), [(2, 1000, 1100)])

    def test_only_what_was_measured_alike(self):
        found = line(1000, 1001) + line(2000, 2001, alike="another kernel") + line(9, alike="alone")
        self.assertEqual([[each["cells"][READ][0] for each in group] for group in history.alike(found)], [[1000, 1001], [2000, 2001]])


class Pages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.place = pathlib.Path(scratch.name)
        self.file, self.out = self.place / "history.jsonl", self.place / "out"

    def show(self, *paths):
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(io.StringIO()) as said:
            status = cli.main(["history", *map(str, paths), "--out", str(self.out)])
        return status, shown.getvalue() + said.getvalue()

    def remember(self, *found):
        for each in found:
            results.append(self.file, each)

    def test_a_step_is_told_drawn_and_in_the_table(self):
        self.remember(*(entry(str(n), read=10000 + 25 * (n >= 3), write=9000) for n in range(1, 6)))
        for _ in range(2):
            status, text = self.show(self.file)
            self.assertEqual((status, text.splitlines()[0]), (0, f"STEPS: 1 in 5 revisions; the last: {READ}, +25 (+0.25%) in 3."))
            self.assertLessEqual(len(text.splitlines()), 24)
        report = (self.out / "report.md").read_text()
        self.assertRegex(report, rf"\| 3 +\| 2026-11-03 \| {READ} +\| +10,000 \| +10,025 \| \+25 \(\+0.25%\) \|")
        blocks = (self.out / "plots/trend-scsi_debug-0.dat").read_text().split("\n\n\n")
        self.assertEqual([len(block.splitlines()) for block in blocks], [5, 5, 1], "two cells, and where one of them steps")
        self.assertTrue(blocks[-1].startswith("2 100.2"))
        page = (self.out / "index.html").read_text()
        self.assertIn("<svg", page)
        self.assertNotRegex(page, r"<(script|link|img)|url\((?!#)|@import")

    def test_none(self):
        self.remember(*line(10000, 10004, 9998))
        self.assertIn("LEVEL: no cell has a step in 3 revisions.", self.show(self.file)[1])
        self.assertEqual(plot.trend("x", line(1, 1), [READ], {READ: []})[0].variables["series"], [READ])

    def test_one_revision_is_no_history(self):
        self.remember(*line(10000))
        status, text = self.show(self.file)
        self.assertEqual((status, len(text.splitlines())), (2, 1))
        self.assertIn("fewer than two revisions", text)
        self.assertIn("no such file", self.show(self.place / "nothing")[1].lower())

    def results(self, name, commit, value):
        out = synthetic.write(self.place / name, [cells.parse(READ)], by_function=True, noise=0)
        env = results.load_json(out / "env.json")
        env["host"] |= {"engine_commit": commit, "date": f"2026-11-0{commit[0]}"}
        results.save_json(out / "env.json", env)
        found = [json.loads(each) for each in (out / results.NAME).read_text().splitlines()]
        for each in found:
            each["rooms"]["fio"] += value * each["counted"]
        (out / results.NAME).write_text("".join(json.dumps(each) + "\n" for each in found))
        return out

    def test_directories_of_results(self):
        found = [self.results(name, commit, more) for name, commit, more in (("a", "1aaa", 0), ("b", "2bbb", 30))]
        self.assertIn(f"STEPS: 1 in 2 revisions; the last: {READ}, +30 ", self.show(*found)[1])
        self.out = found[0]
        self.assertIn(f"{self.out}: --out names it too", self.show(*found)[1])
        self.assertTrue((self.out / results.NAME).exists())

    def test_a_whole_run_is_remembered_once(self):
        records, env = results.load_all(self.results("a", "1aaa", 0))
        said = []
        for _ in range(2):
            history.remember(self.file, records, env, said.append)
        history.remember(self.file, records, env | {"host": env["host"] | {"date": "later"}}, said.append)
        self.assertEqual(said, [])
        history.remember(self.file, records[:2], env | {"host": {"date": "half"}, "planned": {"scsi_debug": 100}}, said.append)
        self.assertEqual(said, [f"pi-bench: {self.file}: nothing is appended, as the run is not complete"])
        self.assertEqual([each["date"] for each in history.read(self.file)], ["2026-11-01", "later"])
        self.assertEqual(len(history.alike(history.read(self.file))[0]), 2)
        another = env | {"fingerprints": {"scsi_debug": {"kernel": "another"}}, "host": {"date": "new"}}
        history.remember(self.file, records, another, said.append)
        self.assertEqual(len(history.alike(history.read(self.file))[0]), 2, "another kernel begins anew")
        with self.assertRaises(Failure):
            history.make(None, self.out, history.read(self.file)[2:])

    def test_a_line_that_a_stop_cut_short_spoils_no_other(self):
        records, env = results.load_all(self.results("a", "1aaa", 0))
        self.remember(*line(10000))
        with open(self.file, "a", encoding="utf-8") as file:
            file.write('{"schema": 1, "kind": "hist')
        for date in ("first", "second"):
            history.remember(self.file, records, env | {"host": env["host"] | {"date": date}}, self.fail)
        # as a merge leaves it, and what is no record at all
        with open(self.file, "a", encoding="utf-8") as file:
            file.write("<<<<<<< HEAD\n=======\n7\nnull\n")
        history.remember(self.file, records, env | {"host": env["host"] | {"date": "later"}}, self.fail)
        self.assertEqual([each["date"] for each in history.read(self.file)], ["2026-11-01", "first", "second", "later"])

    def test_a_file_that_cannot_be_written_is_refused_first(self):
        with contextlib.redirect_stderr(io.StringIO()) as said, \
             unittest.mock.patch.object(cli.campaign, "run", side_effect=AssertionError), \
             unittest.mock.patch.object(cli.bench, "specs", return_value=({}, {})):  # fmt: skip
            self.assertEqual(cli.main(["run", "--guest", "--history", str(self.place / "nowhere/h.jsonl")]), 2)
        self.assertRegex(said.getvalue(), r"\Api-bench: .*nowhere/h.jsonl: No such file or directory; name another --history\n\Z")


if __name__ == "__main__":
    unittest.main()
