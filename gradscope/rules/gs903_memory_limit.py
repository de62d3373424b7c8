"""A step keeps more in memory than a gate allows.

What it finds
    What the graph keeps for the backward, where it is more than `max-saved`, and the highest peak of the
    run, where it is more than `max-peak`. It names the line, the module and the tensors that most of it is
    for. The limits stand beside a target of `gradscope memory` in `pyproject.toml`:

    ```toml
    [[tool.gradscope.gate.targets]]
    memory = "train.py"
    max-saved = "16KiB"
    ```

Why it matters
    A batch that fits today does not fit after a change that keeps one more tensor in every layer, and on
    the reviewer's small input nobody sees it.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(256, 16)
    loss = net(x).pow(2).mean()
    loss.backward()
    ```

Use instead
    ```python
    import torch
    from torch import nn
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(256, 16)
    loss = checkpoint(net, x, use_reentrant=False).pow(2).mean()
    loss.backward()
    ```

Limits
    Sizes are those of the tensors as torch asks for them, without what an allocator rounds up and keeps.
    Parameters, buffers and inputs are not counted as saved, and are part of the peak. Of a model that is
    run without checkpointing, the figures are those without. On fake tensors they are estimates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import MemoryPeak, MemoryUse, Recording
from gradscope.finding import Finding, Note, Severity
from gradscope.rules import rule
from gradscope.rules._limits import stated
from gradscope.rules._words import node_words, unique
from gradscope.sizes import size_text

_finding = partial(Finding, "GS903", "memory-limit")
_MOST_TENSORS = 2
_MOST_KINDS = 3


@rule("GS903", "memory-limit", Severity.ERROR)
def memory_limit(recording: Recording) -> Iterator[Finding]:
    """One finding for what is saved, and one for the peak."""
    memory, limits = recording.memory, recording.limits
    if memory is None:
        return
    if limits.max_saved is not None and memory.saved > limits.max_saved:
        yield _saved(recording, memory, limits.max_saved)
    peak = memory.peak
    if limits.max_peak is not None and peak is not None and peak.size > limits.max_peak:
        yield _peak(recording, memory, peak, limits.max_peak)


def _saved(recording: Recording, memory: MemoryUse, limit: int) -> Finding:
    most = max(memory.lines, key=lambda line: line.saved, default=None)
    module = max(memory.modules, key=lambda one: one.own, default=None)
    notes = []
    if module is not None and module.own:
        notes.append(Note("module", f"{module.path} ({module.class_name}) saves {size_text(module.own)}"))
    for row in memory.largest[:_MOST_TENSORS]:
        cheaper = f"; {row.cheaper}" if row.cheaper else ""
        notes.append(
            Note("tensors", f"{_tensors(row.count, row.op, row.dtype, row.shape, row.size)}{cheaper}")
        )
    return _finding(
        severity=Severity.ERROR,
        message=f"{size_text(memory.saved)} {_is(memory)} kept for the backward: "
        f"max-saved is {size_text(limit)}{_times(memory.saved, limit)}",
        location=most.location if most is not None else None,
        label=f"{size_text(most.saved)} of it are saved here" if most is not None else "",
        subjects=unique(one for one in (module.path if module is not None else "",) if one),
        related=stated(recording.limits),
        notes=tuple(notes),
        evidence={
            "saved": memory.saved,
            "limit": limit,
            "module": module.path if module is not None else None,
            "line_saved": most.saved if most is not None else None,
        },
        fix="gradscope memory shows what every line and module keeps, and what checkpointing would save; "
        "where it is meant, raise max-saved",
    )


def _peak(recording: Recording, memory: MemoryUse, peak: MemoryPeak, limit: int) -> Finding:
    kinds = sorted(peak.kinds.items(), key=lambda one: one[1], reverse=True)[:_MOST_KINDS]
    consists = ", ".join(f"{kind.value} {size_text(size)}" for kind, size in kinds if size)
    return _finding(
        severity=Severity.ERROR,
        message=f"the peak of memory {_is(memory)} {size_text(peak.size)}, "
        f"{'outside the passes' if peak.phase.value == 'outside' else f'in the {peak.phase.value}'}: "
        f"max-peak is {size_text(limit)}{_times(peak.size, limit)}",
        location=peak.location,
        label="the allocation here reaches it",
        subjects=unique(one for one in (peak.module or "",) if one),
        related=stated(recording.limits),
        notes=(Note("consists of", consists),) if consists else (),
        evidence={"peak": peak.size, "limit": limit, "phase": peak.phase.value, "module": peak.module},
        fix="gradscope memory shows what is alive at the peak, and what checkpointing would save; "
        "where it is meant, raise max-peak",
    )


def _is(memory: MemoryUse) -> str:
    return "would be" if memory.is_fake else "is"


def _times(size: int, limit: int) -> str:
    return f" ({size / limit:,.0f} times as much)" if limit and size >= 2 * limit else ""


def _tensors(count: int, op: str, dtype: str, shape: tuple[int, ...], size: int) -> str:
    each = f"{count:,} x " if count > 1 else ""
    return f"{each}{dtype} ({', '.join(map(str, shape))}) by {node_words(op)}, {size_text(size)}"
