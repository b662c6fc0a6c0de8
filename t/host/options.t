#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""With any options, fio accepts the job or says why not, and does no I/O.

An engine built with ASan and UBSan (PI_FUZZ_ENGINE) runs in the real fio.
PI_FUZZ_SECONDS is the time; PI_TEST_SEED repeats a run.
"""
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib import tap  # noqa: E402

ENGINE = os.environ.get('PI_FUZZ_ENGINE', tap.ROOT / 'build/san/io_uring_pi.so')
LIBRARY = subprocess.run([os.environ.get('CC', 'cc'), '-print-file-name=libasan.so'],
                         stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
SANITIZE = {'LD_PRELOAD': LIBRARY, 'ASAN_OPTIONS': 'detect_leaks=0:abort_on_error=1',
            'UBSAN_OPTIONS': 'abort_on_error=1:print_stacktrace=1'}
NUMBERS = ['0', '1', '-1', '2', '0x7fffffff', '2147483648', '0xffff', '0x10000', '65534', '4294967295', '4294967296',
           '18446744073709551615', '18446744073709551616', '0xffffffffffffffffff', '1e400', '0.5', '4k', '1g', '-0', '0x', '8:']
WORDS = ['', ' ', ',', '|', ':', '/', '=', '%', '"', '\\', '\t', '\0', 'GUARD', 'REFTAG', 'APPTAG', 'guard', 'none', 'both',
         'GUARD,REFTAG,APPTAG', 'GUARD|APPTAG', ',,GUARD', '4k/50:8k/50', '4k/50/1/2:/',
         'GUARD/50:none', 'REFTAG@0-9:GUARD', '%s%n%p', '${HOME}', 'é', '\xff']


def options():
    """Return the engine's options, each with the values that --enghelp lists."""
    out = run(f'--enghelp={ENGINE}').stdout
    found = {}
    for name in re.findall(r'^(\w+) *:', out, re.MULTILINE):
        text = run(f'--enghelp={ENGINE},{name}').stdout
        tail = text.partition('valid values:')[2]
        found[name] = re.findall(r'(?:^|\n +:) (\w+)', tail)
    return found


def run(*words):
    return subprocess.run([tap.FIO, *words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, errors='replace', env={**os.environ, **SANITIZE})


def value(draw, valid):
    kind = draw.randrange(8)
    if kind < 3 and valid:
        return draw.choice(valid)
    if kind < 5:
        return draw.choice(NUMBERS)
    if kind == 5:
        return draw.choice(WORDS)
    text = ''.join(draw.choice(valid + NUMBERS + WORDS) for _ in range(draw.randrange(1, 6)))
    if kind == 6:
        return text * draw.choice((1, 1, 20, 500))
    text = bytearray(text.encode('latin-1', 'replace') or b'x')
    for _ in range(draw.randrange(1, 4)):
        text[draw.randrange(len(text))] = draw.randrange(1, 256)
    return text.decode('latin-1')


def lines(draw, valid):
    """Return lines of a job file, most of them valid; fio continues parsing after a line it refuses."""
    for name in draw.choices(sorted(valid), k=draw.choice((1, 1, 1, 3, 60))):
        kind = draw.randrange(12)
        given = value(draw, valid[name]).replace('\0', '').replace('\n', '')
        if kind == 0:
            yield name
        elif kind == 1:
            yield name[:draw.randrange(len(name))] + '=' + given
        elif kind == 2:
            yield draw.choice((';', '#', ']', '=', 'x')) + given
        else:
            yield f'{name}={given}'


class Fuzz:
    def __init__(self, directory):
        self.valid = options()
        self.directory = Path(directory)
        self.target = self.directory / 'target'
        self.target.write_bytes(b'\xa5' * (1 << 20))
        self.before = self.state()
        self.job = self.directory.parent / f'{self.directory.name}.fio'
        self.taken = self.refused = self.lines = 0
        self.wrong = []

    def state(self):
        return [(path, path.read_bytes()) for path in sorted(self.directory.rglob('*')) if path.is_file()]

    def once(self, draw):
        """Run fio with --parse-only and a writable file, or run a job on a device that does not exist."""
        parse = draw.randrange(2)
        given = list(lines(draw, self.valid))
        target = self.target if parse else '/dev/null/disk'
        head = [f'ioengine=external:{ENGINE}', f'filename={target}', 'size=64k', 'direct=1', 'allow_file_create=0',
                f'rw={draw.choice(("read", "write"))}']
        if draw.randrange(3):
            self.job.write_text('\n'.join(['[job]', *head, *given]) + '\n', encoding='latin-1')
            words = [str(self.job)]
        else:
            words = ['--name=job', *(f'--{word}' for word in (*head, *given))]
        if parse:
            words.insert(0, '--parse-only')
        done = run(*words, '--output-format=terse', '--eta=never')
        if done.returncode not in (0, 1):
            self.wrong.append((f'status {done.returncode}', given, done.stderr[-2000:]))
        elif done.returncode and not (done.stderr + done.stdout).strip():
            self.wrong.append(('refused without a message', given, ''))
        elif not done.returncode and not parse:
            self.wrong.append(('accepted a device that does not exist', given, done.stdout[-500:]))
        self.lines += len(given)
        self.taken += not done.returncode
        self.refused += done.returncode == 1


def main():
    seconds = float(os.environ.get('PI_FUZZ_SECONDS', 3))
    seed = int(os.environ.get('PI_TEST_SEED', str(random.randrange(1 << 64))), 0)
    print(f'# PI_TEST_SEED={seed:#x}', flush=True)
    draw = random.Random(seed)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(f'{directory}/in')
        os.chdir(f'{directory}/in')
        fuzz = Fuzz(f'{directory}/in')
        tap.ok(len(fuzz.valid) > 20 and 'indirect' in fuzz.valid['pi_layout'], '--enghelp lists options and values', fuzz.valid)
        while time.monotonic() - begin < seconds or not (fuzz.taken and fuzz.refused):
            fuzz.once(draw)
        tap.ok(not fuzz.wrong, f'{fuzz.lines} options in {fuzz.taken} jobs taken and {fuzz.refused} refused with a reason',
               *('\n'.join(map(repr, wrong)) for wrong in fuzz.wrong[:5]))
        tap.ok(fuzz.state() == fuzz.before, 'no I/O, and no files left behind',
               [path for path, _ in fuzz.state()])
    print(f'1..{tap.checks}')
    sys.exit(tap.failures != 0)


main()
