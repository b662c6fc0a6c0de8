# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: workloads x arms, how many I/Os each takes, and in which order."""

import collections.abc
import configparser
import dataclasses
import functools
import itertools
import pathlib
import random
import re

from . import catalog, device
from .errors import Failure

REPO = pathlib.Path(__file__).resolve().parents[2]
BENCH = str(REPO / "configs" / "bench.cells")
GATE = str(REPO / "configs" / "gate.cells")
CORE = "core"

AUTOPI, NOVERIFY, NOPI, PI = "plain-autopi", "plain-noverify", "plain-nopi", "pi"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """Plain I/O to compare with: on which device, and under which of its settings."""

    name: str
    words: str
    device: str = "pi"
    settings: collections.abc.Callable = lambda target: {}


BASELINES = {
    row.name: row
    for row in (
        Baseline(AUTOPI, "PI namespace, default settings: the kernel generates and verifies PI itself"),
        Baseline(NOVERIFY, "PI namespace, integrity/read_verify and write_generate set to 0", settings=device.no_integrity),
        Baseline(NOPI, "namespace without PI", "nopi"),
    )
}
STATES = (*BASELINES, PI)
DIRECTIONS = ("randread", "randwrite", "read", "write")
ALL_PI = 100

FIO, FIO_CMD, FLOOR = "io_uring", "io_uring_cmd", "floor"
OURS = "io_uring_pi"
# a fio that takes its checksums from ISA-L
ISAL = "-isal"
OTHERS = (FIO, FIO + ISAL, FIO_CMD, FIO_CMD + ISAL, FLOOR)
MD, NONE = "md", "none"
# what a job file of the user's says
JOB = "job"
# what a ring has registered, and by which opcode it goes: words, and fio's fixedbufs, registerfiles and nonvectored
FIXED, REGISTERED = "fixed", "registered"
BUFFERS = {
    FIXED: ("", (1, 1, 1)),
    REGISTERED: ("metadata registered", (1, 1, 1)),
    "single": ("buffers not registered", (0, 1, 1)),
    "vectored": ("vectored", (0, 1, 0)),
    "bare": ("nothing registered", (0, 0, 1)),
}


# more of what there is one of: as it is called in names, in a Workload, and in words
SEVERAL = {"jobs": ("numjobs", "{} jobs"), "files": ("files", "{} files"), "x": ("times", "{} times as many")}


@dataclasses.dataclass(frozen=True)
class Workload:
    rw: str
    block_size: int
    iodepth: int
    mix: int = ALL_PI
    buffers: str = FIXED
    numjobs: int = 1
    files: int = 1
    # so many times as many I/Os
    times: int = 1

    @property
    def name(self):
        more = [f"mix{self.mix}"] * (self.mix != ALL_PI) + [self.buffers] * (self.buffers != FIXED)
        more += [f"{word}{getattr(self, field)}" for word, (field, _) in SEVERAL.items() if getattr(self, field) > 1]
        return "-".join([self.rw, f"{self.block_size // 1024}k", f"qd{self.iodepth}", *more])

    @property
    def title(self):
        order = "random" if self.rw.startswith("rand") else "sequential"
        more = [f"PI on {self.mix} %"] * (self.mix != ALL_PI) + [BUFFERS[self.buffers][0]] * (self.buffers != FIXED)
        more += [words.format(getattr(self, field)) for field, words in SEVERAL.values() if getattr(self, field) > 1]
        return ", ".join([f"{self.block_size // 1024} KiB {order} {self.direction}", f"depth {self.iodepth}", *more])

    @property
    def direction(self):
        return "write" if self.rw.endswith("write") else "read"

    @property
    def rank(self):
        more = tuple(BUFFERS).index(self.buffers), *(getattr(self, field) for field, _ in SEVERAL.values())
        return DIRECTIONS.index(self.rw), self.block_size, self.iodepth, self.mix, *more


@dataclasses.dataclass(frozen=True)
class Job(Workload):
    """A job file of the user's; its engine says what it can."""

    file: str = ""

    @property
    def name(self):
        return f"{JOB}:{self.file}"

    @property
    def title(self):
        return f"job file {self.file}"

    @property
    def rank(self):
        return (len(DIRECTIONS),)


