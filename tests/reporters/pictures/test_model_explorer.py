"""The two files of Model Explorer, against what its page reads."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any

import jsonschema
import pytest

from gradscope.autograd_graph.drawing import Colour, Subject, View
from gradscope.errors import UsageError
from gradscope.facts.flow import Cut, CutKind, SeveredLeaf, Step
from gradscope.facts.graph import AutogradGraph
from gradscope.finding import Finding, Location, Severity
from gradscope.reporters import pictures
from gradscope.reporters.pictures._explorer.namespaces import component
from gradscope.reporters.pictures.model_explorer import render
from gradscope.reporters.redaction_graph import redacted_graph

from ..samples import HOME
from ..samples_graphs import HOSTILE, chain, hostile, network

TEXT = {"type": "string"}
ATTRIBUTES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"key": {"type": "string", "minLength": 1}, "value": TEXT},
        "required": ["key", "value"],
        "additionalProperties": False,
    },
}
METADATA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"id": {"type": "string", "pattern": r"^\d+$"}, "attrs": ATTRIBUTES},
        "required": ["id", "attrs"],
        "additionalProperties": False,
    },
}
EDGE = {name: {"type": "string"} for name in ("sourceNodeId", "sourceNodeOutputId", "targetNodeInputId")}
LAYER = r"([^/;\\\x00-\x1f]|\\/)+"
COLOUR = {"type": "string", "pattern": "^#[0-9a-f]{6}$"}
NODE = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "minLength": 1},
        "label": {"type": "string", "minLength": 1, "maxLength": 60, "pattern": r"^[^\x00-\x1f]*$"},
        "namespace": {"type": "string", "pattern": rf"^({LAYER}(/{LAYER})*)?$"},
        "attrs": ATTRIBUTES,
        "incomingEdges": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": EDGE,
                "required": [*EDGE],
                "additionalProperties": False,
            },
        },
        "outputsMetadata": METADATA,
        "inputsMetadata": METADATA,
        "style": {
            "type": "object",
            "properties": {"backgroundColor": COLOUR, "borderColor": COLOUR},
            "additionalProperties": False,
        },
    },
    "required": ["id", "label", "namespace"],
    "additionalProperties": False,
}
COLLECTION = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "minLength": 1},
        "graphs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "minLength": 1},
                    "nodes": {"type": "array", "items": NODE},
                    "groupNodeAttributes": {
                        "type": "object",
                        "additionalProperties": {"type": "object", "additionalProperties": TEXT},
                    },
                    "nodeLabelsToHide": {"type": "array", "items": TEXT},
                },
                "required": ["id", "nodes"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["label", "graphs"],
    "additionalProperties": False,
}
NODE_DATA = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "properties": {
            "name": TEXT,
            "results": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "properties": {"value": {"type": ["number", "string"]}, "bgColor": COLOUR},
                    "required": ["value"],
                    "additionalProperties": False,
                },
            },
            "hideAggregatedStats": {"items": {"enum": ["min", "max", "sum", "avg"]}},
            "hideInChildrenStatsTable": {"type": "boolean"},
        },
        "required": ["name", "results"],
        "additionalProperties": False,
    },
}


def drawn(graph: AutogradGraph, view: View | None = None, **subject: Any) -> tuple[dict[str, Any], Any]:
    """The graph of the first file and the overlay in the second, which belongs to it."""
    first, *rest = render(Subject(graph, target="train.py", cwd=HOME, **subject), view or View())
    collection = _parsed(first.content)
    jsonschema.validate(collection, COLLECTION)
    (only,) = collection["graphs"]
    ids = {node["id"] for node in only["nodes"]}
    assert len(ids) == len(only["nodes"])
    assert {edge["sourceNodeId"] for node in only["nodes"] for edge in node.get("incomingEdges", ())} <= ids
    if not rest:
        return only, None
    overlay = _parsed(rest[0].content)
    jsonschema.validate(overlay, NODE_DATA)
    assert [*overlay] == [only["id"]]
    assert set(overlay[only["id"]]["results"]) <= ids
    return only, overlay[only["id"]]


def _parsed(content: bytes) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(content, parse_constant=refuse)


def by_label(graph: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["label"]: node for node in graph["nodes"]}


def attributes(node: dict[str, Any]) -> dict[str, str]:
    return {each["key"]: each["value"] for each in node["attrs"]}


def test_plain_json_stays_the_report() -> None:
    assert "model-explorer" in pictures.names()
    assert pictures.format_for("graph.json") is None
    assert [part.ending for part in render(Subject(network()), View())] == ["", "_gradients.json"]


def test_a_node_has_its_line_module_shape_and_gradient() -> None:
    graph, overlay = drawn(network())
    node = by_label(graph)["AddmmBackward0"]
    assert node["namespace"].startswith("model/fc")
    told = attributes(node)
    assert (told["line"], told["module"], told["call"]) == ("model.py:9", "model.fc", "self.fc(secret_x)")
    assert (told["gradient norm"], told["backward time"]) == ("7.5e-01", "15 us")
    assert told["saves mat1"] == "float32 (8, 4), 128 bytes"
    assert told["saves mat2"].endswith("counted elsewhere")
    assert node["outputsMetadata"][0]["attrs"] == [
        {"key": "shape", "value": "8x2"},
        {"key": "dtype", "value": "float32"},
    ]
    assert [each["id"] for each in node["inputsMetadata"]] == ["0", "2"]
    assert overlay["results"]["3"]["value"] == 0.75123
    assert by_label(graph)["fc.weight"]["namespace"].startswith("model/fc")
    assert graph["groupNodeAttributes"]["model/fc"]["class"] == "Linear"


def test_edges_go_the_way_of_the_forward() -> None:
    graph, _ = drawn(network())
    node = by_label(graph)["AddmmBackward0"]
    assert node["incomingEdges"] == [
        {"sourceNodeId": "2", "sourceNodeOutputId": "0", "targetNodeInputId": "0"},
        {"sourceNodeId": "1", "sourceNodeOutputId": "0", "targetNodeInputId": "2"},
        {"sourceNodeId": "constant0", "sourceNodeOutputId": "0", "targetNodeInputId": "3"},
    ]
    assert by_label(graph)["loss"]["incomingEdges"][0]["sourceNodeId"] == "6"


def test_a_frozen_parameter_is_one_node() -> None:
    graph, _ = drawn(network())
    (gate,) = (node for node in graph["nodes"] if node["label"] == "gate.weight")
    assert attributes(gate)["kind"] == "frozen parameter"
    users = [
        node["label"]
        for node in graph["nodes"]
        for edge in node.get("incomingEdges", ())
        if edge["sourceNodeId"] == gate["id"]
    ]
    assert users == ["SwishBackward", "MeanBackward0"]


def test_numbers_that_are_none_are_words_with_a_colour_of_their_own() -> None:
    _, overlay = drawn(hostile())
    found = {str(each["value"]): each["bgColor"] for each in overlay["results"].values()}
    assert set(found) == {"NaN", "Infinity", "-Infinity", "0.0", "1e-300", "1e+300"}
    assert found["NaN"] == found["Infinity"] == found["-Infinity"]
    assert len({found["NaN"], found["0.0"], found["1e-300"], found["1e+300"]}) == 4


@pytest.mark.parametrize(
    ("colour", "ending", "value"),
    [(Colour.TIME, "_seconds.json", 1.5e-5), (Colour.BYTES, "_bytes.json", 128)],
)
def test_the_overlay_is_what_the_view_asks_for(colour: Colour, ending: str, value: float) -> None:
    _, overlay = drawn(network(), View(colour=colour))
    assert overlay["results"]["3"]["value"] == value
    assert render(Subject(network()), View(colour=colour))[1].ending == ending
    assert drawn(network(), View(colour=Colour.NONE))[1] is None


def test_a_part_of_the_graph() -> None:
    graph, overlay = drawn(network(), View(path="fc.bias"))
    assert {"TBackward0", "fc.weight"}.isdisjoint(by_label(graph))
    assert math.isclose(overlay["results"]["1"]["value"], 0.75123)
    with pytest.raises(UsageError):
        drawn(network(), View(path="nobody"))


def test_a_broken_way_leads_into_the_graph() -> None:
    at = Location(f"{HOME}/model.py", 7, 1)
    finding = Finding(
        "GS102", "severed-gradient", Severity.ERROR, "h is cut", at, subjects=("encoder.weight",)
    )
    into = Step("addmm", Location(f"{HOME}/model.py", 9))
    fact = SeveredLeaf(
        "encoder.weight", (Cut(CutKind.DETACH, "detach", at),), (Step("detach", at, True), into), None
    )
    graph, _ = drawn(network(), findings=(finding,), severed=(fact,))
    nodes = by_label(graph)
    assert nodes["detach"]["incomingEdges"][0]["sourceNodeId"] == nodes["encoder.weight"]["id"]
    assert nodes["detach"]["id"] in [e["sourceNodeId"] for e in nodes["AddmmBackward0"]["incomingEdges"]]
    assert graph["groupNodeAttributes"][""]["finding GS102"] == "h is cut"


def test_hostile_names_are_text_and_modules_keep_apart() -> None:
    graph, _ = drawn(hostile())
    made = [node["namespace"] for node in graph["nodes"] if attributes(node)["kind"] == "custom"]
    components = {re.split(r"(?<!\\)/", namespace)[1] for namespace in made}
    assert len(components) == len(HOSTILE)
    shown = json.dumps(graph)
    assert "/home" not in shown
    assert len(shown) < 60_000


@pytest.mark.parametrize("name", HOSTILE)
def test_a_component_is_one(name: str) -> None:
    found = component(name)
    assert re.fullmatch(LAYER, found)
    assert "___" not in found
    assert len(found) <= 84


def test_an_empty_graph() -> None:
    graph, overlay = drawn(AutogradGraph(()))
    assert (graph["nodes"], overlay["results"]) == ([], {})


def test_a_layer_of_very_many_nodes_is_split() -> None:
    whole, overlay = (_parsed(part.content) for part in render(Subject(chain(20_000)), View()))
    layers = Counter(node["namespace"] for node in whole["graphs"][0]["nodes"])
    assert max(layers.values()) <= 1_000
    assert [len(one["results"]) for one in overlay.values()] == [20_000]


def test_a_redacted_graph_has_no_values_and_no_source() -> None:
    graph, overlay = drawn(redacted_graph(network(), HOME, [["y = secret_x + 1"]]))
    shown = json.dumps(graph)
    assert not any(word in shown for word in ("secret", "/home", "7.5e-01", "1.2512"))
    assert overlay["results"] == {}
    assert attributes(by_label(graph)["AddmmBackward0"])["line"] == "model.py:9"
