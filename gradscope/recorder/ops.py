"""What kind of call a torch function is, told once for each function.

The function mode sees everything that goes through `__torch_function__`: ops, property reads, exits to
Python and NumPy. Which ops write in place is not listed: the version counter tells. Only functions that
cannot write (compiled into torch, without a trailing underscore and without `out=`) skip that question.
"""

from __future__ import annotations

from enum import Enum, auto
from types import FunctionType
from typing import Any


class Kind(Enum):
    """How the recorder treats a call."""

    PASS = auto()  # says nothing about values: shape, device, register_hook, ...
    PURE = auto()  # an op that cannot write in place
    WRITES = auto()  # an op that may: its inputs' version counters are compared
    GET_DATA = auto()
    SET_DATA = auto()
    GET_GRAD = auto()
    REQUIRES_GRAD = auto()  # requires_grad_() and requires_grad = True
    TO_PYTHON = auto()  # item, float, int, bool, tolist
    TO_NUMPY = auto()
    FROM_PYTHON = auto()  # torch.tensor, as_tensor, full, ...
    GRAD_MODE = auto()
    GRAD_CALL = auto()  # torch.autograd.grad
    STORAGE = auto()  # the storage handed out


_PASS = frozenset(
    [
        "size",
        "dim",
        "numel",
        "nelement",
        "ndimension",
        "stride",
        "storage_offset",
        "element_size",
        "is_contiguous",
        "is_floating_point",
        "is_complex",
        "is_signed",
        "is_tensor",
        "is_storage",
        "is_pinned",
        "is_shared",
        "is_inference",
        "is_conj",
        "is_neg",
        "is_same_size",
        "is_set_to",
        "is_nonzero",
        "data_ptr",
        "get_device",
        "register_hook",
        "register_post_accumulate_grad_hook",
        "retain_grad",
        "backward",
        "type_as_",
        "empty_like",
        "zeros_like",
        "ones_like",
        "rand_like",
        "randn_like",
        "randint_like",
        "new_empty",
        "new_zeros",
        "new_ones",
        "new_empty_strided",
        "__len__",
        "__hash__",
        "__repr__",
        "__str__",
        "__format__",
        "__dir__",
        "__reduce_ex__",
        "__deepcopy__",
        "__contains__",
        "__class__",
        "has_names",
        "align_to",
        "share_memory_",
        "pin_memory",
        "record_stream",
        "dim_order",
        "names",
        "manual_seed",
        "seed",
        "initial_seed",
        "get_rng_state",
        "set_rng_state",
        "result_type",
        "can_cast",
        "promote_types",
        "equal",
        "allclose",
        "isclose",
        "numpy_T",
        "_is_view",
        "_backward_hooks",
        "__dlpack_device__",
        "_has_compatible_shallow_copy_type",
        "__cuda_array_interface__",
        "sparse_dim",
        "dense_dim",
        "is_coalesced",
        "_nnz",
        "_indices",
        "_values",
        "get_default_dtype",
        "set_default_dtype",
        "_has_torch_function",
        "__setstate__",
        "__getstate__",
        "__reduce__",
        "is_distributed",
        "_dimI",
        "_dimV",
        "qscheme",
        "q_scale",
        "q_zero_point",
        "untyped_storage_size",
    ]
)
_TO_PYTHON = frozenset(["item", "__float__", "__int__", "__index__", "__bool__", "__complex__", "tolist"])
_TO_NUMPY = frozenset(["numpy", "__array__", "__dlpack__"])
_FROM_PYTHON = frozenset(
    [
        "tensor",
        "as_tensor",
        "asarray",
        "scalar_tensor",
        "full",
        "full_like",
        "new_tensor",
        "new_full",
        "from_numpy",
        "fill_",
        "masked_fill",
        "masked_fill_",
    ]
)
_IN_PLACE_OPERATORS = frozenset(
    f"__i{name}__"
    for name in [
        "add",
        "sub",
        "mul",
        "truediv",
        "floordiv",
        "mod",
        "pow",
        "and",
        "or",
        "xor",
        "lshift",
        "rshift",
        "matmul",
    ]
) | {"__setitem__", "__delitem__"}
_PROPERTIES = {"data": Kind.GET_DATA, "grad": Kind.GET_GRAD}
_VIEW_PROPERTIES = frozenset(["T", "mT", "H", "mH", "real", "imag"])

_kinds: dict[Any, Kind] = {}


def kind_of(func: Any) -> Kind:
    """The kind of a torch function; remembered."""
    kind = _kinds.get(func)
    if kind is None:
        kind = _kinds[func] = _classify(func)
    return kind


def _classify(func: Any) -> Kind:
    name = getattr(func, "__name__", "")
    if name in ("__get__", "__set__", "__delete__"):
        return _classify_property(name, getattr(getattr(func, "__self__", None), "__name__", ""))
    if name == "_set_grad_enabled":
        return Kind.GRAD_MODE
    if name == "grad" and getattr(func, "__module__", "") == "torch.autograd":
        return Kind.GRAD_CALL
    for names, kind in (
        (_PASS, Kind.PASS),
        (_TO_PYTHON, Kind.TO_PYTHON),
        (_TO_NUMPY, Kind.TO_NUMPY),
        (_FROM_PYTHON, Kind.FROM_PYTHON),
        (("requires_grad_",), Kind.REQUIRES_GRAD),
        (("storage", "untyped_storage", "_typed_storage"), Kind.STORAGE),
    ):
        if name in names:
            return kind
    if isinstance(func, FunctionType) or name in _IN_PLACE_OPERATORS:
        return Kind.WRITES
    if name.endswith("_") and not name.endswith("__"):
        return Kind.WRITES
    return Kind.PURE


def _classify_property(access: str, name: str) -> Kind:
    if access == "__set__":
        return {"data": Kind.SET_DATA, "requires_grad": Kind.REQUIRES_GRAD}.get(name, Kind.PASS)
    if name in _VIEW_PROPERTIES:
        return Kind.PURE
    return _PROPERTIES.get(name, Kind.PASS)


def op_name(func: Any) -> str:
    """The name an engineer would use: `add`, `.T`, `relu`."""
    name: str = getattr(func, "__name__", type(func).__name__)
    if name == "__get__":
        return "." + str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name.partition(".")[0]
