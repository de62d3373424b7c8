"""Which format a report is written in: the one that was asked for, or that its file's ending means."""

from __future__ import annotations

import sys

from gradscope.errors import UsageError


def chosen_format(format_name: str | None, output: str | None) -> str:
    """A format's name; text where neither an option nor an ending says more.

    Raises UsageError for a page that would go to a terminal.
    """
    from gradscope import reporters

    ending = reporters.format_for(output) if output is not None else None
    chosen = format_name or ending or "text"
    if chosen == "html" and output is None and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("a terminal cannot show html", try_next="--output report.html")
    return chosen
