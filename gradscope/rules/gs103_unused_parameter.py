"""A parameter that is registered and trained but takes no part in any loss.

What it finds
    A trainable parameter of a model that ran and was differentiated, which no backward gave a
    gradient and whose value reaches no loss. It is named where it is registered, with what the run showed:
    its module was never called, or was called and does not use it, or what it gives goes nowhere. There
    is one finding for the outermost module of which all this is true, and for the same part of every layer.

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
    looks unused: it is a warning, and information where another key of the same ModuleDict ran.
    Nothing is said of a model none of whose parameters got a gradient,
    of frozen parameters, or of those that no optimizer owns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from gradscope.facts import Leaf, Recording
from gradscope.finding import Finding, Related, Severity
from gradscope.rules import rule
from gradscope.rules._unused import Unused, Why, star_numbers, unused_groups
from gradscope.rules._words import (
    attribute_of,
    counted,
    grouped,
    listing,
    other_places,
    spoken,
    unique,
    verb,
)

_finding = partial(Finding, "GS103", "unused-parameter")


@rule("GS103", "unused-parameter", Severity.WARNING)
def unused_parameter(recording: Recording) -> Iterator[Finding]:
    """One finding for each part of a model, or registering line, whose parameters no loss depends on."""
    for group in unused_groups(recording):
        yield _finding_for(recording, group)


def _finding_for(recording: Recording, group: list[Unused]) -> Finding:
    first, leaves = group[0], [one.leaf for one in group]
    names = unique(leaf.name for leaf in leaves)
    chosen = _chosen_siblings(recording, first.leaf) if first.why is Why.NOT_CALLED else ()
    verdict, why = _verdict(first, several=len(names) > 1)
    if chosen:
        verdict, why = "was not chosen in this run", f"{listing(chosen)} {verb(chosen, 'was', 'were')}"
    further = other_places([one.registered_at for one in group], than=first.registered_at)
    return _finding(
        severity=Severity.INFO if chosen else Severity.WARNING,
        message=f"{_subject(recording, group, names)} {verdict}: {why}",
        location=first.registered_at,
        label="registered here, and no loss depends on it",
        subjects=names,
        related=tuple(Related(where, "and here") for where in further[:3]),
        evidence={
            "module": first.module,
            "module_called": first.leaf.module_called,
            "elements": sum(leaf.numel for leaf in leaves),
        },
        fix=f"{_use(recording, group)}, or delete it; "
        "if it serves another phase, requires_grad_(False) in this one",
    )


def _verdict(first: Unused, *, several: bool) -> tuple[str, str]:
    if first.why is Why.NOT_CALLED:
        return "is never used", "its module was never called"
    they, them = ("they", "them") if several else ("it", "it")
    if first.why is Why.RESULT_UNUSED:
        return f"{'get' if several else 'gets'} no gradient", (
            f"{they} took part, but no loss depends on the result"
        )
    without = f"the forward of {first.leaf.module_class or 'its module'} ran without {them}"
    return f"{'are' if several else 'is'} never used", without


def _subject(recording: Recording, group: list[Unused], names: tuple[str, ...]) -> str:
    """ "fc3 (2 parameters)", "last.* (10 parameters)", "h.*.attention in 12 blocks (24 parameters)"."""
    said = spoken(recording, names)
    if len(said) == 1:
        return said[0]
    owners = {one.leaf.module for one in group}
    if len(owners) == 1 and group[0].leaf.module:
        return f"{said[0].rpartition('.')[0]} ({counted(len(said), 'parameter')})"
    blocks = {one.name for one in group}
    alike = {star_numbers(name) for name in blocks}
    of_all = min(alike)
    if len(blocks) == 1 or len(alike) > 1 or "*" in (of_all[0], of_all[-1]):
        return grouped(said)
    return f"{of_all} in {counted(len(blocks), 'block')} ({counted(len(said), 'parameter')})"


def _chosen_siblings(recording: Recording, leaf: Leaf) -> tuple[str, ...]:
    """The siblings in a ModuleDict that ran while this module did not: a head for each task."""
    parent = (leaf.unused_module or "").rpartition(".")[0]
    dicts = _dicts(recording, leaf)
    if parent not in dicts:
        return ()
    called = (m.path for m in recording.modules if m.root == leaf.root and m.called)
    inside = (path.removeprefix(f"{parent}.") for path in called if path.startswith(f"{parent}."))
    return unique(attribute_of(f"{parent}.{path.partition('.')[0]}", dicts) for path in inside)


def _dicts(recording: Recording, leaf: Leaf) -> frozenset[str]:
    return frozenset(
        m.path for m in recording.modules if m.root == leaf.root and m.class_name == "ModuleDict"
    )


def _use(recording: Recording, group: list[Unused]) -> str:
    first = group[0]
    if first.why is Why.NOT_IN_FORWARD:
        return f"use {_own(one.leaf.name for one in group)} in forward"
    paths = unique(one.module for one in group)
    if not first.module:
        attributes = _own(one.leaf.name for one in group)
    else:
        dicts = _dicts(recording, first.leaf)
        written = [attribute_of(path, dicts) for path in paths if path]
        attributes = _own(one if len(paths) == 1 else one.partition("[")[0] for one in written)
    if first.why is Why.RESULT_UNUSED:
        return f"let the loss depend on what {attributes} {'give' if len(paths) > 1 else 'gives'}"
    return f"call {attributes} in forward"


def _own(names: Iterable[str]) -> str:
    """ "self.key and self.value"."""
    return listing(f"self.{name}" for name in unique(name.rpartition(".")[2] for name in names))