def job(name):
    """The Cell of a job file."""
    return Cell(Job(JOB, 4096, 32, file=name), arm(f"{PI}/{JOB}"))


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to submit: an engine with a layout, against a device in a given state."""

    state: str
    engine: str
    layout: str

    @property
    def name(self):
        return f"{self.state}/{self.way}"

    @property
    def way(self):
        return self.layout if self.engine == OURS else self.engine

    @property
    def label(self):
        return f"{self.engine} {self.layout}" if self.engine == OURS else self.engine

    @property
    def has_pi(self):
        return self.state == PI

    def without_pi(self, state):
        """The same engine, against the device in that state."""
        return Arm(state, self.engine, NONE)

    @property
    def section(self):
        """Of the job file."""
        if self.engine == OURS:
            return "attr" if self.has_pi else "none"
        if self.engine.startswith(FIO_CMD):
            return "cmd"
        return "md" if self.has_pi else "plain"

    @property
    def device(self):
        return "pi" if self.has_pi else BASELINES[self.state].device

    def settings(self, target):
        """Of the device, while this is measured on it; None: those of the kernel's own PI say nothing of an I/O that has its own."""
        return None if self.has_pi else BASELINES[self.state].settings(target)

    @property
    def rank(self):
        others = OTHERS.index(self.engine) if self.engine in OTHERS else len(OTHERS)
        return STATES.index(self.state), others, catalog.rank(self.layout), self.layout


@dataclasses.dataclass(frozen=True)
class Cell:
    workload: Workload
    arm: Arm

    @property
    def name(self):
        return f"{self.workload.name} {self.arm.name}"

    @property
    def rank(self):
        return self.workload.rank, self.arm.rank


def arm(name):
    """The Arm of a name."""
    state, _, way = name.partition("/")
    if way in (*OTHERS, JOB):
        return Arm(state, way, MD if state == PI else NONE)
    return Arm(state, OURS, way)


MORE = {"mix": "mix", **{word: field for word, (field, _) in SEVERAL.items()}}


@functools.cache
def parse(name):
    """The Cell of a name in a result."""
    mine = re.fullmatch(rf"{JOB}:(\S+) {PI}/{JOB}", name)
    if mine:
        return job(mine[1])
    found = re.fullmatch(r"(\w+)-(\d+)k-qd(\d+)((?:-\w+)*) ([\w-]+/[\w-]+)", name)
    more = {}
    for word in found[4].split("-")[1:] if found else ():
        counted = re.fullmatch(rf"({'|'.join(MORE)})(\d+)", word)
        more |= {MORE[counted[1]]: int(counted[2])} if counted else {"buffers": word}
    if not found or found[1] not in DIRECTIONS or found[5].partition("/")[0] not in STATES or more.get("buffers", FIXED) not in BUFFERS:
        raise Failure(f"results: '{name}' is not a cell of pi-bench")
    return Cell(Workload(found[1], int(found[2]) << 10, int(found[3]), **more), arm(found[5]))


KEYS = {
    "rw": lambda word: word if word in DIRECTIONS else None,
    "bs": lambda word: int(word[:-1]) << 10 if re.fullmatch(r"[1-9]\d*k", word) else None,
    "iodepth": lambda word: int(word) if re.fullmatch(r"[1-9]\d*", word) else None,
    "mix": lambda word: int(word) if re.fullmatch(r"\d+", word) and int(word) <= ALL_PI else None,
    "baseline": lambda word: word if word in BASELINES else None,
    "layout": lambda word: word if re.fullmatch(r"\*|\w+", word) else None,
    "engine": lambda word: word if word in (*OTHERS, OURS) else None,
    "buffers": lambda word: word if word in BUFFERS else None,
    **{field: lambda word: int(word) if re.fullmatch(r"[1-9]\d*", word) else None for field, _ in SEVERAL.values()},
}
DEFAULTS = {"mix": [ALL_PI], "baseline": list(BASELINES), "engine": [FIO, OURS], "layout": ["*"], "buffers": [FIXED]}
DEFAULTS |= {field: [1] for field, _ in SEVERAL.values()}
RINGS = "rings"


def values(path, section, key):
    """The values of one key of a section, each as KEYS reads it."""
    if key not in section:
        if key not in DEFAULTS:
            raise Failure(f"{path}: [{section.name}] says no {key}")
        return DEFAULTS[key]
    found = []
    for word in section[key].split():
        value = KEYS[key](word)
        if value is None:
            raise Failure(f"{path}: [{section.name}] {key}: '{word}' is not one; the head of configs/bench.cells lists what is")
        found.append(value)
    return found


def arms(states, engines, layouts):
    """No layout: no I/O with PI, of nobody."""
    for state in states:
        for engine in engines:
            if engine in (FIO, OURS):
                yield Arm(state, engine, NONE)
    for engine in engines if layouts else ():
        if engine != OURS:
            yield Arm(PI, engine, MD)
    if OURS in engines:
        for layout in layouts:
            yield Arm(PI, OURS, layout)


def named(given, layouts):
    """The layouts that the words of a section stand for."""
    several = {"*": layouts, RINGS: catalog.rings(layouts) if RINGS in given else ()}
    return [each for word in given for each in several.get(word, (word,))]


def sections(path, like, key=str.lower):
    """A file of sections, in the manner of fio's jobs; like: one that there is, key: how its keys are read."""
    file = configparser.ConfigParser(delimiters="=", comment_prefixes=";", interpolation=None)
    file.optionxform = key
    try:
        with open(path, encoding="utf-8") as opened:
            file.read_file(opened)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; name a file such as {like}") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {' '.join(str(error).split())}") from None
    return file


