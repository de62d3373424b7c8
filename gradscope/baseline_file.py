"""The file form of a baseline: JSON, one finding a line.

    {
      "gradscope_baseline": 1,
      "targets": {
        "train.py": {
          "findings": [
            {"code": "GS103", "rule": "unused-parameter", "path": "model.py", "function": "build", "count": 2}
          ]
        }
      }
    }

Keys that this version does not know are let stand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Annotated, Any, Final

import msgspec

from gradscope.errors import UsageError
from gradscope.fingerprint import Fingerprint

VERSION: Final = 1
MARK: Final = "gradscope_baseline"


class Entry(Fingerprint, frozen=True, omit_defaults=True):
    """A fingerprint, and how many findings of one run share it."""

    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class _Target(msgspec.Struct):
    findings: tuple[Entry, ...] = ()


class _File(msgspec.Struct):
    targets: dict[str, _Target] = {}


def new_content() -> dict[str, Any]:
    """A baseline that knows nothing yet."""
    return {MARK: VERSION, "targets": {}}


def entries(content: dict[str, Any], name: str) -> dict[str, tuple[Entry, ...]]:
    """The entries of each target; UsageError where one is not as it must be."""
    try:
        targets = msgspec.convert(content, _File).targets
    except msgspec.ValidationError as error:
        raise UsageError(
            f"baseline {name} is damaged: {error}", try_next="delete it and write it anew"
        ) from None
    return {key: target.findings for key, target in targets.items()}


def content_of(path: str, name: str, advice: str) -> dict[str, Any]:
    """The JSON object in a file, which must bear the mark of a baseline."""
    if not os.path.isfile(path):
        raise UsageError(f"baseline {name} is not a file", try_next=advice)
    try:
        with open(path, "rb") as file:
            text = file.read().decode("utf-8-sig")
        content = json.loads(text)
    except OSError as error:
        raise UsageError(f"baseline {name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise _not_a_baseline(name, _reason(error), advice) from None
    version = content.get(MARK) if isinstance(content, dict) else None
    if version is None:
        raise _not_a_baseline(name, _likeness(content), advice)
    if version != VERSION:
        raise UsageError(
            f"baseline {name} is of version {version}, and this gradscope reads version {VERSION}",
            try_next=("install the gradscope that wrote it", advice),
        )
    return dict(content)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        if not error.doc.strip():
            return "it is empty"
        line = error.doc.splitlines()[error.lineno - 1 :][:1]
        if line and line[0].startswith(("<<<<<<<", "=======", ">>>>>>>", "|||||||")):
            return f"line {error.lineno} is the mark of an unfinished merge"
        return f"it is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "it is nested too deeply"


def _likeness(content: object) -> str:
    if isinstance(content, dict) and "schema_version" in content:
        return "it is a report (--format json)"
    return f'it has no "{MARK}"'


def _not_a_baseline(name: str, reason: str, advice: str) -> UsageError:
    return UsageError(f"{name} is not a gradscope baseline: {reason}", try_next=advice)


# ---------------------------------------------------------------- layout


def file_text(content: dict[str, Any]) -> str:
    """The file's text: one finding a line, so that a change of one is a change of one line."""
    text = _laid_out(content, 0) + "\n"
    return text if _is_encodable(text) else _laid_out(content, 0, ascii_only=True) + "\n"


_EXPANDED: Final = 5  # the file, its targets, a target, its findings; what lies deeper stands on one line


def _laid_out(value: Any, depth: int, *, ascii_only: bool = False) -> str:
    if depth >= _EXPANDED - 1 or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=ascii_only)
    parts = [_laid_out(item, depth + 1, ascii_only=ascii_only) for item in _items(value)]
    if isinstance(value, dict):
        heads = [json.dumps(key, ensure_ascii=ascii_only) for key in value]
        parts = [f"{head}: {part}" for head, part in zip(heads, parts, strict=True)]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    indent = "  " * depth
    return f"{opening}\n{indent}  " + f",\n{indent}  ".join(parts) + f"\n{indent}{closing}"


def _items(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
