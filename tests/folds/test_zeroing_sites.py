"""The zeroing fold on hand-made visits: sites, the leaves behind them, bounds."""

from __future__ import annotations

from gradscope.finding import Location
from gradscope.folds.visits import Content, Factor, Received, Spot, Visit
from gradscope.folds.zeroing import ZeroFold

NONZERO, ZERO = Content.NONZERO, Content.ZERO


class Line:
    """A place on a line of its own."""

    def __init__(self, line: int, caller: Line | None = None) -> None:
        self.line = line
        self.caller = caller

    def location(self) -> Location:
        return Location("train.py", self.line)


PLACES = [Line(number) for number in range(10)]


def _visit(
    index: int,
    incoming: Content,
    edges: dict[int, Content],
    factors: tuple[Factor | None, ...] = (),
    cancels: tuple[bool, ...] = (),
    node: str = "MulBackward0",
) -> Visit:
    spot = Spot(node, PLACES[index])
    return Visit(index, spot, incoming, tuple(edges.values()), tuple(edges), 1, factors, cancels)


def _leaves(fold: ZeroFold) -> list[tuple[int, tuple[str, ...]]]:
    return [(fact.location.line, fact.leaves) for fact in fold.facts(str) if fact.location is not None]


def test_zeros_are_followed_to_the_leaf() -> None:
    fold = ZeroFold()
    visits = [_visit(0, NONZERO, {1: ZERO}), _visit(1, ZERO, {2: ZERO, 3: ZERO})]
    fold.add(visits, {2: Received(20, ZERO), 3: Received(30, ZERO), 4: Received(40, NONZERO)})
    assert _leaves(fold) == [(0, ("20", "30"))]


def test_a_zero_edge_beside_a_living_one_needs_a_factor() -> None:
    fold = ZeroFold()
    fold.add([_visit(0, NONZERO, {1: ZERO, 2: NONZERO})], {1: Received(10, ZERO)})
    assert _leaves(fold) == []
    fold.add([_visit(0, NONZERO, {1: ZERO, 2: NONZERO}, (Factor("mat2", 7), None))], {1: Received(10, ZERO)})
    (fact,) = fold.facts({7: "up", 10: "down"}.__getitem__)
    assert (fact.factor, fact.factor_is_leaf, fact.leaves) == ("up", True, ("down",))


def test_edges_that_get_a_sum_neither_count_nor_stand_in_the_way() -> None:
    fold = ZeroFold()
    received = {1: Received(10, ZERO), 2: Received(20, ZERO)}
    fold.add([_visit(0, NONZERO, {1: ZERO, 2: NONZERO}, cancels=(True, False))], received)
    assert _leaves(fold) == []
    fold.add([_visit(0, NONZERO, {1: NONZERO, 2: ZERO}, cancels=(True, False))], received)
    assert _leaves(fold) == [(0, ("20",))]


def test_every_edge_into_the_leaf_must_be_zero_for_a_reason() -> None:
    fold = ZeroFold()
    fold.add([_visit(0, NONZERO, {1: ZERO})], {1: Received(10, ZERO, edges=2)})
    assert _leaves(fold) == []


def test_a_leaf_is_cleared_for_good() -> None:
    fold = ZeroFold()
    visits = [_visit(0, NONZERO, {1: ZERO})]
    fold.add(visits, {1: Received(10, ZERO)})
    assert fold.undecided()
    fold.add([], {1: Received(10, NONZERO)})
    assert not fold.undecided()
    assert len(fold) == 0
    fold.add(visits, {1: Received(10, ZERO)})
    assert _leaves(fold) == []


def test_backwards_are_counted_where_a_leaf_was_left_without() -> None:
    fold = ZeroFold()
    for _ in range(3):
        fold.add([_visit(0, NONZERO, {1: ZERO})], {1: Received(10, ZERO)})
    (fact,) = fold.facts(str)
    assert (fact.backwards, fact.op) == (3, "mul")


def test_a_line_is_one_site_from_wherever_it_was_reached() -> None:
    fold = ZeroFold()
    received = {1: Received(10, ZERO), 2: Received(20, ZERO)}
    both = [Line(5, Line(7)), Line(5, Line(8))]
    for places in ([Line(5)] * 2, both, both):
        visits = [
            Visit(index, Spot("ReluBackward0", place), NONZERO, (ZERO,), (index + 1,))
            for index, place in enumerate(places)
        ]
        fold.add(visits, received)
    (fact,) = fold.facts(str)
    assert (fact.leaves, fact.backwards) == (("10", "20"), 3)


def test_the_table_is_bounded_and_says_what_it_left_out() -> None:
    fold = ZeroFold()
    for number in range(300):
        visit = _visit(0, NONZERO, {1: ZERO}, node=f"N{number}Backward0")
        fold.add([visit], {1: Received(number, ZERO)})
    assert len(fold) == 256
    assert fold.left_out == 44
