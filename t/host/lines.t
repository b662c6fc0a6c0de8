#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Files of JSON lines contain only whole lines, from several jobs and on a full disk; registered files are closed."""
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ENGINE, FIO, ok, run  # noqa: E402

JOB = ['--name=job', '--pi_layout=none', '--rw=read', '--bs=4k', '--size=16k', '--filename=data']


def fio(*words, room=None, limits=()):
    """Run with a limit on file size; Python ignores SIGXFSZ, and its children inherit that."""
    def limit():
        if room:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        for kind, value in limits:
            resource.setrlimit(kind, (value, value))
    done = subprocess.run([FIO, f'--ioengine={ENGINE}', '--eta=never', *words], capture_output=True, text=True, preexec_fn=limit,
                          restore_signals=False)
    return done, [line for line in (done.stdout + done.stderr).splitlines() if line.startswith('io_uring_pi: pi_stats')]


def records():
    """Return the records, or None if a line is not JSON or is incomplete."""
    text = Path('stats').read_text() if os.path.exists('stats') else ''
    try:
        return None if text and text[-1] != '\n' else [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return None


def room():
    fio(*JOB, '--pi_stats=stats')
    length = os.path.getsize('stats')
    done, said = fio(*JOB, '--pi_stats=stats', room=length + length // 2)
    ok(done.returncode == 0 and len(said) == 1 and 'no further records' in said[0] and records() is not None and
       len(records()) == 1, 'a partial line is removed, and reported once', done, Path('stats').read_text())
    done, said = fio(*JOB, '--pi_stats=stats')
    ok(not said and records() and len(records()) == 2, 'the next job appends to an intact file', done, Path('stats').read_text())
    os.unlink('stats')
    for how in (['--thread'], []):
        for lines in (3.5, 9.2):
            done, said = fio(*JOB, '--pi_stats=stats', '--numjobs=12', *how, room=int(length * lines))
            found = records()
            ok(found is not None and 0 < len(found) <= lines and len(found) + len(said) == 12,
               f'twelve jobs {how}, room for {lines}', said, Path('stats').read_text())
            os.unlink('stats')


def length():
    name = '"' * 800
    done, said = fio(*(word for word in JOB if 'name=job' not in word), '--pi_stats=stats', f'--name={name}')
    ok(done.returncode == 0 and not said and records() and records()[0]['job'] == name, 'a line longer than 2048 bytes is written',
       done, Path('stats').read_text())
    os.unlink('stats')


def descriptors():
    """Run one job after another in one process."""
    words = [word for number in range(60) for word in (f'--name=job{number}', '--stonewall', *JOB[1:], '--thread', '--registerfiles')]
    done, _ = fio(*words, limits=[(resource.RLIMIT_NOFILE, 48)])
    ok(done.returncode == 0, 'sixty jobs with registered files succeed with 48 descriptors', done)


def test():
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        Path('data').write_bytes(bytes(16384))
        room()
        length()
        descriptors()
        os.chdir('/')


run(test)
