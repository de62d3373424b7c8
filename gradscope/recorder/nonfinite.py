"""Watches forward ops: which one made the first NaN or unintended Inf on the way to a non-finite loss."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import NonfiniteForward, ValueStats
from gradscope.folds.provenance import Origin, ProvenanceFold, Trail, begin, inherit
from gradscope.folds.visits import Content
from gradscope.recorder.forward_search import search
from gradscope.recorder.graph import walk
from gradscope.recorder.last_call import Refused
from gradscope.recorder.places import Loc
from gradscope.recorder.stats import PLAIN, content, has_gradient_dtype, total, value_stats, why_unreadable
from gradscope.recorder.trails import TensorTrails

# A view of finite elements is finite: nothing to read.
_VIEWS = frozenset(
    (
        "view",
        "view_as",
        "reshape",
        "transpose",
        "swapaxes",
        "permute",
        "unsqueeze",
        "expand",
        "expand_as",
        "t",
        "contiguous",
        "detach",
        "detach_",
        "alias",
        "flatten",
        "unflatten",
        "chunk",
        "split",
        "tensor_split",
        "select",
        "narrow",
        "unbind",
        "movedim",
        "requires_grad_",
        ".T",
        ".mT",
        ".data",
    )
)
_UNINITIALISED = frozenset(
    ("empty", "empty_like", "new_empty", "empty_strided", "empty_permuted", "resize_", "resize_as_")
)
_BACKWARDS = ("backward", "Tensor.backward", "grad")
_STATS_PER_LINE = 32


class ForwardWatch:
    """Finds the first forward op that made a NaN or an unintended Inf on the way to a non-finite loss.

    `check` is to be called after each op while `armed`. `failures` counts checks that failed, `faults` how.
    """

    def __init__(self) -> None:
        self.armed = True
        self.failures = 0
        self.faults: Counter[str] = Counter()
        self._trails = TensorTrails()
        self._fold = ProvenanceFold()
        self._order = 0
        self._looks: Counter[tuple[str, Loc | None]] = Counter()

    def check(
        self,
        op: str,
        inputs: Sequence[Tensor],
        output: object,
        loc: Loc | None,
        arguments: Sequence[object],
        keywords: dict[str, Any],
    ) -> None:
        """Looks at what an op returned. Its `inputs` are all tensors among its arguments, in order."""
        recording = torch.is_grad_enabled()
        if recording:
            torch._C._set_grad_enabled(False)
        try:
            if torch._C._functorch.maybe_current_level() is None:
                self._check(op, inputs, output, loc, arguments, keywords)
        except Exception as error:  # noqa: BLE001  must not reach the program
            self.failures += 1
            self.faults[f"{op}: {type(error).__name__}: {error}"] += 1
        finally:
            if recording:
                torch._C._set_grad_enabled(True)

    def _check(
        self,
        op: str,
        inputs: Sequence[Tensor],
        output: object,
        loc: Loc | None,
        arguments: Sequence[object],
        keywords: dict[str, Any],
    ) -> None:
        if op in _VIEWS and (not inputs or self._trails.get(inputs[0]) is None):
            return
        written = inputs[:1] if op == "__setitem__" else _tensors(output)
        for tensor in written:
            if type(tensor) not in PLAIN or not has_gradient_dtype(tensor) or not _readable(tensor):
                continue
            value = total(tensor)
            if not value - value:
                self._trails.finite(tensor)
                continue
            found = content(tensor)
            if not found.is_finite:
                trail = self._trail(op, inputs, tensor, found, loc, arguments, keywords)
                self._trails.set(tensor, trail)

    def _trail(
        self,
        op: str,
        inputs: Sequence[Tensor],
        output: Tensor,
        found: Content,
        loc: Loc | None,
        arguments: Sequence[object],
        keywords: dict[str, Any],
    ) -> Trail:
        """Where a non-finite result comes from: from its inputs, from this op, or from the program."""
        parents = []
        for position, tensor in enumerate(inputs):
            if type(tensor) in PLAIN and has_gradient_dtype(tensor) and _is_used(op, tensor, arguments):
                if tensor is output:
                    trail = self._trails.before_writing(tensor)
                else:
                    trail = self._trail_of_input(op, tensor, position, loc)
                if trail is not None:
                    parents.append(trail)
        unintended = [trail for trail in parents if not trail.intended]
        if unintended or (parents and found is Content.INF):
            return inherit(unintended or parents, op, loc)
        numbers = list(_numbers((*arguments, *keywords.values())))
        intended = found is Content.INF and (any(map(math.isinf, numbers)) or _is_log_of_mask(op, inputs))
        source = None if intended or parents else _source(op, inputs, found, numbers)
        return begin(self._origin(op, found, loc, inputs, output, source=source, intended=intended))

    def _trail_of_input(self, op: str, tensor: Tensor, position: int, loc: Loc | None) -> Trail | None:
        """The trail of a non-finite input; it begins here where no op is known to have made it."""
        found = content(tensor)
        if found.is_finite:
            return None
        known = self._trails.get(tensor)
        if known is not None:
            return known
        leaf = id(tensor) if _is_trainable_leaf(tensor) else None
        origin = self._origin(op, found, loc, [tensor], None, source=f"input {position} of {op}", leaf=leaf)
        trail = begin(origin)
        self._trails.set(tensor, trail)
        return trail

    def _origin(
        self,
        op: str,
        found: Content,
        loc: Loc | None,
        inputs: Sequence[Tensor],
        output: Tensor | None,
        *,
        source: str | None = None,
        leaf: int | None = None,
        intended: bool = False,
    ) -> Origin:
        self._order += 1
        origin = Origin(found.value, op, loc, self._order, source=source, leaf=leaf, intended=intended)
        if len(self._looks) > 4096:
            self._looks.clear()
        self._looks[op, loc] += 1
        if self._looks[op, loc] <= _STATS_PER_LINE:
            origin.inputs = tuple(_stats_of_inputs(inputs, output))
            origin.output = value_stats("output", output) if output is not None else None
        return origin

    def loss_is_nonfinite(self, root: Tensor, nodes: Sequence[Any], backward: Loc | None, step: int) -> None:
        """Notes a backward that begins at a non-finite `root`; `nodes` are those it reaches.

        Where the op was not seen when it ran, the graph's saved tensors are searched for it.
        """
        try:
            with torch.no_grad():
                found = Content.NONZERO if why_unreadable([root]) else content(root)
                if found.is_finite:
                    return
                scalar = root.numel() == 1 and not root.is_complex()
                loss = str(root.item()) if scalar else found.value
                trail = self._trails.get(root) or begin(search(nodes, root, found, self._order))
                self._fold.add(trail, loss, backward, step)
        except Exception as error:  # noqa: BLE001  must not reach the program
            self.failures += 1
            self.faults[f"loss: {type(error).__name__}: {error}"] += 1

    def refused(self, given: Refused, step: int) -> None:
        """Notes a non-finite tensor that ended the program before a backward could see it."""
        if given.by in _BACKWARDS:
            return  # a backward that failed was told of its loss before it ran
        nodes, _ = walk([given.tensor])
        with torch.no_grad():
            trail = self._trails.get(given.tensor)
            if trail is None and nodes:
                trail = begin(search(nodes, given.tensor, given.found, self._order))
            if trail is not None:
                self._fold.add(trail, given.found.value, given.loc, step, given.by)

    def facts(self, leaf_name: Callable[[int], str] | None = None) -> tuple[NonfiniteForward, ...]:
        """The origins of every non-finite loss; a leaf that was handed in is named by `leaf_name`."""
        return self._fold.facts(leaf_name)


def _tensors(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, (tuple, list)):
        for item in output:
            yield from _tensors(item)


def _readable(tensor: Tensor) -> bool:
    """Whether its elements can be read now: not on the meta device, not while a CUDA graph is captured."""
    if tensor.is_meta or tensor.numel() == 0:
        return False
    return not (tensor.is_cuda and torch.cuda.is_current_stream_capturing())


def _is_trainable_leaf(tensor: Tensor) -> bool:
    try:
        return tensor.is_leaf and tensor.requires_grad
    except RuntimeError:
        return False  # torch refuses to say: a view that was changed under no_grad


def _is_used(op: str, tensor: Tensor, arguments: Sequence[object]) -> bool:
    """False where `where` or `masked_fill` selects every non-finite element of this input away."""
    mask = arguments[0] if op == "where" and len(arguments) == 3 else None
    if op in ("masked_fill", "masked_fill_") and len(arguments) > 1 and tensor is arguments[0]:
        mask = arguments[1]
    if not isinstance(mask, Tensor) or mask.dtype is not torch.bool:
        return True
    kept = mask if op == "where" and tensor is arguments[1] else ~mask
    return bool((kept & ~torch.isfinite(tensor)).any())


def _is_log_of_mask(op: str, inputs: Sequence[Tensor]) -> bool:
    """Whether this is the logarithm of zeros and ones: -inf where a mask is 0, as meant."""
    return op in ("log", "log2", "log10") and bool(((inputs[0] == 0) | (inputs[0] == 1)).all())


def _numbers(values: Sequence[object]) -> Iterator[float]:
    for value in values:
        if isinstance(value, float):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _numbers(value)


def _source(op: str, inputs: Sequence[Tensor], found: Content, numbers: Sequence[float]) -> str | None:
    """What the program handed in that made the result non-finite; None where the op computed it."""
    if op in _UNINITIALISED:
        return f"the uninitialised memory of {op}"
    if found is Content.NAN and any(math.isnan(number) for number in numbers):
        return f"a NaN given to {op}"
    return None if inputs else f"the data given to {op}"


def _stats_of_inputs(inputs: Sequence[Tensor], output: Tensor | None) -> Iterator[ValueStats]:
    for position, tensor in enumerate(inputs):
        if (
            tensor is not output
            and type(tensor) in PLAIN
            and (has_gradient_dtype(tensor) or tensor.dtype is torch.bool)
        ):
            yield value_stats(f"input {position}", tensor)
