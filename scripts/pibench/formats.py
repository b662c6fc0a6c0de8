# SPDX-License-Identifier: GPL-2.0-only
"""A comparison as other programs read it: JUnit XML, CSV, JSON lines, and Markdown for the summary of a CI job."""

import json
import math
import xml.etree.ElementTree as xml

from . import gate, report

FIELDS = ("cell", "metric", "unit", "old", "new", "ratio", "low", "high", "count", "verdict", "why")


def finite(value):
    """JSON has no infinity, and an unbounded limit is no number."""
    return None if isinstance(value, float) and math.isinf(value) else value


def row(line):
    """The fields of one verdict."""
    found = line.verdict
    figures = map(finite, (line.old, line.new, found.ratio, found.low, found.high))
    return line.cell, line.metric.title, line.metric.unit, *figures, found.count, found.verdict, found.why


def printable(text):
    """XML has no place for other control characters, and no way to escape them."""
    return "".join(c for c in text if c >= " " and c not in "\x7f\ufffe\uffff" or c in "\t\n")


def json_lines(comparison):
    return "".join(json.dumps(dict(zip(FIELDS, row(line), strict=True)), allow_nan=False) + "\n" for line in comparison.lines)


def junit(comparison):
    """A test case for each verdict; one that could not be reached is skipped, not failed."""
    cases = []
    for line in comparison.lines:
        case = xml.Element("testcase", classname=f"pi-bench.{line.metric.name}", name=line.cell)
        found = line.verdict
        text = f"{line.change:+.2%}: {found.why}" if line.change is not None else found.why
        if found.verdict == gate.REGRESSION:
            xml.SubElement(case, "failure", type=gate.REGRESSION, message=text)
        elif found.verdict == gate.INCONCLUSIVE:
            xml.SubElement(case, "skipped", message=f"{gate.INCONCLUSIVE}: {text}")
        else:
            xml.SubElement(case, "system-out").text = text
        cases.append(case)
    for kind, lost in (("error", comparison.failures), ("skipped", comparison.skips)):
        for cell, why in lost.items():
            case = xml.Element("testcase", classname="pi-bench", name=cell)
            xml.SubElement(case, kind, message=printable(why))
            cases.append(case)

    def count(tag):
        return str(sum(case.find(tag) is not None for case in cases))

    suite = xml.Element(
        "testsuite", name=printable(f"{comparison.old} to {comparison.new}"), tests=str(len(cases)), failures=count("failure"),
        errors=count("error"), skipped=count("skipped"),
    )  # fmt: skip
    suite.extend(cases)
    root = xml.Element("testsuites")
    root.append(suite)
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def files(comparison):
    """{name: text}"""
    table = report.csv_text([FIELDS, *map(row, comparison.lines)])
    return {"junit.xml": junit(comparison), "verdicts.csv": table, "verdicts.jsonl": json_lines(comparison)}
