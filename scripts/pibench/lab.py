# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench lab: what each attribute layout costs, handed over by itself and in a whole I/O."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import typing

from . import accounting, catalog, cells, device, environment, fio, guest, labreport, results, sessions
from .errors import IO, Failure, IoFailure
from .progress import Progress

JOBS = str(fio.REPO / "configs" / "lab.fio")
BUILT = str(fio.REPO / "build" / "t" / "attr-cost")
# beside an installed pi-bench
ATTR_COST = BUILT if os.path.exists(BUILT) else shutil.which("attr-cost") or BUILT
BLOCK, FILL_BLOCK = 4096, 128 << 10
PLAIN = "none"
SHARES = (0, 1, 5, 10, 25, 50, 75)
METHODS = ("vectored", "fixed")
# what a run has beyond the first ones is what is counted: neither fio's start nor the set-up of a ring
LEAD, COUNTED = 512, 15872
TIMED = {1: 16384, 32: 131072}
REGION = {cells.INSTRUCTIONS: 64 << 20, cells.TIME: 4 << 30}
ROUNDS = 5
ATTR_COST_OPTIONS = {
    cells.INSTRUCTIONS: ("--instructions", "--requests", "400", "--repetitions", "31"),
    cells.TIME: ("--repetitions", "201"),
}
# a device without a device's cost, of which the lab kernel has one with PI
DISK, DISK_NAME = "null_blk:4096+8", "PI_DISK0"


@dataclasses.dataclass(frozen=True)
class Cell(sessions.Cell):
    """Plain or a layout, and the I/O that is done with it."""

    rw: str
    iodepth: int
    layout: str
    mix: int = 100
    method: str = "single"

    @property
    def workload(self):
        part = f"-mix{self.mix}" if self.mix < 100 else ""
        return f"{self.rw}-4k-qd{self.iodepth}{part}{'' if self.method == 'single' else f'-{self.method}'}"

    @property
    def by(self):
        return self.layout


