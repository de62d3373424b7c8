"""A LightningModule trained by lightning.Trainer, with accumulation and clipping done by it."""

import logging
import warnings

import fingerprint
import torch
from torch import nn

warnings.simplefilter("ignore")
import lightning  # noqa: E402

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Regression(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))

    def training_step(self, batch, number):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, number):
        x, y = batch
        self.log("validation", nn.functional.mse_loss(self.net(x), y))

    def on_before_optimizer_step(self, optimizer):
        fingerprint.gradients(self.global_step, self.trainer.callback_metrics["loss"], self)

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=1e-2)
        return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 1)]


lightning.seed_everything(0, verbose=False)
x = torch.randn(64, 8)
data = torch.utils.data.TensorDataset(x, x.sum(dim=1, keepdim=True))
model = Regression()
trainer = lightning.Trainer(
    max_epochs=2,
    accelerator="cpu",
    accumulate_grad_batches=2,
    gradient_clip_val=1.0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
batches = torch.utils.data.DataLoader(data, batch_size=16)
trainer.fit(model, batches, batches)
fingerprint.parameters(model)
