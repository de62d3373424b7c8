"""Why an op's backward gives only zeros, in words, from its node and what it had saved."""

from __future__ import annotations

import ast

from gradscope.facts import ValueStats, ZeroedAt
from gradscope.rules._parts import argument, method, receiver, source
from gradscope.rules._source import expression as expression_of
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


def zero_reason(fact: ZeroedAt, expression: str = "") -> str:
    """Why this node gives only zeros; `expression` is the op as written, "" where that is not known."""
    kind, op = stem(fact.node), fact.op or node_words(fact.node)
    result = saved(fact.saved, "result")
    if fact.hook is not None:
        return f"the hook {fact.hook} makes it so"
    if fact.factor is not None:
        return f"it is multiplied by {factor_words(fact, expression)}, which is all zeros"
    if kind in _FLAT:
        return f"{op} is flat, its derivative is 0 everywhere"
    if kind in ("Softmax", "LogSoftmax"):
        return _softmax_reason(op, result)
    if kind in _RECTIFIERS:
        places = (
            f" at all {counted(result.numel, 'place')}" if result and result.zeros == result.numel else ""
        )
        if is_margin(operand(expression, "relu")):
            return f"the margin of this loss is met{places}"
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
        name = zeros and written_operand(zeros, expression)
        return f"the other factor of {op}{f' (`{name}`)' if name else ''} is all zeros"
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
    if fact.hook is not None:
        return (
            "",
            "take the hook out, or let it pass on its gradient; if none is meant, requires_grad_(False)",
        )
    if fact.factor_is_leaf:
        return "", f"initialise {quoted(fact.factor, 'the factor')} with something other than 0"
    if fact.factor is not None:
        return "", f"check how {factor_words(fact, expression)} is computed: it is 0 everywhere"
    if kind in _FLAT:
        return _straight_through(expression, kind.lower())
    if kind == "Relu":
        inner = operand(expression, "relu")
        if is_margin(inner):
            return "", "a larger margin, or harder examples: these pairs have nothing left to teach"
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


def is_margin(text: str | None) -> bool:
    """Whether what a rectifier is applied to is a margin: "1 - y * score", "positive - negative + margin"."""
    node = expression_of(text) if text else None
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub):
        return False
    ends = [node.left, node.right]
    return any(isinstance(one, ast.Constant) or "margin" in ast.unparse(one) for one in ends)


def factor_words(fact: ZeroedAt, expression: str) -> str:
    """The zero factor as the program writes it: a leaf by its name, else by the op's own operands."""
    assert fact.factor is not None
    name = fact.factor if fact.factor_is_leaf else written_operand(fact.factor, expression)
    if name:
        return f"`{name}`"
    return "its input" if fact.factor in _FIRST and stem(fact.node) in LAYERS else "its other factor"


_FIRST = ("self", "mat1", "input", "mat", "batch1", "vec1", "tensor1")
_SECOND = ("other", "mat2", "weight", "vec", "tensor", "batch2", "vec2", "tensor2")


def written_operand(saved_name: str, text: str) -> str | None:
    """The text of an operand that autograd saved under this name: "other" of "h * mask" is "mask"."""
    if saved_name not in (*_FIRST, *_SECOND):
        return saved_name
    node = expression_of(text)
    second = saved_name in _SECOND
    if isinstance(node, ast.BinOp):
        return source(node.right if second else node.left, text)
    if not isinstance(node, ast.Call):
        return None
    in_torch = source(node.func, text).startswith(("torch.", "F.", "nn.functional."))
    operands = list(node.args)
    if not in_torch and isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
        operands.insert(0, node.func.value)
    elif not in_torch and second:
        return None  # the weight of a layer that is called
    return source(operands[second], text) if len(operands) > second else None


_METHODS = ("mul", "mul_", "matmul", "mm", "bmm", "mv", "dot", "multiply")


def _straight_through(expression: str, op: str) -> tuple[str, str]:
    value = operand(expression, op)
    if value is None:
        return "", f"a straight-through estimator: x + ({op}(x) - x).detach()"
    if not value.isidentifier():
        short = expression.replace(value, "h", 1)
        return "", f"a straight-through estimator: h = {value}; h + ({short} - h).detach()"
    return f"{value} + ({expression} - {value}).detach()", "a straight-through estimator"
