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


def arithmetic() -> dict[str, str]:
    """`processor` and `threads`: what else decides how a sum on the CPU is rounded."""
    capability = torch.backends.cpu.get_cpu_capability()
    processor = ", ".join(filter(None, (_processor(), capability)))
    return {"processor": processor, "threads": str(torch.get_num_threads())}


def _processor() -> str:
    """The processor by name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
            return next(named, platform.processor())
    except OSError:  # not on Linux
        return platform.processor()


def device_text() -> str:
    """The accelerators here by name ("2 x NVIDIA H200"), or "cpu"."""
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        return ", ".join(f"{names.count(name)} x {name}" for name in dict.fromkeys(names))
    found = torch.accelerator.current_accelerator(check_available=True)
    return found.type if found is not None else "cpu"
