"""The HTML report without a browser: what it is told, that it is one closed file, and what it leaves out."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gradscope import reporters
from gradscope.facts import Drift, GradientDrift, GradientProfile, LayerGradient, Recording
from gradscope.facts.ways import Curve
from gradscope.finding import Finding, Location, Severity
from gradscope.outcomes import GateReport, single
from gradscope.report import Report
from gradscope.reporters.redaction import redact
from gradscope.reporters.report_page.content import content_of
from gradscope.reporters.report_page.texts import drawn, evidence_rows, place_text, wide

from . import (
    samples,
    samples_checks_pictures,
    samples_checks_rules,
    samples_frames,
    samples_lessons,
    samples_loops,
    samples_models,
)
from .rendering import SAMPLES, text
from .samples import HOME, parameter, report, stats
from .samples_checks import check, function
from .samples_gates import GATES, gate_hostile, gate_mixed


def page(of: Report | GateReport, *, redact: bool = False) -> str:
    out = io.StringIO()
    if isinstance(of, Report):
        reporters.render("html", of, out, cwd=HOME, redact=redact)
    else:
        reporters.render_gate("html", of, out, cwd=HOME, redact=redact)
    return out.getvalue()


def told(of: Report | GateReport) -> Any:
    """What the page is told, as the script reads it."""
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page(of), re.DOTALL)
    assert data is not None
    return json.loads(data[1])


def told_report(of: Report) -> Any:
    (outcome,) = told(of)["outcomes"]
    return outcome["report"]


# ---------------------------------------------------------------- one closed file


@pytest.mark.parametrize("name", SAMPLES)
def test_every_sample_is_one_file_that_loads_nothing(name: str) -> None:
    whole = page(SAMPLES[name]())
    assert whole.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in whole
    assert whole.count("<script") == 2
    assert not re.search(r"""(?:src|href)\s*=\s*["']?https?:""", whole)
    whole.encode("utf-8")


@pytest.mark.parametrize("name", GATES)
def test_every_gate_is_one_file(name: str) -> None:
    gate = GATES[name]()
    whole = page(gate)
    assert whole.count("<script") == 2
    names = [outcome["name"] for outcome in told(gate)["outcomes"]]
    assert len(names) == len(gate.outcomes)


def test_endings_mean_the_format() -> None:
    assert reporters.format_for("gate.HTML") == "html"
    assert reporters.format_for("report.htm") == "html"


def test_memory_and_graph_have_pages_of_their_own() -> None:
    assert 'id="curve"' in page(SAMPLES["memory_gpt"]())
    assert 'id="canvas"' in page(SAMPLES["graph_lesson"]())
    assert 'id="main"' in page(SAMPLES["graph_none"]())
    assert 'id="main"' in page(SAMPLES["gpt"]())


def test_hostile_names_stay_in_the_data() -> None:
    whole = page(gate_hostile())
    assert "</script>]]>" not in whole
    assert "<b>@all" not in whole
    assert "\x1b" not in whole
    assert "{{7*7}}" in whole  # a template would have made 49 of it
    first = told(gate_hostile())["outcomes"][0]
    assert first["name"] == r"</script>]]>[/red]{{7*7}}::error::%0A|`a`\x1b[31m\ud800\n<b>@all</b>"


# ---------------------------------------------------------------- findings and frames


def test_frames_mark_exactly_the_characters_of_the_source() -> None:
    (finding,) = told_report(samples.cut())["findings"]
    (frame,) = finding["frames"]
    marked = [
        (line["number"], line["text"][mark["start"] : mark["end"]], mark["label"], mark["primary"])
        for line in frame["lines"]
        for mark in line["marks"]
    ]
    assert marked == [
        (36, "h.detach()", "the gradient stops here", True),
        (36, "torch.from_numpy(smooth(h.detach().numpy()))", "the value goes on from here", False),
    ]
    assert frame["at"] == "train.py:36:37"
    assert frame["inside"] == "in SmoothingNet.forward"
    assert [line["number"] for line in frame["lines"]] == [35, 36, 37]


