#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What git knows of looks as it should: by rules of our own, and as linters see it where they are installed."""
import ast
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import BUILD, ROOT, ok, run, skip  # noqa: E402

COLUMNS = {'C': 120, 'Python': 140, 'shell': 140}
FUNCTION, FILE = 60, 600
SHORT_FILES = re.compile('(engines|lib|t/tools|t/bench|t/guest)/')
# written by others or by programs, or what is no text of ours
FOREIGN = re.compile(r't/fuzz/corpus/|COPYING$|.*\.(patch|svg|jsonl)$')
NO_LICENSE = re.compile(r'\.gitignore$|.*\.md$')
# of the kernel alone, or against what its own headers do; the last four: as macros, tables and tests have it here
CHECKPATCH = ('AVOID_EXTERNS PREFER_DEFINED_ATTRIBUTE_MACRO USE_NEGATIVE_ERRNO SPLIT_STRING STRCPY SUSPECT_COMMA_SEMICOLON ARRAY_SIZE '
              'ENOSYS VOLATILE EMBEDDED_FUNCTION_NAME STATIC_CONST_CHAR_ARRAY NAKED_SSCANF LONG_LINE LONG_LINE_STRING '
              'LONG_LINE_COMMENT REPEATED_WORD COMPLEX_MACRO MACRO_ARG_UNUSED LINE_SPACING BRACES')
# between binary operators a line ends or begins; the shell in strings has tabs; slices of sums have blanks
PYCODESTYLE = f'--max-line-length={COLUMNS["Python"]} --ignore=E101,E203,W191,W503,W504'


class Source:
    def __init__(self, name):
        self.name = name
        self.text = (ROOT / name).read_text(encoding='utf-8', errors='surrogateescape')
        self.lines = self.text.split('\n')
        self.language = self.find_language()

    def is_text(self):
        return not re.search('[\0\ud800-\udfff]', self.text)

    def find_language(self):
        first = self.lines[0]
        if self.name.endswith(('.c', '.h')):
            return 'C'
        if self.name.endswith('.py') or first.startswith('#!') and 'python' in first:
            return 'Python'
        return 'shell' if first == '#!/bin/sh' else None

    def where(self, wrong):
        return [f'{self.name}:{number}' for number, line in enumerate(self.lines, 1) if wrong(line)]

    def too_wide(self, line):
        """A message is not cut where it is too long for a line of C."""
        return len(line.expandtabs()) > COLUMNS[self.language] and not (self.language == 'C' and '"' in line)

    def functions(self):
        """(line, number of lines)"""
        if self.language == 'Python':
            for node in ast.walk(ast.parse(self.text)):
                if isinstance(node, ast.FunctionDef):
                    yield node.lineno, node.end_lineno - node.lineno + 1
            return
        start = None
        for number, line in enumerate(self.lines, 1):
            if line == '{':
                start = number
            elif line == '}' and start:
                yield start, number - start + 1
                start = None


def sources():
    listed = subprocess.run(['git', 'ls-files', '-z'], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        return None
    return [Source(name) for name in listed.stdout.split('\0')
            if name and not FOREIGN.match(name) and (ROOT / name).is_file()]


def rules(files):
    def none(name, wrong):
        wrong = list(wrong)
        ok(not wrong, name, *wrong)

    none('files are text in UTF-8', (file.name for file in files if not file.is_text()))
    coded = [file for file in files if file.language]
    none('no blanks at the end of a line', (at for file in files for at in file.where(lambda line: line != line.rstrip())))
    none('files end with one newline', (file.name for file in files if file.text and (
        not file.text.endswith('\n') or file.text.endswith('\n\n'))))
    none('each file names its license', (file.name for file in files if file.text and not NO_LICENSE.match(file.name) and
                                         'SPDX-License-Identifier: ' not in '\n'.join(file.lines[:3])))
    none('no line is too long', (at for file in coded for at in file.where(file.too_wide)))
    none('C is indented by tabs', (at for file in coded if file.language == 'C'
                                   for at in file.where(lambda line: re.match(r' +(?!\*)\S| *\t* +\t', line))))
    none(f'no function is longer than {FUNCTION} lines', (
        f'{file.name}:{line}: {length}' for file in coded if file.language != 'shell'
        for line, length in file.functions() if length > FUNCTION))
    none(f'no file of engine, library and programs is longer than {FILE} lines', (
        f'{file.name}: {len(file.lines) - 1}' for file in coded if file.language == 'C' and SHORT_FILES.match(file.name) and
        len(file.lines) - 1 > FILE))


def module(name):
    """How to run what Debian has as a module, or as a program by one of two names."""
    tried = [[sys.executable, '-m', name], *([each] for each in (name, f'{name}3') if shutil.which(each))]
    return next((words for words in tried
                 if subprocess.run([*words, '--version'], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0), None)


def checkpatch():
    """Nobody packages it: what make kernel has unpacked, or a kernel tree's in PATH."""
    found = shutil.which('checkpatch.pl') or next(map(str, BUILD.glob('kernel/linux-*/scripts/checkpatch.pl')), None)
    return found and ['perl', found, '--no-tree', '--terse', '--quiet', '--no-summary', '--show-types',
                      f'--ignore={CHECKPATCH.replace(" ", ",")}', '-f']


def linter(name, command, files):
    if not command:
        skip(name, 'not installed')
        return
    workers = len(os.sched_getaffinity(0))
    shares = [files[first::workers] for first in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        done = [*pool.map(lambda share: subprocess.run([*command, *share], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
                                                       text=True), filter(None, shares))]
    ok(files and not any(each.returncode or each.stdout for each in done), f'{name}: {len(files)} files',
       *(each.stdout + each.stderr for each in done))


def test():
    files = sources()
    if files is None:
        skip('git', 'this tree is no clone')
        return
    rules(files)
    names = {language: [file.name for file in files if file.language == language] for language in COLUMNS}
    linter('pyflakes', module('pyflakes'), names['Python'])
    style = module('pycodestyle')
    linter('pycodestyle', style and [*style, *PYCODESTYLE.split()], names['Python'])
    shell = shutil.which('shellcheck')
    linter('shellcheck', shell and [shell, '--severity=warning'], names['shell'])
    linter('checkpatch', checkpatch(), [name for name in names['C'] if SHORT_FILES.match(name)])


run(test)
