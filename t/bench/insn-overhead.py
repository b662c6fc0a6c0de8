#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What insn-plugin costs: the same session in guests with it and without, in turns, in processor time of this machine."""
import argparse
import dataclasses
import os
import resource
import statistics
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / 'scripts'))
from pibench import cells, explain, fio, guest, insn, session  # noqa: E402
from pibench.command import run_command, say  # noqa: E402
from pibench.errors import Failure  # noqa: E402

# times the processor time of a session without it
LIMIT = 1.5


def spec_of(name, plugin, options):
    tools = fio.Tools()
    tools.require()
    if plugin:
        tools = dataclasses.replace(tools, plugin=str(insn.PLUGIN), mark=str(insn.MARK))
    return session.Spec(name, cells.INSTRUCTIONS, True, pi=explain.DISK_NAME, ios=explain.IOS, profiles=True, rounds=options.rounds,
                        seed=1, cells=(f'randread-4k-qd32 {explain.arm_of(options.arm)}',), tools=tools)


def spent():
    """Processor seconds of this program, which reads what is counted, and of all that it has started."""
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def taken(spec):
    """(processor seconds of a session, of boot and all, runs in it)"""
    runs = []
    with tempfile.TemporaryDirectory(dir=ROOT / 'build') as out:
        before = spent()
        guest.run({spec: [explain.DISK]}, out, lambda record: runs.append(record) if record['kind'] == 'run' else None)
        return spent() - before, runs


def main():
    parser = argparse.ArgumentParser(prog='insn-overhead.py', description=__doc__)
    parser.add_argument('arm', nargs='?', default='indirect', help='as pi-bench explain takes it (%(default)s)')
    parser.add_argument('--pairs', type=int, default=3, metavar='N', help='sessions with it, and as many without (%(default)s)')
    parser.add_argument('--rounds', type=int, default=6, metavar='N', help='rounds of a session (%(default)s)')
    options = parser.parse_args()
    if not insn.PLUGIN.exists():
        raise Failure(f'{insn.PLUGIN}: is not built; run make first')
    guest.ready()
    ratios = []
    for pair in range(options.pairs):
        found = {}
        # neither is always the first
        for plugin in (False, True) if pair % 2 else (True, False):
            found[plugin], runs = taken(spec_of('with' if plugin else 'without', plugin, options))
            if bool(plugin) != any('rooms' in run for run in runs) or len(runs) != options.rounds + 1:
                raise Failure(f'{len(runs)} runs: the session did not do what it was to do')
        ratios.append(found[True] / found[False])
        say(f'pair {pair + 1}: {found[False]:.1f} s without, {found[True]:.1f} s with it: {ratios[-1]:.2f} x')
    middle = statistics.median(ratios)
    print(f'insn-plugin: {middle:.2f} times the processor time of a session without it ({min(ratios):.2f} to {max(ratios):.2f}, '
          f'{len(ratios)} pairs, {options.rounds} rounds of {explain.IOS} I/Os, {options.arm}); at most {LIMIT}: '
          f'{"MET" if middle <= LIMIT else "NOT MET"}')
    return 0 if middle <= LIMIT else 1


if __name__ == '__main__':
    os.chdir(ROOT)
    run_command(main, ROOT / 'build')
