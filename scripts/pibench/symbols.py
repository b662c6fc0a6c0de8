# SPDX-License-Identifier: GPL-2.0-only
"""Names for the addresses of the kernel, programs and libraries, as t/bench/insn-plugin.c reads them."""

import os
import re
import struct
import typing

from .errors import Failure

# as in insn-ranges.h: functions without a name, the root of the tree, and the ways code comes to run
UNKNOWN_KERNEL, UNKNOWN_USER, ROOT, INTERRUPTS, THREADS, PROGRAMS = range(6)
NAMES = (
    ("no symbol", "kernel"), ("no symbol", "another program"), ("all", ""),
    ("interrupts", ""), ("kernel threads", ""), ("programs", ""),
)  # fmt: skip
# instructions that the plugin counted, but not in a function
LOST = ("outside the tree", "")
ENTRY, INTERRUPT, SWITCH, THUNK, JOB, BEGIN, END, FAULT = 1, 2, 4, 8, 16, 32, 64, 128
# fio's function that runs a job
OF_JOB = "thread_main"
# what it calls first for each I/O, and first after the last one; the kernel's task switch, and its entry on a page fault
ROLES = {OF_JOB: JOB, "td_io_queue": BEGIN, "close_ioengine": END, "__switch_to_asm": SWITCH, "asm_exc_page_fault": FAULT}
KERNEL = "kernel"
# size of a function at most: kallsyms has no ends
AT_MOST = 1 << 16
PAGE = 4096
FUNC, IFUNC, NOTYPE = 2, 10, 0
GLOBAL = 1
EXECUTABLE = 4
SYMTAB, DYNSYM = 2, 11
INTERRUPTED = re.compile(r"asm_(sysvec_|common_interrupt|spurious|exc_nmi)|(irq|spurious)_entries_start$")
THUNKS = re.compile(r"__x86_indirect_|__x86_return_thunk|(retbleed|srso)\w*_thunk|its_return_thunk|call_depth_return_thunk")
# prefixes of all names that the two patterns match, to save time
MARKED = ("asm_", "irq_", "spurious_", "__x86_", "retbleed", "srso", "its_", "call_depth_")
# suffixes of the parts and copies that the compiler makes of a function
PART = re.compile(r"(\.(cold|part|constprop|isra|lto_priv|llvm)(\.\d+)?)+$")


class Range(typing.NamedTuple):
    """A function: kernel addresses, or offsets into the code of a process."""

    start: int
    end: int
    name: str
    module: str
    flags: int


def better(name, is_global):
    """The sort key of names for one address: the lowest is shown."""
    return not is_global, len(name) - len(name.lstrip("_")), len(name), name


def flags_of(name):
    flags = ROLES.get(name, 0) | (0 if ".cold" in name else ENTRY)
    if name.startswith(MARKED):
        flags |= (INTERRUPT if INTERRUPTED.match(name) else 0) | (THUNK if THUNKS.match(name) else 0)
    return flags


def whole(name):
    """The name of the function that a part belongs to."""
    return PART.sub("", name) if "." in name else name


def kernel(kallsyms):
    """The functions of the kernel and its modules, from the text of /proc/kallsyms."""
    found = {}
    for line in kallsyms.splitlines():
        address, kind, name, *module = line.split()
        if kind in "tTwW":
            key = (better(name, kind == "T"), name, module[0].strip("[]") if module else KERNEL)
            at = int(address, 16)
            if at not in found or key < found[at]:
                found[at] = key
    if not any(found):
        raise Failure("/proc/kallsyms: shows no addresses; run as root")
    starts = sorted(found)
    return [
        Range(start, min(end, start + AT_MOST), whole(found[start][1]), found[start][2], flags_of(found[start][1]))
        for start, end in zip(starts, [*starts[1:], 1 << 64])
    ]


class Elf(typing.NamedTuple):
    """The functions of a program or library."""

    # (file offset, virtual address, size) of each loaded segment
    loads: list
    # (start, end, name, flags); where there are no symbols, the sections
    functions: list

    @classmethod
    def read(cls, data, path):
        if data[:6] != b"\x7fELF\x02\x01":
            raise Failure(f"{path}: not a 64-bit program or library")
        phoff, shoff = struct.unpack_from("<QQ", data, 32)
        phentsize, phnum, shentsize, shnum, shstrndx = struct.unpack_from("<HHHHH", data, 54)
        loads = []
        for at in range(phoff, phoff + phnum * phentsize, phentsize):
            kind, _, offset, address, _, size = struct.unpack_from("<IIQQQQ", data, at)
            if kind == 1:
                loads.append((offset, address, size))
        sections = [struct.unpack_from("<IIQQQQIIQQ", data, shoff + n * shentsize) for n in range(shnum)]
        return cls(loads, cls.symbols(data, sections, shstrndx))

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
        """The parts of a section between its functions."""
        found = []
        for low, high, *_ in sorted(each for each in functions if start <= each[0] < end):
            if low > start:
                found.append((start, low, name, flags))
            start = max(start, high)
        return [*found, (start, end, name, flags)] if start < end else found


def code(files):
    """The functions of programs and libraries, and their code as it is mapped; files are (module, contents)."""
    ranges, pages = [], bytearray()
    for module, data in files:
        elf = Elf.read(data, module)
        for offset, address, size in elf.loads:
            first, end = offset // PAGE * PAGE, -(-(offset + size) // PAGE) * PAGE
            # where address 0 would lie in the pages
            base = len(pages) + offset - first - address
            inside = [each for each in elf.functions if address <= each[0] < each[1] <= address + size]
            if inside:
                ranges += [Range(base + start, base + stop, name, module, flags) for start, stop, name, flags in inside]
                pages += data[first:end].ljust(end - first, b"\0")
    return ranges, bytes(pages)


def moved(ranges, before, now):
    """The functions of the kernel after its modules have moved; before and now are {name: address} as in /proc/modules."""
    by = {name: int(now[name], 16) - int(at, 16) for name, at in before.items() if name in now}
    shifted = [each._replace(start=each.start + by[each.module], end=each.end + by[each.module])
               if by.get(each.module) else each for each in ranges if each.module not in before or each.module in by]  # fmt: skip
    shifted.sort()
    # the end of a module's last function is a guess
    return [each if each.end <= after.start else each._replace(end=after.start) for each, after in zip(shifted, shifted[1:])] + shifted[-1:]


def save(directory, ranges, code):
    """Write the files that the plugin reads; return [(name, module, whether it is a thunk)] by the numbers in them."""
    numbers = {}
    lines = []
    for start, end, name, module, flags in sorted(ranges):
        number = numbers.setdefault((name, module), len(NAMES) + len(numbers))
        lines.append(f"{start:x} {end:x} {number} {flags}\n")
    thunks = {(each.name, each.module) for each in ranges if each.flags & THUNK}
    with open(os.path.join(directory, "code"), "wb") as file:
        file.write(code)
    # the plugin looks for this file, and the guest waits until it is gone
    part = os.path.join(directory, "functions.part")
    with open(part, "w", encoding="ascii") as file:
        file.writelines(lines)
    os.replace(part, os.path.join(directory, "functions"))
    return [(*name, False) for name in NAMES] + [(*key, key in thunks) for key in numbers]
