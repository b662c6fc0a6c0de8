# SPDX-License-Identifier: GPL-2.0-only
import dataclasses
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import synthetic
from pibench import cells, fio
from pibench.device import Device, Pi
from pibench.errors import Failure, IoFailure

TYPE1 = Pi("T10-DIF-TYPE1-CRC", 4096, 8, True)
DEVICE = Device("/dev/nvme0n1", "nvme0n1", "nvme0n1", 1 << 30, 4096, TYPE1)


def job(direction="read", **changes):
    side = {
        "io_bytes": 4096000,
        "runtime": 250,
        "total_ios": 1000,
        "lat_ns": {"mean": 7500.0},
        "clat_ns": {"bins": {"7000": 600, "9000": 395, "20000": 5}},
    }
    side.update({k: changes.pop(k) for k in list(changes) if k in side})
    return {"error": 0, "usr_cpu": 20.0, "sys_cpu": 30.0, "job_runtime": 251, "ctx": 5, direction: side, **changes}


def done(text, status=0, stderr=""):
    return subprocess.CompletedProcess([], status, text, stderr)


def output(*jobs):
    return json.dumps({"fio version": "fio-3.41", "jobs": jobs}, indent=2)


def cell(name):
    return next(c for c in synthetic.CELLS if c.name == name)


class Result(unittest.TestCase):
    def test_figures(self):
        _, run = fio.result(done(output(job())), cell("randread-4k-qd1 pi/indirect"), 1000)
        self.assertEqual((run["ios"], run["bytes"], run["runtime_ns"]), (1000, 4096000, 250_000_000))
        self.assertEqual(run["latency_ns"], 7500.0)
        self.assertEqual(run["percentiles_ns"], {"50": 7000, "90": 9000, "99": 9000, "99.9": 20000})
        _, run = fio.result(done(output(job(clat_ns={}))), cell("randread-4k-qd1 pi/indirect"), 1000)
        self.assertIsNone(run["percentiles_ns"]["50"])

    def test_a_job_file_in_all_its_jobs(self):
        jobs = job(groupid=0), job("write", groupid=0, runtime=200, lat_ns={"mean": 1500.0}), job(groupid=1, total_ios=7)
        _, run = fio.result(done(output(*jobs)), cells.job("mine"), 0)
        self.assertEqual((run["ios"], run["runtime_ns"], run["bytes"], run["context_switches"]), (2007, 500_000_000, 3 * 4096000, 15))
        self.assertAlmostEqual(run["latency_ns"], (1007 * 7500 + 1000 * 1500) / 2007)
        with self.assertRaisesRegex(IoFailure, "fio did 0 I/Os"):
            fio.result(done(output(job(total_ios=0))), cells.job("mine"), 0)
        with self.assertRaisesRegex(IoFailure, "^a job of fio crashed: fio: pid=7, got signal=11$"):
            fio.result(done(output(job()), stderr="fio: pid=7, got signal=11\n"), cells.job("mine"), 0)

    def test_messages_around_the_json(self):
        noisy = "note: both iodepth >= 1 and synchronous\nfio: hm {braces}\n" + output(job()) + "\nbye }\n"
        self.assertEqual(fio.parse(noisy)["fio version"], "fio-3.41")
        self.assertIsNone(fio.parse("fio: no such file\n"))
        self.assertIsNone(fio.parse('{\n "jobs": [\n'))

    def test_a_floor_that_fails_is_not_fio(self):
        with self.assertRaisesRegex(IoFailure, "^floor exited with 1: floor: /dev/sda: not a block device$"):
            fio.result(done("", 1, "floor: /dev/sda: not a block device\n"), cells.parse("randwrite-4k-qd32 pi/floor"), 1000)

    def refused(self, finished, expected, text):
        with self.assertRaises(IoFailure) as caught:
            fio.result(finished, cell("randread-4k-qd1 pi/indirect"), expected)
        self.assertIn(text, str(caught.exception))
        self.assertNotIn("\n", str(caught.exception))
        self.assertEqual(caught.exception.status, 4)

    def test_exit_status(self):
        said = "\nio_uring_pi: /dev/sda: block 3: guard expected 0x1, actual 0x2\nmore\n"
        self.refused(done(output(job()), 1, said), 1000, "exited with 1: io_uring_pi: /dev/sda: block 3: guard")

    def test_message_on_stdout(self):
        self.refused(done("fio: engine not loadable\n", 1), 1000, "engine not loadable")

    def test_error_in_json(self):
        self.refused(done(output(job(error=84))), 1000, "error 84")

    def test_short_count(self):
        self.refused(done(output(job(total_ios=999))), 1000, "999 I/Os of 1000")

    def test_nothing_done_though_exit_status_is_0(self):
        self.refused(done(output(job(total_ios=0))), 0, "0 I/Os")
        self.refused(done(""), 1000, "no result")
        self.refused(done(output()), 1000, "no result")


