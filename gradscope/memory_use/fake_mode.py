"""Torch's mode of fake tensors, which have a shape and a dtype but no memory, made to run whole programs.

Torch's own mode stops at several things that programs do while they are built; here they work:
a schedule is read from a small tensor (`[x.item() for x in torch.linspace(0, 0.1, 12)]`), an initialisation
draws again until a value fits (`trunc_normal_`), a module is converted (`.half()`, `.to("cuda")`).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import SourceFileLoader
from types import ModuleType
from typing import Any, Final

import torch
from torch import Tensor
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._mode_utils import no_dispatch

from gradscope.memory_use import fake_rnn
from gradscope.memory_use.fake_cache import KnownOutputs
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.recorder.patches import Patches

MOST_KNOWN: Final = 1_024
"""Elements up to which a tensor that depends on no random number and no parameter keeps its values."""

MOST_WHOLE: Final = 2**17
"""The same for whole numbers: the positions of a sequence, a mask of one."""

_aten = torch.ops.aten


def _overloads(*packets: Any) -> frozenset[Any]:
    return frozenset(
        getattr(packet, name)
        for packet in packets
        for name in packet.overloads()
        if not any(argument.is_out for argument in getattr(packet, name)._schema.arguments)
    )


_COUNTING: Final = _overloads(_aten.arange, _aten.linspace, _aten.logspace)
_FILLING: Final = _overloads(_aten.zeros, _aten.ones, _aten.full, _aten.scalar_tensor)
_DEVICE: Final = torch.ops.prim.device.default
_EMBEDDING: Final = _aten.embedding.default


def _most_known(tensor: Tensor) -> int:
    return MOST_KNOWN if tensor.is_floating_point() or tensor.is_complex() else MOST_WHOLE


def _check_rows(table: Tensor, rows: Tensor) -> None:
    """A real embedding raises where a position is beyond its table; a fake one does where it is known."""
    known = getattr(rows, "constant", None)
    if known is None or not known.numel():
        return
    with no_dispatch():
        largest = int(known.max())
    if largest >= table.shape[0]:
        raise IndexError(f"row {largest} of an embedding with {table.shape[0]} rows, counted from 0")


class Fakes(FakeTensorMode):  # type: ignore[no-untyped-call]  # its __init_subclass__ is torch's own
    """Torch's mode; the values of small tensors that are made of numbers are known in it."""

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self._outputs = KnownOutputs()

    def dispatch(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an op on fake tensors."""
        if func is _DEVICE:  # two of three calls: the engine asks before and after every node
            return args[0].fake_device
        if func is _EMBEDDING:
            _check_rows(*args[:2])
        named = kwargs or {}
        found = self._outputs.key(func, args, named)
        if found is None:
            return self._new(func, types, args, named)
        known = self._outputs.output(self, *found)
        if known is not None:
            return known
        output = self._new(func, types, args, named)
        self._outputs.note(*found, output)
        return output

    def _new(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        output: Any = super().dispatch(func, types, args, kwargs)
        if type(output) is FakeTensor and self._may_be_known(output, func):
            with no_dispatch():
                values = func(*args, **kwargs)
            return self.fake_tensor_converter.from_real_tensor(self, values, make_constant=True)
        if func is fake_rnn.OP:
            return self._with_workspace(output, args)
        return output

    def _with_workspace(self, output: Any, args: Any) -> Any:
        size = fake_rnn.workspace_size(args)
        if size is None:
            return output
        with self:
            return (*output[:3], torch.empty(size, dtype=torch.uint8))

    def may_turn_const(self, t: Tensor) -> bool:
        """Whether torch keeps the values of what it computed from known ones."""
        return super().may_turn_const(t) and t.numel() <= _most_known(t)

    def _may_be_known(self, output: FakeTensor, func: Any) -> bool:
        if output.fake_device.type != "cpu" or output.numel() > _most_known(output):
            return False
        # Parameters begin as zeros or ones, and ops on known values take longer.
        is_plain = output.numel() == 1 or _most_known(output) == MOST_WHOLE
        return func in _COUNTING or (func in _FILLING and is_plain)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Fakes:
        return self  # every fake tensor holds its mode, and a copy of one is of the same mode

    def forget(self, tensor: Tensor) -> None:
        """Drops the weak references to a fake tensor that keep `Module.to` from converting it in place."""
        converter = self.fake_tensor_converter
        memo = converter.meta_converter.tensor_memo
        for key in [key for key, known in memo.items() if known is tensor]:
            del memo[key]
        values = getattr(tensor, "constant", None)
        if values is not None:
            converter.invalidate_constant_aliases(values)


@contextmanager
def fake_mode(folder: str) -> Iterator[Fakes]:
    """Everything inside it runs on fake tensors, but modules outside of `folder` are imported as ever.

    A library that makes tensors when it is imported would keep fake ones for the rest of the process.
    What was replaced in torch is put back at the end. Compiled functions run as they were written.
    """
    mode = Fakes()
    patches = Patches()
    try:
        patches.replace(fake_tensor, "CONSTANT_NUMEL_LIMIT", MOST_WHOLE)
        _let_swap(patches, mode)
        _draw_once(patches)
        _import_libraries_outside(patches, folder)
        _silence(patches)
        with ExitStack() as stack:
            stack.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # `copy.deepcopy`
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(only_new_garbage())
            stack.enter_context(mode)
            yield mode
    finally:
        patches.undo()


def _silence(patches: Patches) -> None:
    """Torch logs a traceback of what is told as an error anyway."""
    logger = logging.getLogger(fake_tensor.__name__)
    level = logger.level
    patches.finally_do(lambda: logger.setLevel(level))
    logger.setLevel(logging.CRITICAL)


def _let_swap(patches: Patches, mode: Fakes) -> None:
    def swap_tensors(first: Tensor, second: Tensor) -> None:
        mode.forget(first)
        mode.forget(second)
        original(first, second)

    original = patches.replace(torch.utils, "swap_tensors", swap_tensors)


def _draw_once(patches: Patches) -> None:
    def truncated(
        tensor: Tensor, mean: float, std: float, a: float, b: float, generator: Any = None
    ) -> Tensor:
        if not isinstance(tensor, FakeTensor):
            drawn: Tensor = original(tensor, mean, std, a, b, generator)
            return drawn
        with torch.no_grad():
            return tensor.uniform_(a, b)

    original = patches.replace(torch.nn.init, "_no_grad_trunc_normal_", truncated)


def _import_libraries_outside(patches: Patches, folder: str) -> None:
    def exec_module(loader: SourceFileLoader, module: ModuleType) -> None:
        if _is_within(loader.path, folder):
            original(loader, module)
            return
        with unset_fake_temporarily():
            original(loader, module)

    original = patches.replace(SourceFileLoader, "exec_module", exec_module)


def _is_within(path: str, folder: str) -> bool:
    below = path.removeprefix(folder.rstrip("/\\"))
    return below != path and "site-packages" not in below
