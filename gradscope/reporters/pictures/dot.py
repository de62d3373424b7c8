"""DOT, the language of Graphviz."""

from __future__ import annotations

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._dot import dot_text

SUFFIXES = (".dot", ".gv")


def render(subject: Subject, view: View) -> tuple[Part, ...]:
    """One file of DOT."""
    return (Part(dot_text(drawing_of(subject, view)).encode()),)
