"""The generators of random numbers: set to one seed for an evaluation, and put back where they were."""

from __future__ import annotations

import pickle
import random
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

SEED = 0
"""Before every evaluation all generators get this seed, so that a random forward is a function of its
inputs."""

_inside = threading.local()


@contextmanager
def seeded() -> Iterator[None]:
    """All generators at `SEED`, and afterwards where they were.

    Saving NumPy's generator costs more than a small forward, so it is done once around many evaluations:
    inside another `seeded` the generators are set anew and left to that one.
    """
    if getattr(_inside, "seeded", False):
        _seed()
        yield
        return
    numpy = sys.modules.get("numpy")
    default, python = torch.default_generator, random.getstate()
    cpu = default.get_state()
    devices = _devices_in_use()
    states = [torch.cuda.get_rng_state(device) for device in devices]
    array = numpy.random.get_state() if numpy is not None else None
    _inside.seeded = True
    try:
        _seed()
        yield
    finally:
        _inside.seeded = False
        default.set_state(cpu)
        random.setstate(python)
        if numpy is not None:
            numpy.random.set_state(array)
        for device, state in zip(devices, states, strict=True):
            torch.cuda.set_rng_state(state, device)


def _seed() -> None:
    """Not by `torch.manual_seed`, which queues a call for every device that is not in use yet."""
    torch.default_generator.manual_seed(SEED)
    random.seed(SEED)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(SEED)
    for device in _devices_in_use():
        torch.cuda.default_generators[device].manual_seed(SEED)


def _devices_in_use() -> Sequence[int]:
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch does not say what it returns
    return range(torch.cuda.device_count()) if in_use else ()


def generator_states() -> tuple[bytes, Any, bytes]:
    """Where the generators stand: torch's on the CPU, Python's, NumPy's."""
    numpy = sys.modules.get("numpy")
    array = pickle.dumps(numpy.random.get_state()) if numpy is not None else b""
    return torch.random.get_rng_state().numpy().tobytes(), random.getstate(), array
