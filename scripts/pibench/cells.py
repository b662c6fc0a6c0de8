# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: workloads and arms, their names, how many I/Os a run takes, and the order of runs."""

import collections.abc
import configparser
import dataclasses
import functools
import itertools
import pathlib
import random
import re
import typing

from . import catalog, device
from .errors import Failure

REPO = pathlib.Path(__file__).resolve().parents[2]
BENCH = str(REPO / "configs" / "bench.cells")
GATE = str(REPO / "configs" / "gate.cells")
CORE = "core"

AUTOPI, NOVERIFY, NOPI, PI = "plain-autopi", "plain-noverify", "plain-nopi", "pi"


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A state to measure in: its description, the device, and the device's settings; None leaves them as they are."""

    description: str
    device: str = "pi"
    settings: collections.abc.Callable = lambda target: {}


BASELINES = {
    AUTOPI: Baseline("PI namespace, default settings: the kernel generates and verifies PI itself"),
    NOVERIFY: Baseline("PI namespace, integrity/read_verify and write_generate set to 0", settings=device.no_integrity),
    NOPI: Baseline("namespace without PI", device="nopi"),
}
# the settings concern the kernel's own PI, so I/O with PI from the engine leaves them as they are
STATES = {**BASELINES, PI: Baseline("PI from the engine", settings=lambda target: None)}
DIRECTIONS = ("randread", "randwrite", "read", "write")
ALL_PI = 100

FIO, FIO_CMD, FLOOR = "io_uring", "io_uring_cmd", "floor"
OURS = "io_uring_pi"
# suffix of an engine: run by the fio that is built with ISA-L
ISAL = "-isal"
OTHERS = (FIO, FIO + ISAL, FIO_CMD, FIO_CMD + ISAL, FLOOR)
MD, NONE = "md", "none"
# a job file of the user's in place of a workload
JOB = "job"
# what the ring has registered, and its opcode: title, and fio's fixedbufs, registerfiles, nonvectored
FIXED, REGISTERED = "fixed", "registered"
BUFFERS = {
    FIXED: ("", (1, 1, 1)),
    REGISTERED: ("metadata registered", (1, 1, 1)),
    "single": ("buffers not registered", (0, 1, 1)),
    "vectored": ("vectored", (0, 1, 0)),
    "bare": ("nothing registered", (0, 0, 1)),
}


class Key(typing.NamedTuple):
    """A key of a section in a cells file: the pattern of its values, its default, and how names and titles show a value."""

    name: str
    pattern: str
    default: str | None = None
    in_name: collections.abc.Callable = str
    in_title: collections.abc.Callable = str


COUNT = r"[1-9]\d*"
# in the order of Workload's fields
WORKLOAD = (
    Key("rw", "|".join(DIRECTIONS)),
    Key("bs", rf"{COUNT}k"),
    Key("iodepth", COUNT, None, "qd{}".format, "depth {}".format),
    Key("mix", r"\d\d?|100", str(ALL_PI), "mix{}".format, "PI on {} %".format),
    Key("buffers", "|".join(BUFFERS), FIXED, str, lambda word: BUFFERS[word][0]),
    Key("numjobs", COUNT, "1", "jobs{}".format, "{} jobs".format),
    Key("files", COUNT, "1", "files{}".format, "{} files".format),
    Key("times", COUNT, "1", "x{}".format, "{} times as many".format),
)
ARM = (
    Key("baseline", "|".join(BASELINES), " ".join(BASELINES)),
    Key("engine", "|".join((*OTHERS, OURS)), f"{FIO} {OURS}"),
    Key("layout", r"\*|\w+", "*"),
)
RINGS = "rings"


