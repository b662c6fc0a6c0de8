# SPDX-License-Identifier: GPL-2.0-only
import configparser
import json
import pathlib
import subprocess
import unittest
import unittest.mock

import test_accounting
import test_device
from test_report import rows
from pibench import cli, fio, perf, perfreport, results, session
from pibench.errors import Failure, IoFailure

# what each takes an I/O where all targets are met
COSTS = {
    "io_uring": 7000, "none": 6900, perf.AUTOPI: 12000, "io_uring-md": 48000, "io_uring_cmd": 47000, "indirect": 11000, perf.FLOOR: 6900,
}  # fmt: skip
MB = 1 << 20


class Report(test_device.Machine):
    def write(self, change=lambda session, cell, cost: cost, also=(), took=(500, 510), rounds=3):
        """A report of made-up runs: (text, missed)."""
        sessions = {"plain": perf.plain_cells(), "grown": perf.grown_cells(), "pi": perf.pi_cells()}
        records = [
            {"kind": "run", "session": name, "cell": cell.name, "round": number, "ios": 100,
             "count": 100 * change(name, cell, COSTS.get(cell.way, 13000)) * (1 + number / 1000)}
            for name, chosen in sessions.items() for cell in chosen for number in range(rounds + 1)
        ]  # fmt: skip
        records += [
            {"kind": "run", "session": perf.START, "cell": f"randread-4k-qd1 {way}", "round": 1, "ios": 1, "count": ms * 1e6}
            for way, ms in zip(perf.PLAIN_WAYS, took, strict=True)
        ]
        records += [{"kind": "memory", "way": "indirect", "iodepth": depth, "block": 4096, "bytes": MB + 5000 * depth}
                    for depth in (1, 1024)]  # fmt: skip
        for record in (*records, *also):
            results.append(self.root / results.NAME, record)
        return perfreport.write(str(self.root))

    def ratios(self, text):
        return {tuple(row[name] for name in ("4 KiB", "ours", "to")): (row["ratio"], row["at most"], row[""])
                for row in rows(text, "## Ratios")}  # fmt: skip

    def test_all_met(self):
        text, missed = self.write()
        found = self.ratios(text)
        self.assertFalse(missed)
        self.assertNotIn("MISSED", text)
        self.assertEqual(found["random read, depth 32", "indirect", perf.AUTOPI], ("0.917 (0.917 to 0.917)", "0.95", "met"))
        self.assertEqual(found["random write, depth 1, bare", "none", "io_uring"], ("0.986 (0.986 to 0.986)", "1.00", "met"))
        self.assertEqual(found["random read, depth 32", "indirect", "io_uring-md"], ("0.229 (0.229 to 0.229)", "", ""))
        self.assertEqual(list(rows(text, "## Above")[0].values()), ["random read, depth 32", "11,022", "6,914", "4,108"])
        # a block and 904 bytes more of each I/O, and a mebibyte
        self.assertEqual(list(rows(text, "## Memory")[0].values()), ["indirect", "4,096", "5,000", "904", "1,024"])
        self.assertEqual((self.root / "report.md").read_text(), text)

    def miss(self, key, wanted, **changes):
        text, missed = self.write(**changes)
        self.assertTrue(missed)
        self.assertEqual({name: row[2] for name, row in self.ratios(text).items() if row[2] == "MISSED"}, dict.fromkeys(key, "MISSED"))
        self.assertIn(wanted, text)

    def test_a_dearer_write_is_missed(self):
        def change(where, cell, cost):
            return 13320 if (where, cell.way, cell.direction) == ("pi", "indirect", "write") else cost

        missed = [("random write, depth 32", "indirect", way) for way in (perf.AUTOPI, "io_uring-md")]
        self.miss(missed, "1.110 (1.110 to 1.110)", change=change)

    def one_ratio(self, *ours):
        """none beside io_uring in one round after the other."""
        (self.root / results.NAME).unlink(missing_ok=True)
        counts = ((7000, 1000), *((1000, count) for count in ours))
        for number, pair in enumerate(counts):
            for way, count in zip(perf.PLAIN_WAYS, pair, strict=True):
                results.append(self.root / results.NAME, {
                    "kind": "run", "session": "plain", "cell": f"randread-4k-qd32 {way}", "round": number, "ios": 1, "count": count})
        text, missed = perfreport.write(str(self.root))
        return self.ratios(text)["random read, depth 32", "none", "io_uring"], missed

    def test_a_limit_is_missed_where_every_round_lies_above_it(self):
        self.assertEqual(self.one_ratio(1000, 1000.4, 1000.4), (("1.000 (1.000 to 1.000)", "1.00", "met"), False))
        self.assertEqual(self.one_ratio(999, 1002, 1003), (("1.002 (0.999 to 1.003)", "1.00", "met"), False))
        self.assertEqual(self.one_ratio(1001, 1002, 1003), (("1.002 (1.001 to 1.003)", "1.00", "MISSED"), True))

    def test_what_grows_with_the_depth_is_missed(self):
        def change(where, cell, cost):
            return cost + 180 if (where, cell.iodepth, cell.way) == ("grown", 1024, "none") else cost + 200 * (cell.way == "io_uring")

        self.miss([("random read, depth 1024", "none", "itself at depth 32")], "1.026 (1.026 to 1.026)", change=change)

    def test_each_round_has_its_own_ratio(self):
        records = [
            {"kind": "run", "session": "plain", "cell": f"randread-4k-qd32 {way}", "round": number, "ios": 1, "count": count}
            for number, counts in enumerate(((1, 1), (100, 99), (200, 204), (300, 294)))
            for way, count in zip(perf.PLAIN_WAYS, counts, strict=True)
        ]
        counts = perfreport.Counts(records)
        ratio = counts.ratio("plain", *(("randread-4k-qd32", way) for way in ("none", "io_uring")))
        self.assertEqual((ratio.count, ratio.median, ratio.low, ratio.high), (3, 0.99, 0.98, 1.02))

    def test_a_late_start_and_a_failure_are_no_success(self):
        self.assertTrue(self.write(took=(500, 551))[1])
        (self.root / results.NAME).unlink()
        text, missed = self.write(also=[{"kind": "failure", "session": "pi", "cell": "x y", "round": 1, "reason": "no such device"}])
        self.assertTrue(missed)
        self.assertIn("x y: no such device", text)

    def test_nothing_measured(self):
        results.append(self.root / results.NAME, {"kind": "run", "session": "pi", "cell": "x y", "round": 0, "ios": 1, "count": 1})
        with self.assertRaises(Failure):
            perfreport.write(str(self.root))


