"""Why an op's backward gives only zeros, in words, from its node and what it had saved."""

from __future__ import annotations

import ast

from gradscope.facts import ValueStats, ZeroedAt
from gradscope.rules._factors import LAYERS, factor_words, written_operand
from gradscope.rules._parts import argument, method, receiver
from gradscope.rules._source import expression as expression_of
from gradscope.rules._words import counted, node_words, number, quoted, stem
from gradscope.rules._written import drops, op_as_written, overwritten, shown

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
_PRODUCTS = ("Mul", *LAYERS)
_WRITES = ("CopySlices", "Copy", "Fill", "Zero", "IndexPut", "IndexFill", "IndexCopy", "Scatter")
_LOOK_UPS = ("Embedding", "EmbeddingBag")
_LOSSES = ("MseLoss", "L1Loss", "SmoothL1Loss", "HuberLoss")
_CENTRED = ("NativeLayerNorm", "NativeBatchNorm", "NativeGroupNorm", "CudnnBatchNorm", "FusedRmsNorm")


def saved(stats: tuple[ValueStats, ...], name: str) -> ValueStats | None:
    """The saved tensor of that name."""
    return next((one for one in stats if one.name == name), None)


def zero_reason(fact: ZeroedAt, expression: str = "", statement: str = "") -> str:
    """Why this node gives only zeros; `expression` is the op as written, in `statement`, "" where unknown."""
    kind, op = stem(fact.node), fact.op or node_words(fact.node)
    result = saved(fact.saved, "result")
    if fact.hook is not None:
        return f"the hook {fact.hook} makes it so"
    if _drops_all(fact, expression):
        return f"`{shown(expression) or method(expression)}` drops every element that the loss depends on"
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
    if kind in _WRITES:
        return _write_reason(op, expression, statement)
    if kind in _LOOK_UPS and (padding := _only_padding(fact)) is not None:
        where = f" of `{called}`" if (called := shown(expression)) else ""
        return f"every index{where} is the padding_idx, {padding}, whose row gets no gradient"
    return f"{op_as_written(op, expression)} passes on only zeros"


def _drops_all(fact: ZeroedAt, expression: str) -> bool:
    """Whether a dropout multiplied by a mask of zeros, be it in place."""
    return stem(fact.node) in ("Mul", "CopySlices") and not fact.factor_is_leaf and drops(expression)


def _write_reason(op: str, expression: str, statement: str) -> str:
    target, called = overwritten(expression, statement), shown(expression)
    if target:
        return f"every element of `{target}` that the loss depends on is overwritten here"
    return f"{f'`{called}`' if called else op} writes in place and passes on only zeros"


def _only_padding(fact: ZeroedAt) -> int | None:
    """The padding_idx of an embedding that looked up nothing else."""
    indices, padding = saved(fact.saved, "indices"), saved(fact.saved, "padding_idx")
    if indices is None or padding is None or padding.smallest is None:
        return None
    only = indices.smallest == indices.largest == padding.smallest
    return int(padding.smallest) if only else None


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
    if _drops_all(fact, expression):
        return "", "a smaller p: nothing is left of its input"
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
    if fact.node.endswith("Backward"):  # a torch.autograd.Function; torch's own nodes end in a number
        return "", f"check what the backward of {kind} returns"
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
    **dict.fromkeys(_WRITES, "check what is written here: the loss should depend on elements that are left"),
    **dict.fromkeys(_LOOK_UPS, "check the indices: none of them is a row that learns"),
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


def _straight_through(expression: str, op: str) -> tuple[str, str]:
    value = operand(expression, op)
    if value is None:
        return "", f"a straight-through estimator: x + ({op}(x) - x).detach()"
    if not value.isidentifier():
        short = expression.replace(value, "h", 1)
        return "", f"a straight-through estimator: h = {value}; h + ({short} - h).detach()"
    return f"{value} + ({expression} - {value}).detach()", "a straight-through estimator"
