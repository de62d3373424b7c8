"""Every node that torch's own ops leave has a formula or a stated reason.

`benchmarks/formulas.py` tries all ops.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812  its usual name

from gradscope.formulas import formula_of
from gradscope.formulas.composed import COMPOSED
from gradscope.formulas.names import folded
from gradscope.formulas.table import table
from tests.formulas.op_nodes import all_ops, names_above, nodes_left

pytest.importorskip("expecttest")


def test_the_nodes_of_a_fifth_of_the_ops() -> None:
    nodes = nodes_left(all_ops()[::5], samples=4)
    assert len(nodes) > 90
    formulas = {name: formula_of(name) for name in nodes}
    untold = {name: nodes[name] for name, each in formulas.items() if each is None}
    assert not untold
    assert not [name for name, each in formulas.items() if not (each.gradients or each.reason)]
    without = {name for name, each in formulas.items() if not each.gradients}
    assert without <= {"AccumulateGrad", "CopyBackwards", "CopySlices"} | {
        name for name in nodes if name.startswith("GeneratedBackwardFor_")
    }


def test_every_node_that_python_knows() -> None:
    found = vars(torch._C._functions)
    names = [name for name, each in found.items() if isinstance(each, type) and name[0] != "_"]
    assert len(names) > 500
    untold = [name for name in names if formula_of(name) is None]
    assert not untold


def spelled(op: str) -> str:
    return folded(op.removeprefix("nn.functional."))


def test_composed_functions_leave_the_nodes_that_are_told() -> None:
    ops: dict[str, list[Any]] = {}
    for op in all_ops():
        ops.setdefault(spelled(op.name), []).append(op)
    tried = {name: ops[name] for name in COMPOSED if name in ops and name not in REST}
    for name, variants in tried.items():
        untrue = set(COMPOSED[name]) - set(nodes_left(variants, samples=10))
        if untrue:  # a node of seldom arguments
            untrue -= set(nodes_left(variants))
        assert not untrue, name
    assert set(COMPOSED) == {*tried, *REST, "setitem", "lstm"}


X = torch.randn(2, 4, 6, 6, requires_grad=True)


def written() -> torch.Tensor:
    y = torch.zeros(3, 4)
    y[1] = X[0, 0, 0, :4]
    return y


def copied() -> torch.Tensor:
    y = torch.zeros(3, 4)
    y[:] = X[0, 0, :3, :4]
    return y.copy_(X[0, 0, :3, :4])


REST = {
    "adaptiveavgpool2d": lambda: F.adaptive_avg_pool2d(X, 1).sum() + F.adaptive_avg_pool2d(X, 2).sum(),
    "contiguous": lambda: X.transpose(0, 1).contiguous(),
    "copy": copied,
    "batchnorm1d": lambda: torch.nn.BatchNorm1d(4)(X[..., 0]),
    "batchnorm2d": lambda: torch.nn.BatchNorm2d(4)(X),
    "batchnorm3d": lambda: torch.nn.BatchNorm3d(4)(X[..., None]),
    "bce": lambda: torch.nn.BCELoss()(X.sigmoid(), torch.ones_like(X)),
    "bcewithlogits": lambda: torch.nn.BCEWithLogitsLoss()(X, torch.ones_like(X)),
    "det": lambda: torch.det(X),
    "inverse": lambda: torch.inverse(X),
    "slogdet": lambda: torch.slogdet(X)[1],
    "truediv": lambda: X / X,
    "rtruediv": lambda: 2 / X,
}


@pytest.mark.parametrize("name", list(REST))
def test_composed_functions_that_the_database_lacks(name: str) -> None:
    assert set(COMPOSED[name]) <= set(names_above(REST[name]()))


def test_a_recurrent_layer() -> None:
    left = set(names_above(torch.nn.LSTM(6, 5)(X[0])[0]))
    # Without oneDNN each step is made of ops.
    assert set(COMPOSED["lstm"]) & left or "SigmoidBackward0" in left


def test_an_assignment_to_a_part_leaves_what_is_told() -> None:
    indexed = torch.zeros(3, 4)
    indexed[torch.tensor([0, 2])] = X[0, 0, :2, :4]
    assert set(COMPOSED["setitem"]) == {"CopySlices", "CopyBackwards", "IndexPutBackward0"}
    assert "CopySlices" in set(names_above(written()))
    assert "IndexPutBackward0" in set(names_above(indexed))


def test_composed_functions_name_nodes_that_exist() -> None:
    known = table().nodes
    assert {node for nodes in COMPOSED.values() for node in nodes} <= set(known)
    assert all(name == folded(name) for name in COMPOSED)
