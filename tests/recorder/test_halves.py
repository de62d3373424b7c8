"""What float16 loses in one backward: the leaves, the ops, and what must not be counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gradscope.folds.halves import HalfOutcome
from gradscope.folds.visits import Occasion
from gradscope.recorder.half_pass import HalfPass, has_half
from gradscope.recorder.halves import HalfWatch

from .harness import here, walk

HALF = torch.float16


def examined(loss: Tensor) -> HalfOutcome:
    """Runs this backward under watch."""
    this = HalfPass(walk([loss]))
    this.attach()
    loss.backward()
    this.detach()
    assert not this.failures
    return this.outcome


def leaf(*values: float, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def lost(outcome: HalfOutcome, of: Tensor) -> tuple[int, int, float] | None:
    """(elements that should not be 0, those that are, the error) of a leaf."""
    found = [one for one in outcome.shortfalls if one.leaf == id(of)]
    return (found[0].nonzero, found[0].flushed, round(found[0].error, 3)) if found else None


def tiny(x: Tensor, factor: float) -> Tensor:
    """A loss whose float16 gradient is `factor` for each element of a float16 tensor."""
    return (x.float() * factor).sum()


def test_a_cast_that_flushes_is_counted_exactly():
    x = leaf(1.0, 2.0, 3.0, 4.0)
    weights = torch.tensor([1e-9, 1e-9, 1e-9, 1e-3])
    outcome = examined((x.half().float() * weights).sum())
    assert not outcome.shortfalls  # three of four are 0, and hold a millionth of the norm
    y = leaf(1.0, 2.0, 3.0, 4.0)
    outcome = examined((y.half().float() * torch.tensor([1e-9, 1e-9, 1e-9, 2e-9])).sum())
    assert lost(outcome, y) == (4, 4, 1.0)


def test_the_first_node_that_loses_is_the_site_and_those_after_it_are_not():
    x = leaf(1.0, 2.0)
    outcome = examined(tiny(torch.tanh(2 * x.half()), 1e-9))
    assert [(flush.spot.node, flush.share, flush.error) for flush in outcome.flushes] == [
        ("ToCopyBackward0", 1.0, 1.0)
    ]


def test_an_op_in_float16_that_flushes_is_found_by_running_it_again():
    x = leaf(1.0, 2.0, dtype=HALF)
    outcome = examined(tiny(x * 2.0**-12, 2.0**-14))
    assert lost(outcome, x) == (2, 2, 1.0)
    assert [flush.spot.node for flush in outcome.flushes] == ["MulBackward0"]
    assert dict(outcome.exponents) == {-26: 2}


def test_what_was_lost_is_carried_through_sums_and_casts():
    weight = leaf(*([1.0] * 8))
    half = weight.half()
    outcome = examined(tiny(half[:4] * 2, 1e-9) + tiny(half[4:], 1.0))
    assert not outcome.shortfalls
    weight = leaf(*([1.0] * 8))
    half = weight.half()
    outcome = examined(tiny(half * 2, 1e-9) + tiny(half, 1e-9))
    assert lost(outcome, weight) == (8, 8, 1.0)


def _relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def _mask(x: Tensor) -> Tensor:
    return x * torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=HALF)


def _choice(x: Tensor) -> Tensor:
    return x[1:2]


def _maximum(x: Tensor) -> Tensor:
    return x.max()


def _constant(x: Tensor) -> Tensor:
    return torch.sign(x) + x.round()


@pytest.mark.parametrize("op", [_relu, _mask, _choice, _maximum, _constant])
@pytest.mark.parametrize("scale", [1.0, 2.0**-18])
def test_zeros_that_are_zeros_in_truth_are_no_loss(op: Callable[[Tensor], Tensor], scale: float):
    x = leaf(-1.0, 2.0, -3.0, -4.0, dtype=HALF)
    assert not examined(tiny(op(x), scale)).shortfalls


@pytest.mark.parametrize("loss", [lambda z: z.float().mean(), lambda z: z.float().pow(2).mean()])
@pytest.mark.parametrize("norm", [nn.BatchNorm1d(64), nn.LayerNorm(64), nn.Softmax(-1)])
def test_rounding_errors_have_nothing_to_lose(norm: nn.Module, loss: Callable[[Tensor], Tensor]):
    torch.manual_seed(0)
    layer = nn.Linear(32, 64)
    with torch.autocast("cpu", dtype=torch.float16):
        z = norm(layer(torch.randn(256, 32)))
    known = examined(loss(z) * 1e-2).shortfalls
    noise = not isinstance(norm, nn.Softmax) or loss(torch.tensor([2.0])) == 2  # sums that never change
    assert bool(known) is not noise


def test_what_is_lost_beside_rounding_errors_is_still_lost():
    torch.manual_seed(0)
    layer, norm = nn.Linear(32, 64), nn.BatchNorm1d(64)
    with torch.autocast("cpu", dtype=torch.float16):
        z = layer(torch.randn(256, 32))
    outcome = examined(norm(z).float().mean() * 1e-3 + tiny(z, 1e-9))
    assert lost(outcome, layer.weight) is not None


def test_a_hook_that_changes_a_gradient_ends_what_is_known_of_it():
    x, y = leaf(1.0, 2.0, dtype=HALF), leaf(1.0, 2.0, dtype=HALF)
    hidden = y * 2.0**-12
    hidden.register_hook(lambda gradient: gradient * 0)
    assert lost(examined(tiny(x * 2.0**-12, 1e-9)), x) == (2, 2, 1.0)
    assert not examined(tiny(hidden, 1e-9)).shortfalls
    z = leaf(1.0, 2.0, dtype=HALF)
    z.register_hook(lambda gradient: gradient * 0)
    assert not examined(tiny(z * 2.0**-12, 1e-9)).shortfalls


def test_an_infinite_gradient_spoils_the_pass():
    x = leaf(1.0, dtype=HALF)
    assert examined(tiny(x * 300, 1000.0)).spoiled


def test_the_largest_gradient_is_kept():
    assert examined(tiny(leaf(1.0, dtype=HALF) * 0.5, 512.0)).largest == 512.0


@pytest.mark.parametrize(("tiny_ones", "runs"), [(2, 0), (10, 1)])
def test_a_few_tiny_elements_among_many_cost_nothing(
    tiny_ones: int, runs: int, monkeypatch: pytest.MonkeyPatch
):
    ran: list[Any] = []
    monkeypatch.setattr("gradscope.recorder.half_pass.run_again", lambda node, *_: ran.append(node))
    factors = torch.ones(100, dtype=HALF)
    factors[:tiny_ones] = 2.0**-20
    x = torch.ones(100, dtype=HALF, requires_grad=True)
    examined(tiny(x * factors, 1.0))
    assert len(ran) == runs


def _train(watched: bool) -> list[Tensor]:
    torch.manual_seed(0)
    layers = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    model = nn.Sequential(*layers).half()
    scores = model(torch.randn(3, 2, 8, 8).half()).float()
    loss = 1e-6 * nn.functional.cross_entropy(scores, torch.tensor([0, 1, 2]))
    if watched:
        assert examined(loss).shortfalls
    else:
        loss.backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def test_gradients_are_bit_identical():
    for one, other in zip(_train(watched=False), _train(watched=True), strict=True):
        assert torch.equal(one, other)
        assert one.stride() == other.stride()


def test_no_random_number_is_drawn():
    x = leaf(1.0, 2.0, dtype=HALF)
    loss = tiny(nn.functional.dropout(x * 2.0**-12), 1e-8)
    before = torch.get_rng_state()
    examined(loss)
    assert torch.equal(before, torch.get_rng_state())


def test_which_graphs_hold_float16():
    x, h = leaf(1.0), leaf(1.0, dtype=HALF)
    assert has_half(walk([h * 2]))
    assert has_half(walk([(x.half() * 2).sum()]))
    assert not has_half(walk([(x * 2).sum()]))
    assert not has_half(walk([x.bfloat16().float().sum()]))


class Counting(TorchDispatchMode):
    """Counts the ops it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.ops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ops += 1
        return func(*args, **(kwargs or {}))


