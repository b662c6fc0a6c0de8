# SPDX-License-Identifier: GPL-2.0-only
"""All sessions of a command, here or in guests: plan, announce and run them, keep every result, and resume what was stopped."""

import contextlib
import dataclasses
import math
import os
import pathlib
import shlex
import shutil
import time

from . import cells, command, device, environment, fio, guest, insn, results, session
from .errors import Failure, Interrupted
from .progress import Progress, clock

# seconds, measured on two cores under TCG or, for time, on a middling drive: for estimates only
BOOT, START_UP, ATTR_COST = 20, 0.3, 8
PER_IO_AND_KIB = {
    cells.INSTRUCTIONS: ((90e-6, 15e-6), (90e-6, 15e-6)),
    cells.CPU: ((287e-6, 3.2e-6), (104e-6, 3.9e-6)),
    cells.TIME: ((88e-6, 0.48e-6), (3.5e-6, 0.36e-6)),
}
ANNOUNCED = 6
BEFORE = "{}: first writes its devices twice, then at random until steady state; the time below does not include that"


def run_seconds(spec, step):
    """About how long a step takes."""
    if not step.cell:
        return ATTR_COST
    workload = step.cell.workload
    per_io, per_kib = PER_IO_AND_KIB[spec.mode][workload.iodepth > 1]
    each = (per_io + per_kib * workload.block_size / 1024) * workload.numjobs
    return sum(START_UP + ios * each for ios in spec.runs(step))


class Plan:
    """The steps of one session, in a guest with these disks or, if disks is None, on this machine."""

    def __init__(self, host, spec, disks):
        self.spec, self.disks = spec, disks
        self.session = session.Session(host, spec) if disks is None else None
        self.steps = self.session.plan() if self.session else spec.plan(spec.chosen())

    @property
    def alone(self):
        """Whether nothing may run at the same time: it measures time, or runs on this machine."""
        return self.disks is None or self.spec.mode == cells.TIME

    def seconds(self):
        """About how long each step takes; the first one includes the boot."""
        found = [run_seconds(self.spec, step) for step in self.steps]
        return [found[0] + BOOT, *found[1:]] if found and self.disks is not None else found

    def devices(self):
        """{"pi" and "nopi": the Device}; those of a guest as they are going to be."""
        if self.session:
            return self.session.targets.devices
        kinds = {"scsi_debug": "/dev/sda", "tcm_loop": "/dev/sda", "null_blk": "/dev/nullb{0}", "ublk": "/dev/ublkb{0}"}
        named = {f"PI_DISK{at}": kinds.get(disk.partition(":")[0], "/dev/nvme0n{1}").format(at, at + 1)
                 for at, disk in enumerate(self.disks)}  # fmt: skip
        found = {}
        for which, path, pi in (("pi", self.spec.pi, device.Pi("T10-DIF-TYPE1-CRC", 4096, 8, True)), ("nopi", self.spec.nopi, None)):
            path = "/dev/sda" if self.spec.scsi_debug else named.get(path, path or "")
            name = os.path.basename(path)
            found[which] = device.Device(path, name, name, 1 << 30, 4096, pi)
        return found

    def commands(self, step):
        """The shell command of each run of a step."""
        spec, tools = self.spec, self.spec.built(step.build)
        if not step.cell:
            yield shlex.join(spec.attr_cost())
            return
        stats = "stats.json" if step.build == session.TIMED else None
        log = "seconds" if spec.bandwidth and not stats else ""
        target = self.devices()[step.cell.arm.device]
        for ios in spec.runs(step):
            argv, values = spec.invocation(step.cell, target, ios, tools, stats, bandwidth=log)
            words = [*(f"{name}={value}" for name, value in values.items()), *argv]
            yield f"{shlex.join(words)}  # {spec.name} round {step.round}: {step.name}"


