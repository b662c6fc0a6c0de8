#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-info says what PI a device has, or how to get it, and changes nothing."""
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, main, ok  # noqa: E402

FORMATS = ['4096', '4096+64,guard=crc64,pos=last', '4096+8,type=3', '4096+8,extended']


def info(*words):
    done = subprocess.run([BUILD / 't/pi-info', *words], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def says(name, got, status, *words):
    ok(got[0] == status and all(word in got[1] + got[2] for word in words), name,
       f'expected status {status} and {words}', *got)


def test(without, wide, type3, extended):
    stats = [Path('/sys/class/block', os.path.basename(device), 'stat')
             for device in (without, wide, type3, extended)]
    before = [stat.read_text().split()[6] for stat in stats]

    says('without PI', info(without), 1, 'no protection information (LBA format 4096+0)',
         'can have PI CRC16', 'in use', 'ERASES the namespace', 'indirect  works here')
    hint = re.search(r'nvme format (\S+) --lbaf=(\d+) --pi=1', info(without)[1])
    status, out, _ = info('--json', without)
    report = json.loads(out)
    chosen = report['lba_formats'][int(hint[2])]
    ok(hint[1] == without and status == 1 and report['pi'] is None and
       report['layouts']['indirect'] == '' and
       (chosen['lbs'], chosen['guard'], chosen['in_use']) == (4096, 'CRC16', False) and
       chosen['metadata'] >= 8, 'the line to get it names a format that has it', out)

    says('with PI', info(wide), 0, '4096+64 type 1 CRC64 last',
         'tuple     16 bytes at offset 48: guard 8', 'reference tag 6', 'works here')
    ok('ERASES' not in info(wide)[1], 'and does not say how to format a device that has PI')
    status, out, _ = info('--json', wide)
    pi = json.loads(out)['pi']
    ok(status == 0 and [pi[key] for key in ('guard', 'type', 'interval', 'metadata', 'pi_size',
                                            'pi_offset', 'guard_size', 'ref_size', 'start')] ==
       ['CRC64', 1, 4096, 64, 16, 48, 8, 6, 0], 'with PI, in JSON', out)
    says('type 3', info(type3), 0, '4096+8 type 3 CRC16', "(the application's)")
    says('extended LBA', info(extended), 1, 'LBA format 4096+8, extended')
    says('no block device', info('/dev/null'), 2, 'not a block device')
    says('no file', info('/dev/nvme9n9'), 2, 'No such file')
    with tempfile.TemporaryDirectory() as tmp:
        pipe = os.path.join(tmp, 'pipe')
        os.mkfifo(pipe)
        says('a pipe that nobody writes to', info(pipe), 2, 'not a block device')
    with open('/dev/full', 'w') as full:
        done = subprocess.run([BUILD / 't/pi-info', '--json', wide], stdout=full, stderr=subprocess.PIPE, text=True)
    says('a full disk', (done.returncode, '', done.stderr), 2, 'could not be written')
    says('nothing', info(), 2, 'usage: pi-info')

    ok([stat.read_text().split()[6] for stat in stats] == before, 'nothing was written')


main(test, [word for name in FORMATS for word in ('--disk', name)])
