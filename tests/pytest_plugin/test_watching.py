"""`pytest --gradscope`: which tests fail, what is said, and what is left alone."""

from __future__ import annotations

import pytest

from tests.pytest_plugin.suites import run, section

pytest_plugins = ["pytester"]


def test_a_healthy_suite_gets_one_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_backward(): backward(Net())
def test_training(): train(Net())
def test_no_gradient(): assert Net()(torch.ones(2, 3)).shape == (2, 1)
""",
    )
    result.assert_outcomes(passed=3)
    assert section(result)[0] == "gradscope: 2 tests with 4 backwards watched, no findings"
    assert "GS" not in result.stdout.str()


def test_an_error_fails_the_test_that_passed(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_severed(): backward(Severed())")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*FAILURES*",
            "*test_severed*",
            "error[[]GS102[]] severed-gradient: *first.* (2 parameters)*",
            "  --> nets.py:15:18  in Severed.forward",
            "*hidden = self.first(x).detach()*",
            "The test itself passed; gradscope fails it. "
            '@pytest.mark.gradscope(ignore="GS102") accepts this.',
            "FAILED test_it.py::test_severed - GS102 severed-gradient:*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "site-packages" not in result.stdout.str()


def test_one_finding_of_many_tests_is_one_line(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.fixture
def net(): return Severed()
@pytest.mark.parametrize("n", [3, 1, 2])
def test_severed(net, n): backward(net)
""",
    )
    result.assert_outcomes(failed=3)
    assert section(result) == [
        "test_it.py::test_severed[1] and 2 more tests  nets.py:15:18 error[GS102] severed-gradient: "
        "first.* (2 parameters) gets no gradient: it stops at detach()",
        "gradscope: 3 tests with 3 backwards watched, 1 finding, 3 tests failed by gradscope",
        *section(result)[2:],
    ]


@pytest.mark.parametrize(
    ("words", "failed"),
    [((), 0), (("--gradscope-fail-on=warning",), 1), (("--gradscope-fail-on=never",), 0)],
)
def test_the_severity_that_fails(pytester: pytest.Pytester, words: tuple[str, ...], failed: int) -> None:
    tests = """
class Part(Net):
    def forward(self, x): return self.first(x)
def test_part(): train(Part())
"""
    result = run(pytester, tests, *words)
    result.assert_outcomes(failed=failed, passed=1 - failed)
    assert "warning[GS103] unused-parameter" in section(result)[0]


