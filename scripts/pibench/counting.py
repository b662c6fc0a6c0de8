# SPDX-License-Identifier: GPL-2.0-only
"""Runs of fio in a guest whose QEMU counts by function: what happens in the guest, and what beside it."""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from . import accounting, cells, device, fio, guest, memory, profile, results, symbols
from .command import die_with_parent
from .errors import Failure, IoFailure

PLUGIN = fio.REPO / "build" / "t" / "insn-plugin.so"
MARK = fio.REPO / "build" / "t" / "insn-mark"
# what a run has beyond the first ones is what is counted: neither fio's start nor the set-up of a ring
LEAD, COUNTED = 512, 8192
REGION = 64 << 20
FILL_BLOCK = 128 << 10
DISK_NAME = "PI_DISK0"
RUNS = "runs.jsonl"
# what the engine is called where it is copied to, and so in the profile
ENGINE = "engine"
# between fio and what it runs for a job there may be a shell
MAPS = """#!/bin/sh
pid=$PPID
until grep -q '{0}' /proc/$pid/maps; do
	pid=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$pid/status)
done
cat /proc/$pid/maps >'{1}'
"""


@dataclasses.dataclass(frozen=True)
class Side:
    """What is counted: an arm of pi-bench, of one engine."""

    arm: str
    engine: str


@dataclasses.dataclass(frozen=True)
class Spec:
    """What one guest counts; goes as JSON into it."""

    sides: tuple
    rw: str
    block_size: int
    iodepth: int
    verify: str
    rounds: int
    counted: int = COUNTED
    fio: str = fio.Tools.fio
    mark: str = str(MARK)

    def cell(self, side):
        return cells.Cell(cells.Workload(self.rw, self.block_size, self.iodepth), cells.arm(side.arm))


def encode(spec):
    return json.dumps(dataclasses.asdict(spec))


def decode(text):
    fields = json.loads(text)
    return Spec(**{**fields, "sides": tuple(Side(**side) for side in fields["sides"])})


def file_of(out, name, number):
    return os.path.join(out, f"{name}.{number}")


