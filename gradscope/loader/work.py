"""A training step of a model that can be run again and again: the same inputs, loss and random state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from gradscope.errors import UsageError, did_you_mean
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import Loss
from gradscope.loader.options import OPTIMIZERS
from gradscope.loader.placement import Placement


def nothing() -> None:
    """Does nothing, between the parts of a step that nobody watches."""


@dataclass(slots=True)
class Work:
    """`subject` is a module, or a function that returns a loss; `inputs` are on their device already.

    A step gives the same gradients every time: generators are seeded and buffers put back before it, and
    the optimizer, where there is one, has a learning rate of 0. `raised` are the exceptions that came out of
    the subject.
    """

    subject: Callable[..., Any]
    name: str
    inputs: Inputs
    find: Loss
    placement: Placement
    optimizer: torch.optim.Optimizer | None = None
    raised: list[Exception] = field(default_factory=list)
    _roots: list[nn.Module] | None = None
    _buffers: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def roots(self) -> list[nn.Module]:
        """The outermost modules with parameters that a forward calls: the subject itself where it is one."""
        if self._roots is None:
            if isinstance(self.subject, nn.Module):
                self._roots = [self.subject]
                self._keep_buffers(self.subject)
            else:
                self._roots = self._called()
        return self._roots

    def _keep_buffers(self, root: nn.Module) -> None:
        self._buffers += [(buffer, buffer.detach().clone()) for buffer in root.buffers()]

    def _called(self) -> list[nn.Module]:
        found: list[nn.Module] = []

        def saw(module: nn.Module, _inputs: Any) -> None:
            inside = any(module is each for root in found for each in root.modules())
            if not inside and next(module.parameters(), None) is not None:
                found.append(module)
                self._keep_buffers(module)  # as they are before the forward that calls it

        handle = register_module_forward_pre_hook(saw)
        try:
            self.forward_without_graph()
        finally:
            handle.remove()
        return found

    def forward_without_graph(self) -> None:
        """A forward that keeps nothing; where the program needs a graph in it, one that does."""
        try:
            with self.again(), torch.no_grad():
                self.forward()
        except RuntimeError:  # a hook on a tensor, a backward in the forward
            with self.again():
                self.forward()

    @contextmanager
    def again(self) -> Iterator[None]:
        """Inside it the device, precision and random state are those of every step."""
        with torch.no_grad():
            for buffer, value in self._buffers:
                buffer.data.copy_(value)  # .data: no graph that saved it must notice
        with self.placement.around_model():
            yield

    def forward(self) -> Tensor:
        """The loss, with its graph. Call it inside `again()`."""
        return self._loss(self.inputs.copies())

    def _loss(self, copies: Inputs) -> Tensor:
        try:
            output = self.subject(*copies.args, **copies.kwargs)
        except Exception as error:
            self.raised[:] = [error]  # in place: a copy of the step on fake tensors shares it
            raise
        return self.find(output, copies, _silent)

    def zero_grad(self) -> None:
        """Every `.grad` is None again."""
        for root in self.roots:
            root.zero_grad(set_to_none=True)

    def step(
        self,
        forward: Callable[[], None] = nothing,
        backward: Callable[[], None] = nothing,
        end: Callable[[], None] = nothing,
    ) -> None:
        """One step from the same state as every other; its gradients stay in `.grad` until `zero_grad`.

        `forward`, `backward` and `end` are called before each part: before the forward, between forward
        and backward, and before the optimizer's step (or at the end).
        """
        self.zero_grad()
        with self.again():
            forward()
            copies = self.inputs.copies()  # a program has its batch until the step ends
            loss = self._loss(copies)
            backward()
            loss.backward()  # type: ignore[no-untyped-call]
            del loss
            end()
            if self.optimizer is not None:
                self.optimizer.step()
            del copies


def _silent(_text: str) -> None:
    """Says nothing: the first pass has said it."""


def make_optimizer(name: str | None, subject: Callable[..., Any]) -> torch.optim.Optimizer | None:
    """An optimizer of that name over the parameters of a module, with a learning rate of 0.

    None where no name is given. UsageError for an unknown name, or a subject that is no module.
    """
    if name is None:
        return None
    if name not in OPTIMIZERS:
        raise UsageError(
            f"--optimizer {name} is not known{did_you_mean(name, OPTIMIZERS)}",
            try_next=f"one of {', '.join(OPTIMIZERS)}",
        )
    if not isinstance(subject, nn.Module):
        raise UsageError("--optimizer needs an nn.Module, whose parameters it takes")
    parameters = [each for each in subject.parameters() if each.requires_grad]
    if not parameters:
        raise UsageError("--optimizer: no parameter of the module requires a gradient")
    match name:
        case "sgd":
            return torch.optim.SGD(parameters, lr=0.0)
        case "momentum":
            return torch.optim.SGD(parameters, lr=0.0, momentum=0.9)
        case "adam":
            return torch.optim.Adam(parameters, lr=0.0)
        case _:
            return torch.optim.AdamW(parameters, lr=0.0)
