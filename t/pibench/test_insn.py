# SPDX-License-Identifier: GPL-2.0-only
"""Instructions by function in a session: the lists that a guest asks for, and what a run took, beside it."""

import ctypes
import dataclasses
import json
import os
import pathlib
import tempfile
import unittest
import unittest.mock

import test_profile
from pibench import campaign, catalog, cells, fio, guest, insn, metrics, profile, results, session, symbols
from pibench.errors import Failure
from pibench.host import Host

MODULES = "scsi_debug 98304 0 - Live 0x{:016x}\nsd_mod 90112 0 - Live 0xffffffffb0000000 (E)\n"
LOADED = 0xffffffffa0000000
# of a run: instructions of each function in the list, in the rows of the tree
FUNCTION = {("thread_main", "fio"): 700, ("__do_it", "kernel"): 90, ("queue", "scsi_debug"): 40}


class Plugin:
    """Stands for QEMU's: takes a list, then writes what was counted at each mark."""

    def __init__(self, place):
        self.place, self.counts, self.totals, self.ios = place, 0, None, 0
        self.lists = []

    def tell(self):
        functions = self.place / insn.FUNCTIONS
        if functions.exists():
            self.lists.append([line.split() for line in functions.read_text().splitlines()])
            functions.unlink()
            self.totals = dict.fromkeys(FUNCTION, 0)
            return
        self.counts += 1
        for name, each in FUNCTION.items():
            self.totals[name] += each * self.ios + 1000
        rows = [*test_profile.FIXED]
        # one calls the next
        above = (symbols.PROGRAMS, test_profile.FIRST, test_profile.FIRST + 1)
        rows += [(caller, self.numbers[name], taken, self.ios) for caller, (name, taken) in zip(above, self.totals.items())]
        text = "\n".join([str(sum(self.totals.values())), *(" ".join(map(str, row)) for row in rows)])
        (self.place / f"count.{self.counts}").write_text(f"{text}\n")


