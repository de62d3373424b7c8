"""The births fold on hand-made visits: propagation along edges, merging, bounds."""

from __future__ import annotations

from gradscope.finding import Location
from gradscope.folds.births import BirthFold, trace
from gradscope.folds.visits import Content, Look, Occasion, Received, Spot, Visit, op_name

NONZERO, ZERO, INF, NAN = Content.NONZERO, Content.ZERO, Content.INF, Content.NAN


class Line:
    """A place on a line of its own."""

    caller = None

    def __init__(self, line: int) -> None:
        self.line = line

    def location(self) -> Location:
        return Location("train.py", self.line)


PLACES = [Line(number) for number in range(10)]
OCCASION = Occasion(PLACES[9], step=1, trainable=2)


def _visit(
    index: int,
    incoming: Content,
    edges: dict[int, Content],
    *,
    node: str = "MulBackward0",
    summands: int = 1,
) -> Visit:
    spot = Spot(node, PLACES[index])
    return Visit(index, spot, incoming, tuple(edges.values()), tuple(edges), summands)


def _spot(index: int) -> Spot:
    return Spot(f"Healer{index}Backward0", PLACES[index])


def test_only_non_finite_edges_carry_a_birth() -> None:
    visits = [
        _visit(0, NONZERO, {1: INF, 2: NONZERO}),
        _visit(1, INF, {3: INF, 4: NONZERO}),
    ]
    received = {3: Received(30, INF), 4: Received(40, NONZERO), 2: Received(20, NONZERO)}
    (birth,) = trace(visits, received, _spot)
    assert birth.reached == {30: INF}
    assert [spot.place for spot in birth.spread] == [PLACES[1]]


def test_two_births_in_one_leaf() -> None:
    visits = [_visit(0, NONZERO, {2: INF}), _visit(1, NONZERO, {2: NAN})]
    births = trace(visits, {2: Received(20, NAN)}, _spot)
    assert [(birth.kind, birth.reached) for birth in births] == [(INF, {20: NAN}), (NAN, {20: NAN})]


def test_healed_at_the_first_node_that_gives_nothing_non_finite() -> None:
    visits = [_visit(0, NONZERO, {5: NAN})]
    (birth,) = trace(visits, {}, _spot)
    assert (birth.reached, birth.masked_at) == ({}, _spot(5))


def test_leaf_that_a_hook_healed_is_not_reached() -> None:
    (birth,) = trace([_visit(0, NONZERO, {1: NAN})], {1: Received(10, NONZERO)}, _spot)
    assert birth.reached == {}


def test_origins_of_what_no_node_gave() -> None:
    visits = [
        _visit(0, INF, {3: INF}, summands=0),
        _visit(1, NAN, {3: NAN}, summands=2),
        _visit(2, NAN, {3: NAN}, summands=1),
    ]
    assert [birth.origin for birth in trace(visits, {}, _spot)] == ["seed", "sum", "hook"]


def test_a_sum_of_infinities_becomes_nan_where_it_arrives() -> None:
    visits = [
        _visit(0, NONZERO, {2: INF}),
        _visit(1, NONZERO, {2: INF}),
        _visit(2, NAN, {3: NAN}),
    ]
    births = trace(visits, {3: Received(1, NAN)}, _spot)
    assert [birth.becomes and birth.becomes.place for birth in births] == [PLACES[2], PLACES[2]]


def test_the_first_node_that_turns_inf_into_nan_is_told() -> None:
    visits = [_visit(0, NONZERO, {1: INF}), _visit(1, INF, {2: NAN, 3: INF}), _visit(3, INF, {4: NAN})]
    (birth,) = trace(visits, {4: Received(1, NAN)}, _spot)
    assert birth.becomes is not None
    assert birth.becomes.place is PLACES[1]


def test_the_first_birth_that_reaches_a_leaf_is_the_one_told() -> None:
    fold = BirthFold()
    for step, target in ((1, 5), (2, 3), (3, 3)):
        births = trace([_visit(0, NONZERO, {target: NAN})], {3: Received(30, NAN)}, _spot)
        fold.add(births, Occasion(PLACES[9], step, 2))
    (fact,) = fold.facts(lambda leaf: f"leaf{leaf}")
    assert (fact.reached, fact.step, fact.count, fact.masked_at) == (("leaf30",), 2, 3, None)


def test_reached_leaves_are_united_and_nan_wins() -> None:
    fold = BirthFold()
    for leaf, content in ((1, INF), (2, INF), (1, NAN)):
        fold.add(trace([_visit(0, NONZERO, {7: INF})], {7: Received(leaf, content)}, _spot), OCCASION)
    (fact,) = fold.facts(str)
    assert (fact.reached, fact.final, fact.kind) == (("1", "2"), "nan", "inf")


def test_looks_are_wanted_until_one_has_told_of_harm() -> None:
    fold = BirthFold()
    spot = Spot("MulBackward0", PLACES[0])
    look = Look(None, None, ())
    assert fold.wants_look(spot)

    def add(target: int) -> None:
        births = trace([_visit(0, NONZERO, {target: NAN})], {3: Received(30, NAN)}, _spot)
        births[0].look = look
        fold.add(births, OCCASION)

    add(5)
    assert fold.wants_look(spot)
    add(5)
    add(5)
    assert not fold.wants_look(spot)
    fold = BirthFold()
    add(3)
    assert not fold.wants_look(spot)
    assert fold.wants_look(Spot("DivBackward0", PLACES[0]))


def test_the_table_is_bounded_and_says_what_it_left_out() -> None:
    fold = BirthFold()
    for number in range(300):
        fold.add(trace([_visit(0, NONZERO, {5: NAN}, node=f"N{number}Backward0")], {}, _spot), OCCASION)
    assert len(fold) == 256
    assert fold.left_out == 44


def test_names_of_ops() -> None:
    names = (
        "LogSoftmaxBackward0",
        "MmBackward0",
        "CubeBackward",
        "AccumulateGrad",
        "SplitWithSizesBackward1",
    )
    assert [op_name(name) for name in names] == [
        "log_softmax",
        "mm",
        "Cube",
        "AccumulateGrad",
        "split_with_sizes",
    ]
