"""Places and numbers as the page is told them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from gradscope.finding import Evidence, Location
from gradscope.reporters.paths import in_package
from gradscope.reporters.report_page.shapes import Headed, Number
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import number

_TONES: Final = {STYLES[name]: name for name in ("error", "warning", "info", "good", "faint")}
_MOST_ITEMS: Final = 24


def wide(cwd: str) -> Page:
    """A page on which nothing is cut, because the window wraps or scrolls."""
    return Page(100_000, cwd)


def tone_of(style: str) -> str:
    """The tone that a style of the screen has."""
    return _TONES.get(style, "")


def place_text(location: Location | None, page: Page) -> str:
    """`train.py:36:13`; of an installed package from that package on; "" where it is not known."""
    if location is None:
        return ""
    return page.at(replace(location, path=in_package(location.path).replace("\\", "/") or location.path))


def drawn(value: float | None) -> Number:
    """A number as a plot needs it, to six digits."""
    if value is None:
        return None
    if math.isfinite(value):
        return float(f"{value:.6g}")
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def pairs(items: Mapping[str, str], page: Page) -> list[Headed]:
    """The items printable, in their order."""
    return [(page.text(name), page.text(value)) for name, value in items.items()]


def evidence_rows(evidence: Evidence, page: Page) -> list[Headed]:
    """What a finding was judged by, without what is drawn of it as a profile."""
    shown = {name: value for name, value in evidence.items() if name not in ("places", "gradients")}
    return [(page.text(name.replace("_", " ")), page.text(_value(value))) for name, value in shown.items()]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        more = f" and {len(value) - _MOST_ITEMS:,} more" if len(value) > _MOST_ITEMS else ""
        return ", ".join(map(_value, value[:_MOST_ITEMS])) + more
    return "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
