# SPDX-License-Identifier: GPL-2.0-only
"""Several machines at once: fio's client sends each job to every host that runs fio --server."""

import os
import re
import tempfile

from . import cells, device, fio
from .errors import Failure, IoFailure

PORT = 8765
HOST = re.compile(r"(?:ip[46]?:)?([\w.:-]+)(?:,(\d+))?")
ALL = "All clients"
# bytes of a drive to use, from its start: the first of these that it has
REGIONS = (cells.REGION[cells.TIME], 1 << 30, 256 << 20, 64 << 20)
BLOCK = 64 << 10
# reads one block with every check: the engine's refusal tells what PI the drive has
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
    """The hosts of all --client options, each of which may list several; a number after a comma is a port."""
    found = [host for option in given for host in re.split(r",(?!\d+(?:,|$))", option)]
    for host in found:
        if not HOST.fullmatch(host):
            raise Failure(f"--client: '{host}' is not a host; give HOST or HOST,PORT where fio --server runs")
        if os.path.exists(host):
            raise Failure(f"--client {host}: is a file; name the hosts themselves")
    if len(set(map(key, found))) < len(found):
        raise Failure("--client: a host is named twice; give each once")
    return tuple(found)


def key(host):
    """(name, port), as fio's JSON has them."""
    name, port = HOST.fullmatch(host).groups()
    return name, int(port or PORT)


def command(argv, clients):
    """The command line that sends a job to each host: --section= has to follow the host it is for."""
    program, *options, jobs = argv
    section = [word for word in options if word.startswith("--section=")]
    sent = [program, *(word for word in options if word not in section)]
    for host in clients:
        sent += [f"--client={host}", *section, jobs]
    return sent


def parts_of(done, clients, expected):
    """(fio's JSON, {host: its part}); raises Failure unless every host did as many I/Os as expected."""
    if failed := re.search(r"failed to connect to (.*)", done.stderr):
        host = next((host for host in clients if failed[1] in ("%s:%d" % key(host), key(host)[0])), clients[0])
        why = re.search(r"connect: (.*)", done.stderr)
        raise Failure(f"{host}: {why[1] if why else 'no answer'}; start fio --server there")
    parsed = fio.parse(done.stdout) or {}
    parts = {(part["hostname"], part["port"]): part for part in parsed.get("client_stats", ()) if part["jobname"] != ALL}
    bad = []
    for host in clients:
        part = parts.get(key(host))
        if not part or part["error"] or fio.figures([part])["ios"] != expected:
            bad.append(host)
    if bad or done.returncode:
        raise IoFailure(f"{', '.join(bad) or 'fio'}: {fio.complaint(done)}")
    return parsed, {host: parts[key(host)] for host in clients}


def result(done, clients, expected):
    """What all hosts did together: rates are added up, latencies are those of all I/Os.

    fio's own "All clients" leaves out a host that ended before the next one began.
    """
    parsed, parts = parts_of(done, clients, expected)
    each = {host: fio.figures([part]) for host, part in parts.items()}
    together = fio.figures(parts.values())
    together["runtime_ns"] = together["ios"] / sum(one["ios"] / one["runtime_ns"] for one in each.values())
    return parsed, {"fio": parsed.get("fio version"), **together, "hosts": each}


def refusal(tools, clients, **values):
    """Read one block on each host; return the line in which a host refuses, or nothing."""
    with tempfile.NamedTemporaryFile("w", suffix=".fio") as file:
        file.write(LOOK.format(block=BLOCK, **values))
        file.flush()
        done = fio.run(command([tools.fio, "--output-format=json", "--eta=never", file.name], clients), {}, 60)
    try:
        parts_of(done, clients, 1)
    except IoFailure as failure:
        return str(failure)
    return ""


def look(tools, clients, path):
    """(path, bytes to use, checks or none) of a drive that must be the same on all hosts."""
    for size in REGIONS:
        said = refusal(tools, clients, path=path, offset=size - BLOCK, engine="psync")
        if not said:
            break
    else:
        raise Failure(f"{said} ({path}, its first {size >> 20} MiB)")
    found = {}
    for host in clients:
        said = refusal(tools, (host,), path=path, offset=0, engine=f"external:{tools.engine}\npi_chk={CHECKS}")
        if "no protection information" in said:
            found[host] = ""
        elif "type 3" in said:
            found[host] = CHECKS.replace("REFTAG,", "")
        elif not said or "expected 0x" in said:
            found[host] = CHECKS
        else:
            raise Failure(said)
    first = found[clients[0]]
    for host, checks in found.items():
        if checks != first:
            raise Failure(f"{host}: {path} has {checks or 'no protection information'}, on {clients[0]} {first or 'none'}; "
                          "give hosts whose drives are alike")  # fmt: skip
    return path, size, first


def drive(path, size, checks):
    """The Device at this path of the hosts."""
    name = os.path.basename(path)
    return device.Device(path, name, name, size, 0, device.Pi("", 0, 0, "REFTAG" in checks) if checks else None)


def without(cell):
    """Why a cell cannot run on other machines, or None."""
    if cell.arm.state == cells.NOVERIFY:
        return "--client changes no settings of drives"
    if cell.arm.has_pi and cell.arm.engine != cells.OURS:
        return "--client does not tell how much metadata a drive has, which fio's own engine needs"
    return "--client uses one file of each host" if cell.workload.files > 1 else None


def notes(session):
    return [
        f"{session.name}: each job was sent to {', '.join(session.hosts)} at once; fio starts them one after the other. I/O per "
        "second and throughput are sums over the hosts, latencies those of all I/Os, as in fio's \"All clients\". The CPU time of "
        "the hosts, their other load and the settings of their drives are not recorded; plain-autopi is measured as each host has it."
    ]
