# SPDX-License-Identifier: GPL-2.0-only
"""The command line."""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import traceback

from . import accounting, bench, campaign, cells, compare, comparereport, device, document, environment, explain, explainreport, fio
from . import gate, guest, history, insn, lab, labreport, limits, memory, outcome, perf
from . import perfreport, report, results, runreport, selftest, session
from .command import catch_signals, positive
from .errors import ENVIRONMENT, IO, OK, REGRESSED, UNDECIDED, Failure, Interrupted
from .host import Host

STATUS = f"""\
Exit status: {OK} done, or no regression; {REGRESSED} a regression, or a limit of perf missed; {ENVIRONMENT} wrong usage or
environment; {UNDECIDED} the gate could not decide (with --strict); {IO} an I/O or PI error, or NEW refuses what OLD does."""
# tells git bisect that a revision cannot be tested
SKIP = 125
# what a comparison of stored results takes besides
STORED = ("old", "new", "out", "limits", "strict", "bisect", "open")
RUN, COMPARE, LAB, PERF, EXPLAIN, SELFTEST = "run", "compare", "lab", "perf", "explain", "selftest"
MEASURED = {RUN: bench, LAB: lab, PERF: perf, EXPLAIN: explain}
REPORTS = {RUN: runreport, LAB: labreport, PERF: perfreport, EXPLAIN: explainreport, SELFTEST: selftest}


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Failure(f"{message}; see {self.prog} --help")


