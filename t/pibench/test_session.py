# SPDX-License-Identifier: GPL-2.0-only
import collections
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest.mock

import fake_machine
import test_device
import synthetic
from pibench import cells, cli, fio, outcome, report, results, session, steady
from pibench.errors import Failure, IoFailure
from pibench.host import Host


def names(pattern):
    return tuple(cell.name for cell in cells.select(synthetic.CELLS, [pattern]))


BOTH = ("/dev/nvme0n1", "/dev/nvme0n2")
Ran = collections.namedtuple("Ran", "section rw dut size knobs")


class Sessions(test_device.Machine):
    def setUp(self):
        super().setUp()
        fake_machine.put_fio(self.root)
        self.enterContext(unittest.mock.patch.object(fio, "run", functools.partial(fake_machine.run_fio, fio.run, self.root)))
        self.tools = fio.Tools(*2 * [str(self.root / "fio")])

    def run_session(self, before=(), stop=lambda: None, **changes):
        fields = {
            "name": "nvme0n1", "mode": cells.CPU, "icount": False, "rounds": 1, "seed": 1, "cells": names("4k-qd1"),
            "pi": "/dev/nvme0n1", "nopi": "/dev/nvme0n2", "tools": self.tools, **changes,
        }  # fmt: skip
        here = session.Session(self.host, session.decode(session.encode(session.Spec(**fields))))
        found = []
        here.run(found.append, str(self.root), before=before, stop=stop)
        return found

    def log(self):
        return [Ran(*line.split()) for line in (self.root / "log").read_text().splitlines()]

    def test_every_cell_every_round(self):
        found = self.run_session(cells=names("randread-4k-qd1"))
        runs = collections.Counter(r["cell"] for r in found if r["kind"] == "run" and not r["reference"])
        self.assertEqual(runs, {f"randread-4k-qd1 {a.name}": 2 for a in synthetic.ARMS})
        self.assertEqual({r["round"] for r in found}, {0, 1})
        for record in found:
            self.assertEqual(json.loads((self.root / record["raw"]).read_text())["fio version"], "fio-3.41")
            ios = cells.number_ios(cells.CPU, synthetic.WORKLOADS[0], record["round"])
            self.assertEqual((record["ios"], record["counted"]), (ios + cells.LEAD * (record["round"] > 0), ios))

    def test_settings_are_off_for_plain_noverify_only_and_put_back(self):
        found = self.run_session(cells=names("randread-4k-qd1"))
        ran = (one for one in self.log() if one.rw == "randread")
        for record in found:
            for one in [next(ran) for _ in range(1 + (record["round"] > 0))]:
                # an I/O with its own PI asks nothing of the kernel's
                if "plain" in record["cell"]:
                    self.assertEqual(one.knobs, "00" if "noverify" in record["cell"] else "11", record["cell"])
        self.assertIsNone(next(ran, None))
        base = self.root / "sys/class/block/nvme0n1/integrity"
        self.assertEqual([(base / n).read_text() for n in ("read_verify", "write_generate")], ["1", "1"])

    def test_the_environment_is_kept(self):
        self.run_session(cells=names("randread-4k-qd1 nopi"))
        found = results.load_json(results.parts(self.root, "nvme0n1").environment)
        self.assertEqual(found["devices"]["pi"]["format"], "4096+8 T10-DIF-TYPE1-CRC")
        self.assertEqual(found["devices"]["nopi"]["integrity"]["format"], "not recorded")

    def test_what_a_drive_says_of_itself_before_and_after(self):
        warm = iter(range(30, 99))
        self.host.nvme_log = lambda path, command, size: b"\0" + (273 + next(warm)).to_bytes(2, "little") + bytes(509)
        self.run_session(cells=names("randread-4k-qd1 plain-noverify/none"))
        found = results.load_json(results.parts(self.root, "nvme0n1").environment)
        taken = [found["devices"]["pi"]["health"], found["after"]["pi"]]
        self.assertLess(*(each["temperature, °C"] for each in taken))
        self.assertEqual({each["media errors"] for each in taken}, {0})

    def conditioned(self, found):
        return {record["device"]: record["iops"] for record in found if record["kind"] == "precondition"}

    def test_preconditioned_until_steady_and_said(self):
        found = self.run_session(precondition=True, cells=names("randread-4k-qd1 noverify"))
        self.assertEqual({path: len(iops) for path, iops in self.conditioned(found).items()}, dict.fromkeys(BOTH, steady.WINDOW))
        for path in BOTH:
            writes = [one.rw for one in self.log() if one.dut == path and one.rw.endswith("write")]
            self.assertEqual(writes, ["write"] * steady.FILLS + ["randwrite"] * steady.WINDOW, "and not filled again")
        self.assertEqual([one.rw for one in self.log()][:7], ["write"] * 2 + ["randwrite"] * 5, "before anything is measured")
        lines = [line for line in report.checklist(outcome.group(found), {}) if "steady" in line]
        self.assertEqual([line[0] for line in lines], ["✓", "✓"])

    def test_preconditioned_once_not_again_with_resume(self):
        found = self.run_session(precondition=True, cells=names("randread-4k-qd1 noverify"))
        (self.root / "log").unlink()
        again = self.run_session(before=found[:3], precondition=True, cells=names("randread-4k-qd1 noverify"))
        self.assertEqual((self.conditioned(again), {one.rw for one in self.log()}), ({}, {"randread"}), "nor filled, which would undo it")

    def test_one_that_is_never_steady(self):
        with unittest.mock.patch.object(steady, "reached", lambda figures: False):
            found = self.run_session(precondition=True, cells=names("randread-4k-qd1 noverify"))
            lines = report.checklist(outcome.group(found), {})
        self.assertEqual({len(iops) for iops in self.conditioned(found).values()}, {steady.MOST})
        self.assertEqual([line[0] for line in lines if "not steady after 25 rounds" in line], ["✗", "✗"])

    def test_preconditioning_stopped_begins_again(self):
        found = self.run_session(precondition=True, stop=lambda: "over")
        self.assertEqual([record["kind"] for record in found if record["kind"] != "skip"], ["stop"])

    def test_preconditioned_only_where_all_may_be_written(self):
        for words, why in ((["--guest"], "goes with --dut"), (["--dut", BOTH[0]], "name each with --allow-write"),
                           (["--dut", BOTH[0], "--dut-nopi", BOTH[1], "--allow-write", BOTH[0]], "name each")):  # fmt: skip
            options = cli.parser().parse_args(["run", "--precondition", *words])
            with self.assertRaisesRegex(Failure, f"--precondition.*{why}"):
                cli.check(options)
                cli.bench.specs(self.host, options, self.tools, cli.common(options))

    def test_devices(self):
        for record in self.run_session():
            self.assertEqual(record["device"], "/dev/nvme0n2" if "nopi" in record["cell"] else "/dev/nvme0n1")

    def test_the_region_is_filled_once_before_it_is_read(self):
        self.run_session()
        fills = [one for one in self.log() if one.rw == "write"]
        self.assertEqual(sorted(fills), [("plain", "write", f"/dev/nvme0n{n}", str(cells.REGION[cells.CPU]), "11") for n in (1, 2)])
        for one in fills:
            self.assertEqual(next(other.rw for other in self.log() if other.dut == one.dut), "write")

    def test_without_leave_nothing_is_written(self):
        found = self.run_session(read_only=("/dev/nvme0n1", "/dev/nvme0n2"))
        self.assertEqual({one.rw for one in self.log()}, {"randread"})
        skipped = {r["cell"] for r in found if r["kind"] == "skip"}
        self.assertEqual(skipped, {c.name for c in synthetic.CELLS if c.workload.name == "randwrite-4k-qd1"})
        self.assertEqual([r["steps"] for r in found if r["kind"] == "plan"], [sum("step" in r for r in found)])
        self.assertIn("--allow-write", next(r["reason"] for r in found if r["kind"] == "skip"))

    def test_leave_for_one_device_is_none_for_the_other(self):
        self.run_session(read_only=("/dev/nvme0n2",))
        self.assertEqual({one.dut for one in self.log() if one.rw.endswith("write")}, {"/dev/nvme0n1"})

    def test_a_device_without_pi_runs_the_one_baseline_it_can(self):
        found = self.run_session(pi="/dev/nvme0n2", nopi=None)
        self.assertTrue(all("plain-nopi" in r["cell"] for r in found if r["kind"] == "run"))
        reasons = {r["reason"] for r in found if r["kind"] == "skip"}
        self.assertEqual(reasons, {"/dev/nvme0n2: the format has no PI"})

    def test_a_device_with_pi_alone_has_no_plain_nopi(self):
        found = self.run_session(nopi=None)
        self.assertTrue(all("plain-nopi" not in r["cell"] for r in found if r["kind"] == "run"))
        self.assertIn("--dut-nopi", next(r["reason"] for r in found if r["kind"] == "skip"))

    def test_a_failing_cell_fails_once_and_the_others_go_on(self):
        (self.root / "broken").touch()
        chosen = names("randread-4k-qd1")
        found = self.run_session(rounds=2, cells=chosen)
        failures = [r for r in found if r["kind"] == "failure"]
        self.assertEqual([r["cell"] for r in failures], ["randread-4k-qd1 pi/indirect"])
        self.assertEqual(failures[0]["reason"], "fio exited with 1: io_uring_pi: block 7: guard")
        self.assertEqual(sum(r["kind"] == "run" for r in found), (len(chosen) - 1 + 2) * 3)
        self.assertEqual(sum("round" in r for r in found), (len(chosen) + 2) * 3)

    def test_what_was_done_is_not_done_again(self):
        whole = self.run_session(cells=names("randread-4k-qd1"))
        for cut in (0, 1, 7, len(whole) - 1, len(whole)):
            (self.root / "log").unlink()
            again = self.run_session(before=whole[:cut], cells=names("randread-4k-qd1"))
            self.assertEqual([r["step"] for r in whole[:cut] + again], [r["step"] for r in whole])
            reads = [one for one in self.log() if one.rw == "randread"] if again else []
            self.assertEqual(len(reads), sum(1 + (r["round"] > 0) for r in whole[cut:]))
            (self.root / "log").touch()

    def test_what_failed_stays_failed(self):
        (self.root / "broken").touch()
        whole = self.run_session(cells=names("randread-4k-qd1"), rounds=2)
        at = next(n for n, r in enumerate(whole) if r["kind"] == "failure") + 1
        (self.root / "broken").unlink()
        again = self.run_session(before=whole[:at], cells=names("randread-4k-qd1"), rounds=2)
        self.assertEqual([(r["kind"], r["step"]) for r in again], [(r["kind"], r["step"]) for r in whole[at:]])

    def test_a_stop_leaves_what_was_done_and_a_reason(self):
        left = iter([None, None, None, "the time budget is over"])
        found = self.run_session(stop=lambda: next(left), cells=names("randread-4k-qd1"))
        self.assertEqual([r["kind"] for r in found], ["run"] * 3 + ["stop"])
        self.assertEqual(found[-1]["reason"], "the time budget is over")

    def test_a_layout_that_the_kernel_lacks_is_skipped_with_the_reason(self):
        (self.root / "lacks").touch()
        whole = self.run_session(cells=names("qd1 pi/"))
        tries = sum(one.section == "attr" for one in self.log())
        self.assertEqual(tries, 1, "once for all cells")
        self.assertFalse([r for r in whole if r["kind"] == "failure"])
        skips = [r for r in whole if r["kind"] == "skip"]
        self.assertEqual({r["cell"].partition(" ")[2] for r in skips}, {"pi/indirect"})
        self.assertEqual({r["reason"] for r in skips}, {"fio exited with 1: io_uring_pi: pi_layout=indirect needs Linux 6.14"})
        self.run_session(before=whole[:-2], cells=names("qd1 pi/"))
        self.assertEqual(sum(one.section == "attr" for one in self.log()), tries, "nor again when resumed")

    def test_a_run_with_clocks_for_each_cell_of_ours_comes_last(self):
        found = self.run_session(cells=names("randread-4k-qd1"), breakdown=True)
        timed = [r for r in found if r["kind"] == "timed"]
        self.assertEqual(timed, found[-len(timed) :])
        self.assertEqual({r["cell"] for r in timed}, {f"randread-4k-qd1 {a.name}" for a in synthetic.ARMS if a.engine == cells.OURS})
        self.assertTrue(all(r["stats"]["clock_ns"] == 7 for r in timed))

    def test_the_throughput_of_each_second_where_it_is_wanted(self):
        for job in (1, 2):
            (self.root / f"bandwidth.{job}").write_text("".join(f"{second}001, {1000 * job}, 0, 0, 0\n" for second in range(1, 6)))
        found = self.run_session(mode=cells.TIME, bandwidth=True, breakdown=True, cells=names("randread-4k-qd1 pi/"))
        self.assertEqual({tuple(r["seconds"]) for r in found if r["kind"] == "run"}, {(3.072,) * 5})
        self.assertFalse([r for r in found if r["kind"] == "timed" and "seconds" in r], "those with clocks are not compared")
        for job in (1, 2):
            (self.root / f"bandwidth.{job}").write_text("1001, 1000, 0, 0, 0\n")
        found = self.run_session(mode=cells.TIME, bandwidth=True, cells=names("randread-4k-qd1 pi/"))
        self.assertFalse([r for r in found if "seconds" in r], "too short")

    def test_a_log_is_for_a_drive_and_time_only(self):
        def logs(spec):
            changes = {name: getattr(spec, name) for name in ("mode", "icount", "bandwidth")}
            found = self.run_session(**changes, cells=names("randread-4k-qd1 pi/"))
            return {any(word.startswith("--write_bw_log=") for word in r["argv"]) for r in found if r["kind"] == "run"}

        for job in (1, 2):
            (self.root / f"bandwidth.{job}").touch()
        options = cli.parser().parse_args(["run", "--dut", BOTH[0]])
        more = cli.common(options) | {"tools": self.tools, "rounds": 1}
        for emulated in (False, True):
            with unittest.mock.patch.object(cli.bench.environment, "emulated", lambda host: emulated):
                self.assertEqual(logs(cli.bench.device_session(self.host, options, **more)), {not emulated})
        for spec in (*cli.bench.guest_sessions(more, kvm=False), *cli.bench.guest_sessions(more, kvm=True)):
            self.assertFalse(spec.bandwidth, spec.name)

    def test_two_builds_go_on_until_the_gate_has_decided(self):
        builds = tuple((name, fio.Tools(self.tools.fio, str(self.root / f"{name}.so"))) for name in ("old", "new"))
        for slower, most in ((100, 12), (102, 24)):
            (self.root / "slower").write_text(str(slower))
            found = self.run_session(mode=cells.TIME, cells=("randread-4k-qd1 pi/indirect",), builds=builds)
            self.assertEqual({r["variables"]["IOENGINE"] for r in found}, {f"external:{tools.engine}" for _, tools in builds})
            self.assertEqual(max(r["round"] for r in found), most, "rounds after the warm-up")

    BUILDS = (("old", fio.Tools(engine="/old.so")), ("new", fio.Tools(engine="/new.so")))

    def pretend(self, step):
        """A run of two builds: reads take twice as many rounds as writes until they are decided on, qd32 fails in round 3."""
        if step.cell.workload.iodepth == 32 and step.round == 3:
            raise IoFailure("guard")
        if step.cell.arm.layout == "sqe128" and step.build == "new":
            raise IoFailure("pi_layout=sqe128 needs Linux 6.14")
        slower = step.build == "new" and step.cell.workload.rw == "randread"
        return {"ios": 1, "counted": 1, "runtime_ns": 102 if slower else 100, "cpu_ns": 102 if slower else 100}

    def test_a_comparison_by_time_that_was_interrupted_takes_the_same_rounds(self):
        chosen = (
            "randread-4k-qd1 pi/indirect", "randread-4k-qd32 pi/indirect", "randwrite-4k-qd1 pi/indirect", "randread-4k-qd1 pi/sqe128",
        )  # fmt: skip

        def measured(before=()):
            found = self.run_session(before, mode=cells.TIME, cells=chosen, builds=self.BUILDS)
            return [(r["kind"], r["step"], r["cell"], r["build"], r.get("reason")) for r in found], found

        with unittest.mock.patch.object(session.Session, "measure", lambda _, step: self.pretend(step)):
            whole, records = measured()
            self.assertEqual({cell: max(r["round"] for r in records if r["kind"] == "run" and r["cell"] == cell) for cell in chosen},
                             dict(zip(chosen, (24, 2, 12, 0))))  # fmt: skip
            for cut in range(len(whole) + 1):
                self.assertEqual(whole[:cut] + measured(json.loads(json.dumps(records[:cut])))[0], whole, f"stopped after {cut}")

    def test_the_cost_is_to_the_nanosecond_and_kernel_threads_are_in_it(self):
        """What fio itself says is of its own thread, in hundredths of so many milliseconds."""
        ran = fio.run

        def with_kernel_thread(argv, variables, timeout):
            done = ran(argv, variables, timeout)
            ios = int(variables["NUMBER_IOS"])
            done.cpu_ns = 1003 * ios
            nonlocal khugepaged
            khugepaged += 7 * ios
            self.put("/proc/40/schedstat", f"{khugepaged} 5 6")
            return done

        khugepaged = 12345
        self.put("/proc/40/stat", "40 (khugepaged) S 2 0 0")
        self.put("/proc/40/schedstat", f"{khugepaged} 5 6")
        with unittest.mock.patch.object(fio, "run", with_kernel_thread):
            found = self.run_session(cells=names("randread-4k-qd1 plain-nopi/io_uring"))
        for record in found:
            self.assertEqual(record["cpu_ns"], 1010 * record["counted"])
            self.assertEqual(record["threads"], {"khugepaged": 7 * record["ios"]}, "named")

    def test_missing_engine(self):
        with self.assertRaisesRegex(Failure, "run make"):
            self.run_session(tools=fio.Tools(self.tools.fio, "/nowhere/io_uring_pi.so"))


