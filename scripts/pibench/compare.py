# SPDX-License-Identifier: GPL-2.0-only
"""Old against new: engines, git revisions, fios, kernels or stored results. Refuses what is not comparable."""

import dataclasses
import hashlib
import os
import pathlib
import shlex
import shutil
import subprocess

from . import bench, cells, environment, fio, gate, guest, jobfile, limits, metrics, outcome, report, results, session, verdicts
from .command import last_line
from .errors import IO, OK, REGRESSED, UNDECIDED, Failure
from .host import Host

KERNEL = " kernel "
ENGINE, REVISION, RESULTS = "an engine", "a git revision", "results"
BUILD = fio.REPO / "build" / "compare-builds"
# fetched or built once, for every revision
SHARED = ("fio", "isal", "apt", "src", "pkg", "guest")


def git(*arguments):
    # in a hook it is the index of the user's work tree, which a new one must not take for its own
    environment = {name: value for name, value in os.environ.items() if name != "GIT_INDEX_FILE"}
    return subprocess.run(
        ["git", "-C", str(fio.REPO), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=environment
    )


def engine_in(place, tools, *variables, tree=fio.REPO):
    """The engine of a source tree, built in this directory for the fio at hand."""
    source = os.path.dirname(os.path.realpath(tools.fio))
    if not os.path.exists(os.path.join(source, "config-host.h")):
        raise Failure(f"{tools.fio}: not in the source tree it was built in, which an engine for it needs; give --fio there")
    place.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        original, link = fio.REPO / "build" / name, place / name
        if original.exists() and not link.is_symlink():
            link.symlink_to(original.resolve())
    target = place / "io_uring_pi.so"
    made = subprocess.run(
        ["make", "-C", str(tree), f"FIO={source}", f"B={place}", *variables, str(target)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if made.returncode != 0:
        said = (made.stderr.strip() or made.stdout.strip() or "no message").splitlines()
        raise Failure(f"{target}: does not build: {next((line for line in said if 'error' in line), said[-1])}")
    return target


def slower(count, tools, name_only):
    """The tree's engine, built to waste this many instructions on each I/O; or only its name."""
    place = fio.REPO / "build" / "selftest-engines" / f"spin-{count}"
    if name_only:
        return place / "io_uring_pi.so"
    return engine_in(place, tools, f"CFLAGS=-O2 -g -DPI_SELFTEST_SPIN={count}")


def toolchain(tools):
    """A name for what an engine depends on besides its source: the fio, the compiler and its flags."""
    compiler = os.environ.get("CC", "cc")
    said = environment.first_line(Host(), [*shlex.split(compiler), "--version"])
    told = (environment.sha256(tools.fio), compiler, said, os.environ.get("CFLAGS", ""), os.environ.get("LDFLAGS", ""))
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:8]


def build(revision, tools):
    """The engine of a revision, built for the fio at hand; kept, as that takes a while."""
    target = BUILD / f"{revision[:12]}-{toolchain(tools)}.so"
    if target.exists():
        return str(target)
    tree = BUILD / f"tree-{revision[:12]}-{os.getpid()}"
    BUILD.mkdir(parents=True, exist_ok=True)
    git("worktree", "prune")
    done = git("worktree", "add", "--force", "--detach", str(tree), revision)
    if done.returncode != 0:
        raise Failure(f"{revision[:12]}: git worktree: {last_line(done.stderr, done.returncode)}")
    try:
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copy(engine_in(tree / "build", tools, tree=tree), partial)
        os.replace(partial, target)
    finally:
        git("worktree", "remove", "--force", str(tree))
        shutil.rmtree(tree, ignore_errors=True)
    return str(target)


@dataclasses.dataclass(frozen=True)
class Side:
    """OLD or NEW."""

    title: str
    # what the command line names, and where that is
    kind: str = ""
    where: str = ""
    # what runs it; the guest kernel only if that is what differs
    tools: fio.Tools = fio.Tools()
    kernel: str = ""


def refusal():
    """Why git may not know a revision, if that can be told."""
    # a checkout of another user, or none
    if said := git("rev-parse", "--git-dir").stderr.partition("\n")[0].removeprefix("fatal: "):
        return f"; git says: {said}"
    shallow = git("rev-parse", "--is-shallow-repository").stdout.strip() == "true"
    return ", which is a shallow clone; git fetch --unshallow gets the others" if shallow else ""


def find(name):
    """The Side that a word on the command line names."""
    path = pathlib.Path(name)
    if path.name == results.NAME:
        path = path.parent
    if (path / results.NAME).exists():
        return Side(name, RESULTS, str(path))
    if path.is_file():
        return Side(name, ENGINE, str(path.absolute()))
    if path.is_dir():
        raise Failure(f"{name}: a directory without {results.NAME}; name one that pi-bench run wrote")
    if not shutil.which("git"):
        raise Failure(f"{name}: neither an engine nor results; for a git revision, install git")
    revision = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").stdout.strip()
    if not revision:
        raise Failure(f"{name}: neither an engine, nor results, nor a git revision of {fio.REPO}{refusal()}")
    return Side(name if revision.startswith(name) else f"{name} ({revision[:12]})", REVISION, revision)


def engines(sides, tools):
    """The Sides of two engines or revisions, with the tools of each."""
    if not os.path.exists(tools.fio):
        raise Failure(f"{tools.fio}: fio is not built; run make first")
    paths = [build(side.where, tools) if side.kind == REVISION else side.where for side in sides]
    return [dataclasses.replace(side, tools=dataclasses.replace(tools, engine=path)) for side, path in zip(sides, paths)]


def fios(programs, tools):
    """The Sides of two fios. Each gets the engine at hand if it loads that one, or else one built for it."""
    sides = []
    for program in programs:
        mine = dataclasses.replace(tools, fio=os.path.abspath(program))
        dataclasses.replace(mine, engine="").require()
        if not os.path.exists(mine.engine) or not fio.help_text(mine, ""):
            place = BUILD / f"fio-{environment.sha256(mine.fio)[:12]}"
            mine = dataclasses.replace(mine, engine=str(engine_in(place, mine)))
        sides.append(Side(f"fio {program}", tools=mine))
    return sides


def kernels(names, tools):
    """The Sides of two guest kernels, titled by their files alone if these differ."""
    short = [os.path.basename(name) for name in names]
    titles = short if len(set(short)) > 1 else names
    return [Side(f"kernel {title}", tools=tools, kernel=kernel) for title, kernel in zip(titles, names)]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The outcome."""

    old: str
    new: str
    mode: str
    lines: list
    skips: dict = dataclasses.field(default_factory=dict)
    failures: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)
    # whether more runs could decide on any cell
    left: bool = True

    @property
    def verdict(self):
        return gate.overall([line.verdict.verdict for line in self.lines])

    def status(self, strict):
        if self.failures:
            return IO
        if self.verdict == gate.REGRESSION:
            return REGRESSED
        return UNDECIDED if strict and self.verdict == gate.INCONCLUSIVE else OK

    @property
    def noise(self):
        """The widest range of a cell's ratio: from boot to boot or, by time, between its limits."""
        spans = [line.verdict.high - line.verdict.low for line in self.lines if line.verdict.ratio is not None]
        return max(spans, default=0)


def refuse_different(old, new, what):
    """Refuse two sets of conditions that differ."""
    for name in old:
        if old[name] != new.get(name) or old[name] is None:
            texts = [str(value) for value in (old[name], new.get(name))]
            # of long texts, show where they differ
            alike = max(0, len(os.path.commonprefix(texts)) - 20)
            one, other = (("…" if alike else "") + text[alike : alike + 60] for text in texts)
            raise Failure(f"{what}: not comparable: {name} is '{one}' and '{other}'; measure both again, or compare the builds")


def refused(old, new, why):
    return f"{new} refuses what {old} does: {why}"


def of_session(name, records, env):
    """The records of one session and what was planned for it."""
    planned = {which: steps for which, steps in (env.get("planned") or {}).items() if which == name}
    return [record for record in records if record["session"] == name], {"planned": planned}


def stored(old, new, kept_to):
    """The Comparison of two directories that hold counts of instructions."""
    sessions, environments, fingerprints = [], [], []
    for side in (old, new):
        records, env = results.load_all(side.where)
        if env.get("compare"):
            raise Failure(f"{side.title}: is itself a comparison; name what pi-bench run wrote")
        counted = [s for s in outcome.group(records) if s.mode == cells.INSTRUCTIONS and s.runs and not s.builds]
        if not counted:
            raise Failure(
                f"{side.title}: holds no counts of instructions; times of two sessions do not compare, "
                "as the machine changes between them: compare the builds, which runs them side by side"
            )
        sessions.append(counted[0])
        environments.append(env)
        fingerprints.append((env.get("fingerprints") or {}).get(counted[0].name))
        if not fingerprints[-1] or report.left_over(*of_session(counted[0].name, records, env)):
            raise Failure(f"{side.title}: is not complete; finish it with --resume")
    refuse_different(*fingerprints, f"{old.title} and {new.title}")
    before, after = sessions
    ran = [cell.name for cell in before.cells if cell.name in before.runs]
    failures = {name: after.failures[name] for name in ran if name in after.failures}
    failures |= {name: refused(old.title, new.title, after.skips[name]) for name in ran if name in after.skips}
    names = [name for name in ran if name in after.runs and name not in failures]
    if not names and not failures:
        raise Failure(f"{old.title} and {new.title}: have no cell in common")
    skips = {name: f"{new.title} has not measured it" for name in ran if name not in names and name not in failures}
    lines = [kept_to.apply(verdicts.stored(name, before.runs[name], after.runs[name], kept_to)) for name in names]
    return Comparison(old.title, new.title, cells.INSTRUCTIONS, lines, skips, failures, environment=environments[1])


def of(records, env):
    """The Comparison in the records of a directory, or None if they compare nothing."""
    told = env.get("compare")
    if not told:
        return None
    done_by_old = {record["cell"] for record in records if record["kind"] == "run" and record["build"] == cells.OLD}
    skips, failures = dict(env.get("skips") or {}), {}
    for record in records:
        cell = record["cell"]
        if record["kind"] == "failure":
            failures.setdefault(cell, record["reason"])
        elif record["kind"] == "skip" and record.get("refuses") == cells.NEW and cell in done_by_old:
            failures.setdefault(cell, refused(told["old"], told["new"], record["reason"]))
        elif record["kind"] == "skip":
            skips.setdefault(cell, record["reason"])
    skips = {cell: why for cell, why in skips.items() if cell not in failures}
    left = [record for record in records if record["kind"] != "plan" and record["cell"] not in {*skips, *failures}]
    boots = {}
    for record in left:
        if record["kind"] == "run":
            # two kernels boot one after the other; their sessions belong together
            boot = boots.setdefault(record["session"].partition(KERNEL)[0], {})
            boot.setdefault(record["cell"], []).append(record)
    kept_to, mode = limits.stored(env.get("limits")), records[0]["mode"]
    decided = verdicts.decide(mode, boots, kept_to, 1 if told.get("kernels") else 2)
    lines = [explained(kept_to.apply(line), env.get("where") or {}) for line in decided]
    return Comparison(told["old"], told["new"], mode, lines, skips, failures, env, bool(left))


def explained(line, where):
    """The Line, saying also in which functions it changed, if that is known."""
    functions, _ = where.get(line.cell, ("", None))
    if not functions:
        return line
    return dataclasses.replace(line, verdict=dataclasses.replace(line.verdict, why=f"{line.verdict.why}: {functions}"))


def changed(comparison, most):
    """The cells whose instructions changed by as much as the gate looks at, worst first, at most so many."""
    lines = [line for line in comparison.lines if line.metric == metrics.HOST and abs(line.new - line.old) >= gate.LIMIT_COUNT]
    return [line.cell for line in sorted(lines, key=lambda line: line.old - line.new)][:most]


def cell_list(path, sets, tools):
    """(cells that the old engine offers, {name of another cell: why it is left out}, (NEW, layout) that only the new one lacks)"""
    offered = list(map(fio.layouts, tools))
    chosen, skips, lacks = [], {}, {}
    for cell in cells.load(path, sets, offered[0]):
        lacking = [which for which, has in zip((cells.OLD, cells.NEW), offered) if cell.arm.engine == cells.OURS and
                   cell.arm.has_pi and cell.arm.layout not in has]  # fmt: skip
        if cells.OLD in lacking:
            skips[cell.name] = f"the {' and the '.join(lacking)} engine {'has' if len(lacking) == 1 else 'have'} no such layout"
            continue
        chosen.append(cell)
        if lacking:
            lacks[cells.NEW, cell.arm.layout] = None
    if len(chosen) > gate.CELLS:
        raise Failure(f"{path}: {len(chosen)} cells; the gate decides on {gate.CELLS} at most, or one of them is wrong too often")
    return tuple(chosen), skips, tuple(lacks)


def nothing_left(reasons):
    return f"nothing to compare: {'; '.join(sorted(set(reasons)))}"


def chosen(options, gated, tools):
    """(fields of a Spec that choose the cells, {cell that is left out: why})"""
    if options.job:
        # refuses an engine that its fio does not load
        list(map(fio.layouts, tools))
        cell, job, fill = jobfile.take(options.job, BUILD / "jobs")
        return {"cells": (cell.name,), "jobs": job, "fill": fill}, {}
    found, skips, lacks = cell_list(options.cells, (gated,), tools)
    skips = {cell.name: skips[cell.name] for cell in cells.select(map(cells.parse, skips), options.only)}
    if skips and not cells.select(found, options.only):
        raise Failure(nothing_left(skips.values()))
    return {"cells": bench.names(found, options, options.cells), "lacks": lacks}, skips


def refuse_short(names, scale):
    """Refuse a --scale with which chance would decide."""
    for name in names:
        ios = cells.number_ios(cells.INSTRUCTIONS, cells.parse(name).workload, 1, scale)
        if ios < gate.IOS:
            needed = f"a difference of {gate.LIMIT_COUNT} instructions shows in {gate.IOS} or more"
            raise Failure(f"--scale {scale:g}: {name} would run {ios} I/Os; {needed}")


def specs(host, options, sides, more):
    """({spec: disks}, what the report needs to know): both sides in each session, or each of two kernels in guests of its own."""
    gated = options.gate or (cells.TIME if options.dut else cells.INSTRUCTIONS)
    if options.dut and gated != cells.TIME:
        raise Failure(f"--gate {gated}: on a drive only time can decide")
    builds = dict(zip((cells.OLD, cells.NEW), sides))
    which, skips = chosen(options, gated, [side.tools for side in sides])
    if gated == cells.INSTRUCTIONS:
        refuse_short(which["cells"], options.scale)
    tools = {build: side.tools for build, side in builds.items()}
    more |= {"tools": tools[cells.NEW], "builds": tuple(tools.items()), "profiles": True, **which}
    env = {"compare": {build: side.title for build, side in builds.items()}, "skips": skips}
    if options.dut:
        spec = bench.device_session(host, options, **more)
        if spec.mode != cells.TIME:
            raise Failure("--dut: this machine is emulated, its time means nothing; compare with --guest")
        return {spec: None}, env
    ready = [guest.ready(kernel, options.dry_run) for kernel in dict.fromkeys(side.kernel or options.kernel for side in sides)]
    env["guest"] = " and ".join(filter(None, ready)) or None
    if gated == cells.TIME:
        if ready[0] and not ready[0].startswith("KVM"):
            raise Failure("--gate time: needs KVM or --dut, and KVM does not work here; leave it out to count instructions")
        return {session.Spec(name="nvme", mode=cells.TIME, icount=False, **bench.NVME, **more): bench.NVME_DISKS}, env
    boots = range(1, options.boots + 1)
    if not sides[0].kernel:
        return dict(bench.boot(options, number, **more) for number in boots), env
    env["compare"]["kernels"] = True
    pairs = [(number, build, side) for number in boots for build, side in builds.items()]
    return dict(
        bench.boot(options, number, KERNEL + build, **more | {"kernel": side.kernel, "builds": ((build, side.tools),)})
        for number, build, side in pairs
    ), env  # fmt: skip
