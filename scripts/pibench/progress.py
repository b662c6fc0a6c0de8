# SPDX-License-Identifier: GPL-2.0-only
"""The progress line on standard error."""

import os
import sys
import time


def clock(seconds):
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{seconds:02d}"


class Progress:
    """Counts the runs of sessions; those in `alone` run one after another, the others `at_once` at a time."""

    # seconds between two lines where standard error is no terminal
    QUIET = 15
    # seconds of the plan that weigh as much as what was measured
    TRUST = 60

    def __init__(self, sessions, stream=sys.stderr, now=time.monotonic, alone=(), at_once=None):
        """sessions: {name: [expected seconds of each run]}"""
        self.sessions = sessions
        self.alone = alone
        self.at_once = at_once
        self.done = dict.fromkeys(sessions, 0)
        # of these, by an earlier pi-bench that was stopped
        self.before = dict.fromkeys(sessions, 0)
        self.stream = stream
        self.now = now
        self.started = now()
        self.printed = None
        self.width = 0

    def span(self, first, last):
        """Seconds planned for the runs of each session from one number to another."""
        seconds = {name: sum(runs[first[name] : last[name]]) for name, runs in self.sessions.items()}
        beside = [each for name, each in seconds.items() if name not in self.alone]
        return sum(seconds[name] for name in self.alone) + max(sum(beside) / (self.at_once or len(beside) or 1), *beside, 0)

    def left(self):
        planned = self.span(self.done, {name: len(runs) for name, runs in self.sessions.items()})
        return planned * (self.now() - self.started + self.TRUST) / (self.span(self.before, self.done) + self.TRUST)

    def unfinished(self, session):
        return self.done[session] < len(self.sessions[session])

    def hear(self, record, before=False):
        """Count a record; before: of an earlier pi-bench."""
        session = record["session"]
        if record["kind"] == "plan":
            # the session itself knows which cells it has to skip
            self.sessions[session] = self.sessions[session][: record["steps"]]
        elif "step" in record and before:
            self.done[session] += 1
            self.before[session] += 1
        elif "step" in record:
            what = f"{session} round {record['step'].partition('.')[0]}: {record['cell']} {record.get('build', '')}"
            self.step(session, what.rstrip())

    def step(self, session, what):
        self.done[session] += 1
        done = sum(self.done.values())
        # if the gate decides when to stop, there may be more runs than planned
        total = sum(max(len(runs), self.done[name]) for name, runs in self.sessions.items())
        line = f"[{done}/{total}] {clock(self.now() - self.started)} elapsed, {clock(self.left())} left: {what}"
        if self.stream.isatty():
            # a wrapped line could not be overwritten
            line = line[: (os.get_terminal_size(self.stream.fileno()).columns or 80) - 1]
            self.stream.write(f"\r{line:<{self.width}}")
            self.width = len(line)
        elif self.printed is None or self.now() - self.printed >= self.QUIET or done == total:
            self.stream.write(line + "\n")
            self.printed = self.now()
        self.stream.flush()

    def say(self, line):
        """Print a line of its own."""
        self.end()
        self.stream.write(line + "\n")
        self.stream.flush()

    def end(self):
        """End the progress line."""
        if self.width:
            self.stream.write("\n")
            self.width = 0
