# SPDX-License-Identifier: GPL-2.0-only
"""fio: its command line for a cell, one run of it, and its JSON."""

import dataclasses
import json
import os
import re
import subprocess

from . import catalog, cells
from .cells import REPO
from .command import die_with_parent
from .errors import Failure, IoFailure

JOBS = str(REPO / "configs" / "bench.fio")
# what the engine chooses by itself is no layout of its own
AUTO = "auto"
PERCENTILES = ("50.000000", "90.000000", "99.000000", "99.900000")


@dataclasses.dataclass(frozen=True)
class Tools:
    fio: str = str(REPO / "build" / "fio" / "fio")
    engine: str = str(REPO / "build" / "io_uring_pi.so")

    def require(self):
        for path, what in ((self.fio, "fio"), (self.engine, "the engine")):
            if not os.path.exists(path):
                raise Failure(f"{path}: {what} is not built; run make first")


def say(tools, argument):
    """What fio prints of an engine, or None."""
    done = run([tools.fio, f"--enghelp={tools.engine}{argument}"], {}, 60)
    return done.stdout if done.returncode == 0 and "pi_layout" in done.stdout else None


def layouts(tools):
    """The layouts with PI that the engine offers; refuses an engine that this fio does not load."""
    text = say(tools, ",pi_layout")
    values = (text or "").partition("valid values:")[2]
    found = re.findall(r"^\s*:?\s*(\w+)\s", values, re.MULTILINE)
    if not found:
        raise Failure(f"{tools.engine}: {tools.fio} does not load it as the engine io_uring_pi; build it for this fio")
    return tuple(name for name in found if name not in (cells.NONE, AUTO))


def offers(tools, option):
    """Whether the engine has an option."""
    return re.search(rf"^{option}\s*:", say(tools, "") or "", re.MULTILINE) is not None


def section(cell, timed):
    """Of the job file."""
    if timed:
        return "time"
    return cell.arm.section if cell.workload.mix == cells.ALL_PI else "mix"


def node(arm, path):
    """The device's name for an arm: NVMe commands go to the character device of the namespace."""
    return re.sub(r"/nvme(\d+n\d+)$", r"/ng\1", path) if arm.layout in catalog.commands() else path


def variables(cell, device, tools, ios, size, verify="both", stats=None):
    """The ${VAR} of configs/bench.fio for one cell on one device."""
    workload, arm = cell.workload, cell.arm
    env = {
        "IOENGINE": cells.FIO if arm.engine == cells.FIO else f"external:{tools.engine}",
        "DUT": node(arm, device.path),
        "RW": workload.rw,
        "BS": str(workload.block_size),
        "IODEPTH": str(workload.iodepth),
        "SIZE": str(size),
        "NUMBER_IOS": str(ios),
        "RANDSEED": "1",
    }
    if stats:
        env |= {"PI_STATS": stats, "PI_LAYOUT": arm.layout, "PI_VERIFY": verify, "PI_CHK": "GUARD"}
    if cell.workload.mix != cells.ALL_PI:
        env["PI_MIX"] = str(cell.workload.mix)
    if arm.has_pi:
        env["PI_CHK"] = device.pi.checks
        if arm.engine == cells.FIO:
            env["MD_PER_IO_SIZE"] = str(device.pi.metadata_per_io(workload.block_size))
        else:
            env["PI_LAYOUT"] = arm.layout
            env["PI_VERIFY"] = verify
    return env


def command(section, tools, jobs=JOBS):
    # not --output=: it would mix fio's messages into the JSON
    return [tools.fio, f"--section={section}", "--output-format=json+", "--eta=never", jobs]


def end(process):
    """As its own way of ending allows: a fio that is killed leaves its jobs."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(argv, variables, timeout):
    try:
        process = subprocess.Popen(
            argv,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=die_with_parent,
            # one that dies of SIGPIPE, as it says to nobody that it ends, leaves its jobs too
            restore_signals=False,
        )
    except OSError as error:
        raise Failure(f"{argv[0]}: {error.strerror}") from None
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            end(process)
            raise IoFailure(f"fio did not end within {timeout:.0f} s") from None
        except BaseException:
            end(process)
            raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def parse(text):
    """fio's JSON, from the first line that opens it: messages may stand around it."""
    lines = text.splitlines()
    try:
        first = next(i for i, line in enumerate(lines) if line.startswith("{"))
        last = max(i for i, line in enumerate(lines) if line.startswith("}"))
        return json.loads("\n".join(lines[first : last + 1]))
    except (StopIteration, ValueError):
        return None


def complaint(done):
    """The line that says best why fio failed."""
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    said = said or [line.strip() for line in done.stdout.split("\n{", 1)[0].splitlines() if line.strip()]
    return said[0] if said and not said[0].startswith("{") else "no message"


def lacking(cell, reason):
    """Whether a failure says that the kernel or the device has no such layout, which is no error."""
    return cell.arm.has_pi and re.search(rf"\b(?:pi_layout=|layout ')?{re.escape(cell.arm.layout)}'? (?:needs|takes)\b", reason)


def sidecar(path):
    """What the engine left in pi_stats=: one line, as there is one job."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    except (OSError, ValueError):
        lines = []
    if len(lines) != 1:
        raise IoFailure(f"the engine left {len(lines)} lines in pi_stats=, not one")
    return lines[0]


def result(done, direction, expected):
    """What a run measured; raises IoFailure unless it did exactly what was asked."""
    parsed = parse(done.stdout)
    if done.returncode != 0:
        raise IoFailure(f"fio exited with {done.returncode}: {complaint(done)}")
    if not parsed or not parsed.get("jobs"):
        raise IoFailure(f"fio printed no result: {complaint(done)}")
    job = parsed["jobs"][0]
    if job.get("error"):
        raise IoFailure(f"fio reports error {job['error']} ({os.strerror(job['error'])}): {complaint(done)}")
    side = job[direction]
    if side["total_ios"] != expected or expected <= 0:
        raise IoFailure(f"fio did {side['total_ios']} I/Os of {expected}: {complaint(done)}")
    return parsed, {
        "fio": parsed.get("fio version"),
        "ios": side["total_ios"],
        "bytes": side["io_bytes"],
        "runtime_ns": side["runtime"] * 1_000_000,
        "latency_ns": side["lat_ns"]["mean"],
        "percentiles_ns": {p.rstrip("0").rstrip("."): side["clat_ns"].get("percentile", {}).get(p) for p in PERCENTILES},
        "thread_ns": round((job["usr_cpu"] + job["sys_cpu"]) / 100 * job["job_runtime"] * 1_000_000),
        "context_switches": job["ctx"],
    }
