"""The HTML page of `gradscope memory`: the curve, the strategies, modules, lines and tensors; one file.

content   all that the page is told, as JSON
saved     of it the modules, lines and tensors
compared  of it the strategies, the plan and the sweep

*.js are modules that import one another and some of `page_parts`, *.css the style; `web_page` joins them.
"""

from __future__ import annotations

from typing import Final

from gradscope.errors import printable
from gradscope.report import Report
from gradscope.reporters import web_page
from gradscope.reporters.memory_page.content import content_of

MODULES: Final = (
    "elements",
    "clipboard",
    "axes",
    "words",
    "scales",
    "kinds",
    "curve",
    "figures",
    "strategies",
    "code",
    "sweep",
    "tree",
    "tables",
    "main",
)
"""The modules of the script, each behind those that it imports."""


def render(report: Report, cwd: str) -> bytes:
    """The page of a report. Paths below `cwd` are relative to it."""
    title = printable(f"memory of {report.target}" if report.target else "memory")
    return web_page.page_of(__name__, MODULES, title, content_of(report, cwd))
