"""The memory curve over depth, batch and sequence length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.errors import UsageError
from gradscope.facts.memory import Sweep, SweepKind
from gradscope.loader.work import Work
from gradscope.memory_use import sweeps
from gradscope.memory_use.agreed import BlockModule
from gradscope.memory_use.measuring import measure
from gradscope.memory_use.sweeps import sweep
from tests.memory_use.works import work_of

DEPTH, BATCH, SEQ = SweepKind.DEPTH, SweepKind.BATCH, SweepKind.SEQ


def _peaks(found: Sweep) -> list[tuple[int, int, int]]:
    assert not [point.failure for point in found.points if point.failure]
    return [(point.value, point.plain or 0, point.checkpointed or 0) for point in found.points]


def _transformer(depth: int, width: int = 32) -> nn.Module:
    layer = nn.TransformerEncoderLayer(width, 4, 4 * width, batch_first=True)
    return nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)


class _Model(nn.Module):
    """Blocks that are run by number, positions of which there are 16, and a batch norm."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self.num_layers = depth
        self.heads = depth  # no number of layers
        self.words = nn.Embedding(10, 8)
        self.places = nn.Embedding(16, 8)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.BatchNorm1d(32), nn.Linear(32, 8))
            for _ in range(depth)
        )

    def forward(self, ids: Tensor) -> Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1], device=ids.device))
        x = x.flatten(0, 1)
        for number in range(self.num_layers):
            x = x + self.layers[number](x)
        return x * self.heads


def _ids(batch: int, length: int) -> Tensor:
    return torch.ones(batch, length, dtype=torch.int64)


# ------------------------------------------------------------ each point is what the model of that size needs


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_another_depth_needs_what_a_model_of_that_depth_needs(depth: int) -> None:
    point = sweep(work_of(_Model(3), _ids(4, 8)), DEPTH, [depth]).points[0]
    real = measure(work_of(_Model(depth), _ids(4, 8)))
    assert (point.plain, point.plain_saved) == (real.tensors, real.saved)


@pytest.mark.parametrize(("kind", "shape"), [(BATCH, (9, 8)), (SEQ, (4, 3))])
def test_another_size_of_the_inputs_needs_what_it_needs(kind: SweepKind, shape: tuple[int, int]) -> None:
    value = shape[0] if kind is BATCH else shape[1]
    found = sweep(work_of(_Model(3), _ids(4, 8)), kind, [value])
    real = measure(work_of(_Model(3), _ids(*shape)))
    assert found.points[0].plain == real.tensors
    assert found.current == (4 if kind is BATCH else 8)
    assert found.on_fake


def test_by_default_powers_of_two_around_its_own_size() -> None:
    found = sweep(work_of(_transformer(3), torch.ones(2, 4, 32)), DEPTH)
    assert [point.value for point in found.points] == [1, 2, 3, 4]
    assert found.current == 3


# ------------------------------------------------------------ the lesson


def test_a_stack_of_linear_and_relu_gains_nothing() -> None:
    layers = (layer for _ in range(8) for layer in (nn.Linear(64, 64), nn.ReLU()))
    work = work_of(nn.Sequential(*layers), torch.ones(256, 64))
    for _, plain, checkpointed in _peaks(sweep(work, DEPTH, [2, 8, 16])):
        assert checkpointed >= plain


def test_layers_of_a_transformer_gain_more_the_deeper() -> None:
    layer = nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True)
    module = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    blocks = [BlockModule(0, f"layers.{number}", each) for number, each in enumerate(module.layers)]
    found = sweep(work_of(module, torch.ones(8, 256, 512)), DEPTH, [4, 16], blocks)
    shares = [checkpointed / plain for _, plain, checkpointed in _peaks(found)]
    assert shares == pytest.approx([0.39, 0.215], abs=0.01)


# ------------------------------------------------------------ the model afterwards, and beside


def _state(work: Work) -> list[Any]:
    module: Any = work.subject
    tensors = [*module.named_parameters(), *module.named_buffers()]
    return [
        [(name, id(tensor), tensor.detach().clone().tolist()) for name, tensor in tensors],
        [name for name, _ in module.named_modules()],
        (module.num_layers, module.heads, module.training),
    ]


@pytest.mark.parametrize("kind", [DEPTH, BATCH, SEQ])
def test_the_model_is_what_it_was(kind: SweepKind) -> None:
    work = work_of(_Model(3), _ids(4, 8))
    measure(work)  # every step leaves the buffers as one step leaves them
    before = _state(work)
    assert len(_peaks(sweep(work, kind, [1, 2, 5]))) == 3
    assert _state(work) == before


