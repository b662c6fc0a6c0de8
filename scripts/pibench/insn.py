# SPDX-License-Identifier: GPL-2.0-only
"""Instructions by function, as t/bench/insn-plugin.c counts them: the part in the guest and the part on the host."""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import json
import os
import pathlib
import pickle
import re
import subprocess
import time

from . import cells, memory, profile, symbols
from .errors import Failure

BUILT = cells.REPO / "build" / "t"
PLUGIN, MARK = BUILT / "insn-plugin.so", BUILT / "insn-mark"
# files that the guest and the host exchange: symbols, a request, and the list of functions in reply
KALLSYMS, VDSO, REQUEST, FUNCTIONS = "kallsyms", "vdso", "request", "functions"
FIO, ENGINE = "fio", "engine"
# the functions of kernels counted before are kept: reading /proc/kallsyms takes a guest as long as 20,000 I/Os
KEPT, KERNELS = cells.REPO / "build" / "kallsyms", 12
NOTES, NOTE = "/sys/kernel/notes", "/sys/module/{}/notes/.note.gnu.build-id"


def equipped(spec):
    """The spec with the plugin, if it counts instructions and the plugin is built."""
    if spec.mode != cells.INSTRUCTIONS or not spec.icount or spec.tools.plugin or not (PLUGIN.exists() and MARK.exists()):
        return spec
    return dataclasses.replace(spec, tools=dataclasses.replace(spec.tools, plugin=str(PLUGIN), mark=str(MARK)))


@functools.cache
def require_symbols(program):
    """Refuse a fio in which the function that runs a job has no name: nothing would be counted."""
    found = symbols.Elf.read(pathlib.Path(program).read_bytes(), program).functions
    if symbols.OF_JOB not in {name for _, _, name, _ in found}:
        raise Failure(f"{program}: has no symbol {symbols.OF_JOB}, without which nothing is counted; name a fio that is not stripped")


def require(spec):
    """Refuse programs in which the plugin could not count."""
    for program in (path for tools in spec.all_tools if spec.tools.plugin for path in (tools.fio, tools.isal) if path):
        require_symbols(program)


def place(out, spec):
    """The directory that the guest, QEMU and pi-bench share."""
    return os.path.join(out, "parts", f"{spec.name}.counts")


def boot_options(spec, out):
    """Options of scripts/guest that load the plugin and keep the kernel at the addresses of its symbols."""
    if not spec.tools.plugin:
        return []
    plugin, where = (path.replace(",", ",,") for path in (spec.tools.plugin, place(out, spec)))
    return ["--append", "nokaslr", "--plugin", f"{plugin},dir={where}{f',{spec.caches}' if spec.caches else ''}"]


class Counter:
    """In the guest: asks for a list of functions when it needs one, and marks the end of each run."""

    def __init__(self, host, place, mark):
        self.host, self.place, self.program = host, pathlib.Path(place), mark
        self.modules, self.known = {}, set()
        self.listing = self.marks = self.last = 0

    def look(self):
        """Get a list of functions if there is none or a module has moved since."""
        lines = map(str.split, (self.host.read("/proc/modules") or "").splitlines())
        where = {words[0]: words[5] for words in lines}
        if self.listing and where == self.modules:
            return
        self.listing += 1
        if self.listing == 1:
            self.save(VDSO, self.vdso())
        fresh = self.listing == 1 or not where.keys() <= self.known
        kept = self.build(where) if fresh else None
        if fresh:
            self.known = set(where)
        if fresh and not (kept and (KEPT / kept).exists()):
            self.save(KALLSYMS, (self.host.read("/proc/kallsyms") or "").encode())
        self.modules = where
        self.save(REQUEST, json.dumps({"number": self.listing, "fresh": fresh, "kept": kept, "modules": where}).encode())
        while not (self.place / FUNCTIONS).exists():
            time.sleep(0.1)
        self.tell()
        self.last = 0

    def build(self, modules):
        """A name for this kernel, these modules and this symbols.py by their contents; None without build IDs."""
        told = hashlib.sha256(pathlib.Path(symbols.__file__).read_bytes())
        try:
            for path in (NOTES, *(NOTE.format(module) for module in sorted(modules))):
                told.update(path.encode() + pathlib.Path(self.host.at(path)).read_bytes())
        except OSError:
            return None
        return told.hexdigest()[:32]

    def save(self, name, data):
        part = self.place / f"{name}.part"
        part.write_bytes(data)
        os.replace(part, self.place / name)

    def vdso(self):
        span = next(line for line in self.host.read("/proc/self/maps").splitlines() if line.endswith("[vdso]"))
        low, high = (int(end, 16) for end in span.split()[0].split("-"))
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(low)
            return memory.read(high - low)

    def tell(self):
        subprocess.run([self.program], check=True)

    def mark(self):
        """(list, count before, count after) of the run that has just ended; before a list's first run it is 0."""
        if not self.listing:
            return None
        self.tell()
        self.marks += 1
        before, self.last = self.last, self.marks
        return self.listing, before, self.marks


