"""Parameters that take no part in any loss, those of one cause together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from gradscope.facts import Leaf, Recording
from gradscope.finding import Location
from gradscope.rules._exits import choosing_leaves
from gradscope.rules._words import first_place, got_gradient, is_trained


class Why(Enum):
    """What a parameter lacks on its way to the loss."""

    RESULT_UNUSED = "it took part, and no loss depends on the result"
    NOT_IN_FORWARD = "the forward of its module ran without it"
    NOT_CALLED = "its module was never called"


@dataclass(frozen=True)
class Unused:
    """A parameter that no loss depends on: why, and the part of the model that this holds for as a whole.

    `part` is the path of the outermost such module, "" where it is the parameter alone; `registered_at`
    is the line that put that module, or the parameter, where it is.
    """

    leaf: Leaf
    why: Why
    part: str
    registered_at: Location | None

    @property
    def name(self) -> str:
        """The part, else the parameter; with the model's name before it where those of parameters have it."""
        owner, _, _ = self.leaf.name.rpartition(".")
        model = owner.removesuffix(self.leaf.module or "")
        return model + self.part if self.part else self.leaf.name

    @property
    def module(self) -> str:
        """The path of the part, else of the module that owns the parameter."""
        return self.part or self.leaf.module or ""


_Key: TypeAlias = tuple[str | None, Why, object]


def unused_groups(recording: Recording) -> list[list[Unused]]:
    """The unused parameters: those of one part, of its like in sibling layers, and of one line together."""
    alike = _grouped([[one] for one in _unused(recording)], _pattern)
    return _grouped(alike, _registering_line)


def _grouped(groups: Iterable[list[Unused]], key_of: Callable[[Unused], object]) -> list[list[Unused]]:
    """Groups whose first members have the same key made one, in their order."""
    merged: dict[_Key, list[Unused]] = {}
    for group in groups:
        first = group[0]
        merged.setdefault((first.leaf.root, first.why, key_of(first)), []).extend(group)
    return list(merged.values())


def _pattern(one: Unused) -> str:
    return star_numbers(one.name)


def _registering_line(one: Unused) -> object:
    return one.registered_at.at if one.registered_at else star_numbers(one.module)


def star_numbers(path: str) -> str:
    """ "h.3.attention" -> "h.*.attention": what the same part of every numbered layer is called."""
    return ".".join("*" if part.isdigit() else part for part in path.split("."))


def _unused(recording: Recording) -> list[Unused]:
    severed = {fact.leaf for fact in (*recording.severed, *choosing_leaves(recording))}
    learning = {leaf.root for leaf in recording.leaves if got_gradient(leaf)}
    leaves = [
        leaf
        for leaf in recording.leaves
        if leaf.root in learning and leaf.name not in severed and _is_idle(recording, leaf)
    ]
    if not leaves:
        return []
    alive = _modules_alive(recording, {leaf.name for leaf in leaves})
    lines = {(module.root, module.path): module.registered_at for module in recording.modules}
    return [_judged(leaf, alive, lines) for leaf in leaves]


def _is_idle(recording: Recording, leaf: Leaf) -> bool:
    """Whether a parameter of a model that ran is trained, and in the graph of no backward."""
    in_model = leaf.root is not None and leaf.root_called
    return in_model and not leaf.reached and is_trained(recording, leaf) and not got_gradient(leaf)


def _modules_alive(recording: Recording, unused: set[str]) -> set[tuple[str, str]]:
    """Root and path of every module with a trained parameter inside that is not unused."""
    return {
        (leaf.root, path)
        for leaf in recording.leaves
        if leaf.root is not None and leaf.name not in unused
        if got_gradient(leaf) or is_trained(recording, leaf)
        for path in _around(leaf.module or "")
    }


def _around(path: str) -> list[str]:
    """The modules that a path lies in, the outermost below the root first, and itself."""
    parts = path.split(".") if path else []
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _judged(leaf: Leaf, alive: set[tuple[str, str]], lines: dict[tuple[str, str], Location | None]) -> Unused:
    own_line = first_place(leaf.registered_at, leaf.made_at)
    if leaf.used:
        dark = (path for path in _around(leaf.module or "") if (leaf.root, path) not in alive)
        part = next(dark, "")
        return Unused(
            leaf, Why.RESULT_UNUSED, part, first_place(lines.get((leaf.root or "", part)), own_line)
        )
    if leaf.module_called:
        return Unused(leaf, Why.NOT_IN_FORWARD, "", own_line)
    return Unused(leaf, Why.NOT_CALLED, leaf.unused_module or leaf.module or "", own_line)
