"""What is checked on the screen: a line for each subject, and below it its findings and what else is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.text import Text

from gradscope.finding import Finding
from gradscope.report import Report
from gradscope.reporters.paths import short_path
from gradscope.reporters.screen.findings import finding_lines, row_lines
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import pointed

CALM: Final = ("ok", "declared", "silenced")
_LONGEST_NAME: Final = 24
_FEWEST_FACT_CELLS: Final = 30
_INDENT: Final = 4


@dataclass(frozen=True, slots=True)
class Row:
    """A function or a model as it is shown, all texts printable.

    `word` and `style` say how it stands, `told` are the short facts beside it. Below stand `details`
    (headed paragraphs), `findings`, and `pictures`: tables and plots as wide as `inner` says. `brief` rows
    are printed on one line, as many facts as it holds.
    """

    name: str
    path: str
    word: str
    style: str
    told: Sequence[str]
    details: Sequence[tuple[str, str]] = ()
    findings: Sequence[Finding] = ()
    pictures: Sequence[list[Text]] = field(default_factory=tuple)
    brief: bool = False

    @property
    def stands_apart(self) -> bool:
        """Whether blank lines set it off from the others."""
        return bool(self.findings or self.pictures)


def inner(page: Page) -> Page:
    """The page that findings and pictures below a row have to themselves."""
    return Page(page.width - _INDENT, page.cwd, page.encoding)


def file_blocks(rows: Sequence[Row], report: Report, page: Page) -> list[list[Text]]:
    """A block for each file, in the order in which they first occur."""
    paths = dict.fromkeys(row.path for row in rows)
    return [_file_lines(path, rows, report, page) for path in paths]


def _file_lines(path: str, rows: Sequence[Row], report: Report, page: Page) -> list[Text]:
    names = min(max(cells(row.name) for row in rows), _LONGEST_NAME)
    words = max(len(row.word) for row in rows)
    head = page.text(short_path(path, page.cwd)) if path else "without source"
    lines = [Text(head, STYLES["heading"])]
    previous: Row | None = None
    for row in rows:
        if row.path != path:
            continue
        if previous is not None and (previous.stands_apart or row.stands_apart):
            lines.append(Text())
        lines += [*_head(row, names, words, page), *_below(row, report, page)]
        previous = row
    return lines


def _head(row: Row, names: int, words: int, page: Page) -> list[Text]:
    """`  Softmax  ok  agrees to 2e-11 · vmap ok`; a long name has a line of its own."""
    start = 2 + names + 2 + words + 2
    room = page.width - start
    style = STYLES["heading"] if row.findings else ""
    if room < _FEWEST_FACT_CELLS:
        head = Text.assemble("  ", (row.name, style), "  ", (row.word, row.style))
        below = pointed(row.told, page.width - _INDENT, page.width - _INDENT)
        return [head, *(Text(" " * _INDENT + line) for line in below)]
    first, *rest = pointed(_fitting(row.told, room) if row.brief else row.told, room, room) or [""]
    standing = Text.assemble((row.word, row.style), " " * (words - len(row.word) + 2), first)
    if cells(row.name) > names:
        lines = [Text.assemble("  ", (row.name, style)), Text(" " * (2 + names + 2)) + standing]
    else:
        pad = " " * (names - cells(row.name) + 2)
        lines = [Text.assemble("  ", (row.name, style), pad) + standing]
    return lines + [Text(" " * start + line) for line in rest]


def _fitting(told: Sequence[str], room: int) -> Sequence[str]:
    """As many of the short facts, from the first on, as a single line holds."""
    counts = range(len(told), 0, -1)
    return next((told[:n] for n in counts if len(pointed(told[:n], room, room)) == 1), ())


def _below(row: Row, report: Report, page: Page) -> list[Text]:
    details = row_lines(row.details, Page(page.width - 2, page.cwd, page.encoding))
    findings = [finding_lines(finding, report.recording, inner(page)) for finding in row.findings]
    blocks = [*findings, *row.pictures]
    below = [line for i, block in enumerate(blocks) for line in ([Text()] if i else []) + block]
    return [*(Text("  ") + line for line in details), *(_shifted(line) for line in below)]


def _shifted(line: Text) -> Text:
    return Text(" " * _INDENT) + line if line.plain else line
