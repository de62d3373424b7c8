"""GS401 to GS403: NaN and Inf, in words."""

import math
from dataclasses import replace

import pytest

from gradscope.facts import GradientStats, NonfiniteBirth, NonfiniteForward, Step
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, leaf, only, stats

SOURCE = Source(
    """
    sq = a + b
    d = torch.sqrt(sq)
    e = torch.exp(z)
    p = torch.log(F.softmax(z, dim=-1))
    q = total / count
    r = torch.where(ok, sq.sqrt(), zero)
    u = base ** 0.5
    loss.backward()
    """
)
BACKWARD = SOURCE.at("loss.backward()")
ZERO = stats("result", 1024, zeros=32, zero_at=("[0, 0]", "[1, 1]"), smallest=0.0)
LEAVES = tuple(leaf(name) for name in ("encoder.weight", "encoder.bias"))
SQRT = NonfiniteBirth(
    kind="nan",
    final="nan",
    node="SqrtBackward0",
    location=SOURCE.at("torch.sqrt(sq)"),
    incoming=stats("incoming", 1024, zeros=32),
    outgoing=None,
    saved=(ZERO,),
    reached=("encoder.weight", "encoder.bias"),
    trainable=16,
    backward=BACKWARD,
    step=1,
    spread=(Step("add", SOURCE.at("a + b")),),
)


def recording(*births, **more):
    return SOURCE.recording(births=births, leaves=LEAVES, **more)


def note(found, heading):
    return next(one.text for one in found.notes if one.heading == heading)


def test_the_birth_of_a_nan():
    found = only("GS401", recording(SQRT))
    assert found.message == "2 of 16 parameters have NaN gradients"
    assert (found.location, found.severity, found.confidence) == (
        SOURCE.at("torch.sqrt(sq)"),
        Severity.ERROR,
        Confidence.CERTAIN,
    )
    assert found.label == "first NaN of this backward: SqrtBackward0, grad / (2 * result)"
    assert note(found, "because") == (
        "result is 0 at 32 of 1,024 places ([0, 0], [1, 1], ...). "
        "The slope of a square root is infinite at 0. "
        "The incoming gradient is 0 at 32 of 1,024 places: 0 times an infinite slope is NaN"
    )
    assert note(found, "spread") == "sqrt -> add (1) -> encoder.weight -> ..."
    assert found.fix.startswith("d = torch.sqrt(sq.clamp_min(1e-12)); ")
    assert check("GS402", recording(SQRT)) == []


def test_the_birth_of_an_inf():
    birth = replace(
        SQRT, kind="inf", final="inf", incoming=stats("incoming"), reached=("encoder.bias",), trainable=1
    )
    found = only("GS402", recording(birth))
    assert found.message == "the gradient of encoder.bias is Inf"
    assert check("GS401", recording(birth)) == []


def test_an_inf_that_becomes_nan_on_its_way():
    birth = replace(SQRT, kind="inf", incoming=stats("incoming"), becomes=Step("mul", SOURCE.at("a + b")))
    found = only("GS401", recording(birth))
    assert found.label.startswith("first Inf of this backward")
    assert "NaN after mul (line 1)" in note(found, "because")
    assert found.related[0].message == "the Inf becomes NaN in the backward of mul"


def test_a_birth_that_reached_nobody_is_only_told_beside_another():
    masked = replace(
        SQRT,
        kind="inf",
        node="ExpBackward0",
        location=SOURCE.at("torch.exp(z)"),
        reached=(),
        masked_at=Step("where", SOURCE.at("torch.where(ok, sq.sqrt(), zero)")),
    )
    assert check("GS401", recording(masked)) == []
    assert check("GS402", recording(masked)) == []
    found = only("GS401", recording(SQRT, masked))
    assert note(found, "not it") == (
        "exp (line 3) also gives Inf, but it is masked by where (line 6) and reaches no leaf"
    )


