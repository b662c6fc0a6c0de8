#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench on a device: however it ends, it restores the device's settings, and --resume continues."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import FIO, ROOT, main, ok  # noqa: E402

OUT = '/tmp/results/out'


def settings(disk):
    return [Path(f'/sys/class/block/{Path(disk).name}/integrity/{name}').read_text().strip()
            for name in ('read_verify', 'write_generate')]


def jobs():
    """Return the running fio processes."""
    return [path.parent.name for path in Path('/proc').glob('[0-9]*/comm') if path.read_text().strip() == 'fio']


def until(what, seconds=300):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.2)
    return False


def preconditioned(with_pi, without):
    done = subprocess.run([sys.executable, ROOT / 'scripts/pi-bench', 'run', '--dut', with_pi, '--dut-nopi', without, '--fio', FIO,
                           '--out', OUT, '--rounds', '1', '--only', 'randread-4k-qd1 noverify/none', '--precondition', '--scale', '0.05',
                           '--allow-write', with_pi, '--allow-write', without], capture_output=True, text=True)
    found = {record['device']: len(record['iops']) for record in map(json.loads, Path(OUT, 'results.jsonl').read_text().splitlines())
             if record['kind'] == 'precondition'}
    ok(done.returncode == 0 and set(found) == {with_pi, without} and all(5 <= rounds <= 25 for rounds in found.values()),
       '--precondition: both are written until they are steady, or for 25 rounds', done, found)
    report = Path(OUT, 'report.md').read_text()
    ok(all(f'{disk}: written 2 times, then random 4 KiB writes: ' in report for disk in found), 'and the report says when', report)


def test(with_pi, without):
    def command(*more):
        return [sys.executable, ROOT / 'scripts/pi-bench', 'run', '--dut', with_pi, '--dut-nopi', without, '--fio', FIO, '--out', OUT,
                '--rounds', '1', '--only', 'randread-4k-qd1 noverify/none', *more]

    def lines():
        path = Path(OUT, 'results.jsonl')
        return path.read_text().splitlines() if path.exists() else []

    # the warm-up round is short; no later round ends within the time given here
    os.makedirs(OUT)
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGTERM):
        subprocess.run(['rm', '-r', OUT], check=True)
        process = subprocess.Popen(command('--scale', '16'), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        reached = until(lambda: len(lines()) > 2 and settings(with_pi) == ['0', '0'] and jobs() or process.poll() is not None)
        ok(reached and process.poll() is None, f'{number.name}: while a run without the kernel\'s own checks is on', process.poll())
        process.send_signal(number)
        said = process.communicate(timeout=60)[1]
        ok(until(lambda: settings(with_pi) == ['1', '1'], 20), f'{number.name}: the settings are back', settings(with_pi))
        ok(until(lambda: not jobs(), 20), f'{number.name}: no fio is left', jobs())
        if number != signal.SIGKILL:
            ok(process.returncode == 128 + number and f'pi-bench: interrupted by {number.name}; ' in said and
               'repeat with --resume' in said, f'{number.name}: one line names --resume', process.returncode, said)
        report = subprocess.run([sys.executable, ROOT / 'scripts/pi-bench', 'report', OUT], capture_output=True, text=True)
        ok(report.returncode == 0 and 'STOPPED: ' in report.stdout, f'{number.name}: the partial results can be reported', report)

    subprocess.run(['rm', '-r', OUT], check=True)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'small', os.path.dirname(OUT)], check=True)
    done = subprocess.run(command(), capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[-1]
    ok(done.returncode == 2 and 'o space left' in said and 'repeat with --resume' in said and settings(with_pi) == ['1', '1'],
       'a full disk: one line names --resume', done, settings(with_pi))
    before = lines()
    subprocess.run(['mount', '-o', 'remount,size=16m', os.path.dirname(OUT)], check=True)
    done = subprocess.run(command('--resume'), capture_output=True, text=True)
    steps = [record['step'] for record in map(json.loads, lines()) if 'step' in record]
    ok(done.returncode == 0 and 'COMPLETE: ' in done.stdout and len(before) > 1 and lines()[:len(before)] == before and
       len(set(steps)) == len(steps), 'a full disk: --resume does the rest, once', done, before)
    env = next(iter(json.loads(Path(OUT, 'env.json').read_text())['sessions'].values()))
    health = [(env['devices'][which]['health'], env['after'][which]) for which in ('pi', 'nopi')]
    # QEMU's drive always has this temperature
    ok(all(drive == {**drive, 'temperature, °C': 50, 'media errors': 0, 'throttled': 0} for both in health for drive in both),
       'what both drives say of themselves, before and after', health)
    subprocess.run(['rm', '-r', OUT], check=True)
    preconditioned(with_pi, without)


main(test, ['--disk', '4096+8', '--disk', '4096'])
