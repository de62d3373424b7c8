"""A `Setting` for a function and its arguments, as `check_function` makes it."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from gradscope.checker.cases import Setting
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.sources import lines_of_function
from gradscope.checker.watched import Watched
from gradscope.facts.checks import SubjectKind


def subject_of(function: Any) -> Subject:
    """A Function's class, a custom op, or a plain function."""
    if isinstance(function, type) and issubclass(function, torch.autograd.Function):
        names = list(inspect.signature(function.forward).parameters.values())
        apart = function.setup_context is not torch.autograd.Function.setup_context
        signature = inspect.Signature(names if apart else names[1:])
        lines = lines_of_function(function)
        return Subject(function.__name__, SubjectKind.FUNCTION, function.apply, signature, function, lines)
    if hasattr(function, "_opoverload"):
        return Subject(function._name, SubjectKind.CUSTOM_OP, function)
    return Subject(function.__name__, SubjectKind.CALLABLE, function, inspect.signature(function))


def setting_of(
    function: Any,
    *args: Any,
    right: bool = True,
    deliberate: bool = False,
    seconds: float = 60.0,
    device: str = "cpu",
) -> Setting:
    """The setting of one check."""
    subject, sample = subject_of(function), Sample(args)
    point = Point.of(subject, sample)
    return Setting(
        subject, point, sample, Deadline(seconds), right, Watched(), torch.device(device), deliberate
    )
