# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench perf: what the engine costs, beside fio's own engines and a program without checksums, and whether that grows."""

import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import subprocess
import tempfile
import time
import typing

from . import accounting, cells, device, environment, fio, guest, perfreport, results, sessions
from .errors import REGRESSED, Failure, IoFailure
from .progress import Progress

JOBS = str(fio.REPO / "configs" / "perf.fio")
BUILD = fio.REPO / "build"
BLOCK, FILL_BLOCK = 4096, 128 << 10
REGION = 64 << 20
# what a run has beyond the first I/Os is what is counted: neither fio's start nor the set-up of a ring
LEAD, COUNTED = 1024, 8192
ROUNDS = 3
AUTOPI, NOVERIFY, ISAL, FLOOR = cells.AUTOPI, cells.NOVERIFY, "-isal", "floor"
# of a run on this machine: a file that the page cache holds, and an I/O or a quarter of a second of them
HOST_BYTES, HOST_COUNTED, HOST_ROUNDS = 16 << 20, 1 << 17, 9
# large enough for pi-bench itself, whose size its children start with, not to count
MEMORY_BLOCK, MEMORY_DEPTHS = 64 << 10, (512, 1024)
# a character device knows no O_DIRECT
BUFFERED = ("io_uring_cmd", "passthru")
HOST, START = "host", "start"


@dataclasses.dataclass(frozen=True)
class Cell(sessions.Cell):
    """Who does the I/O, and which: a section of configs/perf.fio, where the kernel adds PI, or with ISA-L in fio."""

    way: str
    rw: str
    iodepth: int
    registered: bool = True
    numjobs: int = 1
    files: int = 1
    times: int = 1

    @property
    def workload(self):
        bare = "" if self.registered else "-bare"
        more = "".join(f"-{name}{value}" for name, value in (("jobs", self.numjobs), ("files", self.files), ("x", self.times)) if value > 1)
        return f"{self.rw}-4k-qd{self.iodepth}{bare}{more}"

    @property
    def by(self):
        return self.way

    @property
    def section(self):
        name = "io_uring" if self.way in (AUTOPI, NOVERIFY) else self.way.removesuffix(ISAL)
        return name if self.registered else f"{name}-bare"


RW = ("randread", "randwrite")
PLAIN_WAYS = ("io_uring", "none")
PI_WAYS = (AUTOPI, NOVERIFY, "io_uring-md", "io_uring-md-isal", "io_uring_cmd", "io_uring_cmd-isal", "passthru", "indirect", FLOOR)


def plain_cells():
    return tuple(Cell(way, rw, depth, registered) for rw in RW for depth in (1, 32) for registered in (False, True) for way in PLAIN_WAYS)


def grown_cells():
    """What one thing more of must not cost, and depth 32 of one file and job to compare with."""
    grown = [{"iodepth": depth} for depth in (1, 4, 32, 256, 1024)]
    grown += [{"iodepth": 32, **more} for more in ({"numjobs": 4}, {"files": 64}, {"times": 4})]
    return tuple(Cell(way, "randread", **each) for each in grown for way in PLAIN_WAYS)


