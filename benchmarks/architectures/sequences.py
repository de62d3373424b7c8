"""Recurrent nets and what else reads sequences."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  its usual name
from torch import Tensor, nn

from architectures.attention import language_model
from architectures.training import Residual, classify, healthy, stack, train


class SequenceModel(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], layers: int, **more: object) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 24)
        self.body = kind(24, 32, layers, batch_first=True, **more)  # type: ignore[arg-type]  # passed on as given
        self.head = nn.Linear(32, 50)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.body(self.embed(ids))[0])


@healthy
def lstm_language_model() -> None:
    language_model(SequenceModel(nn.LSTM, 3))


@healthy
def gru_stack() -> None:
    language_model(SequenceModel(nn.GRU, 6))


@healthy
def lstm_stack_8() -> None:
    language_model(SequenceModel(nn.LSTM, 8))


@healthy
def tanh_rnn() -> None:
    language_model(SequenceModel(nn.RNN, 2))


class Cells(nn.Module):
    """A recurrent cell unrolled by hand; the loss looks at the last step only."""

    def __init__(self, cell: nn.Module, width: int) -> None:
        super().__init__()
        self.cell, self.head, self.width = cell, nn.Linear(width, 2), width

    def forward(self, x: Tensor) -> Tensor:
        state = x.new_zeros(len(x), self.width)
        for now in x.unbind(1):
            state = self.cell(now, state)
        return self.head(state)


@healthy
def gru_cells_unrolled() -> None:
    classify(Cells(nn.GRUCell(8, 24), 24), 60, 8, classes=2)


@healthy
def tanh_cells_last_step() -> None:
    classify(Cells(nn.RNNCell(8, 24), 24), 40, 8, classes=2)


@healthy
def lstm_cells_each_step() -> None:
    cell, head = nn.LSTMCell(8, 24), nn.Linear(24, 1)
    both = nn.ModuleList([cell, head])
    x = torch.randn(16, 50, 8)

    def loss() -> Tensor:
        state, total = None, torch.zeros(())
        for now in x.unbind(1):
            state = cell(now, state)
            total = total + F.mse_loss(head(state[0]), now[:, :1])
        return total / 50

    train(both, loss, clip=1.0)


@healthy
def temporal_convolutions() -> None:
    blocks = stack(
        8,
        lambda i: Residual(
            nn.Sequential(nn.Conv1d(24, 24, 3, padding=2**i, dilation=2**i), nn.ReLU(), nn.Conv1d(24, 24, 1))
        ),
    )
    model = nn.Sequential(
        nn.Conv1d(4, 24, 1), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(24, 10)
    )
    classify(model, 4, 256)


@healthy
def bag_of_words() -> None:
    embed, head = nn.Embedding(20_000, 16), nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 2))
    both = nn.ModuleList([embed, head])
    ids, y = torch.randint(0, 20_000, (16, 40)), torch.randint(0, 2, (16,))
    train(both, lambda: F.cross_entropy(head(embed(ids).mean(1)), y))


@healthy
def state_space_scan() -> None:
    class Scan(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.out = nn.Linear(16, 16), nn.Linear(16, 16)
            self.decay = nn.Parameter(torch.linspace(0.0, 4.0, 16))

        def forward(self, x: Tensor) -> Tensor:
            state, outs, keep = torch.zeros(len(x), 16), [], torch.sigmoid(self.decay)
            for now in self.into(x).unbind(1):
                state = keep * state + (1 - keep) * now
                outs.append(state)
            return x + self.out(F.gelu(torch.stack(outs, 1)))

    model = nn.Sequential(*stack(6, lambda _: Scan()), nn.Flatten(), nn.Linear(30 * 16, 4))
    classify(model, 30, 16, classes=4)


@healthy
def identity_relu_recurrence() -> None:
    cell = nn.RNNCell(8, 24, nonlinearity="relu")
    nn.init.eye_(cell.weight_hh)
    classify(Cells(cell, 24), 60, 8, classes=2)


@healthy
def learned_optimizer_unrolled() -> None:
    rule, target = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1)), torch.randn(16)
    nn.init.normal_(rule[2].weight, std=0.01)

    def loss() -> Tensor:
        w, total = torch.zeros(16), torch.zeros(())
        for _ in range(20):
            slope = 2 * (w - target)
            w = w - 0.1 * (slope + rule(torch.stack([w, slope], 1))[:, 0])
            total = total + (w - target).pow(2).mean()
        return total

    train(rule, loss)
