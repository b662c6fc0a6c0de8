# SPDX-License-Identifier: GPL-2.0-only
"""Results as pi-bench run would leave them, of any size, without running anything."""

import itertools
import json
import pathlib
import random

from pibench import catalog, cells, plot, results

LAYOUTS = catalog.layouts()
# instructions per I/O beyond plain, generation and verification apart
ATTRIBUTE = dict(zip(LAYOUTS, itertools.cycle((118, 112, 300, 70, 75, 60, 263, 178, 82))))
KERNEL = {cells.AUTOPI: 24000, cells.NOVERIFY: 8200, cells.NOPI: 8000, cells.PI: 14500}


CELLS = cells.load(layouts=("indirect",))
WORKLOADS = tuple(dict.fromkeys(cell.workload for cell in CELLS))
ARMS = tuple(dict.fromkeys(cell.arm for cell in CELLS))


def cost(cell):
    """Instructions per I/O: made up, but of the right size."""
    kib = cell.workload.block_size // 1024
    total = KERNEL.get(cell.arm.state, 8100) + 2600 + 700 * kib
    if cell.arm.has_pi:
        share = cell.workload.mix / 100
        ring = 900 if catalog.sqe(cell.arm.layout) == "128" else 0
        total += (ATTRIBUTE.get(cell.arm.layout, 500) * 10 + 500 * kib) * share + ring
    return total


def timed(cell, ios):
    """What the engine's clocks tell."""
    pi = 500 * (cell.workload.block_size // 1024) if cell.arm.has_pi else 0
    side = "generate" if cell.workload.direction == "write" else "verify"
    ns = dict.fromkeys(("generate", "verify", "submit", "wait"), 0) | {side: pi * ios, "submit": KERNEL.get(cell.arm.state, 8100) * ios}
    return {"schema": 1, "clock_ns": 0, "ns": ns, "calls": dict.fromkeys(ns, 0)}


def record(kind, cell, number, mode, session, value, **more):
    ios = 1000
    scale = 1 if mode == cells.INSTRUCTIONS else 0.4
    return {
        "kind": kind, "session": session, "mode": mode, "icount": mode != cells.TIME, "seed": 1, "read_only": False,
        "cell": cell.name, "round": number, "step": f"{number}.{cell.name}", "build": "", "reference": "", "fio": "fio-3.41",
        "ios": ios, "bytes": ios * cell.workload.block_size, "runtime_ns": round(value * ios * scale), "window_ns": round(value * ios),
        "counted": ios, "idle_ns": 0, "cpu_ns": round(value * ios * 0.7), "threads": {}, "wall_ns": round(value * ios * scale),
        "start_ns": 400_000_000, "resident": 4 << 20, "latency_ns": value * 1.1,
        "percentiles_ns": {"50": value, "90": value * 1.4, "99": value * 2, "99.9": value * 9}, **more,
    }  # fmt: skip


DRIVE, OTHERS = 3000, 11


def rooms(record):
    """The same instructions by function."""
    apart = {"emulated drive": DRIVE * record["counted"], "interrupts and others": OTHERS * record["counted"]}
    left = record["window_ns"] - sum(apart.values())
    rest = {room: left // 40 for room in plot.ROOMS if room not in (*apart, "fio", "block layer")}
    return {**apart, **rest, "fio": left // 4, "block layer": left - left // 4 - sum(rest.values())}


def raw(out, rng, cell, value):
    """fio's own output, for the tail of the latencies."""
    bins = {}
    for _ in range(3000):
        at = round(value * (1 + rng.expovariate(4) + (rng.expovariate(0.2) if rng.random() < 0.01 else 0)))
        bins[str(at)] = bins.get(str(at), 0) + 1
    name = f"raw/{len(list((out / 'raw').iterdir())):05d}.json"
    (out / name).write_text(json.dumps({"jobs": [{cell.workload.direction: {"clat_ns": {"bins": bins}}}]}))
    return name


def write(out, chosen, mode=cells.INSTRUCTIONS, rounds=3, session="scsi_debug", noise=0.0005, seed=1, by_function=False, seconds=0):
    """A directory of results of these cells, of so many seconds each."""
    out = pathlib.Path(out)
    (out / "raw").mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    results.save_json(out / "env.json", {
        "command": "scripts/pi-bench run --guest", "guest": "TCG, Linux 7.3.4, QEMU 10.0.2",
        "host": {"fio": "fio-3.41", "fio_sha256": "0" * 64, "engine_commit": "0123456789abcdef", "cpu": "synthetic"},
        "sessions": {session: {"kernel": "Linux 7.3.4", "governor": "performance", "virtualisation": "none"}},
        "fingerprints": {session: {"kernel": "Linux 7.3.4"}},
    })  # fmt: skip
    reference = cells.reference(chosen)

    def put(found):
        results.append(out / results.NAME, {**found, "rooms": rooms(found)} if by_function else found)

    for number in range(rounds + 1):
        for cell in chosen:
            value = cost(cell) * rng.lognormvariate(0, noise)
            more = {"raw": raw(out, rng, cell, value)} if mode == cells.TIME and number else {}
            if seconds:
                rate = cell.workload.block_size * 1e3 / value
                more["seconds"] = [rate * (1 - at / 100) * rng.lognormvariate(0, 0.05) for at in range(seconds)]
            put(record("run", cell, number, mode, session, value, **more))
        for end in (cells.FIRST, cells.LAST) if reference else ():
            value = cost(reference) * rng.lognormvariate(0, noise)
            put(record("run", reference, number, mode, session, value, reference=end))
    for cell in chosen:
        if mode != cells.CPU and cell.arm.engine == cells.OURS and not by_function:
            about = record("timed", cell, rounds + 1, mode, session, cost(cell), stats=timed(cell, 1000))
            results.append(out / results.NAME, about)
    return out


def compared(out, chosen, slower=0.0, mode=cells.INSTRUCTIONS, boots=3, rounds=1, noise=0.0001, seed=1, more=None):
    """A directory of a comparison, the new build slower by a share or, counted by function, by so many instructions."""
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    results.save_json(out / "env.json", {"command": "scripts/pi-bench compare OLD NEW --guest", "kind": "compare",
                                         "compare": {"old": "a", "new": "b"}})  # fmt: skip
    for boot in range(1, boots + 1):
        for number in range(rounds + 1):
            for cell in chosen:
                for build in (cells.OLD, cells.NEW, cells.NEW, cells.OLD):
                    value = cost(cell) * rng.lognormvariate(0, noise) * (1 + slower * (build == cells.NEW))
                    value += (more or 0) * (build == cells.NEW)
                    about = record("run", cell, number, mode, f"boot{boot}", value, build=build)
                    results.append(out / results.NAME, about if more is None or not number else {**about, "rooms": rooms(about)})
    return out


def matrix(sets, layouts=LAYOUTS):
    return cells.load(sets=sets, layouts=layouts)
