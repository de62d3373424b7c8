"""A backward's gradient is not the derivative of its forward.

What it finds
    The `torch.autograd.Function`, custom op or function whose analytical gradient differs from the
    numerical derivative, with the worst element, both values, and in what way they differ. The same for
    its `jvp` and for a derivative written by hand (`--against`), and for a whole model, followed to the
    module at fault.

Why it matters
    Torch takes what backward returns on trust. Training with a wrong gradient goes on, only worse, and
    `gradcheck` says that a matrix does not match, not where and by how much.

Example
    ```python
    import torch


    class Softplus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, beta):
            ctx.save_for_backward(x)
            ctx.beta = beta
            return torch.log1p(torch.exp(beta * x)) / beta

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * ctx.beta * torch.sigmoid(ctx.beta * x), None


    gradscope_inputs = {"Softplus": (torch.randn(4, 3), 2.0)}
    ```

Use instead
    ```python
    import torch


    class Softplus(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, beta):
            ctx.save_for_backward(x)
            ctx.beta = beta
            return torch.log1p(torch.exp(beta * x)) / beta

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * torch.sigmoid(ctx.beta * x), None


    gradscope_inputs = {"Softplus": (torch.randn(4, 3), 2.0)}
    ```

Limits
    Judged at the inputs that were tried. Silent where the code declares an approximation
    (`# gradscope: approximate[straight-through]`), and where forward is piecewise constant or the identity,
    since nobody means its derivative there. At a kink, any value between the one-sided derivatives is
    right; where the derivative does not exist nothing is said. An input that gets `None` is an error where
    the program asks for its gradient, and information only where it never does, or where its name says that
    it is data ("target", "mask"); where gradscope made the input up itself, a warning for what is usually
    learned ("weight"), and else information.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Recording
from gradscope.facts.checks import Cause, CheckedFunction, Origin, WrongGradient
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._checked import backward_place, is_made_up, measured, returns_of
from gradscope.rules._checked_models import model_findings
from gradscope.rules._gradient_fixes import COMPILED, SCALED, gradient_fix
from gradscope.rules._words import number

_finding = partial(Finding, "GS601", "wrong-gradient")
_MISTAKES = (Cause.FORMULA, Cause.MISSING, Cause.KINK)
_DATA = frozenset(
    ["target", "targets", "label", "labels", "mask", "masks", "truth", "gt", "reference", "noise", "eps"]
)
_LEARNED = frozenset(
    ["weight", "weights", "bias", "w", "b", "gamma", "beta", "scale", "alpha", "ratio", "slope"]
)
_MOST_ALSO = 3


@rule("GS601", "wrong-gradient", Severity.ERROR)
def wrong_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each backward (or jvp, or derivative by hand) that is wrong, for all its inputs."""
    for checked in recording.checked:
        mistakes = [one for one in checked.wrong_gradients if one.cause in _MISTAKES]
        by_place: dict[Location | None, list[WrongGradient]] = {}
        for one in mistakes:
            if checked.declared is None or one.way == "against":
                by_place.setdefault(_place(checked, one), []).append(one)
        for location, wrong in by_place.items():
            wrong.sort(key=lambda one: (-_severity(checked, one).rank, *_rank(one)))
            yield _judged(recording, checked, location, wrong)
    yield from model_findings(recording)


def _place(checked: CheckedFunction, wrong: WrongGradient) -> Location | None:
    if wrong.way == "against":
        return wrong.location
    own = {"jvp": checked.jvp, "vmap": checked.vmap}.get(wrong.way)
    return own or backward_place(checked)


def _rank(wrong: WrongGradient) -> tuple[bool, bool, bool, bool]:
    """Of one severity what is always wrong comes first, then the formula, then what is sure to matter."""
    is_data = wrong.cause is Cause.MISSING and _is_called(wrong, _DATA)
    return bool(wrong.condition), wrong.cause is not Cause.FORMULA, is_data, wrong.way != "backward"


def _severity(checked: CheckedFunction, wrong: WrongGradient) -> Severity:
    if wrong.cause is not Cause.MISSING:
        is_mild = _may_be_scaled_out(wrong) or wrong.condition == COMPILED
        return Severity.WARNING if is_mild else Severity.ERROR
    asked = _is_asked_for(checked, wrong)
    if asked is not None:
        return Severity.ERROR if asked else Severity.INFO
    if _is_called(wrong, _DATA):
        return Severity.INFO
    if not is_made_up(checked):
        return Severity.ERROR
    return Severity.WARNING if _is_called(wrong, _LEARNED) else Severity.INFO


def _is_asked_for(checked: CheckedFunction, wrong: WrongGradient) -> bool | None:
    """Whether a call of the program wanted a gradient of this input; None where no call was seen."""
    calls = [sample for sample in checked.samples if sample.origin is Origin.CAPTURED]
    return any(wrong.input_name in call.requires_grad for call in calls) if calls else None


def _is_called(wrong: WrongGradient, words: frozenset[str]) -> bool:
    """Whether one of the words is part of the input's name."""
    return not words.isdisjoint(wrong.input_name.casefold().replace("[", "_").split("_"))


