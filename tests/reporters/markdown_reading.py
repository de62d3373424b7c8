"""Markdown as two readers understand it: GitHub's own parser (cmarkgfm), and markdown-it-py."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser

import cmarkgfm
from cmarkgfm.cmark import Options
from markdown_it import MarkdownIt

_READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
Reader = Callable[[str], str]
READERS: dict[str, Reader] = {
    "markdown-it": _READER.render,
    "cmark-gfm": lambda text: cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE),
}
OURS = {
    *("h2", "h3", "h4", "p", "ul", "li", "strong", "code", "pre", "sub", "details", "summary"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    *(("pre", "lang", "text"), ("code", "class", "language-text")),
    *(("th", "align", "right"), ("td", "align", "right")),
    *(("th", "style", "text-align:right"), ("td", "style", "text-align:right")),
}


@dataclass
class Rendered(HTMLParser):
    """What a browser would make of the page: elements, cells, and text inside and outside of code."""

    tags: set[str] = field(default_factory=set)
    attributes: set[tuple[str, str, str | None]] = field(default_factory=set)
    rows: list[list[str]] = field(default_factory=list)
    code: list[str] = field(default_factory=list)
    text: str = ""
    prose: str = ""
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(tag, name, value) for name, value in attrs}
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "code":
            self.code.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if "code" in self._open:
            self.code[-1] += data
        else:
            self.prose += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data.replace("\N{NO-BREAK SPACE}", " ")


def read(text: str, reader: str) -> Rendered:
    page = Rendered()
    page.feed(READERS[reader](text))
    page.close()
    return page


BECOMES_A_LINK = re.compile(r"[@$]|://|www\.|#\d|GH-\d|\b[0-9a-f]{7,40}\b|:[\w+-]+:|\B[!~%&^]\w", re.I)
