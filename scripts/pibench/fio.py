# SPDX-License-Identifier: GPL-2.0-only
"""fio: its command line for a cell, a run, and the figures in its JSON."""

import bisect
import collections
import dataclasses
import functools
import glob
import itertools
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
# lets the engine choose, so it is not a layout to measure
AUTO = "auto"
# a shorter run has no throughput over time
SECONDS = 3
PERCENTILES = ("50", "90", "99", "99.9")


@dataclasses.dataclass(frozen=True)
class Tools:
    """The programs to run; empty where one is not needed."""

    fio: str = str(REPO / "build" / "fio" / "fio")
    engine: str = str(REPO / "build" / "io_uring_pi.so")
    # a fio built with ISA-L, t/bench/floor.c and t/tools/attr-cost.c
    isal: str = ""
    floor: str = ""
    attr_cost: str = ""
    # QEMU's plugin that counts instructions by function, and the program that marks a moment for it
    plugin: str = ""
    mark: str = ""

    def require(self):
        for name, path in vars(self).items():
            if path and not os.path.exists(path):
                target = "make perf" if name in ("isal", "floor") else "make"
                raise Failure(f"{path}: {name.replace('_', '-')} is not built; run {target} first")

    def program(self, engine):
        """The program that runs this engine."""
        if engine == cells.FLOOR:
            return self.floor
        return self.isal if engine.endswith(cells.ISAL) else self.fio


def help_text(tools, argument):
    """What fio prints about the engine, or nothing if it does not load it."""
    done = run([tools.fio, f"--enghelp={tools.engine}{argument}"], {}, 60)
    # an engine for another fio says so and lists its options all the same
    loads = done.returncode == 0 and "io_uring_pi: built for " not in done.stderr
    return done.stdout if loads and "pi_layout" in done.stdout else ""


def layouts(tools):
    """The layouts with PI that the engine offers."""
    values = help_text(tools, ",pi_layout").partition("valid values:")[2]
    found = re.findall(r"^\s*:?\s*(\w+)\s", values, re.MULTILINE)
    if not found:
        raise Failure(f"{tools.engine}: {tools.fio} does not load it as the engine io_uring_pi; build it for this fio")
    return tuple(name for name in found if name not in (cells.NONE, AUTO))


def offers(tools, option):
    """Whether the engine has this option."""
    return re.search(rf"^{option}\s*:", help_text(tools, ""), re.MULTILINE) is not None


def section(cell, timed):
    """The section of the job file that runs a cell."""
    arm, workload = cell.arm, cell.workload
    if timed:
        return "time"
    if workload.buffers == cells.REGISTERED and arm.has_pi:
        return cells.REGISTERED
    if workload.mix != cells.ALL_PI:
        return "mix"
    if arm.engine == cells.OURS:
        return "attr" if arm.has_pi else "none"
    if arm.engine.startswith(cells.FIO_CMD):
        return "cmd"
    return "md" if arm.has_pi else "plain"


def node(arm, path):
    """The path an arm opens: NVMe commands go to the character device of the namespace."""
    commands = arm.engine.startswith(cells.FIO_CMD) or arm.layout in catalog.commands()
    return re.sub(r"/nvme(\d+n\d+)$", r"/ng\1", path) if commands else path


def ioengine(arm, tools):
    return f"external:{tools.engine}" if arm.engine in (cells.OURS, cells.JOB) else arm.engine.removesuffix(cells.ISAL)


