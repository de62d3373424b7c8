"""GS905: what drifted from a baseline is one finding, an error where a gradient was lost or is not finite."""

from __future__ import annotations

import math
from typing import Any

import pytest

from gradscope.facts import Drift, GradientDrift, Recording
from gradscope.finding import Severity

from .facts_samples import Source, check, only, registered

SOURCE = Source(
    """
    self.encoder = Linear(4, 4)
    self.head = Linear(4, 4)
    loss.backward()
    """
)
ENCODER, HEAD, BACKWARD = SOURCE.at("self.encoder"), SOURCE.at("self.head"), SOURCE.at("loss.backward")


def drift(*drifts: GradientDrift, **more: Any) -> Recording:
    return SOURCE.recording(drift=Drift("base.json", 1e-3, 9, drifts, **more))


def norm(name: str, before: float | None, now: float | None, **more: Any) -> GradientDrift:
    where = ENCODER if name.startswith("encoder") else HEAD
    return GradientDrift(
        name, **{"figure": "norm", "tolerance": 1e-3, **more}, before=before, now=now, registered_at=where
    )


def test_silent_without_a_baseline_and_without_drift() -> None:
    assert check("GS905", Recording()) == []
    assert check("GS905", drift()) == []


def test_all_that_drifted_is_one_warning() -> None:
    found = only(
        "GS905",
        drift(
            norm("head.bias", 1.0, 1.05),
            norm("encoder.weight", 1.0, 0.25),
            GradientDrift("loss in train", "last loss", 2.0, 1.0, 5e-3, BACKWARD),
            norm("head.weight", 1.0, 3.0, figure="last norm", tolerance=5e-3),
        ),
    )
    assert found.severity is Severity.WARNING
    assert found.message == ("the gradient of head.* and encoder.* (3 parameters) differs from base.json")
    assert (found.location, found.label) == (ENCODER, "encoder.weight: norm 1 -> 0.25 (4 times smaller)")
    assert [one.location for one in found.related] == [HEAD, BACKWARD]
    assert found.subjects == ("encoder.weight", "head.weight", "head.bias")
    assert [(note.heading, note.text) for note in found.notes] == [
        ("drift", "encoder.weight: norm 1 -> 0.25 (4 times smaller)"),
        ("drift", "head.weight: last norm 1 -> 3 (3 times larger)"),
        ("drift", "loss in train: at last 2 -> 1 (2 times smaller)"),
        ("and", "1 more figure of 9 compared"),
        ("tolerance", "0.001, relative, and 0.005 for the last backward"),
    ]
    assert found.evidence["worst"] == [
        "encoder.weight: norm 1 -> 0.25 (4 times smaller)",
        "head.weight: last norm 1 -> 3 (3 times larger)",
        "loss in train: at last 2 -> 1 (2 times smaller)",
        "head.bias: norm 1 -> 1.05 (5.00% larger)",
    ]
    assert found.fix.endswith("gradscope gate --update-baseline")


@pytest.mark.parametrize(
    ("now", "message"),
    [
        (None, "encoder.weight gets no gradient any more: base.json has one"),
        (math.nan, "the gradient of encoder.weight is no longer finite, and it was in base.json"),
        (math.inf, "the gradient of encoder.weight is no longer finite, and it was in base.json"),
    ],
)
def test_a_lost_gradient_and_one_that_is_not_finite_are_errors(now: float | None, message: str) -> None:
    found = only("GS905", drift(norm("head.bias", 1.0, 9.0), norm("encoder.weight", 1.0, now)))
    assert (found.severity, found.message, found.location) == (Severity.ERROR, message, ENCODER)


def test_a_loss_that_is_not_finite_is_an_error() -> None:
    found = only("GS905", drift(GradientDrift("loss", "loss", 2.0, math.nan, 1e-3, BACKWARD)))
    assert (found.severity, found.location) == (Severity.ERROR, BACKWARD)
    assert found.message == "the loss is no longer finite, and it was in base.json"
    assert found.notes[0].text == "loss: 2 -> nan"


def test_what_has_no_factor_is_told_without_one() -> None:
    loss = GradientDrift("loss", "loss", 2.0, -1.0, 1e-3, BACKWARD)
    found = only("GS905", drift(loss, norm("head.bias", 0.0, 1.0), norm("encoder.weight", 1.0, 0.0)))
    assert found.severity is Severity.WARNING
    assert [note.text for note in found.notes[:3]] == [
        "loss: 2 -> -1",
        "head.bias: norm 0 -> 1",
        "encoder.weight: norm 1 -> 0",
    ]


def test_better_than_before_is_a_warning_only() -> None:
    found = only("GS905", drift(norm("encoder.weight", math.nan, 1.0), norm("head.bias", None, 1.0)))
    assert found.severity is Severity.WARNING
    assert "head.bias: norm no gradient -> 1" in [note.text for note in found.notes]


def test_one_factor_for_all_is_said_at_once() -> None:
    found = only("GS905", drift(norm("encoder.weight", 1.0, 3.0), norm("head.bias", 0.02, 0.0600001)))
    assert (
        found.message
        == "the gradient of encoder.* and head.* (2 parameters) is 3 times larger than in base.json"
    )
    apart = only("GS905", drift(norm("encoder.weight", 1.0, 3.0), norm("head.bias", 3.0, 1.0)))
    assert "differs from base.json" in apart.message


def test_a_loss_alone_and_later_steps_alone_are_called_so() -> None:
    loss = GradientDrift("loss", "loss", 2.0, 1.0, 1e-3, BACKWARD)
    assert only("GS905", drift(loss)).message == "the loss differs from base.json, and the gradients do not"
    last = norm("head.bias", 2.0, 1.0, figure="last norm")
    assert only("GS905", drift(last)).message == (
        "the gradient of head.bias differs from base.json after training steps, and at first does not"
    )


def test_a_wider_tolerance_says_why() -> None:
    found = only(
        "GS905",
        drift(norm("head.bias", 2.0, 1.0), other_hardware=("torch 2.13.0, not 2.11.0",), widened=20.0),
    )
    assert found.notes[-1].text == "0.001, relative; 20 times as wide: torch 2.13.0, not 2.11.0"


def test_other_parameters_are_information() -> None:
    leaves = (registered("net", "head.weight", registered_at=HEAD),)
    known = Drift("base.json", 1e-3, 0, vanished=("fc.weight", "fc.bias"), new=("head.weight",))
    found = only("GS905", SOURCE.recording(drift=known, leaves=leaves))
    assert (found.severity, found.location) == (Severity.INFO, HEAD)
    assert found.message == (
        "parameters are others than in base.json: fc.weight and fc.bias are gone, head.weight is new, "
        "so nothing was compared"
    )
    beside = only("GS905", drift(norm("head.bias", 2.0, 1.0), new=("head.weight",)))
    assert beside.notes[-1].text == "head.weight is new"
