# SPDX-License-Identifier: GPL-2.0-only
"""Whatever ends a run, what it has measured can be shown and gone on with."""

import collections
import json
import resource
import signal
import subprocess
import sys
import time

import fake_machine
import test_device
from pibench import cells, results


class Interrupted(test_device.Machine):
    ROUNDS = 2
    ARMS = 2 * len(cells.STATES)
    STEPS = (ARMS + 2) * (ROUNDS + 1)

    def setUp(self):
        super().setUp()
        fake_machine.furnish(self.root)
        self.out = self.root / "out"

    def command(self, *more, where=("--dut", "/dev/nvme0n1", "--dut-nopi", "/dev/nvme0n2")):
        return [
            sys.executable, fake_machine.HERE, str(self.root), "run", *where, "--fio", str(self.root / "fio"), "--engine",
            str(self.root / "engine.so"), "--out", str(self.out), "--rounds", str(self.ROUNDS), "--only", "randread-4k-qd1", *more,
        ]  # fmt: skip

    GUEST = ("--guest",)

    def run_all(self, *more, **how):
        where = {"where": how.pop("where")} if "where" in how else {}
        return subprocess.run(self.command(*more, **where), capture_output=True, text=True, timeout=120, check=False, **how)

    def report(self):
        return subprocess.run([sys.executable, fake_machine.HERE, str(self.root), "report", str(self.out)],
                              capture_output=True, text=True, timeout=60, check=False)  # fmt: skip

    def lines(self):
        """Records there now, in the results and in the parts of guests."""
        return [line for path in (self.out / results.NAME, *self.out.glob("parts/*.jsonl")) if path.exists()
                for line in path.read_text().splitlines()]  # fmt: skip

    def start(self, *more, until=5, hangup=signal.SIG_DFL, **how):
        """A run that has measured a bit, whatever nohup the tests run under."""
        (self.root / "delay").write_text("0.05")
        (self.out / results.NAME).unlink(missing_ok=True)
        process = subprocess.Popen(self.command(*more, **how), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGHUP, hangup))  # fmt: skip
        deadline = time.monotonic() + 60
        while len(self.lines()) < until and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.01)
        return process

    def killed(self, process):
        process.kill()
        process.communicate()
        # the fio that it was waiting for
        time.sleep(0.5)

    def whole(self, timed=0):
        """Every step was done once and the report says so."""
        records = [record for record in results.load(self.out) if "step" in record]
        self.assertEqual([key for key, n in collections.Counter(r["step"] for r in records).items() if n != 1], [])
        self.assertEqual(len(records), self.STEPS + timed)
        self.assertIn("COMPLETE", (self.out / "report.md").read_text())

    def kept(self, text):
        """The one line says how many runs there are and what to do; the report can be had."""
        line = text.strip().splitlines()[-1]
        self.assertRegex(line, r"^pi-bench: .*; \d+ runs are kept: repeat with --resume to continue, or see them with pi-bench report .*$")
        shown = self.report()
        self.assertEqual((shown.returncode, "Traceback" in shown.stderr), (0, False), shown)
        self.assertRegex(shown.stdout, r"STOPPED.* \d+ of \d+ steps are done")
        return line

    def resumed(self, timed=0, **where):
        (self.root / "delay").unlink(missing_ok=True)
        before = sum(record["kind"] == "run" for record in results.load(self.out))
        log = len((self.root / "log").read_text().splitlines())
        done = self.run_all("--resume", **where)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.whole(timed)
        self.assertGreater(before, 0)
        again = len((self.root / "log").read_text().splitlines()) - log
        left = self.STEPS + timed - before
        self.assertLessEqual(again, 2 * left + 3, "no more than what was left, and filling the devices")

    # four of the cells are ours: each has a run with clocks on a device
    TIMED = ARMS // 2

    def test_undisturbed(self):
        self.assertEqual(self.run_all().returncode, 0)
        self.whole(self.TIMED)

    def test_signals(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            process = self.start()
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 128 + number, said)
            self.assertIn(f"interrupted by {number.name}", self.kept(said))
        self.resumed(self.TIMED)

    def test_nohup(self):
        process = self.start(hangup=signal.SIG_IGN)
        process.send_signal(signal.SIGHUP)
        before = len(self.lines())
        while len(self.lines()) < before + 3 and process.poll() is None:
            time.sleep(0.01)
        process.terminate()
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 128 + signal.SIGTERM, said)

    def test_kill(self):
        process = self.start()
        self.killed(process)
        self.assertEqual(self.report().returncode, 0)
        self.resumed(self.TIMED)

    def test_killed_in_the_middle_of_a_line(self):
        process = self.start()
        self.killed(process)
        with open(self.out / results.NAME, "a") as file:
            file.write('{"schema": 1, "kind": "run", "ses')
        self.assertEqual(self.report().returncode, 0)
        self.resumed(self.TIMED)

    def test_full_disk(self):
        def small():
            resource.setrlimit(resource.RLIMIT_FSIZE, (12000, 12000))

        done = self.run_all(preexec_fn=small)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(self.kept(done.stderr), rf"pi-bench: {self.out}/.*: (no space left|File too large)")
        self.resumed(self.TIMED)

    def test_guest_crashes(self):
        (self.root / "crash").write_text("7")
        done = self.run_all(where=self.GUEST)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertIn("Kernel panic", self.kept(done.stderr))
        (self.root / "crash").unlink()
        self.resumed(where=self.GUEST)
        (self.root / "crash").write_text("0")
        self.assertEqual(self.run_all("--resume", where=self.GUEST).returncode, 0, "nothing is left to boot a guest for")

    def test_interrupt_while_a_guest_runs(self):
        process = self.start(where=self.GUEST)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.kept(said)
        self.resumed(where=self.GUEST)

    def test_kill_while_a_guest_runs(self):
        process = self.start(where=self.GUEST)
        self.killed(process)
        self.assertEqual(self.report().returncode, 0)
        self.resumed(where=self.GUEST)

    def test_time_budget(self):
        for where in ({}, {"where": self.GUEST}):
            (self.root / "delay").write_text("0.05")
            done = self.run_all("--time-budget", "0.02", **where)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("the time budget of 0.02 min is over; repeat with --resume to continue", done.stderr)
            self.assertIn("STOPPED", done.stdout)
            self.assertIn("the time budget of 0.02 min is over; ", done.stdout)
        self.resumed(where=self.GUEST)
        self.assertNotIn("time budget", (self.out / "report.md").read_text())

    def test_other_options_are_no_resumption(self):
        process = self.start()
        self.killed(process)
        done = self.run_all("--resume", "--seed", "2")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"begun with other options; repeat it as: scripts/pi-bench run .* --resume\n$")
        (self.root / "engine.so").write_text("another")
        said = self.run_all("--resume").stderr
        self.assertIn("was begun with another engine, fio or job file; put that back", said)
        self.assertNotIn("repeat it as", said, "which is what was typed")

    def test_nothing_to_resume(self):
        self.assertIn("nothing to resume", self.run_all("--resume").stderr)

    def test_two_at_once(self):
        process = self.start()
        (self.root / "delay").write_text("10")
        done = self.run_all()
        self.assertEqual(done.returncode, 2)
        self.assertIn("another pi-bench is writing there", done.stderr)
        self.killed(process)

    def test_a_failing_cell_is_status_4_and_the_rest_is_measured(self):
        (self.root / "broken").touch()
        done = self.run_all()
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertIn("FAILED", done.stdout)
        self.assertIn("io_uring_pi: block 7: guard", done.stdout)
        self.assertIn("| plain-nopi", (self.out / "report.md").read_text())
        self.assertTrue(all(json.loads(line)["schema"] == 1 for line in self.lines()))


# only their fixture is wanted here
del test_device
