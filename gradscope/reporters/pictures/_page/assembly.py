"""The page of a graph as one HTML file."""

from __future__ import annotations

from typing import Any, Final

from gradscope.reporters import web_page

MODULES: Final = (
    "elements",
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


def page_of(title: str, content: dict[str, Any]) -> bytes:
    """The file, which holds all that the page is told of a graph."""
    return web_page.page_of(__package__, MODULES, title, content)
