# SPDX-License-Identifier: GPL-2.0-only
"""A modelled memory: the cache lines that an I/O touches and those that are missed, by function, as t/bench/insn-cache.c has them."""

import dataclasses
import re

from . import profile, symbols
from .errors import Failure

# insn-cache.c has the same: what is touched counts once from one I/O to the next, and for the function that touches it first
FIGURES = DATA_LINES, CODE_LINES, D1_MISSES, I1_MISSES, L2_MISSES = (
    "data lines", "code lines", "L1D misses", "L1I misses", "L2 misses",
)  # fmt: skip
GEOMETRY = re.compile(r"([1-9]\d*)([KM]?):([1-9]\d*):([1-9]\d*)")
LINES = (16, 32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class Caches:
    """SIZE:WAYS:LINE of each; by default those of a core of Intel's fourth Xeon Scalable generation."""

    d1: str = "48K:12:64"
    i1: str = "32K:8:64"
    l2: str = "2M:16:64"

    @staticmethod
    def parse(name, text):
        """(bytes, ways, bytes of a line)"""
        found = GEOMETRY.fullmatch(text)
        size, ways, line = (int(found[1]) << {"": 0, "K": 10, "M": 20}[found[2]], int(found[3]), int(found[4])) if found else (0, 1, 1)
        sets = size // ways // line
        if line not in LINES or not sets or sets * ways * line != size or sets & (sets - 1):
            raise Failure(f"--{name} {text}: not SIZE:WAYS:LINE of a cache with a power of two of sets, such as {getattr(Caches, name)}")
        return size, ways, line

    def arguments(self):
        """Of the plugin."""
        parsed = {name: self.parse(name, text) for name, text in dataclasses.asdict(self).items()}
        if len({line for _, _, line in parsed.values()}) > 1:
            raise Failure(f"--d1 {self.d1}, --i1 {self.i1}, --l2 {self.l2}: lines of different sizes; give one size")
        return ",".join(f"{name}={':'.join(map(str, figures))}" for name, figures in parsed.items())

    def __str__(self):
        return f"L1D {self.d1}, L1I {self.i1}, L2 {self.l2} (size:ways:line), by physical address"


def read(path):
    """{node: figures} as the plugin wrote them."""
    with open(path, encoding="ascii") as file:
        rows = [list(map(int, line.split())) for line in file]
    return {row[0]: row[1:] for row in rows}


def difference(before, after):
    """What came between two of them."""
    nothing = [0] * len(FIGURES)
    return {node: [new - old for new, old in zip(after.get(node, nothing), before.get(node, nothing))] for node in {**before, **after}}


def read_tree(path):
    """{node: (parent, function)} of what the plugin counted beside it."""
    with open(path, encoding="ascii") as file:
        next(file)
        return {number: tuple(map(int, line.split()[:2])) for number, line in enumerate(file, symbols.ROOT)}


def by_function(figures, tree, names, root):
    """{(room, name, module): figures}: root is the Node of a profile that has its rooms."""
    found = {}
    for number, values in figures.items():
        path, at = [], number
        while at != symbols.ROOT:
            at, function = tree[at]
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
    """Figures of all functions, or of those of a room."""
    return [sum(values) for values in zip([0] * len(FIGURES), *(each for (at, *_), each in found.items() if room in (None, at)))]
