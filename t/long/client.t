#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench run --client: two fio servers in network namespaces of their own, each with a drive of its own under the same path."""
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, main, ok, skip  # noqa: E402

OUT = Path('/tmp/results')
HOSTS = ('10.1.0.2', '10.2.0.2')
CELLS = [word for name in ('randread-4k-qd32 pi/', 'randread-4k-qd32 autopi/none', 'randread-4k-qd32 noverify/none',
                           'randread-4k-qd32 nopi/none', 'randwrite-4k-qd32 indirect') for word in ('--only', name)]


def sh(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True)


def serve(number, host, disks):
    """fio's server in a network namespace, and in a mount namespace where another drive has the first one's name."""
    near, far, name = f'near{number}', f'far{number}', f'host{number}'
    sh('ip', 'netns', 'add', name)
    sh('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', name)
    for where, link, address in (((), near, f'{host[:-1]}1/24'), (('-n', name), far, f'{host}/24')):
        sh('ip', *where, 'address', 'add', address, 'dev', link)
        sh('ip', *where, 'link', 'set', link, 'up')
    line = f'mount --bind {disks[number]} {disks[0]} && exec {FIO} --server'
    server = subprocess.Popen(['nsenter', f'--net=/run/netns/{name}', 'unshare', '-m', 'sh', '-c', line],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while b':223D' not in sh('nsenter', f'--net=/run/netns/{name}', 'cat', '/proc/net/tcp').stdout.encode():
        if time.monotonic() > end or server.poll() is not None:
            raise RuntimeError(f'no fio server: {server.poll()}')
        time.sleep(0.1)
    return server


def bench(disk, *more, clients=HOSTS, engine=BUILD / 'io_uring_pi.so'):
    return subprocess.run([sys.executable, ROOT / 'scripts/pi-bench', 'run', *(f'--client={host}' for host in clients), '--dut', disk,
                           '--fio', FIO, '--engine', engine, '--out', OUT, '--rounds', '1', '--scale', '0.002', *more],
                          # no gnuplot: figures take long here
                          capture_output=True, text=True, env={'PATH': '/nowhere'})


def refused(run, status, *words):
    said = run.stderr.strip().splitlines()[-1] if run.stderr.strip() else ''
    return run.returncode == status and 'Traceback' not in run.stderr and all(word in said for word in words)


def records(kind='run'):
    return [record for record in map(json.loads, (OUT / 'results.jsonl').read_text().splitlines()) if record['kind'] == kind]


def measures(disk, plain):
    done = bench(disk, '--dut-nopi', plain, '--allow-write', disk, '--allow-write', plain, *CELLS)
    ok(done.returncode == 0 and 'COMPLETE: ' in done.stdout, 'reads and writes on both hosts', done)
    runs = records()
    ok({record['cell'].partition(' ')[2] for record in runs} >= {'pi/indirect', 'plain-autopi/none', 'plain-nopi/none'},
       'with protection information and without', runs)
    ok(all(set(run['hosts']) == set(HOSTS) and len({one['ios'] for one in run['hosts'].values()}) == 1 and
           sum(one['ios'] for one in run['hosts'].values()) == run['ios'] for run in runs), 'each of them does as many as the other', runs)
    wrong = []
    for run in runs:
        rate = sum(one['ios'] / one['runtime_ns'] for one in run['hosts'].values())
        wrong += [run] * (abs(run['ios'] / run['runtime_ns'] / rate - 1) > 1e-9)
        parts = json.loads((OUT / run['raw']).read_text())['client_stats']
        for part in (part for part in parts if part['jobname'] == 'All clients'):
            side = part[run['variables']['RW'].removeprefix('rand')]
            same = all(side['clat_ns']['percentile'][name] == run['percentiles_ns'][short]
                       for name, short in (('50.000000', '50'), ('99.000000', '99')))
            wrong += [run, part] * (not same or abs(side['lat_ns']['mean'] / run['latency_ns'] - 1) > 1e-6)
    ok(not wrong, "rates are sums, latencies those of fio's \"All clients\"", *wrong[:2])
    report = (OUT / 'report.md').read_text()
    ok(all(f'| {host} ' in report for host in HOSTS) and 'CPU per I/O' not in report, 'the report has each host, and no CPU', report)
    reasons = {record['reason'] for record in records('skip')}
    ok(any('changes no settings' in reason for reason in reasons) and any("fio's own engine" in reason for reason in reasons),
       'what does not work there is named', reasons)


def goes_wrong(disk, other, servers):
    # the second host's drive, block by block: its tuples no longer fit
    sh(BUILD / 't/pi-poke', other, '0', 'data', '0', '0xff')
    done = bench(disk, '--only', 'read-128k-qd32 pi/indirect')
    failures = records('failure')
    ok(done.returncode == 4 and failures and all(each['reason'].startswith(f'{HOSTS[1]}: io_uring_pi: ') and 'guard' in each['reason']
                                                 for each in failures), 'a wrong block names its host', done, failures)
    # what is mounted now they do not see
    os.mkdir('/tmp/here')
    sh('mount', '-t', 'tmpfs', 'here', '/tmp/here')
    done = bench(disk, engine=shutil.copy(BUILD / 'io_uring_pi.so', '/tmp/here/engine.so'))
    ok(refused(done, 2, f'{HOSTS[0]}: ', 'invalid external ioengine path "/tmp/here/engine.so"'), 'a host without the engine', done)
    done = bench('/dev/nowhere')
    ok(refused(done, 2, HOSTS[0], '/dev/nowhere'), 'a path that is no device there', done)
    servers[1].kill()
    servers[1].wait()
    done = bench(disk)
    ok(refused(done, 2, f'{HOSTS[1]}: Connection refused', 'start fio --server there'), 'a host where no server runs', done)


def test(first, second, plain):
    if not shutil.which('ip'):
        skip('client', 'no iproute2')
        return
    sh('modprobe', 'veth')
    servers = [serve(number, host, (first, second)) for number, host in enumerate(HOSTS)]
    try:
        measures(first, plain)
        goes_wrong(first, second, servers)
    finally:
        for server in servers:
            server.kill()


main(test, ['--disk', '4096+8', '--disk', '4096+8,size=128M', '--disk', '4096'])
