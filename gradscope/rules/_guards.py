"""How an op is kept away from the values at which it or its slope is not finite, in the user's own terms."""

from __future__ import annotations

import re

from gradscope.rules._parts import argument, enclosed, method, operands, receiver

_EXP_LIMITS = {"float16": 11.0, "float64": 700.0}
_OPERAND = {
    **dict.fromkeys(("sqrt", "rsqrt", "log", "log2", "log10", "reciprocal"), "{x}.clamp_min({eps})"),
    **dict.fromkeys(
        ("acos", "arccos", "asin", "arcsin", "atanh", "arctanh", "erfinv"),
        "{x}.clamp(-1 + {near}, 1 - {near})",
    ),
    "log1p": "{x}.clamp_min(-1 + {near})",
    "acosh": "{x}.clamp_min(1 + {near})",
    "logit": "{x}.clamp({near}, 1 - {near})",
    **dict.fromkeys(("exp", "expm1", "sinh", "cosh"), "{x}.clamp_max({limit:.0f})"),
}
_FUSED = {"softmax": "log_softmax", "sigmoid": "logsigmoid"}


def guarded(expression: str, op: str, dtype: str = "float32", *, signed: bool = True) -> str | None:
    """The expression with its operand kept in range: "torch.sqrt(sq)" -> "torch.sqrt(sq.clamp_min(1e-12))".

    `signed` says that a divisor may be negative. None where the expression is not this op as written.
    """
    small, near = (
        ("1e-4", "1e-3") if dtype == "float16" else ("1e-12", "1e-2" if dtype == "bfloat16" else "1e-6")
    )
    if op in ("div", "true_divide", "pow"):
        return _binary(expression, op, small, signed=signed)
    if method(expression) != op or op not in _OPERAND:
        return None
    given = argument(expression)
    inner = given or receiver(expression)
    if inner is None:
        return None
    fused = _fused(expression, op, inner)
    if fused is not None:
        return fused
    limit = _EXP_LIMITS.get(dtype, 80.0)
    safe = _OPERAND[op].format(x=enclosed(inner), eps=small, near=near, limit=limit)
    if given is not None:
        start = expression.index(given, expression.index("("))
        return expression[:start] + safe + expression[start + len(given) :]
    return safe + expression[len(inner) :]


def _fused(expression: str, op: str, inner: str) -> str | None:
    """ "torch.log(F.softmax(x, -1))" -> "F.log_softmax(x, -1)"."""
    known = method(inner)
    if op != "log" or known not in _FUSED:
        return None
    if known == "sigmoid":
        value = argument(inner) or receiver(inner)
        return f"F.logsigmoid({value})" if value else None
    return re.sub(r"\bsoftmax\b", "log_softmax", inner, count=1)


def _binary(expression: str, op: str, small: str, *, signed: bool) -> str | None:
    parts = operands(expression)
    if parts is not None and parts[1] == {"pow": "**"}.get(op, "/"):
        left, _, right = parts
    elif method(expression) in ("div", "divide", "true_divide", "pow"):
        given = [argument(expression), argument(expression, 1)]
        if given[1] is None:
            given = [receiver(expression), given[0]]
        if given[0] is None or given[1] is None:
            return None
        left, right = enclosed(given[0]), enclosed(given[1])
    else:
        return None
    if op == "pow":
        if re.fullmatch(r"\(?[1-9]\d*(\.0*)?\)?", right):  # a whole power is finite wherever its base is
            return None
        return f"{enclosed(left)}.clamp_min({small}) ** {right}"
    safe = (
        f"torch.where({right} == 0, {small}, {right})" if signed else f"{enclosed(right)}.clamp_min({small})"
    )
    return f"{left} / {safe}"
