# SPDX-License-Identifier: GPL-2.0-only
import pathlib
import tempfile
import unittest
import unittest.mock

from pibench import accounting
from pibench.errors import IoFailure
from pibench.host import Host

TRACE = """\
# tracer: nop
          <idle>-0       [000] dN.1.    17.462000: cpu_idle: state=4294967295 cpu_id=0
             fio-178     [000] .....    17.463001: io_uring_create: ring 00000000c9, fd 5 sq size 1, cq size 2, flags 0x3108
             fio-178     [000] .....    17.463081: io_uring_register: ring 00000000c9, opcode 0, nr_user_files 0, ret 0
             fio-178     [000] .....    17.463151: io_uring_register: ring 00000000c9, opcode 2, nr_user_files 1, ret 0
{idle}             fio-178     [000] .....    17.513051: io_uring_register: ring 00000000c9, opcode 21, nr_user_files 1, ret 1
             fio-178     [000] .....    17.513151: sched_process_exit: comm=fio pid=178 prio=120 group_dead=true
          <idle>-0       [000] d..1.    17.515514: cpu_idle: state=1 cpu_id=0
          <idle>-0       [000] dN.1.    17.611643: cpu_idle: state=4294967295 cpu_id=0
             fio-177     [000] .....    17.611712: sched_process_exit: comm=fio pid=177 prio=120 group_dead=false
"""
IDLE = """\
          <idle>-0       [000] d..1.    17.500000: cpu_idle: state=1 cpu_id=0
          <idle>-0       [000] d..1.    17.504000: cpu_idle: state=4294967295 cpu_id=0
"""


class Window(unittest.TestCase):
    def test_from_the_last_registration_to_the_exit_of_that_process(self):
        start, end, idle = accounting.window(TRACE.format(idle=""))
        self.assertEqual((end - start, idle), (50_000_000, 0))

    def test_a_ring_with_nothing_registered(self):
        bare = "".join(line for line in TRACE.format(idle="").splitlines(True) if "io_uring_register" not in line)
        start, end, _ = accounting.window(bare)
        self.assertEqual(end - start, 50_150_000)

    def test_idle_inside_is_seen_and_idle_outside_is_not(self):
        self.assertEqual(accounting.window(TRACE.format(idle=IDLE))[2], 4_000_000)

    def test_no_job(self):
        self.assertIsNone(accounting.window("# tracer: nop\n"))
        self.assertIsNone(accounting.window(TRACE.format(idle="").replace("pid=178", "pid=179")))


class Fake(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.host = Host(scratch.name)

    def put(self, path, text):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def thread(self, pid, name, parent, ran):
        self.put(f"/proc/{pid}/stat", f"{pid} ({name}) S {parent} 0 0")
        self.put(f"/proc/{pid}/schedstat", f"{ran} 5 6")


class Slabs(Fake):
    def test_each_cache_is_emptied_once(self):
        for cache in ("bio-248", ":0000192"):
            self.put(f"{accounting.SLABS}/{cache}/shrink", "")
        (self.root / accounting.SLABS.lstrip("/") / "io_kiocb").symlink_to(":0000192")
        wrote = []
        self.host.write = lambda path, value: wrote.append((path, value))
        accounting.empty_slabs(self.host)
        self.assertEqual(wrote, [(f"{accounting.SLABS}/{cache}/shrink", "1") for cache in (":0000192", "bio-248")])

    def test_there_may_be_none(self):
        accounting.empty_slabs(self.host)


class Settle(Fake):
    def test_a_child_has_the_processor_for_itself_and_no_random_addresses(self):
        knob = "/proc/sys/kernel/randomize_va_space"
        self.put(knob, "2")
        with unittest.mock.patch.object(accounting.os, "sched_setscheduler") as policy:
            accounting.settle(self.host)
        policy.assert_called_once_with(0, accounting.os.SCHED_FIFO, accounting.os.sched_param(1))
        self.assertEqual(self.host.read(knob), "0")


class Trace(Fake):
    def trace(self, text):
        for name in ("buffer_size_kb", "trace_clock", "trace", *(f"events/{event}/enable" for event in accounting.Trace.EVENTS)):
            self.put(f"{accounting.Trace.DIRECTORY}/{name}", "")
        traced = accounting.Trace(self.host)
        self.put(f"{accounting.Trace.DIRECTORY}/trace", text)
        return traced

    def test_events_are_switched_on(self):
        self.trace("")
        for event in accounting.Trace.EVENTS:
            self.assertEqual(self.host.read(f"{accounting.Trace.DIRECTORY}/events/{event}/enable"), "1")

    def test_agrees_with_fio(self):
        self.assertEqual(self.trace(TRACE.format(idle=IDLE)).read(49_000_000), (50_000_000, 4_000_000))

    def test_disagreement_is_no_result(self):
        with self.assertRaises(IoFailure):
            self.trace(TRACE.format(idle="")).read(80_000_000)
        with self.assertRaises(IoFailure):
            self.trace("").read(50_000_000)


class Counted(accounting.Trace):
    """A trace of runs of so many ns, with so much idle time in them."""

    def __init__(self, host, ns, idle=()):
        self.host, self.ns, self.idle = host, ns, list(idle)

    def clear(self):
        pass

    def read(self, runtime_ns):
        return self.ns(), self.idle.pop(0) if self.idle else 0


class Count(Fake):
    def setUp(self):
        super().setUp()
        self.put(f"{accounting.SLABS}/kmalloc-256/shrink", "")
        self.ran = []

    def count(self, idle=()):
        self.discarded = []
        return Counted(self.host, lambda: 500, idle).count(self.run_fio, self.discarded.append)

    def run_fio(self):
        self.ran.append(self.host.read(f"{accounting.SLABS}/kmalloc-256/shrink"))
        self.put(f"{accounting.SLABS}/kmalloc-256/shrink", "")
        return {"runtime_ns": 500, "number": len(self.ran)}

    def test_a_run(self):
        self.assertEqual(self.count(), {"runtime_ns": 500, "number": 1, "window_ns": 500, "idle_ns": 0})
        self.assertEqual(self.discarded, [])

    def test_each_begins_with_empty_slab_caches(self):
        self.count(idle=(7, 7))
        self.assertEqual(self.ran, ["1"] * 3)

    def test_one_that_idled_is_done_again(self):
        self.assertEqual(self.count(idle=(7, 8))["number"], 3)
        self.assertEqual([(one["number"], one["idle_ns"]) for one in self.discarded], [(1, 7), (2, 8)])

    def test_and_not_for_ever(self):
        with self.assertRaisesRegex(IoFailure, "idled"):
            self.count(idle=[7] * accounting.ATTEMPTS)
        self.assertEqual(len(self.discarded), accounting.ATTEMPTS)


class Threads(Fake):
    def test_counts_kernel_threads_only(self):
        self.thread(2, "kthreadd", 0, 10)
        self.thread(30, "kworker/0:1-kintegrityd (x)", 2, 1000)
        self.thread(31, "kworker/gone", 2, 700)
        self.thread(40, "fio", 1, 5000)
        before = accounting.kernel_threads(self.host)
        self.thread(30, "kworker/0:1-events", 2, 4000)
        self.thread(40, "fio", 1, 99000)
        self.thread(50, "kworker/new", 2, 200)
        (self.root / "proc/31/stat").unlink()
        self.assertEqual(accounting.time_of_threads(before, accounting.kernel_threads(self.host)), {"kworker": 3200})
