"""GitHub annotations, read by the grammar of GitHub's own runner: ActionCommand.cs of actions/runner."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gradscope import reporters
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict, single
from gradscope.report import Report

from .rendering import SAMPLES
from .samples import HOME, cut, report
from .samples_gates import GATES, gate_mixed

LEVELS = ("error", "warning", "notice")


@pytest.fixture(autouse=True)
def _outside_of_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


@dataclass(frozen=True)
class Command:
    name: str
    properties: dict[str, str]
    data: str


def unescaped(text: str, *tokens: str) -> str:
    """As the runner does: one token after the other, the sign of per cent last."""
    for token in (*tokens, "%"):
        text = text.replace(f"%{ord(token):02X}", token)
    return text


def parsed(line: str) -> Command:
    line = line.lstrip()
    assert line.startswith("::")
    end = line.index("::", 2)
    name, _, given = line[2:end].partition(" ")
    assert name in LEVELS
    pairs = [pair.split("=", 1) for pair in given.strip().split(",") if pair]
    assert all(len(pair) == 2 for pair in pairs)
    properties = {key: unescaped(value, "\r", "\n", ":", ",") for key, value in pairs}
    return Command(name, properties, unescaped(line[end + 2 :], "\r", "\n"))


def shown(gate: GateReport, *, cwd: str = HOME, redact: bool = False) -> str:
    out = io.StringIO()
    reporters.render_gate("github", gate, out, cwd=cwd, redact=redact)
    return out.getvalue()


def commands(of: GateReport | Report, *, cwd: str = HOME, redact: bool = False) -> list[Command]:
    gate = single(of) if isinstance(of, Report) else of
    text = shown(gate, cwd=cwd, redact=redact)
    assert not text or text.endswith("\n")
    return [parsed(line) for line in re.split("[\r\n]", text)[:-1]]


def is_as_the_runner_wants_it(command: Command) -> bool:
    """ValidateLinesAndColumns of the runner, which drops what does not go together."""
    told = {key: int(value) for key, value in command.properties.items() if key not in ("file", "title")}
    columns = {"col", "endColumn"} & told.keys()
    return (
        command.properties.keys() <= {"file", "line", "endLine", "col", "endColumn", "title"}
        and ("line" in told) == ("file" in command.properties)
        and told.get("endLine", 0) >= told.get("line", 0) * ("endLine" in told)
        and not (columns and told.get("endLine", told["line"]) != told["line"])
        and told.get("endColumn", 10**9) >= told.get("col", 0)
        and ("col" in told or "endColumn" not in told)
        and len(command.properties["title"]) <= 255
        and len(command.data.encode("utf-16-le")) <= 2 * 4096
    )


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_report_is_an_annotation_a_finding(name: str, redact: bool) -> None:
    of = SAMPLES[name]()
    found = commands(of, redact=redact)
    (outcome,) = single(of).outcomes
    own = outcome.verdict is not Verdict.PASSED and not (outcome.failing and outcome.trouble is None)
    assert len(found) == len(of.findings) + own
    assert [LEVELS.index(each.name) for each in found] == sorted(LEVELS.index(each.name) for each in found)
    assert [each for each in found if not is_as_the_runner_wants_it(each)] == []


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_a_gate_is_annotated(name: str, redact: bool) -> None:
    found = commands(GATES[name](), redact=redact)
    assert [each for each in found if not is_as_the_runner_wants_it(each)] == []
    assert any(each.name == "error" for each in found) == (
        GATES[name]().counts()[Verdict.PASSED] < len(GATES[name]().outcomes)
    )


def test_a_finding_at_its_place() -> None:
    (command,) = commands(cut())
    assert command.name == "error"
    assert command.properties == {
        "file": "train.py",
        "line": "36",
        "col": "37",
        "endLine": "36",
        "endColumn": "46",
        "title": "GS102 severed-gradient",
    }
    first, second, third, *_, fix, more = command.data.split("\n")
    assert first == "encoder.* (6 parameters) gets no gradient: it stops at detach()"
    assert second == "the gradient stops here"
    assert third == "train.py:36:13: the value goes on from here"
    assert fix.startswith("fix: stay in torch: smooth() can be a conv1d; or, if this stop is meant, freeze")
    assert more == "more: gradscope explain GS102"


def at(location: Location | None, cwd: str = HOME) -> Command:
    finding = replace(cut().findings[0], location=location)
    (command,) = commands(replace(cut(), findings=(finding,)), cwd=cwd)
    assert is_as_the_runner_wants_it(command)
    return command


def test_a_place_of_several_lines_has_no_columns() -> None:
    properties = at(Location(f"{HOME}/train.py", 3, 5, 7, 9)).properties
    assert {"line": "3", "endLine": "7"}.items() <= properties.items()
    assert not {"col", "endColumn"} & properties.keys()


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/usr/lib/flows.py", "/usr/lib/flows.py:3:1"),
        ("<stdin>", "<stdin>:3:1"),
        ("../up.py", "../up.py:3:1"),
    ],
)
def test_a_place_outside_of_the_repository_is_named_in_the_message(path: str, named: str) -> None:
    command = at(Location(path, 3, 1))
    assert command.properties == {"title": "GS102 severed-gradient"}
    assert command.data.startswith(f"{named}: encoder.* (6 parameters)")


def test_a_finding_without_a_place_has_no_file() -> None:
    command = at(None)
    assert command.properties == {"title": "GS102 severed-gradient"}
    assert command.data.startswith("encoder.*")


def test_files_are_relative_to_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "models"
    inside.mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    place = Location(str(inside / "train.py"), 3)
    assert at(place, str(inside)).properties["file"] == "train.py"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert at(place, str(inside)).properties["file"] == "models/train.py"
    assert at(Location("train.py", 3), str(inside)).properties["file"] == "models/train.py"
    assert at(Location(str(tmp_path / "a.py"), 3), str(inside)).properties["file"] == "a.py"
    assert at(place, str(tmp_path)).properties["file"] == "models/train.py"
    assert at(place, "/elsewhere").properties.get("file") is None
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "link"))
    assert at(place, str(inside)).properties["file"] == "models/train.py"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "other"))
    assert at(place, str(inside)).properties["file"] == "train.py"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "mod"))  # no folder of the path, but its beginning
    assert at(place, str(inside)).properties["file"] == "train.py"


HOSTILE = "a,b=c:d::e%0A%2C%25\r\n::error::x\x1b[31m\ud800]##[add-mask]"


def test_no_name_ends_a_command_or_begins_one() -> None:
    finding = Finding("GS101", "no-graph", Severity.ERROR, HOSTILE, Location(f"{HOME}/{HOSTILE}.py", 1, 1))
    of = report(Recording(backward_passes=1), replace(finding, label=HOSTILE, fix=HOSTILE), target=HOSTILE)
    gate = GateReport((replace(single(of).outcomes[0], name=HOSTILE),))
    (command,) = commands(gate)
    shown_as = "a,b=c:d::e%0A%2C%25\\r\\n::error::x\\x1b[31m\\ud800]##[add-mask]"
    assert command.properties["file"] == f"{shown_as}.py"
    assert command.properties["title"] == f"GS101 no-graph ({shown_as})"
    assert command.data.startswith(f"{shown_as}\n{shown_as}\nfix:\n")
    shown(gate).encode()


@pytest.mark.parametrize("kind", TroubleKind)
def test_a_trouble_is_an_error(kind: TroubleKind) -> None:
    trouble = Trouble(kind, "it went wrong", ("one", "\ttwo"), Location(f"{HOME}/loop.py", 12))
    outcome = Outcome("slow", "trace", "loop.py", Verdict.BROKEN, trouble=trouble)
    (command,) = commands(GateReport((replace(outcome, stated_at=Location(f"{HOME}/pyproject.toml", 7)),)))
    title = f"gradscope trace: slow: {kind.value}"
    assert command == Command(
        "error", {"file": "loop.py", "line": "12", "title": title}, "it went wrong\none\n    two"
    )
    unplaced = replace(
        outcome, trouble=replace(trouble, location=None), stated_at=Location(f"{HOME}/pyproject.toml", 7)
    )
    (command,) = commands(GateReport((unplaced,)))
    assert command.properties == {"file": "pyproject.toml", "line": "7", "title": title}


def test_a_budget_that_no_plan_keeps_is_told() -> None:
    (command,) = commands(SAMPLES["memory_floor"]())
    assert (command.name, command.data) == ("error", "no plan stays within the budget")


def test_a_finding_of_several_targets_is_told_once() -> None:
    seen_less = replace(cut().findings[0], severity=Severity.WARNING, count=2)
    outcomes = [replace(single(cut()).outcomes[0], name=name) for name in ("a", "b", "c", "d", "e")]
    outcomes[0] = replace(outcomes[0], report=replace(cut(), findings=(seen_less,)))
    (command,) = commands(GateReport(tuple(outcomes)))
    assert command.name == "error"
    assert command.properties["title"] == "GS102 severed-gradient (a, b, c and 2 more)"


def many(**counts: int) -> GateReport:
    severities = {"error": Severity.ERROR, "warning": Severity.WARNING, "notice": Severity.INFO}
    findings = [
        replace(
            cut().findings[0], severity=severities[level], location=Location(f"{HOME}/{level}.py", number)
        )
        for level, count in counts.items()
        for number in range(1, count + 1)
    ]
    return single(replace(cut(), findings=tuple(findings)))


def test_what_github_does_not_show_is_counted_in_what_it_shows() -> None:
    found = commands(many(notice=12, error=11, warning=10))
    assert [each.name for each in found] == ["error"] * 11 + ["warning"] * 10 + ["notice"] * 13
    told = found[21]
    assert told.properties == {"title": "gradscope"}
    assert told.data.startswith("in the log alone: 4 of gradscope's 33 annotations; GitHub shows 10 errors")
    assert len(commands(many(error=10, warning=10, notice=10))) == 30
    counted = commands(many(error=12))
    assert counted[-1].data.startswith("in the log alone: 2 of gradscope's 12 annotations")
    assert commands(many(error=11, notice=10))[11].data.startswith("in the log alone: 2 of")


def test_a_long_message_is_cut_where_github_cuts_it() -> None:
    of = cut()
    long = replace(of.findings[0], message="\U0001f525" * 5000)
    (command,) = commands(replace(of, findings=(long,)))
    assert command.data.endswith("\U0001f525 ...")
    assert len(command.data.encode("utf-16-le")) == 2 * 4096
    gate = replace(single(of), is_gate=True)
    (command,) = commands(replace(gate, outcomes=(replace(gate.outcomes[0], name="x" * 999),)))
    assert len(command.properties["title"]) == 200


def test_a_healthy_run_says_nothing() -> None:
    assert shown(GATES["gate_passed"]()) == ""
    assert commands(gate_mixed()) != []
