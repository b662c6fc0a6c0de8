# SPDX-License-Identifier: GPL-2.0-only
import json
import shlex
import textwrap
import unittest
import unittest.mock
import xml.etree.ElementTree

import fake_machine
import test_accounting
import test_device
from test_report import Bare, rows
from pibench import accounting, cells, cli, document, fio, lab, labreport, outcome, plot, results, session
from pibench.errors import Failure
from pibench.host import Host

ATTR_COST = """\
    #!/bin/sh
    if [ -e {root}/no-io_uring ]; then
        echo "attr-cost: io_uring is not permitted here" >&2
        exit 1
    fi
    cat {root}/rows
"""
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


class Attribute(test_device.Machine):
    """attr-cost prints what is in rows."""

    def setUp(self):
        super().setUp()
        fake_machine.put_fio(self.root)
        (self.root / "attr-cost").write_text(textwrap.dedent(ATTR_COST.format(root=self.root)))
        (self.root / "attr-cost").chmod(0o755)
        (self.root / "rows").write_text("".join(json.dumps(row) + "\n" for row in attr_rows()))
        self.tools = fio.Tools(*2 * [str(self.root / "fio")], attr_cost=str(self.root / "attr-cost"))

    def run_session(self, before=(), **changes):
        fields = {"name": "native", "mode": cells.TIME, "icount": False, "rounds": 1, "seed": 1, "tools": self.tools, **changes}
        here = session.Session(self.host, session.decode(session.encode(session.Spec(**fields))))
        found = []
        here.run(found.append, str(self.root), before=before)
        return found

    def test_without_a_device_the_attribute_alone(self):
        found = self.run_session()
        self.assertEqual({r["kind"] for r in found}, {"attr"})
        self.assertEqual([r["row"] for r in found], [*attr_rows(), {"kind": "end"}])
        self.assertFalse((self.root / "log").exists())

    def test_it_is_measured_once_and_before_the_device(self):
        found = self.run_session(cells=("randread-4k-qd1-single pi/indirect",), pi="/dev/nvme0n1")
        self.assertEqual([r["kind"] for r in found][-3:], ["attr", "run", "run"])
        again = self.run_session(before=found[: len(attr_rows()) + 1], cells=("randread-4k-qd1-single pi/indirect",), pi="/dev/nvme0n1")
        self.assertEqual([r["kind"] for r in again], ["run", "run"])

    def test_no_io_uring_here_is_no_reason_to_stop(self):
        (self.root / "no-io_uring").touch()
        found = self.run_session(cells=("randread-4k-qd1-single plain-noverify/none",), pi="/dev/nvme0n1")
        self.assertEqual([(r["kind"], r.get("reason")) for r in found][:2],
                         [("skip", "attr-cost: io_uring is not permitted here"), ("run", None)])  # fmt: skip

    def test_missing_tools(self):
        with self.assertRaisesRegex(Failure, "attr-cost is not built"):
            fio.Tools(self.tools.fio, self.tools.engine, attr_cost="/nowhere/attr-cost").require()


