# SPDX-License-Identifier: GPL-2.0-only
"""The progress line on standard error."""

import functools
import os
import sys
import time


def clock(seconds):
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{seconds:02d}"


def span(seconds, alone=(), at_once=None):
    """From the first to the last of sessions that take so many seconds each: some alone, the rest so many at once."""
    beside = [each for name, each in seconds.items() if name not in alone]
    return sum(seconds[name] for name in alone) + max(sum(beside) / (at_once or len(beside) or 1), *beside, 0)


class Progress:
    """Counts the runs of sessions."""

    QUIET = 15
    # seconds for which the plan is believed before what was measured is
    TRUST = 60

    def __init__(self, sessions, stream=sys.stderr, now=time.monotonic, alone=(), at_once=None):
        """sessions: {name: [seconds that each of its runs should take]}; the rest as of span()"""
        self.sessions = sessions
        self.span = functools.partial(span, alone=alone, at_once=at_once)
        self.done = dict.fromkeys(sessions, 0)
        self.before = dict.fromkeys(sessions, 0)
        self.stream = stream
        self.now = now
        self.started = now()
        self.printed = None
        self.width = 0

    def left(self):
        done = self.span({name: sum(w[self.before[name] : self.done[name]]) for name, w in self.sessions.items()})
        left = self.span({name: sum(w[self.done[name] :]) for name, w in self.sessions.items()})
        return left * (self.now() - self.started + self.TRUST) / (done + self.TRUST)

    def hear(self, record, before=False):
        """What a session has done, or had done before."""
        session = record["session"]
        if record["kind"] == "plan":
            # fewer runs than was thought
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
        # a gate that cannot tell yet goes on beyond the plan
        total = sum(max(len(weights), self.done[name]) for name, weights in self.sessions.items())
        line = f"[{done}/{total}] {clock(self.now() - self.started)} elapsed, {clock(self.left())} left: {what}"
        if self.stream.isatty():
            # what wraps cannot be written over
            line = line[: (os.get_terminal_size(self.stream.fileno()).columns or 80) - 1]
            self.stream.write(f"\r{line:<{self.width}}")
            self.width = len(line)
        elif self.printed is None or self.now() - self.printed >= self.QUIET or done == total:
            self.stream.write(line + "\n")
            self.printed = self.now()
        self.stream.flush()

    def say(self, line):
        """A line of its own, not run into the progress line."""
        if self.width:
            self.stream.write("\n")
            self.width = 0
        self.stream.write(line + "\n")
        self.stream.flush()

    def end(self):
        if self.width:
            self.stream.write("\n")
            self.width = 0
