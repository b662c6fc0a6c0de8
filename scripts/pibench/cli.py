# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile

from . import accounting, bench, campaign, cells, compare, comparereport, device, document, environment, explain, explainreport, fio
from . import gate, guest, history, insn, lab, labreport, limits, memory, outcome, perf
from . import perfreport, report, results, runreport, selftest, session
from .command import SIGNALS
from .errors import ENVIRONMENT, IO, OK, REGRESSED, UNDECIDED, Failure, Interrupted
from .host import Host

STATUS = f"""\
Exit status: {OK} done, or no regression; {REGRESSED} a regression, or a limit of perf missed; {ENVIRONMENT} wrong usage or
environment; {UNDECIDED} the gate could not decide (with --strict); {IO} an I/O or PI error, or NEW refuses what OLD does."""
# git bisect's for a revision that cannot be tested
SKIP = 125
RUN, COMPARE, LAB, PERF, EXPLAIN, SELFTEST = "run", "compare", "lab", "perf", "explain", "selftest"
# cells whose functions a comparison names
EXPLAINED = 3
MEASURED = {RUN: bench, LAB: lab, PERF: perf, EXPLAIN: explain}
REPORTS = {RUN: runreport, LAB: labreport, PERF: perfreport, EXPLAIN: explainreport, SELFTEST: selftest}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; see {self.prog} --help")


# what more commands than one have, each by its name in them
OPTIONS = {
    "--seed": dict(type=int, default=1, metavar="N", help="seed of the order of runs (%(default)s)"),
    "--scale": dict(type=float, default=1.0, metavar="X", help="multiply the number of I/Os of every run by X (%(default)s)"),
    "--dry-run": dict(action="store_true", help="print every command and the expected time; do nothing"),
    "--resume": dict(action="store_true", help="continue the run in --out that was stopped"),
    "--time-budget": dict(type=float, metavar="MIN", help="start no run after MIN minutes"),
    "--out": dict(metavar="DIR", help="directory for results and report (%(default)s)"),
    "--open": dict(action="store_true", help="open the report in the desktop's browser when it is written"),
    "--only": dict(action="append", default=[], metavar="WORDS", help="only cells whose name contains all these words (repeatable)"),
    "--fio": dict(default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)"),
    "--engine": dict(default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)"),
    "--kernel": dict(type=guest.kernel, metavar="KERNEL", help="guest kernel, as scripts/guest takes it"),
    "--rounds": dict(type=int, metavar="N", help="rounds after the warm-up (%(default)s)"),
    "--guest": dict(action="store_true", help="boot guests: scsi_debug and NVMe, no PI hardware needed"),
    "--dut": dict(metavar="DEV", help="measure on this block device; only reads it"),
    "--allow-write": dict(action="append", default=[], metavar="DEV",
                          help="allow writes to --dut (or, repeated, --dut-nopi) by naming it again; DESTROYS ITS DATA"),
    "--dut-nopi": dict(metavar="DEV", help="a namespace without PI on the same drive, for plain-nopi; only reads it"),
    "--jobs": dict(default=fio.JOBS, metavar="FILE", help="fio job file with ${VAR} (configs/bench.fio)"),
    "--verify": dict(default="both", choices=("host", "device", "both", "none"), help="pi_verify= (%(default)s)"),
    "--cells": dict(default=cells.BENCH, metavar="FILE", help="matrix (configs/bench.cells)"),
    "--set": dict(action="append", metavar="NAME", help=f"set of --cells, or all (repeatable; {cells.CORE})"),
}  # fmt: skip
COMMON = ("--seed", "--scale", "--dry-run", "--resume", "--time-budget", "--out", "--open")


def add(command, *names, **changes):
    """Options by their names, and what is different of them in this command."""
    for name in names:
        command.add_argument(name, **OPTIONS[name] | changes)


def add_place(command):
    where = command.add_mutually_exclusive_group()
    add(where, "--guest", "--dut")
    add(command, "--allow-write", "--dut-nopi", "--jobs", "--verify")


