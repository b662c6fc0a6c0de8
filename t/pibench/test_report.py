# SPDX-License-Identifier: GPL-2.0-only
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

from pibench import cells, plot, report  # noqa: E402
from pibench.host import Host  # noqa: E402

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


def run(cell, cost, number, mode=cells.INSTRUCTIONS, icount=True, **more):
    ios = 1000
    return {
        "schema": 1, "kind": "run", "session": "nvme0n1", "mode": mode, "icount": icount, "seed": 3, "read_only": False,
        "round": number,
        "cell": cell.name, "fio": "fio-3.41", "ios": ios, "bytes": ios * cell.workload.block_size,
        "runtime_ns": cost * ios, "window_ns": cost * ios, "idle_ns": 0,
        "thread_ns": cost * ios // 2, "kernel_ns": cost * ios // 4,
        "latency_ns": cost * 2, "percentiles_ns": {"50": cost, "99": cost * 4}, **more,
    }  # fmt: skip


def records(mode=cells.INSTRUCTIONS, icount=True, arms=COSTS, rounds=(0.99, 1.0, 1.02), workloads=cells.WORKLOADS[:1]):
    chosen = [c for c in cells.CELLS if c.workload in workloads and c.arm.name in arms]
    warm_up = [run(c, 10**6, 0, mode, icount) for c in chosen]
    return warm_up + [run(c, arms[c.arm.name] * f, n, mode, icount) for n, f in enumerate(rounds, 1) for c in chosen]


def rows(markdown, heading):
    """[{column: text}] of the first table below a heading."""
    lines = markdown[markdown.index(heading) :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    table = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        table.append([field.strip() for field in line.strip("|").split("|")])
    return [dict(zip(table[0], row)) for row in table[2:]]


class Instructions(unittest.TestCase):
    def setUp(self):
        self.shown, _ = report.markdown(records(), {})
        self.rows = {(r["state"], r["engine"]): r for r in rows(self.shown, "### 4 KiB random read, depth 1")}

    def test_every_arm_has_its_median_without_the_warm_up(self):
        self.assertEqual(len(self.rows), 8)
        self.assertEqual(self.rows["plain-autopi", "io_uring"]["instructions"], "28,000")
        self.assertEqual(self.rows["pi", "io_uring_pi indirect"]["instructions"], "20,800")

    def test_spread_is_off_the_median(self):
        self.assertEqual(self.rows["pi", "io_uring_pi indirect"]["spread"], "−1.00…+2.00 %")

    def test_ratios_compare_with_the_same_engine(self):
        ours = self.rows["pi", "io_uring_pi indirect"]
        self.assertEqual([ours[f"× {b}"] for b in cells.BASELINES], ["0.717", "1.809", "2.000"])
        self.assertEqual(ours["× io_uring"], "1.300")
        theirs = self.rows["pi", "io_uring"]
        self.assertEqual([theirs[f"× {b}"] for b in cells.BASELINES], ["0.571", "1.455", "1.600"])
        self.assertEqual(self.rows["plain-nopi", "io_uring_pi none"]["× io_uring"], "1.040")

    def test_headline_comes_first_and_names_the_baselines(self):
        first = self.shown.split("\n\n")[1]
        self.assertIn("takes 0.72 × plain-autopi, 1.81 × plain-noverify, 2.00 × plain-nopi, 1.30 × fio's own PI", first)
        cheap, dear = cells.WORKLOADS[0], cells.WORKLOADS[2]
        both = records(workloads=[cheap]) + records(workloads=[dear], arms={**COSTS, "plain-autopi/none": 10400})
        self.assertIn("takes 1.20 (0.72 to 2.00) × plain-autopi", report.markdown(both, {})[0].split("\n\n")[1])

    def test_notes(self):
        for part in ("does not verify PI on the host", "seed 3", "3 rounds", "1,000 I/Os", "not time", "fio-3.41"):
            self.assertIn(part, self.shown)

    def test_a_fio_without_isa_l_is_named(self):
        configured = {"host": {"fio_configure": "./configure --disable-native --disable-isal"}}
        self.assertIn("without ISA-L", report.markdown(records(), configured)[0])
        self.assertNotIn("without ISA-L", self.shown)

    def test_no_time_is_claimed(self):
        for word in ("IOPS |", "MB/s", "µs", " ns "):
            self.assertNotIn(word, self.shown)

    def test_tables_are_aligned(self):
        for block in re.findall(r"(?:^\|.*\n)+", self.shown, re.MULTILINE):
            self.assertEqual(len({len(line) for line in block.splitlines()}), 1, block)


class Modes(unittest.TestCase):
    def test_cpu_counts_thread_and_kernel(self):
        shown, _ = report.markdown(records(cells.CPU), {})
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["instructions"], "15,600")
        self.assertNotRegex(shown, r"MB/s|\bµs\b")

    def test_cpu_without_icount_is_time(self):
        shown, _ = report.markdown(records(cells.CPU, icount=False), {})
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["ns"], "15,600")

    def test_time_shows_throughput_latency_and_cpu(self):
        shown, _ = report.markdown(records(cells.TIME, icount=False, rounds=(1.0, 1.0, 1.1)), {})
        last = rows(shown, "### 4 KiB")[-1]
        self.assertEqual(last["IOPS"], "48,077 ±9.1 %")
        self.assertEqual(last["MB/s"], "196.9 ±9.1 %")
        self.assertEqual(last["mean latency, µs"], "41.6 ±10.0 %")
        self.assertEqual(last["p99 latency, µs"], "83.2 ±10.0 %")
        self.assertEqual(last["CPU per I/O, ns"], "15,600 ±10.0 %")
        ratios = rows(shown[shown.index("| against") - 60 :], "| state")
        found = {(r["engine"], r["against"]): r for r in ratios if r["state"] == "pi"}
        self.assertEqual(found["io_uring_pi indirect", "plain-nopi"]["× IOPS"], "0.500")
        self.assertEqual(found["io_uring_pi indirect", "plain-nopi"]["× p99"], "2.000")
        self.assertEqual(found["io_uring_pi indirect", "pi io_uring"]["× CPU"], "1.300")


