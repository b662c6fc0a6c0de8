# SPDX-License-Identifier: GPL-2.0-only
"""Rooms, differences, flame graphs, and the report of pi-bench explain."""

import contextlib
import io
import pathlib
import re
import tempfile
import unittest
import xml.etree.ElementTree

import synthetic
from pibench import cells, cli, comparereport, explain, explainreport, fio, flame, insn, profile, results, session, symbols
from pibench.errors import IO, Failure

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
        self.assertEqual(comparereport.in_words([("b", 212), ("a", -40)]), "+212 b, -40 a")
        self.assertEqual(comparereport.in_words([(name, 1000) for name in "abcdefg"]).rpartition(", ")[2], "+2,000 in 2 others")
        self.assertEqual(comparereport.in_words([]), "no single function")

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

    def test_its_style_is_not_the_page_s(self):
        svg = flame.one(made(), "x")
        selectors = re.findall(r"(?:^|[{}])([^{}@]+)\{", re.search("<style>(.*)</style>", svg)[1])
        self.assertGreater(len(selectors), 3)
        self.assertEqual([each for each in selectors if not each.startswith(".flame")], [])
        self.assertIn('class="flame"', svg)

    def test_difference(self):
        added = [((*BLOCK, ("bio_copy", "kernel")), 900)]
        found = self.boxes(flame.two(made(), made(more=added), "x"))
        title = next(title for title in found if title.startswith("bio_copy"))
        self.assertEqual(title, "bio_copy (new): 0 to 900 instructions per I/O, of its own +900")
        self.assertEqual(found[title]["fill"], "#{:02x}{:02x}{:02x}".format(*flame.MORE))
        same = next(box for title, box in found.items() if title.startswith("memcpy_orig"))
        self.assertEqual(same["fill"], flame.shade(0, 1))
        back = self.boxes(flame.two(made(more=added), made(), "x"))
        title = next(title for title in back if title.startswith("bio_copy"))
        self.assertEqual((back[title]["fill"], "only here before" in title), ("#{:02x}{:02x}{:02x}".format(*flame.LESS), True))


WORKLOAD = "randread-4k-qd32"
SIDES = (("none", f"{WORKLOAD} plain-noverify/none", ""), ("indirect", f"{WORKLOAD} pi/indirect", ""))


def write(out, profiles, rounds=3, caches=None, sides=SIDES):
    """A directory as pi-bench explain leaves it: these Profiles, one a side, the same in each round."""
    out = pathlib.Path(out)
    sides = sides[: len(profiles)]
    (out / "raw").mkdir(parents=True, exist_ok=True)
    results.save_json(out / "env.json", {
        "kind": "explain", "command": "scripts/pi-bench explain none indirect", "guest": "TCG, Linux 7.3.4, scsi_debug:4096+8",
        "explain": {"sides": sides, "caches": str(caches or "")},
    })  # fmt: skip
    for number in range(rounds + 1):
        for (name, cell, build), each in zip(sides, profiles):
            about = synthetic.record("run", cells.parse(cell), number, cells.INSTRUCTIONS, "explain", each.total, build=build)
            if number:
                about["profile"] = f"raw/{name}-{number}.gz"
                about["rooms"] = {room: round(value * about["counted"]) for room, value in each.rooms().items()}
                insn.save(out / about["profile"], each)
            results.append(out / results.NAME, about)
    return out


def report_again(out):
    """(exit status, what the terminal shows)"""
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        status = cli.show_report(None, out, str(out))
    return status, shown.getvalue()


