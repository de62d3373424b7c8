"""For every node of the tables of plain mathematics: a call that leaves it, and the values to try it at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  its usual name

ATEN = torch.ops.aten


@dataclass(frozen=True)
class Case:
    """`call` gets the inputs and constants by name; `outputs` names what it returns, in order."""

    node: str
    call: Callable[..., Any]
    inputs: dict[str, Any]
    constants: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] = ("result",)


def values(*shape: int, low: float = -2.0, high: float = 2.0, seed: int = 0) -> Tensor:
    """Evenly distributed float64 values."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low


def positive(*shape: int, seed: int = 0) -> Tensor:
    return values(*shape, low=0.3, high=2.0, seed=seed)


def unit(*shape: int, seed: int = 0) -> Tensor:
    """Between 0.1 and 0.9."""
    return values(*shape, low=0.1, high=0.9, seed=seed)


X = values(4, 3)
Y = values(4, 3, seed=1)
Z = values(4, 3, seed=2)
TIED = torch.tensor(
    [[1.0, 2.0, 2.0], [0.0, 0.0, 0.0], [3.0, -1.0, 2.0], [5.0, 5.0, 1.0]], dtype=torch.float64
)
MASK = Z > 0


def of_one(name: str, value: Tensor, **constants: Any) -> Case:
    """An op of one input that torch has under its own name: "Log1PBackward0" is torch.log1p."""
    function = getattr(torch, name.removesuffix("Backward0").casefold())
    return Case(name, lambda self: function(self), {"self": value}, constants)


def elementwise() -> Iterator[Case]:
    for name in (
        "Neg",
        "Abs",
        "Exp",
        "Exp2",
        "Expm1",
        "Sin",
        "Cos",
        "Tan",
        "Atan",
        "Sinh",
        "Cosh",
        "Tanh",
        "Asinh",
    ):
        yield of_one(f"{name}Backward0", X)
    for name in ("Erf", "Erfc", "Deg2Rad", "Rad2Deg", "Sign", "Floor", "Ceil", "Round", "Trunc", "Frac"):
        yield of_one(f"{name}Backward0", X)
    for name in ("Reciprocal", "Sqrt", "Rsqrt", "Log", "Log2", "Log10", "Log1P", "Lgamma", "Digamma"):
        yield of_one(f"{name}Backward0", positive(4, 3))
    for name in ("Asin", "Acos", "Atanh", "Erfinv", "Logit"):
        yield of_one(f"{name}Backward0", unit(4, 3))
    yield of_one("AcoshBackward0", unit(4, 3) + 1.5)
    yield Case(
        "NanToNumBackward0", lambda self: self.nan_to_num(), {"self": torch.tensor([1.0, float("nan"), 2.0])}
    )
    yield Case("PowBackward0", lambda self, exponent: self**exponent, {"self": X}, {"exponent": 3})
    yield Case("PowBackward2", lambda self, exponent: self**exponent, {"exponent": X}, {"self": 2.5})
    limits = {"min": -0.5, "max": 0.7}
    yield Case("ClampBackward1", lambda self, min, max: self.clamp(min, max), {"self": X}, limits)
    yield Case("ClampMinBackward0", lambda self, min: ATEN.clamp_min(self, min), {"self": X}, {"min": 0.2})
    yield Case("ClampMaxBackward0", lambda self, max: ATEN.clamp_max(self, max), {"self": X}, {"max": 0.2})
    number = {"other": 1.7}
    for name in ("add", "sub", "mul", "div"):
        op = getattr(ATEN, name).Scalar
        yield Case(
            f"{name.title()}Backward1", lambda self, other, op=op: op(self, other), {"self": X}, number
        )
    for name in ("fmod", "remainder"):
        op = getattr(ATEN, name).Scalar
        yield Case(
            f"{name.title()}Backward0", lambda self, other, op=op: op(self, other), {"self": X}, number
        )
    yield Case(
        "RsubBackward1",
        lambda self, other, alpha: torch.rsub(self, other, alpha=alpha),
        {"self": X},
        {"other": 1.7, "alpha": 3},
    )