def variables(cell, device, tools, ios, size, verify="both", stats=None):
    """The values of ${VAR} in configs/bench.fio for a cell on a device."""
    workload, arm = cell.workload, cell.arm
    if arm.engine == cells.JOB:
        return {"IOENGINE": ioengine(arm, tools), "DUT": device.path, "NUMBER_IOS": str(ios), "SIZE": str(size)}
    path = node(arm, device.path)
    fixedbufs, registerfiles, nonvectored = cells.BUFFERS[workload.buffers][1]
    env = {
        "IOENGINE": ioengine(arm, tools),
        "DUT": ":".join(device.alias(number) for number in range(workload.files)) if workload.files > 1 else path,
        # a character device does not take O_DIRECT, and a regular file is meant to stay in the page cache
        "DIRECT": int(path == device.path and bool(device.disk)),
        "RW": workload.rw,
        "BS": workload.block_size,
        "IODEPTH": workload.iodepth,
        "SIZE": size,
        "NUMBER_IOS": ios,
        "NUMJOBS": workload.numjobs,
        "RANDSEED": 1,
        "FIXEDBUFS": fixedbufs,
        "REGISTERFILES": registerfiles,
        "NONVECTORED": nonvectored,
    }
    if arm.has_pi or stats:
        env["PI_CHK"] = device.pi.checks if arm.has_pi else "GUARD"
    if stats:
        env["PI_STATS"] = stats
    if workload.mix != cells.ALL_PI:
        env["PI_MIX"] = workload.mix
    if arm.engine == cells.OURS and (arm.has_pi or stats):
        env |= {"PI_LAYOUT": arm.layout, "PI_VERIFY": verify}
    elif arm.has_pi:
        env["MD_PER_IO_SIZE"] = device.pi.metadata_per_io(workload.block_size)
    return {name: str(value) for name, value in env.items()}


def command(cell, tools, jobs=JOBS, timed=False, read_only=False, bandwidth=""):
    # no --output=: it would mix fio's messages into the JSON
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
    """Ask a program to end, then kill it: a fio that is killed leaves its jobs running."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclasses.dataclass
class Done:
    """A program that has ended; CPU time and memory include its children and io_uring's threads."""

    returncode: int
    stdout: str
    stderr: str
    cpu_ns: int
    resident: int
    wall_ns: int


def run(argv, variables, timeout):
    """Run a program to its end."""
    text = functools.partial(tempfile.TemporaryFile, "w+", encoding="utf-8", errors="replace")
    with text() as out, text() as err:
        started = time.monotonic_ns()
        try:
            # without SIGPIPE's default: a fio that dies of it while it prints its last words leaves its jobs running
            process = subprocess.Popen(argv, env={**os.environ, **variables}, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                       preexec_fn=die_with_parent, restore_signals=False)  # fmt: skip
        except OSError as error:
            raise Failure(f"{argv[0]}: {error.strerror}") from None
        try:
            usage = reap(process, timeout)
        except BaseException:
            end(process)
            raise
        took = time.monotonic_ns() - started
        out.seek(0)
        err.seek(0)
        cpu = round((usage.ru_utime + usage.ru_stime) * 1e9)
        return Done(process.returncode, out.read(), err.read(), cpu, usage.ru_maxrss << 10, took)


def reap(process, timeout):
    """Wait for a program to end; return its resource usage."""
    descriptor = os.pidfd_open(process.pid)
    try:
        ready, _, _ = select.select([descriptor], [], [], timeout)
    finally:
        os.close(descriptor)
    if not ready:
        raise IoFailure(f"{os.path.basename(process.args[0])} did not end within {timeout:.0f} s")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def parse(text):
    """fio's JSON, which may stand between messages; None if there is none."""
    found = re.search(r"^\{.*^\}", text, re.MULTILINE | re.DOTALL)
    try:
        return json.loads(found[0]) if found else None
    except ValueError:
        return None


def complaint(done):
    """Why fio failed: the first line from the engine or fio, on standard error if it is there, else the first line."""
    text = f"{done.stderr}\n{done.stdout}".split("\n{", 1)[0]
    # a client puts the host before each line
    lines = [line.strip() for line in re.sub(r"^<[^>]*> ?", "", text, flags=re.MULTILINE).splitlines() if line.strip()]
    signed = [line for line in lines if line.startswith(("io_uring_pi:", "fio: "))]
    return (signed or lines or ["no message"])[0]


