# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import shlex
import shutil
import signal
import sys
import tempfile

from . import cells, device, environment, fio, guest, plot, report, results, session
from .errors import ENVIRONMENT, IO, Failure, Interrupted
from .host import Host
from .progress import Progress, clock

ROUNDS = 3
# seconds, measured on two cores under TCG, or those of a middling drive: for estimates only
BOOT, START_UP = 20, 0.3
SECONDS_PER_IO = {
    cells.INSTRUCTIONS: {(4096, 1): 150e-6, (4096, 32): 150e-6, (131072, 1): 2e-3, (131072, 32): 2e-3},
    cells.CPU: {(4096, 1): 300e-6, (4096, 32): 120e-6, (131072, 1): 700e-6, (131072, 32): 600e-6},
}
DEVICE = {(4096, 1): 90e-6, (4096, 32): 5e-6, (131072, 1): 150e-6, (131072, 32): 50e-6}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; see {self.prog} --help")


def parser():
    top = Parser(
        prog="pi-bench",
        description="What protection information through io_uring costs, against plain io_uring.",
        epilog="Exit status: 0 done, 2 wrong usage or environment, 4 an I/O or PI error.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure, in guests or on a device, and write the report")
    where = run.add_mutually_exclusive_group(required=True)
    where.add_argument("--guest", action="store_true", help="boot guests: scsi_debug and NVMe, no PI hardware needed")
    where.add_argument("--dut", metavar="DEV", help="measure on this block device; reads only")
    run.add_argument("--dut-nopi", metavar="DEV", help="a namespace without PI on the same drive, for plain-nopi; reads only")
    run.add_argument(
        "--allow-write", action="append", default=[], metavar="DEV",
        help="allow writes to --dut (or, repeated, --dut-nopi) by naming it again; DESTROYS ITS DATA",
    )  # fmt: skip
    run.add_argument("--out", metavar="DIR", default="build/report", help="directory for results and report (%(default)s)")
    run.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds after the warm-up (%(default)s)")
    run.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the order of runs (%(default)s)")
    run.add_argument("--scale", type=float, default=1.0, metavar="X", help="multiply the I/Os of every run (%(default)s)")
    run.add_argument("--dry-run", action="store_true", help="print every command and the expected time; do nothing")
    run.add_argument("--kernel", metavar="KERNEL", help="guest kernel, as scripts/guest takes it")
    run.add_argument("--verify", default="both", choices=("host", "device", "both", "none"), help="pi_verify= (%(default)s)")

    show = commands.add_parser("list", help="list the cells")
    env = commands.add_parser("env", help="print the environment as JSON")
    env.add_argument("--dut", metavar="DEV", help="describe this device too")
    for command in (run, show):
        command.add_argument(
            "--only", action="append", default=[], metavar="WORDS", help="cells whose name has all these words (repeatable)"
        )
    for command in (run, env):
        command.add_argument("--fio", default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)")
        command.add_argument("--engine", default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)")

    again = commands.add_parser("report", help="write the report again from raw results")
    again.add_argument("dir", metavar="DIR")

    inner = commands.add_parser("session", help="run one session in this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")
    return top


def raise_interrupted(number, _):
    raise Interrupted(number)


