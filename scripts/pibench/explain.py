# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench explain: which function takes the instructions of an I/O, and which the difference between two arms."""

import csv
import json
import os
import pathlib
import re
import shlex
import shutil

from . import catalog, cells, counting, document, environment, fio, flame, guest, insn, memory, profile, results, sessions
from .errors import Failure

ROUNDS = 3
DISKS = {"lab": "null_blk:4096+8"}
DISK = "scsi_debug:4096+8"
WRITTEN = ("report.md", "index.html", "*.svg", "functions.csv", "*.folded", "*.json")
# rooms and functions on the terminal, which is one screen, and functions in the report
SHOWN, LISTED = 6, 60
# functions that a verdict names
NAMED = 5
SIZES = re.compile(r"([1-9]\d*)k")


def arm_of(name):
    """An arm of pi-bench as it is called elsewhere: a layout, a baseline, fio's own engine with PI, or STATE/WAY."""
    if name == cells.NONE:
        return f"{cells.NOVERIFY}/{cells.NONE}"
    if name == cells.NOPI or name.startswith(f"{cells.NOPI}/"):
        raise Failure(f"{name}: is another device; explain counts on one with PI")
    if name in cells.BASELINES:
        return f"{name}/{cells.FIO}"
    known = (cells.FIO, cells.NONE, *catalog.layouts())
    state, _, way = name.rpartition("/")
    if way not in known or state not in ("", *cells.STATES):
        raise Failure(f"'{name}' is no arm; give one of {', '.join((cells.NONE, *catalog.layouts(), cells.FIO, *cells.BASELINES))}")
    return name if state else f"{cells.PI}/{name}"


def add_parsers(commands):
    explain = commands.add_parser("explain", help="show which function takes the instructions of an I/O")
    explain.add_argument("arm", metavar="ARM", help="a layout, none, io_uring (fio's own with PI), or a baseline")
    explain.add_argument("other", metavar="ARM", nargs="?", help="show what this one takes more or less than the first")
    explain.add_argument("--old", metavar="FILE", help="instead of a second ARM: compare --engine with this older engine")
    explain.add_argument("--rw", default="randread", choices=cells.DIRECTIONS, help="as in fio (%(default)s)")
    explain.add_argument("--bs", default="4k", metavar="SIZE", help="block size, such as 4k (%(default)s)")
    explain.add_argument("--iodepth", type=int, default=32, metavar="N", help="I/Os in flight (%(default)s)")
    explain.add_argument("--verify", default="both", choices=("host", "device", "both", "none"), help="pi_verify= (%(default)s)")
    explain.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="rounds; the report shows the median one (%(default)s)")
    explain.add_argument("--cache", action="store_true", help="also model caches: cache lines that an I/O touches and misses; takes longer")
    for name, what in (("d1", "L1 data"), ("i1", "L1 instruction"), ("l2", "L2")):
        explain.add_argument(f"--{name}", metavar="SIZE:WAYS:LINE", help=f"with --cache: the {what} cache ({getattr(memory.Caches, name)})")
    explain.add_argument("--kernel", metavar="KERNEL", help="guest kernel (stock; lab for a layout that needs it)")
    explain.add_argument("--disk", metavar="FORMAT", help=f"as scripts/guest takes it ({DISK}; {DISKS['lab']} with the lab kernel)")
    explain.add_argument("--out", metavar="DIR", default="build/explain", help="directory for the report (%(default)s)")
    explain.add_argument("--open", action="store_true", help="open the report in the desktop's browser when it is written")
    explain.add_argument("--fio", default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)")
    explain.add_argument("--engine", default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)")
    inner = commands.add_parser("explain-session", help="count the runs of one guest in this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")