@dataclasses.dataclass(frozen=True)
class Workload:
    rw: str
    block_size: int
    iodepth: int
    mix: int = ALL_PI
    buffers: str = FIXED
    numjobs: int = 1
    files: int = 1
    # multiplies the number of I/Os
    times: int = 1
    # a job file of the user's, which says the rest by itself
    file: str = ""

    def shown(self):
        """(key, value) of the depth, and of each field after it that differs from its default."""
        values = list(vars(self).values())
        return [(key, value) for key, value in zip(WORKLOAD[2:], values[2:]) if str(value) != key.default]

    @property
    def name(self):
        if self.file:
            return f"{JOB}:{self.file}"
        return "-".join([self.rw, f"{self.block_size // 1024}k", *(key.in_name(value) for key, value in self.shown())])

    @property
    def title(self):
        if self.file:
            return f"job file {self.file}"
        order = "random" if self.rw.startswith("rand") else "sequential"
        what = f"{self.block_size // 1024} KiB {order} {self.direction}"
        return ", ".join([what, *(key.in_title(value) for key, value in self.shown())])

    @property
    def direction(self):
        return "write" if self.rw.endswith("write") else "read"

    @property
    def rank(self):
        more = (self.mix, tuple(BUFFERS).index(self.buffers), self.numjobs, self.files, self.times)
        return (*DIRECTIONS, JOB).index(self.rw), self.block_size, self.iodepth, *more


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to submit I/O: an engine with a layout, on a device in a given state."""

    state: str
    engine: str
    layout: str

    @property
    def name(self):
        return f"{self.state}/{self.layout if self.engine == OURS else self.engine}"

    @property
    def label(self):
        return f"{self.engine} {self.layout}" if self.engine == OURS else self.engine

    @property
    def has_pi(self):
        return self.state == PI

    def without_pi(self, state):
        """The same engine without PI, on a device in that state."""
        return Arm(state, self.engine, NONE)

    @property
    def device(self):
        return STATES[self.state].device

    def settings(self, target):
        """{sysfs path: value} to measure under, or None."""
        return STATES[self.state].settings(target)

    @property
    def rank(self):
        engine = OTHERS.index(self.engine) if self.engine in OTHERS else len(OTHERS)
        return tuple(STATES).index(self.state), engine, catalog.rank(self.layout), self.layout


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
    """Parse STATE/LAYOUT or STATE/ENGINE."""
    state, _, way = name.partition("/")
    if way in (*OTHERS, JOB):
        return Arm(state, way, MD if state == PI else NONE)
    return Arm(state, OURS, way)


def job(name):
    """The cell of a job file."""
    return Cell(Workload(JOB, 4096, 32, file=name), arm(f"{PI}/{JOB}"))


def value(word):
    """Convert a number, or a size in KiB to bytes; any other word stays."""
    if re.fullmatch(r"\d+k", word):
        return int(word[:-1]) << 10
    return int(word) if word.isdecimal() else word


@functools.cache
def parse(name):
    """The cell with this name."""
    if mine := re.fullmatch(rf"{JOB}:(\S+) {PI}/{JOB}", name):
        return job(mine[1])
    parts = [key.in_name(f"({key.pattern})") for key in WORKLOAD]
    optional = "".join(f"(?:-{part})?" for part in parts[3:])
    found = re.fullmatch(rf"{'-'.join(parts[:3])}{optional} ((?:{'|'.join(STATES)})/[\w-]+)", name)
    if not found:
        raise Failure(f"results: '{name}' is not a cell of pi-bench")
    *words, way = found.groups()
    return Cell(Workload(*(value(word or key.default) for word, key in zip(words, WORKLOAD))), arm(way))


def values(path, section):
    """The values of each key of a section, those of the workload first."""
    where = f"{path}: [{section.name}]"
    unknown = set(section) - {key.name for key in WORKLOAD + ARM}
    if unknown:
        raise Failure(f"{where} {min(unknown)}: no such key; the head of configs/bench.cells lists them")
    for name, pattern, default, *_ in WORKLOAD + ARM:
        words = section.get(name, default)
        if words is None:
            raise Failure(f"{where}: {name}= is missing")
        for word in words.split():
            if not re.fullmatch(pattern, word):
                raise Failure(f"{where} {name}: '{word}' is not valid; the head of configs/bench.cells lists what is")
        yield list(map(value, words.split()))


def arms(states, engines, layouts):
    """The plain arms and, unless there are no layouts, the arms with PI."""
    for state, engine in itertools.product(states, engines):
        if engine in (FIO, OURS):
            yield Arm(state, engine, NONE)
    for engine in engines:
        for layout in layouts if engine == OURS else layouts and [MD]:
            yield Arm(PI, engine, layout)


def combinations(workloads, states, engines, words, layouts):
    """Every cell of a section; its layouts are words, of which "*" and "rings" stand for several."""
    several = {"*": layouts, RINGS: catalog.rings(layouts) if RINGS in words else ()}
    named = [layout for word in words for layout in several.get(word, (word,))]
    for workload, one in itertools.product(workloads, arms(states, engines, named)):
        # only I/O with PI by our engine can be mixed with plain I/O, or have its metadata registered
        if one.engine == OURS and one.has_pi or workload.mix == ALL_PI and workload.buffers != REGISTERED:
            yield Cell(workload, one)


def sections(path, example, key=str.lower):
    """Read a file of [sections]; `key` converts each key, `example` is a file to name in the refusal."""
    file = configparser.ConfigParser(delimiters="=", comment_prefixes=";", interpolation=None, default_section="")
    file.optionxform = key
    try:
        with open(path, encoding="utf-8") as opened:
            file.read_file(opened)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; name a file such as {example}") from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {' '.join(str(error).split())}") from None
    return file


def load(path=BENCH, sets=(CORE,), layouts=()):
    """The cells of these sets in a file; "*" there stands for all of the layouts given."""
    file = sections(path, "configs/bench.cells")
    known = {name.split()[0] for name in file.sections()}
    for wanted in sets:
        if wanted not in known and wanted != "all":
            raise Failure(f"{path}: no set '{wanted}'; it has {', '.join(sorted(known))} and all")
    found = set()
    for name in file.sections():
        *fields, states, engines, words = values(path, file[name])
        if name.split()[0] in sets or "all" in sets:
            workloads = list(itertools.starmap(Workload, itertools.product(*fields)))
            found.update(combinations(workloads, states, engines, words, layouts))
    return tuple(sorted(found, key=lambda cell: cell.rank))


INSTRUCTIONS, CPU, TIME = "instructions", "cpu", "time"
# the limits of a run in I/Os and in bytes, at depth 1 and at greater depths
AT_MOST = {
    INSTRUCTIONS: ((4096, 64 << 20), (4096, 64 << 20)),
    CPU: ((4096, 128 << 20), (8192, 256 << 20)),
    TIME: ((65536, 2 << 30), (524288, 4 << 30)),
}
REGION = {INSTRUCTIONS: 64 << 20, CPU: 256 << 20, TIME: 4 << 30}
WARM_UP = 0
WARM_UP_SHARE = 1 / 8
# I/Os of the short run whose cost is subtracted, so that starting fio and setting up the ring do not count
LEAD = 512
OLD, NEW = "old", "new"


def number_ios(mode, workload, number, scale=1.0, most=0):
    """How many I/Os of a run are counted in round `number`."""
    usual, size = AT_MOST[mode][workload.iodepth > 1]
    share = WARM_UP_SHARE if number == WARM_UP else 1
    return max(64, int(min(most or usual, size // workload.block_size) * workload.times * share * scale))


def select(cells, only):
    """The cells that match a pattern: each of its words begins a part of the cell's name."""

    def fits(cell, pattern):
        return all(re.search(rf"(?:^|[ /-]){re.escape(word)}", cell.name) for word in pattern.split())

    return tuple(c for c in cells if not only or any(fits(c, pattern) for pattern in only))


