"""Families that see: vision transformers, convolutions, video, and vision with language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .family import BATCH, PATCHES, SIZES, VOCABULARY, Draw, Family, Inputs, classes, images, text, tokens

IMAGE_TOKEN = 3
CONVOLUTIONS: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8}
WINDOWS: dict[str, Any] = {
    "image_size": 16,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 2],
    "window_size": 2,
}
PYRAMID: dict[str, Any] = {
    "num_encoder_blocks": 2,
    "depths": [1, 1],
    "hidden_sizes": [16, 32],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 2],
}


def labelled(draw: Callable[[], torch.Tensor]) -> Draw:
    return lambda: {"pixel_values": draw(), "labels": classes()}


def segmented() -> Inputs:
    return {"pixel_values": images(32), "labels": torch.randint(0, 2, (BATCH, 32, 32))}


def unlabelled() -> Inputs:
    return {"pixel_values": images()}


def captioned() -> Inputs:
    return {**text(), "pixel_values": images()}


def pairs() -> Inputs:
    return {"input_ids": tokens(), "pixel_values": images(), "return_loss": True}


def answered() -> Inputs:
    return {"input_ids": tokens(), "pixel_values": images(), "labels": torch.rand(BATCH, 2)}


def image_first() -> Inputs:
    """Text whose first places stand for the four patches of the image."""
    ids = torch.randint(IMAGE_TOKEN + 1, VOCABULARY, (BATCH, 8))
    ids[:, :4] = IMAGE_TOKEN
    return {"input_ids": ids, "labels": ids, "pixel_values": images()}


def regions() -> Inputs:
    return {**text(), "visual_feats": torch.randn(BATCH, 3, 8), "visual_pos": torch.rand(BATCH, 3, 4)}


def on_images(model: str, sizes: dict[str, Any], size: int, **config: Any) -> Family:
    return Family(model, {**sizes, **config}, labelled(lambda: images(size)))


def on_video(model: str) -> Family:
    return Family(model, {**PATCHES, "num_frames": 4}, labelled(lambda: torch.randn(BATCH, 4, 3, 16, 16)))


VISION = {
    "vit": on_images("ViTForImageClassification", PATCHES, 16),
    "deit": on_images("DeiTForImageClassification", PATCHES, 16),
    "beit": on_images("BeitForImageClassification", PATCHES, 16),
    "dinov2": on_images("Dinov2ForImageClassification", PATCHES, 16),
    "vit_mae": Family(
        "ViTMAEForPreTraining",
        {
            **PATCHES,
            "decoder_hidden_size": 32,
            "decoder_num_hidden_layers": 1,
            "decoder_num_attention_heads": 2,
            "decoder_intermediate_size": 64,
            "mask_ratio": 0.5,
        },
        unlabelled,
    ),
    "swin": on_images("SwinForImageClassification", WINDOWS, 16),
    "swinv2": on_images("Swinv2ForImageClassification", WINDOWS, 16),
    "hiera": on_images(
        "HieraForImageClassification",
        {},
        16,
        image_size=[16, 16],
        patch_size=[3, 3],
        patch_stride=[2, 2],
        patch_padding=[1, 1],
        embed_dim=16,
        depths=[1, 1],
        num_heads=[1, 2],
        masked_unit_size=[4, 4],
        query_stride=[2, 2],
        num_query_pool=1,
    ),
    "segformer": Family(
        "SegformerForSemanticSegmentation",
        {**PYRAMID, "sr_ratios": [2, 1], "decoder_hidden_size": 16},
        segmented,
    ),
    "pvt": on_images(
        "PvtForImageClassification",
        PYRAMID,
        32,
        image_size=32,
        patch_sizes=[4, 2],
        sequence_reduction_ratios=[2, 1],
    ),
    "mobilevit": on_images(
        "MobileViTForImageClassification",
        {},
        32,
        image_size=32,
        hidden_sizes=[16, 24, 32],
        neck_hidden_sizes=[8, 8, 16, 16, 24, 32, 32],
        num_attention_heads=2,
    ),
    "levit": on_images(
        "LevitForImageClassification",
        {},
        64,
        image_size=64,
        hidden_sizes=[16, 32, 48],
        num_attention_heads=[2, 2, 2],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    "videomae": on_video("VideoMAEForVideoClassification"),
    "timesformer": on_video("TimesformerForVideoClassification"),
}

CONVOLUTIONAL = {
    "convnext": on_images("ConvNextForImageClassification", CONVOLUTIONS, 32, num_stages=2),
    "convnextv2": on_images("ConvNextV2ForImageClassification", CONVOLUTIONS, 32, num_stages=2),
    "resnet": on_images("ResNetForImageClassification", CONVOLUTIONS, 32),
    "regnet": on_images("RegNetForImageClassification", CONVOLUTIONS, 32, groups_width=4),
    "bit": on_images("BitForImageClassification", CONVOLUTIONS, 32, num_groups=4),
    "mobilenet_v1": on_images("MobileNetV1ForImageClassification", {}, 32, depth_multiplier=0.1),
    "mobilenet_v2": on_images("MobileNetV2ForImageClassification", {}, 32, depth_multiplier=0.25),
    "poolformer": on_images("PoolFormerForImageClassification", PYRAMID, 32, padding=[2, 1]),
    "focalnet": on_images(
        "FocalNetForImageClassification",
        {},
        32,
        image_size=32,
        patch_size=4,
        embed_dim=16,
        depths=[1, 1],
        focal_levels=[2, 2],
        focal_windows=[3, 3],
        hidden_sizes=[16, 32],
    ),
}

LANGUAGE = {
    "clip": Family("CLIPModel", {"text_config": SIZES, "vision_config": PATCHES}, pairs),
    "siglip": Family("SiglipModel", {"text_config": SIZES, "vision_config": PATCHES}, pairs),
    "blip": Family(
        "BlipForConditionalGeneration", {"text_config": SIZES, "vision_config": PATCHES}, captioned
    ),
    "git": Family("GitForCausalLM", {**SIZES, "vision_config": PATCHES}, captioned),
    "vilt": Family("ViltForQuestionAnswering", {**SIZES, **PATCHES}, answered),
    "llava": Family(
        "LlavaForConditionalGeneration",
        {
            "text_config": {**SIZES, "model_type": "llama"},
            "vision_config": {**PATCHES, "model_type": "clip_vision_model"},
            "image_token_id": IMAGE_TOKEN,
            "vision_feature_layer": -1,
        },
        image_first,
    ),
    "lxmert": Family(
        "LxmertForPreTraining",
        {
            **SIZES,
            "l_layers": 1,
            "x_layers": 1,
            "r_layers": 1,
            "visual_feat_dim": 8,
            "task_qa": False,
            "task_obj_predict": False,
            "task_matched": False,
        },
        regions,
    ),
}

IMAGES = {**VISION, **CONVOLUTIONAL, **LANGUAGE}
