"""Terms of a loss that come from a gradient computed without a graph: they add nothing to any gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable

from gradscope.facts import CutKind
from gradscope.folds.flow import Value, is_copy_of_leaf

_LOSS_ARITHMETIC = frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "true_divide",
        "neg",
        "mean",
        "sum",
        "nansum",
        "stack",
        "cat",
        "squeeze",
        "unsqueeze",
        "view",
        "reshape",
        "clone",
        "to",
        "float",
        "double",
        "__radd__",
        "__rsub__",
        "__rmul__",
        "rsub",
        "add_",
        "sub_",
        "mul_",
        "div_",
        "__iadd__",
        "__isub__",
        "__imul__",
        "lerp",
        "logsumexp",
    ]
)
_ADDITIVE = frozenset(
    [
        "add",
        "sub",
        "__radd__",
        "__rsub__",
        "rsub",
        "add_",
        "sub_",
        "__iadd__",
        "__isub__",
        "stack",
        "cat",
        "sum",
    ]
)
_UPDATES = frozenset(["add", "sub", "add_", "sub_", "__iadd__", "__isub__"])
_DIFFERENCES = frozenset(["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
_SIZES = frozenset(
    [
        "pow",
        "__pow__",
        "square",
        "abs",
        "norm",
        "vector_norm",
        "linalg_vector_norm",
        "linalg_norm",
        "sqrt",
    ]
)
_TERMS = _LOSS_ARITHMETIC | _DIFFERENCES | _SIZES


def dead_terms(roots: Collection[Value], is_trained: Callable[[int], bool]) -> list[tuple[Value, Value]]:
    """Terms of a loss that carry no gradient although they come from one: (grad call, joining op).

    Followed from the root down are sums and differences, powers and norms of them, and the losses that
    compare two tensors. A gradient that enters a network (an adversarial example), weighs a loss, or
    moves a leaf (a first-order meta-step, a Langevin step) is used on purpose; so is one of a frozen
    network: `is_trained` says of a leaf whether this backward trains it.
    """
    found: dict[int, tuple[Value, Value]] = {}
    seen: set[int] = set()
    stack = [(root, False) for root in roots if root.requires_grad]
    while stack:
        value, measured = stack.pop()
        if id(value) in seen or value.op not in _TERMS:
            continue
        seen.add(id(value))
        carrying = [parent for parent in value.parents if parent.requires_grad]
        if measured and value.op in _UPDATES and any(map(_is_moved_leaf, carrying)):
            # a weight that the program moves itself: what the direction is made of is its affair
            carrying = [parent for parent in carrying if _is_moved_leaf(parent)]
        measured = measured or value.op in _SIZES | _DIFFERENCES
        stack += [(parent, measured) for parent in carrying]
        for call in _grad_calls_joining(value):
            # what a read of `.grad` was computed from is not known
            if call.op == "grad" or _depends_on(call, is_trained):
                found.setdefault(id(call), (call, value))
    return list(found.values())


def _grad_calls_joining(value: Value) -> Iterable[Value]:
    """The gradient calls whose results, without a graph, are added to or compared with something here."""
    if value.op not in _ADDITIVE | _DIFFERENCES or _is_update(value):
        return
    for parent in value.parents:
        call = None if parent.requires_grad else _grad_call_above(parent)
        if call is not None:
            yield call


def _is_update(value: Value) -> bool:
    """Whether what carries the gradient here is a leaf, or was one some updates ago: it is moved."""
    return any(_is_moved_leaf(parent) for parent in value.parents if parent.requires_grad)


def _is_moved_leaf(value: Value, limit: int = 64) -> bool:
    """Whether a value is a leaf plus or minus terms: a weight after some steps along directions."""
    seen, stack = {id(value)}, [value]
    while stack and len(seen) < limit:
        value = stack.pop()
        if is_copy_of_leaf(value):
            return True
        if value.op in _UPDATES:
            fresh = [p for p in value.parents if p.requires_grad and id(p) not in seen]
            seen.update(map(id, fresh))
            stack += fresh
    return False


def _depends_on(value: Value, is_wanted: Callable[[int], bool], limit: int = 10_000) -> bool:
    """Whether a value was computed from one of the wanted leaves, with or without gradient."""
    queue, seen = deque([value]), {id(value)}
    while queue and len(seen) < limit:
        value = queue.popleft()
        if value.leaf is not None and is_wanted(value.leaf):
            return True
        for parent in value.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                queue.append(parent)
    return False


def _grad_call_above(value: Value, limit: int = 10_000) -> Value | None:
    """The autograd.grad (or `.grad` read) that a value without gradient comes from, if it is the only cut."""
    queue, seen = deque([value]), {id(value)}
    while queue and len(seen) < limit:
        value = queue.popleft()
        if value.cut is not None:
            if value.cut.kind is CutKind.GRAD_CALL:
                return value
            continue
        for parent in value.parents:
            if id(parent) not in seen:
                seen.add(id(parent))
                queue.append(parent)
    return None
