# SPDX-License-Identifier: GPL-2.0-only
import contextlib
import json
import pathlib
import re
import unittest.mock

import test_device
from test_report import Bare
from pibench import campaign, cells, cli, client, document, fio, outcome, report, results, runreport, session
from pibench.errors import Failure

DISK = "/dev/nvme0n1"
HOSTS = ("alpha", "beta,8801")
# what a host says, by the engine that is asked for and where
NO_PI = "io_uring_pi: /dev/nvme0n1: no protection information (LBA format 0+0); format it with PI or use pi_layout=none"
TYPE_3 = "io_uring_pi: pi_chk=REFTAG: type 3 protection information has no reference tag to check; drop REFTAG"


class Clients(test_device.Machine):
    """fio's client, answered for its hosts by says(host, words of the job): a line that ends in failure, or the milliseconds it took."""

    def setUp(self):
        super().setUp()
        self.says = lambda host, job: 100 if host == "alpha" else 200
        self.sent = []
        self.enterContext(unittest.mock.patch.object(fio, "run", self.run_fio))
        for name in ("fio", "engine.so"):
            (self.root / name).write_text(name)
        self.tools = fio.Tools(str(self.root / "fio"), str(self.root / "engine.so"))

    def run_fio(self, argv, variables, timeout):
        self.sent.append((argv, variables))
        if argv[-1].startswith("--enghelp"):
            return fio.Done(0, "pi_layout: x\n valid values: none  Plain\n : indirect  Attribute\n", "", 0, 0, 0)
        job = re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], ""), pathlib.Path(argv[-1]).read_text()) + " ".join(argv)
        ios = int(variables.get("NUMBER_IOS", 1))
        stats, text, gone, took = [], [], [], [1]
        for host in (word.removeprefix("--client=") for word in argv if word.startswith("--client=")):
            name, port = client.key(host)
            said = self.says(name, job)
            if said is None:
                gone.append(host)
                continue
            failed = isinstance(said, str)
            text += ["<vm> job: (g=0): rw=read", "<vm> Starting 1 process", *[f"<vm> {said}"] * failed]
            if not failed or "ioengine path" not in said:
                took += [said] * (not failed)
                stats.append(self.part("job", name, port, 0 if failed else ios, 1 if failed else said, error=84 * failed))
        if gone:
            where = "%s:%d" % client.key(gone[0])
            return fio.Done(1, "", f"fio: connect: Connection refused\nfio: failed to connect to {where}\n", 0, 0, 0)
        if len(stats) > 1:
            name, port = client.key(HOSTS[0])
            stats.append(self.part("All clients", name, port, ios * len(stats), max(took)))
        told = json.dumps({"fio version": "fio-3.41", "client_stats": stats}, indent=2)
        return fio.Done(0, "\n".join(["", *text, told]) + "\n", "", 0, 0, 12345)

    def part(self, name, host, port, ios, ms, error=0):
        side = {"total_ios": ios, "io_bytes": 4096 * ios, "runtime": ms, "lat_ns": {"mean": 1000 * ms},
                "clat_ns": {"percentile": {"99.000000": 3000 * ms}, "bins": {str(2000 * ms): ios - ios // 20, str(3000 * ms): ios // 20}}}
        nothing = {"total_ios": 0, "io_bytes": 0, "runtime": 0, "lat_ns": {"mean": 0}, "clat_ns": {}}
        return {"jobname": name, "hostname": host, "port": port, "error": error, "ctx": 1, "read": side, "write": nothing}

    def options(self, *more, hosts=HOSTS):
        words = ["run", *(f"--client={host}" for host in hosts), "--dut", DISK, "--fio", self.tools.fio, "--engine", self.tools.engine,
                 "--out", str(self.root / "out"), "--rounds", "2", "--only", "randread-4k-qd32", *more]  # fmt: skip
        options = cli.parser().parse_args(words)
        options.arguments = words
        return options

    def spec(self, *more, hosts=HOSTS):
        options = self.options(*more, hosts=hosts)
        cli.check(options)
        found, _ = cli.bench.specs(self.host, options, self.tools, cli.common(options))
        return next(iter(found))

    def test_hosts_as_fio_spells_them(self):
        self.assertEqual(client.hosts(["a", "b,8801", "ip4:c,8802,d"]), ("a", "b,8801", "ip4:c,8802", "d"))
        self.assertEqual([client.key(host) for host in ("a", "ip6:::1,8801")], [("a", 8765), ("::1", 8801)])
        for given, why in ((["a", "a,8765"], "twice"), (["a b"], "is not a host"), (["sock:/run/fio"], "is not a host"),
                           (["a,,b"], "is not a host"), (["a,b,"], "is not a host"), (["engine.so"], "is a file")):  # fmt: skip
            with self.subTest(given), contextlib.chdir(self.root), self.assertRaisesRegex(Failure, why):
                client.hosts(given)

    def test_each_host_gets_the_job_and_its_section(self):
        argv = client.command(["fio", "--section=attr", "--output-format=json+", "--eta=never", "x.fio"], HOSTS)
        self.assertEqual(argv, ["fio", "--output-format=json+", "--eta=never", "--client=alpha", "--section=attr", "x.fio",
                                "--client=beta,8801", "--section=attr", "x.fio"])  # fmt: skip

    def test_what_a_drive_has_is_what_the_engine_says_of_it(self):
        def said(answer):
            self.says = lambda host, job: answer if "external:" in job else 1
            return client.look(self.tools, HOSTS, DISK)[2]

        self.assertEqual(said(1), client.CHECKS)
        self.assertEqual(said("io_uring_pi: look: block 0: guard expected 0x1, found 0x2 by the host"), client.CHECKS)
        self.assertEqual(said(TYPE_3), "GUARD,APPTAG")
        self.assertEqual(said(NO_PI), "")
        with self.assertRaisesRegex(Failure, "^alpha: fio: invalid external ioengine path"):
            said("fio: invalid external ioengine path \"/x.so\"")

    def test_as_much_of_a_drive_as_there_is(self):
        def says(host, job):
            offset = int(re.search(r"offset=(\d+)", job)[1])
            return 1 if offset < (1 << 30 if host == "alpha" else 300 << 20) else "fio: look: offset extends end (5 > 4)"

        self.says = says
        self.assertEqual(client.look(self.tools, HOSTS, DISK)[1], 256 << 20)

    def test_a_drive_that_is_not_there_or_not_alike(self):
        self.says = lambda host, job: "fio: no such file" if host == "beta" else 1
        with self.assertRaisesRegex(Failure, "^beta,8801: fio: no such file .*nvme0n1"):
            client.look(self.tools, HOSTS, DISK)
        self.says = lambda host, job: NO_PI if host == "beta" and "external:" in job else 1
        with self.assertRaisesRegex(Failure, "^beta,8801: /dev/nvme0n1 has no protection information, on alpha GUARD"):
            client.look(self.tools, HOSTS, DISK)

    def test_a_host_that_does_not_answer(self):
        self.says = lambda host, job: None if host == "beta" else 1
        with self.assertRaisesRegex(Failure, "^beta,8801: Connection refused; start fio --server there$"):
            self.spec()

    def run_session(self, *more):
        spec = session.decode(session.encode(self.spec(*more)))
        found = []
        session.Session(self.host, spec).run(found.append, str(self.root), before=())
        return found

    def test_figures_of_each_and_of_all(self):
        runs = [record for record in self.run_session() if record["kind"] == "run" and record["round"]]
        self.assertTrue(runs)
        for run in runs:
            ios = cells.number_ios(cells.TIME, cells.parse(run["cell"]).workload, 1)
            self.assertEqual({host: each["ios"] for host, each in run["hosts"].items()}, dict.fromkeys(HOSTS, ios))
            # one of them does as many in half the time
            self.assertEqual((run["ios"], run["counted"]), (2 * ios, 2 * ios))
            self.assertAlmostEqual(run["ios"] / run["runtime_ns"], ios / 100e6 + ios / 200e6)
            found = run["latency_ns"], *(run["percentiles_ns"][name] for name in ("50", "90", "99"))
            self.assertEqual(found, (150_000, 300_000, 400_000, 600_000), "of the I/Os of both")
            self.assertNotIn("cpu_ns", run)
        self.assertEqual(len([argv for argv, _ in self.sent if "--section=attr" in argv]), 3, "nothing is run to be taken off")

    def test_one_host_by_itself(self):
        with unittest.mock.patch.object(self, "options", lambda *more, hosts, real=self.options: real(*more, hosts=HOSTS[:1])):
            runs = [record for record in self.run_session() if record["kind"] == "run" and record["round"]]
        self.assertEqual({tuple(run["hosts"]) for run in runs}, {HOSTS[:1]})

    def test_what_does_not_work_there_is_named(self):
        reasons = {record["cell"].split()[1]: record["reason"] for record in self.run_session() if record["kind"] == "skip"}
        self.assertIn("changes no settings", reasons["plain-noverify/none"])
        self.assertIn("how much metadata", reasons["pi/io_uring"])
        self.assertIn("--dut-nopi names no other", reasons["plain-nopi/none"])

    def test_nothing_is_written_without_leave(self):
        self.run_session()
        self.assertFalse([values for _, values in self.sent if values.get("RW", "").endswith("write")])
        self.sent.clear()
        self.run_session("--allow-write", DISK)
        self.assertEqual([values["RW"] for _, values in self.sent if values.get("RW", "").endswith("write")], ["write"], "filled once")

    def test_a_host_whose_io_fails(self):
        wrong = "io_uring_pi: attr: block 7: guard expected 0x1, found 0x2 by the host"
        self.says = lambda host, job: wrong if host == "beta" and "--section=attr" in job else 100
        found = self.run_session()
        self.assertEqual({record["reason"] for record in found if record["kind"] == "failure"}, {f"beta,8801: {wrong}"})
        self.assertEqual(report.status(outcome.group(found)), 4)

    def test_a_layout_that_a_host_lacks_is_no_failure(self):
        lacks = "io_uring_pi: pi_layout=indirect needs Linux 6.14"
        self.says = lambda host, job: lacks if host == "beta" and "--section=attr" in job else 100
        found = self.run_session()
        self.assertFalse([record for record in found if record["kind"] == "failure"])
        self.assertIn(f"beta,8801: {lacks}", {record.get("reason") for record in found})

    def test_refused(self):
        for words, why in ((["--dut", "nvme0n1"], "by its path in /dev"), (["--precondition"], "not through --client"),
                           (["--allow-write", "/dev/sda"], "names /dev/sda, not"),
                           (["--dut-nopi", "/dev/sda"], "has PI; --dut-nopi")):  # fmt: skip
            with self.subTest(words), self.assertRaisesRegex(Failure, why):
                self.spec(*words)
        options = cli.parser().parse_args(["run", "--guest", "--client=a"])
        with self.assertRaisesRegex(Failure, "--client goes with --dut"):
            cli.check(options)

    def test_a_dry_run_asks_nobody(self):
        spec = self.spec("--dry-run")
        self.assertFalse([argv for argv, _ in self.sent if "--client=alpha" in argv])
        self.assertEqual(spec.drives, ((DISK, 4 << 30, client.CHECKS),))
        plan = campaign.Plan(self.host, spec, None)
        line = next(plan.commands(plan.steps[-1]))
        self.assertRegex(line, "^IOENGINE=.* --client=alpha --section=.* --client=beta,8801 --section=")

    def test_report(self):
        out = self.root / "out"
        out.mkdir()
        for record in self.run_session():
            results.append(out / results.NAME, record)
        made = runreport.make(Bare(), out, *results.load_all(out), say=lambda line: None)
        text = document.markdown([*made.head, *made.body])
        for host in HOSTS:
            self.assertIn(f"| {host} ", text)
        self.assertIn("each job was sent to alpha, beta,8801 at once", text)
        self.assertIn("throughput and latency of 2 hosts together", text)
        for never in ("CPU per I/O", "other thread", "× CPU"):
            self.assertNotIn(never, text)


if __name__ == "__main__":
    unittest.main()
