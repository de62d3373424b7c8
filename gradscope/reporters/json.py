"""The JSON report, also of a gate: `schema_version` "1", UTF-8, what fits on a line on one line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TextIO

import msgspec

from gradscope.outcomes import GateReport
from gradscope.report import Report
from gradscope.reporters.mapping_v1 import report_v1
from gradscope.reporters.mapping_v1_gate import gate_v1
from gradscope.reporters.schema_v1_graph import Graph
from gradscope.reporters.schema_v1_memory import Memory

ENDINGS: Final = (".json",)

_LINE: Final = 160
_INDENT: Final = "  "
_MEMORY_TABLES: Final = ("modules", "lines", "largest", "curve")
_encode_text: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_encode_rows: Final = msgspec.json.Encoder().encode_lines


def render(report: Report, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the report as JSON; `color` and `width` change nothing.

    NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity". What the stream cannot
    encode is written as JSON escapes.
    """
    _write(_whole(report, cwd), out)


def render_gate(gate: GateReport, out: TextIO, *, color: bool | None, width: int | None, cwd: str) -> None:
    """Writes the outcomes of a gate as JSON, each with the whole report of its target."""
    whole: dict[str, Any] = portable(msgspec.to_builtins(gate_v1(gate, cwd)))
    for target, outcome in zip(whole["targets"], gate.outcomes, strict=True):
        target["report"] = None if outcome.report is None else _whole(outcome.report, cwd)
    _write(whole, out)


def _whole(report: Report, cwd: str) -> dict[str, Any]:
    shape = report_v1(report, cwd)
    graph, memory = shape.graph, shape.memory
    shape = msgspec.structs.replace(shape, graph=None, memory=None)
    whole: dict[str, Any] = portable(msgspec.to_builtins(shape))
    if graph is not None:
        whole["graph"] = _tables(graph, graph.__struct_fields__)
    if memory is not None:
        whole["memory"] = _tables(memory, _MEMORY_TABLES)
    return whole


def _write(whole: dict[str, Any], out: TextIO) -> None:
    text = laid_out(whole) + "\n"
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


@dataclass(frozen=True, slots=True)
class _Table:
    """A list whose items are written one a line, already as JSON. `lines` has a newline between them."""

    lines: str


def _tables(part: Graph | Memory, names: Sequence[str]) -> dict[str, Any]:
    """A part of the report; tables among the fields of those `names` are encoded at once: they have up to
    hundreds of thousands of rows.
    """
    return {
        name: _table(value) if name in names and _is_table(value) else portable(msgspec.to_builtins(value))
        for name in part.__struct_fields__
        for value in [getattr(part, name)]
    }


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], msgspec.Struct)


def _table(rows: Sequence[msgspec.Struct]) -> _Table:
    """The rows as text; their floats must be finite."""
    try:
        lines = _encode_rows(rows)
    except UnicodeEncodeError:  # a lone surrogate
        lines = _encode_rows([portable(msgspec.to_builtins(row)) for row in rows])
    return _Table(lines.decode().removesuffix("\n"))


def laid_out(value: Any, indent: str = "", key: str = "") -> str:
    """JSON text in which a list or an object that fits on a line takes one, and others one line an item."""
    if isinstance(value, _Table):
        return _block("[", "]", value.lines.split("\n"), indent)
    if not isinstance(value, dict | list) or not value:
        return _encode_text(value)
    inner = indent + _INDENT
    if isinstance(value, list):
        opening, closing, items = "[", "]", [laid_out(item, inner) for item in value]
    else:
        heads = {name: _encode_text(name) + ": " for name in value}
        items = [head + laid_out(value[name], inner, head) for name, head in heads.items()]
        opening, closing = "{", "}"
    length = sum(map(len, items)) + 2 * len(items)  # each with a comma and a blank, or a bracket
    if len(indent) + len(key) + length < _LINE and not any("\n" in item for item in items):
        return opening + ", ".join(items) + closing
    return _block(opening, closing, items, indent)


def _block(opening: str, closing: str, items: list[str], indent: str) -> str:
    inner = f",\n{indent}{_INDENT}".join(items)
    return f"{opening}\n{indent}{_INDENT}{inner}\n{indent}{closing}"
