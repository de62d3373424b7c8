"""Transformers, mixtures of experts, adapters."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.training import Residual, classify, healthy, stack, tokens, train


class Language(nn.Module):
    """A language model on nn.TransformerEncoderLayer."""

    def __init__(self, layers: int, norm_first: bool, tied: bool = False, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, width)
        self.where = nn.Parameter(torch.randn(24, width) * 0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, norm_first=norm_first, batch_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width) if norm_first else nn.Identity()
        self.head = nn.Linear(width, 50, bias=False)
        if tied:
            self.head.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.where
        mask = torch.full((24, 24), -math.inf).triu(1)
        for layer in self.layers:
            x = layer(x, src_mask=mask)
        return self.head(self.norm(x))


def language_model(model: nn.Module, steps: int = 5, clip: float | None = 1.0) -> None:
    ids = tokens()

    def loss() -> Tensor:
        return F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

    train(model, loss, steps, clip=clip)


@healthy
def pre_norm_transformer_12() -> None:
    language_model(Language(12, True))


@healthy
def pre_norm_transformer_24() -> None:
    language_model(Language(24, True))


@healthy
def post_norm_transformer_6() -> None:
    language_model(Language(6, False))


@healthy
def post_norm_transformer_12() -> None:
    language_model(Language(12, False))


@healthy
def post_norm_transformer_24() -> None:
    language_model(Language(24, False))


@healthy
def tied_embeddings() -> None:
    language_model(Language(8, True, tied=True))


@healthy
def vision_transformer() -> None:
    layers = stack(
        12, lambda _: nn.TransformerEncoderLayer(32, 4, 64, 0.0, norm_first=True, batch_first=True)
    )
    patches = nn.Sequential(nn.Conv2d(3, 32, 4, 4), nn.Flatten(2))

    class ViT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patches, self.layers, self.head = patches, nn.Sequential(*layers), nn.Linear(32, 10)
            self.token = nn.Parameter(torch.zeros(1, 1, 32))

        def forward(self, x: Tensor) -> Tensor:
            x = self.patches(x).transpose(1, 2)
            x = self.layers(torch.cat([self.token.expand(len(x), -1, -1), x], 1))
            return self.head(x[:, 0])

    classify(ViT(), 3, 16, 16)


@healthy
def encoder_decoder() -> None:
    model = nn.Transformer(32, 4, 6, 6, 64, batch_first=True)
    embed, head = nn.Embedding(50, 32), nn.Linear(32, 50)
    both = nn.ModuleList([model, embed, head])
    ids = tokens()
    train(both, lambda: F.cross_entropy(head(model(embed(ids), embed(ids))).flatten(0, 1), ids.flatten()))


class Experts(nn.Module):
    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        self.norm, self.gate = nn.LayerNorm(width), nn.Linear(width, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
            for _ in range(count)
        )

    def forward(self, x: Tensor) -> Tensor:
        flat = self.norm(x)
        share, which = self.gate(flat).softmax(-1).topk(2)
        out = torch.zeros_like(flat)
        for index, expert in enumerate(self.experts):
            rows, places = (which == index).nonzero(as_tuple=True)
            out = out.index_add(0, rows, expert(flat[rows]) * share[rows, places, None])
        return x + out


@healthy
def mixture_of_experts() -> None:
    classify(nn.Sequential(nn.Linear(20, 32), *stack(6, lambda _: Experts(32, 8)), nn.Linear(32, 10)), 20)


@healthy
def lora() -> None:
    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.base = nn.Linear(32, 32).requires_grad_(False)
            self.down, self.up = nn.Parameter(torch.randn(4, 32) * 0.02), nn.Parameter(torch.zeros(32, 4))

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + x @ self.down.T @ self.up.T

    blocks = stack(10, lambda _: Residual(nn.Sequential(nn.LayerNorm(32), Adapted(), nn.GELU(), Adapted())))
    model = nn.Sequential(nn.Linear(20, 32).requires_grad_(False), *blocks, nn.Linear(32, 10))
    trained = [p for p in model.parameters() if p.requires_grad]
    classify(model, 20, optimizer=torch.optim.AdamW(trained, lr=1e-3), steps=8)
