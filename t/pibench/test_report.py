# SPDX-License-Identifier: GPL-2.0-only
import collections
import contextlib
import csv
import html.parser
import io
import itertools
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest
import unittest.mock

import synthetic
from pibench import cells, cli, document, outcome, plot, report, results, runreport
from pibench.host import Host

COSTS = {
    "plain-autopi/io_uring": 28000,
    "plain-autopi/none": 29000,
    "plain-noverify/io_uring": 11000,
    "plain-noverify/none": 11500,
    "plain-nopi/io_uring": 10000,
    "plain-nopi/none": 10400,
    "pi/io_uring": 16000,
    "pi/indirect": 20800,
}
BASELINES = (cells.AUTOPI, cells.NOVERIFY, cells.NOPI)


def run(cell, cost, number, mode=cells.INSTRUCTIONS, icount=True, **more):
    ios = 1000
    return {
        "schema": 1, "kind": "run", "session": "nvme0n1", "mode": mode, "icount": icount, "seed": 3, "read_only": False,
        "round": number, "step": f"{number}.{cell.name}", "build": "", "reference": "",
        "cell": cell.name, "fio": "fio-3.41", "ios": ios, "bytes": ios * cell.workload.block_size,
        "runtime_ns": cost * ios, "window_ns": cost * ios, "idle_ns": 0,
        "cpu_ns": cost * ios // 4 * 3, "counted": ios, "threads": {}, "wall_ns": cost * ios, "start_ns": 0, "resident": 0,
        "latency_ns": cost * 2, "percentiles_ns": {"50": cost, "99": cost * 4}, **more,
    }  # fmt: skip


def records(mode=cells.INSTRUCTIONS, icount=True, arms=COSTS, rounds=(0.99, 1.0, 1.02), workloads=synthetic.WORKLOADS[:1]):
    chosen = [c for c in synthetic.CELLS if c.workload in workloads and c.arm.name in arms]
    warm_up = [run(c, 10**6, 0, mode, icount) for c in chosen]
    return warm_up + [run(c, arms[c.arm.name] * f, n, mode, icount) for n, f in enumerate(rounds, 1) for c in chosen]


class Bare(Host):
    def run(self, argv):
        return None


def made(found, env):
    with tempfile.TemporaryDirectory() as out:
        return runreport.make(Bare(), out, found, env, say=lambda line: None)


def markdown(found, env):
    whole = made(found, env)
    return document.markdown([document.Heading(whole.title, 1), *whole.head, *whole.body])


