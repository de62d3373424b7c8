"""PDF, drawn by Graphviz."""

from __future__ import annotations

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._graphviz import drawn

SUFFIXES = (".pdf",)


def render(subject: Subject, view: View) -> tuple[Part, ...]:
    """One PDF file; PictureError where there is no `dot`, or not in time."""
    return drawn(subject, view, "pdf")
