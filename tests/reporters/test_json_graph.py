"""The autograd graph in the JSON report: tables that pandas and networkx take up as they are."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import msgspec
import networkx
import pytest

from gradscope.facts import graph as facts
from gradscope.facts.graph import AutogradGraph, NodeKind
from gradscope.reporters import schema_v1_graph as v1
from gradscope.reporters.json import laid_out
from gradscope.reporters.schema_v1 import Report as ReportV1

from .rendering import json_text
from .samples_graphs import HOSTILE, chain, graph_report, hostile, network
from .test_json_report import SCHEMA, strictly

EMPTY = AutogradGraph(())


def written(graph: AutogradGraph, *, redact: bool = False) -> Any:
    return strictly(json_text(graph_report(graph), redact=redact))["graph"]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("graph", [network(), hostile(), EMPTY], ids=["network", "hostile", "empty"])
def test_graphs_are_valid(graph: AutogradGraph, redact: bool) -> None:
    report = strictly(json_text(graph_report(graph), redact=redact))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(report)
    msgspec.convert(report, ReportV1)


def test_nodes_are_rows() -> None:
    nodes = written(network())["nodes"]
    assert [node["id"] for node in nodes] == list(range(7))
    assert nodes[3] == {
        "id": 3,
        "name": "AddmmBackward0",
        "kind": "op",
        "leaf": None,
        "is_parameter": False,
        "inputs": 3,
        "shapes": [[8, 2]],
        "dtypes": ["float32"],
        "place": 0,
        "definition": None,
        "sequence_nr": 8,
        "saved_bytes": 128,
        "incoming": 0.75123,
        "seconds": 1.5e-5,
        "value": None,
        "parent": None,
        "order": 1,
    }
    assert (nodes[0]["place"], nodes[0]["sequence_nr"], nodes[0]["leaf"]) == (None, None, "fc.weight")
    assert (nodes[4]["definition"], nodes[4]["kind"]) == (0, "custom")
    assert (nodes[6]["parent"], nodes[6]["order"]) == ("Pow", 2)


def test_edges_go_the_way_of_the_gradient() -> None:
    edges = written(network())["edges"]
    assert edges[1:3] == [
        {"source": 3, "target": 2, "input": 0, "output_nr": 0, "gradient": "Infinity"},
        {"source": 3, "target": 1, "input": 2, "output_nr": 0, "gradient": 0.25123},
    ]
    assert edges[5] == {"source": 5, "target": 4, "input": 0, "output_nr": 1, "gradient": None}


def test_the_other_tables() -> None:
    graph = written(network())
    assert [(leaf["node"], leaf["name"], leaf["gradient"]) for leaf in graph["leaves"]] == [
        (0, "fc.weight", 0.5123),
        (2, "fc.bias", "NaN"),
    ]
    assert [(one["node"], one["name"], one["shared"]) for one in graph["saved"]][:2] == [
        (3, "mat1", False),
        (3, "mat2", True),
    ]
    assert graph["constants"][1] == {
        "node": 4,
        "name": "gate.weight",
        "shape": [2],
        "dtype": "float32",
        "frozen": True,
    }
    assert graph["roots"] == [{"node": 6, "output_nr": 0}]
    assert graph["modules"] == {"model": "Net", "model.fc": "Linear"}
    assert graph["definitions"][0]["location"]["path"] == "model.py"
    assert (graph["places"][0]["location"]["line"], graph["places"][3]["location"]) == (9, None)
    assert graph["places"][0]["expression"] == "self.fc(secret_x)"
    assert [one["number"] for one in graph["other_passes"]] == [1, 2]
    assert (graph["number"], graph["call"], graph["loss"]) == (3, "backward", 1.25123)


def test_networkx_reads_it_as_it_is() -> None:
    found = networkx.node_link_graph(written(network()), edges="edges")
    assert found.is_directed()
    assert networkx.descendants(found, 6) == set(range(6))
    assert found.number_of_edges(4, 3) == 2
    assert found.nodes[0]["leaf"] == "fc.weight"


def test_a_row_takes_a_line() -> None:
    lines = json_text(graph_report(network())).splitlines()
    rows = [line for line in lines if line.startswith('      {"')]
    graph = written(network())
    assert len(rows) == sum(
        len(table) for table in graph.values() if isinstance(table, list) and isinstance(table[0], dict)
    )
    assert all(json.loads(row.rstrip(",")) for row in rows)


def test_hostile_names_come_through() -> None:
    text = json_text(graph_report(hostile()))
    text.encode("utf-8")
    graph = strictly(text)["graph"]
    leaves = [leaf["name"].removesuffix(".weight") for leaf in graph["leaves"]]
    assert leaves == [name.encode("utf-8", "backslashreplace").decode() for name in HOSTILE]
    assert {node["incoming"] for node in graph["nodes"]} == {
        "NaN",
        "Infinity",
        "-Infinity",
        0.0,
        1e-300,
        1e300,
    }
    assert graph["loss"] == "-Infinity"


def test_no_graph_is_null_and_an_empty_one_has_no_rows() -> None:
    graph = written(EMPTY)
    assert (graph["nodes"], graph["edges"], graph["backward"]) == ([], [], None)


def test_a_long_chain() -> None:
    graph = written(chain(20_000))
    assert len(graph["nodes"]) == 20_000
    assert graph["edges"][-1]["target"] == 19_998


@pytest.mark.parametrize(
    ("fact", "row", "elsewhere"),
    [
        ("GraphNode", v1.GraphNode, {"next": "inputs", "saved": "saved_bytes", "outgoing": "id"}),
        ("SavedTensor", v1.GraphSaved, {}),
        ("Constant", v1.GraphConstant, {}),
        ("GraphPlace", v1.GraphPlace, {}),
        ("Definition", v1.GraphDefinition, {}),
        ("AutogradGraph", v1.Graph, {}),
    ],
)
def test_every_fact_is_in_the_report(fact: str, row: type, elsewhere: dict[str, str]) -> None:
    measured = {
        elsewhere.get(field.name, field.name) for field in msgspec.structs.fields(getattr(facts, fact))
    }
    assert measured <= {field.name for field in msgspec.structs.fields(row)}


def test_every_kind_is_known_to_the_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    kinds = schema["$defs"]["GraphNode"]["properties"]["kind"]["enum"]
    assert sorted(kinds) == sorted(kind.value for kind in NodeKind)


def by_definition(value: Any, indent: str = "", key: str = "") -> str:
    """What a layout is, in the words of its docstring, in a time that grows with its depth."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or len(indent + key + flat) < 160:
        return flat
    inner = f"{indent}  "
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    items = (
        [f'"{name}": ' + by_definition(item, inner, f'"{name}": ') for name, item in value.items()]
        if isinstance(value, dict)
        else [by_definition(item, inner) for item in value]
    )
    return f"{opening}\n{inner}" + f",\n{inner}".join(items) + f"\n{indent}{closing}"


def test_the_layout_is_what_it_says() -> None:
    draw = random.Random(5)

    def nested(depth: int) -> Any:
        kind = draw.random()
        if depth == 0 or kind < 0.2:
            return draw.choice([None, True, 1, 2.5, "", "\N{SNOWMAN}\n", "y" * draw.randrange(90)])
        items = [nested(depth - 1) for _ in range(draw.randrange(5))]
        return items if kind < 0.6 else {f"k{index}": item for index, item in enumerate(items)}

    values = [nested(5) for _ in range(300)]
    assert [laid_out(value) for value in values] == [by_definition(value) for value in values]
    assert any("\n    " in laid_out(value) for value in values)