def spec_of(options):
    """(Spec, kernel, disk) of what was asked for."""
    if options.other and options.old:
        raise Failure("--old: compares two engines with one ARM; leave the second ARM out")
    if options.rounds < 1 or options.iodepth < 1:
        raise Failure(f"--{'rounds' if options.rounds < 1 else 'iodepth'}: at least 1")
    size = SIZES.fullmatch(options.bs)
    if not size:
        raise Failure(f"--bs {options.bs}: not a size such as 4k")
    tools = fio.Tools(os.path.abspath(options.fio), os.path.abspath(options.engine))
    tools.require()
    arms = [arm_of(name) for name in (options.arm, options.other) if name]
    sides = [counting.Side(name, tools.engine) for name in arms]
    if options.old:
        if not os.path.exists(options.old):
            raise Failure(f"--old {options.old}: no such engine")
        sides.insert(0, counting.Side(arms[0], os.path.abspath(options.old)))
    of_lab = [name for name in arms if cells.arm(name).layout in catalog.of_the_lab()]
    kernel = options.kernel or ("lab" if of_lab else "stock")
    spec = counting.Spec(tuple(sides), options.rw, int(size[1]) << 10, options.iodepth, options.verify, options.rounds, fio=tools.fio)
    return spec, kernel, options.disk or DISKS.get(kernel, DISK)


def caches_of(options):
    """The Caches to be modelled, or None."""
    given = {name: getattr(options, name) for name in ("d1", "i1", "l2") if getattr(options, name)}
    if given and not options.cache:
        raise Failure(f"--{next(iter(given))}: is of a model of the caches; add --cache")
    caches = memory.Caches(**given) if options.cache else None
    if caches:
        caches.arguments()
    return caches


def titles(spec, options):
    if options.old:
        return ("old", "new")
    return tuple(name for name in (options.arm, options.other) if name)


def run(host, options):
    spec, kernel, disk = spec_of(options)
    caches = caches_of(options)
    what = guest.ready(["--kernel", kernel])
    with sessions.prepare(pathlib.Path(options.out).absolute(), more=WRITTEN) as out:
        return run_into(host, options, out, spec, kernel, disk, what, caches)


def run_into(host, options, out, spec, kernel, disk, what, caches):
    env = {
        "explain": [side.arm for side in spec.sides],
        "command": shlex.join(["scripts/pi-bench", *options.arguments]),
        "guest": f"{what}, {disk}",
        "host": environment.machine(host),
        **({"caches, modelled": str(caches)} if caches else {}),
    }
    results.save_json(out / "env.json", env)
    found = counting.count(spec, str(out / "counts"), disk, kernel, str(out / "guest.log"), caches)
    shutil.rmtree(out / "counts")
    names = titles(spec, options)
    workload = spec.cell(spec.sides[0]).workload.title
    for name, counted in zip(names, found):
        with results.saving(out / f"{name.replace('/', '-')}.json") as file:
            json.dump([each.save() for each in counted.profiles], file, separators=(",", ":"))
    print(write(out, names, found, workload, env, caches), end="")
    print(f"\nAll of it: {os.path.relpath(out)}/index.html, report.md, functions.csv; stacks for other tools: *.folded")
    return 0


def share(value):
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:,.2f}"


def signed(value):
    return f"{value:+,.0f}" if abs(value) >= 10 else f"{value:+,.2f}"


def rooms_table(names, shown, limit=None):
    """What each room takes, or the dearest of them and the others together; the last row is the sum."""
    rooms = [each.rooms() for each in shown]
    found = {room: [each.get(room, 0) for each in rooms] for room in profile.ROOMS if any(room in each for each in rooms)}
    if limit and len(found) > limit + 1:
        dearest = sorted(found, key=lambda room: -abs(found[room][-1] - (found[room][0] if len(shown) > 1 else 0)))[:limit]
        rest = [values for room, values in found.items() if room not in dearest]
        found = {room: values for room, values in found.items() if room in dearest}
        found[f"{len(rest)} other rooms"] = list(map(sum, zip(*rest)))
    found["all"] = [each.total for each in shown]
    rows = [
        [room, *map(share, values), *([signed(values[1] - values[0])] if len(values) > 1 else [])] for room, values in found.items()
    ]
    return document.Table(["room", *names, *(["difference"] if len(names) > 1 else [])], rows)


def functions_table(shown, limit):
    rows = sorted(shown.functions().items(), key=lambda item: (-item[1][0], item[0]))
    return document.Table(
        ["function", "room", "instructions an I/O", "calls"],
        [[name, room, share(own), f"{calls:.2f}"] for (room, name, _), (own, calls) in rows[:limit] if own > 0], text=2,
    )  # fmt: skip


