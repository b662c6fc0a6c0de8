# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import csv
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

import fake_machine
import synthetic
import test_device
import test_explain
from pibench import cells, cli, compare, comparereport, fio, formats, gate, insn, results
from pibench.errors import Failure

GATED = cells.load(cells.GATE, ("instructions",), ("indirect",))[:4]


class Files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name, "out")

    def status(self, *arguments):
        """(exit status, what stdout and stderr got) of pi-bench."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            status = cli.main([str(argument) for argument in arguments])
        return status, out.getvalue(), err.getvalue()


class Outputs(Files):
    """What compare leaves, read back by the parsers that others would use."""

    def conclude(self, slower=0.0, boots=3, failures=(), strict=False):
        synthetic.compared(self.out, GATED, slower, boots=boots)
        for cell in failures:
            about = synthetic.record("failure", cell, 1, cells.INSTRUCTIONS, "boot1", 1, reason="guard <1> & \x1b[31m'2'")
            results.append(self.out / results.NAME, about)
        found = compare.of(*results.load_all(self.out))
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(io.StringIO()):
            status = cli.conclude(fake_machine.Host("/nowhere"), found, self.out, str(self.out), strict)
        self.shown = shown.getvalue()
        return status

    def test_functions_are_named(self):
        synthetic.compared(self.out, GATED[:2], more=25)
        records, env = results.load_all(self.out)
        self.assertEqual(set(compare.changed(compare.of(records, env), 9)), {cell.name for cell in GATED[:2]})
        worst = compare.changed(compare.of(records, env), 1)
        self.assertEqual(len(worst), 1)
        longer = [((*test_explain.JOB, ("event_with_pi", "engine")), 25)]
        for build, more in ((cells.OLD, ()), (cells.NEW, longer)):
            insn.save(self.out / f"{build}.gz", test_explain.made(more=more))
        self.assertEqual(comparereport.name_changes(worst, records, self.out), {}, "not counted by function")
        kept = [{**record, "profile": f"{record['build']}.gz"} if record["round"] else record for record in records]
        named = comparereport.name_changes(worst, kept, self.out)
        self.assertEqual(named, {worst[0]: ["+25 event_with_pi", "plots/where-1.svg"]})
        self.assertIn("event_with_pi", (self.out / "plots/where-1.svg").read_text())
        results.save_json(self.out / "env.json", env | {"where": named})
        found = compare.of(*results.load_all(self.out))
        with contextlib.redirect_stdout(io.StringIO()) as shown, contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(cli.conclude(fake_machine.Host("/nowhere"), found, self.out, str(self.out)), cli.REGRESSED)
        self.assertIn("+25 event_with_pi", " ".join(shown.getvalue().split()))
        for name in ("summary.md", "junit.xml", "index.html", "verdicts.csv"):
            self.assertIn("+25 event_with_pi", (self.out / name).read_text(), name)

    def test_where_nothing_has_changed_no_function_is(self):
        synthetic.compared(self.out, GATED, more=0)
        self.assertEqual(compare.changed(compare.of(*results.load_all(self.out)), 3), [])
        # nor where only shares are known
        synthetic.compared(self.out, GATED, 0.02)
        self.assertEqual(compare.changed(compare.of(*results.load_all(self.out)), 3), [])

    def junit(self):
        return xml.etree.ElementTree.parse(self.out / "junit.xml").getroot().find("testsuite")

    def rows(self):
        with open(self.out / "verdicts.csv", newline="") as file:
            return list(csv.DictReader(file))

    def lines(self):
        return [json.loads(line) for line in (self.out / "verdicts.jsonl").read_text().splitlines()]

    def table(self):
        found = [line for line in (self.out / "summary.md").read_text().splitlines() if line.startswith("|")]
        return [[field.strip() for field in line.strip("|").split("|")] for line in found]

    def test_pass(self):
        self.assertEqual(self.conclude(), 0)
        suite = self.junit()
        self.assertEqual([suite.get(name) for name in ("tests", "failures", "errors", "skipped")], ["4", "0", "0", "0"])
        self.assertEqual([case.get("name") for case in suite], [cell.name for cell in GATED])
        self.assertEqual({row["verdict"] for row in self.rows()}, {"PASS"})
        self.assertEqual([set(line) for line in self.lines()], [set(formats.FIELDS)] * 4)
        self.assertEqual(len(self.table()), 2 + 4)
        self.assertRegex((self.out / "summary.md").read_text(), r"\A# a → b\n\n\*\*PASS\*\*: b takes less than 0.5 % more than a")

    def test_pass_names_its_limit_wherever_it_is_told(self):
        for limit, words in ((0.005, "less than 0.5 % more"), (0.01, "less than 1 % more")):
            with unittest.mock.patch.object(gate, "LIMIT", limit):
                self.assertEqual(self.conclude(slower=0.0044), 0)
            told = [self.shown, *((self.out / name).read_text() for name in ("summary.md", "report.md", "index.html"))]
            for text in told:
                self.assertRegex(text, f"b takes {words} than a in 4 comparisons")
                self.assertNotIn("no more than", text)
            for said in (*(case.find("system-out").text for case in self.junit()), *(row["why"] for row in self.rows())):
                self.assertRegex(said, rf"\+[\d,]+ instructions, {words}$")
            shutil.rmtree(self.out)

    def test_regression(self):
        self.assertEqual(self.conclude(slower=0.02), 1)
        suite = self.junit()
        self.assertEqual((suite.get("failures"), len(suite.findall("testcase/failure"))), ("4", 4))
        for row, line in zip(self.rows(), self.lines(), strict=True):
            self.assertAlmostEqual(float(row["ratio"]), 1.02, places=3)
            self.assertAlmostEqual(line["new"] / line["old"], 1.02, places=3)
            self.assertEqual((row["verdict"], line["verdict"]), ("REGRESSION",) * 2)
        self.assertIn("+2.0", self.shown)
        self.assertIn("REGRESSION", (self.out / "index.html").read_text())

    def test_inconclusive(self):
        self.assertEqual(self.conclude(boots=2), 0)
        self.assertEqual(self.junit().get("skipped"), "4")
        self.assertIn("INCONCLUSIVE", self.junit().find("testcase/skipped").get("message"))
        self.assertEqual(self.conclude(boots=0, strict=True), 3)

    def test_an_error_outweighs_everything(self):
        self.assertEqual(self.conclude(slower=0.02, failures=GATED[:1]), 4)
        suite = self.junit()
        self.assertEqual([suite.get(name) for name in ("tests", "failures", "errors")], ["4", "3", "1"])
        self.assertIn("guard <1> & ", suite.find("testcase/error").get("message"))
        self.assertNotIn(GATED[0].name, {row["cell"] for row in self.rows()})

    def test_unbounded_limits_are_no_numbers(self):
        verdict = gate.Verdict(gate.INCONCLUSIVE, None, -float("inf"), float("inf"), 0, "")
        line = unittest.mock.Mock(cell="x", old=None, new=None, verdict=verdict)
        line.metric.title = line.metric.unit = "y"
        found = json.loads(formats.json_lines(unittest.mock.Mock(lines=[line])))
        self.assertEqual((found["low"], found["high"]), (None, None))

    def test_report_does_it_again(self):
        self.conclude(slower=0.02)
        for name in ("junit.xml", "summary.md"):
            (self.out / name).unlink()
        status, shown, _ = self.status("report", self.out)
        self.assertEqual((status, self.junit().get("failures")), (1, "4"))
        self.assertIn("REGRESSION", shown)

    def test_improved(self):
        self.assertEqual(self.conclude(slower=-0.02), 0)
        self.assertEqual({row["verdict"] for row in self.rows()}, {"IMPROVED"})
        self.assertRegex(self.shown, r"^IMPROVED: b takes less than a: ")
        self.assertEqual(self.junit().get("failures"), "0")

    def test_on_github_what_went_wrong_is_a_line_of_its_own(self):
        for runner in ("true", ""):
            with unittest.mock.patch.dict("os.environ", GITHUB_ACTIONS=runner):
                self.conclude(slower=0.02, failures=GATED[:1])
            found = [line for line in self.shown.splitlines() if line.startswith("::")]
            self.assertEqual(len(found), 4 if runner else 0, self.shown)
            self.assertTrue(not found or found[0].startswith(f"::error title=pi-bench::{GATED[0].name}: guard"), found)
            shutil.rmtree(self.out)
        found = compare.Comparison("a", "b", cells.TIME, [], failures={"cell": "100 %25\r\nlost"})
        self.assertEqual(list(comparereport.annotations(found)), ["::error title=pi-bench::cell: 100 %2525%0D%0Alost"])
        with unittest.mock.patch.dict("os.environ", GITHUB_ACTIONS="true"):
            self.conclude(boots=2)
        self.assertEqual(self.shown.count("::warning title=pi-bench INCONCLUSIVE::"), 4)

    def test_a_kernel_is_named_by_its_file(self):
        def told(*kernels):
            return tuple(side.title for side in compare.kernels(kernels, fio.Tools()))

        self.assertEqual(told("stock", "/a/long/way/vmlinuz-7.4"), ("kernel stock", "kernel vmlinuz-7.4"))
        self.assertEqual(told("/old/bzImage", "/new/bzImage"), ("kernel /old/bzImage", "kernel /new/bzImage"), "else they are alike")

    def test_two_kernels_have_a_boot_each(self):
        synthetic.compared(self.out, GATED, 0.02)
        found = []
        for record in results.load(self.out):
            number = [r["round"] for r in found if (r["cell"], r["build"], r["session"]) ==
                      (record["cell"], record["build"], f"{record['session']} kernel {record['build']}")]  # fmt: skip
            if number.count(record["round"]) == 0:
                found.append({**record, "session": f"{record['session']} kernel {record['build']}"})
        decided = compare.of(found, {"compare": {"old": "a", "new": "b", "kernels": True}})
        self.assertEqual([line.verdict.verdict for line in decided.lines], ["REGRESSION"] * 4)
        for line in decided.lines:
            self.assertAlmostEqual(line.verdict.ratio, 1.02, places=3)

    def test_swapped_sides_negate(self):
        ratios = []
        for swap in (False, True):
            lines = results.load(synthetic.compared(self.out / str(swap), GATED, 0.02))
            for line in lines:
                line["build"] = {"old": "new", "new": "old"}[line["build"]] if swap else line["build"]
            ratios.append([line.verdict.ratio for line in compare.of(lines, {"compare": {"old": "a", "new": "b"}}).lines])
        for one, other in zip(*ratios):
            self.assertAlmostEqual(one * other, 1, places=4)


class Stored(Files):
    """Two directories of results."""

    def store(self, name, chosen=GATED, scale=1.0, fingerprint=None, **more):
        with unittest.mock.patch.object(synthetic, "cost", lambda cell, cost=synthetic.cost: cost(cell) * scale):
            place = synthetic.write(self.out.parent / name, chosen, **more)
        if fingerprint:
            env = results.load_json(place / "env.json")
            results.save_json(place / "env.json", {**env, "fingerprints": {"scsi_debug": fingerprint}})
        return place

    def compare(self, old, new):
        return self.status("compare", old, new, "--out", self.out)

    def test_instructions_are_compared(self):
        status, shown, said = self.compare(self.store("a"), self.store("b"))
        self.assertEqual((status, said), (0, ""), said)
        self.assertIn("PASS: ", shown)
        self.assertEqual(self.compare(self.store("a2"), self.store("b2", scale=1.01))[0], 1)

    def test_what_new_failed_at_or_refused_is_an_error(self):
        old = self.store("a")
        for kind, reason in (("failure", "guard"), ("skip", "pi_layout=indirect needs Linux 6.14")):
            new = self.store(kind, chosen=GATED[1:])
            about = synthetic.record(kind, GATED[0], 1, cells.INSTRUCTIONS, "scsi_debug", 1, reason=reason)
            results.append(new / results.NAME, about)
            status, shown, _ = self.compare(old, new)
            self.assertEqual(status, 4, shown)
            self.assertRegex(" ".join(shown.split()), f"FAILED: .* - {GATED[0].name}: .*{reason}")
            self.assertEqual(self.compare(new, old)[0], 0, "of OLD it says nothing about NEW")

    def test_what_new_has_not_measured_is_left_out_and_told(self):
        status, shown, _ = self.compare(self.store("a"), self.store("b", chosen=GATED[1:]))
        self.assertEqual(status, 0)
        self.assertIn("1 cell left out", shown)
        self.assertIn(f"skipped: {GATED[0].name}: ", (self.out / "report.md").read_text())

    def test_a_run_that_was_stopped_is_refused(self):
        one, other = self.store("a"), self.store("b")
        for planned, why in (({"scsi_debug": 10**6}, "is not complete; finish it with --resume"), ({"nvme": 10**6}, None)):
            env = results.load_json(other / "env.json")
            results.save_json(other / "env.json", {**env, "planned": planned})
            for sides in ((one, other), (other, one)):
                if why:
                    self.refused(*sides, f"{other}: {why}")
                else:
                    self.assertEqual(self.compare(*sides)[0], 0)

    def refused(self, old, new, says):
        status, shown, said = self.compare(old, new)
        self.assertEqual((status, shown), (2, ""), said)
        self.assertRegex(said, r"\Api-bench: .*\n\Z")
        self.assertRegex(said, says)

    def test_what_does_not_compare_is_refused(self):
        one = self.store("a")
        self.refused(one, self.store("b", fingerprint={"kernel": "Linux 8.0"}), "not comparable: kernel is 'Linux 7.3.4' and 'Linux 8.0'")
        long = {"kernel": "Linux 7.3.4", "command line": "quiet " * 20}
        self.refused(self.store("e", fingerprint=long), self.store("f", fingerprint={**long, "command line": "quiet " * 19 + "loud"}),
                     "command line is '….*quiet ' and '….*loud'")
        self.refused(one, synthetic.compared(self.out.parent / "g", GATED), "g: is itself a comparison")
        self.refused(one, self.store("c", mode=cells.TIME), "c: holds no counts of instructions; times of two sessions do not compare")
        self.refused(one, self.store("d", chosen=cells.load(cells.GATE, ("time",), ("indirect",))[:1]), "no cell in common")
        self.refused(one, "HEAD", "results compare with results only")
        self.refused(one, self.out.parent, "without results.jsonl")
        self.refused("no-such-thing", "HEAD", "neither an engine, nor results, nor a git revision")
        with unittest.mock.patch.dict(os.environ, GIT_DIR="/nowhere"):
            self.refused("HEAD~1", "HEAD", "nor a git revision of .*; git says: not a git repository: '/nowhere'")
        with unittest.mock.patch.dict(os.environ, PATH="/nowhere"):
            self.refused("old.so", "new.so", "old.so: neither an engine nor results; for a git revision, install git")

    def test_what_is_compared_is_not_overwritten(self):
        one, other = self.store("a"), self.store("b")
        self.out = other
        self.refused(one, other, "b: --out names it too and would overwrite it")
        self.assertTrue((other / results.NAME).exists())

    def test_a_shallow_clone_lacks_revisions(self):
        def git(*words):
            return subprocess.CompletedProcess(words, 0, "true\n" if "--is-shallow-repository" in words else "", "")

        with unittest.mock.patch.object(compare, "git", git):
            self.refused("HEAD~1", "HEAD", "HEAD~1: neither an engine, .*, which is a shallow clone; git fetch --unshallow")


class Revisions(unittest.TestCase):
    def test_in_a_hook_the_index_of_the_users_work_tree_is_left_alone(self):
        with unittest.mock.patch.dict(os.environ, GIT_INDEX_FILE="/mine"), unittest.mock.patch.object(compare.subprocess, "run") as ran:
            compare.git("worktree", "add")
        self.assertNotIn("GIT_INDEX_FILE", ran.call_args.kwargs["env"])
        self.assertIn("PATH", ran.call_args.kwargs["env"])

    def test_an_engine_is_kept_for_the_fio_compiler_and_flags_that_built_it(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        place, built = pathlib.Path(scratch.name), []

        def engine_in(where, tools, tree):
            built.append(tree)
            return place / "fio"

        self.enterContext(unittest.mock.patch.multiple(compare, BUILD=place / "builds", engine_in=engine_in,
                                                       git=lambda *words: subprocess.CompletedProcess(words, 0, "", "")))  # fmt: skip
        paths = []
        others = {"CC": "no-such-cc"}, {"CFLAGS": "-O3"}, {"LDFLAGS": "-s"}
        for fio_text, changes in (("a", {}), ("a", {}), *(("a", each) for each in others), ("b", {})):
            (place / "fio").write_text(fio_text)
            with unittest.mock.patch.dict(os.environ, changes):
                paths.append(compare.build("f" * 40, fio.Tools(str(place / "fio"))))
        self.assertEqual((len(built), len(set(paths)), paths[0]), (5, 5, paths[1]))


class Engines(test_device.Machine):
    """Two builds on a machine with a drive, from the command line to the verdict."""

    def setUp(self):
        super().setUp()
        fake_machine.furnish(self.root)

    def compare(self, *more, slower=100):
        (self.root / "slower").write_text(f"{slower}\n")
        return subprocess.run(
            [sys.executable, fake_machine.HERE, str(self.root), "compare", str(self.root / "old.so"), str(self.root / "new.so"),
             "--dut", "/dev/nvme0n1", "--fio", str(self.root / "fio"), "--out", str(self.root / "out"), *more],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    ONE = ("--only", "randread-4k-qd1")

    def test_the_same_passes(self):
        done = self.compare(*self.ONE)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"PASS: .*new.so takes less than 2 % more than .*old.so in 2\s+comparisons")
        runs = [record for record in results.load(self.root / "out") if record["kind"] == "run"]
        self.assertEqual(max(run["round"] for run in runs), gate.LOOKS[0])

    def test_slower_is_a_regression_and_faster_is_not(self):
        self.assertEqual(self.compare(*self.ONE, slower=102).returncode, 1)
        rows = [json.loads(line) for line in (self.root / "out/verdicts.jsonl").read_text().splitlines()]
        self.assertEqual([(row["metric"], round(row["ratio"], 4)) for row in rows], [("time per I/O", 1.02), ("CPU per I/O", 1.02)])
        self.assertEqual(self.compare(*self.ONE, slower=98).returncode, 0)

    def test_a_budget_that_ends_first_is_inconclusive(self):
        (self.root / "delay").write_text("0.1")
        done = self.compare(*self.ONE, "--time-budget", "0.02", "--strict")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("INCONCLUSIVE", done.stdout)

    def test_resumed_it_takes_the_same_rounds(self):
        def rounds():
            kept = [record for record in results.load(self.root / "out") if record["kind"] == "run"]
            return [(record["step"], record["cell"], record["build"]) for record in kept]

        arguments = ("--only", "qd1", "--allow-write", "/dev/nvme0n1", "--strict")
        self.assertEqual(self.compare(*arguments).returncode, 0)
        whole = rounds()
        # so many minutes are 191 runs of fio: in the last round, one of the cells is decided on and the other is not
        self.assertEqual(self.compare(*arguments, "--time-budget", "0.3183").returncode, 3)
        self.assertIn(len(whole) - len(rounds()), (2, 3, 4))
        done = self.compare(*arguments, "--resume")
        self.assertEqual(rounds(), whole)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_an_error_is_status_4(self):
        (self.root / "broken").touch()
        self.assertEqual(self.compare(*self.ONE).returncode, 4)

    def errors(self):
        suite = xml.etree.ElementTree.parse(self.root / "out/junit.xml").getroot().find("testsuite")
        return {case.get("name"): case.find("error").get("message") for case in suite if case.find("error") is not None}

    READ = "randread-4k-qd1 pi/indirect"

    def both_kinds(self):
        """A cell with PI and one without."""
        matrix = "[time]\nrw = randread\nbs = 4k\niodepth = 1\nbaseline = plain-noverify\nlayout = indirect\nengine = io_uring_pi\n"
        (self.root / "two.cells").write_text(matrix)
        return ("--cells", str(self.root / "two.cells"))

    def refused(self, done, why):
        said = f"{self.root}/new.so refuses what {self.root}/old.so does: {why}"
        self.assertEqual(done.returncode, 4, done.stdout + done.stderr)
        self.assertIn(f"FAILED: 1 cell: an I/O or its protection information was wrong, or was refused. - {self.READ}: {said}",
                      " ".join(done.stdout.split()))  # fmt: skip
        self.assertEqual(self.errors(), {self.READ: said})

    def test_what_old_ran_and_new_refuses_is_an_error(self):
        (self.root / "refuses").write_text("new")
        # whichever of them comes first
        for seed in "123":
            done = self.compare(*self.ONE, "--seed", seed)
            self.refused(done, "fio exited with 1: io_uring_pi: pi_layout=indirect needs Linux 6.14")
            self.assertNotIn("PASS", done.stdout)
            builds = [record["build"] for record in results.load(self.root / "out") if record["kind"] == "run"]
            self.assertEqual(builds, ["old"], "to see that it does, and no more")

    def test_and_the_other_cells_are_decided_on(self):
        (self.root / "refuses").write_text("new")
        done = self.compare(*self.both_kinds())
        self.refused(done, "fio exited with 1: io_uring_pi: pi_layout=indirect needs Linux 6.14")
        self.assertLess(done.stdout.index("FAILED: "), done.stdout.index("PASS: "))
        again = subprocess.run([sys.executable, fake_machine.HERE, str(self.root), "report", str(self.root / "out")],
                               capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        self.refused(again, "fio exited with 1: io_uring_pi: pi_layout=indirect needs Linux 6.14")

    def test_a_layout_that_new_does_not_offer_any_more_is_an_error(self):
        (self.root / "poorer").touch()
        for chosen in (self.ONE, self.both_kinds()):
            self.refused(self.compare(*chosen), "no such layout")

    def test_unless_old_cannot_do_it_here_either(self):
        (self.root / "poorer").touch()
        (self.root / "refuses").write_text("old")
        done = self.compare(*self.both_kinds())
        self.assertEqual((done.returncode, self.errors()), (0, {}), done.stdout)
        self.assertIn("1 cell left out", done.stdout)
        self.assertIn(f"skipped: {self.READ}: ", (self.root / "out/report.md").read_text())

    def test_no_cell_left_is_status_2(self):
        for name, text in (("lacks", ""), ("refuses", "old")):
            (self.root / name).write_text(text)
            done = self.compare(*self.ONE)
            self.assertEqual((done.returncode, done.stdout), (2, ""), name)
            self.assertRegex(done.stderr, r"(?m)^pi-bench: nothing to compare: .*pi_layout=indirect needs Linux 6.14$")
            (self.root / name).unlink()
        (self.root / "lacks").touch()
        done = self.compare(*self.both_kinds())
        self.assertEqual(done.returncode, 0, "one is left")
        self.assertIn("1 cell left out", done.stdout)
        self.assertIn(f"skipped: {self.READ}: ", (self.root / "out/report.md").read_text())

    def test_writes_are_skipped_without_leave(self):
        done = self.compare()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex((self.root / "out/report.md").read_text(), "skipped: .*randwrite-4k-qd1 pi/indirect.*: writes need --allow-write")

    def test_instructions_are_not_counted_on_a_drive(self):
        done = self.compare("--gate", "instructions")
        self.assertEqual(done.returncode, 2)
        self.assertIn("on a drive only time can decide", done.stderr)

    def test_dry_run(self):
        done = self.compare(*self.ONE, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        commands = [line for line in done.stdout.splitlines() if "--section=" in line]
        self.assertEqual(len(commands), 2 + 2 * 4 * gate.LOOKS[0], "each with one to take off")
        self.assertFalse((self.root / "out").exists())

    def test_a_job_file_of_the_users_reads_only_and_on_that_drive(self):
        job = self.root / "mine.fio"
        job.write_text("[mine]\nioengine=io_uring_pi\nfilename=/dev/sdz\nrw=randwrite\n")
        done = self.compare("--job", job, "--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        commands = [line for line in done.stdout.splitlines() if "--output-format" in line]
        self.assertEqual(len(commands), 2 + 2 * 4 * gate.LOOKS[0])
        for line in commands:
            self.assertRegex(line, r"DUT=/dev/nvme0n1 NUMBER_IOS=\d+ .* --readonly .*/mine.job.fio'?  # .*: job:mine pi/job (old|new)$")
        done = self.compare("--job", job, "--dry-run", "--allow-write", "/dev/nvme0n1")
        self.assertNotIn("--readonly", done.stdout)
        for words, why in ((["--only", "randread"], "--only: is for cells; --job brings its own"),
                           (["--fio", "/other/fio"], "--fio twice: two fios are compared"),
                           (["--kernel", "stock", "--kernel", "lab"], "--kernel twice: two kernels are compared")):
            done = self.compare("--job", job, *words)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            self.assertIn(why, done.stderr)


class Cells(unittest.TestCase):
    def cell_list(self, *offered):
        with unittest.mock.patch.object(fio, "layouts", unittest.mock.Mock(side_effect=offered)):
            return compare.cell_list(cells.GATE, ("instructions",), (fio.Tools(engine="old"), fio.Tools(engine="new")))

    def test_a_layout_that_old_lacks_is_skipped_with_the_reason(self):
        found, skips, lacks = self.cell_list(("indirect", "sqe128"), ("indirect", "inline"))
        self.assertIn("randread-4k-qd32 pi/indirect", [cell.name for cell in found])
        self.assertIn("randread-4k-qd32 pi/sqe128", [cell.name for cell in found], "whether it can be done is seen by running it")
        self.assertEqual(lacks, (("new", "sqe128"),))
        self.assertEqual(skips["randread-4k-qd32 pi/inline"], "the old engine has no such layout")
        self.assertEqual(skips["randread-4k-qd32 pi/vec"], "the old and the new engine have no such layout")

    def test_runs_too_short_to_decide_are_refused(self):
        every = cells.load(cells.GATE, ("instructions",), ("indirect",))
        names = [cell.name for cell in (*every, cells.job("mine"))]
        compare.refuse_short(names, 0.5)
        small = [name for name in names if "128k" not in name]
        compare.refuse_short(small, 0.1)
        for chosen, scale in ((names, 0.4), (small, 0.05)):
            with self.assertRaisesRegex(Failure, rf"--scale {scale}: .* would run \d+ I/Os; a difference of 20 .* 256 or more"):
                compare.refuse_short(chosen, scale)

    def test_too_long_a_list_is_refused(self):
        with unittest.mock.patch.object(gate, "CELLS", 3), self.assertRaisesRegex(Failure, "cells; the gate decides on 3 at most"):
            self.cell_list(("indirect",), ("indirect",))


# only their fixture is wanted here
del test_device
