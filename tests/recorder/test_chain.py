"""The chain-rule table: the numbers of small graphs, in the words of the program."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts import ChainRow, ChainTable
from gradscope.recorder.places import Loc

from .harness import Harness, code, recording, text


def _expression(place: Loc) -> tuple[str | None, str | None]:
    """Reads `name = expression` off a line: enough for the programs here."""
    where = place.location()
    expression = code(where)
    name, _, assigned = text(where).partition(" = ")
    return (name if assigned == expression else None), expression


def _tables(harness: Harness) -> tuple[ChainTable, ...]:
    return harness.chain.facts(harness.leaf_name, _expression)


def _x(value: float) -> Tensor:
    return torch.tensor(value, requires_grad=True)


def _row(table: ChainTable, name: str) -> ChainRow:
    return next(row for row in table.rows if name in (row.name, row.expression))


def test_three_steps() -> None:
    x = _x(2.0)
    with recording() as harness:
        harness.name(x=x)
        a = x * 3
        b = a + 1
        c = b**2
        c.backward()
    (table,) = _tables(harness)
    assert (table.root, table.value, table.scalar, table.seed, table.times) == ("c", 49.0, True, None, 1)
    assert text(table.backward) == "c.backward()"
    assert [
        (row.name, row.expression, row.node, row.value, row.local, row.incoming, row.outgoing)
        for row in table.rows
    ] == [
        ("c", "b**2", "PowBackward0", 49.0, (("b", 14.0),), 1.0, (("b", 14.0),)),
        ("b", "a + 1", "AddBackward0", 7.0, (("a", 1.0),), 14.0, (("a", 14.0),)),
        ("a", "x * 3", "MulBackward0", 6.0, (("x", 3.0),), 14.0, (("x", 42.0),)),
        ("x", None, None, 2.0, (), 42.0, (("x", 42.0),)),
    ]
    assert [text(row.location) for row in table.rows[:3]] == ["c = b**2", "b = a + 1", "a = x * 3"]
    assert table.rows[-1].is_leaf
    assert x.grad is not None
    assert x.grad.item() == 42


def test_expression_without_names() -> None:
    x = _x(1.0)
    with recording() as harness:
        harness.name(x=x)
        y = (3 * x + 2) ** 2
        y.backward()
    (table,) = _tables(harness)
    assert (table.root, table.value) == ("y", 25.0)
    assert [row.name for row in table.rows] == ["y", None, None, "x"]
    assert table.rows[1].expression == "3 * x + 2"
    assert table.rows[0].local == (("3 * x + 2", 10.0),)
    assert table.rows[-1].outgoing == (("x", 30.0),)


@pytest.mark.parametrize(
    ("value", "function", "result", "gradient", "paths"),
    [
        (3.0, lambda x: x**2 + 5 * x, 24.0, 11.0, 2),
        (2.0, lambda x: 3 * x + x**2, 10.0, 7.0, 2),
        (2.0, lambda x: 2 * x**2 + 1, 9.0, 8.0, 1),
        (4.0, lambda x: 3 * x**2 + 5, 53.0, 24.0, 1),
        (3.0, lambda x: x * x, 9.0, 6.0, 2),
        (0.5, lambda x: torch.sin(torch.exp(x**2)), math.sin(math.exp(0.25)), 0.3631949, 1),
    ],
)
def test_lessons(value: float, function: Any, result: float, gradient: float, paths: int) -> None:
    x = _x(value)
    with recording() as harness:
        harness.name(x=x)
        y = function(x)
        y.backward()
    (table,) = _tables(harness)
    assert table.value == pytest.approx(result)
    leaf = table.rows[-1]
    assert leaf.incoming == pytest.approx(gradient, rel=1e-6)
    assert leaf.paths == paths
    assert x.grad is not None
    assert leaf.incoming == pytest.approx(x.grad.item())


def test_both_edges_of_a_square_are_told() -> None:
    x = _x(3.0)
    with recording() as harness:
        harness.name(x=x)
        y = x * x
        y.backward()
    (table,) = _tables(harness)
    assert table.rows[0].local == (("x", 3.0), ("x", 3.0))


def test_an_input_without_gradient_is_left_out() -> None:
    x, k = _x(3.0), torch.tensor(5.0)
    with recording() as harness:
        harness.name(x=x)
        y = x * k
        y.backward()
    (table,) = _tables(harness)
    assert table.rows[0].local == (("x", 5.0),)


def test_local_derivative_where_nothing_comes_in() -> None:
    x = _x(3.0)
    with recording() as harness:
        harness.name(x=x)
        a = x**2
        b = a * 0.0
        b.backward()
    (table,) = _tables(harness)
    assert (_row(table, "a").local, _row(table, "a").incoming) == ((("x", 6.0),), 0.0)


def test_custom_function_runs_its_backward_once() -> None:
    calls = []

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            calls.append(grad.item())
            (x,) = ctx.saved_tensors
            return grad * 3 * x**2

    x = _x(2.0)
    with recording() as harness:
        harness.name(x=x)
        a = Cube.apply(x)
        b = a * 5
        b.backward()
    (table,) = _tables(harness)
    assert calls == [5.0]
    assert _row(table, "a").local == (("x", 12.0),)


def test_asking_a_node_has_no_side_effect() -> None:
    x = _x(2.0)
    fired = []
    with recording() as harness:
        harness.name(x=x)
        a = x * 3
        b = a**2
        b.grad_fn.register_hook(lambda *_: fired.append("hook"))  # type: ignore[union-attr]
        b.grad_fn.register_prehook(lambda *_: fired.append("prehook"))  # type: ignore[union-attr]
        number = torch._C._autograd._get_sequence_nr()
        version = a._version
        harness.chain.before([b.grad_fn, a.grad_fn], [b], [None], None)
        harness.chain.after()
        assert (fired, a._version) == ([], version)
        assert torch._C._autograd._get_sequence_nr() == number
        b.backward()
    assert fired == ["prehook", "hook"]
    assert x.grad is not None
    assert x.grad.item() == 36


def test_unpack_hooks_are_not_run_by_us() -> None:
    unpacked = []

    def unpack(tensor: Tensor) -> Tensor:
        unpacked.append(1)
        return tensor

    x = _x(2.0)
    with recording() as harness:
        harness.name(x=x)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, unpack):
            y = x**2
        y.backward()
    (table,) = _tables(harness)
    assert unpacked == [1]
    assert table.rows[0].local == (("x", 4.0),)


def test_matrix_times_vector_shows_shapes_and_norms() -> None:
    weight = torch.tensor([[1.0, 2.0, 2.0], [0.0, 3.0, 4.0]], requires_grad=True)
    x = torch.tensor([[1.0], [0.0], [2.0]], requires_grad=True)
    bias = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    seed = torch.tensor([[3.0], [4.0]])
    with recording() as harness:
        harness.name(W=weight, x=x, b=bias)
        y = weight @ x + bias
        y.backward(seed)
    (table,) = _tables(harness)
    assert (table.scalar, table.seed, table.value, table.root) == (False, "[[3], [4]]", None, "y")
    first, product, *leaves = table.rows
    assert (first.shape, first.local) == ((2, 1), (("weight @ x", None), ("b", None)))
    assert product.outgoing == (
        ("W", pytest.approx(torch.linalg.norm(seed @ x.detach().T).item())),
        ("x", pytest.approx(torch.linalg.norm(weight.detach().T @ seed).item())),
    )
    assert product.value == pytest.approx(torch.linalg.norm(weight.detach() @ x.detach()).item())
    assert {row.name: (row.shape, row.incoming) for row in leaves} == {
        "W": ((2, 3), pytest.approx(5 * math.sqrt(5))),
        "x": ((3, 1), pytest.approx(torch.linalg.norm(weight.detach().T @ seed).item())),
        "b": ((2, 1), pytest.approx(5.0)),
    }


def test_two_iterations_are_one_table_two_branches_are_two() -> None:
    x = _x(4.0)
    with recording() as harness:
        harness.name(x=x)
        for value in (4.0, 5.0, -3.0):
            x.data.fill_(value)
            y = x**2 if x > 0 else -x
            y.backward()
    first, second = _tables(harness)
    assert (first.times, first.value) == (2, 16.0)
    assert (second.times, second.rows[0].node) == (1, "NegBackward0")


def test_differentiated_twice() -> None:
    x = _x(2.0)
    with recording() as harness:
        harness.name(x=x)
        y = x**3
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        slope.backward()
    first, second = _tables(harness)
    assert first.rows[-1].incoming == 12.0
    assert second.rows[-1].incoming == 12.0
    assert (first.value, second.value) == (8.0, 12.0)


def test_large_graphs_have_no_table() -> None:
    torch.manual_seed(0)
    model = nn.Linear(100, 3)
    x = _x(1.0)
    with recording() as harness:
        harness.name(model=model, x=x)
        model(torch.randn(2, 100)).sum().backward()
        y = x
        for _ in range(41):
            y = y * 1.5
        y.backward()
    assert _tables(harness) == ()


def test_values_are_asked_for_only_as_long_as_they_are_of_use() -> None:
    x = _x(1.0)
    with recording() as harness:
        harness.name(x=x)
        y = x
        for _ in range(500):
            y = y * 1.0
        assert not harness.chain.recording_values
        y.backward()
        assert harness.chain.recording_values
        (x * 2).backward()
        (x * 3).backward()
        (x * 4 + 1).backward()
        (x * 5).backward()
        (x * 6).backward()
        (x * 7).backward()
        (x * 8).backward()
        (x * 9).backward()
        assert not harness.chain.recording_values
    assert len(_tables(harness)) == 8


def test_op_inside_another_has_no_name_of_its_own() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with recording() as harness:
        harness.name(x=x)
        loss = nn.functional.cross_entropy(x[None], torch.tensor([0]))
        loss.backward()
    (table,) = _tables(harness)
    assert [(row.name, row.node) for row in table.rows[:2]] == [
        ("loss", "NllLossBackward0"),
        (None, "LogSoftmaxBackward0"),
    ]
    assert table.rows[0].local[0][0] == "LogSoftmaxBackward0"


def test_backward_that_raises_leaves_no_table() -> None:
    x = _x(2.0)
    with recording() as harness:
        harness.name(x=x)
        y = x**2
        y.backward()
        with pytest.raises(RuntimeError):
            y.backward()
        assert not harness.chain._running
    assert len(_tables(harness)) == 1


def test_modules_have_a_table_only_for_scalars() -> None:
    torch.manual_seed(0)
    wide, narrow = nn.Linear(2, 2), nn.Linear(1, 1)
    with recording() as harness:
        harness.name(wide=wide, narrow=narrow)
        harness.module = "layer"
        for _ in range(2):
            wide(torch.ones(1, 2)).sum().backward()
            narrow(torch.ones(1, 1)).sum().backward()
    (table,) = _tables(harness)
    assert (table.scalar, table.times) == (True, 2)
    assert {row.name for row in table.rows if row.is_leaf} == {"narrow.weight", "narrow.bias"}


def test_a_retained_graph_is_told_once() -> None:
    x = _x(3.0)
    with recording() as harness:
        harness.name(x=x)
        y = x**2
        for _ in range(2):
            y.backward(retain_graph=True)
    (table,) = _tables(harness)
    assert [row.name for row in table.rows] == ["y", "x"]
    assert table.rows[-1].incoming == 6.0
    assert table.times == 2


def test_values_of_other_threads_are_not_mixed_in() -> None:
    x = _x(3.0)
    with recording() as harness:
        harness.name(x=x)
        y = x**2
        thread = threading.Thread(target=lambda: harness.chain.value(_number(y), torch.tensor(100.0)))
        thread.start()
        thread.join()
        z = y + 1
        z.backward()
    (table,) = _tables(harness)
    assert _row(table, "y").value == 9.0


def _number(tensor: Tensor) -> int:
    assert tensor.grad_fn is not None
    number: int = tensor.grad_fn._sequence_nr()
    return number