def dry_run(plans, seconds, out):
    """Print every command."""
    print(f"cd {shlex.quote(str(fio.REPO))}")
    for plan in plans:
        if plan.disks is not None:
            print("# " + shlex.join(guest.command(plan.spec, plan.disks, out)))
        if plan.spec.precondition:
            print("# " + BEFORE.format(plan.spec.name))
        for step in plan.steps:
            if not step.cell or (step.build, step.cell.arm.layout) not in plan.spec.lacks:
                print("\n".join(plan.commands(step)))
    more = ", longer where the gate cannot tell yet" if any(plan.spec.sequential for plan in plans) else ""
    print(f"# expected: about {clock(seconds)} (minutes:seconds){more}")


def announce(plans, seconds, out):
    """Say what is about to run and for how long."""
    for number, plan in enumerate(plans[:ANNOUNCED], 1):
        spec = plan.spec
        where = f"on {', '.join(spec.clients) or 'this machine'}" if plan.session else f"in a guest with {', '.join(plan.disks)}"
        what = {cells.TIME: "time", cells.CPU: "CPU", cells.INSTRUCTIONS: "instructions"}[spec.mode]
        rounds = "as many rounds as it takes" if spec.sequential else f"{spec.rounds} round{'s' * (spec.rounds != 1)}"
        steps = f"{len(plan.steps)} step{'s' * (len(plan.steps) != 1)}"
        command.say(f"{number} of {len(plans)}: {spec.name}: {steps} in {rounds}, {what}, {where}")
    specs = [plan.spec for plan in plans]
    if any(spec.mode == cells.INSTRUCTIONS and spec.icount and not spec.tools.plugin for spec in specs):
        command.say(f"{insn.PLUGIN.name} is not built: the emulated drive's instructions are in all figures; make builds it (x86-64 only)")
    for spec in specs:
        if spec.precondition:
            command.say(BEFORE.format(spec.name))
    command.say(f"about {clock(seconds)} (minutes:seconds); results in {out}")


def resumable(out, now):
    """The environment that a stopped run of the same benchmark left."""
    env = results.load_json(out / "env.json")
    if not env:
        raise Failure(f"{out}: nothing to resume; leave --resume out")
    if env.get("specs") != now["specs"]:
        begun, again = ([word for word in shlex.split(each.get("command", "?")) if word != "--resume"] for each in (env, now))
        if begun == again:
            raise Failure(f"{out}: was begun with another engine, fio or job file; put that back, or leave --resume out to begin anew")
        raise Failure(f"{out}: was begun with other options; repeat it as: {env.get('command', '?')} --resume")
    return env


def digest(plan):
    """What must be unchanged when a stopped run is resumed: its options and the contents of its programs."""
    spec = plan.spec
    programs = [path for tools in (spec.tools, *dict(spec.builds).values()) for path in dataclasses.astuple(tools)]
    files = dict.fromkeys(filter(None, [*programs, spec.jobs, spec.fill]))
    return [session.encode(spec), *map(environment.sha256, files), *(plan.disks or ())]


def time_budget(minutes, now=time.monotonic):
    """A function that returns the reason to stop when the time is over."""
    deadline = now() + minutes * 60 if minutes else math.inf
    return lambda: f"the time budget of {minutes:g} min is over" if now() >= deadline else None


def run(host, options, wanted, env):
    """Run sessions {spec: disks of its guest, or None: on this machine}; the directory of results, or None after a dry run.

    env: what else the report needs to know.
    """
    out = pathlib.Path(options.out).absolute()
    with contextlib.ExitStack() as held:
        plans = [Plan(host, insn.equipped(spec), disks) for spec, disks in wanted.items()]
        here = [plan.session for plan in plans if plan.session]
        if not any(plan.steps for plan in plans):
            raise Failure(f"nothing to run: {'; '.join(sorted({why for each in here for why in each.skips().values()}))}")
        progress = Progress({plan.spec.name: plan.seconds() for plan in plans},
                            alone=[plan.spec.name for plan in plans if plan.alone], at_once=os.cpu_count() or 1)  # fmt: skip
        if options.dry_run:
            dry_run(plans, progress.left(), out)
            return None
        for path in {path for each in here if not each.spec.clients for path in (each.spec.pi, each.spec.nopi)}:
            if path and not path.startswith(device.FILE):
                held.callback(os.close, device.hold(host, path))
        for plan in plans:
            plan.spec.tools.require()
            insn.require(plan.spec)
        env |= {
            "schema": results.SCHEMA,
            "command": shlex.join(["scripts/pi-bench", *options.arguments]),
            "specs": [digest(plan) for plan in plans],
            # if the gate decides when to stop, the number of steps is not known
            "planned": {plan.spec.name: len(plan.steps) for plan in plans if not plan.spec.sequential},
        }
        if options.resume:
            old = resumable(out, env)
            env |= {name: old[name] for name in ("command", "host", "sessions") if name in old}
        else:
            env["host"] = environment.machine(host) | environment.software(host, plans[0].spec.tools)
        held.enter_context(results.prepare(out, keep=options.resume))
        before = results.recover(out)
        for record in before:
            progress.hear(record, before=True)
        results.save_json(out / "env.json", env)
        announce(plans, progress.left(), options.out)
        run_and_save(out, options, plans, progress, env, before)
    return out


