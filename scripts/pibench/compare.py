# SPDX-License-Identifier: GPL-2.0-only
"""Old against new: engines, git revisions, or stored results; what does not compare is refused."""

import dataclasses
import os
import pathlib
import shutil
import subprocess

from . import bench, cells, environment, fio, gate, guest, jobfile, limits, metrics, outcome, results, session, verdicts
from .command import last_line
from .errors import IO, OK, REGRESSED, UNDECIDED, Failure

KERNEL = " kernel "
ENGINE, REVISION, RESULTS = "an engine", "a git revision", "results"
BUILD = fio.REPO / "build" / "compare-builds"
# fetched or built once, the same for every revision
SHARED = ("fio", "isal", "apt", "src", "pkg", "guest")


def git(*arguments):
    return subprocess.run(
        ["git", "-C", str(fio.REPO), *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def kind(name):
    """What OLD or NEW names, and where it is."""
    path = pathlib.Path(name)
    if path.name == results.NAME:
        path = path.parent
    if (path / results.NAME).exists():
        return RESULTS, path
    if path.is_file():
        return ENGINE, path.absolute()
    if path.is_dir():
        raise Failure(f"{name}: a directory without {results.NAME}; name one that pi-bench run wrote")
    found = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found.returncode == 0 and found.stdout.strip():
        return REVISION, found.stdout.strip()
    raise Failure(f"{name}: neither an engine, nor results, nor a git revision of {fio.REPO}")


def source_of(tools):
    """The configured source that the fio at hand was built from: engines are built for it."""
    source = os.path.dirname(os.path.realpath(tools.fio))
    if not os.path.exists(os.path.join(source, "config-host.h")):
        raise Failure(f"{tools.fio}: not in the source tree it was built in, which an engine for it needs; give --fio there")
    return source


def share(directory):
    """What was fetched or built once, for a build that goes to another directory."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in SHARED:
        original, link = fio.REPO / "build" / name, directory / name
        if original.exists() and not link.is_symlink():
            link.symlink_to(original.resolve())


def make(tree, what, *variables):
    """Run make for an engine; refuses, with the compiler's words, what does not build."""
    made = subprocess.run(
        ["make", "-C", str(tree), *variables, str(what)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if made.returncode != 0:
        said = (made.stderr.strip() or made.stdout.strip() or "no message").splitlines()
        raise Failure(f"{what}: does not build: {next((line for line in said if 'error' in line), said[-1])}")


def engine_in(place, tools, *variables):
    """The engine of the tree, built for the fio at hand in a directory of its own."""
    target = place / "io_uring_pi.so"
    share(place)
    make(fio.REPO, target, f"FIO={source_of(tools)}", f"B={place}", *variables)
    return target


def slower(count, tools, name_only):
    """The tree's engine, built to waste this many instructions on each I/O; or only its name."""
    place = fio.REPO / "build" / "selftest-engines" / f"spin-{count}"
    if name_only:
        return place / "io_uring_pi.so"
    return engine_in(place, tools, f"CFLAGS=-O2 -g -DPI_SELFTEST_SPIN={count}")


def build(revision, tools):
    """The engine of a revision, built in a worktree of its own for the fio at hand; kept, as that takes a while."""
    source = source_of(tools)
    target = BUILD / f"{revision[:12]}-{environment.sha256(tools.fio)[:8]}.so"
    if target.exists():
        return str(target)
    tree = BUILD / f"tree-{revision[:12]}-{os.getpid()}"
    BUILD.mkdir(parents=True, exist_ok=True)
    git("worktree", "prune")
    done = git("worktree", "add", "--force", "--detach", str(tree), revision)
    if done.returncode != 0:
        raise Failure(f"{revision[:12]}: git worktree: {last_line(done.stderr, done.returncode)}")
    try:
        share(tree / "build")
        make(tree, "build/io_uring_pi.so", f"FIO={source}")
        partial = target.with_suffix(f".{os.getpid()}")
        shutil.copy(tree / "build" / "io_uring_pi.so", partial)
        os.replace(partial, target)
    finally:
        git("worktree", "remove", "--force", str(tree))
        shutil.rmtree(tree, ignore_errors=True)
    return str(target)


@dataclasses.dataclass(frozen=True)
class Side:
    """One of the two: what it was called, what that is, and its engine or results."""

    name: str
    kind: str
    where: str

    @property
    def title(self):
        return f"{self.name} ({self.where[:12]})" if self.kind == REVISION and not self.where.startswith(self.name) else self.name


def sides(old, new):
    found = [Side(name, *map(str, kind(name))) for name in (old, new)]
    if len({side.kind == RESULTS for side in found}) > 1:
        raise Failure(f"{old} is {found[0].kind} and {new} {found[1].kind}: results compare with results only")
    return found


def engines(old, new, tools):
    """The tools of each side."""
    if not os.path.exists(tools.fio):
        raise Failure(f"{tools.fio}: fio is not built; run make first")
    return [dataclasses.replace(tools, engine=build(side.where, tools) if side.kind == REVISION else side.where) for side in (old, new)]


def same(old, new, what):
    """Refuses two sets of conditions that differ."""
    for name in old:
        if old[name] != new.get(name) or old[name] is None:
            texts = [str(value) for value in (old[name], new.get(name))]
            # of long ones, where they differ
            alike = max(0, len(os.path.commonprefix(texts)) - 20)
            one, other = (("…" if alike else "") + text[alike : alike + 60] for text in texts)
            raise Failure(f"{what}: not comparable: {name} is '{one}' and '{other}'; measure both again, or compare the builds")


def refused(old, new, why):
    return f"{new} refuses what {old} does: {why}"


def stored(old, new, kept_to):
    """Lines of two results that count instructions, and {cell that OLD ran: why NEW did not}; anything else is refused."""
    both = []
    for side in (old, new):
        records, env = results.load_all(side.where)
        if env.get("compare"):
            raise Failure(f"{side.name}: is itself a comparison; name what pi-bench run wrote")
        counted = [s for s in outcome.group(records) if s.mode == cells.INSTRUCTIONS and s.runs and not s.builds]
        if not counted:
            raise Failure(
                f"{side.name}: holds no counts of instructions; times of two sessions do not compare, "
                "as the machine changes between them: compare the builds, which runs them side by side"
            )
        fingerprints = env.get("fingerprints") or {}
        both.append((counted[0], fingerprints.get(counted[0].name)))
    (before, fingerprint), (after, other) = both
    if not fingerprint or not other:
        raise Failure(f"{(old if not fingerprint else new).name}: is not complete; finish it with --resume")
    same(fingerprint, other, f"{old.name} and {new.name}")
    ran = [cell.name for cell in before.cells if cell.name in before.runs]
    failures = {name: after.failures[name] for name in ran if name in after.failures}
    failures |= {name: refused(old.name, new.name, after.skips[name]) for name in ran if name in after.skips}
    names = [name for name in ran if name in after.runs and name not in failures]
    if not names and not failures:
        raise Failure(f"{old.name} and {new.name}: have no cell in common")
    lines = [verdicts.stored(name, before.runs[name], after.runs[name], kept_to) for name in names]
    return list(map(kept_to.apply, lines)), failures


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What came out."""

    old: str
    new: str
    mode: str
    lines: list
    skips: dict = dataclasses.field(default_factory=dict)
    failures: dict = dataclasses.field(default_factory=dict)
    environment: dict = dataclasses.field(default_factory=dict)
    # whether a cell is left that more runs would decide on
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
        """The widest range of the ratio of one cell over the boots or, by time, of its limits."""
        spans = [line.verdict.high - line.verdict.low for line in self.lines if line.verdict.ratio is not None]
        return max(spans, default=0)


def of(records, env):
    """The Comparison that a directory's records hold, or None: they compare nothing."""
    told = env.get("compare")
    if not told:
        return None
    runs, skips, failures, refusals = {}, {}, {}, {}
    mode = None
    for record in records:
        mode = mode or record["mode"]
        # two kernels have a boot each, that belong together
        boot = record["session"].partition(KERNEL)[0]
        if record["kind"] == "run":
            runs.setdefault(boot, {}).setdefault(record["cell"], []).append(record)
        elif record["kind"] == "failure":
            failures.setdefault(record["cell"], record["reason"])
        elif record["kind"] == "skip":
            skips.setdefault(record["cell"], record["reason"])
            if record.get("refuses") == cells.NEW:
                refusals.setdefault((boot, record["cell"]), record["reason"])
    for (name, cell), why in refusals.items():
        # what OLD cannot do here either says nothing about NEW
        if any(run["build"] == cells.OLD for run in runs.get(name, {}).get(cell, ())):
            failures.setdefault(cell, refused(told["old"], told["new"], why))
    skips = {**(env.get("skips") or {}), **{cell: why for cell, why in skips.items() if cell not in failures}}
    lost = set(skips) | set(failures)
    kept = {name: {cell: each for cell, each in found.items() if cell not in lost} for name, found in runs.items()}
    left = {record["cell"] for record in records if record["kind"] != "plan"} - lost
    kept_to = limits.stored(env.get("limits"))
    decided = verdicts.decide(mode, kept, kept_to, 1 if told.get("kernels") else 2)
    lines = [named(kept_to.apply(line), env.get("where") or {}) for line in decided]
    return Comparison(told["old"], told["new"], mode, lines, skips, failures, env, bool(left))


def named(line, where):
    """The line with the functions that take what it says, where they were counted."""
    words, _ = where.get(line.cell, (None, None))
    if not words:
        return line
    return dataclasses.replace(line, verdict=dataclasses.replace(line.verdict, why=f"{line.verdict.why}: {words}"))


def changed(comparison, most):
    """The cells that take more instructions or fewer, by what the gate looks at, the worst first, so many at most."""
    lines = [line for line in comparison.lines if line.metric == metrics.HOST and abs(line.new - line.old) >= gate.LIMIT_COUNT]
    return [line.cell for line in sorted(lines, key=lambda line: line.old - line.new)][:most]


def engine_for(program, options):
    """The engine that a fio loads: the one at hand, or one built for the source of that fio."""
    tools = fio.Tools(program, os.path.abspath(options.engine))
    if os.path.exists(tools.engine) and fio.say(tools, ""):
        return tools.engine
    return str(engine_in(BUILD / f"fio-{environment.sha256(program)[:12]}", tools))


def fios(programs, options, tools):
    """The tools of two fios, each with an engine that it loads."""
    programs = list(map(os.path.abspath, programs))
    for program in programs:
        dataclasses.replace(tools, fio=program, engine="").require()
    return [dataclasses.replace(tools, fio=program, engine=engine_for(program, options)) for program in programs]


def cell_list(path, sets, sides):
    """(cells that the old engine offers, {name of another: why not}, (NEW, layout) of those that the new one does not)"""
    offered = list(map(fio.layouts, sides))
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


def chosen(options, gated, sides):
    """(what of a Spec says which cells, {cell that is left out: why})"""
    if options.job:
        if options.only:
            raise Failure("--only: chooses cells; --job brings its own")
        # refuses an engine that its fio does not load
        list(map(fio.layouts, sides))
        cell, job, fill = jobfile.take(options.job, BUILD / "jobs")
        return {"cells": (cell.name,), "jobs": job, "fill": fill}, {}
    found, skips, lacks = cell_list(options.cells, (gated,), sides)
    found = cells.select(found, options.only)
    skips = {cell.name: skips[cell.name] for cell in cells.select(map(cells.parse, skips), options.only)}
    if not found:
        if skips:
            raise Failure(nothing_left(skips.values()))
        raise Failure(f"--only {' '.join(options.only)}: no such cell in {options.cells}")
    return {"cells": tuple(cell.name for cell in found), "lacks": lacks}, skips


def specs(host, options, titles, sides, more):
    """({spec: disks}, what the report is to say) of two builds, side by side in each boot or on the device; sides: the tools of each."""
    gated = options.gate or (cells.TIME if options.dut else cells.INSTRUCTIONS)
    which, skips = chosen(options, gated, sides)
    paths = {name: tuple((build, getattr(side, name)) for build, side in zip((cells.OLD, cells.NEW), sides)) for name in ("engine", "fio")}
    more |= {"tools": sides[1], "builds": paths["engine"], "profiles": True, **which}
    if sides[0].fio != sides[1].fio:
        more["fios"] = paths["fio"]
    env = {"compare": dict(zip(("old", "new"), titles)), "skips": skips}
    if options.dut:
        spec = bench.device_session(host, options, **more)
        if gated != cells.TIME:
            raise Failure(f"--gate {gated}: on a drive only time can decide")
        if spec.mode != cells.TIME:
            raise Failure("--dut: this machine is emulated, its time means nothing; compare with --guest")
        return {spec: None}, env
    what = guest.ready(options.kernel, options.dry_run)
    if gated == cells.TIME:
        if what and not what.startswith("KVM"):
            raise Failure("--gate time: needs KVM or --dut, and KVM does not work here; leave it out to count instructions")
        return {session.Spec(name="nvme", mode=cells.TIME, icount=False, **bench.NVME, **more): bench.NVME_DISKS}, env | {"guest": what}
    return dict(bench.boot(options, number, **more) for number in range(1, options.boots + 1)), env | {"guest": what}


def kernels(options, tools, more):
    """The same of two guest kernels, with one engine: a boot of each, in turns, so many times."""
    which, _ = chosen(options, cells.INSTRUCTIONS, (tools, tools))
    both = dict(zip((cells.OLD, cells.NEW), options.kernel))
    what = {build: guest.ready(kernel, options.dry_run) for build, kernel in both.items()}
    more |= {**which, "tools": tools, "profiles": True}
    specs = dict(
        bench.boot(options, number, KERNEL + build, **more | {"kernel": kernel, "builds": ((build, tools.engine),)})
        for number in range(1, options.boots + 1) for build, kernel in both.items()
    )  # fmt: skip
    # by their files alone, where these tell them apart
    short = [os.path.basename(kernel) for kernel in both.values()]
    old, new = both.values() if len(set(short)) < len(both) else short
    told = {"old": f"kernel {old}", "new": f"kernel {new}", "kernels": True}
    return specs, {"compare": told, "guest": " and ".join(filter(None, what.values())) or None}
