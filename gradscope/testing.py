"""For tests: `assert_gradients(model, inputs)` runs one forward and backward, and says what is wrong with it.

from gradscope.testing import assert_gradients

def test_every_parameter_is_trained():
    assert_gradients(Net(), torch.randn(8, 3), loss=lambda output: output.pow(2).mean())
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from gradscope.api_step import as_before, work_of
from gradscope.errors import UsageError
from gradscope.facts import Limits, ProgramEnd, Recording
from gradscope.figures import gradient_share, trained
from gradscope.finding import Finding
from gradscope.loader.ending import program_error
from gradscope.loader.generators import seeded
from gradscope.loader.inputs import Inputs
from gradscope.loader.work import Work
from gradscope.policy import threshold
from gradscope.recorder import Recorder
from gradscope.report import Report
from gradscope.reported import Reported
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.page import Page
from gradscope.rule_names import codes_of, rule_names
from gradscope.silence import by_rule
from gradscope.tracing import report_on

__all__ = ["Gradients", "assert_gradients"]


class Gradients(Reported):
    """One forward and backward that was found good. `print` of it shows the report."""

    def __init__(self, report: Report) -> None:
        self._report = report

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them."""
        return self._report

    @property
    def norms(self) -> Mapping[str, float]:
        """The 2-norm of every parameter's gradient by the parameter's name, 0.0 where it got none."""
        return {
            leaf.name: leaf.gradient.norm if leaf.gradient is not None else 0.0
            for leaf in trained(self.recording)
        }

    def __repr__(self) -> str:
        return f"<gradscope.assert_gradients: {len(self.norms)} parameters, {len(self.findings)} findings>"


