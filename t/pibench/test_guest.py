# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import tempfile
import unittest
import unittest.mock

from pibench import cli, command, fio, guest, session
from pibench.errors import Failure


def load():
    """scripts/guest itself."""
    loader = importlib.machinery.SourceFileLoader("guest_program", str(fio.REPO / "scripts/guest"))
    program = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(program)
    return program


class Ends(unittest.TestCase):
    """A QEMU that does not last."""

    def failure(self, script):
        program = load()
        with tempfile.TemporaryDirectory() as directory, unittest.mock.patch.object(program, "GUEST", pathlib.Path(directory)):
            machine = program.Machine.__new__(program.Machine)
            machine.__dict__.update(
                options=unittest.mock.Mock(timeout=None, console=False), trial=False, limit=60, log=pathlib.Path(directory) / "console",
                last="", state="starting", expired=False, arguments=["/bin/sh", "-c", script], environment=os.environ)
            with self.assertRaises(program.Failure) as caught:
                machine.run()
            return str(caught.exception).partition("; see the console in ")[0]

    def test_it_is_not_said_that_the_guest_took_too_long(self):
        for script, why in (("kill -SEGV $$", "SIGSEGV"), ("exit 3", "status 3")):
            self.assertEqual(self.failure(script), f"QEMU ended before the guest had started ({why})")

    def test_while_the_command_runs(self):
        control = "for a; do case $a in *,id=control,*) echo ready >${a##*path=};; esac; done; kill -SEGV $$"
        self.assertEqual(self.failure(control), "QEMU ended while the command ran (SIGSEGV)")

    def test_what_it_said_comes_first(self):
        self.assertEqual(self.failure("echo 'qemu: no such machine' >&2; exit 1"), "qemu: no such machine")


class Quiet(unittest.TestCase):
    def test_threads_that_would_take_turns_with_what_is_measured_are_off(self):
        """Whatever kernel it is and whatever else it is told."""
        program = load()
        with tempfile.TemporaryDirectory() as directory:
            cache = pathlib.Path(directory)
            (cache / "initramfs").touch()
            for modules, words in (("/modules", []), (None, ["debug"])):
                options = unittest.mock.Mock(disk=[], append=words, command=["true"], icount=True, smp=1, mem=1024, console=False,
                                             plugin=[])  # fmt: skip
                kernel = unittest.mock.Mock(modules=modules, boot_file=lambda cache: "bzImage")
                machine = program.Machine(options, kernel, cache, (["qemu"], {}, "10.0"), "tcg", cache, 60)
                told = machine.arguments[machine.arguments.index("-append") + 1].split()
                wanted = {"transparent_hugepage=never", "damon_stat.enabled=0", "cryptomgr.notests", "no_timer_check", *words}
                self.assertLessEqual(wanted, set(told))


class Options(unittest.TestCase):
    def refused(self, *words):
        with contextlib.redirect_stderr(io.StringIO()) as said, self.assertRaises(SystemExit) as caught:
            load().parse(["run", *words, "--", "true"])
        self.assertEqual(caught.exception.code, 2)
        return said.getvalue()

    def test_numbers_are_above_zero(self):
        for option in ("--smp", "--mem", "--boot", "--timeout"):
            for value in ("0", "-1"):
                self.assertIn(f"{option}: {value} is not a number above 0", self.refused(option, value))
        self.assertIn("--timeout: nan is not a number above 0", self.refused("--timeout", "nan"))
        self.assertIn("--smp: invalid int value: 'two'", self.refused("--smp", "two"))
        self.assertEqual(load().parse(["run", "--timeout", "0.5", "--", "true"]).timeout, 0.5)

    def test_an_image_keeps_its_size(self):
        program = load()
        with tempfile.TemporaryDirectory() as directory:
            image = pathlib.Path(directory, "image")
            for size, fits in (("2M", True), ("2M", True), ("3M", False)):
                disk = program.Disk(f"4096+8,size={size},file={image}", 0)
                with contextlib.nullcontext() if fits else self.assertRaisesRegex(program.Failure, "has 2097152 bytes; leave size= out"):
                    disk.qemu(None)
            self.assertTrue(program.Disk(f"4096+8,file={image}", 0).qemu(None))


