# SPDX-License-Identifier: GPL-2.0-only
"""The tables of lib/, as pi-info lists them: a further layout or guard is a row there and nowhere else."""

import functools
import json
import pathlib
import shutil
import subprocess

from .errors import Failure

TREE = pathlib.Path(__file__).resolve().parents[2]
# in the tree, or where make install puts it beside what lies in share/fio-pi
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
        raise Failure(f"{program}: is another pi-info, and lists no tables; run make first") from None


def rows():
    """{name: row} of the layouts with PI, in their order."""
    return {row["name"]: row for row in ask()["tables"]["layouts"] if row["pi"]}


def layouts():
    return tuple(rows())


def rank(layout):
    """Its place in the order; those that nobody knows share the last one."""
    names = layouts()
    return names.index(layout) if layout in names else len(names)


def commands():
    """The layouts whose I/Os are commands for a character device."""
    return tuple(name for name, row in rows().items() if row["command"])


def of_the_lab():
    """The layouts that only the lab kernel takes."""
    return tuple(name for name, row in rows().items() if "lab kernel" in row["help"])


def without(layout, vectored=False, fixed=False, fixed_md=False):
    """Why a layout cannot have its data in iovecs or in registered buffers, or its metadata there, where this runs; or nothing."""
    row = rows()[layout]
    if vectored and not row["vectored"] or fixed and not row["fixed"]:
        return f"layout '{layout}' has no {'vectored' if vectored else 'fixed'} opcodes"
    if fixed_md and not row["fixed_md"]:
        return f"layout '{layout}' has no room for a registered buffer with metadata"
    return ask()["fixed_md"] if fixed_md else ""


def sqe(layout):
    """What SQEs its ring has: 64, 128 or mixed."""
    return rows()[layout]["sqe"] if layout in rows() else "64"


def rings(chosen):
    """One of these layouts for each kind of ring: with the first that uses one, or where it lies in the SQE the last."""
    found = {}
    for layout in sorted(set(chosen) & set(layouts()) - set(commands()), key=rank):
        if sqe(layout) != "64" or "64" not in found:
            found[sqe(layout)] = layout
    return tuple(found.values())


def ways():
    """Every (layout, SQE) that stands for a ring, as attr-cost names SQEs: with tails zeroed too, where there are any."""
    found = []
    for layout in layouts():
        if layout not in commands() and (sqe(layout) != "64" or not found):
            found += [(layout, sqe(layout)), *([(layout, "128 zeroed")] if sqe(layout) == "128" else [])]
    return tuple(found)


def profiles():
    """{format in sysfs: (bytes of the tuple, whether its reference tag counts blocks)}"""
    return {
        guard["profile"].replace("?", kind): (guard["pi_size"], kind == "1")
        for guard in ask()["tables"]["guards"] if guard["pi_size"] and guard["profile"] for kind in "13"
    }  # fmt: skip
