"""Functions written out by hand, of which every step keeps something; torch's own function keeps one tensor.

What the graph does not show (a constant that is added) is told by what the steps have computed: the first
elements of what they saved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gradscope.folds.cheaper.view import GraphView, Saving

_TOLERANCE: Final = 0.02  # of numbers that may be of 16 bits
_ROOT: Final = math.sqrt(2 / math.pi)


def by_hand(view: GraphView) -> Iterator[Saving]:
    """Every formula that is known."""
    for index, _ in view.of("MulBackward0"):
        yield from _products(view, index)
    for index, _ in view.of("ReciprocalBackward0"):
        yield from _sigmoid(view, index)
    for index, _ in view.of("LogBackward0"):
        yield from _softplus(view, index)
    for index, _ in view.of("DivBackward0"):
        yield from _softmax(view, index)
        yield from _layer_norm(view, index)


def _saving(
    view: GraphView, text: str, nodes: Iterable[int], keeps: int = 0, kept: Iterable[int] = ()
) -> Iterator[Saving]:
    """What these nodes alone keep goes, but for the storages `kept`; `keeps` bytes come."""
    gone = view.freed(nodes)
    for number in kept:
        gone.pop(number, None)
    size = sum(map(view.size_of, gone)) - keeps
    if size > 0:
        yield Saving(text, tuple(gone.values()), size)


def _products(view: GraphView, index: int) -> Iterator[Saving]:
    """Products of a tensor with a function of it: SiLU, Mish, GELU; of one half with the other's sigmoid."""
    node = view.nodes[index]
    for position, name in ((0, "self"), (1, "other")):
        factor = view.source(index, position)
        x_name = "other" if name == "self" else "self"
        other = node.next[1 - position]
        if factor is None or other is None or len(view.users(factor)) != 1:
            continue
        if view.is_op(factor, "SigmoidBackward0"):
            yield from _gated(view, index, factor, other, x_name)
        elif view.is_op(factor, "TanhBackward0"):
            yield from _mish(view, index, factor, other)
        elif view.is_op(factor, "AddBackward0"):
            yield from _gelu(view, index, factor, name, x_name)


def _mish(view: GraphView, index: int, tanh: int, other: tuple[int, int]) -> Iterator[Saving]:
    softplus = view.source(tanh, 0)
    if softplus is None or not view.is_op(softplus, "SoftplusBackward0"):
        return
    if view.nodes[softplus].next[0] == other:
        text = "F.mish computes the same and keeps its input alone"
        yield from _saving(view, text, (index, tanh, softplus), kept=_storages(view, softplus, "self"))


def _gated(
    view: GraphView, index: int, sigmoid: int, other: tuple[int, int], x_name: str
) -> Iterator[Saving]:
    gate = view.nodes[sigmoid].next[0]
    if gate is None:
        return
    if gate == other:
        text = "F.silu(x) computes the same as x * sigmoid(x) and keeps its input alone"
        yield from _saving(view, text, (index, sigmoid), kept=_storages(view, index, x_name))
    elif gate[0] == other[0] and (other[1], gate[1]) == (0, 1) and view.is_op(gate[0], "SplitBackward0"):
        whole = view.nodes[gate[0]]
        if len({0, 1} | _outputs_used(view, gate[0])) == 2 and "dim" in whole.scalars:
            text = f"F.glu(x, dim={whole.scalars['dim']:.0f}) computes the same and keeps its input alone"
            yield from _saving(view, text, (index, sigmoid), kept=_storages(view, index, x_name))


def _outputs_used(view: GraphView, index: int) -> set[int]:
    edges = (edge for user in view.users(index) for edge in view.nodes[user].next)
    return {edge[1] for edge in edges if edge is not None and edge[0] == index}


def _gelu(view: GraphView, index: int, added: int, name: str, x_name: str) -> Iterator[Saving]:
    """x * (1 + tanh(...)) and x * (1 + erf(...)), each side perhaps times a number."""
    function = next(iter(view.sources(added)), None)
    one_more = view.nodes[index].samples.get(name, ())
    if function is None or len(view.users(function)) != 1:
        return
    x_index, _, passed = _without_factors(view, view.source(index, 1 if x_name == "other" else 0))
    inner_index, inner_factor, inner = _without_factors(view, view.source(function, 0))
    if view.is_op(function, "ErfBackward0"):
        argument = view.nodes[function].samples.get("self", ())
        if (
            x_index is not None
            and inner_index == x_index
            and math.isclose(inner_factor, math.sqrt(0.5), rel_tol=1e-3)
            and _close(one_more, [1 + math.erf(value) for value in argument])
        ):
            nodes = {index, added, function, *passed, *inner}
            text = "F.gelu computes the same and keeps its input alone"
            yield from _saving(view, text, nodes, keeps=_one(view, index, x_name, x_index, nodes))
    elif view.is_op(function, "TanhBackward0"):
        yield from _tanh_gelu(view, index, added, function, x_name)


