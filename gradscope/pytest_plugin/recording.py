"""The hooks that watch tests and change their reports; registered only where a test is to be watched."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Generator
from typing import Any, Final

import pytest

from gradscope.errors import printable
from gradscope.pytest_plugin.judge import Judge, Judgement
from gradscope.pytest_plugin.marks import KEY, Marks
from gradscope.pytest_plugin.told import ATTRIBUTE, Told, sendable
from gradscope.pytest_plugin.watching import Watch, hide_frames

_WATCH: Final = pytest.StashKey[Watch]()
SECTION: Final = "gradients, by gradscope"


def watched(item: pytest.Item) -> Watch:
    """The recording of a test, which begins where it has not yet, and ends with the test's teardown."""
    watch = item.stash.get(_WATCH, None)
    if watch is None:
        watch = item.stash[_WATCH] = Watch()
        watch.begin()
        item.addfinalizer(lambda: _end(item))
    return watch


def _end(item: pytest.Item) -> None:
    item.stash[_WATCH].end()
    del item.stash[_WATCH]  # a test that is run again is watched anew


class Recording:
    """Watches tests: all of them, or those that expect a finding or have the fixture.

    The recorder is put in before the fixtures of a test's own and taken out after them: what a fixture
    replaces (`monkeypatch`) is put back in the opposite order.
    """

    def __init__(self, judge: Judge, *, everything: bool) -> None:
        self._judge = judge
        self._everything = everything
        hide_frames()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Begins before the first fixture that belongs to one test alone."""
        if fixturedef.scope == "function" and isinstance(request.node, pytest.Item):
            self._begin(request.node)
        return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Begins at the latest with the test itself."""
        self._begin(item)
        return (yield)

    def _begin(self, item: pytest.Item) -> None:
        marks = item.stash.get(KEY, Marks())
        if marks.expect or _has_fixture(item) or (self._everything and not marks.off):
            watched(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Fails a test that passed and has a finding, and explains one that failed."""
        report = yield
        watch = item.stash.get(_WATCH, None)
        if call.when == "call" and watch is not None and _is_judged(report, call):
            judgement = self._judgement(item, call, report, watch)
            setattr(report, ATTRIBUTE, judgement.told)
            if judgement.failure:
                _fail(report, item, judgement)
            if judgement.explanation:
                report.sections.append((SECTION, sendable(judgement.explanation, lines=True)))
        return report

    def _judgement(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, watch: Watch
    ) -> Judgement:
        marks = item.stash.get(KEY, Marks())
        error = call.excinfo.value if call.excinfo is not None else None
        try:
            if error is not None:
                watch.ended_by(error)
            return self._judge.judgement(
                item.nodeid,
                watch,
                marks,
                passed=report.passed,
                reported=self._everything and not marks.off and not _has_fixture(item),
                error=error,
            )
        except Exception as fault:  # noqa: BLE001  told in the summary; the test is not to blame
            text = printable("".join(traceback.format_exception(fault)).rstrip())
            return Judgement(_only_fault(item.nodeid, text))


def _is_judged(report: pytest.TestReport, call: pytest.CallInfo[None]) -> bool:
    """Not where the test was skipped or is one that is known to fail (xfail), also where it did not."""
    if report.skipped or hasattr(report, "wasxfail"):
        return False
    return report.passed or call.excinfo is not None


def _has_fixture(item: pytest.Item) -> bool:
    return "gradscope_trace" in getattr(item, "fixturenames", ())


def _only_fault(test: str, fault: str) -> Told:
    return Told(
        test=sendable(test), backwards=0, findings=[], silenced=0, faults=[fault], report="", fails=False
    )


def _fail(report: pytest.TestReport, item: pytest.Item, judgement: Judgement) -> None:
    """Makes the report that of a failed test, with our text for a traceback."""
    text = sendable(judgement.failure, lines=True)
    report.outcome = "failed"
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception as failure:
        shown = pytest.Item.repr_failure(item, pytest.ExceptionInfo.from_exception(failure))
    report.longrepr = shown
    path, line, words = judgement.failed_at
    crash = getattr(shown, "reprcrash", None)  # where the short summary has its words from
    if crash is None:
        report.longrepr = text
        return
    with contextlib.suppress(AttributeError):  # words only: a pytest that froze them shows its own
        crash.message = words
        if path:
            crash.path, crash.lineno = path, line
