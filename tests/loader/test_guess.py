"""Shapes guessed from layers: each must be one that the layer takes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradscope.loader.guess import guess_inputs
from gradscope.loader.inputs import from_expressions

LAYERS = [
    nn.Linear(3, 2),
    nn.Conv1d(3, 2, 3),
    nn.Conv2d(3, 2, 3),
    nn.Conv3d(3, 2, 3),
    nn.ConvTranspose1d(3, 2, 3),
    nn.ConvTranspose2d(3, 2, 3),
    nn.ConvTranspose3d(3, 2, 3),
    nn.Embedding(7, 2),
    nn.EmbeddingBag(7, 2),
    nn.LSTM(3, 2),
    nn.GRU(3, 2, batch_first=True),
    nn.LSTMCell(3, 2),
    nn.BatchNorm1d(3),
    nn.BatchNorm2d(3),
    nn.LayerNorm((4, 3)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_layer_takes_what_is_guessed_for_it(layer: nn.Module) -> None:
    guess, *_ = guess_inputs(nn.Sequential(layer))
    assert guess.layer == "0"
    layer(*from_expressions(guess.expressions).args)


def test_the_first_layer_decides() -> None:
    guess, *others = guess_inputs(nn.Sequential(nn.ReLU(), nn.Embedding(7, 2), nn.Linear(2, 1)))
    assert guess.options == "--input 'randint(0, 7, (2, 16))'"
    assert guess.layer == "1"
    assert not others


def test_nothing_is_guessed_from_nothing() -> None:
    assert guess_inputs(nn.Sequential(nn.ReLU())) == []


@pytest.mark.parametrize(
    "name", ["GPT2LMHeadModel", "BertForMaskedLM", "T5ForConditionalGeneration", "T5Model", "ViTModel"]
)
def test_models_of_transformers_take_what_their_configuration_says(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    small = {
        "GPT2LMHeadModel": {"n_layer": 1, "n_embd": 8, "n_head": 2, "vocab_size": 50, "n_positions": 32},
        "ViTModel": {
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 8,
        },
        "BertForMaskedLM": {
            "hidden_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 8,
            "vocab_size": 50,
        },
    }.get(name, {"d_model": 8, "d_ff": 8, "d_kv": 4, "num_layers": 1, "num_heads": 2, "vocab_size": 50})
    model_class = getattr(transformers, name)
    model = model_class(model_class.config_class(**small))
    guess, *_ = guess_inputs(model)
    assert guess.layer == f"{name}.config"
    output = model(**from_expressions(guess.expressions).kwargs)
    if name.endswith(("LMHeadModel", "MaskedLM", "ConditionalGeneration")):
        assert isinstance(output.loss, torch.Tensor)