def programs(builds, vdso):
    """[(module, contents)] of the fios, the engines and the libraries of both; builds: the Tools of each."""
    named = {path: FIO for tools in builds for path in (tools.fio, tools.isal) if path} | {tools.engine: ENGINE for tools in builds}
    found = {os.path.realpath(path): module for path, module in named.items()}
    for path in list(found):
        said = subprocess.run(["ldd", path], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", said):
            found.setdefault(os.path.realpath(library), os.path.basename(library))
    return [*((module, pathlib.Path(path).read_bytes()) for path, module in found.items()), ("vdso", vdso)]


class Lists:
    """On the host: makes the lists of functions that a guest asks for, and reads what was counted."""

    def __init__(self, spec, place):
        self.spec, self.place = spec, pathlib.Path(place)
        self.names = {}
        self.kernel = self.first = self.user = None
        self.place.mkdir(exist_ok=True)
        for old in self.place.iterdir():
            old.unlink()

    def serve(self):
        """Make the list that the guest has asked for, if any."""
        request = self.place / REQUEST
        if not request.exists():
            return
        asked = json.loads(request.read_text())
        number, modules = asked["number"], asked["modules"]
        if asked["fresh"]:
            self.kernel, self.first = self.functions(modules, asked["kept"])
        if not self.user:
            self.user = symbols.code(programs(self.spec.all_tools, (self.place / VDSO).read_bytes()))
        ranges, code = self.user
        request.unlink()
        self.names[number] = symbols.save(str(self.place), symbols.moved(self.kernel, self.first, modules) + ranges, code)

    def functions(self, modules, kept):
        """(functions of the kernel, where its modules were): as the guest has just read them, or as they were kept."""
        read = self.place / KALLSYMS
        if not read.exists():
            ranges, modules = pickle.loads((KEPT / kept).read_bytes())
            return list(map(symbols.Range._make, ranges)), modules
        ranges = symbols.kernel(read.read_text(encoding="ascii"))
        read.unlink()
        if kept:
            keep(kept, pickle.dumps((list(map(tuple, ranges)), modules)))
        return ranges, modules

    def taken(self, record):
        """The profile of a record's run, less its short run."""
        (number, *lead), (again, *run) = record["marks"]
        if number != again:
            raise Failure(f"{record['session']}: {record['cell']}: a module was loaded between two runs")
        before, between, _, after = (profile.read_counts(self.place / f"count.{at}") if at else profile.NOTHING for at in (*lead, *run))
        counts = profile.beyond(profile.difference(between, after), profile.difference(before, between))
        root = profile.tree(counts, self.names[number])
        profile.settle(root)
        found = profile.Profile(record["counted"], root)
        if self.spec.caches:
            found.memory = self.touched(lead, run, self.names[number], found)
        for old in (*self.place.glob("count.*"), *self.place.glob("cache.*")):
            if int(old.suffix[1:]) < run[1]:
                old.unlink()
        return found

    def touched(self, lead, run, names, found):
        """{(room, name, module): figures of the modelled caches per I/O}"""
        ends = [[memory.read(self.place / f"cache.{at}") if at else {} for at in each] for each in (lead, run)]
        figures = memory.difference(*(memory.difference(*each) for each in ends))
        by = memory.by_function(figures, profile.read_counts(self.place / f"count.{run[1]}")[1], names, found.root)
        return {key: [value / found.ios for value in values] for key, values in by.items()}

    def complete(self, record, out):
        """The record with the instructions of its run by room; the profile is saved if the spec asks for it."""
        if "marks" not in record:
            return record
        found = self.taken(record)
        record = {name: value for name, value in record.items() if name != "marks"}
        record["rooms"] = {room: round(value * found.ios) for room, value in found.rooms().items()}
        if self.spec.profiles:
            record["profile"] = os.path.join("raw", self.spec.name, f"{record['step']}.profile.gz")
            save(os.path.join(out, record["profile"]), found)
        return record


def keep(name, data):
    """Add a file to KEPT and remove the oldest; it saves time only, so failing to write it does not matter."""
    with contextlib.suppress(OSError):
        KEPT.mkdir(exist_ok=True)
        part = KEPT / f"{name}.{os.getpid()}"
        part.write_bytes(data)
        os.replace(part, KEPT / name)
        for old in sorted(KEPT.iterdir(), key=lambda path: path.stat().st_mtime)[:-KERNELS]:
            old.unlink(missing_ok=True)


def save(path, found):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with gzip.open(path, "wt", compresslevel=3, encoding="utf-8") as file:
            json.dump(found.save(), file, separators=(",", ":"))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}") from None


def load(path):
    """The profile saved in a file."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            return profile.Profile.load(json.load(file))
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"{path}: not a profile that pi-bench saved ({error})") from None
