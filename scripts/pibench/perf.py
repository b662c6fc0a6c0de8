# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench perf: what the engine costs, beside fio's own engines and a program without checksums, and whether that grows."""

import dataclasses
import os

from . import cells, device, fio, guest, session
from .errors import Failure

CELLS = str(fio.REPO / "configs" / "perf.cells")
BUILD = fio.REPO / "build"
ROUNDS, HOST_ROUNDS = 3, 9
PI, PLAIN, GROWN, JOBS, REGISTERED, HOST = "pi", "plain", "grown", "jobs", "registered", "host"
LAB = "lab"
IOS, HOST_IOS = 8192, 1 << 17
# a file that the page cache holds: there a write is another thread's, and nothing else takes part in a read
FILE = "page-cache"


def specs(host, options, tools, more):
    """({spec: disks}, what the report is to say): a boot each, with all of what is compared in it; what is timed is on this machine."""
    tools = dataclasses.replace(tools, isal=os.path.abspath(options.isal), floor=str(BUILD / "t" / "floor"))
    every = {**more, "tools": tools}
    guests = {
        PI: ({"mode": cells.CPU, "pi": "PI_DISK0"}, ["4096+8"]),
        PLAIN: ({"mode": cells.INSTRUCTIONS, "nopi": "PI_DISK0"}, ["null_blk:4096"]),
        GROWN: ({"mode": cells.INSTRUCTIONS, "nopi": "PI_DISK0"}, ["null_blk:4096"]),
        JOBS: ({"mode": cells.CPU, "nopi": "PI_DISK0"}, ["null_blk:4096"]),
        REGISTERED: ({"mode": cells.INSTRUCTIONS, "pi": "PI_DISK0", "kernel": LAB}, ["null_blk:4096+8,zeros"]),
    }
    found = {}
    if chosen := names(options, tools, HOST):
        place = device.FILE + os.path.join(os.path.abspath(options.out), FILE)
        rest = {**every, "rounds": HOST_ROUNDS, "ios": HOST_IOS, "nopi": place}
        found[session.Spec(HOST, cells.TIME, False, cells=chosen, **rest)] = None
    for name, (where, disks) in guests.items():
        if chosen := names(options, tools, name):
            rest = {**every, "ios": IOS, **where}
            found[session.Spec(name, icount=True, cells=chosen, **rest)] = disks
    if not found:
        raise Failure(f"--only {' '.join(options.only)}: no such cell in {CELLS}")
    ready = [guest.ready(kernel, options.dry_run) for kernel in dict.fromkeys(spec.kernel for spec, disks in found.items() if disks)]
    return found, {"guest": "; ".join(filter(None, ready)) or None}


def names(options, tools, name):
    return tuple(cell.name for cell in cells.select(cells.load(CELLS, (name,), fio.layouts(tools)), options.only))