def add_run(commands):
    run = commands.add_parser(RUN, help="measure, in guests or on a device, and write the report")
    add_place(run)
    add(run, *COMMON, "--only", "--fio", "--kernel", "--engine", "--cells", "--rounds", "--set")
    run.set_defaults(out="build/report", rounds=bench.ROUNDS)
    run.add_argument("--precondition", action="store_true",
                     help="with --dut: write all of it twice, then at random until steady state; takes long")  # fmt: skip
    run.add_argument("--client", action="append", default=[], metavar="HOST[,PORT]",
                     help="with --dut: measure on these machines at once, where fio --server runs (repeatable)")  # fmt: skip
    run.add_argument("--history", metavar="FILE", help="append the figures to this file, for pi-bench history")


def add_compare(commands):
    versus = commands.add_parser(
        COMPARE, help="say whether NEW is slower than OLD: a gate for CI", epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    versus.add_argument("old", metavar="OLD", nargs="?", help="an engine (.so), a git revision, or a directory of results")
    versus.add_argument("new", metavar="NEW", nargs="?", help="likewise")
    add_place(versus)
    add(versus, *COMMON, "--only")
    add(versus, "--fio", action="append", default=[], help="fio to run (build/fio/fio); twice: the old one and the new one")
    add(versus, "--kernel", action="append", default=[], help="guest kernel, as scripts/guest takes it; twice: the old one and the new one")
    add(versus, "--engine")
    add(versus, "--cells", default=cells.GATE, help="matrix (configs/gate.cells)")
    versus.set_defaults(out="build/compare")
    versus.add_argument("--job", metavar="FILE", help="run your own job file instead of the cells")
    versus.add_argument("--gate", choices=(cells.INSTRUCTIONS, cells.TIME),
                        help="what decides (instructions in guests, time with --dut)")  # fmt: skip
    versus.add_argument("--boots", type=int, default=gate.BOOTS, metavar="N", help="boots to count instructions in (%(default)s)")
    versus.add_argument("--explain", type=int, default=EXPLAINED, metavar="N",
                        help="name the functions of the N worst cells (%(default)s)")  # fmt: skip
    versus.add_argument("--limits", default=limits.LIMITS, metavar="FILE",
                        help="when to warn and when to fail, and accepted changes (configs/gate.limits)")  # fmt: skip
    versus.add_argument("--bisect", action="store_true",
                        help="for git bisect run: status 125 where a revision does not build or nothing can be decided")  # fmt: skip
    versus.add_argument("--strict", action="store_true", help=f"exit with {UNDECIDED} when the gate cannot decide")


def add_lab_and_perf(commands):
    layouts = commands.add_parser(LAB, help="what each attribute layout costs, in the lab kernel's guest or on a device")
    add(layouts, "--dut", "--allow-write", "--kernel", "--rounds")
    beside = commands.add_parser(PERF, help="what the engine costs beside fio's own engines, in guests")
    add(beside, "--kernel")
    beside.add_argument("--isal", default=str(perf.BUILD / "perf" / "fio-isal" / "fio"), metavar="FILE", help="fio built with ISA-L")
    add(beside, "--rounds")
    for command in (layouts, beside):
        add(command, *COMMON, "--only", "--fio", "--engine")
    layouts.set_defaults(out="build/lab", dut_nopi=None, kernel="lab", rounds=lab.ROUNDS)
    beside.set_defaults(out="build/perf/report", rounds=perf.ROUNDS)


def add_explain(commands):
    tell = commands.add_parser(EXPLAIN, help="show which function takes the instructions of an I/O")
    tell.add_argument("arm", metavar="ARM", help="a layout, none, io_uring (fio's own with PI), or a baseline")
    tell.add_argument("other", metavar="ARM", nargs="?", help="show what this one takes more or less than the first")
    tell.add_argument("--old", metavar="FILE", help="instead of a second ARM: compare --engine with this older engine")
    tell.add_argument("--rw", default="randread", choices=cells.DIRECTIONS, help="as in fio (%(default)s)")
    tell.add_argument("--bs", default="4k", metavar="SIZE", help="block size, such as 4k (%(default)s)")
    tell.add_argument("--iodepth", type=int, default=32, metavar="N", help="I/Os in flight (%(default)s)")
    add(tell, "--verify")
    add(tell, "--rounds", default=explain.ROUNDS, help="rounds; the report shows the median one (%(default)s)")
    tell.add_argument("--cache", action="store_true", help="also model caches: cache lines that an I/O touches and misses; takes longer")
    for name, what in (("d1", "L1 data"), ("i1", "L1 instruction"), ("l2", "L2")):
        tell.add_argument(f"--{name}", metavar="SIZE:WAYS:LINE", help=f"with --cache: the {what} cache ({getattr(memory.Caches, name)})")
    add(tell, "--kernel", help="guest kernel (stock; lab for a layout that needs it)")
    tell.add_argument("--disk", metavar="FORMAT",
                      help=f"as scripts/guest takes it ({explain.DISK}; {explain.DISKS['lab']} with the lab kernel)")  # fmt: skip
    add(tell, *COMMON, "--fio", "--engine")
    tell.set_defaults(out="build/explain")


def add_others(commands):
    again = commands.add_parser("report", help="write the report again from raw results, whatever measured them")
    again.add_argument("dir", metavar="DIR")
    add(again, "--open")
    again.add_argument("--table", metavar="WORDS", help="only print the figures of workloads with these words, as Markdown")

    trend = commands.add_parser("history", help="what an I/O took, revision after revision, with the steps marked")
    trend.add_argument("results", metavar="FILE", nargs="+", help="what run --history wrote, or directories of results in their order")
    add(trend, "--out", default="build/history", help="directory for the report (%(default)s)")
    add(trend, "--open")

    show = commands.add_parser("list", help="list the cells")
    add(show, "--set", "--only", "--cells")
    prove = commands.add_parser("selftest", help="prove the gate: on simulations and recordings, and live")
    prove.add_argument("--quick", action="store_true", help=f"{selftest.QUICK_TRIALS} trials instead of {selftest.TRIALS}")
    prove.add_argument("--live", action="store_true", help="in guests: compare the engine with itself, and with known slowdowns")
    prove.add_argument("--boots", type=int, metavar="N",
                       help=f"with --live: guests to boot, {gate.BOOTS} per comparison ({selftest.BOOTS})")  # fmt: skip
    add(prove, *COMMON, "--kernel")
    prove.set_defaults(out="build/selftest")
    env = commands.add_parser("env", help="print the environment as JSON")
    env.add_argument("--dut", metavar="DEV", help="describe this device too")
    for command in (show, env):
        add(command, "--fio", "--engine")
    add(prove, "--fio")

    inner = commands.add_parser("session", help="run one session in this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")


def version():
    changes = pathlib.Path(__file__).resolve().parents[2] / "doc/changes.md"
    return re.search(r"^## (\d[\d.]*)", changes.read_text(), re.M)[1]


def parser():
    top = Parser(
        prog="pi-bench",
        description="What protection information through io_uring costs, against plain io_uring and against other builds.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"pi-bench {version()}", help="print the version and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_one in (add_run, add_compare, add_lab_and_perf, add_explain, add_others):
        add_one(commands)
    return top


def raise_interrupted(number, _):
    raise Interrupted(number)


def check(options):
    """What is wrong whatever is there."""
    if options.scale <= 0:
        raise Failure("--scale: more than 0")
    if options.time_budget is not None and options.time_budget <= 0:
        raise Failure("--time-budget: more than 0")
    if getattr(options, "rounds", 1) < 1:
        raise Failure("--rounds: at least 1")
    if options.command in (PERF, EXPLAIN, SELFTEST):
        return
    if not options.dut and (options.allow_write or getattr(options, "dut_nopi", None)):
        raise Failure(f"{'--allow-write' if options.allow_write else '--dut-nopi'} goes with --dut")
    if options.command == LAB:
        return
    if getattr(options, "precondition", False) and not options.dut:
        raise Failure("--precondition goes with --dut")
    if getattr(options, "client", None):
        if not options.dut:
            raise Failure("--client goes with --dut, the drive's path on each host")
        if options.precondition:
            raise Failure("--precondition: not through --client; do it on each host")
    if not options.guest and not options.dut:
        raise Failure("one of the arguments --guest --dut is required; see pi-bench --help")
    if not os.path.exists(options.jobs):
        raise Failure(f"{options.jobs}: no such job file; leave --jobs out for configs/bench.fio")


def common(options):
    """What of a Spec its options say."""
    kernel = options.kernel if isinstance(options.kernel, str) else ""
    jobs = os.path.abspath(getattr(options, "jobs", fio.JOBS))
    return {"seed": options.seed, "scale": options.scale, "rounds": getattr(options, "rounds", 1), "kernel": kernel, "jobs": jobs,
            "verify": getattr(options, "verify", "both")}  # fmt: skip


def tools_of(options, engine=fio.Tools.engine):
    return fio.Tools(os.path.abspath(options.fio), os.path.abspath(engine))


def measure(host, options):
    """run, lab, perf and explain: cells, and a report."""
    check(options)
    kind = options.command
    tools = tools_of(options, options.engine)
    if kind != RUN:
        # the engine's layouts choose their cells
        tools.require()
    found, env = MEASURED[kind].specs(host, options, tools, common(options))
    out = campaign.run(host, options, found, {"kind": kind, **env})
    if out is None:
        return OK
    if getattr(options, "history", None):
        history.remember(options.history, *results.load_all(out))
    return show_report(host, out, options.out)


def show_report(host, out, name):
    records, env = results.load_all(out)
    made = REPORTS[env.get("kind", RUN)].make(host, out, records, env, say)
    report.write(out, made)
    return report.end(name, made)


def compare_measured(host, options, sides, kept_to):
    """Run both sides, decide, and name the functions that changed."""
    wanted, env = compare.specs(host, options, sides, common(options))
    out = campaign.run(host, options, wanted, {"kind": COMPARE, "limits": kept_to.plain(), **env})
    if out is None:
        return OK
    records, env = results.load_all(out)
    if where := comparereport.name_changes(compare.changed(compare.of(records, env), options.explain), records, out):
        env["where"] = where
        results.save_json(out / "env.json", env)
    return conclude(host, compare.of(records, env), out, options.out, options.strict)


def compare_stored(host, options, old, new, kept_to):
    if options.guest or options.dut or options.job:
        raise Failure("stored results are compared as they are; leave --guest, --dut and --job out")
    _, env = results.load_all(new.where)
    lines, failures = compare.stored(old, new, kept_to)
    found = compare.Comparison(old.title, new.title, cells.INSTRUCTIONS, lines, failures=failures, environment=env)
    with results.prepare(pathlib.Path(options.out).absolute()) as out:
        results.save_json(out / "env.json", {"kind": COMPARE})
        return conclude(host, found, out, options.out, options.strict)


def compare_any(host, options):
    if not options.bisect:
        return compare_sides(host, options)
    options.strict = True
    try:
        status = compare_sides(host, options)
    except Interrupted:
        raise
    except Failure as failure:
        say(f"pi-bench: {failure}")
        return SKIP
    return {UNDECIDED: SKIP, IO: REGRESSED}.get(status, status)


def compare_sides(host, options):
    """Compare two kernels, two fios, two engines or two stored results."""
    kernels, fios, kept_to = options.kernel, options.fio, limits.load(options.limits)
    if max(len(kernels), len(fios)) > 2 or len(kernels) + len(fios) > 3:
        raise Failure("--kernel or --fio, and twice: two things are compared")
    twice = "kernel" if len(kernels) > 1 else "fio" if len(fios) > 1 else None
    if twice and options.old:
        raise Failure(f"--{twice} twice: two {twice}s are compared, with the engine of --engine; leave OLD and NEW out")
    if len(kernels) > 1 and (options.dut or options.gate == cells.TIME):
        raise Failure("--kernel twice: two kernels are compared in guests, by instructions; leave --dut and --gate out")
    if not twice and not options.new:
        raise Failure("the following arguments are required: OLD, NEW; or --kernel or --fio twice; see pi-bench compare --help")
    options.kernel = kernels[0] if len(kernels) == 1 else None
    options.fio = fios[-1] if fios else fio.Tools.fio
    options.guest = options.guest or len(kernels) > 1
    found = [] if twice else compare.find_both(options.old, options.new)
    if found and found[0].kind == compare.RESULTS:
        return compare_stored(host, options, *found, kept_to)
    check(options)
    tools = tools_of(options, options.engine)
    if found:
        sides = compare.engines(found, tools)
    else:
        sides = compare.kernels(kernels, tools) if twice == "kernel" else compare.fios(fios, tools)
    return compare_measured(host, options, sides, kept_to)


def conclude(host, found, out, name, strict=False):
    if not found.left and not found.failures:
        raise Failure(compare.nothing_left(found.skips.values()))
    made = comparereport.make(host, out, found, say, strict)
    report.write(out, made)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(comparereport.annotations(found)))
    return report.end(name, made)


def say(line):
    print(line, file=sys.stderr)


def in_guest(host, options):
    spec = session.decode(options.spec)
    named = {field: os.environ.get(getattr(spec, field) or "") for field in ("pi", "nopi")}
    spec = dataclasses.replace(spec, **{field: path for field, path in named.items() if path})
    spec.tools.require()
    part, _, _, stopper = results.parts(options.out, spec.name)
    before = [record for record in results.read_any(options.out) if record["session"] == spec.name]
    if spec.icount and spec.mode == cells.INSTRUCTIONS:
        accounting.settle(host)
    with tempfile.TemporaryDirectory() as memory:
        here = session.Session(host, session.in_memory(spec, memory))
        here.run(lambda record: results.append(part, record), options.out, before,
                 lambda: stopper.read_text() if stopper.exists() else None)  # fmt: skip
    return OK


def show_list(options):
    for name in bench.chosen(options, tools_of(options, options.engine)):
        print(name)
    return OK


def show_environment(host, options):
    devices = {"dut": environment.device(host, device.describe(host, options.dut))} if options.dut else None
    found = environment.machine(host, devices) | environment.software(host, fio.Tools(options.fio, options.engine))
    print(json.dumps(found, indent=2, sort_keys=True))
    return OK


def report_again(host, options):
    records, env = results.load_all(options.dir)
    if options.table is not None:
        blocks = [block for each in outcome.group(records) for block in runreport.short(each, env, options.table)]
        print(document.markdown(blocks), end="")
        return OK
    found = compare.of(records, env)
    out = pathlib.Path(options.dir)
    return conclude(host, found, out, options.dir) if found else show_report(host, out, options.dir)


def prove(host, options):
    check(options)
    if not options.live:
        if options.boots:
            raise Failure("--boots goes with --live")
        return OK if selftest.run(options.quick, options.seed) else REGRESSED
    boots = selftest.BOOTS if options.boots is None else options.boots
    if boots < gate.BOOTS:
        raise Failure(f"--boots: at least {gate.BOOTS}, one comparison")
    tools = tools_of(options)
    tools.require()
    what = guest.ready(options.kernel, options.dry_run)
    counts = [selftest.INJECTED_COUNT] * insn.PLUGIN.exists() + [*selftest.INJECTED]
    engines = [(str(count), compare.slower(count, tools, options.dry_run)) for count in counts]
    builds = [(cells.OLD, tools), ("0", tools), *((name, dataclasses.replace(tools, engine=str(engine))) for name, engine in engines)]
    more = {**common(options), "tools": tools, "cells": (selftest.LIVE,), "builds": tuple(builds)}
    specs = dict(bench.boot(options, number, **more) for number in range(1, boots + 1))
    found = campaign.run(host, options, specs, {"kind": SELFTEST, "guest": what})
    return OK if found is None else show_report(host, found, options.out)


COMMANDS = {
    **dict.fromkeys((RUN, LAB, PERF, EXPLAIN), measure),
    COMPARE: compare_any,
    "session": in_guest,
    "list": lambda host, options: show_list(options),
    "env": show_environment,
    "report": report_again,
    "history": lambda host, options: history.show(host, options, say),
    SELFTEST: prove,
}


def desktop(options):
    """What opens the report there; refused before anything is measured where there is none."""
    opener = shutil.which("xdg-open")
    if not opener or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Failure(f"--open: {'no desktop' if opener else 'no xdg-open'} here; leave it out and open the file that the last line names")
    silent = options.command == SELFTEST and not options.live
    if silent or getattr(options, "dry_run", False) or getattr(options, "table", None) is not None:
        raise Failure("--open: no report is written; leave it out")
    page = pathlib.Path(getattr(options, "out", None) or options.dir, "index.html").absolute()
    return lambda: subprocess.run([opener, page], stdin=subprocess.DEVNULL, check=False)


def main(arguments):
    host = Host()
    for number in SIGNALS:
        signal.signal(number, raise_interrupted)
    try:
        options = parser().parse_args(arguments)
        options.arguments = arguments
        show = desktop(options) if getattr(options, "open", False) else None
        status = COMMANDS[options.command](host, options)
        if show:
            show()
        return status
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
