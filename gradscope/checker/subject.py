"""What is checked: a function with a backward of its own, and how it is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gradscope.checker.subjects.unwrapping import is_once_differentiable, static
from gradscope.facts.checks import Declaration, SubjectKind
from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the parts of a subject stand; None for what it has not, or whose source is unknown.

    `whole` is the class, the op's function or the plain function; `backward` the `def` of the backward.
    """

    whole: Location | None = None
    forward: Location | None = None
    setup_context: Location | None = None
    backward: Location | None = None
    jvp: Location | None = None
    vmap: Location | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """`call` takes the arguments that a program gives it (`Cls.apply`, the op, the function, the module).

    `signature` is that of the arguments, without `ctx`; None where it is unknown. `function` is the class
    of a `torch.autograd.Function`, None for all others. `backward` is what was registered as the backward
    of a custom op, decorators included. `notes` are sentences for the report, told from its source.
    """

    name: str
    kind: SubjectKind
    call: Callable[..., Any]
    signature: inspect.Signature | None = None
    function: type[torch.autograd.Function] | None = None
    lines: Lines = Lines()
    declared: Declaration | None = None
    backward: Callable[..., Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def once_differentiable(self) -> bool:
        """Whether its backward is declared `once_differentiable`, also under other decorators."""
        if self.function is None:
            return is_once_differentiable(self.backward)
        return any(is_once_differentiable(static(self.function, name)) for name in ("backward", "vjp"))

    def setup_context_is_apart(self) -> bool:
        """Whether forward takes no `ctx`, and a `setup_context` saves."""
        if self.function is None:
            return False
        return self.function.setup_context is not torch.autograd.Function.setup_context
