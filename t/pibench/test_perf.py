# SPDX-License-Identifier: GPL-2.0-only
import configparser
import json
import pathlib
import unittest
import unittest.mock

import test_device
from test_report import Bare, rows
from pibench import cells, cli, document, fio, perf, perfreport, results, session
from pibench.errors import Failure, IoFailure

# what each takes an I/O where all limits are kept
COSTS = {
    perfreport.THEIRS: 7000, perfreport.OURS: 6900, perfreport.AUTOPI: 12000, "pi/io_uring": 48000, "pi/io_uring_cmd": 47000,
    perfreport.INDIRECT: 11000, "pi/floor": 6900, perfreport.PASSTHRU: 11000,
}  # fmt: skip
MB = 1 << 20
MODES = {perf.PLAIN: cells.INSTRUCTIONS, perf.GROWN: cells.INSTRUCTIONS, perf.PI: cells.CPU, perf.JOBS: cells.CPU,
         perf.REGISTERED: cells.INSTRUCTIONS}  # fmt: skip
AT = "4 KiB random {}, depth {}"


def cost_of(name, cell):
    if name == perf.REGISTERED and cell.arm.name == perfreport.INDIRECT:
        return {"read": 8000, "write": 11000}[cell.workload.direction]
    return COSTS.get(cell.arm.name, 13000)


def matrix(name):
    return cells.load(perf.CELLS, (name,), ("indirect", "passthru"))


def run(name, mode, cell, number, cost, **more):
    return {"kind": "run", "session": name, "mode": mode, "icount": mode != cells.TIME, "seed": 1, "read_only": False, "build": "",
            "reference": "", "cell": cell.name, "round": number, "step": f"{number}.{cell.name}", "ios": 100, "counted": 100,
            "window_ns": 100 * cost, "cpu_ns": 100 * cost, "runtime_ns": 100 * cost, "wall_ns": 100 * cost, "threads": {},
            "resident": MB + 5000 * cell.workload.iodepth, "start_ns": 0, "fio": "fio-3.41", **more}  # fmt: skip


