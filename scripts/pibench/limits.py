# SPDX-License-Identifier: GPL-2.0-only
"""configs/gate.limits: from which change on a comparison warns and fails, and which changes are accepted.

Limits of what is counted by function are numbers of instructions, all others are shares.
"""

import dataclasses
import re

from . import cells, fio, gate, metrics
from .errors import Failure

LIMITS = str(fio.REPO / "configs" / "gate.limits")
ACCEPT = "accept"
KEYS = ("warn", "fail")
FIGURES = {metric.title: metric for metric in (metrics.HOST, metrics.TOTAL, metrics.TIME, metrics.CPU)}


@dataclasses.dataclass(frozen=True)
class Limits:
    """shares: {figure: {"warn" or "fail": limit}}; accepted: {cell: (share, reason)}."""

    shares: dict = dataclasses.field(default_factory=dict)
    accepted: dict = dataclasses.field(default_factory=dict)

    @property
    def fail(self):
        return self.shares.get(metrics.TOTAL.title, {}).get("fail", gate.LIMIT)

    @property
    def most(self):
        return self.shares.get(metrics.HOST.title, {}).get("fail", gate.LIMIT_COUNT)

    def judge(self, metric, pairs, least=gate.BOOTS):
        """The Verdict on (old, new) instructions per I/O."""
        return gate.instructions(pairs, least, self.fail, self.most if metric == metrics.HOST else None)

    def apply(self, line):
        """The line with an accepted regression passed, or with a warning."""
        found, change = line.verdict, line.change
        share, reason = self.accepted.get(line.cell, (0, ""))
        if found.verdict == gate.REGRESSION and reason and change < share + gate.RESOLUTION / 2:
            why, below = f"{found.why}; accepted up to {share:+.2%}: {reason}", f"no more than is accepted ({reason})"
            return line.having(verdict=gate.PASS, why=why, below=below)
        more, form = (line.new - line.old, "+.0f") if line.metric == metrics.HOST and change is not None else (change, "+.2%")
        warn = self.shares.get(line.metric.title, {}).get("warn")
        if found.verdict == gate.PASS and warn and more >= warn:
            what = " instructions" * (line.metric == metrics.HOST)
            return line.having(warning=f"{more:{form}}{what}: look into it (the limit for a warning is {warn:{form}})")
        return line

    def plain(self):
        return {"shares": self.shares, "accepted": self.accepted}


def stored(found):
    """The Limits of a stored comparison."""
    return Limits(**found) if found else Limits()


def share(where, text):
    """A percentage as a share."""
    value = float(text) / 100 if re.fullmatch(r"\d*\.?\d+", text) else 0
    if not 0 < value < 1:
        raise Failure(f"{where}: '{text}' is not a percentage, such as 0.5")
    return value


def instructions(where, text):
    if not re.fullmatch(r"[1-9]\d*", text):
        raise Failure(f"{where}: '{text}' is not a number of instructions, such as {gate.LIMIT_COUNT}")
    return int(text)


def load(path=LIMITS):
    file = cells.sections(path, "configs/gate.limits", str)
    found = Limits()
    for name, key, text in ((name, *item) for name in file.sections() for item in file[name].items()):
        where, text = f"{path}: [{name}] {key}", " ".join(text.split())
        if name == ACCEPT:
            try:
                cells.parse(key)
            except Failure:
                raise Failure(f"{where}: not a cell of pi-bench; configs/gate.cells has those of the gate") from None
            given = re.fullmatch(r"\+?([\d.]+)\s+(\S.*)", text)
            if not given:
                raise Failure(f"{where}: '{text}' is not a percentage and a reason, such as +1.2 checked twice")
            found.accepted[key] = share(where, given[1]), given[2]
            continue
        if name not in FIGURES or key not in KEYS:
            raise Failure(f"{where}: no such limit; there are warn and fail of {', '.join(FIGURES)}, and {ACCEPT}")
        if key == "fail" and name not in (metrics.HOST.title, metrics.TOTAL.title):
            raise Failure(f"{where}: is 1 %, which the gate's rate of false alarms depends on; only warn can be chosen")
        read = instructions if name == metrics.HOST.title else share
        found.shares.setdefault(name, {})[key] = read(where, text)
    return found
