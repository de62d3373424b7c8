"""The house: its walls, its public names, and that it is typed and tidy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import gradscope

ROOT = Path(gradscope.__file__).parent
PROJECT = ROOT.parent
FILES = sorted(ROOT.rglob("*.py"))
LIGHT = (
    "autograd_graph",
    "folds",
    "rules",
    "reporters",
    "syntax",
    "engine.py",
    "facts",
    "formulas",
    "finding.py",
    "report.py",
    "endings.py",
    "outcomes.py",
    "exits.py",
    "rule_names.py",
    "silence.py",
    "patterns.py",
    "fingerprint.py",
    "baseline.py",
    "baseline_file.py",
    "figures.py",
    "gradient_baseline.py",
    "gradient_comparison.py",
    "gradient_statistics.py",
    "sizes.py",
    "config.py",
    "policy.py",
)


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(path: Path) -> str:
    """The folder or file directly below the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0]


def forbidden(path: Path) -> tuple[str, ...]:
    """What this file must not import."""
    if part(path) in LIGHT:
        return ("torch", "numpy", "gradscope.recorder", "gradscope.loader")
    if part(path) == "recorder":
        return (
            "gradscope.rules",
            "gradscope.engine",
            "gradscope.reporters",
            "gradscope.loader",
            "gradscope.commands",
        )
    if part(path) in ("loader", "checker", "memory_use"):
        return ("gradscope.rules", "gradscope.engine", "gradscope.reporters", "gradscope.commands")
    return ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_walls(path: Path) -> None:
    walls = forbidden(path)
    found = {
        name for name in imports_of(path) for wall in walls if name == wall or name.startswith(f"{wall}.")
    }
    assert not found


BELOW = {
    "copies": "",
    "duals": "",
    "generators": "",
    "raised": "",
    "watched": "",
    "subject": "subjects",
    "subjects": "subject",
    "point": "copies generators subject",
    "numeric": "copies generators point raised",
    "samples": "copies generators point raised subject subjects watched",
    "cases": "copies duals generators numeric point raised subject subjects watched",
    "own_dtypes": "numeric point raised subject",
    "unusual": "numeric point",
    "run": "cases numeric own_dtypes point raised subject unusual watched",
    "models": "copies generators point raised run subject subjects",
    "ways": "copies duals generators point raised subject subjects",
    "process": "cases generators models point raised run samples subject subjects watched ways",
}
"""What each part of the checker is made of: the user's functions and arguments know no check, the numbers no
check either, the checks not the process that they run in."""


@pytest.mark.parametrize(
    "path", [path for path in FILES if part(path) == "checker"], ids=lambda path: path.stem
)
def test_walls_inside_the_checker(path: Path) -> None:
    below = path.relative_to(ROOT / "checker").parts[0].removesuffix(".py")
    if below == "__init__":
        assert not list(imports_of(path))
        return
    used = {name.split(".")[2] for name in imports_of(path) if name.startswith("gradscope.checker.")}
    assert used <= {below, *BELOW[below].split()}


ENGINE = "gradscope.rules"
"""The engine belongs to the rules: it knows how they explain errors and causes."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_private_is_known_to_its_own_package_alone(path: Path) -> None:
    package = ENGINE if path == ROOT / "engine.py" else ".".join(path.relative_to(PROJECT).parts[:-1])
    for name in imports_of(path):
        parts = name.split(".")
        for number, each in enumerate(parts):
            if parts[0] == "gradscope" and each[0] == "_" and each[1] != "_":
                is_package = PROJECT.joinpath(*parts[:number]).is_dir()
                owner = ".".join(parts[: number if is_package else number - 1])
                assert f"{package}.".startswith(f"{owner}."), name


@pytest.mark.parametrize("name", ["checking.py", "judging.py", "reported.py", "destination.py"])
def test_what_hands_reports_on_knows_no_torch(name: str) -> None:
    assert "torch" not in {each.partition(".")[0] for each in imports_of(ROOT / name)}


def test_rules_and_reporters_do_not_know_each_other() -> None:
    for path in FILES:
        names = set(imports_of(path))
        if part(path) == "rules":
            assert not any(name.startswith("gradscope.reporters") for name in names), path
        if part(path) == "reporters":
            assert not any(name.startswith("gradscope.engine") for name in names), path


def modules_after(program: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{program}\nprint('\\n'.join(sys.modules), file=sys.stderr)"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "program",
    [
        "import gradscope",
        "from gradscope.cli import run; run(['--help'])",
        "from gradscope.cli import run; run(['trace', '--help'])",
        "from gradscope.cli import run; run(['check', '--help'])",
        "from gradscope.cli import run; run(['check', 'no_such_file.py'])",
        "from gradscope.cli import run; run(['explain', 'GS102'])",
        "from gradscope.cli import run; run(['explain', '--help'])",
        "from gradscope.cli import run; run(['explain', 'MulBackward0'])",
        "from gradscope.cli import run; run(['explain', 'nn.CrossEntropyLoss'])",
        "from gradscope.cli import run; run(['explain', 'examples/checks/clamp.py:Clamp'])",
        "from gradscope.cli import run; run(['trace', 'no_such_file.py'])",
        "from gradscope.cli import run; run(['trace', 'examples/severed.py', '--config', 'none.toml'])",
        "from gradscope.cli import run; run(['trace', 'examples/severed.py', '--baseline', 'none.json'])",
        "from gradscope.cli import run; run(['--version'])",
    ],
)
def test_what_needs_no_torch_does_not_import_it(program: str) -> None:
    loaded = modules_after(program)
    assert not loaded & {"torch", "numpy"}
    if "help" in program:
        assert not loaded & {"rich", "msgspec", "gradscope.facts"}


def test_public_names() -> None:
    assert gradscope.__all__ == ["__version__", "check", "graph", "memory", "trace"]
    assert set(gradscope.__all__) <= set(dir(gradscope))
    assert callable(gradscope.trace)
    assert callable(gradscope.check)
    assert callable(gradscope.graph)
    assert callable(gradscope.memory)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = gradscope.nothing


def test_no_package_bears_the_name_of_a_public_function() -> None:
    verbs = {"trace", "check", "graph", "memory", "watch", "compare"}
    assert not verbs & {path.stem for path in ROOT.iterdir()}


def test_the_version_is_the_projects() -> None:
    import tomllib

    with open(PROJECT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    assert project["version"] == gradscope.__version__
    assert f"## {gradscope.__version__}" in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    vague = [name for name in classes if name.endswith(("Manager", "Helper", "Util", "Utils", "Handler"))]
    assert not vague
    assert not path.stem.endswith(("utils", "helpers", "misc", "common"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_to_do(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    marks = ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "breakpoint()", "print_exc("]
    assert not [mark for mark in marks if mark in text]


def run_tool(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=PROJECT, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff() -> None:
    run_tool("ruff", "check", ".")


def test_format() -> None:
    run_tool("ruff", "format", "--check", ".")


def test_types() -> None:
    run_tool("mypy")
