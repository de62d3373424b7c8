"""What GS404 and GS405 say about a row of layers: numbers, places, what lies between, what to change."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.finding import Confidence, Evidence, Location, Note, Related
from gradscope.rules._scale import FEWEST_BACKWARDS, Row
from gradscope.rules._words import counted, first_place, node_words, other_places, stem

# the largest slope of ops that always shrink a gradient, as text
_SLOPES = {"Sigmoid": "1/4", "Hardsigmoid": "1/6"}
_ACTIVATIONS = ("Relu", "LeakyRelu", "Gelu", "Silu", "Elu", "Tanh", "Softplus", *_SLOPES, "Softmax")


def size(value: float) -> str:
    """A norm in two digits: "7.4e-18"."""
    return f"{value:.1e}"


def factor(value: float) -> str:
    """ "7.1x", "1.32x", "1.3e+03x"."""
    return f"{value:.2f}x" if value < 2 else f"{value:.1f}x" if value < 100 else f"{value:.1e}x"


def ends(row: Row) -> str:
    """The gradients at both ends: "7.3e-18 in layers.0 against 9.9e-01 in head"."""
    far, near = size(row.values[-1]), size(row.values[0])
    if row.what == "uses":
        return f"{far} arrives at the first use of {row.worst.leaf} against {near} at its last"
    where, there = ("in", "in") if row.what == "weights" else ("arrives at", "at")
    return f"{far} {where} {row.names[-1]} against {near} {there} {row.names[0]}"


def noun(row: Row) -> str:
    """What a place of the row is."""
    if row.what == "uses":
        return "use"
    return "block" if any(len(block.layers) > 1 for block in row.blocks) else "layer"


def confidence(row: Row) -> Confidence:
    """Certain where it was seen in three backwards."""
    return Confidence.CERTAIN if row.backwards >= FEWEST_BACKWARDS else Confidence.PROBABLE


def location(row: Row) -> Location | None:
    """The op that takes the weight at the far end; the backward where its line is not known."""
    return first_place(row.worst.location, row.profile.backward)


def related(row: Row) -> Iterator[Related]:
    """The backward."""
    for where in other_places([row.profile.backward], than=location(row)):
        yield Related(where, "in this backward")


def seen(row: Row) -> Iterator[Note]:
    """In how many backwards it was so."""
    if row.backwards < FEWEST_BACKWARDS:
        text = f"judged from {counted(row.backwards, 'backward')}; it takes three to be sure"
        yield Note("note", text)


def label(row: Row) -> str:
    """What stands under the worst op."""
    if row.what == "weights":
        return f"a gradient of {size(row.values[-1])}"
    return f"{size(row.values[-1])} arrives here"


def between(row: Row) -> Iterator[Note]:
    """Ops that by themselves shrink what passes through them, where there are as many as layers."""
    for kind, slope in _SLOPES.items():
        count = _count(row, kind)
        if 2 * count >= len(row.values):
            op = node_words(f"{kind}Backward0")
            yield Note("because", f"{counted(count, f'{op} call')}: each passes on at most {slope}")


def activation(row: Row) -> str:
    """The activation that the net has most of ("Relu"), "" where it has as good as none."""
    counts = {kind: _count(row, kind) for kind in _ACTIVATIONS}
    kind = max(counts, key=lambda one: counts[one])
    return kind if 2 * counts[kind] >= len(row.values) else ""


def _count(row: Row, kind: str) -> int:
    """How many nodes of a kind the row's backwards walk."""
    return sum(count for name, count in row.profile.nodes if stem(name) == kind)


def evidence(row: Row) -> Evidence:
    """The numbers, from the input to the loss."""
    return {
        "over": "uses" if row.what == "uses" else "depth",
        "measure": "rms of the weights' gradients" if row.what == "weights" else "norm of what arrives",
        "places": list(reversed(row.names)),
        "gradients": list(reversed(row.values)),
        "ratio": row.values[0] / row.values[-1],
        "decades_a_place": row.trend.slope,
        "interval": [row.trend.low, row.trend.high],
        "backwards": row.backwards,
        "step": row.profile.kept[0] if row.profile.kept else 1,
    }
