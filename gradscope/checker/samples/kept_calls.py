"""Private copies of the first few distinct calls of a function, within a limit of memory."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from gradscope.checker.point import Sample
from gradscope.facts.checks import Origin
from gradscope.finding import Location

_MOST_OF_FUNCTION = 4
_MOST_BYTES_OF_CALL = 4 << 20
_MOST_BYTES = 64 << 20
_FEWEST_ROWS = 2


@dataclass(frozen=True, slots=True)
class KeptCall:
    """`form` is what makes it distinct. `sliced` says that only some rows were kept, so that forward may
    not take it any more.
    """

    sample: Sample
    form: tuple[object, ...]
    nbytes: int
    requires_grad: bool
    sliced: bool = False


@dataclass(slots=True)
class KeptCalls:
    """The calls of one function: all are counted, a few kept. `left_out` are reasons, each once."""

    count: int = 0
    kept: list[KeptCall] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)

    def in_order(self) -> list[KeptCall]:
        """Those that need a gradient first, else as they were called."""
        return sorted(self.kept, key=lambda call: not call.requires_grad)


class Memory:
    """What all kept calls may take together, in bytes."""

    def __init__(self, most_bytes: int = _MOST_BYTES, most_bytes_of_call: int = _MOST_BYTES_OF_CALL) -> None:
        self._left = most_bytes
        self._most_of_call = most_bytes_of_call

    def keep(
        self, calls: KeptCalls, args: Sequence[Any], kwargs: Mapping[str, Any], where: Location | None
    ) -> None:
        """Keeps a copy of one more call where it is new; must be called before the function runs."""
        leaves, spec = pytree.tree_flatten((tuple(args), dict(kwargs)))
        form = tuple(map(_form, leaves))
        if any(call.form == form for call in calls.kept):
            return
        replaced = _replaceable(calls, form)
        if replaced is None and len(calls.kept) >= _MOST_OF_FUNCTION:
            return
        unlike = next((leaf for leaf in leaves if isinstance(leaf, Tensor) and not _is_copyable(leaf)), None)
        if unlike is not None:
            calls.left_out[f"an argument is a {type(unlike).__name__}"] = None
            return
        rows, said = _rows_to_keep(leaves, self._most_of_call)
        nbytes = sum(_nbytes(leaf, rows) for leaf in _unique(leaves))
        if nbytes > min(self._most_of_call, self._left):
            calls.left_out[f"its arguments take {nbytes >> 20} MiB"] = None
            return
        copies: dict[int, Tensor] = {}
        kept_args, kept_kwargs = pytree.tree_unflatten([_copy(leaf, rows, copies) for leaf in leaves], spec)
        line = f"{os.path.basename(where.path)}:{where.line}, " if where is not None else ""
        source = f"{line}call {calls.count}{said}"
        sample = Sample(kept_args, kept_kwargs, source, Origin.CAPTURED)
        needs = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves)
        self._left -= nbytes
        if replaced is not None:
            self._left += calls.kept[replaced].nbytes
            del calls.kept[replaced]
        calls.kept.append(KeptCall(sample, form, nbytes, needs, sliced=bool(said)))


def _form(leaf: Any) -> object:
    """What distinguishes an argument: of a tensor all but its elements, of a number its value."""
    if isinstance(leaf, Tensor):
        strides = leaf.stride() if leaf.layout is torch.strided else ()
        return ("tensor", tuple(leaf.shape), leaf.dtype, strides, str(leaf.device), leaf.requires_grad)
    if isinstance(leaf, bool | int | float | complex | str | bytes | None):
        return (type(leaf), leaf)
    return (type(leaf),)


def _replaceable(calls: KeptCalls, form: tuple[object, ...]) -> int | None:
    """A full list's call that is distinct only by its numbers, where the new one differs in its tensors."""
    if len(calls.kept) < _MOST_OF_FUNCTION:
        return None
    tensors = Counter(_of_tensors(call.form) for call in calls.kept)
    if _of_tensors(form) in tensors:
        return None
    doubles = [number for number, call in enumerate(calls.kept) if tensors[_of_tensors(call.form)] > 1]
    return doubles[-1] if doubles else None


def _of_tensors(form: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(each for each in form if isinstance(each, tuple) and each[0] == "tensor")


def _is_copyable(tensor: Tensor) -> bool:
    """Whether a tensor has elements of its own: no wrapper, no fake, no tensor on the meta device."""
    plain = type(tensor) in (Tensor, torch.nn.Parameter, torch.nn.Buffer)
    return plain and not tensor.is_meta and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)


def _unique(leaves: Sequence[Any]) -> list[Tensor]:
    return list({id(leaf): leaf for leaf in leaves if isinstance(leaf, Tensor)}.values())


def _rows_to_keep(leaves: Sequence[Any], most: int) -> tuple[tuple[int, int] | None, str]:
    """(size of the first dimension, how many of its rows to keep), and that in words; None for all."""
    tensors = _unique(leaves)
    whole = sum(_nbytes(each, None) for each in tensors)
    if whole <= most:
        return None, ""
    large = Counter(t.shape[0] for t in tensors if t.dim() and _nbytes(t, None) > most // 8)
    if not large:
        return None, ""
    size = large.most_common(1)[0][0]
    shared = sum(_nbytes(t, None) for t in tensors if t.dim() and t.shape[0] == size)
    rows = int(size * (most - (whole - shared)) / shared)
    if rows < _FEWEST_ROWS:
        return None, ""
    return (size, rows), f", the first {rows} of {size} rows"


def _nbytes(leaf: Tensor, rows: tuple[int, int] | None) -> int:
    if leaf.layout is not torch.strided:
        return int(leaf._nnz() * leaf.element_size() * 4)
    elements = 1
    for size, stride in zip(leaf.shape, leaf.stride(), strict=True):
        elements *= 1 if stride == 0 else size
    share = rows[1] / rows[0] if rows is not None and leaf.dim() and leaf.shape[0] == rows[0] else 1.0
    return int(elements * leaf.element_size() * share)


def _copy(leaf: Any, rows: tuple[int, int] | None, copies: dict[int, Tensor]) -> Any:
    """A copy with the same strides; the same tensor given twice stays one, an expanded one stays so."""
    if not isinstance(leaf, Tensor):
        return leaf
    known = copies.get(id(leaf))
    if known is None:
        source = leaf.detach()
        if rows is not None and leaf.dim() and leaf.shape[0] == rows[0]:
            source = source[: rows[1]]
        known = copies[id(leaf)] = _copy_of(source).requires_grad_(leaf.requires_grad)
    return known


def _copy_of(source: Tensor) -> Tensor:
    if source.layout is not torch.strided or source.is_contiguous():
        return source.clone()
    narrow = source
    for dim, stride in enumerate(source.stride()):
        if stride == 0 and source.shape[dim] > 1:
            narrow = narrow.narrow(dim, 0, 1)
    # Dense in some order of its dimensions keeps that order; gaps between elements are not copied.
    return narrow.clone(memory_format=torch.preserve_format).expand(source.shape)
