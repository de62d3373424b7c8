"""The JSON report: its schema, its numbers, and strings from hostile programs."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from gradscope import __version__, facts, reporters
from gradscope.finding import Location
from gradscope.reporters import schema_v1_check, schema_v1_functions
from gradscope.reporters.json import laid_out, portable
from gradscope.reporters.schema_v1 import Report as ReportV1
from gradscope.reporters.schema_v1 import json_schema

from .rendering import SAMPLES, json_text
from .samples import HOME, cut, nan_birth
from .samples_checks_pictures import checks_sweep
from .samples_checks_rules import checks_every_rule, checks_model
from .samples_frames import hostile, several_files
from .samples_lessons import chain_rule, interrupted
from .samples_loops import training_loop

SCHEMA = Path(reporters.__file__).with_name("schema-v1.json")


def strictly(text: str) -> Any:
    """The parsed text; raises where it holds NaN or Infinity as bare words, which are not JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_shipped_schema_is_the_types(golden: Callable[[Path, str], None]) -> None:
    golden(SCHEMA, json.dumps(json_schema(), indent=2) + "\n")


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    """Of the shipped schema, which is one."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_reports_are_valid(name: str, redact: bool, validator: jsonschema.Draft202012Validator) -> None:
    report = strictly(json_text(SAMPLES[name](), redact=redact))
    validator.validate(report)
    msgspec.convert(report, ReportV1)


def test_the_schema_refuses_what_is_not_a_report() -> None:
    report = strictly(json_text(cut()))
    report["findings"][0]["severity"] = "catastrophe"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_nonfinite_numbers_survive_as_words() -> None:
    report = strictly(json_text(nan_birth()))
    assert report["findings"][0]["evidence"] == {
        "smallest": 0.0,
        "incoming": "NaN",
        "values": ["Infinity", "-Infinity", 1.5],
    }
    assert report["backwards"][0]["last_loss"] == "NaN"
    assert report["parameters"][0]["gradient"]["norm"] == "NaN"


def test_portable_reaches_every_level() -> None:
    nested = {"a": [{"b": (math.nan, [math.inf])}], "c": -math.inf, "d": [1, True, None, "NaN", 0.5]}
    assert portable(nested) == {
        "a": [{"b": ["NaN", ["Infinity"]]}],
        "c": "-Infinity",
        "d": [1, True, None, "NaN", 0.5],
    }
    assert portable({"k\udcff": "v\ud800"}) == {"k\\udcff": "v\\ud800"}


def test_the_outer_shape() -> None:
    report = strictly(json_text(cut()))
    assert list(report)[:6] == ["schema_version", "gradscope", "torch", "device", "command", "target"]
    assert (report["schema_version"], report["gradscope"], report["torch"]) == ("1", __version__, "2.13.0")
    finding = report["findings"][0]
    assert (finding["code"], finding["rule"], finding["severity"]) == ("GS102", "severed-gradient", "error")
    assert finding["location"] == {
        "path": "train.py",
        "line": 36,
        "column": 37,
        "end_line": 36,
        "end_column": 47,
        "function": "SmoothingNet.forward",
        "module": "",
    }
    related = {key: finding["related"][0][key] for key in ("path", "line", "message")}
    assert related == {"path": "train.py", "line": 36, "message": "the value goes on from here"}
    assert report["parameters"][0]["gradient"] is None
    assert report["parameters"][-1]["gradient"]["backwards"] == 1
    assert report["program"] == {
        "exit_status": 0,
        "error": None,
        "interrupted": False,
        "stopped_after_steps": None,
    }


def test_locations_may_be_null_and_paths_absolute() -> None:
    report = strictly(json_text(several_files()))
    assert report["findings"][2]["location"] is None
    assert report["findings"][0]["related"][3]["path"].startswith("/usr/lib/")
    assert report["findings"][0]["location"]["path"] == "engine/step.py"


def test_consequences_stand_in_their_cause() -> None:
    (finding,) = strictly(json_text(nan_birth()))["findings"]
    (consequence,) = finding["consequences"]
    assert list(consequence) == ["rule", "code", "severity", "message", "location"]
    assert consequence["location"]["line"] == 40


def test_chains_are_rows_with_terms() -> None:
    (chain,) = strictly(json_text(chain_rule()))["chains"]
    assert [row["name"] for row in chain["rows"]] == ["c", "b", "a", "x"]
    assert chain["rows"][0]["local"] == [{"input": "b", "value": 14.0}]
    assert chain["rows"][-1]["outgoing"] == [{"input": "x", "value": 42.0}]


def test_the_end_of_the_program() -> None:
    program = strictly(json_text(interrupted()))["program"]
    assert program == {"exit_status": 130, "error": None, "interrupted": True, "stopped_after_steps": None}


def test_strange_strings_come_through() -> None:
    text = json_text(hostile())
    report = strictly(text)
    assert report["findings"][0]["subjects"][:3] == ["grad[i]", "[/red]", ":smile:"]
    assert "\\udcff" in report["findings"][0]["label"]
    assert "\x1b" in report["findings"][0]["label"]
    assert "\x1b" not in text
    text.encode("utf-8")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_stream_gets_the_same_report(encoding: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding)
    report = replace(cut(), target="損失\N{PILE OF POO}.py")
    reporters.render("json", report, out, cwd=HOME)
    out.flush()
    assert strictly(raw.getvalue().decode(encoding))["target"] == report.target


def test_the_same_report_is_the_same_text() -> None:
    assert json_text(nan_birth()) == json_text(nan_birth())


def test_evidence_keeps_its_order_and_tuples_are_lists() -> None:
    finding = replace(cut().findings[0], evidence={"z": 1, "a": [2], "m": (3, math.nan)})  # type: ignore[dict-item]
    report = strictly(json_text(replace(cut(), findings=(finding,))))
    assert list(report["findings"][0]["evidence"].items()) == [("z", 1), ("a", [2]), ("m", [3, "NaN"])]


def test_what_fits_on_a_line_takes_one() -> None:
    assert laid_out({"a": [1, 2], "b": {}}) == '{"a": [1, 2], "b": {}}'
    long = {"a": ["x" * 100, "y" * 100]}
    assert laid_out(long) == f'{{\n  "a": [\n    "{"x" * 100}",\n    "{"y" * 100}"\n  ]\n}}'
    assert json.loads(laid_out(long)) == long
    assert laid_out([]) == "[]"


def test_a_location_without_columns() -> None:
    finding = replace(cut().findings[0], location=Location("<stdin>", 3))
    location = strictly(json_text(replace(cut(), findings=(finding,))))["findings"][0]["location"]
    assert (location["path"], location["column"], location["end_line"]) == ("<stdin>", None, None)


def test_the_loop_and_the_hooks() -> None:
    whole = strictly(json_text(training_loop()))
    loop, hooks = whole["loop"], whole["hooks"]
    assert (loop["steps"], loop["usual"], loop["orders"], loop["left_out"]) == (400, 310, 4, 1)
    assert [phase["kind"] for phase in loop["phases"]][:5] == ["forward", "loss", "backward", "clip", "step"]
    assert loop["phases"][2]["last"] == "Infinity"
    assert hooks[0]["changes"][0] == {
        "effect": "scaled",
        "count": 79,
        "before": 1.31,
        "after": 0.655,
        "factor": 0.5,
    }
    assert hooks[2]["location"] is None
    assert hooks[3]["changes"] == []
    assert strictly(json_text(interrupted()))["loop"] is None


def test_the_loop_and_the_hooks_without_values() -> None:
    whole = strictly(json_text(training_loop(), redact=True))
    phases, hooks = whole["loop"]["phases"], whole["hooks"]
    assert {phase["first"] for phase in phases} | {phase["last"] for phase in phases} == {None}
    assert {change[key] for hook in hooks for change in hook["changes"] for key in ("before", "factor")} == {
        None
    }
    assert hooks[0]["on"] == ["encoder.weight", "encoder.bias", "head.weight", "head.bias"]


def test_a_check_stands_under_its_own_name() -> None:
    assert strictly(json_text(cut()))["check"] is None
    whole = strictly(json_text(checks_every_rule()))["check"]
    assert [function["name"] for function in whole["functions"]] == ["LayerNorm", "RMSNorm", "Scale", "Swish"]
    wrong = whole["functions"][0]["wrong_gradients"][0]
    assert (wrong["element"], wrong["analytical"], wrong["numerical"]) == ([2, 7], 0.73118, 0.71552)
    assert whole["functions"][0]["samples"][0]["origin"] == "inferred"
    assert whole["models"] == []


def test_a_checked_model_stands_beside_the_functions() -> None:
    whole = strictly(json_text(checks_model()))["check"]
    net, head = whole["models"]
    assert (net["module"]["name"], net["function"]["name"]) == ("blocks.0.norm", "LayerNorm")
    assert [one["name"] for one in net["wrong"]] == ["blocks.0.proj.weight", "blocks.0.proj.bias"]
    assert net["unreached"][0]["analytical"] is None
    assert (head["module"], head["function"], whole["functions"]) == (None, None, [])


def test_gaps_in_a_curve_survive_as_words() -> None:
    (curve,) = strictly(json_text(checks_sweep()))["check"]["functions"][0]["curves"]
    assert curve["numerical"][30] == "NaN"
    assert len(curve["at"]) == len(curve["backward"]) == 61


def test_a_check_without_values_has_null_for_each() -> None:
    whole = strictly(json_text(checks_every_rule(), redact=True))["check"]
    wrong = whole["functions"][0]["wrong_gradients"][0]
    assert (wrong["analytical"], wrong["numerical"], wrong["uncertainty"], wrong["pattern_text"]) == (
        None,
        None,
        None,
        "",
    )
    assert (wrong["element"], wrong["pattern"]) == ([2, 7], "rows")
    assert whole["functions"][2]["nondeterminism"][0]["difference"] is None
    assert whole["functions"][0]["samples"][0]["text"] == "x float64(4, 8)"
    net, _ = strictly(json_text(checks_model(), redact=True))["check"]["models"]
    assert {net["wrong"][0][key] for key in ("analytical", "numerical", "uncertainty")} == {None}
    assert net["error"] is None


_RENAMED = {"type_name": "class_name"}  # as modules are called in the rest of the report


@pytest.mark.parametrize(
    "name",
    [
        "CheckOutcome",
        "CheckedFunction",
        "CheckedModel",
        "ContextTensor",
        "Curve",
        "Declaration",
        "Deviation",
        "FaultyModule",
        "Nondeterminism",
        "SavedTensors",
        "UnmarkedWrite",
        "Way",
        "Ways",
        "WrongDouble",
        "WrongGradient",
        "WrongParameter",
        "WrongReturn",
    ],
)
def test_every_fact_of_a_check_is_in_the_report(name: str) -> None:
    measured = [_RENAMED.get(field.name, field.name) for field in dataclasses.fields(getattr(facts, name))]
    shape = getattr(schema_v1_functions, name, None) or getattr(schema_v1_check, name)
    assert measured == [field.name for field in msgspec.structs.fields(shape)]
