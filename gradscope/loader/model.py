"""A module, a factory of one, or a function that returns a loss, run forward and backward."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import nn
from torch._subclasses.fake_tensor import is_fake

from gradscope.errors import GradscopeError, InputError, TargetError
from gradscope.loader.guess import Guess, guess_inputs
from gradscope.loader.importing import attribute_of, import_target
from gradscope.loader.inputs import (
    HOOK,
    Inputs,
    check_fits,
    from_expressions,
    given_inputs,
    required,
    signature_text,
)
from gradscope.loader.loss import Note, check_loss, find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import Placement
from gradscope.loader.target import Target
from gradscope.loader.work import Work, make_optimizer
from gradscope.recorder.memory.storages import not_counted
from gradscope.recorder.names import named_arguments

_NOTHING = object()


class Model:
    """A target that is not a program: it is called, and its loss's backward run, `--steps` times."""

    def __init__(self, target: Target, options: Options, placement: Placement) -> None:
        self.target = target
        self.options = options
        self.placement = placement
        self.work: Work | None = None  # what is run, once it is built
        from_expressions(options.inputs)  # both raise UsageError, before the target's own code has run
        check_loss(options.loss)

    def run(self, note: Note) -> None:
        """Imports the target and traces it; what its own code raises comes out."""
        with self.placement.around_model():
            module = import_target(self.target)
            self.trace(attribute_of(module, self.target), self.target.text, module, note)

    def run_found(self, found: object, name: str, module: ModuleType, note: Note) -> None:
        """Traces what was found in a module that is loaded already; `name` is how it would be typed."""
        with self.placement.around_model():
            self.trace(found, name, module, note)

    def trace(self, found: object, name: str, module: ModuleType, note: Note) -> None:
        """Builds `found`, finds its inputs and loss, and runs the passes."""
        work, output = self.prepare(found, name, module, note)
        self.work = work
        self._passes(work, output, note)

    def prepare(self, found: object, name: str, module: ModuleType, note: Note) -> tuple[Work, Any]:
        """The step to run, and the first output where finding out what `found` is has produced one."""
        with not_counted():  # every pass is given copies, and these count
            given = given_inputs(self.options, module)
        subject, output = _build(found, name, given)
        if isinstance(subject, nn.Module):
            self.place(subject)
            with not_counted():
                inputs = given if given is not None else self._guessed(subject, name, note)
            check_fits(f"{type(subject).__name__}.forward", subject.forward, inputs)
        else:
            inputs = given if given is not None and _takes_arguments(subject) else Inputs()
            if given is not None and inputs is not given:
                raise InputError(f"{name} takes no inputs", where=(f"given  {given.source}",))
            check_fits(name, subject, inputs)
        with not_counted():
            placed = inputs.placed(self.placement.device, self.placement.dtype)
        work = Work(
            subject=subject,
            name=name,
            inputs=placed,
            find=find_loss(self.options.loss),
            placement=self.placement,
            optimizer=make_optimizer(self.options.optimizer, subject),
        )
        return work, output

    def place(self, subject: nn.Module) -> None:
        """Puts a module on the device, in the dtype, that were asked for.

        TargetError for one on the meta device, whose parameters have no values to put anywhere.
        """
        if self.placement.device.type != "meta" and any(
            each.is_meta and not is_fake(each) for each in subject.parameters()
        ):
            raise TargetError(
                f"{self.target.text} has parameters on the meta device, which hold no values to run with",
                try_next=(
                    "build it without torch.device('meta')",
                    f"gradscope memory {self.target.text} --fake  needs no values",
                ),
            )
        subject.to(device=self.placement.device, dtype=self.placement.dtype)

    def _guessed(self, subject: nn.Module, name: str, note: Note) -> Inputs:
        """Inputs guessed from the first layer: the first of several shapes that forward takes."""
        needed = required_of(subject.forward)
        if not needed:
            return Inputs(source="no inputs")
        guesses = [guess for guess in guess_inputs(subject) if _enough(guess, needed)]
        if not guesses:
            raise _no_inputs(subject, name)
        guess = guesses[0]
        if len(guesses) > 1:
            guess = next((guess for guess in guesses if self._runs(subject, guess)), guess)
        note(f"inputs: {guess.options}, guessed from {guess.layer}; say other ones with --input or {HOOK}()")
        return _inputs_of(guess)

    def _runs(self, subject: nn.Module, guess: Guess) -> bool:
        inputs = _inputs_of(guess).placed(self.placement.device, self.placement.dtype)
        try:
            with torch.no_grad():
                subject(*inputs.args, **inputs.kwargs)
        except RuntimeError:
            return False
        return True

    def _passes(self, work: Work, output: Any, note: Note) -> None:
        subject, name, inputs, find = work.subject, work.name, work.inputs, work.find
        with named_arguments() as names:
            for number in range(self.options.steps or 1):
                say = note if number == 0 else _silent
                if isinstance(subject, nn.Module):
                    subject.zero_grad()
                if output is _NOTHING:
                    output = _call(subject, name, inputs, names)
                loss = find(output, inputs, say)
                if not loss.requires_grad and _make_leaves(subject, inputs):
                    why = "because nothing else of it does"
                    say(f"the inputs of {name} were made to require a gradient, {why}")
                    loss = find(_call(subject, name, inputs, names), inputs, _silent)
                output = _NOTHING
                loss.backward()  # type: ignore[no-untyped-call]
                del loss
                if work.optimizer is not None:
                    work.optimizer.step()


