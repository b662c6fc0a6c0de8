# SPDX-License-Identifier: GPL-2.0-only
"""fio: its command line for a cell, one run of it, and its JSON."""

import dataclasses
import glob
import json
import os
import re
import select
import subprocess
import tempfile
import time

from . import catalog, cells
from .cells import REPO
from .command import die_with_parent
from .errors import Failure, IoFailure

JOBS = str(REPO / "configs" / "bench.fio")
# what the engine chooses by itself is no layout of its own
AUTO = "auto"
# fewer seconds of a run are no course
SECONDS = 3
PERCENTILES = ("50.000000", "90.000000", "99.000000", "99.900000")


@dataclasses.dataclass(frozen=True)
class Tools:
    """Programs that are run; what is not needed is empty."""

    fio: str = str(REPO / "build" / "fio" / "fio")
    engine: str = str(REPO / "build" / "io_uring_pi.so")
    # a fio built with ISA-L, t/bench/floor.c and t/tools/attr-cost.c
    isal: str = ""
    floor: str = ""
    attr_cost: str = ""
    # of QEMU's that counts instructions by function, and what says "now" to it
    plugin: str = ""
    mark: str = ""

    def require(self):
        names = {"fio": "fio", "engine": "the engine", "isal": "fio with ISA-L", "floor": "floor", "attr_cost": "attr-cost",
                 "plugin": "insn-plugin", "mark": "insn-mark"}  # fmt: skip
        for field, what in names.items():
            path = getattr(self, field)
            if path and not os.path.exists(path):
                raise Failure(f"{path}: {what} is not built; run make{' perf' * (field in ('isal', 'floor'))} first")

    def program(self, engine):
        """That runs I/Os of an engine."""
        if engine == cells.FLOOR:
            return self.floor
        return self.isal if engine.endswith(cells.ISAL) else self.fio


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
    if cell.workload.buffers == cells.REGISTERED and cell.arm.has_pi:
        return cells.REGISTERED
    return cell.arm.section if cell.workload.mix == cells.ALL_PI else "mix"


def node(arm, path):
    """The device's name for an arm: NVMe commands go to the character device of the namespace."""
    commands = arm.engine.startswith(cells.FIO_CMD) or arm.layout in catalog.commands()
    return re.sub(r"/nvme(\d+n\d+)$", r"/ng\1", path) if commands else path


def ioengine(arm, tools):
    return f"external:{tools.engine}" if arm.engine in (cells.OURS, cells.JOB) else arm.engine.removesuffix(cells.ISAL)


def variables(cell, device, tools, ios, size, verify="both", stats=None):
    """The ${VAR} of configs/bench.fio for one cell on one device."""
    workload, arm = cell.workload, cell.arm
    if arm.engine == cells.JOB:
        return {"IOENGINE": ioengine(arm, tools), "DUT": device.path, "NUMBER_IOS": str(ios), "SIZE": str(size)}
    path = node(arm, device.path)
    _, (fixedbufs, registerfiles, nonvectored) = cells.BUFFERS[workload.buffers]
    env = {
        "IOENGINE": ioengine(arm, tools),
        "DUT": ":".join(device.alias(number) for number in range(workload.files)) if workload.files > 1 else path,
        # neither a character device nor what the page cache is to hold
        "DIRECT": str(int(path == device.path and bool(device.disk))),
        "RW": workload.rw,
        "BS": str(workload.block_size),
        "IODEPTH": str(workload.iodepth),
        "SIZE": str(size),
        "NUMBER_IOS": str(ios),
        "NUMJOBS": str(workload.numjobs),
        "RANDSEED": "1",
        "FIXEDBUFS": str(fixedbufs),
        "REGISTERFILES": str(registerfiles),
        "NONVECTORED": str(nonvectored),
    }
    if stats:
        env |= {"PI_STATS": stats, "PI_LAYOUT": arm.layout, "PI_VERIFY": verify, "PI_CHK": "GUARD"}
    if cell.workload.mix != cells.ALL_PI:
        env["PI_MIX"] = str(cell.workload.mix)
    if arm.has_pi:
        env["PI_CHK"] = device.pi.checks
        if arm.engine == cells.OURS:
            env["PI_LAYOUT"] = arm.layout
            env["PI_VERIFY"] = verify
        else:
            env["MD_PER_IO_SIZE"] = str(device.pi.metadata_per_io(workload.block_size))
    return env


def command(cell, tools, jobs=JOBS, timed=False, read_only=False, bandwidth=""):
    # not --output=: it would mix fio's messages into the JSON
    if cell.arm.engine == cells.JOB:
        return [tools.fio, *["--readonly"] * read_only, "--output-format=json+", "--eta=never", jobs]
    options = [f"--section={section(cell, timed)}", "--output-format=json+", "--eta=never"]
    if bandwidth:
        options += [f"--write_bw_log={bandwidth}", "--log_avg_msec=1000"]
    return [tools.program(cell.arm.engine), *options, jobs]


