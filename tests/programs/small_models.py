"""Four architectures from transformers at a size for tests: random weights, nothing downloaded."""

from __future__ import annotations

import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    T5Config,
    T5ForConditionalGeneration,
)

NAMES = ("gpt2", "resnet", "llama", "t5")


def build(name: str) -> PreTrainedModel:
    """The model of that name, in training mode."""
    if name == "gpt2":
        sizes = {"n_layer": 2, "n_head": 2, "n_embd": 32, "n_positions": 32, "vocab_size": 97}
        config = GPT2Config(bos_token_id=None, eos_token_id=None, **sizes)
        model: PreTrainedModel = GPT2LMHeadModel(config)
    elif name == "resnet":
        sizes = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 2], "num_labels": 5}
        model = ResNetForImageClassification(ResNetConfig(layer_type="basic", **sizes))
    elif name == "llama":
        sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 97}
        model = LlamaForCausalLM(LlamaConfig(hidden_size=32, intermediate_size=64, **sizes))
    elif name == "t5":
        sizes = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "vocab_size": 97}
        model = T5ForConditionalGeneration(T5Config(decoder_start_token_id=0, **sizes))
    else:
        raise SystemExit(f"no model {name!r}; there are {', '.join(NAMES)}")
    return model.train()


def samples(name: str, count: int) -> list[dict[str, torch.Tensor]]:
    """`count` training samples for that model, drawn from torch's generator."""
    if name == "resnet":
        return [
            {"pixel_values": torch.randn(3, 32, 32), "labels": torch.randint(0, 5, ())} for _ in range(count)
        ]
    ids = torch.randint(1, 97, (count, 16))
    return [{"input_ids": row, "labels": row.clone()} for row in ids]
