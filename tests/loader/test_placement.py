"""Device, dtype, autocast and seeds: set, and put back."""

from __future__ import annotations

import random

import numpy
import pytest
import torch

from gradscope.errors import UsageError
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_device, choose_placement

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")


def test_a_script_is_left_alone_unless_something_is_asked_for() -> None:
    state = torch.get_rng_state()
    with choose_placement(Options()).around_script():
        assert torch.get_default_dtype() is torch.float32
        assert torch.get_default_device() == torch.device("cpu")
        assert not torch.is_autocast_enabled("cpu")
        assert torch.equal(torch.get_rng_state(), state)


def test_what_is_asked_for_holds_inside_and_not_after() -> None:
    options = Options(device="meta", dtype="float64")
    with choose_placement(options).around_script():
        made = torch.zeros(2)
        assert (made.device.type, made.dtype) == ("meta", torch.float64)
    made = torch.zeros(2)
    assert (made.device.type, made.dtype) == ("cpu", torch.float32)


def test_autocast_holds_inside() -> None:
    with choose_placement(Options(device="cpu", amp="bfloat16")).around_script():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.bfloat16
    assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32


def test_everything_is_put_back_when_the_program_fails() -> None:
    for options in (Options(device="meta", dtype="float64"), Options(device="cpu", amp="bfloat16")):
        with pytest.raises(ZeroDivisionError), choose_placement(options).around_script():
            raise ZeroDivisionError
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_default_device() == torch.device("cpu")
    assert not torch.is_autocast_enabled("cpu")


def test_a_seed_reaches_every_generator() -> None:
    drawn = []
    for _ in range(2):
        with choose_placement(Options(seed=5)).around_script():
            drawn.append((random.random(), torch.rand(1).item(), numpy.random.rand()))
    assert drawn[0] == drawn[1]


def test_a_model_is_seeded_with_zero_when_nothing_is_said() -> None:
    with choose_placement(Options(device="cpu")).around_model():
        found = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(found, torch.rand(1))


@NO_CUDA
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_cuda_where_there_is_none(name: str) -> None:
    with pytest.raises(UsageError, match=f"--device {name}: ") as caught:
        choose_device(name)
    assert caught.value.try_next == ("--device cpu, or leave it out",)


def test_a_device_without_autocast_is_told() -> None:
    with pytest.raises(UsageError, match="torch has no autocast for meta"):
        choose_placement(Options(device="meta", amp="bfloat16"))


def test_devices_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    with pytest.raises(UsageError, match="--device gpu is not a device"):
        choose_device("gpu")
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    assert choose_device("auto") == (accelerator or torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_where_there_is_one() -> None:
    assert choose_device("auto").type == "cuda"
    with pytest.raises(UsageError, match="counted from 0"):
        choose_device("cuda:99")
    with choose_placement(Options(device="cuda")).around_script():
        assert torch.zeros(1).device.type == "cuda"
