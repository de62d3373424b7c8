"""PyTorch's own operator database: every differentiable op, recorded and not, bit for bit.

For each op the first small sample input is taken, `op(sample).sum().backward()` is run plain and under
the recorder from one seed, and every gradient is compared as bytes. A plain call is healthy, so no rule
may have anything to say about it.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_leaves

from gradscope import engine
from gradscope.facts import ProgramEnd
from gradscope.finding import Severity
from gradscope.recorder import Recorder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("expecttest")
    from torch.testing._internal.common_methods_invocations import op_db

CHUNKS = 8
MOST_ELEMENTS = 10_000

# Codes that are right about an op's own sample input, with the reason.
RIGHTLY_FOUND: dict[str, set[str]] = {}


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ops_are_the_same_and_nothing_is_found(chunk):
    failures, done = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for op in op_db[chunk::CHUNKS]:
            if sample_of(op) is None:
                continue
            done += 1
            failures += [f"{op.formatted_name}: {text}" for text in compare(op)]
    assert done > 40, f"only {done} ops had a usable sample"
    assert not failures, f"{len(failures)} of {done} ops\n" + "\n".join(failures)


def compare(op: Any) -> Iterator[str]:
    """What differs between the plain and the recorded call, and what was found: one text each."""
    plain = outcome(op, sample_of(op), call_plain)
    recorder = Recorder()
    recorded = outcome(op, sample_of(op), lambda call: call_recorded(recorder, call))
    if plain != recorded:
        yield f"plain {plain} recorded {recorded}"
    if isinstance(plain, str):
        return
    for finding in engine.judge(recorder.recording(ProgramEnd())):
        expected = finding.code in RIGHTLY_FOUND.get(op.name, set())
        if finding.severity is not Severity.INFO and not expected:
            yield f"{finding.code} {finding.message}"


def call_plain(call: Callable[[], None]) -> None:
    call()


def call_recorded(recorder: Recorder, call: Callable[[], None]) -> None:
    with recorder:
        call()


def outcome(op: Any, sample: Any, run: Callable[[Callable[[], None]], None]) -> list[str] | str:
    """The digest of every gradient of the sample's leaves, or the exception as text."""

    def call() -> None:
        loss = scalar(op(sample.input, *sample.args, **sample.kwargs))
        if loss is not None:
            loss.backward()

    torch.manual_seed(1)
    try:
        run(call)
    except Exception as error:  # noqa: BLE001  an op that fails must fail in the same way
        return f"{type(error).__name__}: {str(error).splitlines()[:1]}"
    return [digest(leaf.grad) for leaf in leaves_of(sample)]


def scalar(result: Any) -> torch.Tensor | None:
    """The sum of everything differentiable in an op's result; None where nothing is."""
    terms = []
    for part in tree_leaves(result):
        if isinstance(part, torch.Tensor) and part.requires_grad:
            dense = part.to_dense() if part.layout is not torch.strided else part
            terms.append((dense.abs() if dense.is_complex() else dense).sum())
    return sum(terms[1:], terms[0]) if terms else None


def sample_of(op: Any) -> Any:
    """The op's first small sample input with a leaf to differentiate, drawn from a fixed seed."""
    if not op.supports_autograd:
        return None
    dtypes = op.supported_backward_dtypes("cpu")
    dtype = next((d for d in (torch.float32, torch.float64) if d in dtypes), None)
    if dtype is None:
        return None
    torch.manual_seed(0)
    try:
        samples = iter(op.sample_inputs("cpu", dtype, requires_grad=True))
        for sample in samples:
            tensors = leaves_of(sample)
            if tensors and sum(t.numel() for t in tensors) <= MOST_ELEMENTS:
                return sample
    except (RuntimeError, ImportError, NotImplementedError):
        return None  # no sample on this machine (LAPACK, MKL or a compiler is missing)
    return None


def leaves_of(sample: Any) -> list[torch.Tensor]:
    """The leaf tensors of a sample that require a gradient."""
    parts = tree_leaves((sample.input, sample.args, sample.kwargs))
    return [t for t in parts if isinstance(t, torch.Tensor) and t.is_leaf and t.requires_grad]


def digest(gradient: torch.Tensor | None) -> str:
    """The gradient's bytes, hashed, so that NaN equals NaN."""
    if gradient is None:
        return "None"
    dense = gradient.detach().to_dense() if gradient.layout is not torch.strided else gradient.detach()
    raw = dense.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()[:12]