def pairs() -> Iterator[Case]:
    for name in ("Mul", "Div", "Hypot", "Atan2", "Logaddexp", "Maximum", "Minimum"):
        function = getattr(torch, name.casefold())
        yield Case(
            f"{name}Backward0",
            lambda self, other, function=function: function(self, other),
            {"self": X, "other": Y},
        )
    for name in ("Maximum", "Minimum"):
        function = getattr(torch, name.casefold())
        yield Case(
            f"{name}Backward0",
            lambda self, other, function=function: function(self, other),
            {"self": TIED, "other": TIED[:1].expand(4, 3).clone()},
        )
    for name in ("add", "sub", "rsub"):
        function = getattr(torch, name)
        yield Case(
            f"{name.title()}Backward0",
            lambda self, other, alpha, function=function: function(self, other, alpha=alpha),
            {"self": X, "other": Y},
            {"alpha": 3},
        )
    yield Case(
        "DivBackward2",
        lambda self, other, rounding_mode: torch.div(self, other, rounding_mode=rounding_mode),
        {"self": X, "other": Y},
        {"rounding_mode": "floor"},
    )
    for name in ("fmod", "remainder"):
        function = getattr(torch, name)
        yield Case(
            f"{name.title()}Backward1",
            lambda self, other, function=function: function(self, other),
            {"self": X, "other": Y},
        )
    base = {"self": positive(4, 3), "exponent": Y}
    yield Case("PowBackward1", lambda self, exponent: self**exponent, base)
    yield Case(
        "XlogyBackward0", lambda self, other: torch.xlogy(self, other), {"self": X, "other": positive(4, 3)}
    )
    yield Case("ClampMinBackward1", lambda self, min: ATEN.clamp_min(self, min), {"self": X, "min": Y})
    yield Case("ClampMaxBackward1", lambda self, max: ATEN.clamp_max(self, max), {"self": X, "max": Y})
    yield Case(
        "WhereBackward0",
        lambda condition, self, other: torch.where(condition, self, other),
        {"self": X, "other": Y},
        {"condition": MASK},
    )
    yield Case(
        "MaskedFillBackward0", lambda self, mask: self.masked_fill(mask, 7.0), {"self": X}, {"mask": MASK}
    )
    yield Case(
        "MaskedFillBackward1",
        lambda self, value, mask: self.masked_fill(mask, value),
        {"self": X, "value": values()},
        {"mask": MASK},
    )
    yield Case(
        "LerpBackward0",
        lambda self, end, weight: torch.lerp(self, end, weight),
        {"self": X, "end": Y},
        {"weight": 0.3},
    )
    yield Case(
        "LerpBackward1",
        lambda self, end, weight: torch.lerp(self, end, weight),
        {"self": X, "end": Y, "weight": Z},
    )
    three = {"self": X, "tensor1": Y, "tensor2": Z}
    for name in ("addcmul", "addcdiv"):
        function = getattr(torch, name)
        yield Case(
            f"{name.title()}Backward0",
            lambda self, tensor1, tensor2, value, function=function: function(
                self, tensor1, tensor2, value=value
            ),
            three,
            {"value": 1.3},
        )


