"""Lines of functions, and what their text says, found without running them."""

from __future__ import annotations

import linecache

import pytest
import torch.utils.checkpoint

from gradscope.checker.subject import Subject
from gradscope.checker.subjects import sources
from gradscope.checker.subjects.discovery import subject_of, subjects_of
from gradscope.finding import Location
from gradscope.syntax import declarations
from tests.checker import styles


def named(name: str) -> Subject:
    return next(subject for subject in subjects_of(styles) if subject.name == name)


def text(where: Location | None) -> str:
    """The piece of source that a location means."""
    assert where is not None
    line = linecache.getline(where.path, where.line).rstrip("\n")
    assert where.column is not None
    return line[where.column - 1 : where.end_column - 1 if where.end_line == where.line else None]  # type: ignore[operator]


@pytest.mark.parametrize("name", ["Cube", "Layer.Scale", "Autocast", "Once", "Decorated", "Rounded"])
def test_methods_under_decorators(name: str) -> None:
    lines = named(name).lines
    assert text(lines.forward).startswith("def forward(")
    assert text(lines.backward) == "def backward(ctx, grad_output):"
    bare = name.rpartition(".")[2]
    assert text(lines.whole) == f"class {bare}(Function):"
    assert lines.backward is not None
    assert lines.backward.function == f"{name}.backward"


def test_what_is_not_defined_has_no_line() -> None:
    lines = named("Cube").lines
    assert lines.setup_context is lines.jvp is lines.vmap is None


def test_torchs_own_functions_have_lines_too() -> None:
    subject = subject_of(torch.utils.checkpoint.CheckpointFunction, "CheckpointFunction")
    assert subject is not None
    assert text(subject.lines.backward) == "def backward(ctx, *args):"
    assert subject.lines.jvp is None, "what Function itself defines is nobody's"


def test_setup_context() -> None:
    assert text(named("Affine").lines.setup_context) == "def setup_context(ctx, inputs, output):"


def test_an_inherited_backward_points_to_where_it_is_defined() -> None:
    lines = named("Doubled").lines
    assert text(lines.whole) == "class Doubled(OnlyBackward):"
    assert lines.backward is not None
    assert lines.backward.function == "OnlyBackward.backward"


def test_a_class_made_in_a_function() -> None:
    assert text(named("square").lines.whole) == "class Power(Function):"


def test_the_functions_registered_for_a_custom_op() -> None:
    lines = named("sine").lines
    assert text(lines.whole) == text(lines.forward) == "def sine(x: Tensor, scale: float = 1.0) -> Tensor:"
    assert text(lines.backward) == "def sine_backward(ctx, grad):"
    assert text(lines.setup_context) == "def sine_setup(ctx, inputs, output):"


def test_an_operator_defined_by_its_schema() -> None:
    lines = named("doubled").lines
    assert text(lines.forward) == "def doubled_op(x):"
    assert text(lines.backward) == "def doubled_backward(ctx, grad):"


def test_a_lambda_has_its_line() -> None:
    subject = subject_of(lambda x: x * 2, "double")
    assert subject is not None
    assert subject.lines.whole is not None
    assert subject.lines.whole.path == __file__


def test_declarations() -> None:
    declared = {s.name: s.declared.kind for s in subjects_of(styles) if s.declared is not None}
    assert declared == {"Rounded": "straight-through", "Reversed": "reversal", "Clipped": "clipping"}
    rounded = named("Rounded").declared
    assert rounded is not None
    assert text(rounded.location) == "# gradscope: approximate[straight-through]"


def test_a_mistyped_declaration_is_noted() -> None:
    (note,) = named("Mistyped").notes
    assert "# gradscope: approximates(straight-through) declares nothing" in note
    assert not any(subject.notes for subject in subjects_of(styles) if subject.name != "Mistyped")


def test_the_line_of_a_ctx_attribute() -> None:
    assert text(sources.context_assignment(named("Layer.Scale"), "factor")) == "ctx.factor = factor"
    assert text(sources.context_assignment(named("Affine"), "has_bias")).startswith(
        "ctx.activation, ctx.has_b"
    )
    assert text(sources.context_assignment(named("sine"), "x")) == "ctx.x, ctx.scale = inputs"
    assert sources.context_assignment(named("Cube"), "x") is None


def test_in_place_lines() -> None:
    written = [text(where) for where in sources.inplace_writes(named("InPlace"), "x")]
    assert written == ["out[out < 0] *= slope", "rows.mul_(1.0)"]
    assert sources.inplace_writes(named("InPlace"), "slope") == []
    assert sources.inplace_writes(named("Cube"), "x") == []


def test_returns_and_cuts() -> None:
    subject = named("InPlace")
    assert [text(where) for where in sources.return_statements(subject)] == [
        "return grad_output * scale, None"
    ]
    assert [(text(where), what) for where, what in sources.cutting_lines(subject)] == [
        ("torch.no_grad()", "no_grad()"),
        ("out.detach()", "detach()"),
    ]


def test_strings_that_forward_compares_with() -> None:
    assert sources.compared_texts(named("Affine")) == {"activation": ["relu"]}


def test_code_without_a_file_declares_nothing() -> None:
    assert declarations.declaration("", [11]) is None
    assert declarations.mistyped_declaration("", [11]) is None
