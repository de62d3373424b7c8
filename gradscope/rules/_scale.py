"""Whether gradients shrink or grow from layer to layer: blocks in their order, and which of them to judge."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gradscope.facts import GradientProfile, LayerGradient, Leaf, Recording
from gradscope.rules._trend import Trend, trend
from gradscope.rules._words import by_name

THRESHOLD = 4.0  # decades: a ratio of 1e4
FEWEST_PLACES = 6
FEWEST_USES = 8
FEWEST_BACKWARDS = 3
_NOT_LAYERS = ("Embedding", "Norm")


@dataclass(frozen=True, slots=True)
class Block:
    """The weights of one block of a model, or of several side by side; `depth` as in `LayerGradient`."""

    name: str
    root: str | None
    depth: int
    layers: tuple[LayerGradient, ...]

    def rms(self, row: int) -> float:
        """The typical gradient of its weights in one kept backward; NaN where they have none."""
        logs = [math.log10(value) for layer in self.layers if _usable(value := layer.rms[row])]
        return float(10 ** statistics.fmean(logs)) if logs else math.nan

    @property
    def arriving(self) -> float:
        """The largest gradient that arrives at one of its weights; NaN where none was measured."""
        return max((max(layer.arriving) for layer in self.layers if layer.arriving), default=math.nan)

    @property
    def nearest(self) -> float:
        """What arrives at the last of all uses of its weights; NaN where nothing was measured."""
        return max((layer.arriving[0] for layer in self.layers if layer.arriving), default=math.nan)

    @property
    def deepest(self) -> LayerGradient:
        """The weight that is taken first."""
        return max(self.layers, key=lambda layer: layer.depth)


@dataclass(frozen=True, slots=True)
class Row:
    """Places in a row, the one nearest the loss first, and how their gradients change towards the input.

    `what` is "weights" (the gradients of the weights), "arriving" (those that arrive at them) or "uses"
    (those that arrive at the uses of one weight). `score` is the steady change in decades: below zero
    where gradients shrink towards the input; `backwards` how many of them it was judged from.
    """

    what: str
    profile: GradientProfile
    names: tuple[str, ...]
    values: tuple[float, ...]
    trend: Trend
    score: float
    backwards: int
    blocks: tuple[Block, ...]

    @property
    def worst(self) -> LayerGradient:
        """The weight at the far end, where gradients have shrunk or grown most."""
        return self.blocks[-1].deepest

    @property
    def factor(self) -> float:
        """By how much the gradient shrinks, or grows, from one place to the next."""
        return float(10 ** abs(self.trend.slope))


def vanishing(recording: Recording) -> Iterator[Row]:
    """For each profile the row of weights whose gradients shrink most, if they shrink enough."""
    for rows in _rows_of_profiles(recording):
        for what in ("weights", "arriving"):
            worst = min((row for row in rows if row.what == what), key=lambda row: row.score, default=None)
            if worst is not None and worst.score <= -THRESHOLD:
                yield worst
                break


def exploding(recording: Recording) -> Iterator[Row]:
    """For each profile the row of places whose gradients grow most, if they grow enough."""
    for rows in _rows_of_profiles(recording):
        worst = max(rows, key=lambda row: row.score, default=None)
        if worst is not None and worst.score >= THRESHOLD:
            yield worst


def _rows_of_profiles(recording: Recording) -> Iterator[list[Row]]:
    leaves = by_name(recording)
    for profile in recording.gradient_profiles:
        yield list(rows_of(profile, leaves))


def rows_of(profile: GradientProfile, leaves: Mapping[str, Leaf]) -> Iterator[Row]:
    """Everything in a profile that can be judged."""
    blocks = blocks_of(profile, leaves)
    if not blocks or not profile.kept:
        return
    near = next((norm for block in blocks if _usable(norm := block.nearest)), math.nan)
    for stack in stacks_of(blocks):
        weights = _weights(profile, stack)
        if weights is not None:
            yield weights
        known = [block for block in stack if _usable(block.arriving)]
        if len(known) >= FEWEST_PLACES:
            values = tuple(block.arriving for block in known)
            yield _arriving("arriving", profile, [block.name for block in known], values, near, known)
    for block in blocks:
        for layer in block.layers:
            norms = [norm for norm in layer.arriving if _usable(norm)]
            if layer.recurrent and len(norms) >= FEWEST_USES:
                names = [f"use {number}" for number in range(len(norms), 0, -1)]
                one = [Block(layer.leaf, block.root, layer.depth, (layer,))]
                yield _arriving("uses", profile, names, tuple(norms), near, one)


def _weights(profile: GradientProfile, stack: Sequence[Block]) -> Row | None:
    """The gradients of the weights themselves: judged in each kept backward, the median counts."""
    kept = range(len(profile.kept))
    stack = _with_gradients(stack, kept)
    scores = []
    for row in kept:
        values = [value for block in stack if _usable(value := block.rms(row))]
        if len(values) >= max(FEWEST_PLACES, len(stack) / 2):
            scores.append(trend(values).score)
    typical = [(block, _typical(block.rms(row) for row in kept)) for block in stack]
    known = [(block, value) for block, value in typical if _usable(value)]
    if not scores or len(known) < FEWEST_PLACES:
        return None
    values = [value for _, value in known]
    score = statistics.median(scores)
    if abs(scores[-1]) < THRESHOLD / 2 or scores[-1] * score < 0:
        score = 0.0  # it was so at first, and has mended
    blocks = tuple(block for block, _ in known)
    names = tuple(block.name for block in blocks)
    return Row("weights", profile, names, tuple(values), trend(values), score, len(scores), blocks)


def _with_gradients(stack: Sequence[Block], rows: Iterable[int]) -> Sequence[Block]:
    """The stack up to the deepest block that ever got a gradient: beyond, there may be nothing but zeros."""
    reached = [index for index, block in enumerate(stack) if any(_usable(block.rms(row)) for row in rows)]
    return stack[: reached[-1] + 1] if reached else []


def _arriving(
    what: str,
    profile: GradientProfile,
    names: Sequence[str],
    values: tuple[float, ...],
    near: float,
    blocks: Sequence[Block],
) -> Row:
    """The gradients that arrive: they count as far as they also differ from what arrives nearest the loss.

    A normalisation near the loss makes up for whatever the layers before it do to the scale.
    """
    fitted = trend(values)
    beyond = math.log10(values[-1] / near) if _usable(near) else 0.0
    agrees = beyond * fitted.score > 0
    score = math.copysign(min(abs(fitted.score), abs(beyond)), fitted.score) if agrees else 0.0
    far = blocks[-1]
    finite = sum(_usable(far.rms(row)) for row in range(len(profile.kept)))
    return Row(what, profile, tuple(names), values, fitted, score, finite, tuple(blocks))


def _usable(value: float) -> bool:
    return 0 < value < math.inf


def _typical(values: Iterable[float]) -> float:
    usable = [value for value in values if _usable(value)]
    return statistics.median(usable) if usable else math.nan


# ---------------------------------------------------------------- blocks, and the rows they stand in


def blocks_of(profile: GradientProfile, leaves: Mapping[str, Leaf]) -> list[Block]:
    """The profile's weights by block, the one nearest the loss first; embeddings and norms left out.

    A block is the innermost numbered module around a weight, else the weight's own module.
    """
    grouped: dict[tuple[str, str | None], list[LayerGradient]] = {}
    for layer in profile.layers:
        leaf = leaves.get(layer.leaf)
        if leaf is not None and leaf.requires_grad and not _is_no_layer(leaf):
            grouped.setdefault((_block_name(leaf), leaf.root), []).append(layer)
    blocks = [
        Block(name, root, max(layer.depth for layer in layers), tuple(layers))
        for (name, root), layers in grouped.items()
    ]
    return sorted(blocks, key=lambda block: block.depth)


def _is_no_layer(leaf: Leaf) -> bool:
    return any(word in (leaf.module_class or "") for word in _NOT_LAYERS)


def _block_name(leaf: Leaf) -> str:
    own = leaf.name.rpartition(".")[0]
    if own[:1].isdecimal() and leaf.root:
        own = f"{leaf.root}.{own}"
    parts = own.split(".")
    numbered = [index for index, part in enumerate(parts) if part.isdecimal()]
    return ".".join(parts[: numbered[-1] + 1]) if numbered else own or leaf.name


def stacks_of(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """The rows of blocks to judge: those of each root module, and each numbered stack by itself.

    Where nearly every root is a single block (a list of layers that the program calls one by one),
    they are one row.
    """
    roots: dict[str | None, list[Block]] = {}
    stacks: dict[str, list[Block]] = {}
    for block in blocks:
        roots.setdefault(block.root, []).append(block)
        stem, _, number = block.name.rpartition(".")
        if stem and number.isdecimal():
            stacks.setdefault(stem, []).append(block)
    rows = [list(blocks)] if 2 * len(roots) > len(blocks) else list(roots.values())
    rows += [stack for stack in stacks.values() if stack not in rows]
    yield from (_one_at_each_depth(row) for row in rows)


def _one_at_each_depth(blocks: Sequence[Block]) -> list[Block]:
    """Blocks side by side (heads, experts) as one: their order says nothing."""
    merged: list[Block] = []
    for block in blocks:
        if merged and merged[-1].depth == block.depth:
            last = merged.pop()
            block = Block(last.name, last.root, last.depth, last.layers + block.layers)
        merged.append(block)
    return merged
