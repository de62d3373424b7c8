"""Nothing global is other after the checks than it was before."""

from __future__ import annotations

import logging
import random
import signal
import sys
import warnings

import numpy as np
import pytest
import sympy  # noqa: F401  torch imports it sooner or later, and it adds a warning filter of its own
import torch

from gradscope.checker.cases import all_cases
from gradscope.checker.models.checking import check_model
from gradscope.checker.point import Deadline, Sample
from gradscope.checker.subjects.discovery import subject_of
from tests.checker import faulty, healthy
from tests.checker.cases.settings import setting_of

if sys.platform == "linux":
    import resource


def state() -> dict[str, object]:
    return {
        "torch": torch.random.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "grad mode": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "warnings": list(warnings.filters),
        "threads": torch.get_num_threads(),
        "anomaly": torch.is_anomaly_enabled(),
        "address space": resource.getrlimit(resource.RLIMIT_AS) if sys.platform == "linux" else None,
        "stdout": (sys.stdout, sys.stderr),
        "logging": logging.root.manager.disable,
        "profile": (sys.getprofile(), sys.gettrace()),
        "interrupt": signal.getsignal(signal.SIGINT),
        "tensor": dict(vars(torch.Tensor)),
        "apply": dict(vars(torch.autograd.Function)),
        "hooks": len(torch.nn.modules.module._global_forward_hooks),
    }


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (healthy, "Dropout"),
        (healthy, "ProductWithRules"),
        (healthy, "InplaceAdd"),
        (healthy, "NumpySine"),
        (faulty, "ViewsGradOutput"),
        (faulty, "WrongVmap"),
        (faulty, "NoisyBackward"),
    ],
)
def test_state_is_kept(module, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    args = module.gradscope_inputs[name]()
    given = [one.clone() if isinstance(one, torch.Tensor) else one for one in args]
    setting = setting_of(getattr(module, name), *args, seconds=7.0)
    before, own = state(), dict(vars(setting.subject.function))
    for case in all_cases():
        case.check(setting)
    assert state() == before
    assert dict(vars(setting.subject.function)) == own
    assert capfd.readouterr() == ("", "")
    for one, other in zip(args, given, strict=True):
        assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other
        assert getattr(one, "grad", None) is None


def test_without_gradients_and_in_another_default_dtype() -> None:
    setting = setting_of(healthy.Softmax, healthy.normal(3, 4))
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            outcomes = [case.check(setting).outcome for case in all_cases() if case.order < 90]
            assert not torch.is_grad_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
    assert not [one for one in outcomes if one.outcome == "failed"]


class Model(torch.nn.Module):
    """Detaches, casts down, draws random numbers and keeps a buffer; its Function is wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = torch.nn.Linear(3, 3)
        self.norm = torch.nn.BatchNorm1d(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = faulty.SlightlyWrongTanh.apply(self.norm(self.linear(x)))
        return torch.nn.functional.dropout(hidden.float()) + hidden.detach()


def test_a_model_is_left_as_it_was() -> None:
    model, x = Model(), torch.randn(4, 3)
    subject = subject_of(model, "Model")
    assert subject is not None
    values = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    attributes, before = [set(vars(part)) for part in model.modules()], state()
    assert check_model(subject, Sample((x,)), Deadline(2.0)).function is not None  # every part of it ran
    assert state() == before
    assert all(torch.equal(tensor, values[name]) for name, tensor in model.state_dict().items())
    assert [set(vars(part)) for part in model.modules()] == attributes
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
