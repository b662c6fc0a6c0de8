# SPDX-License-Identifier: GPL-2.0-only
import pathlib
import tempfile
import unittest

from pibench import cells, jobfile
from pibench.errors import Failure

MINE = """\
; kept
[global]
ioengine=external:/usr/lib/fio/io_uring_pi.so
filename=/dev/nvme7n1
apptag=0x77
time_based
runtime = 30
[a job]
rw=randrw
iodepth=32
[another]
ioengine = io_uring_pi
number_ios=5
bs=16k
[plain]
ioengine=io_uring
"""


class Take(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.out = pathlib.Path(scratch.name)
        self.path = self.out / "my job.fio"

    def take(self, text):
        self.path.write_text(text)
        cell, *paths = jobfile.take(str(self.path), self.out / "made")
        return cell, *(pathlib.Path(path).read_text() for path in paths)

    def test_what_is_ours_is_replaced_and_the_rest_stays(self):
        cell, job, fill = self.take(MINE)
        self.assertEqual(cell.name, "job:my-job pi/job")
        self.assertEqual(cells.parse(cell.name), cell)
        head, _, rest = job.partition("; kept")
        self.assertIn("filename=${DUT}\nnumber_ios=${NUMBER_IOS}\n", head)
        self.assertEqual(rest.splitlines()[1:], [
            "[global]", "ioengine=${IOENGINE}", "apptag=0x77", "[a job]", "rw=randrw", "iodepth=32",
            "[another]", "ioengine=${IOENGINE}", "bs=16k", "[plain]", "ioengine=io_uring",
        ])  # fmt: skip
        self.assertIn("apptag=0x77", fill.partition("[fill]")[2], "what it reads has its tag")
        self.assertNotIn("[a job]", fill)

    def test_the_tag_of_the_first_job_is_what_is_written(self):
        _, _, fill = self.take("[a]\nioengine=io_uring_pi\napptag=7\n[b]\napptag=8\n")
        self.assertTrue(fill.partition("[fill]")[2].count("apptag=7"))
        self.assertNotIn("apptag=8", fill)

    def refused(self, text, why):
        with self.assertRaisesRegex(Failure, why):
            self.take(text)
        self.assertFalse((self.out / "made").exists())

    def test_refused(self):
        self.refused("[a]\nioengine=io_uring\n", "no ioengine=io_uring_pi or ioengine=external:FILE")
        self.refused(MINE + "filename=/dev/sdb\n", "/dev/nvme7n1 and /dev/sdb: a comparison runs on one device")
        self.refused(MINE.replace("7n1", "7n1:/dev/sdb"), "a comparison runs on one device")
        self.refused(MINE + "directory=/tmp\n", "directory: not allowed in a comparison")
        self.refused(MINE + "include other.fio\n", "include: not allowed in a comparison")
        self.refused("rw=read\n", "rw: before any .section.")
        with self.assertRaisesRegex(Failure, "No such file"):
            jobfile.take("/nowhere.fio", self.out)
