"""Watches one evaluation of a function on few elements, and writes down what each element is in sympy.

The function runs on ordinary tensors, so that its branches are those of its values; every op that has a
formula carries the formulas of its operands on. Ops that only move elements are run a second time, on
their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sympy  # type: ignore[import-untyped]  # sympy has no types
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from gradscope.checker.point import Deadline
from gradscope.checker.ways.formulas import BINARY, CHOICES, LOGIC, REDUCTIONS, UNARY, number, numeric
from gradscope.facts.checks import NO_TIME

_MOST_ELEMENTS = 64
_MOST_OPS = 200
MOST_TERMS = 400
"""Symbols, numbers and operations of one formula: sympy takes seconds over longer ones, and a formula that
is used twice in every step of a loop doubles each time.
"""
_LEAVES_TORCH = frozenset({"item", "tolist", "numpy", "float", "int", "index", "array", "complex"})
_MOVES = frozenset(
    {
        *(
            "view",
            "reshape",
            "getitem",
            "select",
            "squeeze",
            "unsqueeze",
            "transpose",
            "t",
            "permute",
        ),
        *(
            "flatten",
            "unflatten",
            "expand",
            "expand_as",
            "broadcast_to",
            "narrow",
            "unbind",
            "chunk",
            "split",
        ),
        *("movedim", "roll", "flip", "repeat", "stack", "cat", "hstack", "vstack", "diagonal", "view_as"),
        *("reshape_as", "ravel", "T", "mT", "take", "index_select", "gather", "atleast_1d", "atleast_2d"),
    }
)
_SAME = frozenset(
    {
        *("clone", "contiguous", "detach", "to", "double", "float", "type", "type_as", "data", "real"),
        *("requires_grad", "alias", "cpu"),
    }
)
_NUMBERS = {"leaky_relu": "negative_slope", "elu": "alpha"}


class Unknown(Exception):
    """An op that has no formula here, or one whose operands are too many; the message says which."""


class RecordedFormula(TorchFunctionMode):
    """`failure` says why the formulas cannot be had, "" where they can; `branched`: a branch was taken."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self._deadline = deadline
        self.failure = ""
        self.branched = False
        self._ops = 0
        # Tensors are held, so that no other one gets the same id.
        self._forms: dict[int, tuple[Tensor, list[Any]]] = {}

    def name(self, tensor: Tensor, forms: Sequence[Any]) -> None:
        """Says what the elements of a tensor are, in C order."""
        if tensor.dtype is not torch.bool:
            forms = [numeric(form) for form in forms]
        if any(is_long(form) for form in forms):
            raise Unknown(f"its closed form has more than {MOST_TERMS} terms")
        self._forms[id(tensor)] = (tensor, list(forms))

    def of(self, tensor: Tensor) -> list[Any]:
        """What the elements of a tensor are: formulas, or numbers where it does not depend on the inputs."""
        known = self._known(tensor)
        if known is not None:
            return known
        if tensor.numel() > _MOST_ELEMENTS:
            raise Unknown(f"more than {_MOST_ELEMENTS} elements")
        return [number(value) for value in tensor.detach().reshape(-1).tolist()]

    def _known(self, tensor: Tensor) -> list[Any] | None:
        named = self._forms.get(id(tensor))
        if named is not None:
            return named[1]
        for other, forms in reversed(self._forms.values()):
            # A Function's output and a subclass's view are new objects over the same memory.
            same = other.data_ptr() == tensor.data_ptr() and other.shape == tensor.shape
            if same and tensor.numel() and other.stride() == tensor.stride():
                return forms
        return None

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
        before = self._before(name, args, kwargs)
        returned = func(*args, **kwargs)
        if before and not self.failure:
            try:
                self._follow(name, args, kwargs, returned)
            except Unknown as reason:
                self.failure = str(reason)
        return returned

    def _before(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
        """Whether an op touches a tensor that has formulas. One that it changes gets its numbers now."""
        tensors = [leaf for leaf in pytree.tree_leaves((args, dict(kwargs))) if isinstance(leaf, Tensor)]
        if self.failure or all(self._known(tensor) is None for tensor in tensors):
            return False
        if _is_inplace(name) and id(args[0]) not in self._forms:
            try:
                self.name(args[0], self.of(args[0]))
            except Unknown as reason:
                self.failure = str(reason)
        return True

    def _follow(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], returned: Any) -> None:
        self._ops += 1
        if self._ops > _MOST_OPS:
            raise Unknown(f"more than {_MOST_OPS} operations")
        if self._deadline.is_over:
            raise Unknown(NO_TIME)
        op = name.strip("_")
        if op == "setitem":
            raise Unknown("it assigns into a tensor")
        if op == "bool":
            self.branched = True
        if op in _LEAVES_TORCH and not isinstance(returned, Tensor):
            raise Unknown(f"the value leaves torch in {op}()")
        results = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, Tensor)]
        if not results or op.endswith("_like") or op.startswith("new_"):
            return
        if op in _MOVES:
            self._move(name, args, kwargs, returned)
        else:
            self.name(results[0], self._computed(op, args, kwargs, results[0]))

    def _computed(self, op: str, args: Sequence[Any], kwargs: Mapping[str, Any], result: Tensor) -> list[Any]:
        shape = tuple(result.shape)
        if result.numel() > _MOST_ELEMENTS:
            raise Unknown(f"more than {_MOST_ELEMENTS} elements")
        if op in _SAME:
            return self.of(args[0])
        if op in UNARY:
            extra = kwargs.get(_NUMBERS.get(op, ""), args[1] if len(args) > 1 else None)
            more = [extra] if op in _NUMBERS and extra is not None else []
            return self._each(op, UNARY[op], [args[0], *more], shape)
        if op in BINARY:
            operands = [*args, *(value for key, value in kwargs.items() if key != "alpha")]
            scale = number(kwargs.get("alpha", 1))
            return self._each(
                op, lambda a, b: BINARY[op](a, b * scale if "alpha" in kwargs else b), operands, shape
            )
        if op in CHOICES:
            named = list(kwargs.values())
            if op in ("clamp", "clip"):  # "max" may be given alone
                named = [kwargs.get(key) for key in ("min", "max")[len(args) - 1 :]]
            return self._each(op, CHOICES[op], [*args, *named], shape)
        if op in REDUCTIONS:
            return self._reduce(REDUCTIONS[op], args, kwargs, result)
        if op in ("matmul", "mm", "mv", "dot", "inner"):
            return self._multiply(args[0], args[1])
        raise Unknown(f"{op} has no formula here")

    def _each(
        self, op: str, formula: Callable[..., Any], operands: Sequence[Any], shape: tuple[int, ...]
    ) -> list[Any]:
        columns = [self._spread(operand, shape) for operand in operands]
        kept = len(columns) if op in LOGIC else 1 if op == "where" else 0  # conditions, and meant as such
        columns[kept:] = [[numeric(form) for form in column] for column in columns[kept:]]
        return [formula(*row) for row in zip(*columns, strict=True)]

    def _spread(self, operand: Any, shape: tuple[int, ...]) -> list[Any]:
        """One operand's formulas, broadcast to a shape."""
        count = 1
        for size in shape:
            count *= size
        if operand is None:
            return [None] * count
        if isinstance(operand, bool | int | float):
            return [number(operand)] * count
        if not isinstance(operand, Tensor):
            raise Unknown(f"an operand is of type {type(operand).__name__}")
        forms = self.of(operand)
        places = torch.arange(len(forms)).reshape(operand.shape).broadcast_to(shape)
        return [forms[place] for place in places.reshape(-1).tolist()]

    def _move(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], returned: Any) -> None:
        """Runs an op that only moves elements on their numbers, and names its results by them."""
        forms: list[Any] = []

        def numbered(value: Any) -> Any:
            if not isinstance(value, Tensor) or not (value.is_floating_point() or id(value) in self._forms):
                return value
            mine = self.of(value)
            forms.extend(mine)
            return torch.arange(len(forms) - len(mine), len(forms)).reshape(value.shape)

        moved_args, moved_kwargs = pytree.tree_map(numbered, (tuple(args), dict(kwargs)))
        moved = _moving(name)(*moved_args, **moved_kwargs)
        results = [leaf for leaf in pytree.tree_leaves(returned) if isinstance(leaf, Tensor)]
        for result, places in zip(results, pytree.tree_leaves(moved), strict=True):
            self.name(result, [forms[place] for place in places.reshape(-1).tolist()])

    def _reduce(
        self,
        formula: Callable[[Sequence[Any]], Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        result: Tensor,
    ) -> list[Any]:
        operand: Tensor = args[0]
        forms = [numeric(form) for form in self.of(operand)]
        given = kwargs.get("dim", args[1] if len(args) > 1 else None)
        places = torch.arange(len(forms)).reshape(operand.shape)
        if given is not None and operand.dim():
            dims = [given] if isinstance(given, int) else list(given) or list(range(operand.dim()))
            places = places.movedim(dims, list(range(-len(dims), 0)))
        rows = places.reshape(result.numel(), -1).tolist()
        return [formula([forms[place] for place in row]) for row in rows]

    def _multiply(self, left: Tensor, right: Tensor) -> list[Any]:
        if left.dim() > 2 or right.dim() > 2:
            raise Unknown("matmul of more than two dimensions has no formula here")
        a, b = self.of(left), self.of(right)
        shared = left.shape[-1]
        columns = right.shape[1] if right.dim() == 2 else 1
        return [
            sympy.Add(*(a[row * shared + k] * b[k * columns + column] for k in range(shared)))
            for row in range(len(a) // shared)
            for column in range(columns)
        ]


def is_long(form: Any) -> bool:
    """Whether a formula has more than `MOST_TERMS` terms; looks at no more of them."""
    left = [form]
    for _ in range(MOST_TERMS):
        if not left:
            return False
        left.extend(left.pop().args)
    return bool(left)


def _is_inplace(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _moving(name: str) -> Callable[..., Any]:
    """The op by its name: a property of a tensor, a method of it, or a function of torch."""
    if name in ("T", "mT"):
        return lambda tensor: getattr(tensor, name)
    found = getattr(Tensor, name, None) or getattr(torch, name, None)
    if found is None:
        raise Unknown(f"{name} has no formula here")
    return found  # type: ignore[no-any-return]  # looked up by name
