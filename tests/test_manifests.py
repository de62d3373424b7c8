"""What other tools read of this repository: the GitHub action, the hooks of pre-commit, the CI examples."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from gradscope import __version__

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "ci"
ACTION = ROOT / "action.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"


def conforms(path: Path, *schema: str) -> None:
    """Holds a file to a schema that check-jsonschema brings along."""
    checker = pytest.importorskip("check_jsonschema", reason="check-jsonschema brings the published schemas")
    done = CliRunner().invoke(checker.main, [*schema, str(path)])
    assert done.exit_code == 0, done.output


def action() -> dict[str, Any]:
    with open(ACTION, encoding="utf-8") as file:
        found: dict[str, Any] = yaml.safe_load(file)
    return found


def gate_step() -> dict[str, Any]:
    (step,) = [each for each in action()["runs"]["steps"] if each.get("id") == "gate"]
    return dict(step)


# ---------------------------------------------------------------- published schemas


def test_the_action_conforms_to_its_schema() -> None:
    conforms(ACTION, "--builtin-schema", "vendor.github-actions")


def test_the_workflow_conforms_to_its_schema() -> None:
    conforms(EXAMPLES / "github.yml", "--builtin-schema", "vendor.github-workflows")


def test_the_pipeline_conforms_to_its_schema() -> None:
    conforms(EXAMPLES / "gitlab.yml", "--builtin-schema", "vendor.gitlab-ci")


def test_pre_commit_reads_hooks_and_configuration() -> None:
    clientlib = pytest.importorskip("pre_commit.clientlib", reason="pre-commit checks its own files")
    hooks = clientlib.load_manifest(HOOKS)
    config = clientlib.load_config(EXAMPLES / "pre-commit-config.yaml")
    used = [hook["id"] for repo in config["repos"] for hook in repo["hooks"]]
    assert set(used) <= {hook["id"] for hook in hooks}


# ---------------------------------------------------------------- what they say is true


def options_of_the_gate() -> set[str]:
    command = import_module("gradscope.commands.gate").command
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("path", [ACTION, HOOKS, *sorted(EXAMPLES.iterdir())], ids=lambda path: path.name)
def test_every_option_that_is_used_exists(path: Path) -> None:
    lines = [line.partition("#")[0] for line in path.read_text(encoding="utf-8").splitlines()]
    typed = [line for line in lines if re.search(r"gradscope gate|arguments:|words|--output", line)]
    used = set(re.findall(r"(?<![\w-])--[a-z-]+", " ".join(typed)))
    assert used <= options_of_the_gate()


def test_the_examples_name_this_version() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in EXAMPLES.iterdir())
    assert set(re.findall(r"v\d+\.\d+\.\d+", text)) == {f"v{__version__}"}


def test_the_readme_shows_these_files() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    files = [path.read_text(encoding="utf-8") for path in EXAMPLES.iterdir()]
    assert [each for each in shown if each not in files] == []


def test_the_workflow_uses_inputs_that_the_action_has() -> None:
    with open(EXAMPLES / "github.yml", encoding="utf-8") as file:
        workflow = yaml.safe_load(file)
    steps = workflow["jobs"]["gradients"]["steps"]
    (used,) = [each for each in steps if "gradscope" in each.get("uses", "")]
    assert set(used["with"]) <= set(action()["inputs"])


# ---------------------------------------------------------------- the action's script


def test_nothing_of_the_caller_stands_in_a_script() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step["run"]
        for value in step["env"].values():
            assert re.fullmatch(r"\$\{\{ inputs\.[a-z-]+ \}\}", value)
    named = re.findall(r"inputs\.([a-z-]+)", ACTION.read_text(encoding="utf-8"))
    assert set(named) == set(action()["inputs"])


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A Python that writes down what it is called with, and ends as the file `status` says."""
    path = tmp_path / "python stub"
    path.write_text(
        '#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done > called\nexit "$(cat status)"\n',
        encoding="utf-8",
    )
    path.chmod(0o755)
    (tmp_path / "status").write_text("0", encoding="utf-8")
    return path


def run(stub: Path, **inputs: str) -> tuple[int, list[str], str]:
    """The status of the action's step, the words that Python got, and what it put out."""
    folder = stub.parent
    given = {name: str(each.get("default", "")) for name, each in action()["inputs"].items()} | inputs
    environment = {
        name: given[re.sub(r"^\$\{\{ inputs\.| \}\}$", "", value)]
        for name, value in gate_step()["env"].items()
    }
    environment |= {"PYTHON": str(stub), "GITHUB_OUTPUT": "outputs", "PATH": os.environ["PATH"]}
    (folder / "outputs").write_text("", encoding="utf-8")
    words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", gate_step()["run"]]
    done = subprocess.run(words, cwd=folder, env=environment, check=False)
    called = (folder / "called").read_text(encoding="utf-8").splitlines()
    return done.returncode, called, (folder / "outputs").read_text(encoding="utf-8")


needs_bash = pytest.mark.skipif(
    sys.platform == "win32" or shutil.which("bash") is None, reason="the action's script is one for bash"
)


@needs_bash
def test_what_the_action_runs(stub: Path) -> None:
    assert run(stub) == (0, ["-m", "gradscope", "gate", "--output", "github:-"], "exit-status=0\n")
    found = run(stub, arguments="--jobs 2\n small", sarif="a b.sarif", html="c.html", annotations="false")
    options = ["--output", "sarif:a b.sarif", "--output", "html:c.html"]
    assert found == (0, ["-m", "gradscope", "gate", "--jobs", "2", "small", *options], "exit-status=0\n")


@needs_bash
@pytest.mark.parametrize("status", [1, 2, 3])
def test_the_action_ends_as_the_gate_does(stub: Path, status: int) -> None:
    (stub.parent / "status").write_text(str(status), encoding="utf-8")
    ended, _, put_out = run(stub)
    assert (ended, put_out) == (status, f"exit-status={status}\n")


@needs_bash
def test_inputs_are_words_and_nothing_else(stub: Path) -> None:
    hostile = "; touch pwned; $(touch pwned) `touch pwned` * ' \" && touch pwned"
    _, called, _ = run(stub, arguments=hostile, sarif='"; touch pwned; $(touch pwned)')
    assert called[3:] == [
        *hostile.split(),
        "--output",
        'sarif:"; touch pwned; $(touch pwned)',
        "--output",
        "github:-",
    ]
    assert not (stub.parent / "pwned").exists()
