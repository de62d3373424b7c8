"""NaN and Inf born in a backward pass: the node, its line, the values, what it reaches."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.recorder.nodes import place_of
from gradscope.recorder.places import intern_loc
from gradscope.recorder.watched_pass import WatchedPass

from .harness import recording, text


class Divided(torch.autograd.Function):
    """The identity; its backward divides by the saved input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad / x


def _leaf(*values: float, **options: Any) -> Tensor:
    return torch.tensor(list(values), requires_grad=True, **options)


def _sqrt(x: Tensor) -> Tensor:
    return torch.sqrt(x).sum()  # born


def _where_after_sqrt(x: Tensor) -> Tensor:
    root = torch.sqrt(x)  # born
    return torch.where(x > 0, root, torch.zeros_like(root)).sum()


def _clamp_after_sqrt(x: Tensor) -> Tensor:
    root = x.sqrt()  # born
    return root.clamp(min=1e-3).sum()


def _root_power(x: Tensor) -> Tensor:
    return (x**0.45).sum()  # born


def _arc_cosine(x: Tensor) -> Tensor:
    return torch.acos(1 - x / 8).sum()  # born


def _masked_log(x: Tensor) -> Tensor:
    logarithm = torch.log(x)  # born
    return torch.where(x > 0, logarithm, 0.0).sum()


def _custom_function(x: Tensor) -> Tensor:
    return (Divided.apply(x) * 2).sum()  # born


def _division(x: Tensor) -> Tensor:
    ratio = 1.0 / x  # born
    return torch.where(x > 0, ratio, 0.0).sum()


def _masked_exponential(x: Tensor) -> Tensor:
    grown = torch.exp(x + 100)  # born
    return torch.where(x > 0, x, grown.clamp(max=3.0)).sum()


def _distance(x: Tensor) -> Tensor:
    return ((x - x.detach()) ** 2).sum().sqrt() + x.sum()  # born


@pytest.mark.parametrize(
    ("loss", "node", "kind", "final"),
    [
        (_sqrt, "SqrtBackward0", "inf", "inf"),
        (_where_after_sqrt, "SqrtBackward0", "nan", "nan"),
        (_clamp_after_sqrt, "SqrtBackward0", "nan", "nan"),
        (_root_power, "PowBackward0", "inf", "inf"),
        (_arc_cosine, "AcosBackward0", "inf", "inf"),
        (_masked_log, "LogBackward0", "nan", "nan"),
        (_custom_function, "DividedBackward", "inf", "inf"),
        (_division, "ReciprocalBackward0", "nan", "nan"),
        (_masked_exponential, "ExpBackward0", "nan", "nan"),
        (_distance, "SqrtBackward0", "inf", "nan"),
    ],
)
def test_birth_is_named_with_its_line(
    loss: Callable[[Tensor], Tensor], node: str, kind: str, final: str
) -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        loss(x).backward()
    (birth,) = harness.births()
    assert (birth.node, birth.kind, birth.final) == (node, kind, final)
    assert text(birth.location).endswith("# born")
    assert birth.reached == ("x",)
    assert birth.trainable == 1
    assert birth.masked_at is None
    assert birth.exact
    assert birth.origin == "node"
    assert text(birth.backward) == "loss(x).backward()"


def test_values_at_the_birth() -> None:
    x = torch.tensor([[0.0, 1.0], [4.0, 0.0]], requires_grad=True)
    with recording() as harness:
        harness.name(x=x)
        root = torch.sqrt(x)
        (root * torch.tensor([[0.0, 1.0], [1.0, 1.0]])).sum().backward()
    (birth,) = harness.births()
    assert birth.incoming.zeros == 1
    assert birth.incoming.zero_at == ("[0, 0]",)
    assert (birth.outgoing.nan, birth.outgoing.inf) == (1, 1)
    assert birth.outgoing.nonfinite_at == ("[0, 0]", "[1, 1]")
    (result,) = birth.saved
    assert (result.name, result.zeros, result.zero_at) == ("result", 2, ("[0, 0]", "[1, 1]"))
    assert (result.smallest, result.largest, result.dtype, result.shape) == (0.0, 2.0, "float32", (2, 2))


def test_exponent_is_told_with_the_saved_tensors() -> None:
    x = _leaf(0.0, 1.0)
    with recording() as harness:
        harness.name(x=x)
        (x**0.45).sum().backward()
    (birth,) = harness.births()
    saved = {stats.name: stats for stats in birth.saved}
    assert saved["self"].zeros == 1
    assert saved["exponent"].largest == 0.45


