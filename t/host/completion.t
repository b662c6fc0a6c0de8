#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Bash completion offers what --help and pi-info --json list; --version prints the newest version in doc/changes.md."""
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ROOT, ok, run  # noqa: E402

TOOLS = {'pi-bench': ROOT / 'scripts/pi-bench', 'guest': ROOT / 'scripts/guest', 'pi-info': BUILD / 't/pi-info',
         'attr-cost': BUILD / 't/attr-cost'}
TAB = '''. scripts/completion.bash
compopt() { [ "$*" != "-o default" ] || echo files; }
program=$1; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_fio_pi "$program"; printf '%s\\n' "${COMPREPLY[@]}"'''


def said(*words):
    return subprocess.run(words, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True).stdout


def offered(tool, *words):
    return set(said('bash', '-c', TAB, 'bash', TOOLS[tool], *words).split())


def test():
    version = re.search(r'^## ([\d.]+)', (ROOT / 'doc/changes.md').read_text(), re.M)[1]
    for name, tool in TOOLS.items():
        text = said(tool, '--version')
        ok(text == f'{name} {version}\n', f'{name} --version', text)
    for name, words in (('pi-info', []), ('attr-cost', []), ('guest', ['run']), ('pi-bench', []), ('pi-bench', ['run']),
                        ('pi-bench', ['compare']), ('pi-bench', ['explain'])):
        wanted = set(re.findall(r'--[a-z][a-z-]*', said(TOOLS[name], *words, '--help')))
        found = offered(name, *words, '--')
        ok(found and found == wanted, f'{name} {" ".join(words)}: completes its options', found ^ wanted)
    found = offered('pi-bench', '')
    known = {'run', 'compare', 'lab', 'perf', 'explain', 'report', 'history', 'list', 'selftest', 'env'}
    ok(known == found, 'pi-bench: completes its commands', found)
    ok(offered('pi-bench', 'co') == {'compare'}, 'only commands with the typed prefix')
    ok(offered('guest', '') == {'run', 'fetch'}, 'guest: completes its commands', offered('guest', ''))
    ok(offered('pi-bench', 'run', '--verify', '') == {'host', 'device', 'both', 'none'}, 'completes the values of an option')
    layouts = set(json.loads(said(TOOLS['pi-info'], '--json'))['layouts'])
    found = offered('pi-bench', 'explain', '')
    ok(len(layouts) > 5 and layouts < found, 'explain: completes the layouts', layouts - found)
    ok(offered('attr-cost', '--layout', '') == layouts, 'attr-cost --layout: completes the layouts', offered('attr-cost', '--layout', ''))
    for disk in offered('guest', 'run', '--disk', ''):
        kind, _, _ = disk.rpartition(':')
        ok(kind in ('', 'scsi_debug', 'null_blk') and kind in said(TOOLS['guest'], 'run', '--help'), f'--disk {disk} is a disk format')
    for words in (['run', '--', ''], ['run', '--', 'fio', '--']):
        ok(offered('guest', *words) == {'files'}, 'completes only files after --', offered('guest', *words))


run(test)
