"""The pytest plugin: `pytest --gradscope` watches the gradients of every test.

It is loaded in every pytest run on a machine that has gradscope: torch and all of gradscope are imported when
`--gradscope`, the fixture `gradscope_trace` or a marker that expects something asks for them, and not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gradscope.pytest_plugin import marks

if TYPE_CHECKING:
    from gradscope.pytest_plugin.watching import TestTrace

_FIXTURE = "gradscope_trace"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options. The others do nothing without `--gradscope`, so that `addopts` can hold them."""
    group = parser.getgroup("gradscope", "gradients, watched by gradscope")
    group.addoption(
        "--gradscope", action="store_true", help="watch the gradients of every test, and judge them"
    )
    group.addoption(
        "--gradscope-fail-on",
        choices=("error", "warning", "never"),
        help="from which severity on a finding fails its test; default: fail-on of [tool.gradscope], error",
    )
    group.addoption(
        "--gradscope-select",
        metavar="CODES",
        action="append",
        default=[],
        help="judge only these rules, and those about whole programs in every test",
    )
    group.addoption(
        "--gradscope-ignore", metavar="CODES", action="append", default=[], help="leave these rules out"
    )
    group.addoption(
        "--gradscope-report",
        metavar="FILE",
        help="write the findings to a file, in the format that its ending means (.sarif, .html, .md, ...)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker; prepares the judging where `--gradscope` asks for it."""
    config.addinivalue_line("markers", marks.HELP)
    if config.getoption("gradscope"):
        from gradscope.pytest_plugin.session import begin

        begin(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Checks the markers; tests that expect a finding are watched without `--gradscope` too."""
    expecting = False
    for item in items:
        found = marks.marks_of(item)
        item.stash[marks.KEY] = found
        expecting |= bool(found.expect)
    if expecting or any(_FIXTURE in getattr(item, "fixturenames", ()) for item in items):
        from gradscope.pytest_plugin.session import watch_some

        watch_some(config)


@pytest.fixture
def gradscope_trace(request: pytest.FixtureRequest) -> TestTrace:
    """What happened to the gradients of this test until now: `.findings`, `.recording`, `print` of it.

    The test judges for itself: `pytest --gradscope` reports nothing of it.
    """
    from gradscope.pytest_plugin.recording import watched
    from gradscope.pytest_plugin.watching import TestTrace

    return TestTrace(watched(request.node), request.node.nodeid)
