#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Everything at random for PI_SOAK_SECONDS (600): all options, faults, signals, devices that go away, no memory.

The engine has AddressSanitizer and UndefinedBehaviorSanitizer in it. Nothing may crash, leak or hang, no wrong block may
be missed and none made up. PI_TEST_SEED=SEED repeats a soak, SEED:N its run N alone. With PI_SOAK_KERNEL=IMAGE, a lab
kernel with KASAN, lockdep and kmemleak, runs take every layout and registered metadata, and the kernel may report nothing.
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, Nvme, Scsi, main, ok  # noqa: E402
from lib.watch import Watch  # noqa: E402

from pibench import catalog  # noqa: E402

SECONDS = float(os.environ.get('PI_SOAK_SECONDS', 600))
ENGINE = f'external:{BUILD}/soak/io_uring_pi.so'
DISKS = ['4096+8', '512+8', '4096+64,pos=first', '4096+16,guard=crc64', '4096+8,type=3', 'scsi_debug:512+8']
BLOCK = [4096, 512, 4096, 4096, 4096, 512]
TYPE3, SCSI = 4, 5
HANG = 900 if os.environ.get('PI_SOAK_KERNEL') else 180
KERNEL = os.environ.get('PI_SOAK_KERNEL')
KINDS = {**({'buffers': 5} if KERNEL else {}), 'clean': 6, 'faults': 5, 'signal': 3, 'removal': 2, 'memory': 4}
BROKEN = re.compile(r'got signal=(?!2\b|15\b)|ERROR: AddressSanitizer|runtime error:|double free|Assertion')
# a leak of fio's is fio's: ours come through t/long/soak_memory.c
LEAK = re.compile(r'^(?:Direct|Indirect) leak.*?(?=^\s*$|\Z)', re.M | re.S)
WRONG = re.compile(r'^io_uring_pi: .*(?:expected 0x|the device found wrong)', re.M)
SANITIZED = {
    'LD_PRELOAD': ' '.join(subprocess.run(['gcc', f'-print-file-name=lib{name}.so'], capture_output=True, text=True).stdout.strip()
                           for name in ('asan', 'ubsan')),
    'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=1:handle_segv=1', 'LSAN_OPTIONS': 'exitcode=0',
    'UBSAN_OPTIONS': 'print_stacktrace=1:halt_on_error=1'}


def pattern(rng, disk):
    """A pi_chk= pattern: shares of the I/Os, or a range of blocks and all others."""
    tags = ['none', 'GUARD', 'GUARD,APPTAG', *([] if disk == TYPE3 else ['REFTAG', 'GUARD,REFTAG'])]
    first, second = rng.sample(tags, 2)
    if rng.random() < 0.5:
        return f'{first}/{rng.choice([1, 10, 50, 99])}:{second}'
    begin = rng.randrange(256)
    return f'{first}@{begin}-{begin + rng.randrange(256)}:{second}'


def choose(rng, disk):
    """Options that any run may have: they must not change what comes out."""
    block = BLOCK[disk]
    blocks = rng.choice([1, 1, 2, 3, 8, 16, 64])
    depth = rng.choice([1, 2, 7, 32, 128, 1024])
    options = {'bs': block * blocks, 'iodepth': depth, 'randseed': rng.randrange(1 << 30), 'size': rng.choice([1, 2, 4]) << 20,
               'pi_verify': rng.choice(['both', 'host', 'both', 'device', 'none']), 'pi_layout': 'indirect'}
    flags = {'fixedbufs': None, 'registerfiles': None, 'sqthread_poll': None, 'thread': None, 'nonvectored': [0, 1],
             'force_async': [1, 3], 'iodepth_batch': [1, 4, 16], 'iodepth_batch_complete_min': [1],
             'iodepth_batch_complete_max': [8, 32], 'apptag': [0, 7, 0x1234, 0xfffe], 'pi_opaque': ['zero', 'pattern'],
             'pi_apptag': ['lba', 'random', 'file', 'constant'], 'apptag_mask': [0xff, 0xffff], 'pi_reftag': [0, 99, 0xfffff000],
             'pi_chk': ['GUARD', 'GUARD,APPTAG', *(pattern(rng, disk) for _ in range(4))], 'md_per_io_size': [4096 * 64],
             'numjobs': [1, 3], 'sqthread_poll_cpu': [0],
             'cmdprio_percentage': [0, 50], 'thinktime': [10], 'rate_iops': [100000], 'verify_backlog': [1, 16]}
    if KERNEL:
        options['pi_layout'] = rng.choice([name for name, row in catalog.rows().items() if row['fixed_md']])
        if rng.random() < 0.75:
            options['fixedmd'] = True
    for name, values in flags.items():
        if rng.random() < 0.25:
            options[name] = rng.choice(values) if values else True
    if 'APPTAG' in options.get('pi_chk', '') and (options.get('pi_apptag') in ('lba', 'random') or 'apptag_mask' in options):
        del options['pi_chk']
    # a pattern is refused where nobody checks
    if ':' in options.get('pi_chk', '') and options['pi_verify'] == 'none':
        del options['pi_chk']
    if 'sqthread_poll_cpu' in options:
        options['sqthread_poll'] = True
    if options.get('cmdprio_percentage'):
        options['cmdprio_class'] = 2
    if 'iodepth_batch_complete_max' in options:
        options['iodepth_batch_complete_min'] = 1
    # the jobs' parts must not overlap by what a block is larger than the rest
    options['size'] -= options['size'] % options['bs']
    if options.get('numjobs', 1) > 1:
        options['offset_increment'] = options['size']
    return options


