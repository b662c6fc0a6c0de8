# SPDX-License-Identifier: GPL-2.0-only
"""One session: every cell, round after round, against the devices at hand."""

import contextlib
import dataclasses
import json
import os
import tempfile
import time
import typing

from . import accounting, cells, device, environment, fio, gate, results, verdicts
from .errors import Failure, IoFailure

FILL_BLOCK = 128 << 10
TIMED = "timed"


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run; goes as JSON into the guest."""

    COMMAND: typing.ClassVar = "session"

    name: str
    mode: str
    icount: bool
    rounds: int
    seed: int
    # names of cells
    cells: tuple = ()
    # (name, engine) of two builds to compare; then rounds go on until the gate has decided where it is by time
    builds: tuple = ()
    # (name, layout) that a build does not even offer
    lacks: tuple = ()
    # a run of each cell at the end with the engine's clocks on
    breakdown: bool = False
    # paths of devices that must not be written
    read_only: tuple = ()
    scale: float = 1.0
    verify: str = "both"
    # paths of the device with PI and of the one without, or of neither: scsi_debug
    pi: str | None = None
    nopi: str | None = None
    jobs: str = fio.JOBS
    tools: fio.Tools = fio.Tools()

    @property
    def scsi_debug(self):
        return not self.pi and not self.nopi

    def chosen(self):
        return tuple(cells.parse(name) for name in self.cells)

    @property
    def sequential(self):
        return bool(self.builds) and self.mode == cells.TIME

    def round(self, number, chosen):
        builds = tuple(name for name, _ in self.builds) or ("",)
        mark = None if self.builds else cells.reference(chosen)
        return cells.one_round(chosen, number, self.seed, builds, self.scsi_debug, mark)

    def plan(self, chosen):
        """The steps, the fewest there can be where the gate decides; one round more, to warm up."""
        last = gate.LOOKS[0] if self.sequential else self.rounds
        return [step for number in range(last + 1) for step in self.round(number, chosen)] + self.timed(chosen)

    def timed(self, chosen):
        own = [cell for cell in chosen if cell.arm.engine == cells.OURS] if self.breakdown else []
        steps = [cells.Step(self.rounds + 1, index, cell, TIMED) for index, cell in enumerate(own)]
        return sorted(steps, key=lambda step: step.cell.arm.device) if self.scsi_debug else steps

    def region(self, target):
        """Bytes of the device that are used, from its start."""
        return min(cells.REGION[self.mode], target.size // FILL_BLOCK * FILL_BLOCK)

    def ios(self, target, cell, number):
        # sequential I/O ends with the region
        wanted = cells.number_ios(self.mode, cell.workload, number, self.scale)
        return min(wanted, self.region(target) // cell.workload.block_size)

    @property
    def timeout(self):
        """Seconds for a run; under icount time flies while the processor idles."""
        return 36000 if self.icount else 600


def encode(spec):
    return json.dumps(dataclasses.asdict(spec))


def decode(text):
    try:
        fields = json.loads(text)
        listed = {name: tuple(fields[name]) for name in ("cells", "read_only")}
        pairs = {name: tuple(tuple(pair) for pair in fields[name]) for name in ("builds", "lacks")}
        return Spec(**{**fields, **listed, **pairs, "tools": fio.Tools(**fields["tools"])})
    except (ValueError, KeyError, TypeError):
        raise Failure("session: not what pi-bench run hands to a guest; use pi-bench run") from None


class Namespaces:
    """Devices that are there all the time."""

    def __init__(self, host, spec):
        self.devices = {}
        self.filled = set()
        for path in (spec.pi, spec.nopi):
            if path:
                found = device.describe(host, path)
                self.devices["pi" if found.pi else "nopi"] = found

    def missing(self, which):
        """Why there is no such device, or None."""
        if which in self.devices:
            return None
        present = ", ".join(found.path for found in self.devices.values())
        return f"{present}: the format has no PI" if which == "pi" else f"{present} has PI, and --dut-nopi names no other"

    def path(self, which):
        return self.devices[which].path

    def acquire(self, which):
        return self.devices[which]


class ScsiDebug:
    """scsi_debug in the guest, loaded with or without DIF and DIX as the cell asks for."""

    PSEUDO = "/sys/bus/pseudo/drivers/scsi_debug"
    COMMON = ("delay=0", "sector_size=4096", "dev_size_mb=96")
    PARAMETERS = {"pi": ("dif=1", "dix=1"), "nopi": ("dif=0", "dix=0")}

    def __init__(self, host):
        self.host = host
        self.which = None
        self.device = None
        self.filled = set()

    def missing(self, which):
        return None

    def path(self, which):
        return None

    def modprobe(self, *arguments):
        """Busybox's exit status tells nothing: look whether it did what it was to do."""
        done = self.host.run(["modprobe", *arguments])
        if self.host.exists("/sys/module/scsi_debug") == ("-r" in arguments):
            said = done.stderr.strip().splitlines() if done else ["no such program"]
            raise Failure(f"modprobe {' '.join(arguments)}: {said[-1] if said else f'exit status {done.returncode}'}")

    def disk(self):
        root = os.path.realpath(self.host.at(f"{self.PSEUDO}/adapter0"))
        for directory, subdirectories, _ in os.walk(root):
            if os.path.basename(directory) == "block" and subdirectories:
                return subdirectories[0]
        return None

    def acquire(self, which):
        if which == self.which:
            return self.device
        if self.host.exists("/sys/module/scsi_debug"):
            self.modprobe("-r", "scsi_debug")
        self.modprobe("scsi_debug", *self.COMMON, *self.PARAMETERS[which])
        deadline = time.monotonic() + 30
        while not (name := self.disk()) or not self.host.block_numbers(f"/dev/{name}"):
            if time.monotonic() > deadline:
                raise Failure("scsi_debug: no disk came up within 30 s")
            time.sleep(0.05)
        self.host.write(f"/sys/class/block/{name}/queue/scheduler", "none")
        self.device = device.describe(self.host, f"/dev/{name}")
        self.which = which
        self.filled.clear()
        return self.device


