# SPDX-License-Identifier: GPL-2.0-only
"""A report as a list of blocks, and how each looks on a terminal, in Markdown and in HTML."""

import dataclasses
import html
import pathlib
import re
import textwrap

STYLE = pathlib.Path(__file__).resolve().parents[1] / "plots" / "report.css"
COLUMNS, BAR = 100, 30
# rows of a table that a page shows without being asked
ROWS = 12


def filled(text, indent=""):
    text = text.replace("**", "").replace("`", "")
    return textwrap.fill(text, COLUMNS, break_on_hyphens=False, subsequent_indent=indent)


def shortened(text):
    return textwrap.shorten(text, COLUMNS, placeholder=" ...", break_long_words=False)


@dataclasses.dataclass(frozen=True)
class Heading:
    text: str
    level: int = 2

    def markdown(self):
        return f"{'#' * self.level} {self.text}"

    def html(self):
        return f"<h{self.level}>{inline(self.text)}</h{self.level}>"


@dataclasses.dataclass(frozen=True)
class Paragraph:
    text: str

    def markdown(self):
        return self.text

    def html(self):
        return f"<p>{inline(self.text)}</p>"

    def terminal(self):
        return filled(self.text)


@dataclasses.dataclass(frozen=True)
class Banner:
    """What a reader looks for first."""

    word: str
    text: str

    def markdown(self):
        return f"**{self.word}**: {self.text}"

    def html(self):
        return f'<p class="verdict {self.word.lower()}"><strong>{inline(self.word)}</strong> {inline(self.text)}</p>'

    def terminal(self):
        return filled(f"{self.word}: {self.text}")


@dataclasses.dataclass(frozen=True)
class Command:
    text: str

    def markdown(self):
        return f"    {self.text}"

    def html(self):
        return f"<pre>{html.escape(self.text)}</pre>"


@dataclasses.dataclass(frozen=True)
class Items:
    items: list

    def markdown(self):
        return "\n".join(f"- {item}" for item in self.items)

    def html(self):
        return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in self.items)}</ul>"

    def terminal(self):
        return "\n".join(filled(f"- {item}", "  ") for item in self.items)


@dataclasses.dataclass(frozen=True)
class Bars:
    """A few figures with a bar each; rows: (what, figures as text, length)."""

    title: str
    rows: list

    @property
    def longest(self):
        return max((length for *_, length in self.rows), default=0) or 1

    def lines(self):
        wide, figures = (max((len(row[at]) for row in self.rows), default=0) for at in (0, 1))
        wide = min(wide, COLUMNS - BAR - figures - 6)
        for what, text, length in self.rows:
            what = what if len(what) <= wide else what[: wide - 1] + "…"
            yield f"  {what:<{wide}}  {text:>{figures}}  {'█' * round(BAR * max(0, length) / self.longest)}".rstrip()

    def markdown(self):
        return "\n".join([f"{self.title}:", "", "```text", *self.lines(), "```"])

    def terminal(self):
        return "\n".join([filled(f"{self.title}:"), *self.lines()])

    def html(self):
        rows = "".join(
            f"<tr><td>{inline(what)}</td><td class=n>{inline(text)}</td>"
            f'<td class=bar><div style="width:{100 * max(0, length) / self.longest:.1f}%"></div></td></tr>'
            for what, text, length in self.rows
        )
        return f'<p>{inline(self.title)}:</p><div class="scroll" tabindex="0"><table class="bars"><tbody>{rows}</tbody></table></div>'