def rows(text, heading):
    """[{column: text}] of the first table below a heading."""
    lines = text[text.index(heading) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([field.strip() for field in line.strip("|").split("|")])
    return [dict(zip(table[0], row)) for row in table[2:]]


class Instructions(unittest.TestCase):
    def setUp(self):
        self.shown = markdown(records(), {})
        self.rows = {(r["state"], r["engine"]): r for r in rows(self.shown, "### 4 KiB random read, depth 1")}

    def test_every_arm_has_its_median_without_the_warm_up(self):
        self.assertEqual(len(self.rows), 8)
        self.assertEqual(self.rows["plain-autopi", "io_uring"]["instructions"], "28,000")
        self.assertEqual(self.rows["pi", "io_uring_pi indirect"]["instructions"], "20,800")

    def test_spread_is_off_the_median(self):
        self.assertEqual(self.rows["pi", "io_uring_pi indirect"]["spread"], "−1.00…+2.00 %")

    def test_ratios_compare_with_the_same_engine(self):
        ours = self.rows["pi", "io_uring_pi indirect"]
        self.assertEqual([ours[f"× {b}"] for b in BASELINES], ["0.717", "1.809", "2.000"])
        self.assertEqual(ours["× fio's engine"], "1.300")
        theirs = self.rows["pi", "io_uring"]
        self.assertEqual([theirs[f"× {b}"] for b in BASELINES], ["0.571", "1.455", "1.600"])
        self.assertEqual(self.rows["plain-nopi", "io_uring_pi none"]["× fio's engine"], "1.040")

    def test_headline_comes_first_and_names_the_baselines(self):
        first = self.shown.split("\n\n")[2]
        self.assertIn("takes 0.72 × plain-autopi, 1.81 × plain-noverify, 2.00 × plain-nopi, 1.30 × fio's engine", first)
        cheap, dear = synthetic.WORKLOADS[0], synthetic.WORKLOADS[2]
        both = records(workloads=[cheap]) + records(workloads=[dear], arms={**COSTS, "plain-autopi/none": 10400})
        self.assertIn("takes 1.20 (0.72 to 2.00) × plain-autopi", markdown(both, {}).split("\n\n")[2])

    def test_notes(self):
        for part in ("does not verify PI on the host", "seed 3", "3 rounds", "1,000 I/Os", "not time", "fio-3.41"):
            self.assertIn(part, self.shown)

    def test_a_fio_without_isa_l_is_named(self):
        configured = {"host": {"fio_configure": "./configure --disable-native --disable-isal"}}
        self.assertIn("without ISA-L", markdown(records(), configured))
        self.assertNotIn("without ISA-L", self.shown)

    def test_no_time_is_claimed(self):
        for word in ("IOPS |", "MB/s", "µs", " ns "):
            self.assertNotIn(word, self.shown)

    def test_tables_are_aligned(self):
        for block in re.findall(r"(?:^\|.*\n)+", self.shown, re.MULTILINE):
            self.assertEqual(len({len(line) for line in block.splitlines()}), 1, block)


class Modes(unittest.TestCase):
    def test_cpu_counts_thread_and_kernel(self):
        shown = markdown(records(cells.CPU), {})
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["instructions"], "15,600")
        self.assertNotRegex(shown, r"MB/s|\bµs\b")

    def test_cpu_without_icount_is_time(self):
        shown = markdown(records(cells.CPU, icount=False), {})
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["ns"], "15,600")

    def test_throughput_from_second_to_second(self):
        found = records(cells.TIME, icount=False)
        self.assertNotIn("throughput over time", markdown(found, {}))
        seconds = iter(([400.0, 400.0, 300.0, 300.0, 300.0, 310.0, 310.0, 290.0], [200.0, 190.0, 180.0, 180.0], [0.0, 0.0, 5.0]))
        ours = [r for r in found if r["cell"].endswith("pi/indirect") and r["round"]]
        for each in ours:
            each["seconds"] = next(seconds)
        shown = markdown(found, {})
        self.assertIn("<summary>nvme0n1, throughput over time, MB/s</summary>", shown)
        self.assertEqual(rows(shown, "throughput over time"), [{
            "workload": "4 KiB random read, depth 1", "state": "pi", "engine": "io_uring_pi indirect", "seconds": "15",
            # the first: from 400 to 300, the second from 200 to 180; nothing can be said of the third
            "lowest": "0.0", "median": "290.0", "highest": "400.0", "change": "-17.5%",
        }])  # fmt: skip
        [drawn] = [each for each in plot.figures(outcome.group(found), "") if each.name.startswith("throughput-")]
        self.assertEqual((drawn.variables["series"], drawn.data.split("\n")[0]), (["PI, indirect"], "1 200.0 0.0 400.0"))

    def test_time_shows_throughput_latency_and_cpu(self):
        shown = markdown(records(cells.TIME, icount=False, rounds=(1.0, 1.0, 1.1)), {})
        last = rows(shown, "### 4 KiB")[-1]
        self.assertEqual(last["IOPS"], "48,077 ±9.1 %")
        self.assertEqual(last["MB/s"], "196.9 ±9.1 %")
        self.assertEqual(last["mean latency, µs"], "41.6 ±10.0 %")
        self.assertEqual(last["p99 latency, µs"], "83.2 ±10.0 %")
        self.assertEqual(last["CPU per I/O, ns"], "15,600 ±10.0 %")
        ratios = rows(shown[shown.index("| against") - 60 :], "| state")
        found = {(r["engine"], r["against"]): r for r in ratios if r["state"] == "pi"}
        self.assertEqual(found["io_uring_pi indirect", "plain-nopi"]["× I/O per second"], "0.500")
        self.assertEqual(found["io_uring_pi indirect", "plain-nopi"]["× p99 latency"], "2.000")
        self.assertEqual(found["io_uring_pi indirect", "fio's engine"]["× CPU per I/O"], "1.300")


