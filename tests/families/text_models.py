"""Families that read text: causal, state-space, mixture-of-experts, masked, encoder-decoder."""

from __future__ import annotations

from typing import Any

import torch

from .family import BATCH, LENGTH, SIZES, VOCABULARY, Family, Inputs, text, tokens

GROUPED = {**SIZES, "num_key_value_heads": 1, "head_dim": 16}
EXPERTS = {**GROUPED, "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2}
N_EMBD: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
D_MODEL: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": None,
}
T5: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "num_heads": 2,
    "decoder_start_token_id": 0,
}
DISENTANGLED = {**SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]}


def replaced_tokens() -> Inputs:
    return {"input_ids": tokens(), "labels": torch.randint(0, 2, (BATCH, LENGTH))}


def one_class() -> Inputs:
    return {"input_ids": tokens(), "labels": torch.randint(0, 2, (BATCH,))}


def on_text(model: str, sizes: dict[str, Any], **config: Any) -> Family:
    return Family(model, {**sizes, **config}, text)


CAUSAL = {
    "gpt2": on_text("GPT2LMHeadModel", N_EMBD),
    "gpt_neo": on_text(
        "GPTNeoForCausalLM", SIZES, attention_types=[[["global", "local"], 1]], num_layers=2, num_heads=2
    ),
    "gpt_neox": on_text("GPTNeoXForCausalLM", SIZES),
    "gptj": on_text("GPTJForCausalLM", N_EMBD, rotary_dim=8),
    "gpt_bigcode": on_text("GPTBigCodeForCausalLM", N_EMBD),
    "codegen": on_text("CodeGenForCausalLM", N_EMBD, n_head=4, rotary_dim=8),
    "opt": on_text("OPTForCausalLM", SIZES, ffn_dim=64, word_embed_proj_dim=32),
    "bloom": on_text("BloomForCausalLM", SIZES, n_layer=2, n_head=2),
    "falcon": on_text("FalconForCausalLM", SIZES),
    "mpt": on_text(
        "MptForCausalLM", {}, vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=2, max_seq_len=64
    ),
    "ctrl": on_text("CTRLLMHeadModel", N_EMBD, dff=64),
    "llama": on_text("LlamaForCausalLM", GROUPED),
    "mistral": on_text("MistralForCausalLM", GROUPED),
    "qwen3": on_text("Qwen3ForCausalLM", GROUPED),
    "gemma2": on_text("Gemma2ForCausalLM", GROUPED),
    "phi": on_text("PhiForCausalLM", SIZES),
    "stablelm": on_text("StableLmForCausalLM", GROUPED),
    "cohere": on_text("CohereForCausalLM", GROUPED),
    "olmo2": on_text("Olmo2ForCausalLM", GROUPED),
    "biogpt": on_text("BioGptForCausalLM", SIZES),
    "xlnet": on_text(
        "XLNetLMHeadModel", {}, vocab_size=VOCABULARY, d_model=32, n_layer=2, n_head=2, d_inner=64
    ),
    "reformer": on_text(
        "ReformerModelWithLMHead",
        SIZES,
        attention_head_size=16,
        feed_forward_size=64,
        attn_layers=["local", "lsh"],
        local_attn_chunk_length=4,
        lsh_attn_chunk_length=4,
        num_buckets=2,
        axial_pos_shape=[4, 2],
        axial_pos_embds_dim=[16, 16],
        is_decoder=True,
        # It draws a new seed from the system for its dropout and hashes: neither is used here.
        hash_seed=0,
        hidden_dropout_prob=0.0,
        local_attention_probs_dropout_prob=0.0,
        lsh_attention_probs_dropout_prob=0.0,
    ),
}

STATE_SPACE = {
    "mamba": on_text("MambaForCausalLM", SIZES, state_size=4),
    "mamba2": on_text(
        "Mamba2ForCausalLM", SIZES, state_size=8, num_heads=8, head_dim=8, n_groups=2, chunk_size=4
    ),
    "rwkv": on_text("RwkvForCausalLM", SIZES, context_length=64),
    "recurrent_gemma": on_text("RecurrentGemmaForCausalLM", GROUPED, lru_width=32, num_hidden_layers=3),
    "jamba": on_text(
        "JambaForCausalLM",
        EXPERTS,
        mamba_d_state=4,
        mamba_dt_rank=4,
        attn_layer_period=2,
        attn_layer_offset=1,
        expert_layer_period=2,
        expert_layer_offset=1,
        use_mamba_kernels=False,
    ),
}

