"""The program's own gradient hooks, and what they did to the gradients they were given."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradscope.finding import Location


class HookKind(StrEnum):
    """What a hook was registered on."""

    TENSOR = "tensor"  # Tensor.register_hook
    ACCUMULATED = "accumulated"  # Tensor.register_post_accumulate_grad_hook
    NODE = "node"  # Node.register_hook, Node.register_prehook
    MODULE = "module"  # nn.Module.register_full_backward_hook and its older and global forms
    MODULE_OUTPUT = "module-output"  # nn.Module.register_full_backward_pre_hook
    SEVERAL = "several"  # torch.autograd.graph.register_multi_grad_hook


class HookEffect(StrEnum):
    """What became of a gradient in a hook."""

    ZEROED = "zeroed"
    NAN = "nan"  # a finite gradient became NaN
    INF = "inf"
    SCALED = "scaled"
    CLAMPED = "clamped"  # each element limited to the same magnitude
    CHANGED = "changed"  # in some other way


@dataclass(frozen=True, slots=True)
class HookChange:
    """One effect of a hook: how many gradients it had it on, and the 2-norm of the first, before and after.

    `factor` is what the first was multiplied by for SCALED, and the limit of its elements for CLAMPED.
    """

    effect: HookEffect
    count: int
    before: float
    after: float
    factor: float | None = None


@dataclass(frozen=True, slots=True)
class GradientHook:
    """One hook function, as one line of the program registered it.

    `location` is that line, None for a hook that was there before the recorder; `on` names leaves, other
    tensors or modules, or is empty where the name is unknown. `gradients` counts what it was given in
    the `backwards` that were looked at. `changes` is empty where it only looked.
    """

    kind: HookKind
    function: str
    location: Location | None
    defined_at: Location | None
    on: tuple[str, ...]
    gradients: int
    backwards: int
    changes: tuple[HookChange, ...] = ()

    @property
    def changed(self) -> int:
        """How many of the gradients it changed."""
        return sum(change.count for change in self.changes)
