"""One pytest run: its configuration, and what is said at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from gradscope.config import Config, nearest
from gradscope.errors import GradscopeError, UsageError
from gradscope.policy import Policy, policy
from gradscope.pytest_plugin.summary import Tally
from gradscope.pytest_plugin.told import ATTRIBUTE
from gradscope.rule_names import codes_of, rule_names

if TYPE_CHECKING:
    from gradscope.pytest_plugin.report_file import ReportFile

_RECORDING: Final = "gradscope-recording"
_WIDTH: Final = 80  # columns; a worker of xdist has no terminal


def begin(config: pytest.Config) -> None:
    """Makes every test watched. Raises pytest.UsageError for what is wrong with options or configuration."""
    try:
        chosen = _policy(config)
        if not hasattr(config, "workerinput"):  # a worker of xdist tells its controller
            config.pluginmanager.register(Summary(_report_file(config)), "gradscope-summary")
    except GradscopeError as error:
        raise pytest.UsageError("\n".join((error.what, *error.where, *error.try_next))) from None
    if not _is_controller(config):
        _watch(config, chosen, everything=True)


def watch_some(config: pytest.Config) -> None:
    """Watches the tests that have the fixture or expect something, where not all are watched anyway."""
    if not config.pluginmanager.has_plugin(_RECORDING):
        _watch(config, policy(Config(), (), (), "never"), everything=False)


def _policy(config: pytest.Config) -> Policy:
    select = rule_names("--gradscope-select", config.getoption("gradscope_select"))
    ignore = rule_names("--gradscope-ignore", config.getoption("gradscope_ignore"))
    return policy(nearest(str(config.rootpath)), select, ignore, config.getoption("gradscope_fail_on"))


def _watch(config: pytest.Config, chosen: Policy, *, everything: bool) -> None:
    # torch, which the controller of xdist never needs
    from gradscope.pytest_plugin.judge import Judge
    from gradscope.pytest_plugin.recording import Recording
    from gradscope.pytest_plugin.relevance import Relevance

    root = str(config.rootpath)
    asked = rule_names("--gradscope-select", config.getoption("gradscope_select"))
    judge = Judge(
        policy=chosen,
        relevance=Relevance(root, frozenset(code for name in asked for code in codes_of(name))),
        cwd=str(config.invocation_params.dir),
        root=root,
        width=_WIDTH,
        reports=bool(config.getoption("gradscope_report")),
    )
    config.pluginmanager.register(Recording(judge, everything=everything), _RECORDING)


def _report_file(config: pytest.Config) -> ReportFile | None:
    name = config.getoption("gradscope_report")
    if not name:
        return None
    from gradscope.pytest_plugin.report_file import ReportFile

    return ReportFile(str(name), str(config.rootpath))


def _is_controller(config: pytest.Config) -> bool:
    """Whether this process only hands tests on to the workers of xdist."""
    return getattr(config.option, "dist", "no") != "no" and bool(getattr(config.option, "tx", None))


class Summary:
    """Hears what the tests tell, here and in the workers of xdist, and says it at the end."""

    def __init__(self, report_file: ReportFile | None) -> None:
        self._tally = Tally()
        self._report_file = report_file
        self._wrong: str | None = None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds up. A test that will be run again (pytest-rerunfailures) is heard when it was."""
        told: Any = getattr(report, ATTRIBUTE, None)
        if told is not None and str(report.outcome) != "rerun":
            self._tally.add(told, report.duration)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the file of `--gradscope-report`; where that cannot be done the run fails."""
        if self._report_file is None:
            return
        try:
            self._report_file.write(self._tally)
        except UsageError as error:
            self._wrong = error.what
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The findings, one a line, and the sum; the sum alone where all is well."""
        if terminalreporter.config.getoption("collectonly"):
            return
        lines = self._tally.lines()
        if lines:
            terminalreporter.section("gradscope")
            for line in lines:
                terminalreporter.write_line(line)
        if lines or terminalreporter.verbosity > -2:
            terminalreporter.write_line(self._tally.last_line())
        if self._report_file is not None and self._wrong is None:
            terminalreporter.write_line(f"gradscope: findings written to {self._report_file.name}")
        if self._wrong is not None:
            terminalreporter.write_line(f"gradscope: {self._wrong}", red=True)
