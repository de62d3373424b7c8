"""The order fold on hand-made events: what is stale, clipped or stepped out of order, and what is not."""

from __future__ import annotations

from itertools import count

from gradscope.facts import ClipOrder, ClipOutOfOrder, StaleGradient, StepOrder, StepOutOfOrder
from gradscope.finding import Location
from gradscope.folds.schedules import ScheduleFold
from gradscope.folds.steps import StepFold

SGD, ADAM = 1, 2
WEIGHT, BIAS, OTHER = 11, 12, 13
BOTH = (WEIGHT, BIAS)


class Line:
    """A place on a line of its own."""

    caller = None

    def __init__(self, line: int) -> None:
        self.line = line

    def location(self) -> Location:
        return Location("train.py", self.line)


BACKWARD, STEP, CLIP, ZERO, SECOND, OTHER_STEP = (Line(number) for number in range(1, 7))


class Loop:
    """A fold, and events with the usual arguments."""

    def __init__(self) -> None:
        self.fold = StepFold()
        self._epochs = count(1)

    def backward(self, *keys: int, place: Line = BACKWARD, scaled: bool = False, uses=None) -> None:
        self.fold.backward(keys or BOTH, place, uses, scaled)

    def step(self, *keys: int, place: Line = STEP, optimizer: int = SGD, any_gradient: bool = True) -> None:
        self.fold.stepped(optimizer, "SGD", keys or BOTH, place, next(self._epochs), any_gradient)

    def clip(self, *keys: int) -> None:
        self.fold.clipped(keys or BOTH, CLIP)

    def zero(self, *keys: int, place: Line | None = ZERO) -> None:
        self.fold.zeroed(keys or BOTH, place)

    def facts(self) -> tuple[StaleGradient | ClipOutOfOrder | StepOutOfOrder, ...]:
        return (*self.fold.found.stale(str), *self.fold.found.clips(), *self.fold.found.steps())

    def clipped(self) -> list[tuple[ClipOrder, int]]:
        assert all(fact.location == CLIP.location() for fact in self.fold.found.clips())
        return [(fact.kind, fact.count) for fact in self.fold.found.clips()]


# ---------------------------------------------------------------- stale gradients


def test_a_step_that_uses_the_gradients_of_the_step_before():
    loop = Loop()
    for _ in range(3):
        loop.backward()
        loop.step()
    (fact,) = loop.fold.found.stale(str)
    assert (fact.location, fact.step) == (BACKWARD.location(), STEP.location())
    assert (fact.leaves, fact.count, fact.steps) == (("11", "12"), 2, 3)
    assert (fact.optimizer, fact.left_by, fact.zeroed_at) == ("SGD", BACKWARD.location(), None)


def test_zeroed_anywhere_between_step_and_backward():
    loop = Loop()
    for _ in range(3):
        loop.zero()
        loop.backward()
        loop.step()
    assert loop.facts() == ()


def test_accumulation_is_no_finding():
    loop = Loop()
    for _ in range(3):
        for _ in range(4):
            loop.backward()
        loop.clip()
        loop.step()
        loop.zero()
    loop.backward()
    assert loop.facts() == ()


def test_only_the_leaves_that_were_not_zeroed():
    loop = Loop()
    for _ in range(2):
        loop.zero(BIAS)
        loop.backward()
        loop.step()
    (fact,) = loop.fold.found.stale(str)
    assert fact.leaves == ("11",)


def test_a_second_step_with_the_same_gradients_is_no_sum():
    loop = Loop()
    loop.backward()
    loop.step()
    loop.step(optimizer=ADAM)
    assert loop.facts() == ()


def test_what_a_step_used_and_nobody_zeroed_is_not_stale_before_the_owner_steps_again():
    loop = Loop()
    loop.backward(WEIGHT)
    loop.step(WEIGHT)
    loop.backward(WEIGHT, OTHER, place=SECOND)  # the generator's backward fills the discriminator
    loop.step(OTHER, optimizer=ADAM)
    loop.zero(WEIGHT)
    loop.backward(WEIGHT)
    loop.step(WEIGHT)
    assert loop.facts() == ()


def test_gradients_that_the_program_rewrote_are_its_own_affair():
    loop = Loop()
    for _ in range(3):
        loop.backward()
        loop.step()
        loop.fold.rewritten(WEIGHT)
        loop.fold.rewritten(BIAS)
    assert loop.facts() == ()


def test_steps_that_the_program_takes_itself():
    loop = Loop()
    for _ in range(3):
        loop.backward(WEIGHT)
        loop.fold.changed_by_hand(WEIGHT)
    (fact,) = loop.fold.found.stale(str)
    assert (fact.location, fact.step, fact.optimizer, fact.count) == (BACKWARD.location(), None, None, 2)


