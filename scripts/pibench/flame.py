# SPDX-License-Identifier: GPL-2.0-only
"""Flame graphs of a profile and of the difference of two, as SVG without scripts."""

import html

from . import profile

WIDTH, ROW, MARGIN, HEAD = 1000, 17, 8, 46
SIZE = 11
# width of a character, and of the narrowest frame with a name in it
CHARACTER, NAMED = 6.6, 24
# width of the narrowest frame that is drawn
NARROWEST = 0.5
# Okabe and Ito's, as in the plots; two shades of a colour are neighbours on the path of an I/O
COLOURS = {
    profile.FIO: "#56b4e9", profile.ENGINE: "#4a90c4", profile.CHECKSUM: "#cc79a7", profile.URING: "#3fb597",
    profile.BLOCK: "#9bd8c6", profile.INTEGRITY: "#e8834a", profile.PINNING: "#e69f00", profile.SLAB: "#f3cf80",
    profile.DRIVER: "#c3b1dd", profile.DRIVE: "#b0b0b0", profile.ENTRY: "#d9d9d9", profile.OTHERS: "#ececec",
    profile.UNEXPLAINED: "#f0e442",
}  # fmt: skip
MORE, LESS, SAME = (213, 94, 0), (0, 114, 178), (236, 236, 236)


def measure(node, own):
    """(node, instructions, children measured) of a tree; own(node) are the instructions of a node without its callees'."""
    children = [measure(child, own) for child in sorted(node.children.values(), key=lambda child: child.name)]
    return node, own(node) + sum(taken for _, taken, _ in children), children


def frames(root, own):
    """[(node, left, width, depth)] of each frame wide enough to be drawn; a node's own part is to the right of its callees."""
    measured = measure(root, own)
    scale = (WIDTH - 2 * MARGIN) / measured[1]

    def visit(measured, left, depth):
        node, taken, children = measured
        if taken * scale >= NARROWEST:
            yield node, left, taken * scale, depth
            for child in children:
                yield from visit(child, left, depth + 1)
                left += child[1] * scale

    return list(visit(measured, 0.0, 0))


def shortened(text, width):
    room = int((width - 6) / CHARACTER)
    return text if len(text) <= room else f"{text[: room - 1]}…" if room > 3 else ""


def box(left, top, width, colour, label, tip):
    text = shortened(label, width) if width >= NAMED else ""
    shown = f'<text x="{left + 3:.1f}" y="{top + 12.5:.1f}">{html.escape(text)}</text>' if text else ""
    return (f'<g><title>{html.escape(tip)}</title><rect x="{left:.1f}" y="{top}" width="{max(width - 0.4, 0.3):.1f}" height="{ROW - 1}" '
            f'fill="{colour}"/>{shown}</g>')  # fmt: skip


def page(title, legend, boxes, depth):
    """The SVG; a legend is [(colour, text)]."""
    lines, left, top = [], MARGIN, 26
    for colour, text in legend:
        width = len(text) * CHARACTER + 26
        if left + width > WIDTH - MARGIN:
            left, top = MARGIN, top + ROW
        lines.append(f'<rect x="{left:.1f}" y="{top}" width="11" height="11" fill="{colour}" stroke="#808080" stroke-width=".5"/>'
                     f'<text x="{left + 15:.1f}" y="{top + 10}" class="plain">{html.escape(text)}</text>')  # fmt: skip
        left += width
    below = top + 24
    height = below + (depth + 1) * ROW + MARGIN
    # a style inside an HTML page applies to the whole page, hence the class
    style = (f".flame text{{font:{SIZE}px 'DejaVu Sans',Verdana,Arial,sans-serif;fill:#000}}.flame .plain{{fill:currentColor}}"
             ".flame{color:#000;background:#fff}@media (prefers-color-scheme:dark){.flame{color:#e6edf3;background:#0d1117}}"
             "@media print{.flame{color:#000;background:#fff}}")  # fmt: skip
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" class="flame" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<style>{style}</style>\n<title>{html.escape(title)}</title>",
        f'<text x="{MARGIN}" y="16" class="plain" font-weight="bold">{html.escape(title)}</text>',
        *lines, f'<g transform="translate({MARGIN},{below})">', *boxes, "</g>\n</svg>\n",
    ])  # fmt: skip


def one(shown, title):
    """The flame graph of one profile, callers above callees.

    A frame is as wide as its instructions, in the colour of its room.
    """
    boxes = []
    # the difference of two runs can be negative, which has no width
    seen = frames(shown.root, lambda node: max(node.instructions, 0))
    for node, left, width, depth in seen:
        took = shown.per_io(node.total)
        tip = f"{node.name} ({node.room}): {took:,.0f} instructions per I/O, {shown.per_io(node.instructions):,.0f} of them its own"
        boxes.append(box(left, depth * ROW, width, COLOURS[node.room], f"{node.name} {took:,.0f}", tip))
    legend = [(COLOURS[room], f"{room} {value:,.0f}") for room, value in shown.rooms().items()]
    return page(f"{title}: {shown.total:,.0f} instructions per I/O", legend, boxes, max(depth for *_, depth in seen))


def shade(more, most):
    """Grey without a difference, and the more colour the larger it is; small ones remain visible."""
    if abs(more) < profile.LEAST or not most:
        return "#{:02x}{:02x}{:02x}".format(*SAME)
    share = 0.25 + 0.75 * min(1, abs(more) / most) ** 0.5
    return "#{:02x}{:02x}{:02x}".format(*(round(s + (c - s) * share) for s, c in zip(SAME, MORE if more > 0 else LESS)))


def two(old, new, title):
    """The flame graph of a difference.

    A frame is as wide as the larger of both; its colour is the change in the function's own instructions.
    """
    seen = frames(profile.difference_tree(old, new), lambda node: max(node.before, node.after, 0))
    most = max(abs(node.after - node.before) for node, *_ in seen)
    boxes = []
    for node, left, width, depth in seen:
        before, after = node.totals
        own = node.after - node.before
        label = f"{node.name} {after - before:+,.0f}" if abs(after - before) >= profile.LEAST else node.name
        only = " (only here before)" if not after else " (new)" if not before else ""
        tip = f"{node.name}{only}: {before:,.0f} to {after:,.0f} instructions per I/O, of its own {own:+,.0f}"
        boxes.append(box(left, depth * ROW, width, shade(own, most), label, tip))
    legend = [(shade(most, most), "takes more itself"), (shade(-most, most), "takes less itself"),
              (shade(0, 0), "the same; figures: with all that it calls")]  # fmt: skip
    more = new.total - old.total
    return page(f"{title}: {more:+,.0f} instructions per I/O", legend, boxes, max(depth for *_, depth in seen))
