"""The phases of a step: rounds, orders, and what is counted."""

from __future__ import annotations

from gradscope.facts import Phase, PhaseKind, TrainingLoop
from gradscope.finding import Location
from gradscope.folds.phases import PhaseFold


class Line:
    def __init__(self, number: int) -> None:
        self.number = number

    def location(self) -> Location:
        return Location("train.py", self.number)


LINES = [Line(number) for number in range(200)]
ZERO, FORWARD, LOSS, SCALE, BACKWARD, STEP, SCHEDULE = (
    PhaseKind.ZERO,
    PhaseKind.FORWARD,
    PhaseKind.LOSS,
    PhaseKind.SCALE,
    PhaseKind.BACKWARD,
    PhaseKind.STEP,
    PhaseKind.SCHEDULE,
)


def fold(*events: tuple[PhaseKind, int]) -> PhaseFold:
    phases = PhaseFold()
    for kind, number in events:
        phases.saw(kind, LINES[number])
    return phases


def loop(*events: tuple[PhaseKind, int]) -> TrainingLoop:
    found = fold(*events).fact()
    assert found is not None
    return found


def order(found: TrainingLoop) -> list[tuple[PhaseKind, int, int, int]]:
    return [(p.kind, p.location.line if p.location else 0, p.count, p.steps) for p in found.phases]


def test_a_plain_loop_is_one_order() -> None:
    found = loop(*[(ZERO, 1), (FORWARD, 2), (LOSS, 3), (BACKWARD, 4), (STEP, 5)] * 7)
    assert (found.steps, found.usual, found.orders) == (7, 7, 1)
    assert order(found) == [
        (ZERO, 1, 7, 7),
        (FORWARD, 2, 7, 7),
        (LOSS, 3, 7, 7),
        (BACKWARD, 4, 7, 7),
        (STEP, 5, 7, 7),
    ]


def test_micro_batches_belong_to_their_step() -> None:
    found = loop(*[*[(FORWARD, 2), (BACKWARD, 4)] * 4, (STEP, 5), (ZERO, 6)] * 3)
    assert (found.steps, found.usual) == (3, 3)
    assert order(found) == [(FORWARD, 2, 12, 3), (BACKWARD, 4, 12, 3), (STEP, 5, 3, 3), (ZERO, 6, 3, 3)]


def test_two_optimizers_in_turn_are_one_round() -> None:
    turn = [(FORWARD, 1), (BACKWARD, 2), (STEP, 3), (FORWARD, 4), (BACKWARD, 5), (STEP, 6)]
    found = loop(*turn * 5)
    assert (found.steps, found.usual) == (5, 5)
    assert [p.kind for p in found.phases] == [kind for kind, _ in turn]


def test_optimizers_in_a_loop_over_one_line() -> None:
    found = loop(*[(ZERO, 1), (ZERO, 1), (FORWARD, 2), (BACKWARD, 3), (STEP, 4), (STEP, 4)] * 3)
    assert (found.steps, found.usual) == (3, 3)
    assert order(found)[-1] == (STEP, 4, 6, 3)


def test_what_comes_before_the_loop_is_not_the_usual_order() -> None:
    found = loop((FORWARD, 9), *[(FORWARD, 2), (BACKWARD, 3), (STEP, 4)] * 10)
    assert (found.steps, found.usual, found.orders) == (10, 9, 2)
    assert order(found)[-1] == (FORWARD, 9, 1, 1)


def test_a_round_that_did_not_step_is_no_step() -> None:
    assert fold((FORWARD, 1), (BACKWARD, 2), (FORWARD, 1), (BACKWARD, 2)).fact() is None
    found = loop(*[(FORWARD, 1), (BACKWARD, 2), (STEP, 3)] * 2, (FORWARD, 1), (BACKWARD, 2))
    assert found.steps == 2


def test_a_loss_stands_where_it_was_made() -> None:
    phases = PhaseFold()
    for turn in (0, 100):
        for micro in (0, 10):
            now = turn + micro
            phases.saw(FORWARD, LINES[1], when=now)
            phases.saw(ZERO, LINES[2], when=now + 5)
            phases.saw(SCALE, LINES[4], when=now + 6)
            phases.saw(LOSS, LINES[3], when=now + 4)
            phases.saw(BACKWARD, LINES[4], when=now + 6)
        phases.saw(STEP, LINES[5], when=turn + 20)
    found = phases.fact()
    assert found is not None
    assert [p.kind for p in found.phases] == [FORWARD, LOSS, ZERO, SCALE, BACKWARD, STEP]
    assert (found.steps, found.usual) == (2, 2)


def test_values_are_kept_from_first_to_last() -> None:
    phases = PhaseFold()
    for value in (3.0, None, 1.0):
        phases.saw(LOSS, LINES[1], "mse_loss", value)
        phases.saw(STEP, LINES[2], "SGD")
    found = phases.fact()
    assert found is not None
    assert found.phases[0] == Phase(LOSS, Location("train.py", 1), "mse_loss", 3, 3, 3.0, 1.0)


def test_memory_is_bounded() -> None:
    phases = PhaseFold()
    for turn in range(3000):
        for number in range(150):
            if turn >> (number % 12) & 1:
                phases.saw(FORWARD, LINES[number])
        phases.saw(STEP, LINES[199])
    found = phases.fact()
    assert len(phases) <= 128
    assert found is not None
    assert found.orders <= 64
    assert found.left_out
