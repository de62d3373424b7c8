"""Every example for `gradscope check` is checked as its page says: finding, line and numbers are right.

A line that must be found ends in `# <- GS601` (the code); what has no mark is healthy.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from gradscope import engine
from gradscope.checker import run
from gradscope.checker.cases import all_cases
from gradscope.checker.process.messages import Checked, Message
from gradscope.checker.process.program import run_request
from gradscope.checker.process.request import Request
from gradscope.facts import CheckedFunction, Curve, Outcome, Recording, Way
from gradscope.finding import Finding, Severity
from gradscope.loader.target import Kind, Target
from tests.started import python

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "checks"

MARKS = {
    "by_hand": ["GS601"],
    "clamp": [],
    "layer_norm": ["GS601"],
    "one_gradient_each": ["GS602"],
    "passes": [],
    "relu": [],
    "softmax": [],
    "softmax_rows": ["GS601"],
    "straight_through": [],
    "sweep": [],
    "torch_func": [],
    "ways": [],
}


@dataclass(frozen=True)
class Shown:
    """What one command of an example's page gives: its functions, and warnings and errors."""

    functions: tuple[CheckedFunction, ...]
    findings: tuple[Finding, ...]

    def only(self, name: str = "") -> CheckedFunction:
        """The function of that name, or the only one."""
        (found,) = (function for function in self.functions if not name or function.name == name)
        return found

    def way(self, start: str) -> Way:
        """The row of the table whose name starts so."""
        ways = self.only().ways
        assert ways is not None
        return next(way for way in ways.ways if way.name.startswith(start))


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch.compile, which takes seconds for each function and has tests of its own."""
    cases = tuple(case for case in all_cases() if case.name != "torch.compile")
    monkeypatch.setattr(run, "all_cases", lambda: cases)


def commands(name: str) -> list[list[str]]:
    """The words after `gradscope check` of each line on an example's page."""
    page = (FOLDER / f"{name}.py").read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
    return [shlex.split(line) for line in re.findall(r"^    gradscope check (.+)$", page, re.MULTILINE)]


def shown(name: str, number: int = 0) -> Shown:
    """Runs one command of an example's page in this process, with time enough; once."""
    return _run(name, number)


@cache
def _run(name: str, number: int) -> Shown:
    words = commands(name)[number]
    options = dict(zip(words[1::2], words[2::2], strict=True))
    path, _, attribute = str(FOLDER / Path(words[0]).name).partition(".py:")
    path = path if path.endswith(".py") else f"{path}.py"
    kind = Kind.FILE_ATTRIBUTE if attribute else Kind.SCRIPT
    request = Request(
        Target(words[0], kind, path, attribute),
        inputs=(options["--input"],) if "--input" in options else (),
        against=options.get("--against", ""),
        sweep=options.get("--sweep", ""),
        seconds=20.0,
    )
    found: list[CheckedFunction] = []

    def hear(message: Message) -> None:
        if isinstance(message, Checked):
            assert isinstance(message.function, CheckedFunction)
            found.append(message.function)

    run_request(request, hear)
    findings, _ = engine.judge(Recording(checked=tuple(found)))
    told = tuple(finding for finding in findings if finding.severity is not Severity.INFO)
    return Shown(tuple(found), told)


def marked(name: str) -> list[tuple[str, int]]:
    """The marks of an example: (code, line)."""
    lines = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
    return [(m[1], number) for number, line in enumerate(lines, 1) if (m := re.search(r"# <- (GS\d+)", line))]


