"""Frameworks that keep gradients to themselves, known by the classes of the modules that run."""

from __future__ import annotations

from torch import nn

_ENGINES = {
    "deepspeed": "inside DeepSpeed's engine: it scales the loss, reduces and partitions the gradients (ZeRO) "
    "and steps itself, so a .grad may be empty or a part, and neither steps nor zeroing are judged",
    "megatron": "inside Megatron: gradients are added up in buffers of its own (main_grad) and stepped from "
    "there, so .grad may be empty, and neither steps nor zeroing are judged",
    "torch.distributed.fsdp": "gradients that FSDP shards: each is reduced and moved from the leaf in the "
    "graph to a shard of the parameter, so a parameter may show no gradient here",
}
_SHARDED = "gradients of parameters that are DTensors: they are spread over several processes"


def unseen_framework(module: nn.Module) -> str | None:
    """What cannot be seen of the gradients of this root module, None where nothing stands in the way."""
    for kind in type(module).__mro__:
        for package, text in _ENGINES.items():
            if kind.__module__ == package or kind.__module__.startswith(f"{package}."):
                return text
    sharded = any(type(parameter).__name__ == "DTensor" for parameter in module.parameters())
    return _SHARDED if sharded else None
