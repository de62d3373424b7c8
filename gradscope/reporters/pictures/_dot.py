"""A drawing as DOT text, Graphviz's language.

Boxes have HTML-like labels, a bold first line and smaller ones below it. User text gets into them through
`_html` alone, and into quoted strings through `quoted` alone.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gradscope.autograd_graph.drawing import (
    Arrow,
    ArrowKind,
    Box,
    BoxKind,
    Cluster,
    Colour,
    Drawing,
    Mark,
)
from gradscope.finding import Severity
from gradscope.reporters.pictures._palette import WORST, fill, ink

_FONT: Final = "Helvetica,Arial,sans-serif"
_SMALL: Final = 9
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufffe\uffff]")

_SHAPES: Final = {
    BoxKind.OP: 'shape=box style="filled,rounded"',
    BoxKind.LEAF: 'shape=box style="filled" penwidth=2',
    BoxKind.CUSTOM: 'shape=component style="filled"',
    BoxKind.CHECKPOINT: 'shape=tab style="filled"',
    BoxKind.COMPILED: 'shape=cds style="filled"',
    BoxKind.VALUE: 'shape=box style="filled,rounded"',
    BoxKind.GROUP: 'shape=box style="filled,rounded" peripheries=2',
    BoxKind.BLOCKS: 'shape=box3d style="filled"',
    BoxKind.CONSTANT: 'shape=box style="filled,rounded" fillcolor="#eceef1" color="#c3c8d0" fontcolor=gray33',
    BoxKind.FROZEN: 'shape=box style="filled,dashed" fillcolor="#e3ebf3" color="#7d92ab" fontcolor="#45566b"',
    BoxKind.ROOT: 'shape=box style="filled,bold" fillcolor="#d9f0dd" color="#2f7d43"',
    BoxKind.CUT: f'shape=octagon style="filled,bold" fillcolor="#fdeaea" color="{WORST}" fontcolor="{WORST}"',
    BoxKind.LOST: f'shape=box style="filled,dashed" fillcolor="#fdf4f4" color="{WORST}" fontcolor="#7a2630"',
}
_BORDERS: Final = {Severity.ERROR: WORST, Severity.WARNING: "#b7791f", Severity.INFO: "#2b6cb0"}
_WIDEST: Final = 120  # characters of a tooltip's line
_LONGEST: Final = 300  # of a label's: dot reads no label of more than 16,384
_MOST_NOTES: Final = 12  # lines


def dot_text(drawing: Drawing) -> str:
    """The whole graph. The same drawing gives the same text."""
    lines = [
        "digraph gradscope {",
        f'  graph [rankdir=TB ranksep=0.32 nodesep=0.22 fontname="{_FONT}" fontsize=12 labelloc=t'
        " labeljust=l compound=true pad=0.15]",
        f'  node [fontname="{_FONT}" fontsize=11 margin="0.11,0.055" height=0.3 color="#5b6470"'
        ' fillcolor="#f4f5f7" fontcolor="#1b1f24"]',
        f'  edge [fontname="{_FONT}" fontsize={_SMALL} color="#5b6470" fontcolor="#3d444d" arrowsize=0.65]',
        f"  label=<{_heading(drawing)}>",
        f"  tooltip={quoted(drawing.title)}",
    ]
    order = {box.id: place for place, box in enumerate(drawing.boxes)}
    lines += _clustered(drawing)
    lines += [_arrow(arrow, order) for arrow in drawing.arrows]
    lines.append("}\n")
    return "\n".join(lines)


def quoted(text: str) -> str:
    """Text as a quoted string of DOT, in which nothing has a meaning of its own; newlines stay."""
    plain = _CONTROL.sub(" ", text) if _CONTROL.search(text) else text
    if "\\" in plain or '"' in plain:
        plain = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def _html(text: str) -> str:
    plain = _CONTROL.sub(" ", text) if _CONTROL.search(text) else text
    if len(plain) > _LONGEST:
        plain = f"{plain[:_LONGEST]}..."
    return html.escape(plain) or " "


# ---------------------------------------------------------------- boxes and frames


def _clustered(drawing: Drawing) -> Iterator[str]:
    """The boxes, each inside its frame, and frames inside frames."""
    inside: dict[str | None, list[Cluster]] = {}
    for cluster in drawing.clusters:
        inside.setdefault(cluster.parent, []).append(cluster)
    boxes: dict[str | None, list[Box]] = {}
    for box in drawing.boxes:
        boxes.setdefault(box.cluster, []).append(box)
    for box in boxes.get(None, ()):
        yield _box(box, "  ")
    stack: list[Cluster | str] = list(reversed(inside.get(None, [])))
    depth = 1
    while stack:
        top = stack.pop()
        if isinstance(top, str):
            depth -= 1
            yield f"{'  ' * depth}}}"
            continue
        indent = "  " * depth
        yield f"{indent}subgraph {quoted('cluster_' + top.id)} {{"
        yield f"{indent}  {_frame(top, depth)}"
        depth += 1
        for box in boxes.get(top.id, ()):
            yield _box(box, "  " * depth)
        stack.append("}")
        stack.extend(reversed(inside.get(top.id, [])))


def _frame(cluster: Cluster, depth: int) -> str:
    repeated = " peripheries=2 penwidth=1.6" if cluster.repeated > 1 else ""
    shade = ("#fbfbfc", "#f4f6f8")[depth % 2]
    return (
        f'label=<<b>{_html(cluster.title)}</b>> style="rounded,filled" color="#aab2bd" fillcolor="{shade}"'
        f" fontsize=10 margin=9 tooltip={quoted(cluster.title)}{repeated}"
    )


def _box(box: Box, indent: str) -> str:
    label = f"<b>{_html(box.title)}</b>"
    if box.lines:
        below = "<br/>".join([_html(line) for line in box.lines])
        label = f'{label}<br/><font point-size="{_SMALL}">{below}</font>'
    style = _SHAPES[box.kind]
    if box.heat is not None:
        style = f'{style} fillcolor="{fill(box.heat)}" fontcolor="{ink(box.heat)}"'
    if box.mark is not None or box.codes:
        label, style = _marked(box, label, style)
    tip = "\\n".join([quoted(line[:_WIDEST])[1:-1] for line in (box.title, *box.lines)])
    return f'{indent}"{box.id}" [label=<{label}> {style} tooltip="{tip}"]'


def _marked(box: Box, label: str, style: str) -> tuple[str, str]:
    """What stands out: a gradient of NaN, Inf or nothing but zeros, and what findings point at."""
    if box.mark is Mark.ZERO:
        style = f'{style} fillcolor="white" fontcolor="#1b1f24" style="filled,dashed"'
    elif box.mark is not None:
        style = f'{style} fillcolor="#1b1f24" fontcolor="#ffffff" color="{WORST}" penwidth=3'
    if box.codes:
        border = _BORDERS[box.severity or Severity.ERROR]
        told = _html(" ".join(box.codes))
        label = f'{label}<br/><font point-size="{_SMALL}"><b>{told}</b></font>'
        style = f'{style} color="{border}" penwidth=2.5'
    return label, style


# ---------------------------------------------------------------- arrows


def _arrow(arrow: Arrow, order: dict[str, int]) -> str:
    style = []
    if arrow.label:
        style.append(f"label={quoted(f' {arrow.label} ')}")
    if arrow.kind is ArrowKind.CUT:
        style.append(f'style=dashed color="{WORST}" fontcolor="{WORST}" penwidth=1.6')
    elif arrow.kind is ArrowKind.CONSTANT:
        style.append('color="#b9bfc8"')
    elif arrow.severity is not None:
        style.append(f'color="{_BORDERS[arrow.severity]}" penwidth=1.6')
    if order.get(arrow.tail, 0) >= order.get(arrow.head, 0):
        style.append("constraint=false style=dashed")  # from one turn of what repeats to the next
    return f'  "{arrow.tail}" -> "{arrow.head}"' + (f" [{' '.join(style)}]" if style else "")


# ---------------------------------------------------------------- title and legend


def _heading(drawing: Drawing) -> str:
    rows = [f'<b><font point-size="14">{_html(drawing.title)}</font></b>']
    rows += [f'<font point-size="{_SMALL + 1}">{_html(line)}</font>' for line in drawing.lines]
    rows += [
        f'<font point-size="{_SMALL}" color="#59606b">{_html(note)}</font>' for note in _folded(drawing.notes)
    ]
    legend = _legend(drawing)
    cells = "".join(f'<tr><td align="left">{row}</td></tr>' for row in [*rows, *legend])
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{cells}</table>'


def _folded(notes: Iterable[str]) -> Iterator[str]:
    """Notes in lines that are no wider than a picture."""
    for note in notes:
        line = ""
        for word in note.split():
            if line and len(line) + len(word) > 90:
                yield line
                line = word
            else:
                line = f"{line} {word}" if line else word
        yield line


def _legend(drawing: Drawing) -> Sequence[str]:
    scale = drawing.scale
    if scale is None or scale.colour is Colour.NONE:
        return ()
    steps = "".join(f'<font color="{fill(step / 11)}">\u2588\u2588</font>' for step in range(12))
    title, low, high = map(_html, (scale.title, scale.low, scale.high))
    return (f'<font point-size="{_SMALL}">{title}  {low} {steps} {high}</font>',)
