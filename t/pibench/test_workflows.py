# SPDX-License-Identifier: GPL-2.0-only
"""What configs/ci/ names is there: commands and their options, targets, files, the release that is tested."""
import re
import shlex
import unittest

from lib import ROOT
from pibench import cli

WORKFLOWS = sorted((ROOT / "configs/ci").glob("*.yml"))
HOSTED = (ROOT / "configs/ci/hosted.yml").read_text()


def commands(text):
    """The shell commands of a workflow, one a line."""
    plain = re.sub(r"^ *#.*\n", "", text, flags=re.M).replace("\\\n", " ")
    for line in plain.splitlines():
        line = re.sub(r"^ *(- )?(run: )?", "", line)
        for command in re.split(r" (?:&&|\|\|) ", line):
            yield command.strip().removeprefix("sudo ")


class Workflows(unittest.TestCase):
    def test_pi_bench(self):
        for path in WORKFLOWS:
            found = [line for line in commands(path.read_text()) if line.startswith("scripts/pi-bench ")]
            self.assertTrue(found, path)
            for line in found:
                with self.subTest(path.name, line=line):
                    cli.parser().parse_args(shlex.split(line)[1:])

    def test_make(self):
        targets = set(re.findall(r"^(\w[\w-]*):", (ROOT / "Makefile").read_text(), re.M))
        for path in WORKFLOWS:
            for line in commands(path.read_text()):
                words = line.split()
                if words[:1] == ["make"]:
                    self.assertLessEqual({word for word in words[1:] if "=" not in word}, targets, path)

    def test_files(self):
        for path in WORKFLOWS:
            for name in re.findall(r"hashFiles\((.*?)\)", path.read_text()):
                for each in re.findall(r"'(.*?)'", name):
                    self.assertTrue((ROOT / each).exists(), f"{path}: {each}")

    def test_release(self):
        release = re.search(r"container: debian:(\w+)", HOSTED)[1]
        self.assertIn(f"'{release}'", (ROOT / "t/distros/run.t").read_text())

    def test_versions(self):
        """Those of the figures in doc/measuring.md."""
        linux, qemu = re.search(r"guest: Linux ([\d.]+), QEMU (\d+\.\d+)", (ROOT / "doc/measuring.md").read_text()).groups()
        compares = [line for line in commands(HOSTED) if " compare " in line]
        self.assertTrue(compares and all(f"--kernel {linux}" in line for line in compares), compares)
        self.assertIn(f"'qemu-system-x86=1:{qemu}.*'", HOSTED)

    def test_undecided(self):
        self.assertTrue(all("--strict" in line for line in commands(HOSTED) if " compare " in line))

    def test_cache(self):
        """Neither lists nor packages that were unpacked."""
        paths = re.search(r"actions/cache@v\d+\n *with:\n *path: \|\n((?: +build/\S+\n)+)", HOSTED)[1].split()
        self.assertEqual(paths, ["build/apt/done", "build/pkg", "build/src"])
