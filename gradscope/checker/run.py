"""All checks of one function, on one or several samples: facts, no judgement."""

from __future__ import annotations

import importlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch.utils import _pytree as pytree

from gradscope.checker.cases import Check, Setting, all_cases, not_checked
from gradscope.checker.numeric import Comparison
from gradscope.checker.own_dtypes import compared, point_of
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.raised import raised
from gradscope.checker.subject import Subject
from gradscope.checker.unusual import not_meant, note_of, unreturned
from gradscope.checker.watched import Watched
from gradscope.facts.checks import (
    GRADIENT,
    NO_TIME,
    CheckedFunction,
    CheckOutcome,
    Facts,
    Origin,
    Outcome,
    SampleFact,
    SubjectKind,
)
from gradscope.recorder.stats import dtype_name

_MOST_SAMPLES = 4
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")  # of an object without a repr of its own: another in every run


@dataclass(frozen=True, slots=True)
class Limits:
    """`seconds` is the time for all checks of one function; None for no limit."""

    seconds: float | None = 2.0

    def deadline(self) -> Deadline:
        """The deadline of a function whose checks begin now."""
        return Deadline(float("inf") if self.seconds is None else self.seconds)


def check_function(
    subject: Subject,
    samples: Sequence[Sample],
    limits: Limits = Limits(),
    watched: Watched = Watched(),  # noqa: B008  frozen
    device: torch.device = torch.device("cpu"),  # noqa: B008  frozen
) -> CheckedFunction:
    """Checks one function. `samples` is not empty; the first that works is used for every check, the others
    for the gradient alone.
    """
    import_late(subject)
    began, deadline = time.perf_counter(), limits.deadline()
    checked = described(subject)
    usable: list[tuple[Sample, Point]] = []
    failures: list[str] = []
    for sample in samples[:_MOST_SAMPLES]:
        point, failure, note = point_of(subject, sample)
        checked = _noted(checked, [note] if note else [])
        if failure:
            failures.append(failure)
        else:
            usable.append((sample, point))
    if not usable:
        return replace(checked, failure=failures[0], seconds=time.perf_counter() - began)
    done = [compared(one, at, _share(deadline, len(usable))) for one, at in usable]
    usable = [(one, at) for (one, _), (at, _, _) in zip(usable, done, strict=True)]
    comparisons = [comparison for _, comparison, _ in done]
    checked = _noted(checked, [note for _, _, note in done if note])
    beside = not_meant([sample for sample, _ in usable], comparisons)
    notes = [note_of(sample_fact(*usable[number]).text, comparisons[number]) for number in beside]
    checked = replace(checked, notes=(*checked.notes, *notes))
    usable = [one for number, one in enumerate(usable) if number not in beside]
    comparisons = [one for number, one in enumerate(comparisons) if number not in beside]
    checked = _with_comparisons(checked, comparisons)
    (sample, point), first = usable[0], comparisons[0]
    without = unreturned(point, first)
    right = not first.failed and first.complete and (not first.wrong or bool(without))
    deliberate = subject.declared is not None or first.deliberate
    point = point.with_leaves({}, [index for index in point.active if index not in without])
    setting = Setting(subject, point, sample, deadline, right, watched, device, deliberate)
    for case in all_cases():
        checked = with_facts(checked, _timed(case.name, case.check, setting))
    return replace(
        checked,
        samples=tuple(sample_fact(sample, point) for sample, point in usable),
        evaluations=sum(point.evaluations for _, point in usable),
        seconds=time.perf_counter() - began,
    )


def import_late(subject: Subject) -> None:
    """Imports what torch imports at the first gradient, and what it imports at the first tangent.

    The seconds that this takes are not the function's.
    """
    all_cases()
    importlib.import_module("torch.fx.experimental.symbolic_shapes")
    if subject.kind is SubjectKind.CALLABLE or subject.lines.jvp is not None:
        importlib.import_module("torch._dynamo")


def described(subject: Subject) -> CheckedFunction:
    """A subject's name and lines, nothing measured yet."""
    lines = subject.lines
    return CheckedFunction(
        subject.name,
        subject.kind,
        lines.whole,
        lines.forward,
        lines.backward,
        lines.jvp,
        lines.vmap,
        subject.declared,
        notes=subject.notes,
    )


def with_facts(checked: CheckedFunction, facts: Facts) -> CheckedFunction:
    """The function with what one more check measured."""
    return replace(
        checked,
        outcomes=(*checked.outcomes, facts.outcome),
        wrong_gradients=(*checked.wrong_gradients, *facts.wrong_gradients),
        wrong_returns=(*checked.wrong_returns, *facts.wrong_returns),
        wrong_doubles=(*checked.wrong_doubles, *facts.wrong_doubles),
        nondeterminism=(*checked.nondeterminism, *facts.nondeterminism),
        context_tensors=(*checked.context_tensors, *facts.context_tensors),
        unmarked_writes=(*checked.unmarked_writes, *facts.unmarked_writes),
        deviations=(*checked.deviations, *facts.deviations),
        saved=facts.saved or checked.saved,
        notes=(*checked.notes, *facts.notes),
    )