def test_the_table_names_every_example() -> None:
    assert sorted(MARKS) == sorted(path.stem for path in FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", MARKS)
def test_an_example_says_what_to_type_and_what_to_look_for(name: str) -> None:
    page = (FOLDER / f"{name}.py").read_text(encoding="utf-8").partition('"""')[2].partition('"""')[0]
    assert "\nLook for" in page
    assert commands(name)
    assert all(words[0].partition(":")[0] == f"examples/checks/{name}.py" for words in commands(name))


@pytest.mark.parametrize("name", MARKS)
def test_what_is_wrong_is_found_on_its_line_and_nothing_else(name: str) -> None:
    runs = [shown(name, number) for number in range(len(commands(name)))]
    assert all(function.is_checked for seen in runs for function in seen.functions)
    found = [finding for seen in runs for finding in seen.findings]
    assert [(f.code, f.location and f.location.line) for f in found] == marked(name), found
    assert [finding.code for finding in found] == MARKS[name]
    assert all(finding.fix for finding in found)


# ---------------------------------------------------------------- the numbers of the lessons


def test_the_kink_of_relu_is_told() -> None:
    assert any("kink" in note for note in shown("relu").only().notes)


def test_a_straight_through_estimator_is_declared() -> None:
    function = shown("straight_through").only()
    assert function.declared is not None
    assert function.declared.kind == "straight-through"
    assert Outcome.DECLARED in [outcome.outcome for outcome in function.outcomes]


def test_a_float_on_ctx_is_no_tensor_on_ctx() -> None:
    assert shown("clamp").only().context_tensors == ()


def test_softmax_over_rows_gets_its_sum_over_all_elements() -> None:
    (wrong,) = shown("softmax_rows").only().wrong_gradients
    assert wrong.analytical is not None
    assert not math.isclose(wrong.analytical, wrong.numerical, rel_tol=1e-3)


def test_the_sketch_of_layer_norm_is_wrong_for_x_alone() -> None:
    seen = shown("layer_norm")
    assert {wrong.input_name for wrong in seen.only("Sketch").wrong_gradients} == {"x"}
    assert seen.only("LayerNorm").wrong_gradients == ()
    assert [finding.subjects for finding in seen.findings] == [("x",)]


def test_a_derivative_by_hand_breaks_when_the_function_changes() -> None:
    assert shown("by_hand", 0).only().wrong_gradients == ()
    (wrong,) = shown("by_hand", 1).only().wrong_gradients
    assert (wrong.analytical, wrong.numerical, wrong.against) == (18.0, 23.0, "df")


def curve(name: str, number: int) -> Curve:
    (found,) = shown(name, number).only().curves
    return found


def test_the_sweep_of_relu_and_of_a_straight_through_rounding() -> None:
    relu, rounded = curve("sweep", 0), curve("sweep", 1)
    assert (relu.at[0], relu.at[-1], len(relu.at)) == (-3.0, 3.0, 61)
    for x, value, backward, numerical in zip(
        relu.at, relu.forward, relu.backward, relu.numerical, strict=True
    ):
        assert value == max(0.0, x)
        assert backward == (1.0 if x > 0 else 0.0)
        assert numerical == pytest.approx(0.5 if x == 0 else backward, abs=1e-9)
    assert set(rounded.backward) == {1.0}
    assert {slope for slope in rounded.numerical if not math.isnan(slope)} == {0.0}
    jumps = [round(x, 9) for x, slope in zip(rounded.at, rounded.numerical, strict=True) if math.isnan(slope)]
    assert jumps == [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "d/dx (3*x**2 + 5*x) = 6*x + 5"),
        (1, "d/dx (sin(exp(x**2))) = 2*x*exp(x**2)*cos(exp(x**2))"),
    ],
)
def test_symbolic_numerical_and_automatic_side_by_side(number: int, text: str) -> None:
    seen = shown("ways", number)
    assert seen.way("symbolic").text == text
    for name in ("forward mode", "reverse mode"):
        assert seen.way(name).error == pytest.approx(0.0, abs=1e-14)
    central = seen.way("numerical (central").error
    assert central is not None
    assert central < 1e-9


def test_the_numerical_error_is_smallest_between_truncation_and_rounding() -> None:
    ways = shown("ways", 1).only().ways
    assert ways is not None
    best, _ = min(ways.steps, key=lambda step: step[1])
    assert 1e-7 < best < 1e-4


@pytest.mark.parametrize(
    ("number", "one_sided", "forward", "reverse"), [(0, 51, 50, (2, 1)), (1, 4, 3, (301, 300))]
)
def test_the_passes_of_forward_and_reverse_mode(
    number: int, one_sided: int, forward: int, reverse: tuple[int, int]
) -> None:
    seen = shown("passes", number)
    assert seen.way("numerical (one-sided").passes == one_sided
    assert seen.way("forward mode").passes == forward
    assert seen.way("reverse mode").passes == reverse[0]
    assert seen.way("reverse mode").text == f"1 forward + {reverse[1]} backward"


def test_torch_func_and_the_closed_forms_agree() -> None:
    cubes, pair = shown("torch_func", 0), shown("torch_func", 1)
    assert cubes.way("symbolic").text.endswith("3*x[0]**2, d/dx[1] = 3*x[1]**2, d/dx[2] = 3*x[2]**2")
    assert "d/dx[0] = 2*x[0], d/dx[1] = 1; " in pair.way("symbolic").text
    for seen in (cubes, pair):
        assert seen.way("forward mode").error == pytest.approx(0.0, abs=1e-14)
        assert seen.way("reverse mode").error == pytest.approx(0.0, abs=1e-14)


# ---------------------------------------------------------------- one through the command line


def test_the_command_says_the_same_and_its_status_is_right(tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    options = ["--format", "json", "--output", str(report_file)]
    done = python(["-m", "gradscope", "check", *commands("by_hand")[1], *options], cwd=FOLDER.parent.parent)
    assert done.returncode == 1, done.stderr
    (finding,) = json.loads(report_file.read_text(encoding="utf-8"))["findings"]
    assert [(finding["code"], finding["location"]["line"])] == marked("by_hand")
