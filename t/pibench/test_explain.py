# SPDX-License-Identifier: GPL-2.0-only
"""Rooms, differences, flame graphs, and the report of pi-bench explain."""

import pathlib
import re
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree

from pibench import cells, counting, explain, flame, profile, symbols
from pibench.cli import parser
from pibench.errors import Failure

IOS = 100
PROGRAMS = symbols.NAMES[symbols.PROGRAMS]
INTERRUPTS = symbols.NAMES[symbols.INTERRUPTS]
JOB = (PROGRAMS, ("thread_main", "fio"))
ENTER = (
    *JOB, ("commit", "engine"), ("io_uring_enter", "liburing.so.2"), ("entry_SYSCALL_64", "kernel"), ("__do_sys_io_uring_enter", "kernel"),
)  # fmt: skip
BLOCK = (*ENTER, ("blkdev_direct_IO", "kernel"))
DRIVE = (*BLOCK, ("scsi_queue_rq", "scsi_mod"), ("scsi_debug_queuecommand", "scsi_debug"))
# (stack, its own instructions of an I/O, its room)
STACKS = (
    (JOB, 100, profile.FIO),
    ((*JOB, ("clock_gettime", "libc.so.6"), ("__vdso_clock_gettime", "vdso")), 50, profile.FIO),
    ((*JOB, ("event", "engine"), ("verify_8_alone", "engine")), 20, profile.ENGINE),
    ((*JOB, ("event", "engine"), ("verify_8_alone", "engine"), ("guard_crc16", "engine"), ("helper", "engine")), 200, profile.CHECKSUM),
    (ENTER[:4], 5, profile.ENGINE),
    (ENTER[:5], 40, profile.ENTRY),
    ((*ENTER, ("fget", "kernel")), 30, profile.URING),
    ((*BLOCK, ("__rcu_read_lock", "kernel")), 7, profile.BLOCK),
    ((*BLOCK, ("bio_integrity_map_user", "kernel")), 248, profile.INTEGRITY),
    ((*BLOCK, ("bio_integrity_map_user", "kernel"), ("gup_fast_fallback", "kernel")), 177, profile.PINNING),
    ((*BLOCK, ("bio_integrity_map_user", "kernel"), ("__kmalloc_noprof", "kernel")), 121, profile.SLAB),
    ((*BLOCK, ("bio_integrity_generate", "kernel"), ("crc16_msb_pclmul_sse", "kernel")), 11, profile.CHECKSUM),
    (BLOCK + DRIVE[-2:-1], 217, profile.DRIVER),
    ((*DRIVE, ("dif_verify", "scsi_debug"), ("crc16_msb_pclmul_sse", "kernel")), 2071, profile.DRIVE),
    ((*DRIVE, ("memcpy_orig", "kernel")), 1567, profile.DRIVE),
    ((*DRIVE, ("kfree", "kernel")), 3, profile.DRIVE),
    ((*DRIVE, ("scsi_done", "scsi_mod"), ("blk_mq_complete_request", "kernel")), 17, profile.BLOCK),
    ((*BLOCK, ("null_queue_rq", "kernel"), ("_raw_spin_lock", "kernel")), 9, profile.DRIVE),
    ((INTERRUPTS, ("asm_sysvec_apic_timer_interrupt", "kernel"), ("kfree", "kernel")), 8, profile.OTHERS),
    ((INTERRUPTS, ("asm_common_interrupt", "kernel"), ("nvme_irq", "kernel")), 6, profile.DRIVER),
    ((PROGRAMS, ("sh", "another program"), ("entry_SYSCALL_64", "kernel"), ("blkdev_read_iter", "kernel")), 4, profile.OTHERS),
    ((PROGRAMS, ("helper_thread_main", "fio")), 2, profile.OTHERS),
    ((*BLOCK, ("no symbol", "kernel")), 1, profile.UNEXPLAINED),
)  # fmt: skip


def made(stacks=STACKS, more=(), ios=IOS):
    """The Profile of such stacks."""
    root = profile.Node(*symbols.NAMES[symbols.ROOT])
    for stack, instructions, *_ in (*stacks, *more):
        node = root
        for key in stack:
            node = node.child(*key)
        node.instructions += instructions * ios
        node.calls += ios
    profile.settle(root)
    return profile.Profile(ios, root)


