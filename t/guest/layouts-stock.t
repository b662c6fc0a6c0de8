#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A stock kernel: sqe128 works; the lab's layouts are refused before any I/O."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.layouts import FORMATS, all_of  # noqa: E402
from lib.tap import BUILD, FIO, ENGINE, main, ok, passes, pi, refuses  # noqa: E402
from pibench import catalog  # noqa: E402

LAB = catalog.of_the_lab()
STOCK = ['none', *(layout for layout in catalog.layouts() if layout not in (*LAB, *catalog.commands()))]
JOB = {'bs': '4k', 'size': '1m'}


def ios(device):
    """Return the number of reads and writes so far."""
    stat = Path('/sys/class/block', os.path.basename(device), 'stat')
    words = stat.read_text().split()
    return words[0], words[4]


def stats(device, **options):
    """Return the engine's line in fio's normal output."""
    words = [f'--{name}={value}' for name, value in options.items()]
    done = subprocess.run([FIO, '--name=job', f'--ioengine={ENGINE}', '--direct=1',
                           f'--filename={device}', *words],
                          capture_output=True, text=True)
    return [line for line in (done.stdout + done.stderr).splitlines()
            if line.startswith('io_uring_pi:')]


def fixedmd(device):
    for layout in ('indirect', 'sqe128'):
        refuses(pi(device, rw='read', **JOB, pi_layout=layout, fixedmd=True), f'{layout}, fixedmd',
                f"fixedmd with layout '{layout}' needs the lab kernel: see scripts/kernel/")
    for layout in ('none', 'opcode'):
        refuses(pi(device, rw='read', **JOB, pi_layout=layout, fixedmd=True), f'{layout}, fixedmd',
                f'fixedmd: pi_layout={layout} has no room', 'drop fixedmd')


def said_by_pi_info(device):
    info = [BUILD / 't/pi-info', device]
    done = subprocess.run([*info, '--json'], capture_output=True, text=True)
    report = json.loads(done.stdout)
    layouts = report['layouts']
    ok(done.returncode == 0 and set(layouts) == {*STOCK, *catalog.commands(), *LAB} and
       not any(layouts[name] for name in (*STOCK, *catalog.commands())) and LAB and
       all(f"layout '{name}' needs the lab kernel" in layouts[name] for name in LAB) and
       'needs the lab kernel' in report['fixed_md'],
       'pi-info --json lists what works and what is missing', done.stdout)
    text = subprocess.run(info, capture_output=True, text=True).stdout
    said = [line for line in text.splitlines() for name in STOCK
            if line.split()[-3:] == [name, 'works', 'here']]
    ok(len(said) == len(STOCK) and text.count("layout '") == text.count('needs the lab kernel') == len(LAB) + 1 and
       "metadata  registered: fixedmd with layout 'indirect' needs the lab kernel" in text,
       'and so does pi-info without --json', text)


def test(device, *others):
    before = ios(device)
    for layout in LAB:
        for rw in ('read', 'write'):
            refuses(pi(device, rw=rw, **JOB, pi_layout=layout),
                    f'{layout}, {rw}',
                    f"layout '{layout}' needs the lab kernel: see scripts/kernel/")
    fixedmd(device)
    lines = stats(device, rw='read', **JOB, pi_layout='inline')
    ok(len(lines) == 1 and 'lab kernel' in lines[0],
       'no report on I/Os that were never done', lines)
    for name, options, *words in (
            ('opcode has no room for a reference tag',
             {'pi_layout': 'opcode', 'pi_reftag': 7}, 'pi_reftag', 'indirect'),
            ('pi_mix and writes', {'rw': 'write', 'pi_mix': 50},
             'pi_mix', 'apptag=0'),
            ('pi_mix, writes and a tag for each block',
             {'rw': 'randrw', 'pi_mix': 99, 'apptag': 0, 'pi_apptag': 'lba'},
             'pi_mix', 'drop pi_apptag'),
            ('pi_mix, writes and a pattern',
             {'rw': 'write', 'pi_mix': 0, 'apptag': 0, 'pi_opaque': 'pattern'},
             'pi_mix', 'pi_opaque'),
            ('pi_mix, writes and a reference tag',
             {'rw': 'write', 'pi_mix': 1, 'apptag': 0, 'pi_reftag': 1},
             'pi_mix', 'pi_reftag')):
        refuses(pi(device, **{'rw': 'read', **JOB, **options}), name, *words)
    run = pi(device, rw='read', **JOB, pi_mix=101)
    ok(run.status != 0 and 'pi_mix' in run.stderr + run.out, 'pi_mix=101', run)
    ok(ios(device) == before, 'nothing has been read or written')

    for layout in STOCK:
        passes(pi(device, rw='read', **JOB, pi_layout=layout, pi_mix=50),
               f'pi_mix=50, {layout}', read=256)
    passes(pi(device, rw='write', **JOB), 'write', write=256)
    lines = stats(device, rw='read', **JOB, pi_layout='sqe128', pi_mix=3)
    ok(len(lines) == 1 and
       ' layout sqe128, 7 I/Os with protection information, 249 without: 7 blocks read and verified, 0 written'
       in lines[0], 'the result line covers pi_mix', lines)
    lines = stats(device, rw='read', **JOB)
    ok(len(lines) == 1 and ' layout indirect: 256 blocks read' in lines[0],
       'and nothing about it without pi_mix', lines)

    passes(pi(device, rw='randrw', **JOB, pi_mix=50, apptag_mask=0),
           'pi_mix and writes, no application tag compared')

    said_by_pi_info(device)

    all_of('sqe128', device, *others)


main(test, ['--smp', '2', *(word for name in FORMATS
                            for word in ('--disk', name))])
