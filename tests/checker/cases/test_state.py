"""Nothing global is other after the checks than it was before."""

from __future__ import annotations

import random
import sys
import warnings

import numpy as np
import pytest
import sympy  # noqa: F401  torch imports it sooner or later, and it adds a warning filter of its own
import torch

from gradscope.checker.cases import all_cases
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
    before = state()
    for case in all_cases():
        case.check(setting)
    assert state() == before
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
