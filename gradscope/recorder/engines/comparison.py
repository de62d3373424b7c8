"""What is certainly wrong with an engine's gradients, as notes: one for each cause and backward line."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gradscope.finding import Location
from gradscope.folds.engine_notes import fault_note, stale_note, unzeroed_note
from gradscope.folds.scalar_pass import FaultKind, ScalarPass, faults
from gradscope.folds.unzeroed import Unzeroed
from gradscope.recorder.engines.reading import Reading
from gradscope.recorder.places import Loc

_MOST_NOTES = 8

Namer: TypeAlias = Callable[[], Callable[[int], str]]


class Comparison:
    """Compares each backward with the chain rule, and with what the one before it left behind."""

    def __init__(self) -> None:
        self._unzeroed = Unzeroed()
        self._notes: dict[tuple[object, Loc], str] = {}

    def before(self, reading: Reading | None, loc: Loc, namer: Namer) -> None:
        """Just before a backward; without a reading, nothing is known of it."""
        if reading is None:
            self._unzeroed.forget()
            return
        leaves = {
            id(value): (node.value, node.before)
            for value, node in zip(reading.values, reading.nodes, strict=True)
            if node.is_leaf and not node.constant
        }
        unzeroed = set(self._unzeroed.before(leaves))
        if not unzeroed:
            return
        name = namer()
        held = {
            name(index): node.before
            for index, (value, node) in enumerate(zip(reading.values, reading.nodes, strict=True))
            if id(value) in unzeroed
        }
        if self._is_new("unzeroed", loc):
            self._notes["unzeroed", loc] = unzeroed_note(held, loc.location())

    def after(self, reading: Reading, scalar: ScalarPass, loc: Loc, namer: Namer) -> None:
        """Just after a backward that came to its end."""
        self._unzeroed.after(
            {
                id(value): (node.value, node.after)
                for value, node in zip(reading.values, reading.nodes, strict=True)
                if node.is_leaf and not node.constant
            }
        )
        found = () if reading.is_coarse else faults(scalar)
        if not found:
            return

        def line(index: int) -> Location | None:
            birth = reading.births[index]
            return birth.loc.location() if birth is not None else None

        name, where = namer(), loc.location()
        if found[0].kind is FaultKind.STALE:
            if self._is_new(FaultKind.STALE, loc):
                self._notes[FaultKind.STALE, loc] = stale_note(found, name, line, where)
            return
        for fault in found:
            ops = tuple(scalar.nodes[index].op for index in fault.by)
            kind = (fault.kind, ops) if fault.kind is FaultKind.FORMULA else fault.kind
            if self._is_new(kind, loc):
                self._notes[kind, loc] = fault_note(scalar, fault, name, line, where)

    def forget(self) -> None:
        """A backward raised: what it left is not known."""
        self._unzeroed.forget()

    def _is_new(self, kind: object, loc: Loc) -> bool:
        return (kind, loc) not in self._notes and len(self._notes) < _MOST_NOTES

    def notes(self) -> tuple[str, ...]:
        """The notes in the order in which they came up."""
        return tuple(self._notes.values())