def test_spread_and_the_node_that_turns_inf_into_nan() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        squares = x * torch.tensor([0.0, 1.0])
        root = torch.sqrt(squares)
        root.sum().backward()
    (birth,) = harness.births()
    assert (birth.kind, birth.final) == ("inf", "nan")
    assert [step.op for step in birth.spread] == ["mul"]
    assert birth.becomes is not None
    assert birth.becomes.op == "mul"
    assert text(birth.becomes.location).startswith("squares =")


def test_finite_norm_at_zero_is_no_birth() -> None:
    x = _leaf(0.0, 0.0)
    with recording() as harness:
        harness.name(x=x)
        (torch.linalg.vector_norm(x) + x.norm() + torch.cdist(x[None], x[None]).sum()).backward()
    assert harness.births() == ()


def test_masked_birth_harms_nobody() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        shifted = x * 1.0
        shifted = torch.where(x > 0, shifted, torch.ones(()))
        healed = shifted + 0.0
        safe = torch.where(x > 0, healed.clone(), 1.0)
        (torch.sqrt(torch.where(x > 0, x, 0.0)) * 1.0 + safe).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "SqrtBackward0"
    assert birth.reached == ()
    assert birth.masked_at is not None
    assert birth.masked_at.op == "where"


def test_two_births_reach_their_own_leaves() -> None:
    x, y = _leaf(0.0, 1.0), _leaf(0.0, 2.0)
    with recording() as harness:
        harness.name(x=x, y=y)
        first = torch.sqrt(x)
        second = torch.where(y > 0, torch.log(y), 0.0)
        (first + second).sum().backward()
    births = {birth.node: birth for birth in harness.births()}
    assert births["SqrtBackward0"].reached == ("x",)
    assert births["LogBackward0"].reached == ("y",)
    assert {birth.trainable for birth in births.values()} == {2}


def test_a_loop_is_one_birth_with_a_count() -> None:
    module = nn.Linear(2, 2)
    with recording() as harness:
        harness.name(module=module)
        for _ in range(3):
            total = torch.zeros(())
            for _ in range(4):
                total = total + torch.sqrt(module(torch.zeros(1, 2)) * 0).sum()
            total.backward()
    (birth,) = harness.births()
    assert birth.count == 12
    assert birth.step == 1
    assert set(birth.reached) == {"module.weight", "module.bias"}


def test_harmless_at_first_then_harmful() -> None:
    x = _leaf(0.0, 1.0)
    with recording() as harness:
        harness.name(x=x)
        for step in range(3):
            root = torch.where(x > 0, x, x * (step == 2)).sqrt()
            (torch.where(x > 0, x, 0.0) + root * 0).sum().backward()
    (birth,) = harness.births()
    assert birth.reached == ("x",)
    assert birth.count == 3


def test_masked_softmax_row() -> None:
    scores = torch.zeros(2, 2, requires_grad=True)
    mask = torch.tensor([[True, True], [False, True]])
    with recording() as harness:
        harness.name(scores=scores)
        weights = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        torch.where(mask.all(-1, keepdim=True), 0.0, weights).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "SoftmaxBackward0"
    assert text(birth.location).startswith("weights =")
    assert birth.saved[0].nan == 2
    assert birth.reached == ()  # masked_fill gives zeros where it filled


def test_logsumexp_over_masked_rows_has_a_finite_loss() -> None:
    x = torch.zeros(2, 2, requires_grad=True)
    with recording() as harness:
        harness.name(x=x)
        rows = torch.logsumexp(x + torch.tensor([[-torch.inf] * 2, [0.0] * 2]), dim=-1)
        torch.where(torch.isfinite(rows), rows, 0.0).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "LogsumexpBackward0"
    assert text(birth.location).startswith("rows =")
    assert harness.forward.facts() == ()


def test_equal_eigenvalues() -> None:
    matrix = torch.eye(3, dtype=torch.float64).requires_grad_()
    with recording() as harness:
        harness.name(matrix=matrix)
        _, vectors = torch.linalg.eigh(matrix)
        (vectors**3).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "LinalgEighBackward0"
    assert text(birth.location).endswith("torch.linalg.eigh(matrix)")
    eigenvalues = next(stats for stats in birth.saved if stats.name == "eigenvalues")
    assert eigenvalues.repeated == 2