def prepare(out):
    """An empty directory for results, or one whose old results may go."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()) and not (out / "env.json").exists():
            raise Failure(f"{out}: neither empty nor written by pi-bench; name another --out")
        for name in ("raw", "parts"):
            shutil.rmtree(out / name, ignore_errors=True)
        for old in (results.NAME, "report.md", *out.glob("bench*")):
            (out / old).unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise Failure(f"{out}: {error.strerror}; name another --out") from None
    return out


def common(options):
    return {
        "rounds": options.rounds,
        "seed": options.seed,
        "only": tuple(options.only),
        "scale": options.scale,
        "verify": options.verify,
        "tools": fio.Tools(os.path.abspath(options.fio), os.path.abspath(options.engine)),
    }


def guest_sessions(options, kvm):
    """{spec: disks}: instructions from scsi_debug; from NVMe namespaces CPU, or time where KVM makes it mean something."""
    nvme = {"mode": cells.TIME if kvm else cells.CPU, "icount": not kvm, "pi": "PI_DISK0", "nopi": "PI_DISK1"}
    return {
        session.Spec(name="scsi_debug", mode=cells.INSTRUCTIONS, icount=True, **common(options)): ["scsi_debug:4096+8"],
        session.Spec(name="nvme", **nvme, **common(options)): ["4096+8", "4096"],
    }


def device_session(host, options):
    """The spec for --dut, its devices checked."""
    paths = [path for path in (options.dut, options.dut_nopi) if path]
    for path in paths:
        device.describe(host, path)
    writable = device.may_write(host, paths, options.allow_write)
    found = [device.check(host, path, path in writable) for path in paths]
    if len(found) > 1 and found[1].pi:
        raise Failure(f"{options.dut_nopi}: has PI; --dut-nopi takes a namespace without")
    return session.Spec(
        name=found[0].name,
        mode=cells.CPU if environment.emulated(host) else cells.TIME,
        icount=False,
        read_only=tuple(path for path in paths if path not in writable),
        pi=options.dut,
        nopi=options.dut_nopi,
        **common(options),
    )


def run_seconds(spec, number, cell):
    """About how long one run takes."""
    ios = cells.number_ios(spec.mode, cell.workload, number, spec.scale)
    return START_UP + ios * (SECONDS_PER_IO.get(spec.mode, {}) or DEVICE)[cell.workload.block_size, cell.workload.iodepth]


def likely(spec):
    """Devices as a guest will have them."""
    paths = ("/dev/sda", "/dev/sda") if spec.scsi_debug else ("/dev/nvme0n1", "/dev/nvme0n2")
    formats = (device.Pi("T10-DIF-TYPE1-CRC", 4096, 8, True), None)
    return {w: device.Device(path, "", "", 1 << 30, 4096, pi) for w, path, pi in zip(("pi", "nopi"), paths, formats)}


def dry_run(plans, devices, boots):
    """Every command as one could type it."""
    print(f"cd {shlex.quote(str(fio.REPO))}")
    for spec, plan in plans.items():
        for boot in boots.get(spec, ()):
            print("# " + shlex.join(boot))
        for number, cell in plan:
            target = devices[spec][cell.arm.device]
            values = fio.variables(cell, target, spec.tools, spec.ios(target, cell, number), spec.region(target), spec.verify)
            words = [f"{k}={v}" for k, v in values.items()] + fio.command(cell.arm.section, spec.tools)
            print(f"{shlex.join(words)}  # {spec.name} round {number}: {cell.name}")
    seconds = [sum(run_seconds(spec, *step) for step in plan) + (BOOT if spec in boots else 0) for spec, plan in plans.items()]
    print(f"# expected: about {clock(max(seconds))} (minutes:seconds)")


def write_report(host, out, say):
    """report.md and figures; returns (text to show, whether anything failed)."""
    records = results.load(out)
    env = results.load_json(os.path.join(out, "env.json")) or {}
    shown, whole = report.markdown(records, env)
    sessions = report.group(records)
    main = next((s for s in sessions if s.runs), None)
    names = plot.bars(host, main, env, str(out), "bench") if main else ()
    if main and not names:
        say("pi-bench: no plot: gnuplot is not installed")
    if names:
        shown, whole = (t.replace("\n## Every workload", "\n![bars](bench.png)\n\n## Every workload", 1) for t in (shown, whole))
    (pathlib.Path(out) / "report.md").write_text(whole, encoding="utf-8")
    return shown, any(s.failures for s in sessions)


def check_options(options):
    if options.rounds < 1:
        raise Failure("--rounds: at least 1")
    if options.scale <= 0:
        raise Failure("--scale: more than 0")
    if not options.dut and (options.allow_write or options.dut_nopi):
        raise Failure(f"{'--allow-write' if options.allow_write else '--dut-nopi'} goes with --dut")
    if not cells.select(cells.CELLS, options.only):
        raise Failure(f"--only {' '.join(options.only)}: no such cell; pi-bench list shows them")


def run_in_guests(host, options):
    boot = ["--kernel", options.kernel] if options.kernel else []
    what = None if options.dry_run else guest.ready(boot)
    sessions = guest_sessions(options, kvm=bool(what) and what.startswith("KVM"))
    plans = {spec: spec.plan(spec.chosen()) for spec in sessions}
    if options.dry_run:
        boots = {spec: [guest.command(spec, disks, os.path.abspath(options.out), boot)] for spec, disks in sessions.items()}
        dry_run(plans, {spec: likely(spec) for spec in sessions}, boots)
        return 0
    return measure(host, options, plans, lambda out, emit: guest.run(sessions, str(out), emit, boot), {"guest": what})


def run_on_device(host, options):
    spec = device_session(host, options)
    with contextlib.ExitStack() as held:
        for path in filter(None, (spec.pi, spec.nopi)):
            held.callback(os.close, device.hold(host, path))
        here = session.Session(host, spec)
        plans = {spec: here.plan()}
        if not plans[spec]:
            raise Failure(f"nothing to run: {'; '.join(sorted(set(here.skips().values())))}")
        if options.dry_run:
            dry_run(plans, {spec: here.targets.devices}, {})
            return 0

        return measure(host, options, plans, lambda out, emit: here.run(emit, str(out)), {})


def measure(host, options, plans, go, env):
    """Run what was planned, keep every result as it comes, write the report."""
    tools = next(iter(plans)).tools
    tools.require()
    out = prepare(pathlib.Path(options.out).absolute())
    env |= {
        "schema": results.SCHEMA,
        "command": shlex.join(["scripts/pi-bench", *options.arguments]),
        "host": environment.machine(host) | environment.software(host, tools),
    }
    results.save_json(out / "env.json", env)
    progress = Progress({spec.name: [run_seconds(spec, *step) for step in plan] for spec, plan in plans.items()})

    def emit(record):
        results.append(out / results.NAME, record)
        if record["kind"] == "failure":
            progress.say(f"pi-bench: {record['session']}: {record['cell']}: {record['reason']}")
        if "round" in record:
            progress.step(record["session"], f"{record['session']} round {record['round']}: {record['cell']}")

    try:
        go(out, emit)
    except Failure:
        if (out / results.NAME).exists():
            progress.say(f"pi-bench: results so far: pi-bench report {options.out}")
        raise
    finally:
        progress.end()
        env["sessions"] = {spec.name: results.load_json(results.parts(out, spec.name).environment) for spec in plans}
        results.save_json(out / "env.json", env)
    shutil.rmtree(out / "parts", ignore_errors=True)
    shown, failed = write_report(host, out, progress.say)
    print(shown, end="")
    print(f"\nReport: {os.path.join(options.out, 'report.md')}")
    return IO if failed else 0


def in_guest(host, options):
    spec = session.decode(options.spec)
    named = {field: os.environ.get(getattr(spec, field) or "") for field in ("pi", "nopi")}
    spec = dataclasses.replace(spec, **{field: path for field, path in named.items() if path})
    spec.tools.require()
    part = results.parts(options.out, spec.name).records
    with tempfile.TemporaryDirectory() as memory:
        # a page of fio that must come from the host lets the processor idle in the middle of a run
        local = fio.Tools(shutil.copy(spec.tools.fio, memory), shutil.copy(spec.tools.engine, memory))
        session.Session(host, spec).run(lambda record: results.append(part, record), options.out, local)
    return 0


def show_list(options):
    chosen = cells.select(cells.CELLS, options.only)
    if not chosen:
        raise Failure(f"--only {' '.join(options.only)}: no such cell")
    for cell in chosen:
        print(cell.name)
    return 0


def show_environment(host, options):
    devices = {"dut": environment.device(host, device.describe(host, options.dut))} if options.dut else None
    found = environment.machine(host, devices) | environment.software(host, fio.Tools(options.fio, options.engine))
    print(json.dumps(found, indent=2, sort_keys=True))
    return 0


def show_report(host, options):
    shown, failed = write_report(host, options.dir, lambda line: print(line, file=sys.stderr))
    print(shown, end="")
    return IO if failed else 0


def main(arguments):
    host = Host()
    for number in device.Settings.SIGNALS:
        signal.signal(number, raise_interrupted)
    try:
        options = parser().parse_args(arguments)
        options.arguments = arguments
        if options.command == "run":
            check_options(options)
            return (run_in_guests if options.guest else run_on_device)(host, options)
        if options.command == "session":
            return in_guest(host, options)
        if options.command == "list":
            return show_list(options)
        if options.command == "env":
            return show_environment(host, options)
        return show_report(host, options)
    except Failure as failure:
        print(f"pi-bench: {failure}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # the reader has had enough: no second complaint when stdout is flushed at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ENVIRONMENT
    except OSError as error:
        print(f"pi-bench: {error.filename or 'system'}: {error.strerror}", file=sys.stderr)
        return ENVIRONMENT
