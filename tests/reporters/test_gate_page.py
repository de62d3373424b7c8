"""The terminal page and the JSON report of a gate."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from gradscope import reporters
from gradscope.reporters.schema_v1_gate import json_schema

from .samples import HOME, inplace
from .samples_gates import GATES, gate_mixed, gate_passed

GOLDEN = Path(__file__).parent / "golden_gates"
SCHEMA = Path(reporters.__file__).with_name("schema-v1-gate.json")
Compare = Callable[[Path, str], None]


def shown(name: str, format_name: str = "text", width: int = 80, *, redact: bool = False) -> str:
    out = io.StringIO()
    reporters.render_gate(format_name, GATES[name](), out, width=width, color=False, cwd=HOME, redact=redact)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", GATES)
def test_text(name: str, width: int, golden: Compare) -> None:
    golden(GOLDEN / f"{name}.{width}.txt", shown(name, width=width))


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", sorted(set(GATES) - {"gate_hostile"}))
def test_nothing_is_wider_than_asked_for(name: str, width: int) -> None:
    from gradscope.reporters.screen.page import cells

    assert [line for line in shown(name, width=width).splitlines() if cells(line) > width] == []


def test_the_schema_is_the_shipped_one(golden: Compare) -> None:
    golden(SCHEMA, json.dumps(json_schema(), indent=2) + "\n")


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_json_is_valid(name: str, redact: bool) -> None:
    report = json.loads(shown(name, "json", redact=redact))
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text())).validate(report)
    assert len(report["targets"]) == len(GATES[name]().outcomes)
    of_one = jsonschema.Draft202012Validator(json.loads(SCHEMA.with_name("schema-v1.json").read_text()))
    for target in report["targets"]:
        if target["report"] is not None:
            of_one.validate(target["report"])


def test_json_tells_the_outcomes() -> None:
    report = json.loads(shown("gate_mixed", "json"))
    assert report["exit_status"] == 1
    by_name = {target["name"]: target for target in report["targets"]}
    assert by_name["vision/train.py"]["report"]["findings"][0]["code"] == "GS102"
    assert by_name["loop.py"]["trouble"]["location"]["path"] == "loop.py"
    assert by_name["loop.py"]["report"] is None
    assert by_name["gan.py"]["drift"]["drifts"][1] == {
        "parameter": "head.bias",
        "figure": "norm",
        "before": 0.5,
        "now": None,
    }


def test_a_redacted_gate_tells_kinds_of_troubles_only() -> None:
    text = shown("gate_mixed", redact=True)
    assert "event.wait" not in text
    assert "HUNG: hung" in text
    assert HOME not in shown("gate_mixed", "json", redact=True)


def test_a_gate_passes_with_its_last_line() -> None:
    assert shown("gate_passed").splitlines()[-1] == "all 3 targets passed · no findings · 6.8 s"
    assert gate_mixed().counts() != gate_passed().counts()


@pytest.mark.parametrize("format_name", reporters.names())
def test_a_redacted_gate_holds_no_absolute_path(format_name: str) -> None:
    gate = gate_mixed()
    first = replace(gate.outcomes[0], name="/secret/train.py", target="/secret/train.py")
    hidden = replace(gate, outcomes=(first, *gate.outcomes[1:]), config="/secret/pyproject.toml")
    out = io.StringIO()
    reporters.render_gate(format_name, hidden, out, redact=True, cwd=HOME)
    assert "/secret" not in out.getvalue()
    assert HOME not in out.getvalue()


@pytest.mark.parametrize("redact", [False, True])
def test_an_explained_end_is_told_once(redact: bool) -> None:
    out = io.StringIO()
    reporters.render("concise", inplace(), out, cwd=HOME, redact=redact)
    assert len(out.getvalue().splitlines()) == 1
