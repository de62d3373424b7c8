"""`--input` strings: what can be said in them, and how the rest is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from gradscope.errors import InputError, render
from gradscope.loader.expressions import describe, read_input


def value(text: str) -> Any:
    torch.manual_seed(0)
    return read_input(text).value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1),
        ("-2.5", -2.5),
        ("1e-3", 1e-3),
        ("2 * (3 + 4) - 1", 13),
        ("7 // 2", 3),
        ("2 ** 10", 1024),
        ("'relu'", "relu"),
        ('"a=b"', "a=b"),
        ("None", None),
        ("True", True),
        ("not True", False),
        ("inf", math.inf),
        ("pi", math.pi),
        ("(1, 2)", (1, 2)),
        ("[1, 'a', None]", [1, "a", None]),
        ("{'a': 1, 2: (3,)}", {"a": 1, 2: (3,)}),
        ("torch.float16", torch.float16),
        ("bfloat16", torch.bfloat16),
    ],
)
def test_literals_and_numbers(text: str, expected: object) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("randn(2, 3)", lambda: torch.randn(2, 3)),
        ("torch.rand((2, 3))", lambda: torch.rand(2, 3)),
        ("3*randn(6)", lambda: 3 * torch.randn(6)),
        ("randint(0, 100, (2, 16))", lambda: torch.randint(0, 100, (2, 16))),
        ("zeros(3, dtype=torch.long)", lambda: torch.zeros(3, dtype=torch.long)),
        ("ones(4, 4).triu(1).bool()", lambda: torch.ones(4, 4).triu(1).bool()),
        ("arange(6).view(2, 3)", lambda: torch.arange(6).view(2, 3)),
        ("full((2,), 0.5)", lambda: torch.full((2,), 0.5)),
        ("linspace(0, 1, steps=3)", lambda: torch.linspace(0, 1, 3)),
        ("eye(3) @ eye(3)", lambda: torch.eye(3)),
        ("tensor([[1.0, nan], [inf, -1.0]])", lambda: torch.tensor([[1, math.nan], [math.inf, -1]])),
        ("randperm(5)", lambda: torch.randperm(5)),
        ("rand(3, 4).T", lambda: torch.rand(3, 4).T),
        ("rand(3) > 0.5", lambda: torch.rand(3) > 0.5),
        ("~(rand(3) > 0.5)", lambda: ~(torch.rand(3) > 0.5)),
        ("-rand(3)", lambda: -torch.rand(3)),
        ("1 / (1 + rand(3) ** 2)", lambda: 1 / (1 + torch.rand(3) ** 2)),
        ("randn(2, 3).softmax(dim=-1).half()", lambda: torch.randn(2, 3).softmax(dim=-1).half()),
        ("randn(2).to(torch.float64)", lambda: torch.randn(2).to(torch.float64)),
        ("randn(2, 1).expand(2, 3).contiguous()", lambda: torch.randn(2, 1).expand(2, 3)),
    ],
)
def test_tensors_are_those_that_torch_would_make(text: str, expected: Any) -> None:
    found = value(text)
    torch.manual_seed(0)
    torch.testing.assert_close(found, expected(), rtol=0, atol=0, equal_nan=True)


def test_a_list_may_hold_tensors_and_a_leaf_may_require_a_gradient() -> None:
    found = value("[randn(2).requires_grad_(), {'k': ones(1)}]")
    assert found[0].requires_grad
    assert found[0].is_leaf
    assert found[1]["k"].tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("ids=3", "ids", 3),
        ("  ids = 3", "ids", 3),
        ("3 == 3", None, True),
        ("randn(2, dtype=float64).sum() == 0", None, None),
    ],
)
def test_a_name_may_stand_before_it(text: str, name: str | None, expected: object) -> None:
    found = read_input(text)
    assert found.name == name
    assert found.text == text
    if expected is not None:
        assert found.value == expected


@pytest.mark.parametrize(
    ("text", "marked", "said"),
    [
        ("radnn(3)", "radnn", "did you mean randn?"),
        ("x=torch.zeroes(3)", "torch.zeroes", "did you mean zeros?"),
        ("randn(3).tril().sofmax(0)", "sofmax", "did you mean softmax?"),
        ("relu(randn(3))", "relu", "relu is not a factory"),
        ("softmax(randn(3))", "softmax", "as a method: randn(3).softmax()"),
        ("randn", "randn", "as in randn(8, 3)"),
        ("randn(3) + foo", "foo", "there is no foo here"),
        ("[randn(2), open('x')]", "open", "open is not a factory"),
        ("__import__('os').system('ls')", "system", ".system() is not a method"),
        ("randn(3).__class__", "randn(3).__class__", "not something an input can be made of"),
        ("randn(3).data", "randn(3).data", "not something an input can be made of"),
        ("(lambda: 1)()", "lambda: 1", "only factories and tensor methods can be called"),
        ("[x for x in (1,)]", "[x for x in (1,)]", "not something an input can be made of"),
        ("randn(3)[0]", "randn(3)[0]", "not something an input can be made of"),
        ("randn(*(3, 4))", "*(3, 4)", "not something an input can be made of"),
        ("randn(**{'a': 1})", "{'a': 1}", "** is not something"),
        ("f'{1}'", "f'{1}'", "not something an input can be made of"),
        ("(3).float()", "3", "this is of type int, and only tensors have methods here"),
        ("'ab' * 100", "'ab' * 100", "not a str"),
        ("9 ** 9 ** 9", "9 ** 9 ** 9", "too large"),
        ("1 / 0", "1 / 0", "division by zero"),
        ("randn(3, 4) @ randn(3, 4)", "randn(3, 4) @ randn(3, 4)", "cannot be multiplied"),
        ("randn(2).view(3)", "randn(2).view(3)", "shape '[3]' is invalid"),
        ("'µµ' if ä else 1", "'µµ' if ä else 1", "not something an input can be made of"),
        ("['µµ', rnd(3)]", "rnd", "rnd is not a factory"),
        ("randn(3", "(", "was never closed"),
        ("a = = 3", "=", "invalid syntax"),
        ("x=", "", "there is no expression"),
        ("", "", "there is no expression"),
    ],
)
def test_what_is_not_understood_is_pointed_at(text: str, marked: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_input(text)
    shown, marks = caught.value.where
    start, length = marks.index("^"), marks.count("^")
    assert shown[start : start + length] == marked
    assert said in caught.value.what
    assert shown.startswith("--input  ")
    assert caught.value.try_next


def test_the_error_as_it_is_printed() -> None:
    with pytest.raises(InputError) as caught:
        read_input("mask=ones(4, 4).triu(1).boool()")
    assert render(caught.value) == (
        "error: this --input cannot be used: .boool() is not a method that --input knows;\n"
        "  did you mean bool?\n"
        "  --input  mask=ones(4, 4).triu(1).boool()\n"
        "                                   ^^^^^\n"
        "  try   --input 'randn(8, 3, 32, 32)'\n"
        "        --input 'ids=randint(0, 100, (2, 16))'\n"
    )


def test_values_are_described_in_a_few_words() -> None:
    described = describe({"a": [torch.zeros(2, 3), 1], "b": ("x", torch.ones(1, dtype=torch.long))})
    assert described == "{a: [float32 (2, 3), 1], b: ('x', int64 (1,))}"