class Command(unittest.TestCase):
    TOOLS = fio.Tools("/x/fio", "/x/io_uring_pi.so")

    def variables(self, name, device=DEVICE, **more):
        return fio.variables(cell(name), device, self.TOOLS, 512, 1 << 20, **more)

    def test_metadata_size_follows_the_block_size(self):
        self.assertEqual(self.variables("randread-4k-qd1 pi/io_uring")["MD_PER_IO_SIZE"], "8")
        self.assertEqual(self.variables("write-128k-qd1 pi/io_uring")["MD_PER_IO_SIZE"], "256")

    def test_type_3_has_no_reference_tag_check(self):
        type3 = dataclasses.replace(DEVICE, pi=Pi("T10-DIF-TYPE3-CRC", 4096, 8, False))
        self.assertEqual(self.variables("randread-4k-qd1 pi/indirect")["PI_CHK"], "GUARD,REFTAG,APPTAG")
        self.assertEqual(self.variables("randread-4k-qd1 pi/indirect", type3)["PI_CHK"], "GUARD,APPTAG")

    def test_engines(self):
        self.assertEqual(self.variables("randread-4k-qd1 plain-nopi/io_uring")["IOENGINE"], "io_uring")
        ours = self.variables("randread-4k-qd1 pi/indirect", verify="host")
        self.assertEqual(ours["IOENGINE"], "external:/x/io_uring_pi.so")
        self.assertEqual((ours["PI_LAYOUT"], ours["PI_VERIFY"]), ("indirect", "host"))

    def test_commands_go_to_the_character_device(self):
        self.assertEqual(self.variables("randread-4k-qd1 pi/indirect")["DUT"], "/dev/nvme0n1")
        with_commands = cells.parse("randread-4k-qd1 pi/passthru")
        for path, node in (("/dev/nvme0n1", "/dev/ng0n1"), ("/dev/sda", "/dev/sda")):
            device = dataclasses.replace(DEVICE, path=path)
            self.assertEqual(fio.variables(with_commands, device, self.TOOLS, 1, 1)["DUT"], node)

    def test_the_job_file_gets_every_variable_it_asks_for(self):
        sections = re.split(r"^\[(.*)\]$", pathlib.Path(fio.JOBS).read_text(), flags=re.MULTILINE)
        text = {name: "\n".join(line for line in body.splitlines() if not line.startswith(";"))
                for name, body in zip(sections[1::2], sections[2::2])}  # fmt: skip
        for arm in synthetic.ARMS:
            argv = fio.command(cells.Cell(synthetic.WORKLOADS[0], arm), self.TOOLS)
            section = fio.section(cells.Cell(synthetic.WORKLOADS[0], arm), timed=False)
            self.assertIn(f"--section={section}", argv)
            asked = set(re.findall(r"\$\{(\w+)\}", text["global"] + text[section]))
            given = fio.variables(cells.Cell(synthetic.WORKLOADS[0], arm), DEVICE, self.TOOLS, 1, 1)
            self.assertEqual(asked, set(given), arm.name)
        mixed = cells.parse("randread-4k-qd1-mix10 pi/indirect")
        timed = cells.parse("randread-4k-qd1 pi/indirect"), cells.parse("randread-4k-qd1 plain-nopi/none")
        for one, stats in ((mixed, None), *((each, "/x/stats") for each in timed)):
            asked = set(re.findall(r"\$\{(\w+)\}", text["global"] + text[fio.section(one, stats)]))
            self.assertEqual(asked, set(fio.variables(one, DEVICE, self.TOOLS, 1, 1, stats=stats)), one.name)

    def test_arms_share_all_but_how_they_submit(self):
        shared = [{k: v for k, v in self.variables(c.name).items()
                   if k not in ("IOENGINE", "PI_CHK", "MD_PER_IO_SIZE", "PI_LAYOUT", "PI_VERIFY")}
                  for c in synthetic.CELLS if c.workload == synthetic.WORKLOADS[3]]  # fmt: skip
        self.assertTrue(all(s == shared[0] for s in shared))