class ScsiDebug(test_device.Machine):
    """modprobe puts an sda there, and takes it away, as the module does."""

    ADAPTER = "/sys/devices/pseudo_0/adapter0"

    def setUp(self):
        super().setUp()
        self.host.run = self.modprobe
        self.loads = []
        self.put("/sys/bus/pseudo/drivers/scsi_debug/x", "")
        (self.root / "sys/bus/pseudo/drivers/scsi_debug/adapter0").symlink_to(self.root / self.ADAPTER[1:])

    def modprobe(self, argv):
        if argv[0] != "modprobe":
            return None
        if "-r" in argv:
            for path in (self.ADAPTER, "/sys/module/scsi_debug"):
                shutil.rmtree(self.root / path[1:])
            for path in ("sys/class/block/sda", "sys/dev/block/8:0", "dev/sda"):
                (self.root / path).unlink()
            # busybox says so though all went well
            return subprocess.CompletedProcess(argv, 1, "", "")
        self.loads.append("pi" if "dix=1" in argv else "nopi")
        self.put("/sys/module/scsi_debug/initstate", "live")
        self.disk("sda", "8:0", place=f"{self.ADAPTER}/host0/target/block/sda")
        self.put("/sys/class/block/sda/queue/scheduler", "none [mq-deadline]")
        if self.loads[-1] == "pi":
            self.integrity("sda", "T10-DIF-TYPE1-CRC", 4096)
        return subprocess.CompletedProcess(argv, 0, "", "")

    def test_loaded_anew_only_when_the_other_kind_is_asked_for(self):
        target = session.ScsiDebug(self.host)
        kinds = [bool(target.acquire(which).pi) for which in ("pi", "pi", "nopi", "pi")]
        self.assertEqual(kinds, [True, True, False, True])
        self.assertEqual(self.loads, ["pi", "nopi", "pi"])
        self.assertEqual(self.host.read("/sys/class/block/sda/queue/scheduler"), "none")

    def test_what_was_written_is_forgotten_with_the_module(self):
        target = session.ScsiDebug(self.host)
        target.acquire("pi")
        target.filled.add("/dev/sda")
        target.acquire("pi")
        self.assertEqual(target.filled, {"/dev/sda"})
        target.acquire("nopi")
        self.assertEqual(target.filled, set())

    def test_environment_of_both_kinds(self):
        spec = session.Spec(name="scsi_debug", mode=cells.INSTRUCTIONS, icount=True, rounds=1, seed=1, scsi_debug=True)
        found = session.Session(self.host, spec).environment()["devices"]
        self.assertEqual(found["pi"]["integrity"]["format"], "T10-DIF-TYPE1-CRC")
        self.assertEqual(found["nopi"]["integrity"]["format"], "not recorded")

    def test_built_in_it_is_what_was_booted(self):
        self.modprobe(["modprobe", "scsi_debug", "dix=1"])
        self.loads.clear()
        (self.root / "sys/module/scsi_debug/initstate").unlink()
        target = session.ScsiDebug(self.host)
        self.assertEqual((bool(target.acquire("pi").pi), self.loads), (True, []))
        self.assertIn("built into this kernel", target.missing("nopi"))
        self.assertIsNone(target.missing("pi"))

    def test_modprobe_fails(self):
        self.host.run = lambda argv: subprocess.CompletedProcess(argv, 1, "", "modprobe: module not found\n")
        with self.assertRaisesRegex(Failure, "modprobe scsi_debug .*: modprobe: module not found"):
            session.ScsiDebug(self.host).acquire("pi")


