# SPDX-License-Identifier: GPL-2.0-only
"""What ends a command with one line on standard error."""

import signal

ENVIRONMENT = 2
IO = 4


class Failure(Exception):
    """Wrong usage, or an environment that cannot do what was asked."""

    status = ENVIRONMENT


class IoFailure(Failure):
    """An I/O or a protection-information check went wrong."""

    status = IO


class Interrupted(Failure):
    """A signal asked us to stop."""

    def __init__(self, number):
        super().__init__(f"interrupted by {signal.Signals(number).name}")
        self.status = 128 + number
