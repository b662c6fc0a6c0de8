# SPDX-License-Identifier: GPL-2.0-only
"""Sessions from start to end: results kept as they come, whatever stops them, and gone on with later."""

import contextlib
import fcntl
import os
import pathlib
import shlex
import shutil
import tempfile
import time

from . import cells, device, environment, fio, guest, results, session
from .errors import Failure, Interrupted
from .progress import Progress, clock

DIRECTORIES = ("raw", "parts", "plots")
FILES = (results.NAME, "results.csv", "report.md", "index.html", "summary.md", "junit.xml", "verdicts.csv", "verdicts.jsonl")
# seconds, measured on two cores under TCG, or those of a middling drive: for estimates only
BOOT, START_UP = 20, 0.3
PER_IO_AND_KIB = {
    cells.INSTRUCTIONS: ((90e-6, 15e-6), (90e-6, 15e-6)),
    cells.CPU: ((287e-6, 3.2e-6), (104e-6, 3.9e-6)),
    cells.TIME: ((88e-6, 0.48e-6), (3.5e-6, 0.36e-6)),
}


def run_seconds(spec, step):
    """About how long one run takes."""
    workload = step.cell.workload
    per_io, per_kib = PER_IO_AND_KIB[spec.mode][workload.iodepth > 1]
    ios = cells.number_ios(spec.mode, workload, step.round, spec.scale)
    return START_UP + ios * (per_io + per_kib * workload.block_size / 1024)


def likely(spec):
    """Devices as a guest will have them."""
    paths = ("/dev/sda", "/dev/sda") if spec.scsi_debug else ("/dev/nvme0n1", "/dev/nvme0n2")
    formats = (device.Pi("T10-DIF-TYPE1-CRC", 4096, 8, True), None)
    return {w: device.Device(path, "", "", 1 << 30, 4096, pi) for w, path, pi in zip(("pi", "nopi"), paths, formats)}


def expected(plans, boots, at_once):
    """Seconds that all of it takes, some guests at a time."""
    each = [sum(run_seconds(spec, step) for step in plan) + BOOT * (spec in boots) for spec, plan in plans.items()]
    return max(sum(each) / at_once, *each)


def dry_run(plans, devices, boots=(), at_once=1):
    """Every command as one could type it."""
    print(f"cd {shlex.quote(str(fio.REPO))}")
    for spec, plan in plans.items():
        if spec in boots:
            print("# " + shlex.join(boots[spec]))
        for step in plan:
            if (step.build, step.cell.arm.layout) in spec.lacks:
                continue
            cell, target = step.cell, devices[spec][step.cell.arm.device]
            engine = dict(spec.builds).get(step.build, spec.tools.engine)
            tools = fio.Tools(spec.tools.fio, engine)
            stats = "stats.json" if step.build == session.TIMED else None
            values = fio.variables(cell, target, tools, spec.ios(target, cell, step.round), spec.region(target), spec.verify, stats)
            words = [f"{k}={v}" for k, v in values.items()] + fio.command(fio.section(cell, stats), tools, spec.jobs)
            print(f"{shlex.join(words)}  # {spec.name} round {step.round}: {step.name}")
    more = ", longer where the gate cannot tell yet" if any(spec.sequential for spec in plans) else ""
    print(f"# expected: about {clock(expected(plans, boots, at_once))} (minutes:seconds){more}")


@contextlib.contextmanager
def lock(out):
    """Two at once would mix their results."""
    descriptor = os.open(out / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Failure(f"{out}: another pi-bench is writing there; wait for it or name another --out") from None
    finally:
        os.close(descriptor)


def sweep(out):
    """Remove what earlier runs have left, and nothing else."""
    for name in DIRECTORIES:
        shutil.rmtree(out / name, ignore_errors=True)
    for name in FILES:
        (out / name).unlink(missing_ok=True)


@contextlib.contextmanager
def prepare(out, keep=False):
    """A directory for results that nobody else uses, empty or with the old ones gone but for what is to be kept."""
    with contextlib.ExitStack() as held:
        try:
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()) and not (out / "env.json").exists():
                raise Failure(f"{out}: neither empty nor written by pi-bench; name another --out")
            held.enter_context(lock(out))
            if not keep:
                sweep(out)
            with tempfile.TemporaryFile(dir=out) as probe:
                probe.write(b" ")
        except OSError as error:
            raise Failure(f"{out}: {error.strerror}; name another --out") from None
        yield out


def resumable(out, specs):
    """The environment that a stopped run has left, if it was to do the same."""
    env = results.load_json(out / "env.json")
    if not env:
        raise Failure(f"{out}: nothing to resume; leave --resume out")
    if env.get("specs") != specs:
        raise Failure(f"{out}: was begun with other options or another engine; repeat it as: {env.get('command', '?')} --resume")
    return env


