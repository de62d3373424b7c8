"""Lines of the program, one object for each."""

from __future__ import annotations

from pathlib import Path

from gradscope.recorder.places import Loc, here


def test_two_files_with_the_same_text_have_their_own_lines(tmp_path: Path) -> None:
    found: list[Loc] = []
    for name in ("one.py", "other.py"):
        path = tmp_path / name
        path.write_text("found.append(here(0))\n", encoding="utf-8")
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"found": found, "here": here})
    places = [loc.location() for loc in found]
    assert [place and Path(place.path).name for place in places] == ["one.py", "other.py"]


def test_a_line_is_one_object() -> None:
    first, second = (here(0) for _ in range(2))
    assert first is second
