"""A parameter that is registered and trained but takes no part in any loss.

What it finds
    A trainable parameter of a model that ran and was differentiated, which no backward gave a
    gradient and whose value reaches no loss. It is named where it is registered, one finding for a
    module, with what the run showed: its module was never called, or it was called and does not use it.

Why it matters
    It keeps its initial values. Usually a layer was written and forgotten in `forward`, or a list of
    layers is indexed wrongly. Under DistributedDataParallel it also makes the backward hang or raise.

Example
    ```python
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(4, 8)
            self.fc2 = nn.Linear(8, 8)
            self.fc3 = nn.Linear(8, 1)

        def forward(self, x):
            return self.fc3(self.fc1(x).relu())

    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
    ```

Use instead
    ```python
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(4, 8)
            self.fc2 = nn.Linear(8, 8)
            self.fc3 = nn.Linear(8, 1)

        def forward(self, x):
            return self.fc3(self.fc2(self.fc1(x).relu()).relu())

    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
    ```

Limits
    A branch that the run did not reach (an expert that got no token, a head used in another phase)
    looks unused: it is a warning. Nothing is said of a model none of whose parameters got a gradient,
    of frozen parameters, or of those that no optimizer owns.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TypeAlias

from gradscope.facts import Leaf, Recording
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.rules import rule
from gradscope.rules._words import (
    attribute_of,
    counted,
    first_place,
    got_gradient,
    grouped,
    is_trained,
    other_places,
    spoken,
    unique,
)

_Key: TypeAlias = tuple[str | None, bool, tuple[str, int] | str]

_finding = partial(Finding, "GS103", "unused-parameter")


@rule("GS103", "unused-parameter", Severity.WARNING)
def unused_parameter(recording: Recording) -> Iterator[Finding]:
    """One finding for each module, or registering line, whose parameters no loss depends on."""
    groups: dict[_Key, list[Leaf]] = {}
    owners: dict[_Key, str] = {}
    for leaf in _unused(recording):
        owner = _owner(leaf)
        where = _registered(leaf)
        key = (leaf.root, leaf.module_called, where.at if where else owner)
        groups.setdefault(key, []).append(leaf)
        owners.setdefault(key, owner)
    for key, leaves in groups.items():
        yield _finding_for(recording, leaves, owners[key])


def _registered(leaf: Leaf) -> Location | None:
    return first_place(leaf.registered_at, leaf.made_at)


def _unused(recording: Recording) -> list[Leaf]:
    severed = {fact.leaf for fact in recording.severed}
    learning = {leaf.root for leaf in recording.leaves if got_gradient(leaf)}
    return [
        leaf
        for leaf in recording.leaves
        if leaf.root is not None
        and leaf.root in learning
        and leaf.root_called
        and not leaf.reached
        and leaf.name not in severed
        and is_trained(recording, leaf)
        and not got_gradient(leaf)
    ]


def _owner(leaf: Leaf) -> str:
    """The outermost module around the leaf of which no part was called, else the leaf's own."""
    return leaf.unused_module or leaf.module or ""


def _finding_for(recording: Recording, leaves: list[Leaf], owner: str) -> Finding:
    first = leaves[0]
    names = unique(leaf.name for leaf in leaves)
    modules = unique(leaf.module or "" for leaf in leaves)
    location = _registered(first)
    whole_module = not first.module_called and owner != ""
    plural = len(names) > 1 and not whole_module
    verdict = f"{'are' if plural else 'is'} never used"
    if first.used:
        verdict = f"{'get' if plural else 'gets'} no gradient"
        why = f"{'they' if plural else 'it'} took part, but no loss depends on the result"
    elif first.module_called:
        why = f"the forward of {first.module_class or 'its module'} ran without {'them' if plural else 'it'}"
    else:
        why = "its module was never called"
    what = _subject(spoken(recording, names), modules, owner)
    further = other_places([_registered(leaf) for leaf in leaves], than=location)
    return _finding(
        severity=Severity.WARNING,
        message=f"{what} {verdict}: {why}",
        location=location,
        label="registered here, and no loss depends on it",
        subjects=names,
        related=tuple(Related(where, "and here") for where in further[:3]),
        evidence={
            "module": owner,
            "module_called": first.module_called,
            "elements": sum(leaf.numel for leaf in leaves),
        },
        fix=f"{_use(first, names, modules, owner, whole_module)}, or delete it; "
        "if it serves another phase, requires_grad_(False) in this one",
    )


def _subject(names: tuple[str, ...], modules: tuple[str, ...], owner: str) -> str:
    if len(names) > 1 and len(modules) == 1 and owner:
        return f"{names[0].rpartition('.')[0]} ({counted(len(names), 'parameter')})"
    return grouped(names)


def _use(
    first: Leaf, names: tuple[str, ...], modules: tuple[str, ...], owner: str, whole_module: bool
) -> str:
    if first.used:
        module = attribute_of(first.module) if first.module else names[0].rpartition(".")[2]
        return f"let the loss depend on what self.{module} gives"
    if not whole_module:
        return f"use self.{names[0].rpartition('.')[2]} in forward"
    attribute = attribute_of(owner)
    return f"call self.{attribute if len(modules) == 1 else attribute.partition('[')[0]} in forward"
