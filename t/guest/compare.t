#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench compare: two kernels, with one engine; and an engine against itself."""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

ENGINE = BUILD / 'io_uring_pi.so'
CELL = 'randread-4k-qd32 pi/indirect'
# instructions of an I/O that an engine's own boots agree to
ALIKE = 0.001


def compared(out, *words):
    """(exit status, the line of each verdict, what was said)"""
    done = subprocess.run([ROOT / 'scripts/pi-bench', 'compare', *words, '--boots', '1', '--only', CELL, '--fio', FIO, '--out', out],
                          capture_output=True, text=True)
    path = Path(out) / 'verdicts.jsonl'
    return done, [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test():
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        out = Path(place)
        done, lines = compared(out / 'kernels', '--kernel', 'stock', '--kernel', 'lab', '--engine', ENGINE)
        ok(done.returncode == 0 and [line['cell'] for line in lines] == [CELL] and lines[0]['old'] > 1000 and lines[0]['new'] > 1000,
           'two kernels: what each takes', done, lines)
        ok('kernel stock' in done.stdout and 'kernel lab' in done.stdout and 'INCONCLUSIVE' in done.stdout,
           'two kernels: one boot of each decides nothing, and that is said', done)
        records = [json.loads(line) for line in (out / 'kernels/results.jsonl').read_text().splitlines()]
        env = json.loads((out / 'kernels/env.json').read_text())
        kernels = {name.rpartition(' ')[2]: found['kernel'].split()[1] for name, found in env['sessions'].items()}
        ok({record['build'] for record in records if record['kind'] == 'run'} == {'old', 'new'} and
           'lab' in kernels['new'] and 'lab' not in kernels['old'], 'two kernels: each ran in its own', kernels)

        done, lines = compared(out / 'same', ENGINE, ENGINE, '--guest')
        ok(done.returncode == 0 and abs(lines[0]['ratio'] - 1) < ALIKE, 'an engine takes what it takes', done, lines)

        for words, why in (((), 'OLD, NEW'), (('--kernel', 'stock', '--kernel', 'lab', ENGINE, ENGINE), '--kernel twice')):
            done, _ = compared(out / 'refused', *words)
            ok(done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1 and not (out / 'refused').exists(),
               f'refused in one line: {why}', done)


run(test)
