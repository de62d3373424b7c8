"""The Python interface: `gradscope.memory(model, batch)`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gradscope.api_step import as_before, work_of
from gradscope.destination import Destination
from gradscope.errors import OutputError, UsageError
from gradscope.facts import MemoryUse
from gradscope.folds.storages import StorageLog
from gradscope.loader.generators import seeded
from gradscope.loader.inputs import Inputs
from gradscope.memory_measuring import report_on
from gradscope.memory_use.budget import Budget, parse_budget
from gradscope.memory_use.whole import Wanted, compared
from gradscope.recorder import Recorder
from gradscope.report import Report
from gradscope.reported import Reported


class Memory(Reported):
    """The memory of one training step, and what checkpointing would change.

    `print` of it shows the report.
    """

    def __init__(self, report: Report) -> None:
        self._report = report

    @property
    def report(self) -> Report:
        """Findings and recording together, as the reporters take them."""
        return self._report

    @property
    def use(self) -> MemoryUse:
        """What was measured: frozen facts, in bytes."""
        memory = self.recording.memory
        assert memory is not None
        return memory

    @property
    def code(self) -> str | None:
        """The code that applies the recommended checkpointing, None where none is worth it."""
        return self.use.code

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the report to a file: a page for .html, else .json or .txt. OutputError where it cannot."""
        from gradscope.reporters.memory_page import render

        name = os.fspath(path)
        contents: dict[str, Callable[[], bytes]] = {
            ".html": lambda: render(self._report, os.getcwd()),
            ".htm": lambda: render(self._report, os.getcwd()),
            ".json": lambda: self.json().encode(),
            ".txt": lambda: f"{self}\n".encode(),
        }
        content = contents.get(os.path.splitext(name)[1].casefold())
        if content is None:
            raise OutputError(f"{name}: its ending names no format", try_next="memory.html")
        Destination(name, machine=True, to_stderr=False).write_parts([(content(), "")])

    def __repr__(self) -> str:
        peak = self.use.peak
        size = "nothing" if peak is None else f"{peak.size:,} bytes"
        return f"<gradscope.memory: {size} at the peak, {len(self.use.strategies)} strategies>"


def memory(
    subject: nn.Module | Callable[..., Any],
    /,
    *inputs: Any,
    loss: Callable[..., Tensor] | None = None,
    budget: int | str | None = None,
    blocks: str | Sequence[str] = (),
    optimizer: str | None = None,
    compare: bool = True,
    **named_inputs: Any,
) -> Memory:
    """What a training step keeps in memory, when it peaks, and what checkpointing would buy.

        print(gradscope.memory(model, batch))
        print(gradscope.memory(model, batch, budget="8GiB").code)

    The step calls `subject` with copies of the inputs, takes a scalar output, its `.loss` or the mean, or
    what `loss` makes of the output, and runs its backward. `budget` is in bytes, or as `--budget` takes it
    ("8GiB", "50%"); `blocks` is a pattern of the modules to checkpoint, or several; `optimizer` ends the step
    with one of "sgd", "momentum", "adam" or "adamw" at a learning rate of 0. The step is run some dozens of
    times; gradients, buffers, attributes of modules and generators are what they were afterwards.

    Raises UsageError for what cannot be run or understood; what the program raises comes out.
    """
    allowed = _budget(budget)
    patterns = (blocks,) if isinstance(blocks, str) else tuple(blocks)
    _check_is_real(subject)
    work = work_of(subject, Inputs(inputs, named_inputs, "the arguments"), loss=loss, optimizer=optimizer)
    with torch.inference_mode(False), torch.enable_grad(), seeded(), as_before(work):
        recorder = Recorder(storages=StorageLog())
        with recorder:
            for _ in range(2 if optimizer is not None else 1):
                work.step()
        recording = recorder.recording()
        work.zero_grad()
        if compare and recording.memory is not None:
            told, notes = compared(work, recording.memory, Wanted(allowed, patterns), _unheard)
            recording = replace(recording, memory=told, notes=(*recording.notes, *notes))
    return Memory(report_on(recording, f"gradscope.memory({work.name})"))


def _budget(budget: int | str | None) -> Budget | None:
    if budget is None:
        return None
    if isinstance(budget, int) and not isinstance(budget, bool) and budget >= 0:
        return Budget(size=budget)
    if isinstance(budget, str):
        return parse_budget(budget)
    raise UsageError(
        f"budget={budget!r} is not an amount of memory", try_next='budget=8 * 2**30, "8GiB" or "50%"'
    )


def _check_is_real(subject: Callable[..., Any]) -> None:
    if isinstance(subject, nn.Module) and any(each.is_meta for each in subject.parameters()):
        raise UsageError(
            f"the {type(subject).__name__} has parameters on the meta device, where nothing is measured",
            try_next="gradscope memory FILE:NAME --fake",
        )


def _unheard(_text: str) -> None:
    """Where nobody watches."""