class Rooms(unittest.TestCase):
    def test_by_stack_and_module(self):
        for stack, instructions, room in STACKS:
            with self.subTest("/".join(name for name, _ in stack)):
                node = made([(stack, instructions)]).root
                for key in stack:
                    node = node.children[key]
                self.assertEqual(node.room, room)

    def test_rooms_and_functions_sum_to_the_total(self):
        shown = made()
        total = sum(each[1] for each in STACKS)
        self.assertEqual(shown.total, total)
        self.assertEqual(sum(shown.rooms().values()), total)
        self.assertEqual(sum(own for own, _ in shown.functions().values()), total)
        self.assertEqual(sum(shown.parts().values()), total)
        self.assertEqual(shown.parts()[profile.DRIVE], sum(took for _, took, room in STACKS if room == profile.DRIVE))

    def test_saved_and_loaded(self):
        shown = made()
        again = profile.Profile.load(shown.save())
        self.assertEqual((again.functions(), again.rooms()), (shown.functions(), shown.rooms()))

    def test_folded(self):
        lines = list(made().folded())
        self.assertIn("programs;thread_main;event;verify_8_alone 2000", lines)
        self.assertEqual(sum(int(line.rsplit(" ", 1)[1]) for line in lines), made().root.total)


class Differences(unittest.TestCase):
    def test_one_function_that_is_longer(self):
        changed = [made(more=[((*JOB, ("event", "engine")), 25)]) for _ in range(3)]
        self.assertEqual(profile.compare([made()] * 3, changed), [("event", 25)])
        self.assertEqual(profile.compare(changed, [made()] * 3), [("event", -25)])

    def test_in_words(self):
        self.assertEqual(explain.in_words([("b", 212), ("a", -40)]), "+212 b, -40 a")
        self.assertEqual(explain.in_words([(name, 1000) for name in "abcdefg"]).rpartition(", ")[2], "+2,000 in 2 others")
        self.assertEqual(explain.in_words([]), "in no function by itself")

    def test_nothing_in_the_same(self):
        self.assertEqual(profile.compare([made()] * 3, [made()] * 3), [])

    def test_what_happens_in_one_round_is_no_difference(self):
        rare = made(more=[((*BLOCK, ("build_slab_freelist", "kernel")), 300)])
        self.assertEqual(profile.compare([made(), rare, made()], [made()] * 3), [])

    def test_interrupts_are_no_function_of_an_io(self):
        tick = made(more=[((INTERRUPTS, ("asm_sysvec_apic_timer_interrupt", "kernel")), 99)])
        self.assertEqual(profile.compare([made()] * 3, [tick] * 3), [])

    def test_nor_is_the_time_that_a_clock_shows(self):
        later = made(more=[((*JOB, ("__vdso_clock_gettime", "vdso")), 3)])
        self.assertEqual(profile.compare([made()] * 3, [later] * 3), [])

    def test_what_only_one_has(self):
        rows = profile.differences(made(), made(more=[((*BLOCK, ("bio_copy", "kernel")), 50)]))
        self.assertEqual(rows[0][1:2] + rows[0][3:], ("bio_copy", None, 50))

    def test_the_tree_has_both(self):
        both = profile.difference_tree(made(), made(more=[((*JOB, ("new", "engine")), 5)]))
        before, after = both.totals
        self.assertEqual((before, after - before), (made().total, 5))


class Flames(unittest.TestCase):
    def boxes(self, picture):
        tree = xml.etree.ElementTree.fromstring(picture)
        self.assertFalse(re.search(r"<script|https?://(?!www\.w3\.org)", picture))
        space = "{http://www.w3.org/2000/svg}"
        each = [g for g in tree.iter(f"{space}g") if g.find(f"{space}rect") is not None]
        return {g.find(f"{space}title").text: g.find(f"{space}rect").attrib for g in each}

    def test_as_wide_as_what_it_takes(self):
        shown = made()
        found = self.boxes(flame.one(shown, "a & b"))
        wide = {title.split(" (")[0]: float(box["width"]) for title, box in found.items()}
        full = flame.WIDTH - 2 * flame.MARGIN
        self.assertAlmostEqual(wide["thread_main"] / full, (shown.total - 20) / shown.total, places=2)
        self.assertEqual({box["fill"] for title, box in found.items() if "scsi_debug" in title}, {flame.COLOURS[profile.DRIVE]})
        self.assertTrue(all(float(box["x"]) >= 0 and float(box["x"]) + float(box["width"]) <= full + 0.1 for box in found.values()))

    def test_each_room_has_a_colour_of_its_own(self):
        self.assertEqual(set(flame.COLOURS), set(profile.ROOMS))
        self.assertEqual(len(set(flame.COLOURS.values())), len(profile.ROOMS))

    def test_difference(self):
        added = [((*BLOCK, ("bio_copy", "kernel")), 900)]
        found = self.boxes(flame.two(made(), made(more=added), "x"))
        title = next(title for title in found if title.startswith("bio_copy"))
        self.assertEqual(title, "bio_copy (new): 0 to 900 instructions an I/O, of its own +900")
        self.assertEqual(found[title]["fill"], "#{:02x}{:02x}{:02x}".format(*flame.MORE))
        same = next(box for title, box in found.items() if title.startswith("memcpy_orig"))
        self.assertEqual(same["fill"], flame.shade(0, 1))
        back = self.boxes(flame.two(made(more=added), made(), "x"))
        title = next(title for title in back if title.startswith("bio_copy"))
        self.assertEqual((back[title]["fill"], "only here before" in title), ("#{:02x}{:02x}{:02x}".format(*flame.LESS), True))


