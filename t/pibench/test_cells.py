# SPDX-License-Identifier: GPL-2.0-only
import collections
import tempfile
import unittest

import synthetic
from pibench import cells, gate
from pibench.errors import Failure


class Matrix(unittest.TestCase):
    def test_every_workload_has_every_baseline_with_both_engines(self):
        arms = collections.Counter((c.workload.name, c.arm.state, c.arm.engine) for c in synthetic.CELLS)
        for workload in synthetic.WORKLOADS:
            for state in ("plain-autopi", "plain-noverify", "plain-nopi", "pi"):
                for engine in ("io_uring", "io_uring_pi"):
                    self.assertEqual(arms[workload.name, state, engine], 1, (workload.name, state, engine))

    def test_workloads_are_the_promised_ones(self):
        names = [w.name for w in synthetic.WORKLOADS]
        self.assertEqual(
            names,
            [f"{what}-qd{depth}" for what in ("randread-4k", "randwrite-4k", "read-128k", "write-128k") for depth in (1, 32)],
        )

    def test_names_are_unique(self):
        self.assertEqual(len({c.name for c in synthetic.CELLS}), len(synthetic.CELLS))

    def test_select_wants_all_words_of_a_pattern_and_any_pattern(self):
        chosen = cells.select(synthetic.CELLS, ["randread-4k-qd1 pi/", "write-128k-qd32 nopi", "qd1 autopi read-128k none"])
        self.assertEqual(
            {c.name for c in chosen},
            {
                "randread-4k-qd1 pi/io_uring",
                "randread-4k-qd1 pi/indirect",
                "write-128k-qd32 plain-nopi/io_uring",
                "write-128k-qd32 plain-nopi/none",
                "read-128k-qd1 plain-autopi/none",
            },
        )


class Plan(unittest.TestCase):
    def test_each_cell_once_a_round(self):
        for grouped in (False, True):
            steps = cells.one_round(synthetic.CELLS, 1, 1, group_by_device=grouped)
            self.assertEqual(collections.Counter(step.cell for step in steps), dict.fromkeys(synthetic.CELLS, 1))
            self.assertEqual([step.key for step in steps], [f"1.{n}" for n in range(len(synthetic.CELLS))])

    def test_rounds_differ_and_the_seed_decides(self):
        first, second = ([step.cell for step in cells.one_round(synthetic.CELLS, number, 7)] for number in (0, 1))
        self.assertNotEqual(first, second)
        self.assertNotEqual(first, list(synthetic.CELLS))
        self.assertEqual(first, [step.cell for step in cells.one_round(synthetic.CELLS, 0, 7)])
        self.assertNotEqual(first, [step.cell for step in cells.one_round(synthetic.CELLS, 0, 8)])

    def test_the_reference_is_plain_and_opens_and_closes_the_round(self):
        mark = cells.reference(synthetic.CELLS)
        self.assertEqual(mark.name, "randread-4k-qd1 plain-autopi/io_uring")
        steps = cells.one_round(synthetic.CELLS, 2, 1, mark=mark)
        self.assertEqual([(s.cell, s.reference) for s in (steps[0], steps[-1])], [(mark, "first"), (mark, "last")])
        self.assertEqual([s.reference for s in steps[1:-1]], [""] * len(synthetic.CELLS))
        self.assertIsNone(cells.reference([cell for cell in synthetic.CELLS if cell.arm.has_pi]))

    def test_grouping_changes_the_device_twice_a_round(self):
        for mark in (None, cells.reference(synthetic.CELLS)):
            devices = [s.cell.arm.device for s in cells.one_round(synthetic.CELLS, 1, 1, group_by_device=True, mark=mark)]
            self.assertEqual(sum(a != b for a, b in zip(devices, devices[1:])), 2 if mark else 1)

    def test_two_builds_take_turns(self):
        orders = set()
        for seed in range(8):
            steps = cells.one_round(synthetic.CELLS, 1, seed, ("old", "new"))
            for at in range(0, len(steps), 4):
                self.assertEqual(len({step.cell for step in steps[at : at + 4]}), 1)
                orders.add("".join(step.build[0] for step in steps[at : at + 4]))
        self.assertEqual(orders, {"onno", "noon"})
        self.assertEqual(collections.Counter(s.build for s in cells.one_round(synthetic.CELLS, 0, 1, ("old", "new"))),
                         {"old": len(synthetic.CELLS), "new": len(synthetic.CELLS)}, "to warm up, once each")  # fmt: skip

    def test_warm_up_is_shorter_and_the_others_are_alike(self):
        for mode in (cells.INSTRUCTIONS, cells.CPU, cells.TIME):
            for workload in synthetic.WORKLOADS:
                counts = [cells.number_ios(mode, workload, number) for number in range(4)]
                self.assertLess(counts[0], counts[1])
                self.assertEqual(len(set(counts[1:])), 1)
                if workload.rw in ("read", "write"):
                    self.assertLessEqual(counts[1] * workload.block_size, cells.REGION[mode], "leaves the region")