def _tanh_gelu(view: GraphView, index: int, added: int, tanh: int, x_name: str) -> Iterator[Saving]:
    between, x_index = _polynomial_of(view, view.source(tanh, 0))
    source, _, passed = _without_factors(view, view.source(index, 1 if x_name == "other" else 0))
    power = next((each for each in between if view.is_op(each, "PowBackward0")), None)
    if power is None or x_index is None or source != x_index:
        return
    samples = view.nodes[power].samples.get("self", ())
    results = view.nodes[tanh].samples.get("result", ())
    expected = [math.tanh(_ROOT * (x + 0.044715 * x**3)) for x in samples]
    name = "self" if x_name == "other" else "other"
    one_more = view.nodes[index].samples.get(name, ())
    if _close(results, expected) and _close(one_more, [1 + value for value in results]):
        nodes = {index, added, tanh, *between, *passed}
        text = 'F.gelu(x, approximate="tanh") computes the same and keeps its input alone'
        yield from _saving(view, text, nodes, kept=_storages(view, power, "self"))


def _polynomial_of(view: GraphView, index: int | None) -> tuple[set[int], int | None]:
    """The nodes of a polynomial down to the one node that it is of, None where there are several."""
    nodes: set[int] = set()
    ends: set[int] = set()
    waiting = [index] if index is not None else []
    while waiting and len(nodes) < 16:
        each = waiting.pop()
        if view.is_op(each, "AddBackward0", "DivBackward0", "MulBackward0", "PowBackward0"):
            nodes.add(each)
            waiting.extend(view.sources(each))
        else:
            ends.add(each)
    return nodes, next(iter(ends)) if len(ends) == 1 and not waiting else None


def _without_factors(view: GraphView, index: int | None) -> tuple[int | None, float, set[int]]:
    """What was multiplied by numbers; their product; the nodes that did it."""
    factor, passed = 1.0, set()
    while index is not None and view.is_op(index, "DivBackward0", "MulBackward0"):
        node = view.nodes[index]
        inside = view.sources(index)
        number = node.scalars.get("other", node.scalars.get("self"))
        if len(inside) != 1 or number is None or not number:
            break
        factor = factor / number if node.op == "DivBackward0" else factor * number
        passed.add(index)
        index = inside[0]
    return index, factor, passed


def _one(view: GraphView, index: int, name: str, x_index: int, nodes: set[int]) -> int:
    """The bytes of the input that a function keeps, 0 where another node keeps it anyway."""
    return 0 if view.saved_output(x_index, nodes) is not None else view.size(index, name)


def _sigmoid(view: GraphView, index: int) -> Iterator[Saving]:
    """1 / (1 + exp(-x))."""
    added = view.source(index, 0)
    exponential = view.source(added, 0) if view.is_op(added, "AddBackward0") else None
    negated = view.source(exponential, 0) if view.is_op(exponential, "ExpBackward0") else None
    if added is None or exponential is None or not view.is_op(negated, "NegBackward0"):
        return
    powers = view.nodes[exponential].samples.get("result", ())
    results = view.nodes[index].samples.get("result", ())
    if len(view.users(exponential)) == 1 and _close(results, [1 / (1 + power) for power in powers]):
        output, nodes = index, {index, added, exponential}
        users = view.users(index)
        if len(users) == 1 and view.nodes[users[0]].scalars.get("other") == 1:  # 1 / y is y.reciprocal() * 1
            output = users[0]
            nodes.add(output)
        kept = view.size(index, "result") if view.saved_output(output) is None else 0
        text = "torch.sigmoid computes the same and keeps its output alone"
        yield from _saving(view, text, nodes, keeps=kept)


