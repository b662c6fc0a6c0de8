# SPDX-License-Identifier: GPL-2.0-only
"""What configs/ci/ names is there: commands and their options, targets, files, the release that is tested."""
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import textwrap
import unittest

from lib import ROOT
from pibench import cli

WORKFLOWS = sorted((ROOT / "configs/ci").glob("*.yml"))
HOSTED = (ROOT / "configs/ci/hosted.yml").read_text()
DRIVE = (ROOT / "configs/ci/drive.yml").read_text()


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


class Drive(unittest.TestCase):
    """What a drive's nights compare with, in a repository of ours: a change too small to fail must not pass night after night."""

    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (self.root / "bin").mkdir()
        # the revision that it is told to compare with; it ends as ROOT/status says
        (self.root / "bin/sudo").write_text('#!/bin/sh\necho "$3 $4" >>"$HOME/compared"\nexit $(cat "$HOME/status")\n')
        (self.root / "bin/sudo").chmod(0o755)
        self.environment = {"HOME": str(self.root), "PATH": f"{self.root}/bin:{os.environ['PATH']}", "DRIVE": "/dev/x", "OLD": "",
                            "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}  # fmt: skip
        self.git("init", "-q")
        self.revisions = []
        self.change()

    def git(self, *words):
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false")
        return subprocess.run(["git", *who, *words], cwd=self.root, env=self.environment, check=True, capture_output=True, text=True).stdout

    def change(self):
        self.git("commit", "-q", "--allow-empty", "-m", "x")
        self.revisions.append(self.git("rev-parse", "HEAD").strip())

    def night(self, name, status=0, old=""):
        """(revision that a step compares HEAD with or None, its exit status)."""
        script = re.search(rf"- name: {name}\n.*?run: \|\n((?: {{10}}[^\n]*\n|\n)+)", DRIVE, re.S)[1]
        (self.root / "status").write_text(str(status))
        (self.root / "compared").unlink(missing_ok=True)
        # as GitHub runs it
        done = subprocess.run(["bash", "-e", "-c", textwrap.dedent(script)], cwd=self.root, env={**self.environment, "OLD": old},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # fmt: skip
        log = self.root / "compared"
        if not log.exists():
            return None, done.returncode
        [(old, new)] = [line.split() for line in log.read_text().splitlines()]
        self.assertEqual(new, "HEAD")
        return self.git("rev-parse", f"{old}^{{commit}}").strip(), done.returncode

    def test_the_last_revision_that_passed(self):
        last = "compare with the last revision that passed"
        self.change()
        first, second = self.revisions
        self.assertEqual(self.night(last), (first, 0), "none has passed yet")
        for _ in range(3):
            self.change()
            self.assertEqual(self.night(last, status=3), (second, 3), "one that fails is none that passed")
        self.assertEqual(self.night(last, old=first), (first, 0), "another was asked for")
        self.change()
        self.assertEqual(self.night(last), (self.revisions[-2], 0))

    def test_the_last_release(self):
        release = "compare with the last release"
        self.change()
        self.assertEqual(self.night(release), (None, 0), "there is none")
        self.git("tag", "v1.0", self.revisions[0])
        self.git("tag", "nightly")
        for _ in range(3):
            self.change()
            self.assertEqual(self.night(release), (self.revisions[0], 0), "however many changes there were since")
        self.git("tag", "v1.1")
        self.assertEqual(self.night(release, status=3), (self.revisions[0], 3), "a release is compared with the one before")

    def test_the_release_is_compared_with_where_the_other_has_failed(self):
        self.assertRegex(DRIVE, "- name: compare with the last release\n *if: always\\(\\)\n")
