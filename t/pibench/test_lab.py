# SPDX-License-Identifier: GPL-2.0-only
import collections
import json
import subprocess
import textwrap
import unittest
import unittest.mock
import xml.etree.ElementTree

import test_accounting
import test_device
from test_report import rows
from pibench import cells, cli, fio, lab, labreport, results, session
from pibench.errors import Failure, IoFailure
from pibench.host import Host

ATTR_COST = """\
    #!/bin/sh
    if [ -e {root}/no-io_uring ]; then
        echo "attr-cost: io_uring is not permitted here" >&2
        exit 1
    fi
    cat {root}/rows
"""
Ran = collections.namedtuple("Ran", "section rw dut layout mix ios knobs requests")
# user, kernel: of plain, and over it where each request has PI
BASE = (20, 100)
OVER = {
    ("none", "64"): (0, 0), ("none", "128"): (0, 0), ("none", "128 zeroed"): (4, 0), ("indirect", "64"): (6, 112),
    ("inline", "128"): (6, 75), ("inline", "128 zeroed"): (13, 75), ("mixed", "mixed"): (6, 100), ("opcode", "64"): (8, 42),
}  # fmt: skip
SHARES = (0, 10, 50, 100)


def stats(value, spread=1.0):
    return {"min": value - spread, "q1": value - spread / 2, "median": value, "q3": value + spread / 2, "max": value + spread}


def attr_rows(over=OVER, unit="instructions", batches=(1, 32), lacking=("vec",)):
    rows = [{"kind": "run", "schema": 1, "kernel": "7.3.4", "unit": unit, "repetitions": 31, "requests": 400, "seed": 1}]
    rows += [{"kind": "skip", "layout": name, "sqe": "64", "reason": f"layout '{name}' needs the lab kernel"} for name in lacking]
    for batch in batches:
        for (layout, sqe), (user, kernel) in over.items():
            for mix in SHARES if layout != "none" else (0,):
                share = mix / 100
                # who zeroes does so for plain requests too
                cost = user * share + (4 * (1 - share) if sqe == "128 zeroed" else 0), kernel * share
                parts = {"user": cost[0], "kernel": cost[1], "total": sum(cost)}
                base = {"user": BASE[0], "kernel": BASE[1], "total": sum(BASE)}
                rows.append({"kind": "cell", "layout": layout, "sqe": sqe, "mix": mix, "batch": batch, "unit": unit,
                             "over_plain": {name: stats(value) for name, value in parts.items()},
                             **{name: stats(base[name] + value) for name, value in parts.items()}})  # fmt: skip
    return rows


class Lab(test_device.Machine):
    """attr-cost prints what is in rows; fio notes what it is asked, refuses a layout, and fails another where told to."""

    broken = False

    def setUp(self):
        super().setUp()
        (self.root / "fio").touch()
        self.requests = "/sys/class/block/nvme0n1/queue/nr_requests"
        self.put(self.requests, "64")
        (self.root / "attr-cost").write_text(textwrap.dedent(ATTR_COST.format(root=self.root)))
        (self.root / "attr-cost").chmod(0o755)
        (self.root / "rows").write_text("".join(json.dumps(row) + "\n" for row in attr_rows()))
        self.tools = fio.Tools(str(self.root / "fio"), str(self.root / "fio"))
        self.log = []
        patcher = unittest.mock.patch.object(lab.fio, "run", self.fio)
        patcher.start()
        self.addCleanup(patcher.stop)

    def fio(self, argv, asked, timeout):
        base = self.root / "sys/class/block/nvme0n1/integrity"
        knobs = "".join((base / name).read_text() for name in ("read_verify", "write_generate"))
        section, layout, ios = argv[1].partition("=")[2], asked["PI_LAYOUT"], int(asked["NUMBER_IOS"])
        self.log.append(Ran(section, asked["RW"], asked["DUT"], layout, asked["PI_MIX"], ios, knobs, self.host.read(self.requests)))
        if (section, layout) == ("vectored", "opcode"):
            return subprocess.CompletedProcess(argv, 1, "", "io_uring_pi: layout 'opcode' has no vectored opcodes\n")
        if self.broken and (asked["RW"], layout) == ("randread", "inline"):
            return subprocess.CompletedProcess(argv, 1, "", "io_uring_pi: /dev/nvme0n1: block 7: guard\n")
        side = {"total_ios": ios, "io_bytes": 1, "runtime": 100, "lat_ns": {"mean": 1}, "clat_ns": {}}
        job = {"error": 0, "usr_cpu": 10, "sys_cpu": 10, "job_runtime": 100, "ctx": 1, "read": side, "write": side}
        return subprocess.CompletedProcess(argv, 0, json.dumps({"fio version": "fio-3.41", "jobs": [job]}, indent=1), "")

    def make(self, emit=lambda record: None, **changes):
        fields = {
            "name": "nvme0n1", "mode": cells.TIME, "icount": False, "rounds": 1, "seed": 1, "device": "/dev/nvme0n1",
            "tools": self.tools, "attr_cost": str(self.root / "attr-cost"), **changes,
        }  # fmt: skip
        spec = lab.decode(session.encode(lab.Spec(**fields)))
        return lab.Session(self.host, spec, emit, str(self.root), self.tools)

    def run_session(self, **changes):
        found = []
        self.make(found.append, **changes).run()
        return found


