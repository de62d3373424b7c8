"""Mermaid: a flowchart in which every name is text, within what Mermaid draws."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gradscope.autograd_graph.drawing import Box, BoxKind, Drawing, Subject, View
from gradscope.errors import PictureError
from gradscope.reporters.pictures import mermaid
from tests.reporters.pictures.test_dot import GOLDEN, HOSTILE, everything
from tests.reporters.samples_graphs import chain, hostile, network

_NODE = r'b_\w+(?:\[\[|\[/|\[|\(\[|\(|\{\{)"[^"]*"(?:\]\]|/\]|\]|\]\)|\)|\}\})'
GRAMMAR = re.compile(
    rf'flowchart TB|%% .*|%% ?|{_NODE}|subgraph b_\w+\["[^"]*"\]|end'
    r'|b_\w+ (?:-->|-\.->)(?:\|"[^"]*"\|)? b_\w+'
    r"|classDef \w+ [\w:#,\- ]+|class b_\w+(?:,b_\w+)* \w+"
)


def text_of(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(mermaid, "drawing_of", lambda subject, view: drawing)
    (part,) = mermaid.render(Subject(network()), View())
    return part.content.decode()


@pytest.mark.parametrize("graph", [network(), hostile(), chain(30)], ids=["network", "hostile", "chain"])
def test_every_line_is_one_that_mermaid_reads(graph: object) -> None:
    (part,) = mermaid.render(Subject(graph), View())  # type: ignore[arg-type]
    for line in part.content.decode().splitlines():
        assert GRAMMAR.fullmatch(line.strip()), line


@pytest.mark.parametrize("name", HOSTILE[:-1], ids=lambda text: ascii(text[:12]))
def test_a_hostile_name_is_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(Drawing(name, (name,), (), (Box("n0", BoxKind.OP, name),), ()), monkeypatch)
    (line,) = [line for line in text.splitlines() if line.startswith("  b_n0")]
    label = line.removeprefix('  b_n0("').removesuffix('")')
    assert not set(label) & set('<>"&[]{}|\\`')
    assert re.fullmatch(r"(?:[^#;]|#\d+;)*", label)
    told = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)
    assert told == re.sub(r"[\x00-\x1f\ud800-\udfff]", " ", name)


def test_it_is_the_stored_text(golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    golden(GOLDEN / "everything.mmd", text_of(everything(), monkeypatch))


def test_more_than_mermaid_draws_is_refused() -> None:
    with pytest.raises(
        PictureError, match=r"are more than Mermaid draws \(500 arrows, 50,000 characters\)"
    ) as refused:
        mermaid.render(Subject(chain(2000)), View(depth=1_000_000, fold=False))
    assert "--depth 1" in refused.value.try_next
