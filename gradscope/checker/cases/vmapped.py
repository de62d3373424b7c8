"""`torch.vmap` over a few samples against a loop over them: values, and gradients both ways round."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._cost import has_time_to_compare
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Gradients,
    Reference,
    Refused,
    agree,
    evaluated,
    gradients_of,
    quiet,
    raises,
    reference,
    same_outputs,
)
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.checker.cases._passes import cotangents_for
from gradscope.checker.point import Point, is_differentiable, tensors_of
from gradscope.checker.raised import raised
from gradscope.checker.subject import Subject
from gradscope.facts.checks import NO_TIME, Facts, SubjectKind, WrongGradient, WrongReturn
from gradscope.loader.generators import seeded

NAME = "vmap"
_FACTORS = (1.0, 0.93, 0.87)
"""Samples are multiples of the point: they stay symmetric, positive, within [-1, 1] where it was."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Along which dimension each active tensor has its samples; None for one sample that all share."""

    where: str
    dims: tuple[int | None, ...]


@case(NAME, 46)
def vmapped(setting: Setting) -> Facts:
    """Samples first; samples last; and one argument that all samples share."""
    refusal = _undefined(setting.subject)
    if refusal:
        return not_applicable(NAME, refusal)
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    if base.random:
        return not_checked(NAME, "forward draws random numbers, which vmap draws in another order")
    if base.written:
        return not_applicable(NAME, "an input is changed in place")
    tried = 0
    for form in _forms(base):
        if not has_time_to_compare(base.point, setting.deadline):
            return not_checked(NAME, f"{NO_TIME} after {tried} forms")
        try:
            found = _looked(setting, base, form)
        except Refused as error:
            return _refused(setting, form, error)
        if found is not None:
            return found
        tried += 1
    return passed(NAME, f"{tried} forms, as a loop")


def _undefined(subject: Subject) -> str:
    """Why a subject has no vmap; "" where it may have one."""
    function = subject.function
    if function is not None:
        if not _declares(subject):
            return "no vmap is defined"
        if not subject.setup_context_is_apart():
            return "forward takes ctx, and vmap needs setup_context"
    if subject.kind is SubjectKind.CUSTOM_OP and getattr(subject.call, "_vmap_fn", None) is None:
        return "no vmap is registered"
    return "" if subject.kind is not SubjectKind.MODULE else "a module has parameters of its own"


def _declares(subject: Subject) -> bool:
    function = subject.function
    if function is None:
        return subject.kind is SubjectKind.CUSTOM_OP
    own = function.vmap is not torch.autograd.Function.vmap
    return bool(own or function.generate_vmap_rule)


def _refused(setting: Setting, form: _Form, error: Refused) -> Facts:
    """A rule that is defined and raises is a fault; a plain function that vmap cannot take is none."""
    if not _declares(setting.subject):
        return not_applicable(NAME, str(error))
    fault = raises(error, f"only under torch.vmap, where {form.where}")
    return Facts(failed(NAME, f"raises where {form.where}: {error}"), wrong_returns=(fault,))


def _forms(base: Reference) -> Iterator[_Form]:
    tensors = base.point.tensors
    yield _Form("the samples are the first dimension", tuple(0 for _ in tensors))
    yield _Form("the samples are the last dimension", tuple(tensor.dim() for tensor in tensors))
    if len(tensors) > 1:
        names = [base.point.name(number) for number in range(len(tensors))]
        yield _Form(
            f"only `{names[0]}` has samples", tuple(None if number else 0 for number in range(len(tensors)))
        )
        yield _Form(
            f"`{names[0]}` is the same for all samples",
            tuple(0 if number else None for number in range(len(tensors))),
        )


