"""One call of a checkpoint: its first run, and each recomputation compared with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import CheckpointError

from gradscope.folds.recomputation import Difference, compare
from gradscope.recorder.checkpoints.alone import alone
from gradscope.recorder.checkpoints.log import AgainMode, FirstMode, RunLog
from gradscope.recorder.now import Now
from gradscope.recorder.places import Loc

_REFUSALS = ("encountered during backward but not found in storage",)  # by selective checkpointing


class Region:
    """What was run under one call. `differs` is told of every comparison, with the exception if one rose."""

    def __init__(
        self,
        now: Now,
        place: Loc,
        function: str,
        *,
        reentrant: bool,
        preserves_rng: bool,
        compared: Callable[[Region, Difference | None, BaseException | None], None],
    ) -> None:
        self.place = place
        self.function = function
        self.reentrant = reentrant
        self.preserves_rng = preserves_rng
        self._now = now
        self._compared = compared
        self._first: RunLog | None = None
        self._again: RunLog | None = None
        self._mode: FirstMode | None = None
        self._is_done = False
        self.is_checked = False  # torch compares what was recomputed: in the first run, by a gradient in it

    @property
    def is_begun(self) -> bool:
        """Whether the first run has begun."""
        return self._first is not None

    @property
    def is_too_long(self) -> bool:
        """Whether there were more ops than are compared."""
        return self._first is not None and self._first.is_full

    # ------------------------------------------------------------ the first run

    def begin(self) -> None:
        """The first run begins: from here on its ops are taken down."""
        self._first = RunLog(self._now)
        self._mode = FirstMode(self._first, self._now)
        torch._C._push_on_torch_function_stack(self._mode)

    def end(self, returned: Sequence[Any] | None = None) -> None:
        """The first run is over; `returned` are the outputs that a reentrant checkpoint is judged by."""
        self._leave_mode()
        if self._first is not None:
            self._is_done = True
            self._now.guarded("the first run of a checkpoint", self._settle, self._first, returned)

    def _leave_mode(self) -> None:
        """Takes our mode off the stack, also from under one that the region never left."""
        above = []
        length = torch._C._len_torch_function_stack
        while length() and (top := torch._C._pop_torch_function_stack()) is not self._mode:
            above.append(top)
        for mode in reversed(above):
            torch._C._push_on_torch_function_stack(mode)

    def saved(self, tensor: Tensor) -> None:
        """The first run saved a tensor for the backward, unless torch only checks what was recomputed."""
        if self._first is not None and not self._is_done and not self.is_checked:
            self._now.guarded("a tensor saved in a checkpoint", self._first.keep, tensor)

    # ------------------------------------------------------------ the recomputation

    @contextmanager
    def recomputing(self) -> Iterator[None]:
        """Around a recomputation."""
        log = self._again = RunLog(self._now)
        log.run.whole = False
        try:
            with alone(AgainMode(log, self._now)):
                yield
            log.run.whole = True
        except Exception as error:
            if type(error).__name__ != "_StopRecomputationError":
                self.failed(error)
            raise

    def returned(self, outputs: Sequence[Any]) -> None:
        """A reentrant checkpoint has recomputed its outputs: those with a graph are differentiated."""
        kept = [each if isinstance(each, Tensor) and each.requires_grad else None for each in outputs]
        self.recomputed(kept)

    def recomputed(self, kept: Sequence[Tensor | None]) -> None:
        """A recomputation is over: it gave these tensors, in the order of the first run's."""
        if self._first is not None and self._again is not None:
            self._now.guarded("a recomputation", self._compare, kept, None)

    def failed(self, error: BaseException, kept: Sequence[Tensor | None] = ()) -> None:
        """A recomputation raised, or torch refused what it gave."""
        if self._first is not None and self._again is not None:
            self._now.guarded("a recomputation", self._compare, kept, error)

    def _compare(self, kept: Sequence[Tensor | None], error: BaseException | None) -> None:
        assert self._first is not None
        assert self._again is not None
        self._settle(self._again, kept)
        first, again = self._first.run, self._again.run
        refused = isinstance(error, CheckpointError) or any(text in str(error) for text in _REFUSALS)
        self._compared(self, compare(first, again, failed=error is not None, refused=refused), error)

    @staticmethod
    def _settle(log: RunLog, kept: Sequence[Any] | None) -> None:
        for each in kept or ():
            log.keep(each if isinstance(each, Tensor) else None)
        log.settle()
