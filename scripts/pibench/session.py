# SPDX-License-Identifier: GPL-2.0-only
"""One session: every cell, round after round, against the devices at hand."""

import contextlib
import dataclasses
import json
import os
import time

from . import accounting, cells, device, environment, fio, results
from .errors import Failure, IoFailure

FILL_BLOCK = 128 << 10
ATTEMPTS = 5


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run; goes as JSON into the guest."""

    name: str
    mode: str
    icount: bool
    rounds: int
    seed: int
    only: tuple = ()
    # paths of devices that must not be written
    read_only: tuple = ()
    scale: float = 1.0
    verify: str = "both"
    # paths of the device with PI and of the one without, or of neither: scsi_debug
    pi: str | None = None
    nopi: str | None = None
    tools: fio.Tools = fio.Tools()

    @property
    def scsi_debug(self):
        return not self.pi and not self.nopi

    def plan(self, chosen):
        # one round more, to warm up
        return cells.plan(chosen, self.rounds + 1, self.seed, group_by_device=self.scsi_debug)

    def chosen(self):
        return cells.select(cells.CELLS, self.only)


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
        return Spec(**{**fields, "tools": fio.Tools(**fields["tools"])})
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

    def plan(self):
        skips = self.skips()
        return self.spec.plan([cell for cell in self.spec.chosen() if cell not in skips])

    def run(self, emit, out, tools=None):
        """Every cell of the plan: a record of each goes to emit, fio's own output and the environment below out."""
        self.spec.tools.require()
        self.tools = tools or self.spec.tools
        self.emit = emit
        self.raw = os.path.join(out, "raw", self.spec.name)
        os.makedirs(self.raw, exist_ok=True)
        results.save_json(results.parts(out, self.spec.name).environment, self.environment())
        if self.spec.mode == cells.INSTRUCTIONS:
            self.trace = accounting.Trace(self.host)
        for cell, reason in self.skips().items():
            self.record("skip", cell, reason=reason)
        for position, (number, cell) in enumerate(self.plan()):
            if cell in self.failed:
                self.record("skip", cell, round=number, reason="failed before")
                continue
            try:
                self.record("run", cell, round=number, position=position, **self.measure(cell, number, position))
            except IoFailure as error:
                self.failed.add(cell)
                self.record("failure", cell, round=number, position=position, reason=str(error))

    def record(self, kind, cell, **fields):
        spec = self.spec
        self.emit(
            {
                "kind": kind,
                "session": spec.name,
                "mode": spec.mode,
                "icount": spec.icount,
                "cell": cell.name,
                "seed": spec.seed,
                "read_only": bool(spec.read_only),
                **fields,
            }
        )

    def fill(self, target):
        """Write the region once: blocks never written carry the escape tag, which nobody checks."""
        if target.path in self.spec.read_only or not target.pi or target.path in self.targets.filled:
            return
        filler = cells.Cell(cells.Workload("write", FILL_BLOCK, 32), cells.ARMS[0])
        self.fio(filler, target, self.spec.region(target) // FILL_BLOCK)
        self.targets.filled.add(target.path)

    def fio(self, cell, target, ios):
        spec = self.spec
        argv = fio.command(cell.arm.section, self.tools)
        values = fio.variables(cell, target, self.tools, ios, spec.region(target), spec.verify)
        if self.trace:
            self.trace.clear()
        with accounting.Bracket(self.host) as machine:
            done = fio.run(argv, values, spec.timeout)
        parsed, measured = fio.result(done, cell.workload.direction, ios)
        measured |= {"argv": argv, "variables": values, "kernel_ns": machine.kernel_ns, "bracket_ns": machine.wall_ns}
        if self.trace:
            measured["window_ns"], measured["idle_ns"] = self.trace.read(measured["runtime_ns"])
        return parsed, measured

    def measure(self, cell, number, position):
        target = self.targets.acquire(cell.arm.device)
        self.fill(target)
        ios = self.spec.ios(target, cell, number)
        changed = contextlib.nullcontext()
        if cell.arm.state == cells.NOVERIFY:
            changed = device.Settings(self.host, device.no_integrity(target))
        with changed:
            for _ in range(ATTEMPTS):
                started = time.time()
                parsed, measured = self.fio(cell, target, ios)
                # idle time is skipped under icount, not counted
                if not measured.get("idle_ns"):
                    break
                self.record("discard", cell, position=position, reason="the processor idled", **measured)
            else:
                raise IoFailure(f"the processor idled in each of {ATTEMPTS} runs; its time is not instructions")
        raw = os.path.join(self.raw, f"{position:04d}.json")
        with open(raw, "w", encoding="utf-8") as file:
            json.dump(parsed, file)
        return {
            "device": target.path,
            "format": target.format,
            "started": started,
            "raw": os.path.join("raw", os.path.basename(self.raw), os.path.basename(raw)),
            "load": (self.host.read("/proc/loadavg") or "").split()[:1],
            **measured,
        }

