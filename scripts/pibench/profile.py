# SPDX-License-Identifier: GPL-2.0-only
"""What was executed, by function: the tree of calls that t/bench/insn-plugin.c writes."""

import dataclasses

from . import symbols

@dataclasses.dataclass
class Node:
    """A function as called from one stack; instructions are its own, without those of what it calls."""

    name: str
    module: str
    instructions: int = 0
    calls: int = 0
    children: dict = dataclasses.field(default_factory=dict)

    @property
    def key(self):
        return self.name, self.module

    @property
    def total(self):
        return self.instructions + sum(child.total for child in self.children.values())

    def child(self, name, module):
        return self.children.setdefault((name, module), Node(name, module))

    def walk(self, path=()):
        """(functions from the root to a node, the node), of all."""
        here = (*path, self)
        yield here, self
        for child in self.children.values():
            yield from child.walk(here)


def read_counts(path):
    """(instructions in all, [(parent, function, instructions, calls)]) as the plugin wrote them."""
    with open(path, encoding="ascii") as file:
        executed = int(next(file))
        rows = [tuple(map(int, line.split())) for line in file]
    return executed, rows


def difference(before, after):
    """What came between two of them: (instructions in all, rows); a row that was not there before began with nothing."""
    was = before[1] + [(0, 0, 0, 0)] * (len(after[1]) - len(before[1]))
    rows = [(new[0], new[1], new[2] - old[2], new[3] - old[3]) for old, new in zip(was, after[1])]
    return after[0] - before[0], rows


def tree(counts, names):
    """The Node of the root. A thunk is its caller's; what the plugin counted and has no function is unexplained."""
    executed, rows = counts
    nodes = {}
    root = Node(*symbols.NAMES[symbols.ROOT])
    for number, (parent, function, instructions, calls) in enumerate(rows, symbols.ROOT):
        name, module, is_thunk = names[function]
        if number == symbols.ROOT:
            nodes[number] = root
        elif is_thunk and parent in nodes:
            nodes[number] = nodes[parent]
            calls = 0
        else:
            nodes[number] = nodes[parent].child(name, module)
        nodes[number].instructions += instructions
        nodes[number].calls += calls
    lost = executed - root.total
    if lost:
        root.child(*symbols.LOST).instructions = lost
    return root


def merge(more, less):
    """more - less, as a tree."""
    found = Node(more.name, more.module, more.instructions - less.instructions, more.calls - less.calls)
    for key in {**more.children, **less.children}:
        nothing = Node(*key)
        found.children[key] = merge(more.children.get(key, nothing), less.children.get(key, nothing))
    return found
