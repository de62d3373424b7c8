"""Long runs, plateaus, fine-tuning; and six families of `transformers`."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.attention import Language, language_model
from architectures.training import HEALTHY, Residual, healthy, stack, tokens, train


@healthy
def converged_to_a_plateau() -> None:
    net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    x = torch.randn(64, 8)
    y = torch.sin(x[:, :1])
    train(net, lambda: F.mse_loss(net(x), y), 400, torch.optim.Adam(net.parameters(), lr=5e-3))


@healthy
def separable_logistic_regression() -> None:
    net = nn.Linear(4, 1)
    x = torch.randn(64, 4)
    y = (x[:, :1] > 0).float()
    train(
        net,
        lambda: F.binary_cross_entropy_with_logits(net(x), y),
        300,
        torch.optim.SGD(net.parameters(), lr=5.0),
    )


@healthy
def memorised_by_sgd() -> None:
    net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4))
    x, y = torch.randn(8, 16), torch.randint(0, 4, (8,))
    train(
        net, lambda: F.cross_entropy(net(x), y), 300, torch.optim.SGD(net.parameters(), lr=0.5, momentum=0.9)
    )


@healthy
def transformer_trained_on() -> None:
    language_model(Language(6, True), steps=60)


@healthy
def exact_fit() -> None:
    net = nn.Linear(3, 1)
    x = torch.randn(32, 3)
    y = x @ torch.tensor([[1.0], [2.0], [3.0]])
    train(net, lambda: F.mse_loss(net(x), y), 300, torch.optim.SGD(net.parameters(), lr=0.3))


@healthy
def escaping_a_saddle() -> None:
    net = nn.Sequential(*stack(3, lambda _: nn.Linear(8, 8, bias=False)))
    for layer in net:
        nn.init.normal_(layer.weight, std=0.02)
    x = torch.randn(64, 8)
    train(net, lambda: F.mse_loss(net(x), x), 300, torch.optim.SGD(net.parameters(), lr=1.0))


@healthy
def fine_tuning_with_a_new_head() -> None:
    body = nn.Sequential(
        *stack(8, lambda _: Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.GELU())))
    )
    head = nn.Linear(32, 3)
    nn.init.zeros_(head.weight)
    both = nn.ModuleList([body, head])
    groups = [{"params": body.parameters(), "lr": 1e-6}, {"params": head.parameters(), "lr": 1e-2}]
    x, y = torch.randn(32, 32), torch.randint(0, 3, (32,))
    train(both, lambda: F.cross_entropy(head(body(x)), y), 10, torch.optim.AdamW(groups))


@healthy
def sudden_hard_batch() -> None:
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
    batches = [torch.randn(32, 4) for _ in range(20)]
    batches[12] = batches[12] * 1000
    rounds = iter(batches)

    def loss() -> Tensor:
        x = next(rounds)
        return F.smooth_l1_loss(net(x), x[:, :1])

    train(net, loss, 20, clip=1.0)


@healthy
def bf16_autocast() -> None:
    model = Language(6, True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = tokens()

        def loss() -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(ids)
            return F.cross_entropy(logits.float()[:, :-1].flatten(0, 1), ids[:, 1:].flatten())

        train(model, loss)


def _transformers(
    name: str, config: str, model: str, inputs: Callable[[], dict[str, Tensor]], **sizes: object
) -> None:
    def program() -> None:
        import transformers

        net = getattr(transformers, model)(getattr(transformers, config)(**sizes)).train()
        given = inputs()
        train(net, lambda: net(**given).loss, 4)

    HEALTHY[name] = program


def _causal() -> dict[str, Tensor]:
    ids = tokens(16)
    return {"input_ids": ids, "labels": ids}


def _labelled() -> dict[str, Tensor]:
    return {"pixel_values": torch.randn(4, 3, 32, 32), "labels": torch.randint(0, 2, (4,))}


_SIZES = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
_transformers(
    "gpt2_12",
    "GPT2Config",
    "GPT2LMHeadModel",
    _causal,
    vocab_size=50,
    n_embd=32,
    n_layer=12,
    n_head=4,
    n_positions=32,
)
_transformers("llama_16", "LlamaConfig", "LlamaForCausalLM", _causal, num_hidden_layers=16, **_SIZES)
_transformers("bert_12", "BertConfig", "BertForMaskedLM", _causal, num_hidden_layers=12, **_SIZES)
_transformers(
    "t5",
    "T5Config",
    "T5ForConditionalGeneration",
    _causal,
    vocab_size=50,
    d_model=32,
    d_kv=8,
    d_ff=64,
    num_layers=8,
    num_heads=4,
    decoder_start_token_id=0,
)
_transformers(
    "vit",
    "ViTConfig",
    "ViTForImageClassification",
    _labelled,
    hidden_size=32,
    num_hidden_layers=12,
    num_attention_heads=4,
    intermediate_size=64,
    image_size=32,
    patch_size=8,
)
_transformers(
    "convnext",
    "ConvNextConfig",
    "ConvNextForImageClassification",
    _labelled,
    hidden_sizes=[8, 16, 32, 64],
    depths=[2, 2, 4, 2],
)
