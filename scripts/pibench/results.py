# SPDX-License-Identifier: GPL-2.0-only
"""results.jsonl: one line a run, appended with one write, so that a stop at any point leaves whole lines."""

import collections
import json
import os
import pathlib

from .errors import Failure

SCHEMA = 1
NAME = "results.jsonl"


Parts = collections.namedtuple("Parts", "records environment log")


def parts(out, session):
    """Files of a session that are gone, or merged, when the command has ended well."""
    directory = pathlib.Path(out) / "parts"
    directory.mkdir(exist_ok=True)
    return Parts(*(directory / f"{session}.{suffix}" for suffix in ("jsonl", "env.json", "log")))


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


def load(directory):
    path = os.path.join(directory, NAME)
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            records = [decode(line, path) for line in file]
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}; name a directory that pi-bench run wrote") from None
    records = [record for record in records if record]
    if not records:
        raise Failure(f"{path}: no results in it; run the benchmark again")
    return records


def save_json(path, value):
    """Replace the file as a whole, never leave half of it."""
    temporary = f"{path}.new"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2, sort_keys=True)
            file.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def load_json(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return None
