"""The marker: what a test expects, what it ignores, and what of it cannot be understood."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.suites import run, section

pytest_plugins = ["pytester"]


def test_what_is_expected_is_not_reported(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.gradscope(expect="GS102")
def test_severed(): backward(Severed())
@pytest.mark.gradscope(expect="severed-gradient")
def test_by_name(): backward(Severed())
@pytest.mark.gradscope(expect=["GS201"])
def test_caught():
    with pytest.raises(RuntimeError): rewritten()
@pytest.mark.gradscope(expect="GS103", ignore="GS103")
def test_ignored_but_found():
    class Part(Net):
        def forward(self, x): return self.first(x)
    train(Part())
""",
    )
    result.assert_outcomes(passed=4)
    assert "no findings" in section(result)[0]


@pytest.mark.parametrize("watch", [True, False])
def test_what_is_expected_and_not_found_fails(pytester: pytest.Pytester, watch: bool) -> None:
    result = run(
        pytester,
        """
@pytest.mark.gradscope(expect="GS102")
def test_healthy(): backward(Net())
@pytest.mark.gradscope(expect="GS102")
def test_nothing(): pass
@pytest.mark.gradscope(expect="GS102")
def test_severed(): backward(Severed())
""",
        watch=watch,
    )
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "gradscope: GS102 was expected in this test and was not found (1 backward watched)",
            "gradscope: GS102 was expected in this test and was not found (no backward was watched)",
            "FAILED test_it.py::test_healthy - GS102 was expected and not found",
        ]
    )


def test_an_expectation_fails_no_test_for_anything_else(pytester: pytest.Pytester) -> None:
    tests = """
@pytest.mark.gradscope(expect="GS301")
def test_severed():
    backward(Severed())
    loss = Net()(torch.ones(1, 3)).sum()
    loss.backward()
    with pytest.raises(RuntimeError): loss.backward()
"""
    run(pytester, tests, watch=False).assert_outcomes(passed=1)
    run(pytester, tests).assert_outcomes(failed=1)


def test_classes_and_modules_can_bear_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
pytestmark = pytest.mark.gradscope(ignore=["GS4"])
@pytest.mark.gradscope(ignore="GS102")
class TestSevered:
    def test_one(self): backward(Severed())
    @pytest.mark.gradscope(ignore="GS103")
    def test_two(self): backward(Severed())
    def test_nan(self): (Net()(torch.ones(1, 3)).sum() * float("nan")).backward()
def test_other(): backward(Severed())
@pytest.mark.gradscope(off=True)
def test_off(): backward(Severed())
""",
    )
    result.assert_outcomes(passed=4, failed=1)
    assert "3 silenced" in section(result)[-2] + section(result)[-1]


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        (
            'expect="GS10X"',
            "test_it.py::test_it: mark.gradscope expect GS10X: no such rule; did you mean GS10*",
        ),
        (
            'ingore="GS102"',
            "test_it.py::test_it: mark.gradscope has no argument ingore; did you mean ignore?",
        ),
        ('"GS102"', '*takes no positional arguments: write mark.gradscope(ignore="GS102") or expect="GS102"'),
        ("expect=102", "*mark.gradscope(expect=...) names rules, not 102"),
        ("ignore=[102]", "*mark.gradscope(ignore=...) names rules, not *102*"),
        ('off="yes"', "*mark.gradscope(off=...) is True or False, not 'yes'"),
    ],
)
@pytest.mark.parametrize("watch", [True, False])
def test_what_cannot_be_understood_is_a_usage_error(
    pytester: pytest.Pytester, marker: str, said: str, watch: bool
) -> None:
    result = run(pytester, f"@pytest.mark.gradscope({marker})\ndef test_it(): pass", watch=watch)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_the_marker_is_listed(pytester: pytest.Pytester) -> None:
    result = run(pytester, "", "--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.gradscope(expect=*ignore=*off=True): *"])