class Engines(unittest.TestCase):
    LAYOUTS = """\
           pi_layout: How protection information reaches the kernel
                type: string (opt=bla)
             default: indirect
        valid values: none       Plain io_uring, no protection information
                    : indirect   Attribute pointed to from the SQE (Linux 6.14)
                    : inline     In the SQE128's second half
                    : auto       One of them
"""
    OPTIONS = "pi_layout               : How protection information reaches the kernel\npi_time                 : Measure parts\n"

    def tools(self, text, status=0, said=""):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        program = pathlib.Path(scratch.name, "fio")
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}END\necho '{said}' >&2\nexit {status}\n")
        program.chmod(0o755)
        return fio.Tools(str(program), "/x/engine.so")

    def test_layouts(self):
        self.assertEqual(fio.layouts(self.tools(self.LAYOUTS)), ("indirect", "inline"))

    def test_an_engine_for_another_fio_is_refused(self):
        said = "io_uring_pi: built for fio-3.41, loaded into fio-3.42, whose structures differ; build it with make FIO=DIR"
        for text, *more in ((self.LAYOUTS, 1), ("fio: engine built for fio-3.42\n",), (self.LAYOUTS, 0, said)):
            with self.assertRaisesRegex(Failure, "/x/engine.so: .* does not load it"):
                fio.layouts(self.tools(text, *more))

    def test_options(self):
        tools = self.tools(self.OPTIONS)
        self.assertEqual([fio.offers(tools, name) for name in ("pi_time", "pi_mix")], [True, False])

    def test_what_a_layout_lacks_is_no_error(self):
        one = cell("randread-4k-qd1 pi/indirect")
        for reason, lacking in (("fio exited with 1: io_uring_pi: pi_layout=indirect needs Linux 6.14 or newer", True),
                                ("io_uring_pi: /dev/sda: pi_layout=indirect takes the character device", True),
                                ("layout 'indirect' needs the lab kernel: see scripts/kernel/", True),
                                ("fio exited with 1: io_uring_pi: pi_layout=inline needs the lab kernel", False),
                                ("fio exited with 1: io_uring_pi: block 7: guard", False)):  # fmt: skip
            self.assertEqual(bool(fio.lacking(one, reason)), lacking, reason)

    def test_sidecar(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory, "stats")
            for text, says in ((None, "wrote 0 lines"), ("{}\n{}\n", "wrote 2 lines"), ("{cut", "wrote 0 lines")):
                if text:
                    path.write_text(text)
                with self.assertRaisesRegex(IoFailure, says):
                    fio.sidecar(path)
            path.write_text('{"schema": 1}\n')
            self.assertEqual(fio.sidecar(path), {"schema": 1})


class Seconds(unittest.TestCase):
    """Of logs as fio 3.41 leaves them: ms, KiB/s, direction, block size, offset."""

    ONE = "1003, 20546, 0, 0, 0\n2146, 20437, 0, 0, 0\n3147, 20544, 0, 0, 0\n4153, 20441, 0, 0, 0\n"
    OTHER = "1005, 20505, 0, 0, 0\n2148, 20493, 0, 0, 0\n3149, 20480, 0, 0, 0\n"

    def left(self, *logs):
        with tempfile.TemporaryDirectory() as directory:
            for number, text in enumerate(logs, 1):
                pathlib.Path(directory, f"[01]_bw.{number}.log").write_text(text)
            found = fio.seconds(f"{directory}/[01]")
            self.assertEqual(list(pathlib.Path(directory).iterdir()), [], "and nothing is left for the next run to read")
        return [round(each, 3) for each in found]

    def test_of_one_job(self):
        self.assertEqual(self.left(self.ONE), [21.039, 20.927, 21.037, 20.932])

    def test_jobs_are_summed_while_all_of_them_last(self):
        self.assertEqual(self.left(self.ONE, self.OTHER), [42.036, 41.912, 42.009])

    def test_a_short_run_has_none(self):
        short = "".join(self.ONE.splitlines(keepends=True)[:2])
        for logs in ((), ("",), (short,), (self.ONE, short), (self.ONE, "")):
            self.assertEqual(self.left(*logs), [], logs)


class Run(unittest.TestCase):
    def test_missing_fio_is_one_line(self):
        with self.assertRaises(Failure) as caught:
            fio.run(["/nowhere/fio"], {}, 1)
        self.assertEqual(str(caught.exception), "/nowhere/fio: No such file or directory")
        with self.assertRaises(Failure) as caught:
            fio.Tools("/nowhere/fio", "/nowhere/engine").require()
        self.assertIn("/nowhere/fio", str(caught.exception))

    def test_hung_fio(self):
        with self.assertRaisesRegex(IoFailure, "^sleep did not end within 0 s"):
            fio.run(["/bin/sleep", "30"], {}, 0.05)

    def test_variables_reach_fio_and_streams_stay_apart(self):
        with tempfile.TemporaryDirectory() as directory:
            script = pathlib.Path(directory, "fio")
            script.write_text('#!/bin/sh\necho "$DUT"\necho oops >&2\nexit 3\n')
            script.chmod(0o755)
            finished = fio.run([str(script)], {"DUT": "/dev/x"}, 10)
        self.assertEqual((finished.stdout, finished.stderr, finished.returncode), ("/dev/x\n", "oops\n", 3))
