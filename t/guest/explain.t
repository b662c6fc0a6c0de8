#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench explain: the functions sum to the total, two boots agree, and a longer function is found with the right difference."""
import csv
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.longer import LONGER, MORE, longer  # noqa: E402
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

sys.path.insert(0, str(ROOT / 'scripts'))
from pibench import explainreport, memory, profile  # noqa: E402

ENGINE = BUILD / 'io_uring_pi.so'
AGREE = 0.002
# limit for an I/O with PI, on top of one without PI and of the checksum
OWN = 200
# functions that only the job calls
JOBS = re.compile(r'(blk|bio|scsi|sd)_')
# Read 512 and 1536 blocks, with probes at entry and return of each function that ftrace knows. Under -icount the time stamp
# counter counts instructions.
TRACE = r'''
fio=$1 engine=$2 tracing=/sys/kernel/tracing
shift 2
job() {
	"$fio" --name=x --ioengine=external:"$engine" --filename="$PI_DISK0" --direct=1 --size=16m --io_size=1g --fixedbufs=1 \
		--registerfiles=1 --nonvectored=1 "$@" >&2
}
job --rw=write --bs=128k --number_ios=128 || exit
echo x86-tsc >$tracing/trace_clock
echo 32768 >$tracing/buffer_size_kb
for function in "$@"; do
	echo "f:in_$function $function" >>$tracing/dynamic_events && echo "f:out_$function $function%return" >>$tracing/dynamic_events
done 2>/dev/null
counted() {
	echo >$tracing/trace
	job --rw=randread --bs=4k --iodepth=32 --number_ios=$1 || exit
	echo "run $1"
	cat $tracing/trace
}
echo 1 >$tracing/events/fprobes/enable
counted 512
counted 1536
# among several to find the one that is meant takes more of one than of another
for function in "$@"; do
	echo 0 >$tracing/events/fprobes/enable
	echo 1 >$tracing/events/fprobes/in_$function/enable && echo 1 >$tracing/events/fprobes/out_$function/enable && counted 64
done 2>/dev/null
'''
TRACED = re.compile(r'\s(\d+): (in|out)_(\w+): \((?:\w+\+0x([0-9a-f]+)/)?')


def explained(out, *words):
    done = subprocess.run([ROOT / 'scripts/pi-bench', 'explain', *words, '--rounds', '2', '--fio', FIO, '--out', out],
                          capture_output=True, text=True)
    ok(done.returncode == 0, f'explain {" ".join(map(str, words))}', done.stdout, done.stderr)
    return done.stdout


