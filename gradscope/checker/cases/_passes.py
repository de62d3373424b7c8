"""One forward and its backwards, as the checks of what a backward returns need them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from gradscope.checker.cases import Check, Setting, not_checked
from gradscope.checker.cases._taps import Function
from gradscope.checker.point import Pass, Point
from gradscope.checker.raised import raised
from gradscope.facts.checks import Facts, SubjectKind
from gradscope.loader.generators import seeded


class ProgramRaised(Exception):
    """The program's own forward or backward raised `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(raised(error))
        self.error = error


def or_not_checked(name: str) -> Callable[[Check], Check]:
    """A check that says what the program raised, where `forward` or `gradients` below raised it."""

    def wrap(check: Check) -> Check:
        @functools.wraps(check)
        def checked(setting: Setting) -> Facts:
            try:
                return check(setting)
            except ProgramRaised as error:
                return not_checked(name, str(error))

        return checked

    return wrap


def forward(point: Point, active: Sequence[int] | None = None) -> Pass:
    """One evaluation with a graph. Raises ProgramRaised for what the program raises."""
    try:
        return point.differentiable(active)
    except Exception as error:
        raise ProgramRaised(error) from error


def function_of(setting: Setting) -> Function | None:
    """The class whose backward is checked: the Function itself, or the one that torch made for a custom op.

    None for plain functions and modules, which have no backward of their own, and where it cannot be found.
    """
    subject = setting.subject
    if subject.function is not None:
        return subject.function
    if subject.kind is not SubjectKind.CUSTOM_OP:
        return None
    for output in differentiable_outputs(forward(setting.point)):
        found = getattr(type(output.grad_fn), "_forward_cls", None)
        if isinstance(found, type):
            return found
    return None


def as_given(setting: Setting) -> Point:
    """The sample in its own dtypes; in float64 where forward does not run in those on this machine."""
    given = Point.of(setting.subject, setting.sample, dtype=None).counted_with(setting.point)
    try:
        given.values()
    except Exception:  # noqa: BLE001  the user's forward may refuse a dtype in any way
        return setting.point
    return given.with_leaves({}, setting.point.active)


def differentiable_outputs(done: Pass) -> list[Tensor]:
    """The outputs that require a gradient: not those marked non-differentiable."""
    return [tensor for tensor in done.outputs if tensor.requires_grad]


def cotangents_for(outputs: Sequence[Tensor], seed: int = 0) -> list[Tensor]:
    """Random normal cotangents for these outputs, from a generator of our own."""
    generator = torch.Generator().manual_seed(seed)
    drawn = []
    for output in outputs:
        wide = torch.complex128 if output.is_complex() else torch.float64
        values = torch.randn(output.shape, generator=generator, dtype=wide, device="cpu")
        drawn.append(values.to(device=output.device, dtype=output.dtype))
    return drawn


def gradients(
    done: Pass, outputs: Sequence[Tensor], cotangents: Sequence[Tensor], *, seed: bool = True
) -> list[Tensor | None]:
    """The gradients of all inputs of a pass, None where none came; the graph stays.

    The cotangents are copied, since a backward may change what it is given. Raises ProgramRaised for what
    backward raises, and for what torch raises over it.
    """
    given = [cotangent.clone() for cotangent in cotangents]
    try:
        with seeded() if seed else nullcontext():
            return _grad(outputs, done.inputs, given)
    except Exception as error:
        raise ProgramRaised(error) from error


def _grad(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], given: Sequence[Tensor]
) -> list[Tensor | None]:
    with torch.enable_grad():
        return list(torch.autograd.grad(outputs, inputs, given, retain_graph=True, allow_unused=True))
