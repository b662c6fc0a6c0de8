# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

import synthetic
from lib import ROOT
from pibench import bench, campaign, cells, cli, command, environment, fio, guest, insn, results, session
from pibench.host import Host


def pi_bench(*arguments, **more):
    return subprocess.run(
        [sys.executable, ROOT / "scripts/pi-bench", *arguments], capture_output=True, text=True, timeout=60, check=False, **more
    )


# each baseline and PI, by either engine
ARMS = 2 * len(cells.STATES)
# what it is built with is not what is tested here
NO_ENGINE = ("--engine", "/nowhere/engine.so")


class Usage(unittest.TestCase):
    def setUp(self):
        for number in command.SIGNALS:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def refused(self, *arguments, says):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(cli.main(list(arguments)), 2)
        self.assertEqual(out.getvalue(), "")
        self.assertRegex(err.getvalue(), r"\Api-bench: .*\n\Z")
        self.assertIn(says, err.getvalue())

    def test_status_reaches_the_shell(self):
        done = pi_bench("run", "--dut", "/dev/null")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(done.stderr, r"\Api-bench: /dev/null: not a block device.*\n\Z")

    def test_an_option_that_a_comparison_would_not_heed_is_refused(self):
        self.refused("compare", "HEAD", "HEAD", "--guest", *NO_ENGINE, says="--engine: goes with --kernel or --fio twice")
        disk = ("--dut", "/dev/null")
        for words, why in (
            (["run", *disk, "--kernel", "lab"], "--kernel: chooses the kernel of a guest"),
            (["lab", *disk, "--kernel", "stock"], "--kernel: chooses the kernel of a guest"),
            (["compare", "a", "b", *disk, "--kernel", "lab"], "--kernel: chooses the kernel of a guest"),
            (["compare", "a", "b", *disk, "--boots", "9"], "--boots: is for counting instructions"),
            (["compare", "a", "b", "--guest", "--gate", "time", "--explain", "0"], "--explain: is for counting instructions"),
            *((["compare", "a", "b", "--guest", "--job", "x.fio", *each], f"{each[0]}: is for cells; --job brings its own")
              for each in (["--only", "x"], ["--cells", "x"], ["--jobs", "x"], ["--verify", "host"])),
            (["selftest", "--live", "--quick"], "--quick: is for simulations"),
            *((["selftest", *each], f"{each[0]}: goes with --live")
              for each in (["--boots", "9"], ["--dry-run"], ["--resume"], ["--out", "x"], ["--kernel", "lab"], ["--scale", "2"])),
        ):  # fmt: skip
            with self.subTest(words=words):
                self.refused(*words, says=why)
        with tempfile.TemporaryDirectory() as place:
            out = pathlib.Path(place, "out")
            synthetic.write(out, synthetic.CELLS)
            for words in (["--guest"], ["--only", "x"], ["--boots", "9"], ["--job", "x.fio"], ["--time-budget", "1"], ["--dry-run"]):
                with self.subTest(words=words):
                    self.refused("compare", str(out), str(out), *words, says=f"{words[0]}: stored results are compared as they are")

    def test_selftest_boots_nine_guests_unless_told_otherwise(self):
        for words, boots in (([], 9), (["--boots", "3"], 3)):
            with unittest.mock.patch.object(fio.Tools, "require"), contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(cli.main(["selftest", "--live", "--dry-run", *words]), 0)
            # quoted, where the path has a blank
            commands = [shlex.split(line) for line in out.getvalue().splitlines()]
            self.assertEqual(sum(words[1:3] == [str(ROOT / "scripts/guest"), "run"] for words in commands), boots)

    def test_the_report_is_opened_where_there_is_a_desktop(self):
        with tempfile.TemporaryDirectory() as place:
            out, opener, log = (pathlib.Path(place, name) for name in ("out", "xdg-open", "log"))
            synthetic.write(out, synthetic.CELLS)
            with unittest.mock.patch.dict("os.environ", {"PATH": place, "DISPLAY": ":0"}):
                self.refused("report", str(out), "--open", says="no xdg-open here; leave it out")
            opener.write_text(f'#!/bin/sh\necho "$@" >{log}\n')
            opener.chmod(0o755)
            with unittest.mock.patch.dict("os.environ", {"PATH": place}):
                for name in ("DISPLAY", "WAYLAND_DISPLAY"):
                    cli.os.environ.pop(name, None)
                self.refused("report", str(out), "--open", says="no desktop here; leave it out")
                self.refused("run", "--guest", "--open", says="no desktop here")
                cli.os.environ["DISPLAY"] = ":0"
                for words in (["report", str(out), "--table", "qd32"], ["run", "--guest", "--dry-run"], ["selftest"]):
                    self.refused(*words, "--open", says="no report is written; leave it out")
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    self.assertEqual(cli.main(["report", str(out), "--open"]), 0)
                self.assertEqual(log.read_text(), f"{out}/index.html\n")

    def test_one_line_and_status_2(self):
        self.refused(says="COMMAND")
        self.refused("frobnicate", says="frobnicate")
        self.refused("run", says="--guest --dut")
        self.refused("run", "--guest", "--dut", "/dev/null", says="not allowed with")
        self.refused("run", "--guest", "--allow-write", "/dev/null", says="goes with --dut")
        self.refused("run", "--guest", "--rounds", "0", says="--rounds")
        for number in ("nan", "inf", "-1"):
            self.refused("run", "--guest", "--scale", number, says=f"--scale: {number} is not a number above 0")
        self.refused("compare", "a", "b", "--guest", "--explain", "-1", says="--explain: -1 is not a number from 0 up")
        self.refused("run", "--guest", "--only", "nonsense", says="no such cell")
        self.refused("run", "--dut", "/dev/null", says="not a block device")
        self.refused("run", "--dut", "/dev/nothing-here", says="no such device")
        self.refused("report", "/nowhere", says="/nowhere")
        self.refused("session", '{"fields": "wrong"}', says="session")
        self.refused("session", '{"fields": "wrong"}', "/nowhere", says="not what pi-bench run hands")

    def test_what_nobody_foresaw_is_neither_a_regression_nor_a_bad_revision(self):
        for words, status in ((["list"], 2), (["compare", "a", "b", "--guest", "--bisect"], 125)):
            for error in (KeyError("x"), OSError(5, "Input/output error")):
                with unittest.mock.patch.dict(cli.COMMANDS, {words[0]: unittest.mock.Mock(side_effect=error)}), \
                     contextlib.redirect_stderr(io.StringIO()):  # fmt: skip
                    self.assertEqual(cli.main(words), status)

    def test_report_on_something_else(self):
        with tempfile.TemporaryDirectory() as directory:
            self.refused("report", directory, says="pi-bench run")
            pathlib.Path(directory, "results.jsonl").write_text("gibberish\n")
            self.refused("report", directory, says="no results")

    def test_a_directory_of_somebody_else_is_left_alone(self):
        with tempfile.TemporaryDirectory() as directory:
            precious = pathlib.Path(directory, "raw")
            precious.mkdir()
            with self.assertRaisesRegex(cli.Failure, "neither empty nor written by pi-bench"):
                self.enterContext(results.prepare(pathlib.Path(directory)))
            self.assertTrue(precious.exists())
            pathlib.Path(directory, "env.json").touch()
            pathlib.Path(directory, "mine.txt").touch()
            self.enterContext(results.prepare(pathlib.Path(directory)))
            self.assertFalse(precious.exists())
            self.assertTrue(pathlib.Path(directory, "mine.txt").exists())


