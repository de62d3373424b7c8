"""Two runs of one region, taken down by hand."""

from __future__ import annotations

import math

import pytest

from gradscope.facts import Recomputed
from gradscope.finding import Location
from gradscope.folds.recomputation import compare
from gradscope.folds.region_runs import (
    Draw,
    Given,
    Kept,
    OpRun,
    Run,
    TensorContent,
    difference,
    is_beyond_rounding,
)


class At:
    """A place at a line of one file."""

    caller = None

    def __init__(self, line: int) -> None:
        self.line = line

    def location(self) -> Location:
        return Location("/p/model.py", self.line)


LINES = {line: At(line) for line in range(1, 40)}


def content(norm: float = 1.0, product: float = 0.5, dtype: str = "float32", **more) -> TensorContent:
    return TensorContent(more.pop("shape", (4,)), dtype, moments=(norm, product), **more)


def op(name: str, line: int, gave: float = 1.0, *given: Given, **more) -> OpRun:
    """An op whose one result has this norm."""
    return OpRun(name, LINES[line], (LINES[line],), given, outputs=(content(gave),), **more)


def inner(producer: int) -> Given:
    return Given(0, producer, None, (1, 0))


def outer(norm: float, storage: int = 7, version: int = 0, leaf: int | None = None) -> Given:
    return Given(0, None, content(norm), (storage, version), leaf)


def run(*ops: OpRun, kept: tuple[float, ...] = (), by: int = 0, whole: bool = True) -> Run:
    return Run(list(ops), [Kept(content(norm), by, by_op=True) for norm in kept], whole)


@pytest.mark.parametrize(
    ("dtype", "rounding", "real"),
    [("float64", 1e-13, 1e-6), ("float32", 1e-6, 1e-4), ("float16", 1e-3, 0.05), ("bfloat16", 8e-3, 0.2)],
)
def test_rounding_is_no_difference(dtype, rounding, real):
    assert not is_beyond_rounding(content(dtype=dtype), content(1 + rounding, dtype=dtype))
    assert is_beyond_rounding(content(dtype=dtype), content(1 + real, dtype=dtype))
    assert is_beyond_rounding(content(dtype=dtype), content(product=0.5 + real, dtype=dtype))


def test_whole_numbers_are_compared_exactly():
    assert is_beyond_rounding(
        content(100.0, dtype="int64", exact=True), content(100.0001, exact=True, dtype="int64")
    )


def test_a_flag_that_flips_behind_rounding_errors_is_theirs():
    flags = [content(100.0, dtype="bool", exact=True), content(100.005, dtype="bool", exact=True)]
    first, again = (
        [op("index_add", 2, gave), OpRun("gt", LINES[3], (LINES[3],), (inner(0),), outputs=(flag,))]
        for gave, flag in zip((1.0, 1 + 1e-7), flags, strict=True)
    )
    kept = [Kept(flag, 1, by_op=True) for flag in flags]
    assert compare(Run(first, kept[:1]), Run(again, kept[1:])) is None
    assert compare(Run(first[1:], kept[:1]), Run(again[1:], kept[1:])) is not None


def test_other_shapes_and_dtypes_differ_whatever_they_hold():
    assert difference(content(), content(shape=(3,))) == math.inf
    assert difference(content(), content(dtype="float64")) == math.inf


def test_two_that_are_not_finite_tell_nothing():
    assert difference(content(math.nan, math.nan), content(math.nan, math.nan)) == 0
    assert difference(content(math.inf, math.nan), content(1.0, 0.5)) == math.inf
    assert difference(TensorContent((4,), "float32"), content(3.0)) == 0


def test_what_the_backward_does_not_need_may_differ():
    first, again = run(op("mul", 3, 1.0), kept=(1.0,)), run(op("mul", 3, 2.0), kept=(1.0,))
    assert compare(first, again) is None


def test_the_first_op_that_differs_is_named_and_not_those_after_it():
    ops = [op("linear", 2), op("mul", 3, numbers=("1.5",)), op("tanh", 4, 0.8, inner(1))]
    later = [op("linear", 2), op("mul", 3, 2.0, numbers=("2.5",)), op("tanh", 4, 0.9, inner(1))]
    found = compare(run(*ops, kept=(1.0,), by=2), run(*later, kept=(2.0,), by=2))
    assert found is not None
    assert (found.cause, found.op, found.words) == (Recomputed.SCALAR, ops[1], ("1.5", "2.5"))
    assert found.off == pytest.approx(0.5)
    assert (found.kept, found.of) == (1, 1)


@pytest.mark.parametrize(
    ("draw", "cause"),
    [
        (Draw.RANDOM, Recomputed.RANDOM),
        (Draw.GENERATOR, Recomputed.GENERATOR),
        (Draw.DATA, Recomputed.DATA),
        (Draw.NOTHING, Recomputed.UNKNOWN),
    ],
)
def test_an_op_that_draws_is_its_own_cause(draw, cause):
    first, again = op("dropout", 3, draw=draw), op("dropout", 3, 2.0, draw=draw)
    found = compare(run(first, kept=(1.0,)), run(again, kept=(2.0,)))
    assert found is not None
    assert found.cause is cause


