"""One target in this process: what of it is checked, and what is left as it was."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from gradscope.checker.process.messages import Began, Checked, Found, ImportFailed, Message, Stage, Told
from gradscope.checker.process.program import run_request
from gradscope.checker.process.request import Request
from gradscope.checker.process.targets import own_program, parse_words
from gradscope.errors import InputError, TargetError, UsageError
from gradscope.facts import CheckedModel
from tests.checker.process.in_process import check_file

OPS = """
    import torch
    from torch.autograd import Function

    loaded = []


    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return 2 * x * grad_output


    class Add(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output, grad_output


    def slope(x):
        return 2 * x


    def build():
        return torch.nn.Linear(3, 2)
"""

MAIN = """

    if __name__ == "__main__":
        loaded.append(1)
        Square.apply(torch.ones(6, requires_grad=True)).sum().backward()
"""


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    (tmp_path / "ops.py").write_text(dedent(OPS), encoding="utf-8")
    (tmp_path / "main.py").write_text(dedent(OPS + MAIN), encoding="utf-8")


def told(word: str, **options: object) -> list[Message]:
    """What is said of one target; modules that it brings in go again."""
    target = parse_words([word])
    heard: list[Message] = []
    before = set(sys.modules)
    try:
        run_request(Request(target, program=own_program(target), seconds=0.5, **options), heard.append)  # type: ignore[arg-type]  # options are of many types
    finally:
        for name in set(sys.modules) - before:
            if name in ("ops", "main", "_target_ops", "_target_main"):
                del sys.modules[name]
    return heard


def names(heard: list[Message]) -> list[str]:
    return [message.function.name for message in heard if isinstance(message, Checked)]


def test_the_order_of_what_is_told() -> None:
    heard = told("ops.py")
    assert [type(message) for message in heard] == [Began, Found, Began, Checked, Began, Checked]
    assert heard[0] == Began(Stage.IMPORT)
    assert heard[2] == Began(Stage.FUNCTION, "Square")
    assert names(heard) == ["Square", "Add"]


def test_functions_that_are_done_are_left_out() -> None:
    assert names(told("ops.py", done=frozenset({"Square"}))) == ["Add"]


def test_a_file_with_a_main_block_is_run_and_not_imported_as_well() -> None:
    heard = told("main.py")
    assert [message.stage for message in heard if isinstance(message, Began)][:1] == [Stage.PROGRAM]
    assert Began(Stage.IMPORT) not in heard
    square = next(message.function for message in heard if isinstance(message, Checked))
    assert "(6,)" in square.samples[0].text
    assert not any(isinstance(message, Told) for message in heard)


def test_a_program_that_does_not_come_to_its_main_is_imported(tmp_path: Path) -> None:
    text = dedent(OPS + MAIN).replace("loaded = []", "loaded = []\nassert __name__ != '__main__'")
    (tmp_path / "main.py").write_text(text, encoding="utf-8")
    heard = told("main.py")
    assert [message.stage for message in heard if isinstance(message, Began)][:2] == [
        Stage.PROGRAM,
        Stage.IMPORT,
    ]
    assert names(heard) == ["Square", "Add"]


def test_an_import_that_fails() -> None:
    Path("broken.py").write_text("x = 1\nx.y\n", encoding="utf-8")
    (_, failed) = told("broken.py")
    assert isinstance(failed, ImportFailed)
    assert failed.error is not None
    assert failed.error.type == "AttributeError"
    assert failed.exit_status == 1
    assert list(failed.sources.values()) == [("x = 1", "x.y")]


def test_an_import_that_exits_well_has_failed_all_the_same() -> None:
    Path("leaves.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    (_, failed) = told("leaves.py")
    assert isinstance(failed, ImportFailed)
    assert failed.exit_status == 1


def test_inputs_that_fit_only_some_of_the_functions() -> None:
    checked = {
        m.function.name: m.function for m in told("ops.py", inputs=("ones(2)",)) if isinstance(m, Checked)
    }
    assert checked["Square"].is_checked
    assert "the inputs do not fit Add(x, y)" in checked["Add"].failure
    with pytest.raises(InputError, match="do not fit Add"):
        told("ops.py:Add", inputs=("ones(2)",))


@pytest.mark.parametrize(
    ("word", "options", "said"),
    [
        ("plain.py", {}, "plain.py defines no torch.autograd.Function and no custom op with a backward"),
        ("odd.py", {}, "odd.py does not compile: "),
        ("ops.py:Sqare", {}, "ops.py has no Sqare; did you mean Square?"),
        ("ops.py:loaded", {}, "ops.py:loaded is of type list; what is checked is "),
        ("ops.py", {"inputs_file": "x.pt"}, "x.pt cannot be loaded with weights_only=True: "),
        ("ops.py", {"inputs_file": "no.pt"}, "no such file: no.pt"),
        ("ops.py", {"inputs": ("ran(3)",)}, "this --input cannot be used: ran is not a factory"),
        ("ops.py:Square", {"sweep": "y=0:1"}, "Square has no input y to sweep"),
        ("ops.py:Square", {"against": "no_slope"}, "--against no_slope: ops.py has no no_slope"),
        ("ops.py:build", {"loss": "mes"}, "--loss mes is not a loss; did you mean mse?"),
        ("ops.py:build", {"loss": "ops.py:hlaf"}, "--loss ops.py:hlaf: ops.py has no hlaf"),
        ("ops.py:build", {"loss": "bad.py:f"}, "--loss bad.py:f cannot be imported: ZeroDivisionError"),
        ("ops.py:Square", {"loss": "mse"}, "--loss mse is for an nn.Module, and Square is none"),
        ("ops.py", {"device": "cuda:99"}, "--device cuda:99"),
    ],
)
def test_what_is_refused(word: str, options: dict[str, object], said: str) -> None:
    Path("plain.py").write_text("def cube(x):\n    return x**3\n", encoding="utf-8")
    Path("odd.py").write_text("def f(:\n    pass\n", encoding="utf-8")
    Path("bad.py").write_text("1 / 0\n", encoding="utf-8")
    Path("x.pt").write_text("no tensors in here", encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        told(word, **options)
    assert said in caught.value.what


def test_a_file_without_functions_says_what_can_be_named() -> None:
    Path("plain.py").write_text("def cube(x):\n    return x**3\n", encoding="utf-8")
    with pytest.raises(TargetError) as caught:
        told("plain.py")
    assert caught.value.try_next == ("gradscope check plain.py:cube",)


def test_a_program_that_is_not_run_gives_no_inputs() -> None:
    target = parse_words(["main.py"])
    heard: list[Message] = []
    run_request(Request(target, seconds=0.5, done=frozenset({"Add"})), heard.append)
    sys.modules.pop("main", None)
    (square,) = [message.function for message in heard if isinstance(message, Checked)]
    assert square.samples[0].origin == "inferred"


def test_a_factory_of_a_module_is_the_module() -> None:
    checked = [message.function for message in told("ops.py:build") if isinstance(message, Checked)]
    assert [(each.name, each.is_checked) for each in checked] == [("build", True)]


def test_the_loss_of_a_module() -> None:
    """The file of the target is not run a second time for it."""
    with Path("ops.py").open("a", encoding="utf-8") as file:
        file.write("\nloaded.append(1)\n\n\ndef half(y):\n    return y.sum() / (2 * len(loaded))\n")
        file.write("\n\ndef whole(y):\n    return y\n")
    for loss, notes in (
        ("ops.py:half", ()),
        ("mse", ("loss: mse against random normal targets, seed 0",)),
    ):
        (model,) = [m.function for m in told("ops.py:build", loss=loss) if isinstance(m, Checked)]
        assert isinstance(model, CheckedModel)
        assert (model.objective, model.notes, model.failure) == (f"--loss {loss}", notes, "")
    with pytest.raises(UsageError, match=r"--loss ops.py:whole returned a tensor of shape"):
        told("ops.py:build", loss="ops.py:whole")


def test_a_derivative_and_a_sweep_are_of_one_function() -> None:
    with pytest.raises(TargetError, match=r"--against slope is about one function, and ops.py defines 2"):
        told("ops.py", against="slope")
    (checked,) = [m.function for m in told("ops.py:Square", against="slope") if isinstance(m, Checked)]
    assert any(each.check == "against slope" for each in checked.outcomes)


def test_checking_a_file_leaves_this_process_as_it_was(tmp_path: Path) -> None:
    before = (sys.modules["__main__"], set(sys.modules) | {"sympy"}, sys.path[:], sys.argv[:])
    checked = check_file(str(tmp_path / "main.py"))
    assert [each.name for each in checked] == ["Square", "Add"]
    assert sys.modules["__main__"] is before[0]
    assert not {"main", "_target_main"} & (set(sys.modules) - before[1])
    assert [sys.path, sys.argv] == [before[2], before[3]]
    assert [each.name for each in check_file(str(tmp_path / "ops.py"), "Add")] == ["Add"]


TWINS = """
    import torch
    from torch.library import Library

    library = Library("gradscope_twins", "DEF")
    library.define("Square(Tensor x) -> Tensor")


    @torch.library.impl("gradscope_twins::Square", "default")
    def square(x):
        return x * x


    def double(ctx, grad_output):
        return 2 * grad_output


    torch.library.register_autograd("gradscope_twins::Square", double)
"""


def test_a_class_and_an_op_of_one_name_are_told_apart() -> None:
    square = OPS[: OPS.index("    class Add")].replace("    import torch\n", TWINS, 1)
    Path("twins.py").write_text(dedent(square), encoding="utf-8")
    heard: list[Message] = []
    run_request(Request(parse_words(["twins.py"]), seconds=0.5), heard.append)
    sys.modules.pop("twins", None)
    assert sorted(names(heard)) == ["Square", "Square (2)"]
