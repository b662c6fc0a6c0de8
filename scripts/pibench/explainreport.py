# SPDX-License-Identifier: GPL-2.0-only
"""The report of pi-bench explain: where one arm spends its instructions, or how two arms differ."""

from . import cells, flame, insn, memory, outcome, profile, report, results
from .document import Banner, Bars, Figure, Heading, Items, Paragraph, Table
from .errors import OK, Failure

# rooms and functions on the terminal; functions in the report
SHOWN, LISTED = 6, 60
CALLED = "From the top: who calls whom. "


def share(value):
    return f"{value:,.0f}" if abs(value) >= 10 or not value else f"{round(value, 2) + 0:,.2f}"


def signed(value):
    # adding 0 turns -0 into 0
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{round(value, 2) + 0:+,.2f}"


def sides(out, told, session):
    """{side: its runs, each with its Profile}, as env.json names the sides"""
    found = {}
    for name, cell, build in told["sides"]:
        runs = [run for run in session.runs.get(cell, ()) if run["build"] == build and "profile" in run]
        if not runs and cell in session.skips:
            raise Failure(f"{name}: {session.skips[cell]}")
        found[name] = [{**run, "profile": insn.load(out / run["profile"])} for run in runs]
    return found


def load(out):
    """{side: its Profiles, by round}, from a directory of results."""
    records, env = results.load(out), results.load_json(out / "env.json")
    return {name: profiles(runs) for name, runs in sides(out, env["explain"], outcome.group(records)[0]).items()}


def profiles(runs):
    return [run["profile"] for run in runs]


def in_words(values, digits=share):
    """One value in words, or two and their difference."""
    return digits(values[0]) if len(values) == 1 else f"{digits(values[0])} → {digits(values[1])}  {signed(values[1] - values[0])}"


def apart(values):
    """The value of one side, or how much the second exceeds the first."""
    return values[-1] - (values[0] if len(values) > 1 else 0)


def rooms_of(shown):
    """{room: its instructions per I/O on each side}, with "all" at the end."""
    rooms = [each.rooms() for each in shown]
    found = {room: [each.get(room, 0) for each in rooms] for room in profile.ROOMS if any(room in each for each in rooms)}
    return {**found, "all": [each.total for each in shown]}


def room_bars(shown):
    """The most expensive rooms, and the sum of the others."""
    *rooms, total = rooms_of(shown).items()
    largest = sorted(rooms, key=lambda room: -abs(apart(room[1])))[:SHOWN]
    rest = [values for room, values in rooms if (room, values) not in largest]
    rows = [each for each in rooms if each in largest] + [(f"{len(rest)} other parts", list(map(sum, zip(*rest))))] * bool(rest)
    return Bars("Instructions per I/O, by part", [(room, in_words(values), abs(apart(values))) for room, values in [*rows, total]])


def room_table(names, shown):
    rows = [[room, *map(share, values), *([signed(apart(values))] if len(values) > 1 else [])] for room, values in rooms_of(shown).items()]
    return Table(["part", *names, *(["difference"] if len(names) > 1 else [])], rows)


def by_function(shown, limit):
    """[(function, room, instructions per I/O on each side or None)], the largest or, of two sides, the largest differences."""
    if len(shown) > 1:
        rows = [(name, room, values) for room, name, _, *values in profile.differences(*shown)[:limit]]
        return [row for row in rows if abs((row[2][1] or 0) - (row[2][0] or 0)) >= profile.LEAST]
    rows = sorted(shown[0].functions().items(), key=lambda item: (-item[1][0], item[0]))
    return [(name, room, [own]) for (room, name, _), (own, _) in rows[:limit] if own > 0]


def function_bars(shown):
    rows = [(f"{name} ({room})", [value or 0 for value in values]) for name, room, values in by_function(shown, SHOWN)]
    return Bars("By function", [(what, in_words(values), abs(apart(values))) for what, values in rows])


def function_table(names, shown):
    if len(names) > 1:
        rows = [[name, room, *("" if value is None else share(value) for value in values), signed((values[1] or 0) - (values[0] or 0))]
                for name, room, values in by_function(shown, LISTED)]  # fmt: skip
        return Table(["function", "part", *names, "difference"], rows, text=2)
    calls = {(name, room): called for (room, name, _), (_, called) in shown[0].functions().items()}
    rows = [[name, room, share(own), f"{calls[name, room]:.2f}"] for name, room, (own,) in by_function(shown, LISTED)]
    return Table(["function", "part", "instructions per I/O", "calls"], rows, text=2)


def memory_rows(shown, room=None):
    """[(memory figure, its value on each side)] of a room, or of all."""
    return list(zip((f"{figure}, modelled" for figure in memory.FIGURES), zip(*(memory.total(each.memory, room) for each in shown))))


def to_a_tenth(value):
    return f"{round(value, 1) + 0:.1f}"


def memory_bars(shown):
    rows = [(figure, in_words(values, to_a_tenth), abs(apart(values))) for figure, values in memory_rows(shown)]
    return Bars("Memory of an I/O, all parts", rows)


def memory_table(names, shown):
    """Cache lines touched and missed, by room and in all."""
    rows = []
    for room in (*(room for room in profile.ROOMS if any(at == room for each in shown for at, *_ in each.memory)), None):
        for figure, values in memory_rows(shown, room):
            if room is None or max(map(abs, values)) >= 0.05:
                last = [f"{round(apart(values), 1) + 0:+.1f}"] if len(values) > 1 else []
                rows.append([room or "all", figure, *map(to_a_tenth, values), *last])
    return Table(["part", "an I/O", *names, *(["difference"] if len(names) > 1 else [])], rows, text=2)


