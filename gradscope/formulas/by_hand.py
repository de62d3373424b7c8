"""Nodes that have no entry in derivatives.yaml: written by hand in torch, or made by a program. What they do.

What torch writes in Python has its class beside it, which `gradscope explain MODULE:CLASS` shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

REASONS: Final[Mapping[str, str]] = {
    "AccumulateGrad": (
        "The end of a path: a leaf (a parameter, or a tensor that was given requires_grad). It adds the "
        "gradient that arrives to the leaf's .grad, so it has no formula."
    ),
    "CopySlices": (
        "An in-place op on a view (y[0] = x, y[0].mul_(2)). It gives the gradient of the part that was "
        "written to the node of that op, and passes the rest on to what the base was before: it has no "
        "formula of its own. The op's node is the one after it."
    ),
    "CopyBackwards": (
        "copy_(): the tensor that is written into gets zeros, the source gets the gradient, converted to "
        "its dtype and device and summed over the dimensions that were broadcast. Written by hand in torch "
        "(torch/csrc/autograd/functions/tensor.cpp)."
    ),
    "GraphRoot": (
        "Where a backward begins: it hands the gradients that backward was given to the first nodes."
    ),
    "Identity": "Passes every gradient on as it is.",
    "UndefinedGrad": "Gives an undefined gradient, which is zeros that are not stored.",
    "UndefinedGradBackward": "Gives an undefined gradient, which is zeros that are not stored.",
    "Error": (
        "Raises when a backward reaches it: what its op returns is marked as having no derivative, or no "
        "second one. The message is the one that backward raises with."
    ),
    "DelayedError": "Passes its inputs on in forward; a backward that reaches what it leaves raises.",
    "NotImplemented": "An op whose derivative torch has not implemented: a backward that reaches it raises.",
    "WarnNotImplemented": (
        "An op without a derivative for this device, called through torch's fallback: a backward that "
        "reaches it warns, and passes no gradient on, which is seldom what is wanted."
    ),
    "CompiledFunctionBackward": (
        "A region of torch.compile: one node for all its ops. Its backward was compiled from their "
        "formulas, which TORCH_LOGS=aot_graphs prints. Without torch.compile the ops have nodes."
    ),
    "CheckpointFunctionBackward": (
        "A region under torch.utils.checkpoint with use_reentrant=True: its backward runs the region again, "
        "with a graph, and then that graph's backward."
    ),
    "BackwardHookFunctionBackward": (
        "Marks where a module with full backward hooks begins or ends: it passes gradients on as they are, "
        "and the hooks are called there."
    ),
    "SyncBatchNormBackward": (
        "Batch normalization with statistics over all processes: its backward adds up two sums over them."
    ),
    "BroadcastBackward": (
        "Copies of a tensor on several devices (DataParallel): backward adds their gradients."
    ),
    "GatherBackward": (
        "Outputs of several devices put together (DataParallel): backward scatters the gradient."
    ),
    "ScatterBackward": "An input split over several devices (DataParallel): backward gathers the gradients.",
    "ReduceAddCoalescedBackward": "A sum over several devices: backward copies the gradient to each.",
    "SendRpcBackward": "Distributed autograd: sends the gradient to the process that the tensor came from.",
    "RecvRpcBackward": "Distributed autograd: receives the gradient from the process the tensor was sent to.",
    "CppFunction": (
        "The Python type of nodes whose C++ type Python does not know; its name() tells which it is."
    ),
}

SOURCES: Final[Mapping[str, str]] = {
    "CheckpointFunctionBackward": "torch.utils.checkpoint:CheckpointFunction",
    "BackwardHookFunctionBackward": "torch.nn.modules._functions:BackwardHookFunction",
    "SyncBatchNormBackward": "torch.nn.modules._functions:SyncBatchNorm",
    "BroadcastBackward": "torch.nn.parallel._functions:Broadcast",
    "GatherBackward": "torch.nn.parallel._functions:Gather",
    "ScatterBackward": "torch.nn.parallel._functions:Scatter",
    "ReduceAddCoalescedBackward": "torch.nn.parallel._functions:ReduceAddCoalesced",
    "_DDPSinkBackward": "torch.nn.parallel.distributed:_DDPSink",
    "_AllReduceBackward": "torch.distributed.nn.functional:_AllReduce",
    "_AllGatherBackward": "torch.distributed.nn.functional:_AllGather",
    "_AlltoAllBackward": "torch.distributed.nn.functional:_AlltoAll",
    "_BroadcastBackward": "torch.distributed.nn.functional:_Broadcast",
    "_GatherBackward": "torch.distributed.nn.functional:_Gather",
    "_ReduceBackward": "torch.distributed.nn.functional:_Reduce",
    "_Reduce_ScatterBackward": "torch.distributed.nn.functional:_Reduce_Scatter",
    "_ScatterBackward": "torch.distributed.nn.functional:_Scatter",
    "RegisterPostBackwardFunctionBackward": "torch.distributed.fsdp._fully_shard._fsdp_param_group:"
    "RegisterPostBackwardFunction",
}
"""Nodes of torch's own `torch.autograd.Function`s, and where they are written."""

_OF_TORCH = "A torch.autograd.Function that torch brings: its backward is written in Python."
_CUSTOM_OP = re.compile(r"GeneratedBackwardFor_(?P<space>.+?)_(?P<name>.+)_(?P<overload>[^_]+)Backward\Z")
_CPP_FUNCTION = re.compile(r"CppNode<(?P<name>[\w:<>, ]+)>\Z")


def reason_of(node: str) -> str:
    """Why a node has no formula in derivatives.yaml, and what it does; "" for one that is not known."""
    if node in REASONS:
        return REASONS[node]
    if node in SOURCES:
        return _OF_TORCH
    if found := _CUSTOM_OP.match(node):
        # A namespace may have underscores too, so the name cannot be told apart from it.
        words = f"{found['space']}_{found['name']}"
        return (
            f"A custom op of torch.library ({words}): its backward is what register_autograd was given. "
            "Where nothing was, a backward that reaches it raises."
        )
    if found := _CPP_FUNCTION.match(node):
        return f"A torch::autograd::Function of a C++ extension: the backward of {found['name']}."
    return ""
