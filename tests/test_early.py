"""Findings of a run that is still going on."""

from __future__ import annotations

from dataclasses import dataclass, field

from gradscope.early import EarlyFindings
from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Location, Severity


@dataclass
class Run:
    backward_passes: int = 0
    asked: list[int] = field(default_factory=list)

    def recording(self) -> Recording:
        self.asked.append(self.backward_passes)
        return Recording()


def finding(line: int, code: str = "GS102", **more: object) -> Finding:
    fields: dict[str, object] = {
        "severity": Severity.ERROR,
        "message": "",
        "location": Location("/home/ada/train.py", line, 3),
        **more,
    }
    return Finding(code, "severed-gradient", **fields)  # type: ignore[arg-type]


def test_it_looks_ever_more_seldom() -> None:
    run = Run()
    early = EarlyFindings(lambda _: (), "/home/ada")
    for run.backward_passes in range(1, 3000):
        assert early.lines(run) == []
    assert run.asked == [32, 128, 512, 2048]


def test_each_line_is_told_once_and_only_what_is_sure() -> None:
    found = [
        finding(31),
        finding(32, severity=Severity.WARNING),
        finding(33, confidence=Confidence.PROBABLE),
        finding(0, location=None),
    ]
    early = EarlyFindings(lambda _: found, "/home/ada")
    assert early.lines(Run(40)) == ["gradscope, so far: error[GS102] severed-gradient at train.py:31"]
    found.append(finding(31, "GS501"))
    assert early.lines(Run(50)) == []
    assert early.lines(Run(400)) == ["gradscope, so far: error[GS501] severed-gradient at train.py:31"]
    assert early.lines(Run(4000)) == []


def test_a_path_cannot_break_out_of_its_line() -> None:
    place = Location("/home/ada/a\n\x1b[31mb.py", 1)
    early = EarlyFindings(lambda _: [finding(1, location=place)], "/home/ada")
    (line,) = early.lines(Run(32))
    assert line.isprintable()
