"""Checksums of memory that NumPy shares, whatever the strides of the tensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gradscope.recorder import Recorder
from gradscope.recorder.memory_aliases import _checksum


@pytest.mark.parametrize("stride", [0, 1, 3])
def test_one_element_with_any_stride(stride: int) -> None:
    memory = torch.tensor([5, 6])
    tensor = memory.as_strided((1,), (stride,))
    before = _checksum(tensor)
    memory[1] = 7
    assert _checksum(tensor) == before
    memory[0] = 8
    assert _checksum(tensor) != before


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64])
def test_expanded_and_transposed_memory(dtype: torch.dtype) -> None:
    memory = torch.zeros(2, 3, dtype=dtype)
    for view in (memory.T, memory[:, 1:2].expand(2, 4), memory[:, :0]):
        assert _checksum(view) == _checksum(view.clone())
    before = _checksum(memory.T)
    memory[1, 2] = 1
    assert _checksum(memory.T) != before


@pytest.mark.parametrize("number", [0.5, 3, [1.0, 2.0], np.float64(0.5)])
def test_what_is_copied_is_not_watched(number: object) -> None:
    with Recorder() as recorder:
        torch.asarray(number)
        torch.as_tensor(number)
    assert recorder.recording().not_seen == ()