def test_never_is_never(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_severed(): backward(Severed())", "--gradscope-fail-on=never")
    result.assert_outcomes(passed=1)
    assert "error[GS102]" in section(result)[0]
    assert section(result)[1].endswith("1 finding")


def test_what_a_test_catches_is_its_own_affair(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import unittest
def test_caught():
    with pytest.raises(RuntimeError, match="inplace"): rewritten()
def test_no_graph():
    with pytest.raises(RuntimeError): torch.ones(1).backward()
def test_twice():
    loss = Net()(torch.ones(1, 3)).sum()
    loss.backward()
    with pytest.raises(RuntimeError): loss.backward()
class TestCase(unittest.TestCase):
    def test_raises(self): self.assertRaises(RuntimeError, rewritten)
@pytest.mark.filterwarnings("ignore:The .grad attribute")
def test_no_leaf():
    y = torch.ones(1, requires_grad=True) * 2
    y.sum().backward()
    assert y.grad is None
def test_refused():
    w = torch.ones(1, requires_grad=True)
    w = w * 2
    with pytest.raises(ValueError, match="non-leaf"): torch.optim.SGD([w], lr=0.1)
""",
    )
    result.assert_outcomes(passed=6)
    assert "no findings" in section(result)[0]


def test_a_test_that_fails_by_itself_is_explained(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_dies(): rewritten()")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*one of the variables needed for gradient computation has been modified by an inplace*",
            "*- gradients, by gradscope -*",
            "error[[]GS201[]] inplace-saved: `y` was changed in place after exp saved it for*",
            "FAILED test_it.py::test_dies - RuntimeError: one of the variables*",
        ]
    )
    assert "gradscope/recorder" not in result.stdout.str()
    assert "1 finding" in section(result)[-2] + section(result)[-1]
    assert "failed by" not in "".join(section(result))


def test_what_is_not_judged(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
@pytest.mark.xfail
def test_known(): backward(Severed()); assert False
@pytest.mark.xfail
def test_unexpected(): backward(Severed())
@pytest.mark.skip
def test_skipped(): backward(Severed())
def test_skips():
    backward(Severed())
    pytest.skip("here")
""",
    )
    result.assert_outcomes(xfailed=1, xpassed=1, skipped=2)
    assert section(result)[0] == "gradscope: no backward was watched"


def test_cases_of_unittest(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
import unittest
class TestCase(unittest.TestCase):
    def setUp(self): self.net = Severed()
    def test_severed(self): backward(self.net)
    def test_healthy(self): backward(Net())
    async def helper(self): pass
class TestAsync(unittest.IsolatedAsyncioTestCase):
    async def test_severed(self): backward(Severed())
""",
    )
    result.assert_outcomes(passed=1, failed=2)


def test_programs_are_judged_where_a_test_trains(pytester: pytest.Pytester) -> None:
    tests = """
class Part(Net):
    def forward(self, x): return self.first(x)
def test_part(): backward(Part())
def test_one_step(): train(Part(), steps=1)
def test_no_zero_grad():
    net = Net()
    backward(net)
    backward(net)
def test_kept_graph():
    loss = Net()(torch.ones(1, 3)).sum()
    loss.backward(retain_graph=True)
    loss.backward()
"""
    result = run(pytester, tests)
    result.assert_outcomes(passed=4)
    assert "no findings" in section(result)[0]
    asked = run(pytester, tests, "--gradscope-select=GS103")
    assert "test_it.py::test_one_step and 1 more test" in section(asked)[0]


def test_tensors_that_a_test_made_itself(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_goes_two_ways():
    x = torch.ones(3, requires_grad=True)
    y = torch.from_numpy((x * 2).detach().numpy()).requires_grad_()
    (x.detach() * 3 + y).sum().backward()
def test_at_the_edge():
    x = torch.zeros(1, requires_grad=True)
    x.sqrt().sum().backward()
    assert x.grad.isinf()
def test_of_a_module():
    net = nn.Linear(1, 1)
    (net(torch.ones(1, 1)) * 0).sqrt().sum().backward()
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    said = section(result)
    assert any("test_at_the_edge" in line and "GS402" in line for line in said)
    assert not any("GS102" in line for line in said)
    assert any("3 tests with 3 backwards watched, 2 findings, 1 test failed" in line for line in said)


def test_a_program_in_a_test_is_judged(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_never_zeroed():
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(4):
        backward(net)
        optimizer.step()
""",
    )
    result.assert_outcomes(failed=1)
    assert "error[GS501] missing-zero-grad" in section(result)[0]


def test_the_configuration_of_the_project_holds(pytester: pytest.Pytester) -> None:
    pytester.makepyprojecttoml('[tool.gradscope.per-file-ignores]\n"nets.py" = ["GS102"]')
    result = run(pytester, "def test_severed(): backward(Severed())")
    result.assert_outcomes(passed=1)
    assert section(result)[0].endswith("no findings, 1 silenced")


def test_a_comment_silences(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_severed():
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    second(first(torch.ones(1, 2)).detach()).sum().backward()  # gradscope: ignore[GS102]
""",
    )
    result.assert_outcomes(passed=1)


def test_nothing_to_watch_is_said(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_nothing(): pass")
    result.assert_outcomes(passed=1)
    assert section(result)[0] == "gradscope: no backward was watched"
    assert "gradscope" not in run(pytester, "def test_nothing(): pass", "--collect-only").stdout.str()


def test_faults_of_the_recorder_are_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradscope.recorder.specials import Specials

    def broken(*_: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(Specials, "entered", broken)
    result = run(pytester, "def test_one(): torch.tensor([1.0])")
    result.assert_outcomes(passed=1)
    assert "a fault of gradscope's own, 1 time(s): entry from Python: ZeroDivisionError" in section(result)[1]


def test_options_leave_rules_out(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_severed(): backward(Severed())", "--gradscope-ignore=GS1")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--gradscope-select=GS10X",), "--gradscope-select GS10X: no such rule; did you mean GS10*"),
        (("--gradscope-report=x.txtt",), "--gradscope-report x.txtt: its ending names no format"),
        (("--gradscope-report=no/such/x.json",), "*no/such*"),
    ],
)
def test_wrong_options_are_usage_errors(pytester: pytest.Pytester, words: tuple[str, ...], said: str) -> None:
    result = run(pytester, "def test_nothing(): pass", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}*"])


def test_what_a_test_replaces_is_put_back(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
ORIGINAL = torch.Tensor.backward, torch.autograd.backward, torch.optim.SGD.step
def test_replaces(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "backward", lambda self: None)
    monkeypatch.setattr(torch.autograd, "backward", lambda *given: None)
    monkeypatch.setattr(torch.optim.SGD, "step", lambda self: None)
    train(Net())
""",
    )
    result.assert_outcomes(passed=1)


def test_code_of_other_packages_is_not_reported(pytester: pytest.Pytester) -> None:
    folder = pytester.path / "site-packages"
    folder.mkdir()
    (folder / "theirs.py").write_text("def stop(x):\n    return x.detach()\n")
    (folder / "ours.py").write_text("def stop(x):\n    return x.detach()\n")
    (pytester.path / "src").mkdir()
    (pytester.path / "src" / "ours.py").write_text("def stop(x):\n    return x.detach()\n")
    result = run(
        pytester,
        """
import sys
sys.path.append("site-packages")
import theirs, ours
def through(stop):
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    second(stop(first(torch.ones(1, 2)))).sum().backward()
def test_theirs(): through(theirs.stop)
def test_ours_installed(): through(ours.stop)
""",
    )
    result.assert_outcomes(passed=1, failed=1)


def test_hostile_names_are_harmless(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        r"""
@pytest.mark.parametrize("x", ["[/red]", "]]>", "a::b"])
def test_it(x):
    net = nn.ModuleDict({"\x1b[31m\n[/red]\udc80": nn.Linear(2, 2), "b": nn.Linear(2, 1)})
    a, b = net.values()
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net
        def forward(self, x): return b(a(x).detach())
    Both()(torch.ones(1, 2)).sum().backward()
""",
    )
    result.assert_outcomes(failed=3)
    assert "\x1b[31m" not in result.stdout.str()


def test_a_fault_of_ours_fails_no_test(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradscope.pytest_plugin import watching

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of our own")

    monkeypatch.setattr(watching, "judged", broken)
    result = run(pytester, "def test_one(): backward(Severed())\ndef test_two(): backward(Net())")
    result.assert_outcomes(passed=2)
    said = section(result)
    assert said[0].startswith("internal warning: a fault in gradscope ")
    assert "(test_it.py::test_one and 1 more test)" in said[0]
    assert sum("ZeroDivisionError: of our own" in line for line in said) == 1


def test_a_recorder_that_cannot_be_put_in_fails_no_test(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradscope.pytest_plugin import watching

    class Broken:
        def __init__(self, **_: object) -> None:
            raise ZeroDivisionError("of our own")

    monkeypatch.setattr(watching, "Recorder", Broken)
    result = run(pytester, "def test_one(): backward(Severed())")
    result.assert_outcomes(passed=1)
    assert "internal warning" in section(result)[0]


def test_output_is_captured_as_always(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
def test_prints(capsys):
    backward(Net())
    print("hello")
    assert capsys.readouterr().out == "hello\\n"
""",
    )
    result.assert_outcomes(passed=1)
