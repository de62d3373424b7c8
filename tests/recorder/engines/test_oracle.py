"""The chain-rule table against an independent oracle: the reference engine, on a family of expressions.

One text is run by torch and by the engine. The engine knows nothing of torch or of the recorder.
"""

from __future__ import annotations

import math
import random
from functools import cache
from typing import Any

import pytest
import torch

from gradscope.facts import ChainRow, ChainTable
from recorder.engines.running import engine, execute, record

SEED = 20261121
AT_A_TIME = 8  # tables of one recording
BATCHES = 9

UNARY = (
    "{}.exp()",
    "{}.log()",
    "{}.sin()",
    "{}.tanh()",
    "{}.sigmoid()",
    "{}.relu()",
    "-{}",
    "{}**2",
    "{}**-1",
)
BINARY = ("{} + {}", "{} - {}", "{} * {}", "{} / {}")
WITH_NUMBER = (
    "{} + 1.5",
    "2.0 - {}",
    "{} * -3.0",
    "0.5 * {}",
    "{} / 4.0",
    "{} - 0.25",
    "2.0**{}",
    "{}**3",
    "1.5 + {}",
)


def expression(random_numbers: random.Random, value: Any, prefix: str) -> str:
    """Statements of one op each, over three leaves; the last one is the result `{prefix}y`."""
    leaves = {f"{prefix}{name}": round(random_numbers.uniform(-2, 2), 3) for name in "abc"}
    known = {name: value(number) for name, number in leaves.items()}
    lines = [f"{name} = value({number})" for name, number in leaves.items()]
    unused = list(known)
    while len(lines) < 11:
        form = random_numbers.choice((*UNARY, *BINARY, *BINARY, *WITH_NUMBER))
        first = unused[0] if unused and random_numbers.random() < 0.7 else random_numbers.choice(list(known))
        text = form.format(first, random_numbers.choice(list(known)))
        try:
            made = eval(text, dict(known))
        except (ValueError, ZeroDivisionError, OverflowError):
            continue
        if not 1e-3 < abs(made.data) < 50:
            continue
        name = f"{prefix}t{len(lines)}"
        known[name] = made
        lines.append(f"{name} = {text}")
        unused = [each for each in unused if each not in text] + [name]
    last = list(known)[-2:]
    return "\n".join([*lines, f"{prefix}y = {last[0]} * {last[1]}", f"{prefix}y.backward()"])


@cache
def batch(number: int) -> tuple[str, tuple[ChainTable, ...], tuple[ChainTable, ...], dict[str, Any]]:
    """Expressions, the tables of torch's graphs, those of the engine's, and the engine's own values."""
    value = engine().Value
    source = random.Random(SEED + number)
    text = "\n".join(expression(source, value, f"e{index}_") for index in range(AT_A_TIME))

    def leaf(number: float) -> torch.Tensor:
        return torch.tensor(number, dtype=torch.float64, requires_grad=True)

    by_torch, _ = record(text, value=leaf)
    by_engine, values = record(text, value=value)
    assert not by_engine.notes, text
    return text, by_torch.chains, by_engine.chains, values


def close(value: float | None) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-12)


def of_value(row: ChainRow, value: Any, named: set[int]) -> None:
    """A row of a table against the engine's own numbers; what is not `named` is a number in the text."""
    assert row.value == close(value.data)
    if row.is_leaf:
        assert row.outgoing[0][1] == close(value.grad)
        return
    assert row.incoming == close(value.grad)
    if row.node == "MulBackward0" and len(row.local) == 1 and row.local[0][0] == "ReciprocalBackward0":
        return  # torch makes 2 / x of two nodes
    of_operands = list(zip(value._prev, value._local, strict=True))
    slopes = [slope for child, slope in of_operands if id(child) in named]
    assert [slope for _, slope in row.local] == close(slopes)
    assert [given for _, given in row.outgoing] == close([slope * value.grad for slope in slopes])


@pytest.mark.parametrize("number", range(BATCHES))
def test_torchs_table_holds_the_numbers_of_the_engine(number: int) -> None:
    text, tables, _, values = batch(number)
    assert len(tables) == AT_A_TIME
    for index, table in enumerate(tables):
        assert table.value == close(values[f"e{index}_y"].data), text
        named = [row for row in table.rows if row.name is not None]
        assert {row.name for row in named} >= {f"e{index}_y"}
        for row in named:
            of_value(row, values[row.name], {id(value) for value in values.values()})
        reached = {row.name for row in named if row.is_leaf}
        untouched = [name for name in "abc" if f"e{index}_{name}" not in reached]
        assert all(values[f"e{index}_{name}"].grad == 0.0 for name in untouched)


