# SPDX-License-Identifier: GPL-2.0-only
"""What the commands in scripts/ share: how they say what they do, how they end, and what they get from Debian."""

import ctypes
import pathlib
import signal
import subprocess
import sys

from .errors import Failure

DEBIAN = pathlib.Path(__file__).resolve().parents[1] / "debian"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signalled(BaseException):
    """A signal asked the command to end."""


def say(text):
    print(f"{pathlib.Path(sys.argv[0]).name}: {text}", file=sys.stderr, flush=True)


def die_with_parent(number=signal.SIGTERM):
    """In a child: this signal when its parent is gone, whatever ended that."""
    ctypes.CDLL(None).prctl(1, number)  # PR_SET_PDEATHSIG


def last_line(said, status):
    """Of what a program has said before it failed."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"exit status {status}"


def debian(*words):
    """The directory that scripts/debian names."""
    done = subprocess.run([DEBIAN, *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failure(f"{words[-1]}: scripts/debian could not get it; see above")
    return pathlib.Path(done.stdout.strip())


def interrupt(number, _):
    raise Signalled(number)


def run_command(main, place, status=1):
    """Call main() and end with what it returns; what stops it is said in one line, what a failure is in `status`."""
    for each in SIGNALS:
        signal.signal(each, interrupt)
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
    except Signalled as failure:
        status = 128 + failure.args[0]
    sys.exit(status)
