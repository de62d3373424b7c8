"""Code frames for the page: whole lines, and the characters of them that are marked."""

from __future__ import annotations

from collections.abc import Sequence

from gradscope.facts import Recording
from gradscope.finding import Finding, Location
from gradscope.reporters.report_page import shapes
from gradscope.reporters.report_page.texts import place_text
from gradscope.reporters.screen.findings import inside_text, marks_of
from gradscope.reporters.screen.frames import Mark, has_source, line_numbers
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.source_line import SourceLine, source_line


def frames_of(finding: Finding, recording: Recording, page: Page) -> list[shapes.Frame]:
    """A frame for each file that the finding speaks of, that of its own place first."""
    marks = marks_of(finding, page)
    paths = dict.fromkeys(mark.location.path for mark in marks)
    return [_frame([mark for mark in marks if mark.location.path == path], recording, page) for path in paths]


def _frame(marks: Sequence[Mark], recording: Recording, page: Page) -> shapes.Frame:
    source = recording.sources.get(marks[0].location.path, ())
    seen = [mark for mark in marks if has_source(source, mark.location)]
    first = next((mark for mark in marks if mark.primary), (seen or marks)[0]).location
    told = [(place_text(mark.location, page), mark.label) for mark in marks if mark not in seen]
    return shapes.Frame(
        at=place_text(first, page),
        inside=inside_text(first, page).strip(),
        lines=_lines(source, seen, page),
        told=[each for each in told if seen or each[1] or each[0] != place_text(first, page)],
    )


def _lines(source: Sequence[str], marks: Sequence[Mark], page: Page) -> list[shapes.SourceLine]:
    numbers = line_numbers(source, marks) if marks else []
    return [
        _line(number, source_line(source[number - 1], page), marks, after_gap=before < number - 1)
        for before, number in zip([numbers[0] - 1 if numbers else 0, *numbers], numbers, strict=False)
    ]


def _line(number: int, line: SourceLine, marks: Sequence[Mark], *, after_gap: bool) -> shapes.SourceLine:
    return shapes.SourceLine(
        number=number,
        text=line.text,
        marks=[_mark(mark, line) for mark in marks if mark.location.line == number],
        after_gap=after_gap,
    )


def _mark(mark: Mark, line: SourceLine) -> shapes.Mark:
    """The stretch in characters as they are printed: tabs are blanks, control characters escapes."""
    starts = [0]
    for piece in line.pieces:
        starts.append(starts[-1] + len(piece))
    location, last = mark.location, len(line.pieces)
    begin = (
        len(line.text) - len(line.text.lstrip())
        if location.column is None
        else starts[_within(location.column, last)]
    )
    end = starts[_within(location.end_column, last)] if _ends_here(location) else starts[last]
    return shapes.Mark(start=begin, end=max(end, begin + 1), label=mark.label, primary=mark.primary)


def _within(column: int | None, last: int) -> int:
    """The index of a 1-based column; columns past the end are at the end."""
    return last if column is None else min(max(column - 1, 0), last)


def _ends_here(location: Location) -> bool:
    return location.column is not None and location.end_line in (None, location.line)
