"""The last resort: an input's shape, guessed from the first layer that gives it away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

_SIDES = (32, 28, 64, 224)
"""Heights of images to try: a linear layer behind the convolutions fits only one."""


@dataclass(frozen=True, slots=True)
class Guess:
    """`expressions` are `--input` strings, and `layer` names what they were guessed from ("conv1")."""

    expressions: tuple[str, ...]
    layer: str

    @property
    def options(self) -> str:
        """As it would be typed: `--input 'randn(1, 3, 32, 32)'`."""
        return " ".join(f"--input '{expression}'" for expression in self.expressions)


def guess_inputs(module: nn.Module) -> list[Guess]:
    """Guesses from the configuration of a transformers model, or else from the first layer registered.

    The likeliest first, none where no layer tells. A guess may be wrong: it is always said to be one.
    """
    configured = _from_config(getattr(module, "config", None), type(module).__name__)
    if configured is not None:
        return [Guess(configured, f"{type(module).__name__}.config")]
    for name, layer in module.named_modules():
        name = name or type(layer).__name__
        if isinstance(layer, nn.Conv2d):
            return [Guess((f"randn(2, {layer.in_channels}, {side}, {side})",), name) for side in _SIDES]
        for kind, expression in _BY_LAYER.items():
            if isinstance(layer, kind):
                return [Guess((expression(layer),), name)]
    return []


def _sequence(size: int, batch_first: bool) -> str:
    return f"randn(2, 16, {size})" if batch_first else f"randn(16, 2, {size})"


_BY_LAYER: Mapping[Any, Callable[[Any], str]] = {
    nn.Bilinear: lambda layer: f"randn(2, {layer.in1_features})",
    nn.Linear: lambda layer: f"randn(2, {layer.in_features})",
    nn.Conv1d: lambda layer: f"randn(2, {layer.in_channels}, 128)",
    nn.Conv3d: lambda layer: f"randn(2, {layer.in_channels}, 16, 16, 16)",
    nn.ConvTranspose1d: lambda layer: f"randn(2, {layer.in_channels}, 16)",
    nn.ConvTranspose2d: lambda layer: f"randn(2, {layer.in_channels}, 8, 8)",
    nn.ConvTranspose3d: lambda layer: f"randn(2, {layer.in_channels}, 4, 4, 4)",
    nn.Embedding: lambda layer: f"randint(0, {layer.num_embeddings}, (2, 16))",
    nn.EmbeddingBag: lambda layer: f"randint(0, {layer.num_embeddings}, (2, 16))",
    nn.RNNBase: lambda layer: _sequence(layer.input_size, layer.batch_first),
    nn.RNNCellBase: lambda layer: f"randn(2, {layer.input_size})",
    nn.MultiheadAttention: lambda layer: _sequence(layer.embed_dim, layer.batch_first),
    nn.BatchNorm1d: lambda layer: f"randn(4, {layer.num_features})",
    nn.BatchNorm2d: lambda layer: f"randn(2, {layer.num_features}, 32, 32)",
    nn.LayerNorm: lambda layer: f"randn(2, {', '.join(map(str, layer.normalized_shape))})",
}


def _from_config(config: Any, class_name: str) -> tuple[str, ...] | None:
    """Inputs for a model of transformers: token numbers and labels, or pixels."""
    vocabulary = getattr(config, "vocab_size", None)
    if isinstance(vocabulary, int) and vocabulary > 0:
        length = min(16, getattr(config, "max_position_embeddings", None) or 16)
        tokens = f"randint(0, {vocabulary}, (2, {length}))"
        names = ["input_ids"]
        if getattr(config, "is_encoder_decoder", False):
            names.append("decoder_input_ids")
        if class_name.endswith(("LMHeadModel", "ForCausalLM", "ForMaskedLM", "ForConditionalGeneration")):
            names.append("labels")
        return tuple(f"{name}={tokens}" for name in names)
    size = getattr(config, "image_size", None)
    channels = getattr(config, "num_channels", None)
    if isinstance(channels, int):
        height, width = (size, size) if isinstance(size, int) else size or (224, 224)
        return (f"pixel_values=randn(2, {channels}, {height}, {width})",)
    return None
