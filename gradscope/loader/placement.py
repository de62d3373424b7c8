"""Device, dtype, autocast and seed: checked before the program runs, put back afterwards."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch

from gradscope.errors import UsageError
from gradscope.loader.options import Options


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and in which precision to run. `explicit` says that a device was asked for by name."""

    device: torch.device
    explicit: bool
    dtype: torch.dtype | None
    amp: torch.dtype | None
    seed: int | None

    @contextmanager
    def around_script(self) -> Iterator[None]:
        """Defaults for a program that places its own tensors: only what was asked for by name is set."""
        with ExitStack() as stack:
            before = torch.get_default_device()
            if self.explicit and self.device != before:
                torch.set_default_device(self.device)
                stack.callback(torch.set_default_device, None if before == torch.device("cpu") else before)
            self._enter_dtype(stack)
            self._enter_amp(stack)
            if self.seed is not None:
                seed_everything(self.seed)
            yield

    @contextmanager
    def around_model(self) -> Iterator[None]:
        """Defaults for a module or function that we call: the device counts also when chosen by us."""
        with ExitStack() as stack:
            if self.device.type != "cpu":
                stack.enter_context(self.device)
            self._enter_dtype(stack)
            self._enter_amp(stack)
            seed_everything(self.seed or 0)
            yield

    def _enter_dtype(self, stack: ExitStack) -> None:
        if self.dtype is not None:
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            torch.set_default_dtype(self.dtype)

    def _enter_amp(self, stack: ExitStack) -> None:
        if self.amp is not None:
            stack.enter_context(torch.autocast(self.device.type, dtype=self.amp))


def choose_placement(options: Options) -> Placement:
    """Reads `--device`, `--dtype`, `--amp` and `--seed`; UsageError for a device that is not here."""
    device = choose_device(options.device)
    if options.amp is not None and not torch.amp.is_autocast_available(device.type):
        raise UsageError(f"--amp: torch has no autocast for {device.type}", try_next="--dtype bfloat16")
    return Placement(
        device=device,
        explicit=options.device != "auto",
        dtype=None if options.dtype is None else getattr(torch, options.dtype),
        amp=None if options.amp is None else getattr(torch, options.amp),
        seed=options.seed,
    )


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is the accelerator where there is one, else the CPU."""
    if name == "auto":
        found = torch.accelerator.current_accelerator(check_available=True)
        return found if found is not None else torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f"--device {name} is not a device", try_next=("auto, cpu, cuda, cuda:1 or mps",)
        ) from None
    if device.type == "cuda":
        _check_cuda(name, device)
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("--device mps: there is no Metal device here", try_next="--device cpu")
    return device


def _check_cuda(name: str, device: torch.device) -> None:
    if not torch.cuda.is_available():
        built = torch.version.cuda is not None or torch.version.hip is not None
        reason = (
            "no CUDA device can be used here" if built else f"torch {torch.__version__} is built without CUDA"
        )
        raise UsageError(f"--device {name}: {reason}", try_next="--device cpu, or leave it out")
    count = torch.cuda.device_count()
    if device.index is not None and device.index >= count:
        raise UsageError(
            f"--device {name}: there are {count} CUDA devices here, counted from 0",
            try_next="--device cuda:0",
        )


def seed_everything(seed: int) -> None:
    """Seeds the generators of torch (on every device), of `random`, and of NumPy where it is loaded."""
    random.seed(seed)
    torch.manual_seed(seed)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(seed % 2**32)