class Cells(unittest.TestCase):
    def test_each_has_its_job(self):
        jobs = configparser.RawConfigParser(comment_prefixes=";", allow_no_value=True)
        jobs.read(perf.JOBS)
        for cell in (*perf.plain_cells(), *perf.grown_cells(), *perf.pi_cells()):
            if cell.way != perf.FLOOR:
                self.assertIn(cell.section, jobs.sections())

    def test_names_are_unlike_each_other(self):
        for chosen in (perf.plain_cells(), perf.grown_cells(), perf.pi_cells()):
            self.assertEqual(len({cell.name for cell in chosen}), len(chosen))


class Sessions(test_device.Machine):
    """fio takes 1000 ns an I/O, 4000000 to start, and idles where it is told to."""

    def setUp(self):
        super().setUp()
        self.log = []
        patcher = unittest.mock.patch.object(perf.fio, "run", self.fio)
        patcher.start()
        self.addCleanup(patcher.stop)

    def fio(self, argv, asked, timeout):
        base = self.root / "sys/class/block/nvme0n1/integrity"
        ios = int(asked["NUMBER_IOS"])
        self.log.append((argv[1].partition("=")[2], asked["DUT"], ios, (base / "write_generate").read_text().strip()))
        side = {"total_ios": ios * int(asked["NUMJOBS"]), "io_bytes": 1, "runtime": 100, "lat_ns": {"mean": 1}, "clat_ns": {}}
        job = {"error": 0, "usr_cpu": 10, "sys_cpu": 10, "job_runtime": 100, "ctx": 1, "read": side, "write": side}
        return subprocess.CompletedProcess(argv, 0, json.dumps({"fio version": "fio-3.41", "jobs": [job]}, indent=1), "")

    def make(self, idle=(), **changes):
        tools = fio.Tools("fio", "engine")
        spec = perf.Spec("pi", 1, 1, True, perf.pi_cells(), tools, "fio-isal", "floor")
        made = perf.Session(self.host, perf.decode(session.encode(perf.dataclasses.replace(spec, **changes))), print, str(self.root))
        made.target = perf.device.describe(self.host, "/dev/nvme0n1")
        made.trace = test_accounting.Counted(self.host, lambda: 4_000_000 + 1000 * self.log[-1][2], idle)
        return made

    def test_what_is_counted_is_what_the_lead_has_not(self):
        measured = self.make().measure(perf.Cell("indirect", "randread", 32), 1)
        self.assertEqual((measured["ios"], measured["count"]), (perf.COUNTED, 1000 * perf.COUNTED))
        self.assertEqual([ios for *_, ios, _ in self.log], [perf.LEAD, perf.LEAD + perf.COUNTED])

    def test_an_idle_run_is_repeated_and_in_the_end_none(self):
        self.make(idle=[7]).once(perf.Cell("indirect", "randread", 32), 64)
        self.assertEqual(len(self.log), 2)
        with self.assertRaises(IoFailure):
            self.make(idle=[7] * test_accounting.accounting.ATTEMPTS).once(perf.Cell("indirect", "randread", 32), 64)

    def test_the_kernel_generates_only_where_it_is_asked_to(self):
        made = self.make()
        for way in (perf.AUTOPI, "indirect", "io_uring_cmd"):
            made.once(perf.Cell(way, "randread", 32), 64)
        self.assertEqual([(section, path, knob) for section, path, _, knob in self.log],
                         [("io_uring", "/dev/nvme0n1", "1"), ("indirect", "/dev/nvme0n1", "0"),
                          ("io_uring_cmd", "/dev/ng0n1", "0")])  # fmt: skip

    def test_as_many_names_as_files(self):
        names = self.make().names(perf.Cell("none", "randread", 32, files=3)).split(":")
        self.assertEqual(len(set(names)), 3)
        self.assertEqual({pathlib.Path(name).readlink() for name in names}, {pathlib.Path("/dev/nvme0n1")})


class CommandLine(unittest.TestCase):
    def specs(self, *words):
        return perf.specs(cli.parser().parse_args(["perf", *words]))

    def test_sessions(self):
        self.assertEqual([spec.name for spec in self.specs()], ["pi", "plain", "grown"])
        chosen = self.specs("--only", "indirect randwrite")
        self.assertEqual([[cell.name for cell in spec.cells] for spec in chosen], [["randwrite-4k-qd32 indirect"]])
        with self.assertRaises(Failure):
            self.specs("--only", "nothing")