def test_shared_parameters_stay_shared_in_the_copies() -> None:
    class Shared(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.Tanh()) for _ in range(depth))
            for layer in self.layers:
                layer[0].weight = self.layers[0][0].weight

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = layer(x)
            return x

    point = sweep(work_of(Shared(2), torch.ones(4, 16)), DEPTH, [5]).points[0]
    assert point.plain == measure(work_of(Shared(5), torch.ones(4, 16))).tensors


def test_a_configuration_that_counts_the_layers_counts_them_again() -> None:
    class Configured(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.config = type("Config", (), {})()
            self.config.num_hidden_layers = 3
            self.config.layer_types = ["full", "sliding", "full"]
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for number, layer in enumerate(self.layers[: self.config.num_hidden_layers]):
                x = layer(x) if self.config.layer_types[number] else x
            return x

    module = Configured()
    found = sweep(work_of(module, torch.ones(4, 8)), DEPTH, [1, 7])
    assert len(_peaks(found)) == 2
    assert vars(module.config) == {"num_hidden_layers": 3, "layer_types": ["full", "sliding", "full"]}


# ------------------------------------------------------------ what cannot be done


def test_a_length_beyond_the_positions_fails_at_its_point_only() -> None:
    found = sweep(work_of(_Model(2), _ids(4, 8)), SEQ, [8, 17, 16])
    assert [bool(point.failure) for point in found.points] == [False, True, False]
    assert found.points[1].failure == "IndexError: row 16 of an embedding with 16 rows, counted from 0"


def test_a_model_that_does_not_run_its_new_blocks_says_so() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            for number in range(3):
                x = self.layers[number](x)
            return x

    found = sweep(work_of(Fixed(), torch.ones(4, 8)), DEPTH, [2, 3, 4])
    assert [point.failure for point in found.points] == [
        "IndexError: index 2 is out of range",
        None,
        "of 4 blocks the model runs 3",
    ]


@pytest.mark.parametrize(
    ("work", "kind", "reason"),
    [
        (lambda: work_of(nn.Linear(4, 4), torch.ones(2, 4)), DEPTH, "no repeated block"),
        (lambda: work_of(nn.Linear(4, 4), torch.ones(2, 4)), SEQ, "no input has a sequence"),
        (lambda: work_of(lambda: torch.ones(3, requires_grad=True).sum()), BATCH, "no input has a batch"),
    ],
)
def test_a_step_without_such_a_size_is_refused(work: Any, kind: SweepKind, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        sweep(work(), kind)


# ------------------------------------------------------------ axes


def test_layers_with_the_sequence_first_have_the_batch_second() -> None:
    work = work_of(nn.LSTM(8, 8), torch.ones(5, 3, 8))
    assert sweep(work, SEQ, [5]).current == 5
    assert sweep(work, BATCH, [3]).current == 3


def test_inputs_that_share_the_size_change_together_and_others_do_not() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x: Tensor, mask: Tensor, weights: Tensor) -> Tensor:
            scores = (x @ x.transpose(1, 2) * self.scale).masked_fill(mask, -1e9)
            return scores.softmax(-1) @ x * weights

    def given(batch: int, length: int) -> tuple[Tensor, ...]:
        mask = torch.zeros(batch, length, length, dtype=torch.bool)
        return torch.ones(batch, length, 8), mask, torch.ones(8)

    longer = sweep(work_of(Masked(), *given(2, 5)), SEQ, [6]).points[0]
    assert longer.plain == measure(work_of(Masked(), *given(2, 6))).tensors
    more = sweep(work_of(Masked(), *given(2, 5)), BATCH, [3]).points[0]
    assert more.plain == measure(work_of(Masked(), *given(3, 5))).tensors


# ------------------------------------------------------------ on real tensors


class _Reading(nn.Module):
    """It reads a value, so that it does not run on fake tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x) * x.sum().item()


def test_a_model_that_reads_values_is_swept_on_real_tensors() -> None:
    work = work_of(_Reading(), torch.ones(32, 64))
    found = sweep(work, DEPTH, [2, 4])
    assert not found.on_fake
    assert found.points[0].plain == measure(work).peak
    (_, first, _), (_, second, _) = _peaks(found)
    assert second > first


def test_a_size_that_would_not_fit_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    work = work_of(_Reading(), torch.ones(32, 64))
    peak = measure(work).peak
    monkeypatch.setattr(sweeps, "available_bytes", lambda _device: 4 * peak)
    found = sweep(work, BATCH, [32, 2**20])
    assert found.points[0].failure is None
    assert (found.points[1].failure or "").startswith("it would need about ")
