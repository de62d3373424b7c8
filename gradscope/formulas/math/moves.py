"""What moves, picks, copies and joins elements without computing anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain, plain

_reshaped = plain(self="grad.reshape(self.shape)")
_split = plain(self="cat(grads, dim)")

MOVES: Final[Mapping[str, PlainMath]] = {
    "CloneBackward0": plain(self="grad"),
    "AliasBackward0": plain(self="grad"),
    "ToCopyBackward0": plain(self="grad.to(self.dtype)"),
    "CopyBackwards": plain(self="zeros_like(grad)", src="grad"),
    "FillBackward0": plain(self="zeros_like(grad)"),
    "ZeroBackward0": plain(self="zeros_like(grad)"),
    # the shape
    "ViewBackward0": _reshaped,
    "UnsafeViewBackward0": _reshaped,
    "SqueezeBackward0": _reshaped,
    "SqueezeBackward1": _reshaped,
    "UnsqueezeBackward0": plain(self="grad.squeeze(dim)"),
    "ExpandBackward0": plain(self="grad.sum_to_size(self.shape)"),
    # the order
    "TBackward0": plain(self="grad.t()"),
    "TransposeBackward0": plain(self="grad.transpose(dim0, dim1)"),
    "PermuteBackward0": Plain(inverse="argsort(tensor(dims)).tolist()")(self="grad.permute(inverse)"),
    "FlipBackward0": plain(self="grad.flip(dims)"),
    "RollBackward0": plain(self="grad.roll([-n for n in shifts], dims)"),
    # parts
    "SelectBackward0": plain(self="zeros_like(self).select_scatter(grad, dim, index)"),
    "SliceBackward0": plain(self="zeros_like(self).slice_scatter(grad, dim, start, end, step)"),
    "IndexBackward0": plain(self="zeros_like(self).index_put(indices, grad, accumulate=True)"),
    "IndexSelectBackward0": plain(self="zeros_like(self).index_add(dim, index, grad)"),
    "GatherBackward0": plain(self="zeros_like(self).scatter_add(dim, index, grad)"),
    "MaskedSelectBackward0": plain(self="zeros_like(self).masked_scatter(mask, grad)"),
    "DiagonalBackward0": plain(self="zeros_like(self).diagonal_scatter(grad, offset, dim1, dim2)"),
    "DiagEmbedBackward0": plain(self="grad.diagonal(offset, dim1, dim2)"),
    "TrilBackward0": plain(self="grad.tril(diagonal)"),
    "TriuBackward0": plain(self="grad.triu(diagonal)"),
    "UnbindBackward0": plain(self="stack(grads, dim)"),
    "SplitBackward0": _split,
    "SplitWithSizesBackward0": _split,
    # parts put into others
    "CatBackward0": plain(tensors="grad.split([each.size(dim) for each in tensors], dim)"),
    "StackBackward0": plain(tensors="grad.unbind(dim)"),
    "ScatterBackward0": plain(self="grad.scatter(dim, index, 0)", src="grad.gather(dim, index)"),
    "ScatterAddBackward0": plain(self="grad", src="grad.gather(dim, index)"),
    "IndexAddBackward0": plain(self="grad", source="alpha * grad.index_select(dim, index)"),
    "IndexPutBackward0": Plain(only="accumulate=False")(
        self="grad.index_put(indices, tensor(0.0))", values="grad[indices]"
    ),
    "ConstantPadNdBackward0": plain(self="constant_pad_nd(grad, [-n for n in pad])"),
}
