"""Whole reports, compared with what is stored beside this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .rendering import SAMPLES, json_text, text

GOLDEN = Path(__file__).parent / "golden"
Compare = Callable[[Path, str], None]


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SAMPLES)
def test_text(name: str, width: int, golden: Compare) -> None:
    golden(GOLDEN / f"{name}.{width}.txt", text(SAMPLES[name](), width))


@pytest.mark.parametrize(
    "name", ["cut", "nan_birth", "crash", "two_paths", "checks_every_rule", "checks_model"]
)
def test_redacted_text(name: str, golden: Compare) -> None:
    golden(GOLDEN / f"{name}.redacted.txt", text(SAMPLES[name](), redact=True))


@pytest.mark.parametrize("name", ["nan_birth", "chain_rule", "crash", "checks_every_rule"])
def test_json(name: str, golden: Compare) -> None:
    golden(GOLDEN / f"{name}.json", json_text(SAMPLES[name]()))


def test_redacted_json(golden: Compare) -> None:
    golden(GOLDEN / "nan_birth.redacted.json", json_text(SAMPLES["nan_birth"](), redact=True))


def test_every_stored_text_has_its_sample() -> None:
    stored = {path.name.partition(".")[0] for path in GOLDEN.iterdir()}
    assert stored == set(SAMPLES)


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - {"hostile"}))
@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_asked_for(name: str, width: int) -> None:
    from gradscope.reporters.screen.page import cells

    wide = [line for line in text(SAMPLES[name](), width).splitlines() if cells(line) > width]
    assert wide == []
