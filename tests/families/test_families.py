"""One training step of tiny `transformers` models: gradscope says what plain autograd shows, and no more.

The truth is computed here: the same step runs without gradscope first. A parameter whose `grad` is None
after its backward must be reported as unused; one that is exactly 0 may be; nothing else may be said.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import torch

import gradscope
from gradscope.api import Trace

from .family import Family
from .image_models import IMAGES
from .signal_models import SIGNALS
from .text_models import TEXT

pytest.importorskip("transformers")

FAMILIES = {**TEXT, **IMAGES, **SIGNALS}
AT_LEAST = 40


@dataclass(frozen=True)
class Step:
    """One training step: the loss, the gradients after backward, the parameters after the optimizer."""

    loss: torch.Tensor
    gradients: dict[str, torch.Tensor | None]
    trainable: set[str]
    parameters: dict[str, torch.Tensor]

    @property
    def without_gradient(self) -> set[str]:
        """Trainable parameters that backward left without a gradient."""
        return {name for name in self.trainable if self.gradients[name] is None}

    @property
    def exactly_zero(self) -> set[str]:
        """Parameters whose gradient has no element other than 0."""
        return {name for name, grad in self.gradients.items() if grad is not None and not grad.any()}


@pytest.fixture(autouse=True)
def small_process() -> Iterator[None]:
    """One torch thread, a generator of our own, and silence for the warnings of `transformers`."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)


def one_step(family: Family, around: AbstractContextManager[Any] | None = None) -> Step:
    """Builds the model and takes one step of AdamW, always from the same seed."""
    torch.manual_seed(0)
    with around or nullcontext():
        network = family.build()
        inputs = family.draw()
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        loss = loss_of(network(**inputs))
        loss.backward()
        gradients = {
            name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()
        }
        optimizer.step()
    parameters = {name: p.detach() for name, p in network.named_parameters()}
    trainable = {name for name, p in network.named_parameters() if p.requires_grad}
    return Step(loss.detach(), gradients, trainable, parameters)


def loss_of(output: Any) -> torch.Tensor:
    """The model's own loss, or the mean square of what it predicts where it computes none."""
    if getattr(output, "loss", None) is not None:
        return output.loss
    predicted = [t for t in output.to_tuple() if torch.is_tensor(t) and t.is_floating_point()]
    return torch.stack([t.pow(2).mean() for t in predicted]).sum()


def named(trace: Trace, code: str) -> set[str]:
    """The parameters that findings of a rule are about, without the name of the model's variable."""
    found = [f for f in trace.findings if f.code == code]
    return {subject.removeprefix("network.") for f in found for subject in f.subjects}


def different(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The names whose tensors differ in any bit, NaN and the sign of 0 included."""
    assert one.keys() == other.keys()
    return [name for name in one if not same_bits(one[name], other[name])]


def same_bits(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.numpy().tobytes() == other.numpy().tobytes()


@pytest.mark.parametrize("name", FAMILIES)
def test_family(name: str) -> None:
    family = FAMILIES[name]
    if family.model_class is None:
        pytest.skip(f"the installed transformers has no {family.model}")
    plain = one_step(family)
    trace = gradscope.trace()
    traced = one_step(family, trace)

    assert same_bits(plain.loss, traced.loss)
    assert not different(plain.gradients, traced.gradients)
    assert not different(plain.parameters, traced.parameters)

    assert {f.code for f in trace.findings} <= {"GS103", "GS108"}, str(trace)
    assert named(trace, "GS103") == plain.without_gradient, str(trace)
    assert named(trace, "GS108") <= plain.exactly_zero, str(trace)
    assert not trace.recording.not_seen


def test_at_least_forty_distinct_families_run() -> None:
    present = [family for family in FAMILIES.values() if family.model_class is not None]
    assert len({family.model_class.config_class.model_type for family in present}) >= AT_LEAST