class Gaps(unittest.TestCase):
    def record(self, kind, name, **more):
        base = {"schema": 1, "session": "nvme0n1", "mode": cells.INSTRUCTIONS, "icount": True, "seed": 3, "read_only": False}
        return {**base, "kind": kind, "cell": name, **more}

    def test_failure_is_shown_with_its_reason(self):
        found = [r for r in records() if "pi/indirect" not in r["cell"]]
        found.append(self.record("failure", "randread-4k-qd1 pi/indirect", round=1, reason="fio exited with 1: guard"))
        shown = markdown(found, {})
        self.assertIn("failed: randread-4k-qd1 pi/indirect: fio exited with 1: guard", shown)
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["instructions"], "failed")

    def test_an_engine_for_another_fio_is_no_wrong_io(self):
        reason = "fio exited with 1: io_uring_pi: built for fio-3.41, loaded into fio-3.38, whose structures differ"
        failures = [self.record("failure", f"randread-4k-qd1 {arm}", round=1, reason=reason) for arm in ("pi/indirect", "plain-nopi/none")]
        self.assertIn("2 of 2 cells: the engine is built for another fio, see below", markdown(failures, {}))
        wrong = self.record("failure", "randread-4k-qd32 pi/indirect", round=1, reason="guard")
        self.assertIn("3 of 3 cells: an I/O or its protection information was wrong", markdown([*failures, wrong], {}))

    def test_what_cannot_be_counted_is_no_wrong_io(self):
        idled = "the processor idled in each of 5 runs, so its time does not count instructions"
        failure = self.record("failure", "randread-4k-qd1 pi/indirect", round=1, reason=idled)
        self.assertIn("1 of 1 cell: the instructions cannot be counted, see below", markdown([failure], {}))

    def test_failures_of_a_medium_not_written_say_what_may_help(self):
        failure = self.record("failure", "randread-4k-qd1 pi/indirect", round=1, reason="guard")
        self.assertNotIn("--allow-write", markdown([failure], {}))
        self.assertIn("--allow-write", markdown([{**failure, "read_only": True}], {}))

    def test_skipped_arms_have_no_row_but_a_reason(self):
        found = records(arms={k: v for k, v in COSTS.items() if k.startswith("plain-nopi")})
        found.append(self.record("skip", "randread-4k-qd1 pi/indirect", reason="the format has no PI"))
        found.append(self.record("skip", "randwrite-4k-qd1 pi/indirect", reason="writes need --allow-write"))
        shown = markdown(found, {})
        self.assertIn("skipped: randread-4k-qd1 pi/indirect: the format has no PI", shown)
        self.assertEqual([r["state"] for r in rows(shown, "### 4 KiB")], ["plain-nopi"] * 2)
        self.assertEqual(rows(shown, "### 4 KiB")[0]["× plain-autopi"], "–")
        self.assertNotIn("### 4 KiB random write", shown)

    def test_what_was_skipped_is_not_left_over(self):
        found, planned = records(), {"planned": {"nvme0n1": len(records()) + 6}}
        self.assertTrue(markdown(found, planned).splitlines()[2].startswith("**STOPPED**: "))
        plan = self.record("plan", "attr-cost", steps=len(found))
        skip = self.record("skip", "randread-4k-qd32 pi/opcode", reason="layout 'opcode' has no fixed opcodes")
        self.assertTrue(markdown([plan, skip, *found], planned).splitlines()[2].startswith("**COMPLETE**: "))
        self.assertTrue(markdown([plan, skip, *found[:-1]], planned).splitlines()[2].startswith("**STOPPED**: "))

    def test_reads_alone_are_said_to_meet_escapes(self):
        found = [{**r, "read_only": True} for r in records(cells.TIME, icount=False)]
        self.assertIn("escape tag", markdown(found, {}))
        self.assertIn("✗ nvme0n1: blocks were read as they were found", markdown(found, {}))
        self.assertNotIn("escape tag", markdown(records(), {}))
        self.assertIn("✓ nvme0n1: blocks were written before they were read", markdown(records(), {}))

    def test_one_round_has_no_spread(self):
        shown = markdown(records(rounds=(1.0,)), {})
        self.assertEqual(rows(shown, "### 4 KiB")[0]["spread"], "–")

    def test_environment_is_in_the_file_and_says_what_is_missing(self):
        whole = markdown(records(), {"host": {"kernel": "Linux 6.1", "governor": "not recorded"}})
        self.assertIn("- kernel: Linux 6.1", whole)
        self.assertIn("- governor: not recorded", whole)