def natural(text):
    """A number of things, perhaps none, for argparse."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 up")
    return int(text)


COUNT = dict(type=positive(int), metavar="N")
# options of several commands
OPTIONS = {
    "--seed": dict(type=int, default=1, metavar="N", help="random seed for the order of runs (%(default)s)"),
    "--scale": dict(type=positive(float), default=1.0, metavar="X", help="multiply the number of I/Os of every run by X (%(default)s)"),
    "--dry-run": dict(action="store_true", help="print every command and the expected time; do nothing"),
    "--resume": dict(action="store_true", help="continue the stopped run in --out"),
    "--time-budget": dict(type=positive(float), metavar="MIN", help="start no run after MIN minutes"),
    "--out": dict(metavar="DIR", help="directory for results and report (%(default)s)"),
    "--open": dict(action="store_true", help="open the report in the desktop's browser"),
    "--only": dict(action="append", default=[], metavar="WORDS", help="only cells whose name contains all these words (repeatable)"),
    "--fio": dict(default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)"),
    "--engine": dict(default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)"),
    "--kernel": dict(type=guest.kernel, metavar="KERNEL", help="guest kernel, as scripts/guest takes it"),
    "--rounds": dict(COUNT, help="rounds after the warm-up (%(default)s)"),
    "--guest": dict(action="store_true", help="boot guests with scsi_debug and NVMe; needs no PI hardware"),
    "--dut": dict(metavar="DEV", help="measure on this block device; only reads it"),
    "--allow-write": dict(action="append", default=[], metavar="DEV",
                          help="allow writes to a device by naming it again (repeatable); DESTROYS ITS DATA"),
    "--dut-nopi": dict(metavar="DEV", help="a namespace without PI on the same drive, for plain-nopi; only reads it"),
    "--jobs": dict(default=fio.JOBS, metavar="FILE", help="fio job file with ${VAR} (configs/bench.fio)"),
    "--verify": dict(default="both", choices=("host", "device", "both", "none"), help="pi_verify= (%(default)s)"),
    "--cells": dict(default=cells.BENCH, metavar="FILE", help="file that lists the cells (configs/bench.cells)"),
    "--set": dict(action="append", metavar="NAME", help=f"set of --cells, or all (repeatable; {cells.CORE})"),
}  # fmt: skip
COMMON = ("--seed", "--scale", "--dry-run", "--resume", "--time-budget", "--out", "--open")
PLACE = ("--guest", "--dut", "--allow-write", "--dut-nopi", "--jobs", "--verify")


def add(commands, name, what, *options, **defaults):
    """A command with some of OPTIONS."""
    about = {"description": f"{what[0].upper()}{what[1:]}.", "epilog": STATUS, "formatter_class": argparse.RawDescriptionHelpFormatter}
    command = commands.add_parser(name, help=what, **about)
    where = command.add_mutually_exclusive_group() if "--guest" in options else command
    for option in options:
        (where if option in ("--guest", "--dut") else command).add_argument(option, **OPTIONS[option])
    command.set_defaults(**defaults)
    return command


def add_run(commands):
    run = add(commands, RUN, "measure in guests or on a device, and write the report", *PLACE, *COMMON, "--only", "--fio", "--kernel",
              "--engine", "--cells", "--rounds", "--set", out="build/report", rounds=bench.ROUNDS)  # fmt: skip
    run.add_argument("--precondition", action="store_true",
                     help="with --dut: first write all of it twice, then at random until steady state; takes hours")  # fmt: skip
    run.add_argument("--client", action="append", default=[], metavar="HOST[,PORT]",
                     help="with --dut: measure on these hosts, where fio --server runs, all at once (repeatable)")  # fmt: skip
    run.add_argument("--history", metavar="FILE", help="append the figures to this file, for pi-bench history")


def add_compare(commands):
    compared = add(commands, COMPARE, "decide whether NEW is slower than OLD: a gate for CI", *PLACE, *COMMON, "--only",
                   out="build/compare")  # fmt: skip
    for name in ("old", "new"):
        compared.add_argument(name, metavar=name.upper(), nargs="?", help="an engine (.so), a git revision or a directory of results")
    compared.add_argument("--engine", metavar="FILE", help="with --fio or --kernel twice: the engine (build/io_uring_pi.so)")
    for name in ("--fio", "--kernel"):
        twice = dict(action="append", default=[], help=f"{OPTIONS[name]['help']}; twice: the old and the new one")
        compared.add_argument(name, **OPTIONS[name] | twice)
    compared.add_argument("--cells", default=cells.GATE, metavar="FILE", help="file that lists the cells (configs/gate.cells)")
    compared.add_argument("--job", metavar="FILE", help="run your own job file instead of the cells")
    compared.add_argument("--gate", choices=(cells.INSTRUCTIONS, cells.TIME), help="what decides (instructions in guests, time with --dut)")
    compared.add_argument("--boots", **COUNT, default=gate.BOOTS, help="guests to boot for counting instructions (%(default)s)")
    compared.add_argument("--explain", type=natural, default=3, metavar="N",
                          help="name the functions that changed in the N worst cells (%(default)s)")  # fmt: skip
    compared.add_argument("--limits", default=limits.LIMITS, metavar="FILE",
                          help="when to warn, when to fail, and accepted changes (configs/gate.limits)")  # fmt: skip
    compared.add_argument("--bisect", action="store_true",
                          help="for git bisect run: status 125 if a revision does not build or the gate cannot decide")  # fmt: skip
    compared.add_argument("--strict", action="store_true", help=f"exit with {UNDECIDED} if the gate cannot decide")


def add_lab_and_perf(commands):
    add(commands, LAB, "measure what each attribute layout costs", "--dut", "--allow-write", "--kernel",
        "--rounds", *COMMON, "--only", "--fio", "--engine", out="build/lab", dut_nopi=None, kernel="lab", rounds=lab.ROUNDS)  # fmt: skip
    beside = add(commands, PERF, "measure the engine next to fio's own engines, in guests", "--kernel", "--rounds", *COMMON, "--only",
                 "--fio", "--engine", out="build/perf/report", rounds=perf.ROUNDS)  # fmt: skip
    beside.add_argument("--isal", default=str(perf.BUILD / "perf" / "fio-isal" / "fio"), metavar="FILE", help="fio built with ISA-L")


def add_explain(commands):
    told = add(commands, EXPLAIN, "show which functions take the instructions of an I/O", "--verify", *COMMON, "--fio", "--engine",
               out="build/explain")  # fmt: skip
    told.add_argument("arm", metavar="ARM", help="a layout, none, io_uring (fio's own with PI), or a baseline")
    told.add_argument("other", metavar="ARM", nargs="?", help="show how much more or less this one takes")
    told.add_argument("--old", metavar="FILE", help="instead of a second ARM: compare --engine with this older engine")
    told.add_argument("--rw", default="randread", choices=cells.DIRECTIONS, help="as in fio (%(default)s)")
    told.add_argument("--bs", default="4k", metavar="SIZE", help="block size, such as 4k (%(default)s)")
    told.add_argument("--iodepth", **COUNT, default=32, help="I/Os in flight (%(default)s)")
    told.add_argument("--rounds", **COUNT, default=explain.ROUNDS, help="rounds; the report shows the median one (%(default)s)")
    told.add_argument("--cache", action="store_true", help="also model caches: cache lines touched and missed per I/O; takes longer")
    for name, what in (("d1", "L1 data"), ("i1", "L1 instruction"), ("l2", "L2")):
        told.add_argument(f"--{name}", metavar="SIZE:WAYS:LINE", help=f"with --cache: the {what} cache ({getattr(memory.Caches, name)})")
    told.add_argument("--kernel", type=guest.kernel, metavar="KERNEL", help="guest kernel (stock; lab for a layout that needs it)")
    told.add_argument("--disk", metavar="FORMAT",
                      help=f"as scripts/guest takes it ({explain.DISK}; {lab.DISK}[,zeros] with the lab kernel)")  # fmt: skip


def add_others(commands):
    again = add(commands, "report", "write the report again from stored results", "--open")
    again.add_argument("dir", metavar="DIR")
    again.add_argument("--table", metavar="WORDS", help="only print the figures of workloads with these words, as Markdown")
    trend = add(commands, "history", "show what an I/O took in each revision", "--out", "--open", out="build/history")
    trend.add_argument("results", metavar="FILE", nargs="+", help="written by run --history; or directories of results, oldest first")
    add(commands, "list", "list the cells", "--set", "--only", "--cells", "--fio", "--engine")
    prove = add(commands, SELFTEST, "prove that the gate works", *COMMON, "--kernel", "--fio",
                out="build/selftest")  # fmt: skip
    prove.add_argument("--quick", action="store_true", help=f"{selftest.QUICK_TRIALS} trials instead of {selftest.TRIALS}")
    prove.add_argument("--live", action="store_true", help="in guests: compare the engine with itself, and with known slowdowns")
    prove.add_argument("--boots", **COUNT, help=f"with --live: guests to boot, {gate.BOOTS} per comparison ({selftest.BOOTS})")
    env = add(commands, "env", "print the environment as JSON", "--fio", "--engine")
    env.add_argument("--dut", metavar="DEV", help="describe this device too")
    inner = add(commands, "session", "run one session on this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")


def version():
    changes = pathlib.Path(__file__).resolve().parents[2] / "doc/changes.md"
    return re.search(r"^## (\d[\d.]*)", changes.read_text(), re.M)[1]


def parser():
    top = Parser(
        prog="pi-bench",
        description="Measure what protection information costs through io_uring, and compare builds.",
        epilog=STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"pi-bench {version()}", help="print the version and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add_one in (add_run, add_compare, add_lab_and_perf, add_explain, add_others):
        add_one(commands)
    return top


# (commands, when, what would be ignored then, what to say of it); what a command may ignore is refused
IGNORED = (
    ((RUN, LAB), lambda given: given.dut, ("kernel",), "chooses the kernel of a guest; leave it or --dut out"),
    ((COMPARE,), lambda given: given.dut and len(given.kernel) == 1, ("kernel",), "chooses the kernel of a guest; leave it or --dut out"),
    ((COMPARE,), lambda given: given.dut or given.gate == cells.TIME, ("boots", "explain"), "is for counting instructions, not time"),
    ((COMPARE,), lambda given: given.job, ("only", "cells", "jobs", "verify"), "is for cells; --job brings its own"),
    ((SELFTEST,), lambda given: given.live, ("quick",), "is for simulations; leave it or --live out"),
    ((SELFTEST,), lambda given: not given.live,
     ("boots", "scale", "dry_run", "resume", "time_budget", "out", "kernel", "fio"), "goes with --live"),
)  # fmt: skip


def refuse(options, why, names=None, but=()):
    """Refuse the named options, or all but some, if they differ from their defaults."""
    usual = vars(parser().parse_args([options.command]))
    for name in names or [name for name in usual if name not in but]:
        if getattr(options, name) != usual[name]:
            raise Failure(f"--{name.replace('_', '-')}: {why}")


def refuse_ignored(options):
    """Refuse options that would be ignored beside the others."""
    for commands, when, names, why in IGNORED:
        if options.command in commands and when(options):
            refuse(options, why, names)


def check(options):
    """Refuse options that make no sense together, whatever the machine."""
    given = vars(options)
    for name in ("allow_write", "dut_nopi", "precondition", "client"):
        if given.get(name) and not options.dut:
            raise Failure(f"--{name.replace('_', '-')} goes with --dut")
    if given.get("client") and options.precondition:
        raise Failure("--precondition: not through --client; do it on each host")
    if options.command in (RUN, COMPARE) and not options.guest and not options.dut:
        raise Failure("one of the arguments --guest --dut is required; see pi-bench --help")
    if not os.path.exists(given.get("jobs", fio.JOBS)):
        raise Failure(f"{options.jobs}: no such job file; leave --jobs out for configs/bench.fio")


def common(options):
    """The fields of a Spec that are options."""
    given = {"rounds": 1, "jobs": fio.JOBS, **vars(options)}
    fields = {name: given[name] for name in ("seed", "scale", "rounds", "kernel", "verify", "jobs") if given.get(name) is not None}
    return fields | {"jobs": os.path.abspath(fields["jobs"])}


def tools_of(options, engine=fio.Tools.engine):
    return fio.Tools(os.path.abspath(options.fio), os.path.abspath(engine))


def measure(host, options):
    """run, lab, perf and explain: measure, then write the report."""
    check(options)
    kind = options.command
    tools = tools_of(options, options.engine)
    if kind != RUN:
        # the engine's layouts choose their cells
        tools.require()
    found, env = MEASURED[kind].specs(host, options, tools, common(options))
    past = getattr(options, "history", None)
    if past and not options.dry_run:
        history.prepare(past)
    out = campaign.run(host, options, found, {"kind": kind, **env})
    if out is None:
        return OK
    status = show_report(host, out, options.out)
    if past:
        history.remember(past, *results.load_all(out), say)
    return status


def show_report(host, out, name):
    records, env = results.load_all(out)
    if found := compare.of(records, env):
        return conclude(host, found, out, name)
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
    if old.kind != new.kind:
        raise Failure(f"{old.title} is {old.kind} and {new.title} {new.kind}: results compare with results only")
    refuse(options, "stored results are compared as they are; leave it out", but=STORED)
    found, place = compare.stored(old, new, kept_to), pathlib.Path(options.out).absolute()
    results.refuse_inputs(place, (old.where, new.where))
    with results.prepare(place) as out:
        results.save_json(out / "env.json", {"kind": COMPARE})
        return conclude(host, found, out, options.out, options.strict)


def compare_any(host, options):
    if not options.bisect:
        return compare_sides(host, options)
    options.strict = True
    status = compare_sides(host, options)
    return {UNDECIDED: SKIP, IO: REGRESSED}.get(status, status)


def compare_sides(host, options):
    """Compare two kernels, two fios, two engines or two stored results."""
    kernels, fios, kept_to = options.kernel, options.fio, limits.load(options.limits)
    if max(len(kernels), len(fios)) > 2 or len(kernels) + len(fios) > 3:
        raise Failure("--kernel and --fio: each at most twice, and only one of them twice")
    twice = "kernel" if len(kernels) > 1 else "fio" if len(fios) > 1 else None
    if twice and options.old:
        raise Failure(f"--{twice} twice: two {twice}s are compared, with the engine of --engine; leave OLD and NEW out")
    if len(kernels) > 1 and (options.dut or options.gate == cells.TIME):
        raise Failure("--kernel twice: two kernels are compared in guests, by instructions; leave --dut and --gate out")
    if options.engine and not twice:
        raise Failure("--engine: goes with --kernel or --fio twice; without that, OLD and NEW name the engines")
    if not twice and not options.new:
        raise Failure("the following arguments are required: OLD, NEW; or --kernel or --fio twice; see pi-bench compare --help")
    found = [] if twice else [compare.find(options.old), compare.find(options.new)]
    if compare.RESULTS in (side.kind for side in found):
        return compare_stored(host, options, *found, kept_to)
    options.kernel = kernels[0] if len(kernels) == 1 else None
    options.fio = fios[-1] if fios else fio.Tools.fio
    options.guest = options.guest or len(kernels) > 1
    check(options)
    tools = tools_of(options, options.engine or fio.Tools.engine)
    if twice:
        sides = compare.kernels(kernels, tools) if twice == "kernel" else compare.fios(fios, tools)
    else:
        sides = compare.engines(found, tools)
    return compare_measured(host, options, sides, kept_to)


def conclude(host, found, out, name, strict=False):
    if not found.left and not found.failures:
        raise Failure(compare.nothing_left(found.skips.values()))
    made = comparereport.make(host, out, found, say, strict)
    report.write(out, made)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        print("\n".join(comparereport.annotations(found)))
    return report.end(name, made)


def lose(stream):
    """Keep Python from trying again, when it exits, to write what could not be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(line):
    try:
        print(line, file=sys.stderr)
    except OSError:
        lose(sys.stderr)


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
    return show_report(host, pathlib.Path(options.dir), options.dir)


