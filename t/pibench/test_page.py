# SPDX-License-Identifier: GPL-2.0-only
"""Reports as a browser lays them out: nothing is cut off, and no words lie on each other."""

import contextlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import synthetic
import test_explain
import test_history
import test_lab
import test_perf
from pibench import cells, cli, compare, comparereport, explainreport, labreport, perfreport, report, results, runreport
from pibench.host import Host

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP, PHONE, A4 = 1280, 390, 718

# tells what is wider than the page, and which words of a figure lie on others; a heading is there twice, with what it lies on
LOOK = """
<script>
addEventListener("load", () => {
    const found = [], page = document.scrollingElement;
    if (page.scrollWidth > page.clientWidth) found.push(`${page.scrollWidth} wide in ${page.clientWidth}`);
    for (const svg of document.querySelectorAll("svg")) {
        const boxes = new Map();
        for (const text of svg.querySelectorAll("text")) {
            const box = text.getBoundingClientRect();
            if (box.width) boxes.set(`${text.textContent.trim()} at ${box.x} ${box.y}`, box);
        }
        const list = [...boxes];
        list.forEach(([name, a], i) => list.slice(i + 1).forEach(([other, b]) => {
            const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (wide > 1 && high > 3) found.push(`${svg.getAttribute("aria-label")}: ${name} on ${other}`);
        }));
        for (const each of svg.querySelectorAll("g"))
            if (getComputedStyle(each).filter != "none") found.push(`${svg.getAttribute("aria-label")}: has a filter, blurred in print`);
        const frame = svg.getBoundingClientRect();
        for (const [name, box] of list)
            if (box.left < frame.left - 1 || box.right > frame.right + 1)
                found.push(`${svg.getAttribute("aria-label")}: ${name} is cut off`);
    }
    parent.postMessage(found, "*");
});
</script>
"""
FRAME = """<!DOCTYPE html><body style="margin:0"><iframe src="{name}" style="border:0;width:{width}px;height:2000px"></iframe>
<pre></pre><script>addEventListener("message", e => document.querySelector("pre").textContent = JSON.stringify(e.data))</script>"""


@unittest.skipUnless(BROWSER, "chromium")
class Pages(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name, "out")

    def faults(self, width, paper=False):
        text = (self.out / "index.html").read_text()
        if paper:
            text = text.replace("@media print", "@media all")
        (self.out / "looked-at.html").write_text(text.replace("</body>", LOOK + "</body>"))
        (self.out / "frame.html").write_text(FRAME.format(name="looked-at.html", width=width))
        done = subprocess.run(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={self.out}/browser",
             "--virtual-time-budget=20000", "--dump-dom", f"file://{self.out}/frame.html"],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        told = re.search(r"<pre>(.+?)</pre>", done.stdout, re.DOTALL)
        self.assertTrue(told, done.stderr)
        return json.loads(told[1])

    def check(self):
        for width in (DESKTOP, PHONE):
            self.assertEqual(self.faults(width), [], f"{width} wide")
        self.assertEqual(self.faults(A4, paper=True), [], "printed")

    def write(self, kind):
        made = kind.make(Host(), self.out, *results.load_all(self.out))
        report.write(self.out, made)

    def report(self, chosen, **more):
        synthetic.write(self.out, chosen, **more)
        self.write(runreport)

    def records(self, found):
        self.out.mkdir()
        for record in found:
            results.append(self.out / results.NAME, record)

    def test_one_cell(self):
        self.report([cells.parse("randread-4k-qd32 pi/indirect")])
        self.check()

    def test_one_cell_by_function(self):
        self.report([cells.parse("randread-4k-qd32 pi/indirect")], by_function=True)
        self.check()

    def test_more_than_two_hundred_cells(self):
        self.report(synthetic.matrix(("all",)), rounds=6)
        self.check()

    def test_on_a_drive(self):
        self.report(synthetic.CELLS, mode=cells.TIME, rounds=6, noise=0.02, session="nvme0n1", seconds=6)
        self.check()

    def test_a_comparison(self):
        synthetic.compared(self.out, cells.load(cells.GATE, ("instructions",), ("indirect",)), 0.02)
        report.write(self.out, comparereport.make(Host(), self.out, compare.of(*results.load_all(self.out))))
        self.check()

    def test_the_lab(self):
        self.records([test_lab.record("attr", row=row) for row in test_lab.attr_rows()] + test_lab.io_records())
        self.write(labreport)
        self.check()

    def test_perf(self):
        self.records(test_perf.run(name, mode, cell, number, 7000)
                     for name, mode in test_perf.MODES.items() for cell in test_perf.matrix(name) for number in range(4))
        self.write(perfreport)
        self.check()

    def test_a_history(self):
        test_history.put(self.out / "history.jsonl")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            self.assertEqual(cli.main(["history", str(self.out / "history.jsonl"), "--out", str(self.out / "page")]), 0)
        self.out = self.out / "page"
        self.check()

    def test_what_functions_take(self):
        more = test_explain.made(more=[((*test_explain.BLOCK, ("bio_copy", "kernel")), 500)])
        test_explain.write(self.out, [test_explain.made(), more])
        self.write(explainreport)
        self.check()
