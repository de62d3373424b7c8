"""The cost of a step and of a recomputation, where there is no clock to ask: on fake tensors.

Costs are floating-point operations. Those of matrix products, convolutions, attention and recurrent layers
come from torch's own formulas where it has one. Moving memory costs time too: an op costs as much as the
bytes that it reads and writes, at FLOPS_FOR_BYTE each, where that is more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.checkpointing import applied
from gradscope.memory_use.products import PRODUCTS
from gradscope.memory_use.regions import Regions, RunningCall
from gradscope.recorder.memory.storages import tensors_in

FLOPS_FOR_BYTE: Final = 40
"""Operations in the time of moving one byte: some 10 to 20 on a CPU, 100 to 300 on an accelerator."""

ASSUMPTION: Final = (
    f"an op takes as long as its floating-point operations, or {FLOPS_FOR_BYTE} for each byte that it moves"
)

Formula = Callable[..., int]
_aten = torch.ops.aten
_NUMBERS: Final = {op: number for number, op in enumerate(PRODUCTS)}
_NAMES: Final = tuple(PRODUCTS.values())


@dataclass(frozen=True, slots=True)
class CallFlops:
    """What running one call of a block again would cost; `option` is the one that checkpoints it.

    `selective` is the cost where the outputs of its matrix products are kept.
    """

    block: int
    option: str
    flops: int
    selective: int


@dataclass(frozen=True, slots=True)
class StepFlops:
    """What a step costs: `plain` without checkpointing, `forward` its forward alone, and every call again."""

    plain: int
    forward: int
    calls: tuple[CallFlops, ...]

    def of(self, choices: Choices) -> int:
        """The step with the blocks checkpointed as chosen: what `step_flops` counts, without a run."""
        whole = (call for call in self.calls if choices[call.block] == call.option)
        parts = (call for call in self.calls if call.option == BLOCK and choices[call.block] == SELECTIVE)
        return self.plain + sum(call.flops for call in whole) + sum(call.selective for call in parts)


class Flops(TorchDispatchMode):
    """Adds up costs while it is entered, on real and on fake tensors: `total`, and of each product op."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.total = 0
        self.products = [0] * len(_NAMES)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        named = kwargs or {}
        output = func(*args, **named)
        if not _is_free(func):
            cost = FLOPS_FOR_BYTE * (_size(args) + _size(named.values()) + _size((output,)))
            formula = _formula(func)
            if formula is not None:
                cost = max(cost, formula(*args, **named, out_val=output))
            self.total += cost
            number = _NUMBERS.get(func)
            if number is not None:
                self.products[number] += cost
        return output


def step_flops(work: Work, blocks: Sequence[BlockModule] = (), choices: Choices = ()) -> int:
    """The cost of one step with the blocks checkpointed as chosen, recomputation included.

    The optimizer's part does not count. No gradient is left behind.
    """
    counted = Flops()
    at_end = 0

    def end() -> None:
        nonlocal at_end
        at_end = counted.total

    try:
        with applied(blocks, choices), counted:
            work.step(end=end)
    finally:
        work.zero_grad()
    return at_end


def count_flops(work: Work, blocks: Sequence[BlockModule]) -> StepFlops:
    """Everything that choices can cost, from one plain step and one forward."""
    forward, calls = _forward(work, blocks)
    return StepFlops(step_flops(work), forward, calls)


def block_flops(work: Work, blocks: Sequence[BlockModule]) -> tuple[CallFlops, ...]:
    """The cost of running each call of the blocks again, in the order in which one forward makes them.

    The modules inside blocks that can be checkpointed alone have calls of their own. A recomputation ends
    where the last tensor was saved.
    """
    return _forward(work, blocks)[1]


def _forward(work: Work, blocks: Sequence[BlockModule]) -> tuple[int, tuple[CallFlops, ...]]:
    counted = Flops()
    regions = Regions(blocks, lambda: (counted.total, tuple(counted.products)))

    def pack(tensor: Tensor) -> Tensor:
        regions.packed()
        return tensor

    with counted, regions.noted(), saved_tensors_hooks(pack, lambda tensor: tensor), work.again():
        work.forward()
    return counted.total, tuple(_call(blocks[call.block], call) for call in regions.calls)


def _call(block: BlockModule, call: RunningCall) -> CallFlops:
    if call.last is None:
        return CallFlops(call.block, call.option, 0, 0)
    flops = call.last[0] - call.begin[0]
    names = block.products or _NAMES
    kept = (
        after - before
        for name, before, after in zip(_NAMES, call.begin[1], call.last[1], strict=True)
        if name in names
    )
    return CallFlops(call.block, call.option, flops, flops - sum(kept))


_NOTHING_MOVED: Final = ("aten.empty", "aten.new_empty", "aten._unsafe_view", "prim.")
_FREE: Final[dict[Any, bool]] = {}


def _is_free(func: Any) -> bool:
    """Whether an op touches no memory: a view of its input, or memory that is not written yet."""
    known = _FREE.get(func)
    if known is None:
        schema = getattr(func, "_schema", None)
        views = schema is not None and any(
            each.alias_info is not None and not each.alias_info.is_write for each in schema.returns
        )
        name = str(getattr(func, "overloadpacket", ""))
        known = _FREE[func] = views or name.startswith(_NOTHING_MOVED)
    return known


def _size(values: Any) -> int:
    return sum(tensor.numel() * tensor.element_size() for value in values for tensor in tensors_in(value))


def _formula(func: Any) -> Formula | None:
    packet = getattr(func, "overloadpacket", None)
    found: Formula | None = _OWN.get(packet) or flop_registry.get(packet)
    return found


def _rnn(sequence: Tensor, weight: Tensor, hidden: Tensor, *_rest: Any, **_named: Any) -> int:
    """Of a layer in one direction: `weight` (gates * size, inputs) and `hidden` (gates * size, size)."""
    steps = sequence.shape[0] * sequence.shape[1]
    return 2 * steps * (weight.numel() + hidden.numel())


def _rnn_backward(*args: Any, **named: Any) -> int:
    return 2 * _rnn(*args, **named)


_OWN: Final[dict[Any, Formula]] = {
    _aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[
        _aten._scaled_dot_product_flash_attention
    ],
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        _aten._scaled_dot_product_flash_attention_backward
    ],
    _aten.mkldnn_rnn_layer: _rnn,
    _aten.mkldnn_rnn_layer_backward: _rnn_backward,
}
"""What torch's registry of formulas lacks."""
