"""A parameter that shapes the loss but gets no gradient: something on the way stops it.

What it finds
    A trainable leaf whose value reaches a loss only through something that stops gradients
    (`detach()`, `.data`, `.item()`, NumPy, `torch.tensor(x)`, `no_grad`, `argmax`, a comparison, an
    integer cast), or only chooses a branch or an index in Python (`if score > 0:`), and that no backward
    of the run gave a gradient. All leaves behind one stop are one finding.

Why it matters
    Nothing raises. The optimizer steps, the loss may even fall, because the rest of the model learns
    around a part that never changes.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 3), nn.Linear(3, 1)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    for _ in range(2):
        features = encoder(torch.randn(8, 4)).detach()
        loss = head(features).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    encoder, head = nn.Linear(4, 3), nn.Linear(3, 1)
    optimizer = torch.optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.1)
    for _ in range(2):
        features = encoder(torch.randn(8, 4))
        loss = head(features).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ```

Limits
    A stop that is meant is not found: a frozen leaf, one that no optimizer owns (a target network),
    one that gets its gradient by another way or in another backward (a straight-through estimator), a
    module run under `no_grad` that is in eval mode or is called `teacher`, `target`, `ema` or the like.
    The way through Python numbers and NumPy is partly inferred from names in the source, and so is what
    a number chooses; the finding then says "probable".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from gradscope.facts import Cut, CutKind, Leaf, Recording, SeveredLeaf, Step
from gradscope.finding import Confidence, Finding, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._cuts import (
    cut_fix,
    cut_label,
    cut_location,
    cut_related,
    cut_words,
    functional_fix,
)
from gradscope.rules._exits import choosing_leaves
from gradscope.rules._words import (
    by_name,
    common_prefix,
    got_gradient,
    grouped,
    is_trained,
    noun_for,
    other_places,
    path_text,
    spoken,
    unique,
    verb,
)

_finding = partial(Finding, "GS102", "severed-gradient")
_TEACHERS = frozenset(["teacher", "target", "ema", "momentum", "frozen", "reference", "ref", "old"])


@rule("GS102", "severed-gradient", Severity.ERROR)
def severed_gradient(recording: Recording) -> Iterator[Finding]:
    """One finding for each stop behind which a trained leaf never gets a gradient."""
    leaves = by_name(recording)
    for facts in _by_cut(recording, leaves).values():
        lost = [fact for fact in facts if fact.unfed or not got_gradient(leaves[fact.leaf])]
        if lost:
            yield _finding_for(recording, lost, some_remain=len(lost) < len(facts))


def _by_cut(recording: Recording, leaves: dict[str, Leaf]) -> dict[object, list[SeveredLeaf]]:
    groups: dict[object, list[SeveredLeaf]] = {}
    for fact in (*recording.severed, *choosing_leaves(recording)):
        leaf = leaves.get(fact.leaf)
        if not fact.cuts or leaf is None or not is_trained(recording, leaf):
            continue
        cut = fact.cuts[0]
        if cut.kind is CutKind.CHECKPOINT:  # GS701 tells it
            continue
        if _is_missing_create_graph(recording, cut) or _is_wanted_copy(recording, fact):
            continue
        if _is_teacher(recording, leaf, cut):
            continue
        where = cut_location(cut)
        groups.setdefault((cut.kind, where.at if where else cut.op), []).append(fact)
    return groups


def _is_teacher(recording: Recording, leaf: Leaf, cut: Cut) -> bool:
    """A part that is run without gradient and kept as it is on purpose.

    It is in eval mode inside a model in training, or its name says so.
    """
    if cut.kind not in (CutKind.NO_GRAD, CutKind.INFERENCE_MODE):
        return False
    words = {word for part in (leaf.module or "").split(".") for word in part.lower().split("_")}
    if words & _TEACHERS:
        return True
    own = (m for m in recording.modules if m.root == leaf.root and m.path == leaf.module)
    return leaf.root_training and any(not module.training for module in own)


def _is_wanted_copy(recording: Recording, fact: SeveredLeaf) -> bool:
    """Where nothing is optimized, a parameter copied without its gradient outside any forward is meant so."""
    if recording.optimizers or len(fact.path) < 2:
        return False
    taken = fact.path[1]
    outside = taken.location is None or taken.location.module is None
    return taken.cut and taken.op in ("detach", "data") and outside


def _is_missing_create_graph(recording: Recording, cut: Cut) -> bool:
    where = cut.location
    known = {fact.location.at for fact in recording.grads_without_graph if fact.location}
    return cut.kind is CutKind.GRAD_CALL and where is not None and where.at in known


def _from_leaf(fact: SeveredLeaf) -> tuple[Step, ...]:
    """The path with the leaf's own name at its start."""
    first, *others = fact.path
    if first.op in ("leaf", fact.leaf):
        return (replace(first, op=fact.leaf), *others)
    return (Step(fact.leaf, None), *fact.path)


def _finding_for(recording: Recording, facts: list[SeveredLeaf], *, some_remain: bool) -> Finding:
    first = facts[0]
    cut = first.cuts[0]
    location = cut_location(cut) or first.backward
    names = unique(fact.leaf for fact in facts)
    known = by_name(recording)
    leaves = [known[name] for name in names]
    shown = spoken(recording, names)
    what = grouped(shown, noun_for(leaves))
    frozen = shown[0] if len(shown) == 1 else common_prefix(shown)
    freeze = f"{frozen}.requires_grad_(False)" if frozen else "requires_grad_(False) on each"
    further = other_places([cut_location(other) for fact in facts for other in fact.cuts[1:]], than=location)
    again = "its gradient ends here already" if cut.kind is CutKind.CHOICE else "and stops here again"
    written = list(unique(name for fact in facts for name in fact.written_to))
    certain = all(other.certain for fact in facts for other in fact.cuts)
    none = "no gradient to step with" if first.unfed else "no gradient"
    return _finding(
        severity=Severity.WARNING if some_remain else Severity.ERROR,
        message=f"{what} {verb(shown, 'gets', 'get')} {none}: it stops at {cut_words(recording, cut)}",
        location=location,
        confidence=Confidence.CERTAIN if certain else Confidence.PROBABLE,
        label=cut_label(cut),
        subjects=names,
        related=(*cut_related(cut), *(Related(where, again) for where in further)),
        notes=(Note("path of the value", path_text(_from_leaf(first), location)),) if first.path else (),
        evidence={
            "cuts": [other.kind.value for other in first.cuts],
            "op": cut.op,
            "elements": sum(leaf.numel for leaf in leaves),
            **({"written_to": written} if written else {}),
            **({"unfed": True} if first.unfed else {}),
        },
        fix=f"{_fix(recording, first)}; or, if this stop is meant, {freeze}",
    )


def _fix(recording: Recording, fact: SeveredLeaf) -> str:
    cut = fact.cuts[0]
    if cut.kind is CutKind.DATA and fact.written_to:
        return functional_fix(recording, cut, fact.written_to)
    return cut_fix(recording, cut)
