"""The memory of a run, recorded without anything else: nothing reads a value, so fake tensors will do."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from gradscope.facts import MemoryUse
from gradscope.folds.storages import StorageLog
from gradscope.recorder.creation import NodeBirths
from gradscope.recorder.memory.facts import MemoryFacts
from gradscope.recorder.memory.watch import MemoryWatch
from gradscope.recorder.modules import Modules
from gradscope.recorder.names import variable_name
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches


class MemoryRecorder:
    """Records memory while it is entered; `use` is what was found, once it was left."""

    def __init__(self, device: str) -> None:
        self._now = Now()
        self._device = device
        self._births = NodeBirths(self._now)
        self._modules = Modules(self._now, self._copy_structure)
        self._watch = MemoryWatch(self._now, StorageLog(), self._modules)
        self._patches = Patches()

    def __enter__(self) -> Self:
        try:
            self._watch.install_first(self._patches)
            self._births.install(self._patches)
            self._modules.install(self._patches)
            self._watch.install(self._patches)
        except BaseException:
            self._patches.undo()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._copy_structure()
        self._patches.undo()

    def _copy_structure(self) -> None:
        self._modules.name_roots(variable_name)
        self._modules.copy_structure()

    def use(self) -> MemoryUse:
        """The memory of what ran."""
        return MemoryFacts(self._watch, self._modules, self._device).fact()

    def not_seen(self) -> tuple[str, ...]:
        """Faults of our own, which are counted and not raised."""
        return tuple(
            f"a fault of gradscope's own, {count} time(s): {text}" for text, count in self._now.faults.items()
        )
