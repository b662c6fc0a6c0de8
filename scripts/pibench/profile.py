# SPDX-License-Identifier: GPL-2.0-only
"""Instructions by function: the call tree that t/bench/insn-plugin.c writes, sorted into rooms, and the difference of two."""

import dataclasses
import itertools
import re
import statistics

from . import symbols

FIO, ENGINE, CHECKSUM, URING, BLOCK, INTEGRITY, PINNING, SLAB, DRIVER, DRIVE, ENTRY, OTHERS, UNEXPLAINED = ROOMS = (
    "fio", "engine", "checksum", "io_uring", "block layer", "integrity", "pinning", "slab", "driver", "emulated drive",
    "entry and exit", "interrupts and others", "unexplained",
)  # fmt: skip
HOST = "host"
# not part of what the system takes for an I/O
APART = (DRIVE, OTHERS, UNEXPLAINED)
# a smaller difference of a function, in instructions per I/O, is ignored
LEAST = 0.5


@dataclasses.dataclass
class Node:
    """A function called from one stack, and the instructions of its own, without its callees'."""

    name: str
    module: str
    instructions: int = 0
    calls: int = 0
    children: dict = dataclasses.field(default_factory=dict)
    room: str = OTHERS

    @property
    def key(self):
        return self.name, self.module

    @property
    def total(self):
        return self.instructions + sum(child.total for child in self.children.values())

    def child(self, name, module):
        return self.children.setdefault((name, module), Node(name, module))

    def walk(self, path=()):
        """(path from the root, node) of every node."""
        here = (*path, self)
        yield here, self
        for child in self.children.values():
            yield from child.walk(here)


def read_counts(path):
    """(total instructions, ['parent function instructions calls']) from a file of the plugin's."""
    with open(path, encoding="ascii") as file:
        return int(next(file)), file.read().splitlines()


NOTHING = 0, []


def difference(before, after):
    """What was counted between two files: (total instructions, {number: row}) of the changed nodes and their ancestors."""
    rows = {}
    for at, (old, new) in enumerate(itertools.zip_longest(before[1], after[1], fillvalue="0 0 0 0")):
        if old != new:
            parent, function, instructions, calls = map(int, new.split())
            was = old.split()
            rows[at + symbols.ROOT] = parent, function, instructions - int(was[2]), calls - int(was[3])
    for number in list(rows):
        while (number := rows[number][0]) not in rows:
            parent, function, *_ = map(int, after[1][number - symbols.ROOT].split())
            rows[number] = parent, function, 0, 0
    return after[0] - before[0], rows


def beyond(more, less):
    """The first of two differences less the second."""
    rows = {number: (parent, function, -instructions, -calls) for number, (parent, function, instructions, calls) in less[1].items()}
    for number, (parent, function, instructions, calls) in more[1].items():
        _, _, taken, called = rows.get(number, (0, 0, 0, 0))
        rows[number] = parent, function, instructions + taken, calls + called
    return more[0] - less[0], rows


def tree(counts, names):
    """The root of the tree; a thunk counts for its caller, and what is in no function is a node of its own."""
    executed, rows = counts
    nodes = {}
    root = Node(*symbols.NAMES[symbols.ROOT])
    for number, (parent, function, instructions, calls) in sorted(rows.items()):
        name, module, is_thunk = names[function]
        if number == symbols.ROOT:
            nodes[number] = root
        elif is_thunk and parent in nodes:
            nodes[number] = nodes[parent]
            calls = 0
        else:
            nodes[number] = nodes[parent].child(name, module)
        nodes[number].instructions += instructions
        nodes[number].calls += calls
    lost = executed - root.total
    if lost:
        root.child(*symbols.LOST).instructions = lost
    return root


