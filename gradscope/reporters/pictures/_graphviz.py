"""Pictures by Graphviz's `dot`."""

from __future__ import annotations

from typing import Final

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.errors import PictureError
from gradscope.reporters.dot_program import SECONDS, SMALLER, laid_out
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._dot import dot_text

_MOST_BOXES: Final = 5000  # dot takes minutes for ten thousand


def drawn(subject: Subject, view: View, kind: str, seconds: float = SECONDS) -> tuple[Part, ...]:
    """The picture of a drawing in a format that `dot` writes ("svg", "png", "pdf")."""
    drawing = drawing_of(subject, view)
    if len(drawing.boxes) > _MOST_BOXES:
        raise PictureError(
            f"{len(drawing.boxes):,} boxes are more than dot can lay out in a reasonable time",
            try_next=SMALLER,
        )
    return (Part(laid_out(dot_text(drawing), kind, f"{len(drawing.boxes):,} boxes", seconds)),)
