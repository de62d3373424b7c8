"""What is said at the end of a pytest run: one line a finding, however many tests had it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gradscope import __version__
from gradscope.finding import Severity
from gradscope.pytest_plugin.told import Told, ToldFinding

_MOST = 40


@dataclass(slots=True)
class Folded:
    """One finding, and the tests that had it."""

    finding: ToldFinding
    tests: list[str] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The worst first; the same whatever order the tests ran in."""
        return (
            -Severity(self.finding["severity"]).rank,
            self.finding["code"],
            self.finding["at"],
            self.finding["key"],
        )


class Tally:
    """Adds up what the tests tell. It gets no more than a report of pytest carries."""

    def __init__(self) -> None:
        self._folded: dict[str, Folded] = {}
        self._faults: dict[str, list[str]] = {}
        self.tests = 0
        self.backwards = 0
        self.silenced = 0
        self.failed = 0
        self.told: list[Told] = []
        self.seconds: dict[str, float] = {}

    def add(self, told: Told, seconds: float = 0.0) -> None:
        """Takes in what one test told, and how long it ran. `tests` counts those that had a backward."""
        self.seconds[told["test"]] = seconds
        self.tests += told["backwards"] > 0
        self.backwards += told["backwards"]
        self.silenced += told["silenced"]
        self.failed += told["fails"]
        for fault in told["faults"]:
            self._faults.setdefault(fault, []).append(told["test"])
        for finding in told["findings"]:
            key = f"{finding['code']} {finding['key']}"
            folded = self._folded.setdefault(key, Folded(finding))
            # of several messages and severities the one that comes first in the alphabet, and the worst
            folded.finding = min((folded.finding, finding), key=_preference)
            if told["test"] not in folded.tests:
                folded.tests.append(told["test"])
        if told["report"]:
            self.told.append(told)

    def lines(self) -> list[str]:
        """The body of the section, empty where there is nothing to say of any test."""
        folded = sorted(self._folded.values(), key=lambda each: each.order)
        lines = [_line(each) for each in folded[:_MOST]]
        if len(folded) > _MOST:
            lines.append(f"... and {len(folded) - _MOST:,} more findings")
        return [*lines, *self._fault_lines()]

    def last_line(self) -> str:
        """The sum of it in one line."""
        if not self.tests and not self._folded and not self.failed:
            return "gradscope: no backward was watched"
        watched = f"{_counted(self.tests, 'test')} with {_counted(self.backwards, 'backward')} watched"
        found = "no findings" if not self._folded else _counted(len(self._folded), "finding")
        parts = [f"gradscope: {watched}, {found}"]
        if self.failed:
            parts.append(f"{_counted(self.failed, 'test')} failed by gradscope")
        if self.silenced:
            parts.append(f"{self.silenced:,} silenced")
        return ", ".join(parts)

    @property
    def has_findings(self) -> bool:
        """Whether any test had one that counts."""
        return bool(self._folded)

    def _fault_lines(self) -> list[str]:
        lines: list[str] = []
        for fault, tests in sorted(self._faults.items())[:1]:
            others = len(self._faults) - 1
            more = f", and {_counted(others, 'other fault')}" if others else ""
            lines += [
                f"internal warning: a fault in gradscope {__version__}, not in your tests, which did not "
                f"fail for it ({_tests(tests)}{more}). Please send this:",
                *(f"    {line}" for line in fault.splitlines()),
            ]
        return lines


def _preference(finding: ToldFinding) -> tuple[int, str]:
    return (-Severity(finding["severity"]).rank, finding["message"])


def _line(folded: Folded) -> str:
    finding = folded.finding
    at = f"{finding['at']} " if finding["at"] else ""
    return (
        f"{_tests(folded.tests)}  {at}{finding['severity']}[{finding['code']}] {finding['rule']}: "
        f"{finding['message']}"
    )


def _tests(tests: Sequence[str]) -> str:
    first = min(tests)
    return first if len(tests) == 1 else f"{first} and {_counted(len(tests) - 1, 'more test')}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
