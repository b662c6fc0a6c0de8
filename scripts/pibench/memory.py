# SPDX-License-Identifier: GPL-2.0-only
"""Modelled caches: the lines that an I/O touches and the misses, by function, as t/bench/insn-cache.c counts them."""

import dataclasses
import re

from . import profile, symbols
from .errors import Failure

# as in insn-cache.c: a line counts once per I/O, for the function that touches it first
FIGURES = DATA_LINES, CODE_LINES, D1_MISSES, I1_MISSES, L2_MISSES = (
    "data lines", "code lines", "L1D misses", "L1I misses", "L2 misses",
)  # fmt: skip
GEOMETRY = re.compile(r"([1-9]\d*)([KM]?):([1-9]\d*):([1-9]\d*)")
LINES = (16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Caches:
    """SIZE:WAYS:LINE of each cache; the defaults are those of a core of Intel's fourth Xeon Scalable generation."""

    d1: str = "48K:12:64"
    i1: str = "32K:8:64"
    l2: str = "2M:16:64"

    @staticmethod
    def parse(name, text):
        """(size, ways, size of a line), in bytes"""
        found = GEOMETRY.fullmatch(text)
        size, ways, line = (int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]], int(found[3]), int(found[4])) if found else (0, 1, 1)
        sets = size // ways // line
        if line not in LINES or not sets or sets * ways * line != size or sets & (sets - 1):
            raise Failure(f"--{name} {text}: not SIZE:WAYS:LINE with a power of two of sets, such as {getattr(Caches, name)}")
        return size, ways, line

    def arguments(self):
        """The caches as arguments of the plugin."""
        parsed = {name: self.parse(name, text) for name, text in dataclasses.asdict(self).items()}
        if len({line for _, _, line in parsed.values()}) > 1:
            raise Failure(f"--d1 {self.d1}, --i1 {self.i1}, --l2 {self.l2}: lines of different sizes; give the same LINE to all")
        return ",".join(f"{name}={':'.join(map(str, figures))}" for name, figures in parsed.items())

    def __str__(self):
        return f"L1D {self.d1}, L1I {self.i1}, L2 {self.l2} (size:ways:line), by physical address"


def read(path):
    """{node: figures} from a file of the plugin's."""
    with open(path, encoding="ascii") as file:
        rows = [list(map(int, line.split())) for line in file]
    return {row[0]: row[1:] for row in rows}


def difference(before, after):
    """{node: figures} of what was counted between two files."""
    nothing = [0] * len(FIGURES)
    return {node: [new - old for new, old in zip(after.get(node, nothing), before.get(node, nothing))] for node in {**before, **after}}


def by_function(figures, rows, names, root):
    """{(room, name, module): figures}; rows are those of profile.read_counts(), root is the tree of the same run with its rooms."""
    found = {}
    for number, values in figures.items():
        path, at = [], number
        while at != symbols.ROOT:
            at, function = map(int, rows[at - symbols.ROOT].split()[:2])
            name, module, is_thunk = names[function]
            if not is_thunk:
                path.append((name, module))
        node = root
        for key in reversed(path):
            node = node and node.children.get(key)
        key = (node.room, *node.key) if node else (profile.OTHERS, *path[0])
        had = found.get(key, [0] * len(FIGURES))
        found[key] = [old + new for old, new in zip(had, values)]
    return found


def total(found, room=None):
    """The sum of the figures of all functions, or of those in a room."""
    return [sum(values) for values in zip([0] * len(FIGURES), *(each for (at, *_), each in found.items() if room in (None, at)))]