class Claims(unittest.TestCase):
    """A headline says no more than the spread allows."""

    def headline(self, rounds):
        """Of a comparison of two arms by time, where one takes (one, other) ns in each round."""
        arms = ("pi/indirect", "plain-autopi/none")
        chosen = [cell for cell in synthetic.CELLS if cell.workload == synthetic.WORKLOADS[0] and cell.arm.name in arms]
        found = [run(cell, costs[arms.index(cell.arm.name)], number, cells.TIME, False)
                 for number, costs in enumerate(rounds, 1) for cell in chosen]  # fmt: skip
        return next(line for line in markdown(found, {}).splitlines() if "io_uring_pi indirect" in line)

    def test_two_rounds_that_disagree(self):
        said = self.headline([(10000, 21739), (10000, 8696)])
        self.assertIn("cannot be told apart from plain-autopi yet (0.87 to 2.17 in 2 rounds)", said)
        self.assertNotIn("×", said)

    def test_two_rounds_that_may_agree_by_chance(self):
        self.assertIn("cannot be told apart from plain-autopi yet", self.headline([(10000, 10500), (10000, 12000)]))
        self.assertIn("reaches 2.05 × plain-autopi", self.headline([(10000, 20000), (10000, 21000)]))

    def test_many_rounds_whose_limits_hold_no_difference(self):
        scattered = [(10000, 13000), (10000, 7700), (10000, 12000), (10000, 8400), (10000, 11000), (10000, 9100), (10000, 13500)]
        said = self.headline(scattered)
        self.assertRegex(said, r"cannot be told apart from plain-autopi yet \(0\.\d\d to 1\.\d\d in 7 rounds\)")
        self.assertNotIn("×", said)
        self.assertRegex(self.headline([(one, other * 2) for one, other in scattered]), r"reaches \d\.\d\d × plain-autopi")


class Threads(unittest.TestCase):
    """The checklist names the threads that ran besides the job."""

    def checklist(self, *threads):
        cell = cells.parse("randread-4k-qd1 pi/indirect")
        found = [run(cell, 20000, number, threads=each) for number, each in enumerate(threads, 1)]
        [line] = [line for line in markdown(found, {}).splitlines() if "other threads that ran" in line]
        return line

    def test_named_with_how_often_and_how_much(self):
        # a run takes 20 ms
        said = self.checklist({"khugepaged": 60_000, "kworker": 9_000_000}, {"kworker": 9_000_000},
                              {"khugepaged": 340_000, "kcompactd0": 80_000})  # fmt: skip
        self.assertIn("✗ nvme0n1: other threads that ran: khugepaged in 2 runs, at most 1.7% of a run, kcompactd0 in 1 run, at most 0.4%",
                      said)  # fmt: skip
        self.assertNotIn("kworker", said)

    def test_none_where_those_that_verify_ran_alone(self):
        said = self.checklist({"kworker": 9_000_000, "ksoftirqd": 19_000}, {})
        self.assertIn("✓ nvme0n1: other threads that ran: none", said)