@dataclasses.dataclass(frozen=True)
class Table:
    """The first columns are text, the others figures."""

    headers: list
    rows: list
    text: int = 1

    def markdown(self):
        """Padded, so that it reads as well on a terminal."""
        rows = [[str(field).replace("|", "\\|") for field in row] for row in [self.headers, *self.rows]]
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.headers))]

        def line(row):
            padded = [c.ljust(w) if i < self.text else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths))]
            return f"| {' | '.join(padded)} |"

        rule = "|".join("-" * (w + 2) if i < self.text else "-" * (w + 1) + ":" for i, w in enumerate(widths))
        return "\n".join([line(rows[0]), f"|{rule}|", *map(line, rows[1:])])

    def html(self):
        def cells(row, tag):
            return "".join(
                f"<{tag}{'' if i < self.text else ' class=n'}>{inline(str(field))}</{tag}>" for i, field in enumerate(row)
            )

        body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows)
        return (
            f'<div class="scroll" tabindex="0"><table><thead><tr>{cells(self.headers, "th")}</tr></thead>'
            f"<tbody>{body}</tbody></table></div>"
        )


def table(items, columns, text=1):
    """A row for each item; columns: {header: function that returns the field of an item}."""
    return Table(list(columns), [[field(item) for field in columns.values()] for item in items], text)


@dataclasses.dataclass(frozen=True)
class Figure:
    """svg: the picture itself; png: its name beside the report."""

    name: str
    title: str
    caption: str
    svg: str
    png: str

    def markdown(self):
        return f"### {self.title}\n\n![{self.title}]({self.png})\n\n{self.caption}"

    def html(self):
        return (
            f'<figure><figcaption><strong>{inline(self.title)}</strong></figcaption><div class="scroll" tabindex="0">'
            f"{embed(self)}</div><figcaption>{inline(self.caption)}</figcaption></figure>"
        )


@dataclasses.dataclass(frozen=True)
class Folded:
    """What few want to read, under a line that all see."""

    title: str
    blocks: list

    def markdown(self):
        inner = "\n\n".join(block.markdown() for block in self.blocks)
        return f"<details><summary>{inline(self.title)}</summary>\n\n{inner}\n\n</details>"

    def html(self):
        return f"<details><summary>{inline(self.title)}</summary>{''.join(block.html() for block in self.blocks)}</details>"


def folded(block):
    """For a page: a long table under a line that says what it has."""
    if not isinstance(block, Table) or len(block.rows) <= ROWS:
        return block
    names = [name for name in block.headers if name]
    return Folded(f"{len(block.rows)} rows: {', '.join(names[:5])}{' …' * (len(names) > 5)}", [block])


def inline(text):
    text = html.escape(text)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]*)\*\*", r"<strong>\1</strong>", text)


# what gnuplot writes -> what follows the page
SCHEME = {
    "64,64,64": "currentColor",
    "0,0,0": "currentColor",
    "217,217,217": "var(--grid)",
    "0,114,178": "var(--blue)",
    "86,180,233": "var(--sky)",
    "153,153,153": "var(--grey)",
}


def embed(figure):
    """The SVG as part of a page: names of its own, colours of the page, no head."""
    svg = figure.svg[figure.svg.index("<svg") :]
    svg = re.sub(r"<(title|desc)>.*?</\1>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r"rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\)", lambda m: SCHEME.get(",".join(m.groups()), m[0]), svg)
    svg = re.sub(r"\b(id=['\"]|href=['\"]#|url\(#)", lambda m: f"{m[1]}{figure.name}-", svg)
    svg = re.sub(r' color="[^"]*"', "", svg)
    size = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    label = html.escape(figure.title, quote=True)
    width = f' style="max-width:{size[1]}px;min-width:{min(int(size[1]), 560)}px"' if size else ""
    return svg.replace("<svg", f'<svg role="img" aria-label="{label}"{width}', 1).strip()


def terminal(blocks):
    """One screen: what has a place there, and nothing wider than it."""
    return "\n\n".join(block.terminal() for block in blocks if hasattr(block, "terminal")) + "\n"


def markdown(blocks):
    return "\n\n".join(block.markdown() for block in blocks) + "\n"


def page(title, blocks):
    """A file that needs no other: no scripts, and nothing to fetch."""
    style = STYLE.read_text(encoding="utf-8")
    body = "\n".join(folded(block).html() for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
