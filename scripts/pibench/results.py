# SPDX-License-Identifier: GPL-2.0-only
"""A directory of results. Each run is one line of results.jsonl, appended in one write, so a stop at any point leaves whole lines."""

import collections
import contextlib
import fcntl
import json
import os
import pathlib
import shutil
import tempfile

from .errors import Failure

SCHEMA = 1
NAME = "results.jsonl"
# what pi-bench writes, and removes before it writes anew
DIRECTORIES = ("raw", "parts", "plots")
FILES = (
    NAME, "results.csv", "report.md", "index.html", "summary.md", "junit.xml", "verdicts.csv", "verdicts.jsonl", "functions.csv",
    "page-cache",
)  # fmt: skip

Parts = collections.namedtuple("Parts", "records environment log stop")


def parts(out, session):
    """The files a session writes while it runs; merged into the results, or removed, when the command ends well."""
    directory = pathlib.Path(out) / "parts"
    directory.mkdir(exist_ok=True)
    return Parts(*(directory / f"{session}.{suffix}" for suffix in ("jsonl", "env.json", "log", "stop")))


@contextlib.contextmanager
def naming(path, hint=""):
    """Name the file in the message of an I/O error: ENOSPC does not."""
    try:
        yield
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}{hint}") from None


@contextlib.contextmanager
def lock(out):
    """Keep a second pi-bench out: it would mix its results with ours."""
    with open(out / "lock", "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"{out}: another pi-bench is writing there; wait for it or name another --out") from None
        yield


def refuse_inputs(out, paths):
    """Refuse to remove what is about to be read."""
    for path in paths:
        if out.exists() and out.samefile(path):
            raise Failure(f"{path}: --out names it too and would overwrite it; name another --out")


@contextlib.contextmanager
def prepare(out, keep=False):
    """Lock a directory for results and, unless told to keep them, remove earlier results; nobody else's files are touched."""
    with contextlib.ExitStack() as held:
        with naming(out, "; name another --out"):
            out.mkdir(parents=True, exist_ok=True)
            if any(out.iterdir()) and not (out / "env.json").exists():
                raise Failure(f"{out}: neither empty nor written by pi-bench; name another --out")
            held.enter_context(lock(out))
            for name in () if keep else DIRECTORIES:
                shutil.rmtree(out / name, ignore_errors=True)
            for name in () if keep else FILES:
                (out / name).unlink(missing_ok=True)
            with tempfile.TemporaryFile(dir=out) as probe:
                probe.write(b" ")
        yield out


def append(path, record):
    line = (json.dumps({"schema": SCHEMA, **record}, sort_keys=True) + "\n").encode()
    with naming(path), open(path, "ab", buffering=0) as file:
        written = file.write(line)
    if written != len(line):
        raise Failure(f"{path}: no space left; free some and run again")


def decode(line, where):
    """The record of a line, or None if a stop cut the line short."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict):
        return None
    if record.get("schema") != SCHEMA:
        raise Failure(f"{where}: schema {record.get('schema')}, this pi-bench reads {SCHEMA}; run the benchmark again")
    return record


def read(path):
    """The complete records of a file."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return [record for line in file if (record := decode(line, path))]


def read_any(directory):
    """The complete records of a directory's own file, none if it is not there yet."""
    path = os.path.join(directory, NAME)
    return read(path) if os.path.exists(path) else []


def unmerged(directory, known):
    """Records that guests wrote but pi-bench, stopped too early, did not merge."""
    merged = {json.dumps(record, sort_keys=True) for record in known}
    found = []
    for part in sorted(pathlib.Path(directory).glob("parts/*.jsonl")):
        # a record that still has its marks was not counted by function: that run has to be repeated
        found += [record for record in read(part) if "marks" not in record and json.dumps(record, sort_keys=True) not in merged]
    return found


def load(directory):
    path = os.path.join(directory, NAME)
    hint = "; name a directory that pi-bench run wrote"
    with naming(path, hint):
        records = read_any(directory)
        records += unmerged(directory, records)
    if not records:
        why = "no results in it" if os.path.exists(path) else "no such file"
        raise Failure(f"{path}: {why}{hint}, or run it again")
    return records


def load_all(directory):
    """(records, environment) of a directory."""
    return load(directory), load_json(os.path.join(directory, "env.json")) or {}


def recover(directory):
    """Merge and repair what a stopped pi-bench left behind; its records."""
    path = os.path.join(directory, NAME)
    with naming(path):
        with contextlib.suppress(FileNotFoundError), open(path, "rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
        records = read_any(directory)
    fresh = unmerged(directory, records)
    for record in fresh:
        append(path, record)
    for part in pathlib.Path(directory).glob("parts/*.jsonl"):
        part.unlink()
    return records + fresh


@contextlib.contextmanager
def saving(path):
    """The file, opened to write text."""
    with naming(path), open(path, "w", encoding="utf-8", newline="") as file:
        yield file


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
