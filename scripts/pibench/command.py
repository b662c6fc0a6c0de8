# SPDX-License-Identifier: GPL-2.0-only
"""What the commands in scripts/ share: messages, signals, exit statuses, and packages from Debian."""

import argparse
import ctypes
import math
import pathlib
import signal
import subprocess
import sys

from .errors import Failure, Interrupted

DEBIAN = pathlib.Path(__file__).resolve().parents[1] / "debian"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def positive(kind):
    """A number above zero, for argparse."""

    def number(text):
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
        return value

    # what argparse calls it in messages
    number.__name__ = kind.__name__
    return number


def die_with_parent(number=signal.SIGTERM):
    """In a child: have the kernel send it a signal when its parent ends."""
    ctypes.CDLL(None).prctl(1, number)  # PR_SET_PDEATHSIG


def last_line(said, status):
    """The last line a program printed before it failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {status}"


def debian(*words):
    """The directory where scripts/debian put something."""
    done = subprocess.run([DEBIAN, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failure(f"scripts/debian could not get the {words[0]}; see above")
    return pathlib.Path(done.stdout.strip())


def interrupt(number, _):
    raise Interrupted(number)


def catch_signals():
    """Have signals end this program, except a SIGHUP that nohup has told it to ignore."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, interrupt)


def run_command(main, place, status=1):
    """Exit with what main() returns or, if it fails, with `status` after one line that says why."""
    catch_signals()
    try:
        sys.exit(main())
    except Failure as failure:
        say(failure)
    except subprocess.CalledProcessError as failure:
        say(f"{failure.cmd[0]}: failed with status {failure.returncode}; see above")
    except BrokenPipeError:
        status = 128 + signal.SIGPIPE
    except OSError as failure:
        say(f"{failure.filename or 'system'}: {failure.strerror}; see whether {place} is writable and has room")
    except Interrupted as failure:
        status = failure.status
    sys.exit(status)
