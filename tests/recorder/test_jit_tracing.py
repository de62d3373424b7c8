"""torch.jit.trace takes down every op that runs, and names values after the variables of all frames."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gradscope.recorder import Recorder


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_trace_is_what_it_is_without_us() -> None:
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), torch.randn(2, 3)
    alone = torch.jit.trace(net, x)
    with Recorder() as recorder:
        traced = torch.jit.trace(net, x)  # which also compares two traces, and raises where they differ
        net(x).sum().backward()
    assert torch.equal(traced(x), alone(x))
    assert recorder.recording().backward_passes == 1
    assert recorder.recording().not_seen == ()
