"""The SARIF log: fits the published schema, is taken by GitHub, and says what the finding says."""

from __future__ import annotations

import math
import os
import re
from dataclasses import replace

import pytest

from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.outcomes import GateReport, Outcome, Trouble, TroubleKind, Verdict, single
from gradscope.report import Report, Suppressed
from gradscope.reporters import format_for
from gradscope.reporters.sarif_log import log as sarif_log
from gradscope.reporters.sarif_log.places import artifact, file_uri

from .memory_examples import memory_floor
from .rendering import SAMPLES
from .samples import HOME, LIBRARY, cut, inplace, nan_birth, report
from .samples_frames import hostile, several_files
from .samples_gates import GATES, gate_hostile, gate_mixed
from .samples_lessons import no_backward
from .samples_models import gpt
from .sarif_logs import line, log_of, region, results, strings, written

WITHOUT_PLACE = Finding("GS404", "vanishing-gradient", Severity.WARNING, "the gradient vanishes")

# ---------------------------------------------------------------- the schema


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_report_fits_the_schema(name: str, redact: bool) -> None:
    whole = SAMPLES[name]()
    (run,) = log_of(whole, redact=redact)["runs"]
    assert [each["ruleId"] for each in run["results"]] == [each.code for each in whole.findings]


@pytest.mark.parametrize("redact", [False, True])
@pytest.mark.parametrize("name", GATES)
def test_every_gate_fits_the_schema(name: str, redact: bool) -> None:
    gate = GATES[name]()
    (run,) = log_of(gate, redact=redact)["runs"]
    found = [finding.code for each in gate.reports() for finding in each.findings]
    assert [each["ruleId"] for each in run["results"]] == found


def test_its_endings() -> None:
    assert format_for("gradscope.sarif") == "sarif"
    assert format_for("build/gradscope.sarif.json") == "sarif"


# ---------------------------------------------------------------- the tool and its rules


