#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Each function, type and macro in a header has a correct and complete kernel-doc comment.

The kernel's own scripts/kernel-doc is in no package. This knows the C of these headers and no more.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from lib.tap import ok  # noqa: E402
from lib import tap  # noqa: E402

COMMENT = re.compile(r'/\*.*?\*/', re.S)
PRIVATE = re.compile(r'/\*\s*private:.*?(?=/\*\s*public:|\Z)', re.S)
TYPE = re.compile(r'(struct|union|enum) (\w+) *\{(.*)\}', re.S)


def end_of(text, start):
    """Return where the declaration ends: after a semicolon, or after a function body."""
    depth = 0
    at = start
    while at < len(text):
        if text.startswith('/*', at):
            at = text.index('*/', at) + 2
            continue
        depth += (text[at] in '({') - (text[at] in ')}')
        at += 1
        if depth == 0 and text[at - 1] == ';':
            return at
        if depth == 0 and text[at - 1] == '}' and not TYPE.match(text[start:at]):
            return at
    return at


def items(text):
    """Yield (comment, declaration) for each declaration or macro; the comment directly before it, or an empty string."""
    at, comment = 0, ''
    while True:
        at += len(text[at:]) - len(text[at:].lstrip())
        if at == len(text):
            return
        if text.startswith('/*', at):
            end = text.index('*/', at) + 2
            comment = text[at:end] if text.startswith('/**', at) else ''
            at = end
            continue
        end = re.compile(r'(?<!\\)\n').search(text, at).end() if text[at] == '#' else end_of(text, at)
        yield comment, text[at:end]
        at, comment = end, ''


def without(text, start, closing):
    """Remove bracketed parts, including nested ones, that follow some text."""
    while (found := re.search(start, text)):
        depth, at = 1, found.end()
        while depth:
            depth += (text[at] == found.group()[-1]) - (text[at] == closing)
            at += 1
        text = text[:found.start()] + text[at:]
    return text


def parts(text, between):
    """Split at a separator that is not inside brackets."""
    depth, start = 0, 0
    for at, char in enumerate(text):
        depth += (char in '({[') - (char in ')}]')
        if char == between and not depth:
            yield text[start:at].strip()
            start = at + 1
    yield text[start:].strip()


def declared(declarator):
    """Return the declared name: of a variable, an array, or a function pointer."""
    found = re.search(r'\(\s*\*\s*(\w+)', declarator) or re.search(r'(\w+)\s*(?:\[[^]]*\]\s*)*(?::\s*\w+)?$', declarator)
    return found and found.group(1)


def members(kind, body):
    body = COMMENT.sub('', PRIVATE.sub('', body))
    if kind == 'enum':
        return [re.match(r'\w+', one).group() for one in parts(body, ',') if one]
    body = without(without(body, r'__attribute__\s*\(', ')'), r'\{', '}')
    return [declared(one) for line in parts(body, ';') if line for one in parts(line, ',')]


def wanted(declaration):
    """Return (title, names to describe, whether it returns something, or None if that does not apply)."""
    macro = re.match(r'#\s*define (\w+)\(([^)]*)\)', declaration)
    if macro:
        return f'{macro.group(1)}()', [name.strip() for name in macro.group(2).split(',') if name.strip()], None
    if declaration[0] == '#':
        return None
    found = TYPE.match(declaration)
    if found:
        return ' '.join(found.groups()[:2]), members(found.group(1), found.group(3)), False
    text = ' '.join(without(COMMENT.sub('', declaration), r'__attribute__\s*\(', ')').split())
    found = re.match(r'((?:[\w]+[ *]+)+)(\w+) ?\((.*?)\) ?[;{]', text)
    if not found or text.startswith(('_Static_assert', 'extern')):
        return None
    returned, name, parameters = found.groups()
    names = [declared(one) for one in parts(parameters, ',') if one not in ('void', '...')]
    if returned.startswith('typedef '):
        return f'typedef {name}', names, returned.split() != ['typedef', 'void']
    return f'{name}()', names, returned.replace('*', ' * ').split()[-1] != 'void'


