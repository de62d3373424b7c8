"""How an op is kept away from the values at which it or its slope is not finite, in the user's own terms."""

from __future__ import annotations

import ast
import re

from gradscope.rules._parts import argument, enclosed, enclosed_operand, method, operands, receiver
from gradscope.rules._source import expression as parsed

_EXP_LIMITS = {"float16": 11.0, "float64": 700.0}
_OPERAND = {
    **dict.fromkeys(("sqrt", "rsqrt", "log", "log2", "log10", "reciprocal"), "{x}.clamp_min({eps})"),
    **dict.fromkeys(("acos", "asin", "atanh", "erfinv"), "{x}.clamp(-1 + {near}, 1 - {near})"),
    "log1p": "{x}.clamp_min(-1 + {near})",
    "acosh": "{x}.clamp_min(1 + {near})",
    "logit": "{x}.clamp({near}, 1 - {near})",
    **dict.fromkeys(("exp", "expm1", "sinh", "cosh"), "{x}.clamp_max({limit:.0f})"),
}
_ALIASES = {"arccos": "acos", "arcsin": "asin", "arctanh": "atanh", "arccosh": "acosh"}
_FUSED = {"softmax": "log_softmax", "sigmoid": "logsigmoid"}


def guarded(
    expression: str, op: str, dtype: str = "float32", *, signed: bool = True, divisor: str = ""
) -> str | None:
    """The expression with its operand kept in range: "torch.sqrt(sq)" -> "torch.sqrt(sq.clamp_min(1e-12))".

    `signed` says that a divisor may be negative, and `divisor` is its dtype where that is known: a whole
    number, such as a count, is kept at 1 or above. None where the expression is not this op as written.
    """
    small, near = (
        ("1e-4", "1e-3") if dtype == "float16" else ("1e-12", "1e-2" if dtype == "bfloat16" else "1e-6")
    )
    if op in ("div", "true_divide", "pow"):
        least = "1" if op != "pow" and re.match("u?int|bool", divisor) else small
        return _binary(expression, op, least, signed=signed)
    op = _ALIASES.get(op, op)
    written = method(expression) or ""
    if _ALIASES.get(written, written) != op or op not in _OPERAND:
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
    return _on_receiver(expression, safe)


def _on_receiver(expression: str, new: str) -> str | None:
    """A method call with another receiver: "(p / q).log()" with "r" -> "r.log()"."""
    node = parsed(expression)
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return None
    receiver_ends = node.func.value.end_col_offset or 0
    rest = expression.strip().encode()[receiver_ends:].decode()
    return new + rest[rest.index(".") :]  # past the brackets around the old one


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
        left, right = given[0], given[1]
    else:
        return None
    if op == "pow":
        if re.fullmatch(r"\(?[1-9]\d*(\.0*)?\)?", right):  # a whole power is finite wherever its base is
            return None
        return f"{enclosed(left)}.clamp_min({small}) ** {enclosed_operand(right)}"
    is_zero = f"{enclosed_operand(right)} == 0"
    safe = f"torch.where({is_zero}, {small}, {right})" if signed else f"{enclosed(right)}.clamp_min({small})"
    return f"{enclosed_operand(left)} / {safe}"
