"""The parameters that get gradients are not the ones the optimizer owns.

What it finds
    Trainable parameters of a model that ran, that get gradients and that no optimizer owns, while an
    optimizer steps: one built before the model was replaced, one given the wrong model's parameters,
    one that was given only a part.

Why it matters
    Nothing raises: the optimizer steps over tensors that no loss depends on any more, and the loss
    stays where it is.

Example
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net[2] = nn.Linear(8, 2)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).pow(2).mean().backward()
        optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))
    net[2] = nn.Linear(8, 2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        net(torch.randn(8, 4)).pow(2).mean().backward()
        optimizer.step()
    ```

Limits
    Certain where the optimizer is left with tensors of the same shapes, where the parameter was
    replaced, or where two optimizers own the same model. Else "probable", and silent where the unowned
    part looks meant: a model in eval mode (a loss network), the part before a head that is trained (a
    linear probe), a few parameters picked out of a model, an optimizer of an image.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Leaf, OptimizerFact, Recording
from gradscope.finding import Confidence, Finding, Location, Note, Related, Severity
from gradscope.rules import rule
from gradscope.rules._ownership import Mismatch, mismatches
from gradscope.rules._parts import target_of
from gradscope.rules._source import statement
from gradscope.rules._words import counted, first_place, grouped, other_places, place, spoken, unique, verb

_finding = partial(Finding, "GS107", "optimizer-mismatch")
_MOST_PARTS = 4
_MOST_TWICE = 256


@rule("GS107", "optimizer-mismatch", Severity.ERROR)
def optimizer_mismatch(recording: Recording) -> Iterator[Finding]:
    """One finding for each optimizer and reason."""
    for mismatch in mismatches(recording):
        yield _WORDS[mismatch.reason](recording, mismatch)


def _stale(recording: Recording, mismatch: Mismatch) -> Finding:
    """The optimizer holds what the model used to be."""
    optimizer, leaves = mismatch.optimizer, mismatch.leaves
    names = unique(leaf.name for leaf in leaves)
    newer = first_place(*(leaf.replaced_at for leaf in leaves), *(leaf.made_at for leaf in leaves))
    replaced_at = first_place(*(leaf.replaced_at for leaf in leaves))
    left = f"; it still owns {counted(len(optimizer.orphans), 'tensor')} that no loss depends on"
    what = grouped(spoken(recording, names))
    moved = statement(recording, optimizer.location)
    where = place(newer, optimizer.location)
    return _finding(
        severity=Severity.ERROR,
        message=f"{optimizer.class_name} does not own {what}{left if optimizer.orphans else ''}",
        location=optimizer.location,
        label="built from the parameters that the model had then",
        subjects=names,
        related=tuple(
            Related(spot, "replaced here, after the optimizer was built" if replaced_at else "made here")
            for spot in other_places([newer], than=optimizer.location)
        ),
        evidence=_evidence(optimizer, leaves, mismatch.reason),
        fix=f"build the optimizer after {where}: {moved}" if moved and newer else "build the optimizer last",
    )


def _shared(recording: Recording, mismatch: Mismatch) -> Finding:
    """Two optimizers own one model, and another model has none."""
    optimizer, leaves, twin = mismatch.optimizer, mismatch.leaves, mismatch.twin
    names = unique(leaf.name for leaf in leaves)
    owned = sorted(set(optimizer.leaves))
    shown = spoken(recording, names)
    none = f"{grouped(shown)} {verb(shown, 'has', 'have')} none"
    return _finding(
        severity=Severity.ERROR,
        message=f"two optimizers own {grouped(spoken(recording, owned))}, and {none}",
        location=optimizer.location,
        label=f"given the same {counted(len(owned), 'parameter')} as the other optimizer",
        subjects=names,
        related=tuple(
            Related(spot, "the other optimizer of the same parameters")
            for spot in other_places([twin.location if twin else None], than=optimizer.location)
        ),
        evidence={**_evidence(optimizer, leaves, mismatch.reason), "twice": owned[:_MOST_TWICE]},
        fix=f"give one of the two {leaves[0].root}'s parameters",
    )


def _forgotten(recording: Recording, mismatch: Mismatch) -> Finding:
    """A part of a model, or a whole one, that no optimizer was given."""
    optimizer, leaves = mismatch.optimizer, mismatch.leaves
    names = unique(leaf.name for leaf in leaves)
    shown = spoken(recording, names)
    made = first_place(*(leaf.registered_at for leaf in leaves), *(leaf.made_at for leaf in leaves))
    may_be_meant = mismatch.reason in ("whole-model", "most-of-it")
    why = {
        "whole-model": f"{leaves[0].root} is in training mode, and other models have an optimizer",
        "after": "what comes before in the same model is trained, and this part is not",
        "most-of-it": "only the beginning of the same model is trained",
        "between": "most of the same model is trained, and this part is not",
    }[mismatch.reason]
    target = target_of(statement(recording, optimizer.location)) or "optimizer"
    return _finding(
        severity=Severity.WARNING if may_be_meant else Severity.ERROR,
        message=f"{grouped(shown)} {verb(shown, 'gets', 'get')} gradients, but no optimizer owns "
        f"{'it' if len(names) == 1 else 'them'}",
        location=optimizer.location,
        confidence=Confidence.PROBABLE,
        label=f"owns {counted(len(optimizer.leaves), 'tensor')}, and not {grouped(shown)}",
        subjects=names,
        related=tuple(Related(spot, "registered here") for spot in _made(made, optimizer)),
        notes=(Note("because", why),),
        evidence=_evidence(optimizer, leaves, mismatch.reason),
        fix=f'{target}.add_param_group({{"params": {_given(recording, leaves)}}}); '
        "or, if it is meant to stay as it is, freeze it with requires_grad_(False)",
    )


def _made(made: Location | None, optimizer: OptimizerFact) -> list[Location]:
    return other_places([made], than=optimizer.location)


def _given(recording: Recording, leaves: tuple[Leaf, ...]) -> str:
    """An expression for exactly these parameters: a group must not hold one that is owned already."""
    root = leaves[0].root or "model"
    name = root if root.isidentifier() and root.islower() else "model"
    missing = {leaf.name for leaf in leaves}
    of_root = [leaf for leaf in recording.leaves if leaf.root == leaves[0].root and leaf.requires_grad]
    wholes = _whole_modules(of_root, missing)
    rest = [leaf for leaf in leaves if not any(_is_inside(leaf, path) for path in wholes)]
    parts = [f"{_written(name, path)}.parameters()" for path in wholes]
    parts += [_written(name, leaf.name.removeprefix(f"{root}.")) for leaf in rest]
    if len(parts) == 1 and wholes:
        return parts[0]
    stars = [f"*{part}" if part.endswith("()") else part for part in parts[:_MOST_PARTS]]
    return f"[{', '.join(stars)}{', ...' if len(parts) > _MOST_PARTS else ''}]"


def _whole_modules(leaves: list[Leaf], missing: set[str]) -> list[str]:
    """The outermost modules all of whose parameters are missing; "" is the whole model."""
    paths = {""}
    for leaf in leaves:
        parts = (leaf.module or "").split(".") if leaf.module else []
        paths |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    found: list[str] = []
    for path in sorted(paths, key=lambda one: (one.count(".") + bool(one), one)):
        inside = [leaf for leaf in leaves if _is_inside(leaf, path)]
        covered = any(_covers(outer, path) for outer in found)
        if not covered and inside and all(leaf.name in missing for leaf in inside):
            found.append(path)
    return found


def _is_inside(leaf: Leaf, path: str) -> bool:
    return _covers(path, leaf.module or "")


def _covers(outer: str, path: str) -> bool:
    return not outer or path == outer or path.startswith(f"{outer}.")


def _written(name: str, path: str) -> str:
    """ "layers.0.weight" of `net` as it is written: "net.layers[0].weight"."""
    return name + "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in path.split(".") if p)


def _evidence(
    optimizer: OptimizerFact, leaves: tuple[Leaf, ...], reason: str
) -> dict[str, str | int | list[str]]:
    return {
        "optimizer": optimizer.class_name,
        "reason": reason,
        "orphans": list(optimizer.orphans[:20]),
        "elements": sum(leaf.numel for leaf in leaves),
    }


_WORDS = {
    "stale": _stale,
    "shared": _shared,
    "whole-model": _forgotten,
    "after": _forgotten,
    "most-of-it": _forgotten,
    "between": _forgotten,
}