def test_tabs_and_escapes_move_the_marks() -> None:
    source = ("\tx = 1", "\ty\x1b = f(x)", "z = 2")
    place = Location(f"{HOME}/a.py", 2, 7, 2, 11)
    recording = Recording(sources={place.path: source})
    found = Finding("GS102", "severed-gradient", Severity.ERROR, "m", place, label="here")
    (frame,) = told_report(report(recording, found))["findings"][0]["frames"]
    line = frame["lines"][1]
    assert line["text"] == r"    y\x1b = f(x)"
    (mark,) = line["marks"]
    assert line["text"][mark["start"] : mark["end"]] == "f(x)"


def test_a_mark_that_goes_on_ends_with_its_line() -> None:
    place = Location(f"{HOME}/a.py", 1, 5, 3, 2)
    recording = Recording(sources={place.path: ("x = f(", "    1,", ")")})
    (frame,) = told_report(report(recording, Finding("GS102", "r", Severity.ERROR, "m", place)))["findings"][
        0
    ]["frames"]
    assert frame["lines"][0]["marks"][0] == {"start": 4, "end": 6, "label": "", "primary": True}


def test_lines_that_were_left_out_are_a_gap() -> None:
    gaps = [
        line["number"]
        for finding in told_report(samples_frames.several_files())["findings"]
        for frame in finding["frames"]
        for line in frame["lines"]
        if line["afterGap"]
    ]
    assert gaps
    frames = [frame for f in told_report(samples_frames.several_files())["findings"] for frame in f["frames"]]
    assert not any(frame["lines"] and frame["lines"][0]["afterGap"] for frame in frames)


def test_places_without_source_are_told() -> None:
    (finding,) = told_report(samples_loops.training_loop())["findings"]
    assert finding["at"] == "train.py:44:5"
    found = Finding("GS102", "r", Severity.ERROR, "m", Location(samples.LIBRARY, 9, 3), label="why")
    frame = told_report(report(Recording(), found))["findings"][0]["frames"][0]
    assert frame["lines"] == []
    assert frame["told"] == [["flows/layers.py:9:3", "why"]]


def test_a_finding_says_all_that_the_screen_says() -> None:
    (finding,) = told_report(samples.nan_birth())["findings"]
    screen = " ".join(text(samples.nan_birth(), width=200).split())
    assert finding["message"] in screen
    for heading, words in finding["rows"]:
        assert f"{heading} {' '.join(words.split())}" in screen
    assert finding["also"][0]["message"] in screen
    assert " ".join(finding["fix"].split()) in screen


def test_silenced_findings_stand_apart_with_what_silenced_them() -> None:
    outcome = next(one for one in told(gate_mixed())["outcomes"] if one["name"] == "gan.py")
    assert outcome["report"]["findings"] == []
    assert [one["silencedBy"] for one in outcome["report"]["silenced"]] == ["baseline baseline.json"]


def test_evidence_is_written_in_words() -> None:
    evidence = {
        "ended_program": True,
        "norms": [1.5, math.nan],
        "count": 12345,
        "none": None,
        "places": ["a"],
    }
    assert evidence_rows(evidence, wide(HOME)) == [
        ("ended program", "yes"),
        ("norms", "1.5, nan"),
        ("count", "12,345"),
        ("none", "none"),
    ]


# ---------------------------------------------------------------- modules, plots, tables


def _nodes(nodes: list[Any]) -> Iterator[Any]:
    for node in nodes:
        yield node
        yield from _nodes(node.get("below", []))