def _backward(watch: HalfWatch | None, factor: float = 1e-9) -> None:
    loss = tiny(leaf(1.0, 2.0, dtype=HALF) * 2.0**-12, factor)
    if watch is not None:
        watch.before(walk([loss]), [loss], Occasion(PLACE, 1, 1))
    loss.backward()
    if watch is not None:
        watch.after()


PLACE = here()


def _passes(watch: HalfWatch) -> int:
    return sum(fact.passes for fact in watch.fold.facts(str))


def test_backwards_are_looked_at_by_powers_of_two():
    watch, seen = HalfWatch(), []
    for _ in range(40):
        _backward(watch)
        seen.append(_passes(watch))
    assert seen[:10] == [1, 2, 2, 3, 3, 3, 3, 4, 4, 4]
    assert seen[-1] == 5
    assert not watch.faults


def test_after_an_overflow_the_next_one_is_looked_at():
    watch = HalfWatch()
    for _ in range(4):  # the fifth is no power of two
        _backward(watch, factor=1e30)
    _backward(watch)
    assert _passes(watch) == 1


def test_a_dispatch_mode_of_the_program_sees_no_op_of_ours():
    counts = []
    for watch in (None, HalfWatch()):
        with Counting() as counting:
            _backward(watch)
        counts.append(counting.ops)
    assert counts[0] == counts[1]
    assert _passes(watch) == 0


def test_hooks_are_taken_out():
    watch = HalfWatch()
    x = leaf(1.0, dtype=HALF)
    loss = tiny(x * 2.0**-12, 1e-9)
    watch.before(walk([loss]), [loss], Occasion(PLACE, 1, 1))
    loss.backward(retain_graph=True)
    watch.after()
    assert _passes(watch) == 1
    loss.backward()
    assert len(watch.fold.facts(str)[0].leaves) == 1
    assert watch.fold.facts(str)[0].leaves[0].lossy == 1