def sample_fact(sample: Sample, point: Point) -> SampleFact:
    """A sample as text: the name, dtype and shape of each tensor, and all other values."""
    original = Point.of(point.subject, sample, dtype=None)
    parts = [
        f"{name} {_described(value)}" for name, value in zip(original.names, original.leaves, strict=True)
    ]
    wanted: tuple[str, ...] = ()
    if sample.origin is Origin.CAPTURED:
        given = pytree.tree_leaves((tuple(sample.args), dict(sample.kwargs)))
        pairs = zip(original.names, given, strict=True)
        wanted = tuple(
            name for name, value in pairs if isinstance(value, torch.Tensor) and value.requires_grad
        )
    return SampleFact(", ".join(parts) or "no arguments", sample.source, sample.origin, wanted)


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"{dtype_name(value.dtype)}{tuple(value.shape)}"
    text = _ADDRESS.sub("", repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_LONGEST = 40
_LONGEST_REASON = 200


def _timed(name: str, check: Check, setting: Setting) -> Facts:
    """What a check found; where no time is left, or it fails itself, its outcome says so."""
    if setting.deadline.is_over:
        return not_checked(name, NO_TIME)
    began = time.perf_counter()
    try:
        facts = check(setting)
    except Exception as error:  # noqa: BLE001  one check's fault must not cost the others
        facts = not_checked(name, f"a fault of gradscope's own: {raised(error)[:_LONGEST_REASON]}")
    return replace(facts, outcome=replace(facts.outcome, seconds=time.perf_counter() - began))


def _share(deadline: Deadline, count: int) -> Deadline:
    """A half of what is left, in equal parts: the other checks get the rest."""
    return Deadline(deadline.left() / (2 * count))


def _noted(checked: CheckedFunction, notes: Sequence[str]) -> CheckedFunction:
    return replace(checked, notes=tuple(dict.fromkeys([*checked.notes, *notes])))


def _with_comparisons(checked: CheckedFunction, comparisons: Sequence[Comparison]) -> CheckedFunction:
    wrong = tuple(one for comparison in comparisons for one in comparison.wrong)
    known = [one.agreement for one in comparisons if one.agreement is not None]
    return replace(
        checked,
        outcomes=(_outcome(checked, comparisons),),
        wrong_gradients=wrong,
        agreement=max(known, default=None),
        notes=tuple(dict.fromkeys([*checked.notes, *_notes(checked, comparisons)])),
    )


def _notes(checked: CheckedFunction, comparisons: Sequence[Comparison]) -> list[str]:
    """What the comparisons note; not that a surrogate should be declared, where it is."""
    known = [one for one in comparisons if not (one.deliberate and checked.declared is not None)]
    notes: list[str] = []
    for one in known:  # a later sample often says the same with other numbers
        said = {_without_numbers(note) for note in notes}
        notes += [note for note in one.notes if _without_numbers(note) not in said]
    return notes


def _without_numbers(note: str) -> str:
    return re.sub(r"\d[\d.e+-]*", "", note)


def _outcome(checked: CheckedFunction, comparisons: Sequence[Comparison]) -> CheckOutcome:
    """How the comparison of the gradient itself ended, over all samples."""
    agreement = max((one.agreement for one in comparisons if one.agreement is not None), default=None)
    if any(one.wrong for one in comparisons):
        worst = next(one.wrong[0] for one in comparisons if one.wrong)
        if checked.declared is not None:
            return CheckOutcome(GRADIENT, Outcome.DECLARED, f"declared {checked.declared.kind}")
        is_wrong = not all(one.deliberate for one in comparisons if one.wrong)
        return CheckOutcome(
            GRADIENT, Outcome.FAILED if is_wrong else Outcome.PASSED, f"input {worst.input_name}"
        )
    failed = next((one.failed for one in comparisons if one.failed), "")
    if failed:
        return CheckOutcome(GRADIENT, Outcome.NOT_CHECKED, failed)
    if not all(one.complete for one in comparisons):
        return CheckOutcome(GRADIENT, Outcome.NOT_CHECKED, f"{NO_TIME} for some inputs")
    count = len(comparisons)
    tried = f"{count} input{'s' if count > 1 else ''} tried"
    return CheckOutcome(GRADIENT, Outcome.PASSED, tried if agreement is None else f"{tried}, {agreement:.0e}")
