"""Hand-made reports of small programs without modules: the chain rule, its sums and its tensors."""

from __future__ import annotations

from gradscope.facts import Backward, ChainRow, ChainTable, Leaf, ProgramEnd, ProgramError, Recording
from gradscope.finding import Location
from gradscope.report import Report

from .samples import LIBRARY, Source, parameter, report, sources, stats

Pairs = tuple[tuple[str, float | None], ...]


def _leaf(name: str, shape: tuple[int, ...] = (), norm: float | None = None) -> Leaf:
    return Leaf(
        name,
        shape,
        "float32",
        "cpu",
        False,
        True,
        gradient=None if norm is None else stats(norm, largest=norm),
    )


def _row(
    source: Source,
    name: str | None,
    expression: str,
    value: float,
    local: Pairs,
    incoming: float,
    outgoing: Pairs,
    shape: tuple[int, ...] = (),
) -> ChainRow:
    where = source.at(expression)
    return ChainRow(name, expression, "Backward0", where, shape, value, local, incoming, outgoing)


def _x(name: str, value: float, total: float, paths: int = 1, shape: tuple[int, ...] = ()) -> ChainRow:
    return ChainRow(
        name, None, None, None, shape, value, (), total, ((name, total),), is_leaf=True, paths=paths
    )


def _recording(
    source: Source, table: ChainTable, nodes: int, leaves: tuple[Leaf, ...], **more: object
) -> Recording:
    backward = Backward(
        table.backward, "backward", 1, nodes, len(leaves), table.value, table.value, root=table.root
    )
    return Recording(
        torch_version="2.13.0",
        ops=nodes,
        backward_passes=1,
        backwards=(backward,),
        leaves=leaves,
        chains=(table,),
        sources=sources(source),
        **more,  # type: ignore[arg-type]
    )


_CHAIN = Source(
    "examples/chain_rule.py",
    """
x = torch.tensor(2.0, requires_grad=True)
a = x * 3
b = a + 1
c = b ** 2
c.backward()
""",
)


def chain_rule() -> Report:
    """c = (3x + 1)^2 at 2: 14, 14, 42."""
    rows = (
        _row(_CHAIN, "c", "b ** 2", 49.0, (("b", 14.0),), 1.0, (("b", 14.0),)),
        _row(_CHAIN, "b", "a + 1", 7.0, (("a", 1.0),), 14.0, (("a", 14.0),)),
        _row(_CHAIN, "a", "x * 3", 6.0, (("x", 3.0),), 14.0, (("x", 42.0),)),
        _x("x", 2.0, 42.0),
    )
    table = ChainTable(_CHAIN.at("c.backward()"), "c", 49.0, None, True, rows)
    return report(_recording(_CHAIN, table, 3, (_leaf("x", (), 42.0),)), target="examples/chain_rule.py")


_PATHS = Source(
    "two_paths.py",
    """
x = torch.tensor(2.0, requires_grad=True)
w = torch.tensor(-1.5, requires_grad=True)
a = 3 * x
b = x ** 2
y = torch.tanh(w * 0.1) * 0 + a + b
y.backward()
""",
)


def two_paths() -> Report:
    """3x + x^2 at 2: the two paths into x are summed, 3 + 4 = 7; unnamed nodes; a gradient of zero."""
    rows = (
        _row(
            _PATHS,
            "y",
            "torch.tanh(w * 0.1) * 0 + a + b",
            10.0,
            (("tanh(w * 0.1) * 0 + a", 1.0), ("b", 1.0)),
            1.0,
            (("tanh(w * 0.1) * 0 + a", 1.0), ("b", 1.0)),
        ),
        _row(_PATHS, "b", "x ** 2", 4.0, (("x", 4.0),), 1.0, (("x", 4.0),)),
        _row(
            _PATHS,
            None,
            "torch.tanh(w * 0.1) * 0",
            -0.0,
            (("tanh(w * 0.1)", 0.0),),
            1.0,
            (("tanh(w * 0.1)", 0.0),),
        ),
        _row(
            _PATHS,
            None,
            "torch.tanh(w * 0.1)",
            -0.1488850,
            (("w * 0.1", 0.977833),),
            0.0,
            (("w * 0.1", 0.0),),
        ),
        _row(_PATHS, None, "w * 0.1", -0.15, (("w", 0.1),), 0.0, (("w", 0.0),)),
        _row(_PATHS, "a", "3 * x", 6.0, (("x", 3.0),), 1.0, (("x", 3.0),)),
        _x("x", 2.0, 7.0, paths=2),
        _x("w", -1.5, 0.0),
    )
    table = ChainTable(_PATHS.at("y.backward()"), "y", 10.0, None, True, rows)
    return report(
        _recording(_PATHS, table, 6, (_leaf("x", (), 7.0), _leaf("w", (), 0.0))), target="two_paths.py"
    )


