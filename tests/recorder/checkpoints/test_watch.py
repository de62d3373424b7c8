"""Checkpoints under the recorder: what is noted of them, and that they run as they would have run."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import CheckpointError, checkpoint

from gradscope.facts import Recomputed, RecomputedOp, Recording, Severance
from gradscope.recorder import Recorder
from tests.recorder.harness import code, text

Body = Callable[..., Any]
BOTH = pytest.mark.parametrize("reentrant", [False, True])


def layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(4, 4)


def inputs() -> Tensor:
    return torch.arange(12.0).reshape(3, 4).div(10).requires_grad_()


def recorded(run: Callable[[], object]) -> Recording:
    with Recorder() as recorder:
        run()
    recording = recorder.recording()
    assert not [item for item in recording.not_seen if "fault" in item], recording.not_seen
    return recording


def only(run: Callable[[], object]) -> RecomputedOp:
    (found,) = recorded(run).recomputed_ops
    return found


def backward(body: Body, **options: Any) -> Callable[[], None]:
    def run() -> None:
        checkpoint(body, inputs(), **{"use_reentrant": False, **options}).sum().backward()

    return run


# ---------------------------------------------------------------- what is noted


@BOTH
def test_a_number_with_its_two_values(reentrant: bool) -> None:
    net, numbers = layer(), iter([1.5, 2.5])

    def body(x: Tensor) -> Tensor:
        return torch.tanh(net(x) * next(numbers))

    found = only(backward(body, use_reentrant=reentrant))
    assert (found.cause, found.op, found.first, found.again) == (Recomputed.SCALAR, "mul", "1.5", "2.5")
    assert code(found.location) == "net(x) * next(numbers)"
    assert "checkpoint(body" in text(found.checkpoint)
    assert ".backward()" in text(found.backward)
    assert (found.reentrant, found.of) == (reentrant, 0 if reentrant else 3)


def test_the_last_factor_changes_no_gradient_of_what_was_saved() -> None:
    numbers = iter([1.5, 2.5])
    assert not recorded(backward(lambda x: torch.sin(x) * next(numbers))).recomputed_ops
    numbers = iter([1.5, 2.5])
    assert recorded(backward(lambda x: torch.sin(x) * next(numbers), use_reentrant=True)).recomputed_ops


@BOTH
@pytest.mark.parametrize("preserve", [True, False])
def test_random_numbers(reentrant: bool, preserve: bool) -> None:
    net = layer()

    def body(x: Tensor) -> Tensor:
        return torch.tanh(nn.functional.dropout(net(x), 0.5))

    torch.manual_seed(1)
    run = backward(body, use_reentrant=reentrant, preserve_rng_state=preserve)
    if preserve:
        assert not recorded(run).recomputed_ops
    else:
        found = only(run)
        assert (found.cause, found.op, found.preserves_rng) == (Recomputed.RANDOM, "dropout", False)


def test_a_weight_that_was_written_to_with_the_line_and_the_op() -> None:
    net = layer()

    def run() -> None:
        out = checkpoint(lambda x: torch.tanh(net(x)), inputs(), use_reentrant=False)
        with torch.no_grad():
            net.weight.mul_(2)
        out.sum().backward()

    found = only(run)
    assert (found.cause, found.given, found.written_by) == (Recomputed.WRITTEN, 1, "mul_")
    assert text(found.written_at) == "net.weight.mul_(2)"
    assert found.leaf is not None
    assert found.leaf.endswith("weight")


def test_a_way_that_parts_in_a_called_function() -> None:
    net, turns = layer(), iter([True, False])

    def branch(x: Tensor) -> Tensor:
        return torch.relu(net(x))

    def body(x: Tensor) -> Tensor:
        if next(turns):
            return torch.tanh(branch(x))
        return torch.tanh(x * 2.0)

    found = only(backward(body, use_reentrant=True))
    assert (found.cause, found.first, found.again) == (Recomputed.PATH, "linear", "mul")
    assert (code(found.location), code(found.instead)) == ("net(x)", "x * 2.0")
    assert found.parted is not None
    assert [code(place) for place in found.parted] == ["branch(x)", "x * 2.0"]


def test_what_torch_refuses_is_explained_and_kept_with_its_exception() -> None:
    net, lengths = layer(), iter([3, 2])
    run = backward(lambda x: torch.tanh(net(x)[: next(lengths)]))
    recorder = Recorder()
    with recorder, pytest.raises(CheckpointError) as raised:
        run()
    recorder.ended_by(raised.value)
    (found,) = recorder.recording().recomputed_ops
    assert (found.op, found.first, found.again) == ("__getitem__", "3", "2")
    assert found.raised.startswith("CheckpointError: torch.utils.checkpoint: Recomputed values")
    assert found.ended_program


def test_an_op_that_fails_in_the_recomputation_only_is_not_called_a_difference() -> None:
    net, fails = layer(), iter([False, True])

    def body(x: Tensor) -> Tensor:
        h = torch.tanh(net(x))
        if next(fails):
            raise MemoryError
        return torch.tanh(h)

    with Recorder() as recorder, pytest.raises(MemoryError):
        backward(body)()
    assert not recorder.recording().recomputed_ops


def test_of_many_backwards_the_first_and_the_powers_of_two_are_compared() -> None:
    net = layer()

    def body(x: Tensor) -> Tensor:
        return torch.tanh(net(x) * (1 + random.random()))

    def run() -> None:
        for _ in range(9):
            backward(body)()

    (found,) = recorded(run).recomputed_ops
    assert (found.compared, found.differing) == (5, 5)  # 1, 2, 3, 4 and 8


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize(
    ("args", "body", "reason"),
    [
        ((torch.ones(3, 4),), lambda net: net, Severance.FROZEN),
        ((), lambda net: lambda: net(torch.ones(3, 4)), Severance.NO_TENSOR),
        (({"x": [inputs()]},), lambda net: lambda given: net(given["x"][0]), Severance.NESTED),
        ((inputs(),), lambda net: lambda x: {"h": net(x)}, Severance.NESTED_OUTPUT),
    ],
    ids=[reason.value for reason in Severance],
)
def test_why_a_reentrant_checkpoint_severs(args: Any, body: Any, reason: Severance) -> None:
    net = layer()

    def run() -> None:
        for _ in range(2):
            checkpoint(body(net), *args, use_reentrant=True)
            with torch.no_grad():
                checkpoint(body(net), *args, use_reentrant=True)

    (found,) = recorded(run).severing_checkpoints
    assert (found.reason, found.calls, found.severed) == (reason, 2, 2)
    assert text(found.location) == "checkpoint(body(net), *args, use_reentrant=True)"


def test_one_input_with_a_gradient_is_enough() -> None:
    net = layer()

    def run() -> None:
        out = checkpoint(lambda x, y: (net(x) + y, 3), inputs(), torch.ones(4), use_reentrant=True)[0]
        out.sum().backward()

    assert not recorded(run).severing_checkpoints


# ---------------------------------------------------------------- that the program runs as it would


def gradients(net: nn.Module, reentrant: bool) -> tuple[list[Tensor], Tensor]:
    torch.manual_seed(3)
    net.zero_grad()
    x = inputs()
    for _ in range(5):
        h = checkpoint(net, x, use_reentrant=reentrant)
        checkpoint(
            lambda h: torch.tanh(nn.functional.dropout(h, 0.3)), h, use_reentrant=not reentrant
        ).sum().backward()
    found = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
    return [gradient.clone() for gradient in found], torch.get_rng_state()


@BOTH
def test_gradients_and_generators_are_those_of_a_plain_run(reentrant: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.4), nn.Linear(8, 4))
    plain, state = gradients(net, reentrant)
    watched: list[Any] = []
    recorded(lambda: watched.extend(gradients(net, reentrant)))
    assert len(plain) == 6
    assert all(map(torch.equal, plain, watched[0]))
    assert torch.equal(state, watched[1])


def test_what_a_checkpoint_frees_is_freed() -> None:
    net, inside = layer(), []

    def body(x: Tensor) -> Tensor:
        h = torch.tanh(net(x))
        inside.append(weakref.ref(h))
        return torch.exp(h)

    def run() -> None:
        out = checkpoint(body, inputs(), use_reentrant=False)
        gc.collect()
        assert inside[0]() is None
        out.sum().backward()
        gc.collect()
        assert inside[1]() is None

    recorded(run)


class _Counting(TorchFunctionMode):
    """A mode of the program's own."""

    seen = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += getattr(func, "__name__", "") == "tanh"
        return func(*args, **(kwargs or {}))