class Starts(unittest.TestCase):
    """A machine that does not start so many times."""

    def boot(self, failures, seconds=None):
        program = load()
        limits, said = [], []

        class Machine:
            def __init__(self, *_, limit):
                limits.append(limit)

            def run(self):
                if len(limits) <= failures:
                    raise program.NoStart("the guest did not start")
                return 7

        with tempfile.TemporaryDirectory() as directory, \
                unittest.mock.patch.multiple(program, GUEST=pathlib.Path(directory), Machine=Machine, say=said.append):
            try:
                return program.boot_again(unittest.mock.Mock(boot=seconds)), limits, said
            except program.NoStart:
                return None, limits, said

    def test_one_that_starts_is_started_once(self):
        self.assertEqual(self.boot(0), (7, [90], []))

    def test_one_that_does_not_start_is_started_again_and_that_is_said(self):
        self.assertEqual(self.boot(1), (7, [90, 180], ["the guest did not start; starting it once more"]))

    def test_it_may_take_as_long_as_is_said(self):
        self.assertEqual(self.boot(1, 400), (7, [400, 400], ["the guest did not start; starting it once more"]))

    def test_one_that_hangs_before_the_command_runs_has_not_started(self):
        program = load()
        machine = program.Machine.__new__(program.Machine)
        machine.__dict__ |= {"state": "starting", "last": "wait disk 1 4096+8", "expired": True, "trial": False, "limit": 90, "busy": 80}
        machine.keep = lambda: "console.log"
        with self.assertRaisesRegex(program.NoStart, r"did not start in 90 s.*its last word: wait disk 1 4096\+8.*console\.log"):
            machine.verdict()

    def test_it_is_not_started_for_ever(self):
        status, limits, _ = self.boot(2)
        self.assertEqual((status, limits), (None, [90, 180]))


class Kernels(unittest.TestCase):
    def test_a_file_is_named_by_its_whole_path_as_guests_start_elsewhere(self):
        with tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
            pathlib.Path("bzImage").touch()
            self.assertEqual(list(map(guest.kernel, ("bzImage", "lab", "6.12"))), [os.path.abspath("bzImage"), "lab", "6.12"])

    def test_every_command_that_takes_one(self):
        for words in (["run"], ["compare"], ["lab"], ["perf"], ["selftest"], ["explain", "indirect"]):
            with self.subTest(words=words), tempfile.TemporaryDirectory() as directory, contextlib.chdir(directory):
                pathlib.Path("bzImage").touch()
                options = cli.parser().parse_args([*words, "--kernel", "bzImage"])
                self.assertIn(os.path.abspath("bzImage"), (options.kernel, *options.kernel))

    def test_one_that_is_not_fetched_is_no_regular_expression(self):
        with unittest.mock.patch.object(command, "DEBIAN", "/bin/false"), self.assertRaises(Failure) as failure:
            load().Kernel("7.3")
        self.assertEqual(str(failure.exception), "scripts/debian could not get the package; see above")


