"""Gradients grow without bound: from layer to layer, over time, or from step to step.

What it finds
    Over depth: a row of layers or blocks in which the gradient grows steadily on the way from the loss
    to the input, by more than ten thousand. Over time: one weight used again and again in a forward, a
    recurrent cell say, to whose first uses arrives more than ten thousand times what arrives at its
    last. From step to step: the norm of the whole gradient grows a millionfold within a run of
    backwards, and the loss with it, often until it overflows; the NaN and Inf that follow are shown as
    its consequences. Each is judged by its trend, as on the page of GS404.

Why it matters
    A step along such a gradient leaves everything behind that was learned, and soon the loss is NaN.
    The line that makes the NaN is then not the cause.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    area = torch.rand(64, 1) * 300
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(12):
        loss = nn.functional.mse_loss(model(area), 2_000 * area)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    area = torch.rand(64, 1) * 300
    x, y = (area - area.mean()) / area.std(), 2_000 * area
    y = (y - y.mean()) / y.std()
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(12):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    Over depth, what is large only before a normalisation makes up for it is no finding. A single batch
    with a large gradient is none either, nor is growth that the loss does not follow, nor one that it
    follows in proportion, as it does where a factor of the loss grows. A single jump counts where the
    loss stays a thousand times larger than it ever was, and the finding says "probable". A loss that
    overflows in the first forward has no gradient to judge: GS403 names the op. Where the loss was not
    read (on an accelerator, between close looks) growth is only told by an overflow; where a GradScaler
    multiplies it, growth from step to step is not judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import GradientGrowth, OptimizerFact, Recording
from gradscope.finding import Confidence, Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._growth import diverging
from gradscope.rules._scale import FEWEST_BACKWARDS, THRESHOLD, Row, exploding
from gradscope.rules._scale_words import (
    confidence,
    ends,
    evidence,
    factor,
    label,
    location,
    noun,
    related,
    seen,
    size,
)
from gradscope.rules._words import counted, other_places

_finding = partial(Finding, "GS405", "exploding-gradient")


@rule("GS405", "exploding-gradient", Severity.WARNING)
def exploding_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each row of layers, and for each backward line whose steps diverge by themselves."""
    growths = {growth.backward: growth for growth in diverging(recording)}
    told: dict[object, Finding] = {}
    explained = set()
    for row in sorted(exploding(recording), key=lambda row: -row.score):
        growth = growths.get(row.profile.backward)
        explained.add(row.profile.backward)
        finding = _over_layers(row, growth)
        told.setdefault(finding.location, finding)
    yield from told.values()
    for backward, growth in growths.items():
        if backward not in explained:
            yield _over_steps(recording, growth)


# ---------------------------------------------------------------- over depth and time


def _over_layers(row: Row, growth: GradientGrowth | None) -> Finding:
    what, count = noun(row), len(row.values)
    return _finding(
        severity=Severity.WARNING,
        message=f"gradients grow {factor(row.factor)} a {what}: {ends(row)}, over {count:,} {what}s",
        location=location(row),
        confidence=confidence(row),
        label=label(row),
        subjects=_flooded(row),
        related=tuple(related(row)),
        notes=(*_then(growth), *seen(row)),
        evidence={**evidence(row), "overflow": growth.overflow if growth else None},
        fix=_layer_fix(row),
    )


def _flooded(row: Row) -> tuple[str, ...]:
    """The weights that get ten thousand times the least."""
    if row.what == "uses":
        return (row.worst.leaf,)
    limit = min(row.values) * 10**THRESHOLD
    blocks = [block for block, value in zip(row.blocks, row.values, strict=True) if value > limit]
    return tuple(layer.leaf for block in reversed(blocks) for layer in block.layers)


def _then(growth: GradientGrowth | None) -> Iterator[Note]:
    if growth is not None:
        yield Note("then", f"from step to step: {_steps_text(growth)}")


def _layer_fix(row: Row) -> str:
    if row.what == "uses":
        return (
            f"nn.init.orthogonal_({row.worst.leaf}, gain=1.0), or a GRU or LSTM cell, so that a use does not "
            "enlarge the state; clip_grad_norm_ before the step limits the damage"
        )
    return (
        "smaller weights at the start (nn.init.kaiming_normal_), a nn.LayerNorm in each block, or a residual "
        "branch scaled by 1 / sqrt(number of blocks); clip_grad_norm_ only limits the damage"
    )


# ---------------------------------------------------------------- from step to step


def _over_steps(recording: Recording, growth: GradientGrowth) -> Finding:
    optimizer = _the_optimizer(recording)
    sure = len(growth.steps) + (growth.overflow is not None) >= FEWEST_BACKWARDS
    return _finding(
        severity=Severity.WARNING,
        message=f"gradients grow from step to step: {_steps_text(growth)}",
        location=growth.backward,
        confidence=Confidence.CERTAIN if sure else Confidence.PROBABLE,
        label=f"the norm of the gradient has grown to {size(growth.norms[-1])}",
        related=tuple(_made(optimizer, growth)),
        evidence={
            "over": "steps",
            "measure": "norm of the whole gradient",
            "places": [f"backward {number}" for number in growth.steps],
            "gradients": list(growth.norms),
            "losses": [loss for loss in growth.losses if loss is not None],
            "ratio": growth.norms[-1] / growth.norms[0],
            "step": growth.steps[-1],
            "overflow": growth.overflow,
        },
        fix=_step_fix(growth),
    )


def _steps_text(growth: GradientGrowth) -> str:
    count = growth.steps[-1] - growth.steps[0]
    text = f"{size(growth.norms[0])} to {size(growth.norms[-1])} in {counted(count, 'step')}"
    if growth.overflow is not None:
        return f"{text}; backward {growth.overflow:,} has overflowed"
    first, last = growth.losses[0], growth.losses[-1]
    return text if first is None or last is None else f"{text}, and the loss {size(first)} to {size(last)}"


def _the_optimizer(recording: Recording) -> OptimizerFact | None:
    stepped = [optimizer for optimizer in recording.optimizers if optimizer.steps]
    return stepped[0] if len(stepped) == 1 else None


def _made(optimizer: OptimizerFact | None, growth: GradientGrowth) -> Iterator[Related]:
    if optimizer is not None:
        for where in other_places([optimizer.location], than=growth.backward):
            yield Related(where, f"the steps of this {optimizer.class_name} are too large for such gradients")


def _step_fix(growth: GradientGrowth) -> str:
    first = growth.losses[0]
    scale = "inputs and targets of mean 0 and deviation 1: (x - x.mean(0)) / x.std(0)"
    rate = "a smaller learning rate"
    large = first is not None and abs(first) > 1e3
    ordered = [scale, rate] if large else [rate, scale]
    return f"{'; or '.join(ordered)}; or clip_grad_norm_(model.parameters(), 1.0) before each step"
