"""What a report was made with: versions, platform and device, as text."""

from __future__ import annotations

import platform
import sys

import torch

from gradscope import __version__


def environment() -> dict[str, str]:
    """`gradscope`, `python`, `torch`, `platform` and `device`, in that order."""
    return {
        "gradscope": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "platform": f"{sys.platform} {platform.machine()}",
        "device": device_text(),
    }


def device_text() -> str:
    """The accelerators here by name ("2 x NVIDIA H200"), or "cpu"."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    found = torch.accelerator.current_accelerator(check_available=True)
    return found.type if found is not None else "cpu"
