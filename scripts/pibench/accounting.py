# SPDX-License-Identifier: GPL-2.0-only
"""Time finer than fio's milliseconds, CPU time that its figures leave out, and what must hold still for both."""

import contextlib
import dataclasses
import os
import re

from .errors import Failure, IoFailure

KTHREADD = 2
SLABS = "/sys/kernel/slab"
ATTEMPTS = 5


def kernel_threads(host):
    """{pid: (nanoseconds run, name)} of the kernel's threads: kworkers verify PI, io-wq retries."""
    ran = {}
    for entry in host.list("/proc"):
        if not entry.isdigit():
            continue
        stat = host.read(f"/proc/{entry}/stat")
        # the command name may hold blanks and parentheses
        head, _, tail = stat.rpartition(")") if stat else ("", "", "")
        parent = tail.split()[1] if tail else None
        if parent != str(KTHREADD) and entry != str(KTHREADD):
            continue
        schedstat = host.read(f"/proc/{entry}/schedstat")
        if schedstat:
            # a worker's name has its queue's after it, which is another one soon
            ran[entry] = int(schedstat.split()[0]), re.split("[/-]", head.partition("(")[2])[0]
    return ran


@dataclasses.dataclass
class Bracket:
    """What the kernel's threads did while the block ran."""

    host: object
    kernel_ns: int = 0
    # {name: nanoseconds} of those that took part, workers of queues and their like under one name
    threads: dict = dataclasses.field(default_factory=dict)

    def __enter__(self):
        self.before = kernel_threads(self.host)
        return self

    def __exit__(self, *_):
        # a thread that ended meanwhile takes its last slice with it
        for pid, (ran, name) in kernel_threads(self.host).items():
            took = ran - self.before.get(pid, (0,))[0]
            if took:
                self.threads[name] = self.threads.get(name, 0) + took
        self.kernel_ns = sum(self.threads.values())


def empty_slabs(host):
    """Free what the kernel's slab caches have at hand: where in it a run begins moves its instructions by up to 1 %."""
    for cache in host.list(SLABS):
        # the others are names for the same
        if not os.path.islink(host.at(f"{SLABS}/{cache}")):
            host.write(f"{SLABS}/{cache}/shrink", "1")


def settle(host):
    """Between this process's children and the processor come interrupts alone from now on, and each has the same addresses.

    Whether another thread falls into a run once more or less, and where its memory lies, moves a run by 20,000 instructions.
    """
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    host.write("/proc/sys/kernel/randomize_va_space", "0")


# a ring is set up when it has been created and what it is to have registered; it ends with IORING_UNREGISTER_RING_FDS, 21
SET_UP = re.compile(r"-(\d+)\s+\[\d+\].*?(\d+\.\d+): io_uring_(?:create:|register: ring \S+, opcode (?!21,))")
EXIT = re.compile(r"(\d+\.\d+): sched_process_exit: .*?\bpid=(\d+)")
IDLE = re.compile(r"(\d+\.\d+): cpu_idle: state=(\d+)")
NOT_IDLE = str(2**32 - 1)


def nanoseconds(stamp):
    seconds, _, fraction = stamp.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0"))


def window(text):
    """(start, end, idle) in ns of the fio job in a trace: from the last set-up of its ring to its exit."""
    jobs = [(nanoseconds(stamp), pid) for pid, stamp in SET_UP.findall(text)]
    if not jobs:
        return None
    start, job = jobs[-1]
    end = next((nanoseconds(stamp) for stamp, pid in EXIT.findall(text) if pid == job), None)
    if end is None:
        return None
    idle, since = 0, None
    for stamp, state in IDLE.findall(text):
        at = nanoseconds(stamp)
        if since is not None and start <= since and at <= end:
            idle += at - since
        since = None if state == NOT_IDLE else at
    return start, end, idle


class Trace:
    """Events so rare that they cost nothing an I/O, for guests of one processor."""

    DIRECTORY = "/sys/kernel/tracing/instances/pi-bench"
    EVENTS = ("io_uring/io_uring_create", "io_uring/io_uring_register", "sched/sched_process_exit", "power/cpu_idle")

    def __init__(self, host):
        self.host = host
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(host.at(self.DIRECTORY))
        except OSError as error:
            raise Failure(f"{self.DIRECTORY}: {error.strerror}; the guest's kernel needs CONFIG_FTRACE and tracefs") from None
        host.write(f"{self.DIRECTORY}/buffer_size_kb", "8192")
        # the default clock keeps the first, coarse calibration
        host.write(f"{self.DIRECTORY}/trace_clock", "mono")
        for event in self.EVENTS:
            host.write(f"{self.DIRECTORY}/events/{event}/enable", "1")

    def clear(self):
        self.host.write(f"{self.DIRECTORY}/trace", "0")

    def read(self, runtime_ns):
        """(window, idle in it) in ns; it must be what fio also saw, to its rounding."""
        found = window(self.host.read(f"{self.DIRECTORY}/trace") or "")
        if not found:
            raise IoFailure("the trace does not show the fio job from its ring's set-up to its exit")
        start, end, idle = found
        if abs(end - start - runtime_ns) > 3_000_000 + 0.05 * runtime_ns:
            raise IoFailure(f"the trace shows a job of {(end - start) / 1e6:.1f} ms, fio one of {runtime_ns / 1e6:.0f} ms")
        return end - start, idle

    def count(self, run, discard=lambda measured: None):
        """What run() measured, with window_ns, the first time that the processor did not idle: icount skips that time."""
        for _ in range(ATTEMPTS):
            self.clear()
            empty_slabs(self.host)
            measured = run()
            measured["window_ns"], measured["idle_ns"] = self.read(measured["runtime_ns"])
            if not measured["idle_ns"]:
                return measured
            discard(measured)
        raise IoFailure(f"the processor idled in each of {ATTEMPTS} runs; its time is not instructions")
