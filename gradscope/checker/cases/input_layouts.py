"""Inputs that are not contiguous: the same values must give the same outputs and the same gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import (
    BackwardRaised,
    Evaluation,
    Give,
    Reference,
    Refused,
    agree,
    evaluated,
    gradients_of,
    raises,
    reference,
    same_outputs,
)
from gradscope.checker.cases._layouts import LAYOUTS, Arrange, expanded
from gradscope.checker.cases._located import Truth, wrong_gradient
from gradscope.facts.checks import NO_TIME, Facts, WrongGradient, WrongReturn

NAME = "input layouts"
_EXPANDED = "expanded (stride 0)"


@dataclass(frozen=True, slots=True)
class _Form:
    """One layout of some of the inputs. `right` gives the same values in contiguous memory."""

    words: str
    indices: tuple[int, ...]
    give: Give
    right: Give | None = None


@dataclass(slots=True)
class _Seen:
    tried: int = 0
    refused: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    wrong: list[tuple[str, WrongGradient]] = field(default_factory=list)
    raised: list[tuple[str, WrongReturn]] = field(default_factory=list)


@case(NAME, 32)
def input_layouts(setting: Setting) -> Facts:
    """Each layout for all tensors at once; where that is refused or goes wrong, for each tensor alone."""
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(NAME, base)
    seen, complete = _Seen(), True
    tensors = [index for index, leaf in enumerate(base.point.leaves) if _is_strided(leaf)]
    for form in _forms(base, tensors):
        if setting.deadline.is_over:
            complete = False
            break
        if _is_right(base, form, seen):
            continue
        if len(form.indices) == 1 or not _each_alone(setting, base, form, seen):
            _keep(setting, base, form, seen)
    return _facts(base, seen, complete)


def _is_strided(leaf: object) -> bool:
    return isinstance(leaf, Tensor) and leaf.layout is torch.strided


def _forms(base: Reference, tensors: Sequence[int]) -> Iterator[_Form]:
    for layout in LAYOUTS:
        yield from _form(base, tensors, layout.words, layout.arrange)
    yield from _form(base, tensors, _EXPANDED, expanded, copies=True)


def _form(
    base: Reference, tensors: Sequence[int], words: str, arrange: Arrange, *, copies: bool = False
) -> Iterator[_Form]:
    """The form in which every tensor that can have the layout has it."""
    fitting = tuple(index for index in tensors if arrange(base.point.leaves[index]) is not None)
    if copies:  # other values than before: an index or a mask would mean something else
        fitting = tuple(index for index in fitting if index in base.point.active)
    if fitting:
        yield _made(words, fitting, arrange, copies=copies)


def _made(words: str, indices: tuple[int, ...], arrange: Arrange, *, copies: bool) -> _Form:
    def give(index: int, tensor: Tensor) -> Tensor:
        made = arrange(tensor) if index in indices else None
        return tensor.clone() if made is None else made

    def right(index: int, tensor: Tensor) -> Tensor:
        made = give(index, tensor).clone()
        return made.contiguous() if made.layout is torch.strided else made

    return _Form(words, indices, give, right if copies else None)


def _is_right(base: Reference, form: _Form, seen: _Seen) -> bool:
    """Whether a form gives the same values and gradients. Nothing is kept of one that does not."""
    seen.tried += 1
    try:
        done = evaluated(base.point, form.give)
        values, gradients = _expected(base, form)
        if not same_outputs(done.values, values, base.point, form.right):
            return False
        return agree(done.gradients([one.clone() for one in base.cotangents]), gradients)
    except (Refused, BackwardRaised):
        return False


def _expected(base: Reference, form: _Form) -> tuple[list[Tensor], list[Tensor]]:
    if form.right is None:
        return base.values, base.gradients
    there: Evaluation = evaluated(base.point, form.right)
    return there.values, there.gradients([one.clone() for one in base.cotangents])


def _each_alone(setting: Setting, base: Reference, form: _Form, seen: _Seen) -> bool:
    """Looks at each tensor by itself; whether that told something."""
    told = False
    for index in form.indices:
        if setting.deadline.is_over:
            break
        alone = _alone(form, index)
        if not _is_right(base, alone, seen):
            _keep(setting, base, alone, seen)
            told = True
    return told


def _alone(form: _Form, chosen: int) -> _Form:
    def only(give: Give) -> Give:
        return lambda index, tensor: give(index, tensor) if index == chosen else tensor.clone()

    right = None if form.right is None else only(form.right)
    return _Form(form.words, (chosen,), only(form.give), right)


def _keep(setting: Setting, base: Reference, form: _Form, seen: _Seen) -> None:
    """What is wrong with a form."""
    names = " and ".join(f"`{base.point.names[index]}`" for index in form.indices)
    where = f"{names} {'is' if len(form.indices) == 1 else 'are'} {form.words}"
    condition = f"only where {where}"
    try:
        values, _ = _expected(base, form)
    except (Refused, BackwardRaised) as error:
        seen.refused.append(f"{where}: {error}")
        return
    try:
        done = evaluated(base.point, form.give)
        if not same_outputs(done.values, values, base.point, form.right):
            (seen.skipped if base.random else seen.values).append(where)
            return
        wrong = wrong_gradient(
            setting,
            Truth(base.point, form.right),
            gradients_of(base.point, form.give),
            base.cotangents,
            condition=condition,
        )
    except Refused as error:
        seen.refused.append(f"{where}: {error}")
    except BackwardRaised as error:
        seen.raised.append((where, raises(error, condition)))
    else:
        if wrong is not None:
            seen.wrong.append((where, wrong))


def _facts(base: Reference, seen: _Seen, complete: bool) -> Facts:
    """One fact for one cause: the first layout that goes wrong stands for the others of its tensor."""
    if not seen.tried:
        if not complete:
            return not_checked(NAME, NO_TIME)
        return not_applicable(NAME, "no argument has more than one element")
    notes = [f"forward returns other values where {where}" for where in seen.values]
    if seen.wrong:
        where, first = seen.wrong[0]
        if len(seen.wrong) > 1:
            first = replace(first, condition=f"only where {_together([each for each, _ in seen.wrong])}")
        return Facts(failed(NAME, _more(where, len(seen.wrong))), wrong_gradients=(first,), notes=notes)
    if seen.raised:
        where, fault = seen.raised[0]
        detail = f"backward raises where {_more(where, len(seen.raised))}"
        return Facts(failed(NAME, detail), wrong_returns=(fault,), notes=notes)
    if seen.values:
        return Facts(failed(NAME, notes[0]), notes=notes)
    if not complete:
        return not_checked(NAME, f"{NO_TIME} after {seen.tried} forms")
    if len(seen.refused) >= seen.tried:
        return passed(NAME, f"forward refuses every other layout: {seen.refused[0]}")
    parts = [f"{seen.tried} forms"]
    if seen.refused:
        parts.append(f"forward refuses {_more(seen.refused[0], len(seen.refused))}")
    if seen.skipped:
        parts.append("some not compared: random numbers follow the layout")
    return passed(NAME, ", ".join(parts))


def _together(wheres: Sequence[str]) -> str:
    """What several forms have in common: "`x` is not contiguous", or the first and how many more."""
    names = {where.partition(" is ")[0] for where in wheres}
    if len(names) == 1 and all("not contiguous" in where or "stride" in where for where in wheres):
        return f"{names.pop()} is not contiguous"
    return _more(wheres[0], len(wheres))


def _more(first: str, count: int) -> str:
    return first if count == 1 else f"{first}, and {count - 1} more"