class Page(html.parser.HTMLParser):
    """What a browser would find: every element closed, every name once, and nothing that asks for more."""

    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.names, self.tags, self.text, self.asks = [], [], collections.Counter(), [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags[tag] += 1
        self.names += [value for name, value in attributes if name == "id"]
        self.asks += [v for n, v in attributes if n in ("src", "href", "xlink:href", "srcset") and not v.startswith("#")]
        self.asks += [n for n, _ in attributes if n.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


class Written(unittest.TestCase):
    """The whole directory, as pi-bench report leaves it."""

    def report(self, chosen, **more):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = synthetic.write(pathlib.Path(scratch.name, "out"), chosen, **more)
        self.said = []
        found = runreport.make(Host(), str(self.out), *results.load_all(str(self.out)), self.said.append)
        report.write(str(self.out), found)
        self.screen = document.terminal(found.head)
        self.page = Page((self.out / "index.html").read_text())
        self.markdown = (self.out / "report.md").read_text()
        self.figures = {path.stem for path in self.out.glob("plots/*.svg")}

    def sound(self):
        self.assertEqual(self.page.open, [])
        self.assertEqual([name for name, n in collections.Counter(self.page.names).items() if n > 1], [])
        self.assertEqual(self.page.asks, [])
        self.assertEqual(self.page.tags["script"] + self.page.tags["link"] + self.page.tags["img"], 0)
        text = (self.out / "index.html").read_text()
        self.assertNotIn("@import", text)
        self.assertNotRegex(text, r"url\((?!#)")

    def test_one_cell(self):
        self.report([cells.parse("randread-4k-qd32 pi/indirect")])
        self.sound()
        self.assertIn("COMPLETE", "".join(self.page.text))
        self.assertIn("1 cell measured", "".join(self.page.text))
        self.assertRegex("".join(self.page.text), "total instructions per I/O: io_uring_pi indirect takes 23,[01]..")

    def test_more_than_two_hundred_cells(self):
        chosen = synthetic.matrix(("all",))
        self.assertGreater(len(chosen), 200)
        self.report(chosen, rounds=6)
        self.sound()
        for cell in chosen[::40]:
            self.assertIn(cell.workload.title, "".join(self.page.text))
        self.assertEqual(self.page.tags["svg"], len(self.figures))
        self.assertLessEqual({"forest-scsi_debug", "stack-scsi_debug-4k", "mix-scsi_debug-randread-4k-qd32",
                              "sweep-scsi_debug-randread-qd32"}, self.figures)  # fmt: skip

    def test_the_same_figures_in_markdown_and_html(self):
        self.report(synthetic.CELLS)
        self.assertEqual(self.markdown.count("!["), self.page.tags["svg"])
        for name in re.findall(r"\]\((plots/.*?)\)", self.markdown):
            self.assertTrue((self.out / name).read_bytes().startswith(b"\x89PNG"), name)
        absolute = re.findall(r"\d+,\d{3}", self.markdown)
        self.assertLessEqual(set(absolute), set(re.findall(r"\d+,\d{3}", "".join(self.page.text))))

    def test_long_tables_are_folded_and_print_unfolded(self):
        rows = [[f"cell {number}", str(number)] for number in range(document.ROWS + 1)]
        page = document.page("x", [document.Table(["cell", "figure"], rows[:-1]), document.Table(["cell", "figure"], rows)])
        self.assertEqual(Page(page).tags["details"], 1)
        self.assertIn(f"<summary>{len(rows)} rows: cell, figure</summary>", page)
        self.assertRegex(page.partition("@media print")[2], r"details::details-content \{\s+content-visibility: visible")
        self.report(synthetic.matrix(("all",)), rounds=2)
        self.assertGreater(self.page.tags["details"], 0)

    def fits(self):
        lines = self.screen.splitlines()
        self.assertLessEqual(len(lines), 24, self.screen)
        self.assertLessEqual(max(map(len, lines)), 100, self.screen)
        return lines

    def test_a_run_ends_on_one_screen(self):
        self.report(synthetic.matrix(("all",)), rounds=2)
        lines = self.fits()
        self.assertRegex(lines[0], r"^COMPLETE: \d+ cells measured")
        found = [line for line in lines if "█" in line]
        self.assertTrue(3 <= len(found) <= 8, self.screen)
        for line in found:
            self.assertIn(line.split()[-3], self.markdown)
        widths = [(float(line.split()[-2]), line.count("█")) for line in found]
        self.assertEqual(sorted(widths), sorted(widths, key=lambda each: (each[1], each[0])))
        self.assertNotIn("**", self.screen)
        [shown] = re.findall(r"\*\*(scsi_debug, .* × plain-autopi: .*)\*\*; geometric mean", self.markdown)
        self.assertEqual(len(re.findall(r"\w+ \d\.\d\d \(\d\.\d\d to \d\.\d\d\)", shown)), len(synthetic.LAYOUTS), shown)
        self.assertIn(shown, " ".join(lines), "a terminal does not show the table")

    def test_one_cell_ends_on_one_screen(self):
        self.report([cells.parse("randread-4k-qd32 pi/indirect")])
        self.assertRegex(self.fits()[0], "^COMPLETE: 1 cell measured")

    def test_a_screen_names_what_failed_and_how_many_more(self):
        self.report(synthetic.CELLS)
        records, env = results.load_all(str(self.out))
        one = records[0]
        failed = [{**one, "kind": "failure", "cell": f"randread-{size}k-qd1 pi/indirect", "reason": "fio exited with 1: " + "guard " * 40}
                  for size in (8, 16, 32, 64, 128, 256, 512)]  # fmt: skip
        self.screen = document.terminal(made([*records, *failed], env).head)
        lines = self.fits()
        self.assertTrue(lines[0].startswith("FAILED: 7 of"), self.screen)
        self.assertEqual(sum("fio exited with 1" in line for line in lines), 3)
        self.assertIn("- and 4 more", lines)

    def test_verdict_and_headline_come_first(self):
        self.report(synthetic.CELLS)
        lines = [line for line in self.markdown.splitlines() if line]
        self.assertRegex(lines[1], rf"^\*\*COMPLETE\*\*: {len(synthetic.CELLS)} cells measured")
        self.assertRegex(lines[2], r"^\*\*scsi_debug, total instructions per I/O: io_uring_pi indirect takes")

    def test_layouts_side_by_side_are_of_the_same_workloads(self):
        large = ("plain-autopi/none", "pi/indirect")
        for layouts in ("indirect inline", "indirect inline region"):
            small = ("plain-autopi/none", *(f"pi/{layout}" for layout in layouts.split()))
            names = [f"randread-4k-qd32 {arm}" for arm in small] + [f"read-128k-qd32 {arm}" for arm in large]
            self.report([cells.parse(name) for name in names])
            said = next(line for line in self.markdown.splitlines() if "scsi_debug, total" in line and "indirect" in line)
            self.assertRegex(said, r"indirect (takes )?\d\.\d\d\b(?! \().*; 4 KiB random read, depth 32\.$")

    def test_latency_where_time_means_something_only(self):
        chosen = [c for c in synthetic.CELLS if c.workload.name == "randread-4k-qd1"]
        self.report(chosen, mode=cells.TIME)
        self.sound()
        if self.figures:
            self.assertIn("tail-scsi_debug-randread-4k-qd1", self.figures)
        self.report(chosen, mode=cells.INSTRUCTIONS)
        self.assertFalse([name for name in self.figures if name.startswith("tail")])

    def test_csv(self):
        self.report([cells.parse("randread-4k-qd32 pi/indirect")], rounds=2)
        with open(self.out / "results.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual([(r["cell"], r["round"], r["unit"]) for r in rows],
                         [("randread-4k-qd32 pi/indirect", str(n), "instructions") for n in (1, 2)])  # fmt: skip
        self.assertAlmostEqual(float(rows[0]["value"]), synthetic.cost(cells.parse(rows[0]["cell"])), delta=100)

    def test_a_table_for_another_text(self):
        self.report(synthetic.CELLS)
        with contextlib.redirect_stdout(io.StringIO()) as shown:
            self.assertEqual(cli.main(["report", str(self.out), "--table", "qd32 4k"]), 0)
        lines = shown.getvalue().splitlines()
        names = [field.strip() for field in lines[0].strip("|").split("|")]
        self.assertEqual(names[1:], [*cells.BASELINES, "io_uring with PI", "io_uring_pi indirect with PI"])
        self.assertEqual([line.split("|")[1].strip() for line in lines[2:4]], [f"4 KiB random {rw}, depth 32" for rw in ("read", "write")])
        self.assertIn(lines[2].split("|")[5].strip(), self.markdown)
        self.assertRegex(
            lines[5], "scsi_debug, total instructions.*Linux 7.3.4.*fio-3.41; commit 0123456789ab; 3 rounds.*scripts/pi-bench run"
        )
        with contextlib.redirect_stderr(io.StringIO()) as said:
            self.assertEqual(cli.main(["report", str(self.out), "--table", "qd99"]), 2)
        self.assertIn("--table qd99: no such workload", said.getvalue())

    def test_what_was_not_controlled_is_said(self):
        self.report(synthetic.CELLS)
        self.assertIn("✗ scsi_debug: 3 rounds", self.markdown)
        self.assertRegex(self.markdown, r"✓ scsi_debug: drift of the plain reference: [+-]0\.\d+% from the first")
        self.report(synthetic.CELLS[:4], rounds=6)
        self.assertIn("✓ scsi_debug: 6 rounds", self.markdown)

    def test_without_gnuplot(self):
        out = self.enterContext(tempfile.TemporaryDirectory())
        self.assertEqual(plot.draw(Bare(), plot.figures(outcome.group(records()), "."), out, print), [])

    def test_gnuplot_fails(self):
        class Broken(Host):
            def run(self, argv):
                return subprocess.CompletedProcess(argv, 1, "", "line 3: unknown terminal\n")

        with tempfile.TemporaryDirectory() as directory, self.assertRaisesRegex(Exception, "gnuplot: .*: line 3: unknown terminal"):
            plot.draw(Broken(), plot.figures(outcome.group(records()), "."), directory, print)


class Figures(unittest.TestCase):
    def session(self, **more):
        return outcome.group(records(**more))[0]

    def test_forest_has_ratios_with_their_range(self):
        [drawing] = plot.forest(self.session())
        rows, headings = drawing.data.split("\n\n\n")
        self.assertEqual(drawing.variables["series"], list(BASELINES))
        self.assertEqual((len(rows.splitlines()), len(headings.splitlines())), (2, 1))
        ratio, low, high = map(float, shlex.split(rows.splitlines()[1])[2:5])
        self.assertAlmostEqual(ratio, 20800 / 29000)
        self.assertLessEqual(low, ratio)
        self.assertLessEqual(ratio, high)
        self.assertIn("lowest to highest round", drawing.caption)

    def test_limits_are_exact_from_six_rounds_on(self):
        noisy = self.session(rounds=(1.0,) * 6)
        self.assertIn("95 % limits", plot.forest(noisy)[0].caption)

    def test_stack_adds_up(self):
        cell = cells.parse("randread-4k-qd1 pi/indirect")
        stats = {"clock_ns": 10, "ns": {"generate": 0, "verify": 3_000_000, "submit": 12_000_000, "wait": 0},
                 "calls": {"generate": 0, "verify": 1000, "submit": 1000, "wait": 0}}  # fmt: skip
        found = records() + [{**run(cell, 20800, 9), "kind": "timed", "stats": stats}]
        [drawing] = plot.stack(outcome.group(found)[0], 4096)
        lines = drawing.data.partition("\n\n\n")[0].splitlines()
        last = shlex.split(lines[-1])
        self.assertEqual([float(field) for field in last[5:]], [11990, 14980, 20800, 20800])
        time = [{**r, "mode": cells.TIME} for r in found]
        last = shlex.split(plot.stack(outcome.group(time)[0], 4096)[0].data.partition("\n\n\n")[0].splitlines()[-1])
        self.assertEqual([float(field) for field in last[5:]], [2.99, 15.6], "a system call may sleep")
        plain = shlex.split(lines[0])
        self.assertEqual([float(field) for field in plain[5:]], [0, 0, 0, 28000])

    def test_times_have_a_unit_that_keeps_them_short(self):
        for largest, unit, found in (
            (8_000, "ns", (1, "ns")),
            (1_600_000, "ns", (1000, "µs")),
            (25_000_000, "ns", (1_000_000, "ms")),
            (281_229, "instructions", (1, "instructions")),
        ):
            self.assertEqual(plot.scale(largest, unit), found)

    # of an SVG of gnuplot: where it is and what it says
    TEXT = re.compile(r'translate\(([\d.]+),([\d.]+)\)"[^>]*text-anchor="middle">\s*<text><tspan[^>]*>([^<]*)<')
    DIGIT = 8.3

    def test_ticks_do_not_run_into_each_other(self):
        with tempfile.TemporaryDirectory() as out:
            for mode, factor in itertools.product((cells.TIME, cells.INSTRUCTIONS), (0.001, 0.3, 0.42, 1, 5, 41, 73, 110, 400, 3000)):
                session = self.session(mode=mode, arms={name: cost * factor for name, cost in COSTS.items()})
                [drawing] = plot.stack(session, 4096)
                figure = plot.render(Host(), drawing, out)
                self.assertIsNotNone(figure, "gnuplot is missing; scripts/deps installs it")
                found = self.TEXT.findall(figure.svg)
                lowest = max(float(y) for _, y, text in found if text[0].isdigit())
                ends = sorted((float(x), len(text) * self.DIGIT / 2, text) for x, y, text in found if float(y) == lowest)
                self.assertGreater(len(ends), 2)
                for (x, half, text), (other_x, other_half, other) in zip(ends, ends[1:]):
                    self.assertLess(x + half, other_x - other_half, f"{text} and {other}")

    def test_a_bar_has_the_unit_of_the_axis(self):
        found = self.session(mode=cells.TIME, arms={name: cost * 50 for name, cost in COSTS.items()})
        [drawing] = plot.stack(found, 4096)
        # 20,800 * 50 ns of time are 780,000 of CPU
        self.assertEqual(drawing.variables["axis"], "µs per I/O")
        fields = shlex.split(drawing.data.partition("\n\n\n")[0].splitlines()[-1])
        self.assertEqual((fields[2], fields[-1]), ("780.0", "780.0"))

    def test_there_are_no_bars_of_nothing(self):
        self.assertEqual(plot.stack(self.session(mode=cells.TIME, arms=dict.fromkeys(COSTS, 0)), 4096), [])

    def test_a_part_that_is_nowhere_is_not_in_the_legend(self):
        [drawing] = plot.stack(self.session(), 4096)
        self.assertEqual((drawing.variables["series"], drawing.caption), (["not split"], "Median of 3 rounds."))

    def test_a_figure_fits_a_sheet_and_each_shows_what_it_names(self):
        with tempfile.TemporaryDirectory() as directory:
            session = outcome.group(results.load(synthetic.write(directory, synthetic.matrix(("all",)), rounds=1)))[0]
        drawings = plot.forest(session)
        self.assertGreater(len(drawings), 1)
        self.assertEqual(len({drawing.variables["left"] for drawing in drawings}), 1, "one axis for all")
        for drawing in drawings:
            rows, headings = drawing.data.split("\n\n\n")
            self.assertLessEqual(len(rows.splitlines()) + len(headings.splitlines()), plot.ROWS)
            styled = [list(cells.BASELINES)[number - 1] for number in drawing.variables["styles"]]
            self.assertEqual(drawing.variables["series"], styled)
            self.assertEqual({len(shlex.split(row)) for row in rows.splitlines()}, {2 + 3 * len(styled)})

    def test_crossover_is_named_or_denied(self):
        chosen = synthetic.matrix(("mix",), ("indirect", "inline"))
        with tempfile.TemporaryDirectory() as directory:
            session = outcome.group(results.load(synthetic.write(directory, chosen, noise=0)))[0]
            [drawing] = plot.mix(session, session.unmixed[0])
            # 1180 * share = 700 * share + 900 nowhere below 100 %
            self.assertIn("inline, SQE 128 costs no less than indirect, SQE 64 at any share", drawing.caption)
        with tempfile.TemporaryDirectory() as directory:
            costs = {**synthetic.ATTRIBUTE, "indirect": 250}
            with unittest.mock.patch.object(synthetic, "ATTRIBUTE", costs):
                session = outcome.group(results.load(synthetic.write(directory, chosen, noise=0)))[0]
            [drawing] = plot.mix(session, session.unmixed[0])
            self.assertIn("inline, SQE 128 costs less than indirect, SQE 64 once 50.0 % of the requests carry PI.", drawing.caption)
            self.assertEqual(drawing.variables["roots"], ["-", "50.0"])
        with tempfile.TemporaryDirectory() as directory:
            without_plain = [cell for cell in chosen if cell.arm.has_pi]
            session = outcome.group(results.load(synthetic.write(directory, without_plain, noise=0)))[0]
            self.assertEqual(plot.mix(session, session.unmixed[0]), [], "nothing to be over")