@pytest.mark.parametrize(
    ("before", "now", "cause"),
    [
        (outer(1.0), outer(2.0, version=1), Recomputed.WRITTEN),
        (outer(1.0), outer(2.0, version=0), Recomputed.WRITTEN),  # past its version counter
        (outer(1.0), outer(2.0, storage=8), Recomputed.INPUT),
    ],
)
def test_a_tensor_from_outside(before, now, cause):
    found = compare(run(op("add", 3, 1.0, before), kept=(1.0,)), run(op("add", 3, 2.0, now), kept=(2.0,)))
    assert found is not None
    assert (found.cause, found.given) == (cause, (before, now))


def test_a_version_that_moved_with_the_values_unchanged_is_no_cause():
    first, again = op("dropout", 3, 1.0, outer(1.0), draw=Draw.RANDOM), None
    again = op("dropout", 3, 2.0, outer(1.0, version=5), draw=Draw.RANDOM)
    found = compare(run(first, kept=(1.0,)), run(again, kept=(2.0,)))
    assert found is not None
    assert found.cause is Recomputed.RANDOM


def test_running_statistics_that_an_op_saves_and_does_not_use():
    statistics = (outer(1.0), outer(2.0, version=1))
    first = run(op("batch_norm", 3, 1.0, statistics[0]), kept=(1.0,))
    again = run(op("batch_norm", 3, 1.0, statistics[1]), kept=(2.0,))
    assert compare(first, again) is None


def test_a_factor_of_zero_hides_nothing():
    ops = [op("dropout", 2, draw=Draw.RANDOM), op("linear", 3, 0.0, inner(0))]
    later = [op("dropout", 2, 2.0, draw=Draw.RANDOM), op("linear", 3, 0.0, inner(0))]
    found = compare(run(*ops, kept=(1.0,), by=1), run(*later, kept=(2.0,), by=1))
    assert found is not None
    assert (found.cause, found.op) == (Recomputed.RANDOM, ops[0])


def test_a_mask_that_only_the_first_run_makes_is_not_the_difference():
    ops = [op("ones", 2), op("tril", 2), op("masked_fill", 3), op("dropout", 4, draw=Draw.RANDOM)]
    later = [op("masked_fill", 3), op("dropout", 4, 2.0, draw=Draw.RANDOM)]
    assert compare(run(*ops, kept=(1.0,)), run(*later[:1], kept=(1.0,))) is None
    found = compare(run(*ops, kept=(1.0,), by=3), run(*later, kept=(2.0,), by=3))
    assert found is not None
    assert (found.cause, found.op) == (Recomputed.RANDOM, ops[3])


def test_the_way_parts_where_what_was_given_was_made():
    ops = [op("linear", 2), op("relu", 4, 1.0, inner(0)), op("norm", 6, 1.0, inner(1))]
    later = [op("linear", 2), op("tanh", 5, 2.0, inner(0)), op("norm", 6, 2.0, inner(1))]
    found = compare(run(*ops, kept=(1.0,), by=2), run(*later, kept=(2.0,), by=2))
    assert found is not None
    assert (found.cause, found.op, found.again) == (Recomputed.PATH, ops[1], later[1])
    assert found.words == ("relu", "tanh")


def test_an_op_that_only_the_recomputation_runs():
    ops = [op("linear", 2), op("norm", 6, 1.0, inner(0))]
    later = [op("linear", 2), op("mul", 4, 2.0, inner(0)), op("norm", 6, 2.0, inner(1))]
    found = compare(run(*ops, kept=(1.0,), by=1), run(*later, kept=(2.0,), by=1))
    assert found is not None
    assert (found.cause, found.op, found.again) == (Recomputed.PATH, None, later[1])
    assert found.next_ops == (ops[1], later[1])


def test_a_recomputation_that_stops_early_is_healthy_and_one_that_ends_early_is_not():
    ops = [op("linear", 2), op("tanh", 3), op("tanh", 3)]
    assert compare(run(*ops, kept=(1.0, 1.0)), run(*ops[:2], kept=(1.0,), whole=False)) is None
    found = compare(run(*ops, kept=(1.0, 1.0)), run(*ops[:2], kept=(1.0,)), refused=True)
    assert found is not None
    assert (found.cause, found.op) == (Recomputed.PATH, ops[2])


def test_a_recomputation_that_fails_for_another_reason():
    ops = [op("linear", 2), op("tanh", 3)]
    failing = OpRun("tanh", LINES[3], (LINES[3],), raised=True)
    assert compare(run(*ops), run(ops[0], failing, whole=False), failed=True) is None
    assert compare(run(*ops), run(ops[0], failing, whole=False), refused=True) is not None


def test_what_may_have_grown_from_rounding_must_be_large():
    def runs(off: float) -> tuple[Run, Run]:
        first = [op("index_add", 2), op("sub", 3)]
        again = [op("index_add", 2, 1 + 1e-7), op("sub", 3, 1 + off)]
        return run(*first, kept=(1.0,), by=1), run(*again, kept=(1 + off,), by=1)

    small, large = compare(*runs(1e-3)), compare(*runs(0.5))
    assert small is None
    assert large is not None
    assert (large.drifted, large.op.name) == (True, "sub")
