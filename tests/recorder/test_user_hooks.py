"""The program's own hooks: which line registered them, what they did, and that nothing of it is changed."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.facts import GradientHook, HookEffect, HookKind, Recording
from gradscope.recorder import Recorder


def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def recorded(program: Callable[[], object]) -> Recording:
    recorder = Recorder()
    with recorder:
        program()
    recording = recorder.recording()
    assert recording.not_seen == ()
    return recording


def the_hook(recording: Recording) -> GradientHook:
    (hook,) = recording.hooks
    return hook


def step(net: nn.Module) -> None:
    net.zero_grad()
    net(torch.ones(2, 3)).pow(2).mean().backward()


def on_tensor(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    return net[0].weight.register_hook(lambda g: hook(g))


def on_result(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    def at_each_forward(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.register_hook(lambda g: hook(g))

    return net[1].register_forward_hook(at_each_forward)


def on_accumulated(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    def replace(p: Tensor) -> None:
        p.grad = hook(p.grad)

    return net[0].weight.register_post_accumulate_grad_hook(replace)


def on_node(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    def at_each_forward(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.grad_fn.register_hook(lambda given, got: tuple(map(hook, given)))

    return net[1].register_forward_hook(at_each_forward)


def before_node(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    def at_each_forward(module: nn.Module, inputs: object, output: Tensor) -> None:
        output.grad_fn.register_prehook(lambda got: tuple(map(hook, got)))

    return net[1].register_forward_hook(at_each_forward)


def on_module(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    return net[2].register_full_backward_hook(lambda module, given, got: tuple(map(hook, given)))


def before_module(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    return net[1].register_full_backward_pre_hook(lambda module, got: tuple(map(hook, got)))


def on_module_of_old(net: nn.Sequential, hook: Callable[[Tensor], Any]) -> Any:
    return net[1].register_backward_hook(lambda module, given, got: tuple(map(hook, given)))


DOORS = {
    on_tensor: HookKind.TENSOR,
    on_result: HookKind.TENSOR,
    on_accumulated: HookKind.ACCUMULATED,
    on_node: HookKind.NODE,
    before_node: HookKind.NODE,
    on_module: HookKind.MODULE,
    before_module: HookKind.MODULE_OUTPUT,
    on_module_of_old: HookKind.MODULE,
}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize(
    ("hook", "effect"),
    [
        (lambda g: g * 0, HookEffect.ZEROED),
        (lambda g: g * math.nan, HookEffect.NAN),
        (lambda g: g * -3, HookEffect.SCALED),
        (lambda g: g + 1, HookEffect.CHANGED),
        (lambda g: g.clone(), None),
    ],
)
def test_what_a_hook_does_is_told_with_its_line(
    door: Callable[..., Any], hook: Callable[[Tensor], Any], effect: HookEffect | None
) -> None:
    net = model()

    def program() -> None:
        door(net, hook)
        step(net)
        step(net)

    seen = the_hook(recorded(program))
    assert seen.kind is DOORS[door]
    assert seen.location is not None
    assert door.__name__ in str(seen.location.function)
    assert [change.effect for change in seen.changes] == ([effect] if effect else [])
    assert (seen.gradients, seen.backwards, seen.changed) == (2, 2, 2 if effect else 0)


def test_a_gradient_changed_in_place_is_seen() -> None:
    net = model()

    def clip(gradient: Tensor) -> None:
        gradient.data.clamp_(-0.001, 0.001)

    def program() -> None:
        net[2].weight.register_hook(clip)
        step(net)

    seen = the_hook(recorded(program))
    (change,) = seen.changes
    assert change.effect is HookEffect.CLAMPED
    assert change.factor == pytest.approx(0.001)
    assert change.after < change.before
    assert seen.function == "test_a_gradient_changed_in_place_is_seen.clip"


def test_leaves_tensors_and_modules_are_named() -> None:
    net = model()

    def program() -> None:
        for parameter in net.parameters():
            parameter.register_hook(lambda g: g * 2)
        net[2].register_full_backward_hook(lambda module, given, got: None)
        step(net)

    tensors, module = sorted(recorded(program).hooks, key=lambda hook: hook.kind, reverse=True)
    assert sorted(tensors.on) == ["0.bias", "0.weight", "2.bias", "2.weight"]
    assert tensors.gradients == 4
    assert module.on == ("2",)


def test_a_multi_grad_hook_bears_its_own_line_and_function() -> None:
    net = model()

    def look(gradients: Any) -> None:
        pass

    def program() -> None:
        torch.autograd.graph.register_multi_grad_hook(list(net.parameters()), look)
        step(net)

    seen = the_hook(recorded(program))
    assert seen.kind is HookKind.SEVERAL
    assert seen.function.endswith("look")
    assert seen.location is not None
    assert seen.location.path == __file__


def test_torchs_own_hooks_are_not_the_programs() -> None:
    from torch.utils.checkpoint import checkpoint

    net = model()

    def program() -> None:
        net[2].register_forward_hook(lambda module, inputs, output: None)
        x = torch.ones(2, 3, requires_grad=True)
        checkpoint(net, x, use_reentrant=False).sum().backward()

    assert recorded(program).hooks == ()


def test_hooks_that_were_there_before_are_told_by_their_definition() -> None:
    net = model()
    net[0].weight.register_hook(lambda g: g * 2)
    seen = the_hook(recorded(lambda: step(net)))
    assert seen.location is None
    assert seen.defined_at is not None
    assert seen.defined_at.path == __file__
    assert seen.changed == 1


def test_the_program_finds_its_hooks_as_it_left_them() -> None:
    net = model()
    seen = SimpleNamespace(inside=0)

    def first(gradient: Tensor) -> None:
        handle.remove()

    def second(gradient: Tensor) -> Tensor:
        seen.inside += 1
        return gradient * 2

    recorder = Recorder()
    with recorder:
        handle = net[0].weight.register_hook(first)
        last = net[0].weight.register_hook(second)
        module_hook = net[2].register_full_backward_hook(print_nothing)
        step(net)
        hooks = net[0].weight._backward_hooks
        assert list(hooks.items()) == [(last.id, second)]
        step(net)
        last.remove()
        assert not hooks
        step(net)
        assert seen.inside == 2
        assert list(net[2]._backward_hooks.values()) == [print_nothing]
        again = pickle.loads(pickle.dumps(net))
        assert list(again[2]._backward_hooks.values()) == [print_nothing]
        step(copy.deepcopy(net))
        module_hook.remove()
        assert not net[2]._backward_hooks
    assert recorder.recording().not_seen == ()


def print_nothing(module: nn.Module, given: object, got: object) -> None:
    """A module hook that can be pickled."""


def test_an_exception_in_a_hook_leaves_nothing_behind() -> None:
    net = model()

    def fail(gradient: Tensor) -> None:
        raise RuntimeError("mine")

    with Recorder():
        handle = net[0].weight.register_hook(fail)
        with pytest.raises(RuntimeError, match="mine"):
            step(net)
        assert list(net[0].weight._backward_hooks.values()) == [fail]
        handle.remove()


def test_a_gradient_that_is_taken_away_is_no_change() -> None:
    net = model()

    def take(parameter: Tensor) -> None:
        parameter.grad = None

    def program() -> None:
        net[0].weight.register_post_accumulate_grad_hook(take)
        step(net)

    assert recorded(program).hooks == ()


def test_gradients_are_those_of_a_run_without_us() -> None:
    def run() -> list[Tensor]:
        net = model()
        for door in DOORS:
            door(net, lambda g: g * 1.5 + 0.01)
            net[1]._backward_hooks.clear()  # torch refuses a full beside an old one
            net[1]._is_full_backward_hook = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            step(net)
        return [p.grad for p in net.parameters() if p.grad is not None]

    plain = run()
    with Recorder():
        ours = run()
    assert all(torch.equal(one, other) for one, other in zip(plain, ours, strict=True))


def test_hooks_registered_at_every_step_do_not_pile_up() -> None:
    net = model()
    recorder = Recorder()
    with recorder:
        for _ in range(40):
            h = net[1](net[0](torch.ones(2, 3)))
            h.register_hook(lambda g: g * 2)
            handle = net[2].weight.register_hook(lambda g: None)
            net[2](h).sum().backward()
            handle.remove()
    del h
    hooks = recorder._hooks
    assert len(hooks._tables) <= 2
    assert all(len(table.known) <= 1 for table in hooks._tables.values())
    assert len(recorder.recording().hooks) == 2