@pytest.mark.parametrize(
    ("node", "saved", "because"),
    [
        ("LogBackward0", stats("self", zeros=1), "the slope of a logarithm is infinite at 0"),
        ("DivBackward0", stats("other", zeros=8), "other is 0 at all 8 places. It divides by 0"),
        ("AcosBackward0", stats("self", smallest=-1.0, largest=1.0), "self is between -1 and 1"),
        (
            "LinalgEighBackward0",
            stats("eigenvalues", repeated=2),
            "repeated: 2 elements of 8 equal a neighbour",
        ),
        ("LogsumexpBackward0", stats("self", inf=8), "a row that is -Inf throughout has no softmax"),
        ("ExpBackward0", stats("result", inf=1), "result is infinite at 1 of 8 places. Exp has overflowed"),
        ("SqrtBackward0", stats("result", nan=1), "the forward value is already not finite there"),
        ("DivBackward0", stats("other", smallest=1e-30, largest=1.0), "other lies between 1e-30 and 1"),
        ("CumprodBackward0", stats("self", zeros=2), "self is 0 at 2 of 8 places"),
    ],
)
def test_the_cause_comes_from_the_formula_and_the_saved_values(node, saved, because):
    birth = replace(SQRT, node=node, saved=(saved,), incoming=None)
    assert because.lower() in note(only("GS401", recording(birth)), "because").lower()


@pytest.mark.parametrize(
    ("node", "text", "saved", "fix"),
    [
        ("ExpBackward0", "torch.exp(z)", stats("result", inf=1), "e = torch.exp(z.clamp_max(80))"),
        (
            "LogBackward0",
            "torch.log(F.softmax(z, dim=-1))",
            stats("self", zeros=1),
            "p = F.log_softmax(z, dim=-1)",
        ),
        ("DivBackward0", "total / count", stats("other", zeros=1), "q = total / count.clamp_min(1e-12)"),
        (
            "DivBackward0",
            "total / count",
            stats("other", zeros=1, smallest=-1.0),
            "q = total / torch.where(count == 0, 1e-12, count)",
        ),
        ("PowBackward0", "base ** 0.5", stats("self", zeros=1), "u = base.clamp_min(1e-12) ** 0.5"),
        ("SqrtBackward0", "sq.sqrt()", ZERO, "r = torch.where(ok, sq.clamp_min(1e-12).sqrt(), zero)"),
    ],
)
def test_the_fix_is_in_the_terms_of_the_line(node, text, saved, fix):
    birth = replace(SQRT, node=node, location=SOURCE.at(text), saved=(saved,))
    assert only("GS401", recording(birth)).fix.startswith(fix)


def test_a_where_after_the_op_is_told_not_to_help():
    birth = replace(SQRT, location=SOURCE.at("sq.sqrt()"))
    assert "choose before the op as well" in only("GS401", recording(birth)).fix


@pytest.mark.parametrize(
    ("origin", "text"),
    [("sum", "Inf - Inf = NaN"), ("seed", "already not finite"), ("hook", "leaves the tensor hooks")],
)
def test_other_origins(origin, text):
    assert text in note(only("GS401", recording(replace(SQRT, origin=origin))), "because")


SCALED = Source("scaler.scale(loss).backward()")
OVERFLOW = replace(
    SQRT,
    node="MulBackward0",
    location=SCALED.at("scaler.scale(loss)"),
    saved=(stats("other"),),
    incoming=None,
    backward=SCALED.at("scaler.scale(loss).backward()"),
)


@pytest.mark.parametrize(("nonfinite", "last", "expected"), [(2, 1.0, 0), (3, math.inf, 1), (2, math.nan, 1)])
def test_an_overflow_of_a_scaled_loss_is_silent_once_it_is_over(nonfinite, last, expected):
    gradient = GradientStats(backwards=3, nonfinite_backwards=nonfinite, last_norm=last)
    leaves = tuple(replace(one, gradient=gradient) for one in LEAVES)
    found = check("GS401", SCALED.recording(births=(OVERFLOW,), leaves=leaves))
    assert [one.severity for one in found] == [Severity.WARNING] * expected