def differences_table(names, old, new, limit):
    rows = [row for row in profile.differences(old, new) if abs((row[4] or 0) - (row[3] or 0)) >= profile.LEAST]

    def cell(value):
        return "" if value is None else share(value)

    return document.Table(
        ["function", "room", *names, "difference"],
        [[name, room, cell(before), cell(after), signed((after or 0) - (before or 0))] for room, name, _, before, after in rows[:limit]],
        text=2,
    )  # fmt: skip


def middle_memory(counted):
    """What was found of memory in the round that is shown."""
    return counted.memory[counted.profiles.index(profile.middle(counted.profiles))]


def memory_table(names, touched, each_room=True):
    """Lines touched and missed, of all and by room."""
    rows = []
    rooms = [room for room in profile.ROOMS if any(at == room for found in touched for at, *_ in found)] if each_room else []
    for room in (*rooms, None):
        values = [memory.total(found, room) for found in touched]
        for number, figure in enumerate(memory.FIGURES):
            here = [each[number] for each in values]
            if room is None or max(map(abs, here)) >= 0.05:
                more = [f"{round(here[1] - here[0], 1) + 0:+.1f}"] if len(here) > 1 else []
                rows.append([room or "all", f"{figure}, modelled", *(f"{round(value, 1) + 0:.1f}" for value in here), *more])
    return document.Table(["room", "an I/O", *names, *(["difference"] if len(names) > 1 else [])], rows, text=2)


def memory_differences(names, touched, limit):
    """Functions by what the second has more of lines of data, or else of misses."""
    rows = []
    for key in {key: None for found in touched for key in found}:
        values = [found.get(key, [0] * len(memory.FIGURES)) for found in touched]
        apart = [new - old for old, new in zip(values[0] if len(values) > 1 else [0] * len(values[0]), values[-1])]
        if max(map(abs, apart)) >= 0.05:
            rows.append((key, apart))
    rows.sort(key=lambda row: (-abs(row[1][0]) - abs(row[1][2]), row[0]))
    return document.Table(
        ["function", "room", *(f"{figure}, modelled" for figure in memory.FIGURES)],
        [[key[1], key[0], *(f"{value:+.2f}" if len(names) > 1 else f"{value:.2f}" for value in apart)] for key, apart in rows[:limit]],
        text=2,
    )  # fmt: skip


def memory_blocks(names, found, caches):
    """The part of the report on memory; nothing where it was not modelled."""
    if not caches:
        return []
    touched = [middle_memory(counted) for counted in found]
    spread = "; ".join(
        f"{name}: " + ", ".join(
            f"{figure} {min(values):.1f} to {max(values):.1f}"
            for figure, values in zip(memory.FIGURES, zip(*(memory.total(each) for each in counted.memory))))
        for name, counted in zip(names, found)
    )  # fmt: skip
    return [
        document.Heading("Memory, modelled"),
        document.Paragraph(
            f"Lines that an I/O touches, each once from one I/O to the next, and lines that a model misses: {caches}. Not a measurement: "
            f"nothing is fetched ahead and nothing executed on suspicion. The rounds: {spread}."),
        memory_table(names, touched),
        memory_differences(names, touched, LISTED),
    ]  # fmt: skip


def said(names, found):
    """How far the rounds lie apart, and what the guest's time says."""
    lines = []
    for name, counted in zip(names, found):
        totals = [each.total for each in counted.profiles]
        shown = profile.middle(counted.profiles)
        window = counted.window_ns[counted.profiles.index(shown)]
        alike = profile.compare(counted.profiles[:1], counted.profiles[1:]) if len(totals) > 1 else []
        parts = ", ".join(f"{part} {share(value)}" for part, value in shown.parts().items())
        lines.append(
            f"{name}: {parts}. {len(totals)} rounds from {min(totals):,.1f} to {max(totals):,.1f}; the guest's time says {window:,.1f} "
            f"({(shown.total / window - 1) * 100:+.2f} %). Not the same in the first round as in the others, by half an instruction "
            f"or more: {', '.join(f'{name} {more:+d}' for name, more in alike) or 'no function'}."
        )
    return lines


