"""The HTML report: findings with code frames, the module tree, plots, tables; of one command or of a gate.

shapes     what the page is told, as types
content    all of it: the outcomes of a gate
reports    one command's report
findings   its findings, and `frames` their code
gradients  the module tree; `plots` what is drawn of it
running    the training step, chain-rule tables, backwards, hooks, optimizers
checks     checked functions and models
memory     tables of a memory target
texts      places and numbers

*.js are modules that import one another and some of `page_parts`, *.css the style; `web_page` joins them.
"""

from __future__ import annotations

from typing import Final

from gradscope.outcomes import GateReport
from gradscope.reporters import web_page
from gradscope.reporters.report_page.content import content_of

MODULES: Final = (
    "elements",
    "clipboard",
    "axes",
    "marks",
    "tables",
    "frames",
    "findings",
    "filter",
    "tree",
    "numbers",
    "plot",
    "subjects",
    "report",
    "overview",
    "main",
)
"""The modules of the script, each behind those that it imports."""


def render(gate: GateReport, cwd: str) -> bytes:
    """The page of a gate, or of the one report that it holds. Paths below `cwd` are relative to it."""
    content = content_of(gate, cwd)
    return web_page.page_of(__name__, MODULES, content.title, content)