class Churn:
    """A finished run of layout-churn, which knows no fio."""

    def __init__(self, device, seconds, seed):
        words = [BUILD / 't/layout-churn', device, str(seconds), str(seed)]
        done = subprocess.run(words, capture_output=True, text=True)
        self.status, self.err = done.returncode, done.stderr

    def broken(self):
        return []

    def __str__(self):
        return f'layout-churn: status {self.status}\n{self.err}'


class Run:
    """One run of fio, to its end or to what was planned for it."""

    def __init__(self, device, options, act=None, fail=None):
        options = {'name': 'j', 'ioengine': ENGINE, 'filename': device, 'direct': 1, 'allow_file_create': 0,
                   'verify_state_save': 0, 'output-format': 'json', 'eta': 'never', **options}
        self.words = [str(FIO), *(f'--{name}' if value is True else f'--{name}={value}' for name, value in options.items())]
        environment = {**os.environ, **SANITIZED, **({'PI_SOAK_FAIL': str(fail)} if fail else {})}
        with open('out', 'w+') as out, open('err', 'w+') as err:
            process = subprocess.Popen(self.words, stdout=out, stderr=err, env=environment, start_new_session=True)
            self.hung = False
            try:
                if act:
                    act(process)
                process.wait(HANG)
            except subprocess.TimeoutExpired:
                self.hung = True
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            self.status = process.returncode
            out.seek(0)
            err.seek(0)
            self.out, self.err = out.read(), err.read()
        begin = self.out.find('{')
        try:
            self.jobs = json.loads(self.out[begin:self.out.rfind('}') + 1])['jobs']
        except (ValueError, KeyError):
            self.jobs = []

    def ios(self):
        return sum(job[way]['total_ios'] for job in self.jobs for way in ('read', 'write'))

    def broken(self):
        """What may never happen, whatever the run was."""
        said = self.err + self.out
        leaks = [leak for leak in LEAK.findall(said) if '/soak_memory.c' in leak]
        text = [line for line in said.splitlines() if BROKEN.search(line)]
        return (['it hangs'] if self.hung else []) + ([f'status {self.status}'] if self.status in (-4, -6, -7, -8, -11) else []) + \
            text + leaks

    def __str__(self):
        return f'{" ".join(self.words)}\nstatus {self.status}\n{self.err[-3000:]}{self.out[:1500]}'


def clean(rng, disk, devices):
    options = choose(rng, disk)
    run = Run(devices[disk], {**options, 'rw': rng.choice(['write', 'randwrite']), 'verify': rng.choice(['crc32c', 'md5', 'null'])})
    return run, run.status == 0 and run.ios() > 0 and 'io_uring_pi' not in run.err


def faults(rng, disk, devices):
    options = {**choose(rng, disk), 'pi_verify': rng.choice(['host', 'both']), 'numjobs': 1}
    # what makes each kind show, and each block be looked at once
    for name in ('apptag_mask', 'pi_chk', 'verify_backlog', 'pi_apptag', 'pi_opaque', 'pi_reftag', 'offset_increment'):
        options.pop(name, None)
    if disk == TYPE3:
        options.update(pi_apptag='random', pi_reftag=0x1badcafe)
    tags = rng.sample(range(1, 0xffff), 2)
    fill = Run(devices[disk], {**options, 'rw': 'write', 'apptag': tags[0]})
    if fill.status:
        return fill, False
    run = Run(devices[disk], {**options, 'rw': rng.choice(['write', 'randwrite']), 'verify': 'null', 'apptag': tags[1],
                              'pi_inject': 'all', 'pi_inject_rate': rng.choice([10, 50]), 'pi_inject_expect': 1,
                              'pi_inject_seed': rng.randrange(1 << 40)})
    return run, run.status == 0 and run.ios() > 0 and not WRONG.search(run.err)


