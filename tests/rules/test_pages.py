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

from gradscope.engine import judge
from gradscope.facts import ProgramEnd, ProgramError, Recording
from gradscope.finding import Finding
from gradscope.rules import all_rules, find_rule

HEADINGS = ["What it finds", "Why it matters", "Example", "Use instead", "Limits"]
CODES = list(all_rules())


def example(page: str, heading: str) -> str:
    found = re.search(rf"^{heading}\n\s+```python\n(.*?)^\s+```$", page, re.MULTILINE | re.DOTALL)
    assert found, f"no example under {heading}"
    return textwrap.dedent(found.group(1))


def record(script: Path) -> Recording:
    from gradscope.recorder import Recorder

    end, recorder = ProgramEnd(), Recorder()
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


def findings(code: str, heading: str, folder: Path) -> tuple[Finding, ...]:
    """What is found in an example of a rule's page, by the command that can find it."""
    rule = all_rules()[code]
    script = folder / "example.py"
    script.write_text(example(rule.page, heading), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, about what the example does wrong
        recording = check(script) if rule.command == "check" else record(script)
    assert recording.not_seen == ()
    return judge(recording)[0]


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
