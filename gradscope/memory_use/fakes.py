"""A training step on fake tensors: exact bytes, nothing allocated, so that it need not fit this machine.

The step runs on the fake tensors of the device that was chosen. On a machine without an accelerator that is
the CPU, whose kernels save other tensors than CUDA's at some ops (attention, dropout).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional

from gradscope.errors import UsageError
from gradscope.loader.importing import attribute_of, import_target
from gradscope.loader.loss import Note
from gradscope.loader.model import Model
from gradscope.loader.options import Options
from gradscope.loader.placement import Placement, choose_placement
from gradscope.loader.target import Target
from gradscope.loader.work import Work
from gradscope.memory_use.fake_errors import told
from gradscope.memory_use.fake_mode import Fakes, fake_mode
from gradscope.recorder.patches import Patches, named_like

_DROPOUT_P: Final = 4  # its place among the arguments
_DROPPING: Final = (
    "attention with dropout is a row of ops on the CPU, which keep much; CUDA has one kernel for it, which "
    "keeps little"
)


@contextmanager
def fake_work(target: Target, options: Options, note: Note = lambda _text: None) -> Iterator[Work]:
    """The step of a target on fake tensors; it can be run inside the `with` only.

    The target is imported and its factory called without any memory for its tensors. UsageError for a
    target that is a program; NotOnFakesError, also for what is run inside the `with`, where values are read.
    """
    if target.is_program:
        raise UsageError(
            f"--fake needs a model, and {target.text} is a program",
            try_next=f"gradscope memory {target.where}:build --fake  where build() returns the model",
        )
    placement = choose_placement(options)
    with ExitStack() as stack:
        stack.enter_context(told())
        if placement.device.type == "cpu":
            stack.enter_context(_attention_noted(note))
        mode = stack.enter_context(fake_mode(target.folder))
        model = _FakeModel(target, options, placement, mode, stack)
        with placement.around_model():
            module = import_target(target)
            work, _ = model.prepare(attribute_of(module, target), target.text, module, note)
        if not isinstance(work.subject, nn.Module):
            for root in work.roots:
                stack.enter_context(swapped(root, mode))
            work = replace(work, _roots=None, _buffers=[])
        yield work


@contextmanager
def faked(work: Work, folder: str) -> Iterator[Work]:
    """A real step on fake tensors, inside the `with`; afterwards its modules are what they were.

    `folder` is where the program's own modules lie. Raises NotOnFakesError as `fake_work` does.
    """
    roots = work.roots
    with ExitStack() as stack:
        stack.enter_context(told())
        mode = stack.enter_context(fake_mode(folder))
        for root in roots:
            stack.enter_context(swapped(root, mode))
        yield replace(
            work,
            inputs=work.inputs.changed(lambda tensor: _fake_of(tensor, mode)),
            optimizer=optimizer_like(work.optimizer, roots),
            _roots=roots,
            _buffers=[(each, each.detach().clone()) for root in roots for each in root.buffers()],
        )


@contextmanager
def _attention_noted(note: Note) -> Iterator[None]:
    """Says once, where attention with dropout runs, that the CPU has no kernel for it."""
    patches = Patches()
    told_already = False

    def scaled_dot_product_attention(*args: Any, **kwargs: Any) -> Any:
        nonlocal told_already
        drops = kwargs.get("dropout_p", args[_DROPOUT_P] if len(args) > _DROPOUT_P else 0.0)
        if drops and not told_already:
            told_already = True
            note(_DROPPING)
        return original(*args, **kwargs)

    original = functional.scaled_dot_product_attention
    patches.replace(
        functional, "scaled_dot_product_attention", named_like(original, scaled_dot_product_attention)
    )
    try:
        yield
    finally:
        patches.undo()


class _FakeModel(Model):
    """Builds a model whose parameters are fake, those that existed before included."""

    def __init__(
        self, target: Target, options: Options, placement: Placement, mode: Fakes, stack: ExitStack
    ) -> None:
        super().__init__(target, options, placement)
        self._mode = mode
        self._stack = stack

    def place(self, subject: nn.Module) -> None:
        self._stack.enter_context(swapped(subject, self._mode))
        super().place(subject)


@contextmanager
def swapped(root: nn.Module, mode: Fakes) -> Iterator[None]:
    """Inside it the real parameters and buffers of a module are fake; attributes are put back after it."""
    real = [
        (table, name, tensor)
        for table in _tables(root)
        for name, tensor in table.items()
        if isinstance(tensor, Tensor) and not isinstance(tensor, FakeTensor)
    ]
    if not real:
        yield
        return
    held = [(module, dict(vars(module))) for module in root.modules()]
    tables = [(table, dict(table)) for table in _tables(root)]
    fakes: dict[int, Tensor] = {}
    try:
        for table, name, tensor in real:
            if id(tensor) not in fakes:
                fakes[id(tensor)] = _fake_of(tensor, mode)
            table[name] = fakes[id(tensor)]
        for module, attributes in held:
            if isinstance(module, nn.RNNBase):  # it calls its kernel with a list of its own
                weights = attributes.get("_flat_weights", [])
                vars(module)["_flat_weights"] = [fakes.get(id(each), each) for each in weights]
        yield
    finally:
        _restore(held, tables)


def _tables(root: nn.Module) -> list[dict[str, Any]]:
    """Where a module and those inside it keep parameters, buffers and modules."""
    return [
        table for module in root.modules() for table in (module._parameters, module._buffers, module._modules)
    ]


def _restore(
    held: list[tuple[nn.Module, dict[str, Any]]], tables: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    for table, before in tables:
        table.clear()
        table.update(before)
    for module, attributes in held:
        vars(module).clear()
        vars(module).update(attributes)


def _fake_of(tensor: Tensor, mode: Fakes) -> Tensor:
    with torch._C.DisableTorchFunction():
        fake: Tensor = mode.from_tensor(tensor.detach())
        if isinstance(tensor, nn.Parameter):
            return nn.Parameter(fake, requires_grad=tensor.requires_grad)
        return fake.requires_grad_(tensor.requires_grad)


def optimizer_like(
    optimizer: torch.optim.Optimizer | None, roots: list[nn.Module]
) -> torch.optim.Optimizer | None:
    """A new optimizer of the same kind and settings over all parameters of some modules."""
    if optimizer is None:
        return None
    parameters = [each for root in roots for each in root.parameters() if each.requires_grad]
    return type(optimizer)(parameters, **optimizer.defaults)
