"""Trains one of the small models by transformers.Trainer: `python train_by_trainer.py llama`.

Llama is trained with gradient checkpointing, GPT-2 in bf16, T5 with gradient accumulation.
"""

import sys
import tempfile

import fingerprint
import small_models
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer_callback import PrinterCallback


class ShowGradients(TrainerCallback):
    """Prints every gradient before each step."""

    def on_pre_optimizer_step(self, args, state, control, model=None, **others):
        total = sum(p.grad.norm() for p in model.parameters() if p.grad is not None)
        fingerprint.gradients(state.global_step, total, model)


name = sys.argv[1]
set_seed(0)
model = small_models.build(name)
if name == "llama":
    model.gradient_checkpointing_enable()
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        output_dir=folder,
        max_steps=3,
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2 if name == "t5" else 1,
        bf16=name == "gpt2",
        learning_rate=1e-3,
        save_strategy="no",
        logging_strategy="no",
        eval_strategy="epoch",
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=False,
        use_cpu=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=small_models.samples(name, 12),
        eval_dataset=small_models.samples(name, 4),
        callbacks=[ShowGradients()],
    )
    trainer.remove_callback(PrinterCallback)  # it prints how long training took
    result = trainer.train()
print(f"{result.global_step} steps, loss {result.training_loss!r}")
fingerprint.parameters(model)
