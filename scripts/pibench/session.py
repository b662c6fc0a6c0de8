# SPDX-License-Identifier: GPL-2.0-only
"""One session: every cell, round after round, against the devices at hand."""

import contextlib
import dataclasses
import json
import os
import subprocess
import tempfile
import time

from . import accounting, catalog, cells, client, device, environment, fio, gate, health, insn, results, steady, verdicts
from .command import last_line
from .errors import Failure, IoFailure

FILL_BLOCK = 128 << 10
FILL, RANDOM = cells.Workload("write", FILL_BLOCK, 32), cells.Workload("randwrite", 4096, 32)
# seconds: a large drive takes hours to be written
WEEK = 7 * 86400
TIMED = "timed"
ATTR_COST = "attr-cost"
ATTR_COST_OPTIONS = {
    cells.INSTRUCTIONS: ("--instructions", "--requests", "400", "--repetitions", "31"),
    **dict.fromkeys((cells.CPU, cells.TIME), ("--repetitions", "201")),
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run; goes as JSON into the guest."""

    name: str
    # what counts: every instruction, those of threads, or time
    mode: str
    icount: bool
    rounds: int
    seed: int
    # names of cells
    cells: tuple = ()
    # I/Os of a run at most; 0: as many as is usual for what counts
    ios: int = 0
    # (name, fio) where the builds have one each
    fios: tuple = ()
    # (name, engine) of two builds to compare; then rounds go on until the gate has decided where it is by time
    builds: tuple = ()
    # the guest's, where it is not the usual one
    kernel: str = ""
    # (name, layout) that a build does not even offer
    lacks: tuple = ()
    # a run of each cell at the end with the engine's clocks on, where it is not counted by function
    breakdown: bool = False
    # keep the throughput of each second
    bandwidth: bool = False
    # keep what each run took by function
    profiles: bool = False
    # of a model of the memory, as the plugin takes them
    caches: str = ""
    # paths of devices that must not be written
    read_only: tuple = ()
    # hosts that do it, and what there is at a path: (path, bytes, checks)
    clients: tuple = ()
    drives: tuple = ()
    # bring the devices to steady state first
    precondition: bool = False
    scale: float = 1.0
    verify: str = "both"
    # paths of the device with PI and of the one without, or scsi_debug as both; else there is none
    pi: str | None = None
    nopi: str | None = None
    scsi_debug: bool = False
    jobs: str = fio.JOBS
    # what writes the device first, where jobs is a file of the user's
    fill: str = ""
    tools: fio.Tools = fio.Tools()

    def chosen(self):
        return tuple(cells.parse(name) for name in self.cells)

    def built(self, build, tools=None):
        """The tools, with the engine and the fio of a build."""
        paths = {"engine": dict(self.builds).get(build), "fio": dict(self.fios).get(build)}
        return dataclasses.replace(tools or self.tools, **{name: path for name, path in paths.items() if path})

    @property
    def sequential(self):
        return bool(self.builds) and self.mode == cells.TIME

    def round(self, number, chosen):
        builds = tuple(name for name, _ in self.builds) or ("",)
        # nothing drifts in what is counted function by function
        mark = None if self.builds or self.profiles else cells.reference(chosen)
        return cells.one_round(chosen, number, self.seed, builds, self.scsi_debug, mark)

    def plan(self, chosen):
        """The steps, the fewest there can be where the gate decides; one round more, to warm up."""
        last = gate.LOOKS[0] if self.sequential else self.rounds
        rounds = range(last + 1) if chosen else ()
        return self.attribute() + [step for number in rounds for step in self.round(number, chosen)] + self.timed(chosen)

    def attribute(self):
        """The step that measures the attribute by itself, where there is one: it needs no device."""
        return [cells.Step(cells.WARM_UP, ATTR_COST, None)] if self.tools.attr_cost else []

    def attr_cost(self, tools):
        return [tools.attr_cost, "--json", "--seed", str(self.seed), *ATTR_COST_OPTIONS[self.mode]]

    def invocation(self, cell, target, ios, tools, stats=None, jobs=None, region=None, bandwidth=""):
        """(arguments, environment) of a run."""
        region = region or self.region(target)
        if cell.arm.engine == cells.FLOOR:
            return fio.floor(cell, target, tools, ios, region), {}
        argv = fio.command(cell, tools, jobs or self.jobs, stats, target.path in self.read_only, bandwidth)
        argv = client.command(argv, self.clients) if self.clients else argv
        return argv, fio.variables(cell, target, tools, ios, region, self.verify, stats)

    def timed(self, chosen):
        own = [cell for cell in chosen if cell.arm.engine == cells.OURS] if self.breakdown and not self.tools.plugin else []
        steps = [cells.Step(self.rounds + 1, index, cell, TIMED) for index, cell in enumerate(own)]
        return sorted(steps, key=lambda step: step.cell.arm.device) if self.scsi_debug else steps

    def region(self, target):
        """Bytes of the device that are used, from its start."""
        return min(cells.REGION[self.mode], target.size // FILL_BLOCK * FILL_BLOCK)

    def runs(self, step):
        """I/Os of each run of a step: the first is taken off the second, where nothing else than cost counts."""
        ios = cells.number_ios(self.mode, step.cell.workload, step.round, self.scale, self.ios)
        return (ios,) if step.round == cells.WARM_UP or step.build == TIMED or self.clients else (cells.LEAD, cells.LEAD + ios)

    @property
    def timeout(self):
        """Seconds for a run; under icount time flies while the processor idles."""
        return 36000 if self.icount else 600


def encode(spec):
    return json.dumps(dataclasses.asdict(spec))


def decode(text):
    try:
        fields = json.loads(text)
        listed = {name: tuple(fields[name]) for name in ("cells", "read_only", "clients", "drives")}
        pairs = {name: tuple(tuple(pair) for pair in fields[name]) for name in ("builds", "lacks", "fios")}
        return Spec(**{**fields, **listed, **pairs, "tools": fio.Tools(**fields["tools"])})
    except (ValueError, KeyError, TypeError):
        raise Failure("session: not what pi-bench run hands to a guest; use pi-bench run") from None


class Namespaces:
    """Devices that are there all the time."""

    def __init__(self, host, spec):
        self.filled = set()
        found = [client.drive(*each) for each in spec.drives]
        if not spec.clients:
            paths = filter(None, (spec.pi, spec.nopi))
            found = [device.file(path) if path.startswith(device.FILE) else device.describe(host, path) for path in paths]
        self.devices = {"pi" if each.pi else "nopi": each for each in found}

    def missing(self, which):
        """Why there is no such device, or None."""
        if which in self.devices:
            return None
        if not self.devices:
            return "no device"
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
        # part of the kernel it stays as it was booted: with PI
        self.built_in = host.exists("/sys/module/scsi_debug") and not host.exists("/sys/module/scsi_debug/initstate")

    def missing(self, which):
        return "scsi_debug is built into this kernel, and has PI" if self.built_in and which == "nopi" else None

    def path(self, which):
        return None

    def modprobe(self, *arguments):
        """Busybox's exit status tells nothing: look whether it did what it was to do."""
        done = self.host.run(["modprobe", *arguments])
        if self.host.exists("/sys/module/scsi_debug") == ("-r" in arguments):
            raise Failure(f"modprobe {' '.join(arguments)}: {last_line(done.stderr, done.returncode) if done else 'no such program'}")

    def disk(self):
        root = os.path.realpath(self.host.at(f"{self.PSEUDO}/adapter0"))
        for directory, subdirectories, _ in os.walk(root):
            if os.path.basename(directory) == "block" and subdirectories:
                return subdirectories[0]
        return None

    def acquire(self, which):
        if which == self.which:
            return self.device
        if not self.built_in:
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
        self.holding = contextlib.ExitStack()
        self.settings = {}
        self.where = None
        self.failed = set()
        # arm: {build: why it, the kernel or the device has no such layout}
        self.lacking = {cells.Arm(cells.PI, cells.OURS, layout): {build: "no such layout"} for build, layout in spec.lacks}
        self.seen = {}
        self.trace = self.counter = None

    def skips(self):
        """{cell: reason} of those that cannot run here."""
        skips = {}
        for cell in self.spec.chosen():
            reason = self.targets.missing(cell.arm.device) or self.spec.clients and client.without(cell)
            if not reason and cell.workload.direction == "write" and self.targets.path(cell.arm.device) in self.spec.read_only:
                reason = f"writes need --allow-write {self.targets.path(cell.arm.device)}"
            if not reason and cell.arm.has_pi and cell.arm.engine == cells.OURS:
                fixedbufs, _, nonvectored = cells.BUFFERS[cell.workload.buffers][1]
                reason = catalog.without(cell.arm.layout, not nonvectored, fixedbufs, cell.workload.buffers == cells.REGISTERED)
            if reason:
                skips[cell] = reason
        return skips

    def environment(self):
        if self.spec.clients:
            return {"clients": list(self.spec.clients), "drives": [list(each) for each in self.spec.drives]}
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
        yield from self.spec.attribute()
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
        self.out = out
        self.raw = os.path.join(out, "raw", self.spec.name)
        os.makedirs(self.raw, exist_ok=True)
        place, env = results.parts(out, self.spec.name).environment, self.environment()
        results.save_json(place, env)
        if self.spec.mode == cells.INSTRUCTIONS and self.spec.cells:
            self.trace = accounting.Trace(self.host)
            if self.tools.plugin:
                self.counter = insn.Counter(self.host, insn.place(out, self.spec), self.tools.mark)
        done = {record["step"]: record for record in before if "step" in record}
        if not before and (skips := self.skips()):
            # which there are is known where it runs: who planned the session must hear of it
            self.record("plan", None, steps=len(self.plan()))
            for cell, reason in skips.items():
                self.record("skip", cell, reason=reason)
        with contextlib.ExitStack() as end, self.holding:
            end.callback(self.look_back, place, env)
            if self.spec.precondition:
                self.precondition(before, stop)
            for step in self.steps():
                # one by one: what came out later must not change which steps a round has
                if step.key in done:
                    self.recall(step, done[step.key])
                elif why := stop():
                    self.record("stop", step.cell, reason=why)
                    return
                elif step.cell:
                    self.take(step)
                else:
                    self.attr_cost(step)

    def look_back(self, place, env):
        """What the drives say of themselves when all is over."""
        drives = {} if self.spec.scsi_debug or self.spec.clients else self.targets.devices
        after = {which: health.of(self.host, each.disk, each.path) for which, each in drives.items()}
        # what has ended the session is to be said, not this
        with contextlib.suppress(Failure):
            results.save_json(place, env | {"after": after})

    def attr_cost(self, step):
        """Hand the attribute over and nothing else; where this kernel cannot, whole I/Os are measured all the same."""
        argv = self.spec.attr_cost(self.tools)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        for line in done.stdout.splitlines() if not done.returncode else ():
            self.record("attr", None, row=json.loads(line))
        why = last_line(done.stderr, done.returncode)
        about = {"kind": "skip", "reason": why} if done.returncode else {"kind": "attr", "row": {"kind": "end"}}
        self.record(about.pop("kind"), None, step=step.key, argv=argv, **about)

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
            "cell": cell.name if cell else ATTR_COST,
            "seed": spec.seed,
            "read_only": bool(spec.read_only),
            **fields,
        }
        self.emit(record)
        return record

    def filler(self, target, workload):
        return cells.Cell(workload, cells.arm(f"{cells.AUTOPI if target.pi else cells.NOPI}/{cells.FIO}"))

    def precondition(self, before, stop):
        """Write all of each device, then at random until what it does a second stays the same; a stopped one begins again."""
        done = {record["device"] for record in before if record["kind"] == "precondition"}
        self.targets.filled |= done
        for target in (each for each in self.targets.devices.values() if each.path not in done):
            if stop():
                return
            size = target.size // FILL_BLOCK * FILL_BLOCK
            for _ in range(steady.FILLS):
                self.program(self.filler(target, FILL), target, size // FILL_BLOCK, self.tools, region=size, timeout=WEEK)
            self.targets.filled.add(target.path)
            ios, figures = cells.number_ios(self.spec.mode, RANDOM, 1, self.spec.scale), []
            while len(figures) < steady.MOST and not steady.reached(figures):
                if stop():
                    return
                _, measured = self.program(self.filler(target, RANDOM), target, ios, self.tools, region=size)
                figures.append(measured["ios"] * 1e9 / measured["runtime_ns"])
            self.record("precondition", self.filler(target, RANDOM), device=target.path, iops=figures)

    def fill(self, target):
        """Write the region once: what was never written carries the escape tag, which nobody checks, or comes from nowhere."""
        if target.path in self.spec.read_only or target.path in self.targets.filled:
            return
        self.targets.filled.add(target.path)
        if not target.disk:
            with open(target.path, "wb") as file:
                file.write(bytes(target.size))
            return
        # Tags and, on SCSI, commands go on being taken from that part of a map where chance began, and from its last part each
        # takes 5 instructions more; with 4 there is only the first.
        with device.Settings(self.host, device.fewest_requests(self.host, target) if self.trace else {}):
            if self.spec.fill:
                first = self.spec.built(self.spec.builds[0][0], self.tools)
                self.program(self.spec.chosen()[0], target, 0, first, jobs=self.spec.fill)
            else:
                self.program(self.filler(target, FILL), target, self.spec.region(target) // FILL_BLOCK, self.tools)

    def set(self, settings):
        """Those of the device, until others are wanted."""
        if settings is not None and settings != self.settings:
            self.holding.pop_all().close()
            self.settings = {}
            if settings:
                self.holding.enter_context(device.Settings(self.host, settings))
            self.settings = settings

    def program(self, cell, target, ios, tools, stats=None, jobs=None, region=None, timeout=0, bandwidth=""):
        """Run it once: (fio's own output, what was measured)."""
        argv, values = self.spec.invocation(cell, target, ios, tools, stats, jobs, region, bandwidth)
        started = time.time()
        with accounting.Bracket(self.host) as machine:
            done = fio.run(argv, values, timeout or self.spec.timeout)
        marked = self.counter.mark() if self.counter else None
        if self.spec.clients:
            parsed, measured = client.result(done, self.spec.clients, cell.workload.direction, ios * cell.workload.numjobs)
        elif cell.arm.engine == cells.JOB:
            parsed, measured = fio.whole(done)
        elif cell.arm.engine == cells.FLOOR:
            parsed, measured = fio.floor_result(done, ios)
        else:
            parsed, measured = fio.result(done, cell.workload.direction, ios * cell.workload.numjobs)
        measured |= {"started": started, "argv": argv, "variables": values, "wall_ns": done.wall_ns}
        if not self.spec.clients:
            measured |= {"threads": machine.threads, "resident": done.resident, "cpu_ns": done.cpu_ns + machine.kernel_ns}
        if bandwidth and (seconds := fio.seconds(bandwidth)):
            measured["seconds"] = seconds
        if marked:
            measured["mark"] = marked
        if stats:
            measured["stats"] = fio.sidecar(stats)
            os.unlink(stats)
        return parsed, measured

    def once(self, step, target, ios, raw, stats):
        def run():
            log = raw.removesuffix(".json") if self.spec.bandwidth and not stats else ""
            parsed, measured = self.program(step.cell, target, ios, self.spec.built(step.build, self.tools), stats, bandwidth=log)
            # where instructions count, to write it is work that a later run would be charged with
            if not self.spec.icount:
                with results.saving(raw) as file:
                    json.dump(parsed, file)
                measured["raw"] = os.path.relpath(raw, self.out)
            return measured

        def discard(measured):
            self.record("discard", step.cell, at=step.key, reason="the processor idled", **measured)

        if self.trace:
            return self.trace.count(run, discard)
        if self.spec.icount:
            accounting.empty_slabs(self.host)
        return run()

    def measure(self, step):
        """What the last run of a step has measured; of what it cost, that of the I/Os which it has beyond the first."""
        cell = step.cell
        if cell.arm.device != self.where:
            # a disk that goes away takes its settings with it
            self.set({})
        self.where = cell.arm.device
        target = self.targets.acquire(self.where)
        self.fill(target)
        if self.counter:
            self.counter.look()
        raw = os.path.join(self.raw, f"{step.round:02d}-{step.index:04d}.json")
        with contextlib.ExitStack() as stack:
            stats = None
            if step.build == TIMED:
                stats = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "stats")
            self.set(cell.arm.settings(target))
            first, *rest = [self.once(step, target, ios, raw, stats) for ios in self.spec.runs(step)]
        measured = rest[0] if rest else first
        costs = {name: measured[name] - first[name] * bool(rest) for name in ("cpu_ns", "window_ns", "ios") if name in measured}
        costs["counted"] = costs.pop("ios")
        marks = [each.pop("mark") for each in (first, *rest) if "mark" in each]
        if len(marks) > 1:
            costs["marks"] = marks
        return {
            "device": target.path,
            "format": target.format,
            "load": (self.host.read("/proc/loadavg") or "").split()[:1],
            **measured,
            "start_ns": first["wall_ns"],
            **costs,
        }