def test_the_driver_names_the_tool_and_the_rules_that_occur() -> None:
    (run,) = log_of(cut())["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("gradscope", driver["semanticVersion"])
    (rule,) = driver["rules"]
    assert (rule["id"], rule["name"]) == ("GS102", "SeveredGradient")
    assert rule["shortDescription"]["text"].startswith("A parameter that shapes the loss")
    assert rule["fullDescription"]["text"].startswith("A trainable leaf whose value reaches a loss")
    assert "\nWhat it finds\n    A trainable leaf" in rule["help"]["text"]
    assert "\n\n## Use instead\n\n```python\nimport torch\n" in rule["help"]["markdown"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"]["tags"] == ["correctness", "pytorch", "gradient-flow"]
    assert rule["properties"]["problem.severity"] == "error"


def test_a_rule_that_is_not_known_is_named_all_the_same() -> None:
    strange = replace(gpt(), findings=(Finding("XX1", "own-rule", Severity.INFO, "odd"),))
    (run,) = log_of(strange)["runs"]
    assert run["tool"]["driver"]["rules"] == [{"id": "XX1", "name": "OwnRule"}]
    assert run["results"][0]["level"] == "note"


def test_the_category_is_left_to_who_uploads_the_log() -> None:
    (run,) = log_of(gate_mixed())["runs"]
    assert "automationDetails" not in run


# ---------------------------------------------------------------- results


def test_a_result_says_what_is_wrong_why_and_what_to_do() -> None:
    (found,) = results(cut())
    assert (found["ruleId"], found["level"], found["occurrenceCount"]) == ("GS102", "error", 20)
    assert found["message"]["text"].split("\n") == [
        "encoder.* (6 parameters) gets no gradient: it stops at detach() (seen 20 times).",
        "path of the value: encoder.0.weight (35) -> linear -> detach (36) -> numpy -> from_numpy -> linear"
        " (37) -> mse_loss (52) -> backward (53)",
        "See: [the value goes on from here](1).",
        "Fix: stay in torch: smooth() can be a conv1d; or, if this stop is meant, freeze the encoder"
        " (requires_grad_(False)) so that the optimizer leaves it alone",
    ]
    assert found["properties"]["subjects"][0] == "encoder.0.weight"
    assert found["properties"]["evidence"] == {"cuts": ["detach"], "op": "detach", "elements": 9_504}
    assert "baselineState" not in found


def test_its_place_counts_characters_from_one() -> None:
    (found,) = results(cut())
    (place,) = found["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "train.py", "uriBaseId": "%SRCROOT%"},
        "region": {
            "startLine": 36,
            "startColumn": 37,
            "endColumn": 47,
            "snippet": {"text": "        h = torch.from_numpy(smooth(h.detach().numpy()))"},
        },
    }
    assert place["message"] == {"text": "the gradient stops here"}
    assert place["logicalLocations"] == [
        {"name": "forward", "fullyQualifiedName": "SmoothingNet.forward", "kind": "function"}
    ]
    (run,) = log_of(cut())["runs"]
    assert run["columnKind"] == "unicodeCodePoints"
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"file://{HOME}/"


def test_the_module_whose_forward_ran_is_a_logical_location() -> None:
    (found,) = results(inplace())
    assert found["locations"][0]["logicalLocations"][1] == {
        "name": "attn",
        "fullyQualifiedName": "transformer.h.0.attn",
        "kind": "module",
    }


def test_an_expression_over_several_lines_and_places_in_other_files() -> None:
    found = results(several_files())[0]
    (place,) = found["locations"]
    assert (region(place)["endLine"], region(place)["endColumn"]) == (line(place) + 3, 6)
    assert region(place)["snippet"]["text"].count("\n") == 3
    outside = found["relatedLocations"][3]["physicalLocation"]
    assert outside["artifactLocation"] == {"uri": f"file://{LIBRARY}"}
    assert "startColumn" not in region(found["relatedLocations"][4])


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (Location("a.py", 0), {"startLine": 1}),
        (Location("a.py", 3, 5, 3, 5), {"startLine": 3, "startColumn": 5, "endColumn": 5}),
        (Location("a.py", 3, 5, 2, 9), {"startLine": 3, "startColumn": 5, "endColumn": 9}),
        (Location("a.py", 3, 5, 3, 2), {"startLine": 3, "startColumn": 5}),
        (Location("a.py", 3, None, 4, 2), {"startLine": 3, "endLine": 4}),
        (Location("a.py", 3, 5, 4, 1), {"startLine": 3, "startColumn": 5, "endLine": 4, "endColumn": 1}),
    ],
)
def test_regions_that_are_only_partly_known(where: Location, expected: dict[str, int]) -> None:
    (found,) = results(report(gpt().recording, replace(WITHOUT_PLACE, location=where)))
    assert region(found["locations"][0]) == expected


def test_probable_findings_rank_below_certain_ones() -> None:
    certain = replace(cut().findings[0], severity=Severity.WARNING)
    probable = replace(certain, confidence=Confidence.PROBABLE, severity=Severity.ERROR)
    info = replace(certain, severity=Severity.INFO)
    found = results(report(cut().recording, probable, certain, info))
    assert [each["level"] for each in found] == ["error", "warning", "note"]
    assert [each["properties"]["precision"] for each in found] == ["medium", "very-high", "very-high"]
    ranks = [each["rank"] for each in found]
    assert ranks == sorted(ranks, reverse=True)
    assert results(report(cut().recording, cut().findings[0]))[0]["rank"] > ranks[0]


def test_consequences_are_places_of_their_cause() -> None:
    (found,) = results(nan_birth())
    assert [line(place) for place in found["relatedLocations"]] == [19, 40]
    assert "[it explains GS403: the loss is NaN from step 2 on](2)" in found["message"]["text"]


def test_numbers_that_are_not_finite_are_words() -> None:
    (found,) = results(nan_birth())
    assert found["properties"]["evidence"]["incoming"] == "NaN"
    assert found["properties"]["evidence"]["values"] == ["Infinity", "-Infinity", 1.5]
    evidence = {"share": -math.inf}
    (found,) = results(report(gpt().recording, replace(WITHOUT_PLACE, evidence=evidence)))
    assert found["properties"]["evidence"] == {"share": "-Infinity"}


