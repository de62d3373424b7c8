"""The program's own line for a phase that an installed package runs, and the package's where it runs all."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from gradscope.facts import PhaseKind
from gradscope.recorder import loop_places
from gradscope.recorder.loop_places import LoopPlaces
from gradscope.recorder.places import Loc, here, intern_loc

_PACKAGED = """
import sys


def backward(places):
    return places.of(BACKWARD, intern_loc(sys._getframe()))


def step(places):
    return places.of(STEP, intern_loc(sys._getframe()))


def train(places):
    return [backward(places), step(places)]
"""


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(loop_places, "_SITE", ("/installed/",))
    namespace = {"BACKWARD": PhaseKind.BACKWARD, "STEP": PhaseKind.STEP, "intern_loc": intern_loc}
    exec(compile(_PACKAGED, "/installed/engine/loop.py", "exec"), namespace)
    return namespace


def _where(locs: list[Loc]) -> list[tuple[str, int]]:
    return [place.at for loc in locs if (place := loc.location()) is not None]


def test_one_line_for_each_phase_is_the_programs(package: dict[str, Any]) -> None:
    places = LoopPlaces()
    first = sys._getframe().f_lineno + 1
    told = [package["backward"](places)]
    told.append(package["step"](places))
    assert _where(told) == [(__file__, first), (__file__, first + 1)]


def test_a_line_that_drives_every_phase_says_nothing(package: dict[str, Any]) -> None:
    told = package["train"](LoopPlaces())
    assert _where(told) == [("/installed/engine/loop.py", 6), ("/installed/engine/loop.py", 10)]


def test_the_same_pair_of_lines_is_one_place(package: dict[str, Any]) -> None:
    places = LoopPlaces()
    told = [package["backward"](places) for _ in range(3)]
    assert len(set(map(id, told))) == 1
    assert places.of(PhaseKind.BACKWARD, told[0]) is told[0]


def test_a_line_of_the_program_is_its_own_place() -> None:
    place = here(0)
    assert LoopPlaces().of(PhaseKind.STEP, place) is place