def run_sessions(plans, out, progress, emit, before, stop):
    """Run sessions on this machine and those that measure time one by one, then the other guests in parallel."""
    for plan in plans:
        if plan.session:
            plan.session.run(emit, out, [record for record in before if record["session"] == plan.spec.name], stop)
    # a guest with nothing left to do need not boot
    guests = [plan for plan in plans if not plan.session and (plan.spec.sequential or progress.unfinished(plan.spec.name))]
    for group in (*([plan] for plan in guests if plan.alone), [plan for plan in guests if not plan.alone]):
        guest.run({plan.spec: plan.disks for plan in group}, out, emit, progress.at_once, stop)


def run_and_save(out, options, plans, progress, env, before):
    """Run the sessions and save each record; if something stops them, say how to go on."""

    def emit(record):
        results.append(out / results.NAME, record)
        if record["kind"] == "failure":
            progress.say(f"pi-bench: {record['session']}: {record['cell']}: {record['reason']}")
        elif record["kind"] == "stop":
            progress.say(f"pi-bench: {record['session']}: {record['reason']}; repeat with --resume to continue")
        progress.hear(record)

    def finish():
        found = {plan.spec.name: results.load_json(results.parts(out, plan.spec.name).environment) for plan in plans}
        env["sessions"] = {**(env.get("sessions") or {}), **{name: each for name, each in found.items() if each}}
        env["fingerprints"] = {plan.spec.name: fingerprint(env, plan.spec) for plan in plans}
        results.save_json(out / "env.json", env)

    try:
        run_sessions(plans, str(out), progress, emit, before, time_budget(options.time_budget))
    except (Failure, Interrupted, OSError) as error:
        progress.end()
        # saving may fail for the same reason, such as a full disk
        with contextlib.suppress(Failure, OSError):
            finish()
        kept = sum(record["kind"] == "run" for record in results.recover(out))
        if not kept:
            raise
        why = f"{error.filename or 'system'}: {error.strerror}" if isinstance(error, OSError) else error
        text = f"{why}; {kept} runs are kept: repeat with --resume to continue, or see them with pi-bench report {options.out}"
        raise (Interrupted(error.number, text) if isinstance(error, Interrupted) else Failure(text)) from None
    finally:
        progress.end()
    finish()
    shutil.rmtree(out / "parts", ignore_errors=True)


def fingerprint(env, spec):
    """What must be the same in two results for their instructions to be comparable."""
    host = env.get("host") or {}
    inside = (env.get("sessions") or {}).get(spec.name) or {}
    return {
        "guest": env.get("guest"),
        "kernel": inside.get("kernel"),
        "kernel configuration": inside.get("kernel_config_sha256"),
        "processor": inside.get("cpu"),
        "command line": inside.get("command_line"),
        "fio": host.get("fio_sha256"),
        "compiler": host.get("engine_compiler"),
        "job file": environment.sha256(spec.jobs),
        "mode": spec.mode,
        "counted": "by function" if spec.tools.plugin else "by time",
        "--scale": spec.scale,
        "--verify": spec.verify,
    }
