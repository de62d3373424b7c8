"""The forward op that made the first NaN or unintended Inf on the way to a non-finite loss."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from .harness import recording, text

INF = float("inf")


def _logarithm(x: Tensor) -> Tensor:
    logarithm = torch.log(x)  # first
    return (logarithm * 0).sum()


def _exponential(x: Tensor) -> Tensor:
    grown = (x * 100).exp()  # first
    return grown.sum()


def _ratio(x: Tensor) -> Tensor:
    ratio = x / x.min()  # first
    return ratio.sum()


def _negative_root(x: Tensor) -> Tensor:
    return (x - 1).sqrt().sum()  # first


def _power(x: Tensor) -> Tensor:
    return ((x - 1) ** 0.5).mean()  # first


def _arc_cosine(x: Tensor) -> Tensor:
    return torch.acos(x + 1).sum()  # first


def _entropy(x: Tensor) -> Tensor:
    logarithm = torch.log(x)  # first
    return (x * logarithm).sum()


def _infinite_factor(x: Tensor) -> Tensor:
    scaled = x * INF  # first
    return scaled.sum()


def _beside_a_mask(x: Tensor) -> Tensor:
    scores = x.masked_fill(x > 1, -INF)
    row = torch.logsumexp(scores, dim=-1)
    return row + torch.log(x).sum()  # first


def _half(x: Tensor) -> Tensor:
    half = (x * 1e6).to(torch.float16)  # first
    return half.float().sum()


def _half_product(x: Tensor) -> Tensor:
    half = x.to(torch.float16) * 10000
    squares = half * half  # first
    return (squares - squares).float().sum()


def _masked_row(x: Tensor) -> Tensor:
    scores = x[None].masked_fill(x < 100, -INF)
    weights = torch.softmax(scores, dim=-1)  # first
    return weights.sum()


def _added_mask(x: Tensor) -> Tensor:
    mask = torch.full((2, 2), -INF)
    weights = F.softmax(x + mask.triu(), dim=-1)  # first
    return weights.sum()


def _difference_of_masks(x: Tensor) -> Tensor:
    low = torch.where(x > 100, x, -INF)
    return (low - low).sum()  # first


def _log_of_a_mask(x: Tensor) -> Tensor:
    allowed = (x > 100).float()
    weights = torch.softmax(x + allowed.log(), dim=-1)  # first
    return weights.sum()


def _written_elements(x: Tensor) -> Tensor:
    scores = x * 2
    scores[:] = -INF
    return torch.log_softmax(scores, dim=-1).sum()  # first


def _mask_made_element_by_element(x: Tensor) -> Tensor:
    mask = torch.full((2, 2), -INF)
    mask[0, 0] = 0.0
    mask[1].add_(1.0)
    mask[0, 1].fill_(0.0)
    weights = torch.softmax(x + mask, dim=-1)  # first
    return weights.sum()


def _view_filled_in_place(x: Tensor) -> Tensor:
    scores = torch.zeros(2, 2) + x
    scores[0].fill_(-INF)
    scores[1].fill_(-INF)
    return torch.softmax(scores.flatten(), dim=0).sum()  # first


def _in_place_division(x: Tensor) -> Tensor:
    share = x.clone()
    share /= torch.zeros(2)  # first
    return share.sum()


def _healed_before(x: Tensor) -> Tensor:
    overflow = torch.exp(x * 1000)
    safe = torch.where(x > 0, x, overflow)
    broken = torch.log(safe - 10)  # first
    return broken.sum()


@pytest.mark.parametrize(
    ("loss", "op", "kind", "loss_text"),
    [
        (_logarithm, "log", "inf", "nan"),
        (_exponential, "exp", "inf", "inf"),
        (_ratio, "__truediv__", "nan", "nan"),
        (_negative_root, "sqrt", "nan", "nan"),
        (_power, "pow", "nan", "nan"),
        (_arc_cosine, "acos", "nan", "nan"),
        (_entropy, "log", "inf", "nan"),
        (_infinite_factor, "mul", "nan", "nan"),
        (_beside_a_mask, "log", "inf", "-inf"),
        (_half, "to", "inf", "inf"),
        (_half_product, "mul", "inf", "nan"),
        (_masked_row, "softmax", "nan", "nan"),
        (_added_mask, "softmax", "nan", "nan"),
        (_difference_of_masks, "sub", "nan", "nan"),
        (_log_of_a_mask, "softmax", "nan", "nan"),
        (_written_elements, "log_softmax", "nan", "nan"),
        (_mask_made_element_by_element, "softmax", "nan", "nan"),
        (_view_filled_in_place, "softmax", "nan", "nan"),
        (_in_place_division, "div_", "nan", "nan"),
        (_healed_before, "log", "nan", "nan"),
    ],
)
def test_first_op_is_named_with_its_line(
    loss: Callable[[Tensor], Tensor], op: str, kind: str, loss_text: str
) -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        loss(x).backward()
    (fact,) = harness.forward.facts()
    assert text(fact.location).endswith("# first")
    assert (fact.kind, fact.loss) == (kind, loss_text)
    assert fact.op.strip("_").removeprefix("true") == op.strip("_").removeprefix("true")
    assert fact.source is None
    assert fact.exact
    assert text(fact.backward) == "loss(x).backward()"


def test_values_and_the_way_to_the_loss() -> None:
    x = torch.tensor([[0.0, 1.0], [2.0, 0.0]], requires_grad=True)
    with recording() as harness:
        logarithm = torch.log(x)
        scaled = logarithm * 0.0
        loss = scaled.sum()
        loss.backward()
    (fact,) = harness.forward.facts()
    (given,) = fact.inputs
    assert (given.name, given.zeros, given.zero_at) == ("input 0", 2, ("[0, 0]", "[1, 1]"))
    assert fact.output is not None
    assert (fact.output.inf, fact.output.nan) == (2, 0)
    assert [step.op for step in fact.spread] == ["mul", "sum"]
    assert [text(step.location) for step in fact.spread] == [
        "scaled = logarithm * 0.0",
        "loss = scaled.sum()",
    ]
    assert fact.step == 1


def test_masks_of_infinity_are_healthy() -> None:
    x = torch.randn(3, 3, requires_grad=True)
    with recording() as harness:
        mask = torch.triu(torch.full((3, 3), -INF), diagonal=1)
        best = torch.tensor(INF)
        F.scaled_dot_product_attention(x, x, x, attn_mask=mask).sum().backward()
        loss = (torch.softmax(x + mask, dim=-1) @ x).sum() + torch.minimum(best, x.sum())
        loss.backward()
    assert harness.forward.facts() == ()
    assert harness.births() == ()


def test_overflow_that_is_masked_is_not_reported_beside_the_cause() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        first = torch.where(x > 0, x, torch.exp(x + 1000)).detach()
        second = torch.log(x)
        kept = torch.where(x > 0, second, first.clamp(max=1.0))
        (torch.nan_to_num(kept) + torch.sqrt(x - 1)).sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.op == "sqrt"


def test_selection_that_drops_one_of_two() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    first = torch.tensor([True, False])
    with recording() as harness:
        overflow = torch.exp(x * 1000)
        broken = torch.log(x)
        torch.where(first, broken, overflow).masked_fill(~first, 0.0).sum().backward()
        assert len(harness.forward.facts()) == 2  # both were selected
    with recording() as harness:
        overflow = torch.exp(x * 1000)
        broken = torch.log(x)
        torch.where(first, broken, overflow.flip(0).masked_fill(first, torch.inf)).sum().backward()
    assert [fact.op for fact in harness.forward.facts()] == ["log"]


def test_two_causes_are_told_in_their_order() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        first = torch.log(x)
        second = torch.exp(x * 1000)
        (second + first).sum().backward()
    assert [fact.op for fact in harness.forward.facts()] == ["log", "exp"]


def test_a_loop_is_one_fact_with_a_count() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        for _ in range(5):
            torch.log(x).sum().backward()
    (fact,) = harness.forward.facts()
    assert (fact.count, fact.step) == (5, 1)


def test_data_that_came_in_non_finite() -> None:
    model = nn.Linear(2, 1)
    data = torch.ones(3, 2)
    data[1, 0] = float("nan")
    with recording() as harness:
        out = model(data)
        (out**2).mean().backward()
    (fact,) = harness.forward.facts()
    assert (fact.op, fact.source, fact.kind) == ("linear", "input 0 of linear", "nan")
    assert fact.inputs[0].nonfinite_at == ("[1, 0]",)


def test_data_made_by_a_call_without_tensors() -> None:
    x = torch.ones(2, requires_grad=True)
    with recording() as harness:
        data = torch.tensor([1.0, float("nan")])
        (x * data).sum().backward()
    (fact,) = harness.forward.facts()
    assert text(fact.location) == 'data = torch.tensor([1.0, float("nan")])'
    assert fact.source == "a NaN given to tensor"


def test_uninitialised_memory() -> None:
    x = torch.ones(2, requires_grad=True)
    with recording() as harness:
        data = torch.empty(2)
        data.view(torch.int32).fill_(-1)  # all bits set: a NaN
        harness.forward.check("empty", (), data, None, (2,), {})
        (x * data).sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.source == "the uninitialised memory of empty"


def test_mask_that_is_taken_into_the_loss() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        scores = x.masked_fill(x > 1, -INF)
        share = torch.log_softmax(scores, dim=-1)
        (-share[1]).backward()
    (fact,) = harness.forward.facts()
    assert text(fact.location) == "(-share[1]).backward()"
    assert (fact.kind, fact.op, fact.loss) == ("inf", "__getitem__", "inf")
    assert fact.source is not None
    assert fact.source.startswith("the -inf that masked_fill wrote in line ")


def test_memory_that_is_filled_is_forgotten() -> None:
    x = torch.ones(2, requires_grad=True)
    with recording() as harness:
        data = torch.full((2,), float("nan"))
        data.copy_(torch.ones(2))
        (torch.log(x - 1) + data).sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.op == "log"


def test_parameter_that_is_already_nan_is_named() -> None:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    with recording() as harness:
        model(torch.ones(3, 2)).sum().backward()
    (fact,) = harness.forward.facts(lambda key: "weight" if key == id(model.weight) else "?")
    assert (fact.op, fact.source) == ("linear", "weight")


def test_parameter_that_a_nan_gradient_spoiled() -> None:
    weight = torch.tensor([0.0, 4.0], requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=0.1)
    with recording() as harness:
        harness.name(weight=weight)
        for _ in range(2):
            optimizer.zero_grad()
            torch.where(weight > 0, weight.sqrt(), 0.0).sum().add(weight.sum()).backward()
            with torch._C.DisableTorchFunction():
                optimizer.step()
    (fact,) = harness.forward.facts(harness.leaf_name)
    assert (fact.source, fact.step) == ("weight", 2)
    (birth,) = [birth for birth in harness.births() if birth.step == 1]
    assert birth.node == "SqrtBackward0"


def test_result_of_a_grad_call() -> None:
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    with recording() as harness:
        harness.name(x=x)
        (slope,) = torch.autograd.grad(torch.sqrt(x).sum(), x, create_graph=True)
        (slope * x).sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.op == "grad"
    assert "autograd.grad" in text(fact.location)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_every_dtype(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 4.0], dtype=dtype, requires_grad=True)
    with recording() as harness:
        torch.log(x).abs().sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.op == "log"


def test_ops_without_gradient_are_seen() -> None:
    x = torch.tensor([1.0, 4.0], requires_grad=True)
    with recording() as harness:
        with torch.no_grad():
            weight = torch.zeros(2).reciprocal()
        (x * weight).sum().backward()
    (fact,) = harness.forward.facts()
    assert (fact.op, text(fact.location)) == ("reciprocal", "weight = torch.zeros(2).reciprocal()")


def test_finite_values_whose_sum_overflows() -> None:
    x = torch.full((64,), 3e38, requires_grad=True)
    with recording() as harness:
        (x * 1.0).mean().div(2).add(torch.log(x - x.detach()).sum()).backward()
    assert "mul" not in {fact.op for fact in harness.forward.facts()}


def test_nothing_is_kept_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        with recording() as harness:
            x = torch.tensor([0.0, 4.0], requires_grad=True)
            logarithm = torch.log(x)
            refs = [weakref.ref(x), weakref.ref(logarithm)]
            logarithm.sum().backward()
            del x, logarithm
            assert [ref() for ref in refs] == [None, None]
            assert len(harness.forward.facts()) == 1
    finally:
        gc.enable()


def test_the_table_is_bounded() -> None:
    with recording() as harness:
        kept = [torch.zeros(1).log() for _ in range(3000)]
        for _ in range(3000):
            torch.zeros(1).log()
        assert len(harness.forward._trails) <= 8192
        assert len(kept) == 3000


# ---------------------------------------------------------------- looked for afterwards, in the graph


def _late(loss: Callable[[Tensor], Tensor], x: Tensor, names: dict[str, Any] | None = None) -> Any:
    with recording() as harness:
        harness.name(**(names or {}))
        harness.forward.armed = False
        loss(x).backward()
    (fact,) = harness.forward.facts(harness.leaf_name if names else None)
    assert not fact.exact
    return fact


@pytest.mark.parametrize(
    ("loss", "op"),
    [
        (_logarithm, "log"),
        (_exponential, "exp"),
        (_ratio, "div"),
        (_negative_root, "sqrt"),
        (_power, "pow"),
        (_arc_cosine, "acos"),
        (_entropy, "log"),
        (_beside_a_mask, "log"),
        (_masked_row, "softmax"),
        (_added_mask, "softmax"),
    ],
)
def test_late_search_finds_the_line(loss: Callable[[Tensor], Tensor], op: str) -> None:
    fact = _late(loss, torch.tensor([0.0, 4.0], requires_grad=True))
    assert text(fact.location).endswith("# first")
    assert fact.op == op


def test_late_search_names_a_parameter_and_data() -> None:
    model = nn.Linear(2, 1)
    data = torch.tensor([[1.0, float("nan")]])
    fact = _late(lambda x: model(x).sum(), data)
    assert (fact.op, fact.source) == ("addmm", "input 1 of addmm")
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    hidden = torch.ones(1, 2, requires_grad=True)
    fact = _late(lambda x: (x * model.weight).sum(), hidden, {"weight": model.weight})
    assert (fact.op, fact.source) == ("mul", "weight")


def test_late_search_without_a_trace_names_the_root() -> None:
    x = torch.tensor([3e38, 3e38], requires_grad=True)
    fact = _late(lambda t: t.sum(), x)
    assert (fact.op, fact.loss) == ("sum", "inf")


def test_memory_that_is_filled_unseen_does_not_count() -> None:
    x = torch.ones(2, requires_grad=True)
    with recording() as harness:
        data = torch.full((2,), float("nan"))
        with torch._C.DisableTorchFunction():
            data.fill_(1.0)
        (torch.log(x - 1) + data).sum().backward()
    (fact,) = harness.forward.facts()
    assert fact.op == "log"
