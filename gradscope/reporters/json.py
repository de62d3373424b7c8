"""The JSON report: `schema_version` "1", UTF-8, what fits on a line on one line."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, TextIO

import msgspec

from gradscope.report import Report
from gradscope.reporters.mapping_v1 import report_v1

_LINE: Final = 160
_INDENT: Final = "  "


def render(report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the report as JSON; `color` and `width` change nothing.

    NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity". What the stream cannot
    encode is written as JSON escapes.
    """
    text = laid_out(portable(msgspec.to_builtins(report_v1(report, cwd)))) + "\n"
    encoding = getattr(out, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = re.sub(r"[^\x00-\x7f]+", lambda found: json.dumps(found.group())[1:-1], text)
    out.write(text)


def portable(value: Any) -> Any:
    """The value as every JSON parser can read it: non-finite floats as words, lone surrogates escaped."""
    if isinstance(value, dict):
        return {portable(key): portable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def laid_out(value: Any, indent: str = "", key: str = "") -> str:
    """JSON text in which a list or an object that fits on a line takes one, and others one line an item."""
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if not isinstance(value, dict | list) or not value or len(indent) + len(key) + len(flat) < _LINE:
        return flat
    inner = indent + _INDENT
    if isinstance(value, list):
        return _block("[", "]", [laid_out(item, inner) for item in value], indent)
    heads = {name: json.dumps(name, ensure_ascii=False) + ": " for name in value}
    return _block(
        "{", "}", [head + laid_out(value[name], inner, head) for name, head in heads.items()], indent
    )


def _block(opening: str, closing: str, items: list[str], indent: str) -> str:
    inner = f",\n{indent}{_INDENT}".join(items)
    return f"{opening}\n{indent}{_INDENT}{inner}\n{indent}{closing}"
