#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""100 000 injected faults over every format: all found where and as what they are; 10 million clean blocks: no report.

The figures are in the last lines. What was injected (pi_inject_log) and what was reported (pi_errors) are matched here,
not by the engine's own account, which has to agree.
"""
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.formats import NVME, SCSI  # noqa: E402
from lib.tap import ENGINE, FIO, load_scsi, main, ok  # noqa: E402

FAULTS = 100_000
CLEAN = 10_000_000
JOBS = ('host', 'device', 'back')
IO_BLOCKS, ONE_IN = 4, 16
# blocks of each format that are damaged from: enough for FAULTS over all, and of those that are read clean
BLOCKS = FAULTS * ONE_IN * 21 // 20 // (len(JOBS) * (len(NVME) + len(SCSI))) // IO_BLOCKS * IO_BLOCKS
CLEAN_BLOCKS = {512: CLEAN * 19 // 20 // 37, 4096: CLEAN * 3 // 20 // 37}

SHOWS = {'data': {'guard'}, 'guard': {'guard'}, 'tear': {'guard'}, 'apptag': {'application tag'},
         'reftag': {'reference tag'}, 'opaque': {'opaque byte'},
         'misplace': {'reference tag', 'application tag', 'opaque byte'}, 'drop': {'application tag'}}


def job_file(name, device, interval):
    """Three ways to damage and find, each after a clean pass with another application tag; then clean blocks only."""
    common = ['[global]', f'ioengine={ENGINE}', f'filename={device}', 'direct=1', 'allow_file_create=0', 'iodepth=16',
              'stonewall', f'bs={IO_BLOCKS * interval}', f'size={BLOCKS * interval}']
    # where there is something beside a tuple
    if '+8' not in name or 'type=0' in name:
        common.append('pi_opaque=pattern')
    # type 3 has no reference tag that counts: let the application tag tell one block from another
    if 'type=3' in name:
        common += ['pi_apptag=random', 'pi_reftag=0x1badcafe']
    fault = ['pi_inject=all', f'pi_inject_rate={ONE_IN}', 'pi_inject_expect=1', 'pi_inject_log=log', 'pi_errors=errors']
    # always the same data: one tear in 65536 passes a 16-bit guard
    written = ['rw=write', 'refill_buffers']
    jobs = []
    for number, job in enumerate(JOBS):
        jobs += [f'[fill {job}]', f'bs={64 * interval}', *written, f'apptag={2 * number + 1}',
                 f'[{job}]', *fault, f'pi_inject_seed={len(name)}{number}']
        jobs += ['rw=read', 'pi_inject_at=back', f'apptag={2 * number + 1}'] if job == 'back' else \
                [*written, 'verify=null', f'apptag={2 * number + 2}']
        if job != 'device':
            jobs += ['pi_verify=host']
    blocks = CLEAN_BLOCKS[interval] // 256 * 256
    jobs += ['[clean]', 'rw=write', 'verify=null', 'pi_errors=errors', f'bs={256 * interval}', 'apptag=9',
             f'size={blocks // 4 * interval}', 'loops=4']
    return '\n'.join(common + jobs) + '\n'


def lines(name):
    path = Path(name)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Account:
    def __init__(self):
        self.kinds, self.finders = Counter(), Counter()
        self.lost, self.invented, self.clean = [], [], 0

    def read(self, interval, ran):
        faults, reported = {}, {}
        for line in lines('log'):
            if 'kind' in line:
                faults[line['job'], line['fault']] = line
                last = line['job']
            else:
                faults[last, line['fault']].update(line)
        for line in lines('errors'):
            reported.setdefault((line['job'], line['block']), set()).add((line['tag'], line['finder']))
        for fault in faults.values():
            found = reported.get((fault['job'], fault['block']), set())
            match = [finder for tag, finder in found if tag in SHOWS[fault['kind']]]
            self.kinds[fault['kind']] += 1
            if not match or fault.get('outcome') not in [f'found by the {finder}' for finder in match]:
                self.lost.append(fault)
            else:
                self.finders[fault['kind'], fault['outcome'].rsplit(' ', 1)[1]] += 1
        hit = {(fault['job'], fault['block']) for fault in faults.values()}
        self.invented += [key for key in reported if key not in hit]
        self.clean += sum(job['read']['io_bytes'] // interval for job in ran if job['jobname'] == 'clean')


def run(name, device, account):
    interval = int(name.split(':')[-1].split('+', 1)[0])
    for file in ('log', 'errors'):
        Path(file).unlink(missing_ok=True)
    Path('job').write_text(job_file(name, device, interval))
    done = subprocess.run([FIO, '--output-format=json', '--eta=never', 'job'], capture_output=True, text=True)
    begin = done.stdout.find('{')
    ran = json.loads(done.stdout[begin:])['jobs'] if begin >= 0 else []
    before = sum(account.kinds.values()), account.clean, len(account.lost), len(account.invented)
    account.read(interval, ran)
    faults, clean = sum(account.kinds.values()) - before[0], account.clean - before[1]
    ok(done.returncode == 0 and faults and clean and
       (len(account.lost), len(account.invented)) == before[2:] and len(ran) == 2 * len(JOBS) + 1,
       f'{name}: {faults} faults, {clean} clean blocks', account.lost[before[2]:][:5], account.invented[before[3]:][:5],
       done.stdout[:begin], done.stderr[-4000:])


def test(*devices):
    account = Account()
    for name, device in zip(NVME, devices):
        run(name, device, account)
    for name, (interval, dif, guard) in SCSI.items():
        load_scsi(devices[-1], interval, dif, guard)
        run(name, devices[-1], account)
    for kind, number in sorted(account.kinds.items()):
        print(f'# {kind:8} {number:6} injected, found by the device {account.finders[kind, "device"]}, '
              f'by the host {account.finders[kind, "host"]}')
    total = sum(account.kinds.values())
    ok(total >= FAULTS and not account.lost and not account.invented,
       f'{total} faults over {len(NVME) + len(SCSI)} formats: {total - len(account.lost)} found as what they are, '
       f'{len(account.lost)} lost, {len(account.invented)} invented')
    ok(account.clean >= CLEAN, f'{account.clean} clean blocks')


main(test, [word for name in [*NVME, 'scsi_debug:512+8'] for word in ('--disk', name)], timeout=3600)