def test_the_tree_has_every_parameter_with_the_numbers_of_the_screen() -> None:
    sample = samples_models.gpt()
    tree = told_report(sample)["tree"]
    assert tree["heads"] == ["|grad|", "at last", "max", "zero"]
    leaves = [node for node in _nodes(tree["roots"]) if "below" not in node]
    assert len(leaves) == len(sample.recording.leaves)
    root = tree["roots"][0]
    screen = text(sample, width=120)
    assert all(number in screen for number in root["numbers"])
    assert root["size"] == "124M"
    assert max(node["bar"] for node in _nodes(tree["roots"])) == 1.0


def test_what_is_wrong_with_a_parameter_is_said_in_words() -> None:
    nodes = list(_nodes(told_report(samples.nan_birth())["tree"]["roots"]))
    remarks = {(node["remark"], node["tone"]) for node in nodes if "remark" in node}
    assert any("NaN" in remark and tone == "error" for remark, tone in remarks)
    cut = list(_nodes(told_report(samples.cut())["tree"]["roots"]))
    assert [node["tone"] for node in cut if node.get("remark") == "no gradient"].count("warning") >= 6


def test_norms_are_drawn_in_the_order_of_registration() -> None:
    sample = samples_models.gpt()
    (plot,) = told_report(sample)["plots"]
    assert plot["names"] == [leaf.name for leaf in sample.recording.leaves]
    assert [curve["label"] for curve in plot["curves"]] == ["first backward", "last backward"]
    assert plot["logY"] is True
    (nan_plot,) = told_report(samples.nan_birth())["plots"]
    assert nan_plot["curves"][0]["y"][:4] == ["nan"] * 4
    assert nan_plot["missing"] == "no gradient"


def test_a_profile_is_a_plot_of_its_own() -> None:
    layers = tuple(
        LayerGradient(f"w{n}", 6 - n, "MmBackward0", None, (10.0**-n, 2 * 10.0**-n)) for n in range(5)
    )
    profile = GradientProfile(Location(f"{HOME}/train.py", 9, 5), 2, (1, 2), layers)
    (plot,) = told_report(report(Recording(gradient_profiles=(profile,), backward_passes=2)))["plots"]
    assert plot["title"] == "Gradient per element by depth, backward at train.py:9:5"
    assert [curve["label"] for curve in plot["curves"]] == ["in backward 1", "in backward 2"]
    assert plot["curves"][0]["y"] == [1, 0.1, 0.01, 0.001, 0.0001]
    assert plot["names"][0] == "w0, MmBackward0, depth 6"


def test_few_parameters_are_not_drawn() -> None:
    leaves = tuple(parameter(f"w{n}", (2,), stats(1.0)) for n in range(3))
    assert told_report(report(Recording(leaves=leaves, backward_passes=1)))["plots"] == []


def test_drawn_numbers_are_json() -> None:
    numbers = [1.23456789, math.nan, math.inf, -math.inf, None]
    assert [drawn(number) for number in numbers] == [1.23457, "nan", "inf", "-inf", None]


def test_the_step_has_every_line() -> None:
    sample = samples_loops.training_loop()
    assert sample.recording.loop is not None
    phases = told_report(sample)["phases"]
    assert len(phases["table"]["rows"]) == len(sample.recording.loop.phases)
    clip = next(row for row in phases["table"]["rows"] if row[4])
    assert clip[4] == "GS502"


def test_the_chain_rule_is_the_table_of_the_screen() -> None:
    (chain,) = told_report(samples_lessons.chain_rule())["chains"]
    assert chain["results"][-1] == "x.grad = 42"
    assert chain["rows"][0][2] == "dc/db = 14"
    assert "c = 49" in chain["items"]


def test_functions_stand_as_on_the_screen() -> None:
    sample = samples_checks_rules.checks_every_rule()
    of = told_report(sample)
    screen = text(sample, width=200)
    for subject in of["subjects"]:
        assert re.search(rf"{subject['name']} +{subject['word']}", screen)
    norm = next(one for one in of["subjects"] if one["name"] == "LayerNorm")
    codes = [of["findings"][number]["code"] for number in norm["findings"]]
    assert codes == ["GS601", "GS605"]
    title, table = norm["tables"][0]
    assert title == "Gradients that are not the derivative"
    assert table["rows"][0][:5] == ["x", "[2, 7]", "0.73118", "0.71552 ± 3e-11", "1.022"]


