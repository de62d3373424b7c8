from __future__ import annotations

import subprocess
import sys

import pytest

from gradscope.errors import UsageError
from gradscope.facts.memory import SweepKind
from gradscope.memory_use.sweep_option import MOST_VALUES, parse_sweep


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("depth", (SweepKind.DEPTH, None)),
        (" batch ", (SweepKind.BATCH, None)),
        ("depth=4,16,50", (SweepKind.DEPTH, (4, 16, 50))),
        ("seq= 512, 128,512", (SweepKind.SEQ, (128, 512))),
    ],
)
def test_reads_a_kind_and_its_values(text: str, read: tuple[SweepKind, tuple[int, ...] | None]) -> None:
    assert parse_sweep(text) == read


def test_an_unknown_kind_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="cannot vary dept; did you mean depth"):
        parse_sweep("dept=4")


@pytest.mark.parametrize("values", ["", "0", "-1", "1.5", "1,x", "1,,2", "10000001", "²"])
def test_other_values_are_refused_with_a_caret(values: str) -> None:
    with pytest.raises(UsageError, match="not a whole number from 1") as caught:
        parse_sweep(f"batch={values}")
    assert caught.value.where[1].lstrip().startswith("^")


def test_too_many_values_are_refused() -> None:
    with pytest.raises(UsageError, match=f"at most {MOST_VALUES} values"):
        parse_sweep("seq=" + ",".join(map(str, range(1, MOST_VALUES + 2))))


def test_reading_it_imports_no_torch() -> None:
    code = (
        "import sys; from gradscope.memory_use.sweep_option import parse_sweep; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
