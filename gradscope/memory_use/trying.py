"""Which blocks cannot be checkpointed, and why: every option is tried before it is offered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from torch.utils.checkpoint import CheckpointError

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.caches import growing_argument, note_on_cache
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.memory_use.gradients import Reference, compared, gradients_of
from gradscope.memory_use.measuring import clean_up, in_short, is_on_fake, memory_error
from gradscope.memory_use.repeats import note_on_counts, what_changes

MOST_TRIALS: Final = 40
"""Steps spent on finding the blocks that fail in one way; then all of a group that fails are left out."""

_CHANGED_INPUT: Final = "its recomputation would begin with an input that was changed in place since"


@dataclass(frozen=True, slots=True)
class Tried:
    """Blocks with the options that work, the gradients of plain steps, and what is to be said of both."""

    blocks: tuple[BlockModule, ...]
    reference: Reference
    notes: tuple[str, ...] = ()


def try_blocks(work: Work, blocks: Sequence[BlockModule]) -> Tried:
    """Checkpoints the blocks, all at once where that goes well, and leaves out what does not.

    A block whose recomputation raises, or gives other gradients from the same random state, keeps the
    option NONE alone and says why. A plain step that fails for want of memory leaves nothing to compare
    with; any other error of a plain step comes out.
    """
    with only_new_garbage():
        reference = _reference(work)
        trials = _Trials(work, blocks, reference)
        able = trials.run()
        counts = None if reference.failure and not is_on_fake(work) else note_on_counts(work, able)
        return Tried(able, reference, (*trials.notes, *filter(None, [counts])))


def _reference(work: Work) -> Reference:
    if is_on_fake(work):
        return Reference(failure="there are no gradients on fake tensors")
    try:
        first = gradients_of(work)
        second = gradients_of(work)
    except (MemoryError, RuntimeError) as error:
        failure = memory_error(error)
        if failure is None:
            raise
    else:
        return Reference(first, frozenset(compared(first, second).names))
    clean_up(work)
    return Reference(failure=failure)


class _Trials:
    """Tries one option of all blocks after another."""

    def __init__(self, work: Work, blocks: Sequence[BlockModule], reference: Reference) -> None:
        self._work = work
        self._blocks = list(blocks)
        self._reference = reference
        # A plain step that has no room says nothing of the arguments of the blocks.
        self._cache = (
            growing_argument(work, blocks) if not self._reference.failure or is_on_fake(work) else None
        )
        self.notes = [note_on_cache(work, self._cache)] if self._cache else []

    def run(self) -> tuple[BlockModule, ...]:
        """The blocks with what works."""
        for number, why in self._failing(lambda block: BLOCK).items():
            block = self._blocks[number]
            reason = why if why == _CHANGED_INPUT else why + self._cause(block)
            self._blocks[number] = replace(block, options=(NONE,), reason=block.reason or reason)
        self._drop(lambda block: SELECTIVE if SELECTIVE in block.options else NONE)
        most = max((len(_parts(block)) for block in self._blocks), default=0)
        for place in range(most):
            self._drop(partial(_part_at, place))
        return tuple(self._blocks)

    def _drop(self, option: Callable[[BlockModule], str]) -> None:
        """Takes an option away from the blocks that fail with it, and says so."""
        failing = self._failing(option)
        for number, why in failing.items():
            block = self._blocks[number]
            gone = option(block)
            if number == next(iter(failing)):
                others = f" and {len(failing) - 1} more" if len(failing) > 1 else ""
                what = "checkpointed selectively" if gone == SELECTIVE else f"checkpointed at {gone} alone"
                self.notes.append(f"{block.path}{others} cannot be {what}: {why}")
            self._blocks[number] = replace(block, options=tuple(o for o in block.options if o != gone))

    def _failing(self, option: Callable[[BlockModule], str]) -> dict[int, str]:
        """By its number, why a block fails with that option of it."""
        having = [
            number
            for number, block in enumerate(self._blocks)
            if option(block) != NONE and option(block) in block.options
        ]
        left = MOST_TRIALS

        def why_not(some: list[int]) -> str | None:
            nonlocal left
            left -= 1
            chosen = set(some)
            return self._why_not(
                tuple(option(b) if number in chosen else NONE for number, b in enumerate(self._blocks))
            )

        def search(some: list[int], why: str) -> dict[int, str]:
            if len(some) == 1 or left <= 0:
                return dict.fromkeys(some, why)
            found: dict[int, str] = {}
            for half in (some[: len(some) // 2], some[len(some) // 2 :]):
                reason = why_not(half)
                if reason is not None:
                    found |= search(half, reason)
            return found or dict.fromkeys(some, why)  # they fail together alone

        failing: dict[int, str] = {}
        while having and (why := why_not(having)) is not None:
            failing |= search(having, why)
            having = [number for number in having if number not in failing]
        return failing

    def _why_not(self, choices: Choices) -> str | None:
        """Why a step with these choices is not as good as a plain one; None where it is, or memory ends."""
        try:
            gradients = gradients_of(self._work, self._blocks, choices)
        except Exception as error:  # noqa: BLE001  whatever the recomputation of the user's code raises
            why = None if memory_error(error) else _in_words(error)
        else:
            if self._reference.gradients is None:
                return None
            names = compared(self._reference.gradients, gradients).names
            differs = set(names) - self._reference.unstable
            return "recomputed, it gives other gradients" if differs else None
        clean_up(self._work)
        return why

    def _cause(self, block: BlockModule) -> str:
        """Why its recomputation is another one, as the end of a sentence; empty where that is not known."""
        told = what_changes(self._work, block.module)
        if told is None and self._cache:
            told = f"it fills the {self._cache} that it is called with"
        return f": {told}" if told else ""


def _parts(block: BlockModule) -> list[str]:
    return [option for option in block.options if option not in (NONE, BLOCK, SELECTIVE)]


def _part_at(place: int, block: BlockModule) -> str:
    """The part of that place in the order of a block's options, NONE where it has not so many."""
    parts = _parts(block)
    return parts[place] if place < len(parts) else NONE


def _in_words(error: Exception) -> str:
    text = str(error)
    if "modified by an inplace operation" in text:
        return _CHANGED_INPUT
    if isinstance(error, CheckpointError) and "different metadata" in text:
        return "recomputed, it makes tensors of other shapes or types than before"
    if isinstance(error, CheckpointError) and "tensors" in text:
        return "recomputed, it saves another number of tensors than before"
    return f"recomputed, it raises {in_short(error)}"
