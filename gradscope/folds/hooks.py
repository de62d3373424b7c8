"""What each of the program's hooks did to gradients, folded by the line that registered it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gradscope.facts import GradientHook, HookChange, HookEffect, HookKind
from gradscope.finding import Location

_MOST = 256
_MOST_NAMES = 64


@dataclass(frozen=True, slots=True)
class HookKey:
    """A function that one line registers as a hook; `location` is None for a hook that was there before.

    It is no Place: CPython 3.11 gives a call that it has specialised another instruction.
    """

    kind: HookKind
    function: str
    location: Location | None
    defined_at: Location | None


@dataclass(slots=True)
class _Kept:
    on: dict[int | str, None] = field(default_factory=dict)
    gradients: int = 0
    backwards: int = 0
    last: int = 0
    changes: dict[HookEffect, HookChange] = field(default_factory=dict)


class HookFold:
    """Counts what hooks were given and what they gave; past the first lines nothing new is kept."""

    def __init__(self) -> None:
        self._kept: dict[HookKey, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def saw(self, key: HookKey, on: int | str, backward: int, change: HookChange | None) -> None:
        """A hook ran on one gradient. `on` is a leaf's id or a name, `backward` the pass's number."""
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _MOST:
                return
            kept = self._kept[key] = _Kept()
        kept.gradients += 1
        if kept.last != backward:
            kept.last = backward
            kept.backwards += 1
        if on != "" and len(kept.on) < _MOST_NAMES:
            kept.on[on] = None
        if change is not None:
            known = kept.changes.get(change.effect)
            kept.changes[change.effect] = (
                change if known is None else replace(known, count=known.count + change.count)
            )

    def facts(self, leaf_name: Callable[[int], str]) -> tuple[GradientHook, ...]:
        """One fact for each line and function, in the order they first ran."""
        return tuple(
            GradientHook(
                key.kind,
                key.function,
                key.location,
                key.defined_at,
                tuple(dict.fromkeys(one if isinstance(one, str) else leaf_name(one) for one in kept.on)),
                kept.gradients,
                kept.backwards,
                tuple(kept.changes.values()),
            )
            for key, kept in self._kept.items()
        )
