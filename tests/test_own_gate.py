"""This project gates its own examples: what they show today, they show tomorrow."""

from __future__ import annotations

import json
from pathlib import Path

from gradscope.exits import ExitStatus
from tests.cli.running import gradscope

PROJECT = Path(__file__).resolve().parent.parent


def test_every_example_shows_what_the_baseline_knows() -> None:
    ran = gradscope("gate", "--format", "json", cwd=PROJECT)
    targets = json.loads(ran.out)["targets"]
    assert [(each["name"], each["trouble"]) for each in targets if each["verdict"] != "passed"] == []
    assert [(each["name"], each["fixed"]) for each in targets if each["fixed"]] == []
    drifts = {each["name"]: each["drift"] for each in targets if each["drift"]}
    assert len(drifts) > 70
    # on another processor a drift is a warning, and no promise of ours
    here = {name: each["drifts"] for name, each in drifts.items() if not each["other_hardware"]}
    assert [(name, found) for name, found in here.items() if found] == []
    assert ran.status == ExitStatus.OK
    scripts = {each["name"] for each in targets if each["command"] == "trace"}
    left_out = {f"examples/{name}.py" for name in ("never_backward", "nonscalar_backward", "trainer")}
    assert scripts | left_out == {f"examples/{path.name}" for path in (PROJECT / "examples").glob("*.py")}
    assert sum(each["known"] for each in targets) > 30
