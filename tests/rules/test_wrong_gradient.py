"""GS601 on hand-made facts: one finding for one backward, silence for what is deliberate."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.engine import judge
from gradscope.facts.checks import (
    Cause,
    CheckedFunction,
    Declaration,
    Origin,
    Pattern,
    SampleFact,
    SubjectKind,
    UnmarkedWrite,
    WrongGradient,
)
from gradscope.finding import Confidence, Finding, Severity
from tests.rules.facts_samples import Source

CODE = Source(
    """
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.save_for_backward(x, weight)
            return x * weight

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output, None

        @staticmethod
        def jvp(ctx, x_t, weight_t):
            return x_t
    """
)
CHECKED = CheckedFunction(
    "Scale",
    SubjectKind.FUNCTION,
    CODE.at("class Scale"),
    CODE.at("def forward", function="Scale.forward"),
    CODE.at("def backward(ctx, grad_output):", function="Scale.backward"),
    CODE.at("def jvp", function="Scale.jvp"),
)
WRONG = WrongGradient(0, "x", (2, 7), 0, (2, 7), 2.0, 1.0, 3e-11, Cause.FORMULA, wrong=30, looked_at=30)


def found(*wrong: WrongGradient, **changes: object) -> tuple[Finding, ...]:
    checked = replace(CHECKED, wrong_gradients=wrong, **changes)
    return judge(CODE.recording(checked=(checked,)))[0]


def test_the_worst_element_with_its_numbers() -> None:
    (finding,) = found(
        replace(WRONG, pattern=Pattern.FACTOR, pattern_text="every element is 2 times too large")
    )
    assert (finding.code, finding.severity, finding.confidence) == (
        "GS601",
        Severity.ERROR,
        Confidence.CERTAIN,
    )
    assert finding.message == "the backward of `Scale` is wrong for `x`, element [2, 7]"
    assert finding.location == CHECKED.backward
    assert CHECKED.forward in [related.location for related in finding.related]
    notes = {note.heading: note.text for note in finding.notes}
    assert notes["gradient"].startswith("analytical 2, numerical 1 ± 3e-11, ratio 2; d output[2, 7] / d x")
    assert notes["pattern"] == "every element is 2 times too large"
    assert "only for" not in notes


def test_all_inputs_of_one_backward_are_one_finding() -> None:
    second = replace(WRONG, input=1, input_name="weight", wrong=2, pattern=Pattern.SIGN, pattern_text="signs")
    again = replace(WRONG, condition="only where the input is not contiguous")
    (finding,) = found(WRONG, second, again)
    assert finding.subjects == ("x", "weight")
    assert [note.text for note in finding.notes if note.heading == "also"] == [
        "`weight`, element [2, 7]: signs",
        "`x`, element [2, 7]: only where the input is not contiguous",
    ]


def test_jvp_and_a_derivative_by_hand_have_their_own_places() -> None:
    by_hand = replace(WRONG, way="against", location=CODE.at("class Scale"), against="df")
    findings = found(WRONG, replace(WRONG, way="jvp"), by_hand)
    assert {finding.location for finding in findings} == {CHECKED.backward, CHECKED.jvp, CHECKED.location}
    assert "df is wrong for `x`, element [2, 7]" in [finding.message for finding in findings]


@pytest.mark.parametrize("cause", [Cause.SURROGATE, Cause.LOW_PRECISION, Cause.NOT_DIFFERENTIABLE])
def test_what_is_no_mistake_is_silent(cause: Cause) -> None:
    assert found(replace(WRONG, cause=cause)) == ()


def test_a_declared_approximation_is_silent() -> None:
    assert found(WRONG, declared=Declaration("straight-through", CODE.at("class Scale"))) == ()


def test_a_gradient_that_is_missing() -> None:
    missing = replace(WRONG, input=1, input_name="weight", cause=Cause.MISSING, analytical=None)
    (finding,) = found(missing)
    assert finding.message == "the backward of `Scale` returns None for `weight`"
    assert (finding.severity, finding.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    (finding,) = found(missing, samples=(SampleFact("weight float64(3,)", "guess", Origin.INFERRED),))
    assert (finding.severity, finding.confidence) == (Severity.WARNING, Confidence.PROBABLE)
    made_up = SampleFact("cos float64(3,)", "guess", Origin.INFERRED)
    (finding,) = found(replace(missing, input_name="cos"), samples=(made_up,))
    assert (finding.severity, finding.confidence) == (Severity.INFO, Confidence.PROBABLE)
    (finding,) = found(replace(missing, input_name="target"))
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize(("asked", "severity"), [(("x", "target"), Severity.ERROR), (("x",), Severity.INFO)])
def test_a_missing_gradient_that_the_program_asks_for(asked: tuple[str, ...], severity: Severity) -> None:
    missing = replace(WRONG, input=1, input_name="target", cause=Cause.MISSING, analytical=None)
    given = SampleFact("target float64(3,)", "--input", Origin.GIVEN)
    call = SampleFact("target float64(4,)", "captured at train.py:3", Origin.CAPTURED, asked)
    (finding,) = found(missing, samples=(given, call))
    assert finding.severity is severity


def test_nan_and_kinks_are_said_as_such() -> None:
    (finding,) = found(replace(WRONG, analytical=float("nan")))
    assert finding.message == "the backward of `Scale` gives NaN for `x`, element [2, 7]"
    (finding,) = found(replace(WRONG, cause=Cause.KINK))
    assert "lies outside the one-sided derivatives for `x`, element [2, 7]" in finding.message


def test_an_input_changed_without_a_mark_is_the_cause() -> None:
    write = UnmarkedWrite(0, "x", CODE.at("return x * weight"), False, False, True)
    findings = found(WRONG, unmarked_writes=(write,))
    assert [finding.code for finding in findings] == ["GS606"]


@pytest.mark.parametrize(
    ("pattern", "text", "fix"),
    [
        (Pattern.SIGN, "the sign is wrong", "turn the sign of the gradient of `x`"),
        (
            Pattern.FACTOR,
            "3 times too small: the factor beta=0.3 is missing",
            "multiply the gradient of `x` by beta",
        ),
        (
            Pattern.FACTOR,
            "2 times too large: the factor beta=2 is multiplied in once too often",
            "do not multiply the gradient of `x` by beta again",
        ),
        (
            Pattern.FACTOR,
            "every element is 1.5 times too large and the sign is wrong",
            "divide the gradient of `x` by 1.5, and turn its sign",
        ),
        (
            Pattern.FACTOR,
            "35 times too small: 35 is the number of elements of args[0]",
            "multiply the gradient of `x` by 35, the number of elements of args[0] (or sum where it takes a "
            "mean)",
        ),
        (Pattern.MISSING_GRAD_OUTPUT, "not used", "multiply the gradient of `x` by grad_output"),
        (Pattern.TRANSPOSE, "transposed", "transpose the gradient of `x`"),
    ],
)
def test_the_fix_says_what_to_change(pattern: Pattern, text: str, fix: str) -> None:
    (finding,) = found(replace(WRONG, pattern=pattern, pattern_text=text))
    assert finding.fix == fix


@pytest.mark.parametrize(
    ("condition", "wrong", "severity", "fix"),
    [
        ("only under torch.compile", 3, Severity.WARNING, "traced"),
        ("only where the inputs are ten times larger", 12, Severity.WARNING, "as they were given"),
        ("only where the inputs are ten times larger", 3, Severity.ERROR, "as they were given"),
    ],
)
def test_conditions_that_may_be_meant_are_warnings(
    condition: str, wrong: int, severity: Severity, fix: str
) -> None:
    (finding,) = found(replace(WRONG, condition=condition, wrong=wrong, looked_at=12))
    assert (finding.severity, condition in finding.message) == (severity, True)
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("condition", "fix"),
    [
        ("only where the inputs have no rows", "the mean of nothing is NaN"),
        ("only where `x` is channels_last", "as for contiguous tensors"),
        ("only where `x` and `w` are one tensor", "right there too"),
    ],
)
def test_the_fix_fits_the_condition(condition: str, fix: str) -> None:
    (finding,) = found(replace(WRONG, condition=condition))
    assert fix in finding.fix


def test_a_missing_gradient_of_data_hides_no_error() -> None:
    missing = replace(WRONG, input=1, input_name="target", cause=Cause.MISSING, analytical=None)
    (finding,) = found(missing, replace(WRONG, condition="only where `x` is transposed (not contiguous)"))
    assert (finding.severity, finding.evidence["input"]) == (Severity.ERROR, WRONG.input_name)


def test_the_fix_of_a_pattern_keeps_its_place() -> None:
    (finding,) = found(
        replace(WRONG, pattern=Pattern.SIGN, pattern_text="the sign is wrong, only where x < 0")
    )
    assert finding.fix == "turn the sign of the gradient of `x`, only where x < 0"
    (finding,) = found(replace(WRONG, pattern=Pattern.REGION, pattern_text="only where x > 5"))
    assert finding.fix == "correct the formula for `x`: it is wrong only where x > 5"
    close = "every element is 1.0001 times what it should be"
    (finding,) = found(replace(WRONG, pattern=Pattern.FACTOR, pattern_text=close))
    assert finding.fix.startswith("divide the gradient of `x` by 1.0001:")


def test_tensors_in_a_list_are_to_be_passed_one_by_one() -> None:
    missing = replace(WRONG, input_name="xs[0]", cause=Cause.MISSING, analytical=None)
    (finding,) = found(missing)
    assert finding.fix.startswith("pass the tensors in `xs` as separate arguments")
    (finding,) = found(missing, kind=SubjectKind.CUSTOM_OP)
    assert finding.fix.startswith("return the gradient of `xs[0]`")
    (finding,) = found(replace(missing, input_name="args[1]"))
    assert finding.fix.startswith("return the gradient of `args[1]`")


@pytest.mark.parametrize(
    ("wrong", "title", "text"),
    [
        (3, "only for", "3 of the 96 elements looked at, a sample of its 12,000"),
        (96, "wrong are", "all 96 elements looked at, a sample of its 12,000"),
    ],
)
def test_a_sample_of_the_elements_is_called_one(wrong: int, title: str, text: str) -> None:
    (finding,) = found(replace(WRONG, wrong=wrong, looked_at=96, elements=12_000))
    assert (title, text) in [(note.heading, note.text) for note in finding.notes]
