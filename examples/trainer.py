"""A small GPT-2 trained by transformers.Trainer: the same five phases, inside somebody else's loop.

    gradscope trace examples/trainer.py

Look for: the module tree of the transformer, and no findings. Needs `pip install transformers accelerate`;
the weights are random, nothing is downloaded.
"""

import tempfile

import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

set_seed(0)
config = GPT2Config(
    n_layer=2, n_head=2, n_embd=32, n_positions=32, vocab_size=64, bos_token_id=None, eos_token_id=None
)
model = GPT2LMHeadModel(config)
samples = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 64, (16, 24))]

with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=3,
        per_device_train_batch_size=4,
        learning_rate=1e-3,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )
    result = Trainer(model=model, args=arguments, train_dataset=samples).train()
print(f"{result.global_step} steps   loss {result.training_loss:.4f}")
