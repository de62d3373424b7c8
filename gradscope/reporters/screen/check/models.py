"""A checked model as a row of the page: how exact its gradients are, and which are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.facts import CheckedModel, FaultyModule, WrongParameter
from gradscope.finding import Finding, Severity
from gradscope.report import Report
from gradscope.reporters.screen.check.rows import Row
from gradscope.reporters.screen.page import STYLES, Page, cells
from gradscope.reporters.screen.words import clip, clip_end, number, plural, short_count

_MOST_WRONG: Final = 8
_MOST_LINES: Final = 4
_LONGEST_NAME: Final = 32
_LONGEST_NOTE: Final = 300


def model_row(
    model: CheckedModel,
    findings: Sequence[Finding],
    elsewhere: dict[str, Finding],
    silenced: Sequence[Finding],
    report: Report,
    page: Page,
) -> Row:
    """The row. `elsewhere` are findings that are printed below a function of the model, by what says so."""
    word, style = _standing(model, [*findings, *elsewhere.values()], silenced)
    values = not report.redacted
    return Row(
        name=page.text(model.name),
        path=model.location.path if model.location else "",
        word=word,
        style=style,
        told=[*map(page.text, elsewhere), *map(page.text, _items(model, values=values))],
        details=list(_details(model, page, told=bool(findings), values=values)),
        findings=findings,
    )


def _standing(
    model: CheckedModel, findings: Sequence[Finding], silenced: Sequence[Finding]
) -> tuple[str, str]:
    if not model.is_checked:
        return "not checked", STYLES["warning"]
    severities = {finding.severity for finding in findings}
    if Severity.ERROR in severities:
        return "FAIL", STYLES["error"]
    if Severity.WARNING in severities:
        return "warning", STYLES["warning"]
    if silenced:
        return "silenced", STYLES["faint"]
    if model.wrong or model.unreached:
        return ("surrogate", STYLES["info"]) if model.deliberate else ("failed", STYLES["warning"])
    if model.error is None:
        return "not checked", STYLES["warning"]
    return "ok", STYLES["good"]


def _items(model: CheckedModel, *, values: bool) -> Iterator[str]:
    if not model.is_checked:
        yield " ".join(model.failure.split())
        return
    count = model.parameters + len(model.inputs)
    if model.wrong:
        yield f"{len(model.wrong):,} of {plural(count, 'gradient')} wrong"
    elif values and model.error is not None:
        yield f"agrees to {max(model.error, 1e-16):.0e}"
    if model.directions and not model.wrong:
        yield plural(model.directions, "direction")
    yield f"{plural(model.parameters, 'parameter')} ({short_count(model.elements)} elements)"
    if model.inputs:
        yield plural(len(model.inputs), "input")


def _details(model: CheckedModel, page: Page, *, told: bool, values: bool) -> Iterator[tuple[str, str]]:
    """Headed paragraphs; `told` says that a finding names what is at fault."""
    if model.objective and values:
        yield "objective", page.text(clip_end(" ".join(model.objective.split()), _LONGEST_NOTE))
    if model.module is not None and not told:
        yield "at fault", _module(model.module, model, page)
    if model.wrong:
        yield "wrong", "\n".join(_table(model.wrong, page, values=values))
    if model.unreached:
        names = ", ".join(_name(each, page) for each in model.unreached[:_MOST_WRONG])
        yield "no gradient", f"{names}{_more(model.unreached, _MOST_WRONG)}, though the output depends on it"
    if model.low_precision:
        lines = ", ".join(page.near(each) for each in model.low_precision[:_MOST_LINES])
        how = "carried out in float64 for the check" if model.is_exact else "rounded there"
        yield "precision", f"{how}: {lines}{_more(model.low_precision, _MOST_LINES)}"
    for note in dict.fromkeys(model.notes):
        yield "note", page.text(clip_end(" ".join(note.split()), _LONGEST_NOTE))


def _more(those: Sequence[object], most: int) -> str:
    return f" and {len(those) - most:,} more" if len(those) > most else ""


def _module(module: FaultyModule, model: CheckedModel, page: Page) -> str:
    name = page.text(module.name or "the model itself")
    at = f", {page.near(module.location)}" if module.location else ""
    if model.function is not None:
        within = f": {page.text(model.function.name)}"
        within += f" at {page.near(model.function.backward)}" if model.function.backward else ""
    else:
        within = ": its own forward, between its modules" if module.between else ""
    return f"{name} ({page.text(module.type_name)}{at}){within}"


def _table(wrong: Sequence[WrongParameter], page: Page, *, values: bool) -> Iterator[str]:
    """A line for each: what backward gives, the derivative, and their ratio; heads above."""
    shown = wrong[-_MOST_WRONG:]  # the ones nearest to the output are last, and they tell most
    rows = [(_name(each, page), *(_numbers(each) if values else ())) for each in shown]
    if values:
        rows.insert(0, ("", "backward", "derivative", "ratio"))
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    for name, *numbers in rows:
        columns = [f"{text:>{width}}" for text, width in zip(numbers, widths[1:], strict=True)]
        yield "  ".join((name + " " * (widths[0] - cells(name)), *columns))
    if len(wrong) > len(shown):
        yield f"and {len(wrong) - len(shown):,} more before them"


def _name(each: WrongParameter, page: Page) -> str:
    return clip(page.text(each.name), _LONGEST_NAME)


def _numbers(each: WrongParameter) -> tuple[str, str, str]:
    gives = "none" if each.analytical is None else number(each.analytical)
    return gives, number(each.numerical), "" if each.ratio is None else f"{each.ratio:.4g}"