def load(path=BENCH, sets=(CORE,), layouts=()):
    """The cells of a file's sets, every layout for which it says *."""
    file = sections(path, "configs/bench.cells")
    known = {name.split()[0] for name in file.sections()}
    for wanted in sets:
        if wanted not in known and wanted != "all":
            raise Failure(f"{path}: has no set '{wanted}', only {', '.join(sorted(known))} and all")
    found = {}
    for name in file.sections():
        section = file[name]
        unknown = set(section) - set(KEYS)
        if unknown:
            raise Failure(f"{path}: [{name}] {sorted(unknown)[0]}: no such key; the head of configs/bench.cells lists them")
        given = {key: values(path, section, key) for key in KEYS}
        if name.split()[0] not in sets and "all" not in sets:
            continue
        for each in itertools.product(*(given[key] for key in ("rw", "bs", "iodepth", "mix", "buffers", "numjobs", "files", "times"))):
            workload = Workload(*each)
            for one in arms(given["baseline"], given["engine"], named(given["layout"], layouts)):
                # neither the share nor where metadata lies says anything of an I/O that has none of ours
                if one.engine == OURS and one.has_pi or workload.mix == ALL_PI and workload.buffers != REGISTERED:
                    found[Cell(workload, one)] = None
    return tuple(sorted(found, key=lambda cell: cell.rank))


INSTRUCTIONS, CPU, TIME = "instructions", "cpu", "time"
# I/Os and bytes of a run, the fewer of both: one at a time, and more
AT_MOST = {
    INSTRUCTIONS: ((4096, 64 << 20), (4096, 64 << 20)),
    CPU: ((4096, 128 << 20), (8192, 256 << 20)),
    TIME: ((65536, 2 << 30), (524288, 4 << 30)),
}
REGION = {INSTRUCTIONS: 64 << 20, CPU: 256 << 20, TIME: 4 << 30}
WARM_UP = 0
WARM_UP_SHARE = 1 / 8
# I/Os of a run beside each, which is taken off: neither fio's start nor the set-up of a ring is what an I/O takes
LEAD = 512
OLD, NEW = "old", "new"


def number_ios(mode, workload, number, scale=1.0, most=0):
    """How many I/Os of a run of that round are counted."""
    usual, size = AT_MOST[mode][workload.iodepth > 1]
    share = WARM_UP_SHARE if number == WARM_UP else 1
    return max(64, int(min(most or usual, size // workload.block_size) * workload.times * share * scale))


def select(cells, only):
    """The cells whose name has all words of one of the given patterns, each where a part of the name begins."""

    def fits(cell, pattern):
        return all(re.search(rf"(?:^|[ /-]){re.escape(word)}", cell.name) for word in pattern.split())

    return tuple(c for c in cells if not only or any(fits(c, pattern) for pattern in only))


FIRST, LAST = "first", "last"


@dataclasses.dataclass(frozen=True)
class Step:
    """One run: of which cell, with which build where two are compared, and whether it is there to see the machine drift."""

    round: int
    index: int | str
    cell: Cell | None
    build: str = ""
    reference: str = ""

    @property
    def key(self):
        return f"{self.round}.{self.index}"

    @property
    def name(self):
        return f"{self.cell.name}{f' {self.build}' * bool(self.build)}{f' {self.reference} reference' * bool(self.reference)}"


def reference(cells):
    """The cell that is run first and last in each round: plain, small, fio's own where there is one."""
    plain = [cell for cell in cells if not cell.arm.has_pi]
    return min(plain, key=lambda cell: (cell.arm.device == "nopi", cell.arm.engine != FIO, cell.rank), default=None)


def one_round(cells, number, seed, builds=("",), group_by_device=False, mark=None):
    """Steps of a round: every cell once in shuffled order, or old-new-new-old where builds are compared, between two of the reference."""
    rng = random.Random(f"{seed}/{number}")
    chosen = list(cells)
    rng.shuffle(chosen)
    if group_by_device:
        # changing the device is dear: away from it and back once a round
        ends = [cell for cell in chosen if cell.arm.device == "pi"]
        middle = [cell for cell in chosen if cell.arm.device != "pi"]
        half = len(ends) // 2 if mark else len(ends)
        chosen = ends[:half] + middle + ends[half:]
    steps = [(mark, builds[0], FIRST)] if mark else []
    for cell in chosen:
        if len(builds) == 1:
            order = builds
        else:
            order = rng.sample(builds, len(builds))
            order += order[::-1] * (number != WARM_UP)
        steps += [(cell, build, "") for build in order]
    steps += [(mark, builds[0], LAST)] if mark else []
    return [Step(number, index, *step) for index, step in enumerate(steps)]
