"""GS406 and GS407 on hand-made facts: what they say, and what they must not say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gradscope.engine import judge
from gradscope.facts import (
    Backward,
    FlushSite,
    GradientStats,
    HalfGradients,
    LeafFlush,
    NonfiniteBirth,
    NonfiniteForward,
    Recording,
    Step,
    ValueStats,
    ZeroedAt,
)
from gradscope.finding import Confidence, Finding, Severity
from gradscope.rules._loss_scale import kept_at, median, power_of_two, scale_range

from .facts_samples import Source, check, leaf, optimizer

TRAIN = Source(
    """
    with torch.autocast("cuda", dtype=torch.float16):
        scores = model(x)
    loss = cross_entropy(scores.float(), y)
    loss.backward()
    optimizer.step()
    """
)
CAST = TRAIN.at("scores.float()")
MODEL = TRAIN.at("model(x)")
BACKWARD = TRAIN.at("loss.backward()")


def flushed(name: str = "net.weight", error: float = 0.8, **more: Any) -> LeafFlush:
    base = LeafFlush(name, (10, 10), "float32", 100, 80, 60, error, lossy=3)
    return replace(base, **more)


def halves(*leaves: LeafFlush, **more: Any) -> HalfGradients:
    """Three lossy backwards whose gradients lie around 2^-26, the largest at 2^-12."""
    base = HalfGradients(
        BACKWARD,
        1,
        passes=3,
        lossy=3,
        scale=None,
        largest=2.0**-12,
        exponents=((-30, 10), (-26, 80), (-22, 10)),
        sites=(FlushSite("ToCopyBackward0", CAST, 0.75, 0.8, 3),),
        leaves=leaves,
    )
    return replace(base, **more)


def underflow(fact: HalfGradients, **more: Any) -> list[Finding]:
    leaves = more.pop("leaves", [leaf(one.name, device="cuda:0") for one in fact.leaves])
    return check("GS406", TRAIN.recording(halves=(fact,), leaves=tuple(leaves), **more))


def note(finding: Finding, heading: str) -> str:
    return next((note.text for note in finding.notes if note.heading == heading), "")


# ---------------------------------------------------------------- GS406


def test_it_names_the_share_the_op_and_the_scales():
    (finding,) = underflow(halves(flushed(), flushed("net.bias", 0.4, shape=(10,), nonzero=20, flushed=15)))
    assert finding.message == (
        "75.0% of the gradient elements of net.* (2 parameters) are flushed to 0 in float16"
    )
    assert finding.location == CAST
    assert finding.severity is Severity.WARNING
    assert (
        finding.label
        == "ToCopyBackward0 gives a gradient that is off by 80.0%, 75.0% of its elements become 0"
    )
    assert [(one.location, one.message) for one in finding.related] == [
        (BACKWARD, "the loss of this backward is not scaled")
    ]
    assert note(finding, "lost") == "net.weight 80.0%, net.bias 40.0%, by the 2-norm of the gradient"
    assert note(finding, "scale") == (
        "a loss scale from 2**6 (64) to 2**24 keeps at least 99.0% of them above 0, and the largest, "
        "0.0002441, below 65,504"
    )
    assert finding.fix.startswith('scaler = torch.amp.GradScaler("cuda"); scaler.scale(loss).backward()')
    assert finding.evidence["flushed"] == 75
    assert (finding.evidence["scale_low"], finding.evidence["scale_high"]) == (64.0, 2.0**24)


def test_where_little_is_zero_but_much_is_wrong_it_says_so():
    (finding,) = underflow(halves(flushed(flushed=0, error=0.52)))
    assert finding.message == (
        "up to 52.0% of the gradient of net.weight is lost in float16, flushed to 0 or rounded"
    )


@pytest.mark.parametrize(
    "fact",
    [
        halves(),
        halves(flushed(), lossy=1),
        halves(flushed(lossy=1)),
        halves(flushed(), scale=1024.0, leaves=(flushed(error=0.4),)),
        halves(flushed("net.bias", shape=(10,))),
        halves(flushed(error=1200.0)),
    ],
    ids=[
        "nothing lost",
        "in one backward",
        "one leaf once",
        "little under a scaler",
        "a bias alone",
        "noise",
    ],
)
def test_it_is_silent_where(fact):
    others = [leaf("net.weight"), leaf("net.bias", shape=(10,))]
    assert underflow(fact, leaves=others) == []


def test_a_leaf_that_nothing_trains_does_not_count():
    frozen = leaf("net.weight", requires_grad=False)
    assert underflow(halves(flushed()), leaves=[frozen]) == []
    loose = leaf("net.weight")
    assert underflow(halves(flushed()), leaves=[loose], optimizers=(optimizer("head.weight"),)) == []


def test_a_program_of_vectors_only_is_judged_by_them():
    (finding,) = underflow(halves(flushed("w", shape=(10,))), leaves=[leaf("w", shape=(10,))])
    assert finding.subjects == ("w",)


def test_a_scaler_with_too_small_a_scale():
    (finding,) = underflow(halves(flushed(), scale=2.0))
    assert finding.related[-1].message == "the loss of this backward is scaled by 2"
    assert "from 2**6 (64) to 2**24 times larger" in note(finding, "scale")
    assert finding.fix.startswith("a GradScaler with a larger init_scale")
    assert finding.evidence["scale_low"] == 128.0
    (finding,) = underflow(halves(flushed(error=0.2), scale=1.0))
    assert finding.fix.startswith('scaler = torch.amp.GradScaler("cuda"), or')


def test_gradients_that_need_more_than_the_first_scale_of_a_scaler():
    (finding,) = underflow(halves(flushed(), exponents=((-44, 10),), largest=2.0**-40))
    assert 'GradScaler("cuda", init_scale=2.0**20)' in finding.fix


def test_parameters_in_float16_cannot_have_a_scaler():
    (finding,) = underflow(halves(flushed(dtype="float16")))
    assert finding.fix.startswith("keep the parameters in float32")


def test_a_range_that_no_scale_fits():
    (finding,) = underflow(halves(flushed(), largest=60000.0))
    assert finding.fix.startswith("bfloat16")
    assert note(finding, "scale") == "no loss scale saves them: the largest is 6e+04 already"


def test_without_a_site_the_backward_is_named():
    (finding,) = underflow(halves(flushed(), sites=()))
    assert finding.location == BACKWARD
    assert finding.related == ()


def test_a_zero_gradient_is_its_consequence():
    zero = GradientStats(backwards=3, zero_backwards=3)
    recording = TRAIN.recording(
        halves=(halves(flushed("net.weight")),),
        leaves=(leaf("net.weight", zero), leaf("other.weight", zero)),
        zeroed=(
            ZeroedAt("AddmmBackward0", "linear", MODEL, ("net.weight",), (), 3),
            ZeroedAt("ReluBackward0", "relu", TRAIN.at("optimizer"), ("other.weight",), (), 3),
        ),
    )
    found, _ = judge(recording)
    by_code = {finding.code: finding for finding in found}
    assert [one.subjects for one in by_code["GS406"].consequences] == [("net.weight",)]
    assert by_code["GS108"].subjects == ("other.weight",)


# ---------------------------------------------------------------- the arithmetic of scales


def test_the_range_of_scales():
    found = scale_range(((-30, 1), (-26, 99)), 2.0**-12)
    assert found is not None
    assert (found.low, found.high, found.kept) == (2, 24, 1.0)
    assert scale_range((), 1.0) is None
    assert scale_range(((-26, 1),), 65504.0) is None
    assert scale_range(((-80, 1),), 2.0**-12) is None


def test_what_a_scale_keeps():
    exponents = ((-26, 1), (-24, 1), (0, 2))
    assert [kept_at(exponents, power) for power in (0, 1, 2)] == [0.75, 0.75, 1.0]
    assert median(exponents) == 2.0**-23
    assert median(()) == 0.0
    assert [power_of_two(power) for power in (10, 30)] == ["2**10 (1,024)", "2**30"]


# ---------------------------------------------------------------- GS407


def incoming(**more: Any) -> ValueStats:
    return replace(ValueStats("incoming", (8,), "float16", 8, 0, 0, 0, -40.0, 900.0), **more)


def born(**more: Any) -> NonfiniteBirth:
    """A linear layer whose float16 gradient is fifty times too large, in the only backward."""
    base = NonfiniteBirth(
        kind="inf",
        final="inf",
        node="AddmmBackward0",
        location=MODEL,
        incoming=incoming(),
        outgoing=None,
        saved=(),
        reached=("net.weight",),
        trainable=2,
        backward=BACKWARD,
        step=1,
        true_largest=50 * 65504.0,
        spread=(Step("to_copy", None),),
    )
    return replace(base, **more)


def got(backwards: int, nonfinite: int) -> GradientStats:
    last = float("inf") if nonfinite == backwards else 1.0
    return GradientStats(backwards=backwards, nonfinite_backwards=nonfinite, last_norm=last)


def overflowing(
    *births: NonfiniteBirth, gradient: GradientStats | None = None, last_loss: float = 1.0
) -> Recording:
    leaves = (leaf("net.weight", gradient or got(1, 1)), leaf("net.bias", gradient or got(1, 1)))
    backward = Backward(BACKWARD, "backward", 3, 9, 2, 1.0, last_loss)
    passes = gradient.backwards if gradient else 1
    return TRAIN.recording(births=births, leaves=leaves, backwards=(backward,), backward_passes=passes)


def overflow(*births: NonfiniteBirth, **more: Any) -> list[Finding]:
    return check("GS407", overflowing(*births, **more))


def test_it_names_the_op_and_how_large_the_gradient_should_be():
    (finding,) = overflow(born())
    assert finding.message == (
        "the gradient of net.weight overflows in float16: it should reach 3.275e+06, "
        "and float16 ends at 65,504"
    )
    assert finding.label == "Inf from AddmmBackward0: 50.0x too large for float16"
    assert (finding.location, finding.confidence) == (MODEL, Confidence.CERTAIN)
    assert note(finding, "because") == "what comes in is finite, 900 at most, in float16"
    assert finding.fix.startswith("a loss 2**7 times smaller")
    assert [one.location for one in finding.related] == [BACKWARD]


def test_it_is_not_an_infinite_gradient_as_well():
    found, _ = judge(overflowing(born()))
    assert [finding.code for finding in found] == ["GS407"]
    found, _ = judge(overflowing(born(true_largest=None)))
    assert [finding.code for finding in found] == ["GS402"]
    found, _ = judge(overflowing(born(kind="nan", final="nan", true_largest=None)))
    assert [finding.code for finding in found] == ["GS401"]


def test_several_ops_of_one_backward_are_one_finding_at_the_worst():
    cast = born(node="ToCopyBackward0", location=CAST, reached=("net.bias",), true_largest=70000.0)
    (finding,) = overflow(cast, born())
    assert finding.location == MODEL
    assert finding.subjects == ("net.weight", "net.bias")
    assert finding.count == 2
    assert finding.related[0].message == "ToCopyBackward0 overflows as well: 7e+04"


def test_gradients_of_several_paths_that_overflow_when_added():
    summed = born(origin="sum", true_largest=None, incoming=incoming(inf=3))
    (finding,) = overflow(summed)
    assert note(finding, "because") == "the gradients of several paths are finite each, and their sum is not"
    assert "added up on the way into AddmmBackward0" in finding.label
    assert overflow(replace(summed, incoming=incoming(inf=3, dtype="float32"))) == []
    assert overflow(replace(summed, incoming=incoming(inf=3, nan=1))) == []


def test_a_summed_loss_wants_a_mean():
    recording = overflowing(born())
    (backward,) = recording.backwards
    summed = replace(recording, backwards=(replace(backward, node_names=(("SumBackward0", 1),)),))
    (finding,) = check("GS407", summed)
    assert finding.fix.startswith("the mean instead of the sum over the batch")


def test_a_steep_op_wants_float32():
    (finding,) = overflow(born(node="LogBackward0"))
    assert finding.fix.startswith("run log in float32 (x.float())")


@pytest.mark.parametrize(
    ("birth", "gradient"),
    [
        (born(scale=65536.0, last_scale=65536.0), got(9, 3)),
        (born(scale=65536.0, last_scale=4096.0), got(4, 4)),
        (born(count=2), got(9, 2)),
        (born(count=6), got(6, 6)),
        (born(count=90), replace(got(1000, 90), last_norm=float("inf"))),
        (born(reached=()), got(1, 0)),
    ],
    ids=["found", "searching", "skipped by the program", "searched by it", "tried now and then", "harmless"],
)
def test_the_search_for_a_scale_is_silent(birth, gradient):
    assert overflow(birth, gradient=gradient) == []


def test_a_scaler_that_is_where_it_should_fit_and_does_not():
    (finding,) = overflow(born(scale=65536.0, last_scale=512.0), gradient=got(9, 9))
    assert finding.severity is Severity.ERROR
    assert note(finding, "scale") == "the loss scale goes from 65,536 to 512; this gradient fits at 1024"
    assert finding.fix.startswith("GradScaler(init_scale=1024)")


def test_the_scale_that_should_fit_is_not_searched_any_more():
    assert overflow(born(scale=65536.0, last_scale=2048.0), gradient=got(9, 9)) == []
    assert len(overflow(born(scale=65536.0, last_scale=1024.0), gradient=got(9, 9))) == 1


def test_a_scale_below_one_is_told_also_when_it_was_found():
    (finding,) = overflow(born(scale=16.0, last_scale=0.25), gradient=got(90, 7))
    assert finding.severity is Severity.WARNING
    assert finding.evidence["fitting_scale"] == 0.25
    (finding,) = overflow(born(scale=16.0, last_scale=0.25), gradient=got(7, 7))
    assert finding.severity is Severity.ERROR


def test_a_program_whose_loss_became_nan_did_not_skip_the_step():
    (finding,) = overflow(born(), gradient=got(3, 3), last_loss=float("nan"))
    assert finding.severity is Severity.ERROR


def test_a_program_that_went_well_until_then_is_not_excused_by_it():
    grown = replace(got(9, 3), last_norm=float("nan"))
    (finding,) = overflow(born(step=7), gradient=grown, last_loss=float("nan"))
    assert finding.severity is Severity.ERROR


def test_the_last_backward_is_not_known_to_have_been_skipped():
    last = replace(got(9, 1), last_norm=float("nan"))
    assert overflow(born(step=8), gradient=last) == []
    (finding,) = overflow(born(step=9), gradient=last)
    assert finding.severity is Severity.ERROR


def test_a_search_without_end_is_told():
    (finding,) = overflow(born(count=60), gradient=got(60, 60))
    assert finding.count == 60


def test_a_later_look_is_only_probable():
    (finding,) = overflow(born(exact=False))
    assert finding.confidence is Confidence.PROBABLE
    assert "a later one" in note(finding, "note")


# ---------------------------------------------------------------- GS403 in float16


def test_a_forward_value_beyond_float16_says_so():
    stats = ValueStats("input 0", (8,), "float16", 8, 0, 0, 0, -40000.0, 40000.0)
    fact = NonfiniteForward(
        kind="inf",
        op="cumsum",
        location=MODEL,
        inputs=(stats,),
        output=replace(stats, name="output", inf=3),
        loss="inf",
        backward=BACKWARD,
        step=1,
    )
    (finding,) = check("GS403", TRAIN.recording(nonfinite_forwards=(fact,)))
    assert note(finding, "because") == "float16 ends at 65504: input 0 lies between -4e+04 and 4e+04"
    assert finding.fix == "run this op in float32 or bfloat16, or scale its inputs down"
    wide = replace(fact, inputs=(replace(stats, dtype="float32"),), output=replace(stats, dtype="float32"))
    (finding,) = check("GS403", TRAIN.recording(nonfinite_forwards=(wide,)))
    assert "float16" not in note(finding, "because")
