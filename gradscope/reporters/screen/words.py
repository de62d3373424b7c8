"""Numbers, shapes and names as text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from gradscope.reporters.screen.page import cells

POINT: Final = " · "
_LONGEST_UNBROKEN: Final = 50  # a link of a chain, and code in backticks, is not broken up to here
_UNITS: Final = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))


def plural(count: int, noun: str, many: str | None = None) -> str:
    """`1 error`, `2,214 nodes`."""
    return f"{count:,} {noun if count == 1 or not noun else many or noun + 's'}"


def short_count(count: int) -> str:
    """A count of elements in at most five characters: `999`, `1.5k`, `38.6M`, `124M`."""
    for size, unit in _UNITS:
        if count >= size * 0.9995:
            scaled = count / size
            text = f"{scaled:.1f}" if scaled < 99.95 else f"{scaled:.0f}"
            return text.removesuffix(".0") + unit
    return str(count)


def scientific(value: float) -> str:
    """A norm in two digits: `1.8e+00`; exactly zero is `0`."""
    if value == 0:
        return "0"
    return f"{value:.1e}" if math.isfinite(value) else _nonfinite(value)


def number(value: float) -> str:
    """A value in five significant digits, whole numbers as such: `4.6052`, `49`, `1.2e-09`, `nan`."""
    if not math.isfinite(value):
        return _nonfinite(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.5g}"


def _nonfinite(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def percent(share: float) -> str:
    """A share in 0..1: `97.1%`; `0%` and `100%` only where it is exactly that."""
    if share in (0.0, 1.0):
        return f"{share:.0%}"
    if share < 0.0005:
        return "<0.1%"
    return ">99.9%" if share >= 0.9995 else f"{share:.1%}"


def bytes_text(count: int) -> str:
    """A size in bytes: `96 bytes`, `1.5 kB`, `2 GB` (powers of 1,000)."""
    return plural(count, "byte") if count < 1000 else _unspaced(short_count(count))


def _unspaced(text: str) -> str:
    return f"{text[:-1]} {text[-1]}B"


def duration(seconds: float) -> str:
    """A time in two digits, in the unit that suits it: `3.1 us`, `12 ms`, `0.9 s`, `75 s`."""
    for size, unit in ((1e-3, "us"), (1.0, "ms")):
        if seconds < 0.9 * size:
            scaled = seconds / size * 1000
            return f"{scaled:.1f} {unit}" if scaled < 9.95 else f"{scaled:.0f} {unit}"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def pointed(parts: Sequence[str], first: int, room: int) -> list[str]:
    """Parts joined by points: `3 steps · 1 finding ·`, in lines of at most `first` and then `room` cells,
    broken after a point. A part that is longer than a line is wrapped.
    """
    lines: list[str] = []
    for index, part in enumerate(parts):
        end = len(POINT.rstrip()) if index < len(parts) - 1 else 0  # a line that goes on ends in a point
        if lines and cells(lines[-1] + POINT + part) + end <= (room if len(lines) > 1 else first):
            lines[-1] += POINT + part
            continue
        if lines:
            lines[-1] += POINT.rstrip()
        lines += wrap(part, (room if lines else first) - end)
    return lines


def shape_text(shape: Sequence[int]) -> str:
    """`(2, 3)`, `(3,)`, `()`."""
    return str(tuple(shape))


def clip(text: str, room: int) -> str:
    """`text` in at most `room` cells, its middle replaced by `...` where it is longer."""
    if cells(text) <= room:
        return text
    if room <= 3:
        return "..."[:room]
    tail = (room - 3) // 2
    head = room - 3 - tail
    return _head(text, head) + "..." + _head(text[::-1], tail)[::-1]


def clip_end(text: str, room: int) -> str:
    """`text` in at most `room` cells, its end replaced by `...` where it is longer."""
    return text if cells(text) <= room else _head(text, max(0, room - 3)).rstrip() + "..."


def _head(text: str, room: int) -> str:
    kept = 0
    for index, character in enumerate(text):
        kept += cells(character)
        if kept > room:
            return text[:index]
    return text


def wrap(text: str, room: int) -> list[str]:
    """Lines of at most `room` cells, broken at blanks; a chain `a -> b (3) -> c` is broken before an arrow.

    Newlines and leading blanks are kept. A word longer than a line is left whole, so that a command
    or a path can still be copied.
    """
    return [line for paragraph in text.split("\n") for line in _wrap_line(paragraph, room)]


def _wrap_line(text: str, room: int) -> list[str]:
    if cells(text) <= room:
        return [text]
    body = text.lstrip(" ")
    indent = text[: len(text) - len(body)]
    lines = [indent]
    for word in _words(body, room - len(indent)):
        joined = f"{lines[-1]} {word}" if lines[-1].strip() else lines[-1] + word
        if cells(joined) <= room or not lines[-1].strip():
            lines[-1] = joined
        else:
            lines.append(indent + word)
    return lines


def _words(text: str, room: int) -> list[str]:
    first, *links = text.split(" -> ")
    if not links or max(cells(link) for link in links) > _LONGEST_UNBROKEN:
        return _unbroken_code(text.split(), min(room, _LONGEST_UNBROKEN))
    return [*first.split(), *(f"-> {link}" for link in links)]


def _unbroken_code(words: list[str], longest: int) -> list[str]:
    """The words, `code in backticks` being one of them where it is no longer than that."""
    found: list[str] = []
    index = 0
    while index < len(words):
        end = next((n for n in range(index, len(words)) if _closes(words[index : n + 1])), index)
        whole = " ".join(words[index : end + 1])
        if cells(whole) > longest:
            end, whole = index, words[index]
        found.append(whole)
        index = end + 1
    return found


def _closes(words: list[str]) -> bool:
    return sum(word.count("`") for word in words) % 2 == 0


def group_names(names: Sequence[str], limit: int = 4, noun: str = "") -> str:
    """Names of parameters in one line: `encoder.* (6 parameters), head.bias and 3 more`.

    At most `limit` are listed. More are grouped by their common beginning, a block's number counting
    as common: `h.*.attn.weight (12)`. `noun` follows the counts in brackets.
    """
    unique = list(dict.fromkeys(names))
    if len(unique) <= limit:
        return ", ".join(unique)
    groups = _groups(unique, limit)
    shown = [_group_text(stem, members, noun) for stem, members in groups[:limit]]
    hidden = sum(len(members) for _, members in groups[limit:])
    return ", ".join(shown) + (f" and {hidden:,} more" if hidden else "")


_Parts = tuple[str, ...]
_Group = tuple[str, list[str]]


def _groups(names: list[str], limit: int) -> list[_Group]:
    """Groups of names, each with what its members have in common: a whole pattern, or `stem.*`."""
    patterns = {name: _pattern(name) for name in names}
    prefix = _common(list(patterns.values()))
    split: dict[_Parts, list[str]] = {}
    for name, pattern in patterns.items():
        split.setdefault(pattern[: len(prefix) + 1], []).append(name)
    if prefix and ("*" in prefix or len(split) > limit):
        return [(_stem(prefix, list(patterns.values())), names)]
    return [
        (_stem(_common(members), members), grouped)
        for grouped in split.values()
        for members in [[patterns[name] for name in grouped]]
    ]


def _pattern(name: str) -> _Parts:
    return tuple("*" if part.isdecimal() else part for part in name.split("."))


def _common(patterns: list[_Parts]) -> _Parts:
    first, last = min(patterns), max(patterns)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]


def _stem(common: _Parts, patterns: list[_Parts]) -> str:
    is_whole = all(pattern == common for pattern in patterns)
    return ".".join(common) if is_whole or common[-1] == "*" else ".".join((*common, "*"))


def _group_text(stem: str, members: list[str], noun: str) -> str:
    return members[0] if len(members) == 1 else f"{stem} ({plural(len(members), noun).strip()})"