def _softplus(view: GraphView, index: int) -> Iterator[Saving]:
    """log(1 + exp(x))."""
    added = view.source(index, 0)
    exponential = view.source(added, 0) if view.is_op(added, "AddBackward0") else None
    if added is None or exponential is None or not view.is_op(exponential, "ExpBackward0"):
        return
    powers = view.nodes[exponential].samples.get("result", ())
    sums = view.nodes[index].samples.get("self", ())
    x_index = view.source(exponential, 0)
    if (
        x_index is not None
        and len(view.users(exponential)) == 1
        and _close(sums, [1 + each for each in powers])
    ):
        nodes = (index, added, exponential)
        kept = 0 if view.saved_output(x_index, nodes) is not None else view.size(exponential, "result")
        text = "F.softplus computes the same and keeps its input alone"
        yield from _saving(view, text, nodes, keeps=kept)


def _softmax(view: GraphView, index: int) -> Iterator[Saving]:
    """exp(x) / sum(exp(x)), where the result is kept by what uses it."""
    exponential, total = view.source(index, 0), view.source(index, 1)
    if exponential is None or not view.is_op(exponential, "ExpBackward0"):
        return
    if total is None or not view.is_op(total, "SumBackward1") or view.source(total, 0) != exponential:
        return
    summed = view.nodes[total]
    of_one = "dim" in summed.scalars and len(summed.shape) == len(view.nodes[exponential].shape)
    if of_one and len(view.users(exponential)) == 2 and view.saved_output(index) is not None:
        text = "torch.softmax computes the same and keeps its output, which is kept anyway"
        yield from _saving(view, text, (index, exponential, total))


def _layer_norm(view: GraphView, index: int) -> Iterator[Saving]:
    """(x - mean(x)) / sqrt(var(x) + eps), with the variance that divides by n, over the last dimension."""
    centred, root = view.source(index, 0), view.source(index, 1)
    if centred is None or not view.is_op(centred, "SubBackward0") or not view.is_op(root, "SqrtBackward0"):
        return
    x_index, mean = view.source(centred, 0), view.source(centred, 1)
    inside = view.source(root, 0)
    variance = view.source(inside, 0) if view.is_op(inside, "AddBackward0") else inside
    if x_index is None or mean is None or variance is None or not view.is_op(mean, "MeanBackward1"):
        return
    if view.source(mean, 0) != x_index or not _is_last(view, mean, x_index):
        return
    nodes = {index, centred, mean, variance} | {each for each in (root, inside) if each is not None}
    square = _square_of(view, variance, centred)
    if square is not None:
        nodes.add(square)
    biased = view.source(variance, 0) == x_index and view.nodes[variance].scalars.get("correction") == 0
    of_x = square is not None or (view.is_op(variance, "VarBackward0") and biased)
    if of_x and _is_last(view, variance, x_index):
        nodes |= _scaling(view, index)
        kept = 0 if view.saved_output(x_index, nodes) is not None else view.size(index, "self")
        kept += 2 * view.size(index, "other")
        text = "F.layer_norm computes the same and keeps its input and two numbers a row"
        yield from _saving(view, text, nodes, keeps=kept)


def _square_of(view: GraphView, mean: int, centred: int) -> int | None:
    """The square of the centred values, where that is what a mean is of."""
    square = view.source(mean, 0) if view.is_op(mean, "MeanBackward1") else None
    if square is None or not view.is_op(square, "PowBackward0") or view.source(square, 0) != centred:
        return None
    return square if view.nodes[square].scalars.get("exponent") == 2 else None


def _scaling(view: GraphView, index: int) -> set[int]:
    """The product with a weight of the last dimension's size that follows, where it is all that does."""
    users = view.users(index)
    if len(users) != 1 or not view.is_op(users[0], "MulBackward0"):
        return set()
    weights = [each for each in view.sources(users[0]) if each != index]
    last = view.nodes[index].shape[-1:]
    return {users[0]} if weights and all(view.nodes[each].shape == last for each in weights) else set()


def _is_last(view: GraphView, index: int, x_index: int) -> bool:
    """Whether a reduction is over the last dimension."""
    dim = view.nodes[index].scalars.get("dim")
    return dim is not None and dim in (-1, len(view.nodes[x_index].shape) - 1)


def _storages(view: GraphView, index: int, name: str) -> tuple[int, ...]:
    one = view.saved(index, name)
    return one.storages if one is not None else ()


def _close(values: Sequence[float], expected: Sequence[float]) -> bool:
    """Whether there are such values, and they agree."""
    pairs = list(zip(values, expected, strict=False))
    return len(values) == len(expected) > 0 and all(
        math.isclose(value, other, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE) for value, other in pairs
    )