class Counting(unittest.TestCase):
    TOOLS = fio.Tools(*2 * [str(catalog.PLACES[0])], plugin="p,q.so", mark="mark")
    SPEC = session.Spec("boot1", cells.INSTRUCTIONS, True, 1, 1, tools=TOOLS)

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        (self.root / "proc").mkdir()
        (self.root / "proc/kallsyms").write_text(test_profile.KALLSYMS)
        self.load(LOADED)
        (self.root / "parts").mkdir()
        place = pathlib.Path(insn.place(str(self.root), self.SPEC))
        self.boot(place)
        self.enterContext(unittest.mock.patch.object(insn, "KEPT", self.root / "kept"))
        self.enterContext(unittest.mock.patch.object(insn.time, "sleep", lambda seconds: self.serve()))

    def boot(self, place):
        self.lists = insn.Lists(self.SPEC, place)
        self.plugin = Plugin(place)
        self.counter = insn.Counter(Host(str(self.root)), place, "mark")
        self.counter.tell = self.plugin.tell
        library = pathlib.Path(catalog.PLACES[0]).read_bytes()
        self.counter.vdso = lambda: library

    def identify(self, kernel, **modules):
        """Give them build IDs."""
        for path, note in ((insn.NOTES, kernel), *((insn.NOTE.format(name), note) for name, note in modules.items())):
            path = self.root / path.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(note)

    def load(self, address):
        (self.root / "proc/modules").write_text(MODULES.format(address))

    def serve(self):
        self.lists.serve()
        told = list(self.lists.names.values())[-1]
        # what stands for a program here has no function of fio's
        told[told.index(("main", "engine", False))] = ("thread_main", "fio", False)
        self.plugin.numbers = {(name, module): at for at, (name, module, _) in enumerate(told)}

    def run_of(self, ios):
        self.plugin.ios = ios
        return self.counter.mark()

    def record(self, lead=512, counted=100):
        return {"kind": "run", "session": "boot1", "cell": "x", "step": "1.0", "counted": counted,
                "marks": json.loads(json.dumps([self.run_of(lead), self.run_of(lead + counted)]))}  # fmt: skip

    def test_before_there_is_a_list_nothing_is_counted(self):
        self.assertIsNone(self.counter.mark())
        self.assertEqual(self.plugin.counts, 0)

    def test_what_a_run_took_beyond_the_one_beside_it_by_room(self):
        self.counter.look()
        self.run_of(77)
        for _ in range(2):
            found = self.lists.complete(self.record(), str(self.root))
            self.assertEqual(sum(found["rooms"].values()), 100 * sum(FUNCTION.values()))
            self.assertEqual((metrics.HOST.value(found), metrics.DRIVE.value(found), metrics.OTHERS.value(found)), (790, 40, 0))
            self.assertNotIn("marks", found)
        left = [path.name for path in self.plugin.place.glob("count.*")]
        self.assertEqual(left, [f"count.{self.plugin.counts}"], "a file for each run would fill the disk")

    def test_functions_are_kept_where_they_are_wanted(self):
        self.counter.look()
        self.assertNotIn("profile", self.lists.complete(self.record(), str(self.root)))
        self.lists.spec = session.Spec(**{**vars(self.SPEC), "profiles": True})
        found = self.lists.complete(self.record(), str(self.root))
        again = insn.load(self.root / found["profile"])
        own = {(name, module): own for (_, name, module), (own, _) in again.functions().items()}
        self.assertEqual(own, FUNCTION)

    def test_a_module_that_is_loaded_anew_lies_elsewhere(self):
        self.counter.look()
        self.counter.look()
        self.assertEqual(len(self.plugin.lists), 1, "nothing has moved")
        self.lists.complete(self.record(), str(self.root))
        (self.root / "proc/kallsyms").unlink()
        self.load(LOADED + 0x5000)
        self.counter.look()
        before, after = ({each[0]: each[2:] for each in found} for found in self.plugin.lists)
        self.assertEqual(before["ffffffffa0000000"], after["ffffffffa0005000"])
        self.assertNotIn("ffffffffa0000000", after)
        self.assertEqual(before["ffffffff81000180"], after["ffffffff81000180"])
        # what was counted by the list before says nothing of a run after it
        found = self.lists.complete(self.record(), str(self.root))
        self.assertEqual(sum(found["rooms"].values()), 100 * sum(FUNCTION.values()))

    def test_a_kernel_is_asked_for_its_functions_once(self):
        place = self.plugin.place
        self.identify(b"\xff1", scsi_debug=b"\xff2", sd_mod=b"\xff3")
        self.counter.look()
        first = self.plugin.lists
        (self.root / "proc/kallsyms").write_text("ffffffff81000000 T other\n")
        self.boot(place)
        self.counter.look()
        self.assertEqual(self.plugin.lists, first)
        self.load(LOADED + 0x5000)
        self.boot(place)
        self.counter.look()
        self.assertIn("ffffffffa0005000", [line[0] for line in self.plugin.lists[0]])
        for other in ({"kernel": b"\xfe1"}, {"scsi_debug": b"\xfe2"}):
            self.identify(**{"kernel": b"\xff1", "scsi_debug": b"\xff2", **other})
            self.boot(place)
            self.counter.look()
            self.assertNotEqual(self.plugin.lists, first, f"with another {other}")
            self.assertNotIn("ffffffffa0000000", [line[0] for line in self.plugin.lists[0]])

    def test_where_they_cannot_be_kept_it_counts_all_the_same(self):
        self.identify(b"\xff1", scsi_debug=b"\xff2", sd_mod=b"\xff3")
        (self.root / "file").touch()
        with unittest.mock.patch.object(insn, "KEPT", self.root / "file" / "kept"):
            self.counter.look()
            self.assertIn("ffffffffa0000000", [line[0] for line in self.plugin.lists[0]])

    def test_kernels_of_long_ago_are_dropped(self):
        for number in range(insn.KERNELS + 5):
            insn.keep(str(number), b"x")
            os.utime(insn.KEPT / str(number), (number, number))
        left = sorted(int(path.name) for path in insn.KEPT.iterdir())
        self.assertEqual(left, list(range(5, insn.KERNELS + 5)))

    def test_what_was_not_counted_by_function_is_measured_again(self):
        for step, more in (("1.0", {"marks": [[1, 0, 1], [1, 1, 2]]}), ("0.0", {})):
            results.append(self.root / "parts/boot1.jsonl", {"kind": "run", "session": "boot1", "step": step, **more})
        self.assertEqual([record["step"] for record in results.recover(self.root)], ["0.0"])

    def test_a_stripped_fio_is_refused(self):
        program = str(catalog.PLACES[0])
        stripped = {"tools": fio.Tools(program, plugin="p.so")}, {"builds": (("old", fio.Tools(program)), ("new", fio.Tools(program)))}
        for changes in stripped:
            with self.assertRaisesRegex(Failure, f"{program}: has no symbol thread_main"):
                insn.require(dataclasses.replace(self.SPEC, **changes))
        insn.require(dataclasses.replace(self.SPEC, tools=fio.Tools(program)))
        self.addCleanup(insn.require_symbols.cache_clear)
        with unittest.mock.patch.object(symbols, "OF_JOB", "main"):
            insn.require(self.SPEC)

    def test_of_each_build_fio_and_engine_have_names(self):
        for name in "abcd":
            (self.root / name).write_text(name)
        builds = [fio.Tools(str(self.root / name), str(self.root / engine)) for name, engine in ("ac", "bc", "bd")]
        found = insn.programs(builds, b"v")
        self.assertEqual(found, [("fio", b"a"), ("fio", b"b"), ("engine", b"c"), ("engine", b"d"), ("vdso", b"v")])


