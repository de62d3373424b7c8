"""What a checkpoint recomputes as it was: dropout, BatchNorm, a mask that is made once, autocast, nesting."""

import functools

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointPolicy, checkpoint, create_selective_checkpoint_contexts


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), nn.BatchNorm1d(width), nn.GELU(), nn.Dropout(0.2))
        self.mask = None
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        if self.mask is None:
            self.mask = torch.ones(x.shape[-1]).cumsum(0) / x.shape[-1]
        return x + self.inner(x) * self.mask


def nested(block, x):
    return torch.tanh(checkpoint(block, x, use_reentrant=False))


def policy(ctx, op, *args, **kwargs):
    if op is torch.ops.aten.addmm.default:
        return CheckpointPolicy.MUST_SAVE
    return CheckpointPolicy.PREFER_RECOMPUTE


torch.manual_seed(0)
blocks = nn.ModuleList(Block(8) for _ in range(5))
first, head = nn.Linear(4, 8), nn.Linear(8, 1)
optimizer = torch.optim.AdamW([*blocks.parameters(), *first.parameters(), *head.parameters()], lr=1e-3)
contexts = functools.partial(create_selective_checkpoint_contexts, policy)
for step in range(5):
    with torch.autocast("cpu", torch.bfloat16, enabled=step == 1):
        h = first(torch.randn(10, 4))
        h = checkpoint(blocks[0], h, use_reentrant=False)
        h = checkpoint(blocks[1], h, use_reentrant=True)
        h = checkpoint(nested, blocks[2], h, use_reentrant=False)
        h = checkpoint(blocks[3], h, use_reentrant=False, context_fn=contexts)
        h = checkpoint(blocks[4], h, use_reentrant=False, early_stop=False)
        loss = head(h).float().square().mean()
    optimizer.zero_grad()
    loss.backward(retain_graph=step == 2)
    optimizer.step()
