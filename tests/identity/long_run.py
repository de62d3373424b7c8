"""Trains a small net for many steps under the recorder; prints what its process held, as JSON.

Run as `python long_run.py 20000 100 19100 20000`: the number of steps, then the steps after which to
measure. For each it prints [step, Python's allocated blocks, resident bytes, {type: live objects}].
"""

from __future__ import annotations

import gc
import json
import sys
from collections import Counter

import numpy as np
import psutil
import torch
from torch import nn

from gradscope.facts import ProgramEnd
from gradscope.recorder import Recorder


class Training:
    """One step at a time, and the things that real steps do: clip, log, count, evaluate, schedule."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-3, momentum=0.9)
        self.schedule = torch.optim.lr_scheduler.StepLR(self.optimizer, step_size=1000, gamma=0.9)
        self.total = 0.0

    def step(self, number: int) -> None:
        x = torch.randn(4 + number % 3, 4)
        y = x.sum(dim=1, keepdim=True)
        loss = nn.functional.mse_loss(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.total = 0.99 * self.total + 0.01 * loss.item()
        if number % 50 == 0:
            with torch.no_grad():
                guess = self.model(torch.ones(1, 4)).numpy()
                self.total += float(np.abs(guess).mean()) * 1e-9


def measure(step: int) -> tuple[int, int, int, dict[str, int]]:
    """What the process holds now, after a collection of cycles."""
    gc.collect()
    types = Counter(type(held).__qualname__ for held in gc.get_objects())
    resident = psutil.Process().memory_info().rss
    return step, sys.getallocatedblocks(), resident, dict(types.most_common(40))


def main(steps: int, marks: list[int]) -> None:
    torch.set_num_threads(1)
    training = Training()
    measured = []
    recorder = Recorder()
    with recorder:
        for number in range(1, steps + 1):
            training.step(number)
            if number in marks:
                measured.append(measure(number))
    recording = recorder.recording(ProgramEnd())
    print(json.dumps({"measured": measured, "steps": recording.steps, "ops": recording.ops}))


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(mark) for mark in sys.argv[2:]])
