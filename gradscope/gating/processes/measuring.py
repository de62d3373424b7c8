"""One target as a call that measures it, exactly as its own command would. torch is imported when called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from gradscope.facts import Recording
from gradscope.gating.settings import GateTarget

if TYPE_CHECKING:
    from gradscope.loader.target import Target

Measured: TypeAlias = tuple[Recording, Mapping[str, str]]
"""What was measured, and with which versions and devices."""

Say: TypeAlias = Callable[[str], None]
"""Told what is done now, where that has stages."""


def prepared(target: GateTarget, say: Say) -> Callable[[], Measured]:
    """Reads the target and imports what measures it. UsageError where there is no such target."""
    return _PREPARE[target.command](target, say)


def _traced(gated: GateTarget, _say: Say) -> Callable[[], Measured]:
    target = _target(gated)
    from gradscope.environment import arithmetic, environment
    from gradscope.tracing import trace_target

    return lambda: (trace_target(target, gated.options), {**environment(), **arithmetic()})


def _remembered(gated: GateTarget, say: Say) -> Callable[[], Measured]:
    from gradscope.memory_use.budget import parse_budget

    budget = None if gated.budget is None else parse_budget(gated.budget)
    target = _target(gated)
    from gradscope.environment import arithmetic, environment
    from gradscope.memory_measuring import Request, measure_target

    compare = budget is not None or bool(gated.blocks)
    request = Request(budget, gated.blocks, fake=gated.fake, compare=compare)
    return lambda: (measure_target(target, gated.options, request, say), {**environment(), **arithmetic()})


def _checked(gated: GateTarget, say: Say) -> Callable[[], Measured]:
    from gradscope.checker.process.request import SECONDS, Request
    from gradscope.checker.process.targets import parse_words, seen_program
    from gradscope.checking import check_target
    from gradscope.loader.sweeps import read_against

    words, module = _words(gated)
    target = parse_words(words, module)
    program = seen_program(target, gated.capture, no_run=gated.no_run)
    if gated.against is not None:
        read_against(gated.against)
    options = gated.options
    request = Request(
        target=target,
        inputs=options.inputs,
        inputs_file=options.inputs_file,
        program=program,
        device=options.device,
        seed=options.seed,
        seconds=SECONDS if gated.check_time_limit is None else gated.check_time_limit,
        against=gated.against or "",
        loss=options.loss or "",
    )

    def check() -> Measured:
        outcome = check_target(request, lambda stage, _seconds: say(stage))
        return outcome.recording, outcome.environment

    return check


_PREPARE = {"trace": _traced, "memory": _remembered, "check": _checked}


def _target(gated: GateTarget) -> Target:
    from gradscope.loader.target import parse_target

    return parse_target(*_words(gated))


def _words(gated: GateTarget) -> tuple[tuple[str, ...], str | None]:
    """The words of a command line, and the value of its `-m`."""
    if gated.target.startswith("-m "):
        return gated.arguments, gated.target.removeprefix("-m ").strip()
    return (gated.target, *gated.arguments), None
