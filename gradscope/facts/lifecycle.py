"""Graphs that were used twice, and graphs that something keeps."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts.flow import Step
from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class SecondBackward:
    """A backward through a graph that an earlier one had freed (torch raised).

    `carriers` are the lines that took a tensor of the old graph into the new one, the first one
    first; empty where the very same graph was walked again. `freed_by` is the earlier backward.
    `recurrent` says that the line of the old tensor ran again since: one step hands it to the next.
    `stepped` says that an optimizer stepped in between. `built_by` is the statement that built the old
    graph where that came before the loop of the backward.
    """

    location: Location | None
    freed_by: Location | None
    carriers: tuple[Step, ...]
    node: str | None
    node_at: Location | None
    subject: str | None = None
    ended_program: bool = False
    recurrent: bool = True
    stepped: bool = True
    built_by: Location | None = None


@dataclass(frozen=True, slots=True)
class RetainedGraph:
    """Graphs of old steps that something still holds.

    `holder` names what holds the tensor ("meter.total", "history.records"), `kept_at` the statement
    that stores it there, `made_at` the op that made the held tensor. `steps` is how many old steps were
    alive at once.
    """

    holder: str | None
    kept_at: Location | None
    made_at: Location | None
    op: str | None
    steps: int
    accumulated: bool  # a running sum (one tensor over a growing graph), not a list of tensors
    exact: bool = True
