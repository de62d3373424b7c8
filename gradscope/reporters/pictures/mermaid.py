"""Mermaid, which GitHub and many wikis draw from text in a fenced block."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gradscope.autograd_graph.drawing import Arrow, ArrowKind, Box, BoxKind, Cluster, Drawing, Subject, View
from gradscope.autograd_graph.view import drawing_of
from gradscope.errors import PictureError
from gradscope.finding import Severity
from gradscope.reporters.pictures import Part
from gradscope.reporters.pictures._palette import WORST, fill, ink

SUFFIXES = (".mmd", ".mermaid")

_MOST_CHARACTERS: Final = 50_000  # maxTextSize, and
_MOST_EDGES: Final = 500  # maxEdges: what Mermaid draws unless it is configured otherwise
_STEPS: Final = 8
_PLAIN = re.compile(r"[A-Za-z0-9 .,:=+*/()_-]*\Z")
_SHAPES: Final = {
    BoxKind.LEAF: ("[", "]"),
    BoxKind.CUSTOM: ("[[", "]]"),
    BoxKind.CHECKPOINT: ("[/", "/]"),
    BoxKind.COMPILED: ("[[", "]]"),
    BoxKind.GROUP: ("[[", "]]"),
    BoxKind.BLOCKS: ("[[", "]]"),
    BoxKind.ROOT: ("([", "])"),
    BoxKind.CUT: ("{{", "}}"),
}
_STYLES: Final = {
    BoxKind.CONSTANT: "fill:#eceef1,stroke:#c3c8d0,color:#555555",
    BoxKind.FROZEN: "fill:#e3ebf3,stroke:#7d92ab,color:#45566b,stroke-dasharray:4 3",
    BoxKind.ROOT: "fill:#d9f0dd,stroke:#2f7d43,color:#1b1f24",
    BoxKind.CUT: f"fill:#fdeaea,stroke:{WORST},color:{WORST}",
    BoxKind.LOST: f"fill:#fdf4f4,stroke:{WORST},color:#7a2630,stroke-dasharray:4 3",
}


def render(subject: Subject, view: View) -> tuple[Part, ...]:
    """One flowchart; PictureError where Mermaid would refuse to draw it."""
    drawing = drawing_of(subject, view)
    text = "\n".join(_lines(drawing)) + "\n"
    if len(drawing.arrows) > _MOST_EDGES or len(text) > _MOST_CHARACTERS:
        raise PictureError(
            f"{len(drawing.boxes):,} boxes and {len(drawing.arrows):,} arrows are more than Mermaid draws"
            f" ({_MOST_EDGES} arrows, {_MOST_CHARACTERS:,} characters)",
            try_next=("--depth 1", "--path PARAMETER", "--output graph.html"),
        )
    return (Part(text.encode()),)


def _lines(drawing: Drawing) -> Iterator[str]:
    yield "flowchart TB"
    for line in (drawing.title, *drawing.lines, *drawing.notes):
        yield f"  %% {_CONTROL.sub(' ', line).replace('{', '(').replace('}', ')')}"
    yield from _framed(drawing)
    for arrow in drawing.arrows:
        yield _arrow(arrow)
    yield from _colours(drawing)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")


def _text(text: str) -> str:
    """Text in a quoted label: every character that Mermaid or HTML could read otherwise by its number."""
    if _PLAIN.match(text):
        return text
    return "".join(
        c if c.isalnum() or _PLAIN.match(c) else " " if _CONTROL.match(c) else f"#{ord(c)};" for c in text
    )


def _framed(drawing: Drawing) -> Iterator[str]:
    """The boxes, each inside its frame, and frames inside frames."""
    inside: dict[str | None, list[Cluster]] = {}
    for cluster in drawing.clusters:
        inside.setdefault(cluster.parent, []).append(cluster)
    boxes: dict[str | None, list[Box]] = {}
    for box in drawing.boxes:
        boxes.setdefault(box.cluster, []).append(box)
    for box in boxes.get(None, ()):
        yield f"  {_box(box)}"
    stack: list[Cluster | str] = list(reversed(inside.get(None, [])))
    depth = 1
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            depth -= 1
            yield f"{'  ' * depth}{top}"
            continue
        yield f'{"  " * depth}subgraph {_id(top.id)}["{_text(top.title)}"]'
        depth += 1
        for box in boxes.get(top.id, ()):
            yield "  " * depth + _box(box)
        stack.append("end")
        stack.extend(reversed(inside.get(top.id, [])))


def _id(name: str) -> str:
    """`o` and `x` after an arrow, and the word `end`, mean something else: no id is one of them."""
    return f"b_{name}"


def _box(box: Box) -> str:
    opening, closing = _SHAPES.get(box.kind, ("(", ")"))
    codes = (" ".join(box.codes),) if box.codes else ()
    label = "<br/>".join(map(_text, (box.title, *box.lines, *codes)))
    return f'{_id(box.id)}{opening}"{label}"{closing}'


def _arrow(arrow: Arrow) -> str:
    line = "-.->" if arrow.kind is ArrowKind.CUT else "-->"
    label = f'|"{_text(arrow.label)}"|' if arrow.label else ""
    return f"  {_id(arrow.tail)} {line}{label} {_id(arrow.head)}"


def _colours(drawing: Drawing) -> Iterator[str]:
    """One class for each step of the scale and for each kind that has a colour of its own."""
    classes: dict[str, list[str]] = {}
    for box in drawing.boxes:
        if box.heat is not None:
            step = round(box.heat * _STEPS) / _STEPS
            classes.setdefault(f"fill:{fill(step)},color:{ink(step)},stroke:#5b6470", []).append(box.id)
        elif box.kind in _STYLES:
            classes.setdefault(_STYLES[box.kind], []).append(box.id)
    for number, (style, ids) in enumerate(classes.items()):
        yield f"  classDef c{number} {style}"
        yield f"  class {','.join(map(_id, ids))} c{number}"
    worst = [_id(box.id) for box in drawing.boxes if box.severity is Severity.ERROR]
    if worst:
        yield f"  classDef worst stroke:{WORST},stroke-width:3px"
        yield f"  class {','.join(worst)} worst"