class Files(unittest.TestCase):
    def load(self, text, *sets, layouts=("indirect", "inline")):
        with tempfile.NamedTemporaryFile("w", suffix=".cells") as file:
            file.write(text)
            file.flush()
            return [cell.name for cell in cells.load(file.name, sets, layouts)]

    PLAIN = "rw = randread\nbs = 4k\niodepth = 1\n"

    def test_every_combination(self):
        found = self.load("[a]\nrw = randread write\nbs = 4k 8k\niodepth = 1 2 4\nbaseline =\nengine = io_uring_pi\nlayout = x y", "a")
        self.assertEqual(len(found), 2 * 2 * 3 * 2)
        self.assertIn("write-8k-qd4 pi/y", found)

    def test_layouts_are_those_that_the_engine_offers(self):
        found = self.load(f"[a]\n{self.PLAIN}baseline =\nlayout = *\nengine = io_uring_pi", "a", layouts=("indirect", "novel"))
        self.assertEqual(found, ["randread-4k-qd1 pi/indirect", "randread-4k-qd1 pi/novel"])

    def test_sets(self):
        text = f"[a 1]\n{self.PLAIN}[a 2]\n{self.PLAIN.replace('4k', '8k')}[b]\n{self.PLAIN.replace('4k', '16k')}"
        self.assertEqual({name.split("-")[1] for name in self.load(text, "a")}, {"4k", "8k"})
        self.assertEqual({name.split("-")[1] for name in self.load(text, "all")}, {"4k", "8k", "16k"})

    def test_a_mix_is_of_i_os_with_pi(self):
        found = self.load(f"[a]\n{self.PLAIN}mix = 0 10 100\nbaseline = plain-nopi\nlayout = indirect\nengine = io_uring_pi", "a")
        self.assertEqual(found, ["randread-4k-qd1-mix0 pi/indirect", "randread-4k-qd1-mix10 pi/indirect",
                                 "randread-4k-qd1 plain-nopi/none", "randread-4k-qd1 pi/indirect"])  # fmt: skip

    def test_names_lead_back_to_cells(self):
        for path in (cells.BENCH, cells.GATE):
            for cell in cells.load(path, ("all",), ("indirect", "novel")):
                self.assertEqual(cells.parse(cell.name), cell)
        with self.assertRaisesRegex(Failure, "'nonsense' is not a cell"):
            cells.parse("nonsense")

    def test_the_gate_has_ten_cells_at_most(self):
        for name in ("instructions", "time"):
            self.assertLessEqual(len(cells.load(cells.GATE, (name,), synthetic.LAYOUTS)), gate.CELLS)

    def test_what_is_wrong_is_said_with_its_place(self):
        for text, says in (("[a]\nbs = 4k\niodepth = 1", "a.* rw= is missing"), (f"[a]\n{self.PLAIN}depth = 3", "depth: no such key"),
                           (f"[a]\n{self.PLAIN}mix = 101", "mix: '101' is not valid"), ("[a]\nrw = trim\nbs = 4k\niodepth = 1", "'trim'"),
                           (f"[b]\n{self.PLAIN}", "no set 'a'; it has b"), ("rw = 1", "no section headers")):  # fmt: skip
            with self.assertRaisesRegex(Failure, says):
                self.load(text, "a")
        with self.assertRaisesRegex(Failure, "/dev/null/x: Not a directory"):
            cells.load("/dev/null/x")
