"""Products of matrices and vectors, and linear algebra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain, plain

_with_sum = Plain(broadcasts=True)

PRODUCTS: Final[Mapping[str, PlainMath]] = {
    "DotBackward0": plain(self="grad * tensor", tensor="grad * self"),
    "VdotBackward0": plain(self="grad * other", other="grad * self"),
    "MvBackward0": plain(self="outer(grad, vec)", vec="self.T @ grad"),
    "MmBackward0": plain(self="grad @ mat2.T", mat2="self.T @ grad"),
    "BmmBackward0": plain(self="grad @ mat2.mT", mat2="self.mT @ grad"),
    # with a sum: beta * self + alpha * product
    "AddmvBackward0": _with_sum(
        self="beta * grad", mat="alpha * outer(grad, vec)", vec="alpha * (mat.T @ grad)"
    ),
    "AddmmBackward0": _with_sum(
        self="beta * grad", mat1="alpha * (grad @ mat2.T)", mat2="alpha * (mat1.T @ grad)"
    ),
    "AddrBackward0": _with_sum(
        self="beta * grad", vec1="alpha * (grad @ vec2)", vec2="alpha * (grad.T @ vec1)"
    ),
    "BaddbmmBackward0": _with_sum(
        self="beta * grad", batch1="alpha * (grad @ batch2.mT)", batch2="alpha * (batch1.mT @ grad)"
    ),
    "LinalgCrossBackward0": _with_sum(
        self="linalg.cross(other, grad, dim=dim)", other="linalg.cross(grad, self, dim=dim)"
    ),
    # linear algebra
    "LinalgInvExBackward0": plain(A="-inverse.mT @ grad @ inverse.mT"),
    "LinalgDetBackward0": Plain(only="A is one invertible matrix")(A="grad * result * linalg.inv(A).T"),
    "LinalgSlogdetBackward0": Plain(only="A is one matrix")(A="grad_logabsdet * linalg.inv(A).T"),
    "LinalgSolveExBackward0": Plain(only="B is a matrix, left=True", g="linalg.solve(A.mT, grad)")(
        A="-g @ result.mT", B="g"
    ),
}
