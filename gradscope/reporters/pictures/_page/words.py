"""What the page says in words: the lines of the program, findings, definitions and formulas."""

from __future__ import annotations

from typing import Any

from gradscope.autograd_graph.drawing import Subject
from gradscope.errors import printable
from gradscope.facts.formulas import NodeFormula
from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.finding import Finding, Location
from gradscope.formulas import formula_of
from gradscope.reporters.paths import near


def places_of(subject: Subject) -> list[dict[str, Any]]:
    """The lines that made nodes."""
    return [
        {
            "line": _line(each.location, subject.cwd),
            "module": printable(each.module or ""),
            "variable": printable(each.variable or ""),
            "expression": printable(each.expression or ""),
        }
        for each in subject.graph.places
    ]


def definitions_of(subject: Subject) -> list[dict[str, Any]]:
    """The custom Functions: what they are called, and where their backward stands."""
    return [
        {"name": printable(each.name), "line": _line(each.location, subject.cwd)}
        for each in subject.graph.definitions
    ]


def findings_of(subject: Subject) -> list[dict[str, Any]]:
    """The findings, with the lines that they point at."""
    return [
        {
            "code": each.code,
            "severity": each.severity.value,
            "message": printable(each.message),
            "lines": [line for line in _lines(each, subject.cwd) if line],
            "subjects": [printable(name) for name in each.subjects],
            "fix": printable(each.fix),
            "notes": [[printable(note.heading), printable(note.text)] for note in each.notes],
        }
        for each in subject.findings
    ]


def _lines(finding: Finding, cwd: str) -> list[str]:
    return [_line(finding.location, cwd), *(_line(each.location, cwd) for each in finding.related)]


def _line(location: Location | None, cwd: str) -> str:
    return printable(near(location, cwd)) if location is not None else ""


def formulas_of(graph: AutogradGraph) -> dict[str, dict[str, Any]]:
    """The derivative formulas of the nodes that occur, by name; none for a program's own Functions."""
    names = {each.name for each in graph.nodes if each.kind is not NodeKind.LEAF}
    known = ((name, formula_of(name)) for name in sorted(names))
    return {name: _formula(each) for name, each in known if each is not None}


def _formula(formula: NodeFormula) -> dict[str, Any]:
    math = formula.math
    return {
        "op": formula.op,
        "torch": [[", ".join(each.inputs), each.formula] for each in formula.gradients],
        "plain": [[each.input, each.expression] for each in math.gradients] if math is not None else [],
        "where": [list(each) for each in math.where] if math is not None else [],
        "only": math.only if math is not None else "",
        "broadcasts": math is not None and math.broadcasts,
        "saved": [each.what for each in formula.saved],
        "reason": formula.reason,
    }
