"""What a recording stands back for."""

from __future__ import annotations

import pytest
import torch

import gradscope
from gradscope.pytest_plugin.watching import Watch, report_of
from gradscope.recorder import Recorder, interruption
from tests.pytest_plugin.suites import nothing_left, run, section

pytest_plugins = ["pytester"]


def backward() -> None:
    torch.ones(2, requires_grad=True).sum().backward()


def passes(watch: Watch) -> int:
    return sum(each.backward_passes for each in watch.recordings())


def test_a_recording_goes_on_after_another_one() -> None:
    watch = Watch()
    with nothing_left():
        watch.begin()
        backward()
        with gradscope.trace() as trace:
            backward()
            backward()
        backward()
        assert passes(watch) == 2
        watch.end()
    assert trace.recording.backward_passes == 2
    assert passes(watch) == 2
    assert len(watch.recordings()) == 2


def test_it_goes_on_where_the_other_one_could_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, other = Watch(), Recorder()
    monkeypatch.setattr(other._precision, "install", lambda _: 1 / 0)
    with nothing_left():
        watch.begin()
        with pytest.raises(ZeroDivisionError):
            other.__enter__()
        backward()
        watch.end()
    assert passes(watch) == 1


def test_one_recorder_alone_interrupts_nothing() -> None:
    stay = interruption.begin()
    assert stay.of is None
    stay.end()


def test_a_watch_that_has_ended_is_not_gone_on_with() -> None:
    watch = Watch()
    watch.begin()
    watch.end()
    with nothing_left(), gradscope.trace():
        backward()
    assert passes(watch) == 0


def test_reports_of_the_parts_are_one() -> None:
    watch = Watch()
    watch.begin()
    backward()
    with gradscope.trace():
        pass
    backward()
    watch.end()
    report = report_of(watch.recordings(), "test")
    assert report.recording.backward_passes == 2
    assert report.environment["torch"] == torch.__version__


def test_gradcheck_judges_by_itself(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
from torch.autograd import gradcheck, gradgradcheck
def square(x): return x * x
def test_checked():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(square, x)
    assert torch.autograd.gradcheck(square, (x,), fast_mode=True)
    assert gradgradcheck(square, x)
def test_wrong():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x): return x * 2
        @staticmethod
        def backward(ctx, gradient): return gradient * 3
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RuntimeError):
        gradcheck(Wrong.apply, x)
def test_goes_on():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(square, x)
    backward(Severed())
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    assert section(result)[0].startswith("test_it.py::test_goes_on  nets.py:15:18 error[GS102]")
    assert "1 test with 1 backward watched" in section(result)[1]
