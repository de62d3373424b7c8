"""Why an op's backward gives only zeros, in words, from its node and what it had saved."""

from __future__ import annotations

from gradscope.facts import ValueStats, ZeroedAt
from gradscope.rules._parts import argument, method, receiver
from gradscope.rules._words import counted, node_words, number, quoted

_FLAT = ("Round", "Sign", "Floor", "Ceil", "Trunc", "Heaviside", "FloorDivide", "Sgn")
_RECTIFIERS = ("Relu", "Threshold", "ClampMin")
_BOUNDED = ("Hardtanh", "Clamp", "ClampMax", "Hardsigmoid", "Hardswish", "Relu6")
_SELECTIONS = (
    "Where",
    "MaskedFill",
    "Index",
    "MaskedSelect",
    "MaskedScatter",
    "Gather",
    "Maximum",
    "Minimum",
)
LAYERS = ("Mm", "Addmm", "Bmm", "Baddbmm", "Mv", "Dot", "Convolution", "Addmv", "Linear")
_PRODUCTS = ("Mul", *LAYERS)
_LOSSES = ("MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
_CENTRED = ("NativeLayerNorm", "NativeBatchNorm", "NativeGroupNorm", "CudnnBatchNorm", "FusedRmsNorm")


def stem(node: str) -> str:
    """The node's name without "Backward0": "ReluBackward0" -> "Relu"."""
    return node.rpartition("::")[2].partition("Backward")[0]


def saved(stats: tuple[ValueStats, ...], name: str) -> ValueStats | None:
    """The saved tensor of that name."""
    return next((one for one in stats if one.name == name), None)


def zero_reason(fact: ZeroedAt) -> str:
    """Why this node gives only zeros."""
    kind, op = stem(fact.node), fact.op or node_words(fact.node)
    result = saved(fact.saved, "result")
    if fact.factor is not None:
        return f"it is multiplied by {quoted(fact.factor, 'a tensor')}, which is all zeros"
    if kind in _FLAT:
        return f"{op} is flat, its derivative is 0 everywhere"
    if kind in ("Softmax", "LogSoftmax"):
        return _softmax_reason(op, result)
    if kind in _RECTIFIERS:
        places = (
            f" at all {counted(result.numel, 'place')}" if result and result.zeros == result.numel else ""
        )
        return (
            f"every input of {op} is 0 or less{places}"
            if kind == "Relu"
            else f"{op} is below its limit{places}"
        )
    if kind in _BOUNDED:
        return f"every input of {op} lies outside the range in which it has a slope"
    if kind in ("Sigmoid", "Tanh"):
        extremes = f" ({number(result.smallest)} to {number(result.largest)})" if result else ""
        ends = "0 or 1" if kind == "Sigmoid" else "-1 or 1"
        return f"{op} is saturated: its result is exactly {ends}{extremes}"
    if kind in _LOSSES:
        return f"{op} compares equal values"
    if kind == "Exp":
        return "exp has underflowed to 0"
    if kind in _CENTRED:
        return f"{op} normalises over a single element, or over equal ones: its result is constant"
    if kind in _SELECTIONS:
        return f"{op} selects nothing of it"
    if kind in _PRODUCTS:
        zeros = next((one.name for one in fact.saved if one.numel and one.zeros == one.numel), None)
        return f"the other factor of {op} ({zeros}) is all zeros" if zeros else f"{op} multiplies it by zeros"
    return f"{op} passes on only zeros"


def _softmax_reason(op: str, result: ValueStats | None) -> str:
    if result is not None and (
        1 in result.shape[-1:] or result.zeros == result.numel or result.smallest == 1.0
    ):
        return f"{op} over a dimension of size 1 is a constant"
    return f"{op} is saturated: its result is exactly one-hot"


def zero_fix(fact: ZeroedAt, expression: str) -> tuple[str, str]:
    """(a replacement for the expression, or "", what to do in words); `expression` is the op as written."""
    kind = stem(fact.node)
    if fact.factor_is_leaf:
        return "", f"initialise {quoted(fact.factor, 'the factor')} with something other than 0"
    if fact.factor is not None:
        return "", f"check how {quoted(fact.factor, 'the factor')} is computed: it is 0 everywhere"
    if kind in _FLAT:
        return _straight_through(expression, kind.lower())
    if kind == "Relu":
        inner = operand(expression, "relu")
        words = "these units are dead: a smaller learning rate, another initialisation"
        return (f"F.leaky_relu({inner}, 0.01)", words) if inner else ("", f"F.leaky_relu; {words}")
    return "", _ADVICE.get(kind, "keep the input where the op has a slope, or use an op that has one there")


_ADVICE = {
    **dict.fromkeys(
        ("Softmax", "LogSoftmax"), "the dimension of the classes, or a sigmoid for a single score"
    ),
    **dict.fromkeys(
        ("Sigmoid", "Tanh"), "scale the input down (normalise it, initialise smaller), or a loss on logits"
    ),
    **dict.fromkeys(_SELECTIONS, "check the mask or index: it selects nothing that depends on these tensors"),
    **dict.fromkeys(_LOSSES, "check what is compared: both sides are the same values"),
    **dict.fromkeys(_CENTRED, "normalise over more than one element"),
}


def operand(expression: str, op: str) -> str | None:
    """What an op is applied to: "x" for "torch.relu(x)" and for "x.relu()"; None for another op."""
    if method(expression) != op:
        return None
    return argument(expression) or receiver(expression)


def _straight_through(expression: str, op: str) -> tuple[str, str]:
    value = operand(expression, op)
    if value is None:
        return "", f"a straight-through estimator: x + ({op}(x) - x).detach()"
    if not value.isidentifier():
        short = expression.replace(value, "h", 1)
        return "", f"a straight-through estimator: h = {value}; h + ({short} - h).detach()"
    return f"{value} + ({expression} - {value}).detach()", "a straight-through estimator"
