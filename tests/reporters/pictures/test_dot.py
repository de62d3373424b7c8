"""DOT: every kind of box, frames, arrows, and names that stay text."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from graphviz import escape
from graphviz.quoting import quote

from gradscope.autograd_graph.drawing import (
    Arrow,
    ArrowKind,
    Box,
    BoxKind,
    Cluster,
    Colour,
    Drawing,
    Mark,
    Scale,
)
from gradscope.finding import Severity
from gradscope.reporters.pictures._dot import dot_text, quoted

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = (
    "<lambda>",
    '<b>&"{|}',
    "back\\slash \\n \\l \\N \\G \\",
    "two\nlines\ttab",
    "]]> --> <!-- </script>",
    "\x1b[31mred\x00",
    "lone \ud800 surrogate",
    "日本語 🙂 é",
    "",
    "x" * 10_000,
)
needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no dot program here")


def boxes(*each: Box) -> Drawing:
    return Drawing("title", ("a line",), (), each, ())


def line_of(drawing: Drawing, name: str) -> str:
    (found,) = [line for line in dot_text(drawing).splitlines() if line.lstrip().startswith(f'"{name}" [')]
    return found


def everything() -> Drawing:
    """One box of each kind, in frames in frames, with every kind of arrow."""
    kinds = list(BoxKind)
    clusters = (
        Cluster("g1", "model (Net)"),
        Cluster("g2", "12 x Block: h.0 to h.11", "g1", repeated=12),
        Cluster("g3", "empty", "g1"),
    )
    each = tuple(
        Box(
            f"n{n}",
            kind,
            f"{kind}",
            (f"line {n}",),
            ("g1", "g2", None)[n % 3],
            heat=n / len(kinds) if n % 2 else None,
        )
        for n, kind in enumerate(kinds)
    )
    arrows = (
        Arrow("n0", "n1", label="da/dx = 3"),
        Arrow("n1", "n2", ArrowKind.CONSTANT),
        Arrow("n2", "n3", ArrowKind.CUT, "h", severity=Severity.ERROR),
        Arrow("n4", "n1", label="x11", count=11),
        Arrow("n5", "n5", label="x199"),
        Arrow("n5", "n6", severity=Severity.WARNING),
    )
    scale = Scale(Colour.GRADIENT, "2-norm of the gradient", "1e-3", "2.0")
    return Drawing(
        "train.py", ("backward at train.py:41", "5 nodes"), clusters, each, arrows, scale, ("a note " * 30,)
    )


@needs_dot
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_a_hostile_name_is_text_everywhere(text: str) -> None:
    drawing = Drawing(
        text,
        (text,),
        (Cluster("g1", text),),
        (Box("n0", BoxKind.OP, text, (text,), "g1", codes=("GS102",)), Box("n1", BoxKind.LEAF, text)),
        (Arrow("n0", "n1", label=text),),
        Scale(Colour.GRADIENT, text, text, text),
        (text,),
    )
    done = subprocess.run(
        ["dot", "-Tsvg"], input=dot_text(drawing).encode(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    svg = done.stdout.decode()
    assert "<script" not in svg
    assert svg.count('class="node"') == 2
    assert svg.count('class="edge"') == 1


@pytest.mark.parametrize(
    "text", [text for text in HOSTILE if text and text.isprintable()], ids=lambda text: text[:12]
)
def test_quoting_means_what_graphviz_means(text: str) -> None:
    theirs = quote(escape(text))
    assert quoted(text) == (theirs if theirs.startswith('"') else f'"{theirs}"')


@needs_dot
def test_dot_reads_every_kind_of_box_frame_and_arrow() -> None:
    done = subprocess.run(
        ["dot", "-Tcanon"], input=dot_text(everything()).encode(), capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    text = done.stdout.decode()
    assert text.count("subgraph") == 3
    assert text.count("->") == 6


def test_it_is_the_stored_text(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "everything.dot", dot_text(everything()))


def test_the_same_drawing_gives_the_same_text() -> None:
    assert dot_text(everything()) == dot_text(everything())


def test_braces_are_balanced_outside_quotes() -> None:
    text = re.sub(r'"(?:[^"\\]|\\.)*"', "", dot_text(everything()))
    assert text.count("{") == text.count("}") == 4


def test_kinds_differ_without_colour() -> None:
    drawing = boxes(*(Box(f"n{n}", kind, "t") for n, kind in enumerate(BoxKind)))
    looks = {}
    for n, kind in enumerate(BoxKind):
        line = line_of(drawing, f"n{n}")
        looks[kind] = re.sub(r' (?:\w*color=\S+|tooltip="t"|"n\d+")', "", line).partition(">>")[2]
    alike = {BoxKind.OP, BoxKind.VALUE, BoxKind.CONSTANT}  # never in one picture, or grey and small
    shapes = [look for kind, look in looks.items() if kind not in alike]
    repeated = {look for look in shapes if shapes.count(look) > 1}
    assert not {look for look in repeated if "dashed" not in look}


def test_the_scale_colours_and_the_text_stays_readable() -> None:
    light, dark = boxes(Box("n0", BoxKind.OP, "t", heat=0.0)), boxes(Box("n0", BoxKind.OP, "t", heat=1.0))
    assert 'fillcolor="#fff7dc" fontcolor="#1b1f24"' in line_of(light, "n0")
    assert 'fillcolor="#70226e" fontcolor="#ffffff"' in line_of(dark, "n0")


def test_what_stands_out_stands_out() -> None:
    plain = line_of(boxes(Box("n0", BoxKind.OP, "t", heat=0.5)), "n0")
    zero = line_of(boxes(Box("n0", BoxKind.OP, "t", heat=0.0, mark=Mark.ZERO)), "n0")
    broken = line_of(boxes(Box("n0", BoxKind.OP, "t", heat=1.0, mark=Mark.NONFINITE)), "n0")
    assert "dashed" in zero
    assert "dashed" not in plain
    assert "penwidth=3" in broken
    found = line_of(boxes(Box("n0", BoxKind.OP, "t", severity=Severity.WARNING, codes=("GS404",))), "n0")
    assert "<b>GS404</b>" in found
    assert 'color="#b7791f" penwidth=2.5' in found


def test_arrows_to_the_next_turn_do_not_pull_the_picture_apart() -> None:
    lines = [line for line in dot_text(everything()).splitlines() if " -> " in line]
    back = [line for line in lines if "constraint=false" in line]
    assert [line.split()[0] for line in back] == ['"n4"', '"n5"']


def test_a_legend_only_where_there_is_a_scale() -> None:
    assert "\u2588" in dot_text(everything())
    assert "\u2588" not in dot_text(boxes(Box("n0", BoxKind.OP, "t")))
