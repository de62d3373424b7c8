"""Incoming gradients that are not contiguous: transposed, strided, or expanded as `.sum()` gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Gradients,
    Reference,
    agree,
    evaluated,
    gradients_of,
    raises,
    reference,
)
from gradscope.checker.cases._layouts import channels_last, strided, transposed
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.facts.checks import NO_TIME, Facts, WrongGradient, WrongReturn

NAME = "grad_output layouts"
_NOT_CONTIGUOUS = "grad_output is not contiguous"


@dataclass(frozen=True, slots=True)
class _Form:
    """One layout of the cotangents. `values` makes contiguous ones whose values allow it; `single` says that
    one element alone can be other than zero.
    """

    where: str
    arrange: Callable[[Tensor], Tensor | None]
    values: Callable[[Tensor], Tensor]
    single: bool


def _same(cotangent: Tensor) -> Tensor:
    return cotangent


def _rows(cotangent: Tensor) -> Tensor:
    """The first row in every row."""
    return cotangent[:1].expand_as(cotangent).clone() if cotangent.dim() else cotangent


def _expanded_rows(cotangent: Tensor) -> Tensor | None:
    if cotangent.dim() < 2 or cotangent.shape[0] < 2:
        return None
    return cotangent[:1].clone().expand_as(cotangent)


def _expanded_one(cotangent: Tensor) -> Tensor | None:
    """What `output.sum().backward()` gives: one number, every stride 0."""
    if cotangent.numel() < 2:
        return None
    return cotangent.reshape(-1)[0].clone().expand(cotangent.shape)


_FORMS = (
    _Form(
        "grad_output is expanded (stride 0), as sum().backward() gives it",
        _expanded_one,
        torch.ones_like,
        False,
    ),
    _Form("grad_output is transposed (not contiguous)", transposed, _same, True),
    _Form("grad_output is a slice of a larger tensor (not contiguous)", strided, _same, True),
    _Form("grad_output is expanded along its first dimension", _expanded_rows, _rows, False),
    _Form("grad_output is channels_last (not contiguous)", channels_last, _same, True),
)


@case(NAME, 20)
def grad_output_layouts(setting: Setting) -> Facts:
    """The same cotangents, contiguous and in other layouts."""
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    wrong: list[tuple[_Form, WrongGradient]] = []
    raised: list[tuple[_Form, WrongReturn]] = []
    forms = list(_fitting(base))
    if not forms:
        return not_applicable(NAME, "no output has more than one element")
    for tried, form in enumerate(forms):
        if setting.deadline.is_over and not (wrong or raised):
            return not_checked(NAME, f"{NO_TIME} after {tried} of {len(forms)} layouts")
        found = _looked(setting, base, form)
        if isinstance(found, WrongGradient):
            wrong.append((form, found))
        elif isinstance(found, WrongReturn):
            raised.append((form, found))
    if wrong:
        where = _together([form for form, _ in wrong], forms)
        first = replace(wrong[0][1], condition=f"only where {where}")
        return Facts(failed(NAME, f"wrong where {where}"), wrong_gradients=(first,))
    if raised:
        where = _together([form for form, _ in raised], forms)
        fault = replace(raised[0][1], condition=f"only where {where}")
        return Facts(failed(NAME, f"backward raises where {where}"), wrong_returns=(fault,))
    return passed(NAME, f"{len(forms)} layouts")


def _fitting(base: Reference) -> Iterator[_Form]:
    for form in _FORMS:
        if any(form.arrange(one) is not None for one in base.cotangents):
            yield form


def _looked(setting: Setting, base: Reference, form: _Form) -> WrongGradient | WrongReturn | None:
    values = [form.values(one) for one in base.cotangents]
    condition = f"only where {form.where}"
    try:
        right = base.gradients if form.single else gradients_of(base.point)(values)
    except BackwardRaised:
        return None  # it does so for contiguous ones too
    ours = _pull(base, form)
    try:
        if agree(ours(values), right):
            return None
        return wrong_gradient(
            setting, Truth(base.point), ours, values, condition=condition, single=form.single
        )
    except BackwardRaised as error:
        return raises(error, condition)


def _pull(base: Reference, form: _Form) -> Gradients:
    def pull(cotangents: Sequence[Tensor]) -> list[Tensor]:
        arranged = [form.arrange(one) for one in cotangents]
        given = [
            one.clone() if made is None else made for one, made in zip(cotangents, arranged, strict=True)
        ]
        return evaluated(base.point).gradients(given)

    return pull


def _together(faulty: Sequence[_Form], forms: Sequence[_Form]) -> str:
    """What the faulty layouts have in common."""
    if len(faulty) == len(forms) and len(forms) > 1:
        return f"{_NOT_CONTIGUOUS} ({_short(faulty[0])} and {len(faulty) - 1} more)"
    if len(faulty) > 1 and all("not contiguous" in form.where for form in faulty):
        return _NOT_CONTIGUOUS
    return " or ".join(dict.fromkeys(form.where for form in faulty[:1]))


def _short(form: _Form) -> str:
    return form.where.removeprefix("grad_output is ")
