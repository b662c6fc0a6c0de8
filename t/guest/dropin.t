#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Whatever works with fio's own engine works with this one by changing only ioengine=."""
import json
import os
import re
import subprocess
import sys
import time
import types
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ENGINE, FIO, main, ok, passes, pi, poke, refuses, skip  # noqa: E402

SIZE = 1 << 20
IOS = SIZE >> 12
JOB = {'rw': 'randread', 'bs': '4k', 'size': SIZE, 'iodepth': 8}
FORMATS = {'4096+8': (4096, 8, 1), '4096+64,type=3': (4096, 64, 3), '512+8': (512, 8, 1)}


def fio(*words):
    return subprocess.run([FIO, *map(str, words)], capture_output=True, text=True)


def say(done):
    return f'{" ".join(map(str, done.args))}\nstatus {done.returncode}\n{done.stderr}{done.stdout}'


def own_tests(devices):
    """Run the cases of fio's own t/io_uring_pi.py, except for formatting the device."""
    script = Path(FIO).parent / 't/io_uring_pi.py'
    if not script.exists():
        skip('fio-tests', f'{script}: not in this fio')
        return
    sys.path.insert(0, str(script.parent))
    source = script.read_text()
    changed = source.replace('"--ioengine=io_uring"', f'"--ioengine={ENGINE}"').replace('NUMBER_IOS = 8192', 'NUMBER_IOS = 512')
    ok(changed.count(ENGINE) == 1 and '= 512' in changed, "fio's t/io_uring_pi.py with ioengine= changed")
    tests = types.ModuleType('tests')
    exec(compile(changed, str(script), 'exec'), vars(tests))
    for (name, (block, metadata, kind)), device in zip(FORMATS.items(), devices):
        for test in tests.TEST_LIST:
            test['fio_opts']['filename'] = device
        os.mkdir(f'own{device[-3:]}')
        environment = {'fio_path': str(FIO), 'fio_root': str(script.parent.parent), 'artifact_root': f'own{device[-3:]}',
                       'basename': 'io_uring_pi'}
        options = types.SimpleNamespace(skip=None, run_only=None, debug=False)
        out, sys.stdout = sys.stdout, sys.stderr
        passed, failed, skipped = tests.difdix_test(environment, options, {'ds': block, 'ms': metadata}, kind)
        sys.stdout = out
        ok((passed, failed, skipped) == (len(tests.TEST_LIST), 0, 0), f'{name}: {passed} of its cases pass',
           *(path.read_text() for path in Path(f'own{device[-3:]}').glob('*/*.stderr')))


def options_everywhere(device):
    """Options in a job file in any order, on the command line, and in fio's output."""
    Path('any.fio').write_text(f'[global]\napptag=0x77\npi_verify=both\nfilename={device}\nioengine={ENGINE}\ndirect=1\n'
                               f'bs=4k\nsize={SIZE}\n[w]\nrw=write\n[r]\nstonewall\nrw=read\npi_chk=GUARD,APPTAG\n')
    done = fio('--output-format=json', 'any.fio')
    jobs = json.loads(done.stdout)['jobs'] if done.returncode == 0 else []
    ok([job['job options'].get('rw') for job in jobs] == ['write', 'read'] and jobs[1]['read']['total_ios'] == IOS,
       'a job file, engine options before ioengine=', say(done))
    for section, word in (('r', 'read'), ('w', 'write')):
        done = fio('--output-format=json', f'--section={section}', 'any.fio')
        ok(done.returncode == 0 and json.loads(done.stdout)['jobs'][0][word]['total_ios'] == IOS, f'--section={section}', say(done))
    done = fio('--showcmd', 'any.fio')
    line = done.stdout.split()
    ok(done.returncode == 0 and {'--pi_chk=GUARD,APPTAG', '--apptag=0x77'} <= set(line), '--showcmd', say(done))
    done = fio('--output-format=json', *line[1:])
    ok(done.returncode == 0 and [job['read']['total_ios'] for job in json.loads(done.stdout)['jobs']] == [0, IOS],
       'and the command line it prints runs', say(done))
    ok(fio('--parse-only', 'any.fio').returncode == 0, '--parse-only')
    done = fio(f'--ioengine={ENGINE}', '--direct=1', f'--filename={device}', '--name=j', '--ioengine=nosuch', '--rw=read', '--bs=4k',
               f'--size={SIZE}')
    ok(done.returncode != 0 and 'io_uring_pi: ioengine=nosuch: this fio does not have it' in done.stderr,
       'another engine in a job, which fio does not have', say(done))
    done = fio('--parse-only', '--name=j', f'--ioengine={ENGINE}', '--pi_verify=maybe')
    ok(done.returncode != 0 and 'maybe' in done.stdout + done.stderr, '--parse-only with a bad value', say(done))
    for job, words in (({'pi_chk': 'GUARD|REFTAG'}, 'tags separated by |'), ({'apptag': '4660'}, 'a decimal tag'),
                       ({'apptag_mask': '0'}, 'no mask'), ({'cmdprio_percentage': 50, 'cmdprio_class': 2}, 'cmdprio'),
                       ({'registerfiles': True, 'fixedbufs': True, 'nonvectored': 1, 'force_async': 4}, 'io_uring options'),
                       ({'sqthread_poll': True, 'sqthread_poll_cpu': 0}, 'sqthread_poll'), ({'nowait': 0}, 'nowait')):
        passes(pi(device, **JOB, **{'apptag': '0x77', 'apptag_mask': 0, **job}), words, read=IOS)


