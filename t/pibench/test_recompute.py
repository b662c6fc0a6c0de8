# SPDX-License-Identifier: GPL-2.0-only
"""What reports say, computed again from results.jsonl by nothing of scripts/pibench's own arithmetic."""

import csv
import gzip
import json
import math
import pathlib
import statistics
import tempfile
import unittest

import synthetic
import test_explain
import test_lab
import test_perf
from test_report import Bare, rows
from pibench import cells, compare, comparereport, document, explainreport, labreport, perfreport, report, results, runreport

NOT_THE_HOSTS = ("emulated drive", "interrupts and others", "unexplained")
PER_IO = {"instructions": "window_ns", "cpu": "cpu_ns"}


def middle(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


class Again(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name, "out")

    def text(self, kind):
        made = kind.make(Bare(), self.out, *results.load_all(self.out), say=lambda line: None)
        report.write(str(self.out), made)
        return document.markdown([*made.head, *made.body])

    def figures(self):
        """{(session, cell): {round: what an I/O took}} of the runs that count."""
        found = {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "run" and record["round"] and not record["reference"]:
                taken = record[PER_IO[record["mode"]]] / record["counted"]
                if "rooms" in record:
                    taken = sum(each for room, each in record["rooms"].items() if room not in NOT_THE_HOSTS) / record["counted"]
                found.setdefault((record["session"], record["cell"]), {})[record["round"]] = taken
        return found

    def test_run_counted_by_function(self):
        self.test_run(by_function=True)
        text, record = self.text(runreport), json.loads((self.out / results.NAME).read_text().splitlines()[-1])
        self.assertIn(f"{synthetic.DRIVE:,} |", text)
        self.assertIn("the guest's time and the count by function agree to 0.1%", text)
        self.assertEqual(sum(record["rooms"].values()), record["window_ns"])
        with open(self.out / "results.csv", encoding="utf-8") as file:
            self.assertTrue(any(line.split(",")[3:] == ["emulated drive", "instructions", f"{synthetic.DRIVE}\n"] for line in file))

    def test_run(self, by_function=False):
        synthetic.write(self.out, synthetic.CELLS, rounds=4, by_function=by_function)
        text, found = self.text(runreport), self.figures()
        checked = 0
        for workload in synthetic.WORKLOADS:
            for row in rows(text, f"### {workload.title}\n"):
                way = "io_uring" if row["engine"] == "io_uring" else row["engine"].split()[1]
                plain = "io_uring" if way == "io_uring" else "none"
                ours = middle(found["scsi_debug", f"{workload.name} {row['state']}/{way}"].values())
                self.assertEqual(row["instructions"], f"{ours:,.0f}")
                for state in ("plain-autopi", "plain-noverify", "plain-nopi"):
                    theirs = middle(found["scsi_debug", f"{workload.name} {state}/{plain}"].values())
                    self.assertEqual(row[f"× {state}"], f"{ours / theirs:.3f}")
                    checked += 1
        self.assertEqual(checked, 3 * len(synthetic.CELLS))

    def test_throughput_from_second_to_second(self):
        synthetic.write(self.out, synthetic.CELLS, mode=cells.TIME, session="nvme0n1", seconds=9)
        text, taken = self.text(runreport), {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "run" and record["round"] and not record["reference"]:
                taken.setdefault(record["cell"], []).append(record["seconds"])
        table = rows(text, "throughput over time")
        self.assertEqual(len(table), len(taken))
        names = {workload.title: workload.name for workload in synthetic.WORKLOADS}
        for row in table:
            way = row["engine"].split()[-1]
            logs = taken[f"{names[row['workload']]} {row['state']}/{way}"]
            every = sorted(second for log in logs for second in log)
            change = middle([sum(log[-2:]) / sum(log[:2]) - 1 for log in logs])
            wanted = [f"{each:,.1f}" for each in (every[0], middle(every), every[-1])] + [f"{change:+.1%}"]
            self.assertEqual([row[name] for name in ("lowest", "median", "highest", "change")], wanted)

    def test_explain(self):
        more = test_explain.made(more=[((*test_explain.BLOCK, ("bio_copy", "kernel")), 50)])
        test_explain.write(self.out, [test_explain.made(), more])
        text, taken = self.text(explainreport), {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            for room, each in record.get("rooms", {}).items():
                taken.setdefault((record["cell"], room), []).append(each / record["counted"])
        table = rows(text, "| part")
        self.assertGreater(len(table), 10)
        for row in table[:-1]:
            none, indirect = (middle(taken.get((cell, row["part"]), [0])) for _, cell, _ in test_explain.SIDES)
            self.assertEqual([float(row[name].replace(",", "")) for name in ("none", "indirect", "difference")],
                             [none, indirect, indirect - none])  # fmt: skip
        sums = [sum(middle(each) for (cell, _), each in taken.items() if cell == wanted) for _, wanted, _ in test_explain.SIDES]
        self.assertEqual([table[-1][name] for name in ("part", "none", "indirect")], ["all", *(f"{each:,.0f}" for each in sums)])

    def saved_functions(self):
        """{cell: {(function, module, room): (instructions, calls) per I/O}} of the median round, from the saved profiles."""
        rounds = {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            if "profile" not in record:
                continue
            saved, taken = json.loads(gzip.decompress((self.out / record["profile"]).read_bytes())), {}
            nodes = [saved["root"]]
            while nodes:
                name, module, instructions, calls, room, children = nodes.pop()
                own = taken.get((name, module, room), (0, 0))
                taken[name, module, room] = own[0] + instructions / saved["ios"], own[1] + calls / saved["ios"]
                nodes += children
            total = sum(own for own, _ in taken.values())
            rounds.setdefault(record["cell"], []).append((total, {key: own for key, own in taken.items() if any(own)}))
        return {cell: sorted(each, key=lambda one: one[0])[len(each) // 2][1] for cell, each in rounds.items()}

    def explained(self, sides):
        """(report, functions.csv, what the profiles say of each side) where no two rounds are alike."""
        self.out = self.out.with_name(str(sides))
        test_explain.write(self.out, [test_explain.made()] * sides)
        for at, (name, *_) in enumerate(test_explain.SIDES[:sides]):
            for number, more in enumerate((40, 3, 11), 1):
                # from two stacks, in the same room
                copied = [((*test_explain.BLOCK, ("bio_copy", "kernel")), more + 50 * at),
                          ((*test_explain.BLOCK, ("bio_integrity_map_user", "kernel"), ("bio_copy", "kernel")), 2)]  # fmt: skip
                one = [(test_explain.JOB, more + 0.25), (test_explain.ENTER[:5], 0.75 * at), *(copied if at or sides == 1 else [])]
                explainreport.insn.save(self.out / f"raw/{name}-{number}.gz", test_explain.made(more=one))
        text, found = self.text(explainreport), self.saved_functions()
        with open(self.out / "functions.csv", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        return text, table, [(name, found[cell]) for name, cell, _ in test_explain.SIDES[:sides]]

    def check_csv(self, table, sides):
        self.assertEqual(len(table), len({key for _, taken in sides for key in taken}))
        for row in table:
            for name, taken in sides:
                wanted = taken.get((row["function"], row["module"], row["part"]), (0, 0))
                self.assertEqual([row[f"{what} {name}"] for what in ("instructions", "calls")], [f"{each:.4f}" for each in wanted])

    @staticmethod
    def shown(value):
        if value is None:
            return ""
        return f"{value:,.0f}" if abs(value) >= 10 else f"{value:,.2f}"

    def test_functions_of_one_side(self):
        text, table, sides = self.explained(1)
        self.check_csv(table, sides)
        dearest = sorted(sides[0][1].items(), key=lambda item: -item[1][0])
        wanted = [[name, room, self.shown(own), f"{calls:.2f}"] for (name, _, room), (own, calls) in dearest if own > 0]
        self.assertIn(["bio_copy", "block layer", "13", "2.00"], wanted, "of the second round")
        self.assertEqual(sorted(list(row.values()) for row in rows(text, "| function")), sorted(wanted))
        own = [float(row["instructions per I/O"].replace(",", "")) for row in rows(text, "| function")]
        self.assertEqual(own, sorted(own, reverse=True))

    def test_functions_of_two_sides(self):
        text, table, sides = self.explained(2)
        self.check_csv(table, sides)
        before, after = (taken for _, taken in sides)
        wanted = []
        for key in before.keys() | after.keys():
            one, other = (taken[key][0] if key in taken else None for taken in (before, after))
            change = (other or 0) - (one or 0)
            if abs(change) >= 0.5:
                sign = "+" if change > 0 else ""
                wanted.append([key[0], key[2], self.shown(one), self.shown(other), sign + self.shown(change)])
        self.assertEqual(sorted(wanted), [["bio_copy", "block layer", "", "63", "+63"],
                                          ["entry_SYSCALL_64", "entry and exit", "40", "41", "+0.75"]])  # fmt: skip
        self.assertEqual([list(row.values()) for row in rows(text, "| function")], sorted(wanted))

    def test_compare_counted_by_function(self):
        self.test_compare(more=30)

    def test_compare(self, more=None):
        chosen = cells.load(cells.GATE, ("instructions",), ("indirect",))
        synthetic.compared(self.out, chosen, slower=0 if more else 0.02, more=more, noise=0.00001 if more else 0.0001)
        text = comparereport.make(Bare(), self.out, compare.of(*results.load_all(self.out)), say=lambda line: None)
        taken = {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            if record["kind"] == "run" and record["round"]:
                key = record["cell"], record["session"], record["build"]
                rooms = record.get("rooms", {"all": record["window_ns"]})
                host = sum(each for room, each in rooms.items() if room not in NOT_THE_HOSTS)
                taken.setdefault(key, []).append(host / record["counted"])
        table = rows(document.markdown(text.body), "| cell")
        self.assertEqual(len(table), len(chosen))
        for row in table:
            ratios = [sum(taken[row["cell"], f"boot{n}", "new"]) / sum(taken[row["cell"], f"boot{n}", "old"]) for n in (1, 2, 3)]
            self.assertEqual((row["change"], row["verdict"]), (f"{middle(ratios) - 1:+.2%}", "REGRESSION"))
            self.assertEqual((row["low"], row["high"]), (f"{min(ratios) - 1:+.2%}", f"{max(ratios) - 1:+.2%}"))

    def test_lab(self):
        self.out.mkdir()
        for record in test_lab.io_records(rounds=(0.98, 1.0, 1.01)):
            results.append(self.out / results.NAME, record)
        text, found = self.text(labreport), self.figures()
        for rw, heading in (("randread", "Random read:"), ("randwrite", "Random write:")):
            table = rows(text, heading)
            self.assertEqual(len(table), 5)
            for row in table:
                arm = "plain-noverify/none" if row["layout"] == "none" else f"pi/{row['layout']}"
                self.assertEqual(row["depth 32"], f"{middle(found['guest', f'{rw}-4k-qd32-single {arm}'].values()):,.0f}")

    def test_lab_over_plain_by_share_opcode_and_place(self):
        self.out.mkdir()
        for at, record in enumerate(test_lab.io_records(rounds=(0.98, 1.0, 1.01))):
            # no two cells alike
            more = {"window_ns": record["window_ns"] + 1000 * (at % 41)} if "window_ns" in record else {}
            results.append(self.out / results.NAME, record | more)
        text, found = self.text(labreport), self.figures()

        def taken(workload, layout):
            name = f"{workload} {'plain-noverify/none' if layout == 'none' else f'pi/{layout}'}"
            return middle(found["guest", name].values()) if ("guest", name) in found else None

        def over(one, other):
            return "" if None in (one, other) else f"{one - other:+,.0f}".replace("-", "−")

        single = "randread-4k-qd32-single"
        table = rows(text, "Random read:")
        for row in table:
            ours, plain, reference = (taken(single, layout) for layout in (row["layout"], "none", "indirect"))
            self.assertEqual(row["depth 32, over plain"], over(ours, plain) if row["layout"] != "none" else "")
            self.assertEqual(row["depth 32, over indirect"], "" if row["layout"] in ("none", "indirect") else over(ours, reference))
        shares = rows(text, "Random read, depth 32, by the share of I/Os with PI:")
        mixes = {"100 %": single}
        mixes |= {head: f"randread-4k-qd32-mix{head[:-2]}-single" for head in shares[0] if head.endswith(" %") and head not in mixes}
        checked = [(row[head], f"{taken(workload, row['layout']):,.0f}") for row in shares for head, workload in mixes.items()
                   if row[head] != "–"]  # fmt: skip
        self.assertGreater(len(checked), 12)
        self.assertEqual(*map(list, zip(*checked)))
        kinds = {title: f"randread-4k-qd32{f'-{kind}' * (kind != 'fixed')}" for kind, title in labreport.BUFFERS.items()}
        checked = [(row[title], f"{taken(workload, row['layout']):,.0f}") for row in rows(text, "Random read, depth 32, by opcode:")
                   for title, workload in kinds.items() if row[title] not in ("–", "not possible")]  # fmt: skip
        self.assertGreater(len(checked), 8)
        self.assertEqual(*map(list, zip(*checked)))
        table = rows(text, "Depth 32, data in registered buffers")
        self.assertGreater(len(table), 2)
        for row in table:
            plain, ours, kept = (taken(f"randwrite-4k-qd32{kind}", layout) for kind, layout in
                                 (("", "none"), ("", row["layout"]), ("-registered", row["layout"])))  # fmt: skip
            shown = [row[f"write, {name}"] for name in ("over plain", "metadata registered", "saved")]
            self.assertEqual(shown, [over(ours, plain), over(kept, plain), over(kept, ours)])

    def test_lab_attribute(self):
        self.out.mkdir()
        for row in test_lab.attr_rows():
            results.append(self.out / results.NAME, test_lab.record("attr", row=row))
        text, parts = self.text(labreport), {}
        for line in (self.out / results.NAME).read_text().splitlines():
            row = json.loads(line)["row"]
            if row["kind"] == "cell":
                parts[row["layout"], row["sqe"], row["mix"], row["batch"]] = row
        for batch in (1, 32):
            for row in rows(text, f"Batch of {batch}:"):
                cell = parts[row["layout"], row["SQE"], 0 if row["layout"] == "none" else 100, batch]
                self.assertEqual(row["instructions per request"], f"{cell['total']['median']:,.1f}")
                plain, above = (row["layout"], row["SQE"]) == ("none", "64"), cell["over_plain"]
                for part in ("user", "kernel"):
                    shown, wanted = (row[part], f"{cell[part]['median']:.1f}") if plain else (
                        row[f"{part} over plain"], f"{above[part]['median']:+.1f}")  # fmt: skip
                    self.assertEqual(shown, wanted)
                if not plain:
                    quartiles = "…".join(f"{above['total'][name]:+.1f}" for name in ("q1", "q3")).replace("-", "−")
                    self.assertEqual((row["over plain"], row["quartiles"]), (f"{above['total']['median']:+.1f}", quartiles))
        for row in rows(text, "Cost over plain requests, by the share"):
            for share in (0, 10, 50, 100):
                cell = parts[row["layout"], row["SQE"], share, 32]
                self.assertEqual(row[f"{share} %"], f"{cell['over_plain']['total']['median']:+.1f}")

    def test_perf_growth_and_memory(self):
        self.out.mkdir()
        for name, mode in test_perf.MODES.items():
            for at, cell in enumerate(test_perf.matrix(name)):
                for number in range(4):
                    cost = (7000 + 41 * at) * (1 + 0.003 * number)
                    resident = 2**20 + (70000 + 99 * (at % 7)) * cell.workload.iodepth + number
                    results.append(self.out / results.NAME, test_perf.run(name, mode, cell, number, cost, resident=resident))
        text, found = self.text(perfreport), self.figures()
        names = {cell.workload.title: cell.workload.name for name in test_perf.MODES for cell in test_perf.matrix(name)}
        table = [row for row in rows(text, "## Ratios") if row["compared with"] == "itself at depth 32"]
        self.assertGreater(len(table), 2)
        for row in table:
            one, other = (found[row["session"], f"{each} {row['ours']}"] for each in (names[row["workload"]], "randread-4k-qd32"))
            ratios = sorted(one[number] / other[number] for number in (1, 2, 3))
            self.assertEqual(row["ratio"], f"{ratios[1]:.3f} ({ratios[0]:.3f} to {ratios[2]:.3f})")
        taken = {}
        for line in (self.out / results.NAME).read_text().splitlines():
            record = json.loads(line)
            if record["session"] == "pi" and record["round"]:
                workload, arm = record["cell"].split()
                _, size, depth = workload.split("-")[:3]
                taken.setdefault((arm, int(size[:-1]) * 1024), {}).setdefault(int(depth[2:]), []).append(record["resident"])
        table = rows(text, "### Memory")
        self.assertTrue(table)
        for row in table:
            arm, block, each, more, fixed = row.values()
            by_depth = taken[arm, int(block.replace(",", ""))]
            low, high = min(by_depth), max(by_depth)
            least, most = (middle(by_depth[depth]) for depth in (low, high))
            slope = (most - least) / (high - low)
            self.assertEqual([each, more, fixed], [f"{slope:,.0f}", f"{slope - int(block.replace(',', '')):,.0f}",
                                                   f"{(least - slope * low) / 1024:,.0f}"])  # fmt: skip

    def test_perf(self):
        self.out.mkdir()
        for name, mode in test_perf.MODES.items():
            for at, cell in enumerate(test_perf.matrix(name)):
                for number in range(4):
                    cost = (7000 + 37 * at) * (1 + 0.01 * ((number * (at + 3)) % 5))
                    results.append(self.out / results.NAME, test_perf.run(name, mode, cell, number, cost))
        text, found = self.text(perfreport), self.figures()
        names = {cell.workload.title: cell.workload.name for name in test_perf.MODES for cell in test_perf.matrix(name)}
        table = [row for row in rows(text, "## Ratios") if row["compared with"] != "itself at depth 32"]
        self.assertGreater(len(table), 20)
        for row in table:
            workload = names[row["workload"]]
            one, other = (found[row["session"], f"{each} {arm}"] for each, arm in
                          ((workload, row["ours"]), (workload.removesuffix("-registered"), row["compared with"])))  # fmt: skip
            logs = [math.log(one[number] / other[number]) for number in (1, 2, 3)]
            # Hodges and Lehmann's: the middle of the means of two, and of each with itself
            means = [(a + b) / 2 for at, a in enumerate(logs) for b in logs[at:]]
            said = f"{math.exp(statistics.median(means)):.3f} ({math.exp(min(logs)):.3f} to {math.exp(max(logs)):.3f})"
            self.assertEqual(row["ratio"], said)
