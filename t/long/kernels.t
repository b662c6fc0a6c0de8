#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench compare of two kernels: one with a function that is longer regresses, and that function is named; of the same none."""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

PATCH = ROOT / 't/long/longer.patch'
LAB, OTHER = BUILD / 'kernel/bzImage', BUILD / 'kernel/longer/bzImage'
CELL = 'randread-4k-qd32 pi/indirect'
# instructions of an I/O that two boots agree to
ALIKE = 5


def lab_kernel(patch, out):
    return subprocess.run([ROOT / 'scripts/lab-kernel', '--patch', patch, '--out', out], capture_output=True, text=True)


def compared(out, new, boots):
    # named as seen from here: where the guest is started is another directory
    done = subprocess.run([ROOT / 'scripts/pi-bench', 'compare', '--kernel', 'lab', '--kernel', new.relative_to(ROOT),
                           '--boots', str(boots), '--fio', FIO, '--engine', BUILD / 'io_uring_pi.so', '--only', CELL, '--out', out],
                          cwd=ROOT, capture_output=True, text=True)
    path = out / 'verdicts.jsonl'
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    ok([line['cell'] for line in lines] == [CELL], f'lab against {new.relative_to(BUILD)}, {boots} boots of each', done)
    return done, lines[0]


def test():
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        place = Path(place)
        name, more = re.search(r'function (\w+) .* takes (\d+) instructions more', PATCH.read_text()).groups()
        done = lab_kernel(PATCH, OTHER)
        if not ok(done.returncode == 0 and OTHER.read_bytes() != LAB.read_bytes(), 'the lab kernel with a patch more', done):
            return
        done, line = compared(place / 'longer', OTHER, 3)
        ok(done.returncode == 1 and line['verdict'] == 'REGRESSION' and abs(line['new'] - line['old'] - int(more)) < ALIKE,
           f'{more} instructions more are a regression', done, line)
        ok(line['why'].endswith(f': +{more} {name}'), 'the function is named, and no other', line)
        ok(f'+{more} {name}' in done.stdout, 'and shown', done)

        done, line = compared(place / 'same', LAB, 1)
        ok(done.returncode == 0 and abs(line['new'] - line['old']) < ALIKE and re.fullmatch(r'[^:]*', line['why']),
           'a kernel against itself: no function is named', done, line)

        images = LAB.read_bytes()
        wrong, image = place / 'wrong.patch', place / 'wrong'
        wrong.write_text(PATCH.read_text().replace('bio_integrity(bio)', 'bio_integrity(bip)'))
        done = lab_kernel(wrong, image)
        ok(done.returncode == 1 and 'does not apply' in done.stderr and not image.exists(), 'a patch that does not apply is refused', done)
        shutil.copy(OTHER, image)
        done = lab_kernel(PATCH, OTHER)
        ok(done.returncode == 0 and OTHER.read_bytes() == image.read_bytes() and LAB.read_bytes() == images and not done.stderr,
           'what is built is not built again', done)


run(test)
