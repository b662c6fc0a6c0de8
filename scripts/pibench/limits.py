# SPDX-License-Identifier: GPL-2.0-only
"""How much more a comparison lets pass: by figure, from a file, and what is accepted for a reason.

Of what is counted by function limits are instructions, of all else shares.
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
    """Shares: {figure: {warn or fail: share}}, and {cell: (share, reason)}."""

    shares: dict = dataclasses.field(default_factory=dict)
    accepted: dict = dataclasses.field(default_factory=dict)

    @property
    def fail(self):
        return self.shares.get(metrics.TOTAL.title, {}).get("fail", gate.LIMIT)

    @property
    def most(self):
        return self.shares.get(metrics.HOST.title, {}).get("fail", gate.LIMIT_COUNT)

    def judge(self, metric, pairs, least=gate.BOOTS):
        """The Verdict on what takes instructions, where most is how many more are a regression: of what is counted by function."""
        return gate.instructions(pairs, least, self.fail, self.most if metric == metrics.HOST else None)

    def apply(self, line):
        """The line, with what is accepted of it and what is to be warned of."""
        found, change = line.verdict, line.change
        share, reason = self.accepted.get(line.cell, (None, ""))
        if found.verdict == gate.REGRESSION and share is not None and change < share + gate.RESOLUTION / 2:
            why, below = f"{found.why}; accepted up to {share:+.2%}: {reason}", f"no more than is accepted ({reason})"
            return dataclasses.replace(line, verdict=dataclasses.replace(found, verdict=gate.PASS, why=why, below=below))
        warn = self.shares.get(line.metric.title, {}).get("warn")
        by_function = line.metric == metrics.HOST
        if found.verdict == gate.PASS and warn and (line.new - line.old if by_function else change) >= warn:
            words = f"{line.new - line.old:+.0f} instructions, from {warn:+g}" if by_function else f"{change:+.2%}, from {warn:+.2%}"
            text = f"{words} on it is to be looked at"
            return dataclasses.replace(line, verdict=dataclasses.replace(found, warning=text))
        return line

    def plain(self):
        return {"shares": self.shares, "accepted": self.accepted}


def stored(found):
    """The Limits that a comparison has kept."""
    return Limits(**found) if found else Limits()


def share(path, section, key, text):
    try:
        value = float(text) / 100
    except ValueError:
        value = 0
    if not 0 < value < 1:
        raise Failure(f"{path}: [{section}] {key}: '{text}' is not per cent, such as 0.5")
    return value


def instructions(path, section, key, text):
    if not re.fullmatch(r"[1-9]\d*", text):
        raise Failure(f"{path}: [{section}] {key}: '{text}' is not a number of instructions, such as {gate.LIMIT_COUNT}")
    return int(text)


def load(path=LIMITS):
    file = cells.sections(path, "configs/gate.limits", str)
    shares, accepted = {}, {}
    for name in file.sections():
        for key, text in file[name].items():
            if name == ACCEPT:
                cells.parse(key)
                found = re.fullmatch(r"\+?([\d.]+)\s+(\S.*)", text)
                if not found:
                    raise Failure(f"{path}: [{ACCEPT}] {key}: '{text}' is not per cent and a reason, such as +1.2 checked twice")
                accepted[key] = share(path, ACCEPT, key, found[1]), found[2]
            elif name not in FIGURES or key not in KEYS:
                raise Failure(f"{path}: [{name}] {key}: no such limit; there are warn and fail of {', '.join(FIGURES)}, and {ACCEPT}")
            elif name == metrics.HOST.title:
                shares.setdefault(name, {})[key] = instructions(path, name, key, text)
            elif key == "fail" and name != metrics.TOTAL.title:
                raise Failure(f"{path}: [{name}] fail: is 1 %, by how often the gate may be wrong; only warn can be chosen")
            else:
                shares.setdefault(name, {})[key] = share(path, name, key, text)
    return Limits(shares, accepted)