def _judged(
    recording: Recording, checked: CheckedFunction, location: Location | None, wrong: list[WrongGradient]
) -> Finding:
    worst, *others = wrong
    sure = _is_sure(checked, worst)
    forward = checked.forward
    related = [*(returns_of(recording, checked) if worst.way == "backward" else ())]
    if forward is not None and forward != location:
        related.append(Related(forward, "the forward"))
    return _finding(
        severity=_severity(checked, worst),
        confidence=Confidence.CERTAIN if sure else Confidence.PROBABLE,
        message=_message(checked, worst),
        location=location,
        label=_label(worst),
        subjects=tuple(dict.fromkeys(one.input_name for one in wrong)),
        related=tuple(related),
        notes=tuple(_notes(checked, worst, others)),
        evidence={
            "function": checked.name,
            "input": worst.input_name,
            "element": list(worst.element),
            "output_element": list(worst.output_element) if worst.output_element is not None else None,
            "analytical": worst.analytical,
            "numerical": worst.numerical,
            "uncertainty": worst.uncertainty,
            "cause": worst.cause.value,
            "pattern": worst.pattern.value,
            "wrong": worst.wrong,
            "looked_at": worst.looked_at,
            "condition": worst.condition,
            "way": worst.way,
        },
        fix=gradient_fix(checked, worst),
    )


def _is_sure(checked: CheckedFunction, wrong: WrongGradient) -> bool:
    """A missing gradient of an input that gradscope made up itself may be meant."""
    return not (wrong.cause is Cause.MISSING and is_made_up(checked)) and not _may_be_scaled_out(wrong)


def _may_be_scaled_out(wrong: WrongGradient) -> bool:
    """Whether scaled inputs may have lost what the function counts on (unit length, a sum of one): they are
    wrong in every element, and not in a region only.
    """
    return wrong.condition.endswith(SCALED) and wrong.wrong == wrong.looked_at


def _method(wrong: WrongGradient) -> str:
    return {"backward": "backward", "jvp": "jvp", "vmap": "backward under vmap"}.get(wrong.way, wrong.way)


def _message(checked: CheckedFunction, wrong: WrongGradient) -> str:
    where = _element(wrong.input_name, wrong.element)
    when = f", {wrong.condition}" if wrong.condition else ""
    if wrong.way == "against":
        return f"{wrong.against or 'the derivative by hand'} is wrong for {where}{when}"
    if wrong.cause is Cause.MISSING:
        return f"the {_method(wrong)} of `{checked.name}` returns None for `{wrong.input_name}`{when}"
    if wrong.analytical != wrong.analytical:
        return f"the {_method(wrong)} of `{checked.name}` gives NaN for {where}{when}"
    if wrong.cause is Cause.KINK:
        kink = "lies outside the one-sided derivatives"
        return f"the {_method(wrong)} of `{checked.name}` {kink} for {where}{when}"
    return f"the {_method(wrong)} of `{checked.name}` is wrong for {where}{when}"


def _element(name: str, element: tuple[int, ...]) -> str:
    return f"`{name}`, element [{', '.join(map(str, element))}]" if element else f"`{name}`"


def _label(wrong: WrongGradient) -> str:
    if wrong.cause is Cause.MISSING:
        return f"None, where the derivative is {number(wrong.numerical)}"
    return f"{number(wrong.analytical)} here, {number(wrong.numerical)} is right"


def _notes(checked: CheckedFunction, worst: WrongGradient, others: list[WrongGradient]) -> Iterator[Note]:
    yield Note("gradient", _numbers(worst))
    if worst.pattern_text:
        yield Note("pattern", worst.pattern_text)
    if worst.looked_at > 1 and worst.wrong < worst.looked_at:
        yield Note("only for", f"{worst.wrong} of the {worst.looked_at} elements looked at{_of_all(worst)}")
    elif worst.elements:
        yield Note("wrong are", f"all {worst.looked_at} elements looked at{_of_all(worst)}")
    if _may_be_scaled_out(worst):
        yield Note("because", "it is right if the inputs have to keep their length, or their sum")
    elif not _is_sure(checked, worst):
        yield Note("because", f"`{worst.input_name}` was made up here: None is right if it is never learned")
    named = {worst.input_name}
    also = []
    for other in others:
        if other.input_name in named and not other.condition:
            continue
        named.add(other.input_name)
        detail = other.condition or other.pattern_text or _label(other)
        also.append(f"{_element(other.input_name, other.element)}: {detail}")
    for text in also[:_MOST_ALSO]:
        yield Note("also", text)


def _of_all(wrong: WrongGradient) -> str:
    return f", a sample of its {wrong.elements:,}" if wrong.elements else ""


def _numbers(wrong: WrongGradient) -> str:
    """The values side by side: "analytical 0.7312, numerical 0.7155 ± 3e-11, ratio 1.022"."""
    given = "None" if wrong.analytical is None else number(wrong.analytical)
    other = "the function's own" if wrong.way == "against" else "numerical"
    text = f"analytical {given}, {other} {measured(wrong.numerical, wrong.uncertainty)}"
    if wrong.analytical and abs(wrong.numerical) > 10 * wrong.uncertainty:
        text += f", ratio {number(wrong.analytical / wrong.numerical)}"
    if wrong.output_element is not None and (wrong.output_element or wrong.output):
        text += f"; d output{_output(wrong)} / d {wrong.input_name}"
    return text


def _output(wrong: WrongGradient) -> str:
    number_of = f" {wrong.output}" if wrong.output else ""
    element = wrong.output_element
    return f"{number_of}[{', '.join(map(str, element))}]" if element else number_of