_LAYER = Source(
    "layer.py",
    """
W = torch.randn(2, 3, requires_grad=True)
y = W @ x + b
y.backward(torch.tensor([2.0, 0.0]))
""",
    first_line=4,
)


def layer() -> Report:
    """A matrix times a vector: shapes and norms, and the gradient that backward was given."""
    rows = (
        _row(
            _LAYER,
            "y",
            "W @ x + b",
            3.3166,
            (("W @ x", None), ("b", None)),
            2.0,
            (("W @ x", 2.0), ("b", 2.0)),
            (2,),
        ),
        ChainRow(
            None,
            "W @ x",
            "MvBackward0",
            _LAYER.at("W @ x"),
            (2,),
            2.8284,
            (("W", None), ("x", None)),
            2.0,
            (("W", 7.4833), ("x", 4.2426)),
        ),
        _x("W", 2.4495, 7.4833, shape=(2, 3)),
        _x("x", 3.7417, 4.2426, shape=(3,)),
        _x("b", 1.4142, 2.0, shape=(2,)),
    )
    table = ChainTable(_LAYER.at("y.backward(torch.tensor([2.0, 0.0]))"), "y", None, "[2, 0]", False, rows)
    leaves = (_leaf("W", (2, 3), 7.4833), _leaf("x", (3,), 4.2426), _leaf("b", (2,), 2.0))
    return report(_recording(_LAYER, table, 2, leaves), target="layer.py")


# ---------------------------------------------------------------- programs that end badly


def crash() -> Report:
    """A KeyError of the program's own, after some good backwards: no finding explains it."""
    where = Location("/home/ada/project/train.py", 71, 17, 71, 33, "load")
    outer = Location("/home/ada/project/train.py", 98, 9, 98, 20, "main")
    rendered = (
        "Traceback (most recent call last):\n"
        '  File "/home/ada/project/train.py", line 98, in main\n'
        "    batch = load(names[step])\n"
        "            ^^^^^^^^^^^^^^^^^\n"
        '  File "/home/ada/project/train.py", line 71, in load\n'
        "    return cache[name].to(device)\n"
        "           ~~~~~^^^^^^\n"
        "KeyError: 'batch-0042'\n"
    )
    error = ProgramError("KeyError", "'batch-0042'", (outer, where), rendered)
    recording = Recording(
        ProgramEnd(1, error),
        torch_version="2.13.0",
        steps=41,
        backward_passes=41,
        backwards=(Backward(outer, "backward", 41, 12, 2, 0.91, 0.44, root="loss"),),
        leaves=(
            parameter("weights", (3, 4), stats(0.2, backwards=41), root=None),
            parameter("table", (5_000, 4), stats(0.02, zero=0.9996, backwards=41), root=None),
        ),
    )
    return report(recording)


def no_backward() -> Report:
    """A script that only evaluates, and leaves with a status of its own."""
    return report(Recording(ProgramEnd(3), torch_version="2.13.0", ops=1_200), target="evaluate.py")


def interrupted() -> Report:
    """Ctrl-C in the middle of a run."""
    backward = Backward(Location(LIBRARY, 51, 9), "grad", 7, 40, 4, None, None, create_graph=True)
    recording = Recording(
        ProgramEnd(130, interrupted=True),
        torch_version="2.13.0",
        steps=6,
        backward_passes=7,
        backwards=(backward,),
    )
    return report(recording)
