# SPDX-License-Identifier: GPL-2.0-only
"""A comparison for other programs: JUnit XML, CSV and JSON lines."""

import json
import math
import xml.etree.ElementTree as xml

from . import gate, report

FIELDS = ("cell", "metric", "unit", "old", "new", "ratio", "low", "high", "count", "verdict", "why")
# the JUnit element of a verdict; of any other it is system-out
ELEMENTS = {gate.REGRESSION: "failure", gate.INCONCLUSIVE: "skipped"}


def row(line):
    """The FIELDS of one verdict; an infinite limit is None, as JSON has no infinity."""
    found = line.verdict
    figures = (line.old, line.new, found.ratio, found.low, found.high)
    finite = (None if value is None or math.isinf(value) else value for value in figures)
    metric = line.metric
    return line.cell, metric.title, metric.unit, *finite, found.count, found.verdict, found.why


def json_lines(comparison):
    records = [dict(zip(FIELDS, row(line), strict=True)) for line in comparison.lines]
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in records)


def printable(text):
    """The text without control characters, which XML cannot even escape."""
    return "".join(c for c in text if c >= " " and c not in "\x7f\ufffe\uffff" or c in "\t\n")


def junit(comparison):
    """A test case per verdict and per cell without one; an INCONCLUSIVE one is skipped, not failed."""
    suite = xml.Element("testsuite", name=printable(f"{comparison.old} to {comparison.new}"))

    def add(name, of, element, text):
        case = xml.SubElement(suite, "testcase", classname=f"pi-bench{of}", name=name)
        if element == "system-out":
            xml.SubElement(case, element).text = text
        else:
            xml.SubElement(case, element, message=printable(text))

    for line in comparison.lines:
        found = line.verdict
        text = found.why if line.change is None else f"{line.change:+.2%}: {found.why}"
        if found.verdict == gate.INCONCLUSIVE:
            text = f"{gate.INCONCLUSIVE}: {text}"
        add(line.cell, f".{line.metric.name}", ELEMENTS.get(found.verdict, "system-out"), text)
    for element, lost in (("error", comparison.failures), ("skipped", comparison.skips)):
        for cell, why in lost.items():
            add(cell, "", element, why)
    suite.set("tests", str(len(suite)))
    for name, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{element}"))))
    root = xml.Element("testsuites")
    root.append(suite)
    xml.indent(root)
    return xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def files(comparison):
    """{name: text}"""
    table = report.csv_text([FIELDS, *map(row, comparison.lines)])
    return {
        "junit.xml": junit(comparison),
        "verdicts.csv": table,
        "verdicts.jsonl": json_lines(comparison),
    }