def _silent(_text: str) -> None:
    """Says nothing: later passes repeat what the first one said."""


def _build(found: object, name: str, given: Inputs | None) -> tuple[Callable[..., Any], Any]:
    """The module or function to call, and its first output where finding out has produced one."""
    if isinstance(found, nn.Module):
        return found, _NOTHING
    if isinstance(found, type) and not issubclass(found, nn.Module):
        raise TargetError(f"{name} is a class, but not an nn.Module")
    if not callable(found):
        raise TargetError(
            f"{name} is of type {type(found).__name__}; a target is an nn.Module, a factory of one, or a "
            "function that returns a loss"
        )
    needed = required_of(found)
    if isinstance(found, type):
        if needed:
            raise _needs_arguments(found, name, needed)
        return found(), _NOTHING
    if needed:
        if given is None:
            arguments = " ".join(f"--input '{parameter}=...'" for parameter in needed)
            raise InputError(
                f"{name}{_signature(found)} needs inputs", try_next=(f"gradscope trace {name} {arguments}",)
            )
        return found, _NOTHING
    output = found()
    if isinstance(output, nn.Module):
        return output, _NOTHING
    if output is None:
        raise TargetError(f"{name}() returned None; it must return a loss or an nn.Module")
    return found, _NOTHING if given is not None else output


def required_of(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments that a call must give; none where the signature cannot be read."""
    try:
        return required(inspect.signature(function))
    except (TypeError, ValueError):
        return []


def _signature(function: Callable[..., Any]) -> str:
    try:
        return signature_text(inspect.signature(function))
    except (TypeError, ValueError):
        return "(...)"


def _takes_arguments(function: Callable[..., Any]) -> bool:
    try:
        return bool(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return True


def _needs_arguments(module: type, name: str, needed: list[str]) -> TargetError:
    plural = "arguments" if len(needed) > 1 else "argument"
    file = name.rpartition(":")[0]
    values = ", ".join(f"{parameter}=..." for parameter in needed)
    return TargetError(
        f"{module.__name__}{_signature(module)} needs the {plural} {', '.join(needed)} to be constructed",
        try_next=(
            f"gradscope trace {file}:build",
            "where build is a factory that you write beside it:",
            f"def build(): return {module.__name__}({values})",
        ),
    )


def _inputs_of(guess: Guess) -> Inputs:
    inputs = from_expressions(guess.expressions)
    return Inputs(inputs.args, inputs.kwargs, f"{guess.options} (guessed from {guess.layer})")


def _enough(guess: Guess, needed: list[str]) -> bool:
    named = {expression.partition("=")[0] for expression in guess.expressions if "=" in expression}
    return set(needed) <= named or (not named and len(needed) <= len(guess.expressions))


def _no_inputs(subject: nn.Module, name: str) -> InputError:
    """The error for a module whose inputs were not given and cannot be guessed, with what to type."""
    class_name = type(subject).__name__
    needed = required_of(subject.forward)
    guess = next(iter(guess_inputs(subject)), None)
    if guess is None:
        options = " ".join(f"--input '{parameter}=randn(...)'" for parameter in needed)
        hint = f"no layer of {class_name} tells a shape; or define {HOOK}() beside it"
    else:
        first, *others = needed
        options = f"--input '{first}={guess.expressions[0].rpartition('=')[2]}'"
        options += "".join(f" --input '{other}=...'" for other in others)
        hint = f"the shape of {first} is a guess from {guess.layer}"
    return InputError(
        f"{class_name}.forward{_signature(subject.forward)} needs inputs",
        try_next=(f"gradscope trace {name} {options}", f"({hint})"),
    )


def _call(subject: Callable[..., Any], name: str, inputs: Inputs, names: dict[str, Any]) -> Any:
    """Calls it with copies of the inputs, which go by the names of its arguments in `names`."""
    copies = inputs.copies()
    names.clear()
    names.update(_bound(subject, copies))
    try:
        return subject(*copies.args, **copies.kwargs)
    except GradscopeError:
        raise
    except Exception as error:
        if copies.source:
            error.add_note(f"  {name} was called with {copies.source}: {copies}")
        raise


def _bound(subject: Callable[..., Any], inputs: Inputs) -> dict[str, Any]:
    function = subject.forward if isinstance(subject, nn.Module) else subject
    try:
        bound = inspect.signature(function).bind(*inputs.args, **inputs.kwargs)
    except (TypeError, ValueError):  # no signature, or a call that will say so itself
        return {}
    return {key: value for key, value in bound.arguments.items() if isinstance(value, torch.Tensor)}


def _make_leaves(subject: Callable[..., Any], inputs: Inputs) -> bool:
    """Makes floating-point inputs require a gradient where nothing of the subject can; True where it did."""
    if isinstance(subject, nn.Module) and any(p.requires_grad for p in subject.parameters()):
        return False
    floats = [t for t in inputs.tensors() if t.is_floating_point() and not t.requires_grad]
    with torch._C.DisableTorchFunction():
        for tensor in floats:
            tensor.requires_grad_()
    return bool(floats)
