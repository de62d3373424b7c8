"""The content of a tensor as two numbers, so that two runs can be compared and nothing is held.

The numbers are the 2-norm and the product with random signs: whatever changes by a share of the norm
changes one of the two by about as much. They are accumulated in float64, in pieces, so that the memory that
checkpointing saves is not used here; they stay on their device until a run is over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from gradscope.folds.region_runs import TensorContent
from gradscope.recorder.stats import dtype_name, elements, is_freed
from gradscope.recorder.values import is_plain

_PIECE = 1 << 20  # elements
_SEED = 7021
_signs_of: dict[torch.device, Tensor] = {}


@contextmanager
def unseen() -> Iterator[None]:
    """Inside, ops are recorded by nobody: no mode, no autocast, no graph."""
    recording = torch.is_grad_enabled()
    with torch._C.DisableTorchFunction(), torch._C._DisableTorchDispatch(), torch._C._DisableAutocast():
        torch._C._set_grad_enabled(False)
        try:
            yield
        finally:
            torch._C._set_grad_enabled(recording)


class Contents:
    """The contents measured in one run. `settle` brings the numbers from their devices."""

    def __init__(self) -> None:
        self._pending: list[tuple[TensorContent, Tensor]] = []

    def of(self, tensor: Tensor) -> TensorContent | None:
        """The content of a tensor, None where its values cannot be read."""
        if not is_plain(tensor) or is_freed(tensor) or torch._C._functorch.maybe_current_level() is not None:
            return None
        if tensor.is_cuda and torch.cuda.is_current_stream_capturing():
            return None
        exact = not (tensor.is_floating_point() or tensor.is_complex())
        content = TensorContent(tuple(tensor.shape), dtype_name(tensor.dtype), exact)
        if tensor.numel() == 0:
            content.moments = (0.0, 0.0)
        else:
            self._pending.append((content, _moments(tensor)))
        return content

    def settle(self) -> None:
        """Fills in the moments, those of one device in one transfer."""
        by_device: dict[torch.device, list[tuple[TensorContent, Tensor]]] = {}
        for content, moments in self._pending:
            by_device.setdefault(moments.device, []).append((content, moments))
        self._pending.clear()
        for pending in by_device.values():
            rows = torch.stack([moments for _, moments in pending]).tolist()
            for (content, _), (norm, product) in zip(pending, rows, strict=True):
                content.moments = (norm, product)


def _moments(tensor: Tensor) -> Tensor:
    """The 2-norm and the product with the signs, as one tensor of two elements on the tensor's device."""
    stored = elements(tensor)
    if stored.is_complex():
        stored = torch.view_as_real(stored.resolve_conj())
    wide = torch.float32 if stored.device.type == "mps" else torch.float64
    signs = _signs(stored.device)
    norms, products = [], []
    for number, piece in enumerate(_pieces(stored)):
        read = piece if piece.dtype in (torch.float32, torch.float64) else piece.to(wide)
        norms.append(torch.linalg.vector_norm(read, dtype=wide))
        product = torch.mul(read, signs[: read.numel()]).sum(dtype=wide)
        products.append(-product if number % 2 else product)
    if len(norms) == 1:
        return torch.stack((norms[0], products[0]))
    return torch.stack((torch.linalg.vector_norm(torch.stack(norms)), torch.stack(products).sum()))


def _signs(device: torch.device) -> Tensor:
    """Ones with random signs: the same on every device and in every run."""
    signs = _signs_of.get(device)
    if signs is None:
        generator = torch.Generator().manual_seed(_SEED)
        drawn = torch.randint(0, 2, (_PIECE,), generator=generator, device="cpu")
        signs = _signs_of[device] = (2 * drawn - 1).to(device=device, dtype=torch.float32)
    return signs


def _pieces(tensor: Tensor) -> Iterator[Tensor]:
    """The elements as vectors of a bounded size; repeated ones of an expanded tensor once."""
    for dim in reversed(range(tensor.dim())):
        if tensor.stride(dim) == 0:
            tensor = tensor.select(dim, 0)
    tensor = tensor.permute(sorted(range(tensor.dim()), key=tensor.stride, reverse=True))
    if tensor.is_contiguous() or tensor.numel() <= _PIECE or tensor.dim() < 2:
        yield from torch.split(tensor.reshape(-1), _PIECE)
        return
    for part in tensor.unbind(0):
        yield from _pieces(part)