def activations() -> Iterator[Case]:
    wide = values(4, 5, low=-5.0, high=5.0)
    for name in ("Relu", "Sigmoid", "Silu", "Gelu", "Mish", "Hardsigmoid", "Hardswish"):
        function = getattr(F, name.casefold())
        yield Case(f"{name}Backward0", lambda self, function=function: function(self), {"self": wide})
    yield Case("LogSigmoidBackward0", lambda self: F.logsigmoid(self), {"self": wide})
    yield Case(
        "ThresholdBackward0",
        lambda self, threshold: F.threshold(self, threshold, 9.0),
        {"self": wide},
        {"threshold": 0.4},
    )
    yield Case(
        "LeakyReluBackward0",
        lambda self, negative_slope: F.leaky_relu(self, negative_slope),
        {"self": wide},
        {"negative_slope": 0.2},
    )
    yield Case(
        "PreluKernelBackward0",
        lambda self, weight: ATEN._prelu_kernel(self, weight),
        {"self": wide, "weight": values(1, 5)},
    )
    yield Case(
        "EluBackward0",
        lambda self, alpha, scale, input_scale: ATEN.elu(self, alpha, scale, input_scale),
        {"self": wide},
        {"alpha": 1.3, "scale": 0.7, "input_scale": 0.9},
    )
    yield Case("CeluBackward0", lambda self, alpha: F.celu(self, alpha), {"self": wide}, {"alpha": 1.3})
    yield Case(
        "SoftplusBackward0",
        lambda self, beta, threshold: F.softplus(self, beta, threshold),
        {"self": wide},
        {"beta": 1.5, "threshold": 3.0},
    )
    yield Case(
        "HardtanhBackward0",
        lambda self, min_val, max_val: F.hardtanh(self, min_val, max_val),
        {"self": wide},
        {"min_val": -1.5, "max_val": 2.5},
    )
    for name in ("hardshrink", "softshrink"):
        function = getattr(F, name)
        yield Case(
            f"{name.title()}Backward0",
            lambda self, lambd, function=function: function(self, lambd),
            {"self": wide},
            {"lambd": 0.7},
        )
    yield Case("GluBackward0", lambda self, dim: F.glu(self, dim), {"self": values(4, 6)}, {"dim": 1})
    yield Case("SoftmaxBackward0", lambda self, dim: self.softmax(dim), {"self": wide}, {"dim": 1})
    yield Case("LogSoftmaxBackward0", lambda self, dim: self.log_softmax(dim), {"self": wide}, {"dim": 1})


def reductions() -> Iterator[Case]:
    one = {"self": X}
    for name in ("sum", "mean", "prod"):
        function = getattr(torch, name)
        yield Case(f"{name.title()}Backward0", lambda self, function=function: function(self), one)
    for keepdim in (False, True):
        along = {"dim": 1, "keepdim": keepdim}
        for node, name in (
            ("SumBackward1", "sum"),
            ("MeanBackward1", "mean"),
            ("LogsumexpBackward0", "logsumexp"),
            ("AmaxBackward0", "amax"),
            ("AminBackward0", "amin"),
        ):
            value = {"self": TIED} if name in ("amax", "amin") else one
            function = getattr(torch, name)
            yield Case(
                node,
                lambda self, dim, keepdim, function=function: function(self, dim, keepdim=keepdim),
                value,
                along,
            )
        for name in ("var", "std"):
            function = getattr(torch, name)
            yield Case(
                f"{name.title()}Backward0",
                lambda self, dim, correction, keepdim, function=function: function(
                    self, dim, correction=correction, keepdim=keepdim
                ),
                one,
                {**along, "correction": 1},
            )
        yield Case(
            "LinalgVectorNormBackward0",
            lambda self, dim, keepdim: torch.linalg.vector_norm(self, dim=dim, keepdim=keepdim),
            one,
            along,
        )
        for node, name in (
            ("MaxBackward0", "max"),
            ("MinBackward0", "min"),
            ("MedianBackward1", "median"),
            ("ModeBackward0", "mode"),
        ):
            function = getattr(torch, name)
            yield Case(
                node,
                lambda self, dim, keepdim, function=function: tuple(function(self, dim, keepdim=keepdim)),
                one,
                along,
                ("values", "indices"),
            )
        yield Case(
            "KthvalueBackward0",
            lambda self, dim, keepdim: tuple(torch.kthvalue(self, 2, dim, keepdim=keepdim)),
            one,
            along,
            ("values", "indices"),
        )
    for node, name in (("MaxBackward1", "max"), ("MinBackward1", "min"), ("MedianBackward0", "median")):
        function = getattr(torch, name)
        yield Case(node, lambda self, function=function: function(self), {"self": TIED})
    yield Case("TraceBackward0", lambda self: self.trace(), one)
    ordered = {"dim": 1}
    yield Case("SortBackward0", lambda self, dim: tuple(self.sort(dim)), one, ordered, ("values", "indices"))
    yield Case(
        "SortBackward1",
        lambda self, dim: tuple(torch.sort(self, dim=dim, stable=True)),
        one,
        ordered,
        ("values", "indices"),
    )
    yield Case(
        "TopkBackward0", lambda self, dim: tuple(self.topk(2, dim)), one, ordered, ("values", "indices")
    )
    yield Case("CumsumBackward0", lambda self, dim: self.cumsum(dim), one, ordered)
    for name in ("cummax", "cummin"):
        function = getattr(torch, name)
        yield Case(
            f"{name.title()}Backward0",
            lambda self, dim, function=function: tuple(function(self, dim)),
            one,
            ordered,
            ("values", "indices"),
        )