class Look(unittest.TestCase):
    def test_list(self):
        lines = pi_bench("list", *NO_ENGINE).stdout.splitlines()
        self.assertEqual(len(lines), len(synthetic.WORKLOADS) * ARMS)
        self.assertIn("write-128k-qd32 pi/indirect", lines)
        self.assertEqual(len(pi_bench("list", *NO_ENGINE, "--only", "nopi 4k-qd1 none").stdout.splitlines()), 2)

    def test_an_encoding_without_bars_is_no_traceback(self):
        with tempfile.TemporaryDirectory() as place:
            synthetic.compared(place, synthetic.CELLS[:1])
            done = pi_bench("report", place, env={**os.environ, "PYTHONIOENCODING": "ascii"})
        self.assertEqual((done.returncode, done.stdout.partition(":")[0]), (0, "PASS"), done.stderr)

    def printed(self, stdout):
        """Status and messages of a command that prints one line, which Python would keep until it exits."""
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
        done = subprocess.run([sys.executable, ROOT / "scripts/pi-bench", "list", *NO_ENGINE, "--only", "randread-4k-qd32 pi/indirect"],
                              stdout=stdout, stderr=subprocess.PIPE, text=True, check=False, env=environment)  # fmt: skip
        return done.returncode, done.stderr

    def test_a_closed_pipe_and_a_full_disk_are_status_2(self):
        reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
        reader.wait()
        with reader.stdin as pipe:
            self.assertEqual(self.printed(pipe), (2, ""))
        with open("/dev/full", "wb") as full:
            self.assertEqual(self.printed(full), (2, "pi-bench: system: No space left on device\n"))
            done = subprocess.run([sys.executable, ROOT / "scripts/pi-bench", "frobnicate"], stderr=full, check=False)
        self.assertEqual(done.returncode, 2)

    def test_env_says_what_it_does_not_know(self):
        done = pi_bench("env", "--fio", "/nowhere/fio", "--engine", "/nowhere/engine")
        found = json.loads(done.stdout)
        self.assertEqual((found["fio"], found["engine_sha256"], found["devices"]), ("not recorded",) * 3)
        for name in ("kernel", "kernel_config_sha256", "mitigations", "cpu", "governor", "virtualisation", "liburing",
                     "engine_commit", "engine_compiler"):  # fmt: skip
            self.assertTrue(found[name], name)

    def test_env_of_a_bare_machine(self):
        class Bare(Host):
            def run(self, argv):
                return None

        with tempfile.TemporaryDirectory() as directory:
            host = Bare(directory)
            found = environment.machine(host) | environment.software(host, fio.Tools("/nowhere/fio", "/nowhere/engine"))
        for name in set(found) - {"date", "kernel", "cpus"}:
            self.assertEqual(found[name], "not recorded", name)

    def test_dry_run_names_the_disks_of_the_guest(self):
        def paths(disks, **fields):
            spec = session.Spec("s", cells.CPU, True, 1, 1, **fields)
            return [each.path for each in campaign.Plan(None, spec, disks).devices().values()]

        self.assertEqual(paths(["null_blk:4096+8", "4096"], pi="PI_DISK0", nopi="PI_DISK1"), ["/dev/nullb0", "/dev/nvme0n2"])
        self.assertEqual(paths(["scsi_debug:4096+8"], scsi_debug=True), ["/dev/sda", "/dev/sda"])
        self.assertEqual(paths(["scsi_debug:4096+8"], pi="PI_DISK0")[0], "/dev/sda")

    def test_dry_run_prints_each_command_and_the_time_and_does_nothing(self):
        with tempfile.TemporaryDirectory() as directory:
            done = pi_bench("run", *NO_ENGINE, "--guest", "--dry-run", "--rounds", "2", "--only", "randread-4k-qd1", "--out", directory)
            self.assertEqual(list(pathlib.Path(directory).iterdir()), [])
        lines = done.stdout.splitlines()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        runs = [line for line in lines if "--section=" in line and not line.startswith("#")]
        # the engine's clocks tell where the cost lies where it is not counted by function
        timed = 0 if insn.PLUGIN.exists() else ARMS // 2
        self.assertEqual(len(runs), 2 * (ARMS + 2) * 5 + timed, "cells and the reference, each round, each guest")
        counted = [shlex.split(line[2:])[:3] for line in lines if " --icount " in line]
        self.assertEqual(counted.count([str(guest.GUEST), "run", "--icount"]), 2)
        self.assertRegex(lines[-1], r"^# expected: about \d+:\d\d")


