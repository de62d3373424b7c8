"""`gradscope check` on whole files: what is found, what cannot be checked, what is printed, the status."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ran, environment, gradscope, write

SQUARE = """
    import torch
    from torch.autograd import Function


    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return 2 * x * grad_output
"""

TRIPLE = """

    class Triple(Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        def backward(ctx, grad_output):
            return 2 * grad_output
"""

BAD = """
    import ctypes
    import os
    import sys
    import time

    import torch
    from torch.autograd import Function

    print("imported")


    class Raises(Function):
        @staticmethod
        def forward(ctx, x):
            raise ValueError("nothing suits me")

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class Hangs(Function):
        @staticmethod
        def forward(ctx, x):
            while True:
                time.sleep(0.1)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class Text(Function):
        @staticmethod
        def forward(ctx, x):
            return "a text"

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class Crashes(Function):
        @staticmethod
        def forward(ctx, x):
            ctypes.string_at(0)
            return x

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class Leaves(Function):
        @staticmethod
        def forward(ctx, x):
            sys.exit(3)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class Vanishes(Function):
        @staticmethod
        def forward(ctx, x):
            os._exit(7)

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output


    class CrashesLater(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad_output):
            ctypes.string_at(0)
            return grad_output
"""


def checked(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The functions of a JSON report by name."""
    return {function["name"]: function for function in report["check"]["functions"]}


def json_of(ran: Ran) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(ran.out)
    return report


# ---------------------------------------------------------------- functions that cannot be checked


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, dict[str, Any]]:
    """One run over functions that each go wrong in a way of their own, and a healthy one at the end."""
    folder = tmp_path_factory.mktemp("bad")
    text = BAD + SQUARE.partition("from torch.autograd import Function\n")[2]
    write(folder, "bad.py", text)
    ran = gradscope("check", "bad.py", "--time-limit", "0.3", "--format", "json", cwd=folder)
    return ran, json_of(ran)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("Raises", "ValueError: nothing suits me"),
        ("Hangs", "nothing after 10 s in forward: stopped"),
        ("Text", "no floating-point tensor"),
        ("Crashes", "forward crashed the process (SIGSEGV)"),
        ("Leaves", "it calls sys.exit(3)"),
        ("Vanishes", "it ended the process (exit status 7)"),
        ("CrashesLater", "backward crashed the process (SIGSEGV)"),
    ],
)
def test_each_function_that_cannot_be_checked_says_why(
    bad: tuple[Ran, dict[str, Any]], name: str, failure: str
) -> None:
    assert failure in checked(bad[1])[name]["failure"]


def test_the_others_are_still_checked(bad: tuple[Ran, dict[str, Any]]) -> None:
    ran, report = bad
    assert list(checked(report))[-1] == "Square"
    assert checked(report)["Square"]["failure"] == ""
    assert checked(report)["Square"]["outcomes"]
    assert ran.status == 3  # some of them crashed and hung
    assert "7 of 8 functions could not be checked" in ran.err


@pytest.mark.parametrize(
    ("name", "line"), [("Hangs", "time.sleep(0.1)"), ("Crashes", "ctypes"), ("Leaves", "sys.exit(3)")]
)
def test_the_line_that_hangs_or_crashes_is_told(
    bad: tuple[Ran, dict[str, Any]], name: str, line: str
) -> None:
    at = checked(bad[1])[name]["failed_at"]
    text = (BAD + SQUARE).replace("\n    ", "\n").lstrip("\n").splitlines()
    assert line in text[at["line"] - 1]


def test_a_crash_in_a_new_python(tmp_path: Path) -> None:
    head, crashes, leaves = (BAD.index(f"    class {name}") for name in ("Raises", "Crashes", "Leaves"))
    text = BAD[:head] + BAD[crashes:leaves]
    write(tmp_path, "bad.py", text + SQUARE.partition("from torch.autograd import Function\n")[2])
    ran = gradscope("check", "bad.py", "--format", "json", cwd=tmp_path, fresh=True)
    functions = checked(json_of(ran))
    assert functions["Crashes"]["failure"] == "forward crashed the process (SIGSEGV)"
    line = functions["Crashes"]["failed_at"]["line"]
    assert "ctypes" in (tmp_path / "bad.py").read_text(encoding="utf-8").splitlines()[line - 1]
    assert functions["Square"]["failure"] == ""
    assert ran.status == 3


def test_what_the_file_prints_does_not_disturb_the_report(bad: tuple[Ran, dict[str, Any]]) -> None:
    assert "imported" in bad[0].err


# ---------------------------------------------------------------- statuses


def test_a_wrong_gradient_is_1(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + TRIPLE)
    words = ("check", "ops.py", "--format", "json", "--output", "report.json")
    ran = gradscope(*words, cwd=tmp_path, fresh=True)
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [(found["code"], found["location"]["line"]) for found in report["findings"]] == [("GS601", 23)]
    assert ran.status == 1
    assert ran.err == "gradscope: 1 finding; the report is in report.json\n"


def test_a_healthy_function_is_0(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + TRIPLE)
    ran = gradscope("check", "ops.py:Square", cwd=tmp_path)
    assert ran.status == 0
    assert "Square" in ran.out
    assert "Triple" not in ran.out
    assert ran.err == ""


