"""Every line of plain mathematics gives what autograd gives, and speaks of what the op has."""

from __future__ import annotations

import ast
import builtins
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.facts.formulas import PlainMath
from gradscope.formulas import formula_of
from gradscope.formulas.math import PLAIN_MATH
from tests.formulas.math_cases import Case, cases

CASES = cases()
HAND_WRITTEN = {"CopyBackwards": {"self", "src"}}
FUNCTIONS = {name: getattr(torch, name) for name in dir(torch) if callable(getattr(torch, name))}


def of_numbers(name: str) -> Callable[[Any], Any]:
    """A function that takes a plain number too: log(10)."""
    return lambda x: getattr(torch, name)(x) if isinstance(x, Tensor) else getattr(math, name)(x)


NAMESPACE = {
    **FUNCTIONS,
    **{name: of_numbers(name) for name in ("log", "sqrt", "exp")},
    "softplus": torch.nn.functional.softplus,
    "one_hot": torch.nn.functional.one_hot,
    "linalg": torch.linalg,
    "abs": torch.abs,
    "eye": partial(torch.eye, dtype=torch.float64),
    "tensor": partial(torch.tensor, dtype=torch.float64),
    "pi": math.pi,
    "len": len,
}


def leaves(value: Any) -> Any:
    if isinstance(value, list):
        return [leaves(each) for each in value]
    return value.clone().requires_grad_()


def gradients_of(case: Case, plain: PlainMath) -> tuple[dict[str, Any], dict[str, Any]]:
    """The gradients by autograd and by the table, by the names of inputs."""
    given = {name: leaves(value) for name, value in case.inputs.items()}
    returned = case.call(**given, **case.constants)
    outputs = returned if isinstance(returned, tuple) else (returned,)
    assert outputs[0].grad_fn.name().removeprefix("torch::autograd::") == case.node
    generator = torch.Generator().manual_seed(5)
    is_parts = case.outputs[0] == "part0"
    taken = outputs if is_parts else outputs[:1]
    grads = [torch.randn(each.shape, generator=generator, dtype=each.dtype) for each in taken]
    flat = [each for value in given.values() for each in (value if isinstance(value, list) else [value])]
    found = iter(torch.autograd.grad(taken, flat, grads))
    expected = {
        name: [next(found) for _ in value] if isinstance(value, list) else next(found)
        for name, value in given.items()
    }
    scope = {
        **NAMESPACE,
        **case.constants,
        **case.inputs,
        **{name: value.detach() for name, value in zip(case.outputs, outputs, strict=False)},
        "grad": grads[0],
        f"grad_{case.outputs[0]}": grads[0],
        "grads": tuple(grads),
    }
    for name, expression in plain.where:
        scope[name] = eval(expression, scope)
    return expected, {each.input: eval(each.expression, scope) for each in plain.gradients}


def same(expected: Any, found: Any, *, broadcasts: bool) -> None:
    if isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(expected, found, strict=True):
            same(one, other, broadcasts=broadcasts)
        return
    if broadcasts:
        found = found.sum_to_size(expected.shape)
    # Some of torch's kernels have a constant (1/6, 1/alpha) in float32.
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.node)
def test_it_is_what_autograd_gives(case: Case) -> None:
    plain = PLAIN_MATH[case.node]
    expected, found = gradients_of(case, plain)
    assert set(found) == set(expected)
    for name, gradient in expected.items():
        same(gradient, found[name], broadcasts=plain.broadcasts)


BROADCASTING = [
    case
    for case in CASES
    if PLAIN_MATH[case.node].broadcasts
    and len(case.inputs) > 1
    and all(value.shape == (4, 3) for value in case.inputs.values())
]


@pytest.mark.parametrize("case", BROADCASTING, ids=lambda case: case.node)
@pytest.mark.parametrize("small", [0, 1])
def test_an_input_that_was_broadcast_gets_the_sum(case: Case, small: int) -> None:
    name = list(case.inputs)[small]
    narrow = Case(
        case.node, case.call, {**case.inputs, name: case.inputs[name][:1]}, case.constants, case.outputs
    )
    plain = PLAIN_MATH[case.node]
    expected, found = gradients_of(narrow, plain)
    for each, gradient in expected.items():
        same(gradient, found[each], broadcasts=True)


def test_every_entry_is_tried() -> None:
    assert {case.node for case in CASES} == set(PLAIN_MATH)
    assert len(BROADCASTING) > 15


@pytest.mark.parametrize("node", list(PLAIN_MATH))
def test_it_speaks_of_what_the_op_has(node: str) -> None:
    formula = formula_of(node)
    assert formula is not None
    plain = PLAIN_MATH[node]
    inputs = {name for each in formula.gradients for name in each.inputs} or HAND_WRITTEN[node]
    assert {each.input for each in plain.gradients} == inputs
    arguments, _, returned = formula.schema.rpartition(" -> ")
    known = set(re.findall(r"\w+", f"{arguments} {returned}")) | inputs
    known |= {"grad", "grads", "result", "result0", "result1", "result2", "grad_logabsdet"}
    known |= {name for name, _ in plain.where}
    for expression in (*(text for _, text in plain.where), *(each.expression for each in plain.gradients)):
        tree = ast.parse(expression, mode="eval")
        own = {each.target.id for each in ast.walk(tree) if isinstance(each, ast.comprehension)}
        names = {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
        called = {
            each.func.id
            for each in ast.walk(tree)
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)
        }
        unknown = names - known - own - called - {"pi", "linalg"}
        assert not unknown
        assert all(name in NAMESPACE or hasattr(builtins, name) for name in called)


def test_a_wrong_line_would_be_found() -> None:
    """The comparison itself can fail."""
    case = next(case for case in CASES if case.node == "MulBackward0")
    expected, found = gradients_of(case, PLAIN_MATH["DivBackward0"])
    with pytest.raises(AssertionError):
        same(expected["self"], found["self"], broadcasts=True)
