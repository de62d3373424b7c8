"""Two runs of one checkpointed region compared: the first, and the one in the backward.

What decides is what the backward is computed from: the tensors that were saved, or, where a reentrant
checkpoint makes its graph anew, what the region returns. Only where one of these differs by more than
rounding are the ops of both runs laid side by side, to name the first that gave something else: a mask
that the first run made and the second found in a cache is no difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from gradscope.facts import Recomputed
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

_AFTER_DRIFT = 1e-2  # where rounding errors differed before, a small difference may have grown from them
_MOST_ALIGNED = 2000  # ops past the first that does not fit
_CAUSES = {
    Draw.RANDOM: Recomputed.RANDOM,
    Draw.GENERATOR: Recomputed.GENERATOR,
    Draw.DATA: Recomputed.DATA,
    Draw.NOTHING: Recomputed.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """The first op that differs: `op` in the first run, `again` in the recomputation; one may be missing.

    `next_ops` are what each run went on with where they parted. `kept` counts the tensors of the backward
    that came out otherwise, of the `of` that were compared.
    """

    cause: Recomputed
    op: OpRun | None
    again: OpRun | None
    off: float | None = None
    words: tuple[str, str] = ("", "")
    given: tuple[Given, Given] | None = None
    drifted: bool = False
    next_ops: tuple[OpRun | None, OpRun | None] = (None, None)
    kept: int = 0
    of: int = 0


def compare(first: Run, again: Run, *, failed: bool = False, refused: bool = False) -> Difference | None:
    """The first op that differs, None where the backward gets what it would have got.

    `failed` says that the recomputation raised, so that what it kept need not be all; `refused` that torch
    itself found that it differs.
    """
    pairs = list(zip(first.kept, again.kept, strict=False))
    wrong = [kept for kept, other in pairs if _differs(kept.content, other.content)]
    if not wrong and not failed and not refused:
        return None
    comparison = _Comparison(first, again)
    wrong = [kept for kept in wrong if comparison.is_needed(kept)]
    if not wrong and not failed and not refused:
        return None
    last = wrong[0].op if wrong else len(first.ops)
    found = comparison.first_op(last)
    if found is None and (refused or (wrong and not comparison.has_drifted)):
        at = min(last, len(first.ops) - 1)
        found = Difference(Recomputed.UNKNOWN, first.ops[at] if first.ops else None, None)
    return replace(found, kept=len(wrong), of=len(pairs)) if found is not None else None


class _Comparison:
    """The ops of two runs, laid side by side. `has_drifted`: rounding errors of an op differed."""

    def __init__(self, first: Run, again: Run) -> None:
        self._first = first.ops
        self._again = again.ops
        self._is_whole = again.whole
        self._matched = dict(_aligned(first.ops, again.ops))
        self._taken = {other: index for index, other in self._matched.items()}
        self.has_drifted = False

    def is_needed(self, kept: Kept) -> bool:
        """Whether a gradient is computed from what was kept.

        Ops also save what they do not need: the running statistics of a BatchNorm in training, the state of
        a generator, padding. Then what they give is the same, and so is what they were given by other ops.
        """
        if not kept.by_op or kept.op not in self._matched:
            return True
        producers = [given.producer for given in self._first[kept.op].given if given.producer is not None]
        return any(
            index not in self._matched or self._off(index) is not None for index in (kept.op, *producers)
        )

    def first_op(self, last: int) -> Difference | None:
        """The first difference up to the op of that index, None where there is none but rounding."""
        for index in self._matched:
            if index > last:
                break
            off = self._off(index)
            if off is not None and self.has_drifted and off <= _AFTER_DRIFT:
                return None
            if off is not None:
                return self._explained(index, off)
            self.has_drifted = self.has_drifted or self._is_off_at_all(index)
        return self._elsewhere(last)

    # ------------------------------------------------------------ one op of both runs

    def _pair(self, index: int) -> tuple[OpRun, OpRun]:
        return self._first[index], self._again[self._matched[index]]

    def _contents(self, index: int) -> Iterator[tuple[TensorContent, TensorContent]]:
        one, two = self._pair(index)
        for a, b in zip(one.outputs, two.outputs, strict=False):
            if a is not None and b is not None:
                yield a, b

    def _off(self, index: int) -> float | None:
        """How far the results of an op are apart, None where that is rounding."""
        one, two = self._pair(index)
        if two.raised:
            return None
        if len(one.outputs) != len(two.outputs):
            return math.inf
        return max(
            (difference(a, b) for a, b in self._contents(index) if is_beyond_rounding(a, b)), default=None
        )

    def _is_off_at_all(self, index: int) -> bool:
        return any(difference(a, b) > 0 for a, b in self._contents(index))

    def _explained(self, index: int, off: float) -> Difference:
        one, two = self._pair(index)
        found = Difference(
            _CAUSES[one.draw],
            one,
            two,
            None if math.isinf(off) else off,
            self._metadata(index),
            drifted=self.has_drifted,
        )
        numbers = next(
            (pair for pair in zip(one.numbers, two.numbers, strict=False) if pair[0] != pair[1]), None
        )
        if numbers is not None:
            found = replace(found, words=numbers)
            if one.draw is not Draw.DATA:
                return replace(found, cause=Recomputed.SCALAR)
        for before, now in zip(one.given, two.given, strict=False):
            if before.producer is None and now.producer is None:
                if _differs(before.content, now.content):
                    written = before.memory[0] == now.memory[0]
                    cause = Recomputed.WRITTEN if written else Recomputed.INPUT
                    return replace(found, cause=cause, words=("", ""), given=(before, now))
            elif (way := self._way(before.producer, now.producer)) is not None:
                return way
        return found

    def _metadata(self, index: int) -> tuple[str, str]:
        """What differs of shape and dtype, in words."""
        for a, b in self._contents(index):
            if a.shape != b.shape:
                return str(list(a.shape)), str(list(b.shape))
            if a.dtype != b.dtype:
                return a.dtype, b.dtype
        return "", ""

    # ------------------------------------------------------------ ops of one run only

    def _way(self, before: int | None, now: int | None) -> Difference | None:
        """What was given was made by an op that the other run does not have: where they parted before it."""
        left = before if before is not None and before not in self._matched else None
        right = now if now is not None and now not in self._taken else None
        return self._parted(left, right) if left is not None or right is not None else None

    def _elsewhere(self, last: int) -> Difference | None:
        """No op that both runs have differs: then one of them ran ops that the other did not."""
        alone = [index for index in range(min(last + 1, len(self._first))) if index not in self._matched]
        extra = [index for index in range(len(self._again)) if index not in self._taken]
        went_on = bool(extra) and extra[-1] > max(self._taken, default=-1)
        if not self._is_whole and not went_on:
            reached = max(self._matched, default=-1)
            alone = [index for index in alone if index <= reached]  # the rest was not needed
        if not alone and not extra:
            return None
        return self._parted(alone[-1] if alone else None, extra[-1] if extra else None)

    def _parted(self, before: int | None, now: int | None) -> Difference:
        """The first ops of the stretches that end in these ops, and that only one run has."""
        if before is not None:
            left = _begin(before, self._matched)
            right = self._matched.get(left - 1, -1) + 1
        else:
            right = _begin(now or 0, self._taken)
            left = self._taken.get(right - 1, -1) + 1
        one = self._first[left] if left < len(self._first) else None
        two = self._again[right] if right < len(self._again) else None
        only_one = one if left not in self._matched else None
        only_two = two if right not in self._taken else None
        words = (only_one.name if only_one else "", only_two.name if only_two else "")
        return Difference(Recomputed.PATH, only_one, only_two, words=words, next_ops=(one, two))


def _begin(index: int, matched: dict[int, int]) -> int:
    """The first index of the stretch of ops that the other run does not have, and that ends in this one."""
    while index > 0 and index - 1 not in matched:
        index -= 1
    return index


def _differs(one: TensorContent | None, other: TensorContent | None) -> bool:
    return one is not None and other is not None and is_beyond_rounding(one, other)


def _aligned(first: Sequence[OpRun], again: Sequence[OpRun]) -> Iterator[tuple[int, int]]:
    """The pairs of ops that are the same op of the program, in order."""
    same = 0
    while same < min(len(first), len(again)) and first[same].key == again[same].key:
        yield same, same
        same += 1
    left, right = ([op.key for op in run[same : same + _MOST_ALIGNED]] for run in (first, again))
    if not left or not right:
        return
    for block in SequenceMatcher(None, left, right, autojunk=False).get_matching_blocks():
        for step in range(block.size):
            yield same + block.a + step, same + block.b + step
