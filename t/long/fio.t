#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""fio's own test programs, unchanged: with fio's own engine, then with this one, case by case.

The words of the command line, if any, are the programs to run. PI_TEST_ENGINE is another engine to compare with.
"""
import collections
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ENGINE, FIO, ROOT, add_partition, main, ok, skip  # noqa: E402

TREE = Path(FIO).resolve().parent
TOOLS = ROOT / 't/long/fio-tests'
OURS = os.environ.get('PI_TEST_ENGINE', ENGINE.partition(':')[2])
# each start of a program that lies on the host takes a second
HERE = Path('/tmp')
KNOWN = (3, 40), (3, 41), (3, 42)


def disk(layout, blocks):
    """One that ends with the largest I/O of the programs."""
    block, metadata = map(int, layout.split(',')[0].split('+'))
    return f'{layout},size={blocks * (block + metadata)}'


SMALL = [disk('4096+8', 1024), disk('512+8', 2048), disk('4096+64,pos=first', 1024), disk('4096+16,guard=crc64', 1024),
         disk('512+8,type=3', 2048)]
EXTENDED = disk('512+8,extended', 2048)
MEDIUM = '4096+8,size=64M'
LARGE = '4096+8,size=512M'
# what the programs take for files are partitions
FILES = ['512+8,size=300G', '512+64,pos=first,size=300G']
PARTITIONS, PARTITION = 120, 1 << 30     # for each engine

# own: fio's engine for such a device; only: of its cases these, leaving out the others for that reason
Run = collections.namedtuple('Run', 'program own disks arguments files only reason', defaults=['', '', ''])
VERIFY = ' '.join(f'verify.{job}.{file}' for job in range(2) for file in range(3))
JOBS = 'foo xxx foo.0.0 test.0.0 t0025file t0026file t0029file t0036file ' + ' '.join(f't0037file.{file}' for file in range(1, 5))
RUNS = [
    Run('io_uring_pi.py', 'io_uring', SMALL, ['--dut']),
    Run('nvmept_pi.py', 'io_uring_cmd', [SMALL[0], SMALL[3], SMALL[4], EXTENDED], ['--dut']),
    Run('nvmept.py', 'io_uring_cmd', [MEDIUM], ['--dut']),
    Run('nvmept_trim.py', 'io_uring_cmd', [LARGE], ['--dut'], '', '1-7,100-109,200-202,300-304', '110 compares a rate with the clock'),
    Run('verify-trim.py', 'io_uring', [MEDIUM], ['--dut']),
    Run('strided.py', 'io_uring', SMALL[:1], ['--dut'], '', '1,2,4,6,15,16,18,20', 'the others want a larger disk'),
    Run('readonly.py', 'io_uring', FILES[:1], [], 'readonly.0.0'),
    Run('random_seed.py', 'io_uring', FILES[:1], [], 'random_seed.0.0'),
    Run('verify.py', 'io_uring', FILES[:1], ['--skip-req', '--csum', 'crc32c'], VERIFY, '2,6,1000,1003,2003',
        'the others run for so many seconds, ask for four processors, or differ in what is no concern of an engine'),
    Run('verify.py', 'io_uring', FILES[1:], ['--skip-req', '--csum', 'crc64'], VERIFY, '2,1003', 'they ran on the other disk'),
    Run('run-fio-tests.py', 'io_uring', FILES[:1], ['--skip-req'], JOBS, '3-5,8,18,25,26,29,36,37',
        'the others are not of verify=, or write gigabytes'),
    Run('run-fio-tests.py', 'io_uring', FILES[1:], ['--skip-req'], JOBS, '25,26,29,36,37', 'they ran on the other disk'),
]
SINCE = {'io_uring_pi.py': (3, 41)}
LEFT_OUT = {
    'client_server.py': "fio's protocol",
    'jsonplus2csv_test.py': "fio's output",
    'latency_percentiles.py': "fio's output",
    'log_compression.py': "fio's output",
    'steadystate_tests.py': "fio's output",
    'nvmept_fdp.py': 'needs a drive with data placement',
    'nvmept_streams.py': 'needs a drive with streams',
    'sgunmap-perf.py': 'the sg engine',
    'sgunmap-test.py': 'the sg engine',
    'fiotestcommon.py': 'not a test',
    'fiotestlib.py': 'not a test',
}

# a case that does not pass with both: how it ends with fio's engine and with ours, the words that say why, and where;
# where only ours fails, io_uring_pi(7) says it; seldom: it takes a coincidence
Known = collections.namedtuple('Known', 'program ids own ours words where seldom', defaults=['', False])
KNOWN_CASES = [
    # an I/O that was prepared as a write: io_uring writes it again and compares what it wrote, fio's posixaio fails alike
    Known('run-fio-tests.py', '26', 'passed', 'failed', 'bad header rand_seed'),
    # what is read is being written
    Known('nvmept.py', '9,10', 'passed', 'failed', 'was it being written meanwhile?', seldom=True),
    Known('nvmept.py', '9,10', 'passed', 'failed', 'guard expected', seldom=True),
    # what 11 and 12 have trimmed and written at once
    Known('nvmept.py', '13,16,18', 'passed', 'failed', 'guard expected', seldom=True),
    Known('nvmept_pi.py', '309,310,315-317', 'skipped', 'skipped', 'override', 'type=3'),
    Known('nvmept_pi.py', '402', 'skipped', 'skipped', 'override', 'extended'),
    # of O_DIRECT, which files do without there
    Known('verify.py', '1000,1003', 'failed', 'failed', 'bs=4 is not a multiple of the protection interval', 'mangle block size: 4'),
]


def called(disk):
    return re.sub(',size=.*', '', disk)


def version():
    text = (TREE / 'FIO-VERSION-FILE').read_text() if (TREE / 'FIO-VERSION-FILE').exists() else ''
    return tuple(map(int, re.findall(r'\d+', text)[:2]))


def numbers(ids):
    """'1-3,7' as the numbers it means."""
    pairs = [list(map(int, part.split('-'))) for part in ids.split(',') if part]
    return {number for pair in pairs for number in range(pair[0], pair[-1] + 1)}


Case = collections.namedtuple('Case', 'result why')


def spoken(directory):
    """What fio said in a case, the engine's lines first."""
    lines = [line for pattern in ('*.stderr', '*.out*') for path in sorted(directory.glob(pattern)) if path.is_file()
             for line in path.read_text(errors='replace').splitlines()]
    return sorted((line for line in dict.fromkeys(lines) if re.match(r'(io_uring_pi|fio|verify): (?!.*(layout|rw=|groupid))', line)),
                  key=lambda line: not line.startswith('io_uring_pi:'))


