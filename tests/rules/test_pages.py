"""Every rule has a page, and its two examples behave: the first is found, the second is silent."""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import textwrap
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope.config import nearest
from gradscope.engine import judge
from gradscope.facts import ProgramEnd, ProgramError, Recording
from gradscope.finding import Finding
from gradscope.gating.configuration.reading import read_gate
from gradscope.gating.settings import GateTarget
from gradscope.gradient_baseline import drift_between, statistics_of
from gradscope.rules import all_rules, find_rule

HEADINGS = ["What it finds", "Why it matters", "Example", "Use instead", "Limits"]
CODES = list(all_rules())


def example(page: str, heading: str) -> str:
    found = re.search(rf"^{heading}\n\s+```python\n(.*?)^\s+```$", page, re.MULTILINE | re.DOTALL)
    assert found, f"no example under {heading}"
    return textwrap.dedent(found.group(1))


def record(script: Path) -> Recording:
    from gradscope.folds.storages import StorageLog
    from gradscope.recorder import Recorder

    end, recorder = ProgramEnd(), Recorder(storages=StorageLog() if "memory" in script.stem else None)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            with recorder:
                names = runpy.run_path(str(script), run_name="__main__")
            del names  # they live as long as the program's own do
        except RuntimeError as error:
            end = ProgramEnd(1, ProgramError("RuntimeError", str(error), (), ""))
    return recorder.recording(end)


def check(script: Path) -> Recording:
    """What `gradscope check` measures, in this process."""
    from gradscope.recorder.sources import collect_sources
    from tests.checker.process.in_process import check_file

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        checked = check_file(str(script))
    assert [function.failure for function in checked] == [""] * len(checked)
    recording = Recording(checked=checked)
    return replace(recording, sources=collect_sources(recording))


def measured(page: str, heading: str, command: str, folder: Path) -> Recording:
    """What a command measures of the example under a heading."""
    script = folder / f"{command}_example.py"
    script.write_text(example(page, heading), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about what the example does wrong
        recording = check(script) if command == "check" else record(script)
    assert recording.not_seen == ()
    return recording


def findings(code: str, heading: str, folder: Path) -> tuple[Finding, ...]:
    """What is found in an example of a rule's page, by the command that can find it."""
    rule = all_rules()[code]
    if rule.command != "gate":
        return judge(measured(rule.page, heading, rule.command, folder))[0]
    target = stated_target(rule.page, folder)
    recording = measured(rule.page, heading, target.command, folder)
    drift = None
    if code == "GS905":
        right = statistics_of(measured(rule.page, "Use instead", target.command, folder), {})
        drift = drift_between(
            right, recording, {}, baseline="baseline.json", tolerance=target.drift_tolerance
        )
    select = ("GS9",) if heading == "Example" else ()  # the cause of what is beyond a limit is found as well
    return judge(replace(recording, limits=target.limits, drift=drift), select)[0]


def stated_target(page: str, folder: Path) -> GateTarget:
    """The target of the page's configuration, as a gate reads it; its limits are those of the examples."""
    found = re.search(r"^\s+```toml\n(.*?)^\s+```$", page, re.MULTILINE | re.DOTALL)
    assert found, "no configuration states the limit"
    (folder / "pyproject.toml").write_text(textwrap.dedent(found.group(1)), encoding="utf-8")
    for named in re.findall(r'"(\w+\.py)"', found.group(1)):
        (folder / named).touch()
    (target,) = read_gate(nearest(str(folder))).targets
    return target


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_its_headings(code):
    page = all_rules()[code].page
    assert re.findall(r"^(\S.*)$", page, re.MULTILINE)[1:] == HEADINGS
    assert page.partition("\n")[0].endswith(".")
    assert all(len(line) <= 110 for line in page.split("\n"))


@pytest.mark.parametrize("code", CODES)
def test_the_example_is_found(code, tmp_path):
    found = findings(code, "Example", tmp_path)
    assert [one.code for one in found] == [code]
    (one,) = found
    assert one.location is not None
    assert one.fix


def test_a_limit_that_is_not_kept_names_its_line(tmp_path):
    for code in [code for code in CODES if code.startswith("GS9") and code != "GS905"]:
        (one,) = findings(code, "Example", tmp_path)
        assert one.related[-1].message == "the limit is stated here"
        assert one.related[-1].location.path == str(tmp_path / "pyproject.toml")


@pytest.mark.parametrize("code", CODES)
def test_what_is_advised_is_silent(code, tmp_path):
    found = findings(code, "Use instead", tmp_path)
    assert [one.message for one in found] == []


def test_rules_are_found_by_code_and_by_slug():
    assert find_rule("gs102") is find_rule("Severed-Gradient") is all_rules()["GS102"]
    assert find_rule("GS999") is None


def test_codes_and_slugs_are_unique_and_in_order():
    rules = all_rules().values()
    assert sorted(CODES) == CODES
    assert len({rule.slug for rule in rules}) == len(CODES)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)+", rule.slug) for rule in rules)
