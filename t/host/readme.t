#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What README, CONTRIBUTING and the man pages name is there: options and their defaults, messages, files, commands, targets."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

README = (ROOT / 'README.md').read_text()
TEXTS = {path.relative_to(ROOT): path.read_text()
         for path in [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'man').iterdir())]}
ENGINE = BUILD / 'io_uring_pi.so'
FOLDERS = 'engines|lib|configs|scripts|t|man|doc'
ELSEWHERE = {'lib/modules'}      # of a kernel
# what stands for a place in a string: printf's, an f-string's, make's
PLACE = re.compile(r'%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j)?[a-zA-Z]|\{[^{}]*\}|\$\([^()]*\)')


def said(*words):
    done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True)
    return done.stdout + done.stderr


def rows(heading):
    """Of the tables below a heading, the cells of each row."""
    text = re.search(rf'^##+ {re.escape(heading)}\n(.*?)(?=^## |\Z)', README, re.M | re.S)[1]
    lines = [line for line in text.splitlines() if line.startswith('| ') and not line.startswith('|--')]
    return [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines]


def strings(*paths):
    """String literals, pieces side by side put together; the macros of inttypes.h between them are a place."""
    piece = r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\''
    for path in paths:
        for literal in re.findall(rf'(?:{piece})(?:\s*(?:PRI\w+\s*)?(?:{piece}))*', path.read_text(errors='replace')):
            text = re.sub(r'["\']\s*PRI\w+\s*["\']?', 'u', literal)
            yield re.sub(r'["\']\s+["\']', '', text)[1:-1].replace('\\n', '').replace("\\'", "'")


def says(literal, message):
    """Whether what a program prints by this literal may contain the message: its ends may be cut, its places filled."""
    parts = PLACE.split(literal)
    for first in range(len(parts)):
        if message in parts[first]:
            return True
        for last in range(first + 1, len(parts)):
            middle = ''.join(f'(?:.+?){re.escape(part)}' for part in parts[first + 1:last])
            head, tail = ends(parts[first]), starts(parts[last])
            found = re.fullmatch(rf'({head}){middle}(?:.+?)({tail})', message)
            if found and len(found[1]) + len(found[2]) + sum(map(len, parts[first + 1:last])) >= 0.4 * len(message):
                return True
    return False


def ends(text):
    return '|'.join(re.escape(text[at:]) for at in range(len(text) + 1))


def starts(text):
    return '|'.join(re.escape(text[:at]) for at in range(len(text), -1, -1))


def test_options():
    options = set(re.findall(r'^(\w+)\s*:', said(FIO, f'--enghelp={ENGINE}'), re.M))
    table = [row for heading in ('Options', 'Faults') for row in rows(heading)]
    named = {name: row for row in table for name in re.findall(r'`(pi_\w+|apptag\w*)`', row[0])}
    ok(len(named) > 15 and set(named) <= options, 'each option in the tables is one of the engine', set(named) - options)
    own = {name for name in options if name.startswith('pi_')}
    ok(own <= set(named) | set(re.findall(r'`(pi_\w+)', README)), 'each option of its own has a place in README',
       own - set(named))
    for name, row in named.items():
        default = re.search(r'\*\*`([^`]+)`\*\*', row[1])
        if default and len(re.findall('`pi_|`apptag', row[0])) == 1:
            there = re.search(r'default: (\S*)', said(FIO, f'--enghelp={ENGINE},{name}'))
            ok(there and there[1] == default[1], f'{name}: its default is {default[1]}', there and there[0])


def test_messages():
    ours = list(strings(*(path for folder in ('engines', 'lib', 'scripts') for path in (ROOT / folder).rglob('*')
                          if path.is_file() and path.suffix != '.patch'), ROOT / 'Makefile', ROOT / 't/tools/pi-info.c'))
    fios = list(strings(*(Path(FIO).resolve().parent / name for name in ('ioengines.c', 'parse.c', 'init.c'))))
    for message, _ in rows('When it says no')[1:]:
        text = message.strip('`').replace('…', '')
        ok(any(says(literal, text) for literal in ours) or any(says(literal, text) for literal in fios),
           f'it can be said: {text}')


def test_places():
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M))
    made = {f't/{name}' for name in ('pi-info', 'attr-cost', 'pi-poke', 'tuple-cost')}
    for name, text in TEXTS.items():
        text = text.replace('\\-', '-')
        places = set(re.findall(rf'(?<![\w/.$-])(?:{FOLDERS})/[\w./-]*\w/?', text))
        missing = [place for place in sorted(places - made - ELSEWHERE) if not (ROOT / place).exists() and not list(ROOT.glob(f'{place}*'))]
        ok(not missing, f'{name}: the {len(places)} files it names are there', *missing)
        asked = set(re.findall(r'(?:^    (?:\S* && )?|`|&& )(?:sudo )?make ([a-z][\w-]*)(?![\w=])', text, re.M))
        ok(asked <= targets, f'{name}: and so are {len(asked)} targets of make', asked - targets)
    anchors = {re.sub(r'[^\w -]', '', title).strip().lower().replace(' ', '-') for title in re.findall(r'^#+ (.*)', README, re.M)}
    linked = set(re.findall(r'\]\(#([^)]*)\)', README))
    ok(linked <= anchors, 'links within README lead somewhere', linked - anchors)


def test_commands():
    for command, words in set(re.findall(r'scripts/(pi-bench \w[\w-]*|guest run|debian source)([^`\n#]*)', README)):
        asked = set(re.findall(r'(?<!\S)--[a-z][a-z-]*', words.partition(' -- ')[0]))
        program, subcommand = command.split()
        known = set(re.findall(r'--[a-z][a-z-]*', said(ROOT / 'scripts' / program, subcommand, '--help')))
        ok(asked <= known, f'scripts/{command}{words.rstrip()[:40]}: it has these options', asked - known)


def test():
    test_options()
    test_messages()
    test_places()
    test_commands()


run(test)
