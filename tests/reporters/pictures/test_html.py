"""The page of a graph as a file: one part, nothing from elsewhere, and data that cannot leave its element."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from gradscope.autograd_graph.drawing import Subject, View
from gradscope.errors import UsageError
from gradscope.facts.graph import AutogradGraph, GraphNode, NodeKind
from gradscope.reporters.pictures import format_named
from tests.reporters.samples_graphs import chain, hostile, network

END = "</script><img src=x onerror=alert(1)>\u2028&amp;<!--"


def page(graph: AutogradGraph, view: View | None = None) -> str:
    (part,) = format_named("html").render(Subject(graph, cwd="/work", target="train.py"), view or View())
    return part.content.decode()


def data_of(text: str) -> dict[str, object]:
    (found,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    data: dict[str, object] = json.loads(found)
    return data


@pytest.mark.parametrize("graph", [network(), hostile(), chain(2000)], ids=["network", "hostile", "chain"])
def test_nothing_is_loaded_and_the_script_is_the_one_that_is_allowed(graph: AutogradGraph) -> None:
    text = page(graph)
    assert not re.search(r'(?:src|href)\s*=\s*["\']?(?:https?:)?//', text)
    (script,) = re.findall(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert "import " not in re.sub(r"//.*", "", script)


def test_a_name_cannot_end_its_element() -> None:
    leaf = GraphNode("AccumulateGrad", NodeKind.LEAF, (), shapes=((2,),), dtypes=("float32",), leaf=END)
    text = page(AutogradGraph((leaf,), roots=((0, 0),)))
    assert "<img" not in text
    assert text.count("</script>") == 2
    strings = data_of(text)["strings"]
    assert isinstance(strings, list)
    assert any("</script><img src=x onerror=alert(1)>" in each for each in strings)


def test_no_absolute_path() -> None:
    text = page(network())
    assert "/work/" not in text
    places = data_of(text)["places"]
    assert isinstance(places, list)
    assert any(place["line"] for place in places)


def test_what_repeats_is_told_once() -> None:
    sizes = [len(page(chain(length))) for length in (10_000, 20_000)]
    assert sizes[1] - sizes[0] < 60 * 10_000  # bytes a node


def test_the_view_says_how_the_page_opens() -> None:
    view = data_of(page(network(), View(depth=1, fold=False)))["view"]
    assert isinstance(view, dict)
    assert (view["depth"], view["fold"], view["colour"]) == (1, False, "gradient")


def test_only_what_is_near_to_a_line_where_that_is_asked() -> None:
    graph = chain(100)
    place = graph.location(graph.nodes[50])
    assert place is not None
    near = data_of(page(graph, View(around=(None, place.line), reach=0)))
    assert near["nodes"] == sum(graph.location(node) == place for node in graph.nodes) < 100


def test_a_leaf_or_a_line_that_is_not_there_is_refused() -> None:
    for view in (View(path="no such leaf"), View(around=(None, 99_999))):
        with pytest.raises(UsageError, match=r"the graph has no leaf|no node of the graph"):
            page(network(), view)
