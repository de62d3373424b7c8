"""What a family is: a model class of `transformers`, its configuration cut tiny, and the inputs it takes.

Nothing is downloaded: weights are random and inputs are drawn here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

VOCABULARY = 64
BATCH = 2
LENGTH = 8

Inputs: TypeAlias = dict[str, Any]
Draw: TypeAlias = Callable[[], Inputs]

# The names that most configurations share; each takes those it knows.
SIZES: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PATCHES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


@dataclass(frozen=True)
class Family:
    """One architecture. `config` holds what is cut in its configuration, `draw` its inputs for one step."""

    model: str
    config: dict[str, Any]
    draw: Draw

    @property
    def model_class(self) -> Any:
        """The model's class, None where the installed version of `transformers` has none of this name."""
        import transformers

        return getattr(transformers, self.model, None)

    def build(self) -> torch.nn.Module:
        """The model in training mode, its weights drawn from torch's generator."""
        return self.model_class(self.model_class.config_class(**self.config)).train()


def tokens(length: int = LENGTH) -> torch.Tensor:
    return torch.randint(3, VOCABULARY, (BATCH, length))


def images(size: int = 16) -> torch.Tensor:
    return torch.randn(BATCH, 3, size, size)


def text() -> Inputs:
    """Token ids that are their own labels."""
    ids = tokens()
    return {"input_ids": ids, "labels": ids}


def classes() -> torch.Tensor:
    return torch.randint(0, 2, (BATCH,))