def test_equal_singular_values() -> None:
    matrix = torch.eye(2, dtype=torch.float64).requires_grad_()
    with recording() as harness:
        harness.name(matrix=matrix)
        left, _, right = torch.linalg.svd(matrix)
        (left[:, :1] @ right[:1]).pow(2).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "LinalgSvdBackward0"
    assert next(stats for stats in birth.saved if stats.name == "S").repeated == 1


def test_gradient_that_overflows_in_float16() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        half = x.to(torch.float16)
        (half.float() * 1e6).sum().backward()
    (birth,) = harness.births()
    assert birth.node == "ToCopyBackward0"
    assert birth.kind == "inf"
    assert "half.float()" in text(birth.location)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.complex64])
def test_every_dtype(dtype: torch.dtype) -> None:
    x = _leaf(0.0, 4.0, dtype=dtype)
    with recording() as harness:
        harness.name(x=x)
        torch.sqrt(x).abs().sum().backward()
    assert [birth.node for birth in harness.births()] == ["SqrtBackward0"]


def test_finite_gradients_whose_sum_overflows_are_finite() -> None:
    x = torch.full((64,), 1.0, requires_grad=True)
    with recording() as harness:
        harness.name(x=x)
        (x * 3e38).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert torch.isinf(x.grad.sum())
    assert harness.births() == ()


def test_sparse_gradient() -> None:
    embedding = nn.Embedding(8, 3, sparse=True)
    with recording() as harness:
        harness.name(embedding=embedding)
        rows = embedding(torch.tensor([1, 1, 2]))
        (rows - rows.detach()).pow(2).sum(-1).sqrt().sum().backward()
    (birth,) = harness.births()
    assert birth.node == "SqrtBackward0"
    assert (birth.kind, birth.final) == ("inf", "nan")
    assert birth.reached == ("embedding.weight",)


def test_one_dimensional_sparse_gradient() -> None:
    x = _leaf(1.0, 2.0, 3.0)
    with recording() as harness:
        harness.name(x=x)
        torch.gather(x, 0, torch.tensor([0]), sparse_grad=True).sum().backward()
    assert x.grad is not None
    assert x.grad.is_sparse
    assert harness.births() == ()


def test_gradient_penalty_differentiates_twice() -> None:
    weight = torch.zeros(2, requires_grad=True)
    with recording() as harness:
        harness.name(weight=weight)
        x = torch.ones(2, requires_grad=True)
        (slope,) = torch.autograd.grad((weight * x).sum(), x, create_graph=True)
        length = torch.sqrt((slope**2).sum())
        ((length - 1) ** 2).backward()
    (birth,) = harness.births()
    assert birth.node == "SqrtBackward0"
    assert text(birth.location).startswith("length =")
    assert birth.reached == ("weight",)
    assert birth.step == 2


def test_grad_call_reaches_its_inputs_only() -> None:
    x, y = _leaf(0.0, 4.0), _leaf(1.0, 1.0)
    with recording() as harness:
        harness.name(x=x, y=y)
        loss = (torch.sqrt(x) * y).sum()
        torch.autograd.grad(loss, y, retain_graph=True)
        torch.autograd.grad(loss, x)
    (birth,) = harness.births()
    assert birth.reached == ("x",)
    assert birth.step == 2


def test_grad_call_without_told_inputs_still_finds_the_leaf() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.tell_inputs = False
        harness.name(x=x)
        torch.autograd.grad(torch.sqrt(x).sum(), x)
    (birth,) = harness.births()
    assert birth.reached == ("x",)


def test_grad_of_an_intermediate_result() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        doubled = x * 2
        torch.autograd.grad(torch.sqrt(doubled).sum(), doubled)
    (birth,) = harness.births()
    assert birth.reached == ("result 0 of autograd.grad",)


def test_retained_graph_is_watched_each_time() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        loss = torch.sqrt(x).sum()
        loss.backward(retain_graph=True)
        loss.backward()
    (birth,) = harness.births()
    assert birth.count == 2


def test_infinities_of_both_signs_meet_in_a_sum() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        shared = x + 1.0 - 1.0
        (torch.sqrt(shared) - torch.sqrt(shared)).sum().backward()
    births = harness.births()
    assert [(birth.kind, birth.final, birth.becomes.op) for birth in births] == [("inf", "nan", "sub")] * 2


