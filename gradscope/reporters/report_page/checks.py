"""What the page is told of checked functions and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.facts import CheckedFunction, CheckedModel, Curve, Ways, WrongGradient, WrongParameter
from gradscope.report import Report
from gradscope.reporters.paths import short_path
from gradscope.reporters.report_page.shapes import Curve as Line
from gradscope.reporters.report_page.shapes import Headed, Plot, Subject, Table
from gradscope.reporters.report_page.texts import drawn, place_text, tone_of
from gradscope.reporters.screen.check.details import detail_rows
from gradscope.reporters.screen.check.page import subject_rows
from gradscope.reporters.screen.check.rows import Row
from gradscope.reporters.screen.check.ways import way_cells
from gradscope.reporters.screen.curves import with_gaps
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import number, plural

_ROUNDING: Final = 1e-16
"""Errors of exactly 0 have no place on a logarithmic axis: they are drawn at the rounding of float64."""

_TOLD_OTHERWISE: Final = ("wrong", "not checked")
"""Headings of the screen for what is a table here."""


def subjects_of(report: Report, page: Page) -> list[Subject]:
    """Every function and model in the order of the report."""
    recording = report.recording
    rows = subject_rows(report, Page(cwd=page.cwd))
    numbers = {id(finding): index for index, finding in enumerate(report.findings)}
    subjects: tuple[CheckedFunction | CheckedModel, ...] = (*recording.checked, *recording.checked_models)
    return [
        _subject(each, row, [numbers[id(finding)] for finding in row.findings], report, page)
        for each, row in zip(subjects, rows, strict=True)
    ]


def _subject(
    subject: CheckedFunction | CheckedModel, row: Row, findings: list[int], report: Report, page: Page
) -> Subject:
    values = not report.redacted
    outcomes = subject.outcomes if isinstance(subject, CheckedFunction) else ()
    return Subject(
        name=row.name,
        file=page.text(short_path(row.path, page.cwd)) or "without source",
        at=place_text(subject.location, page),
        word=row.word,
        tone=tone_of(row.style),
        told=list(row.told),
        findings=findings,
        details=[
            each for each in _details(subject, row, page, values=values) if each[0] not in _TOLD_OTHERWISE
        ],
        outcomes=[
            (page.text(each.check), each.outcome.value, page.text(" ".join(each.detail.split())))
            for each in outcomes
        ],
        tables=list(_tables(subject, page, values=values)),
        plots=list(_plots(subject, page)) if values and isinstance(subject, CheckedFunction) else [],
    )


def _details(
    subject: CheckedFunction | CheckedModel, row: Row, page: Page, *, values: bool
) -> Sequence[Headed]:
    """What the screen says below a line; of functions that it tells in a line alone, the inputs too."""
    if not (row.brief and isinstance(subject, CheckedFunction)):
        return row.details
    return detail_rows(subject, page, inputs=True, explained=True, values=values)


def _tables(
    subject: CheckedFunction | CheckedModel, page: Page, *, values: bool
) -> Iterator[tuple[str, Table]]:
    if isinstance(subject, CheckedModel):
        if subject.wrong:
            yield (
                "Wrong gradients, in the order of use",
                _wrong_parameters(subject.wrong, page, values=values),
            )
        return
    if subject.wrong_gradients and values:
        yield "Gradients that are not the derivative", _wrong_gradients(subject.wrong_gradients, page)
    ways = subject.ways
    if ways is not None and any(way.error is not None or way.seconds is not None for way in ways.ways):
        yield _ways_title(ways), _ways(ways, page, values=values)


def _wrong_gradients(wrong: Sequence[WrongGradient], page: Page) -> Table:
    rows = [
        (
            page.text(each.input_name),
            str(list(each.element)) if each.element else "",
            "none" if each.analytical is None else number(each.analytical),
            number(each.numerical) + (f" ± {each.uncertainty:.0e}" if each.uncertainty > 0 else ""),
            _ratio(each.analytical, each.numerical),
            f"{each.wrong:,} of {each.looked_at:,}",
            page.text("; ".join(filter(None, (each.pattern_text, each.condition)))),
        )
        for each in wrong
    ]
    heads = ("input", "worst element", _ways_of(wrong), "numerical", "ratio", "wrong", "pattern")
    return Table(heads=heads, rows=rows, numeric=(2, 3, 4, 5), code=(0, 1))


def _ways_of(wrong: Sequence[WrongGradient]) -> str:
    """What the wrong values are given by: backward, jvp, vmap, a derivative by hand, or several of them."""
    return ", ".join(dict.fromkeys(each.way for each in wrong))


def _wrong_parameters(wrong: Sequence[WrongParameter], page: Page, *, values: bool) -> Table:
    if not values:
        return Table(heads=("parameter",), rows=[(page.text(each.name),) for each in wrong], code=(0,))
    rows = [
        (
            page.text(each.name),
            "none" if each.analytical is None else number(each.analytical),
            number(each.numerical),
            "" if each.ratio is None else f"{each.ratio:.4g}",
        )
        for each in wrong
    ]
    return Table(
        heads=("parameter", "backward", "derivative", "ratio"), rows=rows, numeric=(1, 2, 3), code=(0,)
    )


def _ratio(analytical: float | None, numerical: float) -> str:
    return "" if analytical is None or numerical == 0.0 else f"{analytical / numerical:.4g}"


def _ways_title(ways: Ways) -> str:
    size = f"{plural(ways.inputs, 'input element')}, {plural(ways.outputs, 'output element')}"
    return f"Ways of differentiating: {size}"


def _ways(ways: Ways, page: Page, *, values: bool) -> Table:
    rows = [(*way_cells(way, page, spelled=False, values=values), page.text(way.text)) for way in ways.ways]
    return Table(heads=("way", "passes", "time", "error", ""), rows=rows, numeric=(1, 2, 3))


def _plots(function: CheckedFunction, page: Page) -> Iterator[Plot]:
    for curve in function.curves:
        yield from _sweep(curve, page)
    steps = sorted(function.ways.steps) if function.ways is not None else []
    if len(steps) > 1:
        yield Plot(
            title="Error by step size",
            x_label="step size h",
            y_label="relative error of the central difference",
            curves=[Line(label="central difference", y=[drawn(max(error, _ROUNDING)) for _, error in steps])],
            x=[drawn(step) for step, _ in steps],
            log_x=True,
            log_y=True,
        )


def _sweep(curve: Curve, page: Page) -> Iterator[Plot]:
    """Forward, with gaps where it jumps, and below it what backward says over the numerical derivative."""
    name = page.text(curve.name)
    x, y = with_gaps(curve)
    points = set(curve.at)
    yield Plot(
        title=f"Sweep of {name}: forward",
        x_label=name,
        y_label="forward",
        curves=[
            Line(
                label="forward",
                y=[drawn(value) if at in points else None for at, value in zip(x, y, strict=True)],
            )
        ],
        x=[drawn(value) for value in x],
    )
    lines = [Line(label="numerical", y=[drawn(value) for value in curve.numerical])]
    lines.append(Line(label="backward", y=[drawn(value) for value in curve.backward], dots=True))
    yield Plot(
        title=f"Sweep of {name}: derivative",
        x_label=name,
        y_label="derivative",
        curves=lines,
        x=[drawn(value) for value in curve.at],
    )
