# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench perf: what the engine costs next to fio's own engines and to a program without checksums, and whether that grows."""

import dataclasses
import os

from . import bench, cells, device, fio, guest, session

CELLS = str(fio.REPO / "configs" / "perf.cells")
BUILD = fio.REPO / "build"
ROUNDS, HOST_ROUNDS = 3, 9
PI, PLAIN, GROWN, JOBS, REGISTERED, HOST = "pi", "plain", "grown", "jobs", "registered", "host"
LAB = "lab"
IOS, HOST_IOS = 8192, 1 << 17
# a file in the page cache: another thread does its writes, and nothing else takes part in its reads
FILE = "page-cache"
# {session and set of cells: (fields of its Spec, disk of its guest)}
GUESTS = {
    PI: ({"mode": cells.CPU, "pi": "PI_DISK0"}, "4096+8"),
    PLAIN: ({"mode": cells.INSTRUCTIONS, "nopi": "PI_DISK0"}, "null_blk:4096"),
    GROWN: ({"mode": cells.INSTRUCTIONS, "nopi": "PI_DISK0"}, "null_blk:4096"),
    JOBS: ({"mode": cells.CPU, "nopi": "PI_DISK0"}, "null_blk:4096"),
    REGISTERED: ({"mode": cells.INSTRUCTIONS, "pi": "PI_DISK0", "kernel": LAB}, "null_blk:4096+8,zeros"),
}


def specs(host, options, tools, more):
    """({spec: disks}, what the report needs to know): a boot for each session, except for what is timed on this machine."""
    tools = dataclasses.replace(tools, isal=os.path.abspath(options.isal), floor=str(BUILD / "t" / "floor"))
    every, layouts, found = {**more, "tools": tools}, fio.layouts(tools), {}
    wanted = bench.names(cells.load(CELLS, (HOST, *GUESTS), layouts), options, CELLS)
    for name in (HOST, *GUESTS):
        chosen = tuple(cell.name for cell in cells.load(CELLS, (name,), layouts) if cell.name in wanted)
        if not chosen:
            continue
        if name == HOST:
            place = device.FILE + os.path.join(os.path.abspath(options.out), FILE)
            rest = {**every, "rounds": HOST_ROUNDS, "ios": HOST_IOS, "nopi": place}
            found[session.Spec(HOST, cells.TIME, False, cells=chosen, **rest)] = None
        else:
            fields, disk = GUESTS[name]
            found[session.Spec(name, icount=True, cells=chosen, **{**every, "ios": IOS, **fields})] = [disk]
    ready = [guest.ready(kernel, options.dry_run) for kernel in dict.fromkeys(spec.kernel for spec, disks in found.items() if disks)]
    return found, {"guest": "; ".join(filter(None, ready)) or None}
