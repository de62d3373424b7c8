"""SVG, PNG and PDF by Graphviz, and what is said where it cannot draw them."""

from __future__ import annotations

import shutil
import stat
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gradscope.autograd_graph.drawing import Box, BoxKind, Drawing, Subject, View
from gradscope.errors import PictureError
from gradscope.reporters import pictures
from gradscope.reporters.dot_program import laid_out
from gradscope.reporters.pictures import _graphviz
from tests.reporters.samples_graphs import chain, hostile, network

needs_dot = pytest.mark.skipif(shutil.which("dot") is None, reason="there is no dot program here")
GRAPHS = {"network": network(), "hostile": hostile(), "chain": chain(50)}
BEGINNINGS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}


def subject() -> Subject:
    return Subject(GRAPHS["network"], cwd="/work", target="train.py")


@needs_dot
@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_picture_is_drawn(name: str) -> None:
    (part,) = pictures.format_named(name).render(subject(), View())
    assert part.content.startswith(BEGINNINGS[name])


@needs_dot
@pytest.mark.parametrize("name", GRAPHS)
def test_an_svg_is_xml_with_its_words_as_text(name: str) -> None:
    (part,) = pictures.format_named("svg").render(
        Subject(GRAPHS[name], cwd="/work", target="train.py"), View()
    )
    root = ElementTree.fromstring(part.content)
    texts = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "train.py" in texts
    assert b"/work" not in part.content


def test_where_there_is_no_dot_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(PictureError, match="there is no dot program, which draws svg") as refused:
        pictures.format_named("svg").render(subject(), View())
    advice = " ".join(refused.value.try_next)
    assert "apt install graphviz" in advice
    assert "graph.html" in advice


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """A `dot` of our own on PATH."""
    path = folder / "dot"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_dot_that_takes_too_long_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "exec sleep 30")
    with pytest.raises(
        PictureError, match=r"dot did not lay out 7 boxes in 0\.2 s and was stopped"
    ) as refused:
        laid_out("digraph {}", "svg", "7 boxes", seconds=0.2)
    assert "--depth 1" in refused.value.try_next


def test_what_dot_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "cat > /dev/null; echo 'Format: \"svg\" not recognized' >&2; exit 1")
    with pytest.raises(PictureError, match='dot failed: Format: "svg" not recognized'):
        laid_out("digraph {}", "svg", "7 boxes")


def test_too_many_boxes_are_refused_before_dot_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    many = Drawing("t", (), (), tuple(Box(f"n{n}", BoxKind.OP, "t") for n in range(6000)), ())
    monkeypatch.setattr(_graphviz, "drawing_of", lambda subject, view: many)
    with pytest.raises(PictureError, match="6,000 boxes are more than dot can lay out"):
        _graphviz.drawn(subject(), View(), "svg")