class Session:
    def __init__(self, host, spec):
        self.host = host
        self.spec = spec
        self.targets = ScsiDebug(host) if spec.scsi_debug else Namespaces(host, spec)
        self.failed = set()
        # arm: {build: why it, the kernel or the device has no such layout}
        self.lacking = {cells.Arm(cells.PI, cells.OURS, layout): {build: "no such layout"} for build, layout in spec.lacks}
        self.seen = {}
        self.trace = None

    def skips(self):
        """{cell: reason} of those that cannot run here."""
        skips = {}
        for cell in self.spec.chosen():
            reason = self.targets.missing(cell.arm.device)
            if not reason and cell.workload.direction == "write" and self.targets.path(cell.arm.device) in self.spec.read_only:
                reason = f"writes need --allow-write {self.targets.path(cell.arm.device)}"
            if reason:
                skips[cell] = reason
        return skips

    def environment(self):
        devices = {
            # at once: the next may take this one's place
            which: environment.device(self.host, self.targets.acquire(which))
            for which in ("nopi", "pi")
            if not self.targets.missing(which)
        }
        return environment.machine(self.host, devices)

    def runnable(self):
        skips = self.skips()
        return [cell for cell in self.spec.chosen() if cell not in skips]

    def plan(self):
        return self.spec.plan(self.runnable())

    def steps(self):
        """Round after round: as many as the spec says, or until the gate has decided on every cell."""
        runnable = self.runnable()
        number = cells.WARM_UP
        while number <= self.spec.rounds or self.spec.sequential:
            if self.spec.sequential:
                # while all warms up each build is tried once, whatever the other has said
                left = [cell for cell in runnable if cell not in self.failed and (number == cells.WARM_UP or cell.arm not in self.lacking)]
                runnable = [cell for cell in left if verdicts.wanted(self.seen.get(cell.name, ()))]
            if not runnable:
                return
            yield from self.spec.round(number, runnable)
            number += 1
        yield from self.spec.timed(runnable)

    def run(self, emit, out, tools=None, before=(), stop=lambda: None):
        """Every step that before has not: a record of each goes to emit, fio's own output and the environment below out."""
        self.spec.tools.require()
        self.tools = tools or self.spec.tools
        self.emit = emit
        self.raw = os.path.join(out, "raw", self.spec.name)
        os.makedirs(self.raw, exist_ok=True)
        results.save_json(results.parts(out, self.spec.name).environment, self.environment())
        if self.spec.mode == cells.INSTRUCTIONS:
            self.trace = accounting.Trace(self.host)
        done = {record["step"]: record for record in before if "step" in record}
        if not before:
            for cell, reason in self.skips().items():
                self.record("skip", cell, reason=reason)
        for step in self.steps():
            # one by one: what came out later must not change which steps a round has
            if step.key in done:
                self.recall(step, done[step.key])
            elif why := stop():
                self.record("stop", step.cell, reason=why)
                return
            else:
                self.take(step)

    def recall(self, step, record):
        """A step that an earlier run of this session has done."""
        if record["kind"] == "run":
            self.seen.setdefault(record["cell"], []).append(record)
        elif record["kind"] == "failure":
            self.failed.add(step.cell)
        elif "refuses" in record:
            self.lacking.setdefault(step.cell.arm, {})[record["refuses"]] = record["reason"]

    def refuses(self, step):
        """The build that rules a step out: its own, or the other, once this one has shown that it can; or None."""
        lacking = self.lacking.get(step.cell.arm, {})
        if not lacking or step.build in lacking:
            return step.build if lacking else None
        tried = not self.spec.builds or any(run["build"] == step.build for run in self.seen.get(step.cell.name, ()))
        return next(iter(lacking)) if tried else None

    def take(self, step):
        about = {"round": step.round, "step": step.key, "build": step.build, "reference": step.reference}
        refuses = self.refuses(step)
        if refuses is not None:
            self.record("skip", step.cell, **about, refuses=refuses, reason=self.lacking[step.cell.arm][refuses])
            return
        if step.cell in self.failed:
            self.record("skip", step.cell, **about, reason="failed before")
            return
        try:
            found = self.measure(step)
        except IoFailure as error:
            if fio.lacking(step.cell, str(error)):
                self.lacking.setdefault(step.cell.arm, {})[step.build] = str(error)
                self.record("skip", step.cell, **about, refuses=step.build, reason=str(error))
            else:
                self.failed.add(step.cell)
                self.record("failure", step.cell, **about, reason=str(error))
            return
        record = self.record("timed" if step.build == TIMED else "run", step.cell, **about, **found)
        self.seen.setdefault(step.cell.name, []).append(record)

    def record(self, kind, cell, **fields):
        spec = self.spec
        record = {
            "kind": kind,
            "session": spec.name,
            "mode": spec.mode,
            "icount": spec.icount,
            "cell": cell.name,
            "seed": spec.seed,
            "read_only": bool(spec.read_only),
            **fields,
        }
        self.emit(record)
        return record

    def fill(self, target):
        """Write the region once: blocks never written carry the escape tag, which nobody checks."""
        if target.path in self.spec.read_only or not target.pi or target.path in self.targets.filled:
            return
        filler = cells.Cell(cells.Workload("write", FILL_BLOCK, 32), cells.arm(f"{cells.AUTOPI}/{cells.FIO}"))
        self.fio(filler, target, self.spec.region(target) // FILL_BLOCK, self.tools)
        self.targets.filled.add(target.path)

    def fio(self, cell, target, ios, tools, stats=None):
        spec = self.spec
        argv = fio.command(fio.section(cell, stats), tools, spec.jobs)
        values = fio.variables(cell, target, tools, ios, spec.region(target), spec.verify, stats)
        started = time.time()
        with accounting.Bracket(self.host) as machine:
            done = fio.run(argv, values, spec.timeout)
        parsed, measured = fio.result(done, cell.workload.direction, ios)
        measured |= {"started": started, "argv": argv, "variables": values, "kernel_ns": machine.kernel_ns, "bracket_ns": machine.wall_ns}
        if stats:
            measured["stats"] = fio.sidecar(stats)
            os.unlink(stats)
        return parsed, measured

    def engine(self, step):
        """The tools with the build that the step is of."""
        path = dict(self.spec.builds).get(step.build)
        return dataclasses.replace(self.tools, engine=path) if path else self.tools

    def measure(self, step):
        cell = step.cell
        target = self.targets.acquire(cell.arm.device)
        self.fill(target)
        ios = self.spec.ios(target, cell, step.round)
        raw = os.path.join(self.raw, f"{step.round:02d}-{step.index:04d}.json")
        with contextlib.ExitStack() as stack:
            stats = None
            if step.build == TIMED:
                stats = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "stats")
            if settings := cell.arm.settings(target):
                stack.enter_context(device.Settings(self.host, settings))

            def run():
                parsed, measured = self.fio(cell, target, ios, self.engine(step), stats)
                with results.saving(raw) as file:
                    json.dump(parsed, file)
                return measured

            def discard(measured):
                self.record("discard", cell, at=step.key, reason="the processor idled", **measured)

            measured = self.trace.count(run, discard) if self.trace else run()
        return {
            "device": target.path,
            "format": target.format,
            "raw": os.path.join("raw", os.path.basename(self.raw), os.path.basename(raw)),
            "load": (self.host.read("/proc/loadavg") or "").split()[:1],
            **measured,
        }
