# SPDX-License-Identifier: GPL-2.0-only
"""A job file of the user's, made to run so many I/Os, on a device and with an engine that others choose."""

import os
import re

from . import cells
from .errors import Failure

# set aside: how long it runs, on what, and what it leaves
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
FILL = """
[fill]
rw=write
bs=128k
iodepth=4
numjobs=1
offset=0
size=${SIZE}
io_size=${SIZE}
number_ios=0
verify=0
"""
ENGINE = re.compile(r"io_uring_pi|external:.*")


def lines_of(path):
    """(section, option, value or None, line) of each line; the first two are None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    section = None
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            section = bare[1:-1]
            yield section, None, None, line
        elif not bare or bare[0] in ";#":
            yield section, None, None, line
        else:
            option, equals, value = bare.partition("=")
            yield section, option.strip(), value.strip() if equals else None, line


def take(path, out):
    """
    Write what runs of it and what fills the device for it below out: (cell, job file, job file that fills).

    ${IOENGINE}, ${DUT}, ${NUMBER_IOS} and ${SIZE} are left to say.
    """
    kept, everywhere, names, tag, engines = [], [], {}, None, 0
    for section, option, value, line in lines_of(path):
        if option in REFUSED or option and option.startswith("include "):
            raise Failure(f"{path}: {option.split()[0]}: not in a comparison; the device is one, and given")
        if option and section is None:
            raise Failure(f"{path}: {option}: before any [section]")
        if option == "filename":
            names[value] = None
        if option in OURS:
            continue
        if option == "ioengine" and ENGINE.fullmatch(value or ""):
            line = "ioengine=${IOENGINE}"
            engines += 1
        if option == "apptag":
            tag = tag or line
        kept.append(line)
        if section == "global":
            everywhere.append(line)
    if not engines:
        raise Failure(f"{path}: no ioengine=io_uring_pi or ioengine=external:FILE; nothing in it runs what is compared")
    if len(names) > 1 or any(":" in (name or "") for name in names):
        raise Failure(f"{path}: filename={' and '.join(map(str, names))}: one device only in a comparison")
    name = re.sub(r"\W+", "-", os.path.splitext(os.path.basename(path))[0])
    os.makedirs(out, exist_ok=True)
    written = []
    for what, text in ("job", HEAD + "\n".join(kept)), ("fill", HEAD + "\n".join([*everywhere, FILL, tag or "", "ioengine=${IOENGINE}"])):
        written.append(os.path.join(out, f"{name}.{what}.fio"))
        with open(written[-1], "w", encoding="utf-8") as file:
            file.write(text + "\n")
    return cells.job(name), *written