class Report(unittest.TestCase):
    ENV = {"guest": "TCG, Linux 7.3.4+deb13-amd64, QEMU 10.0.2, scsi_debug:4096+8", "command": "scripts/pi-bench explain none indirect"}

    def written(self, *profiles):
        with tempfile.TemporaryDirectory() as place:
            out = pathlib.Path(place)
            names = ("none", "indirect")[: len(profiles)]
            found = [counting.Counted(counting.Side(name, ""), [each] * 3, [each.total] * 3) for name, each in zip(names, profiles)]
            text = explain.write(out, names, found, "4 KiB", self.ENV)
            return text, {path.name: path.read_text() for path in out.iterdir()}

    def one_screen(self, text):
        """With the line that says where all of it is, and one above."""
        lines = text.splitlines()
        self.assertLessEqual((len(lines) + 2, max(map(len, lines)) > 100), (24, False), text)

    def test_rooms_that_have_no_line_are_in_the_sum(self):
        table = explain.rooms_table(("none",), [made()], 2)
        taken = [float(row[1].replace(",", "")) for row in table.rows]
        self.assertEqual(len(taken), 4)
        self.assertAlmostEqual(sum(taken[:-1]), taken[-1], delta=2)
        self.assertRegex(table.rows[2][0], "^[0-9]+ other rooms$")

    def test_one(self):
        text, files = self.written(made())
        self.one_screen(text)
        self.assertEqual(set(files), {"report.md", "index.html", "flame-none.svg", "none.folded", "functions.csv"})
        self.assertIn("no function", files["report.md"])
        self.assertRegex(text, r"crc16_msb_pclmul_sse +\\?\| emulated drive")

    def test_two(self):
        text, files = self.written(made(), made(more=[((*BLOCK, ("bio_copy", "kernel")), 50)]))
        self.one_screen(text)
        self.assertRegex(text, r"bio_copy +\| block layer +\| +\| +50 \| +\+50 \|")
        self.assertIn("difference.svg", files)
        self.assertIn('aria-label="indirect over none"', files["index.html"])


class Arms(unittest.TestCase):
    def test_names(self):
        for given, meant in (("indirect", "pi/indirect"), ("none", "plain-noverify/none"), ("io_uring", "pi/io_uring"),
                             ("plain-autopi", "plain-autopi/io_uring"), ("plain-noverify/none", "plain-noverify/none")):  # fmt: skip
            self.assertEqual(explain.arm_of(given), meant)
            self.assertEqual(cells.arm(meant).name, meant)

    def test_others_are_refused(self):
        for name in ("indirekt", "plain-nopi", "pi/none/none", "x/indirect"):
            with self.assertRaises(Failure):
                explain.arm_of(name)

    def refused(self, *words):
        with self.assertRaises(Failure) as caught:
            explain.spec_of(parser().parse_args(["explain", *words]))
        return str(caught.exception)

    def test_options(self):
        self.assertIn("--bs", self.refused("none", "--bs", "4096"))
        self.assertIn("--rounds", self.refused("none", "--rounds", "0"))
        self.assertIn("--old", self.refused("none", "indirect", "--old", "x.so"))
        with unittest.mock.patch.object(explain.fio.Tools, "require"):
            self.assertIn("no such engine", self.refused("none", "--old", "/nowhere/x.so"))
            spec, kernel, disk = explain.spec_of(parser().parse_args(["explain", "inline", "indirect"]))
            self.assertEqual((kernel, disk), ("lab", "null_blk:4096+8"))
            self.assertEqual(counting.decode(counting.encode(spec)), spec)
            self.assertEqual(explain.spec_of(parser().parse_args(["explain", "none"]))[1:], ("stock", "scsi_debug:4096+8"))


if __name__ == "__main__":
    unittest.main()
