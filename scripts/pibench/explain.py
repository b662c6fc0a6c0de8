# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench explain: the instructions of an I/O by function, and the functions that make two arms differ."""

import dataclasses
import os
import re

from . import catalog, cells, guest, insn, lab, memory, session
from .errors import Failure

ROUNDS, IOS = 3, 8192
DISK, DISK_NAME = "scsi_debug:4096+8", "PI_DISK0"
# while the guest waits for QEMU's NVMe drive, nothing can be counted
WAITS = "is answered by QEMU in its own time, so its instructions cannot be counted"
SIZES = re.compile(r"([1-9]\d*)k")


def arm_of(name):
    """The name STATE/LAYOUT or STATE/ENGINE of an arm given as a layout, a baseline, an engine or in full."""
    if name == cells.NONE:
        return f"{cells.NOVERIFY}/{cells.NONE}"
    if name == cells.NOPI or name.startswith(f"{cells.NOPI}/"):
        raise Failure(f"{name}: needs a device without PI; explain counts on one with PI")
    if name in cells.BASELINES:
        return f"{name}/{cells.FIO}"
    state, slash, way = name.rpartition("/")
    ways = {cells.PI: (*catalog.layouts(), cells.FIO)} | dict.fromkeys((cells.AUTOPI, cells.NOVERIFY), (cells.NONE, cells.FIO))
    if way not in ways.get(state if slash else cells.PI, ()):
        known = (cells.NONE, *ways[cells.PI], cells.AUTOPI, cells.NOVERIFY)
        raise Failure(f"'{name}' is not an arm; give one of {', '.join(known)}")
    return name if state else f"{cells.PI}/{name}"


def caches_of(options):
    """The caches to model, or None."""
    given = {name: getattr(options, name) for name in ("d1", "i1", "l2") if getattr(options, name)}
    if given and not options.cache:
        raise Failure(f"--{next(iter(given))}: describes a cache of the model; add --cache")
    caches = memory.Caches(**given) if options.cache else None
    if caches:
        caches.arguments()
    return caches


def sides_of(options, engine):
    """[(title, name of the arm, build, engine)] of the sides to compare"""
    if options.other and options.old:
        raise Failure("--old: compares two engines with one ARM; leave the second ARM out")
    if options.old:
        if not os.path.exists(options.old):
            raise Failure(f"--old {options.old}: no such engine")
        arm = arm_of(options.arm)
        return [(cells.OLD, arm, cells.OLD, os.path.abspath(options.old)), (cells.NEW, arm, cells.NEW, engine)]
    names = [name for name in (options.arm, options.other) if name]
    arms = list(map(arm_of, names))
    if len(set(arms)) < len(arms):
        raise Failure(f"{' '.join(names)}: are the same; leave the second ARM out")
    return [(name, arm, "", engine) for name, arm in zip(names, arms)]


def disk_of(options, kernel, chosen):
    """The guest's disk: where the kernel or the job looks at tuples, one that has them."""
    ours = options.verify in ("both", "host") and chosen[0].workload.direction == "read"
    arms = [cell.arm for cell in chosen]
    verified = any(arm.state == cells.AUTOPI or arm.has_pi and (ours or arm.engine == cells.FIO) for arm in arms)
    disk = options.disk or (lab.DISK + ",zeros" * verified if kernel == "lab" else DISK)
    if disk[:1].isdigit():
        raise Failure(f"--disk {disk}: an NVMe drive {WAITS}; give a disk in the guest, such as {DISK}")
    if verified and disk.startswith(lab.DISK) and "zeros" not in disk.split(","):
        raise Failure(f"--disk {disk}: has no tuples to verify; give {lab.DISK},zeros")
    return disk


def specs(host, options, tools, more):
    """({spec: disks}, what the report says about them): one boot runs all sides."""
    size = SIZES.fullmatch(options.bs)
    if not size:
        raise Failure(f"--bs {options.bs}: not a size such as 4k")
    sides = sides_of(options, tools.engine)
    caches = caches_of(options)
    workload = cells.Workload(options.rw, int(size[1]) << 10, options.iodepth)
    chosen = {arm: cells.Cell(workload, cells.arm(arm)) for _, arm, _, _ in sides}
    for name, arm, _, _ in sides:
        layout = chosen[arm].arm.layout
        if layout in catalog.commands():
            raise Failure(f"{name}: needs an NVMe drive, and that {WAITS}")
        if layout in catalog.layouts() and (why := catalog.without(layout, fixed=True)):
            raise Failure(f"{name}: {why}, and explain counts I/Os with registered buffers")
    kernel = options.kernel or ("lab" if any(cell.arm.layout in catalog.of_the_lab() for cell in chosen.values()) else "stock")
    disk = disk_of(options, kernel, tuple(chosen.values()))
    # with two engines a round has two runs of each
    rounds = -(-options.rounds // 2) if options.old else options.rounds
    spec = session.Spec(
        "explain", cells.INSTRUCTIONS, True, pi=DISK_NAME, ios=IOS, profiles=True,
        cells=tuple(cell.name for cell in chosen.values()), caches=caches.arguments() if caches else "",
        builds=tuple((build, dataclasses.replace(tools, engine=engine)) for _, _, build, engine in sides) if options.old else (),
        tools=dataclasses.replace(tools, plugin=str(insn.PLUGIN), mark=str(insn.MARK)), **more | {"kernel": kernel, "rounds": rounds},
    )  # fmt: skip
    what = guest.ready(kernel, options.dry_run)
    told = {"sides": [(name, chosen[arm].name, build) for name, arm, build, _ in sides], "caches": str(caches) if caches else ""}
    return {spec: [disk]}, {"guest": f"{what}, {disk}", "explain": told}
