# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from . import cells, compare, device, document, environment, explain, fio, formats, gate, guest, lab
from . import measure, perf, report, results, screen, selftest, session
from .errors import ENVIRONMENT, IO, OK, REGRESSED, UNDECIDED, Failure, Interrupted
from .host import Host

ROUNDS = 3
STATUS = f"""\
Exit status: {OK} done, or no regression; {REGRESSED} a regression; {ENVIRONMENT} wrong usage or environment;
{UNDECIDED} the gate could not decide (with --strict); {IO} an I/O or PI error, or NEW refuses what OLD does."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; see {self.prog} --help")


def add_place(command):
    """What run and compare have in common."""
    where = command.add_mutually_exclusive_group()
    where.add_argument("--guest", action="store_true", help="boot guests: scsi_debug and NVMe, no PI hardware needed")
    where.add_argument("--dut", metavar="DEV", help="measure on this block device; reads only")
    command.add_argument("--dut-nopi", metavar="DEV", help="a namespace without PI on the same drive, for plain-nopi; reads only")
    command.add_argument(
        "--allow-write", action="append", default=[], metavar="DEV",
        help="allow writes to --dut (or, repeated, --dut-nopi) by naming it again; DESTROYS ITS DATA",
    )  # fmt: skip
    command.add_argument("--jobs", default=fio.JOBS, metavar="FILE", help="fio job file with ${VAR} (configs/bench.fio)")
    command.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the order of runs (%(default)s)")
    command.add_argument("--scale", type=float, default=1.0, metavar="X", help="multiply the I/Os of every run (%(default)s)")
    command.add_argument("--dry-run", action="store_true", help="print every command and the expected time; do nothing")
    command.add_argument("--resume", action="store_true", help="go on where an earlier run into --out was stopped")
    command.add_argument("--time-budget", type=float, metavar="MIN", help="begin no run after so many minutes")
    command.add_argument("--kernel", metavar="KERNEL", help="guest kernel, as scripts/guest takes it")
    command.add_argument("--verify", default="both", choices=("host", "device", "both", "none"), help="pi_verify= (%(default)s)")


def parser():
    top = Parser(
        prog="pi-bench",
        description="What protection information through io_uring costs, against plain io_uring and against other builds.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure, in guests or on a device, and write the report")
    add_place(run)
    run.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds after the warm-up (%(default)s)")
    run.add_argument("--history", metavar="FILE", help="append the figures to this file; the report shows its trend")
    run.add_argument("--out", metavar="DIR", default="build/report", help="directory for results and report (%(default)s)")

    versus = commands.add_parser(
        "compare", help="whether NEW is slower than OLD: a gate for CI", epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    versus.add_argument("old", metavar="OLD", help="an engine (.so), a git revision, or a directory of results")
    versus.add_argument("new", metavar="NEW", help="likewise")
    add_place(versus)
    versus.add_argument("--gate", choices=(cells.INSTRUCTIONS, cells.TIME),
                        help="what decides (instructions in guests, time with --dut)")  # fmt: skip
    versus.add_argument("--boots", type=int, default=gate.BOOTS, metavar="N", help="boots to count instructions in (%(default)s)")
    versus.add_argument("--strict", action="store_true", help=f"exit with {UNDECIDED} when the gate cannot decide")
    versus.add_argument("--out", metavar="DIR", default="build/compare", help="directory for results and report (%(default)s)")

    show = commands.add_parser("list", help="list the cells")
    prove = commands.add_parser("selftest", help="prove the gate: on simulations and recordings, and live")
    prove.add_argument("--quick", action="store_true", help=f"{selftest.QUICK_TRIALS} trials instead of {selftest.TRIALS}")
    prove.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the simulations (%(default)s)")
    prove.add_argument("--live", action="store_true", help="in guests: the engine against itself, and slowed down by known amounts")
    prove.add_argument("--out", metavar="DIR", default="build/selftest", help="directory for --live (%(default)s)")
    env = commands.add_parser("env", help="print the environment as JSON")
    env.add_argument("--dut", metavar="DEV", help="describe this device too")
    for command in (run, versus, show):
        command.add_argument(
            "--only", action="append", default=[], metavar="WORDS", help="cells whose name has all these words (repeatable)"
        )
        default = cells.GATE if command is versus else cells.BENCH
        command.add_argument("--cells", default=default, metavar="FILE", help=f"matrix ({os.path.relpath(default, fio.REPO)})")
    for command in (run, show):
        command.add_argument("--set", action="append", metavar="NAME", help=f"set of that file, or all (repeatable; {cells.CORE})")
    for command in (run, versus, show, prove, env):
        command.add_argument("--fio", default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)")
    for command in (run, show, env):
        command.add_argument("--engine", default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)")

    again = commands.add_parser("report", help="write the report again from raw results")
    again.add_argument("dir", metavar="DIR")
    again.add_argument("--history", metavar="FILE", help="show the trend that run --history left there")
    again.add_argument("--table", metavar="WORDS", help="only print the figures of workloads with these words, as Markdown")

    inner = commands.add_parser("session", help="run one session in this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")
    for each in (lab, perf, explain):
        each.add_parsers(commands)
    return top


def raise_interrupted(number, _):
    raise Interrupted(number)


def common(options, tools, **more):
    return {
        "seed": options.seed,
        "scale": options.scale,
        "verify": options.verify,
        "jobs": os.path.abspath(options.jobs),
        "tools": tools,
        **more,
    }


def device_session(host, options, **more):
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
        **more,
    )


NVME = {"pi": "PI_DISK0", "nopi": "PI_DISK1"}
NVME_DISKS = ["4096+8", "4096"]
SCSI_DISKS = ["scsi_debug:4096+8"]


def guest_sessions(more, kvm):
    """{spec: disks}: instructions from scsi_debug; from NVMe namespaces CPU, or time where KVM makes it mean something."""
    mode = cells.TIME if kvm else cells.CPU
    return {
        session.Spec(name="scsi_debug", mode=cells.INSTRUCTIONS, icount=True, breakdown=True, **more): SCSI_DISKS,
        session.Spec(name="nvme", mode=mode, icount=not kvm, **NVME, **more): NVME_DISKS,
    }


def check_place(options):
    if not options.guest and not options.dut:
        raise Failure("one of the arguments --guest --dut is required; see pi-bench --help")
    if options.scale <= 0:
        raise Failure("--scale: more than 0")
    if options.time_budget is not None and options.time_budget <= 0:
        raise Failure("--time-budget: more than 0")
    if not options.dut and (options.allow_write or options.dut_nopi):
        raise Failure(f"{'--allow-write' if options.allow_write else '--dut-nopi'} goes with --dut")
    if not os.path.exists(options.jobs):
        raise Failure(f"{options.jobs}: no such job file; leave --jobs out for configs/bench.fio")


def tools_of(options, engine=fio.Tools.engine):
    return fio.Tools(os.path.abspath(options.fio), os.path.abspath(engine))


def offered(tools):
    """The engine's layouts, the usual one where it is not built yet."""
    return fio.layouts(tools) if os.path.exists(tools.fio) and os.path.exists(tools.engine) else ("indirect",)