def prove(host, options):
    check(options)
    if not options.live:
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
    """A function that opens the report in the browser; refuses before anything is measured if nothing could."""
    opener = shutil.which("xdg-open")
    if not opener or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise Failure(f"--open: {'no desktop' if opener else 'no xdg-open'} here; leave it out and open the file that the last line names")
    silent = options.command == SELFTEST and not options.live
    if silent or getattr(options, "dry_run", False) or getattr(options, "table", None) is not None:
        raise Failure("--open: no report is written; leave it out")
    page = pathlib.Path(getattr(options, "out", None) or options.dir, "index.html").absolute()
    return lambda: subprocess.run([opener, page], stdin=subprocess.DEVNULL, check=False)


def perform(arguments):
    """Do what the command line says; the exit status."""
    options = parser().parse_args(arguments)
    options.arguments = arguments
    refuse_ignored(options)
    show = desktop(options) if getattr(options, "open", False) else None
    status = COMMANDS[options.command](Host(), options)
    if show:
        show()
    return status


def flush():
    try:
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        lose(sys.stdout)
        raise


def main(arguments):
    catch_signals()
    # to git bisect, 2 would be a bad revision
    failed = SKIP if "--bisect" in arguments else ENVIRONMENT
    try:
        try:
            return perform(arguments)
        finally:
            flush()
    except (Failure, Interrupted) as failure:
        say(f"pi-bench: {failure}")
        return failed if failure.status == ENVIRONMENT else failure.status
    except BrokenPipeError:
        lose(sys.stderr)
        return failed
    except OSError as error:
        say(f"pi-bench: {error.filename or 'system'}: {error.strerror}")
        return failed
    except Exception:
        # Python's own status would be that of a regression
        traceback.print_exc()
        return failed