def floor(cell, device, tools, ios, size):
    workload = cell.workload
    return [tools.floor, device.path, workload.rw, str(workload.iodepth), str(ios), str(size // workload.block_size)]


def end(process):
    """As its own way of ending allows: a fio that is killed leaves its jobs."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclasses.dataclass
class Done:
    """A program that has ended, and what the kernel counted of it and its children, threads of io_uring's among them."""

    returncode: int
    stdout: str
    stderr: str
    cpu_ns: int
    resident: int
    wall_ns: int


def run(argv, variables, timeout):
    """The Done of a program."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.monotonic_ns()
        try:
            process = subprocess.Popen(
                argv,
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                preexec_fn=die_with_parent,
                # one that dies of SIGPIPE, as it says to nobody that it ends, leaves its jobs too
                restore_signals=False,
            )
        except OSError as error:
            raise Failure(f"{argv[0]}: {error.strerror}") from None
        try:
            usage = reap(process, timeout)
        except BaseException:
            end(process)
            raise
        took = time.monotonic_ns() - started
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode(errors="replace"))
    return Done(process.returncode, *said, round((usage.ru_utime + usage.ru_stime) * 1e9), usage.ru_maxrss << 10, took)


def reap(process, timeout):
    """Its usage, when it has ended."""
    descriptor = os.pidfd_open(process.pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(timeout * 1000):
            raise IoFailure(f"fio did not end within {timeout:.0f} s")
    finally:
        os.close(descriptor)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


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


def seconds(prefix):
    """MB/s in each second that all of a run's jobs lasted, off the logs that it has left; none of a short one."""
    logs = []
    for path in glob.glob(f"{glob.escape(prefix)}_bw.*.log"):
        with open(path, encoding="utf-8") as file:
            logs.append([int(line.split(",")[1]) for line in file])
        os.unlink(path)
    found = [sum(each) * 1024 / 1e6 for each in zip(*logs)]
    return found if len(found) >= SECONDS else []


def floor_result(done, ios):
    if done.returncode:
        raise IoFailure(complaint(done))
    return {}, {"ios": ios}


def ended(done):
    """fio's JSON of a run that went well."""
    parsed = parse(done.stdout)
    if done.returncode != 0:
        raise IoFailure(f"fio exited with {done.returncode}: {complaint(done)}")
    if not parsed or not parsed.get("jobs"):
        raise IoFailure(f"fio printed no result: {complaint(done)}")
    for job in parsed["jobs"]:
        if job.get("error"):
            raise IoFailure(f"fio reports error {job['error']} ({os.strerror(job['error'])}): {complaint(done)}")
    return parsed


def whole(done):
    """What a job file measured in all its jobs: those of a group at once, the groups one after the other."""
    parsed = ended(done)
    jobs, groups = parsed["jobs"], {}
    for job in jobs:
        groups.setdefault(job["groupid"], []).append(job)
    sides = [job[name] for job in jobs for name in ("read", "write", "trim")]
    ios = sum(side["total_ios"] for side in sides)
    if not ios:
        raise IoFailure(f"fio did no I/O: {complaint(done)}")
    return parsed, {
        "fio": parsed.get("fio version"),
        "ios": ios,
        "bytes": sum(side["io_bytes"] for side in sides),
        "runtime_ns": sum(max(job["job_runtime"] for job in group) for group in groups.values()) * 1_000_000,
        "latency_ns": sum(side["lat_ns"]["mean"] * side["total_ios"] for side in sides) / ios,
        "percentiles_ns": {},
        "context_switches": sum(job["ctx"] for job in jobs),
    }


def result(done, direction, expected):
    """What a run measured; raises IoFailure unless it did exactly what was asked."""
    parsed = ended(done)
    job = parsed["jobs"][0]
    side = job[direction]
    if side["total_ios"] != expected or expected <= 0:
        raise IoFailure(f"fio did {side['total_ios']} I/Os of {expected}: {complaint(done)}")
    return parsed, {"fio": parsed.get("fio version"), **figures(job, direction)}


def figures(job, direction):
    """What a job of fio's JSON has measured."""
    side = job[direction]
    return {
        "ios": side["total_ios"],
        "bytes": side["io_bytes"],
        "runtime_ns": side["runtime"] * 1_000_000,
        "latency_ns": side["lat_ns"]["mean"],
        "percentiles_ns": {p.rstrip("0").rstrip("."): side["clat_ns"].get("percentile", {}).get(p) for p in PERCENTILES},
        "context_switches": job["ctx"],
    }
