# SPDX-License-Identifier: GPL-2.0-only
"""How a run ends on a terminal: on one screen, with the rest in the report."""

import textwrap

from . import cells, report

COLUMNS, BARS, BAR, LOST = 100, 8, 30, 4


def plain(text):
    return textwrap.fill(text.replace("**", "").replace("`", ""), COLUMNS, break_on_hyphens=False)


def bars(session):
    """What PI costs in a few workloads, longest bar for the dearest."""
    metric, state = session.metrics[0], next(iter(cells.BASELINES))
    arm = next(iter(report.layouts(session)), None)
    found = []
    for workload in session.workloads if arm else ():
        ratio = session.ratio(workload, arm, report.baseline(arm, state), metric)
        if ratio and workload.mix == cells.ALL_PI:
            found.append((workload.title, session.summary(workload, arm, metric).median, ratio))
    if not found:
        return
    longest = max(ratio for _, _, ratio in found)
    yield f"{session.name}, {metric.title}, io_uring_pi {arm.layout} × {state}, below 1 is cheaper:"
    for title, absolute, ratio in found[:BARS]:
        yield f"  {title:<36}{report.figure(absolute, metric.digits):>12} {ratio:>7.3f}  {'█' * max(1, round(BAR * ratio / longest))}"


def lost(sessions):
    """Cells that failed by name; what was left out is the report's."""
    failed = [f"{session.name} {name}: {reason}" for session in sessions for name, reason in session.failures.items()]
    for text in failed[:LOST]:
        yield "  " + textwrap.shorten(text, COLUMNS - 2, placeholder=" ...", break_long_words=False)
    if len(failed) > LOST:
        yield f"  and {len(failed) - LOST} more"
    skipped = sum(len(session.skips) for session in sessions)
    if skipped:
        yield f"{skipped} cell{'s' * (skipped != 1)} left out here; the report says which and why."


def run(records, env):
    """Verdict, headline, a few figures; at most one session has bars."""
    sessions = report.group(records)
    verdict = report.summary(sessions, report.left_over(records, env))
    stops = [plain(line) for session in sessions for line in session.ended]
    # of more than two layouts the headline is a table, which is the report's
    heads = [first for session in sessions for first, *table in [report.headline(session) or [None]] if first and not table]
    counted = any(session.icount for session in sessions)
    parts = [
        [plain(f"{verdict.word}: {verdict.text}"), *stops, *lost(sessions)],
        [plain(block.text) for block in heads[:3]],
        [line for session in sessions[:1] for line in bars(session)],
        ["Measured in an emulated guest that counts instructions. They are instructions, not time."] if counted else [],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"
