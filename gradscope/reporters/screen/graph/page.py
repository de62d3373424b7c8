"""The page of `gradscope graph`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from rich.text import Text

from gradscope.autograd_graph.selection import part_of
from gradscope.facts.graph import AutogradGraph
from gradscope.report import Report
from gradscope.reporters.screen.footer import program_lines, remark_lines
from gradscope.reporters.screen.graph.findings import finding_rows
from gradscope.reporters.screen.graph.groups import group_lines
from gradscope.reporters.screen.graph.nodes import FEW, MOST_CHOSEN, node_lines
from gradscope.reporters.screen.graph.severed import severed_rows
from gradscope.reporters.screen.graph.summary import summary_lines
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import number, plural, pointed

_MOST_PASSES: Final = 6


def graph_blocks(report: Report, page: Page) -> list[list[Text]]:
    """Findings in short, what was differentiated, the tree of modules, a small graph itself, the end.

    Raises UsageError where the report's view names what the graph does not have.
    """
    graph, view = report.recording.graph, report.view
    whole = _with_all_unseen(report)
    if graph is None:
        return [
            finding_rows(report, page),
            program_lines(report, page),
            [*remark_lines(whole, page), *summary_lines(whole, graph, page)],
        ]
    part = part_of(graph, view, page.cwd)
    chosen = view.path is not None or view.around is not None
    in_full = len(part.graph.nodes) <= (MOST_CHOSEN if chosen else FEW)
    return [
        finding_rows(report, page),
        [
            *_head(graph, part.words, len(part.graph.nodes), page),
            *group_lines(part.graph, view, page, severed_rows(report, page), modules_only=in_full),
        ],
        node_lines(part.graph, report.findings, page) if in_full and part.graph.nodes else [],
        program_lines(report, page),
        [
            *remark_lines(whole, page, *_other_passes(graph, page), *graph.notes),
            *summary_lines(whole, graph, page),
        ],
    ]


def _with_all_unseen(report: Report) -> Report:
    """The report with what was not seen of the graph among all that was not seen."""
    recording = report.recording
    own = recording.graph.not_seen if recording.graph is not None else ()
    unseen = tuple(dict.fromkeys((*recording.not_seen, *own)))
    return replace(report, recording=replace(recording, not_seen=unseen))


def _head(graph: AutogradGraph, words: str, count: int, page: Page) -> Iterator[Text]:
    """`backward at train.py:41: pass 3, loss 1.25`, and what was chosen of the graph."""
    call = "backward" if graph.call == "backward" else "autograd.grad"
    parts = [f"{call} at {page.near(graph.backward)}" if graph.backward is not None else call]
    if not graph.number:
        parts = ["no backward was run"]
    if graph.number > 1:
        parts.append(f"pass {graph.number:,} of the run")
    if graph.loss is not None:
        parts.append(f"loss {number(graph.loss)}")
    if len(graph.roots) > 1:
        parts.append(plural(len(graph.roots), "output"))
    for line in pointed([", ".join(parts)], page.width, page.width):
        yield Text(line)
    if words:
        yield Text(page.text(f"{words}: {plural(count, 'node')}"))


def _other_passes(graph: AutogradGraph, page: Page) -> Iterator[str]:
    """The other lines that ran backwards, and how to see the graph of theirs."""
    for location, first in graph.other_passes[:_MOST_PASSES]:
        at = page.near(location) if location is not None else "a line that is not known"
        yield f"{at} runs a backward too, from pass {first:,} on: --backward {first} shows it"
    if len(graph.other_passes) > _MOST_PASSES:
        yield f"{plural(len(graph.other_passes) - _MOST_PASSES, 'more line')} ran backwards"