class Report(unittest.TestCase):
    def written(self, *profiles, **more):
        with tempfile.TemporaryDirectory() as place:
            out = write(place, profiles, **more)
            status, text = report_again(out)
            self.assertEqual(status, 0)
            return text, {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.suffix not in ("", ".gz")}

    def one_screen(self, text):
        lines = text.splitlines()
        self.assertLessEqual((len(lines), max(map(len, lines)) > 100), (24, False), text)

    def test_nothing_is_minus_nothing(self):
        self.assertEqual([explainreport.signed(value) for value in (-0.004, 0.0, -0.006, -10)], ["+0.00", "+0.00", "-0.01", "-10"])
        self.assertEqual(explainreport.in_words([-0.001, 0.002]), "0.00 → 0.00  +0.00")

    def test_rooms_that_have_no_line_are_in_the_sum(self):
        bars = explainreport.room_bars([made()])
        taken = [float(text.replace(",", "")) for _, text, _ in bars.rows]
        self.assertEqual(len(taken), explainreport.SHOWN + 2)
        self.assertAlmostEqual(sum(taken[:-1]), taken[-1], delta=len(taken))
        self.assertRegex(bars.rows[-2][0], "^[0-9]+ other parts$")
        self.assertEqual([what for what, *_ in bars.rows[:-2]][-1], profile.DRIVE, "the dearest is in its place on the way of an I/O")

    def test_one(self):
        text, files = self.written(made())
        self.one_screen(text)
        self.assertLessEqual({"report.md", "index.html", "plots/flame-none.svg", "plots/flame-none.folded", "functions.csv"}, set(files))
        self.assertIn("half an instruction or more: none", files["report.md"])
        self.assertRegex(text, r"crc16_msb_pclmul_sse \(emulated drive\) +2,071 ")
        self.assertRegex(files["report.md"], r"crc16_msb_pclmul_sse +\| emulated drive +\| +2,071 ")

    def test_one_round_is_not_compared(self):
        _, files = self.written(made(), rounds=1)
        self.assertRegex(files["report.md"], r"One round of [\d,]+\.\d; the guest's time is [\d,]+\.\d \(\+0\.00 %\)\.")
        self.assertNotIn("the others", files["report.md"])

    def test_two(self):
        text, files = self.written(made(), made(more=[((*BLOCK, ("bio_copy", "kernel")), 50)]))
        self.one_screen(text)
        self.assertIn("indirect takes 50 more instructions per I/O than none.", text)
        self.assertRegex(text, r"bio_copy \(block layer\) +0 → 50  \+50 ")
        self.assertRegex(files["report.md"], r"bio_copy +\| block layer +\| +\| +50 \| +\+50 \|")
        self.assertIn("plots/difference.svg", files)
        self.assertIn('aria-label="indirect over none"', files["index.html"])

    def test_two_engines(self):
        sides = [(name, f"{WORKLOAD} pi/indirect", name) for name in (cells.OLD, cells.NEW)]
        text, _ = self.written(made(more=[((*BLOCK, ("bio_copy", "kernel")), 50)]), made(), sides=sides)
        self.assertIn("new takes 50 fewer instructions per I/O than old.", text)

    def test_stopped_before_one_was_counted(self):
        with tempfile.TemporaryDirectory() as place:
            out = write(place, [made(), made()])
            env = results.load_json(out / "env.json") | {"planned": {"explain": 8}}
            kept = [record for record in results.load(out) if "indirect" not in record["cell"]]
            results.save_json(out / "env.json", env)
            (out / results.NAME).unlink()
            for record in kept:
                results.append(out / results.NAME, record)
            status, text = report_again(out)
            self.assertIn("STOPPED: 4 of 8 steps", text)
            self.assertFalse((out / "functions.csv").exists())
            results.append(out / results.NAME, {**kept[0], "kind": "failure", "cell": SIDES[1][1], "reason": "guard"})
            status, text = report_again(out)
            self.assertEqual(status, IO)
            self.assertIn("FAILED: ", text)
            results.append(out / results.NAME, {**kept[0], "kind": "skip", "cell": SIDES[1][1], "reason": "no such layout"})
            told = (out / results.NAME).read_text().splitlines()
            (out / results.NAME).write_text("\n".join(line for line in told if "guard" not in line))
            with self.assertRaisesRegex(Failure, "^indirect: no such layout"):
                report_again(out)