def products() -> Iterator[Case]:
    yield Case("DotBackward0", lambda self, tensor: self.dot(tensor), {"self": X[:, 0], "tensor": Y[:, 0]})
    yield Case("VdotBackward0", lambda self, other: self.vdot(other), {"self": X[:, 0], "other": Y[:, 0]})
    yield Case("MvBackward0", lambda self, vec: self.mv(vec), {"self": X, "vec": Y[0]})
    yield Case("MmBackward0", lambda self, mat2: self.mm(mat2), {"self": X, "mat2": Y.T.clone()})
    batch = {"self": values(2, 4, 3), "mat2": values(2, 3, 5, seed=1)}
    yield Case("BmmBackward0", lambda self, mat2: self.bmm(mat2), batch)
    scales = {"beta": 0.7, "alpha": 1.3}
    yield Case(
        "AddmvBackward0",
        lambda self, mat, vec, **scales: torch.addmv(self, mat, vec, **scales),
        {"self": values(1), "mat": X, "vec": Y[0]},
        scales,
    )
    yield Case(
        "AddmmBackward0",
        lambda self, mat1, mat2, **scales: torch.addmm(self, mat1, mat2, **scales),
        {"self": values(4), "mat1": X, "mat2": Y.T.clone()},
        scales,
    )
    yield Case(
        "AddrBackward0",
        lambda self, vec1, vec2, **scales: torch.addr(self, vec1, vec2, **scales),
        {"self": values(3), "vec1": X[:, 0], "vec2": Y[0]},
        scales,
    )
    yield Case(
        "BaddbmmBackward0",
        lambda self, batch1, batch2, **scales: torch.baddbmm(self, batch1, batch2, **scales),
        {"self": values(4, 5), "batch1": values(2, 4, 3), "batch2": values(2, 3, 5, seed=1)},
        scales,
    )
    yield Case(
        "LinalgCrossBackward0",
        lambda self, other, dim: torch.linalg.cross(self, other, dim=dim),
        {"self": X, "other": Y},
        {"dim": 1},
    )
    square = values(2, 3, 3) + 3 * torch.eye(3, dtype=torch.float64)
    yield Case(
        "LinalgInvExBackward0",
        lambda A: tuple(torch.linalg.inv_ex(A)),  # noqa: N803  torch's name
        {"A": square},
        outputs=("inverse", "info"),
    )
    yield Case("LinalgDetBackward0", lambda A: torch.det(A), {"A": square[0]})  # noqa: N803  torch's name
    yield Case(
        "LinalgSlogdetBackward0",
        lambda A: tuple(torch.slogdet(A))[::-1],  # noqa: N803  torch's name
        {"A": square[0]},
        outputs=("logabsdet", "sign"),
    )
    yield Case(
        "LinalgSolveExBackward0",
        lambda A, B: torch.linalg.solve(A, B),  # noqa: N803  torch's names
        {"A": square, "B": values(2, 3, 4, seed=1)},
    )


