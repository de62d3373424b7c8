"""A checked function as a row of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from gradscope.facts import CheckedFunction, Origin, SubjectKind, Ways
from gradscope.finding import Finding
from gradscope.report import Report
from gradscope.reporters.screen.check.details import detail_rows
from gradscope.reporters.screen.check.rows import CALM, Row, inner
from gradscope.reporters.screen.check.standing import items, standing
from gradscope.reporters.screen.check.ways import ways_lines
from gradscope.reporters.screen.curves import curve_lines
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import plural

_FEW: Final = 12  # up to so many functions the inputs of each healthy one are told too


def function_row(
    function: CheckedFunction,
    findings: Sequence[Finding],
    elsewhere: dict[str, Finding],
    silenced: Sequence[Finding],
    report: Report,
    page: Page,
) -> Row:
    """The row. `elsewhere` are findings that are printed below another function, by what says so."""
    values = not report.redacted
    word, style = standing(function, [*findings, *elsewhere.values()], silenced)
    is_brief = word in CALM and not _are_few(report)
    details = detail_rows(
        function,
        page,
        inputs=not is_brief,
        explained=word != "failed" and bool(findings or elsewhere or silenced),
        values=values,
    )
    return Row(
        name=page.text(function.name),
        path=function.location.path if function.location else "",
        word=word,
        style=style,
        told=[*map(page.text, elsewhere), *items(function, word, page, values=values)],
        details=details,
        findings=findings,
        pictures=list(_pictures(function, report, inner(page))),
        brief=is_brief,
    )


def _pictures(function: CheckedFunction, report: Report, page: Page) -> Iterator[list[Text]]:
    """The sweeps that were asked for; or where it is the only one and small, the ways of differentiating."""
    values = not report.redacted
    is_alone = len(report.recording.checked) == 1 and not function.curves
    ways = telling_ways(function) if is_alone else None
    if ways is not None:
        yield ways_lines(ways, page, values=values)
    for curve in function.curves:
        drawn = curve_lines(curve, width=page.width, encoding=page.encoding) if values else []
        yield [Text(page.text(f"sweep of {curve.name}"), STYLES["heading"]), *map(Text, drawn)]


def telling_ways(function: CheckedFunction) -> Ways | None:
    """The ways of differentiating where they are of interest: of a plain function, or of a single number."""
    ways = function.ways
    if ways is None or all(way.error is None and way.seconds is None for way in ways.ways):
        return None
    return ways if function.kind is SubjectKind.CALLABLE or ways.inputs == 1 else None


def _are_few(report: Report) -> bool:
    return len(report.recording.checked) <= _FEW


def inferred_elsewhere(report: Report) -> list[str]:
    """What is said once where the inputs of healthy functions are not told one by one."""
    samples = [each.samples for each in report.recording.checked if each.samples]
    count = sum(all(one.origin is Origin.INFERRED for one in each) for each in samples)
    if _are_few(report) or not count:
        return []
    return [f"the inputs of {plural(count, 'function')} were inferred by trial: --format json lists them"]