def lacking(cell, reason):
    """Whether a failure says that the kernel or the device lacks the layout, which is not an error."""
    return cell.arm.has_pi and re.search(rf"\b(?:pi_layout=|layout ')?{re.escape(cell.arm.layout)}'? (?:needs|takes)\b", reason)


def sidecar(path):
    """The line that the engine has written to pi_stats= for the one job."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    except (OSError, ValueError):
        lines = []
    if len(lines) != 1:
        raise IoFailure(f"the engine wrote {len(lines)} lines to pi_stats=, not one")
    return lines[0]


def seconds(prefix):
    """MB/s in each second while all jobs ran, from the run's logs, which are removed; empty for a short run."""
    logs = []
    for path in glob.glob(f"{glob.escape(prefix)}_bw.*.log"):
        with open(path, encoding="utf-8") as file:
            logs.append([int(line.split(",")[1]) for line in file])
        os.unlink(path)
    found = [sum(each) * 1024 / 1e6 for each in zip(*logs)]
    return found if len(found) >= SECONDS else []


def result(done, cell, ios):
    """(fio's JSON, what it measured); raises IoFailure unless fio did what was asked."""
    if done.returncode:
        name = cells.FLOOR if cell.arm.engine == cells.FLOOR else "fio"
        raise IoFailure(f"{name} exited with {done.returncode}: {complaint(done)}")
    if cell.arm.engine == cells.FLOOR:
        return {}, {"ios": ios}
    # fio's own status is 0 then
    if re.search(r"^fio: pid=\d+, got signal=", done.stderr, re.MULTILINE):
        raise IoFailure(f"a job of fio crashed: {complaint(done)}")
    parsed = parse(done.stdout)
    if not parsed or not parsed.get("jobs"):
        raise IoFailure(f"fio printed no result: {complaint(done)}")
    for job in parsed["jobs"]:
        if job["error"]:
            raise IoFailure(f"fio reports error {job['error']} ({os.strerror(job['error'])}): {complaint(done)}")
    measured = figures(parsed["jobs"])
    expected = ios * cell.workload.numjobs
    if not measured["ios"] or measured["ios"] != expected and cell.arm.engine != cells.JOB:
        raise IoFailure(f"fio did {measured['ios']} I/Os of {expected}: {complaint(done)}")
    return parsed, {"fio": parsed.get("fio version"), **measured}


def figures(jobs):
    """What jobs of fio's JSON measured together: those of a group ran at once, the groups one after the other."""
    parts, runtimes = [], {}
    for job in jobs:
        sides = [job[name] for name in ("read", "write", "trim") if name in job]
        group = job.get("groupid", 0)
        runtimes[group] = max(runtimes.get(group, 0), *(side["runtime"] for side in sides))
        parts += sides
    ios = sum(side["total_ios"] for side in parts)
    latency = sum(side["lat_ns"]["mean"] * side["total_ios"] for side in parts)
    bins = merged(side["clat_ns"] for side in parts)
    return {
        "ios": ios,
        "bytes": sum(side["io_bytes"] for side in parts),
        "runtime_ns": sum(runtimes.values()) * 1_000_000,
        "latency_ns": latency / ios if ios else 0,
        "percentiles_ns": {name: percentile(bins, float(name)) for name in PERCENTILES},
        "context_switches": sum(job["ctx"] for job in jobs),
    }


def merged(latencies):
    """{ns: I/Os} of several histograms in fio's JSON."""
    found = collections.Counter()
    for each in latencies:
        found.update({int(ns): number for ns, number in each.get("bins", {}).items()})
    return found


def percentile(bins, share):
    """The bin that holds a percentile, as fio has it, or None."""
    ordered = sorted(bins)
    counts = list(itertools.accumulate(bins[ns] for ns in ordered))
    return ordered[bisect.bisect_left(counts, counts[-1] * share / 100)] if bins else None
