"""Convolution, normalization, embedding, dropout, pooling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts.formulas import PlainMath
from gradscope.formulas.math.writing import Plain

_NORMALIZED = "(input - result1) * result2"  # the mean and 1 / standard deviation of forward

LAYERS: Final[Mapping[str, PlainMath]] = {
    "ConvolutionBackward0": Plain(only="stride and dilation are 1, in two dimensions, with one group")(
        input="conv_transpose2d(grad, weight, padding=padding)",
        weight="conv2d(input.transpose(0, 1), grad.transpose(0, 1), padding=padding).transpose(0, 1)",
        bias="grad.sum((0, 2, 3))",
    ),
    "NativeLayerNormBackward0": Plain(
        only="normalized_shape is the last dimension, with weight and bias",
        x_hat=_NORMALIZED,
        g="grad * weight",
        m="(g * x_hat).mean(-1, keepdim=True)",
    )(
        input="result2 * (g - g.mean(-1, keepdim=True) - x_hat * m)",
        weight="(grad * x_hat).flatten(0, -2).sum(0)",
        bias="grad.flatten(0, -2).sum(0)",
    ),
    "NativeBatchNormBackward0": Plain(
        only="training=True and the input has shape (N, C), with weight and bias",
        x_hat=_NORMALIZED,
        g="grad * weight",
        m="(g * x_hat).mean(0)",
    )(
        input="result2 * (g - g.mean(0) - x_hat * m)",
        weight="(grad * x_hat).sum(0)",
        bias="grad.sum(0)",
    ),
    "EmbeddingBackward0": Plain(only="padding_idx, scale_grad_by_freq and sparse are not used")(
        weight="zeros_like(weight).index_add(0, indices.flatten(), grad.flatten(0, -2))"
    ),
    "NativeDropoutBackward0": Plain(only="train=True")(input="grad * result1 / (1 - p)"),
    "MaxPool2DWithIndicesBackward0": Plain(
        only="the input has shape (N, C, H, W)", i="result1.flatten(2)", zeros="zeros_like(self).flatten(2)"
    )(self="zeros.scatter_add(2, i, grad.flatten(2)).view_as(self)"),
}
