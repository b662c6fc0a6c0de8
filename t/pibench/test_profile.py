# SPDX-License-Identifier: GPL-2.0-only
"""Names for addresses, and the tree of calls."""

import pathlib
import tempfile
import unittest

from pibench import catalog, profile, symbols
from pibench.errors import Failure

KALLSYMS = """\
ffffffff81000000 T _stext
ffffffff81000000 T startup_64
ffffffff81000100 t foo.cold
ffffffff81000180 T foo
ffffffff81000200 T __do_it
ffffffff81000200 t do_it
ffffffff81000300 D data
ffffffff81000400 T __switch_to_asm
ffffffff81000500 T asm_sysvec_apic_timer_interrupt
ffffffff81000600 T __x86_indirect_thunk_rax
ffffffffa0000000 t queue.isra.0\t[scsi_debug]
ffffffffa0100000 t last\t[scsi_debug]
"""


class Symbols(unittest.TestCase):
    def ranges(self):
        return {each.start & 0xfffffff: each for each in symbols.kernel(KALLSYMS)}

    def test_a_name_for_each_address(self):
        found = self.ranges()
        self.assertEqual((found[0x1000200].name, found[0x1000200].module), ("__do_it", "kernel"))
        self.assertEqual((found[0].name, found[0].module), ("queue", "scsi_debug"))
        self.assertNotIn(0x1000300, found)
        self.assertEqual(found[0x1000200].end, 0xffffffff81000400)

    def test_an_end_where_none_is_told(self):
        self.assertEqual(self.ranges()[0].end, 0xffffffffa0010000)
        self.assertEqual(self.ranges()[0x100000].end, 0xffffffffa0110000)

    def test_no_function_reaches_into_a_module_that_was_loaded_behind_it(self):
        ranges = symbols.kernel(KALLSYMS.replace("a0100000 t last\t[scsi_debug]", "a0100000 t last\t[other]"))
        found = symbols.moved(ranges, {"scsi_debug": "0xa0000000", "other": "0xa0100000"},
                              {"scsi_debug": "0xa0000000", "other": "0xa0001000"})
        self.assertEqual([(each.name, each.end & 0xfffffff) for each in found[-2:]], [("queue", 0x1000), ("last", 0x11000)])

    def test_what_the_compiler_has_put_elsewhere(self):
        found = self.ranges()
        self.assertEqual([found[at].name for at in (0x1000100, 0x1000180)], ["foo", "foo"])
        self.assertEqual([found[at].flags & symbols.ENTRY for at in (0x1000100, 0x1000180)], [0, symbols.ENTRY])

    def test_what_is_no_call(self):
        found = self.ranges()
        for at, flag in ((0x1000400, symbols.SWITCH), (0x1000500, symbols.INTERRUPT), (0x1000600, symbols.THUNK)):
            self.assertTrue(found[at].flags & flag)

    def test_what_a_job_is_counted_by(self):
        for name, flag in (("thread_main", symbols.JOB), ("td_io_queue", symbols.BEGIN), ("close_ioengine", symbols.END)):
            self.assertEqual(symbols.flags_of(name), symbols.ENTRY | flag)

    def test_addresses_are_hidden(self):
        with self.assertRaisesRegex(Failure, "kallsyms"):
            symbols.kernel("0000000000000000 T _stext\n0000000000000000 T do_it\n")

    def test_a_library(self):
        elf = symbols.Elf.read(pathlib.Path(catalog.PLACES[0]).read_bytes(), "pi-info")
        self.assertIn("main", [name for _, _, name, _ in elf.functions])
        self.assertTrue(all(before[1] <= after[0] for before, after in zip(elf.functions, elf.functions[1:])))
        with self.assertRaisesRegex(Failure, "not a 64-bit program"):
            symbols.Elf.read(b"#!/bin/sh\n", "x")

    def test_what_the_plugin_takes(self):
        with tempfile.TemporaryDirectory() as place:
            found = symbols.kernel(KALLSYMS)
            names = symbols.save(place, found, b"code")
            lines = pathlib.Path(place, "functions").read_text().splitlines()
        self.assertEqual(len(lines), len(found))
        for line, each in zip(lines, found):
            start, end, number, flags = line.split()
            self.assertEqual((int(start, 16), int(end, 16), int(flags)), (each.start, each.end, each.flags))
            self.assertEqual(names[int(number)], (each.name, each.module, bool(each.flags & symbols.THUNK)))


