# SPDX-License-Identifier: GPL-2.0-only
"""Names for addresses: those of the kernel, of programs and of libraries, as t/bench/insn-plugin.c takes them."""

import dataclasses
import json
import os
import re
import struct
import typing

from . import results
from .errors import Failure

# insn-ranges.h has the same: functions that have no name, and what stands for how something came to run
UNKNOWN_KERNEL, UNKNOWN_USER, ROOT, INTERRUPTS, THREADS, PROGRAMS = range(6)
NAMES = (
    ("no symbol", "kernel"), ("no symbol", "another program"), ("all", ""),
    ("interrupts", ""), ("kernel threads", ""), ("programs", ""),
)  # fmt: skip
# what the plugin counted and has in no function
LOST = ("outside the tree", "")
ENTRY, INTERRUPT, SWITCH, THUNK, JOB, BEGIN, END, FAULT = 1, 2, 4, 8, 16, 32, 64, 128
# the function of fio that does all that a job does
OF_JOB = "thread_main"
# what it calls first for an I/O, and first when there are no more; how the kernel goes to another task, and how it begins with a fault
ROLES = {OF_JOB: JOB, "td_io_queue": BEGIN, "close_ioengine": END, "__switch_to_asm": SWITCH, "asm_exc_page_fault": FAULT}
KERNEL = "kernel"
# where kallsyms says no end
AT_MOST = 1 << 16
PAGE = 4096
FUNC, IFUNC, NOTYPE = 2, 10, 0
GLOBAL = 1
EXECUTABLE = 4
SYMTAB, DYNSYM = 2, 11
INTERRUPTED = re.compile(r"asm_(sysvec_|common_interrupt|spurious|exc_nmi)|(irq|spurious)_entries_start$")
THUNKS = re.compile(r"__x86_indirect_|__x86_return_thunk|(retbleed|srso)\w*_thunk|its_return_thunk|call_depth_return_thunk")
# how the names begin that one of these two may fit
MARKED = ("asm_", "irq_", "spurious_", "__x86_", "retbleed", "srso", "its_", "call_depth_")
# parts of a function that the compiler has put elsewhere or made for some of its callers
PART = re.compile(r"(\.(cold|part|constprop|isra|lto_priv|llvm)(\.\d+)?)+$")


class Range(typing.NamedTuple):
    """Of the kernel's addresses, or of places in the code of a process."""

    start: int
    end: int
    name: str
    module: str
    flags: int


def better(name, is_global):
    """Of several names for one address the one to show, lowest first."""
    return not is_global, len(name) - len(name.lstrip("_")), len(name), name


def flags_of(name):
    flags = ROLES.get(name, 0) | (0 if ".cold" in name else ENTRY)
    if name.startswith(MARKED):
        flags |= (INTERRUPT if INTERRUPTED.match(name) else 0) | (THUNK if THUNKS.match(name) else 0)
    return flags


def whole(name):
    """The function that a part with this name is of."""
    return PART.sub("", name) if "." in name else name


def kernel(kallsyms):
    """Ranges of the kernel and its modules."""
    found = {}
    for line in kallsyms.splitlines():
        address, kind, name, *module = line.split()
        if kind in "tTwW":
            key = (better(name, kind == "T"), name, module[0].strip("[]") if module else KERNEL)
            at = int(address, 16)
            if at not in found or key < found[at]:
                found[at] = key
    if not any(found):
        raise Failure("/proc/kallsyms: shows no addresses; it does to root")
    starts = sorted(found)
    return [
        Range(start, min(end, start + AT_MOST), whole(found[start][1]), found[start][2], flags_of(found[start][1]))
        for start, end in zip(starts, [*starts[1:], 1 << 64])
    ]