def test_a_zero_in_a_matrix_product_is_nothing_bad():
    """A scaled loss overflows in the backward of linear; that relu gave zeros has nothing to do with it."""
    birth = replace(OVERFLOW, node="AddmmBackward0", saved=(stats("mat1", zeros=6),))
    gradient = GradientStats(backwards=3, nonfinite_backwards=1, last_norm=1.0)
    leaves = tuple(replace(one, gradient=gradient) for one in LEAVES)
    assert check("GS401", SCALED.recording(births=(birth,), leaves=leaves)) == []


def test_one_gradient_of_several_is_an_inf_gradient():
    birth = replace(SQRT, kind="inf", final="inf", reached=("encoder.weight",), trainable=4)
    assert "1 of 4 parameters has an Inf gradient" in only("GS402", recording(birth)).message


def test_a_birth_is_not_excused_by_itself():
    masked = replace(SQRT, reached=(), step=9)
    assert "not it" not in [one.heading for one in only("GS401", recording(SQRT, masked)).notes]


def test_a_scaled_loss_does_not_excuse_a_division_by_zero():
    gradient = GradientStats(backwards=3, nonfinite_backwards=1, last_norm=1.0)
    leaves = tuple(replace(one, gradient=gradient) for one in LEAVES)
    birth = replace(OVERFLOW, node="DivBackward0", saved=(stats("other", zeros=1),))
    assert only("GS401", SCALED.recording(births=(birth,), leaves=leaves)).severity is Severity.ERROR


def test_a_later_pass_is_probable():
    found = only("GS401", recording(replace(SQRT, exact=False)))
    assert found.confidence is Confidence.PROBABLE
    assert "not watched node by node" in note(found, "note")


# ---------------------------------------------------------------- GS403

LOG = NonfiniteForward(
    kind="inf",
    op="log",
    location=SOURCE.at("torch.log(F.softmax(z, dim=-1))"),
    inputs=(stats("input 0", zeros=2, zero_at=("[3]", "[4]")),),
    output=None,
    loss="nan",
    backward=BACKWARD,
    step=1,
    spread=(Step("mean", None),),
)


def forward(fact, **more):
    return only("GS403", SOURCE.recording(nonfinite_forwards=(fact,), leaves=LEAVES, **more))


def test_the_first_op_of_the_forward_pass():
    found = forward(LOG)
    assert found.message == "log gives the first Inf of the forward pass: the loss is NaN"
    assert (found.location, found.severity) == (LOG.location, Severity.ERROR)
    assert note(found, "because") == "log of 0 is -Inf: the input is 0 at 2 of 8 places ([3], [4])"
    assert note(found, "spread") == "log -> mean"
    assert found.fix == "p = F.log_softmax(z, dim=-1)"


@pytest.mark.parametrize(
    ("op", "inputs", "kind", "because"),
    [
        (
            "sqrt",
            [stats("x", smallest=-3.0)],
            "nan",
            "the root of a negative number is NaN: x lies between -3 and 2",
        ),
        ("log", [stats("x", smallest=-3.0)], "nan", "log of a negative number"),
        ("div", [stats("a"), stats("b", zeros=1)], "nan", "0 / 0 is NaN: the divisor is 0 at 1 of 8 places"),
        (
            "exp",
            [stats("x", largest=461.0)],
            "inf",
            "exp overflows float32 above 88.7; the largest input is 461",
        ),
        (
            "softmax",
            [stats("x", inf=3)],
            "nan",
            "a row of nothing but -Inf has no softmax (0 / 0): x is Inf at 3 of 8",
        ),
        ("pow", [stats("x", smallest=-1.0)], "nan", "a fractional power of a negative number"),
        ("div", [stats("a")], "nan", "0 / 0 is NaN: the divisor, a count or a Python number, is 0"),
        ("pow", [stats("x", zeros=1, smallest=0.0)], "inf", "0 to a negative power is Inf"),
        (
            "mul",
            [stats("p", zeros=2), stats("l", inf=2)],
            "nan",
            "0 times Inf is NaN: p is 0 at 2 of 8 places",
        ),
        (
            "pow",
            [stats("x", smallest=-3e20)],
            "inf",
            "the values have grown too large: x lies between -3e+20 and 2",
        ),
        ("acos", [stats("x", largest=1.5)], "nan", "acos is defined from -1 to 1"),
        ("std", [stats("x", 1)], "nan", "std of a single element divides by n - 1 = 0"),
        ("mean", [stats("x", 0)], "nan", "a mean over no elements is 0 / 0"),
        ("cross_entropy", [stats("x")], "nan", "every target is ignored"),
    ],
)
def test_why_it_is_not_finite(op, inputs, kind, because):
    found = forward(replace(LOG, op=op, inputs=tuple(inputs), kind=kind))
    assert because in note(found, "because")


