#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fio's end_syncfs=: the engine leaves a syncfs to fio, after what is queued.

No fio that can be fetched has it yet. So the engine is built for headers in which DDIR_SYNCFS is DDIR_DATASYNC, and a job
with fdatasync= sends what such a fio would. A library counts the fdatasync() calls of fio itself.
"""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.fios import WORK, Version, ours  # noqa: E402
from lib.tap import ENGINE, ok, run  # noqa: E402

# compat.h takes a tree with this header for a fio that has end_syncfs=, and everything older than that
HEADER = 'engines/bsg.h'
NAMES = '''
#define DDIR_SYNCFS DDIR_DATASYNC
#define FIO_ASYNCIO_SYNC_SYNCFS 0
#define IO_U_F_ZEROED (1U << 30)
#define IO_U_F_ERRORED (1U << 29)
#define VERIFY_POLICY_FSYNCED 0
#define verify_policy verify_only
'''
COUNTER = '''
#include <stdio.h>
static int calls;
int fdatasync(int fd) { (void)fd; calls++; return 0; }
__attribute__((destructor)) static void tell(void)
{
	FILE *file = fopen("calls", "w");

	fprintf(file, "%d", calls);
	fclose(file);
}
'''


def newer(own):
    tree = WORK / 'syncfs-tree'
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(own.tree, tree, ignore=lambda directory, names: [
        each for each in names if not each.endswith(('.h', 'FIO-VERSION-FILE')) and not Path(directory, each).is_dir()])
    with (tree / 'config-host.h').open('a') as file:
        file.write(NAMES)
    (tree / HEADER).write_text('')
    return Version('syncfs', tree)


def calls_of(own, engine, *words):
    """How often fio itself calls fdatasync(), and how many writes there are."""
    environment = {**os.environ, 'LD_PRELOAD': str(WORK / 'counter.so')}
    job = [own.program, '--name=j', '--thread', f'--ioengine=external:{engine}', '--pi_layout=none', '--filename=synced', '--size=1m',
           '--rw=write', '--bs=4k', '--iodepth=16', '--fdatasync=8', '--output-format=json', *words]
    done = subprocess.run(job, env=environment, cwd=WORK, capture_output=True, text=True, timeout=120)
    begin = done.stdout.find('{')
    jobs = json.loads(done.stdout[begin:])['jobs'] if done.returncode == 0 else []
    return int((WORK / 'calls').read_text()), jobs and jobs[0]['write']['total_ios'], done


def test():
    own = ours()
    WORK.mkdir(parents=True, exist_ok=True)
    (WORK / 'counter.c').write_text(COUNTER)
    subprocess.run(['cc', '-shared', '-fPIC', '-o', WORK / 'counter.so', WORK / 'counter.c'], check=True)
    with_syncfs = newer(own)
    if not with_syncfs.build():
        return
    for words in ([], ['--iodepth_batch=16'], ['--registerfiles']):
        calls, writes, done = calls_of(own, ENGINE.removeprefix('external:'), *words)
        ok(calls == 0 and writes == 256, f'a data sync goes through the ring {" ".join(words)}', calls, writes, done)
        calls, writes, done = calls_of(own, with_syncfs.engine, *words)
        ok(calls > 0 and writes == 256, f'a syncfs does not, and every write completes once {" ".join(words)}', calls, writes, done)


run(test)
