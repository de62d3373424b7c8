"""Float16 gradients are so small that they become 0: the loss is not scaled, or not enough.

What it finds
    Parameters that lost at least a tenth of their gradient (by its 2-norm) because float16 has nothing
    between 0 and 6e-8: the share of elements that arrived as exactly 0 and should not have, the op where
    the loss began, and the loss scales that would have kept them. What a gradient should have been is
    measured: an op that gives many tiny elements is run again on a gradient multiplied by a power of two.

Why it matters
    Nothing fails and nothing is NaN. The small gradients, and the layers that only get small ones, stop
    learning; the others go on, so that the loss falls and stalls.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 256))
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.float16):
            output = model(torch.randn(512, 16))
        loss = nn.functional.mse_loss(output.float(), 0.1 * torch.randn(512, 256))
        optimizer.zero_grad()
        loss.mul(1e-3).backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 256))
    optimizer = torch.optim.Adam(model.parameters())
    scaler = torch.amp.GradScaler("cpu")
    for _ in range(3):
        with torch.autocast("cpu", dtype=torch.float16):
            output = model(torch.randn(512, 16))
        loss = nn.functional.mse_loss(output.float(), 0.1 * torch.randn(512, 256))
        optimizer.zero_grad()
        scaler.scale(loss.mul(1e-3)).backward()
        scaler.step(optimizer)
        scaler.update()
    ```

Limits
    Zeros that are zeros in truth (ReLU, masks, padding, unused rows of an embedding) are not counted, and
    neither are rounding errors, which are all that is left where a loss does not depend on a parameter. A
    tenth is the least that fires: rounding in float16 is off by a thousandth, and a few tiny elements
    among large ones do no harm. Under a GradScaler, at least half must be lost. Examined are up to five
    of the first twenty backwards of each line; parameters count that lost in most of them. Ops of the
    program's own, and ops whose saved tensors are packed by hooks (checkpointing), are not run again:
    what is lost there is not seen. bfloat16 reaches as far down as float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.facts import FlushSite, HalfGradients, LeafFlush, Recording
from gradscope.finding import Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._loss_scale import KEPT, ScaleRange, median, power_of_two, scale_range
from gradscope.rules._words import by_name, grouped, is_trained, noun_for, number, spoken

_LOST_UNDER_A_SCALER = 0.5
_NOISE = 1.5  # an error beyond all that could be lost: the gradient is 0 but for rounding errors
_MANY = 0.1  # of the elements
_MOST_NAMED = 4
_FIRST_SCALE = 16  # 2**16 is GradScaler's own init_scale
_MOST_SITES = 2


@rule("GS406", "gradient-underflow", Severity.WARNING)
def gradient_underflow(recording: Recording) -> Iterator[Finding]:
    """One finding for each line whose backwards lose much of their gradients in float16."""
    for fact in recording.halves:
        leaves = _harmed(recording, fact)
        if leaves:
            yield _finding_for(recording, fact, leaves)


def _harmed(recording: Recording, fact: HalfGradients) -> list[LeafFlush]:
    """The trained leaves that lost in most backwards, the worst first."""
    if 2 * fact.lossy <= fact.passes:
        return []
    known = by_name(recording)
    least = 0.0 if fact.scale in (None, 1.0) else _LOST_UNDER_A_SCALER
    found = [
        one
        for one in fact.leaves
        if 2 * one.lossy > fact.passes
        and least <= one.error <= _NOISE
        and (leaf := known.get(one.name)) is not None
        and is_trained(recording, leaf)
    ]
    # a bias in front of a normalisation has a gradient of nothing but rounding errors
    telling = any(len(one.shape) > 1 for one in found)
    vectors_only = all(len(leaf.shape) < 2 for leaf in recording.leaves if is_trained(recording, leaf))
    return sorted(found, key=lambda one: -one.error) if telling or vectors_only else []


def _finding_for(recording: Recording, fact: HalfGradients, leaves: Sequence[LeafFlush]) -> Finding:
    subjects = tuple(one.name for one in leaves)
    what = grouped(spoken(recording, subjects), noun_for(map(by_name(recording).get, subjects)))
    flushed, nonzero = sum(one.flushed for one in leaves), sum(one.nonzero for one in leaves)
    share = flushed / max(1, nonzero)
    sites = [site for site in fact.sites if site.location and 2 * site.lossy >= fact.lossy]
    site = sites[0] if sites else None
    location = site.location if site else fact.backward
    scales = scale_range(fact.exponents, fact.largest)
    return Finding(
        "GS406",
        "gradient-underflow",
        Severity.WARNING,
        message=_message(what, share, max(one.error for one in leaves)),
        location=location,
        label=_label(site),
        subjects=subjects,
        related=tuple(_related(fact, sites[1:], location)),
        notes=tuple(_notes(recording, fact, leaves, scales)),
        evidence={
            "flushed": flushed,
            "elements": nonzero,
            "share": share,
            "error": max(one.error for one in leaves),
            "backwards": fact.passes,
            "scale": fact.scale,
            "scale_low": 2.0**scales.low * (fact.scale or 1.0) if scales else None,
            "scale_high": 2.0**scales.high * (fact.scale or 1.0) if scales else None,
            "largest": fact.largest,
        },
        fix=_fix(recording, fact, leaves, scales),
        count=fact.lossy,
    )


def _percent(share: float) -> str:
    if share >= 0.9995:
        return "100%" if share >= 1 else "99.9%"
    return f"{share:.1%}" if share < 0.995 else f"{share:.2%}"


def _message(what: str, share: float, error: float) -> str:
    if share < _MANY:
        return (
            f"up to {_percent(error)} of the gradient of {what} is lost in float16, flushed to 0 or rounded"
        )
    return f"{_percent(share)} of the gradient elements of {what} are flushed to 0 in float16"


def _label(site: FlushSite | None) -> str:
    if site is None:
        return "in this backward"
    share = f", {_percent(site.share)} of its elements become 0" if site.share >= 0.0005 else ""
    return f"{site.node} gives a gradient that is off by {_percent(site.error)}{share}"


def _related(fact: HalfGradients, sites: Sequence[FlushSite], location: Location | None) -> Iterator[Related]:
    seen = {location.at} if location else set()
    for site in sites:
        if site.location is not None and site.location.at not in seen and len(seen) <= _MOST_SITES:
            seen.add(site.location.at)
            yield Related(site.location, f"more is lost here, in {site.node}")
    if fact.backward is not None and fact.backward.at not in seen:
        scaled = "not scaled" if fact.scale is None else f"scaled by {fact.scale:,g}"
        yield Related(fact.backward, f"the loss of this backward is {scaled}")


def _notes(
    recording: Recording, fact: HalfGradients, leaves: Sequence[LeafFlush], scales: ScaleRange | None
) -> Iterator[Note]:
    named = [f"{spoken(recording, [one.name])[0]} {_percent(one.error)}" for one in leaves[:_MOST_NAMED]]
    more = f" and {len(leaves) - _MOST_NAMED:,} more" if len(leaves) > _MOST_NAMED else ""
    yield Note("lost", f"{', '.join(named)}{more}, by the 2-norm of the gradient")
    middle = median(fact.exponents)
    if middle:
        yield Note(
            "because",
            f"float16 has nothing between 0 and 6e-08, and half of the elements on the way should be "
            f"below {number(middle)}",
        )
    if scales is not None:
        reach = f"from {power_of_two(scales.low)} to {power_of_two(scales.high)}"
        at = reach if fact.scale in (None, 1.0) else f"{reach} times larger"
        yield Note(
            "scale",
            f"a loss scale {at} keeps at least {_percent(KEPT * scales.kept)} of them above 0, and the "
            f"largest, {number(fact.largest)}, below 65,504",
        )
    else:
        yield Note("scale", f"no loss scale saves them: the largest is {number(fact.largest)} already")


def _fix(
    recording: Recording, fact: HalfGradients, leaves: Sequence[LeafFlush], scales: ScaleRange | None
) -> str:
    wider = "bfloat16, which has float32's range and needs no scale"
    if scales is None:
        return wider
    if fact.scale not in (None, 1.0):
        return f"a GradScaler with a larger init_scale, or {wider}"
    if any(one.dtype == "float16" for one in leaves):
        return (
            "keep the parameters in float32 and run the forward under torch.autocast with a GradScaler "
            f"(it refuses float16 parameters); or {wider}"
        )
    leaf = recording.leaf(leaves[0].name)
    device = leaf.device.partition(":")[0] if leaf else "cuda"
    start = f", init_scale=2.0**{scales.low}" if scales.low > _FIRST_SCALE else ""
    scaler = f'scaler = torch.amp.GradScaler("{device}"{start})'
    if fact.scale is not None:
        return f"{scaler}, or {wider}"
    return f"{scaler}; scaler.scale(loss).backward(), scaler.step(optimizer), scaler.update(); or {wider}"
