"""Pictures by Graphviz's `dot`, with a limit to its time: it takes minutes for ten thousand boxes."""

from __future__ import annotations

import shutil
import subprocess
from typing import Final

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.errors import PictureError
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._dot import dot_text

SECONDS: Final = 60.0
_MOST_BOXES: Final = 5000
_INSTALL: Final = (
    "apt install graphviz   (or brew install, conda install, winget install Graphviz.Graphviz)",
    "--output graph.html    needs no dot; nor do .json, .mmd, .dot and the tree in the terminal",
)
_SMALLER: Final = ("--depth 1", "--path PARAMETER", "--output graph.html   is made for many boxes")


def drawn(subject: Subject, view: View, kind: str, seconds: float = SECONDS) -> tuple[Part, ...]:
    """The picture of a drawing in a format that `dot` writes ("svg", "png", "pdf")."""
    drawing = drawing_of(subject, view)
    if len(drawing.boxes) > _MOST_BOXES:
        raise PictureError(
            f"{len(drawing.boxes):,} boxes are more than dot can lay out in a reasonable time",
            try_next=_SMALLER,
        )
    return (Part(laid_out(dot_text(drawing), kind, f"{len(drawing.boxes):,} boxes", seconds)),)


def laid_out(text: str, kind: str, size: str, seconds: float = SECONDS) -> bytes:
    """What `dot` makes of DOT text. `size` says how large it is, for the error where time runs out.

    Raises PictureError where there is no `dot`, where it fails, and where it takes longer than `seconds`.
    """
    program = shutil.which("dot")
    if program is None:
        raise PictureError(f"there is no dot program, which draws {kind}", try_next=_INSTALL)
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=text.encode(), capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PictureError(
            f"dot did not lay out {size} in {seconds:g} s and was stopped", try_next=_SMALLER
        ) from None
    except OSError as error:
        raise PictureError(f"{program} cannot be run: {error.strerror}", try_next=_INSTALL) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise PictureError(f"dot failed: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout
