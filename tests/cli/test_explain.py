"""`gradscope explain`."""

from __future__ import annotations

import json

import pytest

from gradscope.cli import run
from gradscope.exits import ExitStatus
from gradscope.rules import all_rules


@pytest.mark.parametrize("name", ["GS102", "gs102", "severed-gradient", "Severed-Gradient"])
def test_a_rule_is_found_by_code_and_by_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", name]) == ExitStatus.OK
    assert capsys.readouterr().out.startswith("GS102 severed-gradient  (error)\n")


@pytest.mark.parametrize("code", list(all_rules()))
def test_a_page_fits_the_screen_and_keeps_its_code(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", code]) == ExitStatus.OK
    out = capsys.readouterr().out
    assert "```" not in out
    page = all_rules()[code].page
    in_code = False
    for line in page.splitlines():
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif in_code:
            assert line in out.splitlines()
    prose = [line for line in out.splitlines() if line not in page.splitlines()]
    assert max(map(len, prose)) <= 80
    for heading in ("What it finds", "Why it matters", "Example", "Use instead", "Limits"):
        assert f"\n{heading}\n" in out


def test_the_list_names_every_rule_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "--list"]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if line.startswith("GS")] == [
        [rule.code, rule.slug, rule.severity.value] for rule in all_rules().values()
    ]


def test_the_beginning_of_codes_lists_the_family(capsys: pytest.CaptureFixture[str]) -> None:
    family = [code for code in all_rules() if code.startswith("GS4")]
    assert run(["explain", "gs4"]) == ExitStatus.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("GS")] == family
    assert run(["explain", "GS4", "--format", "json"]) == ExitStatus.OK
    assert [each["code"] for each in json.loads(capsys.readouterr().out)] == family


def test_machines_get_the_whole_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "GS102", "--format", "json"]) == ExitStatus.OK
    found = json.loads(capsys.readouterr().out)
    rule = all_rules()["GS102"]
    assert found == {
        "code": "GS102",
        "rule": "severed-gradient",
        "severity": "error",
        "summary": rule.summary,
        "page": rule.page,
    }
    assert run(["explain", "--list", "--format", "json"]) == ExitStatus.OK
    assert [each["code"] for each in json.loads(capsys.readouterr().out)] == list(all_rules())


def test_a_word_leads_to_the_pages_that_speak_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "argmax"]) == ExitStatus.USAGE
    err = capsys.readouterr().err
    assert "error: torch has no derivative of argmax, so it leaves no node\n" in err
    assert "gradscope explain GS102  (its page speaks of argmax)" in err


@pytest.mark.parametrize("name", ["GS999", "severed-gradien"])
def test_what_can_only_be_a_rule_is_not_looked_for_in_torch(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradscope.formulas.table.table", lambda: pytest.fail("not needed"))
    assert run(["explain", name]) == ExitStatus.USAGE
    assert f"error: no rule {name}" in capsys.readouterr().err


def test_nothing_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain"]) == ExitStatus.USAGE
    assert "say which rule or node" in capsys.readouterr().err
    assert run(["explain", ""]) == ExitStatus.USAGE
