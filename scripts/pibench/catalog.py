# SPDX-License-Identifier: GPL-2.0-only
"""The tables of layouts and guards in lib/, as pi-info prints them."""

import functools
import json
import pathlib
import shutil
import subprocess

from .errors import Failure

TREE = pathlib.Path(__file__).resolve().parents[2]
# in the tree, or installed
PLACES = (TREE / "build/t/pi-info", TREE.parents[1] / "bin/pi-info")


@functools.cache
def ask():
    program = next((str(place) for place in PLACES if place.exists()), None) or shutil.which("pi-info")
    if not program:
        raise Failure(f"{PLACES[0]}: pi-info is not built; run make first")
    done = subprocess.run([program, "--json"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise Failure(f"{program}: is another pi-info, which prints no tables; run make first") from None


def rows():
    """{name: row} of the layouts with PI, in the order of lib/."""
    return {row["name"]: row for row in ask()["tables"]["layouts"] if row["pi"]}


def layouts():
    return tuple(rows())


def rank(layout):
    """The place of a layout in that order; an unknown one comes last."""
    names = layouts()
    return names.index(layout) if layout in names else len(names)


def commands():
    """The layouts that send commands to a character device."""
    return tuple(name for name, row in rows().items() if row["command"])


def of_the_lab():
    """The layouts that need the lab kernel."""
    return tuple(name for name, row in rows().items() if "lab kernel" in row["help"])


def without(layout, vectored=False, fixed=False, fixed_md=False):
    """Why a layout does not take vectored I/O, registered buffers or registered metadata here, or nothing."""
    row = rows()[layout]
    for wanted, kind in (vectored, "vectored"), (fixed, "fixed"):
        if wanted and not row[kind]:
            return f"layout '{layout}' has no {kind} opcodes"
    if fixed_md and not row["fixed_md"]:
        return f"layout '{layout}' has no field for a registered metadata buffer"
    return ask()["fixed_md"] if fixed_md else ""


def sqe(layout):
    """The size of the SQEs in a layout's ring: 64, 128 or mixed."""
    return rows()[layout]["sqe"] if layout in rows() else "64"


def rings(chosen):
    """One of these layouts for each SQE size: the first with 64 bytes, the last of each other size."""
    found = {}
    for layout in sorted(set(chosen) & set(layouts()) - set(commands()), key=rank):
        if sqe(layout) != "64" or "64" not in found:
            found[sqe(layout)] = layout
    return tuple(found.values())


def ways():
    """(layout, SQE) of each ring to compare, as attr-cost names SQEs; those of 128 bytes also with their second half zeroed."""
    found = []
    for layout in layouts():
        if layout not in commands() and (sqe(layout) != "64" or not found):
            found.append((layout, sqe(layout)))
            if sqe(layout) == "128":
                found.append((layout, "128 zeroed"))
    return tuple(found)


def profiles():
    """{format in sysfs: (size of the tuple, whether the reference tag counts blocks)}"""
    return {
        guard["profile"].replace("?", kind): (guard["pi_size"], kind == "1")
        for guard in ask()["tables"]["guards"] if guard["pi_size"] and guard["profile"] for kind in "13"
    }  # fmt: skip
