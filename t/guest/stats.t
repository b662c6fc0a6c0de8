#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi_stats= leaves one line for each job with what happened in it."""
import json
import os

from tap import main, ok, passes, pi, poke, refuses

SIZE, FILE = 1 << 20, 'stats.json'
BLOCKS, IOS = SIZE // 4096, SIZE >> 14
TAGS = dict.fromkeys(('guard', 'application', 'reference', 'opaque'), 0)


def lines():
    """What jobs have left since the last call."""
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

    passes(job(device, 'read', pi_verify='device'), 'read, verified by the device', read=IOS)
    same(lines()[0], {'pi_ios': IOS, 'blocks': {'generated': 0, 'verified': 0}}, 'the host has verified nothing')
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

    refuses(pi(device, rw='read', bs='16k', size=SIZE, pi_time=1), 'pi_time alone is refused', 'pi_stats=FILE')
    refuses(pi(device, rw='read', bs='16k', size=SIZE, pi_stats='/nowhere-at-all/x'), 'a file that cannot be',
            'pi_stats=/nowhere-at-all/x: No such file')


main(test, ['--disk', '4096+8'])
