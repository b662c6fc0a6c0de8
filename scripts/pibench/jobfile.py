# SPDX-License-Identifier: GPL-2.0-only
"""A user's job file, changed to run a given number of I/Os on a device and with an engine chosen elsewhere."""

import os
import re

from . import cells
from .errors import Failure

# left out: pi-bench decides how long a job runs, on what, and what it leaves behind
OURS = ("filename", "number_ios", "io_size", "io_limit", "time_based", "runtime", "timeout", "ramp_time", "startdelay", "verify_state_save")
REFUSED = ("include", "directory", "filename_format", "opendir", "nrfiles", "exec_prerun", "exec_postrun", "read_iolog", "replay_redirect")
HEAD = """\
[global]
filename=${DUT}
number_ios=${NUMBER_IOS}
io_size=64g
verify_state_save=0
allow_file_create=0

"""
IOENGINE = "ioengine=${IOENGINE}"
FILL = f"""
[fill]
rw=write
bs=128k
iodepth=4
numjobs=1
offset=0
size=${{SIZE}}
io_size=${{SIZE}}
number_ios=0
verify=0
{IOENGINE}
"""
ENGINE = re.compile(r"io_uring_pi|external:.*")


def options_of(path):
    """(section, option, value, line) of each line; without an option, those of a comment or a section's head are empty."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    section = None
    for line in map(str.strip, text.splitlines()):
        option, _, value = line.partition("=")
        if line.startswith("["):
            section, option = line.strip("[]"), ""
        elif line.startswith((";", "#")):
            option = ""
        yield section, option.strip(), value.strip(), line


def take(path, out):
    """Write a job file that runs the user's jobs and one that fills the device for them: (cell, jobs, fill).

    Both take ${IOENGINE}, ${DUT}, ${NUMBER_IOS} and ${SIZE} from the environment.
    """
    kept, everywhere, names, tags = [], [], [], []
    for section, option, value, line in options_of(path):
        if option in REFUSED or option.startswith("include "):
            raise Failure(f"{path}: {option.split()[0]}: not allowed in a comparison, which runs on the one device that it is given")
        if option and section is None:
            raise Failure(f"{path}: {option}: before any [section]")
        if option == "filename":
            names.append(value)
        if option == "apptag":
            tags.append(line)
        if option == "ioengine" and ENGINE.fullmatch(value):
            line = IOENGINE
        if option not in OURS:
            kept.append(line)
            everywhere += [line] if section == "global" else []
    if IOENGINE not in kept:
        raise Failure(f"{path}: no ioengine=io_uring_pi or ioengine=external:FILE; nothing in it runs the engines to compare")
    if len(set(names)) > 1 or ":" in "".join(names):
        raise Failure(f"{path}: filename={' and '.join(dict.fromkeys(names))}: a comparison runs on one device")
    name = re.sub(r"\W+", "-", os.path.splitext(os.path.basename(path))[0])
    os.makedirs(out, exist_ok=True)
    written = []
    for what, lines in ("job", kept), ("fill", [*everywhere, FILL, *tags[:1]]):
        written.append(os.path.join(out, f"{name}.{what}.fio"))
        with open(written[-1], "w", encoding="utf-8") as file:
            file.write(HEAD + "\n".join(lines) + "\n")
    return cells.job(name), *written
