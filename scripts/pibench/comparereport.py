# SPDX-License-Identifier: GPL-2.0-only
"""The report of pi-bench compare: the verdict, and what it rests on."""

import math
import pathlib

from . import cells, document, flame, formats, gate, insn, limits, metrics, plot, profile, report, results
from .document import Banner, Bars, Figure, Folded, Heading, Items, Paragraph, Table
from .report import NONE, described, figure, number_of

BARS = 8
# functions that one line names
NAMED = 5
# the order of bars
WORST_FIRST = (gate.REGRESSION, gate.INCONCLUSIVE, gate.IMPROVED, gate.PASS)


def rule(mode, kept_to, kernels=False, by_function=False):
    """The rule that the gate decides by, in words."""
    boots = f"in {gate.BOOTS} boots {'of each kernel' if kernels else 'that run both builds'}; low and high are the extremes of the boots."
    if mode == cells.TIME:
        looks = ", ".join(map(str, gate.LOOKS))
        return (
            "Runs of a round: old, new, new, old. REGRESSION: at least 1 % more, with the exact signed-rank limit above 0 (one-sided "
            f"{gate.ALPHA}, checked after {looks} rounds), and again in fresh rounds. PASS: "
            f"{gate.less_than(math.expm1(gate.CATCH))} by the upper limit. Low and high are these limits."
        )
    if by_function:
        return (
            f"REGRESSION: at least {kept_to.most} more host instructions per I/O in the median, {boots} They are counted by function; the "
            "emulated drive, interrupts and other threads are left out."
        )
    return (
        f"REGRESSION: at least {kept_to.fail:.1%} (to a tenth of a percent) and {gate.LIMIT_COUNT} instructions per I/O more in the "
        f"median of the total, {boots}"
    )


def sentence(comparison):
    """The verdict in words."""
    worst = [line for line in comparison.lines if line.verdict.verdict == comparison.verdict]
    worst.sort(key=lambda line: -abs(line.change or 0))
    names = ", ".join(f"{line.cell} ({line.change:+.2%})" for line in worst[:3] if line.change is not None)
    names += f" and {len(worst) - 3} more" * (len(worst) > 3)
    if comparison.verdict == gate.INCONCLUSIVE:
        return f"cannot tell whether {comparison.new} takes more than {comparison.old}: {names or 'nothing was measured'}."
    if comparison.verdict == gate.PASS:
        below = " or ".join(dict.fromkeys(line.verdict.below for line in worst))
        return f"{comparison.new} takes {below} than {comparison.old} in {number_of(len(worst), 'comparison')}."
    return f"{comparison.new} takes {'more' if comparison.verdict == gate.REGRESSION else 'less'} than {comparison.old}: {names}."


def percent(ratio):
    return NONE if ratio is None or math.isinf(ratio) else f"{ratio - 1:+.2%}"


def verdict_table(comparison):
    rows = []
    for line in comparison.lines:
        found = line.verdict
        figures = [figure(line.old), figure(line.new), *map(percent, (found.ratio, found.low, found.high))]
        rows.append([line.cell, described(line.metric), found.verdict, *figures, found.why])
    return Table(["cell", "figure", "verdict", "old", "new", "change", "low", "high", "why"], rows, text=3)


def bars(comparison):
    """The largest changes, as many as a terminal has room for."""
    lines = [line for line in comparison.lines if line.change is not None]
    lines.sort(key=lambda line: (WORST_FIRST.index(line.verdict.verdict), -abs(line.change)))
    one_figure = len({line.metric for line in lines}) == 1
    rows = [
        (line.cell if one_figure else line.name, f"{line.change:+.2%} {line.verdict.verdict}", abs(line.change)) for line in lines[:BARS]
    ]
    what = f"Change of {lines[0].metric.title}" if one_figure else "Change"
    return [Bars(f"{what}, {comparison.old} to {comparison.new}, worst first", rows)] if rows else []


