"""Derivatives that can be infinite: the formula of a backward node, where it breaks, and the way out."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.facts import NonfiniteBirth, ValueStats
from gradscope.rules._words import counted, node_words, number, stem


@dataclass(frozen=True, slots=True)
class Derivative:
    """One node's formula. `watched` are the saved tensors that matter and `at` what is bad in them:
    "zero", "inf", "one" (an absolute value of 1), "equal" (elements that repeat), "row" (-Inf or NaN).
    """

    formula: str
    watched: tuple[str, ...]
    at: str
    meaning: str
    advice: str


_KEEP_OUT = "a torch.where after the op does not help: choose before it, torch.where(ok, x, 1.0)"
_DISTANCE = "for a length or distance, torch.linalg.vector_norm or torch.cdist: their gradient at 0 is 0"
_LOG = Derivative("grad / self", ("self",), "zero", "the slope of a logarithm is infinite at 0", "")
_ARC = Derivative("grad / sqrt(1 - self ** 2)", ("self",), "one", "its slope is infinite at -1 and 1", "")
_EXP = Derivative(
    "grad * result",
    ("result",),
    "inf",
    "exp has overflowed",
    "subtract the maximum first, or torch.logsumexp",
)
_ROW = Derivative(
    "grad * exp(self - result)",
    ("self", "result"),
    "row",
    "a row that is -Inf throughout has no softmax: -Inf - -Inf = NaN",
    "leave at least one element of every row unmasked, or mask with a large negative number instead of -inf",
)
_EIGEN = Derivative(
    "grad / (value[i] - value[j])",
    ("eigenvalues", "S", "L"),
    "equal",
    "equal eigenvalues or singular values divide by 0",
    "differentiate the values only (eigvalsh, svdvals), or add a small random diagonal to the matrix",
)
_SINGULAR = Derivative(
    "-inverse.T @ grad @ inverse.T",
    ("inverse", "A", "LU", "result"),
    "inf",
    "the matrix is singular or nearly so",
    "A + 1e-6 * torch.eye(n), or torch.linalg.lstsq",
)

DERIVATIVES: dict[str, Derivative] = {
    "Sqrt": Derivative(
        "grad / (2 * result)", ("result",), "zero", "the slope of a square root is infinite at 0", _DISTANCE
    ),
    "Rsqrt": Derivative("-grad / 2 * result ** 3", ("result",), "inf", "1 / sqrt(x) is infinite at 0", ""),
    "Log": _LOG,
    "Log2": _LOG,
    "Log10": _LOG,
    "Log1P": Derivative("grad / (self + 1)", ("self",), "one", "log1p is infinite at -1", ""),
    "Xlogy": Derivative(
        "grad * self / other", ("other",), "zero", "the slope of a logarithm is infinite at 0", ""
    ),
    "Div": Derivative(
        "grad / other, and -grad * self / other ** 2", ("other",), "zero", "it divides by 0", ""
    ),
    "Reciprocal": Derivative("-grad * result ** 2", ("result",), "inf", "it divides by 0", ""),
    "Pow": Derivative(
        "grad * exponent * self ** (exponent - 1)", ("self",), "zero", "0 to a negative power is infinite", ""
    ),
    "Hypot": Derivative(
        "grad * self / result", ("result",), "zero", "it divides by a length of 0", _DISTANCE
    ),
    "LinalgVectorNorm": Derivative(
        "grad * self / result", ("result",), "zero", "it divides by a norm of 0", ""
    ),
    "Acos": _ARC,
    "Asin": _ARC,
    "Acosh": Derivative("grad / sqrt(self ** 2 - 1)", ("self",), "one", "its slope is infinite at 1", ""),
    "Atanh": Derivative("grad / (1 - self ** 2)", ("self",), "one", "its slope is infinite at -1 and 1", ""),
    "Erfinv": Derivative(
        "grad * exp(result ** 2)", ("self",), "one", "its slope is infinite at -1 and 1", ""
    ),
    "Logit": Derivative(
        "grad / (self * (1 - self))", ("self",), "zero", "its slope is infinite at 0 and 1", ""
    ),
    "Exp": _EXP,
    "Expm1": _EXP,
    "Softmax": _ROW,
    "LogSoftmax": _ROW,
    "Logsumexp": _ROW,
    "Logaddexp": _ROW,
    "Logcumsumexp": _ROW,
    "LinalgEigh": _EIGEN,
    "LinalgEig": _EIGEN,
    "LinalgSvd": _EIGEN,
    "LinalgInvEx": _SINGULAR,
    "LinalgSolveEx": _SINGULAR,
    "LinalgSlogdet": _SINGULAR,
    "LinalgCholeskyEx": _SINGULAR,
    "Mul": Derivative(
        "grad * the other factor",
        ("other", "self"),
        "inf",
        "the other factor is infinite: 0 * Inf = NaN",
        _KEEP_OUT,
    ),
    "Mean": Derivative("grad / number of elements", (), "zero", "a mean over no elements divides by 0", ""),
    "ToCopy": Derivative(
        "grad in the other dtype",
        (),
        "inf",
        "the gradient does not fit into the dtype (float16 ends at 65504)",
        "a smaller loss scale, or bfloat16",
    ),
}

_LINEAR = frozenset(["Addmm", "Mm", "Bmm", "Mv", "Dot", "Mul", "Convolution"])  # 0 is harmless to them


def derivative(node: str) -> Derivative | None:
    """What is known of a node; None for a custom Function and for ops without a known pitfall."""
    return DERIVATIVES.get(stem(node))


def culprits(birth: NonfiniteBirth) -> list[str]:
    """The saved values that made it, in words: "result is 0 at 32 of 1,024 places ([0, 0], [1, 1], ...)"."""
    return bad_values(birth) or [
        f"{one.name} lies between {number(one.smallest)} and {number(one.largest)}"
        for one in watched(birth)
        if one.smallest is not None
    ]


def bad_values(birth: NonfiniteBirth) -> list[str]:
    """The saved values at which the formula breaks, in words; empty where there are none."""
    known = derivative(birth.node)
    suspect = "inf" if stem(birth.node) in _LINEAR else "any"
    told = [text for one in watched(birth) if (text := _bad_values(one, known.at if known else suspect))]
    return told or [text for one in birth.saved if (text := _bad_values(one, suspect))]


def _bad_values(stats: ValueStats, at: str) -> str | None:
    found = []
    if stats.nan:
        found.append(f"NaN{_share(stats.nan, stats, stats.nonfinite_at)}")
    if stats.inf:
        found.append(f"infinite{_share(stats.inf, stats, () if stats.nan else stats.nonfinite_at)}")
    if stats.zeros and at in ("zero", "any"):
        found.append(f"0{_share(stats.zeros, stats, stats.zero_at)}")
    if at == "one" and 1.0 in (abs(stats.smallest or 0.0), abs(stats.largest or 0.0)):
        found.append(f"between {number(stats.smallest)} and {number(stats.largest)}")
    if stats.repeated and at == "equal":
        found.append(f"repeated: {counted(stats.repeated, 'element')} of {stats.numel:,} equal a neighbour")
    return f"{stats.name} is {', and '.join(found)}" if found else None


def _share(count: int, stats: ValueStats, places: tuple[str, ...]) -> str:
    if stats.numel == 1:
        return ""
    if count == stats.numel:
        return f" at all {stats.numel:,} places"
    listed = ", ".join(places) + (", ..." if count > len(places) else "")
    return f" at {count:,} of {counted(stats.numel, 'place')}" + (f" ({listed})" if places else "")


def because(birth: NonfiniteBirth) -> str:
    """The cause in words, from the saved values and the formula."""
    if birth.origin == "sum":
        return "the gradients of several paths are added up here, and Inf - Inf = NaN"
    if birth.origin == "seed":
        return "the gradient that was given to backward() is already not finite"
    if birth.origin == "hook":
        return "the gradient arrives finite and leaves the tensor hooks non-finite"
    known = derivative(birth.node)
    values = "; ".join(culprits(birth))
    if is_spoiled(birth):
        meaning = "the forward value is already not finite there"
    elif known is not None and (bad_values(birth) or not known.watched):
        meaning = known.meaning
    else:
        meaning = "" if values else f"the backward of {node_words(birth.node)} makes it"
    return _sentences(values, meaning, zero_times_inf(birth))


def _sentences(*parts: str) -> str:
    told = [part for part in parts if part]
    return ". ".join(part if index == 0 else part[0].upper() + part[1:] for index, part in enumerate(told))


def watched(birth: NonfiniteBirth) -> list[ValueStats]:
    """The saved tensors that matter for this node; all of them where nothing is known of it."""
    known = derivative(birth.node)
    return [one for one in birth.saved if known is None or not known.watched or one.name in known.watched]


def is_spoiled(birth: NonfiniteBirth) -> bool:
    """Whether a saved value was not finite although the formula breaks elsewhere (at 0, at 1)."""
    known = derivative(birth.node)
    if known is not None and known.at == "row":
        return False
    breaks_at_inf = known is not None and known.at == "inf"
    return any(one.nan or (one.inf and not breaks_at_inf) for one in watched(birth))


def zero_times_inf(birth: NonfiniteBirth) -> str:
    """What turns an infinite slope into NaN: a gradient of 0 that comes in, or a later product with 0."""
    if birth.kind == "nan" and birth.incoming is not None and birth.incoming.zeros:
        share = f" at {birth.incoming.zeros:,} of {counted(birth.incoming.numel, 'place')}"
        zero = f"the incoming gradient is 0{share if birth.incoming.numel > 1 else ''}"
        return f"{zero}: 0 times {'NaN or Inf' if is_spoiled(birth) else 'an infinite slope'} is NaN"
    if birth.kind == "inf" and birth.becomes is not None:
        where = f" (line {birth.becomes.location.line})" if birth.becomes.location else ""
        return f"it is Inf at first, and NaN after {birth.becomes.op}{where}: 0 * Inf or Inf - Inf"
    return ""
