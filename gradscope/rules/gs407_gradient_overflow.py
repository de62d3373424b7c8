"""A float16 gradient is too large: float16 ends at 65,504, and what is beyond becomes Inf.

What it finds
    The op whose backward made the first Inf (or the NaN that comes of one) although the gradient it got
    was finite and the true value is finite too; how large it should have been, from the same op run
    again on a smaller gradient; and the parameters that it reached. A GradScaler that never arrives at
    a loss scale that fits, or only below 1, is found the same way.

Why it matters
    One step with such a gradient makes the parameters Inf or NaN. Losses that are summed rather than
    averaged, large targets and large batches get there first, while float32 and bfloat16 end at 3.4e38.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    prices = 3000 + 100 * torch.randn(64, 1)
    with torch.autocast("cpu", dtype=torch.float16):
        estimate = model(torch.randn(64, 8))
    loss = (estimate.float() - prices).pow(2).sum()
    loss.backward()
    optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    model = nn.Linear(8, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6)
    prices = 3000 + 100 * torch.randn(64, 1)
    with torch.autocast("cpu", dtype=torch.float16):
        estimate = model(torch.randn(64, 8))
    loss = (estimate.float() - prices).pow(2).mean()
    loss.backward()
    optimizer.step()
    ```

Limits
    A loss scale that starts too high and is halved until it fits is ordinary work, and silent: as long
    as a GradScaler still has halvings to go, or the gradients are finite in other backwards. So is a
    scaler of the program's own, known by a loss that stays finite. An op that is not one of torch's own,
    or whose saved tensors are packed by hooks (checkpointing), is not run again: its Inf is GS402.
    A forward value beyond 65,504 is GS403.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradscope.facts import NonfiniteBirth, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._loss_scale import LARGEST
from gradscope.rules._overflow import excess, fitting_scale, is_over, is_searched, overflows
from gradscope.rules._words import (
    by_name,
    first_place,
    grouped,
    node_words,
    noun_for,
    number,
    path_text,
    spoken,
    stem,
    unique,
)

_NAMES = {"nan": "NaN", "inf": "Inf"}
_MOST_OTHERS = 2
_STEEP = ("Log", "Log2", "Log10", "Sqrt", "Rsqrt", "Reciprocal", "Div", "Pow", "LinalgVectorNorm")


@rule("GS407", "gradient-overflow", Severity.ERROR)
def gradient_overflow(recording: Recording) -> Iterator[Finding]:
    """One finding for each line whose backwards overflow in float16 for good, at the op that is worst."""
    lines: dict[object, list[NonfiniteBirth]] = {}
    for birth in recording.births:
        if birth.reached and overflows(birth):
            lines.setdefault(birth.backward and birth.backward.at, []).append(birth)
    for births in lines.values():
        worst, *others = sorted(births, key=fitting_scale)
        fits = fitting_scale(worst)
        over = is_over(recording, worst)
        if (worst.scale is not None and fits < 1) or not (over or is_searched(recording, worst, fits)):
            yield _finding_for(recording, worst, others, Severity.WARNING if over else Severity.ERROR)


def _finding_for(
    recording: Recording, birth: NonfiniteBirth, others: list[NonfiniteBirth], severity: Severity
) -> Finding:
    location = first_place(birth.location, birth.backward)
    subjects = unique(name for one in (birth, *others) for name in one.reached)
    what = grouped(spoken(recording, subjects), noun_for(map(by_name(recording).get, subjects)))
    beyond = f"it should reach {number(birth.true_largest)}, and " if birth.true_largest else ""
    exact = birth.exact and birth.location is not None
    return Finding(
        "GS407",
        "gradient-overflow",
        severity,
        message=f"the gradient of {what} overflows in float16: {beyond}float16 ends at 65,504",
        location=location,
        confidence=Confidence.CERTAIN if exact else Confidence.PROBABLE,
        label=_label(birth),
        subjects=subjects,
        related=tuple(_related(birth, others, location)),
        notes=tuple(_notes(birth, location)),
        evidence={
            "node": birth.node,
            "born": birth.kind,
            "origin": birth.origin,
            "step": min(one.step for one in (birth, *others)),
            "reached": len(subjects),
            "trainable": birth.trainable,
            "true_largest": birth.true_largest,
            "scale": birth.scale,
            "last_scale": birth.last_scale,
            "fitting_scale": fitting_scale(birth),
        },
        fix=_fix(recording, birth),
        count=sum(one.count for one in (birth, *others)),
    )


def _label(birth: NonfiniteBirth) -> str:
    what = _NAMES[birth.kind]
    if birth.true_largest is None:
        return f"{what}: the gradients added up on the way into {birth.node}"
    return f"{what} from {birth.node}: {birth.true_largest / LARGEST:,.1f}x too large for float16"


def _related(
    birth: NonfiniteBirth, others: Sequence[NonfiniteBirth], location: Location | None
) -> Iterator[Related]:
    seen = {location.at} if location else set()
    for one in others:
        if one.location is not None and one.location.at not in seen and len(seen) <= _MOST_OTHERS:
            seen.add(one.location.at)
            yield Related(one.location, f"{one.node} overflows as well{_up_to(one)}")
    becomes = birth.becomes.location if birth.becomes else None
    if birth.becomes and becomes is not None and becomes.at not in seen:
        seen.add(becomes.at)
        yield Related(becomes, f"the Inf becomes NaN in the backward of {birth.becomes.op}")
    if birth.backward is not None and birth.backward.at not in seen:
        scale = "" if birth.scale is None else f", with a loss scale of {birth.scale:,g}"
        yield Related(birth.backward, f"in this backward{scale}")


def _up_to(birth: NonfiniteBirth) -> str:
    return f": {number(birth.true_largest)}" if birth.true_largest else ""


def _notes(birth: NonfiniteBirth, location: Location | None) -> Iterator[Note]:
    got = birth.incoming
    if birth.true_largest is None:
        yield Note("because", "the gradients of several paths are finite each, and their sum is not")
    elif got is not None and got.largest is not None and got.smallest is not None:
        largest = max(abs(got.largest), abs(got.smallest))
        yield Note("because", f"what comes in is finite, {number(largest)} at most, in {got.dtype}")
    if birth.scale is not None:
        last = birth.last_scale if birth.last_scale is not None else birth.scale
        way = "stays at" if last == birth.scale else f"goes from {birth.scale:,g} to"
        fits = number(fitting_scale(birth))
        yield Note("scale", f"the loss scale {way} {last:,g}; this gradient fits at {fits}")
    if birth.spread:
        leaf = f" -> {birth.reached[0]}" + (" -> ..." if len(birth.reached) > 1 else "")
        yield Note("spread", f"{node_words(birth.node)} -> {path_text(birth.spread, location)}{leaf}")
    if not birth.exact:
        yield Note("note", "the first backward with it was not watched node by node; this is a later one")


def _fix(recording: Recording, birth: NonfiniteBirth) -> str:
    wider = "bfloat16, which has float32's range"
    fits = fitting_scale(birth)
    if birth.scale is not None and fits >= 1:
        return f"GradScaler(init_scale={fits:.0f}), or {wider} and needs no scaler"
    if stem(birth.node) in _STEEP:
        return f"run {node_words(birth.node)} in float32 (x.float()), whose slope is that steep; or {wider}"
    smaller = f"a loss 2**{excess(birth) + 1} times smaller"
    if _is_summed(recording, birth):
        return f"the mean instead of the sum over the batch, or {smaller}; or {wider}"
    return f"{smaller} (a mean, normalised targets); or {wider}"


def _is_summed(recording: Recording, birth: NonfiniteBirth) -> bool:
    """Whether the loss is a sum: one of the nodes nearest to the root is that of a sum."""
    return any(
        name.startswith("SumBackward")
        for one in recording.backwards
        if birth.backward is not None and one.location is not None and one.location.at == birth.backward.at
        for name, _ in one.node_names
    )
