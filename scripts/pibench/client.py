# SPDX-License-Identifier: GPL-2.0-only
"""Several machines at once: fio's client sends each job to all of them, where fio --server does it."""

import collections
import os
import re
import tempfile

from . import cells, device, fio
from .errors import Failure, IoFailure

PORT = 8765
HOST = re.compile(r"(?:ip[46]?:)?([\w.:-]+)(?:,(\d+))?")
ALL = "All clients"
# of a drive, as much as there is: from the start on
REGIONS = (cells.REGION[cells.TIME], 1 << 30, 256 << 20, 64 << 20)
BLOCK = 64 << 10
# reads one block with every check: what the engine says of that tells what the drive has
LOOK = """\
[look]
filename={path}
rw=read
bs={block}
size={block}
offset={offset}
direct=1
allow_file_create=0
ioengine={engine}
"""
CHECKS = "GUARD,REFTAG,APPTAG"


def hosts(given):
    """As fio spells them, a number after a comma being a port; several in one option, too."""
    found = [host for option in given for host in re.split(r",(?!\d+(?:,|$))", option)]
    for host in found:
        if not HOST.fullmatch(host):
            raise Failure(f"--client: '{host}' is no host; give HOST or HOST,PORT, on which fio --server runs")
        if os.path.exists(host):
            raise Failure(f"--client {host}: is a file; name the hosts themselves")
    if len(set(map(key, found))) < len(found):
        raise Failure("--client: names a host twice; give each once")
    return tuple(found)


def key(host):
    """What fio's JSON calls it."""
    name, port = HOST.fullmatch(host).groups()
    return name, int(port or PORT)


def command(argv, clients):
    """That which each of the hosts is to do: options of the job stand behind its host."""
    program, *options, jobs = argv
    mine = [word for word in options if word.startswith("--section=")]
    return [program, *(word for word in options if word not in mine), *(
        word for host in clients for word in (f"--client={host}", *mine, jobs))]  # fmt: skip


def complaint(done):
    """The line that says best what went wrong, on whichever host."""
    text = done.stderr + "\n" + done.stdout.split("\n{", 1)[0]
    said = [line.strip() for each in text.splitlines() if (line := re.sub(r"^<[^>]*> ?", "", each)).strip()]
    ours = [line for line in said if line.startswith("io_uring_pi:")] or [line for line in said if line.startswith("fio: ")]
    return (ours or said or ["no message"])[0]


def heard(done, clients, direction, expected):
    """(fio's JSON, {host: its part}); refuses what any host has not done."""
    failed = next((line for line in done.stderr.splitlines() if "failed to connect" in line), None)
    if failed:
        host = next((host for host in clients if failed.rpartition("to ")[2] in ("%s:%d" % key(host), key(host)[0])), clients[0])
        why = next(iter(re.findall(r"connect: (.*)", done.stderr)), "no answer")
        raise Failure(f"{host}: {why}; start fio --server there")
    parsed = fio.parse(done.stdout) or {}
    parts = {(part["hostname"], part["port"]): part for part in parsed.get("client_stats", ()) if part["jobname"] != ALL}
    bad = [host for host in clients
           if not (part := parts.get(key(host))) or part["error"] or part[direction]["total_ios"] != expected]  # fmt: skip
    if bad or done.returncode:
        raise IoFailure(f"{', '.join(bad) or 'fio'}: {complaint(done)}")
    return parsed, {host: parts[key(host)] for host in clients}


def result(done, clients, direction, expected):
    """What all did together: rates are added up, latencies are those of all I/Os.

    As fio's "All clients", which is not always there: a host that ends before the next one begins is not in it.
    """
    parsed, parts = heard(done, clients, direction, expected)
    each = {host: fio.figures(part, direction) for host, part in parts.items()}
    ios, size, switches = (sum(one[name] for one in each.values()) for name in ("ios", "bytes", "context_switches"))
    bins = merged([part[direction]["clat_ns"] for part in parts.values()])
    return parsed, {
        "fio": parsed.get("fio version"),
        "ios": ios,
        "bytes": size,
        "runtime_ns": ios / sum(one["ios"] / one["runtime_ns"] for one in each.values()),
        "latency_ns": sum(one["latency_ns"] * one["ios"] for one in each.values()) / ios,
        "percentiles_ns": {name: percentile(bins, float(name)) for name in next(iter(each.values()))["percentiles_ns"]},
        "context_switches": switches,
        "hosts": each,
    }


def merged(latencies):
    """{ns: I/Os} of several."""
    found = collections.Counter()
    for each in latencies:
        found.update({int(at): number for at, number in each.get("bins", {}).items()})
    return found


def percentile(bins, share):
    """As fio reads it off its buckets, or None."""
    done, wanted = 0, sum(bins.values()) * share / 100
    for at in sorted(bins):
        done += bins[at]
        if done >= wanted:
            return at
    return None


def ask(tools, clients, **values):
    """The line in which a host refuses, or none."""
    with tempfile.NamedTemporaryFile("w", suffix=".fio") as file:
        file.write(LOOK.format(block=BLOCK, **values))
        file.flush()
        done = fio.run(command([tools.fio, "--output-format=json", "--eta=never", file.name], clients), {}, 60)
    try:
        heard(done, clients, "read", 1)
    except IoFailure as failure:
        return str(failure)
    return ""


def look(tools, clients, path):
    """(path, bytes to use, checks or none) of a drive that all of the hosts have alike; what is wrong there is said now."""
    for size in REGIONS:
        said = ask(tools, clients, path=path, offset=size - BLOCK, engine="psync")
        if not said:
            break
    else:
        raise Failure(f"{said} ({path}, its first {size >> 20} MiB)")
    found = {}
    for host in clients:
        said = ask(tools, (host,), path=path, offset=0, engine=f"external:{tools.engine}\npi_chk={CHECKS}")
        if "no protection information" in said:
            found[host] = ""
        elif "type 3" in said:
            found[host] = CHECKS.replace("REFTAG,", "")
        elif not said or "expected 0x" in said:
            found[host] = CHECKS
        else:
            raise Failure(said)
    first, *others = clients
    for host in others:
        if found[host] != found[first]:
            raise Failure(f"{host}: {path} has {found[host] or 'no protection information'}, on {first} {found[first] or 'none'}; "
                          "give hosts whose drives are alike")  # fmt: skip
    return path, size, found[first]


def drive(path, size, checks):
    """The Device at a path of other machines."""
    name = os.path.basename(path)
    return device.Device(path, name, name, size, 0, device.Pi("", 0, 0, "REFTAG" in checks) if checks else None)


def without(cell):
    """Why a cell is not for drives of other machines, or None."""
    if cell.arm.state == cells.NOVERIFY:
        return "--client changes no settings of drives"
    if cell.arm.has_pi and cell.arm.engine != cells.OURS:
        return "with --client it is not known how much metadata a drive has, which fio's own engine must be told"
    return "--client: one file of each host" if cell.workload.files > 1 else None


def notes(session):
    return [
        f"{session.name}: each job was sent to {', '.join(session.hosts)} at once; fio starts them one after the other. I/O per "
        "second and throughput are sums, latencies those of all I/Os, as fio's \"All clients\" has them. What CPU the hosts took "
        "and what else they did is not known here, nor how their drives are set: plain-autopi is as each host has it."
    ]
