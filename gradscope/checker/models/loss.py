"""The loss of a whole model, as `--loss` names it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from torch import Tensor

from gradscope.loader.importing import read_named
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss


@dataclass(frozen=True, slots=True)
class Loss:
    """`of` takes what a module returns and the positional arguments that it was called with, and gives a
    tensor with one element. `name` is for a report: "--loss mse"; `notes` fill while it is evaluated.
    """

    name: str
    of: Callable[[Any, Sequence[Any]], Tensor]
    notes: dict[str, None] = field(default_factory=dict)


def asked_loss(spec: str, module: ModuleType) -> Loss:
    """The loss that `--loss` names; `module` is the target's, whose file is not imported again.

    UsageError for what is no loss, and for a file whose import fails.
    """
    named = read_named(f"--loss {spec}", lambda: find_loss(spec, module))
    notes: dict[str, None] = {}

    def of(output: Any, args: Sequence[Any]) -> Tensor:
        loss: Tensor = named(output, Inputs(tuple(args)), lambda text: notes.update({text: None}))
        return loss

    return Loss(f"--loss {spec}", of, notes)
