"""An edit elsewhere in a file leaves the fingerprints of its findings as they are: each edit is run."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from identity.running import run_recorded

from gradscope.finding import Finding
from gradscope.fingerprint import Fingerprint, fingerprint

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
NAMES = (
    "data_mutated",
    "dead_relu",
    "forgotten_zero_grad",
    "intermediate_grad",
    "missing_create_graph",
    "nan_where",
    "optimizer_mismatch",
    "rnn_hidden",
    "running_total",
    "severed",
    "unregistered_parameter",
    "unused_parameter",
)


@cache
def marked_lines(name: str) -> tuple[str, ...]:
    return tuple(line for line in source(name).splitlines() if "# <- " in line)


def source(name: str) -> str:
    return (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")


def found(text: str, folder: Path) -> list[tuple[Fingerprint, Finding]]:
    """The fingerprints of what is found in a program; the file lies in a folder of its own each time."""
    folder.mkdir()
    script = folder / "train.py"
    script.write_text(text, encoding="utf-8")
    run = run_recorded(script)
    prints = [fingerprint(one, run.recording.sources, str(folder)) for one in run.findings]
    return list(zip(prints, run.findings, strict=True))


def keys(pairs: list[tuple[Fingerprint, Finding]]) -> Counter[tuple[object, ...]]:
    return Counter(one.key for one, _ in pairs)


def lines_of(pairs: list[tuple[Fingerprint, Finding]]) -> list[int]:
    return [finding.location.line for _, finding in pairs if finding.location is not None]


# ---------------------------------------------------------------- edits


def moved(text: str) -> str:
    """Comments and blank lines before every statement of the file, and a function and a class above all."""
    lines = text.splitlines()
    body = [node for node in ast.parse(text).body if not isinstance(node, ast.Expr) or node.lineno > 1]
    for node in sorted(body, key=lambda one: -one.lineno):
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
        lines[first - 1 : first - 1] = ["", "# moved down", ""]
    at = next(number for number, line in enumerate(lines) if line == "# moved down")
    lines[at:at] = [
        "def above(value):",
        "    return [value for _ in range(3)]",
        "",
        "class Above:",
        "    x = 1",
    ]
    return "\n".join(lines) + "\n"


def reordered(text: str) -> str:
    """The imports the other way round, with two more among them."""
    imports = [line for line in text.splitlines() if re.match(r"(import|from) ", line)]
    assert imports
    head, _, rest = text.partition(imports[0])
    kept = [line for line in rest.splitlines() if line not in imports]
    return "\n".join([head, "import json", *reversed(imports), "import math", *kept]) + "\n"


def renamed(text: str) -> str:
    """Variables of the file that no marked line has are called otherwise, loops run longer, and every
    marked line has another comment and spaces at its end.
    """
    tree = ast.parse(text)
    marks = {number for number, line in enumerate(text.splitlines(), 1) if "# <- " in line}
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    own = {node.id for node in names if isinstance(node.ctx, ast.Store)} - arguments
    own -= {node.id for node in names if node.lineno in marks}
    lines = text.splitlines()
    for node in sorted(names, key=lambda one: (-one.lineno, -one.col_offset)):
        line = lines[node.lineno - 1]
        if node.id in own:
            end = node.col_offset + len(node.id)
            lines[node.lineno - 1] = f"{line[: node.col_offset]}{node.id}_renamed{line[end:]}"
    for number in marks:
        lines[number - 1] = lines[number - 1].partition("# <- ")[0] + "   # said otherwise"
    longer = re.sub(r"\brange\((\d+)\)", lambda hit: f"range({int(hit[1]) + 2})", "\n".join(lines))
    return longer + "\n"


def with_another(text: str) -> str:
    """A function that reads the gradient of an intermediate result is called first."""
    lines = text.splitlines()
    after = max(number for number, line in enumerate(lines) if re.match(r"(import|from) ", line)) + 1
    lines[after:after] = [
        "def earlier():",
        "    leaf = torch.ones(2, requires_grad=True)",
        "    middle = leaf * 2",
        "    middle.sum().backward()",
        "    return middle.grad",
        "earlier()",
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_elsewhere_makes_no_finding_new(name: str, tmp_path: Path) -> None:
    text = source(name)
    before = found(text, tmp_path / "before")
    assert before
    edits: list[Callable[[str], str]] = [moved, reordered, renamed]
    for edit in edits:
        edited = edit(text)
        assert edited != text
        after = found(edited, tmp_path / edit.__name__)
        assert keys(after) == keys(before), edit.__name__
        assert sorted(one.digest for one, _ in after) == sorted(one.digest for one, _ in before)
        if edit is moved:
            assert min(lines_of(after)) > min(lines_of(before))
    more = found(with_another(text), tmp_path / "another")
    assert keys(more) - keys(before)
    assert not keys(before) - keys(more)


@pytest.mark.parametrize("name", ["severed", "unused_parameter", "nan_where"])
def test_an_edit_of_the_line_itself_makes_it_new(name: str, tmp_path: Path) -> None:
    (line,) = marked_lines(name)
    text = source(name)
    changed = (
        line.replace("h.detach()", "(1 * h.detach())").replace("(8, 16)", "(8, 17)").replace("0.0", "0.5")
    )
    assert changed != line
    edited = text.replace(line, changed)
    before, after = found(text, tmp_path / "before"), found(edited, tmp_path / "after")
    assert [one.code for one, _ in before] == [one.code for one, _ in after]
    assert not keys(before) & keys(after)