MIXTURES = {
    "mixtral": on_text("MixtralForCausalLM", EXPERTS),
    "qwen2_moe": on_text(
        "Qwen2MoeForCausalLM", EXPERTS, moe_intermediate_size=16, shared_expert_intermediate_size=16
    ),
    "olmoe": on_text("OlmoeForCausalLM", EXPERTS),
    "granitemoe": on_text("GraniteMoeForCausalLM", EXPERTS),
    "deepseek_v3": on_text(
        "DeepseekV3ForCausalLM",
        SIZES,
        moe_intermediate_size=16,
        n_routed_experts=4,
        n_group=2,
        topk_group=1,
        num_experts_per_tok=2,
        kv_lora_rank=8,
        q_lora_rank=8,
        qk_rope_head_dim=8,
        qk_nope_head_dim=16,
        v_head_dim=16,
        first_k_dense_replace=1,
    ),
    "switch_transformers": on_text(
        "SwitchTransformersForConditionalGeneration",
        T5,
        num_experts=4,
        num_sparse_encoder_layers=1,
        num_sparse_decoder_layers=1,
    ),
}

MASKED = {
    "bert": on_text("BertForMaskedLM", SIZES),
    "roberta": on_text("RobertaForMaskedLM", SIZES),
    "albert": on_text("AlbertForMaskedLM", SIZES, embedding_size=16),
    "distilbert": on_text(
        "DistilBertForMaskedLM", {}, vocab_size=VOCABULARY, dim=32, hidden_dim=64, n_layers=2, n_heads=2
    ),
    "electra": Family("ElectraForPreTraining", {**SIZES, "embedding_size": 16}, replaced_tokens),
    "deberta": on_text("DebertaForMaskedLM", DISENTANGLED),
    "deberta_v2": on_text("DebertaV2ForMaskedLM", DISENTANGLED, position_buckets=8),
    "mpnet": on_text("MPNetForMaskedLM", SIZES),
    "fnet": on_text("FNetForMaskedLM", SIZES),
    "funnel": on_text(
        "FunnelForMaskedLM",
        {},
        vocab_size=VOCABULARY,
        d_model=32,
        n_head=2,
        d_head=16,
        d_inner=64,
        block_sizes=[1, 1],
        num_decoder_layers=1,
    ),
    "big_bird": on_text("BigBirdForMaskedLM", SIZES, attention_type="original_full"),
    "longformer": on_text("LongformerForMaskedLM", SIZES, attention_window=4),
    "convbert": on_text("ConvBertForMaskedLM", SIZES, embedding_size=32, conv_kernel_size=3),
    "mobilebert": on_text("MobileBertForMaskedLM", SIZES, embedding_size=16, intra_bottleneck_size=16),
    "nystromformer": on_text("NystromformerForMaskedLM", SIZES, segment_means_seq_len=8, num_landmarks=4),
    "modernbert": on_text("ModernBertForMaskedLM", SIZES),
    "roformer": on_text("RoFormerForMaskedLM", SIZES, embedding_size=32),
    "luke": on_text("LukeForMaskedLM", SIZES, entity_vocab_size=16, entity_emb_size=16),
    "ibert": on_text("IBertForMaskedLM", SIZES),
    "canine": Family(
        "CanineForSequenceClassification",
        {**SIZES, "num_hash_buckets": 64, "local_transformer_stride": 2},
        one_class,
    ),
    "perceiver": on_text(
        "PerceiverForMaskedLM",
        {},
        vocab_size=VOCABULARY,
        d_model=16,
        d_latents=32,
        num_latents=4,
        num_blocks=1,
        num_self_attends_per_block=2,
        num_self_attention_heads=2,
        num_cross_attention_heads=2,
        max_position_embeddings=LENGTH,
        qk_channels=16,
        v_channels=32,
    ),
}

ENCODER_DECODER = {
    "t5": on_text("T5ForConditionalGeneration", T5),
    "longt5": on_text("LongT5ForConditionalGeneration", T5, local_radius=3, encoder_attention_type="local"),
    "bart": on_text("BartForConditionalGeneration", D_MODEL),
    "pegasus": on_text("PegasusForConditionalGeneration", D_MODEL),
    "marian": on_text("MarianMTModel", D_MODEL),
    "m2m_100": on_text("M2M100ForConditionalGeneration", D_MODEL),
    "fsmt": on_text(
        "FSMTForConditionalGeneration", D_MODEL, src_vocab_size=64, tgt_vocab_size=64, langs=["a", "b"]
    ),
    "led": on_text(
        "LEDForConditionalGeneration",
        D_MODEL,
        attention_window=4,
        max_encoder_position_embeddings=64,
        max_decoder_position_embeddings=64,
    ),
    "prophetnet": on_text(
        "ProphetNetForConditionalGeneration",
        {},
        vocab_size=VOCABULARY,
        hidden_size=32,
        max_position_embeddings=64,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        num_encoder_layers=2,
        num_decoder_layers=2,
        num_encoder_attention_heads=2,
        num_decoder_attention_heads=2,
        decoder_start_token_id=1,
    ),
}

TEXT = {**CAUSAL, **STATE_SPACE, **MIXTURES, **MASKED, **ENCODER_DECODER}
