"""The last line of the page: how large the graph is, and how it becomes a picture."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradscope.facts.graph import AutogradGraph
from gradscope.report import Report
from gradscope.reporters.screen.graph.findings import is_from_python
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.summary import counted, ending, pointed_lines, unseen
from gradscope.reporters.screen.words import bytes_text, duration, plural


def summary_lines(report: Report, graph: AutogradGraph | None, page: Page) -> list[Text]:
    """`2,214 nodes · 148 leaves · 12 MB saved · backward 31 ms · -o graph.svg draws it`."""
    parts = list(_parts(report, graph, page))
    worst = report.worst()
    style = STYLES[worst] if worst is not None else STYLES["warning"] if graph is None else ""
    return pointed_lines(parts, style, page)


def _parts(report: Report, graph: AutogradGraph | None, page: Page) -> Iterator[str]:
    if report.findings:
        yield ", ".join(counted(report))
    if graph is not None:
        yield from _size(graph)
    elif report.recording.backward_passes:
        yield "the graph of this backward was not seen"
    else:
        yield "no backward was run, so there is no graph"
    yield from ending(report)
    if report.suppressed:
        yield f"{len(report.suppressed)} silenced"
    if report.recording.not_seen or graph is None:
        yield f"not seen: {unseen(report.recording, page)}"
    if graph is not None:
        yield '.save("graph.svg") draws it' if is_from_python(report) else "-o graph.svg draws it"


def _size(graph: AutogradGraph) -> Iterator[str]:
    yield plural(len(graph.nodes), "node")
    yield plural(len(graph.leaves), "leaf", "leaves")
    saved = sum(node.saved_bytes for node in graph.nodes)
    if saved:
        yield f"{bytes_text(saved)} saved"
    seconds = [node.seconds for node in graph.nodes if node.seconds is not None]
    if seconds:
        yield f"backward {duration(sum(seconds))}"