def differences(out, where):
    """The flame graphs of the cells that were counted by function."""
    caption = "From the top: who calls whom. Orange takes more itself, blue less. Figures include everything that a function calls."
    return [
        Figure(f"where-{number}", f"What takes more: {cell}", caption, (out / name).read_text(encoding="utf-8"), name)
        for number, (cell, (_, name)) in enumerate(where.items(), 1) if (out / name).exists()
    ]  # fmt: skip


def name_changes(names, records, out):
    """{cell: [the functions that take more or less, in words, path of the flame graph]} of cells whose runs were profiled."""
    found = {}
    for number, cell in enumerate(names, 1):
        kept = [record for record in records if record["kind"] == "run" and record["cell"] == cell and "profile" in record]
        old, new = ([insn.load(out / run["profile"]) for run in kept if run["build"] == build] for build in (cells.OLD, cells.NEW))
        if not old or not new:
            continue
        name = f"plots/where-{number}.svg"
        (out / "plots").mkdir(exist_ok=True)
        with results.saving(out / name) as file:
            file.write(flame.two(profile.middle(old), profile.middle(new), f"{cell}: new over old"))
        found[cell] = [in_words(profile.compare(old, new)), name]
    return found


def in_words(changes):
    """'+212 bio_integrity_map_user, +40 prep_with_pi_single'"""
    words = [f"{more:+,d} {name}" for name, more in changes[:NAMED]]
    rest = changes[NAMED:]
    if rest:
        words.append(f"{sum(more for _, more in rest):+,d} in {number_of(len(rest), 'other')}")
    return ", ".join(words) or "no single function"


def escaped(text):
    """The text as GitHub takes it in a line of a command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def annotations(comparison):
    """Lines that GitHub shows next to a change, one for each thing that went wrong."""
    for cell, why in comparison.failures.items():
        yield f"::error title=pi-bench::{escaped(f'{cell}: {why}')}"
    for line in comparison.lines:
        found = line.verdict
        kind = {gate.REGRESSION: "error", gate.INCONCLUSIVE: "warning"}.get(found.verdict, "warning" if found.warning else None)
        if kind:
            yield f"::{kind} title=pi-bench {found.verdict}::{escaped(f'{line.name}: {found.warning or found.why}')}"


def make(host, out, comparison, say=print, strict=False):
    env, failures = comparison.environment, comparison.failures
    head = []
    if failures:
        text = f"{number_of(len(failures), 'cell')}: an I/O or its protection information was wrong, or was refused."
        head.append(Banner("FAILED", text))
    head += report.setbacks(failed=[f"{cell}: {why}" for cell, why in failures.items()])
    if comparison.lines or not failures:
        head.append(Banner(comparison.verdict, sentence(comparison)))
    head += bars(comparison)
    warned = [f"{line.name}: {line.verdict.warning}" for line in comparison.lines if line.verdict.warning]
    where = env.get("where") or {}
    named = [f"{cell}: {words}" for cell, (words, _) in where.items()]
    head += [Items(lines) for lines in (warned[: report.SHOWN], named) if lines]
    head += report.setbacks(skipped=len(comparison.skips))
    told = rule(comparison.mode, limits.stored(env.get("limits")), (env.get("compare") or {}).get("kernels", False),
                any(line.metric == metrics.HOST for line in comparison.lines))  # fmt: skip
    rest = [verdict_table(comparison)] if comparison.lines else []
    rest += [*report.not_measured(list(report.unmeasured(failures, comparison.skips))), Paragraph(told)]
    title = f"{comparison.old} → {comparison.new}"
    summary = [Heading(title, 1), *head, Folded("Every figure", rest)]
    files = {"summary.md": document.markdown(summary), **formats.files(comparison)}
    figures = plot.draw(host, plot.comparison(comparison), str(out), say) + differences(pathlib.Path(out), where)
    return report.Report(title, head, [*figures, *rest, *report.surroundings(env)], comparison.status(strict), files)
