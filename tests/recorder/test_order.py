"""The order watch in the whole recorder: what it infers, and what it leaves behind."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
import torch
from torch import nn
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.optim import lr_scheduler

from gradscope.facts import ClipOrder, StepOrder
from gradscope.recorder import Recorder


def net() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def recorded(program):
    recorder = Recorder()
    with recorder:
        program()
    recording = recorder.recording()
    assert recording.not_seen == ()
    return recording


def doors():
    return (
        torch.optim.Optimizer.zero_grad,
        nn.Module.zero_grad,
        clip_grad._clip_grads_with_norm_,
        clip_grad.clip_grad_value_,
        nn.utils.clip_grads_with_norm_,
        nn.utils.clip_grad_value_,
        GradScaler.scale,
        GradScaler.unscale_,
        GradScaler.step,
        GradScaler.get_scale,
        lr_scheduler.LRScheduler.step,
    )


def test_every_door_is_closed_again():
    before = doors()
    with Recorder():
        assert all(now is not then for now, then in zip(doors(), before, strict=True))
        clip_by_value = nn.utils.clip_grad_value_
    assert doors() == before
    model = net()
    model(torch.ones(2, 3)).sum().backward()
    clip_by_value(model.parameters(), 0.1)  # imported by name while the recorder was there
    assert model.weight.grad.abs().max() <= 0.1


def test_nothing_is_kept_alive():
    def program():
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model(torch.ones(2, 3)).sum().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        gradient = weakref.ref(model.weight.grad)
        optimizer.zero_grad()
        assert gradient() is None
        return weakref.ref(model.bias)

    with Recorder():
        parameter = program()
        gc.collect()
        assert parameter() is None


def test_clipping_takes_any_iterable_and_gives_the_norm():
    def program():
        model = net()
        model(torch.ones(2, 3)).sum().backward()
        expected = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
        assert torch.equal(nn.utils.clip_grad_norm_(model.parameters(), 1.0), expected)
        nn.utils.clip_grads_with_norm_((p for p in model.parameters()), 0.5, expected)
        nn.utils.clip_grad_value_(model.weight, 1e-3)
        assert model.weight.grad.abs().max() <= 1e-3

    assert recorded(program).clips_out_of_order == ()


def loop(steps, zero, model=None):
    model = model or net()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for step in range(steps):
        zero(step, model, optimizer)
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()


def test_a_fault_that_begins_late_is_seen_in_a_later_stretch():
    recording = recorded(lambda: loop(300, lambda step, m, o: o.zero_grad() if step < 200 else None))
    (fact,) = recording.stale_gradients
    assert fact.leaves == ("weight", "bias")
    assert 10 < fact.count < 20


@pytest.mark.parametrize("steps", [63, 64, 80, 127, 129, 145, 260])
def test_the_gaps_between_stretches_are_no_fault(steps):
    recording = recorded(lambda: loop(steps, lambda step, m, o: o.zero_grad(set_to_none=step % 2 == 0)))
    assert recording.stale_gradients == recording.steps_out_of_order == ()


def test_a_missing_zero_grad_is_counted_once_a_step():
    recording = recorded(lambda: loop(10, lambda *_: None))
    (fact,) = recording.stale_gradients
    assert (fact.count, fact.steps, fact.optimizer) == (9, 10, "SGD")


def test_scaling_by_hand_is_no_step_past_the_scaler_but_forgetting_it_is():
    def program(unscale):
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-9)
        scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
        for _ in range(3):
            optimizer.zero_grad()
            scaler.scale([model(torch.ones(2, 3)).sum()])[0].backward()
            if unscale:
                for p in model.parameters():
                    p.grad = p.grad / 512.0
            optimizer.step()

    assert recorded(lambda: program(True)).steps_out_of_order == ()
    (fact,) = recorded(lambda: program(False)).steps_out_of_order
    assert (fact.kind, fact.scale, fact.count) == (StepOrder.PAST_SCALER, 512.0, 3)


def test_a_loss_computed_from_a_scaled_one_is_scaled():
    def program():
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=512.0)
        total = scaler.scale(model(torch.ones(2, 3)).sum()) / 2 + scaler.scale(model(torch.ones(1, 3)).sum())
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)

    (fact,) = recorded(program).clips_out_of_order
    assert (fact.kind, fact.scale) == (ClipOrder.BEFORE_UNSCALE, 512.0)


def test_a_scheduler_in_order_is_silent_whatever_its_constructor_does():
    def program():
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        parts = [lr_scheduler.ConstantLR(optimizer), lr_scheduler.ExponentialLR(optimizer, 0.9)]
        schedulers = [
            lr_scheduler.SequentialLR(optimizer, parts, [1]),
            lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(optimizer, 1)]),
            lr_scheduler.CyclicLR(optimizer, 0.01, 0.1),
        ]
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()
            for scheduler in schedulers:
                scheduler.step()

    assert recorded(program).steps_out_of_order == ()


def test_torch_s_own_warning_still_names_the_program():
    def program():
        optimizer = torch.optim.SGD(net().parameters(), lr=0.1)
        with pytest.warns(UserWarning, match="lr_scheduler.step") as caught:
            lr_scheduler.StepLR(optimizer, 1).step()
        return caught

    with Recorder():
        (warning,) = program()
    assert warning.filename.endswith((".py",))


def test_many_leaves_that_come_and_go_leave_nothing_behind():
    recorder = Recorder()
    with recorder:
        weight = torch.ones(2, requires_grad=True)
        for _ in range(60):
            inputs = [torch.ones(2, requires_grad=True) for _ in range(100)]
            (torch.stack(inputs) * weight).sum().backward()
        del inputs
    assert len(recorder._order.fold) <= 4200


@pytest.mark.parametrize(
    ("change", "stepped"),
    [
        (lambda w: w.sub_(0.1 * w.grad), True),
        (lambda w: w.data.sub_(0.1 * w.grad), True),
        (lambda w: w.add_(0.1 * w.grad.sign()), False),
        (lambda w: w.add_(0.1 * w.grad), False),
        (lambda w: w.clamp_(-0.5, 0.5), False),
        (lambda w: w.copy_(torch.linspace(0, 1, 5)), False),
        (lambda w: None, False),
    ],
)
def test_a_step_by_hand_follows_the_gradient(change, stepped):
    def program():
        weight = torch.tensor([0.3, -2.0, 1.0, 0.0, 4.0], requires_grad=True)
        for _ in range(4):
            (weight - 1).pow(2).sum().backward()
            with torch.no_grad():
                change(weight)

    assert bool(recorded(program).stale_gradients) is stepped


def test_the_order_in_several_threads_is_not_judged():
    def accumulate():
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            model(torch.ones(2, 3)).sum().backward()
            optimizer.step()

    def in_threads(count):
        for _ in range(count):
            thread = threading.Thread(target=accumulate)
            thread.start()
            thread.join()
            held.append(thread)

    held = []
    assert len(recorded(lambda: in_threads(1)).stale_gradients) == 1
    recorder = Recorder()
    with recorder:
        accumulate()
        in_threads(1)
    recording = recorder.recording()
    assert recording.stale_gradients == ()
    assert [text for text in recording.not_seen if text.startswith("the order of zeroing")]