@BOTH
def test_modes_of_the_program_s_own_see_the_recomputation(reentrant: bool) -> None:
    net = layer()

    def run() -> int:
        with _Counting() as mode:
            backward(lambda x: torch.tanh(net(x)).exp(), use_reentrant=reentrant)()
        return int(mode.seen)

    plain, watched = run(), []
    recorded(lambda: watched.append(run()))
    assert watched == [plain]
    assert not torch._C._len_torch_function_stack()


def test_grad_mode_inside_a_checkpoint_is_told_as_ever() -> None:
    net, gate = layer(), layer()

    def body(x: Tensor) -> Tensor:
        with torch.no_grad():
            weight = torch.sigmoid(gate(x))
        return torch.tanh(net(x)) * weight

    def run() -> None:
        optimizer = torch.optim.SGD([*net.parameters(), *gate.parameters()], lr=0.1)
        backward(body)()
        optimizer.step()

    severed = recorded(run).severed
    assert {fact.cuts[0].kind.value for fact in severed} == {"no_grad"}
    assert {text(fact.cuts[0].block) for fact in severed} == {"with torch.no_grad():"}


def test_a_first_run_that_raises_leaves_nothing_behind() -> None:
    def body(x: Tensor) -> Tensor:
        raise ValueError("odd")

    def run() -> None:
        for reentrant in (False, True):
            with pytest.raises(ValueError, match="odd"):
                checkpoint(body, inputs(), use_reentrant=reentrant)
        assert torch._C._len_torch_function_stack() == 1  # the recorder's own

    recorded(run)
