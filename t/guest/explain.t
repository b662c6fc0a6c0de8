#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""pi-bench explain: the functions sum to the total, two boots agree, and what is made longer is found, by as much as it is."""
import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.longer import LONGER, MORE, longer  # noqa: E402
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

sys.path.insert(0, str(ROOT / 'scripts'))
from pibench import explainreport, profile  # noqa: E402

ENGINE = BUILD / 'io_uring_pi.so'
AGREE = 0.002
# an I/O with PI, above one without and the checksum itself
OWN = 200


def explained(out, *words):
    done = subprocess.run([ROOT / 'scripts/pi-bench', 'explain', *words, '--rounds', '2', '--fio', FIO, '--out', out],
                          capture_output=True, text=True)
    ok(done.returncode == 0, f'explain {" ".join(map(str, words))}', done.stdout, done.stderr)
    return done.stdout


def totals(out):
    """{side: (sum of the functions, what the report gives for all)}"""
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
    against = [float(share) for share in re.findall(r"the guest's time says [\d,.]+ \(([+-][\d.]+) %\)", report)]
    ok(len(against) == len(names) and all(abs(each) < 100 * AGREE for each in against), "the guest's time says the same", report)
    ok('| unexplained' not in report, 'no instruction is without a function', report)


def check_own(out):
    """What fio and the engine take for PI, but for the checksum's own loop."""
    plain, with_pi = map(profile.middle, explainreport.load(out).values())
    more = sum(with_pi.rooms().get(room, 0) - plain.rooms().get(room, 0) for room in (profile.FIO, profile.ENGINE, profile.CHECKSUM))
    bare = sum(own for (room, name, _), (own, _) in with_pi.functions().items()
               if name.startswith('crc16_t10dif') and room == profile.CHECKSUM)
    ok(bare > 1000 and more - bare <= OWN, f'a read with PI takes {OWN} instructions of fio and engine more at most', more, bare)


def test():
    with tempfile.TemporaryDirectory(dir=BUILD) as place:
        place = Path(place)
        first, second = place / 'first', place / 'second'
        said = explained(first, 'indirect', '--old', longer(place))
        check_report(first, ('old', 'new'))
        old, new = explainreport.load(first).values()
        ok(profile.compare(old, new) == [(LONGER, -MORE)], f'a function that is {MORE} instructions shorter is found, and no other',
           profile.compare(old, new))
        ok(re.search(rf'^ +{LONGER} \(engine\) .* -{MORE} ', said, re.M), 'and shown', said)
        ok((first / 'plots/difference.svg').exists(), 'with a differential flame graph')

        said = explained(second, 'none', 'indirect')
        check_report(second, ('none', 'indirect'))
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
    for words, why in ((['indirekt'], "'indirekt' is no arm"), (['plain-nopi'], 'plain-nopi')):
        done = subprocess.run([ROOT / 'scripts/pi-bench', 'explain', *words], capture_output=True, text=True)
        ok(done.returncode == 2 and len(done.stderr.splitlines()) == 1 and why in done.stderr, f'{words[0]} is refused in one line', done)


run(test)
