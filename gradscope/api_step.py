"""One training step of what Python hands us, and everything of it put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from gradscope.errors import UsageError
from gradscope.loader.expressions import describe
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import Loss, Note, find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import Placement, choose_placement
from gradscope.loader.work import Work, make_optimizer
from gradscope.memory_use.attributes import Attributes
from gradscope.recorder.graph import walk


def work_of(
    subject: Callable[..., Any],
    inputs: Inputs,
    *,
    loss: Callable[..., Tensor] | None = None,
    optimizer: str | None = None,
    with_graph: bool = True,
) -> Work:
    """The step of a module, or of a function that returns a loss, on the device where it already is.

    `loss` makes a scalar of the output; without it a scalar output, its `.loss` or the mean is taken. A step
    that is to be `with_graph` raises UsageError for a loss that requires no gradient. Raises UsageError where
    the subject cannot be called.
    """
    if not callable(subject):
        raise UsageError(
            f"a {type(subject).__name__} has no step: give a module, or a function that returns a loss"
        )
    return Work(
        subject=subject,
        name=getattr(subject, "__name__", None) or type(subject).__name__,
        inputs=inputs,
        find=_finder(loss, with_graph),
        placement=_placement(subject, inputs),
        optimizer=make_optimizer(optimizer, subject),
    )


def _finder(loss: Callable[..., Tensor] | None, with_graph: bool) -> Loss:
    offered = find_loss(None)

    def find(output: Any, inputs: Inputs, note: Note) -> Tensor:
        found = offered(output, inputs, note) if loss is None else _checked(loss(output))
        if with_graph and torch.is_grad_enabled() and not found.requires_grad:
            raise UsageError("the loss requires no gradient: nothing that it is made of does")
        return found

    return find


def _checked(loss: Any) -> Tensor:
    if isinstance(loss, Tensor) and loss.numel() == 1:
        return loss
    raise UsageError(f"loss() returned {describe(loss)}; backward needs a tensor with one element")


def _placement(subject: Any, inputs: Inputs) -> Placement:
    """Where the subject already is: nothing is moved."""
    parameters = subject.parameters() if isinstance(subject, nn.Module) else iter(())
    tensors = [*parameters, *inputs.tensors()]
    return choose_placement(Options(device="cpu" if not tensors else str(tensors[0].device)))


@contextmanager
def as_before(work: Work) -> Iterator[None]:
    """Gradients, buffers and attributes of the modules are put back, whatever the steps do to them."""
    before = _Before()
    try:
        if isinstance(work.subject, nn.Module):
            before.note(work.subject)
        else:
            handle = register_module_forward_pre_hook(lambda module, _args: before.note(module))
            try:
                before.note_leaves(work)
            finally:
                handle.remove()
        yield
    finally:
        before.put_back()


class _Before:
    """What modules held when they were noted; their gradients are None from then on."""

    def __init__(self) -> None:
        self._seen: set[nn.Module] = set()
        self._gradients: dict[Tensor, Tensor | None] = {}
        self._values: list[tuple[Tensor, Tensor]] = []
        self._attributes: list[Attributes] = []

    def note(self, root: nn.Module) -> None:
        """Notes a module and those in it, once each."""
        modules = [module for module in root.modules() if module not in self._seen]
        if not modules:
            return
        self._seen.update(modules)
        self._attributes.append(Attributes(modules))
        self._values += [(buffer, buffer.detach().clone()) for buffer in root.buffers()]
        for parameter in root.parameters():
            self._note_gradient(parameter)

    def _note_gradient(self, leaf: Tensor) -> None:
        if leaf not in self._gradients:
            self._gradients[leaf] = leaf.grad
            leaf.grad = None

    def note_leaves(self, work: Work) -> None:
        """One forward, and the gradients of what it depends on; modules note themselves when called."""
        with work.again():
            loss = work.forward()
        for leaf in walk([loss])[1].values():
            self._note_gradient(leaf)
        self._put_values_back()

    def put_back(self) -> None:
        """All is as it was when it was noted."""
        for leaf, gradient in self._gradients.items():
            leaf.grad = gradient
        self._put_values_back()

    def _put_values_back(self) -> None:
        for buffer, value in self._values:
            buffer.data.copy_(value)
        for attributes in self._attributes:
            attributes.put_back()
