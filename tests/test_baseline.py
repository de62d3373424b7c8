"""A baseline: what it silences, what it says of the rest, and how it is written."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradscope import baseline, destination
from gradscope.baseline import Baseline, Draft, Known, Section, Written, read
from gradscope.errors import OutputError, UsageError, render
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity
from gradscope.gradient_statistics import GradientStatistics, LossFigures, Measured, ParameterFigures

TARGET = "train.py"
ALL = frozenset(("GS102", "GS103", "GS301"))
CODE = ("import torch", "h = f(x).detach()", "g(h)", "h = f(x).detach()")
COMMAND = "gradscope trace train.py --write-baseline"


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def finding(line: int, code: str = "GS102", **more: Any) -> Finding:
    known = Finding(code, "a-rule", Severity.ERROR, "m", Location(os.path.abspath(TARGET), line))
    return replace(known, **more)


def recording(*lines: str) -> Recording:
    return Recording(sources={os.path.abspath(TARGET): lines or CODE})


def write(
    *findings: Finding, target: str = TARGET, judged: frozenset[str] = ALL, redact: bool = False
) -> Written:
    draft = Draft(os.path.abspath("base.json"), "base.json")
    return draft.write(target, findings, recording(), judged, redact=redact)


def text() -> str:
    return Path("base.json").read_text(encoding="utf-8")


def known(target: str = TARGET) -> Known:
    return Known(read_again(), target)


def read_again() -> Baseline:
    return read(os.path.abspath("base.json"), "base.json", COMMAND)


def draft(option: str = "--write-baseline") -> Draft:
    return Draft(os.path.abspath("base.json"), "base.json", option)


GRADIENTS = GradientStatistics(
    Measured(torch="2.13.0", device="cpu", dtypes=("float32",)),
    {"loss in train": LossFigures(2.5, 0.5, 3)},
    {"fc.weight": ParameterFigures(1.25, "NaN", 3), "fc.bias": ParameterFigures()},
)


def write_gradients() -> None:
    draft().write_all([Section(TARGET, (), recording(), ALL, GRADIENTS)], redact=False)


# ---------------------------------------------------------------- how it is written


def test_the_whole_file() -> None:
    assert write(finding(4), finding(3, "GS103"), finding(2)) == Written(3, 3, 0)
    assert (
        text()
        == """\
{
  "gradscope_baseline": 1,
  "targets": {
    "train.py": {
      "findings": [
        {"code": "GS103", "rule": "a-rule", "path": "train.py", "source": "g(h)"},
        {"code": "GS102", "rule": "a-rule", "path": "train.py", "source": "h = f(x).detach()", "count": 2}
      ]
    }
  }
}
"""
    )


def test_gradients_stand_one_parameter_a_line() -> None:
    write_gradients()
    assert (
        text()
        == """\
{
  "gradscope_baseline": 1,
  "targets": {
    "train.py": {
      "findings": [],
      "gradients": {
        "measured": {"torch": "2.13.0", "device": "cpu", "dtypes": ["float32"]},
        "losses": {"loss in train": {"first": 2.5, "last": 0.5, "backwards": 3}},
        "parameters": {
          "fc.weight": {"norm": 1.25, "last_norm": "NaN", "backwards": 3},
          "fc.bias": {}
        }
      }
    }
  }
}
"""
    )
    assert read_again().gradients(TARGET) == GRADIENTS


def test_several_targets_are_written_in_one_go() -> None:
    write(finding(2), target="other.py")
    sections = [
        Section("b.py", (finding(2), finding(4)), recording(), ALL, GRADIENTS),
        Section("a.py", (), recording(), ALL),
        Section("other.py", (finding(3),), recording(), ALL),
    ]
    assert draft().write_all(sections, redact=False) == [Written(2, 2, 0), Written(0, 0, 0), Written(1, 1, 1)]
    again = read_again()
    assert list(again.entries) == ["a.py", "b.py", "other.py"]
    assert again.gradients("b.py") == GRADIENTS
    assert again.gradients("a.py") is None
    assert draft().write_all([], redact=False) == []
    assert read_again().entries == again.entries


def test_findings_that_are_written_alone_leave_the_gradients() -> None:
    write_gradients()
    for redact in (False, True):
        write(finding(2), redact=redact)
        assert read_again().gradients(TARGET) == GRADIENTS
    assert read_again().gradients("never.py") is None


def test_redacted_gradients_are_not_written() -> None:
    write_gradients()
    draft().write_all([Section(TARGET, (), recording(), ALL, GRADIENTS)], redact=True)
    assert read_again().gradients(TARGET) is None


def test_a_file_of_before_there_were_gradients_is_read() -> None:
    write(finding(2))
    assert read_again().gradients(TARGET) is None
    assert known()(finding(2), recording()) is not None


def test_damaged_gradients_hurt_only_who_asks_for_them() -> None:
    write(finding(2))
    content = json.loads(text())
    content["targets"][TARGET]["gradients"] = {"parameters": {"a": {"norm": "many"}}}
    Path("base.json").write_text(json.dumps(content), encoding="utf-8")
    assert known()(finding(2), recording()) is not None
    with pytest.raises(UsageError, match=r"base.json is damaged: .*norm.*in the gradients of train.py"):
        read_again().gradients(TARGET)


def test_a_limit_never_enters_a_baseline_nor_is_known() -> None:
    limit = finding(2, "GS901")
    assert write(limit, finding(3)) == Written(1, 1, 0)
    content = json.loads(text())
    assert [each["code"] for each in content["targets"][TARGET]["findings"]] == ["GS102"]
    content["targets"][TARGET]["findings"].append(
        {"code": "GS901", "path": "train.py", "source": "h = f(x).detach()"}
    )
    Path("base.json").write_text(json.dumps(content), encoding="utf-8")
    silencer = known()
    assert silencer(limit, recording()) is None
    assert silencer.silenced == 0


def test_it_does_not_depend_on_order() -> None:
    write(finding(4), finding(3, "GS103"), finding(2))
    first = text()
    write(finding(2), finding(4), finding(3, "GS103"))
    assert text() == first


def test_nothing_found_is_written_too() -> None:
    assert write() == Written(0, 0, 0)
    assert json.loads(text())["targets"] == {"train.py": {"findings": []}}
    assert known().remarks(ALL, anything_shown=True) == []


def test_it_says_what_is_new_and_what_is_forgotten() -> None:
    write(finding(2), finding(4), finding(3))
    assert write(finding(2), finding(3, "GS103")) == Written(2, 1, 2)


def test_other_targets_and_rules_that_were_not_judged_are_kept() -> None:
    write(finding(2), target="eval.py")
    write(finding(3, "GS103"), finding(2))
    assert write(finding(4), finding(2), judged=frozenset(("GS102",))) == Written(2, 1, 0)
    targets = json.loads(text())["targets"]
    assert list(targets) == ["eval.py", "train.py"]
    assert [each["code"] for each in targets["train.py"]["findings"]] == ["GS103", "GS102"]


def test_what_a_later_version_adds_is_kept() -> None:
    later = {
        "gradscope_baseline": 1,
        "targets": {
            "train.py": {"findings": [], "gradients": {"fc.weight": [1.5, {"deep": None}]}},
            "eval.py": {"findings": [{"code": "GS102", "since": "2027"}], "note": "x"},
        },
        "written_by": "gradscope 9",
    }
    Path("base.json").write_text(json.dumps(later), encoding="utf-8")
    write(finding(2))
    found = json.loads(text())
    del found["targets"]["train.py"]["findings"], later["targets"]["train.py"]["findings"]  # type: ignore[index]
    assert found == later


def test_redacted_it_holds_no_source_and_silences_all_the_same() -> None:
    write(finding(2), finding(4), redact=True)
    assert "detach" not in text()
    assert known()(finding(2), recording()) == "baseline base.json"
    redacted = text()
    assert write(finding(2), finding(4)) == Written(2, 0, 0)
    assert text() != redacted


def test_odd_text_survives() -> None:
    lines = ("x = '日本 [/red] \\x1b \udcff'",)
    draft = Draft(os.path.abspath("base.json"), "base.json")
    draft.write("tr\udcffin.py", [finding(1)], recording(*lines), ALL, redact=False)
    assert known("tr\udcffin.py")(finding(1), recording(*lines)) is not None


def test_plain_characters_are_written_as_they_are() -> None:
    draft = Draft(os.path.abspath("base.json"), "base.json")
    draft.write(TARGET, [finding(1)], recording("x = '日本'"), ALL, redact=False)
    assert "日本" in text()


def test_lines_end_as_they_do_everywhere() -> None:
    write(finding(2))
    assert b"\r" not in Path("base.json").read_bytes()


# ---------------------------------------------------------------- what is not overwritten


@pytest.mark.parametrize("content", ["", "  \n"])
def test_an_empty_file_may_be_written(content: str) -> None:
    Path("base.json").write_text(content, encoding="utf-8")
    assert write(finding(2)).findings == 1


@pytest.mark.parametrize(
    "content",
    ["my notes", "[1, 2]", '{"a": 1}', '{"schema_version": "1"}', '{"gradscope_baseline": 2}', "\0\0"],
)
def test_a_file_that_is_no_baseline_is_not_overwritten(content: str) -> None:
    Path("base.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        write(finding(2))
    assert "base.json is not overwritten" in render(caught.value)
    assert text() == content


def test_a_file_that_became_another_meanwhile_is_not_overwritten() -> None:
    draft = Draft(os.path.abspath("base.json"), "base.json")
    Path("base.json").write_text("my notes", encoding="utf-8")
    with pytest.raises(UsageError, match="is not a gradscope baseline"):
        draft.write(TARGET, [], recording(), ALL, redact=False)
    assert text() == "my notes"


def test_what_another_run_wrote_meanwhile_is_kept() -> None:
    draft = Draft(os.path.abspath("base.json"), "base.json")
    write(finding(2), target="eval.py")
    draft.write(TARGET, [finding(2)], recording(), ALL, redact=False)
    assert list(json.loads(text())["targets"]) == ["eval.py", "train.py"]


@pytest.mark.parametrize(
    ("path", "said"),
    [("none/base.json", "there is no folder none"), (".", "is a folder"), (os.devnull, "is not a file")],
)
def test_where_it_cannot_be_written_is_told_before_the_run(path: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Draft(os.path.abspath(path), path)


def test_a_full_disk_leaves_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def full(path: str, newline: str | None = None) -> Iterator[object]:
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    write(finding(2))
    before = text()
    monkeypatch.setattr(baseline, "replacing", full)
    with pytest.raises(OutputError, match=r"base.json was not written: No space left"):
        write()
    assert text() == before


def test_a_file_in_a_folder_that_may_not_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(**_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    write(finding(2))
    monkeypatch.setattr(tempfile, "mkstemp", forbidden)
    assert destination.tempfile is tempfile
    assert write(finding(3)) == Written(1, 1, 1)
    assert len(json.loads(text())["targets"]["train.py"]["findings"]) == 1


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right there")
def test_a_link_stays_a_link() -> None:
    Path("real.json").touch()
    Path("base.json").symlink_to("real.json")
    write(finding(2))
    assert Path("base.json").is_symlink()
    assert json.loads(Path("real.json").read_text(encoding="utf-8"))["targets"]


# ---------------------------------------------------------------- what it silences


def test_a_known_finding_is_silenced_wherever_its_line_moved() -> None:
    write(finding(2))
    moved = recording("# new", "# new", "h = f(x).detach()  # now with a comment")
    assert known()(finding(3), moved) == "baseline base.json"
    assert known()(finding(3), recording("", "", "h = f(y).detach()")) is None


def test_it_is_silenced_as_often_as_it_was_written() -> None:
    write(finding(2), finding(4))
    silencer = known()
    lines = recording(*CODE, CODE[1])
    assert [silencer(finding(line), lines) is not None for line in (2, 4, 5)] == [True, True, False]


def test_another_target_is_another_matter() -> None:
    write(finding(2))
    silencer = known("eval.py")
    assert silencer(finding(2), recording()) is None
    said = "baseline base.json knows train.py, and not eval.py: --write-baseline base.json adds it"
    assert silencer.remarks(ALL, anything_shown=True) == [said]
    assert silencer.remarks(ALL, anything_shown=False) == []


def test_a_fixed_finding_is_told() -> None:
    write(finding(2), finding(4), finding(3, "GS103"))
    silencer = known()
    assert silencer(finding(2), recording()) is not None
    assert silencer.remarks(ALL, anything_shown=False) == [
        "2 findings of baseline base.json were not found again (GS103 in train.py, GS102 in train.py): "
        "fixed, or not reached in this run; --write-baseline base.json forgets them"
    ]
    (one,) = silencer.remarks(frozenset(("GS102",)), anything_shown=False)
    assert one.startswith("1 finding of baseline base.json was not found again (GS102 in train.py): ")
    assert silencer.remarks(frozenset(("GS301",)), anything_shown=False) == []


def test_what_it_silenced_is_counted_and_what_is_gone_is_described() -> None:
    write(finding(2), finding(4), finding(3, "GS103"), finding(3, "GS301"))
    silencer = known()
    assert (silencer.silenced, silencer.knows_target) == (0, True)
    silencer(finding(2, "GS999"), recording())
    silencer(finding(3, "GS301"), recording())
    assert silencer.silenced == 1
    assert silencer.gone(ALL) == ("GS103 in train.py", "GS102 in train.py, 2 times")
    silencer(finding(2), recording())
    assert silencer.gone(ALL) == ("GS103 in train.py", "GS102 in train.py")
    assert silencer.gone(frozenset(("GS103",))) == ("GS103 in train.py",)
    assert (known("eval.py").knows_target, known("eval.py").gone(ALL)) == (False, ())


def test_entries_alike_count_together() -> None:
    write(finding(2))
    content = json.loads(text())
    section = content["targets"][TARGET]
    section["findings"] *= 2
    Path("base.json").write_text(json.dumps(content), encoding="utf-8")
    silencer = known()
    assert silencer(finding(2), recording()) is not None
    assert silencer.gone(ALL) == ("GS102 in train.py",)


def test_what_is_gone_names_its_function() -> None:
    where = Location(os.path.abspath(TARGET), 2, function="Net.forward")
    write(finding(2, location=where))
    assert known().gone(ALL) == ("GS102 in Net.forward, train.py",)


def test_everything_found_again_is_no_news() -> None:
    write(finding(2))
    silencer = known()
    silencer(finding(2), recording())
    assert silencer.remarks(ALL, anything_shown=True) == []


# ---------------------------------------------------------------- what cannot be read


def _deep() -> str:
    return "[" * 100_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "base.json is not a gradscope baseline: it is empty"),
        ("{", "it is not JSON: Expecting property name enclosed in double quotes (line 1, column 2)"),
        ('{\n<<<<<<< HEAD\n"a": 1}', "line 2 is the mark of an unfinished merge"),
        ("[]", 'it has no "gradscope_baseline"'),
        ('{"schema_version": "1", "findings": []}', "it is a report (--format json)"),
        (
            '{"gradscope_baseline": 7}',
            "baseline base.json is of version 7, and this gradscope reads version 1",
        ),
        ('{"gradscope_baseline": "\\u001b[31m"}', "is of version \\x1b[31m, and"),
        ('{"gradscope_baseline": 1, "targets": []}', "baseline base.json is damaged: Expected `object`"),
        (
            '{"gradscope_baseline": 1, "targets": {"t": {"findings": [{"code": 1}]}}}',
            "Expected `str`, got `int` - at `$.targets[...].findings[0].code`",
        ),
        ('{"gradscope_baseline": 1, "targets": {"t": {"findings": [{"code": "G", "count": 0}]}}}', ">= 1"),
        (_deep, "it is nested too deeply"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "deep",
)
def test_a_file_that_is_no_baseline(content: str | Callable[[], str], said: str) -> None:
    Path("base.json").write_text(content if isinstance(content, str) else content(), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        known()
    shown = render(caught.value)
    assert said in " ".join(shown.split())
    assert "  try   " in shown
    assert (f"{COMMAND} base.json" in shown) is (content == "")


def test_a_file_that_is_no_text() -> None:
    Path("base.json").write_bytes(b'{"gradscope_baseline": 1}\xff')
    with pytest.raises(UsageError, match="it is not UTF-8 text"):
        known()


def test_a_byte_order_mark_and_other_line_ends_do_not_matter() -> None:
    write(finding(2))
    Path("base.json").write_bytes(b"\xef\xbb\xbf" + Path("base.json").read_bytes().replace(b"\n", b"\r\n"))
    assert known()(finding(2), recording()) is not None


def test_no_file() -> None:
    with pytest.raises(UsageError) as caught:
        read(os.path.abspath("base.json"), "base.json", COMMAND, "pyproject.toml")
    assert (
        render(caught.value)
        == f"error: no such baseline: base.json\n  --> pyproject.toml\n  try   {COMMAND} base.json\n"
    )


def test_the_option_that_asked_for_a_file_is_named() -> None:
    Path("base.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        draft("--update-baseline")
    assert "--update-baseline with another name: base.json is not overwritten" in render(caught.value)


def test_a_folder() -> None:
    with pytest.raises(UsageError, match=r"baseline \. is not a file"):
        read(os.path.abspath("."), ".", COMMAND)