def test_sweeps_and_steps_are_plots() -> None:
    swept = told_report(samples_checks_pictures.checks_sweep())["subjects"][0]
    assert [plot["title"] for plot in swept["plots"]] == ["Sweep of x: forward", "Sweep of x: derivative"]
    assert [curve["dots"] for curve in swept["plots"][1]["curves"]] == [False, True]
    ways = told_report(samples_checks_pictures.checks_ways())["subjects"][0]
    assert ways["plots"][0]["logX"] is True
    assert ways["tables"][0][0].startswith("Ways of differentiating: 2 input elements")


def test_a_jump_of_forward_is_a_gap_and_no_nan() -> None:
    curve = Curve("x", (0.0, 1.0, 2.0), (0.0, 0.0, 5.0), (1.0, 1.0, 1.0), (0.0, 0.0, math.nan))
    swept = function("Step", 5, curves=(curve,))
    forward, derivative = told_report(check(swept))["subjects"][0]["plots"]
    assert forward["x"] == [0, 1, 1.5, 2]
    assert forward["curves"][0]["y"] == [0, 0, None, 5]
    assert derivative["curves"][0]["y"] == [0, 0, "nan"]


def test_inputs_are_told_of_every_function() -> None:
    of = told_report(SAMPLES["checks_many"]())
    calm = [one for one in of["subjects"] if one["word"] == "ok"]
    assert len(calm) > 12
    assert all(one["details"][0][0] in ("inferred", "inputs") for one in calm)
    assert not any("--format json" in text for _, text in of["notes"])


def test_an_end_that_no_finding_explains_is_told() -> None:
    of = told_report(samples_lessons.crash())
    assert of["failure"].startswith("The program failed, and no finding explains it: ")
    assert of["traceback"][0].startswith("Traceback")


# ---------------------------------------------------------------- gates


def test_the_overview_counts_against_the_baseline() -> None:
    of = told(gate_mixed())
    assert of["heads"] == ["findings", "new", "known", "fixed", "drifted", "time"]
    figures = {outcome["name"]: outcome["figures"] for outcome in of["outcomes"]}
    assert figures["vision/train.py"] == ["1", "1", "0", "1", "", "2.2 s"]
    assert figures["gan.py"] == ["0", "0", "1", "0", "2 of 42", "2.2 s"]
    assert figures["loop.py"] == ["", "", "", "", "", "60.0 s"]
    words = [outcome["word"] for outcome in of["outcomes"]]
    assert words == [
        "passed",
        "FAILED",
        "FAILED",
        "passed",
        "HUNG",
        "CRASHED",
        "NO MEMORY",
        "NOT RUN",
        "FAILED",
    ]
    assert of["summary"] == [
        "3 of 9 targets failed, 4 could not be judged · 8 findings: 7 new, 1 known, 1 fixed · 76 s"
    ]


def test_troubles_keep_their_details_and_place() -> None:
    hung = next(one for one in told(gate_mixed())["outcomes"] if one["name"] == "loop.py")
    assert hung["trouble"]["at"] == "loop.py:12"
    assert hung["trouble"]["details"][1] == "    event.wait()"
    assert hung["report"] is None
    assert hung["statedAt"] == "pyproject.toml:21"


def test_what_drifted_is_a_table() -> None:
    drift = Drift("b.json", 0.01, 3, (GradientDrift("w", "norm", 1.0, None),), vanished=("gone",), new=("n",))
    of = told_report(report(Recording(drift=drift, backward_passes=1)))
    (title, table), *_ = of["tables"]
    assert title == "Against the gradients of b.json: 3 figures compared, tolerance 0.01"
    assert table["rows"][0] == ["w", "norm", "1", "none"]
    assert [row[0] for row in table["rows"]] == ["w", "gone", "n"]


