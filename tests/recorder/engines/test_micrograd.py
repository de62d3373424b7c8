"""The published micrograd package, where it is installed: traced, its values equal to torch's."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
import torch

from gradscope import engine as judging
from recorder.engines.running import numbers, record

pytest.importorskip("micrograd", reason="micrograd is not installed: pip install micrograd")

EVERY_OP = """\
a = value(-4.0)
b = value(2.0)
c = a + b
d = a * b + b**3
c += c + 1
c += 1 + c + (-a)
d += d * 2 + (b + a).relu()
d += 3 * d + (b - a).relu()
e = c - d
f = e**2
g = f / 2.0
g += 10.0 / f
g.backward()
"""
ONE_OP = """\
x = value(-4.0)
z = 2 * x + 2 + x
q = z.relu() + z * x
h = (z * z).relu()
y = h + q + q * x
y.backward()
"""


def leaf(number: float) -> torch.Tensor:
    return torch.tensor(number, dtype=torch.float64, requires_grad=True)


def micrograd(program: str) -> tuple[Any, dict[str, Any]]:
    recording, values = record(f"from micrograd.engine import Value as value\n{program}")
    assert not judging.judge(recording)[0]
    assert recording.backward_passes == 1
    return recording, values


@pytest.mark.parametrize("program", [EVERY_OP, ONE_OP], ids=["every op", "two variables"])
def test_values_and_gradients_are_torchs(program: str) -> None:
    recording, values = micrograd(program)
    by_torch, tensors = record(f"\n{program}", value=leaf)
    (table,), (theirs,) = recording.chains, by_torch.chains
    assert table.value == pytest.approx(theirs.value)
    leaves = {row.name: numbers(row) for row in table.rows if row.is_leaf}
    assert leaves.keys() == {row.name for row in theirs.rows if row.is_leaf}
    for row in theirs.rows:
        if row.is_leaf:
            assert leaves[row.name][3] == pytest.approx(row.outgoing[0][1])
            assert values[row.name].grad == pytest.approx(tensors[row.name].grad.item())
    expected = [(row.name, row.value, row.incoming) for row in theirs.rows if row.name and not row.is_leaf]
    found = [(row.name, row.value, row.incoming) for row in table.rows if row.name and not row.is_leaf]
    assert [name for name, _, _ in found] == [name for name, _, _ in expected]
    assert [tuple(each[1:]) for each in found] == [pytest.approx(each[1:]) for each in expected]
    assert not recording.notes
    assert not recording.not_seen


def test_the_numbers_of_the_page() -> None:
    _, values = micrograd(EVERY_OP)
    assert values["g"].data == pytest.approx(24.7041, abs=1e-4)
    assert values["a"].grad == pytest.approx(138.8338, abs=1e-4)
    assert values["b"].grad == pytest.approx(645.5773, abs=1e-4)


NETWORK = """\
import random
import sys
from micrograd.nn import MLP
random.seed(1337)
model = MLP(2, [4, 4, 1])
points = [([2.0, 3.0], 1.0), ([-1.0, 0.5], -1.0), ([0.5, 1.0], -1.0)]
for step in range(4):
    loss = sum((model(x) - y) ** 2 for x, y in points) * (1 / 3)
    model.zero_grad()
    loss.backward()
    for parameter in model.parameters():
        parameter.data -= 0.05 * parameter.grad
"""


def test_a_network_is_trained_as_in_torch() -> None:
    recording, values = record(NETWORK)
    assert not judging.judge(recording)[0]
    assert (recording.backward_passes, recording.backwards[0].root) == (4, "loss")
    assert not recording.notes
    parameters = weights()
    for _ in range(4):
        loss = torch.stack([(forward(parameters, x) - y) ** 2 for x, y in values["points"]]).mean()
        gradients = torch.autograd.grad(loss, parameters)
        parameters = [
            (p - 0.05 * g).detach().requires_grad_() for p, g in zip(parameters, gradients, strict=True)
        ]
    assert recording.backwards[0].last_loss == pytest.approx(loss.item())
    ours = [parameter.data for parameter in values["model"].parameters()]
    theirs = [number for layer in layers(parameters) for number in layer]
    assert ours == pytest.approx(theirs)


def weights() -> list[torch.Tensor]:
    """The weights that random.seed(1337) gives: a matrix and a bias for each layer."""
    source = random.Random(1337)
    made = []
    for width, count in ((2, 4), (4, 4), (4, 1)):
        rows = [[source.uniform(-1, 1) for _ in range(width)] for _ in range(count)]
        made += [torch.tensor(rows, dtype=torch.float64), torch.zeros(count, dtype=torch.float64)]
    return [tensor.requires_grad_() for tensor in made]


def forward(parameters: list[torch.Tensor], x: list[float]) -> torch.Tensor:
    hidden = torch.tensor(x, dtype=torch.float64)
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        hidden = (weight @ hidden + bias).relu()
    return (parameters[-2] @ hidden + parameters[-1])[0]


def layers(parameters: list[torch.Tensor]) -> list[list[float]]:
    """The numbers in the order of `parameters()`: neuron by neuron, its weights, then its bias."""
    return [
        [*row.tolist(), bias.item()]
        for weight, biases in zip(parameters[::2], parameters[1::2], strict=True)
        for row, bias in zip(weight, biases, strict=True)
    ]


def test_a_network_whose_gradients_nobody_zeroes() -> None:
    recording, _ = record(NETWORK.replace("    model.zero_grad()\n", ""))
    (note,) = recording.notes
    assert note.startswith("model.layers[0].neurons[")
    assert ".grad still held" in note
    assert "and so did model.layers[0].neurons[" in note


def test_a_neuron_has_a_table() -> None:
    recording, values = record(
        "from micrograd.nn import Neuron\n"
        "from micrograd.engine import Value\n"
        "neuron = Neuron(2)\n"
        "x = [Value(1.0), Value(-2.0)]\n"
        "out = neuron(x)\n"
        "out.backward()\n"
    )
    (table,) = recording.chains
    leaves = {row.name: row.outgoing[0][1] for row in table.rows if row.is_leaf}
    assert leaves == {
        "neuron.w[0]": values["neuron"].w[0].grad,
        "neuron.w[1]": values["neuron"].w[1].grad,
        "neuron.b": values["neuron"].b.grad,
        "x[0]": values["x"][0].grad,
        "x[1]": values["x"][1].grad,
    }


def test_a_crowded_module_hides_no_name_of_the_function_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = [[[] for _ in range(1_000)] for _ in range(30)]
    monkeypatch.setitem(sys.modules["__main__"].__dict__, "crowd", crowd)
    recording, _ = record(
        "from micrograd.nn import MLP\n"
        "def train():\n"
        "    model = MLP(2, [1])\n"
        "    model([1.0, -2.0]).backward()\n"
        "train()\n"
    )
    (table,) = recording.chains
    leaves = {row.name for row in table.rows if row.is_leaf}
    assert {"model.layers[0].neurons[0].w[0]", "model.layers[0].neurons[0].b"} <= leaves
