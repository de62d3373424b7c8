"""The training loop on the screen: the phases of a step, a line each, and what was out of order there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.text import Text

from gradscope.facts import Phase, PhaseKind, Recording, TrainingLoop
from gradscope.finding import Location
from gradscope.report import Report
from gradscope.reporters.paths import in_package, short_path
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, clip_end, plural, wrap

_MOST_ROWS: Final = 14
_REGULAR: Final = 0.9  # share of the steps in one order from which nothing is said of the others
_SELDOM: Final = 0.02  # share of the steps below which a line that is not in the usual order is left out
_LONGEST_PLACE: Final = 24
_FEWEST_SOURCE: Final = 12


@dataclass(frozen=True, slots=True)
class PhaseRow:
    """A line of the loop as it is printed; `codes` are those of the findings there."""

    kind: str
    place: str
    source: str
    remark: str
    codes: str


def loop_lines(report: Report, page: Page) -> list[Text]:
    """The section; empty where no optimizer stepped, or where a single line is all that was seen."""
    loop = report.recording.loop
    if loop is None or len(loop.phases) < 2:
        return []
    phases = [phase for phase in loop.phases if phase.steps > _SELDOM * loop.steps]
    hidden = loop.left_out + len(loop.phases) - min(len(phases), _MOST_ROWS)
    shown = phases[:_MOST_ROWS]
    files = {phase.location.path if phase.location else "" for phase in shown}
    path = files.pop() if len(files) == 1 else ""
    where = page.text(in_package(path) or short_path(path, page.cwd))
    rows = [phase_row(phase, loop, report, page, alone=bool(where)) for phase in shown]
    lines = [*loop_heading(loop, where, page), *_table(rows, page)]
    if hidden:
        lines.append(Text(f"  and {plural(hidden, 'more line')}", STYLES["faint"]))
    return lines


def loop_heading(loop: TrainingLoop, where: str, page: Page) -> list[Text]:
    """`the step in train.py, seen 20 times`."""
    head = f"the step in {where}" if where else "the step"
    if loop.steps > 1:
        head += f", seen {loop.steps:,} times"
    if loop.usual < min(_REGULAR * loop.steps, loop.steps - 1):
        head += f", {loop.usual:,} of them in this order"
    return [Text(line, STYLES["heading"]) for line in wrap(head, page.width)]


def phase_row(phase: Phase, loop: TrainingLoop, report: Report, page: Page, *, alone: bool) -> PhaseRow:
    """The row of a phase; with `alone` its place is the line alone, the file being told above."""
    where = phase.location
    found = [f.code for f in report.findings if where and f.location and f.location.at == where.at]
    words = [_what(phase, redacted=report.redacted)]
    if phase.steps < _REGULAR * loop.steps:
        words.append(f"in {phase.steps:,} of {loop.steps:,}")
    return PhaseRow(
        phase.kind.value + _times(phase),
        f"line {where.line}" if alone and where else _place(where, page),
        page.text(_source(where, report.recording)),
        page.text("  ".join(filter(None, words))),
        ", ".join(dict.fromkeys(found)),
    )


def _place(location: Location | None, page: Page) -> str:
    """`train.py:41`; in an installed package `lightning loop.py:9`, or `accelerator.py:9` if that is long."""
    if location is None:
        return "?"
    inside = in_package(location.path).replace("\\", "/")
    if inside:
        package, _, rest = inside.partition("/")
        line = f"{rest.rpartition('/')[2]}:{location.line}"
        whole = page.text(f"{package} {line}")
        return whole if cells(whole) <= _LONGEST_PLACE else clip(page.text(line), _LONGEST_PLACE)
    whole = page.line_at(location)
    return whole if cells(whole) <= _LONGEST_PLACE else clip(whole.rpartition("/")[2], _LONGEST_PLACE)


def _source(location: Location | None, recording: Recording) -> str:
    """The call as it is written, its first line where it has several."""
    line = recording.line(location)
    if location is None or location.column is None or location.end_column is None:
        return line.strip()
    if location.end_line not in (None, location.line):
        return line[location.column - 1 :].rstrip() + " ..."
    return line[location.column - 1 : location.end_column - 1]


def _what(phase: Phase, *, redacted: bool) -> str:
    if phase.kind in (PhaseKind.LOSS, PhaseKind.BACKWARD, PhaseKind.GRAD):
        if phase.first is None or redacted:
            return ""
        digits = 4 if phase.kind is PhaseKind.LOSS else 2
        moved = phase.count > 1 and phase.last is not None and phase.last != phase.first
        last = f" -> {phase.last:.{digits}g}" if moved else ""
        return f"{'' if phase.kind is PhaseKind.LOSS else '|grad| '}{phase.first:.{digits}g}{last}"
    return phase.of


def _times(phase: Phase) -> str:
    """How often in a step, where that is not once: ` x4`, ` ~x4` where it is not always the same."""
    each = phase.count / max(phase.steps, 1)
    if each < 1.5:
        return ""
    return f" x{each:.0f}" if each == int(each) else f" ~x{each:.0f}"


def _table(rows: Sequence[PhaseRow], page: Page) -> Iterator[Text]:
    kinds = max(cells(row.kind) for row in rows)
    places = max(cells(row.place) for row in rows)
    remarks = max(cells(row.remark) + (cells(row.codes) + 5 if row.codes else 0) for row in rows)
    room = page.width - (2 + kinds + 2 + places + 2) - (remarks + 2 if remarks else 0)
    sources = min(max(cells(row.source) for row in rows), max(room, _FEWEST_SOURCE))
    for row in rows:
        source = clip_end(row.source, sources)
        line = Text(f"  {row.kind:<{kinds}}  {row.place}{' ' * (places - cells(row.place))}  {source}")
        if row.remark or row.codes:
            line.append(" " * (sources - cells(source)))
        if row.remark:
            left = page.width - line.cell_len - 2 - (cells(row.codes) + 5 if row.codes else 0)
            line.append("  " + clip_end(row.remark, max(left, 8)), STYLES["faint"])
        if row.codes:
            line.append(f"  <- {row.codes}", STYLES["error"])
        yield line
