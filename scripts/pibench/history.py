# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench history: what an I/O took in one revision after another, and where that has changed."""

import hashlib
import json
import os
import pathlib

from . import cells, environment, gate, metrics, outcome, plot, report, results, stats
from .document import Banner, Bars, Heading, Items, Table
from .errors import OK, Failure

TITLE = "What an I/O took, revision after revision"
# a change of what is not counted instruction by instruction: this share, and beyond what rounds differ by
SHARE = {metrics.TOTAL.title: gate.LIMIT}
OTHERWISE = 0.01
BARS = 8


def entries(records, env):
    """What whole runs have measured, an entry for each session."""
    if report.left_over(records, env):
        return
    host = env.get("host") or {}
    for session in (s for s in outcome.group(records) if s.runs and not s.builds):
        metric = session.metrics[0]
        alike = json.dumps((env.get("fingerprints") or {}).get(session.name), sort_keys=True)
        medians = {name: stats.summarise(map(metric.value, runs)) for name, runs in session.runs.items()}
        yield {
            "kind": "history",
            "session": session.name,
            "metric": metric.title,
            "commit": host.get("engine_commit", environment.MISSING),
            "date": host.get("date"),
            "alike": hashlib.sha256(alike.encode()).hexdigest()[:16],
            "cells": {name: [found.median, found.low, found.high] for name, found in medians.items()},
        }


def remember(path, records, env):
    """Append what a whole run measured, once."""
    there = {(entry["session"], entry["date"]) for entry in read(path)} if os.path.exists(path) else ()
    for entry in entries(records, env):
        if (entry["session"], entry["date"]) not in there:
            results.append(path, entry)


def read(path):
    """The entries of a file, or of a directory of results."""
    if os.path.isdir(path):
        return list(entries(*results.load_all(path)))
    try:
        return [entry for entry in results.read(path) if entry["kind"] == "history"]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; pi-bench run --history writes it") from None


def alike(found):
    """[entries that were measured alike, and more than one], each in its order."""
    groups = {}
    for entry in found:
        groups.setdefault((entry["session"], entry["metric"], entry["alike"]), []).append(entry)
    return [group for group in groups.values() if len(group) > 1]


def steps(group, name):
    """[(place, what the cell took before, what it takes from there on)]

    Each is compared with where the cell was after the step before, so that what creeps is one, too.
    """
    metric, found, level = group[0]["metric"], [], None
    for at, entry in enumerate(group):
        now = entry["cells"].get(name)
        if now and level:
            more = now[0] - level[0]
            if metric == metrics.HOST.title:
                left = abs(more) >= gate.LIMIT_COUNT
            else:
                left = (now[1] > level[2] or now[2] < level[1]) and abs(more) >= SHARE.get(metric, OTHERWISE) * level[0]
            if left:
                found.append((at, level[0], now[0]))
        else:
            left = bool(now)
        level = now if left else level
    return found


def names_of(group):
    return sorted({name for entry in group for name in entry["cells"]}, key=lambda name: cells.parse(name).rank)


def changed(before, after):
    return f"{after - before:+,.0f} ({after / before - 1:+.2%})"


def step_rows(group):
    for name in names_of(group):
        for at, before, after in steps(group, name):
            entry = group[at]
            yield at, [entry["commit"][:12], entry["date"] or "", name, f"{before:,.0f}", f"{after:,.0f}", changed(before, after)]


def from_first_to_last(group):
    """{cell: (what it took first, and last)}"""
    found = {}
    for name in names_of(group):
        taken = [entry["cells"][name][0] for entry in group if name in entry["cells"]]
        found[name] = taken[0], taken[-1]
    return found


def drawn(group, number):
    """The cells with the engine that have stepped first, then the others, and where."""
    kept = [name for name in names_of(group) if all(name in entry["cells"] for entry in group)]
    kept.sort(key=lambda name: (not steps(group, name), not cells.parse(name).arm.has_pi))
    marks = {name: [at for at, *_ in steps(group, name)] for name in kept}
    return plot.trend(f"trend-{group[0]['session']}-{number}", group, kept[: plot.TREND_CELLS], marks)


def make(host, out, found, say=print):
    groups = alike(found)
    if not groups:
        raise Failure("fewer than two revisions that were measured alike; run --history adds one each time")
    rows = {number: sorted(step_rows(group), key=lambda row: row[0]) for number, group in enumerate(groups)}
    total, revisions = sum(map(len, rows.values())), len({entry["commit"] for group in groups for entry in group})
    if total:
        last = max((row for each in rows.values() for row in each), key=lambda row: row[1][1])[1]
        verdict = Banner("STEPS", f"{total} in {revisions} revisions; the last: {last[2]}, {last[5]} with {last[0]}.")
    else:
        verdict = Banner("LEVEL", f"no cell has left the level that it was at in {revisions} revisions.")
    head, body = [verdict], []
    for number, group in enumerate(groups):
        first, last = (group[at]["commit"][:12] for at in (0, -1))
        ends = sorted(from_first_to_last(group).items(), key=lambda item: -abs(item[1][1] / item[1][0] - 1))
        title = f"{group[0]['session']}, {group[0]['metric']}"
        head.append(Bars(f"{title}, {first} to {last}, what has changed most", [
            (name, changed(*taken), abs(taken[1] / taken[0] - 1)) for name, taken in ends[: max(2, BARS // len(groups))]]))  # fmt: skip
        body += [Heading(title), *plot.draw(host, drawn(group, number), str(out), say)]
        if rows[number]:
            body.append(Heading("Steps", 3))
            body.append(Table(["revision", "date", "cell", "before", "from there on", "change"], [row for _, row in rows[number]], 3))
        body.append(Heading("From first to last", 3))
        lines = [[name, *(f"{value:,.0f}" for value in taken), changed(*taken)] for name, taken in ends]
        body.append(Table(["cell", first, last, "change"], lines))
    body += [Heading("Notes"), Items([
        f"A step: {gate.LIMIT_COUNT} host instructions or more from where the cell was after the step before; of what is not counted by "
        f"function {gate.LIMIT:.1%} (CPU and time {OTHERWISE:.0%}) and more than the rounds differ by.",
        "Only what was measured alike is one line: the same guest, kernel, fio, compiler and jobs.",
    ])]  # fmt: skip
    return report.Report(TITLE, head, body, OK)


def show(host, options, say):
    """The exit status."""
    found = [entry for path in options.results for entry in read(path)]
    with results.prepare(pathlib.Path(options.out).absolute()) as out:
        results.save_json(out / "env.json", {"kind": "history"})
        made = make(host, out, found, say)
        report.write(out, made)
        return report.end(options.out, made)