def chosen_cells(options, tools):
    found = cells.select(cells.load(options.cells, options.set or (cells.CORE,), offered(tools)), options.only)
    if not found:
        raise Failure(f"--only {' '.join(options.only)}: no such cell; pi-bench list shows them")
    if any(cell.workload.mix != cells.ALL_PI for cell in found) and not fio.offers(tools, "pi_mix"):
        found = tuple(cell for cell in found if cell.workload.mix == cells.ALL_PI)
        print("pi-bench: the engine has no pi_mix=: cells with a mix are left out", file=sys.stderr)
    return found


def run(host, options):
    check_place(options)
    if options.rounds < 1:
        raise Failure("--rounds: at least 1")
    tools = tools_of(options, options.engine)
    names = tuple(cell.name for cell in chosen_cells(options, tools))
    more = common(options, tools, cells=names, rounds=options.rounds)
    if options.dut:
        clocks = os.path.exists(tools.engine) and fio.offers(tools, "pi_time")
        out = measure.on_devices(host, options, device_session(host, options, **more, breakdown=clocks), {})
    else:
        boot = ["--kernel", options.kernel] if options.kernel else []
        what = None if options.dry_run else guest.ready(boot)
        sessions = guest_sessions(more, kvm=bool(what) and what.startswith("KVM"))
        out = measure.in_guests(host, options, sessions, boot, what, {})
    if out is None:
        return OK
    if options.history:
        report.remember(options.history, *measure.load(out))
    return show_report(host, out, options.history, options.out)


