"""How a target is to be run: what the common options say, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradscope.folds.storages import StorageLog
    from gradscope.folds.timeline import SliceBuffer

DTYPES = {
    "float32": "float32",
    "fp32": "float32",
    "float64": "float64",
    "fp64": "float64",
    "double": "float64",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "float16": "float16",
    "fp16": "float16",
    "half": "float16",
}
"""What `--dtype` accepts, and torch's own name for it."""

AMP = {"bf16": "bfloat16", "fp16": "float16"}
"""What `--amp` accepts, and torch's own name for it."""

LOSSES = ("mean", "sum", "mse", "cross_entropy")
"""The losses that `--loss` knows by name."""


OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
"""The optimizers that `--optimizer` knows by name; momentum is SGD with momentum."""


@dataclass(frozen=True, slots=True)
class Options:
    """`inputs` are the `--input` strings in order. `dtype` and `amp` are torch's names, or None.

    `device` is as typed ("auto", "cpu", "cuda:1"). `seed` None leaves a script's generators alone; a
    module is seeded with 0 then. `steps` None is one pass of a module, and a script's own length.
    `graph_of` is the number, from 1, of the backward pass whose graph is taken down, None for none.
    `timeline` takes the slices of what happened when, `storages` the life of every storage; None where
    nobody asked. `optimizer` is one of OPTIMIZERS: a model's passes end with its step, at learning rate 0.
    """

    inputs: tuple[str, ...] = ()
    inputs_file: str | None = None
    loss: str | None = None
    device: str = "auto"
    dtype: str | None = None
    amp: str | None = None
    seed: int | None = None
    steps: int | None = None
    graph_of: int | None = None
    timeline: SliceBuffer | None = None
    storages: StorageLog | None = None
    optimizer: str | None = None
