"""Findings for gradients that became NaN or infinite: shared by GS401 and GS402."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator

from gradscope.facts import NonfiniteBirth, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules._derivatives import bad_values, because, derivative, is_spoiled
from gradscope.rules._guards import guarded
from gradscope.rules._overflow import overflows
from gradscope.rules._source import replaced, snippet
from gradscope.rules._words import (
    by_name,
    first_place,
    node_words,
    noun_for,
    path_text,
    place,
    spoken,
    unique,
)

_NAMES = {"nan": "NaN", "inf": "Inf"}
_MOST_INNOCENT = 3
_SCALED = Note(
    "note", "the loss is scaled: the scaler skips such a step and lowers its scale; it matters if it goes on"
)


def born(recording: Recording, final: str, finding: Callable[..., Finding]) -> Iterator[Finding]:
    """One finding for each birth that reached a leaf as `final` ("nan" or "inf")."""
    for birth in recording.births:
        if birth.reached and birth.final == final and not overflows(birth):
            scaled = _is_scaled_overflow(recording, birth)
            if not (scaled and _recovered(recording, birth)):
                yield _finding_for(recording, birth, finding, scaled=scaled)


def _is_scaled_overflow(recording: Recording, birth: NonfiniteBirth) -> bool:
    """Whether a scaled loss made it (`scaler.scale(loss).backward()`), with nothing else to blame."""
    return bool(re.search(r"\.scale\(", recording.line(birth.backward))) and not bad_values(birth)


def _recovered(recording: Recording, birth: NonfiniteBirth) -> bool:
    """Whether the leaves it reached got finite gradients in the end: the scaler has found its scale."""
    leaves = by_name(recording)
    stats = [leaf.gradient for name in birth.reached if (leaf := leaves.get(name)) and leaf.gradient]
    return bool(stats) and all(
        one.nonfinite_backwards < one.backwards and math.isfinite(one.last_norm) for one in stats
    )


def _finding_for(
    recording: Recording, birth: NonfiniteBirth, finding: Callable[..., Finding], *, scaled: bool
) -> Finding:
    location = first_place(birth.location, birth.backward)
    subjects = unique(birth.reached)
    return finding(
        severity=Severity.WARNING if scaled else Severity.ERROR,
        message=_message(recording, birth, subjects),
        location=location,
        confidence=Confidence.CERTAIN if birth.exact and birth.location else Confidence.PROBABLE,
        label=_label(birth),
        subjects=subjects,
        related=tuple(_related(birth, location)),
        notes=(*_notes(recording, birth, location), *((_SCALED,) if scaled else ())),
        evidence={
            "node": birth.node,
            "born": birth.kind,
            "origin": birth.origin,
            **({"hook": birth.hook} if birth.hook else {}),
            "step": birth.step,
            "reached": len(subjects),
            "trainable": birth.trainable,
        },
        fix=_fix(recording, birth),
        count=birth.count,
    )


def _message(recording: Recording, birth: NonfiniteBirth, subjects: tuple[str, ...]) -> str:
    what = _NAMES[birth.final]
    noun = noun_for(map(by_name(recording).get, subjects))
    total = max(birth.trainable, len(subjects))
    if total == 1:
        return f"the gradient of {spoken(recording, subjects)[0]} is {what}"
    article = "an" if birth.final == "inf" else "a"
    have = f"has {article} {what} gradient" if len(subjects) == 1 else f"have {what} gradients"
    return f"{len(subjects):,} of {total:,} {noun}s {have}"


def _label(birth: NonfiniteBirth) -> str:
    first = f"first {_NAMES[birth.kind]} of this backward"
    if birth.origin == "seed":
        return f"{first}: it was given to backward()"
    if birth.hook is not None:
        return f"{first}: the hook {birth.hook}, registered here, makes it"
    if birth.origin != "node":
        return f"{first}: on the way into {birth.node}"
    known = derivative(birth.node)
    return f"{first}: {birth.node}" + (f", {known.formula}" if known else "")


def _related(birth: NonfiniteBirth, location: Location | None) -> Iterator[Related]:
    becomes = birth.becomes.location if birth.becomes else None
    if birth.becomes and becomes is not None and (location is None or becomes.at != location.at):
        yield Related(becomes, f"the Inf becomes NaN in the backward of {birth.becomes.op}")
    if birth.backward is not None and (location is None or birth.backward.at != location.at):
        yield Related(birth.backward, "in this backward")


def _notes(recording: Recording, birth: NonfiniteBirth, location: Location | None) -> Iterator[Note]:
    cause = because(birth)
    if cause:
        yield Note("because", cause)
    if birth.spread:
        leaf = f" -> {birth.reached[0]}" + (" -> ..." if len(birth.reached) > 1 else "")
        yield Note("spread", f"{node_words(birth.node)} -> {path_text(birth.spread, location)}{leaf}")
    if not birth.exact:
        yield Note("note", "the first backward with it was not watched node by node; this is a later one")
    innocent = [text for other in recording.births if (text := _innocent(birth, other, location))]
    if innocent:
        yield Note("not it", "; ".join(innocent[:_MOST_INNOCENT]))


def _innocent(birth: NonfiniteBirth, other: NonfiniteBirth, home: Location | None) -> str | None:
    """A birth of the same backward that harmed nobody, in words; None for the same op at the same place."""
    if (other.node, other.location) == (birth.node, birth.location):
        return None
    same = birth.backward is None or other.backward is None or birth.backward.at == other.backward.at
    if other.reached or not same:
        return None
    masked = other.masked_at
    where = (
        f"is masked by {masked.op} ({place(masked.location, home)}) and "
        if masked and masked.location
        else ""
    )
    what = f"{node_words(other.node)} ({place(other.location, home)}) also gives {_NAMES[other.kind]}"
    return f"{what}, but it {where}reaches no leaf"


def _fix(recording: Recording, birth: NonfiniteBirth) -> str:
    if _is_scaled_overflow(recording, birth):
        return "a smaller init_scale for the GradScaler, or bfloat16, which needs none"
    if birth.origin == "seed":
        return "check what is given to backward(gradient=...): torch.isfinite(gradient).all()"
    if birth.origin == "hook":
        return "check the hook: what it returns is not finite"
    known = derivative(birth.node)
    op = node_words(birth.node)
    expression = snippet(recording, birth.location)
    divisor = next((one for one in birth.saved if one.name == "other"), None)
    signed = divisor is None or divisor.smallest is None or divisor.smallest < 0
    dtype = birth.saved[0].dtype if birth.saved else "float32"
    safe = guarded(expression, op, dtype, signed=signed, divisor=divisor.dtype if divisor else "")
    if op in ("pow", "div") and is_spoiled(birth):
        safe = None
    masked = birth.kind == "nan" and birth.incoming is not None and bool(birth.incoming.zeros)
    words = [known.advice if known and known.advice else ""]
    if masked and "where" in recording.line(birth.location):
        words.append("choose before the op as well: a torch.where after it does not stop 0 * Inf")
    advice = "; ".join(filter(None, [replaced(recording, birth.location, safe) if safe else "", *words]))
    return advice or f"keep the input of {op} away from the values named above, by clamp or eps"