# The room of a kernel function is the first pattern that matches; others (locks, copies, lists) are in their caller's room.
KERNEL_ROOMS = (
    (INTEGRITY, re.compile(r"\w*integrity|t10_pi_|ext_pi_|io_prep_rw_pi|io_uring_attr|io_\w*_(pi|meta)(_|$)")),
    (PINNING, re.compile(r"iov_iter_extract|pin_user|_*unpin_|_*gup_|_*get_user_pages|try_grab_folio|_*bio_release_pages|bio_iov_iter_")),
    (SLAB, re.compile(r"_*k[mzv]*alloc|_*kv?free|_*kmem_cache_|_*slab_|mempool_|refill_objects|get_from_partial")),
    (URING, re.compile(r"_*(x64_sys_|se_sys_|do_sys_)?io_(?!schedule|apic|bitmap)|_*(x64_sys_|se_sys_|do_sys_)io_uring")),
    (BLOCK, re.compile(r"_*(blk|bio|bdev|blkdev|blkcg|submit_bio|sbitmap|rq_qos|elv|dd_|wbt|disk|part_stat|update_io_ticks|iocb_|kiocb_)")),
    (DRIVER, re.compile(r"_*(scsi|sd|nvme)_")),
    (ENTRY, re.compile(r"entry_SYSCALL|do_syscall_64|x64_sys_call|syscall_(enter|exit|return|trace)|swapgs_|(arch_)?exit_to_user_mode")),
)  # fmt: skip
CHECKSUMS = re.compile(r"_*(crc|arch_crc|csum|do_csum|ip_compute_csum)|guard_|\w+_(crc|csum)(_|$)")
# all functions of a module, and the names of the drives' functions where they are built in
MODULES = {"scsi_debug": DRIVE, "null_blk": DRIVE, "scsi_mod": DRIVER, "sd_mod": DRIVER, "nvme": DRIVER, "nvme_core": DRIVER}
DRIVES = re.compile(r"null_|scsi_debug_|sdebug_|schedule_resp|resp_|do_device_access|dif_(verify|copy)|prot_verify")
# part of an I/O even when an interrupt or a kernel thread does it
ANYWHERE = (URING, BLOCK, INTEGRITY, DRIVER, DRIVE)
# rooms that keep their functions when a drive calls them; anything else it calls is the drive's
ABOVE = (URING, BLOCK, INTEGRITY, DRIVER)
PROGRAM = (FIO, ENGINE, CHECKSUM)
LIBRARIES = ("vdso",)


def kernel_room(node, caller):
    """The room of a kernel function that was called from the room `caller`."""
    room = MODULES.get(node.module) or DRIVES.match(node.name) and DRIVE
    if not room and CHECKSUMS.match(node.name):
        room = CHECKSUM
    room = room or next((room for room, names in KERNEL_ROOMS if names.match(node.name)), None)
    if caller == DRIVE and room not in ABOVE or caller == OTHERS and room not in ANYWHERE:
        return caller
    return room or (ENTRY if caller in PROGRAM else caller)


def room_of(node, caller, by_program):
    """The room of a node that was called from the room `caller`; programs other than fio's job have none."""
    if node.key in (symbols.LOST, symbols.NAMES[symbols.UNKNOWN_KERNEL]):
        return UNEXPLAINED
    if node.name == symbols.OF_JOB:
        return FIO
    if by_program and caller == OTHERS or not node.module:
        return OTHERS
    if node.module == "fio":
        return FIO
    if node.module == "engine":
        return CHECKSUM if caller == CHECKSUM or CHECKSUMS.match(node.name) else ENGINE
    if node.module in LIBRARIES or ".so" in node.module:
        return caller
    return kernel_room(node, caller)


def settle(root):
    """Give each node its room, which depends on its caller."""

    def visit(node, caller, by_program):
        node.room = room_of(node, caller, by_program)
        for child in node.children.values():
            visit(child, node.room, by_program)

    root.room = OTHERS
    for child in root.children.values():
        visit(child, OTHERS, child.key == symbols.NAMES[symbols.PROGRAMS])
    if threads := root.children.get(symbols.NAMES[symbols.THREADS]):
        employ(threads)


def employ(threads):
    """Give the waiting and waking of kernel threads to the room they work for, if the work is more than the waiting."""
    idle = [node for _, node in threads.walk() if node.room == OTHERS]
    work = {}
    for node in idle:
        for child in node.children.values():
            if child.room != OTHERS:
                work[child.room] = work.get(child.room, 0) + child.total
    # negative if the short run, which was subtracted, had more of it
    if sum(work.values()) > max(0, sum(node.instructions for node in idle)):
        employer = max(work, key=work.get)
        for node in idle:
            node.room = employer