def test_the_environment_of_a_gate_is_told_once() -> None:
    of = told(gate_mixed())
    assert dict(of["environment"])["torch"] == "2.13.0"
    assert of["outcomes"][0]["report"]["environment"] == []


def test_a_memory_target_has_its_tables() -> None:
    memory = SAMPLES["memory_gpt"]()
    gate = replace(single(memory), is_gate=True)
    titles = [title for title, _ in told(gate)["outcomes"][0]["report"]["tables"]]
    assert titles[0].startswith("Peak: 14.7 GiB in the backward")
    assert {"Checkpointing", "Saved for backward, by module", "Largest saved tensors"} <= set(titles)


# ---------------------------------------------------------------- redaction, paths, size


@pytest.mark.parametrize("sample", [samples.cut, samples.nan_birth, samples_loops.training_loop])
def test_a_redacted_page_has_no_source_and_no_values(sample: samples.Sample) -> None:
    of = sample()
    whole = page(of, redact=True)
    assert HOME not in whole
    for lines in of.recording.sources.values():
        for line in lines:
            if len(line.split()) >= 3:
                assert json.dumps(line.strip())[1:-1] not in whole
    hidden = told_report(redact(of, HOME))
    assert hidden["plots"] == []
    assert hidden["tree"]["heads"] == []
    assert not any("numbers" in node or "bar" in node for node in _nodes(hidden["tree"]["roots"]))
    assert told(redact(of, HOME))["redacted"] is True


@pytest.mark.parametrize("name", SAMPLES)
def test_no_redacted_sample_names_its_folder(name: str) -> None:
    assert HOME not in page(SAMPLES[name](), redact=True)


def test_a_redacted_gate_names_the_kinds_of_its_troubles() -> None:
    whole = page(gate_mixed(), redact=True)
    assert "event.wait" not in whole
    assert HOME not in whole
    assert "out of memory" in whole


def test_paths_begin_at_the_working_directory_or_at_the_package() -> None:
    screen = wide(HOME)
    assert place_text(Location(f"{HOME}/a/b.py", 3, 4), screen) == "a/b.py:3:4"
    assert place_text(Location(samples.LIBRARY, 3), screen) == "flows/layers.py:3"
    assert place_text(None, screen) == ""
    assert HOME not in page(samples.cut())


def test_five_thousand_parameters_stay_small() -> None:
    leaves = tuple(
        parameter(f"encoder.blocks.{n // 10}.part.{n}.weight", (64, 64), stats(1.0 / (n + 1), backwards=2))
        for n in range(5_000)
    )
    whole = page(report(Recording(leaves=leaves, backward_passes=2)))
    assert len(whole) < 3_000_000


def test_content_is_the_same_twice() -> None:
    sample = samples_models.gan()
    assert content_of(single(sample), HOME) == content_of(single(sample), HOME)


@pytest.mark.parametrize(
    ("sample", "fail_on", "word", "tone"),
    [
        (samples.cut, Severity.ERROR, "failed", "error"),
        (samples.cut, None, "errors", "error"),
        (samples_models.gpt, Severity.ERROR, "passed", "good"),
        (samples_lessons.crash, Severity.ERROR, "not judged", "error"),
        (samples_lessons.no_backward, Severity.ERROR, "not judged", "error"),
    ],
)
def test_the_verdict_of_a_single_report(
    sample: samples.Sample, fail_on: Severity | None, word: str, tone: str
) -> None:
    of = told(replace(sample(), fail_on=fail_on))
    assert (of["word"], of["tone"]) == (word, tone)


def test_the_title_names_no_folder() -> None:
    of = replace(samples_models.gan(), target=f"{HOME}/train.py")
    assert "<title>gradscope trace train.py</title>" in page(of)
    assert told(of)["title"] == "gradscope trace train.py"
