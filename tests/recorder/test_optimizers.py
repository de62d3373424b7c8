"""What an optimizer owned is known by what it was, not by an id that something else has since."""

from __future__ import annotations

import torch
from torch import nn

from gradscope.recorder import Recorder


def _train(width: int) -> None:
    net = nn.Sequential(nn.Linear(3, width), nn.Tanh(), nn.Linear(width, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.randn(4, 3)).pow(2).mean().backward()
        optimizer.step()


def test_models_made_anew_keep_their_owners() -> None:
    with Recorder() as recorder:
        for turn in range(40):
            _train(8 + turn % 2)
    recording = recorder.recording()
    unowned = [leaf.name for leaf in recording.leaves if not leaf.optimizers]
    assert len(recording.leaves) > 4
    assert unowned == []
    assert [one.orphans for one in recording.optimizers if one.orphans] == []