FIRST, LAST = "first", "last"


@dataclasses.dataclass(frozen=True)
class Step:
    """One run of a cell, with one of two builds in a comparison; a reference run shows whether the machine drifts."""

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
        reference = f"{self.reference} reference" if self.reference else ""
        return " ".join(filter(None, (self.cell.name, self.build, reference)))


def reference(cells):
    """The cell to run first and last in each round: plain, small, with fio's own engine if there is one."""
    plain = [cell for cell in cells if not cell.arm.has_pi]
    return min(plain, key=lambda cell: (cell.arm.device == "nopi", cell.arm.engine != FIO, cell.rank), default=None)


def one_round(cells, number, seed, builds=("",), group_by_device=False, mark=None):
    """The steps of a round between two runs of `mark`: each cell once in shuffled order, with two builds as old-new-new-old."""
    rng = random.Random(f"{seed}/{number}")
    chosen = list(cells)
    rng.shuffle(chosen)
    if group_by_device:
        # changing the device takes long: switch away and back once a round
        ends = [cell for cell in chosen if cell.arm.device == "pi"]
        middle = [cell for cell in chosen if cell.arm.device != "pi"]
        half = len(ends) // 2 if mark else len(ends)
        chosen = ends[:half] + middle + ends[half:]
    steps = []
    for cell in chosen:
        order = rng.sample(builds, len(builds))
        if len(builds) > 1 and number != WARM_UP:
            order += order[::-1]
        steps += [(cell, build, "") for build in order]
    if mark:
        steps = [(mark, builds[0], FIRST), *steps, (mark, builds[0], LAST)]
    return [Step(number, index, *step) for index, step in enumerate(steps)]