class Report(test_device.Machine):
    def write(self, change=lambda session, cell, cost: cost, also=(), took=(500, 510), rounds=3):
        """A report of made-up runs: (text, status)."""
        records = [
            run(name, mode, cell, number, change(name, cell, cost_of(name, cell)) * (1 + number / 1000))
            for name, mode in MODES.items() for cell in matrix(name) for number in range(rounds + 1)
        ]  # fmt: skip
        for arm, ms in zip((perfreport.THEIRS, perfreport.OURS), took, strict=True):
            cell = cells.parse(f"randread-4k-qd1 {arm}")
            records.append(run(perf.HOST, cells.TIME, cell, 1, 100, start_ns=ms * 10**6, latency_ns=1, bytes=1, percentiles_ns={}))
        for record in (*records, *also):
            results.append(self.root / results.NAME, record)
        return self.again()

    def again(self):
        found, env = results.load_all(self.root)
        made = perfreport.make(Bare(), self.root, found, env)
        self.screen = document.terminal(made.head)
        return document.markdown([*made.head, *made.body]), made.status

    def ratios(self, text):
        return {tuple(row[name] for name in ("session", "workload", "ours", "compared with")): (row["ratio"], row["limit"], row[""])
                for row in rows(text, "## Ratios")}  # fmt: skip

    def test_one_limit_is_not_all_of_them(self):
        for cell in matrix(perf.REGISTERED):
            if cell.name in (f"randread-4k-qd32 {arm}" for arm in (perfreport.INDIRECT, perfreport.AUTOPI)):
                cost = cost_of(perf.REGISTERED, cell)
                for number in range(3):
                    results.append(self.root / results.NAME, run(perf.REGISTERED, cells.INSTRUCTIONS, cell, number, cost))
        self.again()
        self.assertTrue(self.screen.startswith("MET: the limits of what was measured."), self.screen)

    def test_all_met(self):
        text, status = self.write()
        found = self.ratios(text)
        self.assertEqual((status, "MISSED" in text.partition("## Notes")[0]), (0, False))
        self.assertTrue(self.screen.startswith("MET: all "), self.screen)
        read, write = AT.format("read", 32), AT.format("write", 1)
        self.assertEqual(found["pi", read, "pi/indirect", perfreport.AUTOPI], ("0.917 (0.917 to 0.917)", "0.95", "met"))
        self.assertEqual(found["plain", f"{write}, nothing registered", perfreport.OURS, perfreport.THEIRS],
                         ("0.986 (0.986 to 0.986)", "1.00", "met"))  # fmt: skip
        self.assertEqual(found["pi", read, "pi/indirect", "pi/io_uring-isal"][1:], ("", ""))
        self.assertEqual(list(rows(text, "### Compared")[0].values()), [read, "11,022", "6,914", "4,108"])
        # a mebibyte, and of each I/O less than the block that it is made of
        self.assertEqual(list(rows(text, "### Memory")[0].values())[1:], ["65,536", "5,000", "-60,536", "1,024"])

    def test_without_a_limit_none_is_met(self):
        results.append(self.root / results.NAME, run("pi", MODES["pi"], cells.parse(f"randread-4k-qd32 {perfreport.INDIRECT}"), 1, 9000))
        _, status = self.again()
        self.assertEqual((status, self.screen.partition(":")[0]), (0, "COMPLETE"))

    def test_it_ends_on_one_screen(self):
        self.write()
        lines = self.screen.splitlines()
        self.assertLessEqual((len(lines), max(map(len, lines))), (24, 100), self.screen)

    def miss(self, key, wanted, **changes):
        text, status = self.write(**changes)
        self.assertEqual(status, 1)
        self.assertEqual({name for name, row in self.ratios(text).items() if row[2] == "MISSED"}, set(key))
        self.assertIn(wanted, text)
        self.assertTrue(self.screen.startswith(f"MISSED: {len(key)} limits: "), self.screen)

    def test_a_dearer_write_is_missed(self):
        def change(where, cell, cost):
            return 13920 if (where, cell.arm.name, cell.workload.direction) == ("pi", perfreport.INDIRECT, "write") else cost

        missed = [("pi", AT.format("write", 32), perfreport.INDIRECT, other) for other in (perfreport.AUTOPI, "pi/io_uring")]
        self.miss(missed, "1.160 (1.160 to 1.160)", change=change)

    def test_what_grows_is_missed(self):
        def change(where, cell, cost):
            return 7100 if (where, cell.workload.iodepth, cell.arm.name) == (perf.GROWN, 1024, perfreport.OURS) else cost

        missed = [(perf.GROWN, AT.format("read", 1024), perfreport.OURS, other) for other in (perfreport.THEIRS, "itself at depth 32")]
        self.miss(missed, "1.029 (1.029 to 1.029)", change=change)

    def one_ratio(self, mode, *ours):
        """none beside io_uring in one round after the other."""
        cell = cells.parse(f"randread-4k-qd32 {perfreport.OURS}"), cells.parse(f"randread-4k-qd32 {perfreport.THEIRS}")
        found = session_of([run(perf.PLAIN, mode, one, number, cost) for number, cost in enumerate(ours, 1) for one, cost in
                            zip(cell, (cost, 1000))])  # fmt: skip
        return next(perfreport.ratios([found])).row[-1]

    def test_missed_is_what_lies_above_in_every_round_and_by_more_than_boots_differ(self):
        for mode, ours, verdict in (
            (cells.INSTRUCTIONS, (1000, 1000, 1000), "met"), (cells.INSTRUCTIONS, (1001, 1001, 1001), "met"),
            (cells.INSTRUCTIONS, (1002, 1002, 1002), "MISSED"), (cells.INSTRUCTIONS, (1000, 1020, 1020), "met"),
            (cells.CPU, (1040, 1040, 1040), "met"), (cells.CPU, (1060, 1060, 1060), "MISSED"),
        ):  # fmt: skip
            self.assertEqual(self.one_ratio(mode, *ours), verdict, (mode, ours))

    def test_a_late_start_and_a_failure_are_no_success(self):
        self.assertEqual(self.write(took=(500, 551))[1], 1)
        self.assertIn("the start of a job", self.screen)
        (self.root / results.NAME).unlink()
        failure = {**run("pi", cells.CPU, cells.parse("randread-4k-qd32 pi/indirect"), 1, 1), "kind": "failure", "reason": "no such device"}
        text, status = self.write(also=[failure])
        self.assertEqual(status, 4)
        self.assertIn("randread-4k-qd32 pi/indirect: no such device", text)
        self.assertTrue(self.screen.startswith("FAILED: "), self.screen)


def session_of(records):
    return perfreport.outcome.group(records)[0]


