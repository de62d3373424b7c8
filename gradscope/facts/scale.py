"""How large gradients are: from layer to layer, and from step to step."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.finding import Location


@dataclass(frozen=True, slots=True)
class LayerGradient:
    """The gradient of one weight, and the gradients that arrive where the forward takes it.

    `depth` counts the ops that take a weight on the longest way from here to the loss, this one
    included: 1 is nearest the loss. `rms` holds the root mean square of the weight's gradient, per
    element, in each of the profile's kept backwards, NaN where it got none. `arriving` holds the 2-norms
    of the gradients that arrive at the ops that take the weight, nearest the loss first; there are
    several where one forward takes it again and again, and `recurrent` says that what it gives comes
    back to it. `op` is the backward node of the deepest of them, `location` its line.
    """

    leaf: str
    depth: int
    op: str
    location: Location | None
    rms: tuple[float, ...]
    arriving: tuple[float, ...] = ()
    recurrent: bool = False


@dataclass(frozen=True, slots=True)
class GradientProfile:
    """The gradients of all weights in the backwards of one line, the deepest weight first.

    `kept` are the numbers of the backwards whose gradients were kept, counted from 1 over the run;
    `count` is how often the line ran. `nodes` are (node name, how many) of the latest graph looked at.
    """

    backward: Location | None
    count: int
    kept: tuple[int, ...]
    layers: tuple[LayerGradient, ...]
    nodes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class GradientGrowth:
    """The largest growth of the whole gradient of one line's backwards, from one to a later one.

    `steps` are the numbers of the backwards, counted from 1 over the run, each with a larger 2-norm
    than all before it since the first; `losses` are their losses, None where it was not read.
    `overflow` is the backward right after the last of them in which the loss or a gradient was
    no longer finite, None where there was none. `highest_loss` is the largest magnitude of a loss up to
    the first of them, `later` counts the line's backwards after the last of them, and `last_loss` is the
    loss of the last of all; None where none was read.
    """

    backward: Location | None
    steps: tuple[int, ...]
    norms: tuple[float, ...]
    losses: tuple[float | None, ...]
    overflow: int | None = None
    highest_loss: float | None = None
    later: int = 0
    last_loss: float | None = None
