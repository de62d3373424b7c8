"""What is said of a function below its line: its inputs, what was not checked, what else was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.facts import GRADIENT, CheckedFunction, CheckOutcome, Origin, Outcome, SampleFact
from gradscope.reporters.screen.check.late import is_for_later, is_late
from gradscope.reporters.screen.check.standing import outcome_of
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.words import bytes_text, clip_end, plural, scientific

Row = tuple[str, str]  # heading, text

_MOST_SAMPLES: Final = 4
_MOST_NAMES: Final = 3
_MOST_NOTES: Final = 6
_LONGEST_DETAIL: Final = 300
_INFERRED: Final = "inferred: "
_FROM: Final = {
    Origin.GIVEN: "given",
    Origin.HOOK: "from gradscope_inputs",
    Origin.CAPTURED: "captured",
    Origin.INFERRED: "inferred by trial",
}


def detail_rows(
    function: CheckedFunction, page: Page, *, inputs: bool, explained: bool, values: bool = True
) -> list[Row]:
    """Headed paragraphs. `inputs` says whether the arguments are told, `explained` whether findings tell
    already what failed; with `values` False no measured number is told.
    """
    rows = list(_inputs(function.samples, page)) if inputs and function.samples else []
    if not explained:
        failed = [each for each in function.outcomes if each.outcome is Outcome.FAILED]
        rows += [("failed", page.text(_told(each))) for each in failed]
    declared = [each for each in function.outcomes if each.outcome is Outcome.DECLARED]
    rows += [("declared", page.text(_told(each))) for each in declared if each.check != GRADIENT]
    rows += [("not checked", page.text(text)) for text in _unchecked(function)]
    rows += [("precision", text) for text in _deviations(function, page, values=values)]
    rows += [("saves", page.text(text)) for text in _unused(function)]
    notes = [page.text(_clipped(note)) for note in dict.fromkeys(function.notes)]
    rows += [("note", note) for note in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        rows.append(("note", f"and {plural(len(notes) - _MOST_NOTES, 'more note')}"))
    return rows


def _clipped(text: str) -> str:
    return clip_end(" ".join(text.split()), _LONGEST_DETAIL)


def _told(outcome: CheckOutcome) -> str:
    return f"{outcome.check}: {_clipped(outcome.detail)}" if outcome.detail else outcome.check


def _inputs(samples: Sequence[SampleFact], page: Page) -> Iterator[Row]:
    """Those found by trial as they can be typed; the others with where they come from, a line each."""
    shown = samples[:_MOST_SAMPLES]
    more = f"and {len(samples) - len(shown):,} more" if len(samples) > len(shown) else ""
    if all(sample.origin is Origin.INFERRED for sample in samples):
        tried = [sample.source.removeprefix(_INFERRED) or sample.text for sample in shown]
        yield "inferred", page.text("; ".join(map(_clipped, filter(None, [*tried, more]))))
        return
    sources: dict[str, list[str]] = {}  # by the arguments: calls with the same shapes are one line
    for sample in shown:
        sources.setdefault(_clipped(sample.text), []).append(_source(sample))
    told = {text: "; ".join(dict.fromkeys(where)) for text, where in sources.items()}
    alike = len(set(told.values())) == 1
    lines = [text if alike else f"{text}  ({where})" for text, where in told.items()]
    lines += [more] if more else []
    lines[-1] += f"  ({next(iter(told.values()))})" if alike else ""
    yield "inputs", "\n".join(map(page.text, lines))


def _source(sample: SampleFact) -> str:
    where = _clipped(sample.source)
    if sample.origin is Origin.CAPTURED and where and not where.startswith(_FROM[Origin.CAPTURED]):
        return f"captured at {where}"
    if sample.origin is Origin.HOOK:
        return "from gradscope_inputs"
    return where or _FROM[sample.origin]


def _unchecked(function: CheckedFunction) -> Iterator[str]:
    """`vmap, dtypes: forward draws random numbers`: the checks that ended for one reason together.

    Where the gradient itself is not right, most others cannot tell anything, and are only counted.
    """
    reasons: dict[str, list[str]] = {}
    for each in function.outcomes:
        is_told = is_late(each) or is_for_later(each)
        if each.outcome is Outcome.NOT_CHECKED and each.check != GRADIENT and not is_told:
            reasons.setdefault(_clipped(each.detail), []).append(each.check)
    if outcome_of(function, GRADIENT) in (Outcome.FAILED, Outcome.NOT_CHECKED):
        count = sum(map(len, reasons.values()))
        if count:
            yield f"{plural(count, 'other check')}, for want of a right gradient"
        return
    for reason, checks in reasons.items():
        names = ", ".join(checks[:_MOST_NAMES])
        more = f" and {len(checks) - _MOST_NAMES} more" if len(checks) > _MOST_NAMES else ""
        yield f"{names}{more}: {reason}" if reason else f"{names}{more}"


def _deviations(function: CheckedFunction, page: Page, *, values: bool) -> Iterator[str]:
    for each in function.deviations:
        if not each.excessive:
            continue
        where = page.text(f"{each.dtype} on {each.device}, {each.input_name}")
        if not values:
            yield f"{where}: the gradient is further off than that precision explains"
            continue
        native = f", {scientific(each.native)} without its own backward" if each.native is not None else ""
        yield f"{where}: relative error {scientific(each.error)}{native}"


def _unused(function: CheckedFunction) -> Iterator[str]:
    """What is saved and not needed: told of a right gradient, since a wrong one may have forgotten it."""
    saved = function.saved
    if saved is not None and saved.unused and outcome_of(function, GRADIENT) is Outcome.PASSED:
        size = f" ({bytes_text(saved.unused_nbytes)})" if saved.unused_nbytes else ""
        yield f"more than it needs: no gradient uses {', '.join(saved.unused)}{size}"
