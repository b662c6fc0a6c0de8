# SPDX-License-Identifier: GPL-2.0-only
"""Reports are lists of blocks; each block writes itself for a terminal, in Markdown and in HTML."""

import html
import pathlib
import re
import textwrap
import typing

STYLE = pathlib.Path(__file__).resolve().parents[1] / "plots" / "report.css"
COLUMNS, BAR = 100, 30
# a table with more rows than this is folded on the page
ROWS = 12


def filled(text, indent=""):
    text = text.replace("**", "").replace("`", "")
    return textwrap.fill(text, COLUMNS, break_on_hyphens=False, subsequent_indent=indent)


def shortened(text):
    """The text in at most two lines of a terminal."""
    return textwrap.shorten(text, 2 * COLUMNS - 10, placeholder=" ...", break_long_words=False)


def inline(text):
    text = html.escape(text)
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*([^*]*)\*\*", r"<strong>\1</strong>", text)


def scrolled(content):
    """Content that scrolls on its own where the page is too narrow for it."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


class Heading(typing.NamedTuple):
    text: str
    level: int = 2

    def markdown(self):
        return f"{'#' * self.level} {self.text}"

    def html(self):
        return f"<h{self.level}>{inline(self.text)}</h{self.level}>"


class Paragraph(typing.NamedTuple):
    text: str

    def markdown(self):
        return self.text

    def html(self):
        return f"<p>{inline(self.text)}</p>"

    def terminal(self):
        return filled(self.text)


class Banner(typing.NamedTuple):
    """The verdict, in one word, and what it means."""

    word: str
    text: str

    def markdown(self):
        return f"**{self.word}**: {self.text}"

    def html(self):
        return f'<p class="verdict {self.word.lower()}"><strong>{inline(self.word)}</strong> {inline(self.text)}</p>'

    def terminal(self):
        return filled(f"{self.word}: {self.text}")


class Command(typing.NamedTuple):
    text: str

    def markdown(self):
        return f"    {self.text}"

    def html(self):
        return f"<pre>{html.escape(self.text)}</pre>"


class Items(typing.NamedTuple):
    items: list

    def markdown(self):
        return "\n".join(f"- {item}" for item in self.items)

    def html(self):
        return f"<ul>{''.join(f'<li>{inline(item)}</li>' for item in self.items)}</ul>"

    def terminal(self):
        return "\n".join(filled(f"- {item}", "  ") for item in self.items)


class Bars(typing.NamedTuple):
    """A bar chart; rows: (label, the figure as text, length of the bar)."""

    title: str
    rows: list

    @property
    def longest(self):
        return max((length for *_, length in self.rows), default=0) or 1

    def lines(self):
        wide, figures = (max((len(row[at]) for row in self.rows), default=0) for at in (0, 1))
        wide = min(wide, COLUMNS - BAR - figures - 6)
        for label, text, length in self.rows:
            label = label if len(label) <= wide else label[: wide - 1] + "…"
            yield f"  {label:<{wide}}  {text:>{figures}}  {'█' * round(BAR * max(0, length) / self.longest)}".rstrip()

    def markdown(self):
        return "\n".join([f"{self.title}:", "", "```text", *self.lines(), "```"])

    def terminal(self):
        return "\n".join([filled(f"{self.title}:"), *self.lines()])

    def html(self):
        rows = "".join(
            f"<tr><td>{inline(label)}</td><td class=n>{inline(text)}</td>"
            f'<td class=bar><div style="width:{100 * max(0, length) / self.longest:.1f}%"></div></td></tr>'
            for label, text, length in self.rows
        )
        table = f'<table class="bars"><tbody>{rows}</tbody></table>'
        return f"<p>{inline(self.title)}:</p>{scrolled(table)}"


class Table(typing.NamedTuple):
    """The first `text` columns are aligned left, the others are figures and aligned right."""

    headers: list
    rows: list
    text: int = 1

    def markdown(self):
        """Padded, so that it can be read on a terminal too."""
        rows = [[str(field).replace("|", "\\|") for field in row] for row in [self.headers, *self.rows]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        aligned = [f"<{width}" if at < self.text else f">{width}" for at, width in enumerate(widths)]
        rule = ["-" * (width + 1) + ("-" if at < self.text else ":") for at, width in enumerate(widths)]
        lines = [f"| {' | '.join(map(format, row, aligned))} |" for row in rows]
        return "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]])

    def html(self):
        def line(row, tag):
            fields = [f"<{tag}{'' if at < self.text else ' class=n'}>{inline(str(field))}</{tag}>" for at, field in enumerate(row)]
            return f"<tr>{''.join(fields)}</tr>"

        head, body = line(self.headers, "th"), "".join(line(row, "td") for row in self.rows)
        return scrolled(f"<table><thead>{head}</thead><tbody>{body}</tbody></table>")


def table(items, columns, text=1):
    """A row for each item; columns: {header: function that returns the field of an item}."""
    return Table(list(columns), [[field(item) for field in columns.values()] for item in items], text)


class Figure(typing.NamedTuple):
    """svg: the picture; png: the path, from the report, of a copy of it."""

    name: str
    title: str
    caption: str
    svg: str
    png: str

    def markdown(self):
        return f"### {self.title}\n\n![{self.title}]({self.png})\n\n{self.caption}"

    def html(self):
        title, caption = (f"<figcaption>{text}</figcaption>" for text in (f"<strong>{inline(self.title)}</strong>", inline(self.caption)))
        return f"<figure>{title}{scrolled(embed(self))}{caption}</figure>"


class Folded(typing.NamedTuple):
    """Details under a line that unfolds them."""

    title: str
    blocks: list

    def markdown(self):
        inner = "\n\n".join(block.markdown() for block in self.blocks)
        return f"<details><summary>{inline(self.title)}</summary>\n\n{inner}\n\n</details>"

    def html(self):
        return f"<details><summary>{inline(self.title)}</summary>{''.join(block.html() for block in self.blocks)}</details>"


def folded(block):
    """The block as a page shows it: a long table folded."""
    if not isinstance(block, Table) or len(block.rows) <= ROWS:
        return block
    names = [name for name in block.headers if name]
    return Folded(f"{len(block.rows)} rows: {', '.join(names[:5])}{' …' * (len(names) > 5)}", [block])


# gnuplot's colours, and those of the style sheet that replace them
SCHEME = {
    "64,64,64": "currentColor",
    "0,0,0": "currentColor",
    "217,217,217": "var(--grid)",
    "0,114,178": "var(--blue)",
    "86,180,233": "var(--sky)",
    "153,153,153": "var(--grey)",
}


def embed(figure):
    """The SVG for use in a page: unique ids, the page's colours, no XML head."""
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
    """The blocks that a terminal shows; Markdown and HTML have all of them."""
    return "\n\n".join(block.terminal() for block in blocks if hasattr(block, "terminal")) + "\n"


def markdown(blocks):
    return "\n\n".join(block.markdown() for block in blocks) + "\n"


def page(title, blocks):
    """A self-contained HTML file: no scripts, and nothing to fetch."""
    style = STYLE.read_text(encoding="utf-8")
    body = "\n".join(folded(block).html() for block in blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
