"""None for an input: what counts is whether the program's own calls asked for its gradient."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from gradscope.engine import judge
from gradscope.facts import Recording
from gradscope.finding import Severity
from tests.checker.process.in_process import check_file

PROGRAM = """
    import torch


    class Weighted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, mask, w):
            ctx.save_for_backward(mask, w)
            return x * mask * w

        @staticmethod
        def backward(ctx, grad):
            mask, w = ctx.saved_tensors
            return grad * mask * w, None, None


    if __name__ == "__main__":
        x, mask, w = torch.randn(4, 3), torch.rand(4, 3), torch.ones(3)
        for one in (ASKED):
            one.requires_grad_()
        Weighted.apply(x, mask, w).sum().backward()
"""


def severities(path: Path, asked: str) -> dict[tuple[str, ...], Severity]:
    file = path / "weighted.py"
    file.write_text(dedent(PROGRAM).replace("ASKED", asked))
    (checked,) = check_file(str(file))
    findings, _ = judge(Recording(checked=(checked,)))
    return {finding.subjects: finding.severity for finding in findings if finding.code == "GS601"}


def test_only_what_the_program_asked_for_is_missed(tmp_path: Path) -> None:
    assert severities(tmp_path, "x,") == {}


def test_what_it_asked_for_is_an_error_whatever_its_name(tmp_path: Path) -> None:
    assert severities(tmp_path, "x, w") == {("w",): Severity.ERROR}
    assert severities(tmp_path, "x, mask") == {("mask",): Severity.ERROR}
