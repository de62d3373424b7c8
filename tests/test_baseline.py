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
from gradscope.baseline import Draft, Known, Written, read
from gradscope.errors import OutputError, UsageError, render
from gradscope.facts import Recording
from gradscope.finding import Finding, Location, Severity

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
    return Known(read(os.path.abspath("base.json"), "base.json", COMMAND), target)


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


def test_a_folder() -> None:
    with pytest.raises(UsageError, match=r"baseline \. is not a file"):
        read(os.path.abspath("."), ".", COMMAND)
