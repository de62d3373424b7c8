"""Which line of the program's own drives a phase of its training loop that runs in an installed package.

`accelerator.backward(loss)` runs the backward in accelerate's file, and the program's line is the one
to show. `trainer.train()` runs every phase of every step: it says nothing of any of them, and the
package's own lines are shown. The two are told apart by how many kinds of phase one line has driven.
"""

from __future__ import annotations

import sys
import sysconfig
from types import CodeType, FrameType

from gradscope.facts import PhaseKind
from gradscope.finding import Location
from gradscope.recorder.places import NOWHERE, Loc, intern_loc, is_inner

_SITE = tuple({sysconfig.get_paths()[key] for key in ("purelib", "platlib")})
_DRIVERS = frozenset({PhaseKind.ZERO, PhaseKind.FORWARD, PhaseKind.BACKWARD, PhaseKind.STEP})


class DrivenLoc(Loc):
    """A line of a package and, as `caller`, the program's line that drove it; `kinds` are all it drove."""

    __slots__ = ("kinds",)

    def __init__(self, loc: Loc, driver: Loc, kinds: set[PhaseKind]) -> None:
        super().__init__(loc.code, loc.lasti, loc.module, driver)
        self.kinds = kinds

    def location(self) -> Location | None:
        """The driver's place, as long as it drove one kind of phase only; else the package's own."""
        if self.caller is not None and len(self.kinds) == 1:
            return self.caller.location()
        return super().location()


class LoopPlaces:
    """Keeps one `DrivenLoc` for each pair of lines."""

    def __init__(self) -> None:
        self._packaged: dict[CodeType, bool] = {}
        self._kinds: dict[Loc, set[PhaseKind]] = {}
        self._driven: dict[tuple[Loc, Loc], DrivenLoc] = {}

    def of(self, kind: PhaseKind, loc: Loc) -> Loc:
        """The place of a phase that runs now, further up the stack, at `loc`."""
        if loc.code is None or isinstance(loc, DrivenLoc) or not self._is_packaged(loc.code):
            return loc
        driver = intern_loc(self._own_frame(sys._getframe(1)))
        if driver is NOWHERE:
            return loc
        kinds = self._kinds.setdefault(driver, set())
        kinds.add(kind if kind in _DRIVERS else PhaseKind.STEP)
        known = self._driven.get((loc, driver))
        if known is None:
            known = self._driven[loc, driver] = DrivenLoc(loc, driver, kinds)
        return known

    def _own_frame(self, frame: FrameType | None) -> FrameType | None:
        while frame is not None and (is_inner(frame.f_code) or self._is_packaged(frame.f_code)):
            frame = frame.f_back
        return frame

    def _is_packaged(self, code: CodeType) -> bool:
        known = self._packaged.get(code)
        if known is None:
            known = self._packaged[code] = code.co_filename.startswith(_SITE)
        return known
