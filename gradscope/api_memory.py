"""The Python interface: `gradscope.memory(model, batch)`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from gradscope.destination import Destination
from gradscope.errors import OutputError, UsageError
from gradscope.facts import MemoryUse, Recording
from gradscope.folds.storages import StorageLog
from gradscope.loader.generators import seeded
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import Placement
from gradscope.loader.work import Work, make_optimizer
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
    blocks: Sequence[str] = (),
    optimizer: str | None = None,
    compare: bool = True,
    **named_inputs: Any,
) -> Memory:
    """What a training step keeps in memory, when it peaks, and what checkpointing would buy.

        print(gradscope.memory(model, batch))
        print(gradscope.memory(model, batch, budget="8GiB").code)

    The step calls `subject` with copies of the inputs, takes a scalar output, its `.loss` or the mean, or
    what `loss` makes of the output, and runs its backward. `budget` is in bytes, or as `--budget` takes it
    ("8GiB", "50%"); `blocks` are patterns of the modules to checkpoint; `optimizer` ends the step with one
    of "sgd", "momentum", "adam" or "adamw" at a learning rate of 0. The step is run some dozens of times;
    gradients, buffers and generators are what they were afterwards.

    Raises UsageError for what cannot be run or understood; what the program raises comes out.
    """
    if not callable(subject):
        raise UsageError(
            f"a {type(subject).__name__} has no step: give a module, or a function that returns a loss"
        )
    allowed = parse_budget(budget) if isinstance(budget, str) else None
    if isinstance(budget, int):
        allowed = Budget(size=budget)
    name = getattr(subject, "__name__", None) or type(subject).__name__
    work = Work(
        subject=subject,
        name=name,
        inputs=Inputs(inputs, named_inputs, "the arguments"),
        find=_finder(loss),
        placement=_placement(subject, inputs, named_inputs),
        optimizer=make_optimizer(optimizer, subject),
    )
    with seeded(), _as_before(work):
        recorder = Recorder(storages=StorageLog())
        with recorder:
            for _ in range(2 if optimizer is not None else 1):
                work.step(_nothing, _nothing, _nothing)
        recording = recorder.recording()
        work.zero_grad()
        if compare and recording.memory is not None:
            told, notes = compared(work, recording.memory, Wanted(allowed, tuple(blocks)), _unheard)
            recording = replace(recording, memory=told, notes=(*recording.notes, *notes))
    return Memory(_report(f"gradscope.memory({name})", recording))


def _report(target: str, recording: Recording) -> Report:
    return report_on(recording, target)


def _finder(loss: Callable[..., Tensor] | None) -> Any:
    if loss is None:
        return find_loss(None)
    given = loss

    def find(output: Any, _inputs: Inputs, _note: Any) -> Tensor:
        return given(output)

    return find


def _placement(subject: Any, inputs: Any, named_inputs: Any) -> Placement:
    """Where the subject already is: nothing is moved."""
    parameters = subject.parameters() if isinstance(subject, nn.Module) else iter(())
    tensors = [*parameters, *Inputs(inputs, named_inputs).tensors()]
    options = Options(device="cpu" if not tensors else str(tensors[0].device))
    from gradscope.loader.placement import choose_placement

    return choose_placement(options)


@contextmanager
def _as_before(work: Work) -> Iterator[None]:
    """Gradients and buffers of the modules are put back, whatever the steps do to them."""
    roots = [work.subject] if isinstance(work.subject, nn.Module) else []
    gradients = [(each, each.grad) for root in roots for each in root.parameters()]
    buffers = [(each, each.detach().clone()) for root in roots for each in root.buffers()]
    for parameter, _ in gradients:
        parameter.grad = None
    try:
        yield
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        for buffer, value in buffers:
            buffer.data.copy_(value)


def _nothing() -> None:
    """Where no phase is told."""


def _unheard(_text: str) -> None:
    """Where nobody watches."""