class Guests(unittest.TestCase):
    def specs(self, kvm):
        more = {"rounds": 1, "seed": 1, "cells": ("randread-4k-qd1 pi/indirect",)}
        return {spec.name: (spec, disks) for spec, disks in bench.guest_sessions(more, kvm).items()}

    def test_what_is_measured_where(self):
        self.assertEqual((self.specs(False)["nvme"][0].mode, self.specs(False)["nvme"][0].icount), ("cpu", True))
        self.assertEqual((self.specs(True)["nvme"][0].mode, self.specs(True)["nvme"][0].icount), ("time", False))
        for kvm in (False, True):
            spec, disks = self.specs(kvm)["scsi_debug"]
            self.assertEqual((spec.mode, spec.icount, disks), ("instructions", True, ["scsi_debug:4096+8"]))

    def test_command(self):
        spec, disks = self.specs(False)["nvme"]
        spec = dataclasses.replace(spec, kernel="lab")
        argv = guest.command(spec, disks, "/x/out")
        options, inner = argv[2 : argv.index("--")], argv[argv.index("--") + 1 :]
        self.assertEqual(options, ["--icount", "--kernel", "lab", "--disk", "4096+8", "--disk", "4096"])
        self.assertNotIn("--icount", guest.command(*self.specs(True)["nvme"], "/x/out"))
        self.assertEqual(inner[1:3], [str(ROOT / "scripts/pi-bench"), "session"])
        self.assertEqual(session.encode(session.decode(inner[3])), session.encode(spec))
        self.assertEqual(inner[4:], ["/x/out"])

    def test_the_guest_sees_the_tree_and_writes_to_the_results(self):
        for tree, out, start in (("/home/x/fio-pi", "/home/x/fio-pi/build/report", "/home/x/fio-pi/build/report"),
                                 ("/tmp/fio-pi", "/tmp/fio-pi/build/report", "/tmp/fio-pi"),
                                 ("/home/x/fio-pi", "/elsewhere/report", "/elsewhere/report")):  # fmt: skip
            with unittest.mock.patch.object(guest.fio, "REPO", pathlib.Path(tree)):
                self.assertEqual(guest.writable(out), start)

    def test_a_fio_that_the_guest_does_not_see(self):
        spec, disks = self.specs(False)["nvme"]
        for place, refused in (("/tmp/fio", True), ("/home/x/fio", False), (str(ROOT / "build/fio"), False)):
            tools = dataclasses.replace(spec.tools, fio=f"{place}/fio")
            if refused:
                with self.assertRaisesRegex(guest.Failure, "^/tmp/fio/fio: the guest has a /tmp of its own"):
                    guest.run({dataclasses.replace(spec, tools=tools): disks}, ROOT / "build/report", None)
            else:
                guest.require_visible(tools, ROOT / "build/report")