def cases(output, directories, only):
    """{(what the program says it does, number of the test): Case}"""
    found, context = {}, ''
    directories = list(dict.fromkeys(directories))
    for line in output.splitlines():
        test = re.match(r'Test (\d+) (PASSED|FAILED|SKIPPED)(.*)', line)
        if not test:
            context = line if re.match(r'(ddir|mangle block size|mode|pattern): ', line) else context
            continue
        number, result, why = int(test[1]), test[2].lower(), test[3].strip(' :')
        if only and number not in only:
            continue
        lines = []
        if result != 'skipped' and directories:
            directory = Path(directories.pop(0))
            if directory.name != f'{number:04d}':
                raise RuntimeError(f'test {number} ran in {directory}')
            lines = spoken(directory)
        elif result != 'skipped':
            why = f'fio was not run; {why}'
            result = 'failed'
        found[context, number] = Case(result, '; '.join([why, *lines]))
    return found


def discard(device):
    """As new, with tuples that say so."""
    fd = os.open(device, os.O_RDWR)
    fcntl.ioctl(fd, 0x1277, struct.pack('QQ', 0, os.lseek(fd, 0, os.SEEK_END)))     # BLKDISCARD
    os.close(fd)


def environment(run, disk, device, engine, log):
    name, *options = disk.split(',')
    block, metadata = map(int, name.split('+'))
    options = dict(word.partition('=')[::2] for word in options)
    return {**os.environ, 'PATH': f'{TOOLS}:{os.environ["PATH"]}', 'PYTHONPATH': str(TOOLS), 'PYTHONDONTWRITEBYTECODE': '1',
            'FIO_TEST_FIO': str(HERE / 'fio'), 'FIO_TEST_ENGINE': engine, 'FIO_TEST_LOG': str(log),
            'FIO_TEST_DIRECT': '1' if run.own == 'io_uring' else '', 'FIO_TEST_FILES': run.files, 'FIO_TEST_DISK': device,
            'FIO_TEST_FIRST': str(1 if engine == run.own else 1 + PARTITIONS), 'FIO_TEST_PARTITIONS': str(PARTITIONS),
            'FIO_TEST_DS': str(block.bit_length() - 1), 'FIO_TEST_MS': str(metadata), 'FIO_TEST_PI': options.get('type', '1'),
            'FIO_TEST_PIL': str(int(options.get('pos') == 'first')), 'FIO_TEST_PIF': '2' if options.get('guard') == 'crc64' else '0',
            'FIO_TEST_ELBA': str(int('extended' in options))}


