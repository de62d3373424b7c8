"""A finding on the screen: what, where, the code, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Location
from gradscope.reporters.screen.frames import Mark, frame, has_source
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.profile import profile_text
from gradscope.reporters.screen.words import clip_end, group_names, plural, wrap

_LONGEST_HEADING: Final = 12  # a longer one does not push the others' texts to the right
_CONSEQUENCES: Final = 5
_SUBJECT_GROUPS: Final = 4


def finding_lines(finding: Finding, recording: Recording, page: Page) -> list[Text]:
    """The whole block of one finding."""
    style = STYLES[finding.severity]
    return [
        *_header(finding, page, style),
        *place_lines(finding, recording, page, style),
        *row_lines(list(finding_rows(finding, recording, page)), page),
    ]


def _header(finding: Finding, page: Page, style: str) -> list[Text]:
    label = f"{finding.severity}[{finding.code}]"
    first, *rest = wrap(f"{label} {finding.rule}: {page.text(finding.message)}", page.width)
    head = Text(first)
    head.stylize(style, 0, len(label))
    head.stylize("bold", len(label))
    # Wrapped anew as one, not line by line: each was broken for two more columns than it has.
    return [head, *(Text("  " + line, "bold") for line in wrap(" ".join(rest), page.width - 2) if line)]


# ---------------------------------------------------------------- where


def place_lines(finding: Finding, recording: Recording, page: Page, style: str) -> Iterator[Text]:
    """Where the finding is: a code frame a file, or the place alone where its source is not known."""
    marks = marks_of(finding, page)
    for index, path in enumerate(dict.fromkeys(mark.location.path for mark in marks)):
        here = [mark for mark in marks if mark.location.path == path]
        source = recording.sources.get(path, ())
        seen = [mark for mark in here if has_source(source, mark.location)]
        arrow = "  --> " if index == 0 else "  ::: "
        if seen:
            yield _arrow(arrow, (here if index == 0 else seen)[0].location, page)
            yield from frame(source, seen, page, style)
        elif here[0].primary:
            yield _arrow(arrow, here[0].location, page)
            yield from (Text("      " + line) for line in wrap(here[0].label, page.width - 6) if line)
        for mark in here:
            if mark not in seen and not (mark.primary and not seen):
                yield from _sourceless(mark, page)


def marks_of(finding: Finding, page: Page) -> list[Mark]:
    """The places of a finding with their labels, its own first."""
    marks = [Mark(finding.location, page.text(finding.label), True)] if finding.location else []
    return marks + [Mark(other.location, page.text(other.message), False) for other in finding.related]


def _sourceless(mark: Mark, page: Page) -> list[Text]:
    at = page.at(mark.location)
    head = Text.assemble(("  ::: ", STYLES["gutter"]), at)
    if head.cell_len + 2 + cells(mark.label) <= page.width:
        return [head.append(f"  {mark.label}")]
    return [head, *(Text("      " + line) for line in wrap(mark.label, page.width - 6))]


def _arrow(arrow: str, location: Location, page: Page) -> Text:
    text = Text.assemble((arrow, STYLES["gutter"]), page.at(location))
    inside = clip_end(inside_text(location, page), max(0, page.width - text.cell_len))
    return text.append(inside, STYLES["faint"])


def inside_text(location: Location, page: Page) -> str:
    """`  in Net.forward (encoder.0)`, empty for the code of a module."""
    function = (location.function or "").replace("<locals>.", "")
    if function in ("", "<module>"):
        return ""
    inside = f"  in {page.text(function)}"
    return f"{inside} ({page.text(location.module)})" if location.module else inside


# ---------------------------------------------------------------- why, and what to do


Row = tuple[str, str]  # heading, text


def finding_rows(finding: Finding, recording: Recording, page: Page) -> Iterator[Row]:
    """What is told of the finding below its code, printable: the command that says more comes last."""
    if subjects := subjects_text(finding, recording):
        yield "which", page.text(subjects)
    if profile := profile_text(finding, page):
        yield "profile", profile
    for note in finding.notes:
        yield page.text(note.heading), paragraphs(note.text, page)
    if finding.confidence is Confidence.PROBABLE:
        yield "probable", "a step of this was inferred rather than seen"
    if finding.count > 1 and all(note.heading != "seen" for note in finding.notes):
        yield "seen", f"{finding.count:,} times"
    if finding.consequences:
        yield "also", _consequences(finding.consequences, page)
    if finding.fix:
        yield "fix", paragraphs(page.shortened(finding.fix), page)
    yield "more", f"gradscope explain {finding.code}"


def paragraphs(text: str, page: Page) -> str:
    """The text printable, its line breaks kept."""
    return "\n".join(page.text(line.expandtabs(4)) for line in text.split("\n"))


def subjects_text(finding: Finding, recording: Recording) -> str:
    """The names that the message does not give already."""
    names = list(dict.fromkeys(finding.subjects))
    if not names:
        return ""
    leaves = [recording.leaf(name) for name in names]
    are_parameters = all(leaf is not None and leaf.is_parameter for leaf in leaves)
    groups = group_names(names, _SUBJECT_GROUPS, "parameter" if are_parameters else "")
    grouped = len(names) > 1 and f" ({len(names):,} " in finding.message
    said = grouped or groups in finding.message or all(name in finding.message for name in names)
    return "" if said else groups


def _consequences(consequences: Sequence[Finding], page: Page) -> str:
    lines = ["explained by this:"]
    for other in consequences[:_CONSEQUENCES]:
        at = f" at {page.line_at(other.location)}" if other.location else ""
        lines.append(f"{other.severity}[{other.code}] {other.rule}{at}: {page.text(other.message)}")
    if len(consequences) > _CONSEQUENCES:
        lines.append(f"and {plural(len(consequences) - _CONSEQUENCES, 'more finding')}")
    return "\n".join(lines)


def row_lines(rows: Sequence[Row], page: Page) -> list[Text]:
    """Headed paragraphs, the texts beginning in one column and wrapped under themselves."""
    short = [cells(heading) for heading, _ in rows if cells(heading) <= _LONGEST_HEADING]
    column = 2 + max(short, default=0) + 2
    lines: list[Text] = []
    for heading, text in rows:
        start = max(column, 2 + cells(heading) + 2)
        if start > page.width // 2:
            start = column
            lines.append(Text("  " + heading, STYLES["heading"]))
            heading = ""
        for index, part in enumerate(wrap(text, page.width - start)):
            style = STYLES["fix"] if heading == "fix" else STYLES["heading"]
            head = "  " + heading if index == 0 else ""
            lines.append(Text.assemble((head, style), " " * (start - cells(head)), part))
    return lines
