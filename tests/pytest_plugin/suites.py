"""Small suites that are run in this process, and what they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

# Imported before an inner run, which takes what it imports out of sys.modules again. The optimizers
# import the second one at their first step, and it cannot be imported twice.
import torch._dynamo

import gradscope.pytest_plugin
from gradscope.pytest_plugin import judge, recording, relevance, report_file, session, summary  # noqa: F401
from gradscope.recorder import Recorder, interruption

NETS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 1)

    def forward(self, x):
        return self.second(self.first(x))

class Severed(Net):
    def forward(self, x):
        hidden = self.first(x).detach()
        return self.second(hidden)

def backward(net):
    net(torch.randn(2, 3)).sum().backward()

def train(net, steps=3):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        backward(net)
        optimizer.step()

def rewritten():
    y = torch.ones(3, requires_grad=True).exp()
    y += 1
    y.sum().backward()
"""

HEAD = "import pytest, torch, gradscope\nfrom torch import nn\nfrom nets import *\n"


def run(
    pytester: pytest.Pytester, tests: str, *words: str, watch: bool = True, by_name: bool = False
) -> pytest.RunResult:
    """Runs a suite of one file with the plugin, which workers of xdist find only `by_name`."""
    pytester.makepyfile(nets=NETS)
    pytester.makepyfile(test_it=HEAD + tests)
    pytester.syspathinsert()
    option = ["--gradscope"] if watch else []
    always = ["--disable-plugin-autoload", "-p", "no:cacheprovider", "-rA", "--strict-markers"]
    if by_name:
        always += ["-p", "gradscope.pytest_plugin", "-W", "ignore:Module already imported"]
    with nothing_left():
        plugins = [] if by_name else [gradscope.pytest_plugin]
        return pytester.runpytest_inprocess(*always, *option, *words, plugins=plugins)


@contextmanager
def nothing_left() -> Iterator[None]:
    """Every recorder is taken out again."""
    before = _state()
    yield
    assert before == _state()
    with Recorder() as recorder:
        assert recorder._interrupted.of is None
    assert not interruption._recording


def _state() -> tuple[object, ...]:
    modes = torch._C._len_torch_function_stack()
    return torch.Tensor.backward, torch.autograd.backward, torch.optim.Optimizer.zero_grad, modes


def section(result: pytest.RunResult) -> list[str]:
    """What the plugin said at the end, without the short summary of pytest's own."""
    lines = result.outlines
    begins = [index for index, line in enumerate(lines) if line.strip("= ") == "gradscope"]
    start = (
        begins[0] + 1 if begins else next(i for i, line in enumerate(lines) if line.startswith("gradscope:"))
    )
    said = []
    for line in lines[start:]:
        if line.startswith("="):
            break
        said.append(line)
    return said