def memory_differences(shown):
    """Functions by cache lines of data and misses or, of two sides, by their differences."""
    rows = []
    for key in {key: None for each in shown for key in each.memory}:
        values = [apart(pair) for pair in zip(*(each.memory.get(key, [0] * len(memory.FIGURES)) for each in shown))]
        if max(map(abs, values)) >= 0.05:
            rows.append((key, values))
    rows.sort(key=lambda row: (-abs(row[1][0]) - abs(row[1][2]), row[0]))
    form = "{:+.2f}" if len(shown) > 1 else "{:.2f}"
    headers = ["function", "part", *(f"{figure}, modelled" for figure in memory.FIGURES)]
    return Table(headers, [[key[1], key[0], *map(form.format, values)] for key, values in rows[:LISTED]], text=2)


def memory_blocks(found, shown, caches):
    spread = "; ".join(
        f"{name}: " + ", ".join(
            f"{figure} {to_a_tenth(min(values))} to {to_a_tenth(max(values))}"
            for figure, values in zip(memory.FIGURES, zip(*(memory.total(each.memory) for each in profiles(runs)))))
        for name, runs in found.items()
    )  # fmt: skip
    return [
        Heading("Memory, modelled"),
        Paragraph(
            f"Cache lines that an I/O touches, each counted once per I/O, and lines that a model of caches misses: {caches}. This is not a "
            f"measurement: the model has no prefetching and no speculative execution. The rounds: {spread}."),
        memory_table(list(found), shown),
        memory_differences(shown),
    ]  # fmt: skip


def agreement(found):
    """How much the rounds differ, and whether the guest's time agrees."""
    for name, runs in found.items():
        each = profiles(runs)
        totals, shown = [one.total for one in each], profile.middle(each)
        run = runs[each.index(shown)]
        window = run["window_ns"] / run["counted"]
        parts = ", ".join(f"{part} {share(value)}" for part, value in shown.parts().items())
        low, high = (f"{value:,.1f}" for value in (min(totals), max(totals)))
        rounds = f"{len(totals)} rounds from {low} to {high}" if len(totals) > 1 else f"One round of {low}"
        agrees = round((shown.total / window - 1) * 100, 2) + 0
        told = f"{name}: {parts}. {rounds}; the guest's time is {window:,.1f} ({agrees:+.2f} %)."
        if len(totals) > 1:
            unlike = ", ".join(f"{name} {value:+d}" for name, value in profile.compare(each[:1], each[1:]))
            told += f" Functions that differ between the first round and the others by half an instruction or more: {unlike or 'none'}."
        yield told


def pictures(names, shown, workload):
    """(the flame graphs, {file name: text} of them and of their stacks)"""
    drawn, files = [], {}
    if len(names) > 1:
        over = f"{names[1]} over {names[0]}"
        drawn.append(("difference", over, "A function is as wide as the larger side. Orange takes more itself, blue less. Figures "
                      "include all that it calls.", flame.two(*shown, f"{workload}: {over}")))  # fmt: skip
    for name, each in zip(names, shown):
        place = f"flame-{name.replace('/', '-')}"
        drawn.append((place, f"Where the instructions of an I/O go: {name}", "A function is as wide as what it takes with all that it "
                      "calls; its colour is that of its part.", flame.one(each, f"{workload}: {name}")))  # fmt: skip
        files[f"plots/{place}.folded"] = "".join(f"{line}\n" for line in each.folded())
    files |= {f"plots/{name}.svg": svg for name, *_, svg in drawn}
    return [Figure(name, title, CALLED + caption, svg, f"plots/{name}.svg") for name, title, caption, svg in drawn], files


def functions_csv(names, shown):
    rows = [["function", "module", "part", *(f"{what} {name}" for name in names for what in ("instructions", "calls"))]]
    found = [each.functions() for each in shown]
    for key in {key: None for each in found for key in each}:
        figures = [f"{value:.4f}" for each in found for value in each.get(key, (0, 0))]
        rows.append([key[1], key[2], key[0], *figures])
    return report.csv_text(rows)


def verdict(names, shown, workload):
    totals = [each.total for each in shown]
    if len(names) == 1:
        return Banner("COMPLETE", f"{workload}: {names[0]} takes {share(totals[0])} instructions per I/O.")
    word = "more" if totals[1] >= totals[0] else "fewer"
    return Banner("COMPLETE", f"{workload}: {names[1]} takes {share(abs(apart(totals)))} {word} instructions per I/O than {names[0]}.")


def make(host, out, records, env, say=print):
    told, grouped = env["explain"], outcome.group(records)
    found = sides(out, told, grouped[0])
    names, workload = list(found), cells.parse(told["sides"][0][1]).workload.title
    title, left = f"{' and '.join(names)}: {workload}", report.left_over(records, env)
    runs = {"results.csv": report.every_run(grouped)}
    if grouped[0].failures or not all(found.values()):
        head = report.opening(report.summary(grouped, left), grouped)
        return report.Report(title, head, report.surroundings(env), report.status(grouped), files=runs)
    shown = [profile.middle(profiles(runs)) for runs in found.values()]
    figures, files = pictures(names, shown, workload)
    head = report.opening(report.summary(grouped, left) if left else verdict(names, shown, workload), grouped)
    head += [room_bars(shown), function_bars(shown), *([memory_bars(shown)] if told["caches"] else [])]
    body = [
        Paragraph(f"Instructions per I/O, each counted at its address, in this guest: {env['guest']}."),
        room_table(names, shown),
        Items(list(agreement(found))),
        *figures,
        Heading("By difference" if len(names) > 1 else "By function"),
        function_table(names, shown),
        *(memory_blocks(found, shown, told["caches"]) if told["caches"] else []),
        *report.surroundings(env),
    ]
    files["functions.csv"] = functions_csv(names, shown)
    return report.Report(title, head, body, OK, files=files | runs)