@dataclasses.dataclass
class Elf:
    """What a program or library says of its functions."""

    # (file offset, virtual address, size) of what is loaded
    loads: list
    # (start, end, name, kind), of what has no symbols the sections
    functions: list
    data: bytes

    @classmethod
    def read(cls, data, path):
        if data[:6] != b"\x7fELF\x02\x01":
            raise Failure(f"{path}: no program or library for a 64-bit machine")
        (phoff, shoff) = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", data, 54)
        loads = []
        for at in range(phoff, phoff + phnum * phentsize, phentsize):
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
            if kind == 1:
                loads.append((offset, address, size))
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + n * shentsize) for n in range(shnum)]
        return cls(loads, cls.symbols(data, sections, shstrndx), data)

    @staticmethod
    def text(data, at):
        return data[at : data.index(b"\0", at)].decode(errors="replace")

    @classmethod
    def symbols(cls, data, sections, names):
        code = [s for s in sections if s[2] & EXECUTABLE]
        table = next((s for kind in (SYMTAB, DYNSYM) for s in sections if s[1] == kind), None)
        found = {}
        for at in range(table[4], table[4] + table[5], 24) if table else ():
            name, info, _, index, value, size = struct.unpack_from("<IBBHQQ", data, at)
            kind, is_global = info & 15, info >> 4 == GLOBAL
            if not 0 < index < len(sections) or not sections[index][2] & EXECUTABLE:
                continue
            if kind in (FUNC, IFUNC) or kind == NOTYPE and is_global:
                word = cls.text(data, sections[table[6]][4] + name)
                key = (better(word, is_global), word, size)
                if value not in found or key < found[value]:
                    found[value] = key
        functions = []
        for _, _, _, start, _, size, *_ in code:
            inside = sorted(at for at in found if start <= at < start + size)
            for at, after in zip(inside, [*inside[1:], start + size]):
                _, word, length = found[at]
                functions.append((at, min(after, at + length) if length else after, whole(word), flags_of(word)))
        for name, _, _, start, _, size, *_ in code:
            word = cls.text(data, sections[names][4] + name)
            stub = word.startswith(".plt")
            functions += cls.gaps(functions, start, start + size, "plt" if stub else "no symbol", ENTRY | THUNK if stub else 0)
        return sorted(functions)

    @staticmethod
    def gaps(functions, start, end, name, flags):
        """What lies in a section between its functions."""
        found = []
        for low, high, *_ in sorted(each for each in functions if start <= each[0] < end):
            if low > start:
                found.append((start, low, name, flags))
            start = max(start, high)
        return [*found, (start, end, name, flags)] if start < end else found


def program(maps, read):
    """Ranges of a process and its code, in pages: maps as in /proc/PID/maps; read(path) gives a file or None where there is none."""
    ranges, code, known = [], bytearray(), {}
    for line in maps.splitlines():
        span, access, offset, _, _, *path = line.split(maxsplit=5)
        if "x" not in access or not path or path[0] == "[vsyscall]":
            continue
        low, high = (int(end, 16) for end in span.split("-"))
        if path[0] not in known:
            data = read(path[0])
            known[path[0]] = Elf.read(data, path[0]) if data else None
        elf = known[path[0]]
        if not elf:
            continue
        offset = int(offset, 16)
        # whole pages are mapped, from before where a part of the file begins
        load = min(elf.loads, key=lambda each: abs(each[0] // PAGE * PAGE - offset))
        first = load[1] - load[0] + offset
        module = os.path.basename(path[0]).strip("[]")
        for start, end, name, flags in elf.functions:
            if first <= start < end <= first + high - low:
                ranges.append(Range(len(code) + start - first, len(code) + end - first, name, module, flags))
        code += elf.data[offset : offset + high - low].ljust(high - low, b"\0")
    return ranges, bytes(code)


def code(files):
    """Ranges of programs and libraries and their code, in pages as they are mapped: files are (module, contents)."""
    ranges, pages = [], bytearray()
    for module, data in files:
        elf = Elf.read(data, module)
        for offset, address, size in elf.loads:
            first, end = offset // PAGE * PAGE, -(-(offset + size) // PAGE) * PAGE
            # where the part's first address of all lies among the pages
            base = len(pages) + offset - first - address
            inside = [each for each in elf.functions if address <= each[0] < each[1] <= address + size]
            if inside:
                ranges += [Range(base + start, base + stop, name, module, flags) for start, stop, name, flags in inside]
                pages += data[first:end].ljust(end - first, b"\0")
    return ranges, bytes(pages)


def moved(ranges, before, now):
    """Ranges of the kernel when its modules, {name: address as /proc/modules has it}, lie where they do now."""
    by = {name: int(now[name], 16) - int(at, 16) for name, at in before.items() if name in now}
    shifted = [each._replace(start=each.start + by[each.module], end=each.end + by[each.module])
               if by.get(each.module) else each for each in ranges if each.module not in before or each.module in by]  # fmt: skip
    shifted.sort()
    # of a module's last function the end is a guess
    return [each if each.end <= after.start else each._replace(end=after.start) for each, after in zip(shifted, shifted[1:])] + shifted[-1:]


def save(directory, ranges, code, names=None):
    """The files that the plugin takes; what its numbers mean, as load_names() has it, which goes to the file names too."""
    numbers = {}
    lines = []
    for start, end, name, module, flags in sorted(ranges):
        number = numbers.setdefault((name, module), len(NAMES) + len(numbers))
        lines.append(f"{start:x} {end:x} {number} {flags}\n")
    thunks = {(each.name, each.module) for each in ranges if each.flags & THUNK}
    told = [(*name, False) for name in NAMES] + [(*key, key in thunks) for key in numbers]
    if names:
        results.save_json(names, told)
    with open(os.path.join(directory, "code"), "wb") as file:
        file.write(code)
    # the plugin looks for it, and the guest waits for it
    part = os.path.join(directory, "functions.part")
    with open(part, "w", encoding="ascii") as file:
        file.writelines(lines)
    os.replace(part, os.path.join(directory, "functions"))
    return told


def load_names(path):
    """[(name, module, whether it belongs to its caller)], by number."""
    with open(path, encoding="utf-8") as file:
        return [(name, module, bool(thunk)) for name, module, thunk in json.load(file)]