# the generator is WEIGHT (used first), the discriminator OTHER (nearer the loss)
GENERATOR_PASS = {WEIGHT: (0, 5), OTHER: (0, 9)}


def foreign(uses, discriminator_reaches=(OTHER,)) -> Loop:
    loop = Loop()
    for _ in range(2):
        loop.zero(WEIGHT)
        loop.backward(WEIGHT, OTHER, uses=uses)
        loop.step(WEIGHT)
        loop.backward(*discriminator_reaches, place=SECOND)
        loop.step(OTHER, place=OTHER_STEP, optimizer=ADAM)
        loop.zero(OTHER)
    return loop


def test_gradients_left_by_a_backward_for_another_optimizer():
    fact = foreign(GENERATOR_PASS).fold.found.stale(str)[0]
    assert (fact.location, fact.left_by) == (SECOND.location(), BACKWARD.location())
    assert (fact.step, fact.other_step) == (OTHER_STEP.location(), STEP.location())
    assert (fact.leaves, fact.zeroed_at) == (("13",), ZERO.location())


def test_a_trunk_that_is_further_from_the_loss_is_fed_on_purpose():
    assert foreign({WEIGHT: (0, 9), OTHER: (0, 5)}).facts() == ()


def test_a_slower_optimizer_accumulates_on_purpose():
    assert foreign(GENERATOR_PASS, discriminator_reaches=(WEIGHT, OTHER)).fold.found.stale(str) == ()


# ---------------------------------------------------------------- clips


def test_clip_after_the_step():
    loop = Loop()
    for _ in range(3):
        loop.backward()
        loop.step()
        loop.clip()
        loop.zero()
    assert loop.clipped() == [(ClipOrder.AFTER_STEP, 3)]
    (fact,) = loop.fold.found.clips()
    assert (fact.backward, fact.step) == (BACKWARD.location(), STEP.location())


def test_clip_before_the_backward():
    loop = Loop()
    for _ in range(3):
        loop.zero()
        loop.clip()
        loop.backward()
        loop.step()
    assert loop.clipped() == [(ClipOrder.BEFORE_BACKWARD, 3)]


def test_clip_between_the_backwards_of_one_step():
    loop = Loop()
    for _ in range(2):
        for _ in range(3):
            loop.backward()
            loop.clip()
        loop.step()
        loop.zero()
    assert loop.clipped() == [(ClipOrder.BETWEEN_BACKWARDS, 2)]


def test_a_clip_that_is_never_followed_by_a_step_is_silent():
    loop = Loop()
    loop.clip()
    loop.backward()
    loop.clip()
    loop.backward()
    assert loop.facts() == ()


def test_a_second_clip_after_the_step_only_measures():
    loop = Loop()
    for _ in range(2):
        loop.zero()
        loop.backward()
        loop.clip()
        loop.step()
        loop.clip()
    assert loop.facts() == ()


def test_gradients_that_the_program_clips_itself_after_an_early_clip():
    loop = Loop()
    loop.clip()
    loop.backward()
    loop.fold.rewritten(WEIGHT)
    loop.fold.rewritten(BIAS)
    loop.step()
    assert loop.facts() == ()


def test_clipping_one_part_leaves_the_other_alone():
    loop = Loop()
    for _ in range(2):
        loop.backward(WEIGHT)
        loop.clip(WEIGHT)
        loop.backward(BIAS)
        loop.clip(BIAS)
        loop.step()
        loop.zero()
    assert loop.facts() == ()


def test_scaled_until_unscaled_or_zeroed():
    loop = Loop()
    loop.backward(scaled=True)
    assert loop.fold.scaled(BOTH) == [*BOTH]
    loop.fold.unscaled([WEIGHT])
    assert loop.fold.scaled(BOTH) == [BIAS]
    loop.zero()
    assert loop.fold.scaled(BOTH) == []
    loop.fold.clipped_scaled([WEIGHT], CLIP, 1024.0)
    (fact,) = loop.fold.found.clips()
    assert (fact.kind, fact.scale) == (ClipOrder.BEFORE_UNSCALE, 1024.0)


# ---------------------------------------------------------------- steps


def test_zeroed_between_backward_and_step():
    loop = Loop()
    for _ in range(3):
        loop.backward()
        loop.zero()
        loop.step(any_gradient=False)
    (fact,) = loop.fold.found.steps()
    assert (fact.kind, fact.location, fact.count) == (StepOrder.ZEROED, STEP.location(), 3)
    assert (fact.backward, fact.other) == (BACKWARD.location(), ZERO.location())


