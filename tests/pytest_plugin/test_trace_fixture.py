"""The fixture `gradscope_trace`, and recordings that a test makes itself."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.suites import run, section

pytest_plugins = ["pytester"]

TESTS = """
@pytest.fixture
def net(): return Severed()

def test_findings(net, gradscope_trace):
    assert gradscope_trace.findings == ()
    backward(net)
    assert [finding.code for finding in gradscope_trace.findings] == ["GS102"]
    assert gradscope_trace.recording.backward_passes == 1
    assert "severed-gradient" in str(gradscope_trace)
    backward(Net())
    assert gradscope_trace.recording.backward_passes == 2
    assert repr(gradscope_trace) == "<gradscope_trace: 1 findings, 2 backwards>"
    leaf = gradscope_trace.recording.leaf("net.first.weight")
    assert leaf is not None and leaf.made_at is not None
"""


@pytest.mark.parametrize("watch", [True, False])
def test_it_tells_what_happened(pytester: pytest.Pytester, watch: bool) -> None:
    result = run(pytester, TESTS, watch=watch)
    result.assert_outcomes(passed=1)
    if watch:
        assert section(result)[0] == "gradscope: 1 test with 2 backwards watched, no findings"
    else:
        assert "gradscope:" not in result.stdout.str()


def test_it_can_be_asked_for_late(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_late(request):
    trace = request.getfixturevalue("gradscope_trace")
    backward(Severed())
    assert [finding.code for finding in trace.findings] == ["GS102"]
""",
        watch=False,
    )
    result.assert_outcomes(passed=1)


def test_recordings_of_a_test_are_its_own(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from gradscope.testing import assert_gradients
def test_traces():
    backward(Net())
    with gradscope.trace() as trace:
        backward(Severed())
    assert [finding.code for finding in trace.findings] == ["GS102"]
    backward(Net())
def test_asserts():
    with pytest.raises(AssertionError, match="GS102"):
        assert_gradients(Severed(), torch.ones(2, 3))
    assert_gradients(Net(), torch.ones(2, 3))
def test_goes_on():
    with gradscope.trace(): pass
    backward(Severed())
def test_both(gradscope_trace):
    backward(Severed())
    with gradscope.trace(): train(Net())
    backward(Net())
    assert [finding.code for finding in gradscope_trace.findings] == ["GS102"]
    assert gradscope_trace.recording.backward_passes == 2
""",
    )
    result.assert_outcomes(passed=3, failed=1)
    assert section(result)[0].startswith("test_it.py::test_goes_on  nets.py:15:18 error[GS102]")


def test_a_failed_assertion_shows_the_line_of_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from gradscope.testing import assert_gradients
def test_asserts():
    assert_gradients(Severed(), torch.ones(2, 3))
""",
        watch=False,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       assert_gradients(Severed(), torch.ones(2, 3))",
            "E       AssertionError: the gradients of Severed: GS102 severed-gradient",
            "E       error[[]GS102[]] severed-gradient: *",
        ]
    )
    assert "gradscope/testing.py" not in result.stdout.str()
