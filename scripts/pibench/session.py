# SPDX-License-Identifier: GPL-2.0-only
"""One session: every cell, round after round, on the devices of one machine."""

import contextlib
import dataclasses
import functools
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time

from . import accounting, catalog, cells, client, device, environment, fio, gate, health, insn, results, steady, verdicts
from .command import last_line
from .errors import Failure, IoFailure

FILL_BLOCK = 128 << 10
FILL, RANDOM = cells.Workload("write", FILL_BLOCK, 32), cells.Workload("randwrite", 4096, 32)
# seconds: writing all of a large drive takes hours
WEEK = 7 * 86400
TIMED = "timed"
ATTR_COST = "attr-cost"
ATTR_COST_OPTIONS = {
    cells.INSTRUCTIONS: ("--instructions", "--requests", "400", "--repetitions", "31"),
    **dict.fromkeys((cells.CPU, cells.TIME), ("--repetitions", "201")),
}


@dataclasses.dataclass(frozen=True)
class Spec:
    """What to run; passed to the guest as JSON."""

    name: str
    # what is measured: cells.INSTRUCTIONS, CPU or TIME
    mode: str
    icount: bool
    rounds: int
    seed: int
    # names of cells
    cells: tuple = ()
    # I/Os per run at most; 0: as many as is usual for the mode
    ios: int = 0
    # (name, Tools) of the builds to compare
    builds: tuple = ()
    # guest kernel, if not the usual one
    kernel: str = ""
    # (build, layout): the build does not offer the layout
    lacks: tuple = ()
    # end with one run of each cell with the engine's clocks on, unless instructions are counted by function
    breakdown: bool = False
    # record the throughput of each second
    bandwidth: bool = False
    # keep the profile of each run
    profiles: bool = False
    # the cache model, as the plugin takes it
    caches: str = ""
    # paths of devices that must not be written
    read_only: tuple = ()
    # hosts where fio --server runs, and (path, bytes, checks) of the drives they have
    clients: tuple = ()
    drives: tuple = ()
    # bring the devices to steady state first
    precondition: bool = False
    scale: float = 1.0
    verify: str = "both"
    # paths of the devices with and without PI; or scsi_debug as both
    pi: str | None = None
    nopi: str | None = None
    scsi_debug: bool = False
    jobs: str = fio.JOBS
    # the job file that first writes the device, if jobs is the user's own
    fill: str = ""
    tools: fio.Tools = fio.Tools()

    def chosen(self):
        return tuple(cells.parse(name) for name in self.cells)

    def built(self, build):
        """The tools of a build."""
        return dict(self.builds).get(build, self.tools)

    @property
    def all_tools(self):
        """The Tools of each build, or those of the only one."""
        return [tools for _, tools in self.builds] or [self.tools]

    @property
    def sequential(self):
        """Whether rounds go on until the gate has decided."""
        return bool(self.builds) and self.mode == cells.TIME

    def round(self, number, chosen):
        builds = tuple(name for name, _ in self.builds) or ("",)
        # counts by function do not drift
        mark = None if self.builds or self.profiles else cells.reference(chosen)
        return cells.one_round(chosen, number, self.seed, builds, self.scsi_debug, mark)

    def plan(self, chosen):
        """The steps, after a round of warm-up; if the gate decides when to stop, the fewest there can be."""
        last = gate.LOOKS[0] if self.sequential else self.rounds
        rounds = range(last + 1) if chosen else ()
        # attr-cost measures the attribute alone and needs no device
        first = [cells.Step(cells.WARM_UP, ATTR_COST, None)] if self.tools.attr_cost else []
        return first + [step for number in rounds for step in self.round(number, chosen)] + self.timed(chosen)

    def attr_cost(self):
        return [self.tools.attr_cost, "--json", "--seed", str(self.seed), *ATTR_COST_OPTIONS[self.mode]]

    def invocation(self, cell, target, ios, tools, stats=None, jobs=None, region=None, bandwidth=""):
        """(arguments, environment) of a run."""
        region = region or self.region(target)
        if cell.arm.engine == cells.FLOOR:
            return fio.floor(cell, target, tools, ios, region), {}
        argv = fio.command(cell, tools, jobs or self.jobs, stats, target.path in self.read_only, bandwidth)
        argv = client.command(argv, self.clients) if self.clients else argv
        return argv, fio.variables(cell, target, tools, ios, region, self.verify, stats)

    def timed(self, chosen):
        """The steps with the engine's clocks on."""
        own = [cell for cell in chosen if cell.arm.engine == cells.OURS] if self.breakdown and not self.tools.plugin else []
        steps = [cells.Step(self.rounds + 1, index, cell, TIMED) for index, cell in enumerate(own)]
        return sorted(steps, key=lambda step: step.cell.arm.device) if self.scsi_debug else steps

    def region(self, target):
        """Bytes to use, from the start of the device."""
        return min(cells.REGION[self.mode], target.size // FILL_BLOCK * FILL_BLOCK)

    def runs(self, step):
        """I/Os of each run of a step: if only its cost counts, a short run, which is subtracted from the second one."""
        ios = cells.number_ios(self.mode, step.cell.workload, step.round, self.scale, self.ios)
        return (ios,) if step.round == cells.WARM_UP or step.build == TIMED or self.clients else (cells.LEAD, cells.LEAD + ios)

    @property
    def timeout(self):
        """Seconds for a run; with icount, guest time races ahead while the processor is idle."""
        return 36000 if self.icount else 600


def encode(spec):
    return json.dumps(dataclasses.asdict(spec))


def tuples(value):
    """A value of a Spec as it was before JSON made lists of tuples and dicts of Tools."""
    if isinstance(value, dict):
        return fio.Tools(**value)
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def decode(text):
    try:
        return Spec(**{name: tuples(value) for name, value in json.loads(text).items()})
    except (ValueError, AttributeError, TypeError):
        raise Failure("session: not what pi-bench run hands to a guest; use pi-bench run") from None


def in_memory(spec, directory):
    """The Spec with its programs and job files copied: a page read from the host would let the processor idle during a run."""

    @functools.cache
    def copy(path):
        place = os.path.join(directory, f"{len(os.listdir(directory)):02d}")
        os.mkdir(place)
        return shutil.copy(path, place)

    def copies(tools):
        return fio.Tools(**{name: path and copy(path) for name, path in dataclasses.asdict(tools).items()})

    return dataclasses.replace(
        spec,
        tools=copies(spec.tools),
        builds=tuple((name, copies(tools)) for name, tools in spec.builds),
        jobs=copy(spec.jobs),
        fill=spec.fill and copy(spec.fill),
    )


class Namespaces:
    """Devices that stay."""

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

    def acquire(self, which):
        return self.devices[which]


class ScsiDebug:
    """scsi_debug in the guest, loaded with or without DIF and DIX, as each cell needs it."""

    PSEUDO = "/sys/bus/pseudo/drivers/scsi_debug"
    COMMON = ("delay=0", "sector_size=4096", "dev_size_mb=96")
    PARAMETERS = {"pi": ("dif=1", "dix=1"), "nopi": ("dif=0", "dix=0")}

    def __init__(self, host):
        self.host = host
        self.devices = {}
        self.filled = set()
        # if built in, it stays as booted: with PI
        self.built_in = host.exists("/sys/module/scsi_debug") and not host.exists("/sys/module/scsi_debug/initstate")

    def missing(self, which):
        return "scsi_debug is built into this kernel, and has PI" if self.built_in and which == "nopi" else None

    def modprobe(self, *arguments):
        """Load or unload; busybox's exit status means nothing, so look for the module."""
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
        if which in self.devices:
            return self.devices[which]
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
        self.devices = {which: device.describe(self.host, f"/dev/{name}")}
        self.filled.clear()
        return self.devices[which]


class Session:
    def __init__(self, host, spec):
        self.host = host
        self.spec = spec
        self.targets = ScsiDebug(host) if spec.scsi_debug else Namespaces(host, spec)
        self.holding = contextlib.ExitStack()
        self.settings = {}
        self.failed = set()
        # {arm: {build: why the build, the kernel or the device does not have its layout}}
        self.lacking = {cells.Arm(cells.PI, cells.OURS, layout): {build: "no such layout"} for build, layout in spec.lacks}
        # {name of a cell: its runs}
        self.seen = {}
        self.trace = self.counter = None

    def skips(self):
        """{cell: reason} of those that cannot run here."""
        skips = {}
        for cell in self.spec.chosen():
            which = cell.arm.device
            reason = self.targets.missing(which) or self.spec.clients and client.without(cell)
            if not reason and cell.workload.direction == "write" and self.spec.read_only:
                path = self.targets.acquire(which).path
                reason = path in self.spec.read_only and f"writes need --allow-write {path}"
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
            # one at a time: scsi_debug replaces one by the other
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
        """The planned steps or, if the gate decides when to stop, round after round until it has decided on every cell."""
        if not self.spec.sequential:
            yield from self.plan()
            return
        left = self.runnable()
        for number in itertools.count(cells.WARM_UP):
            # in the warm-up each build is tried once, even if the other refuses
            left = [cell for cell in left if cell not in self.failed and (number == cells.WARM_UP or cell.arm not in self.lacking)]
            left = [cell for cell in left if verdicts.wanted(self.seen.get(cell.name, ()))]
            if not left:
                return
            yield from self.spec.round(number, left)

    def run(self, emit, out, before=(), stop=lambda: None):
        """Do every step that `before` has no record of, until stop() gives a reason not to; emit() gets a record of each."""
        self.spec.tools.require()
        self.emit = emit
        self.out = out
        self.raw = os.path.join(out, "raw", self.spec.name)
        os.makedirs(self.raw, exist_ok=True)
        place, env = results.parts(out, self.spec.name).environment, self.environment()
        results.save_json(place, env)
        if self.spec.mode == cells.INSTRUCTIONS and self.spec.cells:
            self.trace = accounting.Trace(self.host)
            if self.spec.tools.plugin:
                self.counter = insn.Counter(self.host, insn.place(out, self.spec), self.spec.tools.mark)
        done = {record["step"]: record for record in before if "step" in record}
        if not before and (skips := self.skips()):
            # pi-bench outside the guest could not know how many steps there are
            self.record("plan", None, steps=len(self.plan()))
            for cell, reason in skips.items():
                self.record("skip", cell, reason=reason)
        with contextlib.ExitStack() as end, self.holding:
            end.callback(self.record_health, place, env)
            if self.spec.precondition:
                self.precondition(before, stop)
            for step in self.steps():
                # an old record counts only when its turn comes: what came later must not change the steps of a round
                if step.key in done:
                    self.learn(step, done[step.key])
                elif why := stop():
                    self.record("stop", step.cell, reason=why)
                    return
                elif step.cell:
                    self.learn(step, self.take(step))
                else:
                    self.attr_cost(step)

    def record_health(self, place, env):
        """Record the health figures of the drives at the end."""
        drives = {} if self.spec.scsi_debug or self.spec.clients else self.targets.devices
        after = {which: health.of(self.host, each.disk, each.path) for which, each in drives.items()}
        # must not hide the error that ended the session
        with contextlib.suppress(Failure):
            results.save_json(place, env | {"after": after})

    def attr_cost(self, step):
        """Measure what passing the attribute costs; if this kernel cannot do that, go on to whole I/Os."""
        argv = self.spec.attr_cost()
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            self.record("skip", None, step, argv=argv, reason=last_line(done.stderr, done.returncode))
            return
        for line in done.stdout.splitlines():
            self.record("attr", None, row=json.loads(line))
        self.record("attr", None, step, argv=argv, row={"kind": "end"})

    def refuses(self, step):
        """The build whose refusal rules out a step: its own or, once its own has run, the other; or None."""
        lacking = self.lacking.get(step.cell.arm, {})
        if not lacking or step.build in lacking:
            return step.build if lacking else None
        tried = not self.spec.builds or any(run["build"] == step.build for run in self.seen.get(step.cell.name, ()))
        return next(iter(lacking)) if tried else None

    def take(self, step):
        """Do a step, unless an earlier one showed that it cannot work; its record."""
        cell, refuses = step.cell, self.refuses(step)
        if refuses is not None:
            return self.record("skip", cell, step, refuses=refuses, reason=self.lacking[cell.arm][refuses])
        if cell in self.failed:
            return self.record("skip", cell, step, reason="failed before")
        try:
            return self.record("timed" if step.build == TIMED else "run", cell, step, **self.measure(step))
        except IoFailure as error:
            if fio.lacking(cell, str(error)):
                return self.record("skip", cell, step, refuses=step.build, reason=str(error))
            return self.record("failure", cell, step, reason=str(error))

    def learn(self, step, record):
        """Remember what decides about later steps."""
        if record["kind"] == "run":
            self.seen.setdefault(record["cell"], []).append(record)
        elif record["kind"] == "failure":
            self.failed.add(step.cell)
        elif "refuses" in record:
            self.lacking.setdefault(step.cell.arm, {})[record["refuses"]] = record["reason"]

    def record(self, kind, cell, step=None, **fields):
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
        if step:
            record |= {"round": step.round, "step": step.key, "build": step.build, "reference": step.reference}
        self.emit(record)
        return record

    def writer(self, target, workload):
        """A cell that writes a device with fio's own engine, whatever is measured."""
        return cells.Cell(workload, cells.arm(f"{cells.AUTOPI if target.pi else cells.NOPI}/{cells.FIO}"))

    def precondition(self, before, stop):
        """Write all of each device, then at random until the rate is steady; a device that was interrupted begins again."""
        done = {record["device"] for record in before if record["kind"] == "precondition"}
        self.targets.filled |= done
        for target in (each for each in self.targets.devices.values() if each.path not in done):
            if stop():
                return
            size = target.size // FILL_BLOCK * FILL_BLOCK
            fill, random = (self.writer(target, workload) for workload in (FILL, RANDOM))
            for _ in range(steady.FILLS):
                self.program(fill, target, size // FILL_BLOCK, self.spec.tools, region=size, timeout=WEEK)
            self.targets.filled.add(target.path)
            ios, figures = cells.number_ios(self.spec.mode, RANDOM, 1, self.spec.scale), []
            while len(figures) < steady.MOST and not steady.reached(figures):
                if stop():
                    return
                _, measured = self.program(random, target, ios, self.spec.tools, region=size)
                figures.append(measured["ios"] * 1e9 / measured["runtime_ns"])
            self.record("precondition", random, device=target.path, iops=figures)

    def fill(self, target):
        """Write the region once: unwritten blocks carry the escape tag, which nobody checks, or are not read at all."""
        if target.path in self.spec.read_only or target.path in self.targets.filled:
            return
        self.targets.filled.add(target.path)
        if not target.disk:
            with open(target.path, "wb") as file:
                file.write(bytes(target.size))
            return
        # Tags and, on SCSI, commands are then taken from the word of a bitmap where chance began; each from its last word takes
        # 5 instructions more. With 4 requests there is only the first word.
        with device.with_settings(self.host, device.fewest_requests(self.host, target) if self.trace else {}):
            if self.spec.fill:
                _, first = self.spec.builds[0]
                self.program(self.spec.chosen()[0], target, 0, first, jobs=self.spec.fill)
            else:
                self.program(self.writer(target, FILL), target, self.spec.region(target) // FILL_BLOCK, self.spec.tools)

    def apply(self, settings):
        """Apply these device settings until a step needs others."""
        if settings is not None and settings != self.settings:
            self.holding.pop_all().close()
            self.settings = {}
            self.holding.enter_context(device.with_settings(self.host, settings))
            self.settings = settings

    def program(self, cell, target, ios, tools, stats=None, jobs=None, region=None, timeout=0, bandwidth=""):
        """One run: (fio's own output, what was measured)."""
        argv, values = self.spec.invocation(cell, target, ios, tools, stats, jobs, region, bandwidth)
        started = time.time()
        before = accounting.kernel_threads(self.host)
        done = fio.run(argv, values, timeout or self.spec.timeout)
        threads = accounting.time_of_threads(before, accounting.kernel_threads(self.host))
        marked = self.counter.mark() if self.counter else None
        if self.spec.clients:
            parsed, measured = client.result(done, self.spec.clients, ios * cell.workload.numjobs)
        else:
            parsed, measured = fio.result(done, cell, ios)
        measured |= {"started": started, "argv": argv, "variables": values, "wall_ns": done.wall_ns}
        if not self.spec.clients:
            measured |= {"threads": threads, "resident": done.resident, "cpu_ns": done.cpu_ns + sum(threads.values())}
        if bandwidth and (seconds := fio.seconds(bandwidth)):
            measured["seconds"] = seconds
        if marked:
            measured["mark"] = marked
        if stats:
            measured["stats"] = fio.sidecar(stats)
            os.unlink(stats)
        return parsed, measured

    def once(self, step, target, ios, stats):
        """One run of a step, repeated if its instructions cannot be counted."""
        raw = os.path.join(self.raw, f"{step.round:02d}-{step.index:04d}.json")

        def run():
            log = raw.removesuffix(".json") if self.spec.bandwidth and not stats else ""
            parsed, measured = self.program(step.cell, target, ios, self.spec.built(step.build), stats, bandwidth=log)
            # under icount, writing it would add instructions to a later run
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
        """What the last run of a step measured; its cost without that of the short run before it, if there is one."""
        cell = step.cell
        if cell.arm.device == "nopi":
            # now, as scsi_debug loses its settings when it is reloaded
            self.apply({})
        target = self.targets.acquire(cell.arm.device)
        self.fill(target)
        if self.counter:
            self.counter.look()
        with contextlib.ExitStack() as stack:
            stats = None
            if step.build == TIMED:
                stats = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), "stats")
            self.apply(cell.arm.settings(target))
            first, *rest = [self.once(step, target, ios, stats) for ios in self.spec.runs(step)]
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
