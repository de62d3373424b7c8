"""Why a forward op gave NaN or Inf, in words, from the statistics of what went in."""

from __future__ import annotations

from gradscope.facts import NonfiniteForward, ValueStats
from gradscope.rules._words import counted, number

_EXP_LIMITS = {"float16": 11.1, "bfloat16": 88.7, "float32": 88.7, "float64": 709.8}
_HUGE = 1e15
_LOGS = ("log", "log2", "log10")
_DIVISIONS = ("div", "true_divide", "divide", "__truediv__", "remainder", "fmod")
_EXPONENTIALS = ("exp", "expm1", "sinh", "cosh", "exp2")
_SOFTMAXES = (
    "softmax",
    "log_softmax",
    "cross_entropy",
    "scaled_dot_product_attention",
    "multi_head_attention_forward",
)
_PRODUCTS = (
    "linear",
    "matmul",
    "mm",
    "bmm",
    "addmm",
    "einsum",
    "conv1d",
    "conv2d",
    "conv3d",
    "mul",
    "sum",
    "to",
    "half",
)
_ARCS = ("acos", "asin", "arccos", "arcsin", "atanh", "erfinv")


def forward_reason(fact: NonfiniteForward) -> str:
    """The cause in words; "" where the statistics say nothing."""
    first = fact.inputs[0] if fact.inputs else None
    if fact.source is not None:
        bad = next((one for one in fact.inputs if one.nan or one.inf), None)
        return _nonfinite(bad) if bad else ""
    if first is None:
        return ""
    op = fact.op.rstrip("_") if not fact.op.startswith("__") else fact.op
    for ops, reason in _REASONS:
        if op in ops and (text := reason(fact, first)):
            return text
    if fact.kind == "inf" and (overflow := _product(fact, first)):
        return overflow
    ranges = "; ".join(_range(one) for one in fact.inputs[:3])
    return f"the values have grown too large: {ranges}" if is_overflow(fact) else ranges


def divides_by_a_count(fact: NonfiniteForward) -> bool:
    """Whether the divisor is no floating-point tensor: only such inputs have statistics."""
    return fact.op in _DIVISIONS and len(fact.inputs) == 1 and not is_overflow(fact)


def is_overflow(fact: NonfiniteForward) -> bool:
    """Whether finite inputs of a huge size went in and an Inf came out."""
    largest = [
        abs(value) for one in fact.inputs for value in (one.smallest, one.largest) if value is not None
    ]
    return fact.kind == "inf" and max(largest, default=0.0) > _HUGE


def _logarithm(fact: NonfiniteForward, first: ValueStats) -> str:
    if first.zeros:
        return f"log of 0 is -Inf: the input is 0 at {_of(first.zeros, first, first.zero_at)}"
    return f"log of a negative number is NaN: {_range(first)}" if (first.smallest or 0) < 0 else ""


def _root(fact: NonfiniteForward, first: ValueStats) -> str:
    return f"the root of a negative number is NaN: {_range(first)}" if (first.smallest or 0) < 0 else ""


def _division(fact: NonfiniteForward, first: ValueStats) -> str:
    divisor = fact.inputs[-1]
    result = "0 / 0 is NaN" if fact.kind == "nan" else "a division by 0 is Inf"
    if divides_by_a_count(fact):
        return f"{result}: the divisor, a count or a Python number, is 0"
    if not divisor.zeros:
        return ""
    return f"{result}: the divisor is 0 at {_of(divisor.zeros, divisor, divisor.zero_at)}"


def _exponential(fact: NonfiniteForward, first: ValueStats) -> str:
    limit = _EXP_LIMITS.get(first.dtype)
    if limit is None or first.largest is None:
        return ""
    return f"exp overflows {first.dtype} above {limit:g}; the largest input is {number(first.largest)}"


def _softmax(fact: NonfiniteForward, first: ValueStats) -> str:
    masked = next((one for one in fact.inputs if one.inf), None)
    if masked is not None:
        return f"a row of nothing but -Inf has no softmax (0 / 0): {_nonfinite(masked)}"
    if fact.op == "cross_entropy":
        return (
            "every target is ignored (ignore_index), or a target is out of range: a mean over nothing is NaN"
        )
    return ""


