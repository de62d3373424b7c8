"""`--redact` for the facts of `gradscope check`: what was checked and how it ended, and no values."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Final

from gradscope.facts import (
    NEEDS_MORE,
    NO_TIME,
    CheckedFunction,
    CheckedModel,
    CheckOutcome,
    ContextTensor,
    Curve,
    Declaration,
    SampleFact,
    UnmarkedWrite,
    Ways,
    WrongDouble,
    WrongGradient,
    WrongParameter,
    WrongReturn,
)
from gradscope.reporters.redaction_texts import HIDDEN_TEXT, Texts, optional

_OUT: Final = math.nan  # a number that was taken out
_KINDS: Final = ("straight-through", "reversal", "clipping", "surrogate")
_SHAPED: Final = re.compile(
    r"(?<![^ ])(?:[^\W\d]\w*(?:[.\[]\w+\]?)* )?(?:b?float\d\w*|u?int\d+|bool|complex\d+)\([\d, ]*\)"
)
_OPEN: Final = re.compile(r" \([^)]*$")  # a parenthesis that the message stood in
_INPUT: Final = re.compile(r"[^\W\d]\w*(?:\.\w+|\[\d+\])*")  # `x`, `args[1]`, `blocks.0.weight`
_SHAPE: Final = re.compile(r"[\w.]*\([\d, ]*\)|\d+|[\w.]+")


def hidden_function(function: CheckedFunction, texts: Texts) -> CheckedFunction:
    """Names, places, outcomes, sizes in bytes and seconds; of arguments dtypes and shapes."""
    return replace(
        function,
        name=texts.paths(function.name),
        location=texts.place(function.location),
        forward=texts.place(function.forward),
        backward=texts.place(function.backward),
        jvp=texts.place(function.jvp),
        vmap=texts.place(function.vmap),
        declared=None if function.declared is None else _declaration(function.declared, texts),
        samples=tuple(_sample(each) for each in function.samples),
        outcomes=tuple(_outcome(each) for each in function.outcomes),
        wrong_gradients=tuple(_wrong_gradient(each, texts) for each in function.wrong_gradients),
        wrong_returns=tuple(_wrong_return(each, texts) for each in function.wrong_returns),
        wrong_doubles=tuple(_wrong_double(each, texts) for each in function.wrong_doubles),
        nondeterminism=tuple(
            replace(
                each,
                input_name=_input(each.input_name),
                difference=_OUT,
                drawn_at=texts.place(each.drawn_at),
            )
            for each in function.nondeterminism
        ),
        context_tensors=tuple(_context_tensor(each, texts) for each in function.context_tensors),
        unmarked_writes=tuple(_unmarked_write(each, texts) for each in function.unmarked_writes),
        deviations=tuple(
            replace(each, input_name=_input(each.input_name), error=_OUT, native=None)
            for each in function.deviations
        ),
        ways=optional(_ways, function.ways),
        curves=tuple(Curve(_input(each.name), (), (), (), ()) for each in function.curves),
        agreement=None,
        failure=_failure(function.failure, texts),
        failed_at=texts.place(function.failed_at),
        notes=(),
    )


def hidden_model(model: CheckedModel, texts: Texts) -> CheckedModel:
    """Names, places and counts."""
    module = model.module
    return replace(
        model,
        location=texts.place(model.location),
        objective="",
        error=None if model.error is None else _OUT,
        wrong=tuple(_wrong_parameter(each) for each in model.wrong),
        unreached=tuple(_wrong_parameter(each) for each in model.unreached),
        module=None if module is None else replace(module, location=texts.place(module.location)),
        function=None if model.function is None else hidden_function(model.function, texts),
        low_precision=tuple(map(texts.location, model.low_precision)),
        failure=_failure(model.failure, texts),
        notes=(),
    )


def _input(name: str) -> str:
    return name if _INPUT.fullmatch(name) else HIDDEN_TEXT if name else ""


def _failure(text: str, texts: Texts) -> str:
    """The reason without an exception's message, which stands after a colon; never empty where it was not."""
    reason = _OPEN.sub("", text.partition(":")[0])
    return (texts.unless_quoting(reason) or HIDDEN_TEXT) if text else ""


def _declaration(declared: Declaration, texts: Texts) -> Declaration:
    kind = declared.kind if declared.kind in _KINDS else HIDDEN_TEXT
    return Declaration(kind, texts.location(declared.location))


def _sample(sample: SampleFact) -> SampleFact:
    """Tensors with their dtypes and shapes; where they come from without what was typed."""
    shapes = ", ".join(found.group() for found in _SHAPED.finditer(sample.text))
    return SampleFact(shapes or HIDDEN_TEXT, "", sample.origin, sample.requires_grad)


def _outcome(outcome: CheckOutcome) -> CheckOutcome:
    known = next((each for each in (NO_TIME, NEEDS_MORE) if outcome.detail.startswith(each)), "")
    return replace(outcome, detail=known)


def _wrong_gradient(wrong: WrongGradient, texts: Texts) -> WrongGradient:
    return replace(
        wrong,
        input_name=_input(wrong.input_name),
        analytical=None,
        numerical=_OUT,
        uncertainty=_OUT,
        pattern_text="",
        condition="",
        location=texts.place(wrong.location),
    )


def _wrong_return(wrong: WrongReturn, texts: Texts) -> WrongReturn:
    """`expected` and `got` stay where they are a shape, a dtype, a device or a count."""
    return replace(
        wrong,
        input_name=_input(wrong.input_name),
        expected=_shape(wrong.expected),
        got=_shape(wrong.got),
        condition="",
        error="",
        location=texts.place(wrong.location),
    )


def _shape(text: str) -> str:
    return text if _SHAPE.fullmatch(text) else HIDDEN_TEXT if text else ""


def _wrong_double(wrong: WrongDouble, texts: Texts) -> WrongDouble:
    return replace(
        wrong,
        input_name=_input(wrong.input_name),
        analytical=None,
        numerical=None,
        uncertainty=None,
        used_at=texts.place(wrong.used_at),
        because=texts.place(wrong.because),
        because_text="",
    )


def _context_tensor(kept: ContextTensor, texts: Texts) -> ContextTensor:
    return replace(kept, location=texts.place(kept.location), changed_at=texts.place(kept.changed_at))


def _unmarked_write(write: UnmarkedWrite, texts: Texts) -> UnmarkedWrite:
    return replace(write, input_name=_input(write.input_name), location=texts.place(write.location))


def _ways(ways: Ways) -> Ways:
    return replace(ways, ways=tuple(replace(way, error=None, text="") for way in ways.ways), steps=())


def _wrong_parameter(wrong: WrongParameter) -> WrongParameter:
    return WrongParameter(_input(wrong.name), None, _OUT, _OUT)
