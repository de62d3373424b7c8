"""An infinity that was written on purpose: who takes it into the loss."""

import pytest

from gradscope.folds.provenance import Origin, ProvenanceFold, Trail

MASK = Origin("inf", "masked_fill", None, 1, intended=True)


def told(*ops, origin=MASK):
    fold = ProvenanceFold()
    fold.add(Trail(((origin, tuple((op, None) for op in ops)),)), "inf", None, 1)
    (fact,) = fold.facts(None)
    return fact


@pytest.mark.parametrize(
    ("way", "op", "after"),
    [
        (("cross_entropy",), "cross_entropy", []),
        (("log_softmax", "gather", "mul", "mean"), "gather", ["mul", "mean"]),
        (("__getitem__", "add", "log_softmax", "__getitem__", "neg"), "__getitem__", ["neg"]),
        (("sub", "mul", "mean"), "mean", []),
    ],
)
def test_the_op_that_takes_it_is_named(way, op, after):
    fact = told(*way)
    assert (fact.op, [step.op for step in fact.spread]) == (op, after)
    assert fact.source == "the -inf that masked_fill wrote"


def test_where_nothing_takes_it_the_mask_is_all_there_is():
    fact = told("add", "neg")
    assert (fact.op, fact.source) == ("masked_fill", None)


def test_an_infinity_that_was_computed_keeps_its_origin():
    fact = told("log_softmax", "gather", "mean", origin=Origin("inf", "log", None, 1))
    assert (fact.op, fact.source) == ("log", None)