class Cells(unittest.TestCase):
    def test_each_has_its_job(self):
        jobs = configparser.RawConfigParser(comment_prefixes=";", allow_no_value=True)
        jobs.read(fio.JOBS)
        for name in (*MODES, perf.HOST):
            for cell in matrix(name):
                self.assertEqual(cells.parse(cell.name), cell)
                if cell.arm.engine != cells.FLOOR:
                    self.assertIn(fio.section(cell, None), jobs.sections())

    def test_each_limit_is_of_something_that_is_measured(self):
        for target in perfreport.TARGETS:
            arms = {cell.arm.name for cell in matrix(target.session)}
            self.assertLessEqual({target.arm, target.other} - {perfreport.ITSELF}, arms)


class Run(test_device.Machine):
    def test_floor_and_isa_l_are_programs_of_their_own(self):
        tools = fio.Tools("/x/fio", "/x/engine.so", isal="/x/isal", floor="/x/floor")
        target = perf.device.describe(self.host, "/dev/nvme0n1")
        for name, argv in (("pi/io_uring-isal", ["/x/isal", "--section=md"]), ("pi/io_uring_cmd-isal", ["/x/isal", "--section=cmd"]),
                           ("pi/io_uring_cmd", ["/x/fio", "--section=cmd"])):  # fmt: skip
            cell = cells.parse(f"randread-4k-qd32 {name}")
            self.assertEqual(fio.command(cell, tools)[:2], argv)
            self.assertEqual(fio.variables(cell, target, tools, 1, 4096)["IOENGINE"], name[3:].removesuffix("-isal"))
        cell = cells.parse("randwrite-4k-qd32 pi/floor")
        self.assertEqual(fio.floor(cell, target, tools, 99, 1 << 20), ["/x/floor", "/dev/nvme0n1", "randwrite", "32", "99", "256"])

    def test_commands_are_not_direct_and_as_many_names_as_files(self):
        tools, target = fio.Tools("/x/fio", "/x/engine.so"), perf.device.describe(self.host, "/dev/nvme0n1")
        found = {name: fio.variables(cells.parse(f"randread-4k-qd32 {name}"), target, tools, 1, 4096) for name in
                 ("pi/io_uring_cmd", "pi/passthru", "pi/indirect")}  # fmt: skip
        self.assertEqual({name: (each["DUT"], each["DIRECT"]) for name, each in found.items()},
                         {"pi/io_uring_cmd": ("/dev/ng0n1", "0"), "pi/passthru": ("/dev/ng0n1", "0"),
                          "pi/indirect": ("/dev/nvme0n1", "1")})  # fmt: skip
        names = fio.variables(cells.parse("randread-4k-qd32-files3 plain-nopi/none"), target, tools, 1, 4096)["DUT"].split(":")
        self.assertEqual(len(set(names)), 3)
        self.assertEqual({pathlib.Path(name).readlink() for name in names}, {pathlib.Path("/dev/nvme0n1")})

    def test_jobs_do_as_many_each(self):
        side = {"io_bytes": 0, "runtime": 1, "lat_ns": {"mean": 1}, "clat_ns": {}}
        spec = session.Spec("jobs", cells.CPU, True, 1, 1, nopi="/dev/nvme0n2", tools=fio.Tools(*2 * ["/bin/true"]))
        here = session.Session(self.host, spec)

        def run(ios):
            text = json.dumps({"jobs": [{"error": 0, "ctx": 1, "read": side | {"total_ios": ios}}]}, indent=1)
            with unittest.mock.patch.object(fio, "run", lambda *_: fio.Done(0, text, "", 0, 0, 0)):
                here.program(cells.parse("randread-4k-qd32-jobs4 plain-nopi/none"), here.targets.acquire("nopi"), 100, spec.tools)

        run(400)
        with self.assertRaisesRegex(IoFailure, "100 I/Os of 400"):
            run(100)


class CommandLine(unittest.TestCase):
    def specs(self, *words):
        options = cli.parser().parse_args(["perf", *words])
        with unittest.mock.patch.object(perf.guest, "ready", lambda *_: "TCG"), \
             unittest.mock.patch.object(fio, "layouts", lambda tools: ("indirect", "passthru")):  # fmt: skip
            return perf.specs(None, options, fio.Tools(), cli.common(options))[0]

    def test_sessions(self):
        self.assertEqual([spec.name for spec in self.specs()], ["host", "pi", "plain", "grown", "jobs", "registered"])
        self.assertEqual({spec.name: spec.kernel for spec in self.specs() if spec.kernel}, {"registered": "lab"})
        chosen = self.specs("--only", "pi/passthru randwrite")
        self.assertEqual([spec.cells for spec in chosen], [("randwrite-4k-qd32 pi/passthru",)])
        with self.assertRaises(Failure):
            self.specs("--only", "nothing")
