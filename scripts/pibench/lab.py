# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench lab: what each attribute layout costs, handed over by itself and in a whole I/O."""

import os
import shutil

from . import bench, cells, device, fio, guest, session
from .errors import Failure

CELLS = str(fio.REPO / "configs" / "lab.cells")
BUILT = str(fio.REPO / "build" / "t" / "attr-cost")
# beside an installed pi-bench
ATTR_COST = BUILT if os.path.exists(BUILT) else shutil.which("attr-cost") or BUILT
ROUNDS, IOS = 5, 15872
# of the I/Os that are usual for time: there are many cells
SHARE = 0.25
# a device without a device's cost, of which the lab kernel has one with PI
DISK, DISK_NAME = "null_blk:4096+8", "PI_DISK0"
# what takes its attribute from the ring: what the host makes of the tuples is the same for every layout
VERIFY = "device"


def specs(host, options, tools, more):
    """({spec: disks}, what the report is to say): the attribute by itself here, then all of it in the guest; or all of it on a device."""
    names = tuple(cell.name for cell in cells.select(cells.load(CELLS, ("all",), fio.layouts(tools)), options.only))
    if not names:
        raise Failure(f"--only {' '.join(options.only)}: no such cell in {CELLS}")
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
