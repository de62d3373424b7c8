"""`--redact` and the autograd graph: its structure, and nothing of what the program computed."""

from __future__ import annotations

import re

import msgspec
import pytest

from gradscope.reporters.redaction import redact
from gradscope.reporters.redaction_graph import redacted_graph

from .rendering import json_text
from .samples import HOME
from .samples_graphs import chain, graph_report, hostile, network


def test_source_values_and_paths_are_out() -> None:
    shown = json_text(graph_report(network()), redact=True)
    assert "secret" in json_text(graph_report(network()))
    assert not re.search(r"secret|/home|/usr|/srv|\.\d*123|self\.fc|apply", shown)


def test_structure_and_sizes_stay() -> None:
    whole, hidden = network(), redacted_graph(network(), HOME)
    for before, after in zip(whole.nodes, hidden.nodes, strict=True):
        assert (after.name, after.kind, after.next, after.shapes, after.dtypes) == (
            before.name,
            before.kind,
            before.next,
            before.shapes,
            before.dtypes,
        )
        assert (after.saved, after.seconds, after.leaf) == (before.saved, before.seconds, before.leaf)
        assert (after.incoming, after.outgoing, after.value) == (None, (), None)
    assert [place.module for place in hidden.places] == [place.module for place in whole.places]
    assert hidden.places[0].location is not None
    assert (hidden.places[0].location.path, hidden.places[0].location.line) == ("model.py", 9)
    assert (hidden.modules, hidden.roots, hidden.number) == (whole.modules, whole.roots, 3)


def test_only_parameters_keep_their_names_among_constants() -> None:
    assert [each.name for each in redacted_graph(network(), HOME).constants] == [
        None,
        "gate.weight",
        "gate.weight",
    ]


@pytest.mark.parametrize(("name", "kept"), [("x", "x"), ("data['my secret']", "..."), ("w[0]", "...")])
def test_a_leaf_that_is_no_parameter_keeps_what_is_a_name(name: str, kept: str) -> None:
    graph = chain(2)
    leaf = msgspec.structs.replace(graph.nodes[0], leaf=name)
    hidden = redacted_graph(msgspec.structs.replace(graph, nodes=(leaf, graph.nodes[1])), HOME)
    assert hidden.nodes[0].leaf == kept


def test_notes_that_quote_the_source_are_out() -> None:
    recording = redact(graph_report(network()), HOME).recording
    assert recording.graph is not None
    assert recording.graph.notes == ("times are those of launching",)
    assert recording.graph.not_seen == ("2 gradients that could not be measured: no <path>",)


def test_the_graph_alone_is_redacted_as_in_its_report() -> None:
    report = graph_report(network())
    alone = redacted_graph(network(), HOME, report.recording.sources.values())
    assert alone == redact(report, HOME).recording.graph
    assert redacted_graph(alone, HOME) == alone


def test_hostile_names_do_not_stop_it() -> None:
    assert len(redacted_graph(hostile(), HOME).nodes) == len(hostile().nodes)
