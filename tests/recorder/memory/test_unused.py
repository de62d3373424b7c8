"""Graphs that were built and that no backward went through."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gradscope.folds.storages import StorageLog
from gradscope.recorder import Recorder

from .recorded import memory_of

ROWS = 16


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 4))


def data() -> Tensor:
    return torch.randn(ROWS, 8)


KEPT = ROWS * 32 * 4  # what tanh saves; the input is not counted


def test_inference_with_gradients() -> None:
    def run() -> None:
        model = net()
        for _ in range(10):
            model(data()).sum().item()

    (graph,) = memory_of(run).unused
    assert (graph.call, graph.size, graph.count) == ("model(...)", KEPT, 10)
    assert graph.nodes == 5  # of three ops, and of two weights that are transposed
    assert graph.location.line == run.__code__.co_firstlineno + 3


@pytest.mark.parametrize("off", [torch.no_grad, torch.inference_mode])
def test_inference_without_gradients_is_silent(off: type) -> None:
    def run() -> None:
        model = net()
        with off():
            model(data())

    assert not memory_of(run).unused


def test_a_frozen_model_builds_no_graph() -> None:
    def run() -> None:
        model = net().requires_grad_(False)
        model(data())

    assert not memory_of(run).unused


def test_training_is_silent() -> None:
    def run() -> None:
        model = net()
        for _ in range(30):
            model(data()).sum().backward()

    assert not memory_of(run).unused


def test_an_output_that_is_used_later_is_used() -> None:
    def run() -> None:
        model = net()
        outputs = [model(data()) for _ in range(5)]
        sum(output.sum() for output in outputs).backward()

    assert not memory_of(run).unused


def test_a_part_of_the_graph_is_enough() -> None:
    def run() -> None:
        model = net()
        found: list[Tensor] = []
        model[0].register_forward_hook(lambda _module, _inputs, output: found.append(output))
        for _ in range(3):
            model(data())
            found.pop().sum().backward()

    assert not memory_of(run).unused


def test_evaluation_between_steps_of_training() -> None:
    def run() -> None:
        model = net()
        for _ in range(3):
            model(data()).sum().backward()
            for _ in range(4):
                model(data())

    (graph,) = memory_of(run).unused
    assert graph.count == 12
    assert graph.location.line == run.__code__.co_firstlineno + 5


def test_a_loop_that_is_left_before_its_backward_is_silent() -> None:
    def run() -> None:
        model = net()
        for number in range(4):
            loss = model(data()).sum()
            if number == 3:
                break
            loss.backward()

    assert not memory_of(run).unused


def test_a_program_that_dies_before_its_backward_is_silent() -> None:
    def run() -> None:
        net()(data())
        raise ValueError("died")

    recorder = Recorder(storages=StorageLog())
    with pytest.raises(ValueError, match="died"), recorder:
        run()
    memory = recorder.recording().memory
    assert memory is not None
    assert not memory.unused


def test_a_generators_graph_in_the_step_of_its_critic() -> None:
    def run() -> None:
        generator, critic = net(), nn.Linear(4, 1)
        for _ in range(3):
            fake = generator(data())
            critic(fake.detach()).sum().backward()
            critic(generator(data())).sum().backward()

    (graph,) = memory_of(run).unused
    assert (graph.call, graph.count, graph.size) == ("generator(...)", 3, KEPT)
    assert graph.location.line == run.__code__.co_firstlineno + 3


def test_transforms_differentiate_unseen() -> None:
    def run() -> None:
        model = net()
        x = data()
        torch.func.grad(lambda weights: torch.func.functional_call(model, weights, (x,)).sum())(
            {name: parameter.detach() for name, parameter in model.named_parameters()}
        )

    assert not memory_of(run).unused


def test_what_a_checkpoint_runs_again_is_no_call() -> None:
    from torch.utils.checkpoint import checkpoint

    def run() -> None:
        model = net()
        x = data().requires_grad_()
        checkpoint(model, x, use_reentrant=False).sum().backward()

    assert not memory_of(run).unused


def test_a_program_without_modules_and_without_a_backward() -> None:
    kept: list[Tensor] = []

    def run() -> None:
        weight = torch.randn(8, 32, requires_grad=True)
        x = data()
        kept.extend(torch.tanh(x @ weight).mean() for _ in range(3))

    (graph,) = memory_of(run).unused
    assert (graph.call, graph.size, graph.count) == ("mean(...)", KEPT, 3)
    assert graph.location.line == run.__code__.co_firstlineno + 3
    kept.clear()


def test_a_loss_that_lives_on_was_used() -> None:
    kept: list[Tensor] = []

    def run() -> None:
        weight = torch.randn(8, 32, requires_grad=True)
        kept.append(torch.tanh(data() @ weight).mean())
        kept[0].backward()

    assert not memory_of(run).unused
    kept.clear()