def losses() -> Iterator[Case]:
    both = {"self": X, "target": Y}
    yield Case("MseLossBackward0", lambda self, target: F.mse_loss(self, target), both)
    yield Case(
        "HuberLossBackward0",
        lambda self, target, delta: F.huber_loss(self, target, delta=delta),
        both,
        {"delta": 0.8},
    )
    yield Case(
        "SmoothL1LossBackward0",
        lambda self, target, beta: F.smooth_l1_loss(self, target, beta=beta),
        both,
        {"beta": 0.8},
    )
    yield Case(
        "SoftMarginLossBackward0",
        lambda self, target: F.soft_margin_loss(self, target),
        {"self": X},
        {"target": Y.sign()},
    )
    yield Case(
        "BinaryCrossEntropyBackward0",
        lambda self, target: F.binary_cross_entropy(self, target),
        {"self": unit(4, 3), "target": unit(4, 3, seed=1)},
    )
    yield Case(
        "BinaryCrossEntropyWithLogitsBackward0",
        lambda self, target: F.binary_cross_entropy_with_logits(self, target),
        {"self": X, "target": unit(4, 3, seed=1)},
    )
    yield Case(
        "NllLossBackward0",
        lambda self, target: F.nll_loss(self, target),
        {"self": X},
        {"target": torch.tensor([0, 2, 1, 2])},
    )


def layers() -> Iterator[Case]:
    yield Case(
        "ConvolutionBackward0",
        lambda input, weight, bias, padding: F.conv2d(input, weight, bias, padding=padding),
        {"input": values(2, 3, 6, 5), "weight": values(4, 3, 3, 2, seed=1), "bias": values(4, seed=2)},
        {"padding": (1, 0)},
    )
    yield Case(
        "NativeLayerNormBackward0",
        lambda input, weight, bias: torch.native_layer_norm(input, [3], weight, bias, 1e-5),
        {"input": values(2, 4, 3), "weight": values(3, seed=1), "bias": values(3, seed=2)},
        outputs=("result0", "result1", "result2"),
    )
    yield Case(
        "NativeBatchNormBackward0",
        lambda input, weight, bias: torch.native_batch_norm(input, weight, bias, None, None, True, 0.1, 1e-5),
        {"input": X, "weight": values(3, seed=1), "bias": values(3, seed=2)},
        outputs=("result0", "result1", "result2"),
    )
    yield Case(
        "EmbeddingBackward0",
        lambda weight, indices: F.embedding(indices, weight),
        {"weight": X},
        {"indices": torch.tensor([[1, 1, 0], [3, 1, 0]])},
    )
    yield Case(
        "NativeDropoutBackward0",
        lambda input, p: torch.native_dropout(input, p, True),
        {"input": X},
        {"p": 0.4},
        ("result0", "result1"),
    )
    yield Case(
        "MaxPool2DWithIndicesBackward0",
        lambda self: F.max_pool2d_with_indices(self, 3, 1),
        {"self": values(2, 3, 6, 5)},
        outputs=("result0", "result1"),
    )