@dataclasses.dataclass
class Profile:
    """The instructions of a number of I/Os."""

    ios: int
    root: Node
    # {(room, name, module): figures of the modelled caches per I/O}
    memory: dict = dataclasses.field(default_factory=dict)

    def per_io(self, instructions):
        return instructions / self.ios

    @property
    def total(self):
        return self.per_io(self.root.total)

    def rooms(self):
        """{room: instructions per I/O} of the rooms that have any, in the order of ROOMS."""
        found = dict.fromkeys(ROOMS, 0)
        for _, node in self.root.walk():
            found[node.room] += node.instructions
        return {room: self.per_io(value) for room, value in found.items() if value}

    def parts(self):
        """{HOST, DRIVE, OTHERS: instructions per I/O}: the system under test, and what is not part of it."""
        rooms = self.rooms()
        apart = {room: rooms.get(room, 0) for room in APART}
        return {HOST: self.total - sum(apart.values()), **{room: value for room, value in apart.items() if value}}

    def functions(self):
        """{(room, name, module): (own instructions, calls) per I/O}"""
        found = {}
        for _, node in self.root.walk():
            had = found.get((node.room, *node.key), (0, 0))
            found[(node.room, *node.key)] = had[0] + node.instructions, had[1] + node.calls
        return {key: (self.per_io(own), self.per_io(calls)) for key, (own, calls) in found.items() if own or calls}

    def folded(self):
        """The stacks as flamegraph.pl reads them, with the instructions of all I/Os."""
        for path, node in self.root.walk():
            if node.instructions > 0:
                yield f"{';'.join(each.name.replace(';', ':').replace(' ', '_') for each in path[1:] or path)} {node.instructions}"

    def save(self):
        """The profile as JSON, without the nodes that took nothing."""

        def visit(node):
            children = [saved for child in node.children.values() if (saved := visit(child))]
            if node.instructions or node.calls or children:
                return [node.name, node.module, node.instructions, node.calls, node.room, children]
            return None

        touched = [[key, values] for key, values in self.memory.items()]
        return {"ios": self.ios, "root": visit(self.root), **({"memory": touched} if touched else {})}

    @classmethod
    def load(cls, saved):
        def visit(name, module, instructions, calls, room, children):
            below = [visit(*child) for child in children]
            return Node(name, module, instructions, calls, {child.key: child for child in below}, room)

        return cls(saved["ios"], visit(*saved["root"]), {tuple(key): values for key, values in saved.get("memory", ())})


def differences(old, new):
    """[(room, name, module, instructions per I/O in old, in new)], the largest difference first; None where a side has none."""
    before, after = old.functions(), new.functions()
    found = [(*key, before.get(key, (None,))[0], after.get(key, (None,))[0]) for key in {**before, **after}]
    return sorted(found, key=lambda row: (-abs((row[4] or 0) - (row[3] or 0)), row[:3]))


def by_name(profile):
    """{function: own instructions per I/O}, without other activity, and without the vDSO: reading the clock varies."""
    found = {}
    for (room, name, module), (own, _) in profile.functions().items():
        if room not in (OTHERS, UNEXPLAINED) and module not in LIBRARIES:
            found[name] = found.get(name, 0) + own
    return found


def compare(old, new):
    """[(function, change in instructions per I/O)], the largest first, of two lists of profiles, one for each round.

    A function counts if its range over the rounds of one does not overlap that of the other.
    """
    before, after = ([by_name(each) for each in rounds] for rounds in (old, new))
    changed = []
    for name in {name: None for each in (*before, *after) for name in each}:
        was, now = (sorted(each.get(name, 0) for each in rounds) for rounds in (before, after))
        apart = now[0] > was[-1] or now[-1] < was[0]
        more = statistics.median(now) - statistics.median(was)
        if apart and abs(more) >= LEAST:
            changed.append((name, round(more)))
    return sorted(changed, key=lambda each: (-abs(each[1]), each[0]))


def middle(rounds):
    """The profile of the median round."""
    return sorted(rounds, key=lambda each: each.total)[(len(rounds) - 1) // 2]


@dataclasses.dataclass
class Both:
    """A function called from one stack, and its own instructions per I/O in two profiles."""

    name: str
    module: str
    room: str
    before: float
    after: float
    children: dict

    @property
    def totals(self):
        found = [child.totals for child in self.children.values()]
        return self.before + sum(each[0] for each in found), self.after + sum(each[1] for each in found)


def difference_tree(old, new):
    """The root of the tree of both."""
    nothing = Node("", "")

    def visit(before, after):
        children = {}
        for key in {**before.children, **after.children}:
            children[key] = visit(before.children.get(key, nothing), after.children.get(key, nothing))
        one = after if before is nothing else before
        return Both(one.name, one.module, one.room, old.per_io(before.instructions), new.per_io(after.instructions), children)

    return visit(old.root, new.root)
