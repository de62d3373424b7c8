"""What a tensor contains: whether it is finite or all zero, and its statistics when that matters.

A sum tells both at the price of one read: it is not finite when an element is not, and it is not zero
unless all elements are, or cancel. Only a sum that raises a doubt is followed by an exact look.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import ValueStats
from gradscope.folds.visits import Content

PLAIN = (Tensor, torch.nn.Parameter)
_PLACES = 4
_SMALL_FLOATS = frozenset(
    getattr(torch, name)
    for name in ("float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu")
    if hasattr(torch, name)
)


def is_freed(tensor: Tensor) -> bool:
    """Whether a tensor gave its memory back and lives on, as FSDP has it: reading it would crash."""
    if tensor.layout is not torch.strided or type(tensor) not in PLAIN or tensor.is_meta:
        return False
    return tensor.numel() > 0 and tensor.untyped_storage().nbytes() == 0


def total(tensor: Tensor) -> Any:
    """The sum of all elements as a Python number.

    One-dimensional tensors of a few elements are summed in Python, which is several times faster.
    """
    dims = tensor.dim()
    if tensor.layout is not torch.strided or tensor.dtype in _SMALL_FLOATS:
        return elements(tensor).sum().item()
    if dims == 1 and tensor.numel() <= 32:
        return sum(tensor.tolist())
    return tensor.sum().item() if dims else tensor.item()


def doubtful(tensor: Tensor) -> bool:
    """True where a tensor's sum is not finite or is exactly 0: look at it with `content`."""
    value = total(tensor)
    return not value or bool(value - value)


def elements(tensor: Tensor) -> Tensor:
    """The stored elements as a strided tensor that every reduction accepts, without a graph.

    Sparse tensors give their coalesced values, 8-bit floats become float32.
    """
    plain = tensor.detach()
    if plain.layout is torch.sparse_coo:
        plain = plain.coalesce().values()
    elif plain.layout is not torch.strided:
        plain = plain.to_dense()
    return plain.to(torch.float32) if plain.dtype in _SMALL_FLOATS else plain


def content(tensor: Tensor) -> Content:
    """Exactly what a tensor contains; an empty one counts as `NONZERO`."""
    if tensor.numel() == 0:
        return Content.NONZERO
    with torch.no_grad():
        if not tensor.dim() and type(tensor) in PLAIN:
            with torch._C._DisableTorchDispatch():  # a mode would be given a Python number in its place
                return _content(elements(tensor))
        return _content(elements(tensor))


def _content(stored: Tensor) -> Content:
    value = stored.sum().item() if stored.dim() else stored.item()  # 0-dim: may be a Python number's
    if not value - value:  # a finite sum has finite summands
        return Content.NONZERO if value or int(stored.count_nonzero()) else Content.ZERO
    if bool(torch.isnan(stored).any()):
        return Content.NAN
    return Content.INF if bool(torch.isinf(stored).any()) else Content.NONZERO


def first_places(mask: Tensor, most: int = _PLACES) -> tuple[str, ...]:
    """The index tuples of the first true elements, as text: "[0, 3]"."""
    flat = mask.reshape(-1)
    length, reach = flat.numel(), 1024
    while True:
        found: list[int] = flat[:reach].nonzero().reshape(-1)[:most].tolist()
        if len(found) == most or reach >= length:
            return tuple(str(list(unravelled(position, mask.shape))) for position in found)
        reach *= 16


def unravelled(position: int, shape: Sequence[int]) -> tuple[int, ...]:
    """The index of an element from its position in C order; () in a shape without dimensions."""
    index: list[int] = []
    for size in reversed(shape):
        position, remainder = divmod(position, size)
        index.append(remainder)
    return tuple(reversed(index))


@cache
def dtype_name(dtype: torch.dtype) -> str:
    """ "float32": a dtype in torch's own words, without the package's name."""
    return str(dtype).removeprefix("torch.")


def value_stats(name: str, tensor: Tensor) -> ValueStats:
    """Statistics of a floating, complex or boolean tensor. Complex extremes are those of the modulus.

    The positions of sparse tensors are those in the coalesced values.
    """
    with torch.no_grad():
        stored = elements(tensor)
        nan = torch.isnan(stored)
        inf = torch.isinf(stored)
        zero = stored == 0
        nonfinite = nan | inf
        finite = stored[~nonfinite]
        if finite.is_complex():
            finite = finite.abs()
        ordered = finite.to(torch.float32) if finite.dtype in (torch.bool, torch.float16) else finite
        smallest, largest = (v.item() for v in torch.aminmax(ordered)) if ordered.numel() else (None, None)
        return ValueStats(
            name=name,
            shape=tuple(tensor.shape),
            dtype=dtype_name(tensor.dtype),
            numel=tensor.numel(),
            zeros=int(zero.sum()) + tensor.numel() - stored.numel(),
            nan=int(nan.sum()),
            inf=int(inf.sum()),
            smallest=smallest,
            largest=largest,
            zero_at=first_places(zero),
            nonfinite_at=first_places(nonfinite),
        )


def repeated_elements(tensor: Tensor) -> int:
    """How many elements equal their neighbour after sorting along the last dimension."""
    if tensor.dim() == 0 or tensor.is_complex():
        return 0
    with torch.no_grad():
        ordered = tensor.detach().sort(dim=-1).values
        return int((ordered[..., 1:] == ordered[..., :-1]).sum())


def has_gradient_dtype(tensor: Tensor) -> bool:
    """True for floating and complex tensors."""
    return tensor.is_floating_point() or tensor.is_complex()


def why_unreadable(tensors: Sequence[Any]) -> str:
    """Why the values of these tensors cannot be read now; empty where they can.

    What is not a tensor (a `GradientEdge`) is passed over.
    """
    known = [tensor for tensor in tensors if isinstance(tensor, Tensor)]
    if any(type(tensor) not in PLAIN for tensor in known):
        return "a tensor subclass"
    if torch._C._functorch.maybe_current_level() is not None:
        return "inside torch.func"
    if any(tensor.is_meta for tensor in known):
        return "meta tensors"
    if any(tensor.is_cuda for tensor in known) and torch.cuda.is_current_stream_capturing():
        return "a CUDA graph being captured"
    compiled = sys.modules.get("torch._dynamo.compiled_autograd")
    return "compiled autograd" if getattr(compiled, "compiled_autograd_enabled", False) else ""