def test_a_square_that_overflows_has_no_negative_power():
    output = replace(stats("output", inf=1), dtype="float16")
    fact = replace(LOG, op="pow", inputs=(stats("x", zeros=3, largest=400.0),), output=output)
    assert note(forward(fact), "because") == "float16 ends at 65504: x lies between 0.5 and 400"
    assert "float32 or bfloat16" in forward(fact).fix


def test_a_product_of_zero_and_inf_is_no_matter_of_the_dtype():
    fact = replace(LOG, op="mul", kind="nan", inputs=(stats("p", zeros=2), stats("l", inf=2)))
    assert ".masked_fill(mask, 0.0)" in forward(fact).fix


def test_a_count_is_kept_at_one():
    fact = replace(LOG, op="div", location=SOURCE.at("total / count"), kind="nan", inputs=(stats("total"),))
    assert forward(fact).fix == "q = total / count.clamp_min(1); for a Python number, max(..., 1)"


@pytest.mark.parametrize(
    ("op", "fix"), [("gather", "check the indices of gather"), ("sum", "leave the masked")]
)
def test_a_mask_that_is_taken_into_the_loss(op, fix):
    fact = replace(LOG, op=op, source="the -inf that masked_fill wrote in line 3", inputs=())
    found = forward(fact)
    assert found.message == f"{op} takes the -inf that masked_fill wrote in line 3: the loss is NaN"
    assert found.subjects == ()
    assert found.fix.startswith(fix)


def test_a_later_step_is_probable():
    found = forward(replace(LOG, exact=False))
    assert found.confidence is Confidence.PROBABLE
    assert note(found, "note").startswith("the first step with it was not examined")
    assert [one.heading for one in forward(LOG).notes] == ["because", "spread"]


def test_a_parameter_that_was_already_spoiled():
    found = forward(
        replace(LOG, op="linear", source="encoder.weight", kind="nan", inputs=(stats("w", nan=3),))
    )
    assert found.message == "`encoder.weight` already holds NaN when linear uses it: the loss is NaN"
    assert found.subjects == ("encoder.weight",)
    assert "look for the step that made `encoder.weight` non-finite" in found.fix


def test_data_that_was_handed_in():
    found = forward(replace(LOG, op="linear", source="input 0 of linear", kind="nan"))
    assert found.message == "input 0 of linear already holds NaN when it is handed in: the loss is NaN"
    assert found.subjects == ()
    assert "torch.isfinite" in found.fix


def test_growth_is_a_matter_of_the_step_size():
    found = forward(replace(LOG, op="pow", inputs=(stats("x", largest=1e25),)))
    assert found.fix.startswith("lower the learning rate")


def test_a_hook_that_makes_nan_is_named():
    birth = replace(SQRT, node="AccumulateGrad", origin="hook", hook="unit_rows", saved=(), spread=())
    found = only("GS401", recording(birth))
    assert found.label == "first NaN of this backward: the hook unit_rows, registered here, makes it"
    assert (found.location, found.confidence) == (birth.location, Confidence.CERTAIN)
    assert found.evidence["hook"] == "unit_rows"
    assert found.fix == "check the hook: what it returns is not finite"
