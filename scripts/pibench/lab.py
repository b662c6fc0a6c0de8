# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench lab: what each attribute layout costs, the attribute alone and in a whole I/O."""

import dataclasses
import os
import shutil

from . import bench, cells, device, fio, guest, session
from .errors import Failure

CELLS = str(fio.REPO / "configs" / "lab.cells")
BUILT = str(fio.REPO / "build" / "t" / "attr-cost")
# an installed pi-bench finds it in PATH
ATTR_COST = BUILT if os.path.exists(BUILT) else shutil.which("attr-cost") or BUILT
ROUNDS, IOS = 5, 15872
# of the usual number of I/Os for time, as there are many cells
SHARE = 0.25
# a device that costs nothing; the lab kernel has one with PI
DISK, DISK_NAME = "null_blk:4096+8", "PI_DISK0"
# what the host makes of the tuples is the same for every layout
VERIFY = "device"


def specs(host, options, tools, more):
    """({spec: disks}, what the report needs to know): all on a device, or the attribute here and whole I/Os in the guest."""
    tools = dataclasses.replace(tools, attr_cost=ATTR_COST)
    tools.require()
    names = bench.names(cells.load(CELLS, ("all",), fio.layouts(tools)), options, CELLS)
    every = {**more, "tools": tools, "verify": VERIFY}
    if options.dut:
        every["scale"] *= SHARE
        spec = bench.device_session(host, options, cells=names, **every)
        if not device.describe(host, options.dut).pi:
            raise Failure(f"{options.dut}: the format has no PI; name a namespace with it")
        return {spec: None}, {}
    what = guest.ready(options.kernel, options.dry_run)
    found = {
        session.Spec("native", cells.TIME, False, **every): None,
        session.Spec("guest", cells.INSTRUCTIONS, True, cells=names, pi=DISK_NAME, ios=IOS, **every): [DISK],
    }
    if what and what.startswith("KVM"):
        every["scale"] *= SHARE
        found[session.Spec("kvm", cells.TIME, False, cells=names, pi=DISK_NAME, **every)] = [DISK]
    return found, {"guest": what}
