"""What is timed: each workload builds a model and returns one training step as a function of nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import nn

Step: TypeAlias = Callable[[], None]


def gpt2() -> Step:
    """GPT-2 of 4 layers, width 256, 128 tokens, batch 4, AdamW."""
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 4, "n_head": 4, "n_embd": 256, "n_positions": 128, "vocab_size": 5_000}
    model = GPT2LMHeadModel(GPT2Config(bos_token_id=None, eos_token_id=None, **sizes))
    return _language_model(model, torch.randint(0, 5_000, (4, 128)))


def llama() -> Step:
    """Llama of 4 layers, width 256, 4 key-value heads, 128 tokens, batch 4, AdamW."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 5_000}
    model = LlamaForCausalLM(LlamaConfig(hidden_size=256, intermediate_size=688, **sizes))
    return _language_model(model, torch.randint(0, 5_000, (4, 128)))


def t5() -> Step:
    """T5 of 4 + 4 layers, width 256, 128 tokens, batch 4, AdamW."""
    from transformers import T5Config, T5ForConditionalGeneration

    sizes = {"d_model": 256, "d_kv": 32, "d_ff": 1024, "num_layers": 4, "num_heads": 8, "vocab_size": 5_000}
    model = T5ForConditionalGeneration(T5Config(decoder_start_token_id=0, **sizes))
    return _language_model(model, torch.randint(0, 5_000, (4, 128)))


def resnet() -> Step:
    """ResNet-18 on images of 64 x 64, batch 8, SGD with momentum."""
    from transformers import ResNetConfig, ResNetForImageClassification

    sizes = {"hidden_sizes": [64, 128, 256, 512], "depths": [2, 2, 2, 2], "num_labels": 10}
    model = ResNetForImageClassification(ResNetConfig(layer_type="basic", **sizes)).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x, y = torch.randn(8, 3, 64, 64), torch.randint(0, 10, (8,))

    def step() -> None:
        optimizer.zero_grad()
        model(pixel_values=x, labels=y).loss.backward()
        optimizer.step()

    return step


def mlp() -> Step:
    """Linear 256-512-512-10 with ReLU, batch 128, SGD."""
    model = nn.Sequential(nn.Linear(256, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(128, 256), torch.randint(0, 10, (128,))

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def small_loop() -> Step:
    """A tiny net and what surrounds a step: clipping, a schedule, a loss for the log, some NumPy."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000)
    average = 0.0

    def step() -> None:
        nonlocal average
        x = torch.randn(16, 4)
        loss = nn.functional.mse_loss(model(x), x.sum(dim=1, keepdim=True))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average = 0.99 * average + 0.01 * loss.item()
        with torch.no_grad():
            average += 0.0 * float(model(x).numpy().mean())

    return step


def tiny_ops() -> Step:
    """Ten thousand ops on eight floats, then backward: nothing but overhead."""
    start = torch.linspace(0.1, 0.8, 8, requires_grad=True)

    def step() -> None:
        start.grad = None
        x = start
        for _ in range(5_000):
            x = x * 0.9999
            x = x + 0.0001
        x.sum().backward()

    return step


def _language_model(model: nn.Module, ids: torch.Tensor) -> Step:
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()

    return step


# name -> (workload, steps timed in one repetition, the goal as a ratio to the plain step)
WORKLOADS: dict[str, tuple[Callable[[], Step], int, float]] = {
    "gpt2": (gpt2, 4, 1.3),
    "llama": (llama, 4, 1.3),
    "t5": (t5, 4, 1.3),
    "resnet": (resnet, 4, 1.3),
    "mlp": (mlp, 40, 1.3),
    "small loop": (small_loop, 100, 3.0),
    "tiny ops": (tiny_ops, 1, 3.0),
}
