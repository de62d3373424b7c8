"""The forward pass made a NaN or an Inf: the first op, and the values that made it.

What it finds
    The first op on the way to a non-finite loss whose inputs were finite and whose result was not; or,
    where the data or a parameter was handed in non-finite, the first op that used it. A program that
    ends before its backward counts too, where the call that raised was given the NaN (a loss function,
    a distribution), or where it stopped by itself beside a loss that is not finite.

Why it matters
    A non-finite loss makes every gradient non-finite. What one sees is a loss of NaN, or an optimizer
    that has just destroyed the model.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    share = model(torch.randn(8, 4)).relu()
    loss = -torch.log(share).mean()
    loss.backward()
    optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    share = torch.nn.functional.softplus(model(torch.randn(8, 4)))
    loss = -torch.log(share).mean()
    loss.backward()
    optimizer.step()
    ```

Limits
    An Inf that is meant (a mask of -inf before a softmax) is no finding as long as the loss is finite.
    Results are examined in the first steps and after a warning sign; a finding from a later step than
    the first says "probable".
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import NonfiniteForward, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._forward import divides_by_a_count, forward_advice, forward_reason
from gradscope.rules._guards import guarded
from gradscope.rules._source import replaced, snippet
from gradscope.rules._words import first_place, op_words, other_places, path_text

_finding = partial(Finding, "GS403", "nonfinite-forward")
MASKED = "the -inf that "
_NAMES = {"nan": "NaN", "inf": "Inf"}


@rule("GS403", "nonfinite-forward", Severity.ERROR)
def nonfinite_forward(recording: Recording) -> Iterator[Finding]:
    """One finding for each op that made the first non-finite value of a loss."""
    for fact in recording.nonfinite_forwards:
        yield _finding_for(recording, fact)


def _finding_for(recording: Recording, fact: NonfiniteForward) -> Finding:
    location = first_place(fact.location, fact.backward)
    what = _NAMES.get(fact.kind, fact.kind)
    loss = _NAMES.get(fact.loss, fact.loss)
    if fact.source is not None:
        message = f"{_given(recording, fact.source, what, fact.op)}{_then(fact, loss)}"
        label = f"the first op that uses it, on the way to {fact.refused_by or f'a loss of {loss}'}"
    else:
        message = f"{op_words(fact.op)} gives the first {what} of the forward pass{_then(fact, loss)}"
        label = f"first {what} on the way to {fact.refused_by or 'the loss'}"
    source = fact.source if fact.source and recording.leaf(fact.source) else None
    return _finding(
        severity=Severity.ERROR,
        message=message,
        location=location,
        confidence=Confidence.CERTAIN if fact.exact and fact.location else Confidence.PROBABLE,
        label=label,
        subjects=(source,) if source else (),
        related=tuple(_related(fact, location)),
        notes=tuple(_notes(fact, location)),
        evidence={
            "op": fact.op,
            "kind": fact.kind,
            "loss": fact.loss,
            "step": fact.step,
            "source": fact.source,
            "ended_program": fact.refused_by is not None,
        },
        fix=_fix(recording, fact),
        count=fact.count,
    )


def _then(fact: NonfiniteForward, loss: str) -> str:
    """What became of it: a loss that is not finite, or a call that refused it and ended the program."""
    return f", and {op_words(fact.refused_by)} refuses it" if fact.refused_by else f": the loss is {loss}"


def _end(fact: NonfiniteForward) -> str:
    if fact.refused_by is None:
        return "the backward of this loss"
    return f"{op_words(fact.refused_by)} refuses it" if fact.refused_by else "the program stops here"


def _given(recording: Recording, source: str, what: str, op: str) -> str:
    if recording.leaf(source) is not None:
        return f"`{source}` already holds {what} when {op} uses it"
    if source.startswith("input "):
        return f"{source} already holds {what} when it is handed in"
    if source.startswith(MASKED):
        return f"{op_words(op)} takes {source}"
    return f"{source} is {what}" if source.startswith("the data") else f"{source} spoils the forward pass"


def _related(fact: NonfiniteForward, location: Location | None) -> Iterator[Related]:
    for where in other_places([fact.backward], than=location):
        yield Related(where, _end(fact))


def _notes(fact: NonfiniteForward, location: Location | None) -> Iterator[Note]:
    reason = forward_reason(fact)
    if reason:
        yield Note("because", reason)
    if fact.spread:
        yield Note("spread", f"{fact.op} -> {path_text(fact.spread, location)}")
    if not fact.exact:
        yield Note("note", "the first step with it was not examined op by op; this is a later one")


def _fix(recording: Recording, fact: NonfiniteForward) -> str:
    if fact.source is not None:
        leaf = recording.leaf(fact.source)
        if leaf is not None:
            return (
                f"look for the step that made `{fact.source}` non-finite: its gradient, or the learning rate"
            )
        if fact.source.startswith(MASKED):
            return _past_the_mask(fact.op)
        return "check what is handed in before it is used: assert torch.isfinite(x).all()"
    if divides_by_a_count(fact):
        return _whole_divisor(recording, fact)
    divisor = fact.inputs[-1] if fact.inputs else None
    signed = divisor is None or divisor.smallest is None or divisor.smallest < 0
    dtype = fact.inputs[0].dtype if fact.inputs else "float32"
    op = {"true_divide": "div", "__truediv__": "div", "__pow__": "pow"}.get(fact.op, fact.op)
    safe = guarded(
        snippet(recording, fact.location), op, dtype, signed=signed, divisor=divisor.dtype if divisor else ""
    )
    return replaced(recording, fact.location, safe) if safe else forward_advice(fact)


def _whole_divisor(recording: Recording, fact: NonfiniteForward) -> str:
    """A count in a tensor or a plain number: which of them, the statistics do not say."""
    safe = guarded(snippet(recording, fact.location), "div", signed=False, divisor="int64")
    if safe is None:
        return forward_advice(fact)
    return f"{replaced(recording, fact.location, safe)}; for a Python number, max(..., 1)"


def _past_the_mask(op: str) -> str:
    """What to do about an op that takes a masked element into the loss."""
    if op in ("sum", "mean", "kl_div"):
        return f"leave the masked elements out of {op}: .masked_fill(mask, 0.0) before it"
    return f"check the indices of {op_words(op)} against the mask: the logarithm of a masked share is -Inf"
