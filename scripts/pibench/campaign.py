# SPDX-License-Identifier: GPL-2.0-only
"""Sessions from start to end, here or in guests: results kept as they come, whatever stops them, and gone on with later."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import shlex
import shutil
import time

from . import cells, command, device, environment, fio, guest, insn, results, session
from .errors import Failure, Interrupted
from .progress import Progress, clock, span

# seconds, measured on two cores under TCG, or those of a middling drive: for estimates only
BOOT, START_UP, ATTR_COST = 20, 0.3, 8
ANNOUNCED = 6
BEFORE = "{}: before all that, its devices are written twice, then at random until steady state, which is not in the time below"
PER_IO_AND_KIB = {
    cells.INSTRUCTIONS: ((90e-6, 15e-6), (90e-6, 15e-6)),
    cells.CPU: ((287e-6, 3.2e-6), (104e-6, 3.9e-6)),
    cells.TIME: ((88e-6, 0.48e-6), (3.5e-6, 0.36e-6)),
}


def run_seconds(spec, step):
    """About how long a step takes."""
    if not step.cell:
        return ATTR_COST
    workload = step.cell.workload
    per_io, per_kib = PER_IO_AND_KIB[spec.mode][workload.iodepth > 1]
    each = (per_io + per_kib * workload.block_size / 1024) * workload.numjobs
    return sum(START_UP + ios * each for ios in spec.runs(step))


def likely(spec, disks):
    """Devices as a guest with these disks will have them."""
    kinds = {"scsi_debug": "/dev/sda", "tcm_loop": "/dev/sda", "null_blk": "/dev/nullb{0}", "ublk": "/dev/ublkb{0}"}
    named = {f"PI_DISK{at}": kinds.get(disk.partition(":")[0], "/dev/nvme0n{1}").format(at, at + 1) for at, disk in enumerate(disks)}
    paths = ["/dev/sda" if spec.scsi_debug else named.get(path, path or "") for path in (spec.pi, spec.nopi)]
    formats = (device.Pi("T10-DIF-TYPE1-CRC", 4096, 8, True), None)
    names = [os.path.basename(path) for path in paths]
    return {w: device.Device(path, name, name, 1 << 30, 4096, pi) for w, path, name, pi in zip(("pi", "nopi"), paths, names, formats)}


def expected(plans, boots, at_once):
    """Seconds that all of it takes: what is timed alone, the rest some guests at a time."""
    each = {spec: sum(run_seconds(spec, step) for step in plan) + BOOT * (spec in boots) for spec, plan in plans.items()}
    return span(each, [spec for spec in plans if not together(spec, boots)], at_once)


def commands(spec, step, devices):
    """A step as one could type it, a line a run."""
    tools = spec.built(step.build)
    if not step.cell:
        yield shlex.join(spec.attr_cost(tools))
        return
    stats = "stats.json" if step.build == session.TIMED else None
    log = "seconds" if spec.bandwidth and not stats else ""
    for ios in spec.runs(step):
        argv, values = spec.invocation(step.cell, devices[step.cell.arm.device], ios, tools, stats, bandwidth=log)
        words = [*(f"{name}={value}" for name, value in values.items()), *argv]
        yield f"{shlex.join(words)}  # {spec.name} round {step.round}: {step.name}"


def dry_run(plans, devices, boots, out):
    """Every command as one could type it."""
    print(f"cd {shlex.quote(str(fio.REPO))}")
    for spec, plan in plans.items():
        if spec in boots:
            print("# " + shlex.join(guest.command(spec, boots[spec], out)))
        if spec.precondition:
            print("# " + BEFORE.format(spec.name))
        for step in plan:
            if not step.cell or (step.build, step.cell.arm.layout) not in spec.lacks:
                print("\n".join(commands(spec, step, devices[spec])))
    more = ", longer where the gate cannot tell yet" if any(spec.sequential for spec in plans) else ""
    print(f"# expected: about {clock(expected(plans, boots, os.cpu_count() or 1))} (minutes:seconds){more}")


def announce(plans, boots, out):
    """What is about to happen, before it takes its time."""
    # of many boots alike the first ones tell
    for number, (spec, plan) in enumerate(list(plans.items())[:ANNOUNCED], 1):
        where = f"in a guest with {', '.join(boots[spec])}" if spec in boots else f"on {', '.join(spec.clients) or 'this machine'}"
        what = {cells.TIME: "time", cells.CPU: "CPU", cells.INSTRUCTIONS: "instructions"}[spec.mode]
        rounds = "as many rounds as it takes" if spec.sequential else f"{spec.rounds} round{'s' * (spec.rounds != 1)}"
        command.say(f"{number} of {len(plans)}: {spec.name}: {len(plan)} steps in {rounds}, {what}, {where}")
    if any(spec.mode == cells.INSTRUCTIONS and spec.icount and not spec.tools.plugin for spec in plans):
        command.say(f"{insn.PLUGIN.name} is not built: the emulated drive's instructions are in all figures; make builds it (x86-64 only)")
    for spec in (spec for spec in plans if spec.precondition):
        command.say(BEFORE.format(spec.name))
    took = clock(expected(plans, boots, os.cpu_count() or 1))
    command.say(f"about {took} (minutes:seconds); results in {out}")


def together(spec, boots):
    """Whether it may run beside others: what it counts is not time."""
    return spec in boots and spec.mode != cells.TIME


def resumable(out, now):
    """The environment that a stopped run has left, if it was to do the same."""
    env = results.load_json(out / "env.json")
    if not env:
        raise Failure(f"{out}: nothing to resume; leave --resume out")
    begun, again = ([word for word in shlex.split(each.get("command", "?")) if word != "--resume"] for each in (env, now))
    if env.get("specs") != now["specs"] and begun == again:
        raise Failure(f"{out}: was begun with another engine, fio or job file; put that back, or leave --resume out to begin anew")
    if env.get("specs") != now["specs"]:
        raise Failure(f"{out}: was begun with other options; repeat it as: {env.get('command', '?')} --resume")
    return env


def digest(spec):
    """What a resumed run must have in common with the one that was stopped: its options and what the programs hold."""
    files = [*dataclasses.astuple(spec.tools), *(path for _, path in spec.builds + spec.fios), spec.jobs, spec.fill]
    return [session.encode(spec), *map(environment.sha256, filter(None, files))]


class Stop:
    """Says when the time budget is over."""

    def __init__(self, minutes, now=time.monotonic):
        self.now = now
        self.minutes = minutes
        self.deadline = now() + minutes * 60 if minutes else None

    def __call__(self):
        return f"the time budget of {self.minutes:g} min is over" if self.deadline and self.now() >= self.deadline else None


def run(host, options, wanted, env):
    """Run sessions {spec: disks of its guest, or None: here}, and keep every result as it comes; the directory, or None.

    env: what the report is to say besides, its kind before all.
    """
    out = pathlib.Path(options.out).absolute()
    wanted = {insn.equipped(spec): disks for spec, disks in wanted.items()}
    boots = {spec: disks for spec, disks in wanted.items() if disks is not None}
    with contextlib.ExitStack() as held:
        here = {spec: session.Session(host, spec) for spec in wanted if spec not in boots}
        plans = {spec: here[spec].plan() if spec in here else spec.plan(spec.chosen()) for spec in wanted}
        if not any(plans.values()):
            raise Failure(f"nothing to run: {'; '.join(sorted({why for each in here.values() for why in each.skips().values()}))}")
        if options.dry_run:
            devices = {spec: here[spec].targets.devices if spec in here else likely(spec, wanted[spec]) for spec in plans}
            dry_run(plans, devices, boots, out)
            return None
        mine = {path for spec in here if not spec.clients for path in (spec.pi, spec.nopi)}
        for path in (path for path in mine if path and not path.startswith(device.FILE)):
            # so that nobody else takes it
            held.callback(os.close, device.hold(host, path))
        for spec in wanted:
            spec.tools.require()
        env |= {
            "schema": results.SCHEMA,
            "command": shlex.join(["scripts/pi-bench", *options.arguments]),
            "specs": [[*digest(spec), *(wanted[spec] or ())] for spec in plans],
            # how many there are where the gate decides is not known beforehand
            "planned": {spec.name: len(plan) for spec, plan in plans.items() if not spec.sequential},
        }
        if options.resume:
            old = resumable(out, env)
            env |= {name: old[name] for name in ("command", "host", "sessions") if name in old}
        else:
            env["host"] = environment.machine(host) | environment.software(host, next(iter(plans)).tools)
        held.enter_context(results.prepare(out, keep=options.resume))
        before = results.recover(out)
        results.save_json(out / "env.json", env)
        announce(plans, boots, options.out)
        keep(out, options, plans, boots, env, before, lambda emit, stop: go(here, plans, boots, str(out), emit, before, stop))
    return out


def go(here, plans, boots, out, emit, before, stop):
    """One after another what is timed or runs here, then guests side by side."""
    done = collections.Counter(record["session"] for record in before if "step" in record)
    known = {record["session"]: record["steps"] for record in before if record["kind"] == "plan"}

    def left(spec):
        # one that has nothing to do need not be booted
        return spec.sequential or done[spec.name] < known.get(spec.name, len(plans[spec]))

    for spec, each in here.items():
        mine = [record for record in before if record["session"] == spec.name]
        each.run(emit, out, before=mine, stop=stop)
    alone = [[spec] for spec in boots if not together(spec, boots)]
    for chosen in (*alone, [spec for spec in boots if together(spec, boots)]):
        guest.run({spec: boots[spec] for spec in chosen if left(spec)}, out, emit, os.cpu_count() or 1, stop)


def keep(out, options, plans, boots, env, before, go):
    """Let the sessions run, write down what they say, and what to do where they were stopped."""
    progress = Progress({spec.name: [run_seconds(spec, step) for step in plan] for spec, plan in plans.items()},
                        alone=[spec.name for spec in plans if not together(spec, boots)], at_once=os.cpu_count() or 1)  # fmt: skip
    for record in before:
        progress.hear(record, before=True)

    def emit(record):
        results.append(out / results.NAME, record)
        if record["kind"] == "failure":
            progress.say(f"pi-bench: {record['session']}: {record['cell']}: {record['reason']}")
        elif record["kind"] == "stop":
            progress.say(f"pi-bench: {record['session']}: {record['reason']}; to go on: the same with --resume")
        progress.hear(record)

    def finish():
        found = {spec.name: results.load_json(results.parts(out, spec.name).environment) for spec in plans}
        env["sessions"] = {**(env.get("sessions") or {}), **{name: each for name, each in found.items() if each}}
        env["fingerprints"] = {spec.name: fingerprint(env, spec) for spec in plans}
        results.save_json(out / "env.json", env)

    try:
        go(emit, Stop(options.time_budget))
    except (Failure, OSError) as error:
        progress.end()
        # what went wrong must be said even where the disk is full
        with contextlib.suppress(Failure, OSError):
            finish()
        kept = sum(record["kind"] == "run" for record in results.recover(out))
        if not kept:
            raise
        why = error if isinstance(error, Failure) else f"{error.filename or 'system'}: {error.strerror}"
        text = f"{why}; {kept} runs are kept: the same with --resume goes on, pi-bench report {options.out} shows them"
        raise (Interrupted(error.number, text) if isinstance(error, Interrupted) else Failure(text)) from None
    finally:
        progress.end()
    finish()
    shutil.rmtree(out / "parts", ignore_errors=True)


def fingerprint(env, spec):
    """What two results that count instructions must have in common, each part by its name."""
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
