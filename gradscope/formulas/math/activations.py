"""Activations, and softmax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain, plain

ACTIVATIONS: Final[Mapping[str, PlainMath]] = {
    "ReluBackward0": plain(self="grad * (result > 0)"),
    "ThresholdBackward0": plain(self="grad * (self > threshold)"),
    "LeakyReluBackward0": plain(self="where(self > 0, grad, grad * negative_slope)"),
    "PreluKernelBackward0": Plain(broadcasts=True)(
        self="where(self > 0, grad, grad * weight)", weight="where(self > 0, 0, grad * self)"
    ),
    "EluBackward0": Plain(c="input_scale")(
        self="grad * scale * where(self > 0, 1, alpha * c * exp(c * self))"
    ),
    "CeluBackward0": plain(self="grad * where(self > 0, 1, exp(self / alpha))"),
    "SigmoidBackward0": plain(self="grad * result * (1 - result)"),
    "LogSigmoidBackward0": plain(self="grad * sigmoid(-self)"),
    "SiluBackward0": Plain(s="sigmoid(self)")(self="grad * s * (1 + self * (1 - s))"),
    "GeluBackward0": Plain(
        only="approximate='none'",
        cdf="(1 + erf(self / sqrt(2))) / 2",
        pdf="exp(-self**2 / 2) / sqrt(2 * pi)",
    )(self="grad * (cdf + self * pdf)"),
    "MishBackward0": Plain(t="tanh(softplus(self))")(self="grad * (t + self * sigmoid(self) * (1 - t**2))"),
    "SoftplusBackward0": plain(self="grad * where(beta * self > threshold, 1, sigmoid(beta * self))"),
    "HardtanhBackward0": plain(self="grad * ((min_val < self) & (self < max_val))"),
    "HardsigmoidBackward0": plain(self="grad * (abs(self) < 3) / 6"),
    "HardswishBackward0": plain(self="grad * where(abs(self) < 3, self / 3 + 0.5, self >= 3)"),
    "HardshrinkBackward0": plain(self="grad * (abs(self) > lambd)"),
    "SoftshrinkBackward0": plain(self="grad * (abs(self) > lambd)"),
    "GluBackward0": Plain(a="self.chunk(2, dim)[0]", s="sigmoid(self.chunk(2, dim)[1])")(
        self="cat((grad * s, grad * a * s * (1 - s)), dim)"
    ),
    "SoftmaxBackward0": plain(self="result * (grad - (grad * result).sum(dim, keepdim=True))"),
    "LogSoftmaxBackward0": plain(self="grad - exp(result) * grad.sum(dim, keepdim=True)"),
}
