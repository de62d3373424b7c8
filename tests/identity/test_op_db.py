"""PyTorch's own operator database: every differentiable op, recorded and not, bit for bit.

For each op the first three small sample inputs are taken, `op(sample).sum().backward()` is run plain and
under the recorder from one seed, and every gradient is compared as bytes. A plain call is healthy, so no rule
may have anything to say about it. Ops that also come in an in-place form are called in place on a clone.
"""

from __future__ import annotations

import hashlib
import itertools
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
from gradscope.recorder.engines import found as searching

pytest.importorskip("expecttest")
from tests.opinfos import op_db

CHUNKS = 8
MOST_ELEMENTS = 10_000
SAMPLES = 3

# Codes that are right about an op's own sample input.
RIGHTLY_FOUND = {
    "__rpow__": {"GS403"},  # a negative base to a power that is no integer is NaN
    "masked.log_softmax": {"GS403"},  # what is masked out is -inf, and so is the sum
}


@pytest.fixture(autouse=True, scope="module")
def engines_looked_for_once() -> Iterator[None]:
    """No op makes an engine, and to look for those of ten thousand classes takes as long as all else here."""
    engines = searching.existing_engines()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searching, "existing_engines", lambda: engines)
        yield


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ops_are_the_same_and_nothing_is_found(chunk):
    failures, done = compare_ops(op_db[chunk::CHUNKS], called)
    assert done > 40, f"only {done} ops had a usable sample"
    assert not failures, f"{len(failures)} of {done} ops\n" + "\n".join(failures)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_ops_in_place_are_the_same_and_nothing_is_found(chunk):
    ops = [op for op in op_db if op.get_inplace() is not None]
    failures, done = compare_ops(ops[chunk::CHUNKS], called_in_place)
    assert done > 10, f"only {done} ops had a usable sample"
    assert not failures, f"{len(failures)} of {done} ops\n" + "\n".join(failures)


def compare_ops(ops: list[Any], form: Callable[[Any, Any], Any]) -> tuple[list[str], int]:
    """What differed or was found, one text each, and how many ops had a sample."""
    failures, done = [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for op in ops:
            pairs = list(zip(samples_of(op), samples_of(op), strict=True))
            done += bool(pairs)
            for number, (one, other) in enumerate(pairs):
                texts = compare(lambda sample, op=op: form(op, sample), one, other, op.name)
                failures += [f"{op.formatted_name}, sample {number}: {text}" for text in texts]
    return failures, done


def called(op: Any, sample: Any) -> Any:
    """The op's result on a sample."""
    return op(sample.input, *sample.args, **sample.kwargs)


def called_in_place(op: Any, sample: Any) -> Any:
    """The result of the op's in-place form, on a clone."""
    return op.get_inplace()(sample.input.clone(), *sample.args, **sample.kwargs)


def compare(form: Callable[[Any], Any], sample: Any, same_sample: Any, name: str) -> Iterator[str]:
    """What differs between the plain and the recorded call, and what was found: one text each."""
    plain = outcome(form, sample, call_plain)
    recorder = Recorder()
    recorded = outcome(form, same_sample, lambda call: call_recorded(recorder, call))
    if plain != recorded:
        yield f"plain {plain} recorded {recorded}"
    if isinstance(plain, str):
        return
    found, _ = engine.judge(recorder.recording(ProgramEnd()))
    for finding in found:
        expected = finding.code in RIGHTLY_FOUND.get(name, set())
        if finding.severity is not Severity.INFO and not expected:
            yield f"{finding.code} {finding.message}"


def call_plain(call: Callable[[], None]) -> None:
    call()


def call_recorded(recorder: Recorder, call: Callable[[], None]) -> None:
    with recorder:
        call()


def outcome(
    form: Callable[[Any], Any], sample: Any, run: Callable[[Callable[[], None]], None]
) -> list[str] | str:
    """The digest of the gradient of each of the sample's tensors, or the exception as text."""

    def call() -> None:
        loss = scalar(form(sample))
        if loss is not None:
            loss.backward()

    torch.manual_seed(1)
    try:
        run(call)
    except Exception as error:  # noqa: BLE001  an op that fails must fail in the same way
        return f"{type(error).__name__}: {str(error).splitlines()[:1]}"
    return [digest(tensor.grad) for tensor in tracked(sample)]


def scalar(result: Any) -> torch.Tensor | None:
    """The sum of everything differentiable in an op's result; None where nothing is."""
    terms = []
    for part in tree_leaves(result):
        if isinstance(part, torch.Tensor) and part.requires_grad:
            dense = part.to_dense() if part.layout is not torch.strided else part
            terms.append((dense.abs() if dense.is_complex() else dense).sum())
    return sum(terms[1:], terms[0]) if terms else None


def samples_of(op: Any) -> list[Any]:
    """The op's first small sample inputs that have something to differentiate, drawn from a fixed seed."""
    if not op.supports_autograd:
        return []
    dtypes = op.supported_backward_dtypes("cpu")
    dtype = next((d for d in (torch.float32, torch.float64, torch.complex64) if d in dtypes), None)
    if dtype is None:
        return []
    torch.manual_seed(0)
    try:
        samples = op.sample_inputs("cpu", dtype, requires_grad=True)
        return list(itertools.islice(filter(is_usable, samples), SAMPLES))
    except (RuntimeError, ImportError, NotImplementedError):
        return []  # no sample on this machine (LAPACK, MKL or a compiler is missing)


def is_usable(sample: Any) -> bool:
    """True for a sample with a tensor that requires a gradient, and not too many elements."""
    tensors = tracked(sample)
    return bool(tensors) and sum(tensor.numel() for tensor in tensors) <= MOST_ELEMENTS


def tracked(sample: Any) -> list[torch.Tensor]:
    """The tensors of a sample that require a gradient; those that are no leaves are told to retain it."""
    parts = tree_leaves((sample.input, sample.args, sample.kwargs))
    tensors = [t for t in parts if isinstance(t, torch.Tensor) and t.requires_grad]
    for tensor in tensors:
        tensor.retain_grad()
    return tensors


def digest(gradient: torch.Tensor | None) -> str:
    """The gradient's bytes, hashed, so that NaN equals NaN."""
    if gradient is None:
        return "None"
    dense = gradient.detach().to_dense() if gradient.layout is not torch.strided else gradient.detach()
    raw = dense.resolve_conj().resolve_neg().contiguous().reshape(-1).view(torch.uint8)
    return hashlib.sha256(raw.numpy(force=True).tobytes()).hexdigest()[:12]