def compare_builds(host, options, old, new):
    gated = options.gate or (cells.TIME if options.dut else cells.INSTRUCTIONS)
    tools = tools_of(options)
    if not os.path.exists(tools.fio):
        raise Failure(f"{tools.fio}: fio is not built; run make first")
    engines = [compare.engine(side, tools) for side in (old, new)]
    tools = dataclasses.replace(tools, engine=engines[1])
    found, skips, lacks = compare.cell_list(options.cells, (gated,), tools, engines)
    found = cells.select(found, options.only)
    skips = {cell.name: skips[cell.name] for cell in cells.select(map(cells.parse, skips), options.only)}
    if not found:
        if skips:
            raise Failure(nothing_left(skips.values()))
        raise Failure(f"--only {' '.join(options.only)}: no such cell in {options.cells}")
    builds = tuple(zip((cells.OLD, cells.NEW), engines))
    more = common(options, tools, cells=tuple(cell.name for cell in found), builds=builds, lacks=lacks, rounds=1)
    env = {"compare": {"old": old.title, "new": new.title}, "skips": skips}
    if options.dut:
        spec = device_session(host, options, **more)
        if gated != cells.TIME:
            raise Failure(f"--gate {gated}: on a drive only time can decide")
        if spec.mode != cells.TIME:
            raise Failure("--dut: this machine is emulated, its time means nothing; compare with --guest")
        return measure.on_devices(host, options, spec, env)
    boot = ["--kernel", options.kernel] if options.kernel else []
    what = None if options.dry_run else guest.ready(boot)
    if gated == cells.TIME:
        if what and not what.startswith("KVM"):
            raise Failure("--gate time: needs KVM or --dut, and KVM does not work here; leave it out to count instructions")
        sessions = {session.Spec(name="nvme", mode=cells.TIME, icount=False, **NVME, **more): NVME_DISKS}
    else:
        sessions = {
            session.Spec(name=f"boot{number}", mode=cells.INSTRUCTIONS, icount=True, **more | {"seed": options.seed + number}):
            SCSI_DISKS for number in range(1, options.boots + 1)
        }  # fmt: skip
    return measure.in_guests(host, options, sessions, boot, what, env)


def compare_sides(host, options):
    old, new = compare.sides(options.old, options.new)
    if old.kind == compare.RESULTS:
        if options.guest or options.dut:
            raise Failure("stored results are compared as they are; leave --guest and --dut out")
        _, env = measure.load(new.where)
        lines, failures = compare.stored(old, new)
        found = compare.Comparison(old.title, new.title, cells.INSTRUCTIONS, lines, failures=failures, environment=env)
        with measure.prepare(pathlib.Path(options.out).absolute()) as out:
            results.save_json(out / "env.json", {})
            return conclude(host, found, out, options)
    check_place(options)
    if options.boots < 1:
        raise Failure("--boots: at least 1")
    out = compare_builds(host, options, old, new)
    return OK if out is None else conclude(host, compare.of(*measure.load(out)), out, options)


def nothing_left(reasons):
    return f"nothing to compare: {'; '.join(sorted(set(reasons)))}"