def assert_gradients(
    subject: nn.Module | Callable[..., Any],
    inputs: Any = (),
    *,
    loss: Callable[..., Tensor] | None = None,
    min_gradient_share: float = 1.0,
    max_norm_ratio: float | None = None,
    forbid: Iterable[str] = (),
    ignore: Iterable[str] = (),
    expect: Iterable[str] = (),
    fail_on: str = "error",
) -> Gradients:
    """Asserts that one forward and backward of a module gives its parameters the gradients they need.

    `inputs` is a tensor, a tuple or list of arguments, or a dict of keyword arguments. The loss is a scalar
    output, its `.loss` or the mean, or what `loss` makes of the output. `subject` may also be a function that
    calls modules and returns a loss.

    Raises AssertionError, with every finding as `gradscope trace` shows it, unless

    - every trainable parameter (or `min_gradient_share` of them, 0 to 1) gets a gradient that is finite and
      not all zeros,
    - no gradient and no loss is NaN or infinite, whatever the share,
    - the modules' gradients per element differ by no more than `max_norm_ratio`, where it is given,
    - there is no finding at or above `fail_on` ("error", "warning" or "never"), none of those in `forbid`,
    - each of the rules in `expect` finds something, which is not held against the subject.

    Rules are named by code, prefix or name ("GS102", "GS1", "severed-gradient"); those in `ignore` are not
    judged. The forward runs with seeded generators, in the training mode that the module is in. Gradients,
    buffers, attributes of modules and generators are afterwards what they were. UsageError for what cannot be
    run; what the program itself raises comes out, unless a finding explains it.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    wanted = _Wanted(forbid, ignore, expect, fail_on, _limits(min_gradient_share, max_norm_ratio))
    work = work_of(subject, _inputs(inputs), loss=loss, with_graph=False)
    _check_values(subject)
    recording, error = _step(work)
    report = wanted.report(recording, work.name, limited=error is None)
    wrong = wanted.wrong(report)
    if error is not None and not wrong:
        raise error
    if wrong:
        raise AssertionError(_text(work.name, wrong)) from error
    return Gradients(report)


@dataclass(frozen=True, slots=True)
class _Wrong:
    """Something that is not as it should be, in some words, and as a whole where that is more."""

    words: str
    text: str = ""


class _Wanted:
    """What is asked of the gradients."""

    def __init__(
        self,
        forbid: Iterable[str],
        ignore: Iterable[str],
        expect: Iterable[str],
        fail_on: str,
        limits: Limits,
    ) -> None:
        if fail_on not in ("error", "warning", "never"):
            raise UsageError(f'fail_on={fail_on!r} is not "error", "warning" or "never"')
        self._threshold = threshold(fail_on)
        self._forbidden = _codes("forbid", forbid)
        self._expected = rule_names("expect", expect)
        self._ignored = rule_names("ignore", ignore)
        self._limits = limits

    def report(self, recording: Recording, name: str, *, limited: bool) -> Report:
        """The recording, judged; what a step that raised did not reach is under no limit."""
        if limited:
            recording = replace(recording, limits=self._limits)
        silencers = [by_rule(self._ignored, "ignore={}")]
        report = report_on(recording, f"assert_gradients({name})", silencers=silencers)
        return replace(report, fail_on=self._threshold)

    def wrong(self, report: Report) -> list[_Wrong]:
        """Each thing that is not as it should be."""
        found = {each.code for finding in report.findings for each in (finding, *finding.consequences)}
        missing = [name for name in self._expected if not codes_of(name) & found]
        failing = [each for each in report.findings if self._fails(each)]
        wrong = [_Wrong(f"{name} was expected and not found") for name in missing]
        wrong += [_Wrong(f"{each.code} {each.rule}", _shown(each, report)) for each in _told_once(failing)]
        if not self._expects_nonfinite(report):
            wrong += [_Wrong(text) for text in _nonfinite(report)]
        return wrong

    def _fails(self, finding: Finding) -> bool:
        if any(finding.code in codes_of(name) for name in self._expected):
            return False
        forbidden = {finding.code, *(each.code for each in finding.consequences)} & self._forbidden
        at_least = self._threshold is not None and finding.severity.rank >= self._threshold.rank
        return bool(forbidden) or at_least

    def _expects_nonfinite(self, report: Report) -> bool:
        expected = _codes("expect", self._expected)
        return any(each.code in expected & _NONFINITE for each in report.findings)


_NONFINITE = frozenset(("GS401", "GS402", "GS403"))


def _codes(option: str, names: Iterable[str]) -> frozenset[str]:
    return frozenset(code for name in rule_names(option, names) for code in codes_of(name))


def _limits(min_gradient_share: float, max_norm_ratio: float | None) -> Limits:
    if not 0 <= min_gradient_share <= 1:
        raise UsageError(f"min_gradient_share={min_gradient_share!r} is not a number from 0 to 1")
    if max_norm_ratio is not None and not max_norm_ratio >= 1:
        raise UsageError(f"max_norm_ratio={max_norm_ratio!r} is not a number from 1 on")
    return Limits(max_norm_ratio=max_norm_ratio, min_gradient_share=min_gradient_share)


def _inputs(given: Any) -> Inputs:
    source = "the inputs"
    if isinstance(given, Mapping):
        return Inputs((), dict(given), source)
    return Inputs(tuple(given) if isinstance(given, (tuple, list)) else (given,), {}, source)


def _check_values(subject: Callable[..., Any]) -> None:
    if isinstance(subject, nn.Module) and any(each.is_meta for each in subject.parameters()):
        raise UsageError(
            f"the {type(subject).__name__} has parameters on the meta device: they have no values, and no "
            "gradients either"
        )


def _step(work: Work) -> tuple[Recording, Exception | None]:
    """One step under the recorder, and what the program raised in it."""
    raised: Exception | None = None
    with torch.inference_mode(False), torch.enable_grad(), seeded(), as_before(work):
        recorder = Recorder()
        with recorder:
            try:
                work.step()
            except Exception as error:  # noqa: BLE001  raised again where no finding explains it
                raised = error
                recorder.ended_by(error)
        end = ProgramEnd() if raised is None else ProgramEnd(exit_status=1, error=program_error(raised))
        recording = recorder.recording(end)
        work.zero_grad()
    return recording, raised


# ---------------------------------------------------------------- what is said


def _nonfinite(report: Report) -> Iterator[str]:
    """What is NaN or infinite; nothing where a finding says it already."""
    if any(each.code in _NONFINITE for each in report.findings):
        return
    losses = [backward.loss for backward in report.recording.backwards if backward.loss is not None]
    yield from (f"the loss is {loss}" for loss in losses if not math.isfinite(loss))
    share = gradient_share(report.recording)
    if share is not None and share.nonfinite:
        names = ", ".join(leaf.name for leaf in share.nonfinite)
        yield f"the gradient is not finite: {names}"


def _shown(finding: Finding, report: Report) -> str:
    page = Page(80, os.getcwd())
    lines = finding_lines(finding, report.recording, page)
    return "\n".join(line.plain.rstrip() for line in lines)


def _told_once(failing: Sequence[Finding]) -> list[Finding]:
    """Without the share of parameters that get a gradient, where other findings name each that gets none."""
    named = {name for each in failing if each.code != _SHARE for name in _subjects(each)}
    return [each for each in failing if each.code != _SHARE or not named.issuperset(each.subjects)]


_SHARE = "GS902"


def _subjects(finding: Finding) -> Iterator[str]:
    yield from finding.subjects
    for each in finding.consequences:
        yield from _subjects(each)


def _text(name: str, wrong: Sequence[_Wrong]) -> str:
    first = f"the gradients of {name}: {', '.join(each.words for each in wrong)}"
    return "\n\n".join((first, *(each.text for each in wrong if each.text)))
