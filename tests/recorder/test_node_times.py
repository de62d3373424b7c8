"""The times of the nodes of a pass."""

from __future__ import annotations

import gc
import threading
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from gradscope.recorder.graph import node_label, walk
from gradscope.recorder.node_times import NOT_RUN, NodeTimes, without_collection


class Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        raise ValueError("no gradient")


def run(times: NodeTimes, loss: Tensor, **options: Any) -> list[str]:
    """The names of the nodes, which ran while they were timed."""
    nodes = walk([loss])[0]
    times.attach(nodes)
    try:
        loss.backward(**options)
    finally:
        times.detach()
    return [node_label(node) for node in nodes]


def test_nodes_run_one_after_the_other() -> None:
    x = torch.ones(2, requires_grad=True)
    times = NodeTimes()
    names = run(times, (x * 2).exp().sum())
    assert names == ["SumBackward0", "ExpBackward0", "MulBackward0", "AccumulateGrad"]
    stretches = list(zip(times.begun_ns, times.ended_ns, strict=True))
    assert all(begun <= ended for begun, ended in stretches)
    assert sorted(stretches) == stretches
    assert all(one[1] <= following[0] for one, following in pairwise(stretches))
    assert set(times.threads) == {threading.get_ident()}
    seconds = times.seconds(0)
    assert seconds is not None
    assert 0 < seconds < 10


def test_a_node_that_raises_and_those_behind_it() -> None:
    x = torch.ones(2, requires_grad=True)
    times = NodeTimes()
    with pytest.raises(ValueError, match="no gradient"):
        run(times, Refusing.apply(x * 2).sum())
    assert times.seconds(0) is not None
    assert times.begun_ns[1] != NOT_RUN
    assert times.ended_ns[1] == NOT_RUN
    assert times.begun_ns[2:] == [NOT_RUN, NOT_RUN]
    assert times.seconds(1) is times.seconds(2) is None


def test_details() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    times = NodeTimes(detailed=True)
    loss = x.exp().sum()
    nodes = walk([loss])[0]
    times.attach(nodes)
    torch.autograd.grad(loss, x, create_graph=True)
    times.detach()
    assert times.shapes[:2] == [((),), ((2, 3),)]
    first, end = times.made[1]
    assert end > first


def test_hooks_are_taken_out() -> None:
    x = torch.ones(2, requires_grad=True)
    times = NodeTimes()
    loss = x.exp().sum()
    run(times, loss, retain_graph=True)
    begun = list(times.begun_ns)
    loss.backward()
    assert times.begun_ns == begun


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    with without_collection():
        assert not gc.isenabled()
        with without_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
