"""JSON for tools that were not written with hostile names in mind: ASCII, and no control characters."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from gradscope.errors import printable
from gradscope.reporters.json import laid_out, portable

_BEYOND: Final = re.compile(r"[^\x00-\x7f]+")


def ascii_json(value: Any) -> str:
    """The value as JSON text with a newline at its end, what fits on a line on one line.

    Control characters and what is no character are written out as escapes ("\\x1b"), also for a reader who
    decodes the strings; line breaks and tabs are kept. Non-finite numbers are the strings "NaN", "Infinity"
    and "-Infinity".
    """
    text = laid_out(portable(_harmless(value)))
    return _BEYOND.sub(lambda found: json.dumps(found.group())[1:-1], text) + "\n"


def _harmless(value: Any) -> Any:
    if isinstance(value, dict):
        return {_harmless(key): _harmless(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(item) for item in value]
    return printable(value) if isinstance(value, str) and not value.isprintable() else value