class Sessions(Lab):
    def test_every_cell_every_round(self):
        found = self.run_session()
        expected = {cell.name for cell in lab.matrix(("indirect", "inline", "mixed", "opcode"))} - {"randread-4k-qd32-vectored opcode"}
        runs = collections.Counter(r["cell"] for r in found if r["kind"] == "run")
        self.assertEqual(runs, dict.fromkeys(expected, 2))
        plan = next(r for r in found if r["kind"] == "plan")
        self.assertLess(expected, set(plan["cells"]))
        self.assertEqual({one.layout for one in self.log}, {"none", "indirect", "inline", "mixed", "opcode"})

    def test_the_cell_is_what_fio_runs(self):
        self.run_session()
        ran = {one[:5] for one in self.log}
        for words in ("single randwrite none 100", "fixed randread inline 100", "vectored randread mixed 100", "single randread inline 5"):
            section, rw, layout, mix = words.split()
            self.assertIn((section, rw, "/dev/nvme0n1", layout, mix), ran)

    def test_plain_is_plain_and_the_device_is_put_back(self):
        self.run_session()
        self.assertEqual({one.knobs for one in self.log}, {"00"})
        base = self.root / "sys/class/block/nvme0n1/integrity"
        self.assertEqual([(base / n).read_text() for n in ("read_verify", "write_generate")], ["1", "1"])

    def test_the_region_is_filled_once_before_it_is_read(self):
        self.run_session()
        self.assertEqual([n for n, one in enumerate(self.log) if one.rw == "write"], [0])
        self.assertEqual({one.requests for one in self.log}, {"64"})

    def test_without_leave_nothing_is_written(self):
        found = self.run_session(read_only=True)
        self.assertEqual({one.rw for one in self.log}, {"randread"})
        skipped = {r["cell"] for r in found if r["kind"] == "skip" and "--allow-write /dev/nvme0n1" in r["reason"]}
        self.assertEqual(skipped, {c.name for c in lab.matrix(("indirect", "inline", "mixed", "opcode")) if c.rw == "randwrite"})

    def test_a_layout_that_cannot_is_no_failure(self):
        found = self.run_session()
        lost = {(r["kind"], r["cell"], r["reason"]) for r in found if r["kind"] in ("skip", "failure")}
        self.assertEqual(lost, {("skip", "randread-4k-qd32-vectored opcode", "layout 'opcode' has no vectored opcodes"),
                                ("skip", "passthru", "/dev/nvme0n1 has no character device for NVMe commands")})  # fmt: skip

    def test_commands_go_to_the_character_device(self):
        self.put("/dev/ng0n1", "")
        self.run_session()
        self.assertEqual({one.dut for one in self.log if one.layout == "passthru"}, {"/dev/ng0n1"})
        self.assertEqual({one.dut for one in self.log if one.layout != "passthru"}, {"/dev/nvme0n1"})
        self.assertEqual({one.mix for one in self.log if one.layout == "passthru"}, {"100"})

    def test_a_wrong_block_is_one(self):
        self.broken = True
        failures = [r for r in self.run_session(rounds=2) if r["kind"] == "failure"]
        self.assertEqual({r["reason"] for r in failures}, {"/dev/nvme0n1: block 7: guard"})
        self.assertEqual(len(failures), len({r["cell"] for r in failures}), "once a cell")
        self.assertTrue(all("randread" in r["cell"] and r["cell"].endswith(" inline") for r in failures))

    def test_a_device_without_pi(self):
        with self.assertRaisesRegex(Failure, "no PI"):
            self.run_session(device="/dev/nvme0n2")

    def test_without_a_device_the_attribute_alone(self):
        found = self.run_session(device=None)
        self.assertEqual({r["kind"] for r in found}, {"attr"})
        self.assertEqual([r["row"] for r in found], attr_rows())
        self.assertEqual(self.log, [])

    def test_no_io_uring_here_is_no_reason_to_stop(self):
        (self.root / "no-io_uring").touch()
        self.assertEqual([(r["kind"], r["reason"]) for r in self.run_session(device=None)],
                         [("skip", "attr-cost: io_uring is not permitted here")])  # fmt: skip
        with self.assertRaisesRegex(Failure, "not permitted"):
            self.run_session()

    def test_scale(self):
        found = self.run_session(scale=0.5)
        ios = {(r["round"], r["ios"]) for r in found if r["kind"] == "run" and "qd32" in r["cell"]}
        self.assertEqual(ios, {(0, lab.TIMED[32] // 16), (1, lab.TIMED[32] // 2)})

    def test_missing_tools(self):
        with self.assertRaisesRegex(Failure, "attr-cost is not built"):
            self.make(attr_cost="/nowhere/attr-cost").spec.require()
        with self.assertRaisesRegex(Failure, "run make"):
            self.make(tools=fio.Tools(self.tools.fio, "/nowhere/io_uring_pi.so")).spec.require()


class Counting(Lab):
    """Under icount: a job of 1,000,000 instructions and 500 for each I/O."""

    def setUp(self):
        super().setUp()
        self.shrink = f"{lab.accounting.SLABS}/kmalloc-256/shrink"
        self.put(self.shrink, "")
        self.emptied = []
        self.trace = test_accounting.Counted(self.host, self.window)
        patcher = unittest.mock.patch.object(lab.accounting, "Trace", lambda host: self.trace)
        patcher.start()
        self.addCleanup(patcher.stop)

    def window(self):
        self.emptied.append(self.host.read(self.shrink))
        self.put(self.shrink, "")
        return 1_000_000 + 500 * self.log[-1].ios

    def run_session(self, **changes):
        return super().run_session(**{"mode": cells.INSTRUCTIONS, "icount": True, **changes})

    def test_what_a_job_takes_to_start_is_not_counted(self):
        runs = [r for r in self.run_session() if r["kind"] == "run" and r["round"]]
        self.assertEqual({r["ios"] for r in runs}, {lab.COUNTED})
        self.assertEqual({r["window_ns"] / r["ios"] for r in runs}, {500})

    def test_each_run_begins_with_empty_slab_caches(self):
        self.run_session()
        self.assertEqual(set(self.emptied), {"1"})

    def test_a_run_that_idled_is_done_again(self):
        self.trace.idle = [7, 7]
        before = self.run_session()
        self.assertEqual(self.trace.idle, [])
        self.assertFalse([r for r in before if r["kind"] == "failure"])

    def test_and_not_for_ever(self):
        self.trace.idle = [7] * lab.accounting.ATTEMPTS
        made = self.make(mode=cells.INSTRUCTIONS, icount=True)
        made.trace, made.target = self.trace, lab.device.describe(self.host, "/dev/nvme0n1")
        with self.assertRaisesRegex(IoFailure, "idled"):
            made.measure(lab.Cell("randread", 1, "none"), 1)

    def test_tags_begin_with_the_first_and_then_there_are_all(self):
        self.run_session()
        self.assertEqual([one.requests for one in self.log if one.rw == "write"], ["4"])
        self.assertEqual({one.requests for one in self.log if one.rw != "write"}, {"64"})


class Plan(unittest.TestCase):
    def test_orders_differ_and_repeat(self):
        chosen = lab.matrix(("indirect",))
        self.assertEqual(cells.shuffled(chosen, 1, 5), cells.shuffled(chosen, 1, 5))
        self.assertNotEqual(cells.shuffled(chosen, 1, 5), cells.shuffled(chosen, 2, 5))
        self.assertNotEqual(cells.shuffled(chosen, 1, 5), cells.shuffled(chosen, 1, 6))
        self.assertEqual(set(cells.shuffled(chosen, 1, 5)), set(chosen))

    def test_the_sweep_has_each_kind_of_ring(self):
        def swept(*layouts):
            return {cell.layout for cell in lab.matrix(layouts) if cell.mix < 100}

        self.assertEqual(swept("indirect", "sqe128"), {"indirect", "sqe128"})
        self.assertEqual(swept("indirect", "sqe128", "inline", "mixed", "vec"), {"indirect", "inline", "mixed"})
        mixes = {cell.mix for cell in lab.matrix(("indirect",)) if (cell.rw, cell.iodepth, cell.layout) == ("randread", 32, "indirect")}
        self.assertEqual(mixes, {0, 1, 5, 10, 25, 50, 75, 100})

    def test_names_are_distinct(self):
        names = [cell.name for cell in lab.matrix(("indirect", "inline", "mixed"))]
        self.assertEqual(len(names), len(set(names)))

    def test_sessions(self):
        def found(*words, kvm=False):
            return lab.specs(cli.parser().parse_args(["lab", *words]), kvm)

        self.assertEqual([(s.name, s.mode, s.icount) for s in found()],
                         [("native", cells.TIME, False), ("guest", cells.INSTRUCTIONS, True)])  # fmt: skip
        self.assertEqual([(s.name, s.mode, s.icount) for s in found(kvm=True)][2:], [("kvm", cells.TIME, False)])
        device, = found("--dut", "/dev/nvme0n1")
        self.assertEqual((device.name, device.mode, device.read_only), ("nvme0n1", cells.TIME, True))
        device, = found("--dut", "/dev/nvme0n1", "--allow-write", "/dev/nvme0n1")
        self.assertFalse(device.read_only)
        self.assertFalse(any(spec.read_only for spec in found()))


class CommandLine(test_device.Machine):
    def lab(self, *words):
        options = cli.parser().parse_args(["lab", *words])
        return lab.run_lab(self.host, options)

    def test_refusals(self):
        for words, why in (
            (["--rounds", "0"], "--rounds"),
            (["--scale", "0"], "--scale"),
            (["--allow-write", "/dev/nvme0n1"], "--dut"),
            (["--dut", "/dev/nvme9n9"], "no such device"),
            (["--dut", "/dev/vda1"], "root file system"),
            (["--dut", "/dev/nvme0n1", "--allow-write", "/dev/nvme0n2"], "same device"),
        ):
            with self.assertRaisesRegex(Failure, why):
                self.lab(*words)

    def test_results_of_others_stay(self):
        mine = self.root / "mine"
        mine.mkdir()
        (mine / "thesis.svg").touch()
        for name in ("notes", "env.json"):
            (mine / name).write_text("{}")
            with self.assertRaisesRegex(Failure, "neither empty nor"):
                results.prepare(mine, "lab", ())
        self.assertTrue((mine / "thesis.svg").exists())

    def test_our_own_go(self):
        ours = results.prepare(self.root / "ours", "lab", ())
        results.save_json(ours / "env.json", {"lab": True})
        (ours / "cost-guest.svg").touch()
        (ours / "notes.txt").touch()
        results.prepare(ours, "lab", ("*.svg",))
        self.assertFalse((ours / "cost-guest.svg").exists())
        self.assertTrue((ours / "notes.txt").exists())


def record(kind, **fields):
    return {"schema": 1, "kind": kind, "session": "guest", "mode": cells.INSTRUCTIONS, "icount": True, "seed": 1, **fields}


IO_OVER = {"none": 0, "indirect": 1700, "inline": 1650, "mixed": 1720, "opcode": 1680}


def io_records(rounds=(0.9999, 1.0, 1.0001)):
    found = []
    for cell in lab.matrix(tuple(IO_OVER)[1:]):
        if (cell.method, cell.layout) == ("vectored", "opcode"):
            found.append(record("skip", cell=cell.name, round=0, reason="layout 'opcode' has no vectored opcodes"))
            continue
        cost = 7000 + IO_OVER[cell.layout] * cell.mix / 100 + (10 if cell.layout == "inline" and cell.mix < 100 else 0)
        found.append(record("run", cell=cell.name, round=0, ios=10, window_ns=10**9))
        found += [record("run", cell=cell.name, round=n, ios=1000, window_ns=1000 * cost * f) for n, f in enumerate(rounds, 1)]
    return found


class Report(test_device.Machine):
    def setUp(self):
        super().setUp()
        self.out = self.root / "out"
        self.out.mkdir()

    def write(self, records, host=None):
        for each in records:
            results.append(self.out / results.NAME, each)
        return labreport.write(host or Bare(), self.out)

    def everything(self):
        return [record("attr", row=row) for row in attr_rows()] + io_records()

    def test_cost_over_plain_in_parts(self):
        text, failed = self.write(self.everything())
        self.assertFalse(failed)
        found = {(r["layout"], r["SQE"]): r for r in rows(text, "Batch of 32:")}
        self.assertEqual(found["none", "64"]["instructions a request"], "120.0")
        self.assertEqual((found["none", "64"]["user"], found["none", "64"]["kernel"]), ("20.0", "100.0"))
        inline = found["inline", "128"]
        self.assertEqual((inline["over plain"], inline["user over plain"], inline["kernel over plain"]), ("+81.0", "+6.0", "+75.0"))
        self.assertEqual((inline["least over plain"], inline["quartiles"]), ("+80.0", "+80.5…+81.5"))
        self.assertEqual(set(found), set(OVER))

    def test_shares(self):
        found = {(r["layout"], r["SQE"]): r for r in rows(self.write(self.everything())[0], "Over plain by the share")}
        self.assertEqual(found["indirect", "64"]["50 %"], "+59.0")
        self.assertEqual(found["inline", "128 zeroed"]["0 %"], "+4.0")
        self.assertEqual(set(found), {way for way in OVER if way[0] != "none"})

    def test_crossovers(self):
        text, _ = self.write(self.everything())
        # 118 x = 4 (1 - x) + 88 x
        self.assertIn("inline, SQE 128 zeroed costs less than indirect, SQE 64 from 11.8 % of requests with PI on.", text)
        self.assertIn("inline, SQE 128 costs no more than indirect, SQE 64 at any share", text)
        # 7010 + 16.5 x and 7000 + 17 x: at 20 %
        self.assertIn("inline, SQE 128 costs less than indirect, SQE 64 from 20.0 % of requests with PI on.", text)

    def test_noise_is_no_crossover(self):
        def verdict(*points):
            return labreport.verdict("a", "b", points).partition(" of requests")[0]

        self.assertEqual(verdict((0, 1, 0.5), (100, -1, 0.5)), "a costs less than b from 50.0 %")
        self.assertEqual(verdict((0, 1, 2), (100, -1, 2)), "a and b cannot be told apart at any share")
        self.assertEqual(verdict((0, 0.3, 0.5), (50, -0.2, 0.5), (100, 3, 0.5)), "a costs no less than b at any share")
        self.assertEqual(verdict((0, 0.1, 0.5), (100, -3, 0.5)), "a costs no more than b at any share")
        self.assertEqual(verdict((0, -3, 0.5), (100, 3, 0.5)), "a costs more than b at some shares")
        # what is noise in between does not decide where
        self.assertEqual(verdict((0, 4, 1), (10, -0.5, 1), (20, 0.5, 1), (100, -4, 1)), "a costs less than b from 50.0 %")

    def test_the_widest_point_says_what_noise_is(self):
        curves = {("indirect", "64"): [(0, 0, 0, 0), (100, 9, 9, 9)], ("mixed", "mixed"): [(0, 1, 1, 1), (100, 7, 5, 8)]}
        self.assertEqual(labreport.against(curves, ("mixed", "mixed")), [(0, 1, 1.5), (100, -2, 1.5)])
        self.assertEqual(labreport.crossovers(curves), ["mixed costs no more than indirect, SQE 64 at any share of requests with PI."])

    def test_whole_ios_without_the_warm_up(self):
        text, _ = self.write(self.everything())
        fields = [json.loads(line) for line in (self.out / "tables.jsonl").read_text().splitlines()]
        found = {r["layout"]: r for r in fields if r["table"] == "instructions per I/O, randwrite"}
        self.assertEqual(found["none"]["absolute, depth 32"], 7000)
        self.assertIsNone(found["none"]["over plain, depth 32"])
        inline = found["inline"]
        self.assertEqual([inline[f"{n}, depth 1"] for n in ("absolute", "over plain", "over indirect")], [8650, 1650, -50])
        shown = {r["layout"]: r for r in rows(text, "Random write:")}
        self.assertEqual((shown["inline"]["depth 1"], shown["inline"]["over indirect"]), ("8,650", "−50"))
        self.assertEqual({r["depth 32"] for r in rows(text, "Random read:")} & {"7,000", "8,700"}, {"7,000", "8,700"})
        self.assertIn("median of 3 rounds, widest spread between rounds 0.02 %", text)
        methods = {r["layout"]: r for r in rows(text, "Random read, depth 32, by opcode")}
        self.assertEqual(methods["opcode"]["vectored"], "not possible")
        self.assertEqual(methods["indirect"]["fixed buffer"], "8,700")

    def test_what_is_not_measured_has_its_reason(self):
        text, _ = self.write(self.everything())
        lost = text[text.index("### Not measured") :]
        self.assertIn("- vec, SQE 64: layout 'vec' needs the lab kernel", lost)
        self.assertIn("randread-4k-qd32-vectored opcode: layout 'opcode' has no vectored opcodes", lost)
        self.assertIn("not time", text)
        self.assertIn("not measured in time", text)

    def test_time_is_not_called_missing_where_it_is_not(self):
        timed = [{**record("attr", row=row), "session": "kvm", "mode": cells.TIME, "icount": False} for row in attr_rows(unit="ns")]
        text, _ = self.write(timed)
        self.assertNotIn("not measured in time", text)
        self.assertIn("ns a request", text)
        self.assertNotIn("instructions a request", text)

    def test_an_emulated_processor_is_named(self):
        timed = [{**record("attr", row=row), "session": "nvme0n1", "mode": cells.TIME, "icount": False} for row in attr_rows(unit="ns")]
        for virtualisation, said in (("qemu", True), ("kvm", False)):
            results.save_json(self.out / "env.json", {"sessions": {"nvme0n1": {"virtualisation": virtualisation}}})
            self.assertEqual("times mean nothing" in self.write(timed)[0], said)

    def test_a_failure_is_shown(self):
        text, failed = self.write([*self.everything(), record("failure", cell="randread-4k-qd1 flat", round=1, reason="block 7: guard")])
        self.assertTrue(failed)
        self.assertIn("failed: randread-4k-qd1 flat: block 7: guard", text)

    def test_lines_of_json(self):
        self.write(self.everything())
        lines = [json.loads(line) for line in (self.out / "tables.jsonl").read_text().splitlines()]
        found = [line for line in lines if line["table"] == "attribute, batch 1" and (line["layout"], line["SQE"]) == ("mixed", "mixed")]
        self.assertEqual([line["over plain"] for line in found], [106.0])
        self.assertEqual({line["session"] for line in lines}, {"guest"})

    def test_plots(self):
        text, _ = self.write(self.everything(), Host())
        for stem, words in (
            ("cost-guest", ("indirect, SQE 64", "inline, SQE 128", "118", "kernel", "batch 32")),
            ("crossover-guest", ("inline, SQE 128 zeroed", "11.8 %", "requests with PI")),
            ("crossover-io-guest-instructions", ("indirect, SQE 64", "20.0 %")),
        ):
            drawn = "".join(xml.etree.ElementTree.parse(self.out / f"{stem}.svg").getroot().itertext())
            for word in words:
                self.assertIn(word, drawn)
            self.assertIn(f"({stem}.svg)", text)
            self.assertTrue((self.out / f"{stem}.png").read_bytes().startswith(b"\x89PNG"))

    def test_one_layout_alone(self):
        few = {way: OVER[way] for way in (("none", "64"), ("indirect", "64"))}
        text, _ = self.write([record("attr", row=row) for row in attr_rows(few)], Host())
        self.assertIn("cost-guest.svg", text)
        self.assertNotIn("crossover", text)


class Bare(Host):
    """A machine without gnuplot."""

    def run(self, argv):
        return None
