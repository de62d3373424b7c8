"""The training steps of a thread on a track of their own: one slice a step, its phases inside it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gradscope.folds.timeline import Slice, SliceBuffer

if TYPE_CHECKING:
    from gradscope.recorder.timeline.tracks import Open

FORWARD, BACKWARD = "forward", "backward"


class Steps:
    """A step lasts from the end of the one before it to the end of an optimizer's `step`.

    The loss is what is computed between the last forward of a root module and a backward: the ops at the
    level of the training loop. It has no door of its own.
    """

    def __init__(self, buffer: SliceBuffer, track: int, numbers: Iterator[int], name: str) -> None:
        self._buffer = buffer
        self._track = track
        self._numbers = numbers
        self._name = name
        self._open: list[Open] = []
        self._begun_ns: int | None = None
        self._after_forward = False
        self._loss: list[tuple[int, int]] = []
        self._is_loss_open = False

    def begin(self, phase: Open) -> None:
        """A phase begins."""
        if self._begun_ns is None:
            self._begun_ns = phase.begun_ns - 1  # around the phase, also for a viewer that compares times
        if phase.category == BACKWARD:
            for begun, ended in self._loss:
                self._add(begun, ended, "loss", "loss")
        if phase.category in (BACKWARD, FORWARD):
            self._loss.clear()
            self._after_forward = False
        self._is_loss_open = False
        self._open.append(phase)

    def end(self, phase: Open, ended_ns: int) -> None:
        """It ended; phases end in the opposite order."""
        self._open.remove(phase)
        self._buffer.track_names[self._track] = self._name
        name = phase.name.partition(" ")[0] if phase.category == BACKWARD else phase.name
        if phase.category == FORWARD:
            name = f"forward {name}"
            self._after_forward = True
        self._add(phase.begun_ns, ended_ns, phase.category, name, phase)
        self._is_loss_open = False

    def op(self, begun_ns: int, ended_ns: int) -> None:
        """An op ran that is not part of a module's forward."""
        if not self._after_forward:
            return
        if self._is_loss_open:
            self._loss[-1] = (self._loss[-1][0], ended_ns)
        else:
            self._loss.append((begun_ns, ended_ns))
            self._is_loss_open = True

    def stepped(self, ended_ns: int) -> None:
        """An optimizer has stepped: the step is over, unless it was only a part of a phase."""
        if self._open or self._begun_ns is None:
            return
        number = next(self._numbers)
        self._add(self._begun_ns, ended_ns + 1, "step", f"step {number}")
        self._begun_ns = ended_ns + 1
        self._after_forward = False
        self._loss.clear()

    def _add(self, begun_ns: int, ended_ns: int, category: str, name: str, phase: Open | None = None) -> None:
        place = phase.place if phase is not None else None
        self._buffer.waiting.append(Slice(begun_ns, ended_ns, self._track, category, name, place))
