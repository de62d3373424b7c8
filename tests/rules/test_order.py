"""GS501 to GS503: gradients that are not zeroed, clipped or stepped at the right time."""

import pytest

from gradscope.engine import judge
from gradscope.facts import (
    Change,
    ClipOrder,
    ClipOutOfOrder,
    InplaceConflict,
    StaleGradient,
    StepOrder,
    StepOutOfOrder,
)
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, only, optimizer, registered

SOURCE = Source(
    """
    for x in data:
        gen_loss.backward()
        opt_g.step()
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        opt.zero_grad()
        sched.step()
        later.backward()
    """
)
BACKWARD, STEP, CLIP = SOURCE.at("loss.backward()", 1), SOURCE.at("opt.step()"), SOURCE.at("clip_grad_norm_")
GEN, GEN_STEP = SOURCE.at("gen_loss.backward()"), SOURCE.at("opt_g.step()")
ZERO, SCHEDULE, LATER = SOURCE.at("opt.zero_grad()"), SOURCE.at("sched.step()"), SOURCE.at("later.backward()")


def test_the_backward_that_adds_to_used_gradients():
    fact = StaleGradient(BACKWARD, STEP, "SGD", ("w", "b"), left_by=BACKWARD, count=3, steps=4)
    found = only("GS501", SOURCE.recording(stale_gradients=(fact,)))
    assert (found.location, found.severity, found.count) == (BACKWARD, Severity.ERROR, 3)
    assert found.confidence is Confidence.CERTAIN
    assert found.message.startswith("w and b (2 parameters) are stepped by SGD with gradients that hold")
    assert found.fix == "call opt.zero_grad() before line 4"
    assert [(one.location, one.message) for one in found.related] == [(STEP, "this step uses the sum")]
    assert [(note.heading, note.text) for note in found.notes] == [("seen", "in 3 of 4 steps")]
    assert found.subjects == ("w", "b")


def test_a_program_that_steps_itself():
    fact = StaleGradient(BACKWARD, None, None, ("w",), left_by=BACKWARD)
    found = only("GS501", SOURCE.recording(stale_gradients=(fact,)))
    assert found.fix == "zero the gradients (w.grad = None) before line 4"
    assert "by the program itself" in found.message


def test_gradients_meant_for_another_optimizer_are_a_warning():
    fact = StaleGradient(
        BACKWARD, STEP, "Adam", ("D.weight",), left_by=GEN, other_step=GEN_STEP, zeroed_at=ZERO
    )
    found = only("GS501", SOURCE.recording(stale_gradients=(fact,)))
    assert (found.severity, found.confidence) == (Severity.WARNING, Confidence.PROBABLE)
    assert "what the backward of line 2 left" in found.message
    assert [one.location for one in found.related] == [GEN, GEN_STEP, STEP, ZERO]
    assert found.fix == "call opt.zero_grad() before line 4, not only at line 7"


@pytest.mark.parametrize(
    ("kind", "words", "fix"),
    [
        (
            ClipOrder.BEFORE_BACKWARD,
            "before backward",
            "clip after the backward of line 4 and before the step",
        ),
        (ClipOrder.AFTER_STEP, "after the step", "clip after the backward of line 4 and before the step"),
        (ClipOrder.BETWEEN_BACKWARDS, "between the backwards", "clip once, after the last backward"),
        (ClipOrder.BEFORE_UNSCALE, "multiplied by the loss scale", "call scaler.unscale_(optimizer) before"),
    ],
)
def test_clips(kind, words, fix):
    fact = ClipOutOfOrder(kind, CLIP, BACKWARD, STEP, count=5)
    found = only("GS502", SOURCE.recording(clips_out_of_order=(fact,)))
    assert (found.location, found.severity, found.count) == (CLIP, Severity.ERROR, 5)
    assert words in found.message
    assert found.fix.startswith(fix)
    assert [one.location for one in found.related] == [BACKWARD, STEP]
    assert found.notes == ()


def test_the_loss_scale_is_told():
    fact = ClipOutOfOrder(ClipOrder.BEFORE_UNSCALE, CLIP, BACKWARD, scale=65536.0)
    found = only("GS502", SOURCE.recording(clips_out_of_order=(fact,)))
    assert found.notes[0].text == "the gradients are 65,536 times too large here: that is the loss scale"
    assert found.evidence["scale"] == 65536.0


def test_zeroed_between_backward_and_step():
    fact = StepOutOfOrder(StepOrder.ZEROED, STEP, "SGD", BACKWARD, ZERO, count=4)
    found = only("GS503", SOURCE.recording(steps_out_of_order=(fact,)))
    assert (found.location, found.severity, found.count) == (STEP, Severity.ERROR, 4)
    assert found.message == "SGD steps with no gradient: they are zeroed between backward and step"
    assert found.fix == "move opt.zero_grad() (line 7) before line 4, or after line 6"


def test_a_step_that_is_written_above_the_backward():
    fact = StepOutOfOrder(StepOrder.ZEROED, STEP, "SGD", LATER, ZERO)
    found = only("GS503", SOURCE.recording(steps_out_of_order=(fact,)))
    assert found.message.startswith("SGD steps before backward")
    assert found.fix == "step after line 9"


def test_gradients_that_nobody_assigned():
    fact = StepOutOfOrder(StepOrder.NO_GRADIENT, STEP, "SGD", BACKWARD, grad_call=True, count=4)
    found = only("GS503", SOURCE.recording(steps_out_of_order=(fact,)))
    assert "torch.autograd.grad returns gradients" in found.message
    assert found.related[0].message == "this autograd.grad made the gradients"


def test_past_the_scaler():
    fact = StepOutOfOrder(StepOrder.PAST_SCALER, STEP, "SGD", BACKWARD, scale=1024.0)
    found = only("GS503", SOURCE.recording(steps_out_of_order=(fact,)))
    assert found.message == "SGD steps past the GradScaler: its gradients are 1,024 times too large"
    assert found.fix == "scaler.step(optimizer), then scaler.update()"


def test_the_scheduler_first_is_a_warning():
    fact = StepOutOfOrder(StepOrder.SCHEDULER_FIRST, SCHEDULE, "SGD", other=STEP, count=3)
    found = only("GS503", SOURCE.recording(steps_out_of_order=(fact,)))
    assert (found.location, found.severity) == (SCHEDULE, Severity.WARNING)
    assert found.fix == "call sched.step() after the step of line 6"


def test_a_step_inside_a_pass_is_part_of_the_conflict_that_torch_raises():
    step = StepOutOfOrder(StepOrder.INSIDE_PASS, STEP, "SGD", LATER)
    conflict = InplaceConflict(
        "AddmmBackward0",
        "mat2",
        SOURCE.at("for x in data"),
        (3, 2),
        "float32",
        2,
        1,
        (Change("SGD.step", STEP, 2),),
        LATER,
        ended_program=True,
    )
    alone, _ = judge(SOURCE.recording(steps_out_of_order=(step,)))
    assert [found.code for found in alone] == ["GS503"]
    both, _ = judge(SOURCE.recording(steps_out_of_order=(step,), inplace_conflicts=(conflict,)))
    assert [found.code for found in both] == ["GS201"]
    assert [found.code for found in both[0].consequences] == ["GS503"]


def test_a_healthy_recording_is_silent():
    recording = SOURCE.recording(
        leaves=(registered("net", "w"),), optimizers=(optimizer("w", location=STEP),)
    )
    assert not [found for code in ("GS501", "GS502", "GS503") for found in check(code, recording)]
