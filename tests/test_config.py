"""`[tool.gradscope]`: where it is looked for, what it says, and what is refused."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

import pytest

from gradscope import config, config_file
from gradscope.config import Config, display_path, from_file, nearest
from gradscope.errors import UsageError, render
from gradscope.patterns import PathPattern

SECTION = "[tool.gradscope]\n"


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(text: str | bytes, folder: str = ".") -> str:
    """Writes a pyproject.toml and returns its folder."""
    os.makedirs(folder, exist_ok=True)
    path = Path(folder, "pyproject.toml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def refused(text: str | bytes) -> str:
    """The whole error, as it is shown."""
    with pytest.raises(UsageError) as caught:
        nearest(written(text))
    return render(caught.value)


# ---------------------------------------------------------------- what it says


def test_every_key(tmp_path: Path) -> None:
    written(
        """
        [project]
        name = "x"

        [tool.gradscope]
        select = ["GS1", "nan-gradient, GS3"]
        ignore = ["GS103"]
        fail-on = "warning"
        baseline = "ci/known.json"

        [tool.gradscope.per-file-ignores]
        "legacy/*" = ["GS102", "GS2"]
        "tests" = []
        """
    )
    found = nearest(".")
    assert found == Config(
        path=str(tmp_path / "pyproject.toml"),
        name="pyproject.toml",
        select=("GS1", "nan-gradient", "GS3"),
        ignore=("GS103",),
        per_file_ignores=(
            (PathPattern("legacy/*", str(tmp_path)), ("GS102", "GS2")),
            (PathPattern("tests", str(tmp_path)), ()),
        ),
        fail_on="warning",
        baseline=str(tmp_path / "ci" / "known.json"),
    )


def test_an_empty_section_is_a_configuration() -> None:
    assert nearest(written(SECTION)).path


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf[tool.gradscope]\nignore = ['GS103']\n",
        b"[tool.gradscope]\r\nignore = ['GS103']\r\n",
        b"tool.gradscope.ignore = ['GS103']",
        b"[tool]\ngradscope = { ignore = ['GS103'] }\n",
    ],
    ids=["byte order mark", "CRLF", "dotted", "inline table"],
)
def test_ways_of_writing_it(text: bytes) -> None:
    assert nearest(written(text)).ignore == ("GS103",)


def test_the_gate_is_read_where_it_is_run() -> None:
    found = nearest(written(SECTION + 'ignore = ["GS103"]\n[tool.gradscope.gate]\njobs = "wrong"\n'))
    assert found.ignore == ("GS103",)
    assert nearest(written("[[tool.gradscope.gate.targets]]\ntrace = 3\n", "inner")).path


# ---------------------------------------------------------------- where it is looked for


def test_the_nearest_one_above(tmp_path: Path) -> None:
    written(SECTION + 'ignore = ["GS101"]')
    written(SECTION + 'ignore = ["GS102"]', "a")
    os.makedirs("a/b/c")
    assert nearest("a/b/c").ignore == ("GS102",)
    assert nearest("a/b/c").name == os.path.join("a", "pyproject.toml")
    assert nearest(".").ignore == ("GS101",)


def test_one_without_the_section_is_passed_over() -> None:
    written(SECTION + 'ignore = ["GS101"]')
    for text in ("[project]\n", "", "tool = 3\n", "[tool.ruff]\n"):
        assert nearest(written(text, "inner")).ignore == ("GS101",)


def test_a_folder_of_that_name_is_passed_over() -> None:
    os.makedirs("inner/pyproject.toml")
    written(SECTION + 'ignore = ["GS101"]')
    assert nearest("inner").ignore == ("GS101",)


def test_none_at_all() -> None:
    assert nearest("/") == Config()


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need a right there")
def test_a_linked_folder_belongs_where_it_was_typed() -> None:
    written(SECTION + 'ignore = ["GS101"]', "project")
    written(SECTION + 'ignore = ["GS102"]', "elsewhere")
    os.makedirs("elsewhere/code")
    os.symlink("../elsewhere/code", "project/link")
    assert nearest("project/link").ignore == ("GS101",)


def test_a_file_that_is_named() -> None:
    written(SECTION + 'ignore = ["GS101"]')
    Path("other.toml").write_text(SECTION + 'baseline = "x.json"', encoding="utf-8")
    found = from_file("other.toml")
    assert (found.name, found.ignore, found.baseline) == ("other.toml", (), os.path.abspath("x.json"))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("none.toml", "--config none.toml: no such file\n  try   --isolated"),
        ("baer.toml", "--config baer.toml: no such file\n  try   --config bare.toml"),
        ("none/at/all.toml", "--config none/at/all.toml: no such file\n  try   --isolated"),
        (".", "--config . is a folder"),
        ("bare.toml", "--config bare.toml: it has no [tool.gradscope]"),
    ],
)
def test_a_file_that_is_named_must_be_one(typed: str, said: str) -> None:
    Path("bare.toml").touch()
    with pytest.raises(UsageError) as caught:
        from_file(typed)
    assert said in render(caught.value)


def test_paths_are_shown_as_one_would_type_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert display_path(str(tmp_path / "pyproject.toml")) == os.path.join("..", "pyproject.toml")
    assert display_path("/x") == "/x"


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('ingore = ["GS103"]', "unknown key ingore in [tool.gradscope]; did you mean ignore?"),
        ('per_file_ignores = ["GS103"]', "did you mean per-file-ignores?"),
        ("fail_on = 3", "did you mean fail-on?"),
        ("gate = 3", "gate must be a table, not a number"),
        ("[[tool.gradscope.gate]]", "gate must be a table, not a list"),
        (
            "steps = 3",
            "steps says how a program is run, which the command line does, or a target of the gate",
        ),
        ("redact = true", "redact says how a program is reported, which only the command line does"),
        ('ignore = "GS103"', "ignore must be a list of strings, not a string"),
        ("ignore = [true]", "ignore must be a list of strings, and holds true"),
        ("ignore = 2020-01-01", "ignore must be a list of strings, not a date or time"),
        ('ignore = ["GS103", ""]', "ignore holds an empty string, which names no rule"),
        ('ignore = ["sevred-gradient"]', "no such rule; did you mean severed-gradient?"),
        ("select = []", "select is empty: no rule would be checked"),
        ('fail-on = "errors"', 'fail-on must be "error", "warning" or "never", not "errors"'),
        ("fail-on = false", "not false"),
        ("baseline = 1.5", "baseline must be the path of a file, not a number"),
        ('baseline = " "', "baseline must be the path of a file, not empty"),
        ("per-file-ignores = []", "per-file-ignores must be a table of patterns, not a list"),
        ('per-file-ignores = {"a" = "GS1"}', '"a" must be a list of strings, not a string'),
        ('per-file-ignores = {"a" = ["GS99"]}', '"a" GS99: no such rule'),
        ('per-file-ignores = {"/a" = []}', 'the pattern "/a" is absolute'),
    ],
)
def test_a_wrong_key_or_value_is_told_with_its_line(lines: str, said: str) -> None:
    text = refused(f'# ignore\n[tool.other]\nignore = ["GS1"]\n\n{SECTION}# steps\n{lines}\n')
    assert said in " ".join(text.split())
    assert text.startswith("error: pyproject.toml: ")
    assert "--> pyproject.toml:7\n" in text
    assert "^" in text


def test_the_place_of_a_name_is_the_name() -> None:
    text = refused(SECTION + 'ignore = [\n  "GS103",\n\t"GS999",  # why\n]\n')
    assert '  --> pyproject.toml:4\n     4 |   "GS999",  # why\n            ^^^^^\n' in text


def test_a_section_that_is_no_table() -> None:
    assert "tool.gradscope must be a table, not a number" in refused("[tool]\ngradscope = 3\n")


def test_a_file_that_is_no_toml_is_told_with_line_and_column() -> None:
    text = refused('[tool.gradscope]\nignore = ["GS103"\nfail-on = 1\n')
    assert text.startswith("error: pyproject.toml is not TOML: ")
    assert "--> pyproject.toml:3:1\n     3 |  fail-on = 1\n          ^\n" in text
    assert "--isolated" in text


def test_a_file_that_ends_too_early() -> None:
    assert "is not TOML" in refused("a = [")


def test_a_file_nested_without_end() -> None:
    assert "is not TOML" in refused("a = " + "[" * 100_000)


def test_a_file_that_is_not_utf_8() -> None:
    assert "pyproject.toml is not UTF-8 text (line 2)" in refused(b"[tool.gradscope]\n# \xff\n")


def test_a_file_that_may_not_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    folder = written(SECTION)
    monkeypatch.setattr(config_file, "open", forbidden, raising=False)
    with pytest.raises(UsageError, match=r"pyproject.toml cannot be read: Permission denied"):
        nearest(folder)


def test_control_characters_are_shown_as_escapes() -> None:
    text = refused(SECTION + '"a\\u001b[31m[red]" = 1\n')
    assert "unknown key a\\x1b[31m[red] in" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("name", ["trace", "check", "graph"])
def test_the_options_of_a_run_are_those_of_the_command(name: str) -> None:
    command = import_module(f"gradscope.commands.{name}").command
    judging = {"select", "ignore", "fail_on", "baseline", "write_baseline", "config", "isolated"}
    typed = {
        option.removeprefix("--").replace("-", "_")
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert typed - judging == config.COMMAND_LINE_ONLY[name]
