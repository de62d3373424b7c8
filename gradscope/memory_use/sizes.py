"""The batch size and the length of sequences among the inputs of a step, and other sizes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from gradscope.errors import UsageError
from gradscope.facts.memory import SweepKind
from gradscope.loader.work import Work


@dataclass(frozen=True, slots=True)
class Axis:
    """What a sweep varies: the size `current` in the dimensions that `dims` gives for a tensor."""

    current: int
    dims: Callable[[Tensor], list[int]]

    def resized(self, work: Work, size: int) -> Work:
        """The same step with inputs of another size: repeated from the start where that is larger."""

        def resize(tensor: Tensor) -> Tensor:
            new = tensor.detach()
            for dim in self.dims(tensor):
                index = torch.arange(size, device=tensor.device) % self.current
                new = new.index_select(dim, index)
            return new.requires_grad_(tensor.requires_grad)

        return replace(work, inputs=work.inputs.changed(resize))


def find_axis(work: Work, kind: SweepKind) -> Axis:
    """The batch or the sequence among a step's inputs; UsageError where there is none.

    The batch is dimension 0 and the sequence dimension 1, of tensors of token numbers (2-D, integers) and of
    features (3-D, floating-point); the other way round where the layers say `batch_first=False`.
    """
    tensors = [each for each in work.inputs.tensors() if each.dim() > 0]
    batch, sequence = (1, 0) if _is_sequence_first(work.roots, tensors) else (0, 1)
    if kind is SweepKind.BATCH:
        return _axis(tensors, kind, batch, lambda tensor: tensor.dim() > batch)
    return _axis(tensors, kind, sequence, _is_sequence)


def _axis(tensors: Sequence[Tensor], kind: SweepKind, dim: int, has: Callable[[Tensor], bool]) -> Axis:
    sizes = Counter(tensor.shape[dim] for tensor in tensors if has(tensor))
    if not sizes:
        raise UsageError(f"--sweep {kind}: no input has {_WANTED[kind]}", try_next="--sweep depth")
    current = sizes.most_common(1)[0][0]

    def dims(tensor: Tensor) -> list[int]:
        if tensor.dim() <= dim or tensor.shape[dim] != current:
            return []
        if kind is SweepKind.SEQ and not tensor.is_floating_point() and tensor.dim() > 2:
            return [each for each in range(1, tensor.dim()) if tensor.shape[each] == current]  # a mask
        return [dim]

    return Axis(current, dims)


_WANTED = {
    SweepKind.BATCH: "a batch: it is the first dimension of a tensor",
    SweepKind.SEQ: "a sequence: it is dimension 1 of 2-D integers, or of 3-D floating-point numbers",
}


def _is_sequence(tensor: Tensor) -> bool:
    is_float = tensor.is_floating_point() or tensor.is_complex()
    return tensor.dim() == (3 if is_float else 2)


def _is_sequence_first(roots: Sequence[nn.Module], tensors: Sequence[Tensor]) -> bool:
    said = {
        module.batch_first
        for root in roots
        for module in root.modules()
        if isinstance(module, nn.RNNBase | nn.MultiheadAttention)
    }
    return said == {False} and any(_is_sequence(tensor) for tensor in tensors)