def totals(out):
    """Return {side: (sum of the functions, total in the report)}."""
    with open(out / 'functions.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    report = next(line for line in (out / 'report.md').read_text().splitlines() if re.match(r'\| all ', line))
    names = [column.partition(' ')[2] for column in rows[0] if column.startswith('instructions ')]
    said = [float(cell.replace(',', '')) for cell in report.split('|')[2:2 + len(names)]]
    return {name: (sum(float(row[f'instructions {name}']) for row in rows), figure) for name, figure in zip(names, said)}


def check_report(out, names):
    for name, (summed, figure) in totals(out).items():
        ok(abs(summed - figure) < 1 and figure > 5000, f'{name}: the functions sum to the total', summed, figure)
    report = (out / 'report.md').read_text()
    against = [float(share) for share in re.findall(r"the guest's time is [\d,.]+ \(([+-][\d.]+) %\)", report)]
    ok(len(against) == len(names) and all(abs(each) < 100 * AGREE for each in against), "the guest's time says the same", report)
    ok('| unexplained' not in report, 'no instruction is without a function', report)


def check_own(out):
    """PI in fio and the engine, without the checksum's loop, stays below the limit."""
    plain, with_pi = map(profile.middle, explainreport.load(out).values())
    more = sum(with_pi.rooms().get(room, 0) - plain.rooms().get(room, 0) for room in (profile.FIO, profile.ENGINE, profile.CHECKSUM))
    bare = sum(own for (room, name, _), (own, _) in with_pi.functions().items()
               if name.startswith('crc16_t10dif') and room == profile.CHECKSUM)
    ok(bare > 1000 and more - bare <= OWN, f'a read with PI takes {OWN} instructions of fio and engine more at most', more, bare)


def check_cache(out):
    """The cache model reports the lines touched; PI touches more, and each round the same."""
    report = (out / 'report.md').read_text()
    for figure, least in ((memory.DATA_LINES, 10), (memory.CODE_LINES, 50)):
        said = [list(map(float, row)) for row in re.findall(rf'^\| all +\| {figure}, modelled +\| +([\d.]+) \| +([\d.]+) \|', report, re.M)]
        ok(len(said) == 1 and 100 < said[0][0] < said[0][1] - least < 2000, f'an I/O touches {figure}, and with PI more', said, report)
        ranges = re.findall(rf'{figure} ([\d.]+) to ([\d.]+)', report)
        ok(len(ranges) == 2 and all(float(high) - float(low) < 0.02 * float(high) for low, high in ranges), 'as many in each round', ranges)
    sums = [[sum(values[number] for values in each.memory.values()) for number in range(len(memory.FIGURES))]
            for each in map(profile.middle, explainreport.load(out).values())]
    ok(all(len(each) == len(memory.FIGURES) and each[0] > 100 for each in sums), 'of each function', sums)


def traced(functions):
    """Return {function: (calls in 1024 I/Os, most frequent time between entry and return)} from ftrace."""
    done = subprocess.run([ROOT / 'scripts/guest', 'run', '--quiet', '--icount', '--disk', 'scsi_debug:4096+8', '--',
                           'sh', '-c', TRACE, 'sh', FIO, ENGINE, *functions], cwd=ROOT, capture_output=True, text=True)
    ok(done.returncode == 0, 'a guest with ftrace', done.stderr)
    runs, entered = [], {}
    for line in done.stdout.splitlines():
        if line.startswith('run '):
            runs.append({})
        elif runs and (found := TRACED.search(line)):
            stamp, way, name, offset = found.groups()
            if way == 'in':
                # the probe is after an endbr64
                entered[name] = int(stamp) - bool(int(offset, 16))
            elif name in entered:
                runs[-1].setdefault(name, []).append(int(stamp) - entered.pop(name))
    few, many, *single = runs
    return {name: (len(many[name]) - len(few[name]), statistics.mode(times)) for run in single for name, times in run.items()}


def check_traced(shown):
    """ftrace counts the same calls and, apart from the constant cost of its probes, the same instructions."""
    inner = {node.key for _, node in shown.root.walk() if any(child.calls for child in node.children.values())}
    own = {name: own for (room, name, module), (own, calls) in shown.functions().items()
           if (name, module) not in inner and calls == 1 and own == round(own) and JOBS.match(name)}
    found = traced(sorted(own, key=lambda name: -own[name])[:8])
    ok(len(found) >= 4 and all(calls == 1024 for calls, _ in found.values()), 'ftrace counts as many calls', own, found)
    probes = {name: time - own[name] for name, (_, time) in found.items()}
    ok(len(set(probes.values())) == 1 and len({own[name] for name in found}) > 3, 'and the instructions of each', own, found, probes)


def test():
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        place = Path(place)
        first, second = place / 'first', place / 'second'
        said = explained(first, 'indirect', '--old', longer(place))
        check_report(first, ('old', 'new'))
        old, new = explainreport.load(first).values()
        ok(profile.compare(old, new) == [(LONGER, -MORE)], f'a function that is {MORE} instructions shorter is found, and no other',
           profile.compare(old, new))
        ok(re.search(rf'^ +{LONGER} \(engine\) .* -{MORE} ', said, re.M), 'and printed', said)
        ok((first / 'plots/difference.svg').exists(), 'with a differential flame graph')

        explained(second, 'none', 'indirect', '--cache')
        check_report(second, ('none', 'indirect'))
        check_cache(second)
        check_own(second)
        again = explainreport.load(second)['indirect']
        ok(profile.compare(new, again) == [], 'the same in another boot: no function differs', profile.compare(new, again))
        one, other = (profile.by_name(profile.middle(each)) for each in (new, again))
        apart = {name: (one.get(name, 0), other.get(name, 0)) for name in {**one, **other}
                 if round(one.get(name, 0)) != round(other.get(name, 0))}
        ok(sum(abs(a - b) for a, b in apart.values()) < 10, 'what rounds differ by is what they say they do', apart)
        shown = profile.middle(again)
        rooms = shown.rooms()
        ok(all(rooms.get(room, 0) > 100 for room in (profile.FIO, profile.ENGINE, profile.CHECKSUM, profile.URING, profile.BLOCK,
                                                     profile.INTEGRITY, profile.PINNING, profile.SLAB, profile.DRIVER, profile.DRIVE,
                                                     profile.ENTRY)), 'every room is there', rooms)
        functions = shown.functions()
        drives = [own for (room, name, _), (own, _) in functions.items() if name.startswith('crc16_') and room == profile.DRIVE]
        ours = [own for (room, name, _), (own, _) in functions.items() if name.startswith('crc16_t10dif') and room == profile.CHECKSUM]
        ok(sum(drives) > 1000 and sum(ours) > 1000, "the drive's checksum is the drive's, the engine's its own", drives, ours)
        calls = [calls for (_, name, _), (_, calls) in functions.items() if name in ('bio_integrity_map_user', 'thread_main', LONGER)]
        ok(sorted(map(round, calls)) == [0, 1, 1], 'calls of an I/O', calls)
        check_traced(shown)
    for words, why in ((['indirekt'], "'indirekt' is not an arm"), (['plain-nopi'], 'plain-nopi')):
        done = subprocess.run([ROOT / 'scripts/pi-bench', 'explain', *words], capture_output=True, text=True)
        ok(done.returncode == 2 and len(done.stderr.splitlines()) == 1 and why in done.stderr, f'{words[0]} is refused in one line', done)


run(test)
