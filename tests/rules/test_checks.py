"""GS602 to GS606 on hand-made facts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.engine import judge
from gradscope.facts import Recording
from gradscope.facts.checks import (
    CheckedFunction,
    ContextTensor,
    Declaration,
    DoubleFault,
    Nondeterminism,
    Origin,
    ReturnFault,
    SampleFact,
    SubjectKind,
    UnmarkedWrite,
    WrongDouble,
    WrongReturn,
)
from gradscope.finding import Location, Severity
from tests.rules.facts_samples import Source

CODE = Source(
    """
    import torch


    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, weight):
            ctx.x = x
            ctx.w = weight
            x.mul_(2)
            y = x * weight
            ctx.y = y
            return y

        @staticmethod
        def backward(ctx, grad_output):
            mask = torch.rand_like(grad_output) < 0.5
            return grad_output * ctx.w * mask, grad_output * ctx.x


    def train():
        loss = penalty(Scale.apply(x, w))
    """
)
BACKWARD = CODE.at("def backward(ctx, grad_output):", function="Scale.backward")
CHECKED = CheckedFunction(
    "Scale",
    SubjectKind.FUNCTION,
    CODE.at("class Scale"),
    CODE.at("def forward", function="Scale.forward"),
    BACKWARD,
)
TWICE = CODE.at("penalty(Scale.apply(x, w))")


def recording(**facts) -> Recording:
    return CODE.recording(checked=(replace(CHECKED, **facts),))


def found(**facts):
    return judge(recording(**facts))[0]


def one(**facts):
    (finding,) = found(**facts)
    return finding


def returned(fault, name="x", expected="", got="", **more):
    return WrongReturn(fault, 0 if name else None, name, expected, got, **more)


# ---------------------------------------------------------------- GS602


@pytest.mark.parametrize(
    ("fact", "severity", "message", "fix"),
    [
        (
            returned(ReturnFault.COUNT, "", "2", "1"),
            Severity.ERROR,
            "the backward of `Scale` returns 1 for 2 arguments",
            "return 2 values",
        ),
        (
            returned(ReturnFault.SHAPE, "x", "(2, 3)", "(3, 2)"),
            Severity.ERROR,
            "the gradient that `Scale` returns for `x` has the shape (3, 2), not (2, 3)",
            "its own shape, (2, 3)",
        ),
        (
            returned(ReturnFault.DTYPE, "x", "float64", "float32"),
            Severity.WARNING,
            "the gradient that `Scale` returns for `x` has the dtype float32, not float64",
            "in float64",
        ),
        (
            returned(ReturnFault.DTYPE, "x", "float32", "int64"),
            Severity.ERROR,
            "the gradient that `Scale` returns for `x` has the dtype int64, not float32",
            "in float32",
        ),
        (
            returned(ReturnFault.DEVICE, "x", "cuda:0", "cpu"),
            Severity.ERROR,
            "the gradient that `Scale` returns for `x` has the device cpu, not cuda:0",
            "on cuda:0",
        ),
        (
            returned(ReturnFault.TYPE, "x", "a tensor or None", "a float"),
            Severity.ERROR,
            "the backward of `Scale` returns a float for `x`, not a tensor or None",
            "in a tuple",
        ),
        (
            returned(ReturnFault.FOR_NO_TENSOR, "scale", "None (its argument is a float)", "a tensor"),
            Severity.ERROR,
            "the backward of `Scale` returns a gradient for `scale`, a float",
            "return `None` for `scale`",
        ),
        (
            returned(
                ReturnFault.FOR_NO_TENSOR, "index", "None (its argument is an integer tensor)", "a tensor"
            ),
            Severity.INFO,
            "the backward of `Scale` returns a gradient for `index`, an integer tensor",
            "return `None` for `index`",
        ),
        (
            returned(ReturnFault.CHANGES_COTANGENT, "", "unchanged", "grad_output 0 changed"),
            Severity.WARNING,
            "the backward of `Scale` changes the gradient it is given, in place",
            "grad_output.clone()",
        ),
    ],
)
def test_a_wrong_return(fact, severity, message, fix):
    finding = one(wrong_returns=(fact,))
    assert (finding.code, finding.severity, finding.message) == ("GS602", severity, message)
    assert finding.location == BACKWARD
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("error", "condition", "severity"),
    [
        ("RuntimeError: size mismatch", "", Severity.ERROR),
        ("ValueError: not enough values", "where only `weight` needs a gradient", Severity.ERROR),
        ("NotImplementedError: forward only", "", Severity.INFO),
        ("RuntimeError: dtypes differ", "only in half precision (bfloat16)", Severity.INFO),
    ],
)
def test_a_backward_that_raises(error, condition, severity):
    where = CODE.at("grad_output * ctx.x")
    fact = returned(
        ReturnFault.RAISES, got="backward raises", name="", error=error, condition=condition, location=where
    )
    finding = one(wrong_returns=(fact,))
    assert finding.severity is severity
    assert finding.message.endswith(condition)
    assert [(related.location, related.message) for related in finding.related] == [(where, "raised here")]
    assert error in [note.text for note in finding.notes]


def test_a_change_in_place_that_raises_where_a_stride_is_0_is_one_story():
    where = CODE.at("grad_output * ctx.x")
    error = "RuntimeError: more than one element of the written-to tensor refers to a single memory location"
    changes = returned(ReturnFault.CHANGES_COTANGENT, "", "unchanged", "grad_output 0 changed")
    condition = "only where grad_output is expanded (stride 0)"
    raises = returned(
        ReturnFault.RAISES, "", got="an exception", error=error, condition=condition, location=where
    )
    finding = one(wrong_returns=(changes, raises))
    assert (finding.severity, finding.evidence["fault"]) == (Severity.ERROR, "changes-grad-output")
    assert finding.message.endswith("in place, and raises where grad_output is expanded (stride 0)")
    assert "grad_output.clone()" in finding.fix
    assert where in [related.location for related in finding.related]
    assert not any(note.heading == "also" for note in finding.notes)


def test_a_forward_that_raises_only_with_gradients():
    fact = returned(ReturnFault.RAISES, "", got="forward raises", error="RuntimeError: marked as dirty")
    finding = one(wrong_returns=(fact,))
    assert finding.message == "the forward of `Scale` raises RuntimeError, where its inputs need a gradient"


@pytest.mark.parametrize(
    ("condition", "method", "fix"),
    [
        ("where only `weight` needs a gradient", "backward", "ctx.needs_input_grad"),
        ("where only output 0 is used", "backward", "as zeros"),
        ("only where grad_output is transposed (not contiguous)", "backward", "reshape in place of .view"),
        ("only under torch.vmap, where `x` has a batch", "backward", "torch.vmap"),
        ("only in forward mode (jvp)", "jvp", "make jvp work"),
        ("", "backward", "make backward work"),
    ],
)
def test_the_fix_is_that_of_the_condition(condition, method, fix):
    fact = returned(
        ReturnFault.RAISES,
        "",
        got="an exception",
        error="RuntimeError: no",
        condition=condition,
        location=CODE.at("grad_output * ctx.x"),
    )
    finding = one(wrong_returns=(fact,))
    assert finding.message.startswith(f"the {method} of `Scale` raises RuntimeError")
    assert fix in finding.fix


def test_a_failure_where_nothing_arrives_is_no_finding():
    fact = returned(ReturnFault.RAISES, "", error="TypeError", condition="where no gradient arrives at all")
    assert found(wrong_returns=(fact,)) == ()


def test_several_faults_are_one_finding_with_the_place_of_the_return():
    swapped = (
        returned(ReturnFault.SHAPE, "x", "(2, 3)", "(3, 2)", error="RuntimeError: invalid gradient"),
        returned(ReturnFault.SHAPE, "weight", "(3, 2)", "(2, 3)"),
    )
    finding = one(wrong_returns=swapped)
    assert finding.subjects == ("x", "weight")
    assert "two of them are swapped" in finding.fix
    assert [note.heading for note in finding.notes] == ["torch says", "also"]
    assert [CODE.lines[related.location.line - 1].strip()[:6] for related in finding.related] == ["return"]


def test_the_worst_fault_speaks():
    faults = (
        returned(ReturnFault.DTYPE, "x", "float64", "float32"),
        returned(ReturnFault.COUNT, "", "2", "1"),
    )
    assert one(wrong_returns=faults).evidence["fault"] == "count"


# ---------------------------------------------------------------- GS603

DROPPED = WrongDouble(DoubleFault.DROPPED, "x", False, True, None, 6.0, 1e-9)


def test_a_dropped_second_derivative_is_a_warning_and_an_error_where_it_is_used():
    finding = one(wrong_doubles=(DROPPED,))
    assert (finding.code, finding.severity, finding.location) == ("GS603", Severity.WARNING, BACKWARD)
    assert "drops its own derivative by `x` without a word" in finding.message
    assert "@once_differentiable" in finding.fix
    assert "numerically 6 ± 1e-09" in finding.notes[0].text
    used = one(wrong_doubles=(replace(DROPPED, used_at=TWICE),))
    assert used.severity is Severity.ERROR
    assert [related.location for related in used.related] == [TWICE]
    assert "once_differentiable" not in used.fix


def test_a_program_that_never_differentiates_twice_is_in_order():
    call = SampleFact("x float32(4, 3)", "captured at train.py:3, call 1", Origin.CAPTURED, ("x",))
    given = SampleFact("x float32(4, 3)", "--input", Origin.GIVEN)
    assert one(wrong_doubles=(DROPPED,), samples=(given,)).severity is Severity.WARNING
    assert one(wrong_doubles=(DROPPED,), samples=(given, call)).severity is Severity.INFO
    used = one(wrong_doubles=(replace(DROPPED, used_at=TWICE),), samples=(given, call))
    assert used.severity is Severity.ERROR


def test_a_wrong_second_derivative():
    wrong = replace(DROPPED, fault=DoubleFault.WRONG, analytical=5.0)
    finding = one(wrong_doubles=(wrong, replace(wrong, input_name="weight", numerical=9.0)))
    assert finding.message == "the gradient of `Scale` has a wrong derivative by `x` and `weight`"
    assert finding.evidence["input"] == "weight"


def test_a_declared_one_counts_only_where_the_program_differentiates_twice():
    once = replace(DROPPED, fault=DoubleFault.ONCE, declared=True)
    assert found(wrong_doubles=(once,)) == ()
    finding = one(wrong_doubles=(replace(once, used_at=TWICE),))
    assert finding.severity is Severity.ERROR
    assert "is once_differentiable, and the program differentiates its gradient" in finding.message


def test_the_line_that_cuts_is_named():
    cut = replace(DROPPED, because=CODE.at("y = x * weight"), because_text="forward computed this")
    finding = one(wrong_doubles=(cut,))
    assert [related.message for related in finding.related] == ["forward computed this"]
    assert "save the inputs themselves" in finding.fix


def test_a_loud_one_is_no_finding():
    assert found(wrong_doubles=(replace(DROPPED, silent=False),)) == ()


# ---------------------------------------------------------------- GS604

RANDOM = Nondeterminism("x", 0.97, 12, random=True)


def test_a_random_backward_names_the_draw():
    finding = one(nondeterminism=(RANDOM,))
    assert (finding.code, finding.severity, finding.location) == ("GS604", Severity.WARNING, BACKWARD)
    (drawn,) = finding.related
    assert drawn.message == "drawn anew here"
    assert CODE.lines[drawn.location.line - 1].strip().startswith("mask =")
    assert "12 elements of the gradient of `x` differ, by 0.97" in finding.notes[0].text
    assert "save_for_backward" in finding.fix


def test_a_line_that_was_seen_to_draw_comes_before_the_source():
    finding = one(nondeterminism=(replace(RANDOM, drawn_at=TWICE),))
    assert [related.location for related in finding.related] == [TWICE]


def test_another_value_under_the_same_seed_is_no_draw():
    finding = one(nondeterminism=(replace(RANDOM, random=False, elements=1),))
    assert finding.related == ()
    assert "1 element of the gradient of `x` differs" in finding.notes[0].text
    assert "copy before writing" in finding.fix


def test_a_declared_approximation_may_draw():
    declared = Declaration("stochastic", CODE.at("class Scale"))
    assert found(nondeterminism=(RANDOM,), declared=declared) == ()


# ---------------------------------------------------------------- GS605


def kept(attribute, holds, text, **more):
    return ContextTensor(attribute, holds, 12, 48, CODE.at(text), escapes=True, **more)


def test_an_input_on_ctx_says_what_to_write():
    finding = one(context_tensors=(kept("x", "input x", "ctx.x = x"),))
    assert (finding.code, finding.severity) == ("GS605", Severity.WARNING)
    assert finding.location == CODE.at("ctx.x = x")
    assert finding.fix == (
        f"`ctx.save_for_backward(x)` and, in the backward at line {BACKWARD.line}, `(x,) = ctx.saved_tensors`"
    )


def test_several_are_one_finding_and_the_names_are_the_programs():
    facts = (
        kept("x", "input x", "ctx.x = x"),
        kept("w", "input weight", "ctx.w = weight"),
        kept("y", "output 0", "ctx.y = y", leaks=True),
    )
    finding = one(context_tensors=facts)
    assert finding.subjects == ("ctx.x", "ctx.w", "ctx.y")
    assert "`ctx.save_for_backward(x, weight, y)`" in finding.fix
    assert "`x, weight, y = ctx.saved_tensors`" in finding.fix
    assert [related.message for related in finding.related] == [
        "the input `weight` is kept here",
        "output 0 is kept here",
    ]
    assert "`ctx.y` is an output" in finding.notes[0].text


def test_a_change_that_was_seen_makes_it_an_error():
    facts = (
        kept("x", "input x", "ctx.x = x"),
        kept("w", "input weight", "ctx.w = weight", changed_at=TWICE),
    )
    finding = one(context_tensors=facts)
    assert finding.severity is Severity.ERROR
    assert finding.location == CODE.at("ctx.w = weight")
    assert "changed in place before backward" in finding.message
    assert finding.related[0].location == TWICE


def test_a_list_of_tensors_is_saved_with_a_star():
    parts = [kept("x", f"input xs[{number}]", "ctx.x = x") for number in range(2)]
    fix = one(context_tensors=tuple(parts)).fix
    assert fix.startswith("`ctx.save_for_backward(*x)` and")
    assert fix.endswith("`x = ctx.saved_tensors`")


def test_intermediates_belong_on_ctx():
    fact = replace(kept("x", "intermediate", "ctx.x = x"), escapes=False)
    assert found(context_tensors=(fact,)) == ()


# ---------------------------------------------------------------- GS606

WRITE = UnmarkedWrite(0, "x", CODE.at("x.mul_(2)"), past_version=False, returned=True, matters=True)


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({}, "call `ctx.mark_dirty(x)` in forward and return `x` itself"),
        ({"past_version": True}, "no .data, no NumPy"),
        ({"returned": False}, "`x = x.clone()`"),
    ],
)
def test_an_unmarked_write(changes, fix):
    finding = one(unmarked_writes=(replace(WRITE, **changes),))
    assert (finding.code, finding.severity) == ("GS606", Severity.ERROR)
    assert finding.location == CODE.at("x.mul_(2)")
    assert fix in finding.fix


def test_a_write_that_does_not_matter_is_silent():
    assert found(unmarked_writes=(replace(WRITE, matters=False),)) == ()


# ---------------------------------------------------------------- one cause, one finding


def test_an_unmarked_write_explains_a_wrong_second_derivative():
    finding = one(unmarked_writes=(WRITE,), wrong_doubles=(DROPPED,))
    assert finding.code == "GS606"
    assert [consequence.code for consequence in finding.consequences] == ["GS603"]


def test_a_draw_explains_it_too():
    finding = one(nondeterminism=(RANDOM,), wrong_doubles=(DROPPED,))
    assert (finding.code, [each.code for each in finding.consequences]) == ("GS604", ["GS603"])


def test_what_ctx_keeps_without_a_graph_explains_a_dropped_derivative():
    cut = replace(DROPPED, because=CODE.at("ctx.x = x"), because_text="forward computed this")
    finding = one(context_tensors=(kept("x", "input x", "ctx.x = x"),), wrong_doubles=(cut,))
    assert (finding.code, [each.code for each in finding.consequences]) == ("GS605", ["GS603"])
    apart = replace(DROPPED, because=CODE.at("y = x * weight"), because_text="forward computed this")
    both = found(context_tensors=(kept("x", "input x", "ctx.x = x"),), wrong_doubles=(apart,))
    assert [each.code for each in both] == ["GS603", "GS605"]


def test_another_functions_fault_explains_nothing():
    other = replace(
        CHECKED,
        name="Other",
        location=Location("other.py", 3),
        backward=Location("other.py", 9, function="Other.backward"),
        wrong_doubles=(DROPPED,),
    )
    first = replace(CHECKED, unmarked_writes=(WRITE,))
    findings, _ = judge(CODE.recording(checked=(first, other)))
    assert [each.code for each in findings] == ["GS606", "GS603"]


def test_a_healthy_function_is_silent():
    assert found() == ()