def test_a_file_that_cannot_be_imported_is_3(tmp_path: Path) -> None:
    write(tmp_path, "broken.py", "import torch\n\n\ndef load():\n    return open('no.bin')\n\n\nload()\n")
    ran = gradscope("check", "broken.py", "--format", "json", cwd=tmp_path)
    assert ran.status == 3
    assert json_of(ran)["program"]["error"]["type"] == "FileNotFoundError"
    assert "return open('no.bin')" in ran.err
    assert "gradscope/" not in ran.err.replace("gradscope: ", "")


def test_a_named_function_that_cannot_be_checked_is_2(tmp_path: Path) -> None:
    write(tmp_path, "bad.py", BAD)
    ran = gradscope("check", "bad.py:Raises", cwd=tmp_path)
    assert ran.status == 2
    assert "nothing suits me" in ran.out
    assert "--input 'x=...'" in ran.out


def test_a_typo_in_the_name(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE)
    ran = gradscope("check", "ops.py:Sqare", cwd=tmp_path)
    assert ran.status == 2
    assert "ops.py has no Sqare; did you mean Square?" in ran.err
    assert "  try   gradscope check ops.py:Square\n" in ran.err


# ---------------------------------------------------------------- the program that runs


MAIN = """

    if __name__ == "__main__":
        import sys
        print("run with", sys.argv[1:])
        x = torch.full((5,), 1.5, requires_grad=True)
        Square.apply(x).sum().backward()
        {ending}
"""


def test_the_files_own_main_gives_the_inputs(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + MAIN.format(ending="raise RuntimeError('at the end')"))
    ran = gradscope("check", "ops.py", "--format", "json", "--", "--fast", cwd=tmp_path)
    report = json_of(ran)
    (sample,) = checked(report)["Square"]["samples"]
    assert sample["origin"] == "captured"
    assert "(5,)" in sample["text"]
    assert "run with ['--fast']" in ran.err
    assert any("ops.py's own __main__ raised RuntimeError: at the end" in note for note in report["notes"])
    assert ran.status == 0


def test_a_main_that_dies_costs_only_its_calls(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + MAIN.format(ending="__import__('os')._exit(5)"))
    ran = gradscope("check", "ops.py", "--format", "json", cwd=tmp_path)
    report = json_of(ran)
    assert any("ops.py's own __main__ ended the process (exit status 5)" in note for note in report["notes"])
    assert checked(report)["Square"]["failure"] == ""
    assert ran.status == 0


def test_capture_runs_another_script(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE)
    write(
        tmp_path,
        "train.py",
        """
        import sys
        import torch
        from ops import Square

        x = torch.ones(int(sys.argv[1]), 2, requires_grad=True)
        Square.apply(x).sum().backward()
        """,
    )
    ran = gradscope("check", "ops.py", "--capture", "train.py", "--format", "json", "--", "7", cwd=tmp_path)
    (sample,) = checked(json_of(ran))["Square"]["samples"]
    assert sample["origin"] == "captured"
    assert "(7, 2)" in sample["text"]


# ---------------------------------------------------------------- modules, and the end


def test_a_module_by_its_dotted_name(tmp_path: Path) -> None:
    (tmp_path / "pkg").mkdir()
    write(tmp_path, "pkg/__init__.py", "")
    write(tmp_path, "pkg/ops.py", SQUARE)
    ran = gradscope("check", "pkg.ops:Square", "--format", "json", cwd=tmp_path)
    assert ran.status == 0
    assert list(checked(json_of(ran))) == ["Square"]


WAITS = """


    class Waits(Function):
        @staticmethod
        def forward(ctx, x):
            import os
            import time

            with open("number.txt", "w") as file:
                file.write(f"{os.getpid()}.")
            time.sleep(600)
            return x

        @staticmethod
        def backward(ctx, grad_output):
            return grad_output
"""


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_reports_what_was_checked_and_leaves_no_child(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + WAITS)
    words = ["check", "ops.py", "--format", "json", "--output", "report.json"]
    with subprocess.Popen(
        [sys.executable, "-m", "gradscope", *words], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE
    ) as process:
        child = waited_for(tmp_path / "number.txt")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert list(checked(report)) == ["Square"]
    assert report["program"]["interrupted"]
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


@pytest.mark.skipif(os.name != "posix", reason="signals are sent")
def test_a_killed_parent_leaves_no_child(tmp_path: Path) -> None:
    write(tmp_path, "ops.py", SQUARE + WAITS)
    with subprocess.Popen(
        [sys.executable, "-m", "gradscope", "check", "ops.py"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        child = waited_for(tmp_path / "number.txt")
        process.kill()
    gone_by(child, time.monotonic() + 30)


def gone_by(process: int, end: float) -> None:
    """Waits until a process is no more; it is nobody's child, so nobody may have taken note of its end."""
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
            state = Path(f"/proc/{process}/stat")
            if state.exists() and state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z":
                return
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("it is still there")


def waited_for(path: Path) -> int:
    """The number in a file that another process writes, once it is there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if path.exists() and path.read_text(encoding="utf-8").endswith("."):
            return int(path.read_text(encoding="utf-8")[:-1])
        time.sleep(0.05)
    raise AssertionError("nothing was written")
