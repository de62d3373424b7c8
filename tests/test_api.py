"""The Python interface."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from torch import nn

import gradscope
from gradscope.errors import Fault, UsageError
from gradscope.recorder import Recorder


def severed() -> None:
    first, second = nn.Linear(3, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        second(first(torch.randn(8, 3)).detach()).sum().backward()
        optimizer.step()


def test_a_block_is_traced() -> None:
    with gradscope.trace() as trace:
        severed()
    assert [finding.code for finding in trace.findings] == ["GS102"]
    finding = trace.findings[0]
    assert finding.location is not None
    assert finding.location.path == __file__
    assert finding.location.line == severed.__code__.co_firstlineno + 5
    assert trace.recording.steps == 2
    assert trace.report.findings is trace.findings
    assert repr(trace) == "<gradscope.trace: 1 findings, 2 backwards>"


def test_it_prints_and_writes_what_the_command_does() -> None:
    with gradscope.trace() as trace:
        severed()
    out = io.StringIO()
    trace.show(out, width=80)
    assert out.getvalue().startswith("error[GS102] severed-gradient: ")
    assert str(trace).splitlines()[-1].startswith("1 error · 2 steps · 2 backwards watched")
    assert json.loads(trace.json())["findings"][0]["code"] == "GS102"
    assert __file__ not in trace.json(redact=True)


def test_show_writes_to_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    with gradscope.trace() as trace:
        torch.ones(2, requires_grad=True).sum().backward()
    trace.show()
    assert "no findings · 1 backward watched" in capsys.readouterr().out


def test_an_exception_goes_on_and_the_report_is_there() -> None:
    def failing() -> None:
        with trace:
            torch.ones(2, requires_grad=True).sum().backward()
            raise ValueError("theirs")

    trace = gradscope.trace()
    with pytest.raises(ValueError, match="theirs"):
        failing()
    assert trace.recording.backward_passes == 1
    error = trace.recording.program.error
    assert error is not None
    assert error.type == "ValueError"
    assert "gradscope/api.py" not in error.rendered


def test_rules_are_selected_by_code_prefix_and_name() -> None:
    for chosen in ({"ignore": ["severed-gradient"]}, {"select": ["GS2", "GS401"]}):
        with gradscope.trace(**chosen) as trace:  # type: ignore[arg-type]
            severed()
        assert trace.findings == ()
    with pytest.raises(UsageError, match="no such rule"):
        gradscope.trace(select=["GS999"])


def test_no_configuration_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.gradscope]\nignore = ['GS102']", encoding="utf-8")
    with gradscope.trace() as trace:
        severed()
    assert [finding.code for finding in trace.findings] == ["GS102"]


def test_what_was_ignored_is_told() -> None:
    with gradscope.trace(ignore="severed-gradient") as trace:
        severed()
    assert [(each.finding.code, each.by) for each in trace.report.suppressed] == [
        ("GS102", "ignore=severed-gradient")
    ]


@pytest.mark.parametrize("broken", ["__enter__", "recording"])
def test_a_fault_of_ours_is_told_when_the_trace_is_read(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr(Recorder, broken, fail)
    with gradscope.trace() as trace:
        ran = True
    assert ran
    with pytest.raises(Fault, match="a fault in gradscope, not in your program") as caught:
        _ = trace.findings
    assert isinstance(caught.value.__cause__, KeyError)


def test_nothing_can_be_read_before_the_block_was_left() -> None:
    with gradscope.trace() as trace:
        with pytest.raises(RuntimeError, match="read it after its with block"):
            _ = trace.findings
        assert repr(trace) == "<gradscope.trace: not finished>"