def digest(spec):
    """What a resumed run must have in common with the one that was stopped: its options and the engines' contents."""
    engines = [environment.sha256(path) for path in (spec.tools.engine, *(path for _, path in spec.builds))]
    return [session.encode(spec), *engines]


class Stop:
    """Says when the time budget is over."""

    def __init__(self, minutes, now=time.monotonic):
        self.now = now
        self.minutes = minutes
        self.deadline = now() + minutes * 60 if minutes else None

    def __call__(self):
        return f"the time budget of {self.minutes:g} min is over" if self.deadline and self.now() >= self.deadline else None


def measure(host, options, plans, go, env):
    """Run what was planned and keep every result as it comes; returns the directory.

    go(out, emit, before, stop): runs the sessions; env: what the report is to say besides.
    """
    out = pathlib.Path(options.out).absolute()
    tools = next(iter(plans)).tools
    tools.require()
    env |= {
        "schema": results.SCHEMA,
        "command": shlex.join(["scripts/pi-bench", *options.arguments]),
        "specs": [digest(spec) for spec in plans],
        # how many there are where the gate decides is not known beforehand
        "planned": {spec.name: len(plan) for spec, plan in plans.items() if not spec.sequential},
    }
    if options.resume:
        old = resumable(out, env["specs"])
        env |= {name: old[name] for name in ("command", "host", "sessions") if name in old}
    else:
        env["host"] = environment.machine(host) | environment.software(host, tools)
    with prepare(out, keep=options.resume):
        before = results.recover(out)
        results.save_json(out / "env.json", env)
        keep(out, options, plans, go, env, before)
    return out


def keep(out, options, plans, go, env, before):
    """Let the sessions run, write down what they say, and what to do where they were stopped."""
    progress = Progress({spec.name: [run_seconds(spec, step) for step in plan] for spec, plan in plans.items()})
    for record in before:
        if "step" in record:
            progress.skip(record["session"])

    def emit(record):
        results.append(out / results.NAME, record)
        if record["kind"] == "failure":
            progress.say(f"pi-bench: {record['session']}: {record['cell']}: {record['reason']}")
        elif record["kind"] == "stop":
            progress.say(f"pi-bench: {record['session']}: {record['reason']}; to go on: the same with --resume")
        if "step" in record:
            what = f"{record['session']} round {record['round']}: {record['cell']} {record['build']}".rstrip()
            progress.step(record["session"], what)

    def finish():
        found = {spec.name: results.load_json(results.parts(out, spec.name).environment) for spec in plans}
        env["sessions"] = {**(env.get("sessions") or {}), **{name: each for name, each in found.items() if each}}
        env["fingerprints"] = {spec.name: fingerprint(env, spec) for spec in plans}
        results.save_json(out / "env.json", env)

    try:
        go(out, emit, before, Stop(options.time_budget))
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


def in_guests(host, options, sessions, boot, what, env):
    """Sessions {spec: disks} in guests, as many at once as there are processors."""
    at_once = os.cpu_count() or 1
    plans = {spec: spec.plan(spec.chosen()) for spec in sessions}
    if options.dry_run:
        boots = {spec: guest.command(spec, disks, os.path.abspath(options.out), boot) for spec, disks in sessions.items()}
        dry_run(plans, {spec: likely(spec) for spec in sessions}, boots, at_once)
        return None

    def go(out, emit, before, stop):
        done = {(record["session"], record["step"]) for record in before if "step" in record}
        # one that has nothing to do need not be booted
        left = {spec: disks for spec, disks in sessions.items()
                if spec.sequential or any((spec.name, step.key) not in done for step in plans[spec])}  # fmt: skip
        guest.run(left, str(out), emit, boot, at_once, stop)

    return measure(host, options, plans, go, {**env, "guest": what})


def on_devices(host, options, spec, env):
    """One session here, its devices held so that nobody else takes them."""
    with contextlib.ExitStack() as held:
        for path in filter(None, (spec.pi, spec.nopi)):
            held.callback(os.close, device.hold(host, path))
        here = session.Session(host, spec)
        plans = {spec: here.plan()}
        if not plans[spec]:
            raise Failure(f"nothing to run: {'; '.join(sorted(set(here.skips().values())))}")
        if options.dry_run:
            dry_run(plans, {spec: here.targets.devices})
            return None

        def go(out, emit, before, stop):
            here.run(emit, str(out), before=before, stop=stop)

        return measure(host, options, plans, go, env)


def load(out):
    """(records, environment) of a directory."""
    return results.load(out), results.load_json(os.path.join(out, "env.json")) or {}


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
        "--scale": spec.scale,
        "--verify": spec.verify,
    }
