"""Hand-made autograd graphs: a small one with everything in it, hostile names, a long chain, nothing."""

from __future__ import annotations

import math

from gradscope.facts import Recording
from gradscope.facts.graph import (
    AutogradGraph,
    Constant,
    Definition,
    GraphNode,
    GraphPlace,
    NodeKind,
    SavedTensor,
)
from gradscope.finding import Location
from gradscope.report import Report

from .samples import HOME, LIBRARY

HOSTILE = (
    '<b>&"{|}[/red]\n',
    "a.b/c;d\\",
    "",
    "  ",
    "\N{CJK UNIFIED IDEOGRAPH-6A21}",
    "x" * 10_000,
    "__proto__",
    "___group___",
    "e\u202e\x1b[31m",
    "\udcff",
    "a/b",
    "a\N{DIVISION SLASH}b",
    "Const",
)


def network() -> AutogradGraph:
    """A frozen and a trained layer, a custom Function, a checkpoint, and a backward of second order."""
    path = f"{HOME}/model.py"
    places = (
        GraphPlace(
            Location(path, 9, 13, 9, 25, "Net.forward", "fc"), "model.fc", "secret_h", "self.fc(secret_x)"
        ),
        GraphPlace(Location(path, 12, 9, 12, 30, "Net.forward", ""), "model", None, "Swish.apply(secret_h)"),
        GraphPlace(Location(LIBRARY, 40, 5, 40, 20, "run", None)),
        GraphPlace(None),
    )
    saved = (
        SavedTensor("mat1", (8, 4), "float32", 128),
        SavedTensor("mat2", (4, 2), "float32", 32, shared=True),
        SavedTensor("self", (), "float32", 0, recomputed=True),
        SavedTensor("other", (), "float32", 0, packed=True),
    )
    weight, bias = "fc.weight", "fc.bias"
    nodes = (
        GraphNode(
            "AccumulateGrad",
            NodeKind.LEAF,
            (),
            shapes=((2, 4),),
            dtypes=("float32",),
            incoming=0.5123,
            seconds=2e-6,
            leaf=weight,
            is_parameter=True,
        ),
        GraphNode("TBackward0", NodeKind.OP, ((0, 0),), 0, 7, ((4, 2),), ("float32",), (), 0.5123, (0.5123,)),
        GraphNode(
            "AccumulateGrad",
            NodeKind.LEAF,
            (),
            shapes=((2,),),
            dtypes=("float32",),
            incoming=math.nan,
            leaf=bias,
            is_parameter=True,
        ),
        GraphNode(
            "AddmmBackward0",
            NodeKind.OP,
            ((2, 0), None, (1, 0)),
            0,
            8,
            ((8, 2),),
            ("float32",),
            saved,
            0.75123,
            (math.inf, None, 0.25123),
            1.5e-5,
        ),
        GraphNode(
            "SwishBackward",
            NodeKind.CUSTOM,
            ((3, 0), (3, 0)),
            1,
            9,
            ((8, 2), (-1,)),
            ("float32", "float32"),
            (),
            0.0,
            (0.0, None),
            definition=0,
        ),
        GraphNode("CheckpointFunctionBackward", NodeKind.CHECKPOINT, ((4, 1),), 2, 10, ((8,),), ("float32",)),
        GraphNode("MeanBackward0", NodeKind.OP, ((5, 0),), 3, 11, ((),), ("float32",), parent="Pow", order=2),
    )
    return AutogradGraph(
        nodes=nodes,
        places=places,
        definitions=(Definition("Swish", Location(path, 3, function="Swish.backward")),),
        constants=(
            Constant(3, "secret_x", (8, 4), "float32"),
            Constant(4, "gate.weight", (2,), "float32", frozen=True),
            Constant(6, "gate.weight", (2,), "float32", frozen=True),
        ),
        roots=((6, 0),),
        modules={"model": "Net", "model.fc": "Linear"},
        backward=Location(f"{HOME}/train.py", 20, 5),
        number=3,
        loss=1.25123,
        other_passes=((Location(f"{HOME}/train.py", 31), 1), (None, 2)),
        notes=("times are those of launching", "y = secret_x + 1 was seen"),
        not_seen=("2 gradients that could not be measured: no /srv/x.pt",),
    )


def hostile() -> AutogradGraph:
    """A leaf and an op for each of some names that no format may stumble over."""
    numbers = (math.nan, math.inf, -math.inf, 0.0, 1e-300, 1e300)
    nodes: list[GraphNode] = []
    for index, name in enumerate(HOSTILE):
        leaf, incoming = f"{name}.weight", numbers[index % 6]
        nodes.append(
            GraphNode(
                "AccumulateGrad",
                NodeKind.LEAF,
                (),
                shapes=((2, -1),),
                dtypes=("float32",),
                incoming=incoming,
                leaf=leaf,
                is_parameter=True,
            )
        )
        edges = ((2 * index, 0), None) if index == 0 else ((2 * index, 0), (2 * index - 1, 0))
        nodes.append(
            GraphNode(
                f"{name}Backward",
                NodeKind.CUSTOM,
                edges,
                index,
                index,
                ((),),
                ("float32",),
                (SavedTensor(name, (2,), "float32", 8),),
                incoming,
                (incoming,) * 2,
                definition=0,
            )
        )
    return AutogradGraph(
        nodes=tuple(nodes),
        places=tuple(
            GraphPlace(
                Location(f"{HOME}/{index};.py", 1, function="<lambda>"),
                f"model.{name}",
                name,
                f"f({name})",
            )
            for index, name in enumerate(HOSTILE)
        ),
        definitions=(Definition(HOSTILE[0], None),),
        constants=tuple(Constant(1, name, (2,), "int64") for name in HOSTILE),
        roots=((len(nodes) - 1, 0),),
        modules={"model": "Net", **{f"model.{name}": HOSTILE[0] for name in HOSTILE}},
        backward=Location(f"{HOME}/<b>.py", 1),
        number=1,
        loss=-math.inf,
        notes=HOSTILE[:2],
    )


def chain(length: int) -> AutogradGraph:
    """A loop outside modules: every op takes in the one before it."""
    place = GraphPlace(Location(f"{HOME}/loop.py", 3, function="<module>"), None, "x", "x * 1.0001")
    leaf = GraphNode(
        "AccumulateGrad", NodeKind.LEAF, (), shapes=((),), dtypes=("float32",), incoming=1.0, leaf="x"
    )
    nodes = [
        GraphNode(
            "MulBackward0",
            NodeKind.OP,
            ((index - 1, 0), None),
            0,
            index,
            ((),),
            ("float32",),
            incoming=1.0001 ** (-index),
            outgoing=(1.0001 ** (-index), None),
        )
        for index in range(1, length)
    ]
    return AutogradGraph((leaf, *nodes), (place,), roots=((length - 1, 0),))


def graph_report(graph: AutogradGraph) -> Report:
    """What `gradscope graph` hands to a reporter."""
    sources = {f"{HOME}/model.py": ("y = secret_x + 1",)}
    return Report("graph", "train.py", (), Recording(graph=graph, sources=sources))
