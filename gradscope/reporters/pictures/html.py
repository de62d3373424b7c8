"""A page for the browser: zoom, search, open and close modules, click a node; one file that loads nothing."""

from __future__ import annotations

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.errors import printable
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._page.assembly import page_of
from gradscope.reporters.pictures._page.content import content_of

SUFFIXES = (".html", ".htm")


def render(subject: Subject, view: View) -> tuple[Part, ...]:
    """The page. `view` is how it opens; everything of the graph is in it."""
    title = f"autograd graph of {subject.target}" if subject.target else "autograd graph"
    return (Part(page_of(printable(title), content_of(subject, view))),)
