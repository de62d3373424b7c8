"""Nodes without an entry: real ones, and what is said of them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gradscope.formulas import formula_of
from gradscope.formulas.by_hand import REASONS, SOURCES, reason_of

X = torch.rand(3, 3, requires_grad=True)


def view_written() -> Tensor:
    y = X * 1
    y[0] = 2.0
    return y


def hooked() -> Tensor:
    module = nn.Linear(3, 3)
    module.register_full_backward_hook(lambda *_: None)
    return module(X)


@torch.library.custom_op("gradscope_formulas::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


def without_autograd() -> Iterator[Tensor]:
    library = torch.library.Library("gradscope_formulas_raw", "DEF")
    library.define("plain(Tensor x) -> Tensor")
    library.impl("plain", lambda x: x.detach() * 2, "CPU")
    yield torch.ops.gradscope_formulas_raw.plain(X)
    library._destroy()


@pytest.mark.parametrize(
    ("node", "make"),
    [
        ("CopySlices", view_written),
        ("CopyBackwards", lambda: (X * 1).copy_(X)),
        ("BackwardHookFunctionBackward", hooked),
        ("CheckpointFunctionBackward", lambda: checkpoint(lambda x: x * 2, X, use_reentrant=True)),
        ("Error", lambda: torch._C._functions.DelayedError(b"no", 1)(X * 1)),
        ("UndefinedGradBackward", lambda: torch._C._functions.UndefinedGrad()(X * 1)),
        ("GeneratedBackwardFor_gradscope_formulas_twice_defaultBackward", lambda: twice(X)),
        ("WarnNotImplemented", lambda: next(without_autograd())),
    ],
)
def test_a_real_node_has_a_reason(node: str, make) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = make()
    assert result.grad_fn.name().removeprefix("torch::autograd::") == node
    formula = formula_of(result.grad_fn.name())
    assert formula is not None
    assert formula.node == node
    assert formula.reason
    assert not formula.gradients


def test_the_end_of_a_path() -> None:
    [(leaf, _)] = (X * 2).grad_fn.next_functions[:1]
    formula = formula_of(leaf.name())
    assert formula is not None
    assert formula.node == "AccumulateGrad"


def test_a_custom_op_is_named() -> None:
    assert "mine_soft_clamp" in reason_of("GeneratedBackwardFor_mine_soft_clamp_defaultBackward")
    assert "my::Relu" in reason_of("CppNode<my::Relu>")


@pytest.mark.parametrize("name", ["SoftmaxBackward", "MyFunctionBackward", "Nothing", "", "mul"])
def test_what_a_program_brings_has_none(name: str) -> None:
    assert formula_of(name) is None


def test_reasons_are_sentences() -> None:
    for reason in REASONS.values():
        assert reason[0].isupper() or reason.startswith("copy_()")
        assert reason.endswith(".")
        assert "  " not in reason


@pytest.mark.parametrize("place", [place for place in SOURCES.values() if "distributed" not in place])
def test_torchs_own_functions_are_where_they_are_said_to_be(place: str) -> None:
    module, _, name = place.partition(":")
    assert issubclass(getattr(importlib.import_module(module), name), torch.autograd.Function)


@pytest.mark.parametrize("node", list(SOURCES))
def test_their_source_can_be_shown(node: str) -> None:
    from gradscope.commands._explain_source import source_topic

    assert source_topic(SOURCES[node]).nodes == (node,)
