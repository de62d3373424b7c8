"""What GS605 says to write in place of an attribute of `ctx`: each fix is what its program needs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gradscope.facts.checks import CheckedFunction, ContextTensor, SubjectKind
from gradscope.rules._saving import saving
from tests.rules.facts_samples import Source

CLASS = """
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            {}
            return x * w

        @staticmethod
        def backward(ctx, g):
            return None, None
"""
SETUP = """
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, w):
            return x * w

        @staticmethod
        def setup_context(ctx, inputs, output):
            {}

        @staticmethod
        def backward(ctx, g):
            return None, None
"""


def fix(text: str, held: Sequence[tuple[str, str]], form: str = CLASS, at: str = "ctx.") -> str:
    """The fix where attributes hold what `held` says: (attribute, "input x")."""
    code = Source(form.format(text))
    facts = [
        ContextTensor(attribute, holds, 3, 12, code.at(f"{at}{attribute}"), escapes=True)
        for attribute, holds in held
    ]
    checked = CheckedFunction(
        "Scale",
        SubjectKind.FUNCTION,
        code.at("class Scale"),
        code.at("def forward", function="Scale.forward"),
        code.at("def backward", function="Scale.backward"),
        context_tensors=tuple(facts),
    )
    firsts = list({fact.attribute: fact for fact in reversed(facts)}.values())[::-1]
    line = checked.backward.line if checked.backward else 0
    return saving(code.recording(checked=(checked,)), checked, firsts).replace(f" at line {line}", "")


X, W = "input x", "input w"


@pytest.mark.parametrize(
    ("text", "held", "call", "back"),
    [
        ("ctx.x = x", [("x", X)], "x", "(x,)"),
        ("ctx.x, ctx.n = x, 3", [("x", X)], "x", "(x,)"),
        ("ctx.x, ctx.w = x, w", [("x", X), ("w", W)], "x, w", "x, w"),
        ("ctx.both = (x, w)", [("both", X), ("both", W)], "x, w", "x, w"),
        ("ctx.both = (x, 3)", [("both", X)], "x", "(x,)"),
        ("ctx.both = {'a': x, 'b': w}", [("both", X), ("both", W)], "x, w", "x, w"),
        ("ctx.x = x.detach()", [("x", X)], "x", "(x,)"),
        ("ctx.flat = x.view(-1)", [("flat", X)], "x.view(-1)", "(x,)"),
        ("ctx.parts = parts", [("parts", "input x[0]"), ("parts", "input x[1]")], "*parts", "parts"),
    ],
)
def test_in_forward(text: str, held: list[tuple[str, str]], call: str, back: str) -> None:
    said = f"`ctx.save_for_backward({call})` and, in the backward, `{back} = ctx.saved_tensors`"
    assert fix(text, held) == said


@pytest.mark.parametrize(
    ("text", "held", "call", "back"),
    [
        ("ctx.x, ctx.n = inputs", [("x", X)], "inputs[0]", "(x,)"),
        ("ctx.a, ctx.b = inputs", [("a", X), ("b", W)], "inputs[0], inputs[1]", "x, w"),
        ("ctx.w = inputs[1]", [("w", W)], "inputs[1]", "(w,)"),
        ("ctx.inputs = inputs", [("inputs", W)], "inputs[1]", "(w,)"),
        ("ctx.inputs = inputs", [("inputs", X), ("inputs", W)], "inputs[0], inputs[1]", "x, w"),
        ("ctx.y = output", [("y", "output 0")], "output", "(output,)"),
    ],
)
def test_in_setup_context(text: str, held: list[tuple[str, str]], call: str, back: str) -> None:
    """The arguments of forward stand in one tuple there, which may hold numbers too."""
    said = f"`ctx.save_for_backward({call})` and, in the backward, `{back} = ctx.saved_tensors`"
    assert fix(text, held, SETUP) == said


def test_what_is_saved_already_is_not_forgotten() -> None:
    """A second call of save_for_backward would replace the first."""
    said = fix("ctx.save_for_backward(w); ctx.x = x", [("x", X)])
    taken = "in the backward, take `x` from the end of `ctx.saved_tensors`"
    assert said == f"`ctx.save_for_backward(w, x)` and, {taken}"
