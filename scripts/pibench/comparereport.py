# SPDX-License-Identifier: GPL-2.0-only
"""What pi-bench compare has decided."""

import math
import pathlib

from . import cells, document, flame, formats, gate, insn, limits, metrics, plot, profile, report, results
from .document import Banner, Bars, Figure, Folded, Heading, Items, Paragraph, Table
from .report import NONE, described, figure

BARS = 8
# functions that a verdict names
NAMED = 5


def rule(mode, kept_to, kernels=False, by_function=False):
    """When it is a regression."""
    if mode == cells.INSTRUCTIONS:
        both = "of each kernel, in pairs" if kernels else "with both builds in each"
        if by_function:
            return (
                f"Host instructions per I/O, counted by function, in {gate.BOOTS} boots {both}; a regression is {kept_to.most} "
                "instructions or more in the median. The emulated drive's own work, interrupts and other threads are left out. "
                "Low and high are those of the boots."
            )
        return (
            f"Total instructions per I/O in {gate.BOOTS} boots {both}; a regression is +{kept_to.fail:.1%} or more (to a "
            f"tenth of a per cent) and {gate.LIMIT_COUNT} instructions or more in the median. Low and high are those of the boots."
        )
    return (
        f"Old-new-new-old in each round; a regression is +1 % or more with the exact signed-rank limit above 0 (one-sided {gate.ALPHA} "
        f"at each look after {', '.join(map(str, gate.LOOKS))} rounds), repeated in fresh rounds; PASS is "
        f"{gate.less_than(math.expm1(gate.CATCH))} by the upper limit. Low and high are these limits."
    )


def sentence(comparison):
    """The verdict in words."""
    worst = [line for line in comparison.lines if line.verdict.verdict == comparison.verdict]
    worst = sorted(worst, key=lambda line: -abs(line.change or 0))
    names = ", ".join(f"{line.cell} ({line.change:+.2%})" for line in worst[:3] if line.change is not None)
    names += f" and {len(worst) - 3} more" if len(worst) > 3 else ""
    if comparison.verdict == gate.REGRESSION:
        return f"{comparison.new} takes more than {comparison.old}: {names}."
    if comparison.verdict == gate.INCONCLUSIVE:
        return f"cannot tell whether {comparison.new} takes more than {comparison.old}: {names or 'nothing was measured'}."
    if comparison.verdict == gate.IMPROVED:
        return f"{comparison.new} takes less than {comparison.old}: {names}."
    below = " or ".join(dict.fromkeys(line.verdict.below for line in worst))
    return f"{comparison.new} takes {below} than {comparison.old} in {len(worst)} comparison{'s' * (len(worst) != 1)}."


def per_cent(ratio):
    return NONE if ratio is None or math.isinf(ratio) else f"{ratio - 1:+.2%}"


def verdict_table(comparison):
    rows = []
    for line in comparison.lines:
        found = line.verdict
        figures = [figure(line.old), figure(line.new), *map(per_cent, (found.ratio, found.low, found.high))]
        rows.append([line.cell, described(line.metric), found.verdict, *figures, found.why])
    return Table(["cell", "figure", "verdict", "old", "new", "change", "low", "high", "why"], rows, text=3)


def bars(comparison):
    """What has changed most, at most as many lines as a screen has room for."""
    lines = [line for line in comparison.lines if line.change is not None]
    order = (gate.REGRESSION, gate.INCONCLUSIVE, gate.IMPROVED, gate.PASS)
    lines.sort(key=lambda line: (order.index(line.verdict.verdict), -abs(line.change)))
    rows = [(f"{line.cell}, {line.metric.title}" if comparison.mode == cells.TIME else line.cell,
             f"{line.change:+.2%} {line.verdict.verdict}", abs(line.change)) for line in lines[:BARS]]  # fmt: skip
    what = f"Change of {lines[0].metric.title}" if len({line.metric for line in lines}) == 1 else "Change"
    return [Bars(f"{what}, {comparison.old} to {comparison.new}, worst first", rows)] if rows else []


def differences(out, where):
    """The flame graph of each cell that was counted by function."""
    return [
        Figure(f"where-{number}", f"What takes more: {cell}", "From the top: who calls whom. Orange takes more by itself, blue less. "
               "Figures include everything that a function calls.", (pathlib.Path(out) / name).read_text(encoding="utf-8"), name)
        for number, (cell, (_, name)) in enumerate(where.items(), 1) if (pathlib.Path(out) / name).exists()
    ]  # fmt: skip


def name_changes(names, records, out):
    """What these cells of a comparison take more or less, by function, as their runs were counted: {cell: [words, name of the picture]}."""
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
        words.append(f"{sum(more for _, more in rest):+,d} in {len(rest)} other{'s' * (len(rest) > 1)}")
    return ", ".join(words) or "in no function by itself"


def annotations(comparison):
    """What GitHub shows beside a change, a line for each thing that went wrong."""
    for cell, why in comparison.failures.items():
        yield f"::error title=pi-bench::{cell}: {why}"
    for line in comparison.lines:
        found = line.verdict
        kind = {gate.REGRESSION: "error", gate.INCONCLUSIVE: "warning"}.get(found.verdict, "warning" if found.warning else None)
        if kind:
            yield f"::{kind} title=pi-bench {found.verdict}::{line.name}: {found.warning or found.why}"


def make(host, out, comparison, say=print, strict=False):
    figures = plot.draw(host, plot.comparison(comparison), str(out), say)
    failed = [f"{cell}: {why}" for cell, why in comparison.failures.items()]
    skipped = [f"skipped: {cell}: {why}" for cell, why in comparison.skips.items()]
    head = []
    if failed:
        number = len(failed)
        text = f"{number} cell{'s' * (number != 1)}: an I/O or its protection information went wrong, or was refused:"
        head += [Banner("FAILED", text), Items(failed[: report.LOST])]
    if comparison.lines or not failed:
        head.append(Banner(comparison.verdict, sentence(comparison)))
    head += bars(comparison)
    warned = [f"{line.name}: {line.verdict.warning}" for line in comparison.lines if line.verdict.warning]
    head += [Items(warned[: report.LOST])] * bool(warned)
    where = comparison.environment.get("where") or {}
    if where:
        head.append(Items([f"{cell}: {words}" for cell, (words, _) in where.items()]))
        figures += differences(out, where)
    if skipped:
        head.append(Paragraph(f"{len(skipped)} cell{'s' * (len(skipped) != 1)} left out; the report says which and why."))
    lost = [f"failed: {each}" for each in failed] + skipped
    table = [verdict_table(comparison)] if comparison.lines else []
    env = comparison.environment
    told = rule(comparison.mode, limits.stored(env.get("limits")), (env.get("compare") or {}).get("kernels", False),
                any(line.metric == metrics.HOST for line in comparison.lines))  # fmt: skip
    rest = [*table, *([Heading("Not measured"), Items(lost)] if lost else []), Paragraph(told)]
    title, where = f"{comparison.old} → {comparison.new}", report.surroundings(comparison.environment)
    summary = [Heading(title, 1), *head, Folded("Every figure", rest)]
    files = {"summary.md": document.markdown(summary), **formats.files(comparison)}
    return report.Report(title, head, [*figures, *rest, *where], comparison.status(strict), files)