class Gaps(unittest.TestCase):
    def record(self, kind, name, **more):
        base = {"schema": 1, "session": "nvme0n1", "mode": cells.INSTRUCTIONS, "icount": True, "seed": 3, "read_only": False}
        return {**base, "kind": kind, "cell": name, **more}

    def test_failure_is_shown_with_its_reason(self):
        found = [r for r in records() if "pi/indirect" not in r["cell"]]
        found.append(self.record("failure", "randread-4k-qd1 pi/indirect", round=1, reason="fio exited with 1: guard"))
        shown, _ = report.markdown(found, {})
        self.assertIn("failed: randread-4k-qd1 pi/indirect: fio exited with 1: guard", shown)
        self.assertEqual(rows(shown, "### 4 KiB")[-1]["instructions"], "failed")

    def test_failures_of_a_medium_not_written_say_what_may_help(self):
        failure = self.record("failure", "randread-4k-qd1 pi/indirect", round=1, reason="guard")
        self.assertNotIn("--allow-write", report.markdown([failure], {})[0])
        self.assertIn("--allow-write", report.markdown([{**failure, "read_only": True}], {})[0])

    def test_skipped_arms_have_no_row_but_a_reason(self):
        found = records(arms={k: v for k, v in COSTS.items() if k.startswith("plain-nopi")})
        found.append(self.record("skip", "randread-4k-qd1 pi/indirect", reason="the format has no PI"))
        found.append(self.record("skip", "randwrite-4k-qd1 pi/indirect", reason="writes need --allow-write"))
        shown, _ = report.markdown(found, {})
        self.assertIn("skipped: randread-4k-qd1 pi/indirect: the format has no PI", shown)
        self.assertEqual([r["state"] for r in rows(shown, "### 4 KiB")], ["plain-nopi"] * 2)
        self.assertEqual(rows(shown, "### 4 KiB")[0]["× plain-autopi"], "–")
        self.assertNotIn("### 4 KiB random write", shown)

    def test_reads_alone_are_said_to_meet_escapes(self):
        found = [{**r, "read_only": True} for r in records(cells.TIME, icount=False)]
        self.assertIn("escape tag", report.markdown(found, {})[0])
        self.assertNotIn("escape tag", report.markdown(records(), {})[0])

    def test_one_round_has_no_spread(self):
        shown, _ = report.markdown(records(rounds=(1.0,)), {})
        self.assertEqual(rows(shown, "### 4 KiB")[0]["spread"], "–")

    def test_environment_is_in_the_file_and_says_what_is_missing(self):
        shown, whole = report.markdown(records(), {"host": {"kernel": "Linux 6.1", "governor": "not recorded"}})
        self.assertIn("- kernel: Linux 6.1", whole)
        self.assertIn("- governor: not recorded", whole)
        self.assertNotIn("governor", shown)


class Plots(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name)
        self.session = report.group(records(workloads=cells.WORKLOADS))[0]

    @unittest.skipUnless(shutil.which("gnuplot"), "no gnuplot")
    def test_figures(self):
        self.assertEqual(plot.bars(Host(), self.session, {}, str(self.out), "bench"), ("bench.svg", "bench.png"))
        self.assertTrue((self.out / "bench.png").read_bytes().startswith(b"\x89PNG"))
        text = "".join(xml.etree.ElementTree.parse(self.out / "bench.svg").getroot().itertext())
        for word in ("PI, io_uring_pi indirect", "plain-nopi, io_uring", "N = 3", "4 KiB random write", "QD32"):
            self.assertIn(word, text)
        self.assertEqual(text.count("instructions per I/O"), 3, "the title and each axis")

    @unittest.skipUnless(shutil.which("gnuplot"), "no gnuplot")
    def test_one_cell(self):
        session = report.group(records(arms={"pi/indirect": 20800}))[0]
        self.assertTrue(plot.bars(Host(), session, {}, str(self.out), "bench"))

    def test_data_has_low_and_high(self):
        text = plot.data(self.session, cells.WORKLOADS[:1], [cells.ARMS[0]])
        self.assertIn("\n0 28000.000 27720.000 28560.000 ", text)

    def test_without_gnuplot(self):
        class Bare(Host):
            def run(self, argv):
                return None

        self.assertEqual(plot.bars(Bare(), self.session, {}, str(self.out), "bench"), ())

    def test_gnuplot_fails(self):
        class Broken(Host):
            def run(self, argv):
                return subprocess.CompletedProcess(argv, 1, "", "line 3: unknown terminal\n")

        with self.assertRaisesRegex(Exception, "gnuplot: line 3: unknown terminal"):
            plot.bars(Broken(), self.session, {}, str(self.out), "bench")


if __name__ == "__main__":
    unittest.main()