class Guests(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name)
        self.program = self.out / "guest"
        patch = unittest.mock.patch.multiple(guest, GUEST=self.program, POLL=0.01)
        patch.start()
        self.addCleanup(patch.stop)

    def script(self, text):
        """What stands for scripts/guest; record() writes as a session in the guest does."""
        self.program.write_text(
            f'#!/bin/sh\nfor last; do spec=$out out=$last; done\nname=${{spec#*: \\"}}; name=${{name%%\\"*}}\n'
            f'record() {{ printf \'{{"schema": 1, "kind": "run", "session": "%s", "n": %s}}\\n\' $name $1 >>parts/$name.jsonl; }}\n{text}'
        )
        self.program.chmod(0o755)

    def run_guests(self, *names):
        specs = {session.Spec(name=name, mode="cpu", icount=True, rounds=1, seed=1): [] for name in names}
        found = []
        try:
            guest.run(specs, str(self.out), found.append)
        finally:
            self.found = [(record["session"], record["n"]) for record in found]

    def test_records_of_all_sessions_arrive_in_order(self):
        self.script("for n in 1 2 3; do record $n; sleep 0.02; done\n")
        self.run_guests("a", "b")
        self.assertEqual(sorted(self.found), [(name, n) for name in "ab" for n in (1, 2, 3)])
        self.assertEqual([n for name, n in self.found if name == "a"], [1, 2, 3])

    def test_one_after_another_and_none_keeps_its_lists(self):
        boots, before = [], []

        class Boot(guest.Boot):
            def __init__(self, *more):
                super().__init__(*more)
                before.extend((boot.running, boot.lists) for boot in boots)
                boots.append(self)
                self.lists = unittest.mock.Mock(complete=lambda record, out: record)

        self.script("record 1\n")
        specs = {session.Spec(name=name, mode="cpu", icount=True, rounds=1, seed=1): [] for name in "abc"}
        found = []
        with unittest.mock.patch.object(guest, "Boot", Boot):
            guest.run(specs, str(self.out), found.append, at_once=1)
        self.assertEqual([record["session"] for record in found], ["a", "b", "c"])
        self.assertEqual(before, [(False, None)] * 3)

    def test_what_was_measured_before_a_crash_is_kept(self):
        self.script("record 1\nprintf '{\"half' >>parts/$name.jsonl\necho noise >&2\necho 'guest: kernel panic' >&2\nexit 125\n")
        with self.assertRaises(Failure) as caught:
            self.run_guests("a")
        self.assertEqual(self.found, [("a", 1)])
        self.assertRegex(str(caught.exception), r"^guest a: guest: kernel panic \(log: .*a.log\)$")

    def test_a_guest_that_is_killed(self):
        self.script("echo 'guest: TCG, Linux 7.3.4' >&2\nkill -9 $$\n")
        with self.assertRaisesRegex(Failure, r"^guest a: killed by SIGKILL \(log: .*a.log\)$"):
            self.run_guests("a")

    def test_a_line_that_comes_in_two_parts(self):
        self.script("record 1\nprintf '{\"schema\": 1, ' >>parts/$name.jsonl\nsleep 0.1\n"
                    "printf '\"kind\": \"run\", \"session\": \"a\", \"n\": 2}\\n' >>parts/$name.jsonl\n")  # fmt: skip
        self.run_guests("a")
        self.assertEqual(self.found, [("a", 1), ("a", 2)])

    def test_silence_ends_the_guests(self):
        self.script("record 1\necho $$ >pid.$name\nexec sleep 60\n")
        with unittest.mock.patch.object(guest, "SILENCE", 0.2), self.assertRaisesRegex(Failure, "no guest has finished a run"):
            self.run_guests("a", "b")
        self.assertEqual(sorted(self.found), [("a", 1), ("b", 1)])
        for name in "ab":
            with self.assertRaises(ProcessLookupError):
                os.kill(int((self.out / f"pid.{name}").read_text()), 0)

    def test_ready(self):
        self.script("echo 'guest: ready: TCG, Linux 7.3.4, QEMU 10.0.2' >&2\n")
        with open(self.out / "err", "w") as shown, contextlib.redirect_stderr(shown):
            self.assertEqual(guest.ready(), "TCG, Linux 7.3.4, QEMU 10.0.2")
        self.assertIn("ready: TCG", (self.out / "err").read_text())

    def test_not_ready(self):
        self.script("echo 'guest: no network' >&2\nexit 125\n")
        with open(self.out / "err", "w") as shown, contextlib.redirect_stderr(shown):
            with self.assertRaisesRegex(Failure, "fetch failed"):
                guest.ready()
        self.program.chmod(0o644)
        with self.assertRaisesRegex(Failure, "not there"):
            guest.ready()
