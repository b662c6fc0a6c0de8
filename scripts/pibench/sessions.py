# SPDX-License-Identifier: GPL-2.0-only
"""What lab and perf share around their sessions: options, the record of where they ran, and cells of 4 KiB."""

import contextlib
import os
import shlex

from . import environment, fio, results


class Cell:
    """Of 4 KiB, at a depth; who does the I/O is `by`."""

    @property
    def name(self):
        return f"{self.workload} {self.by}"

    @property
    def direction(self):
        return "write" if self.rw.endswith("write") else "read"


def add_tools(parser):
    parser.add_argument("--fio", default=fio.Tools.fio, metavar="FILE", help="fio to run (build/fio/fio)")
    parser.add_argument("--engine", default=fio.Tools.engine, metavar="FILE", help="engine (build/io_uring_pi.so)")


def add_parsers(commands, name):
    """The commands that write the report of `name` again, and that run one session of it."""
    again = commands.add_parser(f"{name}-report", help=f"write the report of {name} again from raw results")
    again.add_argument("dir", metavar="DIR")

    inner = commands.add_parser(f"{name}-session", help=f"run one session of {name} in this machine (used in guests)")
    inner.add_argument("spec", metavar="JSON")
    inner.add_argument("out", metavar="DIR")


def tools_of(options):
    return fio.Tools(os.path.abspath(options.fio), os.path.abspath(options.engine))


@contextlib.contextmanager
def recorded(host, options, out, specs, **about):
    """env.json: before they run, and with what each found when they have ended."""
    env = {
        "schema": results.SCHEMA,
        "command": shlex.join(["scripts/pi-bench", *options.arguments]),
        "host": environment.machine(host) | environment.software(host, next(iter(specs)).tools),
        **about,
    }
    results.save_json(out / "env.json", env)
    try:
        yield
    finally:
        env["sessions"] = {spec.name: results.load_json(results.parts(out, spec.name).environment) for spec in specs}
        results.save_json(out / "env.json", env)


def show(out, written, bad):
    """Print a report; `bad` is the status where something in it is."""
    text, failed = written
    print(text, end="")
    print(f"\nReport: {os.path.relpath(out)}/report.md")
    return bad if failed else 0
