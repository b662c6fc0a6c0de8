# SPDX-License-Identifier: GPL-2.0-only
"""Sessions in guests, several at a time: boot them and pass on their records as they come."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from . import fio, insn, results, session
from .command import die_with_parent, last_line
from .errors import Failure

GUEST = fio.REPO / "scripts" / "guest"
PI_BENCH = fio.REPO / "scripts" / "pi-bench"
POLL = 0.3
SILENCE = 900
# the guest mounts its own directories here
HIDDEN = ("/tmp", "/run", "/dev")


def kernel(name):
    """The --kernel option of scripts/guest; a file by its absolute path, as guests start in another directory."""
    return os.path.abspath(name) if os.path.isfile(name) else name


def writable(out):
    """The directory to start in, which the guest can write to. It does not cache files there, so avoid the source tree."""
    hidden = any(fio.REPO.is_relative_to(place) for place in HIDDEN)
    return str(fio.REPO) if hidden and pathlib.Path(out).is_relative_to(fio.REPO) else str(out)


def require_visible(tools, out):
    """Refuse programs that the guest does not see, because it has a directory of its own there."""
    for path in (tools.fio, tools.engine):
        for place in HIDDEN:
            if pathlib.Path(path).is_relative_to(place) and not pathlib.Path(path).is_relative_to(writable(out)):
                raise Failure(f"{path}: the guest has a {place} of its own and does not see this file; copy it somewhere else")


def command(spec, disks, out):
    return [
        str(GUEST), "run", *(["--icount"] if spec.icount else []), *(["--kernel", spec.kernel] if spec.kernel else []),
        *(word for disk in disks for word in ("--disk", disk)), *insn.boot_options(spec, out),
        "--", sys.executable, str(PI_BENCH), "session", session.encode(spec), str(out),
    ]  # fmt: skip


def ready(kernel="", dry_run=False):
    """Fetch and try the guest, so that boots need not; 'TCG, Linux 7.3.4, QEMU 10.0.2', or None for a dry run."""
    if dry_run:
        return None
    if not os.access(GUEST, os.X_OK):
        raise Failure(f"{GUEST}: not there; pi-bench run --guest needs it")
    said, argv = b"", [str(GUEST), "fetch", *(["--kernel", kernel] if kernel else [])]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while chunk := os.read(process.stderr.fileno(), 4096):
            said += chunk
            sys.stderr.buffer.write(chunk)
            sys.stderr.flush()
    found = re.search(r"ready: (.*)", said.decode(errors="replace"))
    if process.returncode != 0 or not found:
        raise Failure("scripts/guest fetch failed, see above")
    return found.group(1).strip()


class Boot:
    """One guest with one session in it."""

    def __init__(self, spec, disks, out):
        self.name = spec.name
        self.part, _, self.log, self.stopper = results.parts(out, spec.name)
        self.out, self.lists = out, insn.Lists(spec, insn.place(out, spec)) if spec.tools.plugin else None
        self.stopper.unlink(missing_ok=True)
        self.offset = 0
        argv = command(spec, disks, out)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, cwd=writable(out), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=die_with_parent)  # fmt: skip

    @property
    def running(self):
        return self.process.poll() is None

    def records(self):
        """The records completed since the last call."""
        try:
            with open(self.part, "rb") as file:
                file.seek(self.offset)
                fresh = file.read()
        except OSError:
            return
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self.offset += len(whole)
        for line in whole.decode(errors="replace").splitlines():
            record = results.decode(line, self.part)
            if record:
                yield self.lists.complete(record, self.out) if self.lists else record

    def problem(self):
        """Why the guest failed, in its own last words, or None."""
        status = self.process.returncode
        if status == 0:
            return None
        why = last_line(self.log.read_text(errors="replace"), status) if status > 0 else f"killed by {signal.Signals(-status).name}"
        return f"guest {self.name}: {why} (log: {self.log})"


def run(sessions, out, emit, at_once=None, stop=lambda: None):
    """Run {spec: disks}, at_once at a time; when stop() gives a reason, each session ends after its current run."""
    for spec in sessions:
        require_visible(spec.tools, out)
    waiting = list(sessions.items())
    boots, going = [], []
    heard = time.monotonic()
    try:
        while waiting or going:
            while waiting and (not at_once or len(going) < at_once):
                boots.append(Boot(*waiting.pop(0), out))
                going.append(boots[-1])
                heard = time.monotonic()
            if why := stop():
                waiting.clear()
                for boot in going:
                    boot.stopper.write_text(why)
            for boot in list(going):
                # before reading, so that no record is missed
                ended = not boot.running
                for record in boot.records():
                    emit(record)
                    heard = time.monotonic()
                if ended:
                    going.remove(boot)
                    # frees 30 MB of names
                    boot.lists = None
                elif boot.lists:
                    with results.naming(boot.lists.place):
                        boot.lists.serve()
            if going and time.monotonic() - heard > SILENCE:
                raise Failure(f"no guest has finished a run for {SILENCE // 60} minutes (logs: {results.parts(out, '*').log})")
            if going:
                time.sleep(POLL)
    finally:
        for boot in boots:
            if boot.running:
                fio.end(boot.process)
    problems = [problem for boot in boots if (problem := boot.problem())]
    if problems:
        raise Failure("; ".join(problems))
