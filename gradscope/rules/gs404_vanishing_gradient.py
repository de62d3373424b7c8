"""Gradients shrink from layer to layer until the first layers get next to nothing.

What it finds
    A row of layers or blocks in which the gradient of a weight, as root mean square per element,
    shrinks steadily on the way from the loss to the input, by more than ten thousand from one end of
    the row to the other. What is judged is the trend: the median slope of its logarithm over the
    depth, whose 95% interval must not contain zero, in most of the backwards that were kept. The
    finding prints the profile, and names the line of the worst layer.

Why it matters
    The first layers are not trained: the net is a few trained layers on top of a random one. The loss
    falls a little and stays, and nothing warns.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [part for _ in range(12) for part in (nn.Linear(16, 16), nn.Sigmoid())]
    model = nn.Sequential(*layers, nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.randn(32, 16)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [part for _ in range(12) for part in (nn.Linear(16, 16), nn.LayerNorm(16), nn.GELU())]
    model = nn.Sequential(*layers, nn.Linear(16, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        loss = model(torch.randn(32, 16)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    At least six places in a row are needed. A single op that shrinks a gradient (a small loss weight, a
    LayerScale) is no trend, and neither are layers side by side. Biases, norms, embeddings and weights
    that start at zero are not judged, and the loss's own decrease is none of it: a trained net's
    gradients are small everywhere. A recurrent net that forgets what is long past is not reported. Where
    activations shrink as gradients do, the weights' gradients are all alike: then the gradients that
    arrive at the layers are judged, and the finding says "probable". It says so too where fewer than
    three backwards were seen. Where a net's layers vanish in its first steps and recover, it is silent.
    A gradient that dies from step to step under a loss that stays high looks like a plateau, and is not
    reported. Of the models that one line trains in turn, the first eight are judged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope.facts import Recording
from gradscope.finding import Confidence, Finding, Note, Severity
from gradscope.rules import rule
from gradscope.rules._scale import THRESHOLD, Row, vanishing
from gradscope.rules._scale_words import (
    activation,
    between,
    confidence,
    ends,
    evidence,
    factor,
    label,
    location,
    noun,
    related,
    seen,
)
from gradscope.rules._words import counted, unique

_finding = partial(Finding, "GS404", "vanishing-gradient")


@rule("GS404", "vanishing-gradient", Severity.WARNING)
def vanishing_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each line at which a row of layers loses its gradient."""
    told: dict[object, Finding] = {}
    for row in sorted(vanishing(recording), key=lambda row: row.score):
        finding = _finding_for(row)
        known = told.setdefault(finding.location, finding)
        if known is not finding:
            told[finding.location] = replace(known, subjects=unique((*known.subjects, *finding.subjects)))
    yield from told.values()


def _finding_for(row: Row) -> Finding:
    what = noun(row)
    return _finding(
        severity=Severity.WARNING,
        message=f"gradients shrink {factor(row.factor)} a {what}: {ends(row)}, "
        f"over {len(row.values):,} {what}s",
        location=location(row),
        confidence=confidence(row) if row.what == "weights" else Confidence.PROBABLE,
        label=label(row),
        subjects=_starved(row),
        related=tuple(related(row)),
        notes=(*_beyond(row), *between(row), *_alike(row), *seen(row)),
        evidence=evidence(row),
        fix=_fix(activation(row)),
    )


def _starved(row: Row) -> tuple[str, ...]:
    """The weights that get less than a ten-thousandth of the largest, and those beyond that get nothing."""
    limit = max(row.values) / 10**THRESHOLD
    starved = [block for block, value in zip(row.blocks, row.values, strict=True) if value < limit]
    names = {layer.leaf for block in starved for layer in block.layers} | _nothing(row)
    return tuple(layer.leaf for layer in row.profile.layers if layer.leaf in names)


def _nothing(row: Row) -> set[str]:
    """The weights further from the loss than the worst, if all their gradients were exactly zero."""
    deepest = row.blocks[-1].depth
    return {layer.leaf for layer in row.profile.layers if layer.depth > deepest and not any(layer.rms)}


def _beyond(row: Row) -> Iterator[Note]:
    if nothing := _nothing(row):
        yield Note("beyond", f"{counted(len(nothing), 'weight')} further from the loss: exactly 0")


def _alike(row: Row) -> Iterator[Note]:
    if row.what == "arriving":
        text = "activations shrink as the gradients do, so the weights' gradients look alike"
        yield Note("note", text)


def _fix(kind: str) -> str:
    bridge = "a residual connection (x + layer(x)) or a nn.LayerNorm in each layer"
    if kind in ("Sigmoid", "Hardsigmoid", "Softmax", "Softplus"):
        name = {"Hardsigmoid": "hardsigmoid"}.get(kind, kind.lower())
        return f"ReLU or GELU in place of {name}, with nn.init.kaiming_normal_ weights; or {bridge}"
    if kind == "Tanh":
        return f"nn.init.xavier_normal_(weight, gain=5 / 3), which is made for tanh; or {bridge}"
    if kind:
        return f"nn.init.kaiming_normal_(weight): these weights are too small for this depth; or {bridge}"
    return f"larger weights at the start (nn.init.xavier_normal_); or {bridge}"