def write(out, names, found, workload, env, caches=None):
    """Write the report; what the terminal shows."""
    shown = [profile.middle(counted.profiles) for counted in found]
    figures = []

    def figure(name, title, caption, picture):
        pathlib.Path(out, f"{name}.svg").write_text(picture, encoding="utf-8")
        figures.append(document.Figure(name, title, caption, picture, f"{name}.svg"))

    if len(shown) > 1:
        over = f"{names[1]} over {names[0]}"
        figure("difference", over, "From the top: who calls whom. As wide as the larger of both; orange takes more by itself, blue less. "
               "Figures: with all that it calls.", flame.two(*shown, f"{workload}: {over}"))
    for name, each in zip(names, shown):
        place = f"flame-{name.replace('/', '-')}"
        figure(place, f"The way of an I/O: {name}", "From the top: who calls whom. As wide as what a function takes with all that "
               "it calls, in the colour of its room.", flame.one(each, f"{workload}: {name}"))
        with results.saving(out / f"{name.replace('/', '-')}.folded") as file:
            file.writelines(f"{line}\n" for line in each.folded())
    save_functions(out / "functions.csv", names, shown)
    several = len(shown) > 1
    tables = differences_table(names, *shown, LISTED) if several else functions_table(shown[0], LISTED)
    title = f"{' and '.join(names)}: {workload}"
    blocks = [
        document.Heading(title, 1),
        document.Paragraph(f"Instructions for each I/O, each counted at its address: {env['guest']}."),
        rooms_table(names, shown),
        document.Items(said(names, found)),
        *figures,
        document.Heading("By difference" if several else "By function"),
        tables,
        *memory_blocks(names, found, caches),
        document.Heading("Again"),
        document.Command(env["command"]),
    ]
    pathlib.Path(out, "report.md").write_text(document.markdown(blocks), encoding="utf-8")
    pathlib.Path(out, "index.html").write_text(document.page(title, blocks), encoding="utf-8")
    short = differences_table(names, *shown, SHOWN) if several else functions_table(shown[0], SHOWN)
    head = document.filled(f"{title}, instructions an I/O ({env['guest']})")
    parts = [document.Paragraph(head), rooms_table(names, shown, SHOWN), short]
    if caches:
        parts.append(memory_table(names, [middle_memory(counted) for counted in found], False))
    return document.markdown(parts)


def name_changes(names, records, out):
    """What these cells of a comparison take more or less, by function, as their runs were counted: {cell: [words, name of the picture]}."""
    found = {}
    for number, cell in enumerate(names, 1):
        kept = [record for record in records if record["kind"] == "run" and record["cell"] == cell and "profile" in record]
        old, new = ([insn.load(out / run["profile"]) for run in kept if run["build"] == build] for build in (cells.OLD, cells.NEW))
        if not old or not new:
            continue
        name = f"plots/where-{number}.svg"
        (out / "plots").mkdir(exist_ok=True)
        with results.saving(out / name) as file:
            file.write(flame.two(profile.middle(old), profile.middle(new), f"{cell}: new over old"))
        found[cell] = [in_words(profile.compare(old, new)), name]
    return found


def in_words(changes):
    """'+212 bio_integrity_map_user, +40 prep_with_pi_single'"""
    words = [f"{more:+,d} {name}" for name, more in changes[:NAMED]]
    rest = changes[NAMED:]
    if rest:
        words.append(f"{sum(more for _, more in rest):+,d} in {len(rest)} other{'s' * (len(rest) > 1)}")
    return ", ".join(words) or "in no function by itself"


def save_functions(path, names, shown):
    with results.saving(path) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["function", "module", "room", *(f"{what} {name}" for name in names for what in ("instructions", "calls"))])
        found = [each.functions() for each in shown]
        for key in {key: None for each in found for key in each}:
            figures = [f"{value:.4f}" for each in found for value in each.get(key, (0, 0))]
            lines.writerow([key[1], key[2], key[0], *figures])


def load(path):
    """The Profiles, by round, that explain saved."""
    try:
        with open(path, encoding="utf-8") as file:
            return [profile.Profile.load(each) for each in json.load(file)]
    except (OSError, ValueError, KeyError) as error:
        raise Failure(f"{path}: not what pi-bench explain saved ({error})") from None


COMMANDS = {"explain": run, "explain-session": counting.in_guest}