def moves() -> Iterator[Case]:
    one = {"self": X}
    yield Case("CloneBackward0", lambda self: self.clone(), one)
    yield Case("AliasBackward0", lambda self: ATEN.alias(self), one)
    yield Case("ToCopyBackward0", lambda self: self.float(), one)
    yield Case("CopyBackwards", lambda self, src: (self * 1).copy_(src), {"self": X, "src": Y})
    yield Case("FillBackward0", lambda self: ATEN.fill(self, 2.0), one)
    yield Case("ZeroBackward0", lambda self: (self * 1).zero_(), one)
    yield Case("ViewBackward0", lambda self: self.view(2, 6), one)
    yield Case("UnsafeViewBackward0", lambda self: ATEN._unsafe_view(self, [2, 6]), one)
    yield Case("SqueezeBackward0", lambda self: self.squeeze(), {"self": values(4, 1, 3, 1)})
    yield Case("SqueezeBackward1", lambda self: self.squeeze(1), {"self": values(4, 1, 3, 1)})
    yield Case("UnsqueezeBackward0", lambda self, dim: self.unsqueeze(dim), one, {"dim": 1})
    yield Case("ExpandBackward0", lambda self: self.expand(4, 3), {"self": values(4, 1)})
    yield Case("TBackward0", lambda self: self.t(), one)
    two = {"dim0": 0, "dim1": 2}
    cube = {"self": values(2, 3, 4)}
    yield Case("TransposeBackward0", lambda self, dim0, dim1: self.transpose(dim0, dim1), cube, two)
    yield Case("PermuteBackward0", lambda self, dims: self.permute(dims), cube, {"dims": (2, 0, 1)})
    yield Case("FlipBackward0", lambda self, dims: self.flip(dims), cube, {"dims": (0, 2)})
    yield Case(
        "RollBackward0",
        lambda self, shifts, dims: self.roll(shifts, dims),
        cube,
        {"shifts": (1, 2), "dims": (0, 2)},
    )
    yield Case(
        "SelectBackward0", lambda self, dim, index: self.select(dim, index), cube, {"dim": 1, "index": 2}
    )
    yield Case(
        "SliceBackward0",
        lambda self, dim, start, end, step: ATEN.slice(self, dim, start, end, step),
        cube,
        {"dim": 2, "start": 0, "end": 4, "step": 2},
    )
    rows = torch.tensor([1, 1, 3])
    yield Case("IndexBackward0", lambda self, indices: self[indices], one, {"indices": (rows,)})
    yield Case(
        "IndexSelectBackward0",
        lambda self, dim, index: self.index_select(dim, index),
        one,
        {"dim": 0, "index": rows},
    )
    picked = torch.tensor([[0, 0], [2, 1], [1, 1], [2, 2]])
    yield Case(
        "GatherBackward0", lambda self, dim, index: self.gather(dim, index), one, {"dim": 1, "index": picked}
    )
    yield Case("MaskedSelectBackward0", lambda self, mask: self.masked_select(mask), one, {"mask": MASK})
    diagonal = {"offset": 1, "dim1": 0, "dim2": 1}
    yield Case(
        "DiagonalBackward0", lambda self, offset, dim1, dim2: self.diagonal(offset, dim1, dim2), one, diagonal
    )
    yield Case(
        "DiagEmbedBackward0",
        lambda self, offset, dim1, dim2: torch.diag_embed(self, offset, dim1, dim2),
        one,
        diagonal,
    )
    yield Case("TrilBackward0", lambda self, diagonal: self.tril(diagonal), one, {"diagonal": 1})
    yield Case("TriuBackward0", lambda self, diagonal: self.triu(diagonal), one, {"diagonal": 1})
    parts = ("part0", "part1", "part2")
    yield Case("UnbindBackward0", lambda self, dim: self.unbind(dim), one, {"dim": 1}, parts)
    yield Case("SplitBackward0", lambda self, dim: self.split(1, dim), one, {"dim": 1}, parts)
    yield Case(
        "SplitWithSizesBackward0", lambda self, dim: self.split([1, 2], dim), one, {"dim": 1}, parts[:2]
    )
    yield Case(
        "CatBackward0",
        lambda tensors, dim: torch.cat(tensors, dim),
        {"tensors": [X, values(4, 2, seed=1)]},
        {"dim": 1},
    )
    yield Case(
        "StackBackward0", lambda tensors, dim: torch.stack(tensors, dim), {"tensors": [X, Y]}, {"dim": 1}
    )
    places = {"dim": 1, "index": torch.tensor([[0, 2], [2, 1], [1, 0], [2, 0]])}
    both = {"self": X, "src": values(4, 2, seed=1)}
    yield Case("ScatterBackward0", lambda self, src, dim, index: self.scatter(dim, index, src), both, places)
    yield Case(
        "ScatterAddBackward0", lambda self, src, dim, index: self.scatter_add(dim, index, src), both, places
    )
    yield Case(
        "IndexAddBackward0",
        lambda self, source, dim, index, alpha: self.index_add(dim, index, source, alpha=alpha),
        {"self": X, "source": values(3, 3, seed=1)},
        {"dim": 0, "index": rows, "alpha": 1.3},
    )
    yield Case(
        "IndexPutBackward0",
        lambda self, values, indices: self.index_put(indices, values),
        {"self": X, "values": values(2, 3, seed=1)},
        {"indices": (torch.tensor([0, 3]),)},
    )
    yield Case(
        "ConstantPadNdBackward0",
        lambda self, pad: torch.constant_pad_nd(self, pad),
        one,
        {"pad": [1, 2, 0, 3]},
    )


def cases() -> list[Case]:
    """All of them; of some nodes several."""
    families = (elementwise, pairs, activations, reductions, products, losses, layers, moves)
    return [case for family in families for case in family()]
