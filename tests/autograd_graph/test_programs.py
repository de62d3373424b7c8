"""Whole drawings of programs, as text: what is open, what is folded, what each box says.

Norms and losses depend on the machine in their last digits and are left out, except in programs of scalars.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gradscope.autograd_graph.drawing import WHOLE, BoxKind, Drawing

from .drawn import drawn

PROGRAMS = Path(__file__).parent / "programs"
GOLDEN = Path(__file__).parent / "golden"
SCALARS = ("scalars", "second_order")


def listing(drawing: Drawing, *, values: bool) -> Iterator[str]:
    """Frames with what is in them, and the arrows."""
    for cluster in drawing.clusters:
        inside = f" in {cluster.parent}" if cluster.parent else ""
        times = f" ({cluster.repeated} times)" if cluster.repeated > 1 else ""
        yield f"frame {cluster.id}{inside}: {cluster.title}{times}"
    for box in drawing.boxes:
        inside = f" in {box.cluster}" if box.cluster else ""
        codes = f" {' '.join(box.codes)} {box.severity}" if box.codes else ""
        mark = f" [{box.mark}]" if box.mark else ""
        title = box.title if values or box.kind is not BoxKind.ROOT else box.title.partition(" = ")[0]
        yield f"{box.kind} {box.id}{inside}: {title}{mark}{codes}"
        yield from (f"    {line}" for line in box.lines if values or not line.startswith("|grad|"))
    for arrow in drawing.arrows:
        kind = f" {arrow.kind}" if arrow.kind != "plain" else ""
        count = f" ({arrow.count})" if arrow.count > 1 else ""
        label = f": {arrow.label}" if arrow.label else ""
        yield f"{arrow.tail} -> {arrow.head}{kind}{count}{label}"
    yield from (f"note: {note}" for note in drawing.notes)


@pytest.mark.parametrize(
    ("program", "name", "number", "view"),
    [
        ("blocks", "blocks", 1, {}),
        ("blocks", "blocks_closed", 1, {"depth": 2}),
        ("blocks", "blocks_depth_0", 1, {"depth": 0}),
        ("blocks", "blocks_path", 1, {"path": "h.9.lin.bias"}),
        ("unequal", "unequal", 1, {"depth": 1}),
        ("attention", "attention", 1, {}),
        ("attention", "attention_around", 1, {"around": ("train.py", 13), "reach": 1}),
        ("cell", "cell", 1, {}),
        ("cell", "cell_closed", 1, {"depth": 1}),
        ("shared", "shared", 1, {}),
        ("gan", "gan", 1, {}),
        ("script", "script", 1, {}),
        ("script", "script_closed", 1, {"depth": 0}),
        ("scalars", "scalars", 1, {}),
        ("second_order", "second_order", 2, {}),
        ("regions", "regions", 1, {}),
        ("outputs", "outputs", 1, {}),
        ("frozen", "frozen", 1, {}),
        ("severed", "severed", 1, {}),
        ("severed", "severed_closed", 1, {"depth": 0}),
        ("nan", "nan", 1, {}),
        ("compiled", "compiled", 1, {}),
    ],
)
def test_drawing(
    program: str,
    name: str,
    number: int,
    view: dict[str, Any],
    tmp_path: Path,
    golden: Callable[[Path, str], None],
) -> None:
    source = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    drawing = drawn(source, tmp_path, number, **view)
    text = "".join(f"{line}\n" for line in listing(drawing, values=program in SCALARS))
    assert str(tmp_path) not in text
    golden(GOLDEN / f"{name}.txt", text)


@pytest.mark.parametrize(
    "program", sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "compiled")
)
@pytest.mark.parametrize("view", [{}, {"depth": 0}, {"depth": 1}, {"depth": WHOLE, "fold": False}])
def test_a_drawing_holds_together(program: str, view: dict[str, Any], tmp_path: Path) -> None:
    """Every node is in exactly one box, and what is named is there."""
    source = (PROGRAMS / f"{program}.py").read_text(encoding="utf-8")
    drawing = drawn(source, tmp_path, **view)
    nodes = [node for box in drawing.boxes for node in box.nodes]
    assert sorted(nodes) == list(range(len(nodes)))
    ids = [box.id for box in drawing.boxes] + [cluster.id for cluster in drawing.clusters]
    assert len(ids) == len(set(ids))
    known: set[str | None] = {None}
    for cluster in drawing.clusters:
        assert cluster.parent in known
        known.add(cluster.id)
    assert {box.cluster for box in drawing.boxes} <= known
    assert {end for arrow in drawing.arrows for end in (arrow.tail, arrow.head)} <= set(ids)
    if view.get("fold") is False:
        assert all(len(box.nodes) <= 1 for box in drawing.boxes)
    kinds = {box.kind for box in drawing.boxes}
    assert BoxKind.ROOT in kinds
