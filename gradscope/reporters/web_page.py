"""One HTML file of a page's parts, which loads nothing and asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

_IMPORT: Final = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export ", re.MULTILINE)
_SHARED: Final = "gradscope.reporters.page_parts"
_ESCAPES: Final = tuple((each.encode(), f"\\u{ord(each):04x}".encode()) for each in "<>&\u2028\u2029")


def page_of(package: str, modules: Sequence[str], title: str, content: Any) -> bytes:
    """The file: its style, its script, and what it is told as JSON that no name in it can break out of.

    `package` has page.html, page.css and the modules of the script, each of which must stand behind those
    that it imports; modules that it has not are those of `page_parts`. The template names its parts
    {{TITLE}}, {{POLICY}}, {{STYLE}}, {{DATA}} and {{SCRIPT}}.
    """
    script, style = _script(package, tuple(modules)), _text(package, "page.css")
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    filled = {"TITLE": html.escape(title), "POLICY": policy, "STYLE": style, "SCRIPT": script}
    template = _text(package, "page.html")
    page = re.sub(r"\{\{([A-Z]+)\}\}", lambda found: filled.get(found[1], found[0]), template)
    before, after = page.split("{{DATA}}")
    return before.encode() + embedded(content) + after.encode()


def embedded(content: Any) -> bytes:
    """JSON for a script element: `<`, `>`, `&` and the line separators of Unicode only as escapes."""
    # outside strings JSON has none of these characters
    encoded = msgspec.json.encode(content)
    for character, escape in _ESCAPES:
        encoded = encoded.replace(character, escape)
    return encoded


@cache
def _script(package: str, modules: tuple[str, ...]) -> str:
    """All modules as one."""
    whole = "\n".join(_EXPORT.sub("", _IMPORT.sub("", _module(package, f"{name}.js"))) for name in modules)
    return f"\n{whole}"


def _module(package: str, name: str) -> str:
    """The text of a module, the page's own or a shared one."""
    return _text(package if files(package).joinpath(name).is_file() else _SHARED, name)


@cache
def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """How a Content-Security-Policy names the one script, or style, that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
