"""Which functions of a module are found, under which names, with which signature."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn

from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of, subjects_of
from gradscope.errors import TargetError
from gradscope.facts.checks import SubjectKind
from tests.checker import styles


def named(name: str) -> Subject:
    return next(subject for subject in subjects_of(styles) if subject.name == name)


def signature(name: str) -> str:
    return str(named(name).signature)


def test_functions_and_ops_in_order_of_source() -> None:
    assert [subject.name for subject in subjects_of(styles)] == [
        "Cube",
        "Affine",
        "Layer.Scale",
        "Autocast",
        "Once",
        "Decorated",
        "Total",
        "Doubled",
        "Rounded",
        "Reversed",
        "Clipped",
        "Mistyped",
        "square",
        "sine",
        "doubled",
        "InPlace",
    ]


def test_imported_functions_are_not_the_modules_own() -> None:
    module = ModuleType("another")
    module.Cube, module.cube = styles.Cube, styles.cube  # type: ignore[attr-defined]
    assert subjects_of(module) == []


def test_signatures_have_no_ctx() -> None:
    assert signature("Cube") == "(x)"
    assert signature("Affine") == "(x, weight, bias=None, activation='none')"
    assert signature("Layer.Scale") == "(x, factor: float)"
    assert signature("Autocast") == "(x, y)"
    assert signature("Total") == "(*tensors)"


def test_a_signature_is_found_under_a_decorator_that_hides_it() -> None:
    assert signature("Decorated") == "(x, y)"


def test_the_signature_of_an_operator_is_its_schema() -> None:
    assert list(named("doubled").signature.parameters) == ["x"]  # type: ignore[union-attr]
    subject = subject_of(torch.ops.aten.leaky_relu, "leaky_relu")
    assert subject is not None
    assert subject.kind is SubjectKind.CUSTOM_OP
    assert subject.signature is not None
    assert subject.signature.parameters["negative_slope"].default == 0.01
    assert list(subject.signature.parameters) == ["input", "negative_slope"]


def test_once_differentiable_is_seen_through_other_decorators() -> None:
    declared = {subject.name for subject in subjects_of(styles) if subject.once_differentiable}
    assert declared == {"Autocast", "Once", "sine"}


def test_an_apply_stands_for_its_function() -> None:
    subject = subject_of(styles.cube, "cube", styles)
    assert subject is not None
    assert (subject.kind, subject.name, subject.function) == (SubjectKind.FUNCTION, "cube", styles.Cube)


def test_a_class_made_in_a_function_goes_by_the_name_of_its_apply() -> None:
    square = named("square")
    assert square.function is not None
    assert square.function.__qualname__ == "make.<locals>.Power"
    assert torch.equal(square.call(torch.tensor(3.0)), torch.tensor(9.0))


def test_an_operator_that_a_custom_op_made_is_that_op() -> None:
    subject = subject_of(torch.ops.styles_of_the_tests.sine, "sine")
    assert subject is not None
    assert subject.backward is styles.sine_backward
    assert str(subject.signature).startswith("(x: torch.Tensor, scale: float = 1.0)")


def test_an_operator_that_the_module_registers_has_its_lines() -> None:
    subject = subject_of(torch.ops.styles_of_the_tests.doubled, "twice", styles)
    assert subject is not None
    assert (subject.name, subject.backward) == ("twice", styles.doubled_backward)
    assert subject.lines == named("doubled").lines


def test_methods_compiled_by_torchscript_are_found() -> None:
    class Scripted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        backward = staticmethod(_scripted)

    subject = subject_of(Scripted, "Scripted")
    assert subject is not None
    assert subject.lines.backward is not None
    assert subject.lines.backward.function == "_plain_backward"


def _plain_backward(ctx, grad_output):
    return grad_output * 2


class _Compiled:
    """Calls a function, as what `torch.jit.script` returns does."""

    def __init__(self, function):
        self.__wrapped__ = function

    def __call__(self, *args):
        return self.__wrapped__(*args)


_scripted = _Compiled(_plain_backward)


def test_plain_functions_and_builtins() -> None:
    plain, builtin = subject_of(styles.plain, "plain", styles), subject_of(torch.erf, "erf")
    assert plain is not None
    assert builtin is not None
    assert plain.kind is builtin.kind is SubjectKind.CALLABLE
    assert str(plain.signature) == "(x, y)"
    assert builtin.signature is None
    assert builtin.lines.whole is None


def test_modules() -> None:
    for value in (styles.Layer, styles.Layer()):
        subject = subject_of(value, "Layer", styles)
        assert subject is not None
        assert (subject.kind, str(subject.signature)) == (SubjectKind.MODULE, "(x)")
        assert isinstance(subject.call, nn.Module)


def test_a_module_that_needs_arguments_says_what_to_write() -> None:
    with pytest.raises(TargetError, match="in_features, out_features to be constructed") as caught:
        subject_of(nn.Linear, "Linear")
    assert "def build(): return Linear(in_features=..., out_features=...)" in caught.value.try_next[0]


def test_what_cannot_be_differentiated_is_nothing() -> None:
    assert subject_of(3.5, "number") is None
    assert subject_of(dict, "dict") is None


def test_a_base_is_there_when_it_is_named() -> None:
    subject = subject_of(styles.Histogram, "Histogram", styles)
    assert subject is not None
    assert subject.lines.backward is None


def test_setup_context_is_apart() -> None:
    assert named("Affine").setup_context_is_apart()
    assert not named("Cube").setup_context_is_apart()
