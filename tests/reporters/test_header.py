"""The first lines of a finding: its severity, code, name and message, wrapped once."""

from __future__ import annotations

import itertools

import pytest

from gradscope.facts import Recording
from gradscope.finding import Finding, Severity
from gradscope.reporters.screen.findings import finding_lines
from gradscope.reporters.screen.page import Page

MESSAGE = (
    "`FixedPointMul` keeps the input `z_scaling_factor` as `ctx.z_scaling_factor`, where no in-place "
    "change of it is noticed, neither by the version check nor by anybody else who might have looked"
)


@pytest.mark.parametrize("width", range(40, 121))
def test_every_line_takes_as_many_words_as_fit(width: int) -> None:
    finding = Finding("GS605", "ctx-attribute-save", Severity.WARNING, MESSAGE)
    lines = [line.plain for line in finding_lines(finding, Recording(), Page(width, "/", "utf-8"))]
    header = lines[: next(n for n, line in enumerate(lines) if line.startswith("  more"))]
    assert " ".join(line.strip() for line in header).endswith(MESSAGE)
    assert all(len(line) <= width for line in header)
    for line, following in itertools.pairwise(header[1:]):
        assert len(f"{line} {following.split()[0]}") > width, (line, following)
