"""What a baseline keeps of gradients, and how those of another run are compared with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from gradscope.environment import arithmetic, environment
from gradscope.facts import Backward, Drift, GradientDrift, GradientStats, Leaf, OptimizerFact, Recording
from gradscope.finding import Location
from gradscope.gradient_baseline import drift_between, statistics_of
from gradscope.gradient_comparison import OTHER_ARITHMETIC, OTHER_NUMBERS, TOLERANCE, WIDEST
from gradscope.gradient_statistics import GradientStatistics, ParameterFigures, written
from gradscope.recorder import Recorder

HERE = {"torch": "2.13.0", "platform": "linux x86_64", "device": "cpu", "processor": "A", "threads": "2"}
LINE = Location("/p/train.py", 7, function="train")


def stats(norm: float, last: float | None = None, backwards: int = 5, zero: int = 0) -> GradientStats:
    return GradientStats(backwards, zero, norm, norm if last is None else last)


def leaf(name: str, gradient: GradientStats | None, **more: Any) -> Leaf:
    known = Leaf(name, (2, 2), "float32", "cpu", is_parameter=True, requires_grad=True, root="net")
    return replace(known, gradient=gradient, **more)


def recording(*losses: Backward, **gradients: GradientStats | None) -> Recording:
    return Recording(leaves=tuple(leaf(name, one) for name, one in gradients.items()), backwards=losses)


def loss(first: float | None, last: float | None = None, count: int = 5, **more: Any) -> Backward:
    last = first if last is None else last
    return Backward(
        **{"location": LINE, "root": "loss", **more},
        call="backward",
        count=count,
        nodes=3,
        leaves=2,
        loss=first,
        last_loss=last,
    )


def drift(
    before: Recording,
    now: Recording,
    *,
    elsewhere: dict[str, str] | None = None,
    tolerance: float | None = None,
) -> Drift:
    old = statistics_of(before, HERE)
    return drift_between(old, now, {**HERE, **(elsewhere or {})}, baseline="base.json", tolerance=tolerance)


def drifted(found: Drift) -> list[tuple[str, str]]:
    return [(one.parameter, one.figure) for one in found.drifts]


# ---------------------------------------------------------------- what is kept


def test_what_is_kept() -> None:
    kept = statistics_of(recording(loss(2.30258509, 0.5), a=stats(1.23456789, 0.1), b=None), HERE)
    assert msgspec.to_builtins(kept) == {
        "measured": {**HERE, "dtypes": ("float32",)},
        "losses": {"loss in train": {"first": 2.30259, "last": 0.5, "backwards": 5}},
        "parameters": {"a": {"norm": 1.23457, "last_norm": 0.1, "backwards": 5}, "b": {}},
    }
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(kept)), GradientStatistics) == kept


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_survives_the_file(value: float) -> None:
    kept = statistics_of(recording(a=stats(value, 1.0)), HERE)
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(kept)), GradientStatistics)
    assert str(float(again.parameters["a"].norm)) == str(value)
    assert isinstance(again.parameters["a"].norm, str)
    assert written(0.0) == 0.0


def test_whole_numbers_of_a_file_are_figures() -> None:
    content = {"parameters": {"a": {"norm": 1, "last_norm": 2, "backwards": 3}}}
    assert msgspec.convert(content, GradientStatistics).parameters == {"a": ParameterFigures(1.0, 2.0, 3)}


def test_only_what_has_a_name_that_stays_is_kept() -> None:
    got = stats(1.0)
    leaves = (
        leaf("fc.weight", got),
        leaf("frozen", None, requires_grad=False),
        leaf("x", got, is_parameter=False),
        leaf("unused", None, is_parameter=False),
        leaf("tensor (3, 2)", got, is_parameter=False),
        leaf("tensor (4,)", got, is_parameter=False, optimizers=(0,)),
    )
    known = Recording(leaves=leaves, optimizers=(OptimizerFact("SGD", None, ()),))
    assert list(statistics_of(known, HERE).parameters) == ["fc.weight", "x", "tensor (4,)"]


def test_losses_go_by_their_names_and_functions() -> None:
    elsewhere = Location("/p/train.py", 9, function="<module>")
    found = statistics_of(
        Recording(
            backwards=(
                loss(1.0),
                loss(2.0),
                loss(3.0, root=None),
                loss(4.0, location=elsewhere),
                loss(5.0, location=None),
                loss(None),
            )
        ),
        HERE,
    )
    assert {key: one.first for key, one in found.losses.items()} == {
        "loss in train": 1.0,
        "loss in train #2": 2.0,
        "loss in train #3": 3.0,
        "loss": 4.0,
        "loss #2": 5.0,
    }


def test_threads_do_not_matter_on_an_accelerator() -> None:
    on_gpu = replace(recording(), leaves=(leaf("a", stats(1.0), device="cuda:0"),))
    measured = statistics_of(on_gpu, {**HERE, "device": "1 x H200"}).measured
    assert (measured.device, measured.threads, measured.processor) == ("1 x H200", "", "")
    on_cpu = statistics_of(recording(a=stats(1.0)), {**HERE, "device": "1 x H200"}).measured
    assert (on_cpu.device, on_cpu.threads) == ("cpu", "2")


# ---------------------------------------------------------------- what drifts


def test_a_norm_and_then_a_last_norm_and_losses() -> None:
    before = recording(loss(2.0, 1.0), a=stats(1.0), b=stats(2.0, 1.0), c=stats(3.0))
    now = recording(loss(2.0, 1.1), a=stats(1.01, 9.0), b=stats(2.0, 1.1), c=stats(3.0))
    found = drift(before, now)
    assert drifted(found) == [("loss in train", "last loss"), ("a", "norm"), ("b", "last norm")]
    assert found.drifts[1] == GradientDrift("a", "norm", 1.0, 1.01, TOLERANCE, None)
    assert found.compared == 7  # a's last norm follows from its first
    assert (found.tolerance, found.widened, found.other_hardware) == (TOLERANCE, 1.0, ())


@pytest.mark.parametrize(("factor", "count"), [(1.0009, 0), (1.0011, 1), (1 / 1.0009, 0), (1 / 1.0011, 1)])
def test_the_tolerance_is_relative_both_ways(factor: float, count: int) -> None:
    found = drift(recording(a=stats(2e-3)), recording(a=stats(2e-3 * factor, 2e-3)))
    assert len(found.drifts) == count


@pytest.mark.parametrize(
    ("backwards", "factor", "count"), [(2, 1.0049, 0), (2, 1.0051, 1), (100, 1.099, 0), (100, 1.101, 1)]
)
def test_the_last_backward_has_more_room_the_more_there_were(
    backwards: int, factor: float, count: int
) -> None:
    found = drift(recording(a=stats(1.0, 1.0, backwards)), recording(a=stats(1.0, factor, backwards)))
    assert len(found.drifts) == count


def test_the_last_of_another_number_of_backwards_is_another_figure() -> None:
    before = recording(loss(1.0, 0.5, 5), a=stats(1.0, 0.5, 5))
    found = drift(before, recording(loss(1.0, 0.1, 9), a=stats(1.0, 0.1, 9)))
    assert (drifted(found), found.compared) == ([], 2)
    broken = drift(before, recording(loss(1.0, math.nan, 9), a=stats(1.0, math.inf, 9)))
    assert drifted(broken) == [("loss in train", "last loss"), ("a", "last norm")]


def test_after_very_many_steps_the_last_backward_is_not_compared() -> None:
    many = int(WIDEST / TOLERANCE) + 1
    assert not drift(recording(a=stats(1.0, 1.0, many)), recording(a=stats(1.0, 99.0, many))).drifts
    assert drift(recording(a=stats(1.0, 1.0, many)), recording(a=stats(1.0, math.nan, many))).drifts


@pytest.mark.parametrize("now", [None, stats(0.0, zero=5)])
def test_a_gradient_that_is_lost_has_no_figure(now: GradientStats | None) -> None:
    found = drift(recording(a=stats(1.0), b=stats(1.0)), recording(a=now, b=stats(1.0)))
    assert found.drifts == (GradientDrift("a", "norm", 1.0, None, TOLERANCE, None),)
    gained = drift(recording(a=now, b=stats(1.0)), recording(a=stats(1.0), b=stats(1.0)))
    assert gained.drifts == (GradientDrift("a", "norm", None, 1.0, TOLERANCE, None),)


def test_none_and_zeros_are_both_nothing() -> None:
    found = drift(recording(a=None, b=stats(0.0, zero=5)), recording(a=stats(0.0, zero=5), b=None))
    assert (found.drifts, found.compared) == ((), 2)


def test_a_gradient_that_begins_at_zero_is_compared_at_last() -> None:
    before = recording(a=stats(0.0, 1.0, zero=1), b=stats(1.0))
    assert drifted(drift(before, recording(a=stats(0.0, 2.0, zero=1), b=stats(1.0)))) == [("a", "last norm")]
    assert not drift(before, before).drifts


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_longer_finite_is_told_and_what_never_was_is_not(value: float) -> None:
    fine, broken = recording(loss(1.0), a=stats(1.0)), recording(loss(value), a=stats(value))
    assert ("a", "norm") in drifted(drift(fine, broken, tolerance=math.inf))
    assert ("loss in train", "loss") in drifted(drift(fine, broken, tolerance=math.inf))
    assert ("a", "norm") in drifted(drift(fine, broken, elsewhere={"device": "H200"}))
    assert drifted(drift(broken, broken)) == []
    assert ("a", "norm") in drifted(drift(broken, fine))  # better, and another


def test_rounding_noise_around_zero_is_no_drift() -> None:
    before, now = recording(a=stats(1e-9), b=stats(1.0)), recording(a=stats(7e-8), b=stats(1.0))
    assert not drift(before, now).drifts
    exactly = recording(a=stats(0.0, zero=5), b=stats(1.0))
    assert not drift(before, exactly).drifts
    assert not drift(exactly, now).drifts
    assert not drift(recording(a=None, b=stats(1.0)), now).drifts
    assert drifted(drift(before, recording(a=None, b=stats(1.0)))) == [("a", "norm")]  # it is cut off
    assert drifted(drift(recording(a=stats(1e-9)), recording(a=stats(7e-8)))) == [("a", "norm")]


def test_every_model_has_its_own_largest_norm() -> None:
    def both(size: float) -> Recording:
        g, d = leaf("g.w", stats(size), root="g"), leaf("d.w", stats(1.0), root="d")
        return Recording(leaves=(g, d))

    assert drifted(drift(both(1e-9), both(2e-9))) == [("g.w", "norm")]


def test_a_loss_that_cancels_is_compared_with_the_norms() -> None:
    assert not drift(recording(loss(1e-9), a=stats(1.0)), recording(loss(-3e-9), a=stats(1.0))).drifts
    assert drift(recording(loss(1e-9), a=stats(1e-6)), recording(loss(-3e-9), a=stats(1e-6))).drifts


def test_parameters_that_are_gone_or_new_are_named() -> None:
    found = drift(recording(a=stats(1.0), b=stats(1.0)), recording(b=stats(1.0), c=stats(1.0)))
    assert (found.vanished, found.new, found.drifts) == (("a",), ("c",), ())


# ---------------------------------------------------------------- elsewhere


@pytest.mark.parametrize(
    ("key", "value", "said", "widened"),
    [
        ("torch", "2.11.0", "torch 2.11.0, not 2.13.0", OTHER_ARITHMETIC.factor),
        ("threads", "8", "threads: 8, not 2", OTHER_ARITHMETIC.factor),
        ("processor", "B", "B, not A", OTHER_ARITHMETIC.factor),
        ("platform", "darwin arm64", "darwin arm64, not linux x86_64", OTHER_NUMBERS.factor),
        ("threads", "", "", 1.0),
    ],
)
def test_another_place_widens_the_tolerance_and_is_named(
    key: str, value: str, said: str, widened: float
) -> None:
    found = drift(recording(a=stats(1.0)), recording(a=stats(1.0)), elsewhere={key: value})
    assert found.other_hardware == ((said,) if said else ())
    assert found.widened == pytest.approx(widened)
    assert found.tolerance == pytest.approx(widened * TOLERANCE)


def test_the_widest_of_several_counts() -> None:
    before, now = recording(loss(1.0), a=stats(1.0, 1.0)), recording(loss(-7.0), a=stats(3.9, 50.0))
    found = drift(before, now, elsewhere={"torch": "2.11.0", "platform": "darwin arm64"})
    assert (found.drifts, len(found.other_hardware)) == ((), 2)  # neither losses nor last norms are compared
    assert drift(before, recording(a=stats(4.1)), elsewhere={"platform": "darwin arm64"}).drifts


def test_noise_has_more_room_elsewhere() -> None:
    before, now = recording(a=stats(1e-5), b=stats(1.0)), recording(a=stats(7e-4), b=stats(1.0))
    assert drift(before, now).drifts
    assert not drift(before, now, elsewhere={"threads": "8"}).drifts


@pytest.mark.parametrize(
    ("elsewhere", "tolerance", "expected"),
    [
        ({}, 0.05, 0.05),
        ({"threads": "8"}, 0.05, 1.0),
        ({"threads": "8"}, 0.5, WIDEST),
        ({"platform": "other"}, 7.0, 7.0),
        ({"platform": "other"}, 1e-6, 3e-3),
        ({}, 0.0, 0.0),
    ],
)
def test_a_tolerance_of_ones_own_is_widened_alike(
    elsewhere: dict[str, str], tolerance: float, expected: float
) -> None:
    same = recording(a=stats(1.0))
    found = drift(same, same, elsewhere=elsewhere, tolerance=tolerance)
    assert (found.tolerance, found.drifts) == (pytest.approx(expected), ())


# ---------------------------------------------------------------- programs


def test_arithmetic_is_that_of_this_process() -> None:
    told = arithmetic()
    assert told["threads"] == str(torch.get_num_threads())
    assert told["processor"].endswith(torch.backends.cpu.get_cpu_capability())


def conv_net() -> tuple[nn.Module, torch.Tensor]:
    """Its biases before the batch norms have gradients of rounding noise."""
    layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 36, 4)), torch.randn(8, 3, 10, 10)


def transformer() -> tuple[nn.Module, torch.Tensor]:
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
    return nn.Sequential(layer, nn.Linear(16, 4)), torch.randn(4, 12, 16)


def run(make: Callable[[], tuple[nn.Module, torch.Tensor]], rate: float = 1e-3) -> Recording:
    torch.manual_seed(0)
    recorder = Recorder()
    with recorder:
        net, x = make()
        optimizer = torch.optim.Adam(net.parameters(), rate)
        for _ in range(4):
            optimizer.zero_grad()
            loss = net(x).square().mean()
            loss.backward()
            optimizer.step()
    return recorder.recording()


@contextmanager
def other_kernels() -> Iterator[None]:
    """Without oneDNN, as on another processor."""
    # torch.backends refuses it once torch's own test helpers were imported, and warns of Intel GPUs
    torch._C._set_mkldnn_enabled(False)
    try:
        yield
    finally:
        torch._C._set_mkldnn_enabled(True)


@contextmanager
def other_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("make", [conv_net, transformer])
def test_a_program_does_not_drift_by_itself_and_a_change_of_it_does(
    make: Callable[[], tuple[nn.Module, torch.Tensor]],
) -> None:
    here = {**environment(), **arithmetic()}
    kept = statistics_of(run(make), here)
    assert kept.losses
    assert len(kept.parameters) > 5
    assert statistics_of(run(make), here) == kept
    with other_threads():
        elsewhere = {**environment(), **arithmetic()}
        threaded = drift_between(kept, run(make), elsewhere, baseline="b")
    assert threaded.other_hardware
    with other_kernels():
        plain = drift_between(kept, run(make), {**here, "processor": "another"}, baseline="b")
    assert (threaded.drifts, plain.drifts) == ((), ())
    faster = drift_between(kept, run(make, rate=3e-3), here, baseline="b")
    assert {one.figure for one in faster.drifts} == {"last norm", "last loss"}