def matrix(layouts):
    """Every cell for the layouts with PI that are taken."""
    every = (PLAIN, *layouts)
    found = [Cell(rw, depth, layout) for rw in ("randread", "randwrite") for depth in (1, 32) for layout in every]
    found += [Cell("randread", 32, layout, mix) for layout in catalog.rings(layouts) for mix in SHARES]
    found += [Cell("randread", 32, layout, method=method) for method in METHODS for layout in every]
    return found


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run and where; goes as JSON into the guest."""

    COMMAND: typing.ClassVar = "lab-session"

    name: str
    mode: str
    icount: bool
    rounds: int
    seed: int
    # a block device, or the variable that names it; None: the attribute by itself only
    device: str | None = None
    read_only: bool = False
    scale: float = 1.0
    tools: fio.Tools = fio.Tools()
    attr_cost: str = ATTR_COST

    def require(self):
        if self.device:
            self.tools.require()
        if not os.path.exists(self.attr_cost):
            raise Failure(f"{self.attr_cost}: attr-cost is not built; run make first")


def decode(text):
    fields = json.loads(text)
    return Spec(**{**fields, "tools": fio.Tools(**fields["tools"])})


class Session:
    def __init__(self, host, spec, emit, out, tools):
        self.host = host
        self.spec = spec
        self.sink = emit
        self.out = out
        self.tools = tools
        self.trace = None

    def emit(self, kind, **fields):
        spec = self.spec
        self.sink({"kind": kind, "session": spec.name, "mode": spec.mode, "icount": spec.icount, "seed": spec.seed, **fields})

    def run(self):
        spec = self.spec
        path = os.environ.get(spec.device or "", spec.device)
        self.target = device.describe(self.host, path) if path else None
        devices = {"pi": environment.device(self.host, self.target)} if path else None
        found = environment.machine(self.host, devices)
        results.save_json(results.parts(self.out, spec.name).environment, found)
        if not path:
            try:
                self.attr_cost()
            except Failure as error:
                # what runs after this needs no io_uring here
                self.emit("skip", cell="attr-cost", reason=str(error))
            return
        layouts = self.attr_cost()
        if not self.target.pi:
            raise Failure(f"{path}: the format has no PI; name a namespace with it")
        with device.Settings(self.host, device.no_integrity(self.target)):
            self.whole(layouts + self.commands())

    def attr_cost(self):
        """Runs attr-cost; the layouts with PI that this kernel takes."""
        argv = [self.spec.attr_cost, "--json", "--seed", str(self.spec.seed), *ATTR_COST_OPTIONS[self.spec.mode]]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise Failure((done.stderr.strip().splitlines() or [f"attr-cost: exit status {done.returncode}"])[-1])
        taken = {}
        for line in done.stdout.splitlines():
            row = json.loads(line)
            self.emit("attr", argv=argv, row=row)
            if row["kind"] == "cell" and row["layout"] != PLAIN:
                taken[row["layout"]] = None
        return tuple(taken)

    def commands(self):
        """The layouts whose I/Os are NVMe commands, if the device takes them."""
        taken = []
        for layout in catalog.commands():
            node = fio.node(Cell("randread", 1, layout), self.target.path)
            if node != self.target.path and self.host.exists(node):
                taken.append(layout)
            else:
                self.emit("skip", cell=layout, reason=f"{self.target.path} has no character device for NVMe commands")
        return tuple(taken)

    def whole(self, layouts):
        spec = self.spec
        chosen = []
        for cell in matrix(layouts):
            if cell.direction == "write" and spec.read_only:
                self.emit("skip", cell=cell.name, reason=f"writes need --allow-write {spec.device}")
            else:
                chosen.append(cell)
        self.emit("plan", cells=[cell.name for cell in chosen], rounds=spec.rounds + 1)
        if spec.mode == cells.INSTRUCTIONS:
            self.trace = accounting.Trace(self.host)
        if not spec.read_only:
            # Tags go on being taken from that part of the disk's map where chance began, and from its last part each takes
            # 5 instructions more; with 4 requests there is only the first.
            with device.Settings(self.host, device.fewest_requests(self.target) if self.trace else {}):
                self.fio(Cell("write", 32, "indirect"), self.region // FILL_BLOCK, FILL_BLOCK)
        gone = set()
        for number in range(spec.rounds + 1):
            for cell in cells.shuffled(chosen, number, spec.seed):
                if cell in gone:
                    continue
                try:
                    self.emit("run", cell=cell.name, round=number, **self.measure(cell, number))
                except IoFailure as error:
                    gone.add(cell)
                    kind = "skip" if re.search(r"io_uring_pi: (pi_layout=|layout ')", str(error)) else "failure"
                    self.emit(kind, cell=cell.name, round=number, reason=str(error).rpartition("io_uring_pi: ")[2])

    @property
    def region(self):
        return min(REGION[self.spec.mode], self.target.size // FILL_BLOCK * FILL_BLOCK)

    def measure(self, cell, number):
        if self.spec.mode == cells.TIME:
            share = cells.WARM_UP_SHARE if number == cells.WARM_UP else 1
            return self.timed(cell, max(64, int(TIMED[cell.iodepth] * self.spec.scale * share)))
        lead = self.trace.count(lambda: self.fio(cell, LEAD))
        if number == cells.WARM_UP:
            return lead
        more = self.trace.count(lambda: self.fio(cell, LEAD + COUNTED))
        return {**more, **{name: more[name] - lead[name] for name in ("ios", "window_ns")}}

    def timed(self, cell, ios):
        with accounting.Bracket(self.host) as machine:
            measured = self.fio(cell, ios)
        return {**measured, "kernel_ns": machine.kernel_ns}

    def fio(self, cell, ios, block=BLOCK):
        argv = [self.tools.fio, f"--section={cell.method}", "--output-format=json", "--eta=never", JOBS]
        values = {
            "ENGINE": self.tools.engine, "DUT": fio.node(cell, self.target.path), "RW": cell.rw, "BS": str(block),
            "IODEPTH": str(cell.iodepth), "SIZE": str(self.region),
            "NUMBER_IOS": str(ios), "PI_LAYOUT": cell.layout, "PI_MIX": str(cell.mix),
        }  # fmt: skip
        started = time.time()
        done = fio.run(argv, values, 36000 if self.spec.icount else 600)
        _, measured = fio.result(done, cell.direction, ios)
        return {**measured, "argv": argv, "variables": values, "started": started}


def add_parsers(commands):
    lab = commands.add_parser("lab", help="what each attribute layout costs, in the lab kernel's guest or on a device")
    lab.add_argument("--dut", metavar="DEV", help="time the layouts that the running kernel takes on this device; reads only")
    lab.add_argument(
        "--allow-write", action="append", default=[], metavar="DEV",
        help="allow writes to --dut by naming it again; DESTROYS ITS DATA",
    )  # fmt: skip
    lab.add_argument("--out", metavar="DIR", default="build/lab", help="directory for results and report (%(default)s)")
    lab.add_argument("--rounds", type=int, metavar="N", help=f"rounds after the warm-up ({ROUNDS})")
    lab.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the orders (%(default)s)")
    lab.add_argument("--scale", type=float, default=1.0, metavar="X", help="multiply the I/Os of every run for time (%(default)s)")
    lab.add_argument("--kernel", metavar="KERNEL", default="lab", help="guest kernel, as scripts/guest takes it (%(default)s)")
    sessions.add_tools(lab)
    sessions.add_parsers(commands, "lab")


def specs(options, kvm):
    """{spec: disks} in the order in which they run, one at a time."""
    tools = sessions.tools_of(options)

    def spec(name, mode, icount, path=None):
        return Spec(name, mode, icount, options.rounds or ROUNDS, options.seed, path,
                    bool(options.dut) and not options.allow_write, options.scale, tools)  # fmt: skip

    if options.dut:
        return {spec(os.path.basename(options.dut), cells.TIME, False, options.dut): None}
    found = {spec("native", cells.TIME, False): None, spec("guest", cells.INSTRUCTIONS, True, DISK_NAME): [DISK]}
    if kvm:
        found[spec("kvm", cells.TIME, False, DISK_NAME)] = [DISK]
    return found


class Follower:
    """Keeps each record, and says how far a session is."""

    def __init__(self, out):
        self.path = out / results.NAME
        self.progress = None

    def emit(self, record):
        results.append(self.path, record)
        name = record["session"]
        if record["kind"] == "plan":
            self.progress = Progress({name: [1] * (len(record["cells"]) * record["rounds"])})
        elif record["kind"] == "failure":
            self.progress.say(f"pi-bench: {name}: {record['cell']}: {record['reason']}")
        if "round" in record:
            self.progress.step(name, f"{name} round {record['round']}: {record['cell']}")

    def end(self):
        if self.progress:
            self.progress.end()


def check_device(host, options):
    if not options.dut:
        if options.allow_write:
            raise Failure("--allow-write goes with --dut")
        return
    writable = device.may_write(host, [options.dut], options.allow_write)
    device.check(host, options.dut, options.dut in writable)


def describe(spec):
    if not spec.device:
        return "attr-cost on this machine, a few seconds"
    if spec.device != DISK_NAME:
        return f"{spec.device}: every layout that this kernel takes"
    return "every layout in a guest that counts instructions" if spec.icount else "every layout in a KVM guest, in time"


def run_each(host, options, plan, out, boot):
    follower = Follower(out)
    try:
        for number, (spec, disks) in enumerate(plan.items(), 1):
            print(f"pi-bench: {number} of {len(plan)}: {describe(spec)}", flush=True)
            if disks is None:
                with held(host, spec.device):
                    Session(host, spec, follower.emit, str(out), spec.tools).run()
            else:
                guest.run({spec: disks}, str(out), follower.emit, boot)
    except Failure:
        if (out / results.NAME).exists():
            print(f"pi-bench: results so far: scripts/pi-bench lab-report {options.out}", flush=True)
        raise
    finally:
        follower.end()


def run_lab(host, options):
    if options.rounds is not None and options.rounds < 1:
        raise Failure("--rounds: at least 1")
    if options.scale <= 0:
        raise Failure("--scale: more than 0")
    check_device(host, options)
    boot = ["--kernel", options.kernel]
    what = None if options.dut else guest.ready(boot)
    plan = specs(options, kvm=bool(what) and what.startswith("KVM"))
    for spec in plan:
        spec.require()
    out = results.prepare(options.out, "lab", ("report.md", "tables.jsonl", "*.svg", "*.png", "*.dat"))
    with sessions.recorded(host, options, out, plan, guest=what, lab=True):
        run_each(host, options, plan, out, boot)
    shutil.rmtree(out / "parts", ignore_errors=True)
    return show(host, out)


@contextlib.contextmanager
def held(host, path):
    descriptor = device.hold(host, path) if path else None
    try:
        yield
    finally:
        if path:
            os.close(descriptor)


def in_guest(host, options):
    spec = decode(options.spec)
    spec.require()
    part = results.parts(options.out, spec.name).records
    if spec.icount:
        accounting.settle(host)
    with tempfile.TemporaryDirectory() as memory:
        # a page of a program that must come from the host lets the processor idle in the middle of a run
        local = [shutil.copy(path, memory) for path in (spec.tools.fio, spec.tools.engine, spec.attr_cost)]
        spec = dataclasses.replace(spec, attr_cost=local[2])
        Session(host, spec, lambda record: results.append(part, record), options.out, fio.Tools(*local[:2])).run()
    return 0


def show(host, out):
    return sessions.show(out, labreport.write(host, out), IO)


COMMANDS = {
    "lab": run_lab,
    "lab-session": in_guest,
    "lab-report": lambda host, options: show(host, pathlib.Path(options.dir).absolute()),
}