def features(device):
    """Options of fio that an engine can break."""
    fill = pi(device, rw='write', bs='64k', size=SIZE)
    passes(fill, 'fill', write=SIZE >> 16)
    for options in ({'iodepth_batch': 4, 'iodepth_batch_complete_min': 2, 'iodepth_batch_complete_max': 8},
                    {'iodepth_batch_submit': 8, 'iodepth_batch_complete': 0}, {'iodepth_low': 2}, {'rate_iops': 500},
                    {'rate': '8m', 'rate_process': 'poisson'}, {'thinktime': 1000, 'thinktime_blocks': 32},
                    {'thread': True}, {'io_limit': SIZE}, {'zonemode': 'strided', 'zonesize': '64k', 'zonerange': '64k'},
                    {'randrepeat': 0, 'norandommap': 1}, {'bssplit': '4k/50:4k/50'}, {'write_lat_log': 'lat'},
                    {'disable_lat': 1}, {'gtod_reduce': 1}, {'unified_rw_reporting': 'none'}, {'exitall_on_error': True}):
        passes(pi(device, **JOB, **options), str(options), read=IOS)
    # syncs while no write has completed since the last one
    passes(pi(device, rw='write', bs='4k', size=SIZE, iodepth=4, iodepth_batch=4, sync_file_range='write:1'), 'sync_file_range',
           write=IOS)
    for options in ({'ramp_time': '1s'}, {'latency_target': '1s', 'latency_window': '500ms', 'latency_percentile': 90},
                    {'steadystate': 'iops_slope:100%', 'ss_dur': '2s'}):
        run = pi(device, **JOB, time_based=True, runtime='6s', **options)
        passes(run, str(options), read=run.ios('read') or 1)
        if 'steadystate' in options:
            ok(run.jobs and 'steadystate' in run.jobs[0], 'its figures are there', run)
    passes(pi(device, **JOB, write_iolog='log'), 'write_iolog', read=IOS)
    logged = Path('log').read_text().count(' read ')
    # with the pauses in the log, fio's own io_uring may never end: it waits for completions when nothing is in flight
    for pauses in ({'replay_no_stall': 1}, {}):
        done = pi(device, read_iolog='log', bs='4k', iodepth=8, **pauses)
        ok(done.status == 0 and done.ios('read') == logged > IOS // 2 and not done.lines(), f'read_iolog replays it {pauses}', logged,
           done.ios('read'), done)
    refuses(pi(device, **JOB, zonemode='zbd', zonesize='128k'), 'zonemode=zbd', 'zonemode=zbd', 'pi_layout=none')


def changed_in_between(device):
    """I/Os that fio or the engine changes after preparing them."""
    def sectors():
        return int(Path('/sys/class/block', Path(device).name, 'stat').read_text().split()[6])

    job = {'bs': '4k', 'size': SIZE, 'iodepth': 8, 'verify': 'crc32c', 'experimental_verify': 1}
    for rw in ('write', 'randwrite'):
        for options in ({}, {'pi_layout': 'none'}, {'cmdprio_percentage': 50}):
            before = sectors()
            passes(pi(device, rw=rw, **job, **options), f'experimental_verify, {rw} {options}', write=IOS, read=IOS)
            ok(sectors() - before == SIZE >> 9, f'and it only reads, {rw} {options}', sectors() - before)
    poke(device, 77, ('data', 8, 1))
    refuses(pi(device, rw='write', verify_only=1, pi_verify='host', **job), 'experimental_verify finds a wrong block',
            'block 77 ', 'guard')
    for layout in ('indirect', 'none'):
        for prio in ({'cmdprio_bssplit': '4k/50'}, {'cmdprio_percentage': 50}):
            common = {'bs': '4k', 'size': SIZE, 'iodepth': 8, 'pi_layout': layout, **prio}
            passes(pi(device, rw='randtrim', **common), f'trims and {common}', trim=IOS)
            passes(pi(device, rw='randwrite', fsync=4, **common), f'syncs and {common}', write=IOS)
    pi(device, rw='write', bs='64k', size=SIZE)


