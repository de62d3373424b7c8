"""Families that hear, and those that read series: speech, sound, time series, decisions."""

from __future__ import annotations

from typing import Any

import torch

from .family import BATCH, PATCHES, SIZES, VOCABULARY, Family, Inputs, classes, tokens
from .text_models import D_MODEL

WAVES = {
    **SIZES,
    "conv_dim": (16, 16),
    "conv_stride": (4, 4),
    "conv_kernel": (8, 4),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
    "mask_time_prob": 0.0,
    "layerdrop": 0.0,
}


def sound() -> Inputs:
    return {"input_values": torch.randn(BATCH, 400), "labels": torch.randint(3, VOCABULARY, (BATCH, 4))}


def spectrogram() -> Inputs:
    """Mel features as Whisper takes them: (batch, mels, frames)."""
    return {"input_features": torch.randn(BATCH, 8, 32), "labels": tokens()}


def filterbank() -> Inputs:
    """Filterbank features as Speech2Text takes them: (batch, frames, bins)."""
    return {"input_features": torch.randn(BATCH, 32, 8), "labels": tokens()}


def clip() -> Inputs:
    return {"input_values": torch.randn(BATCH, 24, 16), "labels": classes()}


def series() -> Inputs:
    return {
        "past_values": torch.randn(BATCH, 10),
        "past_time_features": torch.randn(BATCH, 10, 1),
        "past_observed_mask": torch.ones(BATCH, 10),
        "future_values": torch.randn(BATCH, 4),
        "future_time_features": torch.randn(BATCH, 4, 1),
    }


def channels() -> Inputs:
    return {"past_values": torch.randn(BATCH, 16, 2), "future_values": torch.randn(BATCH, 4, 2)}


def episodes() -> Inputs:
    return {
        "states": torch.randn(BATCH, 5, 4),
        "actions": torch.randn(BATCH, 5, 2),
        "rewards": torch.randn(BATCH, 5, 1),
        "returns_to_go": torch.randn(BATCH, 5, 1),
        "timesteps": torch.arange(5).repeat(BATCH, 1),
        "attention_mask": torch.ones(BATCH, 5),
    }


def on_sound(model: str, **config: Any) -> Family:
    return Family(model, {**WAVES, **config}, sound)


SPEECH = {
    "wav2vec2": on_sound("Wav2Vec2ForCTC"),
    "hubert": on_sound("HubertForCTC"),
    "wavlm": on_sound("WavLMForCTC"),
    "data2vec_audio": on_sound("Data2VecAudioForCTC"),
    "sew": on_sound("SEWForCTC", squeeze_factor=2),
    "unispeech": on_sound("UniSpeechForCTC"),
    "whisper": Family(
        "WhisperForConditionalGeneration",
        {
            **D_MODEL,
            "num_mel_bins": 8,
            "max_source_positions": 16,
            "max_target_positions": 16,
            "suppress_tokens": None,
            "begin_suppress_tokens": None,
        },
        spectrogram,
    ),
    "speech_to_text": Family(
        "Speech2TextForConditionalGeneration",
        {
            **D_MODEL,
            "input_feat_per_channel": 8,
            "conv_channels": 16,
            "max_source_positions": 32,
            "max_target_positions": 16,
        },
        filterbank,
    ),
    "audio_spectrogram_transformer": Family(
        "ASTForAudioClassification", {**PATCHES, "max_length": 24, "num_mel_bins": 16}, clip
    ),
}

SERIES = {
    "time_series_transformer": Family(
        "TimeSeriesTransformerForPrediction",
        {
            "prediction_length": 4,
            "context_length": 8,
            "lags_sequence": [1, 2],
            "num_time_features": 1,
            "d_model": 16,
            "encoder_layers": 1,
            "decoder_layers": 1,
            "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32,
        },
        series,
    ),
    "patchtst": Family(
        "PatchTSTForPrediction",
        {
            "num_input_channels": 2,
            "context_length": 16,
            "patch_length": 4,
            "patch_stride": 4,
            "d_model": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "ffn_dim": 32,
            "prediction_length": 4,
        },
        channels,
    ),
    "decision_transformer": Family(
        "DecisionTransformerModel",
        {"state_dim": 4, "act_dim": 2, "hidden_size": 32, "n_layer": 2, "n_head": 2, "max_ep_len": 16},
        episodes,
    ),
}

SIGNALS = {**SPEECH, **SERIES}