def _looked(setting: Setting, base: Reference, form: _Form) -> Facts | None:
    """The facts of a form that goes wrong. Raises `Refused` where vmap does."""
    looped, mapped = _batched(base, form)
    try:
        separate = evaluated(looped)
        cotangents = cotangents_for(separate.values)
        right = separate.gradients([one.clone() for one in cotangents])
    except (Refused, BackwardRaised):
        return None  # samples that the function itself does not take
    if not all(bool(torch.isfinite(each).all()) for each in (*separate.values, *right)):
        return None
    same = same_outputs(evaluated(mapped).values, separate.values, looped, None)
    notes: list[str] = []
    if not same:
        notes.append(f"forward under torch.vmap returns other values than a loop where {form.where}")
    truth = Truth(looped)
    ways = [("", gradients_of(mapped))]
    if setting.subject.function is not None:  # torch has no vmap of the gradient of a custom op
        ways.append(("of the gradient ", _inner(base, mapped, form)))
    for words, ours in ways:
        condition = f"only under torch.vmap {words}where {form.where}"
        found = _compared(setting, truth, ours, cotangents, right, condition)
        if isinstance(found, WrongReturn):
            return Facts(failed(NAME, f"backward raises where {form.where}"), wrong_returns=(found,))
        if found is not None:
            shown = f"{words}where {form.where} (its index has the sample too)"
            wrong = replace(found, way="vmap", condition=shown)
            detail = f"input {wrong.input_name} where {form.where}"
            return Facts(failed(NAME, detail), wrong_gradients=(wrong,), notes=notes)
    return None if same else Facts(failed(NAME, notes[0]), notes=notes)


def _compared(
    setting: Setting,
    truth: Truth,
    ours: Gradients,
    cotangents: Sequence[Tensor],
    right: Sequence[Tensor],
    condition: str,
) -> WrongGradient | WrongReturn | None:
    try:
        if agree(ours(cotangents), right):
            return None
        return wrong_gradient(setting, truth, ours, cotangents, condition=condition)
    except BackwardRaised as error:
        return raises(error, condition)


def _batched(base: Reference, form: _Form) -> tuple[Point, Point]:
    """A loop over the samples, and vmap over them, as two functions of the same stacked tensors."""
    point = base.point
    changed = {}
    for index, dim in zip(point.active, form.dims, strict=True):
        value = point.leaves[index]
        if dim is not None:
            changed[index] = torch.stack([factor * value for factor in _FACTORS], dim).contiguous()

    def loop(*tensors: Tensor) -> list[Tensor]:
        rows: list[list[Tensor]] = []
        for number in range(len(_FACTORS)):
            chosen = [
                tensor if dim is None else tensor.select(dim, number).clone()
                for tensor, dim in zip(tensors, form.dims, strict=True)
            ]
            rows.append(_flat(point, chosen))
        return [torch.stack(outputs) for outputs in zip(*rows, strict=True)]

    def mapped(*tensors: Tensor) -> Any:
        return torch.vmap(lambda *each: tuple(_flat(point, each)), in_dims=form.dims)(*tensors)

    stacked = point.with_leaves(changed)
    return _of_tensors(stacked, loop), _of_tensors(stacked, mapped)


def _flat(point: Point, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The differentiable outputs for these values of the active tensors."""
    leaves = list(point.leaves)
    for index, tensor in zip(point.active, tensors, strict=True):
        leaves[index] = tensor
    args, kwargs = pytree.tree_unflatten(leaves, point.spec)
    return [one for one in tensors_of(point.subject.call(*args, **kwargs)) if is_differentiable(one)]


def _of_tensors(point: Point, call: Callable[..., Any]) -> Point:
    """A point of a function of the active tensors alone."""
    subject = replace(point.subject, call=call, function=None)
    names = [point.names[index] for index in point.active]
    _, spec = pytree.tree_flatten((tuple(point.tensors), {}))
    return Point(subject, point.tensors, spec, names, range(len(names)))


def _inner(base: Reference, mapped: Point, form: _Form) -> Gradients:
    """vmap of the gradient, where the other way is the gradient of vmap."""

    def gradients(cotangents: Sequence[Tensor]) -> list[Tensor]:
        def one(*given: Tensor) -> tuple[Tensor, ...]:
            count = len(form.dims)
            pull = torch.func.vjp(lambda *each: tuple(_flat(base.point, each)), *given[:count])[1]
            found: tuple[Tensor, ...] = pull(tuple(given[count:]))
            return found

        dims = (*form.dims, *(0 for _ in cotangents))
        try:
            with quiet(), seeded(), torch.enable_grad():
                found = torch.vmap(one, in_dims=dims)(
                    *(tensor.detach().clone() for tensor in mapped.tensors), *cotangents
                )
        except Exception as error:
            raise BackwardRaised(raised(error)) from error
        return [
            each.sum(0) if dim is None else each.movedim(0, dim)
            for each, dim in zip(found, form.dims, strict=True)
        ]

    return gradients
