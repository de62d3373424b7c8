"""Learners' engines, each with one mistake, on a seeded family of programs: a note where a gradient is wrong.

What is right and what is wrong is decided by the reference engine, which runs the same text.
"""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest

from recorder.engines.running import LESSON, engine, execute, record

PROGRAMS = 8
FORMS = (
    *("{} + {}", "{} * {}", "{} + {}", "{} * {}", "{} - {}", "{} + 1", "2 * {}"),
    *("{}.tanh()", "{}.relu()", "{}**2", "-{}"),
)
MISTAKES: dict[str, list[tuple[str, str]]] = {
    "none": [],
    "`=` for `+=`": [("self.grad += ", "self.grad = "), ("other.grad += ", "other.grad = ")],
    "`=` for `+=` in one op": [("self.grad += other.data * out.grad", "self.grad = other.data * out.grad")],
    "a wrong derivative": [("(1 - t**2)", "(1 - t)")],
    "a wrong exponent": [("** (exponent - 1)", "** exponent")],
    "a derivative of 1": [("(out.data > 0) * out.grad", "out.grad")],
    "the wrong order": [("reversed(topo)", "topo")],
    "old gradients": [],
}


@cache
def programs(*, twice: bool) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Programs, and what they end with in the reference engine."""
    source = random.Random(20261121)
    reference = engine().Value
    texts = [program(source) + ("y.backward()\n" if twice else "") for _ in range(PROGRAMS)]
    return tuple((text, execute(text, Value=reference)) for text in texts)


def program(source: random.Random) -> str:
    """A few ops of one, two or three leaves; the last one is differentiated."""
    names = [f"x{index}" for index in range(source.randint(1, 3))]
    lines = [f"{name} = Value({round(source.uniform(-2, 2), 2)})" for name in names]
    for index in range(source.randint(2, 8)):
        form = source.choice(FORMS)
        lines.append(f"t{index} = {form.format(source.choice(names[-4:]), source.choice(names))}")
        names.append(f"t{index}")
    return "\n".join([*lines, f"y = {names[-1]} * 1.5", "y.backward()", ""])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_note_where_a_gradient_is_wrong_and_nowhere_else(name: str) -> None:
    source = LESSON
    for old, new in MISTAKES[name]:
        assert old in source
        source = source.replace(old, new)
    wrong = 0
    for text, right in programs(twice=name == "old gradients"):
        recording, values = record(source + text)
        leaves = [each for each in values if each.startswith("x")]
        is_wrong = any(values[leaf].grad != pytest.approx(right[leaf].grad) for leaf in leaves)
        assert bool(recording.notes) == is_wrong, (text, recording.notes)
        wrong += is_wrong
    assert (wrong > 0) == (name != "none")
