"""How a function stands: one word, and the short facts that are printed beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gradscope.facts import GRADIENT, Cause, CheckedFunction, Outcome, WrongGradient
from gradscope.finding import Finding, Severity
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import number, plural

_WRONG: Final = "GS601"  # the finding of a gradient that failed
_AGAINST: Final = "against "  # a derivative by hand, which was asked for
_TELLING: Final = ("double backward", "forward mode", "vmap")  # named on the line where they passed


def standing(
    function: CheckedFunction, findings: Sequence[Finding], silenced: Sequence[Finding]
) -> tuple[str, str]:
    """A word and its style: the worst of what was found, never "ok" where something was not looked at."""
    if not function.is_checked:
        return "not checked", STYLES["warning"]
    severities = [finding.severity for finding in findings]
    gradient = outcome_of(function, GRADIENT)
    is_explained = any(finding.code == _WRONG for finding in (*findings, *silenced))
    if Severity.ERROR in severities:
        return "FAIL", STYLES["error"]
    if gradient is Outcome.FAILED and not is_explained:
        return "failed", STYLES["warning"]
    if Severity.WARNING in severities:
        return "warning", STYLES["warning"]
    if silenced:
        return "silenced", STYLES["faint"]
    if gradient is Outcome.DECLARED:
        return "declared", STYLES["good"]
    if gradient is Outcome.NOT_CHECKED:
        return "not checked", STYLES["warning"]
    if any(each.outcome is Outcome.FAILED for each in function.outcomes) and not findings:
        return "failed", STYLES["warning"]
    if surrogates(function):
        return "surrogate", STYLES["info"]
    return "ok", STYLES["good"]


def outcome_of(function: CheckedFunction, check: str) -> Outcome | None:
    """How the check of that name ended; None where it was not run."""
    return next((each.outcome for each in function.outcomes if each.check == check), None)


def surrogates(function: CheckedFunction) -> list[WrongGradient]:
    """The gradients that differ from the derivative on purpose."""
    return [each for each in function.wrong_gradients if each.cause is Cause.SURROGATE]


def items(function: CheckedFunction, word: str, page: Page, *, values: bool = True) -> list[str]:
    """The short facts. With `values` False (a redacted report) no measured number is among them."""
    if not function.is_checked:
        return [page.text(" ".join(function.failure.split())) + _failed_at(function, page)]
    told = [page.text(each) for each in _unsettled(function)] if word == "not checked" else []
    told += _deliberate(function, page, values=values)
    if word in ("FAIL", "warning", "failed", "silenced") and function.backward is not None:
        told.append(f"backward at line {function.backward.line}")
    told += _agreement(function, values=values)
    asked = [each.check for each in function.outcomes if each.check.startswith(_AGAINST)]
    passed = [name for name in (*asked, *_TELLING) if outcome_of(function, name) is Outcome.PASSED]
    if passed:
        told.append(f"{', '.join(passed)} ok")
    return told + list(_saves(function))


def _failed_at(function: CheckedFunction, page: Page) -> str:
    """The line that it was last seen at: ` (line 12)`, in another file ` (kernels.py:12)`."""
    where = function.failed_at
    if where is None:
        return ""
    same = function.location is not None and function.location.path == where.path
    return f" (line {where.line})" if same else f" ({page.line_at(where)})"


def _unsettled(function: CheckedFunction) -> list[str]:
    """Why the gradient itself could not be judged."""
    return [
        each.detail
        for each in function.outcomes
        if each.check == GRADIENT and each.outcome is Outcome.NOT_CHECKED and each.detail
    ]


def _deliberate(function: CheckedFunction, page: Page, *, values: bool) -> Iterator[str]:
    """`straight-through (line 31)`, and `the derivative is 0, backward gives 1`."""
    declared = function.declared if outcome_of(function, GRADIENT) is Outcome.DECLARED else None
    differing = function.wrong_gradients if declared else surrogates(function)
    if declared:
        yield f"{page.text(declared.kind)} (line {declared.location.line})"
    elif differing:
        yield "not declared"
    if values and differing and differing[0].output_element is not None:  # else it is a sum over outputs
        gives = differing[0].analytical
        backward = "nothing" if gives is None else number(gives)
        yield f"the derivative is {number(_rounded(differing[0]))}, backward gives {backward}"


def _rounded(wrong: WrongGradient) -> float:
    """The numerical derivative, 0 where it is nothing but rounding errors."""
    return 0.0 if abs(wrong.numerical) <= 2 * wrong.uncertainty else wrong.numerical


def _agreement(function: CheckedFunction, *, values: bool) -> Iterator[str]:
    """`agrees to 2e-11`, with the number of samples where there are several."""
    count = len(function.samples)
    several = plural(count, "sample")
    agrees = function.agreement is not None and outcome_of(function, GRADIENT) is Outcome.PASSED
    if agrees and values and function.agreement is not None:
        to = f"{max(function.agreement, 1e-16):.0e}"
        yield f"{several} agree to {to}" if count > 1 else f"agrees to {to}"
    elif count > 1:
        yield several


def _saves(function: CheckedFunction) -> Iterator[str]:
    saved = function.saved
    if saved is None:
        return
    if saved.nbytes == 0:
        yield "saves nothing"
    elif saved.inputs_nbytes:
        yield f"saves {_times(saved.nbytes / saved.inputs_nbytes)} input"


def _times(ratio: float) -> str:
    """`1x`, `0.25x`, `12x`."""
    return f"{ratio:.2g}x" if ratio < 99.5 else f"{ratio:,.0f}x"
