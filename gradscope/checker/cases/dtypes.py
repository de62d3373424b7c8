"""Gradients in float32, bfloat16 and float16, and on another device, against float64 on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.cases import Setting, case, failed, not_applicable, not_checked, passed
from gradscope.checker.cases._forms import reference
from gradscope.checker.cases._precision import Precision, precision
from gradscope.facts.checks import NO_TIME, Facts, WrongReturn

NAME = "dtypes"
DEVICES = "devices"
_CPU = torch.device("cpu")


@case(NAME, 50)
def dtypes(setting: Setting) -> Facts:
    """On the CPU: float32, bfloat16 and float16."""
    return _looked(setting, NAME, (torch.float32, torch.bfloat16, torch.float16), _CPU)


@case(DEVICES, 52)
def devices(setting: Setting) -> Facts:
    """On the device that was asked for."""
    if setting.device.type == "cpu":
        return not_applicable(DEVICES, "the CPU is the only device")
    wide = (torch.float32,) if setting.device.type == "mps" else (torch.float64, torch.float32)
    return _looked(setting, DEVICES, wide, setting.device)


def _looked(setting: Setting, name: str, wanted: Sequence[torch.dtype], device: torch.device) -> Facts:
    base = reference(setting)
    if isinstance(base, str):
        return not_checked(name, base)
    if base.random:
        return not_checked(name, "forward draws random numbers, which are others there")
    measured: list[Precision] = []
    for dtype in wanted:
        if setting.deadline.is_over:
            break
        measured.append(precision(base, dtype, device))
    deviations = [one for each in measured for one in each.deviations]
    used, unused = _raised(setting, measured)
    detail = ", ".join(filter(None, map(_words, measured)))
    if used or any(one.excessive for one in deviations):
        return Facts(failed(name, detail), deviations=deviations, wrong_returns=(used or unused)[:1])
    if not (deviations or unused):
        if len(measured) < len(wanted):
            return not_checked(name, NO_TIME)
        return not_applicable(name, measured[0].why_not or detail)
    return Facts(passed(name, detail).outcome, deviations=deviations, wrong_returns=unused[:1])


def _raised(setting: Setting, measured: Sequence[Precision]) -> tuple[list[WrongReturn], list[WrongReturn]]:
    """The errors of backward in precisions that are used, and in others: these come with autocast."""
    used: list[WrongReturn] = []
    unused: list[WrongReturn] = []
    for each in measured:
        if each.raised is not None and each.dtype in _used(setting):
            used.append(each.raised)
        elif each.raised is not None:
            unused.append(replace(each.raised, condition=f"only in half precision ({each.name})"))
    return used, unused


def _used(setting: Setting) -> set[torch.dtype]:
    """The precisions in which a backward that raises is a fault: float32 and wider, and the sample's own."""
    given = (leaf for leaf in pytree.tree_leaves((setting.sample.args, dict(setting.sample.kwargs))))
    return {torch.float32, torch.float64, *(leaf.dtype for leaf in given if isinstance(leaf, Tensor))}


def _words(measured: Precision) -> str:
    """ "bfloat16 2e-03 (native 3e-03)": the worst input."""
    if measured.raised is not None:
        return f"{measured.name}: backward raises"
    if not measured.deviations:
        return f"{measured.name} not compared"
    worst = max(measured.deviations, key=lambda one: (one.excessive, one.error))
    plain = "" if worst.native is None else f" (native {worst.native:.0e})"
    return f"{measured.name} {worst.error:.0e}{plain}"