class Session:
    """In the guest."""

    def __init__(self, host, spec, out, memory):
        self.host, self.spec, self.out, self.memory = host, spec, out, memory
        self.target = device.describe(host, os.environ[DISK_NAME])
        self.trace = accounting.Trace(host)
        self.marks = 0
        # fio leaves what a job's commands say
        os.chdir(memory)

    def run(self):
        self.fill()
        self.names()
        for number, side in enumerate(self.spec.sides):
            self.side(number, side)

    @property
    def region(self):
        return min(REGION, self.target.size // FILL_BLOCK * FILL_BLOCK)

    def fill(self):
        """Blocks never written carry the escape tag, which nobody checks."""
        if self.target.pi:
            filler = cells.Cell(cells.Workload("write", FILL_BLOCK, 32), cells.arm(f"{cells.AUTOPI}/{cells.FIO}"))
            with device.Settings(self.host, device.fewest_requests(self.host, self.target)):
                self.fio(filler, fio.Tools(self.copy(self.spec.fio)), self.region // FILL_BLOCK, fio.JOBS)

    def copy(self, path, name=None):
        """In memory: a page that must come from the host lets the processor idle in the middle of a run."""
        return shutil.copy(path, os.path.join(self.memory, name or os.path.basename(path)))

    def names(self):
        """What the symbols are made of."""
        with results.saving(os.path.join(self.out, "kallsyms")) as file:
            file.write(self.host.read("/proc/kallsyms"))
        span = next(line for line in self.host.read("/proc/self/maps").splitlines() if line.endswith("[vdso]")).split()[0]
        low, high = (int(end, 16) for end in span.split("-"))
        with open("/proc/self/mem", "rb") as memory, open(os.path.join(self.out, "vdso"), "wb") as file:
            memory.seek(low)
            file.write(memory.read(high - low))

    def fio(self, cell, tools, ios, jobs):
        argv = fio.command(cell, tools, jobs)
        values = fio.variables(cell, self.target, tools, ios, self.region, self.spec.verify)
        done = fio.run(argv, values, 36000)
        return fio.result(done, cell.workload.direction, ios)[1]

    def side(self, number, side):
        cell = self.spec.cell(side)
        tools = fio.Tools(self.copy(self.spec.fio), self.copy(side.engine, ENGINE))
        settings = cell.arm.settings(self.target)
        with device.Settings(self.host, settings) if settings else contextlib.nullcontext():
            maps = self.maps(cell, tools)
            paths = {tools.fio: self.spec.fio, tools.engine: side.engine}
            results.save_json(file_of(self.out, "raw", number), {"maps": maps, "paths": paths})
            while not os.path.exists(os.path.join(self.out, "functions")):
                time.sleep(0.1)
            self.mark()
            for _ in range(self.spec.rounds):
                for ios in (LEAD, LEAD + self.spec.counted):
                    results.append(os.path.join(self.out, RUNS), {"side": number, **self.counted(cell, tools, ios)})

    def maps(self, cell, tools):
        """/proc/PID/maps of the job, from a run that also brings all into memory that it takes."""
        found, script, jobs = (os.path.join(self.memory, name) for name in ("maps", "maps.sh", "maps.fio"))
        pathlib.Path(script).write_text(MAPS.format(tools.fio, found), encoding="ascii")
        os.chmod(script, 0o755)
        text = pathlib.Path(fio.JOBS).read_text(encoding="utf-8")
        pathlib.Path(jobs).write_text(text.replace("[global]", f"[global]\nexec_postrun={script}", 1), encoding="utf-8")
        self.fio(cell, tools, LEAD, jobs)
        return pathlib.Path(found).read_text(encoding="utf-8")

    def mark(self):
        subprocess.run([self.spec.mark], check=True)

    def counted(self, cell, tools, ios):
        """One run between two marks, the first in which the processor did not idle."""
        for _ in range(accounting.ATTEMPTS):
            self.trace.clear()
            accounting.empty_slabs(self.host)
            self.mark()
            measured = self.fio(cell, tools, ios, fio.JOBS)
            self.mark()
            self.marks += 2
            window, idle = self.trace.read(measured["runtime_ns"])
            if not idle:
                return {"ios": measured["ios"], "window_ns": window, "marks": (self.marks - 1, self.marks)}
        raise IoFailure(f"the processor idled in each of {accounting.ATTEMPTS} runs; its time is not instructions")


def in_guest(host, options):
    spec = decode(options.spec)
    accounting.settle(host)
    with tempfile.TemporaryDirectory() as memory:
        spec = dataclasses.replace(spec, mark=shutil.copy(spec.mark, memory))
        Session(host, spec, options.out, memory).run()
    return 0


@dataclasses.dataclass
class Counted:
    """What a side took in each round, by function, and in the guest's time: that of all from the ring's set-up to the job's end."""

    side: Side
    profiles: list
    window_ns: list
    # of each round what memory.by_function() finds in an I/O, where caches are modelled
    memory: list = dataclasses.field(default_factory=list)


def name_them(out, number, ranges):
    """Make the list of functions for a side that the guest has got ready."""
    raw = results.load_json(file_of(out, "raw", number))

    def read(path):
        path = os.path.join(out, "vdso") if path == "[vdso]" else raw["paths"].get(path, path)
        return pathlib.Path(path).read_bytes() if os.path.isfile(path) else None

    user, code = symbols.program(raw["maps"], read)
    symbols.save(out, ranges + user, code, file_of(out, "names", number))


def take(out, sides):
    """[Counted] of a guest that has ended."""
    runs = {}
    for record in results.read(os.path.join(out, RUNS)):
        runs.setdefault(record["side"], []).append(record)
    found = []
    for number, side in enumerate(sides):
        names = symbols.load_names(file_of(out, "names", number))
        counted = Counted(side, [], [])
        for lead, more in zip(runs[number][::2], runs[number][1::2]):
            root = profile.merge(tree(out, more, names), tree(out, lead, names))
            profile.settle(root)
            ios = more["ios"] - lead["ios"]
            counted.profiles.append(profile.Profile(ios, root))
            counted.window_ns.append((more["window_ns"] - lead["window_ns"]) / ios)
            if os.path.exists(file_of(out, "cache", 1)):
                counted.memory.append(touched(out, more, lead, names, root))
        found.append(counted)
    return found


def tree(out, run, names):
    first, last = (profile.read_counts(file_of(out, "count", mark)) for mark in run["marks"])
    return profile.tree(profile.difference(first, last), names)


def touched(out, more, lead, names, root):
    """{(room, name, module): figures of memory an I/O}"""
    figures = []
    for run in (lead, more):
        first, last = (memory.read(file_of(out, "cache", mark)) for mark in run["marks"])
        figures.append(memory.difference(first, last))
    found = memory.by_function(memory.difference(*figures), memory.read_tree(file_of(out, "count", more["marks"][1])), names, root)
    ios = more["ios"] - lead["ios"]
    return {key: [value / ios for value in values] for key, values in found.items()}


def count(spec, out, disk, kernel, log, caches=None):
    """Boot a guest and count: [Counted] by side, with a model of memory where there are caches."""
    for path in (PLUGIN, MARK):
        if not path.exists():
            raise Failure(f"{path}: is not built; run make first")
    os.makedirs(out, exist_ok=True)
    for old in pathlib.Path(out).iterdir():
        old.unlink()
    argv = [
        str(guest.GUEST), "run", "--quiet", "--icount", "--kernel", kernel, "--disk", disk, "--append", "nokaslr",
        "--plugin", f"{str(PLUGIN).replace(',', ',,')},dir={str(out).replace(',', ',,')}"
        + (f",{caches.arguments()}" if caches else ""),
        "--", sys.executable, str(guest.PI_BENCH), "explain-session", encode(spec), str(out),
    ]  # fmt: skip
    with open(log, "wb") as file:
        process = subprocess.Popen(argv, cwd=guest.writable(out), stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                                   preexec_fn=die_with_parent)  # fmt: skip
    try:
        for number in range(len(spec.sides)):
            while not os.path.exists(file_of(out, "raw", number)) and process.poll() is None:
                time.sleep(0.1)
            if process.poll() is not None:
                break
            if number == 0:
                kernel_ranges = symbols.kernel(pathlib.Path(out, "kallsyms").read_text(encoding="ascii"))
            name_them(out, number, kernel_ranges)
        process.wait()
    finally:
        if process.poll() is None:
            fio.end(process)
    if process.returncode:
        said = [line.strip() for line in pathlib.Path(log).read_text(errors="replace").splitlines() if line.strip()]
        raise Failure(f"guest: {said[-1] if said else f'exit status {process.returncode}'} (log: {log})")
    return take(out, spec.sides)