def _power(fact: NonfiniteForward, first: ValueStats) -> str:
    if (first.smallest or 0) < 0 and fact.kind == "nan":
        return f"a fractional power of a negative number is NaN: {_range(first)}"
    if first.zeros and (fact.output is None or fact.output.inf == first.zeros):
        return f"0 to a negative power is Inf: the base is 0 at {_of(first.zeros, first, first.zero_at)}"
    return _product(fact, first)


def _arc(fact: NonfiniteForward, first: ValueStats) -> str:
    return f"{fact.op} is defined from -1 to 1: {_range(first)}"


def _spread_of_one(fact: NonfiniteForward, first: ValueStats) -> str:
    return f"{fact.op} of a single element divides by n - 1 = 0 (unbiased=False, or more than one element)"


def _average(fact: NonfiniteForward, first: ValueStats) -> str:
    return "a mean over no elements is 0 / 0" if first.numel == 0 else ""


def _product(fact: NonfiniteForward, first: ValueStats) -> str:
    meeting = _zero_and_inf(fact)
    if meeting is not None:
        zero, infinite = meeting
        share = _of(zero.zeros, zero, zero.zero_at)
        return f"0 times Inf is NaN: {zero.name} is 0 at {share}, {_nonfinite(infinite)}"
    if not _is_half(fact):
        return ""
    return f"float16 ends at 65504: {'; '.join(_range(one) for one in fact.inputs[:2])}"


def _zero_and_inf(fact: NonfiniteForward) -> tuple[ValueStats, ValueStats] | None:
    """The factors whose product is NaN: one with zeros and another with infinities."""
    if fact.kind != "nan":
        return None
    return next(
        (
            (zero, infinite)
            for zero in fact.inputs
            for infinite in fact.inputs
            if zero is not infinite and zero.zeros and infinite.inf and not infinite.nan
        ),
        None,
    )


def _is_half(fact: NonfiniteForward) -> bool:
    """Whether the result is in float16, which ends early."""
    given = fact.output or next(iter(fact.inputs), None)
    return given is not None and given.dtype == "float16"


_REASONS = (
    (_LOGS, _logarithm),
    (("sqrt", "rsqrt"), _root),
    (_DIVISIONS, _division),
    (_EXPONENTIALS, _exponential),
    (_SOFTMAXES, _softmax),
    (("pow", "__pow__", "float_power"), _power),
    (_ARCS, _arc),
    (("std", "var"), _spread_of_one),
    (("mean",), _average),
    (_PRODUCTS, _product),
)


def _range(stats: ValueStats) -> str:
    if stats.numel == 0:
        return f"{stats.name} has no elements"
    if stats.smallest is None:
        return _nonfinite(stats)
    return f"{stats.name} lies between {number(stats.smallest)} and {number(stats.largest)}"


def _nonfinite(stats: ValueStats) -> str:
    kinds = " and ".join(
        f"{name} at {_of(count, stats, stats.nonfinite_at)}"
        for name, count in (("NaN", stats.nan), ("Inf", stats.inf))
        if count
    )
    return f"{stats.name} is {kinds}"


def _of(count: int, stats: ValueStats, places: tuple[str, ...]) -> str:
    if count == stats.numel:
        return "its only element" if count == 1 else f"all {stats.numel:,} places"
    listed = f" ({', '.join(places)}{', ...' if count > len(places) else ''})" if places else ""
    return f"{count:,} of {counted(stats.numel, 'place')}{listed}"


def forward_advice(fact: NonfiniteForward) -> str:
    """What to do about it, in words."""
    op = fact.op
    if is_overflow(fact):
        return "lower the learning rate, or clip: nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    if op in _LOGS:
        return "F.log_softmax / F.logsigmoid for the log of a softmax or sigmoid, torch.xlogy for x * log(y)"
    if op in _EXPONENTIALS:
        return "subtract the maximum first, or torch.logsumexp / softmax, which do"
    if op in _SOFTMAXES:
        return "leave at least one element of every row unmasked; skip batches without a target"
    if op in _DIVISIONS:
        return "handle the case where the divisor is 0 before dividing"
    if op in _PRODUCTS and _zero_and_inf(fact) is not None:
        return (
            "set the infinite factor to 0 before the product where it does not count: .masked_fill(mask, 0.0)"
        )
    if (fact.kind == "inf" or op in (*_PRODUCTS, "pow", "__pow__")) and _is_half(fact):
        return "run this op in float32 or bfloat16, or scale its inputs down"
    if op in ("std", "var"):
        return f"{op}(unbiased=False), or skip batches of one"
    return f"keep the inputs of {op} in the range where its result is finite"