def test_finite_gradients_that_overflow_in_a_sum() -> None:
    x = _leaf(1.0)
    with recording() as harness:
        harness.name(x=x)
        shared = x * 1.0
        (shared * 3e38 + shared * 3e38).sum().clamp(max=0).add(0).backward()
        (shared.detach() + (x * 1.0).expand(2) * 3e38).sum().backward()
    births = harness.births()
    assert [birth.origin for birth in births] == ["node"]
    with recording() as harness:
        harness.name(x=x)
        shared = x * 1.0
        torch.stack([shared * 3e38, shared * 3e38]).backward(torch.ones(2, 1))
    (birth,) = harness.births()
    assert (birth.origin, birth.node, birth.kind) == ("sum", "MulBackward0", "inf")
    assert birth.reached == ("x",)
    assert text(birth.location) == "shared = x * 1.0"


def test_non_finite_seed() -> None:
    x = _leaf(1.0, 2.0)
    with recording() as harness:
        harness.name(x=x)
        (x * 2).backward(torch.tensor([torch.inf, 1.0]))
    (birth,) = harness.births()
    assert (birth.origin, birth.kind, birth.node) == ("seed", "inf", "MulBackward0")


def test_tensor_hooks_make_and_heal() -> None:
    x, y = _leaf(1.0, 2.0), _leaf(0.0, 2.0)
    with recording() as harness:
        harness.name(x=x, y=y)
        made = x * 2
        made.register_hook(lambda grad: grad / 0)
        healed = y * 2
        healed.register_hook(lambda grad: torch.nan_to_num(grad, posinf=0.0))
        (made + torch.sqrt(healed)).sum().backward()
    births = {birth.origin: birth for birth in harness.births()}
    assert births["hook"].reached == ("x",)
    assert births["node"].reached == ()
    assert births["node"].masked_at is not None
    assert births["node"].masked_at.op == "mul"


def test_engine_that_raises_leaves_no_hook() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        loss = torch.sqrt(x).sum()
        loss.backward()
        with pytest.raises(RuntimeError, match="second time"):
            loss.backward()
        assert not harness.nodes._passes
    assert len(harness.births()) == 1


def test_subclasses_and_functional_transforms_are_left_alone() -> None:
    class Tagged(Tensor):
        pass

    with recording() as harness:
        torch.func.grad(lambda t: torch.sqrt(t).sum())(torch.zeros(2))
        torch.func.vmap(torch.func.grad(lambda t: torch.sqrt(t).sum()))(torch.zeros(2, 2))
        tagged = torch.zeros(2).as_subclass(Tagged).requires_grad_()
        torch.sqrt(tagged).sum().backward()
    assert harness.births() == ()
    assert harness.nodes.passed_over == {"inside torch.func": 2, "a tensor subclass": 1}


def test_checkpointed_region_gives_no_statistics_of_saved_tensors_but_a_birth() -> None:
    from torch.utils.checkpoint import checkpoint

    x = _leaf(0.0, 4.0)
    runs = []

    def region(t: Tensor) -> Tensor:
        runs.append(1)
        return torch.sqrt(t).sum()

    with recording() as harness:
        harness.name(x=x)
        checkpoint(region, x, use_reentrant=False).backward()
    (birth,) = harness.births()
    assert (birth.node, birth.reached, birth.saved) == ("SqrtBackward0", ("x",), ())
    assert len(runs) == 2  # the forward, and one recomputation


def test_packed_tensors_are_not_mistaken_for_saved_values() -> None:
    x = _leaf(0.0, 4.0)
    unpacked = []

    def unpack(packed: Tensor) -> Tensor:
        unpacked.append(1)
        return packed - 7

    with recording() as harness:
        harness.name(x=x)
        with torch.autograd.graph.saved_tensors_hooks(lambda saved: saved + 7, unpack):
            root = torch.sqrt(x)
        root.sum().backward()
    (birth,) = harness.births()
    assert (birth.node, birth.saved, unpacked) == ("SqrtBackward0", (), [1])


