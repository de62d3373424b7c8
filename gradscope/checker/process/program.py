"""One target in this process: imported, its program run and watched, its functions checked one by one."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from types import ModuleType

from torch import nn
from torch.autograd import Function

from gradscope.checker.models.loss import asked_loss
from gradscope.checker.process.extras import Extras
from gradscope.checker.process.messages import (
    Began,
    Checked,
    CheckedAny,
    Found,
    ImportFailed,
    Message,
    Stage,
    Told,
)
from gradscope.checker.process.one import Terms, described_any, failed, not_checkable
from gradscope.checker.process.request import Request
from gradscope.checker.process.running import run_program
from gradscope.checker.samples.capture import Capture
from gradscope.checker.subject import Subject
from gradscope.checker.subjects.discovery import subject_of, subjects_of
from gradscope.environment import environment
from gradscope.errors import InputError, TargetError
from gradscope.facts import CheckedFunction, CheckedModel, Recording, SubjectKind
from gradscope.loader.ending import run_to_end
from gradscope.loader.generators import seeded
from gradscope.loader.importing import attribute_of, import_target
from gradscope.loader.inputs import asked_inputs
from gradscope.loader.loss import check_loss
from gradscope.loader.placement import choose_device, seed_everything
from gradscope.loader.target import Target
from gradscope.recorder.sources import collect_sources


def run_request(request: Request, say: Callable[[Message], None]) -> None:
    """Does what is asked for, and tells it as it goes. GradscopeError for what cannot be done."""
    device = choose_device(request.device)
    check_loss(request.loss or None)
    if request.seed is not None:
        seed_everything(request.seed)
    # The same inputs in every run; the program's own generators stay as Python left them.
    with seeded() if request.seed is None else nullcontext():
        given = asked_inputs(request.inputs, request.inputs_file)
    with Capture() as capture:
        module = _loaded(request, say)
        if module is None:
            return
    for where, count in capture.faults.items():
        say(Told(f"a fault of gradscope's own while calls were watched ({where}), {count} times"))
    subjects = find_subjects(module, request.target, capture.local_functions())
    extras = Extras.of(request, module)
    _check_one(request, subjects)
    functions = tuple(described_any(subject) for subject in subjects)
    say(Found(functions, environment(), str(device), _sources(functions)))
    loss = asked_loss(request.loss, module) if request.loss else None
    terms = Terms(module, given, request.seconds, device, extras, loss)
    for subject in subjects:
        if subject.name not in request.done:
            say(Began(Stage.FUNCTION, subject.name))
            checked = _checked(terms, subject, capture, is_only_one=len(subjects) == 1)
            say(Checked(checked, _sources((checked,))))


def _checked(terms: Terms, subject: Subject, capture: Capture, *, is_only_one: bool) -> CheckedAny:
    try:
        checked = terms.guarded(subject, capture.samples(subject), capture.watched(subject))
        left_out = [f"calls of {subject.name} were not used: {why}" for why in capture.left_out(subject)]
        return replace(checked, notes=(*checked.notes, *left_out))
    except InputError as error:  # --input, which may be meant for another one of them
        if is_only_one:
            raise
        return failed(subject, error.what)


def find_subjects(module: ModuleType, target: Target, seen: Sequence[type[Function]] = ()) -> list[Subject]:
    """The function that a target names, or all of its module; TargetError where there is none.

    `seen` are Functions made inside functions that the program called.
    """
    if not target.attribute:
        found = subjects_of(module, seen)
        if not found:
            raise _no_function(module, target)
        return _named_apart(found)
    # an operator that the file registers by its name alone is no attribute of the module
    named = [subject for subject in subjects_of(module, seen) if subject.name == target.attribute]
    if named:
        return named[:1]
    value = attribute_of(module, target)
    subject = subject_of(_built(value), target.attribute, module)
    if subject is None:
        raise not_checkable(value, target.text)
    return [subject]


def _named_apart(subjects: Sequence[Subject]) -> list[Subject]:
    """The same subjects; where a class and an op share a name, the later one is told by a number."""
    seen: Counter[str] = Counter()
    named = []
    for subject in subjects:
        seen[subject.name] += 1
        count = seen[subject.name]
        named.append(subject if count == 1 else replace(subject, name=f"{subject.name} ({count})"))
    return named


def _built(value: object) -> object:
    """The module that a factory without arguments returns; any other value as it is."""
    if not inspect.isfunction(value) or inspect.signature(value).parameters:
        return value
    made = value()
    return made if isinstance(made, nn.Module) else value


def _no_function(module: ModuleType, target: Target) -> TargetError:
    names = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value) and name[0] != "_"
    ]
    advice = [f"gradscope check {target.where}:{name}" for name in names[:_FEW]]
    return TargetError(
        f"{target.where} defines no torch.autograd.Function and no custom op with a backward"
        + ("; name a function or module of it" if names else ""),
        try_next=advice,
    )


_FEW = 3


def _check_one(request: Request, subjects: Sequence[Subject]) -> None:
    """Raises TargetError where an option that speaks of one function meets several, or a module; and where
    `--loss` meets no module.
    """
    if request.loss and not any(subject.kind is SubjectKind.MODULE for subject in subjects):
        raise TargetError(
            f"--loss {request.loss} is for an nn.Module, and {subjects[0].name} is none: its gradients are "
            "checked whatever comes after it",
            try_next=f"gradscope check {request.target.text}",
        )
    if not (request.against or request.sweep):
        return
    option = f"--against {request.against}" if request.against else f"--sweep {request.sweep}"
    where = request.target.where
    if len(subjects) == 1 and subjects[0].kind is SubjectKind.MODULE:
        raise TargetError(
            f"{option} is about a function, and {subjects[0].name} is an nn.Module",
            try_next=f"write a function that calls it: gradscope check {where}:function {option}",
        )
    if len(subjects) > 1:
        raise TargetError(
            f"{option} is about one function, and {where} defines {len(subjects)}",
            try_next=[f"gradscope check {where}:{subject.name} {option}" for subject in subjects[:_FEW]],
        )


def _loaded(request: Request, say: Callable[[Message], None]) -> ModuleType | None:
    """The target's module, and its calls made; None where its own code failed, which is told.

    A file that is run is not imported as well: what it does, it does once.
    """
    if request.runs_target:
        return _ran(request, say) or _imported(request, say)  # as a member of a package it may do better
    module = _imported(request, say)
    if module is not None:
        _ran(request, say)
    return module


def _ran(request: Request, say: Callable[[Message], None]) -> ModuleType | None:
    """The `__main__` of the program, where there is one and it came as far as its `__main__` block."""
    if request.program is None:
        return None
    say(Began(Stage.PROGRAM))
    ran = run_program(request.program, request.longest_program, own=request.runs_target)
    if ran.note and ran.module is not None:
        say(Told(ran.note))
    return ran.module


def _imported(request: Request, say: Callable[[Message], None]) -> ModuleType | None:
    """The target's module; None where its own code failed, which is told."""
    say(Began(Stage.IMPORT))
    modules: list[ModuleType] = []
    end = run_to_end(lambda: modules.append(import_target(request.module)))
    if modules:
        return modules[0]
    recording = Recording(program=end)
    status = end.exit_status or 1
    say(ImportFailed(end.error, status, environment(), collect_sources(recording)))
    return None


def _sources(checked: Sequence[CheckedAny]) -> Mapping[str, tuple[str, ...]]:
    functions = tuple(one for one in checked if isinstance(one, CheckedFunction))
    models = tuple(one for one in checked if isinstance(one, CheckedModel))
    return collect_sources(Recording(checked=functions, checked_models=models))