def test_no_text_is_taken_for_a_link() -> None:
    where = Location(f"{HOME}/train.py", 3)
    odd = replace(
        WITHOUT_PLACE,
        message="grads[0](1) is zero",
        related=(Related(where, "x[0](2)\\ is\nsaved"),),
        notes=(Note("because", "see [this](https://example.org)"),),
    )
    (found,) = results(report(gpt().recording, odd))
    assert found["message"]["text"].split("\n") == [
        r"grads[0\](1) is zero.",
        r"because: see [this\](https://example.org)",
        r"See: [x\[0\](2)\\ is saved](1).",
    ]


def test_a_message_without_end_is_cut() -> None:
    (found,) = results(report(gpt().recording, replace(WITHOUT_PLACE, fix="again and " * 2_000)))
    assert len(found["message"]["text"]) < 4_100
    assert found["message"]["text"].endswith(" ...")


# ---------------------------------------------------------------- findings without a place


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("train.py", "train.py"),
        ("./pkg/model.py:Net", "pkg/model.py"),
        ("-m engine.step", "engine/step.py"),
        ("engine.step:main", "engine/step.py"),
        ("-m elsewhere.run", "engine/step.py"),  # unknown: where the backward was
    ],
)
def test_a_finding_without_a_place_stands_on_the_first_line_of_what_was_run(target: str, uri: str) -> None:
    recording = several_files().recording
    (found,) = results(replace(report(recording, WITHOUT_PLACE), target=target))
    (place,) = found["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert line(place) == 1
    assert found["properties"]["location"].startswith("not known")


def test_several_without_a_place_are_not_taken_for_one() -> None:
    other = replace(WITHOUT_PLACE, subjects=("head.bias",))
    first, second = (
        each["partialFingerprints"] for each in results(report(gpt().recording, WITHOUT_PLACE, other))
    )
    assert first["primaryLocationLineHash"] != second["primaryLocationLineHash"]
    assert "primaryLocationLineHash" not in results(cut())[0]["partialFingerprints"]


def test_a_target_of_a_gate_is_in_the_folder_of_its_configuration() -> None:
    stated = Location(f"{HOME}/sub/pyproject.toml", 4)
    outcome = replace(single(report(gpt().recording, WITHOUT_PLACE)).outcomes[0], stated_at=stated)
    (found,) = results(GateReport((outcome,)))
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/train.py"
    (found,) = results(GateReport((replace(outcome, target="-m gone"),)))
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "sub/pyproject.toml"
    assert line(found["locations"][0]) == 4


# ---------------------------------------------------------------- fingerprints


def _moved(whole: Report) -> Report:
    """The report of the same program with three lines added at its beginning."""
    (finding,) = whole.findings
    assert finding.location is not None
    lower = replace(finding.location, line=finding.location.line + 3, end_line=None)
    sources = {path: ("", "", "", *lines) for path, lines in whole.recording.sources.items()}
    recording = replace(whole.recording, sources=sources)
    return replace(whole, findings=(replace(finding, location=lower),), recording=recording)


def test_fingerprints_stay_when_lines_move() -> None:
    (before,), (after,) = results(cut()), results(_moved(cut()))
    assert line(after["locations"][0]) == line(before["locations"][0]) + 3
    assert after["partialFingerprints"] == before["partialFingerprints"]
    assert re.fullmatch(r"[0-9a-f]{32}:1", before["partialFingerprints"]["gradscope/v1"])


def test_findings_alike_have_fingerprints_of_their_own() -> None:
    again = replace(cut(), findings=(replace(cut().findings[0], message="in other words"),))
    gate = GateReport((*single(cut()).outcomes, *single(again).outcomes))
    prints = [each["partialFingerprints"]["gradscope/v1"] for each in results(gate)]
    assert prints[1] == prints[0].replace(":1", ":2")


def test_the_finding_of_several_targets_is_one_result_as_severe_as_the_worst() -> None:
    mild = replace(cut(), findings=(replace(cut().findings[0], severity=Severity.WARNING),))
    first, second = single(mild).outcomes[0], single(cut()).outcomes[0]
    (found,) = results(GateReport((first, replace(second, name="eval.py"))))
    assert (found["level"], found["properties"]["targets"]) == ("error", ["train.py", "eval.py"])
    placeless = single(report(gpt().recording, WITHOUT_PLACE)).outcomes[0]
    assert len(results(GateReport((placeless, replace(placeless, name="eval.py"))))) == 2


# ---------------------------------------------------------------- silenced, and compared with a baseline


def test_silenced_findings_are_no_results_but_are_told() -> None:
    (finding,) = cut().findings
    quiet = replace(
        cut(),
        findings=(),
        suppressed=(Suppressed(finding, "inline comment"), Suppressed(WITHOUT_PLACE, "--ignore GS4")),
    )
    (run,) = log_of(quiet)["runs"]
    assert run["results"] == []
    first, second = run["properties"]["silenced"]
    assert (first["ruleId"], first["kind"], first["justification"]) == ("GS102", "inSource", "inline comment")
    assert first["location"] == {"uri": "train.py", "uriBaseId": "%SRCROOT%", "startLine": 36}
    assert (second["kind"], second["justification"]) == ("external", "--ignore GS4")
    assert second["location"]["startLine"] == 1


def test_what_a_baseline_does_not_know_is_new() -> None:
    gate = gate_mixed()
    assert {each["baselineState"] for each in results(gate)} == {"new"}
    assert all("baselineState" not in each for each in results(replace(gate, baseline="")))
    (run,) = log_of(gate)["runs"]
    assert run["properties"]["baseline"] == "baseline.json"
    targets = run["invocations"][0]["properties"]["targets"]
    assert targets[1]["fixed"] == ["GS103 in build, model.py"]


# ---------------------------------------------------------------- the run itself


def test_a_run_that_was_looked_at_as_a_whole_is_successful_whatever_it_found() -> None:
    (run,) = log_of(cut())["runs"]
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (True, 1)
    assert invocation["workingDirectory"] == {"uri": f"file://{HOME}/"}
    assert "toolExecutionNotifications" not in invocation
    (run,) = log_of(inplace())["runs"]  # the program died of what was found
    assert run["invocations"][0]["executionSuccessful"] is True
    (run,) = log_of(no_backward())["runs"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_targets_that_could_not_be_judged_are_notifications() -> None:
    (run,) = log_of(gate_mixed())["runs"]
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 1)
    errors = [each for each in invocation["toolExecutionNotifications"] if each["level"] == "error"]
    kinds = ["hung", "crashed", "out-of-memory", "not-run", "expected-finding-missing"]
    assert [each["descriptor"]["id"] for each in errors] == [f"target-{kind}" for kind in kinds]
    known = {each["id"]: each for each in run["tool"]["driver"]["notifications"]}
    assert set(known) == {each["descriptor"]["id"] for each in errors}
    assert all(each["fullDescription"]["text"] and each["help"]["text"] for each in known.values())
    assert errors[0]["message"]["text"].startswith(
        "loop.py: stopped after 60 s, at its time limit, in wait\n"
    )
    places = [
        (one["physicalLocation"]["artifactLocation"]["uri"], line(one))
        for each in errors
        for one in each["locations"]
    ]
    assert places[:2] == [("loop.py", 12), ("pyproject.toml", 25)]
    verdicts = [each["verdict"] for each in invocation["properties"]["targets"]]
    assert verdicts.count("broken") == 4


@pytest.mark.parametrize("kind", TroubleKind)
def test_every_kind_of_trouble_is_described(kind: TroubleKind) -> None:
    outcome = Outcome("a.py", "trace", "a.py", Verdict.BROKEN, trouble=Trouble(kind, "it happened"))
    (run,) = log_of(GateReport((outcome,)))["runs"]
    (described,) = run["tool"]["driver"]["notifications"]
    assert described["fullDescription"]["text"].endswith(".")


def test_a_missing_finding_alone_does_not_cut_a_run_short() -> None:
    outcomes = [each for each in gate_mixed().outcomes if each.verdict is not Verdict.BROKEN]
    (run,) = log_of(replace(gate_mixed(), outcomes=tuple(outcomes)))["runs"]
    assert run["invocations"][0]["executionSuccessful"] is True


def test_notes_and_what_was_not_seen_are_notes() -> None:
    recording = replace(gpt().recording, notes=("ran in float32",), not_seen=("a compiled region",))
    (run,) = log_of(report(recording))["runs"]
    told = run["invocations"][0]["toolExecutionNotifications"]
    assert [each["level"] for each in told] == ["note", "note"]
    assert [each["message"]["text"] for each in told] == ["ran in float32", "not seen: a compiled region"]


def test_a_budget_that_nothing_fits_is_an_error() -> None:
    (run,) = log_of(memory_floor())["runs"]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert (told["level"], run["invocations"][0]["executionSuccessful"]) == ("error", True)
    assert told["message"]["text"].endswith(": no plan stays within the budget")


def test_two_runs_give_the_same_log() -> None:
    gate = gate_mixed()
    slower = [replace(each, seconds=each.seconds + 1) for each in gate.outcomes]
    assert written(gate) == written(replace(gate, outcomes=tuple(slower), seconds=99.0))


# ---------------------------------------------------------------- limits


def test_of_more_than_github_takes_the_worst_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sarif_log, "MOST_RESULTS", 2)
    severities = (Severity.INFO, Severity.ERROR, Severity.WARNING, Severity.INFO)
    findings = [replace(cut().findings[0], severity=each) for each in severities]
    (run,) = log_of(report(cut().recording, *findings))["runs"]
    assert [each["level"] for each in run["results"]] == ["error", "warning"]
    assert run["properties"]["cut"].startswith("2 of 4 results are left out")
    (run,) = log_of(cut())["runs"]
    assert "cut" not in run["properties"]


