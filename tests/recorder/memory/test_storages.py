"""The mode that sees storages, beside programs that compile."""

from __future__ import annotations

from typing import Any

import torch

from gradscope.folds.storages import StorageLog
from gradscope.recorder.memory.storages import LiveStorages


def test_dynamo_must_not_look_into_one_of_another_class() -> None:
    class Counting(LiveStorages):  # type: ignore[no-untyped-call]  # torch's own
        ops = 0

        def _run(self, func: Any, args: Any, kwargs: dict[str, Any] | None) -> Any:
            self.ops += 1
            return super()._run(func, args, kwargs)

    mode = Counting(StorageLog())
    mode.compiles()
    hidden = type(mode)
    assert hidden is not Counting
    assert isinstance(mode, Counting)
    assert vars(hidden)["__torch_dispatch__"].__wrapped__  # by torch._disable_dynamo
    mode.compiles()
    assert type(mode) is hidden
    with mode:
        torch.ones(2).add(1)
    assert mode.ops == 2
    assert mode.log.live > 0 or mode.log.now == 4
