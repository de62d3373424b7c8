"""All that is known of a run's checkpoints.

Which calls severed the gradient is noted for all of them. Runs are compared for the first backwards and
then for each whose number is a power of two: to read every result of every op costs about as much as the
op itself. Torch has no door for it, so the internals that do it are wrapped.
"""

from __future__ import annotations

from collections.abc import Callable

from torch.utils import checkpoint

from gradscope.facts import RecomputedOp, SeveringCheckpoint
from gradscope.recorder.checkpoints import frames, reentrant
from gradscope.recorder.checkpoints.differing import Differing
from gradscope.recorder.checkpoints.region import Region
from gradscope.recorder.checkpoints.severing import Severing
from gradscope.recorder.inplace import WriteLog
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc

_FIRST_BACKWARDS = 3


class CheckpointWatch:
    """The facts of both rules. `failed` keeps one with an exception; `name_of` names a leaf by its id."""

    def __init__(
        self,
        now: Now,
        failed: Callable[[str, RecomputedOp, BaseException], None],
        name_of: Callable[[int], str],
        writes: WriteLog,
    ) -> None:
        self._now = now
        self._severing = Severing()
        self._differing = Differing(failed, name_of, writes)
        self._missing: list[str] = []

    def install(self, patches: Patches) -> None:
        """Raises nothing where torch has changed: then `not_seen` says so."""
        if self._are_there(reentrant.NAMES):
            reentrant.install(patches, self._now, self._opened, self._severing)
        if self._are_there(frames.NAMES):
            frames.install(patches, self._now, self._opened)

    def _are_there(self, names: tuple[str, ...]) -> bool:
        missing = [name for name in names if not hasattr(checkpoint, name)]
        self._missing += missing
        return not missing

    def _opened(self, place: Loc, function: str, reentrant: bool, preserves_rng: bool) -> Region | None:
        """What is to be compared of a call, None where its backward is not one of those."""
        number = self._now.passes + (0 if self._now.in_backward else 1)
        if number > _FIRST_BACKWARDS and number & (number - 1):
            return None
        compared = self._differing.compared
        return Region(
            self._now, place, function, reentrant=reentrant, preserves_rng=preserves_rng, compared=compared
        )

    # ------------------------------------------------------------ facts

    def severing(self) -> tuple[SeveringCheckpoint, ...]:
        """The lines whose reentrant checkpoints gave no gradient."""
        return self._severing.facts()

    def recomputed(self) -> tuple[RecomputedOp, ...]:
        """The ops that gave something else when they were recomputed, and raised nothing."""
        return self._differing.facts()

    def not_seen(self) -> tuple[str, ...]:
        """What could not be looked at."""
        missing = (f"checkpoints: this torch has no torch.utils.checkpoint.{n}" for n in self._missing)
        return (*missing, *self._differing.not_seen())