def problems(text):
    """Yield one line for each error in a header."""
    for comment, declaration in items(text):
        is_macro = declaration[0] == '#'
        want = wanted(declaration)
        if not want or (is_macro and not comment):
            if comment:
                yield f'{comment.split(chr(10))[1].strip(" *")}: describes nothing'
            continue
        title, names, returns = want
        if not comment:
            yield f'{title}: no kernel-doc comment'
            continue
        lines = [re.sub(r'^\s*\*( |$)', '', line).rstrip() for line in comment[3:-2].strip('\n').split('\n')]
        if not re.match(rf'{re.escape(title)} - \S', lines[0]):
            yield f'{title}: its comment begins with "{lines[0]}"'
        described = re.findall(r'^@(\w+):[ \t]*(\S?)', '\n'.join(lines), re.M)
        for name in names:
            if name not in dict(described):
                yield f'{title}: @{name} is not described'
        for name, word in described:
            if name not in names:
                yield f'{title}: there is no @{name}'
            if not word:
                yield f'{title}: nothing is said of @{name}'
            if [other for other, _ in described].count(name) > 1:
                yield f'{title}: @{name} is described twice'
        if returns is not None and returns != any(re.match(r'Return: \S', line) for line in lines):
            yield f'{title}: {"no" if returns else "needless"} line "Return: ..."'


GOOD = '''
/* SPDX */
#ifndef A
#include <a.h>
struct other;

/**
 * enum color - a choice
 * @RED:	one
 * @BLUE:	another
 */
enum color {
	RED = 1 << 2,	/* as is */
	BLUE,
};

/**
 * struct thing - has parts
 * @call:	a function, of (@x)
 * @done:	two
 * @left:	one
 * @right:	one
 * @bits:	few
 * @both:	of kinds
 *
 * More words.
 */
struct thing {
	int (*call)(int x, const char *y);
	void (*done[2])(void);
	unsigned int left, right[4][2];
	uint8_t bits : 3;
	struct {
		int inner;
	} both;
	/* private: nobody's */
	int hidden;
} __attribute__((aligned(64)));

/**
 * act() - do it
 * @thing:	to it
 * @fn:		with that
 *
 * Return: 0.
 */
int act(struct thing *thing, void (*fn)(int a, int b), ...)
	__attribute__((format(printf, 1, 2)));

/**
 * quick() - do it here
 * @thing:	to it
 */
static inline ALWAYS __attribute__((always_inline)) void
quick(const struct thing *thing)
{
	if (thing) {
		act(thing, NULL);
	}
}

/**
 * TWICE() - a macro
 * @it:	what
 */
#define TWICE(it) \\
	(2 * (it))

extern const struct thing things[2];
_Static_assert(sizeof(struct thing) == 64, "size");
#endif
'''
# (text to break, replacement, expected error)
BROKEN = [
    (' * @BLUE:	another\n', '', 'enum color: @BLUE is not described'),
    (' * @left:	one\n', '', 'struct thing: @left is not described'),
    (' * @call:	a function, of (@x)\n', '', 'struct thing: @call is not described'),
    (' * @done:	two\n', '', 'struct thing: @done is not described'),
    (' * @both:	of kinds\n', ' * @both:\n', 'struct thing: nothing is said of @both'),
    (' * @bits:	few\n', ' * @bits:	few\n * @bits:	more\n', 'struct thing: @bits is described twice'),
    ('	/* private: nobody\'s */\n', '', 'struct thing: @hidden is not described'),
    ('@right:', '@wrong:', 'struct thing: there is no @wrong'),
    (' * @fn:		with that\n', '', 'act(): @fn is not described'),
    (' * @thing:	to it\n * @fn', ' * @object:	to it\n * @fn', 'act(): there is no @object'),
    (' * act() - do it', ' * acts() - do it', 'act(): its comment begins with "acts() - do it"'),
    (' *\n * Return: 0.\n', '', 'act(): no line "Return: ..."'),
    (' * Return: 0.', ' * More.  Return: 0.', 'act(): no line "Return: ..."'),
    ('to it\n */\nstatic', 'to it\n *\n * Return: 0.\n */\nstatic', 'quick(): needless line "Return: ..."'),
    ('/**\n * quick()', '/*\n * quick()', 'quick(): no kernel-doc comment'),
    (' * @it:	what\n', '', 'TWICE(): @it is not described'),
    ('/**\n * enum color', '/**\n * gone() - not there\n */\nstruct gone;\n\n/**\n * enum color',
     'gone() - not there: describes nothing'),
]


def main():
    ok(not list(problems(GOOD)), 'a header with every kind of declaration passes', *problems(GOOD))
    for what, instead, said in BROKEN:
        told = list(problems(GOOD.replace(what, instead, 1)))
        ok(what in GOOD and said in told, f'reports: {said}', *told)
    for path in sorted([*ROOT.glob('lib/*.h'), *ROOT.glob('engines/*.h')]):
        told = list(problems(path.read_text()))
        ok(not told, f'{path.relative_to(ROOT)} is documented', *told)
    print(f'1..{tap.checks}')
    sys.exit(tap.failures != 0)


main()
