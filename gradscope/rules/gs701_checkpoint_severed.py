"""A reentrant checkpoint gives no gradient to what is inside it.

What it finds
    A `torch.utils.checkpoint` with `use_reentrant=True` whose inside shapes the loss and gets no gradient:
    none of the tensors it was given requires one, or those that do were given, or returned, inside a dict,
    a list or an object, where it does not look.

Why it matters
    A reentrant checkpoint runs its function without a graph and puts one node in its place, which exists
    only where a tensor among its arguments requires a gradient. Parameters do not count. Torch warns once,
    and the layers inside keep their first values: so it is when the embedding before them is frozen.

Example
    ```python
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    block, head = nn.Linear(4, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*block.parameters(), *head.parameters()], lr=0.1)
    for _ in range(2):
        hidden = checkpoint(block, torch.randn(8, 4), use_reentrant=True)
        loss = head(hidden).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    block, head = nn.Linear(4, 4), nn.Linear(4, 1)
    optimizer = torch.optim.SGD([*block.parameters(), *head.parameters()], lr=0.1)
    for _ in range(2):
        hidden = checkpoint(block, torch.randn(8, 4), use_reentrant=False)
        loss = head(hidden).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    Leaves that are frozen, that no optimizer owns, or that get a gradient by another way are not counted.
    A checkpoint of another library, which does not call torch's, is not known as one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from gradscope.facts import CutKind, MissingGraph, Recording, Severance, SeveredLeaf, SeveringCheckpoint
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._cuts import cut_location
from gradscope.rules._parts import method, with_keyword
from gradscope.rules._source import replaced, snippet
from gradscope.rules._words import (
    by_name,
    caught,
    counted,
    ended,
    got_gradient,
    grouped,
    is_trained,
    keeps_failing,
    noun_for,
    other_places,
    path_text,
    spoken,
    unique,
    verb,
)

_finding = partial(Finding, "GS701", "checkpoint-severed")
_WHY = {
    Severance.FROZEN: "nothing that this reentrant checkpoint is given requires a gradient",
    Severance.NO_TENSOR: "this reentrant checkpoint is given no tensor",
    Severance.NESTED: "this reentrant checkpoint looks into no dict, list or object that it is given",
    Severance.NESTED_OUTPUT: "this reentrant checkpoint looks into no dict, list or object that it returns",
}
_LABELS = {
    Severance.FROZEN: "no argument requires a gradient, so its inside is skipped",
    Severance.NO_TENSOR: "no tensor is passed, so its inside is skipped",
    Severance.NESTED: "only tensors that are arguments themselves count",
    Severance.NESTED_OUTPUT: "only tensors that are returned themselves, or in a tuple, count",
}
_INSTEAD = {
    Severance.FROZEN: "or give it an input that requires a gradient: x.requires_grad_()",
    Severance.NO_TENSOR: "or pass a tensor that requires a gradient as an argument",
    Severance.NESTED: "or pass the tensors as arguments of their own",
    Severance.NESTED_OUTPUT: "or return the tensors themselves, in a tuple",
}


@dataclass(slots=True)
class _Line:
    """What one line's checkpoint cost: the leaves behind it, and the backwards that had no graph."""

    lost: list[SeveredLeaf] = field(default_factory=list)
    remain: bool = False
    missing: list[MissingGraph] = field(default_factory=list)


@rule("GS701", "checkpoint-severed", Severity.ERROR)
def checkpoint_severed(recording: Recording) -> Iterator[Finding]:
    """One finding for each line whose reentrant checkpoint keeps trained leaves from their gradient."""
    lines: dict[Location | None, _Line] = {}
    known = by_name(recording)
    for fact in recording.severed:
        leaf = known.get(fact.leaf)
        if not fact.cuts or fact.cuts[0].kind is not CutKind.CHECKPOINT:
            continue
        if leaf is None or not is_trained(recording, leaf):
            continue
        line = lines.setdefault(cut_location(fact.cuts[0]), _Line())
        if fact.unfed or not got_gradient(leaf):
            line.lost.append(fact)
        else:
            line.remain = True
    for missing in recording.missing_graphs:
        if missing.cuts and missing.cuts[0].kind is CutKind.CHECKPOINT:
            lines.setdefault(cut_location(missing.cuts[0]), _Line()).missing.append(missing)
    for location, line in lines.items():
        if line.lost or line.missing:
            yield _finding_for(recording, location, line)


def _finding_for(recording: Recording, location: Location | None, line: _Line) -> Finding:
    checkpoint = _checkpoint_at(recording, location)
    reason = checkpoint.reason if checkpoint is not None else Severance.FROZEN
    names = unique(fact.leaf for fact in line.lost)
    known = by_name(recording)
    shown = spoken(recording, names)
    if names:
        what = f"{grouped(shown, noun_for([known[name] for name in names]))} {verb(shown, 'gets', 'get')}"
        message = f"{what} no gradient: {_WHY[reason]}"
    else:
        message = f"the loss has no graph: {_WHY[reason]}"
    backwards = other_places([fact.location for fact in line.missing], than=location)
    raised = next(iter(line.missing), None)
    severity = Severity.WARNING if line.remain else Severity.ERROR
    if raised is not None and not names:
        severity = ended(raised.ended_program, keeps_failing=keeps_failing(recording, raised.location))
    return _finding(
        severity=severity,
        message=message,
        location=location,
        label=_LABELS[reason],
        subjects=names,
        related=tuple(Related(place, "this backward has no graph to walk") for place in backwards),
        notes=(*_calls(checkpoint), *_path(line, location), *_caught(raised)),
        evidence={
            "reason": str(reason),
            "elements": sum(known[name].numel for name in names),
            "calls": checkpoint.calls if checkpoint is not None else 0,
            "severed": checkpoint.severed if checkpoint is not None else 0,
        },
        fix=f"{_fix(recording, location)}; {_INSTEAD[reason]}",
    )


def _checkpoint_at(recording: Recording, location: Location | None) -> SeveringCheckpoint | None:
    return next(
        (
            one
            for one in recording.severing_checkpoints
            if location is not None and one.location is not None and one.location.at == location.at
        ),
        None,
    )


def _calls(checkpoint: SeveringCheckpoint | None) -> tuple[Note, ...]:
    if checkpoint is None or checkpoint.calls == 1:
        return ()
    severed = f"{checkpoint.severed:,} of {counted(checkpoint.calls, 'call')}"
    if checkpoint.severed == checkpoint.calls:
        severed = f"all {counted(checkpoint.calls, 'call')}"
    return (Note("calls", f"{severed} of this line gave no gradient"),)


def _path(line: _Line, location: Location | None) -> tuple[Note, ...]:
    path = line.lost[0].path if line.lost else ()
    return (Note("path of the value", path_text(path, location)),) if len(path) > 1 else ()


def _caught(missing: MissingGraph | None) -> tuple[Note, ...]:
    return () if missing is None else caught(missing.ended_program)


def _fix(recording: Recording, location: Location | None) -> str:
    if location is not None and f"{os.sep}transformers{os.sep}" in location.path:
        return (
            "model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False}), "
            "or model.enable_input_require_grads()"
        )
    text = snippet(recording, location)
    if method(text) in ("checkpoint", "checkpoint_sequential") or "use_reentrant" in text:
        call = with_keyword(text, "use_reentrant=False")
        if call is not None:
            return replaced(recording, location, call)
    return "checkpoint(..., use_reentrant=False)"
