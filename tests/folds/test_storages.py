"""The log of storages: sums, peaks by phase, kinds afterwards, the curve."""

from __future__ import annotations

from itertools import count

from gradscope.facts import MemoryKind, MemoryPhase
from gradscope.folds.storages import StorageLog


def log(most: int = 1000) -> StorageLog:
    """A log whose clock goes on by a second at every event."""
    ticks = count()
    return StorageLog(most, clock=lambda: next(ticks) * 10**9)


def test_what_is_alive() -> None:
    storages = log()
    first = storages.born(10)
    second = storages.born(5)
    storages.gone(first)
    assert storages.live == 5
    assert storages.alive_after(1) == {first, second}
    assert storages.alive_after(2) == {second}
    assert list(storages.events()) == [(first, True), (second, True), (first, False)]


def test_the_peak_of_every_phase() -> None:
    storages = log()
    weights = storages.born(10)
    storages.enter(MemoryPhase.FORWARD)
    passing = storages.born(7)
    storages.gone(passing)
    storages.enter(MemoryPhase.BACKWARD)
    assert storages.peaks == {
        MemoryPhase.OUTSIDE: (10, 0),
        MemoryPhase.FORWARD: (17, 1),
        MemoryPhase.BACKWARD: (10, 2),
    }
    assert storages.born_at(1) == passing
    assert storages.born_at(2) is None  # a death
    assert storages.born_at(-1) is None
    assert storages.sizes[weights] == 10


def test_a_label_holds_for_the_whole_life() -> None:
    storages = log()
    first = storages.born(10)
    second = storages.born(3, kind=MemoryKind.INPUT)
    storages.gone(second)
    storages.label(first, MemoryKind.PARAMETER)
    storages.label(second, MemoryKind.SAVED)
    assert storages.kind(first) is MemoryKind.PARAMETER
    assert storages.kinds_after(0) == {MemoryKind.PARAMETER: 10}
    assert storages.kinds_after(1) == {MemoryKind.PARAMETER: 10, MemoryKind.SAVED: 3}


def test_kinds_at_several_moments_are_those_after_each() -> None:
    storages = log()
    for size in range(1, 20):
        number = storages.born(size, kind=tuple(MemoryKind)[size % 7])
        if size % 3 == 0:
            storages.gone(number - 1)
    moments = [0, 5, 11, storages.now - 1]
    assert storages.kinds_at(moments) == {each: storages.kinds_after(each) for each in moments}
    assert storages.kinds_at([-1, 1000]) == {}


def test_lives() -> None:
    storages = log()
    first = storages.born(1)
    storages.born(1)
    storages.gone(first)
    births, deaths = storages.lives()
    assert (list(births), list(deaths)) == ([0, 1], [2, -1])


def test_the_curve_has_the_highest_moment_of_every_stretch() -> None:
    storages = log()
    storages.enter(MemoryPhase.FORWARD)
    numbers = [storages.born(1) for _ in range(50)]
    storages.enter(MemoryPhase.BACKWARD)
    for number in numbers:
        storages.gone(number)
    moments = storages.curve(most=10)
    assert len(moments) == 10
    assert [moment.phase for moment in moments] == [MemoryPhase.FORWARD] * 5 + [MemoryPhase.BACKWARD] * 5
    assert [sum(moment.kinds.values()) for moment in moments] == [10, 20, 30, 40, 50, 49, 39, 29, 19, 9]
    assert [moment.seconds for moment in moments][:2] == [10, 20]


def test_a_full_log_keeps_up_the_sums() -> None:
    storages = log(most=3)
    for _ in range(5):
        storages.born(2)
    assert not storages.is_complete
    assert storages.live == 10
    assert storages.peaks[MemoryPhase.OUTSIDE] == (10, -1)
    assert len(list(storages.events())) == 3
