"""Memory that was changed while a backward still needed it."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class Change:
    """One in-place change of a storage: the op (or "SGD.step"), its line, the version it left."""

    op: str
    location: Location | None
    version: int


@dataclass(frozen=True, slots=True)
class InplaceConflict:
    """A saved tensor that was changed in place before the backward that needed it (torch raised).

    `node` is the backward node that saved it as `saved` ("result", "self", ...), at `saved_at`;
    `changes` the in-place ops since, oldest first.
    """

    node: str
    saved: str
    saved_at: Location | None
    shape: tuple[int, ...]
    dtype: str
    version: int
    expected_version: int
    changes: tuple[Change, ...]
    backward: Location | None
    subject: str | None = None
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class InplaceRefused:
    """An in-place op that torch refused: on a leaf, on a view of one, or on a view it cannot track.

    `kind` is "leaf", "leaf-view" or "view"; `view_made_at` is where the view was made.
    """

    kind: str
    op: str
    location: Location | None
    message: str
    subject: str | None = None
    view_op: str | None = None
    view_made_at: Location | None = None
    ended_program: bool = False


@dataclass(frozen=True, slots=True)
class SilentMutation:
    """A saved tensor whose memory changed past its version counter: the gradient is silently wrong.

    `how` is "data", "set_", "storage" or "numpy". Where the exact line could not be seen (a NumPy
    write), `location` is inferred, `after` and `before` bracket it and `exact` is False. `array_first`
    says that the tensor was made over an array of the program's, and not the array over a tensor.
    """

    how: str
    op: str
    location: Location | None
    node: str
    saved_at: Location | None
    backward: Location | None
    subject: str | None = None
    exact: bool = True
    after: Location | None = None
    before: Location | None = None
    count: int = 1
    array_first: bool = False