class Sessions(unittest.TestCase):
    def test_only_where_instructions_are_counted(self):
        with tempfile.NamedTemporaryFile() as there, unittest.mock.patch.multiple(insn, PLUGIN=pathlib.Path(there.name), MARK=insn.BUILT):
            for mode, icount, counted in ((cells.INSTRUCTIONS, True, True), (cells.CPU, True, False), (cells.TIME, False, False)):
                spec = insn.equipped(session.Spec("x", mode, icount, 1, 1))
                self.assertEqual(bool(spec.tools.plugin), counted)
            spec = insn.equipped(session.Spec("x", cells.INSTRUCTIONS, True, 1, 1, breakdown=True))
            self.assertEqual(spec.timed([cells.parse("randread-4k-qd1 pi/indirect")]), [])
            self.assertEqual(self.announced(spec), "")
        with unittest.mock.patch.object(insn, "PLUGIN", pathlib.Path("/nowhere/insn-plugin.so")):
            spec = insn.equipped(session.Spec("x", cells.INSTRUCTIONS, True, 1, 1))
        self.assertFalse(spec.tools.plugin)
        self.assertIn("insn-plugin.so is not built: the emulated drive's instructions are in all figures", self.announced(spec))

    def announced(self, spec):
        """What is said of the plugin before it starts."""
        with unittest.mock.patch.object(campaign.command, "say") as said:
            campaign.announce([campaign.Plan(None, spec, [])], 0, "/out")
        return "".join(call.args[0] for call in said.call_args_list if "insn-plugin" in call.args[0])

    def test_one_step_is_not_steps(self):
        spec = session.Spec("x", cells.TIME, False, 1, 1, tools=fio.Tools(attr_cost="/x/attr-cost"))
        with unittest.mock.patch.object(campaign.command, "say") as said:
            campaign.announce([campaign.Plan(None, spec, [])], 0, "/out")
        self.assertIn("x: 1 step in 1 round,", said.call_args_list[0].args[0])

    def test_the_guest_has_it(self):
        argv = guest.command(Counting.SPEC, ["null_blk:4096"], "/out,1")
        self.assertIn("p,,q.so,dir=/out,,1/parts/boot1.counts", argv)
        self.assertIn("nokaslr", argv)
        plain = session.Spec("boot1", cells.INSTRUCTIONS, True, 1, 1)
        self.assertNotIn("--plugin", guest.command(plain, ["null_blk:4096"], "/out"))


class Code(unittest.TestCase):
    def test_as_a_process_has_it(self):
        """A function of the C library lies in the same place of a page, with the same bytes, as in this process."""
        address = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
        for line in pathlib.Path("/proc/self/maps").read_text().splitlines():
            span, *_, path = line.split(maxsplit=5)
            low, high = (int(end, 16) for end in span.split("-"))
            if low <= address < high:
                break
        ranges, code = symbols.code([("libc", pathlib.Path(path).read_bytes())])
        found = next(each for each in ranges if each.name.strip("_") == "getpid")
        size = found.end - found.start
        self.assertGreater(size, 4)
        self.assertEqual((found.start % 4096, code[found.start : found.end]), (address % 4096, ctypes.string_at(address, size)))


class Threads(unittest.TestCase):
    def rooms(self, *stacks):
        root = profile.Node(*symbols.NAMES[symbols.ROOT])
        for stack, instructions in stacks:
            node = root
            for key in stack:
                node = node.child(*key)
            node.instructions = instructions
        profile.settle(root)
        return profile.Profile(1, root).rooms()

    def test_a_worker_belongs_to_whom_it_works_for(self):
        worker = (symbols.NAMES[symbols.THREADS], ("worker_thread", "kernel"), ("process_one_work", "kernel"))
        verify = (*worker, ("bio_integrity_verify_fn", "kernel"))
        found = self.rooms((worker, 300), (verify, 100), ((*verify, ("io_complete_rw", "kernel")), 900))
        self.assertEqual(found, {profile.INTEGRITY: 400, profile.URING: 900})

    def test_one_that_works_for_others_does_not(self):
        worker = (symbols.NAMES[symbols.THREADS], ("worker_thread", "kernel"))
        found = self.rooms((worker, 300), ((*worker, ("bio_integrity_verify_fn", "kernel")), 100))
        self.assertEqual(found, {profile.OTHERS: 300, profile.INTEGRITY: 100})


if __name__ == "__main__":
    unittest.main()
