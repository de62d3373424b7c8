"""README: every command and output in it is what one gets; `--rewrite-golden` writes the outputs anew."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.started import python

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[+-]?\d+)?")
_TIME = re.compile(r" *(?:less than )?\d+(?:\.\d+)? (?:s|ms|us)\b")
_ROUNDING = re.compile(r"\b\de-\d\d\b")  # how well two numbers agree, or how uncertain one is
_INSTALL = "python -m pip install -e '.[dev]' -c constraints.txt && "


@dataclass(frozen=True)
class Shown:
    """A command, and the output that README shows below it."""

    command: str
    output: str


def fences(language: str) -> list[str]:
    return [body for name, body in _FENCE.findall(README.read_text(encoding="utf-8")) if name == language]


def shown() -> Iterator[Shown]:
    for body in fences("console"):
        command, _, output = body.partition("\n")
        yield Shown(command.removeprefix("$ "), output)


def run(command: str) -> str:
    program, *words = shlex.split(command)
    assert program == "gradscope"
    done = python(["-m", "gradscope", *words], cwd=PROJECT, together=True)
    assert done.returncode in (0, 1), done.stdout
    return done.stdout


def alike(expected: str, found: str) -> bool:
    """Equal texts, but for times and the last digits of numbers, which differ between processors."""
    expected, found = (_ROUNDING.sub("ROUNDING", _TIME.sub(" TIME", text)) for text in (expected, found))
    if _NUMBER.sub("#", expected) != _NUMBER.sub("#", found):
        return False
    pairs = zip(_NUMBER.findall(expected), _NUMBER.findall(found), strict=True)
    return all(math.isclose(float(one), float(other), rel_tol=0.02, abs_tol=1e-5) for one, other in pairs)


@pytest.mark.parametrize("each", list(shown()), ids=lambda each: each.command)
def test_a_command_prints_what_is_shown(each: Shown, request: pytest.FixtureRequest) -> None:
    found = run(each.command)
    if request.config.getoption("--rewrite-golden"):
        text = README.read_text(encoding="utf-8")
        block = f"```console\n$ {each.command}\n"
        README.write_text(text.replace(f"{block}{each.output}```", f"{block}{found}```"), encoding="utf-8")
        return
    assert alike(each.output, found), f"README shows\n{each.output}\nand this is\n{found}"


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's dot is not installed")
@pytest.mark.parametrize(
    "picture", sorted((PROJECT / "examples" / "pictures").iterdir()), ids=lambda path: path.name
)
def test_a_picture_says_what_is_drawn_today(
    picture: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    drawn = tmp_path / picture.name
    run(f"gradscope graph examples/{picture.stem}.py -o {drawn}")
    if request.config.getoption("--rewrite-golden"):
        picture.write_bytes(drawn.read_bytes())
        return
    # where things stand is up to the version of dot, what stands there is not
    expected, found = (sorted(texts(each)) for each in (picture, drawn))
    assert len(expected) > 10
    assert alike("\n".join(expected), "\n".join(found))


def texts(picture: Path) -> list[str]:
    """What stands in an SVG."""
    root = ElementTree.parse(picture).getroot()
    return ["".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_first_two_commands_set_up_everything() -> None:
    example, tests = fences("sh")
    assert example == f"{_INSTALL}gradscope trace examples/severed.py\n"
    assert tests == f"{_INSTALL}python -m pytest -n 2\n"
    assert example.removeprefix(_INSTALL).strip() in [each.command for each in shown()]
    assert (PROJECT / ".ci" / "run").read_text(encoding="utf-8").endswith(f"\n{tests}")


def test_the_python_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # one of them writes a file
    _, traced, drawn, checked, measured = fences("python")
    assert "no findings · 1 backward watched" in printed(traced)
    assert printed(traced).endswith("\n() 1\n")
    assert "10 nodes · 4 leaves" in printed(drawn)
    assert "<title>autograd graph" in (tmp_path / "graph.html").read_text(encoding="utf-8")
    assert "1 function checked · no findings" in printed(checked)
    memory = printed(measured)
    assert "<- fits" in memory
    assert "use_reentrant=False" in memory
    peak, saved = map(int, memory.splitlines()[-1].split())
    assert 0 < saved < peak


def test_the_tests_shown_pass(tmp_path: Path) -> None:
    tests, *_ = fences("python")
    (tmp_path / "test_shown.py").write_text(tests, encoding="utf-8")
    words = [
        "-m",
        "pytest",
        "-q",
        "--disable-plugin-autoload",
        "-p",
        "gradscope.pytest_plugin",
        "--gradscope",
    ]
    done = python(words, cwd=tmp_path, together=True)
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert "no findings" in done.stdout


def printed(program: str) -> str:
    """What a program prints that is run as it stands."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "<README>", "exec"), {})
    return out.getvalue()


def test_the_configuration_shown_is_that_of_the_example() -> None:
    gate, project = fences("toml")
    for shown, name in ((gate, "gate"), (project, "project")):
        assert shown == (PROJECT / "examples" / name / "pyproject.toml").read_text(encoding="utf-8")


def test_every_key_of_the_configuration_is_described() -> None:
    from gradscope.config import KEYS

    rows = re.findall(r"^\| `([\w-]+)` \| ", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [row for row in rows if row in KEYS] == list(KEYS)


@pytest.mark.parametrize("name", ["check", "graph", "memory", "trace"])
def test_every_option_is_described(name: str) -> None:
    import click

    from gradscope.cli import cli

    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    text = README.read_text(encoding="utf-8")
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("-")]
    assert [option for option in options if option not in text] == []


def test_every_exit_status_is_described() -> None:
    from gradscope.exits import ExitStatus

    rows = re.findall(r"^\| (\d+) \| ", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == list(ExitStatus)


def test_every_command_has_a_section() -> None:
    import click

    from gradscope.cli import cli

    text = README.read_text(encoding="utf-8")
    for name in cli.list_commands(click.Context(cli)):
        assert f"\n### {name}\n" in text


def test_links_lead_to_files() -> None:
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text)
    headings = {f"#{each.lower().replace(' ', '-')}" for each in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    assert [link for link in links if link not in headings and not (PROJECT / link).exists()] == []
    assert len(links) > 2
