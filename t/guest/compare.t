#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench compare: two kernels with one engine; an engine with itself, and with one that has a longer function."""
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.longer import LONGER, MORE, longer  # noqa: E402
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

sys.path.insert(0, str(ROOT / 'scripts'))
from pibench import insn, profile  # noqa: E402

ENGINE = BUILD / 'io_uring_pi.so'
CELL = 'randread-4k-qd32 pi/indirect'
# instructions per I/O by which runs of one engine may differ
ALIKE = 5


def named(out):
    """Return the functions that differ between the runs of two builds."""
    runs = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    old, new = ([insn.load(out / run['profile']) for run in runs if run.get('profile') and run['build'] == build]
                for build in ('old', 'new'))
    return profile.compare(old, new)


def compared(out, *words, only=('--fio', FIO, '--only', CELL)):
    """Return (exit status, verdict lines, output)."""
    done = subprocess.run([ROOT / 'scripts/pi-bench', 'compare', *words, '--boots', '1', *only, '--out', out],
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
           'two kernels: one boot of each is inconclusive', done)
        records = [json.loads(line) for line in (out / 'kernels/results.jsonl').read_text().splitlines()]
        env = json.loads((out / 'kernels/env.json').read_text())
        kernels = {name.rpartition(' ')[2]: found['kernel'].split()[1] for name, found in env['sessions'].items()}
        ok({record['build'] for record in records if record['kind'] == 'run'} == {'old', 'new'} and
           'lab' in kernels['new'] and 'lab' not in kernels['old'], 'two kernels: each ran in its own', kernels)

        done, lines = compared(out / 'same', ENGINE, ENGINE, '--guest')
        ok(done.returncode == 0 and abs(lines[0]['new'] - lines[0]['old']) < ALIKE, 'an engine equals itself', done, lines)
        ok(lines[0]['metric'] == 'host instructions per I/O' and named(out / 'same') == [], 'and no function differs', lines,
           named(out / 'same'))
        done, lines = compared(out / 'longer', ENGINE, longer(out), '--guest')
        ok(done.returncode == 0 and abs(lines[0]['new'] - lines[0]['old'] - MORE) < ALIKE,
           f'one that takes {MORE} instructions more takes {MORE} more', done, lines)
        ok(lines[0]['why'].endswith(f': +{MORE} {LONGER}'), 'which are named, and nothing else', lines)

        job = out / 'mine.fio'
        job.write_text('[global]\nioengine=external:/usr/lib/fio/io_uring_pi.so\nfilename=/dev/nvme7n1\ndirect=1\ntime_based\nruntime=30\n'
                       'apptag=0x77\n[tables]\nrw=randrw\nbssplit=4k/60:16k/40\nsize=32m\niodepth=32\n[log]\nrw=write\nbs=16k\nsize=16m\n')
        other = out / 'other-fio'
        shutil.copy(FIO, other)
        two = ('--fio', FIO, '--fio', other, '--engine', ENGINE)
        done, lines = compared(out / 'job', *two, '--guest', '--job', job, '--scale', '0.1', only=[])
        records = [json.loads(line) for line in (out / 'job/results.jsonl').read_text().splitlines()]
        ok(done.returncode == 0 and len(lines) == 1 and abs(lines[0]['ratio'] - 1) < 0.01,
           'a job file in two fios: what each takes', done, lines)
        ok(all(record['kind'] == 'run' and record['ios'] == record['counted'] + 2 * 512 for record in records if record['round']) and
           f'fio {other}' in done.stdout, 'a job file: of every job so many I/Os', records)

        for words, why in (((), 'OLD, NEW'), (('--kernel', 'stock', '--kernel', 'lab', ENGINE, ENGINE), '--kernel twice')):
            done, _ = compared(out / 'refused', *words)
            ok(done.returncode == 2 and why in done.stderr and len(done.stderr.splitlines()) == 1 and not (out / 'refused').exists(),
               f'refused in one line: {why}', done)


run(test)
