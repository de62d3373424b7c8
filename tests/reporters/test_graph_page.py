"""The page of `gradscope graph`: what is shown of a graph, at any size, on any terminal."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from itertools import pairwise

import pytest

from gradscope.autograd_graph.drawing import WHOLE, View
from gradscope.errors import UsageError
from gradscope.facts import Recording
from gradscope.facts.graph import AutogradGraph, Constant, GraphNode, NodeKind
from gradscope.finding import Finding, Location, Severity
from gradscope.report import Report
from gradscope.reporters import render
from gradscope.reporters.screen.graph.descent import BOXES, PLAIN, descent, marks_for

from .rendering import text
from .samples import HOME
from .samples_graph_pages import Taken, graph_cut, graph_lesson, graph_transformer, report, transformer
from .samples_graphs import chain, graph_report, hostile, network


def encoded(of: Report, encoding: str) -> str:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding, write_through=True)
    render("text", of, out, width=80, color=False, cwd=HOME)
    return raw.getvalue().decode(encoding)


def some_graph(seed: int, size: int) -> AutogradGraph:
    """Nodes that take in up to three of those before them, or nothing."""
    numbers = random.Random(seed)
    nodes = []
    for index in range(size):
        taken = [numbers.randrange(index) for _ in range(numbers.randint(0, 3))] if index else []
        nodes.append(GraphNode(f"Node{index}", NodeKind.OP, tuple((each, 0) for each in taken)))
    return AutogradGraph(tuple(nodes), roots=((size - 1, 0),))


# ---------------------------------------------------------------- node by node


@pytest.mark.parametrize("seed", range(20))
def test_every_node_is_listed_once_and_below_what_was_made_of_it(seed: int) -> None:
    graph = some_graph(seed, 40)
    at: dict[int, int] = {}
    mentions: list[int] = []
    for row, rung in enumerate(descent(graph, PLAIN)):
        if rung.is_reference:
            mentions.append(rung.node)
            assert rung.node not in at
        else:
            assert rung.node not in at
            at[rung.node] = row
    assert sorted(at) == list(range(40))
    edges = [(index, edge[0]) for index, node in enumerate(graph.nodes) for edge in node.next if edge]
    assert all(at[user] < at[used] for user, used in edges)
    users = {used for _, used in edges}
    assert len(edges) == len(mentions) + len(users)


def test_a_node_that_is_used_twice_is_referred_to_before_it_stands_there() -> None:
    lines = text(graph_lesson()).splitlines()
    assert lines[3].startswith("● y = u * u")
    assert lines[4] == "├─> u (line 2), below"
    assert lines[5].startswith("● u = 3 * x + 2")


def test_both_passes_values_of_scalars() -> None:
    (line,) = [line for line in text(graph_lesson()).splitlines() if "u = 3 * x + 2 " in line]
    assert line.split()[-5:] == ["5", "10", "AddBackward0", "line", "2"]


def test_a_long_chain_goes_straight_down() -> None:
    rungs = list(descent(chain(5_000), BOXES))
    assert len(rungs) == 5_000
    assert {rung.lead for rung in rungs} == {BOXES.node}


def test_drawing_characters_are_those_of_the_stream() -> None:
    assert marks_for("utf-8") is BOXES
    assert marks_for("cp1252") is PLAIN
    shown = encoded(graph_cut(), "ascii")
    assert "|-o clean" in shown
    assert "* self.head(h)" in shown


def test_large_graphs_are_not_listed_and_parts_of_them_are() -> None:
    whole = graph_transformer()
    assert "● " not in text(whole)
    assert "● head.weight" in text(replace(whole, view=View(path="head.weight")))
    assert "● " not in text(transformer(48, 0.9, View(path="wte.weight")))


def test_a_listing_has_an_end() -> None:
    taken = Taken()
    taken.add("CatBackward0", *[None] * 400, line=3, text="torch.cat(parts)", norm=1.0)
    graph = taken.graph(constants=tuple(Constant(0, "part", (2,), "float32") for _ in range(400)))
    lines = text(report(graph)).splitlines()
    assert 140 < len(lines) < 160
    assert "and 251 more rows" in lines


# ---------------------------------------------------------------- the tree


@pytest.mark.parametrize("blocks", [3, 12, 48, 400])
def test_the_tree_fits_on_a_page(blocks: int) -> None:
    assert len(text(transformer(blocks, 0.99)).splitlines()) <= 42


def test_depth_opens_as_many_levels_as_asked_for() -> None:
    def rows(depth: int) -> list[str]:
        shown = text(transformer(3, 0.9, View(depth=depth))).split("\n\n")[0].splitlines()[2:]
        return [line[:30].strip(" █▏▎▍▌▋▊▉") for line in shown]

    assert rows(0) == ["model (GPT)", "line 25  loss = cross_entropy("]
    assert rows(1)[:4] == ["model (GPT)", "wte", "h [3 x Block]", "head"]
    assert rows(2)[3:7] == ["0", "1", "2", "head"]
    assert rows(3)[6:9] == ["in 0 (Block)", "mlp", "head"]
    assert rows(WHOLE)[6:10] == ["in 0 (Block)", "mlp", "up", "down"]


def test_blocks_stand_for_themselves_where_folding_is_off() -> None:
    shown = text(transformer(4, 0.9, View(depth=2, fold=False)))
    assert "[4 x Block]" not in shown
    assert all(f"    {number} (Block) " in shown for number in range(4))


def test_of_many_neighbours_those_in_the_middle_are_counted() -> None:
    taken = Taken()
    taken.modules = {"model": "Net"}
    x = None
    for number in range(60):
        taken.modules[f"model.part{'x' * number}"] = f"Part{number}"
        x = taken.add("SinBackward0", x, line=9, text="", norm=0.1, module=f"model.part{'x' * number}")
        taken.leaf(f"part{'x' * number}.weight", 2, norm=0.1)
    shown = text(report(taken.graph()))
    assert "... 36 more ..." in shown
    assert len(shown.splitlines()) < 40


def test_a_hundred_thousand_nodes_are_a_few_lines() -> None:
    shown = text(graph_report(chain(100_000)))
    assert "x = x * 1.0001 x 99,999" in shown
    assert "100,000 nodes · 1 leaf" in shown


def test_a_redacted_page_has_no_values() -> None:
    shown = text(graph_report(network()), redact=True)
    assert "1.25" not in shown
    assert "grad|" not in shown
    assert "secret" not in shown
    assert "AddmmBackward0" in shown


# ---------------------------------------------------------------- around it


def test_a_finding_stands_at_the_node_it_points_at() -> None:
    lesson = graph_lesson()
    assert lesson.recording.graph is not None
    at = lesson.recording.graph.places[1].location
    finding = Finding("GS401", "nan-gradient", Severity.ERROR, "the gradient is NaN", at)
    lines = text(replace(lesson, findings=(finding,))).splitlines()
    marked = [above for above, below in pairwise(lines) if below.endswith("<- GS401")]
    assert [line[:17] for line in marked] == ["● u = 3 * x + 2  ", "● 3 * x          "]


def test_findings_are_told_in_a_line_each() -> None:
    finding = Finding("GS103", "unused-parameter", Severity.WARNING, "a parameter\nwith " + "words " * 30)
    shown = text(replace(graph_lesson(), findings=(finding,) * 10)).splitlines()
    assert len([line for line in shown if line.startswith("warning[GS103]")]) == 8
    assert shown[8:10] == ["and 2 more findings", "  more  gradscope trace train.py"]
    assert all(len(line) <= 80 for line in shown)


def test_a_severed_parameter_is_shown_for_its_own_backward_only() -> None:
    whole = graph_cut()
    assert "no gradient: stops at detach (train.py:28)" in text(whole)
    graph = whole.recording.graph
    assert graph is not None
    assert graph.backward is not None
    elsewhere = tuple(
        replace(fact, backward=replace(graph.backward, line=99)) for fact in whole.recording.severed
    )
    assert "stops at detach (" not in text(
        replace(whole, recording=replace(whole.recording, severed=elsewhere))
    )


def test_a_cut_that_only_its_finding_tells_of_is_shown() -> None:
    whole = graph_cut()
    shown = text(replace(whole, recording=replace(whole.recording, severed=())))
    assert "encoder.* (4 parameters)  no gradient: stops at train.py:28" in shown


def test_what_was_not_seen_of_the_graph_is_said_once() -> None:
    recording = Recording(graph=network(), backward_passes=1, not_seen=network().not_seen)
    shown = text(Report("graph", "train.py", (), recording))
    assert shown.count("could not be measured") == 1


def test_a_lost_graph_is_not_a_program_without_a_backward() -> None:
    nothing = report(None)
    assert "no backward was run, so there is no graph" in text(nothing)
    lost = replace(nothing, recording=replace(nothing.recording, backward_passes=2))
    assert "the graph of this backward was not seen" in text(lost)


def test_a_graph_without_nodes_leaves_no_gap() -> None:
    shown = text(report(AutogradGraph((), backward=Location("/home/u/train.py", 5, 1), number=1)))
    assert "\n\n\n" not in shown


def test_what_the_graph_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no leaf called head\.wieght"):
        text(replace(graph_transformer(), view=View(path="head.wieght")))


def test_a_graph_from_python_advises_python() -> None:
    shown = text(replace(graph_lesson(), target="gradscope.graph(tensor)"))
    assert shown.endswith('.save("graph.svg") draws it\n')
    assert "-o graph.svg" not in shown


@pytest.mark.parametrize("graph", [network(), hostile()], ids=["network", "hostile"])
@pytest.mark.parametrize("view", [View(), View(depth=WHOLE), View(around=(None, 1), reach=2)], ids=str)
def test_any_view_fits_a_narrow_page(graph: AutogradGraph, view: View) -> None:
    for width in (60, 80):
        try:
            shown = text(replace(graph_report(graph), view=view), width)
        except UsageError:  # the line is not one of this graph's
            continue
        assert max(map(len, shown.splitlines())) <= width
