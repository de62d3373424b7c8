"""What was seen of one function while the program itself ran."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class Watched:
    """`calls` counts its calls (0 where the program was not run).

    `twice_at` is a line that differentiated through its backward (a backward with `create_graph` that ran
    through it, whose result was differentiated again). `changed` maps attributes of its `ctx` that are
    inputs or outputs to the line that changed such a tensor in place between forward and backward.
    """

    calls: int = 0
    twice_at: Location | None = None
    changed: tuple[tuple[str, Location], ...] = ()
