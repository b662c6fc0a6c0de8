# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl: one line a run, appended with one write, so that a stop at any point leaves whole lines."""

import collections
import contextlib
import json
import os
import pathlib

from .errors import Failure

SCHEMA = 1
NAME = "results.jsonl"


Parts = collections.namedtuple("Parts", "records environment log stop")


def parts(out, session):
    """Files of a session that are gone, or merged, when the command has ended well."""
    directory = pathlib.Path(out) / "parts"
    directory.mkdir(exist_ok=True)
    return Parts(*(directory / f"{session}.{suffix}" for suffix in ("jsonl", "env.json", "log", "stop")))


def append(path, record):
    line = json.dumps({"schema": SCHEMA, **record}, sort_keys=True) + "\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            written = os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    if written != len(line.encode()):
        raise Failure(f"{path}: no space left; free some and run again")


def decode(line, where):
    """One record, or None for a line that a stop cut short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if record.get("schema") != SCHEMA:
        raise Failure(f"{where}: schema {record.get('schema')}, this pi-bench reads {SCHEMA}; run the benchmark again")
    return record


def read(path):
    """The whole records of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return [record for line in file if (record := decode(line, path))]


def unmerged(directory, known):
    """Records that sessions left in their parts when pi-bench was stopped before it could take them over."""
    merged = {json.dumps(record, sort_keys=True) for record in known}
    found = []
    for part in sorted(pathlib.Path(directory).glob("parts/*.jsonl")):
        # what was to be counted by function and was not is as if it had not been run
        found += [record for record in read(part) if "marks" not in record and json.dumps(record, sort_keys=True) not in merged]
    return found


def load(directory):
    path = os.path.join(directory, NAME)
    try:
        records = read(path) if os.path.exists(path) else []
        records += unmerged(directory, records)
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}; name a directory that pi-bench run wrote") from None
    if not records:
        why = "no results in it" if os.path.exists(path) else "no such file"
        raise Failure(f"{path}: {why}; name a directory that pi-bench run wrote, or run it again")
    return records


def recover(directory):
    """Make whole what a stop at any point has left, and return it."""
    path = os.path.join(directory, NAME)
    try:
        with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
        records = read(path) if os.path.exists(path) else []
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None
    for record in unmerged(directory, records):
        append(path, record)
        records.append(record)
    for part in pathlib.Path(directory).glob("parts/*.jsonl"):
        part.unlink()
    return records


@contextlib.contextmanager
def saving(path):
    """The file, to write text to; a full disk does not say by itself which one it is about."""
    try:
        with open(path, "w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def save_json(path, value):
    """Replace the file as a whole, never leave half of it."""
    temporary = f"{path}.new"
    try:
        with saving(temporary) as file:
            json.dump(value, file, indent=2, sort_keys=True)
            file.write("\n")
    except Failure:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise
    os.replace(temporary, path)


def load_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