def test_grad_mode_is_left_as_it_was_and_no_node_is_made() -> None:
    def nodes_made(watching: bool) -> int:
        x = torch.tensor([[0.0, 4.0], [1.0, 1.0]], requires_grad=True)
        modes = []
        with recording() as harness:
            harness.watching = watching
            y = x * 2
            y.register_hook(lambda _: modes.append(torch.is_grad_enabled()))
            loss = torch.sqrt(y).sum()
            before = torch._C._autograd._get_sequence_nr()
            torch.autograd.grad(loss, x, create_graph=True)
            made: int = torch._C._autograd._get_sequence_nr() - before
        assert modes == [True]
        return made

    assert nodes_made(watching=True) == nodes_made(watching=False) > 0


def test_gradients_are_the_same_bits_with_and_without_hooks() -> None:
    def run(watching: bool) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 1))
        data = torch.randn(16, 4)
        with recording() as harness:
            harness.watching = watching
            for _ in range(3):
                model(data).square().mean().backward()
        return [p.grad for p in model.parameters() if p.grad is not None]

    assert all(torch.equal(a, b) for a, b in zip(run(True), run(False), strict=True))


def test_nothing_is_kept_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        with recording() as harness:
            x = _leaf(0.0, 4.0)
            root = torch.sqrt(x * 2)
            tensors = [weakref.ref(x), weakref.ref(root)]
            loss = (root * 0.0).sum()
            places = weakref.WeakSet([_Marker(loss.grad_fn)])
            loss.backward()
            assert len(harness.nodes.births) == 1
            assert x.grad is not None
            tensors.append(weakref.ref(x.grad))
            del x, root, loss
            assert [ref() for ref in tensors] == [None, None, None]
            assert not list(places)
    finally:
        gc.enable()


class _Marker:
    """Lives exactly as long as the node in whose metadata it is put."""

    def __init__(self, node: Any) -> None:
        node.metadata["marker"] = self


def test_large_gradient_that_a_second_edge_spoils() -> None:
    weight = torch.ones(300, 300, requires_grad=True)
    with recording() as harness:
        harness.name(weight=weight)
        spoiled = torch.sqrt(weight - 1)
        (spoiled.sum() + (weight * 2).sum()).backward()
        (weight * 2).sum().backward()
    (birth,) = harness.births()
    assert (birth.reached, birth.count) == (("weight",), 1)


def test_large_gradient_handed_on_by_its_node() -> None:
    weight = torch.zeros(300, 300, requires_grad=True)
    with recording() as harness:
        harness.name(weight=weight)
        torch.sqrt(weight).sum().backward()
        torch.round(weight * 2).sum().backward()
        (weight * 2).sum().backward()
    (birth,) = harness.births()
    assert birth.reached == ("weight",)
    assert harness.zeroed() == ()


def test_threads_have_passes_of_their_own() -> None:
    leaves = [_leaf(0.0, 4.0) for _ in range(4)]
    with recording() as harness:
        harness.name(**{f"x{index}": leaf for index, leaf in enumerate(leaves)})
        threads = [
            threading.Thread(target=lambda leaf=leaf: torch.sqrt(leaf * 2).sum().backward())
            for leaf in leaves
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not harness.nodes._passes
    (birth,) = harness.births()
    assert (birth.count, set(birth.reached)) == (4, {"x0", "x1", "x2", "x3"})


def test_hooks_are_gone_from_a_graph_that_lives_on() -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        loss = torch.sqrt(x).sum()
        loss.backward(retain_graph=True)
        assert not [one for one in gc.get_objects() if type(one) is WatchedPass]
    assert loss.grad_fn is not None


def test_place_of_a_node() -> None:
    node = (_leaf(1.0) * 2).grad_fn
    assert place_of(node) is None
    place = intern_loc(sys._getframe())

    class Birth:
        loc = place

    for kept, found in ((place, place), (Birth(), place), (["a line\n"], None)):
        node.metadata["traceback_"] = kept  # type: ignore[union-attr]
        assert place_of(node) is found


def test_a_hook_that_fails_is_counted_and_the_backward_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _leaf(0.0, 4.0)
    with recording() as harness:
        harness.name(x=x)
        root = torch.sqrt(x)

        def broken(_: Tensor) -> None:
            raise ValueError("no content")

        monkeypatch.setattr("gradscope.recorder.watched_pass.content", broken)
        root.sum().backward()
        assert harness.nodes.failures == 2  # of the node, and of the leaf
        assert harness.nodes.faults == {"ValueError: no content": 2}
        harness.nodes.faults.clear()
    assert x.grad is not None
    assert torch.isinf(x.grad[0])
