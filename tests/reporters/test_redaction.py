"""What --redact promises: no source, no values, no absolute paths, in any format."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from gradscope.facts import GradientStats, Recording
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.report import Report, Suppressed
from gradscope.reporters.redaction import redact
from gradscope.reporters.redaction_texts import HIDDEN_PATH

from .rendering import SAMPLES, json_text, text
from .samples import HOME, cut, inplace, nan_birth, report
from .samples_lessons import chain_rule, crash, layer, two_paths
from .samples_models import frozen_encoder, gpt

SHOWN = ("Traceback", "/home", "/usr")


def both(whole: Report) -> str:
    return text(whole, redact=True) + json_text(whole, redact=True)


@pytest.mark.parametrize("name", SAMPLES)
def test_no_absolute_path_is_left(name: str) -> None:
    shown = both(SAMPLES[name]())
    assert not any(path in shown for path in SHOWN)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"hostile"}))
def test_no_line_of_source_is_left(name: str) -> None:
    whole = SAMPLES[name]()
    shown = both(whole)
    lines = [line.strip() for source in whole.recording.sources.values() for line in source]
    assert [line for line in lines if len(line) > 3 and line in shown] == []


def test_no_values_are_left() -> None:
    secret = 0.123456789
    strange = replace(
        gpt(),
        findings=(
            Finding(
                "GS404",
                "vanishing-gradient",
                Severity.WARNING,
                "it vanishes",
                notes=(Note("numbers", str(secret)),),
                evidence={"slope": secret, "norms": [secret]},
            ),
        ),
        recording=replace(
            gpt().recording,
            backwards=(
                replace(gpt().recording.backwards[0], loss=secret, last_loss=secret, seed=str(secret)),
            ),
            leaves=tuple(replace(leaf, gradient=_all(secret)) for leaf in gpt().recording.leaves),
        ),
    )
    assert str(secret) in json_text(strange)
    assert "123456789" not in both(strange)
    assert "1.2e-01" in text(strange)
    assert "1.2e-01" not in text(strange, redact=True)


def _all(value: float) -> GradientStats:
    return GradientStats(3, 0, value, value, value, value, value, value, 0, 0, 0)


@pytest.mark.parametrize("sample", [chain_rule, two_paths, layer])
def test_chain_tables_keep_names_and_lines_only(sample: object) -> None:
    (table,) = redact(sample(), HOME).recording.chains  # type: ignore[operator]
    assert table.value is None
    assert table.seed is None
    for row in table.rows:
        assert (row.value, row.incoming, row.expression) == (None, None, None)
        assert {value for _, value in (*row.local, *row.outgoing)} <= {None}
    assert [row.name for row in table.rows if row.name]


def test_names_that_are_expressions_are_hidden() -> None:
    (table,) = redact(two_paths(), HOME).recording.chains
    assert table.rows[0].local == (("...", None), ("b", None))


def test_values_are_null_in_json() -> None:
    parameter = json.loads(json_text(gpt(), redact=True))["parameters"][0]
    assert parameter["name"] == "transformer.wte.weight"
    assert parameter["gradient"]["backwards"] == 1
    assert {parameter["gradient"][key] for key in ("norm", "max_abs", "zero_share", "nan")} == {None}


def test_what_is_kept() -> None:
    shown = text(cut(), redact=True)
    for kept in (
        "GS102",
        "train.py:36:37",
        "encoder.* (6 parameters)",
        "SmoothingNet.forward",
        "seen  20 times",
    ):
        assert kept in shown
    assert "silenced  GS103 unused-parameter at model.py:22" in text(frozen_encoder(), redact=True)


def test_a_fix_or_label_that_quotes_the_source_is_dropped() -> None:
    finding = redact(inplace(), HOME).findings[0]
    assert finding.fix == ""
    quoting = replace(cut().findings[0], label="x = smooth(h.detach().numpy())", fix="say why")
    quoting = replace(quoting, related=(Related(Location(f"{HOME}/train.py", 36), "h.detach() here"),))
    hidden = redact(replace(cut(), findings=(quoting,)), HOME).findings[0]
    assert (hidden.label, hidden.fix, hidden.related[0].message) == ("", "say why", "")


def test_code_in_backticks_is_hidden_and_names_are_not() -> None:
    message = "`h.weight` and `x + 1` and `net.encoder.*`, read from /srv/data/x.pt and ~/secret"
    finding = Finding("GS101", "no-graph", Severity.ERROR, message)
    hidden = redact(report(Recording(), finding), HOME).findings[0].message
    assert hidden == f"`h.weight` and `...` and `net.encoder.*`, read from {HIDDEN_PATH} and {HIDDEN_PATH}"


def test_measured_values_in_a_message_are_hidden_and_counts_are_not() -> None:
    message = "gradients shrink 7.1x a layer: 7.4e-18 in layers.0 against 1.0e+00 in h.1e3.fc, over 21 layers"
    finding = replace(cut().findings[0], message=message, label="layers.0.weight gets 7.4e-18")
    (redacted,) = redact(replace(cut(), findings=(finding,)), HOME).findings
    assert (
        redacted.message
        == "gradients shrink ... a layer: ... in layers.0 against ... in h.1e3.fc, over 21 layers"
    )
    assert redacted.label == "layers.0.weight gets ..."


def test_a_path_with_blanks_is_hidden_whole() -> None:
    path = "/mnt/my secret disk/train me.py"
    finding = Finding("GS101", "no-graph", Severity.ERROR, f"see {path}", Location(path, 3))
    hidden = redact(report(Recording(), finding), HOME).findings[0]
    assert (hidden.message, hidden.location) == (f"see {HIDDEN_PATH}", Location(HIDDEN_PATH, 3))


def test_division_is_no_path() -> None:
    finding = Finding("GS401", "nan-gradient", Severity.ERROR, "grad / (2 * result), a/b, 0 / 0")
    assert redact(report(Recording(), finding), HOME).findings[0].message == finding.message


def test_the_exception_keeps_its_type_and_places() -> None:
    error = redact(crash(), HOME).recording.program.error
    assert error is not None
    assert (error.type, error.message) == ("KeyError", "")
    assert error.rendered == "train.py:98  in main\ntrain.py:71  in load\nKeyError\n"
    assert "no finding explains" not in text(inplace(), redact=True)


def test_facts_that_no_report_shows_are_left_out() -> None:
    hidden = redact(inplace(), HOME).recording
    assert hidden.inplace_conflicts == ()
    assert hidden.sources == {}


def test_silenced_findings_and_consequences_are_redacted_too() -> None:
    inner = nan_birth().findings[0]
    outer = replace(inner, consequences=(inner,))
    whole = redact(replace(nan_birth(), findings=(outer,), suppressed=(Suppressed(inner, "/etc/x"),)), HOME)
    for finding in (whole.findings[0].consequences[0], whole.suppressed[0].finding):
        assert finding.evidence == {}
        assert finding.notes == ()
    assert whole.suppressed[0].by == HIDDEN_PATH


def test_it_is_pure_and_can_be_repeated() -> None:
    whole = nan_birth()
    once = redact(whole, HOME)
    assert whole.findings[0].evidence
    assert redact(once, HOME) is once
    assert once.redacted


def test_no_place_of_a_redacted_recording_is_absolute() -> None:
    for sample in SAMPLES.values():
        places = list(_places(redact(sample(), HOME)))
        assert [place.path for place in places if re.match(r"/|[A-Z]:", place.path)] == []


def _places(value: object) -> Iterator[Location]:
    if isinstance(value, Location):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _places(part)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _places(getattr(value, field.name))


def test_left_out_numbers_are_not_zero() -> None:
    gradient = redact(gpt(), HOME).recording.leaves[0].gradient
    assert gradient is not None
    assert math.isnan(gradient.norm)
