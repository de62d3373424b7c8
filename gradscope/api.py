"""The Python interface: `with gradscope.trace() as t: ...`."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from gradscope.errors import Fault
from gradscope.facts import ProgramEnd
from gradscope.loader.ending import program_error
from gradscope.recorder import Recorder
from gradscope.report import Report
from gradscope.reported import Reported
from gradscope.rule_names import rule_names
from gradscope.silence import by_rule
from gradscope.tracing import report_on


class Trace(Reported):
    """What happened to the gradients inside a `with` block.

    `recording`, `findings` and `report` can be read when the block was left, also when an exception
    left it; the exception goes on. `print(trace)` shows the text report.
    """

    def __init__(self, select: Iterable[str], ignore: Iterable[str]) -> None:
        self._select = rule_names("select", select)
        self._silencers = (by_rule(rule_names("ignore", ignore), "ignore={}"),)
        self._recorder = Recorder()
        self._report: Report | None = None
        self._fault: Exception | None = None

    def __enter__(self) -> Self:
        try:
            self._recorder.__enter__()
        except Exception as fault:  # noqa: BLE001  told when the trace is read; the program runs on
            self._fault = fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._fault is not None:
            return
        try:
            self._recorder.__exit__(kind, error, traceback)
            recording = self._recorder.recording(_end(error))
            self._report = report_on(recording, "with gradscope.trace()", self._select, self._silencers)
        except Exception as fault:  # noqa: BLE001  told when the trace is read; the program runs on
            self._fault = fault

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them.

        Raises Fault where gradscope itself failed, and RuntimeError inside the block.
        """
        if self._fault is not None:
            raise Fault("a fault in gradscope, not in your program") from self._fault
        if self._report is None:
            raise RuntimeError("the trace is not finished: read it after its with block")
        return self._report

    def __repr__(self) -> str:
        if self._report is None:
            return "<gradscope.trace: not finished>"
        return f"<gradscope.trace: {len(self.findings)} findings, {self.recording.backward_passes} backwards>"


def trace(*, select: Iterable[str] = (), ignore: Iterable[str] = ()) -> Trace:
    """Records everything inside a `with` block; works in scripts, tests and notebooks.

    `select` and `ignore` name rules by code ("GS102"), prefix ("GS1") or name ("severed-gradient");
    UsageError for one that does not exist. No configuration and no baseline is read: the same block finds
    the same in every folder. Comments in the source silence here too.

        with gradscope.trace() as t:
            loss = model(x).mean()
            loss.backward()
        print(t)
    """
    return Trace(select, ignore)


def _end(error: BaseException | None) -> ProgramEnd:
    if error is None:
        return ProgramEnd()
    if isinstance(error, KeyboardInterrupt):
        return ProgramEnd(exit_status=130, interrupted=True)
    return ProgramEnd(exit_status=1, error=program_error(error))
