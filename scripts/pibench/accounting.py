# SPDX-License-Identifier: GPL-2.0-only
"""Time finer than fio's milliseconds, the CPU time of kernel threads, and what must be held constant for both."""

import os
import re

from .errors import Failure, IoFailure

KTHREADD = "2"
SLABS = "/sys/kernel/slab"
ATTEMPTS = 5


def kernel_threads(host):
    """{pid: (name, nanoseconds run)} of the kernel's threads: kworkers verify PI, io-wq repeats I/O."""
    found = {}
    for pid in filter(str.isdigit, host.list("/proc")):
        # the name may hold blanks and parentheses
        stat = re.fullmatch(r"\d+ \((.*)\) \S+ (\d+) .*", host.read(f"/proc/{pid}/stat") or "")
        ran = host.read(f"/proc/{pid}/schedstat")
        if stat and ran and KTHREADD in (pid, stat[2]):
            # a worker's name goes on with its queue, which changes
            found[pid] = re.split("[/-]", stat[1])[0], int(ran.split()[0])
    return found


def time_of_threads(before, after):
    """{name: nanoseconds} of the kernel's threads that ran between two readings; one that has ended is not seen."""
    spent = {}
    for pid, (name, ran) in after.items():
        took = ran - before.get(pid, (name, 0))[1]
        if took:
            spent[name] = spent.get(name, 0) + took
    return spent


def empty_slabs(host):
    """Shrink the kernel's slab caches: how full they are when a run begins moves its instructions by up to 1 %."""
    for cache in host.list(SLABS):
        # links are further names of a cache
        if not os.path.islink(host.at(f"{SLABS}/{cache}")):
            host.write(f"{SLABS}/{cache}/shrink", "1")


def settle(host):
    """Run this process's children with real-time priority and without address randomisation.

    One preemption more or less and a different placement of memory move a run by 20,000 instructions.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    host.write("/proc/sys/kernel/randomize_va_space", "0")


# set-up is the creation of a ring and all that it registers; opcode 21, IORING_UNREGISTER_RING_FDS, comes at its end
SET_UP = re.compile(r"-(\d+)\s+\[\d+\].*?(\d+\.\d+): io_uring_(?:create:|register: ring \S+, opcode (?!21,))")
EXIT = re.compile(r"(\d+\.\d+): sched_process_exit: .*?\bpid=(\d+)")
IDLE = re.compile(r"(\d+\.\d+): cpu_idle: state=(\d+)")
NOT_IDLE = str(2**32 - 1)


def nanoseconds(stamp):
    return round(float(stamp) * 1e9)


def window(text):
    """(start, end, idle) in ns of the last fio job in a trace: from the set-up of its ring to its exit."""
    job, started = (SET_UP.findall(text) or [("", "0")])[-1]
    ends = [nanoseconds(stamp) for stamp, pid in EXIT.findall(text) if pid == job]
    if not ends:
        return None
    start, end = nanoseconds(started), ends[0]
    idle, since = 0, None
    for stamp, state in IDLE.findall(text):
        at = nanoseconds(stamp)
        if since is not None and start <= since and at <= end:
            idle += at - since
        since = None if state == NOT_IDLE else at
    return start, end, idle


class Trace:
    """Trace events that are too rare to cost anything per I/O; for guests with one processor."""

    DIRECTORY = "/sys/kernel/tracing/instances/pi-bench"
    EVENTS = ("io_uring/io_uring_create", "io_uring/io_uring_register", "sched/sched_process_exit", "power/cpu_idle")

    def __init__(self, host):
        self.host = host
        try:
            os.makedirs(host.at(self.DIRECTORY), exist_ok=True)
        except OSError as error:
            raise Failure(f"{self.DIRECTORY}: {error.strerror}; the guest's kernel needs CONFIG_FTRACE and tracefs") from None
        host.write(f"{self.DIRECTORY}/buffer_size_kb", "8192")
        # the default clock keeps its first, coarse calibration
        host.write(f"{self.DIRECTORY}/trace_clock", "mono")
        for event in self.EVENTS:
            host.write(f"{self.DIRECTORY}/events/{event}/enable", "1")

    def clear(self):
        self.host.write(f"{self.DIRECTORY}/trace", "0")

    def read(self, runtime_ns):
        """(length of the job, idle time in it) in ns; raises IoFailure unless fio's runtime agrees, apart from rounding."""
        found = window(self.host.read(f"{self.DIRECTORY}/trace") or "")
        if not found:
            raise IoFailure("the trace does not show the fio job from the set-up of its ring to its exit")
        start, end, idle = found
        if abs(end - start - runtime_ns) > 3_000_000 + 0.05 * runtime_ns:
            raise IoFailure(f"the trace shows a job of {(end - start) / 1e6:.1f} ms, fio one of {runtime_ns / 1e6:.0f} ms")
        return end - start, idle

    def count(self, run, discard=lambda measured: None):
        """Call run() until the processor has not idled, which icount would skip; return what it measured, with window_ns."""
        for _ in range(ATTEMPTS):
            self.clear()
            empty_slabs(self.host)
            measured = run()
            measured["window_ns"], measured["idle_ns"] = self.read(measured["runtime_ns"])
            if not measured["idle_ns"]:
                return measured
            discard(measured)
        raise IoFailure(f"the processor idled in each of {ATTEMPTS} runs, so its time does not count instructions")
