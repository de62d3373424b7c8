"""Torch's own corpora: every op of op_db and autograd_function_db, its first small sample in float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.testing._internal.autograd_function_db import autograd_function_db
from torch.utils import _pytree as pytree

from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.subject import Subject
from gradscope.facts.checks import SubjectKind
from tests.opinfos import op_db

_MOST_ELEMENTS = 100
CORPORA = {"op_db": op_db, "autograd_function_db": autograd_function_db}


@dataclass(frozen=True)
class Case:
    """A function of the tensors of a sample that require a gradient; its differentiable outputs."""

    name: str
    call: Callable[..., tuple[Tensor, ...]]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Verdicts:
    """ "right", "wrong", or "not judged"."""

    name: str
    gradchecks: str
    ours: str


def cases(corpus: str, every: int = 1, always: Container[str] = ()) -> Iterator[Case]:
    """Of each op that torch differentiates, the first sample of at most 100 elements.

    To make the samples takes most of the time: with `every` 3, a third of the ops and those of `always`.
    """
    for number, op in enumerate(CORPORA[corpus]):
        name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
        if not op.supports_autograd or (number % every and name not in always):
            continue
        for sample in op.sample_inputs("cpu", torch.float64, requires_grad=True):
            case = _case(name, op, sample)
            if case is not None:
                yield case
                break


def _case(name: str, op: Any, sample: Any) -> Case | None:
    leaves, spec = pytree.tree_flatten((sample.input, tuple(sample.args), dict(sample.kwargs)))
    places = [place for place, one in enumerate(leaves) if isinstance(one, Tensor) and one.requires_grad]
    inputs = tuple(leaves[place].detach().clone() for place in places)
    if not inputs or not 0 < sum(one.numel() for one in inputs) <= _MOST_ELEMENTS:
        return None

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        given = list(leaves)
        for place, tensor in zip(places, tensors, strict=True):
            given[place] = tensor
        first, args, kwargs = pytree.tree_unflatten(given, spec)
        torch.manual_seed(0)
        outputs = op(first, *args, **kwargs)
        if sample.output_process_fn_grad is not None:
            outputs = sample.output_process_fn_grad(outputs)
        found = [one for one in pytree.tree_leaves(outputs) if isinstance(one, Tensor)]
        return tuple(one for one in found if one.is_floating_point() or one.is_complex())

    return Case(name, call, inputs)


def comparison(case: Case) -> Comparison:
    """Ours."""
    point = Point.of(Subject(case.name, SubjectKind.CALLABLE, case.call), Sample(case.inputs))
    return compare(point, Deadline(60.0), locate=False)


def ours(case: Case) -> str:
    """Our verdict in a word."""
    found = comparison(case)
    if found.failed:
        return "not judged"
    return "wrong" if found.wrong else "right"


def gradchecks(case: Case) -> str:
    """Slow mode's verdict in a word, on those outputs that require a gradient."""

    def call(*tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(one for one in case.call(*tensors) if one.requires_grad)

    try:
        gradcheck(call, tuple(one.clone().requires_grad_() for one in case.inputs))
    except Exception as error:  # noqa: BLE001  whatever an op or gradcheck refuses
        wrong = "mismatch" in str(error) or "not multiplied by grad_output" in str(error)
        return "wrong" if wrong else "not judged"
    return "right"


def verdicts() -> Iterator[Verdicts]:
    """Both verdicts on every case."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for corpus in CORPORA:
            for case in cases(corpus):
                yield Verdicts(case.name, gradchecks(case), ours(case))