class Counting(test_device.Machine):
    """Under icount: a job of 1,000,000 instructions and 500 for each I/O."""

    CELLS = ("randread-4k-qd32-single plain-noverify/none", "randread-4k-qd32-single pi/indirect")

    def setUp(self):
        super().setUp()
        fake_machine.put_fio(self.root)
        self.shrink = f"{accounting.SLABS}/kmalloc-256/shrink"
        self.put(self.shrink, "")
        self.requests = "/sys/class/block/nvme0n1/queue/nr_requests"
        self.put(self.requests, "64")
        self.emptied, self.ran = [], []
        self.enterContext(unittest.mock.patch.object(fio, "run", self.fio(fio.run)))
        self.trace = test_accounting.Counted(self.host, self.window)
        self.enterContext(unittest.mock.patch.object(accounting, "Trace", lambda host: self.trace))

    def fio(self, run):
        def wrapped(argv, variables, timeout):
            self.ran.append((variables["RW"], int(variables["NUMBER_IOS"]), self.host.read(self.requests)))
            return run(argv, variables, timeout)

        return wrapped

    def window(self):
        self.emptied.append(self.host.read(self.shrink))
        self.put(self.shrink, "")
        return 1_000_000 + 500 * self.ran[-1][1]

    def run_session(self, **changes):
        fields = {"name": "guest", "mode": cells.INSTRUCTIONS, "icount": True, "rounds": 1, "seed": 1, "cells": self.CELLS,
                  "pi": "/dev/nvme0n1", "ios": lab.IOS, "tools": fio.Tools(*2 * [str(self.root / "fio")]), **changes}  # fmt: skip
        found = []
        session.Session(self.host, session.Spec(**fields)).run(found.append, str(self.root))
        return found

    def test_what_a_job_takes_to_start_is_not_counted(self):
        runs = [r for r in self.run_session() if r["kind"] == "run" and r["round"]]
        self.assertEqual({r["counted"] for r in runs}, {lab.IOS})
        self.assertEqual({r["window_ns"] / r["counted"] for r in runs}, {500})
        self.assertEqual({ios for rw, ios, _ in self.ran if rw == "randread"}, {lab.IOS // 8, cells.LEAD, cells.LEAD + lab.IOS})

    def test_each_run_begins_with_empty_slab_caches(self):
        self.run_session()
        self.assertEqual(set(self.emptied), {"1"})

    def test_a_run_that_idled_is_done_again_and_each_is_recorded(self):
        self.trace.idle = [7, 7]
        found = self.run_session()
        self.assertEqual(self.trace.idle, [])
        self.assertEqual([r["idle_ns"] for r in found if r["kind"] == "discard"], [7, 7])
        self.assertFalse([r for r in found if r["kind"] == "failure"])

    def test_and_not_for_ever(self):
        self.trace.idle = [7] * accounting.ATTEMPTS
        failures = [r for r in self.run_session() if r["kind"] == "failure"]
        self.assertRegex(failures[0]["reason"], "idled")

    def test_tags_begin_with_the_first_and_then_there_are_all(self):
        self.run_session()
        self.assertEqual([requests for rw, _, requests in self.ran if rw == "write"], ["4"])
        self.assertEqual({requests for rw, _, requests in self.ran if rw != "write"}, {"64"})


class Plan(unittest.TestCase):
    def chosen(self, *layouts):
        return cells.load(lab.CELLS, ("all",), layouts)

    def test_the_sweep_has_each_kind_of_ring(self):
        def swept(*layouts):
            return {cell.arm.layout for cell in self.chosen(*layouts) if cell.workload.mix < 100}

        self.assertEqual(swept("indirect", "sqe128"), {"indirect", "sqe128"})
        self.assertEqual(swept("indirect", "sqe128", "inline", "mixed", "vec"), {"indirect", "inline", "mixed"})
        mixes = {cell.workload.mix for cell in self.chosen("indirect") if cell.arm.has_pi and cell.workload.buffers == "single"}
        self.assertEqual(mixes, {0, 1, 5, 10, 25, 50, 75, 100})

    def test_names_are_distinct_and_lead_back(self):
        chosen = self.chosen("indirect", "inline", "mixed")
        self.assertEqual(len({cell.name for cell in chosen}), len(chosen))
        for cell in chosen:
            self.assertEqual(cells.parse(cell.name), cell)

    def test_sessions(self):
        def found(what, *words):
            options = cli.parser().parse_args(["lab", *words])
            more = cli.common(options)
            with unittest.mock.patch.object(lab.guest, "ready", lambda *_: what), \
                 unittest.mock.patch.object(fio, "layouts", lambda tools: ("indirect",)):  # fmt: skip
                return lab.specs(None, options, fio.Tools(), more)[0]

        self.assertEqual([(s.name, s.mode, s.icount, disks) for s, disks in found("TCG").items()],
                         [("native", cells.TIME, False, None), ("guest", cells.INSTRUCTIONS, True, [lab.DISK])])  # fmt: skip
        self.assertEqual([(s.name, s.mode, s.icount) for s in found("KVM")][2:], [("kvm", cells.TIME, False)])


class CommandLine(test_device.Machine):
    def lab(self, *words):
        options = cli.parser().parse_args(["lab", *words])
        options.arguments = ["lab", *words]
        with unittest.mock.patch.object(fio, "layouts", lambda tools: ("indirect",)):
            return cli.measure(self.host, options)

    def test_what_is_not_built_is_named(self):
        with self.assertRaisesRegex(Failure, "/nowhere/fio: fio is not built; run make first"):
            self.lab("--fio", "/nowhere/fio")

    def test_refusals(self):
        for words, why in (
            (["--rounds", "0"], "--rounds"),
            (["--scale", "0"], "--scale"),
            (["--allow-write", "/dev/nvme0n1"], "--dut"),
            (["--dut", "/dev/nvme9n9"], "no such device"),
            (["--dut", "/dev/vda1"], "root file system"),
            (["--dut", "/dev/nvme0n2"], "no PI"),
            (["--dut", "/dev/nvme0n1", "--allow-write", "/dev/nvme0n2"], "same device"),
        ):
            with self.assertRaisesRegex(Failure, why):
                self.lab(*words)


def record(kind, **fields):
    return {"schema": 1, "kind": kind, "session": "guest", "mode": cells.INSTRUCTIONS, "icount": True, "seed": 1, "read_only": False,
            "cell": session.ATTR_COST, **fields}  # fmt: skip


def run(cell, number, cost, ios=1000):
    return record("run", cell=cell.name, round=number, step=f"{number}.{cell.name}", build="", reference="", ios=ios, counted=ios,
                  window_ns=cost * ios, runtime_ns=cost * ios, wall_ns=cost * ios, threads={}, fio="fio-3.41")  # fmt: skip


IO_OVER = {"none": 0, "indirect": 1700, "inline": 1650, "mixed": 1720, "opcode": 1680}


def io_records(rounds=(0.9999, 1.0, 1.0001)):
    found = []
    for cell in cells.load(lab.CELLS, ("all",), tuple(IO_OVER)[1:]):
        layout, mix = cell.arm.layout, cell.workload.mix
        if (cell.workload.buffers, layout) == ("vectored", "opcode"):
            found.append(record("skip", cell=cell.name, round=0, reason="layout 'opcode' has no vectored opcodes"))
            continue
        cost = 7000 + IO_OVER[layout] * mix / 100 + (10 if layout == "inline" and mix < 100 else 0)
        found.append(run(cell, 0, 10**8, ios=10))
        found += [run(cell, number, cost * factor) for number, factor in enumerate(rounds, 1)]
    return found


class Report(test_device.Machine):
    def setUp(self):
        super().setUp()
        self.out = self.root / "out"
        self.out.mkdir()

    def write(self, records, host=None):
        for each in records:
            results.append(self.out / results.NAME, each)
        found, env = results.load_all(self.out)
        self.made = labreport.make(host or Bare(), self.out, found, env, say=lambda line: None)
        self.screen = document.terminal(self.made.head)
        return document.markdown([*self.made.head, *self.made.body]), self.made.status == 4

    def everything(self):
        return [record("attr", row=row) for row in attr_rows()] + io_records()

    def test_cost_over_plain_in_parts(self):
        text, failed = self.write(self.everything())
        self.assertFalse(failed)
        found = {(r["layout"], r["SQE"]): r for r in rows(text, "Batch of 32:")}
        self.assertEqual(found["none", "64"]["instructions per request"], "120.0")
        self.assertEqual((found["none", "64"]["user"], found["none", "64"]["kernel"]), ("20.0", "100.0"))
        inline = found["inline", "128"]
        self.assertEqual((inline["over plain"], inline["user over plain"], inline["kernel over plain"]), ("+81.0", "+6.0", "+75.0"))
        self.assertEqual((inline["minimum over plain"], inline["quartiles"]), ("+80.0", "+80.5…+81.5"))
        self.assertEqual(set(found), set(OVER))

    def test_shares(self):
        found = {(r["layout"], r["SQE"]): r for r in rows(self.write(self.everything())[0], "Cost over plain requests, by the share")}
        self.assertEqual(found["indirect", "64"]["50 %"], "+59.0")
        self.assertEqual(found["inline", "128 zeroed"]["0 %"], "+4.0")
        self.assertEqual(set(found), {way for way in OVER if way[0] != "none"})

    def test_a_kernel_without_layouts_has_rings(self):
        for also in ([], io_records()):
            (self.out / results.NAME).unlink(missing_ok=True)
            text, failed = self.write([record("attr", row=row) for row in attr_rows() if row.get("layout", "none") == "none"] + also)
            self.assertFalse(failed)
            self.assertEqual({r["layout"] for r in rows(text, "Batch of 32:")}, {"none"})
            self.assertNotIn("Passing the attribute of one request", text)
            self.assertNotIn("by the share of requests", text)

    def test_crossovers(self):
        text, _ = self.write(self.everything())
        # 118 x = 4 (1 - x) + 88 x
        self.assertIn("inline, SQE 128 zeroed costs less than indirect, SQE 64 once 11.8 % of the requests carry PI.", text)
        self.assertIn("inline, SQE 128 costs no more than indirect, SQE 64 at any share", text)
        # 7010 + 16.5 x and 7000 + 17 x: at 20 %
        self.assertIn("inline, SQE 128 costs less than indirect, SQE 64 once 20.0 % of the requests carry PI.", text)
        (self.out / results.NAME).unlink()
        self.assertNotIn("of the requests carry PI", self.write(io_records(rounds=(1.0,)))[0], "one round has no spread")

    def test_noise_is_no_crossover(self):
        def verdict(*points):
            return plot.in_words("a", "b", points).partition(" of requests")[0]

        self.assertEqual(verdict((0, 1, 0.5), (100, -1, 0.5)), "a costs less than b once 50.0 % of the requests carry PI.")
        self.assertEqual(verdict((0, 1, 2), (100, -1, 2)), "a and b cannot be told apart at any share")
        self.assertEqual(verdict((0, 0.3, 0.5), (50, -0.2, 0.5), (100, 3, 0.5)), "a costs no less than b at any share")
        self.assertEqual(verdict((0, 0.1, 0.5), (100, -3, 0.5)), "a costs no more than b at any share")
        self.assertEqual(verdict((0, -3, 0.5), (100, 3, 0.5)), "a costs more than b at some shares")
        # what is noise in between does not decide where
        self.assertEqual(verdict((0, 4, 1), (10, -0.5, 1), (20, 0.5, 1), (100, -4, 1)),
                         "a costs less than b once 50.0 % of the requests carry PI.")

    def test_the_widest_point_says_what_noise_is(self):
        curves = {("indirect", "64"): [(0, 0, 0, 0), (100, 9, 9, 9)], ("mixed", "mixed"): [(0, 1, 1, 1), (100, 7, 5, 8)]}
        self.assertEqual(plot.over_first(curves, ("mixed", "mixed")), [(0, 1, 1.5), (100, -2, 1.5)])
        self.assertEqual(plot.crossovers(curves), ["mixed costs no more than indirect, SQE 64 at any share of requests with PI."])

    def test_whole_ios_without_the_warm_up(self):
        text, _ = self.write(self.everything())
        shown = {r["layout"]: r for r in rows(text, "Random write:")}
        self.assertEqual((shown["inline"]["depth 1"], shown["inline"]["depth 1, over indirect"]), ("8,650", "−50"))
        self.assertEqual({r["depth 32"] for r in rows(text, "Random read:")} & {"7,000", "8,700"}, {"7,000", "8,700"})
        self.assertIn("median of 3 rounds, widest spread between rounds 0.02 %", text)
        methods = {r["layout"]: r for r in rows(text, "Random read, depth 32, by opcode")}
        self.assertEqual(methods["opcode"]["vectored"], "not possible")
        self.assertEqual(methods["indirect"]["fixed buffer"], "8,700")

    def test_metadata_in_registered_buffers(self):
        costs = {"plain-noverify/none": 7000, "pi/inline": 8700, "registered pi/inline": 7500}
        named = [(f"randwrite-4k-qd32{'-' if name[0] == 'r' else ' '}{name}", cost) for name, cost in costs.items()]
        more = [run(cells.parse(name), number, cost + number) for name, cost in named for number in range(1, 4)]
        text, _ = self.write([*(record("attr", row=row) for row in attr_rows()), *more])
        shown = {r["layout"]: r for r in rows(text, "Depth 32, data in registered buffers")}["inline"]
        self.assertEqual([shown[f"write, {kind}"] for kind in ("over plain", "metadata registered", "saved")], ["+1,700", "+500", "−1,200"])

    def test_what_is_not_measured_has_its_reason(self):
        text, _ = self.write(self.everything())
        lost = text[text.index("### Not measured") :]
        self.assertIn("- vec: layout 'vec' needs the lab kernel", lost)
        self.assertIn("randread-4k-qd32-vectored pi/opcode: layout 'opcode' has no vectored opcodes", lost)
        self.assertIn("not time", text)
        self.assertIn("not measured in time", text)

    def test_time_is_not_called_missing_where_it_is_not(self):
        timed = [{**record("attr", row=row), "session": "kvm", "mode": cells.TIME, "icount": False} for row in attr_rows(unit="ns")]
        text, _ = self.write(timed)
        self.assertNotIn("not measured in time", text)
        self.assertIn("ns per request", text)
        self.assertNotIn("instructions per request", text)

    def test_an_emulated_processor_is_named(self):
        timed = [{**record("attr", row=row), "session": "nvme0n1", "mode": cells.TIME, "icount": False} for row in attr_rows(unit="ns")]
        for virtualisation, said in (("qemu", True), ("kvm", False)):
            results.save_json(self.out / "env.json", {"sessions": {"nvme0n1": {"virtualisation": virtualisation}}})
            self.assertEqual("times mean nothing" in self.write(timed)[0], said)

    def test_a_failure_is_shown(self):
        failure = record("failure", cell="randread-4k-qd1-single pi/flat", round=1, reason="block 7: guard")
        text, failed = self.write([*self.everything(), failure])
        self.assertTrue(failed)
        self.assertIn("failed: randread-4k-qd1-single pi/flat: block 7: guard", text)

    def test_it_ends_on_one_screen(self):
        self.write(self.everything())
        lines = self.screen.splitlines()
        self.assertTrue(lines[0].startswith("COMPLETE: "), self.screen)
        self.assertLessEqual((len(lines), max(map(len, lines))), (24, 100), self.screen)
        costs = [line.split()[-2:] for line in lines if "█" in line]
        self.assertEqual([cost for cost, _ in costs], ["+50.0", "+81.0", "+106.0", "+118.0"])
        self.assertEqual([len(bar) for _, bar in costs], sorted(len(bar) for _, bar in costs))
        self.assertIn("one request takes 50 to 118 instructions, depending on the layout.", " ".join(self.screen.split()))
        self.assertIn("takes 7,000 instructions without PI and 8,700 with indirect", " ".join(self.screen.split()))

    def test_plots(self):
        text, _ = self.write(self.everything(), Host())
        for stem, words in (
            ("cost-guest", ("indirect, SQE 64", "inline, SQE 128", "118", "kernel", "Batch of 32")),
            ("crossover-guest", ("inline, SQE 128 zeroed", "11.8 %", "requests with PI")),
            ("crossover-io-guest-total", ("indirect, SQE 64", "20.0 %")),
        ):
            drawn = "".join(xml.etree.ElementTree.parse(self.out / f"plots/{stem}.svg").getroot().itertext())
            for word in words:
                self.assertIn(word, drawn + text)
            self.assertIn(f"(plots/{stem}.png)", text)
            self.assertTrue((self.out / f"plots/{stem}.png").read_bytes().startswith(b"\x89PNG"))

    def test_every_layout_by_room(self):
        parts = {"fio": 0.3, "io_uring": 0.5, "emulated drive": 0.2}
        found = [{**each, "rooms": {room: each["window_ns"] * part for room, part in parts.items()}} if each["kind"] == "run" else each
                 for each in self.everything()]  # fmt: skip
        text, _ = self.write(found, Host())
        self.assertIn("(plots/stack-guest-4k.png)", text)
        [measured] = outcome.group(found)
        shown = {}
        for drawing in plot.stacks(measured):
            for line in drawing.data.partition("\n\n\n")[0].splitlines():
                _, name, _, _, _, *ends = shlex.split(line)
                shown.setdefault(name.rpartition(", ")[2], []).append(float(ends[-1]))
                self.assertEqual([round(float(end) / float(ends[-1]), 3) for end in ends], [0.3, 0.8, 1.0])
        self.assertEqual(shown.keys(), IO_OVER.keys())

    def test_one_layout_alone(self):
        few = {way: OVER[way] for way in (("none", "64"), ("indirect", "64"))}
        text, _ = self.write([record("attr", row=row) for row in attr_rows(few)], Host())
        self.assertIn("cost-guest.png", text)
        self.assertNotIn("crossover", text)