def conclude(host, found, out, options):
    if not found.left and not found.failures:
        raise Failure(nothing_left(found.skips.values()))
    shown = report.write_comparison(host, found, out, say)
    formats.write(found, out)
    print(shown, end="")
    print(f"\nReport: {os.path.join(options.out, 'index.html')}")
    return found.status(options.strict)


def say(line):
    print(line, file=sys.stderr)


def in_guest(host, options):
    spec = session.decode(options.spec)
    named = {field: os.environ.get(getattr(spec, field) or "") for field in ("pi", "nopi")}
    spec = dataclasses.replace(spec, **{field: path for field, path in named.items() if path})
    spec.tools.require()
    part, _, _, stopper = results.parts(options.out, spec.name)
    whole = pathlib.Path(options.out, results.NAME)
    before = [record for record in results.read(whole) if record["session"] == spec.name] if whole.exists() else []
    with tempfile.TemporaryDirectory() as memory:
        # a page of fio that must come from the host lets the processor idle in the middle of a run
        local = fio.Tools(shutil.copy(spec.tools.fio, memory), shutil.copy(spec.tools.engine, memory))
        copies = tuple((name, shutil.copy(path, os.path.join(memory, f"{name}.so"))) for name, path in spec.builds)
        here = session.Session(host, dataclasses.replace(spec, builds=copies))
        here.run(lambda record: results.append(part, record), options.out, local, before,
                 lambda: stopper.read_text() if stopper.exists() else None)  # fmt: skip
    return OK


def show_list(options):
    for cell in chosen_cells(options, tools_of(options, options.engine)):
        print(cell.name)
    return OK


def show_environment(host, options):
    devices = {"dut": environment.device(host, device.describe(host, options.dut))} if options.dut else None
    found = environment.machine(host, devices) | environment.software(host, fio.Tools(options.fio, options.engine))
    print(json.dumps(found, indent=2, sort_keys=True))
    return OK


def show_report(host, out, history, name):
    failed = report.write(host, out, history, say)
    print(screen.run(*measure.load(out)), end="")
    print(f"\nAll of it: {os.path.join(name, 'index.html')}, report.md")
    return IO if failed else OK


def report_again(host, options):
    if options.table is not None:
        records, env = measure.load(options.dir)
        print(document.markdown([block for each in report.group(records) for block in report.short(each, env, options.table)]), end="")
        return OK
    found = compare.of(*measure.load(options.dir))
    if not found:
        return show_report(host, options.dir, options.history, options.dir)
    options.out, options.strict = options.dir, False
    return conclude(host, found, pathlib.Path(options.dir), options)


def prove(host, options):
    if not options.live:
        return OK if selftest.run(options.quick, options.seed) else REGRESSED
    tools = tools_of(options)
    tools.require()
    out = pathlib.Path(options.out).absolute()

    def versus(engine, words):
        name = os.path.basename(os.path.dirname(engine)) if engine else "same"
        chosen = ["--only", words] if words else []
        arguments = ["compare", tools.engine, str(engine or tools.engine), "--guest", "--fio", tools.fio,
                     "--out", str(out / name), "--seed", str(options.seed), *chosen]  # fmt: skip
        inner = parser().parse_args(arguments)
        inner.arguments = arguments
        compare_sides(host, inner)
        return compare.of(*measure.load(out / name))

    return OK if selftest.live(versus, lambda count: compare.slower(count, tools, out / "engines")) else REGRESSED


COMMANDS = {
    "run": run,
    "compare": compare_sides,
    "session": in_guest,
    "list": lambda host, options: show_list(options),
    "env": show_environment,
    "report": report_again,
    "selftest": prove,
    **lab.COMMANDS,
    **perf.COMMANDS,
    **explain.COMMANDS,
}


def main(arguments):
    host = Host()
    for number in device.Settings.SIGNALS:
        signal.signal(number, raise_interrupted)
    try:
        options = parser().parse_args(arguments)
        options.arguments = arguments
        return COMMANDS[options.command](host, options)
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