NAMES = [(*name, False) for name in symbols.NAMES] + [("a", "m", False), ("b", "m", False), ("thunk", "m", True)]
A, B, THUNK = range(len(symbols.NAMES), len(symbols.NAMES) + 3)
# numbers of nodes begin with the root's
FIRST = symbols.ROOT + 4
FIXED = [(symbols.ROOT, number, 0, 0) for number in range(symbols.ROOT, FIRST)]


def counts(executed, *rows):
    """As read_counts() has them."""
    return executed, [" ".join(map(str, row)) for row in (*FIXED, *rows)]


def since(*of):
    """What those take that begin with nothing."""
    return profile.difference(profile.NOTHING, counts(*of))


class Tree(unittest.TestCase):
    def test_sums_and_thunks(self):
        rows = (symbols.PROGRAMS, A, 10, 1), (FIRST, THUNK, 2, 5), (FIRST + 1, B, 7, 2), (symbols.INTERRUPTS, B, 1, 1)
        root = profile.tree(since(20, *rows), NAMES)
        self.assertEqual(root.total, 20)
        programs = root.children[symbols.NAMES[symbols.PROGRAMS]]
        self.assertEqual((programs.total, programs.children["a", "m"].instructions, programs.children["a", "m"].calls), (19, 12, 1))
        self.assertEqual(programs.children["a", "m"].children["b", "m"].calls, 2)

    def test_what_is_lost_has_a_row(self):
        root = profile.tree(since(25, (symbols.PROGRAMS, A, 10, 1)), NAMES)
        self.assertEqual((root.total, root.children[symbols.LOST].instructions), (25, 15))

    def test_difference(self):
        before = counts(10, (symbols.PROGRAMS, A, 10, 1))
        after = counts(40, (symbols.PROGRAMS, A, 25, 2), (FIRST, B, 15, 1))
        top = {symbols.ROOT: FIXED[0], symbols.PROGRAMS: FIXED[-1]}
        found = profile.difference(before, after)
        self.assertEqual(found, (30, {**top, FIRST: (symbols.PROGRAMS, A, 15, 1), FIRST + 1: (FIRST, B, 15, 1)}))
        one = profile.difference(after, counts(45, (symbols.PROGRAMS, A, 30, 2), (FIRST, B, 15, 1)))
        self.assertEqual(one, (5, {**top, FIRST: (symbols.PROGRAMS, A, 5, 0)}), "what has not changed is not there")
        self.assertEqual(profile.beyond(found, one), (25, {**top, FIRST: (symbols.PROGRAMS, A, 10, 1), FIRST + 1: (FIRST, B, 15, 1)}))


class Rooms(unittest.TestCase):
    def waiting(self, itself, *work):
        """The room of what a thread of the kernel takes to wait, where it works so much for the block layer."""
        root = profile.Node(*symbols.NAMES[symbols.ROOT])
        thread = root.child(*symbols.NAMES[symbols.THREADS]).child("worker_thread", "kernel")
        thread.instructions = itself
        for instructions in work:
            thread.child("blk_mq_run_work_fn", "kernel").instructions = instructions
        profile.settle(root)
        return thread.room

    def test_a_thread_waits_for_whom_it_works(self):
        self.assertEqual([self.waiting(10, 20), self.waiting(20, 10), self.waiting(20)], [profile.BLOCK, profile.OTHERS, profile.OTHERS])

    def test_the_run_beside_may_have_had_more(self):
        self.assertEqual([self.waiting(-10), self.waiting(-20, -10)], [profile.OTHERS] * 2)


if __name__ == "__main__":
    unittest.main()
