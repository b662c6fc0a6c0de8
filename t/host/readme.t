#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""README, doc/, CONTRIBUTING and the man pages name only existing options, defaults, messages, files, commands and links."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, FIO, ROOT, ok, run  # noqa: E402

PAGES = {path.relative_to(ROOT): path.read_text()
         for path in [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(ROOT.glob('doc/*.md'))]}
MANUALS = {path.relative_to(ROOT): path.read_text().replace('\\-', '-') for path in sorted((ROOT / 'man').iterdir())}
README, WORDS, SCREEN = Path('README.md'), 24, 150
ENGINE = BUILD / 'io_uring_pi.so'
FOLDERS = 'engines|lib|configs|scripts|t|man|doc'
ELSEWHERE = {'lib/modules'}      # a kernel's, not in this tree
# a placeholder in a string: printf's, an f-string's, make's
PLACE = re.compile(r'%[-+ #0]*(?:\d+|\*)?(?:\.(?:\d+|\*))?(?:hh|h|ll|l|z|j)?[a-zA-Z]|\{[^{}]*\}|\$\([^()]*\)')


def said(*words):
    done = subprocess.run(words, cwd=BUILD, capture_output=True, text=True)
    return done.stdout + done.stderr


def rows(page):
    """Return the cells of each row of the tables on a page."""
    lines = [line for line in PAGES[Path(page)].splitlines() if line.startswith('| ') and not line.startswith('|--')]
    return [[cell.strip() for cell in line.strip('|').split(' | ')] for line in lines]


def plain(text):
    """Return a man page without font changes and line breaks."""
    return ' '.join(re.sub(r'\\f[BIPR]|^\.[BI]R? |"', '', text, flags=re.M).split())


def strings(*paths):
    """Yield string literals, with adjacent ones joined; macros of inttypes.h between them become placeholders."""
    piece = r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\''
    for path in paths:
        for literal in re.findall(rf'(?:{piece})(?:\s*(?:PRI\w+\s*)?(?:{piece}))*', path.read_text(errors='replace')):
            text = re.sub(r'["\']\s*PRI\w+\s*["\']?', 'u', literal)
            yield re.sub(r'["\']\s+["\']', '', text)[1:-1].replace('\\n', '').replace("\\'", "'")


def says(literal, message):
    """Return whether output of this literal, with its placeholders filled in, can contain the message."""
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
    """Check the defaults in the man page; man.t checks that it has all options."""
    text = MANUALS[Path('man/io_uring_pi.7')]
    text = text[text.index('.SH OPTIONS\n'):text.index('.SH OPTIONS OF')]
    found = {}
    for entry in re.split(r'^\.(?:TP|SS)\b', text, flags=re.M)[1:]:
        name = re.match(r'[^\n]*\n\.BI? ([a-z]\w+)', entry)
        default = re.search(r'\(default (?!its)([\w-]+)\)|([\w-]+) ?\(default\)', plain(entry))
        if name and default:
            found[name[1]] = default[1] or default[2]
    ok(len(found) >= 15, 'the man page gives defaults', found)
    for name, default in found.items():
        there = re.search(r'default: (\S*)', said(FIO, f'--enghelp={ENGINE},{name}'))
        ok(there and there[1] == default, f'{name}: the default is {default}', there and there[0])
    options = set(re.findall(r'^(\w+)\s*:', said(FIO, f'--enghelp={ENGINE}'), re.M))
    named = {name for page in PAGES.values() for name in re.findall(r'\b(pi_[a-z]\w*)(?==| with)', page)}
    ok(len(named) > 6 and named <= options, 'every option that a page names exists', named - options)


def test_messages():
    ours = list(strings(*(path for folder in ('engines', 'lib', 'scripts') for path in (ROOT / folder).rglob('*')
                          if path.is_file() and path.suffix != '.patch'), ROOT / 'Makefile', ROOT / 't/tools/pi-info.c'))
    fios = list(strings(*(Path(FIO).resolve().parent / name for name in ('ioengines.c', 'parse.c', 'init.c'))))
    for message, _ in rows('doc/messages.md')[1:]:
        text = message.strip('`').replace('…', '')
        ok(any(says(literal, text) for literal in ours) or any(says(literal, text) for literal in fios),
           f'a program can print: {text}')


def test_places():
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.M))
    made = {f't/{name}' for name in ('pi-info', 'attr-cost', 'pi-poke', 'tuple-cost')}
    for name, text in {**PAGES, **MANUALS}.items():
        places = set(re.findall(rf'(?<![\w/.$-])(?:{FOLDERS})/[\w./-]*\w/?', text))
        missing = [place for place in sorted(places - made - ELSEWHERE) if not (ROOT / place).exists() and not list(ROOT.glob(f'{place}*'))]
        ok(not missing, f'{name}: the {len(places)} files that it names exist', *missing)
        asked = set(re.findall(r'(?:^    (?:\S* && )?|`|&& )(?:sudo )?make ([a-z][\w-]*)(?![\w=])', text, re.M))
        ok(asked <= targets, f'{name}: the {len(asked)} make targets that it names exist', asked - targets)


def anchors(text):
    """Return the anchors that GitHub generates."""
    titles = re.findall(r'^#+ (.*)', re.sub(r'^    .*', '', text, flags=re.M), re.M)
    return {re.sub(r'[^\w -]', '', title).strip().lower().replace(' ', '-') for title in titles}


def test_links():
    reached = set()
    for name, text in PAGES.items():
        lost = []
        links = re.findall(r'\]\(([^)\s]+)\)', text)
        for link in (link for link in links if '://' not in link):
            place, _, anchor = link.partition('#')
            path = (ROOT / name).parent / place if place else ROOT / name
            reached |= {path.resolve()} if name == README else set()
            page = PAGES.get(path.resolve().relative_to(ROOT)) if path.exists() else None
            if not path.exists() or anchor and (page is None or anchor not in anchors(page)):
                lost.append(link)
        ok(not lost, f'{name}: its {len(links)} links are valid', *lost)
    wanted = {(ROOT / name).resolve() for name in [*PAGES, *MANUALS]} - {ROOT / README}
    ok(wanted <= reached, 'README links to every page', *(wanted - reached))
    manual = MANUALS[Path('man/io_uring_pi.7')]
    ok(all(name.name in manual for name in PAGES if name.parts[0] == 'doc'), 'io_uring_pi(7) names every page',
       *(name for name in PAGES if name.parts[0] == 'doc' and name.name not in manual))


def test_length():
    lines = PAGES[README].count('\n')
    ok(lines <= SCREEN, f'README has at most {SCREEN} lines', lines)
    first = PAGES[README][:PAGES[README].index('\n## ', PAGES[README].index('!['))].count('\n')
    ok(first <= 40, 'the picture is on the first screen', first)
    lines = PAGES[Path('doc/words.md')].count('\n')
    ok(lines <= WORDS, f'the vocabulary has at most {WORDS} lines', lines)


def test_commands():
    for name, text in PAGES.items():
        for command, words in sorted(set(re.findall(r'scripts/(pi-bench \w[\w-]*|guest run|debian source)([^`\n#]*)', text))):
            asked = set(re.findall(r'(?<!\S)--[a-z][a-z-]*', words.partition(' -- ')[0]))
            program, subcommand = command.split()
            known = set(re.findall(r'--[a-z][a-z-]*', said(ROOT / 'scripts' / program, subcommand, '--help')))
            ok(known and asked <= known, f'{name}: the options of scripts/{command}{words.rstrip()[:40]} exist', asked - known)


def test():
    test_options()
    test_messages()
    test_places()
    test_links()
    test_length()
    test_commands()


run(test)
