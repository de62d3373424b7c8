"""Under pytest-xdist: what the workers see is told once, by their controller."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.pytest_plugin.suites import run, section

pytest_plugins = ["pytester"]

TESTS = """
@pytest.mark.parametrize("n", range(4))
def test_severed(n): backward(Severed())
def test_healthy(): backward(Net())
def test_dies(): rewritten()
@pytest.mark.gradscope(expect="GS102")
def test_expected(): backward(Severed())
@pytest.mark.gradscope(expect="GS301")
def test_missing(): backward(Net())
"""


def test_workers_tell_the_same(pytester: pytest.Pytester) -> None:
    alone = run(pytester, TESTS, "--gradscope-report=alone.json")
    together = run(
        pytester, TESTS, "-p", "xdist", "-n", "2", "--gradscope-report=together.json", by_name=True
    )
    for result in (alone, together):
        result.assert_outcomes(passed=2, failed=6)
    said = [line.replace("alone", "together") for line in section(alone)]
    assert section(together) == said
    assert said[-1] == "gradscope: findings written to together.json"
    one, other = (_without_times(pytester.path / name) for name in ("alone.json", "together.json"))
    assert one == other


def _without_times(path: Path) -> object:
    return json.loads(re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0', path.read_text(encoding="utf-8")))
