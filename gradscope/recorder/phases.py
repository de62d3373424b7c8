"""The phases of the training loop as they run, told to the fold with the program's own line of each."""

from __future__ import annotations

import threading

import torch

from gradscope.facts import PhaseKind, TrainingLoop
from gradscope.folds.phases import PhaseFold
from gradscope.recorder.loop_places import LoopPlaces
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc, here

_sequence_nr = torch._C._autograd._get_sequence_nr


class PhaseWatch:
    """Hears of every line that zeroes, runs a model, differentiates, clips, steps or schedules."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._thread = threading.get_ident()
        self._fold = PhaseFold()
        self._places = LoopPlaces()

    def saw(
        self, kind: PhaseKind, place: Loc, of: str = "", value: float | None = None, when: int | None = None
    ) -> None:
        """A line of the training loop ran; what happens inside a backward or in other threads is no phase.

        `when` is the sequence number of the node it made; without it, it is now.
        """
        if not self._now.in_backward and threading.get_ident() == self._thread:
            if kind is not PhaseKind.LOSS:  # told after it was made, from elsewhere
                place = self.place(kind, place)
            self._fold.saw(kind, place, of, value, _sequence_nr() if when is None else when)

    def place(self, kind: PhaseKind, loc: Loc) -> Loc:
        """Where a phase that runs now is to be shown: see `loop_places`."""
        return self._places.of(kind, loc)

    def here(self, kind: PhaseKind) -> Loc:
        """The same for the program's frame nearest to the caller."""
        return self._places.of(kind, here(1))

    def fact(self) -> TrainingLoop | None:
        """The loop so far; None where nothing stepped."""
        return self._fold.fact()
