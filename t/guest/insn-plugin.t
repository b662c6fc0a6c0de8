#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""insn-plugin counts correctly and names the caller, for a program with known counts; callgrind agrees."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ROOT, ok, run  # noqa: E402

sys.path.insert(0, str(ROOT / 'scripts'))
from pibench import memory, profile, symbols  # noqa: E402
from pibench.command import debian  # noqa: E402

KNOWN = BUILD / 't/insn-known'
MARK = BUILD / 't/insn-mark'
# own instructions and calls per run (recursive calls itself, which is no change of function)
OWN = {'thread_main': (11, 1), 'leaf': (4 * 204, 4), 'calls_at_once': (2, 1), 'jumps': (2, 1), 'recursive': (41, 1), 'asks': (46, 1),
       'faults': (10, 1), 'sweeps': (1034, 1), 'stays': (398, 1)}
# small enough that its misses can be worked out: walking repeatedly over more lines than fit misses all of them
CACHES = memory.Caches('4K:2:64', '4K:2:64', '64K:8:64')
# data lines touched for the first time, and misses, including the stack when the first function returns
TOUCHED = {'sweeps': (128, 2 * 128 + 1), 'stays': (0, 32)}
GETPID = '__x64_sys_getpid'
STACKS = {'', ' leaf', ' calls_at_once', ' calls_at_once leaf', ' jumps', ' jumps leaf', ' recursive', ' asks', ' faults', ' sweeps',
          ' stays'}


def write_functions(directory):
    """Give the plugin the functions of the program and of the kernel; return their names by number."""
    ranges, code = symbols.code([(KNOWN.name, KNOWN.read_bytes())])
    ranges = symbols.kernel((directory / 'kallsyms').read_text()) + ranges
    return symbols.save(directory, ranges, code)


def start(directory, command):
    return subprocess.Popen(
        [ROOT / 'scripts/guest', 'run', '--quiet', '--icount', '--timeout', '300', '--append', 'nokaslr',
         '--plugin', f'{BUILD}/t/insn-plugin.so,dir={directory},{CACHES.arguments()}',
         '--', 'sh', '-c', command, 'sh', MARK, KNOWN, directory],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(guest):
    out, error = guest.communicate()
    return subprocess.CompletedProcess(guest.args, guest.returncode, out, error)


def boot(directory, command):
    """Run it in a guest that first lists its kernel's functions: (completed process, names by number)."""
    names = []
    with start(directory, 'cat /proc/kallsyms >"$3/part" && mv "$3/part" "$3/kallsyms" && '
                          f'until [ -e "$3/functions" ]; do sleep 0.1; done && {command}') as guest:
        while guest.poll() is None and not (directory / 'kallsyms').exists():
            time.sleep(0.1)
        if guest.poll() is None:
            names = write_functions(directory)
        return ended(guest), names


def callgrind(directory):
    """Return {function: (own instructions, data misses)} as valgrind counts them."""
    program, environment = shutil.which('valgrind'), dict(os.environ)
    if not program:
        tree = debian('package', 'valgrind', '--no-deps')
        program = tree / 'usr/bin/valgrind'
        environment['VALGRIND_LIB'] = str(tree / 'usr/libexec/valgrind')
    out = directory / 'callgrind'
    caches = [f'--{theirs}={",".join(map(str, CACHES.parse(name, getattr(CACHES, name))))}'
              for theirs, name in (('I1', 'i1'), ('D1', 'd1'), ('LL', 'l2'))]
    subprocess.run([program, '--tool=callgrind', '--cache-sim=yes', *caches, f'--callgrind-out-file={out}', '--compress-strings=no',
                    '--compress-pos=no', KNOWN], env=environment, check=True, capture_output=True)
    found, name, skip, events = {}, None, False, []
    for line in out.read_text().splitlines():
        if line.startswith('events:'):
            events = line.split()[1:]
        elif line.startswith('fn='):
            name = line[3:].partition("'")[0]
        elif line.startswith('calls='):
            skip = True
        elif re.match(r'(0x)?[0-9a-f]+( \d+)+$', line):
            if not skip:
                costs = dict(zip(events, map(int, line.split()[1:])))
                had = found.get(name, (0, 0))
                found[name] = had[0] + costs['Ir'], had[1] + costs.get('D1mr', 0) + costs.get('D1mw', 0)
            skip = False
    return found


def code_lines():
    """Return the lines of code that contain the functions."""
    functions = symbols.Elf.read(KNOWN.read_bytes(), KNOWN).functions
    return len({at // 64 for start, end, name, _ in functions if name in OWN for at in range(start, end)})


def test():
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        directory = Path(place)
        done, names = boot(directory, '"$1" && "$2" && "$1" && "$2" && "$2" && "$1"')
        if not ok(done.returncode == 0 and not (directory / 'functions').exists(), 'a guest with the plugin', done):
            return
        counts = [profile.read_counts(directory / f'count.{number}') for number in (1, 2)]
        first, second = (memory.read(directory / f'cache.{number}') for number in (1, 2))
        touched = {1: first, 2: memory.difference(first, second)}
        for what, times, found in (('a run', 1, profile.difference(profile.NOTHING, counts[0])),
                                   ('two more', 2, profile.difference(*counts))):
            root = profile.tree(found, names)
            ok(root.total == found[0], f'{what}: the functions sum to all that was counted', root.total, found[0])
            own, stacks = {}, set()
            for path, node in root.walk():
                if node.module == KNOWN.name and node.name in OWN:
                    had = own.get(node.name, (0, 0))
                    own[node.name] = (had[0] + node.instructions, had[1] + node.calls)
                    stacks.add(' '.join(each.name for each in path if each.module == KNOWN.name))
            ok(own == {name: (one * times, calls * times) for name, (one, calls) in OWN.items()},
               f'{what}: each function to the instruction, and its calls', own)
            ok(stacks == {f'thread_main{stack}' for stack in STACKS}, f'{what}: who called', stacks)
            asked = [node.calls for path, node in root.walk() if node.name == GETPID and 'asks' in [each.name for each in path]]
            ok(asked == [times * 10], f'{what}: the kernel is below who called it', asked)
            lines = memory.by_function(touched[times], profile.read_counts(directory / 'count.2')[1], names, root)
            lines = {name: figures for (_, name, module), figures in lines.items() if module == KNOWN.name}
            ok({name: (lines[name][0] / times, lines[name][2] / times) for name in TOUCHED} == TOUCHED,
               f'{what}: lines of data touched, and modelled misses', lines)
            ok(sum(figures[1] for name, figures in lines.items() if name in OWN) == times * code_lines(),
               f'{what}: lines of code', lines, code_lines())
        known = callgrind(directory)
        ok({name: known.get(name, (0,))[0] for name in OWN} == {name: one for name, (one, _) in OWN.items()},
           'callgrind counts the same', known)
        ok(all(known[name][1] == misses for name, (_, misses) in TOUCHED.items()), 'and misses the same', known)

        done = ended(start(directory, '"$1"'))
        ok(done.returncode == 125 and 'qemu-insn-plugin: ' in done.stderr and 'functions: No such file' in done.stderr,
           'without a list of functions: one line', done)
    done = subprocess.run([ROOT / 'scripts/guest', 'run', '--plugin', 'x.so', '--', 'true'], capture_output=True, text=True)
    ok(done.returncode == 2 and '--plugin' in done.stderr and '--icount' in done.stderr, 'a plugin without --icount is refused', done)


run(test)