@pytest.mark.parametrize("number", range(BATCHES))
def test_the_engines_table_is_torchs(number: int) -> None:
    _, by_torch, by_engine, _ = batch(number)
    assert len(by_engine) == AT_A_TIME
    for theirs, ours in zip(by_torch, by_engine, strict=True):
        assert ours.value == close(theirs.value)
        named = [row for row in theirs.rows if row.name is not None]
        rows = {row.name: row for row in ours.rows}
        assert [row.name for row in ours.rows if not row.is_leaf] == [r.name for r in named if not r.is_leaf]
        assert len(rows) == len(named)
        for row in named:
            own = rows[row.name]
            assert (own.expression, own.is_leaf) == (row.expression, row.is_leaf)
            assert (own.location and own.location.line) == (row.location and row.location.line)
            assert (own.value, own.incoming) == (close(row.value), close(row.incoming))
            if len(own.local) == len(row.local):
                assert [slope for _, slope in own.local] == close([slope for _, slope in row.local])
                assert [given for _, given in own.outgoing] == close([given for _, given in row.outgoing])


# ---------------------------------------------------------------- the numbers of the lessons


def test_a_neuron() -> None:
    values = execute(
        "w1, w2, b = Value(0.5), Value(-0.3), Value(0.1)\n"
        "out = (w1 * 2 + w2 * 3 + b).relu()\n"
        "out.backward()\n",
        Value=engine().Value,
    )
    assert values["out"].data == close(0.2)
    assert [values[name].grad for name in ("w1", "w2", "b")] == [2.0, 3.0, 1.0]


def test_two_layers() -> None:
    values = execute(
        "w1, w2, w3 = Value(0.6), Value(0.4), Value(1.2)\n"
        "loss = (w3 * (w1 * 1.5 + w2 * -2.0).relu() - 1.5) ** 2\n"
        "loss.backward()\n",
        Value=engine().Value,
    )
    assert values["loss"].data == close(1.9044)
    assert [values[name].grad for name in ("w1", "w2", "w3")] == close([-4.968, 6.624, -0.276])


@pytest.mark.parametrize(
    ("at", "text", "gradient"),
    [
        (2, "x**3", 12),
        (3, "x * x", 6),
        (5, "x + x", 2),
        (-1, "x.relu()", 0),
        (2, "x.relu()", 1),
        (0, "x.relu()", 0),
        (2, "x - x", 0),
        (2, "x / x", 0),
        (2, "1 / x", -0.25),
        (2, "3 - x", -1),
        (3, "2**x", 8 * math.log(2)),
        (2, "x**0", 0),
        (2, "-x", -1),
        (0, "x.exp()", 1),
        (4, "x.log()", 0.25),
        (0, "x.sin()", 1),
        (0, "x.tanh()", 1),
        (0, "x.sigmoid()", 0.25),
        (800, "x.sigmoid()", 0),
        (1, "(3 * x + 2) ** 2", 30),
    ],
)
def test_the_engine_itself(at: float, text: str, gradient: float) -> None:
    values = execute(f"x = Value(float({at}))\ny = {text}\ny.backward()\n", Value=engine().Value)
    assert values["x"].grad == close(gradient)


def test_a_second_backward_adds_in_the_leaves_alone() -> None:
    source = "x = Value(1.0)\nu = 3 * x + 2\ny = u * u\ny.backward()\ny.backward()\n"
    values = execute(source, Value=engine().Value)
    assert (values["x"].grad, values["u"].grad) == (60.0, 10.0)


def test_a_leaf_is_its_own_derivative() -> None:
    values = execute("x = Value(2.0)\nx.backward()\nx.backward()\n", Value=engine().Value)
    assert values["x"].grad == 2.0


CHAIN = "x = y = Value(1.0)\nfor _ in range({}):\n    y = y + 0.5\ny.backward()\n"


def test_a_chain_of_100000_values() -> None:
    assert execute(CHAIN.format(100_000), Value=engine().Value)["x"].grad == 1.0


def test_a_long_chain_is_read_without_recursion() -> None:
    recording, values = record(CHAIN.format(5_000), Value=engine().Value)
    assert values["x"].grad == 1.0
    (backward,) = recording.backwards
    assert (backward.nodes, backward.leaves) == (5_000, 1)
    assert not recording.chains
