# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench run: what PI costs against plain I/O, on a device or in guests."""

import os
import sys

from . import cells, client, device, environment, fio, guest, session
from .errors import Failure

ROUNDS = 3


def remote_drives(options, clients, paths, tools):
    """(path, bytes, checks) of the drives that the hosts of --client have at these paths."""
    for path in (*paths, *options.allow_write):
        if not path.startswith("/dev/"):
            raise Failure(f"{path}: with --client a drive is named by its path in /dev, the same on each host")
    for path in options.allow_write:
        if path not in paths:
            raise Failure(f"--allow-write names {path}, not {' or '.join(paths)}; both must name the same device")
    if options.dry_run:
        return tuple((path, client.REGIONS[0], client.CHECKS if path == options.dut else "") for path in paths)
    tools.require()
    return tuple(client.look(tools, clients, path) for path in paths)


def device_session(host, options, **more):
    """The Spec for --dut, the devices checked: those of this machine, or those of the hosts of --client."""
    paths = [path for path in (options.dut, options.dut_nopi) if path]
    if getattr(options, "client", None):
        clients = client.hosts(options.client)
        drives = remote_drives(options, clients, paths, more["tools"])
        found, writable = [client.drive(*each) for each in drives], options.allow_write
        fields = {"name": "clients", "mode": cells.TIME, "clients": clients, "drives": drives}
    else:
        for path in paths:
            device.describe(host, path)
        writable = device.may_write(host, paths, options.allow_write)
        if more.get("precondition") and len(writable) < len(paths):
            raise Failure(f"--precondition: writes all of {' and '.join(paths)}; name each with --allow-write")
        found = [device.check(host, path, path in writable) for path in paths]
        mode = cells.CPU if environment.emulated(host) else cells.TIME
        fields = {"name": found[0].name, "mode": mode, "bandwidth": mode == cells.TIME}
    if len(found) > 1 and found[1].pi:
        raise Failure(f"{options.dut_nopi}: has PI; --dut-nopi takes a namespace without")
    return session.Spec(
        icount=False,
        read_only=tuple(path for path in paths if path not in writable),
        pi=options.dut,
        nopi=options.dut_nopi,
        **fields,
        **more,
    )


NVME = {"pi": "PI_DISK0", "nopi": "PI_DISK1"}
NVME_DISKS = ["4096+8", "4096"]
SCSI_DISKS = ["scsi_debug:4096+8"]


def guest_sessions(more, kvm):
    """{spec: disks}: instructions on scsi_debug; on NVMe namespaces CPU or, if KVM works, time."""
    mode = cells.TIME if kvm else cells.CPU
    return {
        session.Spec(name="scsi_debug", mode=cells.INSTRUCTIONS, icount=True, scsi_debug=True, breakdown=True, **more): SCSI_DISKS,
        session.Spec(name="nvme", mode=mode, icount=not kvm, **NVME, **more): NVME_DISKS,
    }


def boot(options, number, name="", **more):
    """(spec, disks) of one of many boots in which instructions are counted."""
    seed = {"seed": options.seed + number}
    return session.Spec(f"boot{number}{name}", cells.INSTRUCTIONS, True, scsi_debug=True, **more | seed), SCSI_DISKS


def offered(tools):
    """The engine's layouts, or the usual one if it is not built yet."""
    return fio.layouts(tools) if os.path.exists(tools.fio) and os.path.exists(tools.engine) else ("indirect",)


def names(found, options, path):
    """The names of those cells that --only leaves."""
    chosen = cells.select(found, options.only)
    if not chosen:
        raise Failure(f"--only {' '.join(options.only)}: no such cell in {path}; pi-bench list shows the names")
    return tuple(cell.name for cell in chosen)


def chosen(options, tools):
    """The names of the cells of run and list."""
    found = cells.select(cells.load(options.cells, options.set or (cells.CORE,), offered(tools)), options.only)
    whole = tuple(cell for cell in found if cell.workload.mix == cells.ALL_PI)
    if len(whole) < len(found) and not fio.offers(tools, "pi_mix"):
        print("pi-bench: the engine has no pi_mix=: cells with a mix are left out", file=sys.stderr)
        found = whole
    return names(found, options, options.cells)


def specs(host, options, tools, more):
    """({spec: disks}, what the report needs to know)"""
    more |= {"tools": tools, "cells": chosen(options, tools)}
    if options.dut:
        more["breakdown"] = not options.client and os.path.exists(tools.engine) and fio.offers(tools, "pi_time")
        more["precondition"] = options.precondition
        return {device_session(host, options, **more): None}, {}
    what = guest.ready(options.kernel, options.dry_run)
    return guest_sessions(more, kvm=bool(what) and what.startswith("KVM")), {"guest": what}