def test_a_log_that_is_too_long_is_cut_until_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [os.urandom(1_000).hex() for _ in range(8)]
    findings = [replace(WITHOUT_PLACE, message=each) for each in texts]
    monkeypatch.setattr(sarif_log, "MOST_BYTES", 7_000)
    (run,) = log_of(report(gpt().recording, *findings))["runs"]
    assert 0 < len(run["results"]) < 8
    assert "left out" in run["properties"]["cut"]


# ---------------------------------------------------------------- hostile names, redaction


@pytest.mark.parametrize("shown", [hostile(), gate_hostile()], ids=["report", "gate"])
def test_hostile_names_are_carried_harmlessly(shown: Report | GateReport) -> None:
    text = written(shown)
    assert text.isascii()
    decoded = list(strings(log_of(shown)))
    assert any("[/red]" in each for each in decoded)
    assert [each for each in decoded if not each.replace("\n", "").replace("\t", "").isprintable()] == []


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (f"{HOME}/a b/ü#?.py", "a%20b/%C3%BC%23%3F.py"),
        (f"{HOME}/c:d.py", "c%3Ad.py"),
        (f"{HOME}/\udcff.py", "%FF.py"),  # a byte that is no UTF-8
        (f"{HOME}/\ud800.py", "%ED%A0%80.py"),
        ("<stdin>", "%3Cstdin%3E"),
        ("./here.py", "here.py"),
    ],
)
def test_relative_uris_are_percent_encoded(path: str, uri: str) -> None:
    assert artifact(path, HOME) == {"uri": uri, "uriBaseId": "%SRCROOT%"}


def test_paths_are_relative_to_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", "/home/ada/")
    (run,) = log_of(cut())["runs"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "project/train.py", "uriBaseId": "%SRCROOT%"}
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == "file:///home/ada/"
    assert run["invocations"][0]["workingDirectory"]["uri"] == f"file://{HOME}/"
    monkeypatch.setenv("GITHUB_WORKSPACE", "/home/runner/work")
    (found,) = results(cut())
    assert found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "train.py"


def test_a_file_elsewhere_has_an_absolute_uri() -> None:
    assert artifact("/opt/my lib/x.py", HOME) == {"uri": "file:///opt/my%20lib/x.py"}
    assert file_uri("/") == "file:///"


@pytest.mark.parametrize("name", SAMPLES)
def test_a_redacted_log_has_no_absolute_path_and_no_source(name: str) -> None:
    text = written(SAMPLES[name](), redact=True)
    assert not any(path in text for path in ("/home", "/usr", "file:", "Traceback", '"snippet"'))
    assert "codeFlows" not in text
