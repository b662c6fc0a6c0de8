# SPDX-License-Identifier: GPL-2.0-only
"""The matrix: workloads x arms, how many I/Os each takes, and in which order."""

import dataclasses
import random
import re

AUTOPI, NOVERIFY, NOPI, PI = "plain-autopi", "plain-noverify", "plain-nopi", "pi"
BASELINES = {
    AUTOPI: "PI namespace, default settings: the kernel generates and verifies PI itself",
    NOVERIFY: "PI namespace, integrity/read_verify and write_generate set to 0",
    NOPI: "namespace without PI",
}
LAYOUTS = ("indirect",)

FIO = "io_uring"
OURS = "io_uring_pi"


@dataclasses.dataclass(frozen=True)
class Workload:
    rw: str
    block_size: int
    iodepth: int

    @property
    def name(self):
        return f"{self.rw}-{self.block_size // 1024}k-qd{self.iodepth}"

    @property
    def title(self):
        order = "random" if self.rw.startswith("rand") else "sequential"
        return f"{self.block_size // 1024} KiB {order} {self.direction}, depth {self.iodepth}"

    @property
    def direction(self):
        return "write" if self.rw.endswith("write") else "read"


@dataclasses.dataclass(frozen=True)
class Arm:
    """One way to submit: an engine with a layout, against a device in a given state."""

    state: str
    engine: str
    layout: str

    @property
    def name(self):
        return f"{self.state}/{self.engine if self.engine == FIO else self.layout}"

    @property
    def label(self):
        return self.engine if self.engine == FIO else f"{self.engine} {self.layout}"

    @property
    def has_pi(self):
        return self.state == PI

    @property
    def section(self):
        if self.engine == FIO:
            return "md" if self.has_pi else "plain"
        return "attr" if self.has_pi else "none"

    @property
    def device(self):
        return "nopi" if self.state == NOPI else "pi"


@dataclasses.dataclass(frozen=True)
class Cell:
    workload: Workload
    arm: Arm

    @property
    def name(self):
        return f"{self.workload.name} {self.arm.name}"


WORKLOADS = tuple(
    Workload(rw, block_size, iodepth)
    for rw, block_size in (("randread", 4096), ("randwrite", 4096), ("read", 131072), ("write", 131072))
    for iodepth in (1, 32)
)

ARMS = (
    tuple(Arm(state, engine, "none") for state in BASELINES for engine in (FIO, OURS))
    + (Arm(PI, FIO, "md"),)
    + tuple(Arm(PI, OURS, layout) for layout in LAYOUTS)
)

CELLS = tuple(Cell(workload, arm) for workload in WORKLOADS for arm in ARMS)

INSTRUCTIONS, CPU, TIME = "instructions", "cpu", "time"
NUMBER_IOS = {
    INSTRUCTIONS: {(4096, 1): 4096, (4096, 32): 4096, (131072, 1): 512, (131072, 32): 512},
    CPU: {(4096, 1): 4096, (4096, 32): 8192, (131072, 1): 1024, (131072, 32): 2048},
    TIME: {(4096, 1): 65536, (4096, 32): 524288, (131072, 1): 16384, (131072, 32): 32768},
}
REGION = {INSTRUCTIONS: 64 << 20, CPU: 256 << 20, TIME: 4 << 30}
WARM_UP = 0
WARM_UP_SHARE = 1 / 8


def number_ios(mode, workload, number, scale=1.0):
    """How many I/Os a run of that round takes."""
    share = WARM_UP_SHARE if number == WARM_UP else 1
    return max(64, int(NUMBER_IOS[mode][workload.block_size, workload.iodepth] * share * scale))


def select(cells, only):
    """The cells whose name has all words of one of the given patterns, each where a part of the name begins."""

    def fits(cell, pattern):
        return all(re.search(rf"(?:^|[ /-]){re.escape(word)}", cell.name) for word in pattern.split())

    return tuple(c for c in cells if not only or any(fits(c, pattern) for pattern in only))


def plan(cells, rounds, seed, group_by_device=False):
    """[(round, cell)]: every cell once a round, in shuffled order.

    Where changing the device is dear its cells stay together, and each round
    begins with the device that the one before ended with.
    """
    rng = random.Random(seed)
    order = []
    for number in range(rounds):
        groups = {}
        for cell in cells:
            groups.setdefault(cell.arm.device if group_by_device else None, []).append(cell)
        groups = list(groups.values())
        for group in groups[::-1] if number % 2 else groups:
            rng.shuffle(group)
            order += [(number, cell) for cell in group]
    return order

