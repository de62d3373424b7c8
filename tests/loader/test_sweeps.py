"""`--sweep` and `--against`, read from text."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gradscope.errors import UsageError, render
from gradscope.loader.sweeps import POINTS, Against, Sweep, read_against, read_sweep


@pytest.mark.parametrize(
    ("text", "sweep"),
    [
        ("x=-3:3", Sweep("x", -3.0, 3.0, POINTS)),
        ("x=-3:3:7", Sweep("x", -3.0, 3.0, 7)),
        (" scale = 1e-3 : 2.5 ", Sweep("scale", 1e-3, 2.5, POINTS)),
        ("args[0]=0:1", Sweep("args[0]", 0.0, 1.0, POINTS)),
        ("heads['a']=0:1", Sweep("heads['a']", 0.0, 1.0, POINTS)),
    ],
)
def test_what_a_sweep_says(text: str, sweep: Sweep) -> None:
    assert read_sweep(text) == sweep


@pytest.mark.parametrize(
    ("text", "reason", "under"),
    [
        ("-3:3", "which input", "-3:3"),
        ("3x=0:1", "name must stand before", "3x"),
        ("=0:1", "name must stand before", "="),
        ("x=3", "FROM:TO", "3"),
        ("x=1:2:3:4", "FROM:TO", "1:2:3:4"),
        ("x=a:2", "a is not a number", "a"),
        ("x=1:", "nothing is not a number", None),
        ("x=0:inf", "finite", "inf"),
        ("x=nan:1", "finite", "nan"),
        ("x=3:-3", "larger", "3:-3"),
        ("x=1:1", "the same", "1:1"),
        ("x=0:1:1", "COUNT", "1"),
        ("x=0:1:2.5", "COUNT", "2.5"),
        ("x=0:1:99999", "COUNT", "99999"),
    ],
)
def test_a_sweep_that_is_not_understood(text: str, reason: str, under: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        read_sweep(text)
    error = raised.value
    assert reason in error.what
    assert error.try_next
    shown, marks = error.where
    assert shown == f"--sweep  {text}"
    if under is not None:
        assert shown[marks.index("^") :][: marks.count("^")] == under
    assert "Traceback" not in render(error)


def test_what_against_says(tmp_path: Path) -> None:
    file = tmp_path / "other.py"
    file.touch()
    assert read_against("df") == Against("", "df")
    assert read_against("Parabola.derivative") == Against("", "Parabola.derivative")
    assert read_against(f"{file}:df") == Against(str(file), "df")


@pytest.mark.parametrize("text", ["", "f.py", "d f", ":df", "none.py:df", "1f", "f.py:"])
def test_against_that_is_not_understood(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_against(text)
    assert "--against" in raised.value.what
    assert raised.value.try_next


def test_a_file_alone_names_no_function(tmp_path: Path) -> None:
    file = tmp_path / "derivatives.py"
    file.touch()
    with pytest.raises(UsageError, match="which function") as raised:
        read_against(str(file))
    assert raised.value.try_next == (f"--against {file}:df",)


def test_no_torch_is_needed() -> None:
    program = "import sys, gradscope.loader.sweeps; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