def many(device):
    """Several processes and threads, with one file for their errors."""
    pi(device, rw='write', bs='64k', size=SIZE)
    bad = range(3, 250, 10)
    for block in bad:
        poke(device, block, ('md', 2, 0x10))
    for how in ({'thread': True}, {}):
        Path('errors').unlink(missing_ok=True)
        run = pi(device, **JOB, numjobs=4, pi_verify='host', continue_on_error='verify', pi_errors='errors', **how)
        records = [json.loads(line) for line in Path('errors').read_text().splitlines()]
        ok(len(run.jobs) == 4 and run.ios('read') == 4 * IOS and len(records) == 4 * len(bad) and
           {record['block'] for record in records} == set(bad) and
           [job['total_err'] for job in run.jobs] == 4 * [len(bad)], f'four jobs write one pi_errors file {how}', run)
    pi(device, rw='write', bs='64k', size=SIZE)
    passes(pi(device, **JOB, numjobs=4, group_reporting=True), 'group_reporting', read=4 * IOS)


def outputs(device):
    """Programs parse standard output."""
    pi(device, rw='write', bs='64k', size=SIZE)
    job = ['--name=j', f'--ioengine={ENGINE}', f'--filename={device}', '--direct=1', '--bs=4k', f'--size={SIZE}', '--eta=never']
    # with a different tag, or a lost write would go unnoticed
    faults = ['--rw=write', '--verify=null', '--pi_inject=all', '--pi_inject_rate=20', '--pi_inject_expect=1']
    tags = iter(range(1, 9))
    for form in ('json', 'json+'):
        done = fio(*job, f'--output-format={form}', f'--apptag={next(tags)}', *faults)
        ok(done.returncode == 0 and json.loads(done.stdout)['jobs'][0]['read']['total_ios'] > 0 and not done.stderr,
           f'{form}: with faults that are expected, JSON and nothing else', say(done))
    done = fio(*job, '--output-format=terse', f'--apptag={next(tags)}', *faults)
    ok(done.returncode == 0 and len(done.stdout.splitlines()) == 1 and done.stdout.count(';') > 100, 'terse: a line', say(done))
    done = fio(*job, f'--apptag={next(tags)}', *faults)
    ok(done.returncode == 0 and 'io_uring_pi: j: layout' in done.stdout and ' faults injected, seed 1: ' in done.stdout,
       'normal: the account', say(done))

    pi(device, rw='write', bs='64k', size=SIZE)
    poke(device, 7, ('md', 2, 1))
    for words, ends in ((['--continue_on_error=verify'], False), ([], True)):
        for form in ('json', 'json+', 'terse'):
            done = fio(*job, '--rw=read', '--pi_verify=host', f'--output-format={form}', *words)
            # fio adds its own lines when a job fails
            lines = [line for line in done.stdout.splitlines() if not line.startswith('fio: ')]
            try:
                parsed = form == 'terse' or json.loads('\n'.join(lines))
            except ValueError:
                parsed = None
            ok(parsed and (form != 'terse' or len([line for line in lines if line]) == 1) and 'block 7 ' in done.stderr and
               not re.search('^io_uring_pi:', done.stdout, re.M) and bool(done.returncode) == ends,
               f'{form} {words}, with an error', say(done))
    pi(device, rw='write', bs='64k', size=SIZE)


def over_the_net(device):
    """The engine and the device are on fio's server, the job file on its client."""
    Path('net.fio').write_text(f'[j]\nioengine={ENGINE}\nfilename={device}\ndirect=1\nbs=4k\nsize={SIZE}\nrw=randread\n'
                               'iodepth=8\npi_verify=host\n')
    server = subprocess.Popen([FIO, '--server=127.0.0.1,8765'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for _ in range(100):
            done = fio('--client=127.0.0.1,8765', '--output-format=json', 'net.fio')
            if 'connect' not in done.stdout + done.stderr:
                break
            time.sleep(0.2)
        begin = done.stdout.find('{')
        stats = json.loads(done.stdout[begin:])['client_stats'] if begin >= 0 else []
        ok(done.returncode == 0 and stats and stats[0]['read']['total_ios'] == IOS and stats[0]['error'] == 0,
           'a client runs its job on a server', say(done))
        poke(device, 9, ('md', 2, 1))
        done = fio('--client=127.0.0.1,8765', 'net.fio')
        ok(re.search(r'io_uring_pi: \S+: block 9 .*application tag', done.stdout + done.stderr),
           'and hears what the engine found', say(done))
        poke(device, 9, ('md', 2, 1))
    finally:
        server.kill()
        server.wait()


def test(*devices):
    own_tests(devices)
    options_everywhere(devices[0])
    features(devices[0])
    changed_in_between(devices[0])
    many(devices[0])
    outputs(devices[0])
    over_the_net(devices[0])


main(test, [word for name in FORMATS for word in ('--disk', name)])
