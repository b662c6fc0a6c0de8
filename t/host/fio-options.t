#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each option of fio's io_uring and io_uring_cmd works here or is refused by name, as the table in io_uring_pi(7) says."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ENGINE, FIO, ROOT, ok, run  # noqa: E402

# options of a fio newer than any in the archive: its sources of August 2026
NEWER = {'cdb_len', 'verify_bytchk', 'read_mode'}
# values that change something
VALUES = {'hipri': True, 'fixedbufs': True, 'registerfiles': True, 'sqthread_poll': True, 'sqthread_poll_cpu': 0, 'force_async': 4,
          'cmdprio_percentage': 50, 'cmdprio_class': 2, 'cmdprio': 4, 'cmdprio_hint': 1, 'cmdprio_bssplit': '4k/50',
          'md_per_io_size': 4096, 'pi_chk': 'GUARD', 'apptag': 7, 'apptag_mask': 0xff, 'cmd_type': 'nvme', 'cmd_type=bsg': 'bsg',
          'nonvectored': 0, 'write_mode': 'zeroes', 'verify_mode': 'compare', 'cdb_len': 16, 'read_mode': 'prefetch'}
# other options that an option needs to have an effect
WITH = {'deac': {'write_mode': 'zeroes'}, 'sqthread_poll_cpu': {'sqthread_poll': True}, 'uncached': {'direct': 1},
        **{name: {'cmdprio_percentage': 50} for name in ('cmdprio_class', 'cmdprio', 'cmdprio_hint')}}
WAYS = {'block': 'indirect', 'character': 'passthru'}
MISSING = '/dev/null/disk'


def said(*words):
    done = subprocess.run(list(map(str, words)), cwd=BUILD, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def help_of(fio, engine):
    return set(re.findall(r'^(\w+)\s*:', said(fio, f'--enghelp={engine}')[1], re.M))


def table():
    """Return {option: {way: 'yes' or 'no'}} from the man page."""
    text = (ROOT / 'man/io_uring_pi.7').read_text().replace('\\-', '-')
    rows = re.search(r"^\.SH OPTIONS OF FIO'S ENGINES\n(.*?)^\.SH ", text, re.M | re.S)[1]
    return {row[1]: {'block': row[2], 'character': row[3], 'why': row[4].strip()}
            for row in re.finditer(r'^(\w+(?:=\w+)?) +(yes|no) +(yes|no)\b(.*)$', rows, re.M)}


def try_out(name, way):
    """Run a job on a device that does not exist; options are checked before devices."""
    option = name.partition('=')[0]
    options = {'rw': 'write', 'bs': '4k', 'size': '64k', 'direct': 1, 'allow_file_create': 0, 'pi_layout': WAYS[way],
               **WITH.get(name, {}), option: VALUES.get(name, 1)}
    words = [f'--{option}' if value is True else f'--{option}={value}' for option, value in options.items()]
    status, text = said(FIO, '--name=job', f'--ioengine={ENGINE}', f'--filename={MISSING}', *words)
    return status, [line for line in text.splitlines() if line.startswith('io_uring_pi:')], text


def test():
    rows = table()
    fios = {fio.resolve() for fio in (Path(FIO), *BUILD.glob('src/fio-*/fio'))}
    ours = help_of(FIO, BUILD / 'io_uring_pi.so')
    for fio in sorted(fios):
        theirs = help_of(fio, 'io_uring') | help_of(fio, 'io_uring_cmd')
        ok(len(theirs) > 15 and theirs <= ours, f'{fio.parent.name}: this engine knows all {len(theirs)} options of its engines',
           theirs - ours)
        ok(theirs <= set(rows), 'and the man page says for each whether it works', theirs - set(rows))
    ok(NEWER <= ours and NEWER <= set(rows), 'also for the options of a newer fio', NEWER - ours, NEWER - set(rows))
    strange = {row for row in rows if row.partition('=')[0] not in ours}
    ok(not strange, 'the man page lists no other options', strange)
    for name, row in rows.items():
        refused = [way for way in WAYS if row[way] == 'no']
        ok(bool(refused) == bool(row['why']), f'{name}: the table gives a reason if it is refused', row)
        for way in WAYS:
            if name not in ours and '=' not in name:
                continue
            status, lines, text = try_out(name, way)
            option = name.partition('=')[0]
            expected = option if way in refused else MISSING
            # on a block device, uncached needs buffered I/O, which protection information excludes
            ok(status != 0 and len(lines) == 1 and expected in lines[0] and (way in refused or option not in lines[0]),
               f'{name} on a {way} device {"is refused by name" if way in refused else "is accepted"}', text)


run(test)
