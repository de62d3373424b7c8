"""The slices of a long run: the first are handed on, the last kept, the others counted."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.folds.timeline import Slice, SliceBuffer


def slices(*names: str) -> list[Slice]:
    return [Slice(index, index + 1, 1, "op", name) for index, name in enumerate(names)]


def test_everything_is_handed_on_in_order() -> None:
    seen: list[str] = []
    buffer = SliceBuffer(lambda given: seen.extend(one.name for one in given))
    for one in slices("a", "b", "c"):
        buffer.add(one)
    buffer.hand_on()
    assert buffer.waiting == []
    assert seen == ["a", "b", "c"]
    assert buffer.finish() is None
    assert (buffer.written, buffer.left_out) == (3, 0)


def test_the_middle_is_left_out() -> None:
    seen: list[str] = []
    buffer = SliceBuffer(lambda given: seen.extend(one.name for one in given), most=3, last=2)
    for one in slices(*"abcdefgh"):
        buffer.add(one)
        buffer.hand_on()
    assert buffer.finish() == (3, 7)
    assert seen == list("abcgh")
    assert (buffer.written, buffer.left_out) == (5, 3)


def test_nothing_is_handed_on_after_a_failure() -> None:
    calls: list[int] = []

    def write(given: Sequence[Slice]) -> None:
        calls.append(len(given))
        raise OSError("full")

    buffer = SliceBuffer(write)
    for _ in range(2):
        buffer.add(slices("a")[0])
        buffer.hand_on()
    buffer.finish()
    assert calls == [1]
    assert str(buffer.failure) == "full"