class Cost(unittest.TestCase):
    """What a real fio and the kernel say of the processor's time."""

    def test_threads_of_io_uring_are_in_it(self):
        cell = cells.parse("randread-1024k-qd32 plain-nopi/io_uring")
        tools = fio.Tools(os.environ.get("PI_FIO", fio.Tools().fio))
        with tempfile.TemporaryDirectory() as out:
            jobs = pathlib.Path(out, "forced.fio")
            jobs.write_text(pathlib.Path(fio.JOBS).read_text().replace("[global]\n", "[global]\nforce_async=1\n"))
            spec = session.Spec(name="file", mode=cells.CPU, icount=False, rounds=1, seed=1, nopi=f"file:{out}/data", jobs=str(jobs))
            here = session.Session(Host(), spec)
            here.counter = None
            target = here.targets.acquire("nopi")
            here.fill(target)
            (_, few), (parsed, many) = (here.program(cell, target, ios, tools) for ios in (64, 2048))
        # they copy what is read; fio's own figures are of its own thread, which takes a fraction of that
        [job] = parsed["jobs"]
        own = (job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] * 1_000_000
        started, took = (one["cpu_ns"] - sum(one["threads"].values()) for one in (few, many))
        self.assertGreater(took - started, 4 * own)


# only their fixture is wanted here
del test_device
