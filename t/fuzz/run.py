#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs the fuzzers of t/fuzz one after the other and says in a table what came of it.

What they find goes to build/fuzz/found/TARGET/, inputs that end badly to
build/fuzz/crashes/. The corpus in t/fuzz/corpus/TARGET/ is only read, unless
--merge puts into it what was found and reaches something new.
"""
import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# parts of the time: a job takes a thousand times what a parser does
SHARES = {'job': 6, 'device': 1, 'inject': 1, 'json': 1, 'tuple': 1}
OPTIONS = {
    'job': ['-max_len=2048', '-only_ascii=1', '-rss_limit_mb=0'],
    'inject': ['-max_len=256'],
    'json': ['-max_len=1200'],
    'tuple': ['-max_len=512'],
    'device': ['-max_len=512'],
}
MOST_BYTES = 1500       # of an input that is kept


def dictionary(build, target):
    """Words to put inputs together from, asked of what is fuzzed."""
    path = build / f'{target}.dict'
    if target == 'job':
        subprocess.run([build / 'job', '-runs=0'], env={**os.environ, 'PI_FUZZ_DICTIONARY': str(path)},
                       check=True, capture_output=True)
    elif target == 'device':
        words = [word for path in (ROOT / 'lib').glob('*.c')
                 for word in re.findall(r'pi_sysfs_(?:text|number)\(\w+, "([^"]+)"', path.read_text())]
        words += re.findall(r'profile\s*= "([^"]+)"', (ROOT / 'lib/guard.c').read_text())
        lines = [f'"\\x0a{word} "' for word in sorted(set(words))]
        path.write_text('\n'.join([*lines, '"link ../../"', '"nvme0n1"', '"ng0n1"', '']))
    return [f'-dict={path}'] if path.exists() else []


class Run:
    """One fuzzer, for some seconds; 0 replays the corpus."""

    def __init__(self, target, build, out, seconds, seed):
        self.target, self.build, self.out, self.seconds, self.seed = target, build, out, seconds, seed
        self.corpus = ROOT / 't/fuzz/corpus' / target
        self.found = out / 'found' / target
        self.crashes = out / 'crashes'
        for directory in (self.found, self.crashes, out / 'fio'):
            directory.mkdir(parents=True, exist_ok=True)
        self.reached_file = out / f'{target}.reached'
        self.log = out / f'{target}.log'

    def __call__(self):
        limit = [f'-max_total_time={self.seconds}'] if self.seconds else ['-runs=0']
        before = set(self.crashes.iterdir())
        self.reached_file.unlink(missing_ok=True)
        with self.log.open('w') as log:
            self.status = subprocess.run(
                [self.build / self.target, *limit, f'-seed={self.seed}', *OPTIONS[self.target], '-print_final_stats=1',
                 f'-artifact_prefix={self.crashes}/{self.target}-', *dictionary(self.build, self.target),
                 self.found, *([self.corpus] if self.corpus.is_dir() else [])],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, 'PI_FUZZ_REACHED': str(self.reached_file),
                     'PI_FUZZ_FIO_CRASHES': str(self.out / 'fio')}).returncode
        self.crashed = sorted(set(self.crashes.iterdir()) - before)
        text = self.log.read_text(errors='replace')
        self.executions = self.number(r'number_of_executed_units: (\d+)', text)
        self.new = self.number(r'new_units_added: (\d+)', text)
        self.edges = self.number(r'cov: (\d+)', text)
        self.in_fio = self.number(r'fio itself: (\d+)', text)
        self.tail = text[-3000:]
        return self

    @staticmethod
    def number(pattern, text):
        found = re.findall(pattern, text)
        return int(found[-1]) if found else 0

    def reached(self):
        """Names of the functions of lib/ and engines/ that were."""
        if not self.reached_file.exists():
            return set()
        symbols = subprocess.run(['nm', self.build / self.target], stdout=subprocess.PIPE, text=True, check=True).stdout
        names = {}
        for line in symbols.splitlines():
            words = line.split()
            if len(words) == 3:
                names.setdefault(int(words[0], 16), set()).add(words[2])
        return set().union(*(names.get(int(line, 16), set()) for line in self.reached_file.read_text().split()), set())

    def line(self):
        bad = f'{len(self.crashed)} CRASHED' if self.crashed else 'none' if not self.status else f'status {self.status}'
        return (f'{self.target:8}{self.seconds:6} s{self.executions:12}{self.edges:8}{self.new:8}'
                f'{self.in_fio:10}   {bad}')


HEAD = f'{"fuzzer":8}{"time":>8}{"executions":>12}{"edges":>8}{"new":>8}{"in fio":>10}   crashes'


def merge(runs):
    """The smallest inputs that reach all that is reached."""
    for run in runs:
        fresh = run.out / f'{run.target}.merged'
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        run.corpus.mkdir(parents=True, exist_ok=True)
        subprocess.run([run.build / run.target, '-set_cover_merge=1', '-use_counters=0', *OPTIONS[run.target], fresh, run.corpus,
                        run.found], stdin=subprocess.DEVNULL, capture_output=True, check=True)
        shutil.rmtree(run.corpus, ignore_errors=True)
        run.corpus.mkdir(parents=True)
        for path in fresh.iterdir():
            if path.stat().st_size <= MOST_BYTES:
                shutil.copy(path, run.corpus / path.name[:12])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seconds', type=int, default=3600, help='of all fuzzers together; 0: replay the corpus')
    parser.add_argument('--seed', type=lambda text: int(text, 0) if text else random.randrange(1, 1 << 32), default='')
    parser.add_argument('--build', type=Path, default=ROOT / 'build/fuzz', help='where the fuzzers lie')
    parser.add_argument('--out', type=Path, help='where what they find goes; --build if not given')
    parser.add_argument('--merge', action='store_true', help='keep what reaches something new in t/fuzz/corpus')
    parser.add_argument('targets', nargs='*', default=sorted(SHARES), metavar='TARGET')
    args = parser.parse_args()
    runs = []
    print(f'seed {args.seed}\n{HEAD}', flush=True)
    for target in args.targets:
        share = args.seconds * SHARES[target] // sum(SHARES[each] for each in args.targets)
        print(f'# {time.strftime("%H:%M:%S")} {target} for {share} s', file=sys.stderr, flush=True)
        runs.append(Run(target, args.build.resolve(), (args.out or args.build).resolve(), share, args.seed)())
        print(runs[-1].line(), flush=True)
    if args.merge:
        merge(runs)
    for run in runs:
        for path in run.crashed:
            print(f'again: {run.build / run.target} {path}')
    sys.exit(any(run.status or run.crashed for run in runs))


if __name__ == '__main__':
    main()