class Arms(unittest.TestCase):
    def test_names(self):
        for given, meant in (("indirect", "pi/indirect"), ("none", "plain-noverify/none"), ("io_uring", "pi/io_uring"),
                             ("plain-autopi", "plain-autopi/io_uring"), ("plain-noverify/none", "plain-noverify/none")):  # fmt: skip
            self.assertEqual(explain.arm_of(given), meant)
            self.assertEqual(cells.arm(meant).name, meant)

    def test_others_are_refused(self):
        for name in ("indirekt", "plain-nopi", "pi/none/none", "x/indirect", "pi/none", "/indirect", "plain-noverify/inline"):
            with self.assertRaises(Failure) as caught:
                explain.arm_of(name)
            offered = str(caught.exception).partition("give one of ")[2]
            for one in offered.split(", ") if offered else ():
                explain.arm_of(one)

    def specs(self, *words):
        options = cli.parser().parse_args(["explain", *words, "--dry-run"])
        cli.check(options)
        return explain.specs(None, options, fio.Tools(engine="new.so"), cli.common(options))

    def refused(self, *words):
        with self.assertRaises(Failure) as caught:
            self.specs(*words)
        return str(caught.exception)

    def test_options(self):
        self.assertIn("--bs", self.refused("none", "--bs", "4096"))
        self.assertIn("--rounds", self.refused("none", "--rounds", "0"))
        self.assertIn("--iodepth", self.refused("none", "--iodepth", "0"))
        self.assertIn("--old", self.refused("none", "indirect", "--old", "x.so"))
        self.assertIn("the same", self.refused("indirect", "pi/indirect"))
        self.assertIn("no such engine", self.refused("none", "--old", "/nowhere/x.so"))

    def test_a_layout_without_registered_buffers_is_refused_before_a_guest_boots(self):
        self.assertRegex(self.refused("opcode"), "^opcode: .*no fixed opcodes.*registered buffers$")
        self.assertRegex(self.refused("inline", "pi/opcode", "--cache"), "^pi/opcode: ")

    def test_one_session_like_those_of_others(self):
        ((spec, disks),), told = self.specs("inline", "none")[0].items(), self.specs("inline", "none")[1]
        self.assertEqual((spec.kernel, disks, spec.builds), ("lab", ["null_blk:4096+8,zeros"], ()))
        self.assertEqual([name for name, _, _ in told["explain"]["sides"]], ["inline", "none"])
        self.assertEqual(session.decode(session.encode(spec)), spec)
        self.assertEqual(len(spec.plan(spec.chosen())), 2 * (1 + explain.ROUNDS), "each side once a round, and nothing else")
        ((spec, disks),) = self.specs("none", "--scale", "0.5", "--verify", "device")[0].items()
        self.assertEqual((spec.kernel, disks, spec.verify), ("stock", ["scsi_debug:4096+8"], "device"))
        self.assertEqual(spec.runs(spec.plan(spec.chosen())[-1]), (cells.LEAD, cells.LEAD + explain.IOS // 2))

    def test_an_nvme_drive_is_refused(self):
        self.assertRegex(self.refused("indirect", "passthru"), "^passthru: needs an NVMe drive.* cannot be counted$")
        for disk in ("4096+8", "4096,size=2G", "512+8,file=/a:b"):
            self.assertRegex(self.refused("none", "--disk", disk), "cannot be counted; give .* scsi_debug:4096")
        self.assertTrue(self.specs("none", "--disk", "ublk:4096+8"))

    def test_null_blk_has_tuples_if_somebody_verifies_them(self):
        for words, zeros in ((("inline", "indirect"), True), (("inline", "--verify", "host"), True), (("none", "--kernel", "lab"), False),
                             (("none", "inline", "--verify", "device"), False), (("inline", "--rw", "randwrite"), False),
                             (("plain-autopi", "inline", "--verify", "device", "--rw", "write"), True),
                             (("io_uring", "inline", "--verify", "none"), True)):  # fmt: skip
            [[disk]] = self.specs(*words)[0].values()
            self.assertEqual(disk, "null_blk:4096+8,zeros" if zeros else "null_blk:4096+8", words)
            if zeros:
                self.assertRegex(self.refused(*words, "--disk", "null_blk:4096+8,size=2G"), "^--disk null_blk.* no tuples to verify")

    def test_two_engines_take_turns(self):
        with tempfile.NamedTemporaryFile() as old:
            ((spec, _),) = self.specs("indirect", "--old", old.name)[0].items()
            runs = [step.build for step in spec.plan(spec.chosen()) if step.round]
            self.assertEqual((sorted(runs), spec.built(cells.OLD).engine), ([cells.NEW] * 4 + [cells.OLD] * 4, old.name))

    def test_the_model_of_memory_goes_to_the_plugin(self):
        ((spec, _),) = self.specs("indirect", "--cache", "--l2", "1M:8:64")[0].items()
        self.assertIn(",d1=49152:12:64,i1=32768:8:64,l2=1048576:8:64", insn.boot_options(spec, "/out")[-1])


if __name__ == "__main__":
    unittest.main()
