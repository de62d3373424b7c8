"""A trainable tensor that its module does not know: no optimizer and no checkpoint will see it.

What it finds
    A parameter, or a trainable tensor kept by a module, that got gradients but is registered in no
    model and owned by no optimizer: layers in a plain list or dict, a tensor attribute that is not an
    `nn.Parameter`, the result of an op on a parameter (`nn.Parameter(x).to(dtype)`), a layer made inside
    `forward`.

Why it matters
    `parameters()`, `state_dict()`, `to()` and `train()` skip it. It gets a gradient at every step and
    never moves; a saved model loses it.

Example
    ```python
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(4, 4) for _ in range(2)]
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return self.head(x)

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
            self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
            self.head = nn.Linear(4, 1)

        def forward(self, x):
            for layer in self.layers:
                x = layer(x).relu()
            return self.head(x)

    torch.manual_seed(0)
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
    ```

Limits
    A tensor that some optimizer was given directly is no finding, nor is a plain tensor with
    `requires_grad` in a program without an optimizer (an input one differentiates by).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from gradscope.facts import Leaf, Recording
from gradscope.finding import Finding, Location, Related, Severity
from gradscope.rules import rule
from gradscope.rules._rewrites import parameter_made_last, registered
from gradscope.rules._source import statement
from gradscope.rules._words import (
    counted,
    first_place,
    got_gradient,
    grouped,
    noun_for,
    place,
    spoken,
    unique,
)

_finding = partial(Finding, "GS106", "unregistered-parameter")


@rule("GS106", "unregistered-parameter", Severity.ERROR)
def unregistered_parameter(recording: Recording) -> Iterator[Finding]:
    """One finding for each holder of unregistered leaves."""
    groups: dict[object, list[Leaf]] = {}
    for leaf in recording.leaves:
        if _is_unregistered(recording, leaf):
            where = _location(leaf)
            groups.setdefault(_holder(leaf) or (where.at if where else leaf.name), []).append(leaf)
    for leaves in groups.values():
        yield _finding_for(recording, leaves)


def _is_unregistered(recording: Recording, leaf: Leaf) -> bool:
    kept = leaf.stored_in is not None
    belongs_to_a_model = kept or leaf.called_inside is not None
    known = leaf.is_parameter or (kept and bool(recording.optimizers))
    return (
        leaf.root is None
        and known
        and belongs_to_a_model
        and leaf.requires_grad
        and got_gradient(leaf)
        and not leaf.optimizers
    )


def _holder(leaf: Leaf) -> str | None:
    """ "Net.heads['age']" -> "Net.heads"."""
    return leaf.stored_in.partition("[")[0] if leaf.stored_in else None


def _is_in_module(leaf: Leaf) -> bool:
    """Whether the holder keeps the module of this leaf, as in "Net.heads['age'].weight", not the leaf."""
    return "." in (leaf.stored_in or "").rpartition("]")[2] and "[" in (leaf.stored_in or "")


def _location(leaf: Leaf) -> Location | None:
    return first_place(leaf.stored_at, leaf.made_at)


def _finding_for(recording: Recording, leaves: list[Leaf]) -> Finding:
    first = leaves[0]
    names = unique(leaf.name for leaf in leaves)
    holder = _holder(first)
    location = _location(first)
    owner = holder.partition(".")[0] if holder else first.called_inside
    subject = _subject(recording, leaves, holder)
    return _finding(
        severity=Severity.ERROR,
        message=f"{subject} is not registered in {owner}: parameters() leaves it out",
        location=location,
        label=_label(first, holder),
        subjects=names,
        related=tuple(_related(first, location)),
        evidence={
            "holder": holder,
            "called_inside": first.called_inside,
            "elements": sum(leaf.numel for leaf in leaves),
        },
        fix=_fix(recording, first, holder, location),
    )


def _subject(recording: Recording, leaves: list[Leaf], holder: str | None) -> str:
    names = [leaf.name for leaf in leaves]
    count = f" ({counted(len(leaves), noun_for(leaves))})" if len(leaves) > 1 else ""
    if holder is not None:
        return f"{holder}{count}"
    made = leaves[0].made_at
    if leaves[0].module_class is not None and made is not None:
        return f"the {leaves[0].module_class} made in {made.function or place(made, made)}{count}"
    return grouped(spoken(recording, names), noun_for(leaves))


def _is_made_in_forward(leaf: Leaf) -> bool:
    function = leaf.made_at.function if leaf.made_at else None
    return leaf.stored_in is None and (function or "").rpartition(".")[2] == "forward"


def _label(leaf: Leaf, holder: str | None) -> str:
    if _is_made_in_forward(leaf):
        return "made anew at every forward, with new random values"
    if leaf.stored_result is not None:
        return f"the result of {leaf.stored_result}, which is no Parameter any more"
    if not leaf.is_parameter:
        return "a plain tensor: nn.Module registers nn.Parameter and nn.Module attributes only"
    if holder and "[" in (leaf.stored_in or ""):
        return "nn.Module does not look into a plain list, tuple or dict"
    return "kept where nn.Module does not see it"


def _related(leaf: Leaf, location: Location | None) -> Iterator[Related]:
    made = leaf.made_at
    if made is not None and location is not None and made.at != location.at:
        yield Related(made, "made here")


def _fix(recording: Recording, leaf: Leaf, holder: str | None, location: Location | None) -> str:
    if _is_made_in_forward(leaf):
        kind = leaf.module_class or "Linear"
        return f"self.{kind.lower()} = {kind}(...) once, in __init__, and call self.{kind.lower()} here"
    if leaf.stored_result is not None:
        return parameter_made_last(statement(recording, location)) or "make the finished tensor the Parameter"
    line = None
    if holder:
        attribute = holder.rpartition(".")[2]
        line = registered(
            statement(recording, location),
            attribute,
            is_parameter=leaf.is_parameter,
            in_module=_is_in_module(leaf),
        )
    if line is not None:
        return line
    if holder is None:
        return f"assign the module that owns it to an attribute of {leaf.called_inside}, in __init__"
    wrapper = "nn.ModuleList, nn.ModuleDict or nn.ParameterList" if leaf.is_parameter else "nn.Parameter"
    return f"keep self.{holder.partition('.')[2] or holder} in an {wrapper}"
