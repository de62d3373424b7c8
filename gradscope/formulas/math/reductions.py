"""Sums, means, norms, extrema, and what runs along a dimension."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain, plain

_ONE_DIM = "dim is one dimension"
_GRAD = "grad if keepdim else grad.unsqueeze(dim)"
_RESULT = "result if keepdim else result.unsqueeze(dim)"
_along = Plain(only=_ONE_DIM, g=_GRAD)
_extremum = Plain(only=_ONE_DIM, g=_GRAD, hit=f"self == ({_RESULT})")(
    self="g * hit / hit.sum(dim, keepdim=True)"
)
_any_extremum = Plain(hit="self == result")(self="grad * hit / hit.sum()")
_chosen = Plain(g=_GRAD, i="indices if keepdim else indices.unsqueeze(dim)")(
    self="zeros_like(self).scatter(dim, i, g)"
)
_ordered = plain(self="zeros_like(self).scatter(dim, indices, grad)")
_running_extremum = plain(self="zeros_like(self).scatter_add(dim, indices, grad)")
_off = "self - self.mean(dim, keepdim=True)"
_freedom = "self.size(dim) - correction"

REDUCTIONS: Final[Mapping[str, PlainMath]] = {
    "SumBackward0": plain(self="grad.expand_as(self)"),
    "SumBackward1": _along(self="g.expand_as(self)"),
    "MeanBackward0": plain(self="grad.expand_as(self) / self.numel()"),
    "MeanBackward1": _along(self="g.expand_as(self) / self.size(dim)"),
    "VarBackward0": Plain(only=_ONE_DIM, g=_GRAD, off=_off, n=_freedom)(self="g * 2 * off / n"),
    "StdBackward0": Plain(only=_ONE_DIM, g=_GRAD, std=_RESULT, off=_off, n=_freedom)(
        self="g * off / (n * std)"
    ),
    "ProdBackward0": Plain(only="no element is 0")(self="grad * result / self"),
    "LogsumexpBackward0": Plain(only=_ONE_DIM, g=_GRAD, r=_RESULT)(self="g * exp(self - r)"),
    "LinalgVectorNormBackward0": Plain(only="ord=2, and dim is one dimension", g=_GRAD, r=_RESULT)(
        self="g * self / r"
    ),
    "TraceBackward0": plain(self="grad * eye(self.size(0), self.size(1))"),
    # extrema: where several elements are equal, all of one dimension share, and one index is chosen
    "AmaxBackward0": _extremum,
    "AminBackward0": _extremum,
    "MaxBackward1": _any_extremum,
    "MinBackward1": _any_extremum,
    "MedianBackward0": _any_extremum,
    "MaxBackward0": _chosen,
    "MinBackward0": _chosen,
    "MedianBackward1": _chosen,
    "ModeBackward0": _chosen,
    "KthvalueBackward0": _chosen,
    "SortBackward0": _ordered,
    "SortBackward1": _ordered,
    "TopkBackward0": _ordered,
    # along a dimension
    "CumsumBackward0": plain(self="grad.flip(dim).cumsum(dim).flip(dim)"),
    "CummaxBackward0": _running_extremum,
    "CumminBackward0": _running_extremum,
}
