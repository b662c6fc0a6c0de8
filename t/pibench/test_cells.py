# SPDX-License-Identifier: GPL-2.0-only
import collections
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts"))

from pibench import cells  # noqa: E402


class Matrix(unittest.TestCase):
    def test_every_workload_has_every_baseline_with_both_engines(self):
        arms = collections.Counter((c.workload.name, c.arm.state, c.arm.engine) for c in cells.CELLS)
        for workload in cells.WORKLOADS:
            for state in ("plain-autopi", "plain-noverify", "plain-nopi", "pi"):
                for engine in ("io_uring", "io_uring_pi"):
                    self.assertEqual(arms[workload.name, state, engine], 1, (workload.name, state, engine))

    def test_workloads_are_the_promised_ones(self):
        names = [w.name for w in cells.WORKLOADS]
        self.assertEqual(
            names,
            [f"{what}-qd{depth}" for what in ("randread-4k", "randwrite-4k", "read-128k", "write-128k") for depth in (1, 32)],
        )

    def test_names_are_unique(self):
        self.assertEqual(len({c.name for c in cells.CELLS}), len(cells.CELLS))

    def test_select_wants_all_words_of_a_pattern_and_any_pattern(self):
        chosen = cells.select(cells.CELLS, ["randread-4k-qd1 pi/", "write-128k-qd32 nopi", "qd1 autopi read-128k none"])
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
            plan = cells.plan(cells.CELLS, 4, 1, grouped)
            self.assertEqual(collections.Counter(plan), {(r, c): 1 for r in range(4) for c in cells.CELLS})
            self.assertEqual([r for r, _ in plan], sorted(r for r, _ in plan))

    def test_rounds_differ_and_the_seed_decides(self):
        plan = cells.plan(cells.CELLS, 2, 7)
        first, second = ([c for r, c in plan if r == number] for number in (0, 1))
        self.assertNotEqual(first, second)
        self.assertNotEqual(first, list(cells.CELLS))
        self.assertEqual(plan, cells.plan(cells.CELLS, 2, 7))
        self.assertNotEqual(plan, cells.plan(cells.CELLS, 2, 8))

    def test_grouping_changes_the_device_once_a_round(self):
        devices = [cell.arm.device for _, cell in cells.plan(cells.CELLS, 4, 1, group_by_device=True)]
        self.assertEqual(sum(a != b for a, b in zip(devices, devices[1:])), 4)

    def test_warm_up_is_shorter_and_the_others_are_alike(self):
        for mode in (cells.INSTRUCTIONS, cells.CPU, cells.TIME):
            for workload in cells.WORKLOADS:
                counts = [cells.number_ios(mode, workload, number) for number in range(4)]
                self.assertLess(counts[0], counts[1])
                self.assertEqual(len(set(counts[1:])), 1)
                if workload.rw in ("read", "write"):
                    self.assertLessEqual(counts[1] * workload.block_size, cells.REGION[mode], "leaves the region")


if __name__ == "__main__":
    unittest.main()
