# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench history: how the cost of an I/O changed from revision to revision, and where it stepped."""

import hashlib
import json
import os
import pathlib

from . import cells, environment, gate, metrics, outcome, plot, report, results, stats
from .document import Banner, Bars, Heading, Items, Table
from .errors import OK, Failure

TITLE = "The cost of an I/O over revisions"
# a step of what is not counted by function: at least this share, and more than rounds differ
SHARE = {metrics.TOTAL.title: gate.LIMIT}
OTHERWISE = 0.01
BARS = 8


def entries(records, env):
    """The history entries of a complete run, one per session."""
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


def prepare(path):
    """Make sure that the file can be appended to, on a new line even if a stop cut the last one short."""
    with results.naming(path, "; name another --history"), open(path, "ab+") as file:
        if file.tell() and not os.pread(file.fileno(), 1, file.tell() - 1) == b"\n":
            file.write(b"\n")


def remember(path, records, env, say):
    """Append the entries of a complete run, unless they are there already."""
    prepare(path)
    there = {(entry["session"], entry["date"]) for entry in read(path)}
    found = list(entries(records, env))
    if not found:
        say(f"pi-bench: {path}: nothing is appended, as the run is not complete")
    for entry in found:
        if (entry["session"], entry["date"]) not in there:
            results.append(path, entry)


def read(path):
    """The entries in a file or in a directory of results."""
    if os.path.isdir(path):
        return list(entries(*results.load_all(path)))
    try:
        return [entry for entry in results.read(path) if entry["kind"] == "history"]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; pi-bench run --history writes it") from None


def alike(found):
    """Groups of two and more entries that were measured alike, each in order."""
    groups = {}
    for entry in found:
        groups.setdefault((entry["session"], entry["metric"], entry["alike"]), []).append(entry)
    return [group for group in groups.values() if len(group) > 1]


def is_step(metric, before, after):
    """Whether two [median, low, high] differ by a step."""
    more = after[0] - before[0]
    if metric == metrics.HOST.title:
        return abs(more) >= gate.LIMIT_COUNT
    apart = after[1] > before[2] or after[2] < before[1]
    return apart and abs(more) >= SHARE.get(metric, OTHERWISE) * before[0]


def steps(group, name):
    """[(index, cost before, cost from there on)] of a cell's steps.

    Each entry is compared with the level since the last step, so that slow growth adds up to a step.
    """
    found, level = [], None
    for at, entry in enumerate(group):
        now = entry["cells"].get(name)
        if not now:
            continue
        if not level:
            level = now
        elif is_step(entry["metric"], level, now):
            found.append((at, level[0], now[0]))
            level = now
    return found


def changed(before, after):
    return f"{after - before:+,.0f} ({after / before - 1:+.2%})"


def step_rows(group, stepped):
    """A row per step, in the order of revisions."""
    found = sorted((at, name, before, after) for name, each in stepped.items() for at, before, after in each)
    return [
        [group[at]["commit"][:12], group[at]["date"] or "", name, f"{before:,.0f}", f"{after:,.0f}", changed(before, after)]
        for at, name, before, after in found
    ]


def first_and_last(group, names):
    """[(cell, its first cost, its last)], the largest change first."""
    found = []
    for name in names:
        taken = [entry["cells"][name][0] for entry in group if name in entry["cells"]]
        found.append((name, taken[0], taken[-1]))
    return sorted(found, key=lambda each: -abs(each[2] / each[1] - 1))


def drawings(group, stepped, number):
    """The trend of cells that are in every entry: those that stepped first, then those with PI."""
    names = [name for name in stepped if all(name in entry["cells"] for entry in group)]
    names.sort(key=lambda name: (not stepped[name], not cells.parse(name).arm.has_pi))
    marks = {name: [at for at, *_ in stepped[name]] for name in names}
    return plot.trend(f"trend-{group[0]['session']}-{number}", group, names[: plot.TREND_CELLS], marks)


def make(host, out, found, say=print):
    groups = alike(found)
    if not groups:
        raise Failure("fewer than two revisions that were measured alike; run --history adds one each time")
    every, bars, body = [], [], []
    for number, group in enumerate(groups):
        names = sorted({name for entry in group for name in entry["cells"]}, key=lambda name: cells.parse(name).rank)
        stepped = {name: steps(group, name) for name in names}
        rows, ends = step_rows(group, stepped), first_and_last(group, names)
        title, (first, last) = f"{group[0]['session']}, {group[0]['metric']}", (group[at]["commit"][:12] for at in (0, -1))
        largest = [(name, changed(*taken), abs(taken[1] / taken[0] - 1)) for name, *taken in ends[: max(2, BARS // len(groups))]]
        bars.append(Bars(f"{title}, {first} to {last}, largest change first", largest))
        body += [Heading(title), *plot.draw(host, drawings(group, stepped, number), str(out), say)]
        if rows:
            body += [Heading("Steps", 3), Table(["revision", "date", "cell", "before", "from there on", "change"], rows, 3)]
        lines = [[name, *(f"{value:,.0f}" for value in taken), changed(*taken)] for name, *taken in ends]
        body += [Heading("From first to last", 3), Table(["cell", first, last, "change"], lines)]
        every += rows
    revisions = len({entry["commit"] for group in groups for entry in group})
    verdict = Banner("LEVEL", f"no cell has a step in {revisions} revisions.")
    if every:
        last = max(every, key=lambda row: row[1])
        verdict = Banner("STEPS", f"{len(every)} in {revisions} revisions; the last: {last[2]}, {last[5]} in {last[0]}.")
    notes = [
        f"A step is a change of at least {gate.LIMIT_COUNT} host instructions since the step before. Of figures that are not counted by "
        f"function, it is at least {gate.LIMIT:.1%} ({OTHERWISE:.0%} of CPU and time) and more than the rounds differ.",
        "Only runs that were measured alike are compared: with the same guest, kernel, fio, compiler and jobs.",
    ]
    return report.Report(TITLE, [verdict, *bars], [*body, Heading("Notes"), Items(notes)], OK)


def show(host, options, say):
    """Write and show the report; return the exit status."""
    found, place = [entry for path in options.results for entry in read(path)], pathlib.Path(options.out).absolute()
    results.refuse_inputs(place, options.results)
    with results.prepare(place) as out:
        results.save_json(out / "env.json", {"kind": "history"})
        made = make(host, out, found, say)
        report.write(out, made)
        return report.end(options.out, made)
