"""The Python interface: `gradscope.check(function, *inputs)`, also as an assertion in a test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from gradscope.checker.process.one import Terms, check_value
from gradscope.environment import environment
from gradscope.facts import CheckedFunction, CheckedModel, Recording
from gradscope.finding import Finding, Severity
from gradscope.judging import judged
from gradscope.loader.inputs import Inputs
from gradscope.loader.placement import choose_device
from gradscope.recorder.sources import collect_sources
from gradscope.report import Report
from gradscope.reported import Reported
from gradscope.rule_names import rule_names
from gradscope.silence import by_rule

_LONGEST_REPR = 230  # pytest shows no more of what an assertion says


class Check(Reported):
    """What was found out about the gradients of one function.

    It counts as true where the function could be checked and nothing that was found is an error. `print`
    of it shows the text report.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them."""
        return self._report

    @property
    def function(self) -> CheckedFunction | CheckedModel:
        """What was measured of the function; a CheckedModel where an nn.Module was checked."""
        functions: tuple[CheckedFunction | CheckedModel, ...] = self.recording.checked
        return (functions or self.recording.checked_models)[0]

    @property
    def ok(self) -> bool:
        """Whether it could be checked, and no finding is an error."""
        worst = self._report.worst()
        return self.function.is_checked and worst is not Severity.ERROR

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        text = f"<gradscope.check {self.function.name}: {self._told()}>"
        return text if len(text) <= _LONGEST_REPR else f"{text[: _LONGEST_REPR - 4]}...>"

    def _told(self) -> str:
        if not self.function.is_checked:
            return f"not checked: {self.function.failure}"
        if not self.findings:
            return "ok"
        more = len(self.findings) - 1
        return _finding(self.findings[0]) + (f" (and {more} more)" if more else "")


def _finding(finding: Finding) -> str:
    place = finding.location
    at = f" at {os.path.basename(place.path)}:{place.line}" if place is not None else ""
    numbers = f" ({finding.label})" if finding.code == "GS601" and finding.label else ""
    return f"{finding.severity.value}[{finding.code}] {finding.rule}{at}: {finding.message}{numbers}"


def check(
    function: Callable[..., Any],
    /,
    *inputs: Any,
    select: Iterable[str] = (),
    ignore: Iterable[str] = (),
    seconds: float | None = 2.0,
    **named_inputs: Any,
) -> Check:
    """Checks the gradients of a function against numerical derivatives, and in every other use.

        assert gradscope.check(Softmax, torch.randn(4, 3))
        print(gradscope.check(model, batch))

    `function` is a `torch.autograd.Function` or its `apply`, a custom op, a function of tensors, or an
    nn.Module, which is checked as a whole. Values, shapes and devices of the inputs are those given; their
    dtype and `requires_grad` make no difference, and they are not changed. Without inputs,
    `gradscope_inputs` of the function's module gives them, or they are found by trial.

    `select` and `ignore` name rules by code, prefix or name; UsageError for one that does not exist, and
    where the inputs do not fit. `seconds` is the time for all measuring, None for no limit. The function
    runs in this process: one that crashes or hangs is better checked by `gradscope check FILE:NAME`.
    """
    selected = rule_names("select", select)
    silencers = (by_rule(rule_names("ignore", ignore), "ignore={}"),)
    given = Inputs(inputs, named_inputs, "the arguments") if inputs or named_inputs else None
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    terms = Terms(module, given, seconds, choose_device("auto"))
    checked = check_value(function, _name(function), terms)
    recording = _recording(checked, str(terms.device))
    target = f"gradscope.check({checked.name})"
    return Check(judged("check", target, recording, environment(), selected, silencers))


def _recording(checked: CheckedFunction | CheckedModel, device: str) -> Recording:
    recording = (
        Recording(device=device, checked=(checked,))
        if isinstance(checked, CheckedFunction)
        else Recording(device=device, checked_models=(checked,))
    )
    return replace(recording, sources=collect_sources(recording))


def _name(function: Any) -> str:
    """ "Softmax" for the class and for its `apply`; the class of an nn.Module."""
    owner = getattr(function, "__self__", None)
    named = owner if isinstance(owner, type) and getattr(function, "__name__", "") == "apply" else function
    return getattr(named, "__name__", None) or type(named).__name__
