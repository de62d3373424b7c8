"""The file form of a baseline: JSON, one finding a line, one parameter a line.

    {
      "gradscope_baseline": 1,
      "targets": {
        "train.py": {
          "findings": [
            {"code": "GS103", "rule": "unused-parameter", "path": "model.py", "function": "build", "count": 2}
          ],
          "gradients": {
            "measured": {"torch": "2.13.0", "platform": "linux x86_64", "device": "cpu"},
            "losses": {"loss in train": {"first": 2.30259, "last": 0.41832, "backwards": 5}},
            "parameters": {
              "fc.weight": {"norm": 1.23457, "last_norm": 0.876543, "backwards": 5}
            }
          }
        }
      }
    }

"gradients" are there where a gate wrote them. Keys that this version does not know are let stand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from gradscope.errors import UsageError
from gradscope.fingerprint import Fingerprint
from gradscope.gradient_statistics import GradientStatistics

VERSION: Final = 1
MARK: Final = "gradscope_baseline"
GRADIENTS: Final = "gradients"


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
        raise _damaged(name, error) from None
    return {key: target.findings for key, target in targets.items()}


def gradients(content: Mapping[str, Any], target: str, name: str) -> GradientStatistics | None:
    """The gradients of a target, None where there are none; UsageError where they are not as they must be.

    `content` is that of a file whose `entries` could be read.
    """
    section = content.get("targets", {}).get(target, {}).get(GRADIENTS)
    if section is None:
        return None
    try:
        return msgspec.convert(section, GradientStatistics)
    except msgspec.ValidationError as error:
        raise _damaged(name, f"{error}, in the gradients of {target}") from None


def gradients_content(statistics: GradientStatistics) -> dict[str, Any]:
    """What stands under `GRADIENTS`."""
    return dict(msgspec.to_builtins(statistics))


def _damaged(name: str, error: object) -> UsageError:
    return UsageError(f"baseline {name} is damaged: {error}", try_next="delete it and write it anew")


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
    """The file's text: one finding or parameter a line, so that a change of one is a change of one line."""
    text = _laid_out(content, ()) + "\n"
    return text if _is_encodable(text) else _laid_out(content, (), ascii_only=True) + "\n"


_EXPANDED: Final = 4  # the file, its targets, a target, its findings; what lies deeper stands on one line
_PARAMETERS: Final = (GRADIENTS, "parameters")


def _laid_out(value: Any, keys: tuple[str, ...], *, ascii_only: bool = False) -> str:
    """JSON text of what lies at these keys of the file."""
    is_expanded = len(keys) < _EXPANDED or keys[2:] == _PARAMETERS
    if not is_expanded or not isinstance(value, dict | list) or not value:
        return json.dumps(value, ensure_ascii=ascii_only)
    pairs = value.items() if isinstance(value, dict) else [("", item) for item in value]
    parts = [_laid_out(item, (*keys, key), ascii_only=ascii_only) for key, item in pairs]
    if isinstance(value, dict):
        heads = [json.dumps(key, ensure_ascii=ascii_only) for key in value]
        parts = [f"{head}: {part}" for head, part in zip(heads, parts, strict=True)]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    indent = "  " * len(keys)
    return f"{opening}\n{indent}  " + f",\n{indent}  ".join(parts) + f"\n{indent}{closing}"


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