def interrupted(rng, disk, devices):
    number = rng.choice([signal.SIGINT, signal.SIGTERM])
    options = {**choose(rng, disk), 'nowait': rng.choice([0, 0, 1]), 'time_based': True, 'runtime': '60s',
               'rw': rng.choice(['write', 'randwrite'])}

    def act(process):
        time.sleep(rng.uniform(0.2, 12))
        process.send_signal(number)

    run = Run(devices[disk], options, act=act)
    return run, not WRONG.search(run.err)


def removal(rng, number, devices):
    """The disk goes away under way; I/O fails then, but no tuple is wrong."""
    # the lab kernel has no modules
    number = 0 if KERNEL and number == SCSI else number
    disk = (Scsi if number == SCSI else Nvme)(devices[number])
    options = {**choose(rng, number), 'time_based': True, 'runtime': '30s', 'rw': rng.choice(['write', 'randwrite', 'randread'])}
    fill = Run(disk.device, {**options, 'rw': 'write', 'runtime': '1s', 'numjobs': 1})
    run = Run(disk.device, options, act=lambda process: disk.gone_after(rng.uniform(0, 3)))
    disk.back(devices)
    return (run, run.status != 0 and not WRONG.search(run.err)) if fill.status == 0 else (fill, False)


def memory(rng, disk, devices):
    """An allocation of the engine's fails: the run does too, or does not need it."""
    options = choose(rng, disk)
    if rng.random() < 0.5 and disk != TYPE3:
        options.update(pi_inject='data', pi_inject_rate=10)
        # no faults together with a pattern
        options.pop('pi_chk', None)
    run = Run(devices[disk], {**options, 'rw': 'write', 'verify': 'null', 'size': 1 << 20}, fail=rng.randrange(1, 12))
    return run, ('pi_inject' in options or not WRONG.search(run.err)) and (run.status != 0 or run.ios() > 0)


def buffers(rng, disk, devices):
    """Registered metadata that is replaced and goes away while I/O is on its way."""
    run = Churn(devices[0 if disk == TYPE3 else disk], 15, rng.randrange(1 << 30))
    return run, run.status == 0


def one(number, seed, devices, counts, watch):
    rng = random.Random(f'{seed}:{number}')
    kind = rng.choices(list(KINDS), KINDS.values())[0]
    disk = rng.randrange(len(devices))
    run, good = {'buffers': buffers, 'clean': clean, 'faults': faults, 'signal': interrupted, 'removal': removal,
                 'memory': memory}[kind](rng, disk, devices)
    problems = run.broken() + (watch.reports() if watch else [])
    counts[kind] += 1
    return ok(good and not problems, f'{seed}:{number} {kind} on {DISKS[disk]}', *problems, run)


def test(*disks):
    devices = list(disks)
    seed, _, only = os.environ.get('PI_TEST_SEED', '').partition(':')
    seed = seed or str(random.randrange(1 << 32))
    print(f'# PI_TEST_SEED={seed}', flush=True)
    watch = Watch() if KERNEL else None
    counts, number, end = Counter(), 0, time.monotonic() + SECONDS
    while time.monotonic() < end:
        number += 1
        one(int(only or number), seed, devices, counts, watch)
        if only:
            break
    if watch:
        leaks = watch.leaks()
        ok(not leaks and not watch.reports() and watch.locks(), 'no leak, and the kernel watched to the end', leaks)
    print(f'# {number} runs: ' + ', '.join(f'{count} {kind}' for kind, count in sorted(counts.items())))


if 'PI_TEST_IN_GUEST' not in os.environ and not os.environ.get('PI_TEST_SEED'):
    os.environ['PI_TEST_SEED'] = str(random.randrange(1 << 32))
main(test, [*(['--kernel', KERNEL, '--smp', '2', '--boot', '900', '--append', 'kasan_multi_shot'] if KERNEL else []),
            *(word for name in DISKS for word in ('--disk', name))], timeout=SECONDS + 900)
