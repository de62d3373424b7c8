"""One test under the recorder: from before the fixtures of its own to after them."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from gradscope.environment import environment
from gradscope.errors import Fault, printable
from gradscope.facts import Recording
from gradscope.judging import judged
from gradscope.loader.ending import program_error
from gradscope.recorder import Recorder, interruption
from gradscope.recorder.engines.classes import existing_engines
from gradscope.recorder.patches import Patches, named_like
from gradscope.report import Report
from gradscope.reported import Reported
from gradscope.silence import Silencer


class Watch:
    """Records one test. A fault of gradscope's own is kept in `fault`, and the test runs on.

    Where the test makes a recording of its own (`gradscope.trace`, `assert_gradients`) or calls torch's
    gradcheck, this one is broken off and another begun after it: `parts` are the recordings until then.
    """

    def __init__(self) -> None:
        self.fault: str | None = None
        self._parts: list[Recording] = []
        self._recorder: Recorder | None = None
        self._patches = Patches()

    def begin(self) -> None:
        """Puts the recorder in."""
        self.resume()
        if self._recorder is not None:
            interruption.offer(self)
            _stand_back_for_gradcheck(self._patches)

    def end(self) -> None:
        """Takes the recorder out."""
        self._patches.undo()
        interruption.withdraw(self)
        self.pause()

    def resume(self) -> None:
        """Puts a recorder in."""
        try:
            recorder = Recorder(engines=_engines())
            recorder.__enter__()
            self._recorder = recorder
        except Exception as error:  # noqa: BLE001  told in the summary; the test runs all the same
            self._failed(error)

    def pause(self) -> None:
        """Takes the recorder out; what it has recorded is kept."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            recorder.__exit__(None, None, None)
            self._parts.append(recorder.recording())
        except Exception as error:  # noqa: BLE001  told in the summary; the test runs all the same
            self._failed(error)

    def ended_by(self, error: BaseException) -> None:
        """The test died of this exception: what it has to do with the gradients is looked up."""
        try:
            if self._recorder is not None:
                self._recorder.ended_by(error)
        except Exception as fault:  # noqa: BLE001  told in the summary
            self._failed(fault)

    def recordings(self, error: BaseException | None = None) -> list[Recording]:
        """What has been recorded until now: one, or several where there were interruptions.

        `error` is the exception that ended the test.
        """
        found = list(self._parts)
        if self._recorder is not None:
            now = self._recorder.so_far()
            if error is not None:
                end = replace(now.program, exit_status=1, error=program_error(error))
                now = replace(now, program=end)
            found.append(now)
        return found

    def _failed(self, error: BaseException) -> None:
        if self.fault is None:
            lines = traceback.format_exception(error)
            self.fault = printable("".join(lines).rstrip())


def _stand_back_for_gradcheck(patches: Patches) -> None:
    """Leaves torch's gradcheck alone: it runs the same ops thousands of times, and judges by itself."""
    module = sys.modules.get("torch.autograd.gradcheck")
    if module is None or not hasattr(module, "_gradcheck_helper"):  # private: every form calls it
        return

    def helper(*args: Any, **kwargs: Any) -> Any:
        stay = interruption.begin()
        try:
            return checked(*args, **kwargs)
        finally:
            stay.end()

    checked = patches.replace(module, "_gradcheck_helper", named_like(module._gradcheck_helper, helper))


@cache
def _engines() -> tuple[type, ...]:
    """The engines of micrograd's kind among the classes that exist when the first test begins.

    Looking through all classes takes longer than most tests do. Those that are made while a test is
    recorded are seen all the same.
    """
    return tuple(existing_engines())


def report_of(
    recordings: Iterable[Recording],
    target: str,
    select: Iterable[str] = (),
    silencers: Iterable[Silencer] = (),
) -> Report:
    """The recordings of one test, each judged by itself, as one report: facts are those of the last one.

    Passes, steps and ops are added up.
    """
    silence, names = tuple(silencers), tuple(select)
    reports = [judged("trace", target, each, {}, names, silence) for each in recordings] or [
        judged("trace", target, Recording(), {}, names, silence)
    ]
    recording = replace(
        reports[-1].recording,
        ops=sum(each.recording.ops for each in reports),
        steps=sum(each.recording.steps for each in reports),
        backward_passes=sum(each.recording.backward_passes for each in reports),
        notes=_unique(note for each in reports for note in each.recording.notes),
        not_seen=_unique(text for each in reports for text in each.recording.not_seen),
        sources={path: lines for each in reports for path, lines in each.recording.sources.items()},
    )
    return replace(
        reports[-1],
        recording=recording,
        findings=tuple(finding for each in reports for finding in each.findings),
        suppressed=tuple(one for each in reports for one in each.suppressed),
        environment=environment_here(),
    )


@cache
def _environment() -> tuple[tuple[str, str], ...]:
    return tuple(environment().items())


def environment_here() -> dict[str, str]:
    """What a report was made with; asked once a process."""
    return dict(_environment())


def _unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def hide_frames() -> None:
    """Keeps gradscope's frames out of the tracebacks that pytest shows of a test's own failure."""
    for name, module in list(sys.modules.items()):
        if name.startswith("gradscope.recorder"):
            vars(module)["__tracebackhide__"] = True  # pytest asks the globals of every frame


class TestTrace(Reported):
    """What happened to the gradients of a test until now; `print` of it shows the text report.

    Every question is answered anew: ask when the backwards are done.
    """

    __test__ = False  # no class of tests, whatever its name begins with

    def __init__(self, watch: Watch, name: str) -> None:
        self._watch = watch
        self._name = name

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them.

        Nothing is selected or ignored by a configuration; comments in the source silence here too.
        """
        if self._watch.fault is not None:
            raise Fault(f"a fault in gradscope, not in your test\n{self._watch.fault}")
        return report_of(self._watch.recordings(), self._name)

    def __repr__(self) -> str:
        report = self.report
        passes = report.recording.backward_passes
        return f"<gradscope_trace: {len(report.findings)} findings, {passes} backwards>"