def test_gradients_of_autograd_grad_that_are_never_assigned():
    loop = Loop()
    for _ in range(3):
        loop.fold.differentiated(BOTH, BACKWARD)
        loop.step(any_gradient=False)
    (fact,) = loop.fold.found.steps()
    assert (fact.kind, fact.count, fact.grad_call) == (StepOrder.NO_GRADIENT, 3, True)


def test_assigned_gradients_are_gradients():
    loop = Loop()
    for _ in range(3):
        loop.fold.differentiated(BOTH, BACKWARD)
        loop.step(any_gradient=True)
    assert loop.facts() == ()


def test_one_idle_step_or_one_that_has_a_gradient_is_silent():
    loop = Loop()
    loop.step(any_gradient=False)
    loop.step(any_gradient=False)
    for _ in range(2):
        loop.backward()
        loop.zero()
        loop.step(any_gradient=False)
    loop.backward()
    loop.step()
    assert loop.facts() == ()


def test_an_optimizer_whose_parameters_no_backward_ever_met_is_silent():
    loop = Loop()
    for _ in range(4):
        loop.step(any_gradient=False)
    assert loop.facts() == ()


def test_a_step_between_forward_and_backward():
    loop = Loop()
    loop.backward()
    loop.step()  # begins epoch 1
    loop.fold.walked({WEIGHT: (0, 3), BIAS: (0, 4)}, SECOND)
    (fact,) = loop.fold.found.steps()
    assert (fact.kind, fact.location, fact.count) == (StepOrder.INSIDE_PASS, STEP.location(), 1)
    assert fact.backward == SECOND.location()


def test_a_graph_made_after_the_step_or_of_another_optimizers_leaves():
    loop = Loop()
    loop.backward(WEIGHT)
    loop.step(WEIGHT)
    loop.fold.walked({WEIGHT: (1, 3), BIAS: (0, 2)}, SECOND)
    assert loop.facts() == ()


def test_steps_past_the_scaler_are_counted():
    loop = Loop()
    for _ in range(2):
        loop.backward(scaled=True)
        loop.fold.stepped_scaled([WEIGHT], STEP, "SGD", 65536.0)
    (fact,) = loop.fold.found.steps()
    assert (fact.kind, fact.scale, fact.count) == (StepOrder.PAST_SCALER, 65536.0, 2)


def test_after_a_gap_nothing_is_known():
    loop = Loop()
    loop.backward()
    loop.step()
    loop.fold.forget()
    loop.backward()
    loop.step()
    assert loop.facts() == ()
    assert len(loop.fold) == 2
    loop.fold.drop(WEIGHT)
    assert len(loop.fold) == 1


def test_a_skipped_step_uses_the_gradient_too():
    loop = Loop()
    loop.backward()
    loop.fold.skipped(BOTH, STEP)
    loop.backward()
    loop.step()
    (fact,) = loop.fold.found.stale(str)
    assert fact.count == 1


def test_lines_are_bounded():
    loop = Loop()
    for number in range(600):
        loop.fold.clipped_scaled([WEIGHT], Line(number), 2.0)
        loop.fold.stepped_scaled([WEIGHT], Line(number), "SGD", 2.0)
        loop.backward(place=Line(number))
        loop.step(place=Line(number))
    assert (
        max(map(len, (loop.fold.found.clips(), loop.fold.found.steps(), loop.fold.found.stale(str)))) <= 256
    )


# ---------------------------------------------------------------- schedules

SCHEDULE = Line(9)


def schedule(events: str) -> tuple[StepOutOfOrder, ...]:
    """`o` is a step of the optimizer, `s` of the scheduler, `f` of the scheduler at another line."""
    fold = ScheduleFold()
    for event in events:
        if event == "o":
            fold.stepped(SGD, "SGD", STEP)
        else:
            fold.scheduled(1, SGD, SCHEDULE if event == "s" else SECOND)
    return fold.facts()


def test_a_scheduler_that_is_always_a_step_ahead():
    (fact,) = schedule("sososo")
    assert (fact.kind, fact.location, fact.count) == (StepOrder.SCHEDULER_FIRST, SCHEDULE.location(), 3)
    assert (fact.other, fact.optimizer) == (STEP.location(), "SGD")
    assert len(schedule("sooosooo")) == 1


def test_schedules_in_order_or_wound_forward():
    for events in ("ososos", "ooosooos", "sssoooso", "fososos", "s", "so", "ss"):
        assert schedule(events) == (), events
