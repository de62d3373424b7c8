"""Which page each command's report is: a list of blocks, with a blank line between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from rich.text import Text

from gradscope.report import Report
from gradscope.reporters.screen.check.page import check_blocks
from gradscope.reporters.screen.graph.page import graph_blocks
from gradscope.reporters.screen.memory.page import memory_blocks
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.trace_page import trace_blocks

Blocks: TypeAlias = Callable[[Report, Page], list[list[Text]]]

_PAGES: Final[dict[str, Blocks]] = {
    "trace": trace_blocks,
    "check": check_blocks,
    "graph": graph_blocks,
    "memory": memory_blocks,
}


def report_lines(report: Report, page: Page) -> list[Text]:
    """The whole report of the command that ran; a blank line between its blocks, the summary last."""
    filled = [block for block in _PAGES[report.command](report, page) if block]
    return [line for i, block in enumerate(filled) for line in ([Text()] if i else []) + block]