def pi_cells():
    """At depth 1 an emulated drive answers before the program sleeps or after: that decides what it costs."""
    grown = tuple(Cell(way, "randread", depth) for depth in (256, 1024) for way in (AUTOPI, "indirect"))
    return tuple(Cell(way, rw, 32) for rw in RW for way in PI_WAYS) + grown


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run and where; goes as JSON into the guest."""

    COMMAND: typing.ClassVar = "perf-session"

    name: str
    rounds: int
    seed: int
    # in total, or of the threads alone: time flies while an emulated device answers
    total: bool
    cells: tuple
    tools: fio.Tools
    isal: str
    floor: str
    jobs: str = JOBS
    icount: bool = True
    mode: str = cells.INSTRUCTIONS

    def plan(self):
        return [(number, cell) for number in range(self.rounds + 1) for cell in cells.shuffled(self.cells, number, self.seed)]


def decode(text):
    fields = json.loads(text)
    chosen = tuple(Cell(**cell) for cell in fields["cells"])
    return Spec(**{**fields, "cells": chosen, "tools": fio.Tools(**fields["tools"])})


class Session:
    def __init__(self, host, spec, emit, out):
        self.host = host
        self.spec = spec
        self.emit = emit
        self.out = out
        self.trace = None

    def run(self):
        spec = self.spec
        self.target = device.describe(self.host, os.environ["PI_DISK0"])
        found = environment.machine(self.host, {"pi" if self.target.pi else "nopi": environment.device(self.host, self.target)})
        results.save_json(results.parts(self.out, spec.name).environment, found)
        if spec.total:
            self.trace = accounting.Trace(self.host)
        if self.target.pi:
            self.fio(Cell(AUTOPI, "write", 32), REGION // BLOCK)
            self.memory()
        gone = set()
        for number, cell in spec.plan():
            about = {"session": spec.name, "cell": cell.name, "round": number, "seed": spec.seed}
            if cell in gone:
                self.emit({"kind": "skip", **about, "reason": "failed before"})
                continue
            try:
                self.emit({"kind": "run", **about, **self.measure(cell, number)})
            except IoFailure as error:
                gone.add(cell)
                self.emit({"kind": "failure", **about, "reason": str(error)})

    def measure(self, cell, number):
        lead = self.once(cell, LEAD)
        if number == cells.WARM_UP:
            return lead
        more = self.once(cell, LEAD + COUNTED * cell.times)
        return {**more, **{name: more[name] - lead[name] for name in ("ios", "count")}}

    def memory(self):
        """The most that fio and each of its jobs have had resident, by depth."""
        for way in ("io_uring", "indirect"):
            for depth in MEMORY_DEPTHS:
                argv, values = self.command(Cell(way, "randread", depth), depth)
                process = subprocess.Popen(argv, env={**os.environ, **values, "BS": str(MEMORY_BLOCK)}, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
                _, status, usage = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                if process.returncode:
                    raise IoFailure(f"{way}: fio exited with {process.returncode} at depth {depth}")
                self.emit({"kind": "memory", "session": self.spec.name, "way": way, "iodepth": depth, "block": MEMORY_BLOCK,
                           "bytes": usage.ru_maxrss << 10})  # fmt: skip

    def once(self, cell, ios):
        settings = {} if cell.way == AUTOPI or not self.target.pi else device.no_integrity(self.target)
        with device.Settings(self.host, settings):
            if self.trace:
                measured = self.trace.count(lambda: self.program(cell, ios))
                return {**measured, "count": measured["window_ns"]}
            accounting.empty_slabs(self.host)
            return self.program(cell, ios)

    def program(self, cell, ios):
        """Runs it; what its threads and the kernel's have run is in count."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with accounting.Bracket(self.host) as machine:
            measured = self.floor(cell, ios) if cell.way == FLOOR else self.fio(cell, ios)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        thread = sum(getattr(after, part) - getattr(before, part) for part in ("ru_utime", "ru_stime"))
        return {**measured, "count": round(thread * 1e9) + machine.kernel_ns}

    def floor(self, cell, ios):
        argv = [self.spec.floor, self.target.path, cell.rw, str(cell.iodepth), str(ios), str(REGION // BLOCK)]
        done = fio.run(argv, {}, 36000)
        if done.returncode:
            raise IoFailure(fio.complaint(done))
        return {"ios": ios, "argv": argv}

    def fio(self, cell, ios):
        argv, values = self.command(cell, ios)
        _, measured = fio.result(fio.run(argv, values, 36000), cell.direction, ios * cell.numjobs)
        return {**measured, "argv": argv, "variables": values}

    def command(self, cell, ios):
        program = self.spec.isal if cell.way.endswith(ISAL) else self.spec.tools.fio
        return command(cell, program, self.spec, self.names(cell), REGION, ios)

    def names(self, cell):
        """The device's name, or as many as the cell has files."""
        if cell.section in BUFFERED:
            return self.target.path.replace("nvme", "ng")
        if cell.files == 1:
            return self.target.path
        return ":".join(self.alias(number) for number in range(cell.files))

    def alias(self, number):
        path = os.path.join(tempfile.gettempdir(), f"device{number}")
        with contextlib.suppress(FileExistsError):
            os.symlink(self.target.path, path)
        return path


def command(cell, program, spec, filename, size, ios):
    argv = [program, f"--section={cell.section}", "--output-format=json", "--eta=never", spec.jobs]
    return argv, {
        "ENGINE": spec.tools.engine, "DUT": filename, "RW": cell.rw, "BS": str(BLOCK), "IODEPTH": str(cell.iodepth), "SIZE": str(size),
        "NUMBER_IOS": str(ios), "NUMJOBS": str(cell.numjobs), "DIRECT": "0" if cell.section in BUFFERED else "1",
    }  # fmt: skip


def on_host(spec, emit):
    """In time: fio's own engine and ours in turns, reading what the page cache has; a write there is another thread's."""
    with tempfile.NamedTemporaryFile(dir=BUILD) as file:
        file.write(bytes(HOST_BYTES))
        file.flush()
        for number in range(HOST_ROUNDS + 1):
            for rw, depth, ios in [("randread", 1, 1), ("randread", 1, HOST_COUNTED), ("randread", 32, HOST_COUNTED)]:
                for way in cells.shuffled(PLAIN_WAYS, f"{number}{rw}{depth}{ios}", spec.seed):
                    cell = Cell(way, rw, depth)
                    argv, values = command(cell, spec.tools.fio, spec, file.name, HOST_BYTES, ios)
                    begun = time.monotonic_ns()
                    done = fio.run(argv, {**values, "DIRECT": "0"}, 600)
                    took = time.monotonic_ns() - begun
                    _, measured = fio.result(done, cell.direction, ios)
                    where, count = (START, took) if ios == 1 else (HOST, measured["thread_ns"])
                    emit({"kind": "run", "session": where, "cell": cell.name, "round": number, "seed": spec.seed,
                          "ios": ios, "count": count})  # fmt: skip


def add_parsers(commands):
    perf = commands.add_parser("perf", help="what the engine costs beside fio's own engines, in guests")
    perf.add_argument("--out", metavar="DIR", default="build/perf/report", help="directory for results and report (%(default)s)")
    perf.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds after the warm-up (%(default)s)")
    perf.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the orders (%(default)s)")
    perf.add_argument("--only", action="append", default=[], metavar="WORDS", help="cells whose name has all these words (repeatable)")
    perf.add_argument("--isal", default=str(BUILD / "perf" / "fio-isal" / "fio"), metavar="FILE", help="fio built with ISA-L")
    sessions.add_tools(perf)
    sessions.add_parsers(commands, "perf")


def specs(options):
    """{spec: disks}: a boot each, all of what is compared in the same one."""
    rest = {"tools": sessions.tools_of(options), "isal": os.path.abspath(options.isal), "floor": str(BUILD / "t" / "floor")}
    found = {}
    every = (
        ("pi", False, pi_cells(), "4096+8"),
        ("plain", True, plain_cells(), "null_blk:4096"),
        ("grown", False, grown_cells(), "null_blk:4096"),
    )
    for name, total, chosen, disk in every:
        chosen = cells.select(chosen, options.only)
        if chosen:
            found[Spec(name, options.rounds, options.seed, total, chosen, **rest)] = [disk]
    if not found:
        raise Failure("--only: no cell has all these words")
    return found


def run_each(options, plan, out):
    weights = {spec.name: [cell.times * cell.numjobs + 0.5 for _, cell in spec.plan()] for spec in plan}
    progress = Progress(weights)

    def emit(record):
        results.append(out / results.NAME, record)
        if record["kind"] == "failure":
            progress.say(f"pi-bench: {record['session']}: {record['cell']}: {record['reason']}")
        if record["session"] in weights and "round" in record:
            progress.step(record["session"], f"{record['session']} round {record['round']}: {record['cell']}")

    try:
        # before the guests are, which take the processor from what is timed
        if not options.only:
            print("pi-bench: fio's io_uring and the engine in turns on this machine", flush=True)
            on_host(next(iter(plan)), emit)
        guest.run(plan, str(out), emit, at_once=os.cpu_count())
    finally:
        progress.end()


def run_perf(host, options):
    if options.rounds < 1:
        raise Failure("--rounds: at least 1")
    plan = specs(options)
    for path in {path for spec in plan for path in (spec.tools.fio, spec.tools.engine, spec.isal, spec.floor)}:
        if not os.path.exists(path):
            raise Failure(f"{path}: not built; run make perf")
    what = guest.ready()
    out = results.prepare(options.out, "perf", ("report.md",))
    with sessions.recorded(host, options, out, plan, guest=what, perf=True):
        run_each(options, plan, out)
    shutil.rmtree(out / "parts", ignore_errors=True)
    return show(out)


def in_guest(host, options):
    spec = decode(options.spec)
    part = results.parts(options.out, spec.name).records
    with tempfile.TemporaryDirectory() as memory:
        # a page of a program that must come from the host lets the processor idle in the middle of a run
        def local(path):
            directory = tempfile.mkdtemp(dir=memory)
            return shutil.copy(path, directory)

        tools = fio.Tools(local(spec.tools.fio), local(spec.tools.engine))
        spec = dataclasses.replace(spec, tools=tools, isal=local(spec.isal), floor=local(spec.floor), jobs=local(spec.jobs))
        Session(host, spec, lambda record: results.append(part, record), options.out).run()
    return 0


def show(out):
    return sessions.show(out, perfreport.write(out), REGRESSED)


COMMANDS = {
    "perf": run_perf,
    "perf-session": in_guest,
    "perf-report": lambda host, options: show(pathlib.Path(options.dir).absolute()),
}
