"""GitLab's code quality report: the fields that its documentation asks for, and nothing twice."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, single
from gradscope.report import Report
from gradscope.reporters import format_for, render, render_gate

from .memory_examples import memory_floor
from .rendering import SAMPLES
from .samples import HOME, LIBRARY, cut, inplace, report
from .samples_frames import hostile, several_files
from .samples_gates import GATES, gate_hostile, gate_mixed
from .samples_models import gpt
from .sarif_logs import results, strings, troubles


def written(shown: Report | GateReport, *, redact: bool = False) -> str:
    out = io.StringIO()
    if isinstance(shown, GateReport):
        render_gate("gitlab", shown, out, redact=redact, cwd=HOME)
    else:
        render("gitlab", shown, out, redact=redact, cwd=HOME)
    return out.getvalue()


def entries(shown: Report | GateReport, *, redact: bool = False) -> list[dict[str, Any]]:
    """The entries, each as GitLab documents it."""
    found: list[dict[str, Any]] = json.loads(written(shown, redact=redact))
    for each in found:
        assert set(each) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert all(isinstance(each[name], str) and each[name] for name in set(each) - {"location"})
        assert each["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert set(each["location"]) == {"path", "lines"}
        path, lines = each["location"]["path"], each["location"]["lines"]
        assert path
        assert not path.startswith(("/", "./", "file:"))
        assert 0 < lines["begin"] <= lines.get("end", lines["begin"])
    prints = [each["fingerprint"] for each in found]
    assert len(set(prints)) == len(prints)
    return found


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_report_is_as_documented(name: str, redact: bool) -> None:
    whole = SAMPLES[name]()
    codes = [each["check_name"] for each in entries(whole, redact=redact)]
    assert codes[: len(codes) - troubles(single(whole))] == [each.code for each in whole.findings]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_as_documented(name: str, redact: bool) -> None:
    gate = GATES[name]()
    findings = sum(len(each.findings) for each in gate.reports())
    assert len(entries(gate, redact=redact)) == findings + troubles(gate)


def test_an_entry_has_the_fields_of_a_linter_that_gitlab_reads() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--isolated", "--output-format", "gitlab", "-"],
        input="import os\n",
        capture_output=True,
        encoding="utf-8",
    )
    theirs = json.loads(done.stdout)[0]
    (ours,) = entries(cut())
    assert set(ours) == set(theirs)
    assert {name: type(value) for name, value in ours.items()} == {
        name: type(value) for name, value in theirs.items()
    }
    assert theirs["description"].startswith(f"{theirs['check_name']}: ")


def test_an_entry_says_where_what_and_what_to_do() -> None:
    (found,) = entries(cut())
    assert found["description"] == (
        "GS102: encoder.* (6 parameters) gets no gradient: it stops at detach(); fix: stay in torch: smooth()"
        " can be a conv1d; or, if this stop is meant, freeze the encoder (requires_grad_(False)) so that the"
        " optimizer leaves it alone"
    )
    assert (found["check_name"], found["severity"]) == ("GS102", "critical")
    assert found["location"] == {"path": "train.py", "lines": {"begin": 36}}


def test_severities_and_regions() -> None:
    base = cut().findings[0]
    where = Location(f"{HOME}/train.py", 36, 3, 38, 9)
    findings = [replace(base, severity=each, location=where) for each in Severity]
    found = entries(report(gpt().recording, *findings))
    assert [each["severity"] for each in found] == ["critical", "major", "info"]
    assert found[0]["location"]["lines"] == {"begin": 36, "end": 38}


def test_a_file_of_an_installed_package_has_the_same_path_everywhere() -> None:
    finding = replace(several_files().findings[0], location=Location(LIBRARY, 51))
    (found,) = entries(report(gpt().recording, finding))
    assert found["location"]["path"] == "site-packages/flows/layers.py"


def test_a_finding_without_a_place_is_on_the_first_line_of_what_was_run() -> None:
    finding = Finding("GS404", "vanishing-gradient", Severity.WARNING, "the gradient vanishes")
    (found,) = entries(report(gpt().recording, finding))
    assert found["location"] == {"path": "train.py", "lines": {"begin": 1}}
    assert found["description"] == "GS404: the gradient vanishes"


def test_fingerprints_are_those_of_other_formats_and_unique() -> None:
    (found,) = entries(cut())
    (result,) = results(cut())
    assert result["partialFingerprints"]["gradscope/v1"] == f"{found['fingerprint']}:1"
    assert re.fullmatch("[0-9a-f]{32}", found["fingerprint"])
    again = replace(cut(), findings=(replace(cut().findings[0], message="in other words"),))
    gate = GateReport((*single(cut()).outcomes, *single(again).outcomes))
    assert [each["fingerprint"] for each in entries(gate)][1] == f"{found['fingerprint']}:2"


def test_the_finding_of_several_targets_is_one_entry() -> None:
    (found,) = entries(GateReport((*single(cut()).outcomes, *single(cut()).outcomes)))
    assert found == entries(cut())[0]


def test_paths_are_relative_to_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI_PROJECT_DIR", "/home/ada")
    for redact in (False, True):
        (found,) = entries(cut(), redact=redact)
        assert found["location"]["path"] == "project/train.py"
    monkeypatch.setenv("CI_PROJECT_DIR", "/builds/ada")
    assert entries(cut())[0]["location"]["path"] == "train.py"


def test_a_budget_that_nothing_fits_is_an_entry() -> None:
    (found,) = entries(memory_floor())
    assert (found["check_name"], found["severity"]) == ("failed", "critical")
    assert found["description"].endswith(": no plan stays within the budget")


def test_targets_that_could_not_be_judged_are_entries() -> None:
    found = {
        each["check_name"]: each for each in entries(gate_mixed()) if not each["check_name"].startswith("GS")
    }
    assert list(found) == ["hung", "crashed", "out-of-memory", "not-run", "expected-finding-missing"]
    assert found["hung"]["severity"] == "blocker"
    assert found["hung"]["description"] == "loop.py: stopped after 60 s, at its time limit, in wait"
    assert found["hung"]["location"] == {"path": "loop.py", "lines": {"begin": 12}}
    assert found["crashed"]["location"] == {"path": "pyproject.toml", "lines": {"begin": 25}}
    assert found["expected-finding-missing"]["severity"] == "critical"


def test_an_error_that_a_finding_explains_is_told_once() -> None:
    assert [each["check_name"] for each in entries(inplace())] == ["GS201"]


def test_a_healthy_program_gives_an_empty_list() -> None:
    assert written(gpt()) == "[]\n"
    assert written(GATES["gate_passed"]()) == "[]\n"


@pytest.mark.parametrize("shown", [hostile(), gate_hostile()], ids=["report", "gate"])
def test_hostile_names_are_carried_harmlessly(shown: Report | GateReport) -> None:
    text = written(shown)
    assert text.isascii()
    assert all(each.isprintable() for each in strings(json.loads(text)))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_redacted_report_has_no_absolute_path(name: str) -> None:
    text = written(SAMPLES[name](), redact=True)
    assert not any(path in text for path in ("/home", "/usr"))


def test_its_endings() -> None:
    assert format_for("gl-code-quality-report.json") == "gitlab"
    assert format_for("build/gradscope.codequality.json") == "gitlab"
    assert format_for("gradscope.json") == "json"
