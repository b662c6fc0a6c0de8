# SPDX-License-Identifier: GPL-2.0-only
"""For tests of the measuring programs: their output must follow from their samples. No test asserts on time."""
import statistics
import subprocess

from .tap import BUILD, ok


class Program:
    def __init__(self, name):
        self.name, self.path = name, BUILD / 't' / name

    def run(self, *words):
        return subprocess.run([self.path, *words], capture_output=True, text=True)

    def refused(self, words, status, *parts):
        done = self.run(*words)
        lines = done.stderr.splitlines()
        ok(done.returncode == status and len(lines) == 1 and lines[0].startswith(f'{self.name}: ') and
           all(part in lines[0] for part in parts), f'refuses {" ".join(words)}', done)

    def usage(self):
        done = self.run('--help')
        ok(done.returncode == 0 and '--repetitions' in done.stdout and not done.stderr, '--help explains the program', done)
        done = self.run('--colour')
        ok(done.returncode == 2 and '--colour' in done.stderr and '--help' in done.stderr, 'refuses an unknown option and names --help',
           done)
        self.refused(['everything'], 2, "'everything'", '--help')
        self.refused(['--repetitions', '-1'], 2, '--repetitions')
        self.refused(['--repetitions', '5x'], 2, "'5x'")
        self.refused(['--seed', '99999999999'], 2, '--seed')

    def full_disk(self, *words):
        with open('/dev/full', 'w') as full:
            status = subprocess.run([self.path, *words], stdout=full, stderr=subprocess.DEVNULL).returncode
        ok(status == 1, 'it fails if output cannot be written', status)


def close(a, b):
    # both figures and samples are rounded to three decimals
    return abs(a - b) <= 0.0021


def five(values):
    q1, median, q3 = statistics.quantiles(values, n=4, method='inclusive')
    return {'min': min(values), 'q1': q1, 'median': median, 'q3': q3, 'max': max(values)}


def same(found, expected):
    return all(close(found[name], expected[name]) for name in found)
