"""How much memory can still be had: of the machine, of the container it runs in, of an accelerator."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import torch

_MEMINFO: Final = Path("/proc/meminfo")
_CGROUPS: Final = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current"), "file"),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
        "total_cache",
    ),
)
"""Limit, use, and what a group's memory.stat calls the page cache, which is given back when it is needed."""


def available_bytes(device: torch.device) -> int | None:
    """Bytes that can be allocated on a device before memory runs out; None where nobody tells."""
    if device.type == "cuda":
        import torch  # the memory of the machine is also asked for where torch is not wanted

        free, _total = torch.cuda.mem_get_info(device)
        return int(free) + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return available_on_machine() if device.type == "cpu" else None


def available_on_machine() -> int | None:
    """Bytes that the machine, or the container, has left; None where nobody tells."""
    known = [size for size in (_of_machine(), _of_group()) if size is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with contextlib.suppress(OSError, ValueError, AttributeError):  # not on every platform
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _of_group() -> int | None:
    """What the control group allows beyond its use; None for no group, or one without a limit."""
    for limit, use, cache in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: there is no limit
            return (
                int(limit.read_text()) - int(use.read_text()) + _cached(use.with_name("memory.stat"), cache)
            )
    return None


def _cached(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def gib(size: int) -> str:
    """ "21.3 GiB", or "96 MiB" below one."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{max(1, round(size / 2**20))} MiB"
