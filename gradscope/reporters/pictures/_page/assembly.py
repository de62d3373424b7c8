"""One HTML file of the page's parts, which loads nothing and asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

MODULES: Final = (
    "graph",
    "groups",
    "wires",
    "layers",
    "order",
    "coordinates",
    "layout",
    "words",
    "colours",
    "camera",
    "scene",
    "drawing",
    "paths",
    "search",
    "panel",
    "outline",
    "steps",
    "stepping",
    "keys",
    "main",
)
"""The modules of the script, each behind those that it imports."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


def page_of(title: str, content: dict[str, Any]) -> bytes:
    """The file: its style, its script, and what it is told as JSON that no name in it can break out of."""
    script, style = _script(), _text("page.css")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    filled = {"TITLE": html.escape(title), "POLICY": policy, "STYLE": style, "SCRIPT": script}
    page = re.sub(r"\{\{([A-Z]+)\}\}", lambda found: filled.get(found[1], found[0]), _text("page.html"))
    before, after = page.split("{{DATA}}")
    return before.encode() + embedded(content) + after.encode()


def embedded(content: Any) -> bytes:
    """JSON for a script element: `<`, `>`, `&` and the line separators of Unicode only as escapes."""
    # outside strings JSON has none of these characters
    encoded = msgspec.json.encode(content)
    for character, escape in _ESCAPES:
        encoded = encoded.replace(character, escape)
    return encoded


_ESCAPES: Final = tuple((each.encode(), f"\\u{ord(each):04x}".encode()) for each in "<>&\u2028\u2029")


@cache
def _script() -> str:
    """All modules as one."""
    whole = "\n".join(_EXPORT.sub("", _IMPORT.sub("", _text(f"{name}.js"))) for name in MODULES)
    return f"\n{whole}"


@cache
def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """How a Content-Security-Policy names the one script, or style, that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
