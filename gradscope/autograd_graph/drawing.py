"""A picture as every format draws it: boxes in clusters, arrows between them, and what the colours mean.

Arrows go the way of the forward, from the leaves to the loss; gradients come back along them.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from gradscope.facts.flow import SeveredLeaf
from gradscope.facts.graph import AutogradGraph
from gradscope.finding import Finding, Severity


class BoxKind(StrEnum):
    """What a box stands for."""

    OP = "op"
    LEAF = "leaf"  # a parameter, or another tensor whose .grad is written
    CUSTOM = "custom"
    CHECKPOINT = "checkpoint"
    COMPILED = "compiled"
    VALUE = "value"  # a node of an engine that the program brings itself
    GROUP = "group"  # a closed module, or a closed line or function outside modules
    BLOCKS = "blocks"  # several equal modules, of which one is shown
    CONSTANT = "constant"  # an input without a gradient
    FROZEN = "frozen"  # a parameter without one
    ROOT = "root"  # what is differentiated: the loss
    CUT = "cut"  # the op at which a value lost its gradient
    LOST = "lost"  # what lies behind a cut, and gets no gradient


class ArrowKind(StrEnum):
    """How an arrow is drawn."""

    PLAIN = "plain"
    CONSTANT = "constant"  # from an input without a gradient
    CUT = "cut"  # the value goes on here, and the gradient does not come back


class Colour(StrEnum):
    """What the boxes are coloured by."""

    GRADIENT = "gradient"  # 2-norm of the gradient, on a logarithmic scale
    TIME = "time"  # seconds of the backward
    BYTES = "bytes"  # bytes saved for the backward
    NONE = "none"


class Mark(StrEnum):
    """What stands out in a gradient, whatever the scale of colours says."""

    NONFINITE = "nonfinite"  # NaN or Inf
    ZERO = "zero"  # exactly 0 in every element


class Box(msgspec.Struct, frozen=True, gc=False):
    """A box. `id` is a plain word, unique in the drawing, and the same each time the graph is drawn.

    `title` is its first line, `lines` are those below. `nodes` are the nodes of the graph that it stands
    for. `heat` is the place on the colour scale, 0 to 1, None for what has no colour. `severity` and
    `codes` are those of the findings that point at it. `cluster` is the id of the cluster around it. `mark`
    is given only where the colours are those of the gradient.
    """

    id: str
    kind: BoxKind
    title: str
    lines: tuple[str, ...] = ()
    cluster: str | None = None
    nodes: tuple[int, ...] = ()
    heat: float | None = None
    severity: Severity | None = None
    codes: tuple[str, ...] = ()
    mark: Mark | None = None


class Cluster(msgspec.Struct, frozen=True):
    """A frame around boxes: an open module ("h.0 (Block)"), or what repeats ("12 x Block: h.0 to h.11")."""

    id: str
    title: str
    parent: str | None = None
    repeated: int = 1


class Arrow(msgspec.Struct, frozen=True, gc=False):
    """An arrow from one box to another, the way of the forward.

    `label` is what stands at it ("x12", "0.14"); `count` how many edges of the graph it stands for.
    """

    tail: str
    head: str
    kind: ArrowKind = ArrowKind.PLAIN
    label: str = ""
    count: int = 1
    severity: Severity | None = None


class Scale(msgspec.Struct, frozen=True):
    """The colour scale: what it measures, and the texts at its two ends."""

    colour: Colour
    title: str
    low: str
    high: str


class Drawing(msgspec.Struct, frozen=True):
    """Everything that a format needs to draw. `lines` stand below the title, `notes` at the end.

    Boxes stand in the order of the forward. Where equal parts are drawn once, an arrow can lead back to a
    box above its tail, or to its tail itself: from one turn to the next.
    """

    title: str
    lines: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    scale: Scale | None = None
    notes: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True):
    """What of a graph is to be drawn, and how.

    `depth` counts levels that are open, of modules and of the functions and lines in them: 0 closes
    everything, None chooses what fits on a page, and `WHOLE` shows every node. `path` names a leaf: only what
    lies between it and the roots. `around` is (path, line) or a line alone: the nodes of it and `reach`
    steps from them. `fold` draws equal blocks, and the turns of a loop, once.
    """

    depth: int | None = None
    path: str | None = None
    around: tuple[str | None, int] | None = None
    reach: int = 3
    fold: bool = True
    colour: Colour = Colour.GRADIENT


WHOLE = 1_000_000
"""A depth at which every module is open."""


class Subject(msgspec.Struct, frozen=True):
    """What a drawing is made from: the graph, the findings about its program, and where paths are shown from.

    `target` is what was typed ("train.py"); paths below `cwd` are shown relative to it. `severed` are the
    facts behind findings of severed gradients: what lies between a cut and the graph.
    """

    graph: AutogradGraph
    findings: tuple[Finding, ...] = ()
    target: str = ""
    cwd: str = ""
    severed: tuple[SeveredLeaf, ...] = ()
