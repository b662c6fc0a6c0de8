#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi_stats= writes one line for each job, with its statistics."""
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ENGINE, FIO, main, ok, passes, pi, poke, refuses  # noqa: E402

SIZE, FILE = 1 << 20, 'stats.json'
BLOCKS, IOS = SIZE // 4096, SIZE >> 14
TAGS = dict.fromkeys(('guard', 'application', 'reference', 'opaque', 'storage'), 0)


def lines():
    """Return the lines that jobs have written since the last call."""
    if not os.path.exists(FILE):
        return []
    with open(FILE) as file:
        found = [json.loads(line) for line in file]
    os.unlink(FILE)
    return found


def job(device, rw, **options):
    return pi(device, rw=rw, bs='16k', size=SIZE, pi_stats=FILE, **options)


def same(found, expected, name):
    got = {key: found.get(key) for key in expected}
    ok(got == expected, name, f'{got}\nexpected {expected}')


def ng(device):
    return device.replace('/dev/nvme', '/dev/ng')


def who_did_what(device, char):
    """Return the numbers of blocks that host and device generated, and that they verified."""
    wrote, read, nothing = (BLOCKS, 0), (0, BLOCKS), (0, 0)
    for name, rw, options, host, drive in (
            ('both', 'write', {}, wrote, read),
            ('both', 'read', {}, read, read),
            ('pi_verify=host', 'read', {'pi_verify': 'host'}, read, nothing),
            ('pi_verify=device', 'read', {'pi_verify': 'device'}, nothing, read),
            ('pi_verify=none', 'read', {'pi_verify': 'none'}, nothing, nothing),
            ('pi_verify=none', 'write', {'pi_verify': 'none'}, wrote, nothing),
            ('pi_chk=GUARD', 'read', {'pi_chk': 'GUARD'}, read, read),
            ('pi_chk=GUARD/25:none', 'read', {'pi_chk': 'GUARD/25:none'}, (0, BLOCKS // 4), (0, BLOCKS // 4)),
            ('pi_chk=GUARD@0-99:none', 'write', {'pi_chk': 'GUARD@0-99:none'}, wrote, (0, 100)),
            ('pi_act=1', 'write', {'pi_act': 1}, nothing, wrote),
            ('pi_act=1', 'read', {'pi_act': 1}, nothing, read),
            ('pi_act=1 and pi_verify=none', 'read', {'pi_act': 1, 'pi_verify': 'none'}, nothing, nothing)):
        run = job(char, rw, **options)
        passes(run, f'{name}: {rw}', **{rw: IOS})
        found = lines()[0]
        got = [tuple(found.get(key, {}).get(what) for what in ('generated', 'verified')) for key in ('blocks', 'device_blocks')]
        ok(got == [host, drive], f'{name}: {rw} by host and device', got, [host, drive])


def output_formats(device):
    for form, shown in (('normal', True), ('normal,json', True), ('terse,normal', True), ('json', False), ('json+', False)):
        done = subprocess.run([FIO, '--name=j', f'--ioengine={ENGINE}', f'--filename={device}', '--direct=1', '--rw=write', '--bs=16k',
                               f'--size={SIZE}', '--verify=null', '--pi_inject=guard', '--pi_inject_blocks=5', '--pi_inject_expect=1',
                               '--eta=never', f'--output-format={form}'], capture_output=True, text=True)
        ok(done.returncode == 0 and ('io_uring_pi: j: layout indirect: ' in done.stdout) == shown and
           (' faults injected, seed 1: ' in done.stdout) == shown and (shown or json.loads(done.stdout)),
           f'--output-format={form}: {"the lines of the engine" if shown else "JSON alone"}', done)


def bounds(device):
    passes(job(device, 'write'), 'write once more', write=IOS)
    for block in range(20, 32):
        poke(device, block, ('md', 0, 0x10))
    os.mkdir('dump')
    run = job(device, 'read', pi_errors='errors', pi_errors_max=7, pi_dump='dump', pi_dump_max=3, pi_verify='host',
              continue_on_error='verify')
    with open('errors') as file:
        listed = [json.loads(line)['block'] for line in file]
    said = [line for line in run.lines() if '_max=N' in line]
    ok(listed == list(range(20, 27)) and len(os.listdir('dump')) == 6, 'no more lines and blocks than allowed', listed, os.listdir('dump'))
    ok(len(said) == 2 and any('7 lines in pi_errors' in line for line in said) and any('3 blocks in pi_dump' in line for line in said),
       'each limit is reported once', run)
    same(lines()[-1], {'wrong': {'host': {**TAGS, 'guard': 12}, 'device': TAGS}}, 'all are counted')


def test(device):
    passes(job(device, 'write'), 'write', write=IOS)
    passes(job(device, 'read'), 'read', read=IOS)
    found = lines()
    if not ok(len(found) == 2, 'a line for each job, appended', found):
        return
    whole = {'schema': 1, 'engine': 'io_uring_pi', 'job': 'job', 'layout': 'indirect', 'pi_ios': IOS, 'plain_ios': 0,
             'device_ios': 0, 'wrong': {'host': TAGS, 'device': TAGS}}
    same(found[0], {**whole, 'blocks': {'generated': BLOCKS, 'verified': 0}},
         'what the write did')
    same(found[1], {**whole, 'blocks': {'generated': 0, 'verified': BLOCKS}},
         'what the read did')
    ok('ns' not in found[0] and 'clock_ns' not in found[1], 'no times without pi_time', found)

    who_did_what(device, ng(device))
    passes(job(device, 'read', pi_layout='none'), 'plain read', read=IOS)
    same(lines()[0], {'pi_ios': 0, 'plain_ios': IOS, 'blocks': {'generated': 0, 'verified': 0}},
         'plain I/Os carry none')
    passes(job(device, 'read', pi_mix=25), 'a quarter with PI', read=IOS)
    same(lines()[0], {'pi_ios': IOS // 4, 'plain_ios': IOS * 3 // 4, 'blocks': {'generated': 0, 'verified': BLOCKS // 4}},
         'I/Os with and without')
    passes(pi(device, rw='read', bs='16k', size=SIZE, numjobs=3, thread=True, pi_stats=FILE), 'three jobs', read=3 * IOS)
    ok(sorted(line['thread'] for line in lines()) == [1, 2, 3], 'each with its number')

    for rw, busy in (('write', 'generate'), ('read', 'verify')):
        passes(job(device, rw, pi_time=1), f'{rw} with clocks', **{rw: IOS})
        found = lines()[0]
        calls, ns = found.get('calls', {}), found.get('ns', {})
        ok(calls.get(busy) == IOS and not calls.get({'generate': 'verify', 'verify': 'generate'}[busy]),
           f'{rw}: {busy} was called once an I/O', found)
        ok(calls.get('submit', 0) >= 1 and all(value >= calls[part] * found['clock_ns'] for part, value in ns.items()),
           f'{rw}: no part took less than its clocks', found)

    poke(device, 5, ('md', 3, 0x10))
    for verify, finder, other in (('host', 'host', 'device'), ('device', 'device', 'host')):
        job(device, 'read', pi_verify=verify, continue_on_error='verify')
        same(lines()[0], {'wrong': {finder: {**TAGS, 'application': 1}, other: TAGS},
                          'device_ios': int(verify == 'device')},
             f'a wrong tag found by the {finder}')
    job(device, 'read', pi_verify='host', pi_time=1, continue_on_error='verify')
    found = lines()[0]
    ok(found.get('calls', {}).get('verify') == IOS, 'explaining it is not timed', found)

    refuses(pi(device, rw='read', bs='16k', size=SIZE, pi_time=1), 'pi_time alone is refused', 'pi_stats=FILE')
    refuses(pi(device, rw='read', bs='16k', size=SIZE, pi_stats='/nowhere-at-all/x'), 'a file that cannot be',
            'pi_stats=/nowhere-at-all/x: No such file')
    output_formats(device)
    bounds(device)


main(test, ['--disk', '4096+8'])
