"""Which arguments a function is checked with: given, the file's own, captured, or found by trial."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from gradscope.checker.point import Deadline, Sample
from gradscope.checker.raised import raised
from gradscope.checker.samples.inference import infer
from gradscope.checker.subject import Subject
from gradscope.errors import InputError
from gradscope.facts.checks import Origin, SubjectKind
from gradscope.loader.inputs import HOOK, Inputs, check_fits


def samples_for(
    subject: Subject,
    module: ModuleType | None,
    given: Inputs | None,
    captured: Sequence[Sample] = (),
    deadline: Deadline | None = None,
) -> tuple[list[Sample], str]:
    """The samples to check a subject with, the best first; and why there are none, "" where there are.

    `given` (--input) first, and what was captured after it; else the module's `gradscope_inputs`, else what
    was captured, else what is found by trial before the deadline. InputError where `given` does not fit.
    """
    if given is not None:
        check_fits(subject.name, _signed(subject), given)
        first = Sample(given.args, dict(given.kwargs), given.source, Origin.GIVEN)
        return [positional(subject, each) for each in (first, *captured)], ""
    try:
        own = hook_samples(subject, module)
        for each in own:
            check_fits(subject.name, _signed(subject), Inputs(each.args, each.kwargs, each.source))
    except InputError as error:
        return [], error.what
    except Exception as error:  # noqa: BLE001  the user's own function may raise anything
        return [], f"{HOOK} raises {raised(error)}"
    if own or captured:
        return [positional(subject, each) for each in (*own, *captured)], ""
    return infer(subject, deadline or Deadline(1.0))


def fits(subject: Subject, given: Inputs) -> bool:
    """Whether inputs can be the arguments of a subject, as far as its signature tells."""
    try:
        check_fits(subject.name, _signed(subject), given)
    except InputError:
        return False
    return True


def positional(subject: Subject, sample: Sample) -> Sample:
    """The sample as the subject takes it: `Function.apply` takes no arguments by name."""
    if subject.kind is not SubjectKind.FUNCTION or not sample.kwargs or subject.signature is None:
        return sample
    bound = subject.signature.bind(*sample.args, **sample.kwargs)
    if bound.kwargs:  # in front of them stand parameters that were left out
        bound.apply_defaults()
    return replace(sample, args=bound.args, kwargs={})


def hook_samples(subject: Subject, module: ModuleType | None) -> list[Sample]:
    """What `gradscope_inputs` of a module gives for a subject; nothing where it does not speak of it.

    A mapping from function names, or a function that returns one; or the arguments themselves, where they
    fit. What the user's own code raises comes out.
    """
    value: Any = getattr(module, HOOK, None)
    is_called = callable(value)
    if is_called:
        value = value()
    if isinstance(value, Mapping):
        for name in dict.fromkeys((subject.name, subject.name.rpartition(".")[2])):
            if name in value:
                return _samples(value[name], f"{HOOK}[{name!r}]")
    if not is_called or value is None:
        return []
    alone = _samples(value, f"{HOOK}()")
    return [each for each in alone if fits(subject, Inputs(each.args, each.kwargs))]


def _samples(value: Any, source: str) -> list[Sample]:
    """A tuple is the arguments of one call, a list of tuples of several; what can be called returns one."""
    if callable(value) and not hasattr(value, "shape"):
        value = value()
    if isinstance(value, list) and value and all(isinstance(each, tuple | Mapping) for each in value):
        return [_sample(each, f"{source}[{number}]") for number, each in enumerate(value)]
    return [_sample(value, source)]


def _sample(value: Any, source: str) -> Sample:
    if isinstance(value, Mapping):
        return Sample((), dict(value), source, Origin.HOOK)
    return Sample(tuple(value) if isinstance(value, tuple | list) else (value,), {}, source, Origin.HOOK)


class _Signed:
    """Stands for a function, for those who ask what its signature is."""

    def __init__(self, signature: inspect.Signature) -> None:
        self.__signature__ = signature

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Is never called."""


def _signed(subject: Subject) -> Any:
    return _Signed(subject.signature) if subject.signature is not None else subject.call
