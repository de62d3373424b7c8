"""Hand-made facts: a source text, places found in it by their text, and leaves with their gradients."""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent
from typing import Any

from gradscope.facts import GradientStats, Leaf, ModuleFact, OptimizerFact, Recording, ValueStats
from gradscope.finding import Finding, Location
from gradscope.rules import all_rules

PATH = "/home/ada/project/train.py"


class Source:
    """A source file; `at` finds a piece of its text, as the recorder would place it."""

    def __init__(self, text: str, path: str = PATH) -> None:
        self.path = path
        self.lines = tuple(dedent(text).strip("\n").split("\n"))

    def at(self, text: str, nth: int = 0, **more: Any) -> Location:
        """The place of the n-th occurrence of `text`, which must be on one line."""
        found = [(number, line.index(text) + 1) for number, line in enumerate(self.lines, 1) if text in line]
        line, column = found[nth]
        return Location(self.path, line, column, line, column + len(text), **more)

    def recording(self, **facts: Any) -> Recording:
        """A recording of these facts in which this source ran."""
        return Recording(sources={self.path: self.lines}, **facts)


NOWHERE = Source("")


def got(backwards: int = 1, zero: int = 0) -> GradientStats:
    """What a leaf got: `backwards` gradients, `zero` of them exactly zero."""
    return GradientStats(backwards=backwards, zero_backwards=zero, norm=1.0)


def leaf(name: str, gradient: GradientStats | None = None, **more: Any) -> Leaf:
    """A trainable parameter in no model."""
    base = Leaf(name, (3, 2), "float32", "cpu", is_parameter=True, requires_grad=True, gradient=gradient)
    return replace(base, **more)


def registered(root: str, name: str, gradient: GradientStats | None = None, **more: Any) -> Leaf:
    """A parameter of a model that ran: "encoder.0.weight" lies in the module "encoder.0"."""
    module = name.rpartition(".")[0]
    known = {"root": root, "module": module, "root_called": True, "module_called": True, **more}
    return leaf(name, gradient, **known)


def modules(root: str, *paths: str) -> tuple[ModuleFact, ...]:
    """The modules of a model in the order of their registration."""
    return tuple(ModuleFact(root, path, "Linear", called=1) for path in paths)


def optimizer(*leaves: str, location: Location | None = None, steps: int = 3, **more: Any) -> OptimizerFact:
    """An SGD that owns these leaves and has stepped."""
    return OptimizerFact("SGD", location, leaves, steps=steps, **more)


def stats(name: str, numel: int = 8, **more: Any) -> ValueStats:
    """Statistics of a tensor of ordinary numbers between 0.5 and 2."""
    known = {"zeros": 0, "nan": 0, "inf": 0, "smallest": 0.5, "largest": 2.0, **more}
    return ValueStats(name, (numel,), "float32", numel, **known)


def check(code: str, recording: Recording) -> list[Finding]:
    """What one rule finds; every finding must bear the rule's own names."""
    rule = all_rules()[code]
    findings = list(rule.check(recording))
    assert all((found.code, found.rule) == (rule.code, rule.slug) for found in findings)
    return findings


def only(code: str, recording: Recording) -> Finding:
    """The one finding of a rule."""
    findings = check(code, recording)
    assert len(findings) == 1, [found.message for found in findings]
    return findings[0]
