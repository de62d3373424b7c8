"""The page of a backward node, and the short form for an op that leaves several."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import click

from gradscope.commands._explained import Row, heading, paragraph, rows
from gradscope.facts.formulas import NodeFormula, PlainMath, Saved, SavedKind

_PLURALS = {
    SavedKind.INPUT: "inputs",
    SavedKind.OUTPUT: "outputs",
    SavedKind.PROPERTY: "properties",
    SavedKind.ARGUMENT: "arguments",
}


@dataclass(frozen=True)
class NodeTopic:
    """One node of the installed torch, of a version. `source` is where a Function of torch's is written."""

    formula: NodeFormula
    torch: str
    source: str = ""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Its name."""
        return (self.formula.node,)

    def page(self, width: int) -> Iterator[str]:
        """All that is known of it."""
        formula = self.formula
        yield click.style(formula.node, bold=True)
        if formula.schema:
            yield from textwrap.wrap(formula.schema, width, subsequent_indent="    ", break_on_hyphens=False)
        if formula.reason:
            yield from textwrap.wrap(formula.reason, width)
        yield from self._formulas(width)
        yield from self._saved(width)
        yield from self._around(width)
        if self.source:
            yield from ("", f"source  gradscope explain {self.source}")
        if formula.gradients:
            yield from ("", f"from derivatives.yaml of torch {self.torch.partition('+')[0]}")

    def short(self, width: int) -> Iterator[str]:
        """Its name, its op and its gradients."""
        formula = self.formula
        yield from _title(formula, width)
        if formula.math is not None:
            yield from rows(plain_rows(formula.math, with_parts=False), width)
            where = [f"{name} = {text}" for name, text in formula.math.where]
            condition = [f"where {formula.math.only}"] if formula.math.only else []
            for remark in (*where, *condition):
                yield from paragraph(f"    {remark}", width)
        elif formula.gradients:
            yield from rows([(", ".join(each.inputs), each.formula) for each in formula.gradients], width)
        else:
            yield from paragraph(formula.reason, width)

    def data(self) -> dict[str, object]:
        """Every field, and torch's version."""
        return {**asdict(self.formula), "torch": self.torch, "source": self.source}

    def _formulas(self, width: int) -> Iterator[str]:
        formula = self.formula
        if formula.gradients:
            key = f", under {formula.dispatch}" if formula.dispatch else ""
            yield from heading("Gradient", f"as torch has it, in C++{key}", width)
            yield from rows([(", ".join(each.inputs), each.formula) for each in formula.gradients], width)
        if formula.math is not None:
            yield from heading("In plain math", _remark(formula.math), width)
            yield from rows(plain_rows(formula.math), width)

    def _saved(self, width: int) -> Iterator[str]:
        formula = self.formula
        if not formula.gradients:
            return
        yield from heading("Saved for backward", _kept_tensors(formula), width)
        found: dict[SavedKind, list[str]] = {}
        for each in formula.saved:
            found.setdefault(each.kind, []).append(_saved_text(each, formula))
        yield from rows([(_PLURALS[kind], ", ".join(texts)) for kind, texts in found.items()], width)

    def _around(self, width: int) -> Iterator[str]:
        formula = self.formula
        if formula.tangents:
            yield from heading("Forward mode", "x_t is the tangent of x, x_p its value", width)
            yield from rows([(", ".join(each.outputs), each.formula) for each in formula.tangents], width)
        elif formula.gradients:
            yield from heading("Forward mode", "none", width)
        if formula.not_differentiable:
            yield from heading("Tensors without a gradient", ", ".join(formula.not_differentiable), width)
        if formula.also:
            yield from heading("Also left by", ", ".join(formula.also), width)


@dataclass(frozen=True)
class NodesTopic:
    """The nodes of an op or a function, or those whose name begins so, each in short."""

    name: str
    topics: tuple[NodeTopic, ...]
    is_composed: bool

    @property
    def nodes(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(topic.formula.node for topic in self.topics)

    def page(self, width: int) -> Iterator[str]:
        """Each node in short."""
        if self.is_composed:
            words = (
                f"{self.name} is made of other ops, and its arguments decide which of these nodes it leaves:"
            )
            yield from (*textwrap.wrap(words, width), "")
        for topic in self.topics:
            yield from topic.short(width)
            yield ""
        yield f"more  gradscope explain {self.topics[0].formula.node}"

    def data(self) -> list[dict[str, object]]:
        """Each of them."""
        return [topic.data() for topic in self.topics]


def plain_rows(math: PlainMath, *, with_parts: bool = True) -> list[Row]:
    """The lines of plain mathematics, those of its parts behind them."""
    lines = [(each.input, each.expression) for each in math.gradients]
    if not with_parts or not math.where:
        return lines
    return [*lines, *((f"  {name}", f"= {expression}") for name, expression in math.where)]


def _title(formula: NodeFormula, width: int) -> list[str]:
    """The name in bold and the schema, below it where they do not fit on one line."""
    name = click.style(formula.node, bold=True)
    if not formula.schema:
        return [name]
    if len(formula.node) + 2 + len(formula.schema) <= width:
        return [f"{name}  {formula.schema}"]
    indent = "    "
    return [name, *textwrap.wrap(formula.schema, width, initial_indent=indent, subsequent_indent=indent)]


def _remark(math: PlainMath) -> str:
    parts = [f"where {math.only}"] if math.only else []
    if math.broadcasts:
        parts.append("an input that was broadcast gets the sum over its copies")
    return "; ".join(parts)


def _kept_tensors(formula: NodeFormula) -> str:
    """What a node keeps alive, in a few words."""
    kinds = {each.kind for each in formula.saved} & {SavedKind.INPUT, SavedKind.OUTPUT}
    if not kinds:
        return "no tensor" if formula.saved else "nothing"
    if kinds == {SavedKind.OUTPUT}:
        several = sum(each.kind is SavedKind.OUTPUT for each in formula.saved) > 1
        words = "its results, not its inputs" if several else "its result, not its input"
    elif kinds == {SavedKind.INPUT}:
        words = (
            "its inputs" if sum(each.kind is SavedKind.INPUT for each in formula.saved) > 1 else "its input"
        )
    else:
        words = "inputs and results"
    brackets = any("(" in _saved_text(each, formula) for each in formula.saved if each.kind in kinds)
    return f"{words}; in brackets, whose gradient needs it" if brackets else words


def _saved_text(saved: Saved, formula: NodeFormula) -> str:
    """ "other (for self)": the inputs are named where the gradients of some do without."""
    every = {name for each in formula.gradients for name in each.inputs}
    is_tensor = saved.kind in (SavedKind.INPUT, SavedKind.OUTPUT)
    if not is_tensor or set(saved.needed_for) == every:
        return saved.what
    return f"{saved.what} (for {', '.join(saved.needed_for)})"