def one(run, disk, device, engine):
    """The cases of one program with one engine."""
    if 'extended' not in disk:
        discard(device)
    what = f'{run.program}-{called(disk)}-{"fio" if engine == run.own else "ours"}'.replace(',', '-')
    log = Path(f'{what}.log')
    log.touch()
    Path(f'{log}.next').write_text('0\n')
    target = device.replace('nvme0n', 'ng0n') if run.own == 'io_uring_cmd' else device
    only = sorted(numbers(run.only))
    words = [sys.executable, TREE / 't' / run.program, '--fio', TOOLS / 'fio', '--artifact-root', Path(what).resolve(),
             *run.arguments, *([target] if '--dut' in run.arguments else []), *(['--run-only', *map(str, only)] if only else [])]
    start = time.monotonic()
    done = subprocess.run(words, capture_output=True, text=True, env=environment(run, disk, target, engine, log.resolve()))
    print(f'# {what}: {time.monotonic() - start:.0f} s', flush=True)
    found = cases(done.stdout, log.read_text().splitlines(), only)
    if not found or not set(only) <= {number for _, number in found}:
        raise RuntimeError(f'{words}: not all of the cases\n{done.stdout}{done.stderr}')
    return found


def known(run, disk, context, number, own, ours):
    for entry in KNOWN_CASES:
        if entry.program == run.program and number in numbers(entry.ids) and re.search(entry.where, f'{disk} {context}'):
            if (entry.own, entry.ours) == (own.result, ours.result) and entry.words in (ours.why if ours.result != 'passed' else own.why):
                return entry
    return None


def compare(run, disk, device, seen):
    own, ours = (one(run, disk, device, engine) for engine in (run.own, f'external:{HERE / Path(OURS).name}'))
    if run.reason:
        print(f'# {run.program} on {called(disk)}: only {run.only}; {run.reason}', flush=True)
    unexpected = []
    for key in {**own, **ours}:
        pair = [side.get(key, Case('missing', '')) for side in (own, ours)]
        if all(case.result == 'passed' for case in pair):
            continue
        context, number = key
        entry = known(run, disk, context, number, *pair)
        seen.add(entry)
        line = f'{run.program} {number} {f"({context}) " if context else ""}on {called(disk)}: ' + ', '.join(
            f'{who} {case.result}{f" [{case.why[:400]}]" if case.why else ""}' for who, case in zip(('fio', 'ours'), pair))
        print(f'# {line}', flush=True)
        if not entry:
            unexpected.append(line)
    passed = sum(case.result == 'passed' for case in ours.values())
    ok(passed and not unexpected, f'{run.program} on {called(disk)}: {passed} of {len(ours)} cases pass', *unexpected)


def described():
    """What the man page does not name of the differences."""
    page = (ROOT / 'man/io_uring_pi.7').read_text().replace('\\-', '-').partition('.SH FIO')[2].partition('.SH ')[0]
    return [entry for entry in KNOWN_CASES if (entry.own, entry.ours) == ('passed', 'failed') and
            not all(word in page for word in (entry.program, *entry.ids.split(','), entry.words))]


def test(*devices):
    ok(not described(), 'io_uring_pi(7) names the differences', *described())
    for path in (FIO, OURS):
        shutil.copy(path, HERE)
    programs = {run.program for run in RUNS}
    there = {path.name for path in (TREE / 't').glob('*.py')}
    fresh = there - programs - LEFT_OUT.keys()
    ok(not fresh or version() not in KNOWN, "every program of fio's is run or left out", *fresh)
    by_disk = dict(zip(DISKS, devices))
    for disk in FILES:
        if disk in DISKS:
            for number in range(2 * PARTITIONS):
                add_partition(by_disk[disk], number + 1, (number + 1) * PARTITION, PARTITION)
    seen = set()
    for run in chosen:
        if run.program not in there:
            why = f'not in fio {".".join(map(str, version()))}'
            if version() in KNOWN and version() >= SINCE.get(run.program, (0, 0)):
                ok(False, run.program, why)
            else:
                skip(run.program, why)
            continue
        for disk in run.disks:
            compare(run, disk, by_disk[disk], seen)
    stale = [entry for entry in KNOWN_CASES if entry not in seen and not entry.seldom and entry.program in {run.program for run in chosen}]
    ok(not stale or version() not in KNOWN, 'every known difference is there', *stale)


chosen = [run for run in RUNS if run.program in sys.argv[1:]] or RUNS
DISKS = list(dict.fromkeys(disk for run in chosen for disk in run.disks))
main(test, [word for disk in DISKS for word in ('--disk', disk)], timeout=5400)
