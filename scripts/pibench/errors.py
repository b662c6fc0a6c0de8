# SPDX-License-Identifier: GPL-2.0-only
"""Exit statuses, and what ends a command with one line on standard error."""

import signal

OK, REGRESSED, ENVIRONMENT, UNDECIDED, IO = range(5)


class Failure(Exception):
    """Wrong usage, or an environment that cannot do what was asked."""

    status = ENVIRONMENT


class IoFailure(Failure):
    """An I/O or a protection-information check went wrong."""

    status = IO


class Interrupted(BaseException):
    """A signal asked us to stop."""

    def __init__(self, number, text=None):
        super().__init__(text or f"interrupted by {signal.Signals(number).name}")
        self.number = number
        self.status = 128 + number
