"""What was run, when most memory was alive and of what it consisted, and the totals of a step."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradscope.facts import Recording
from gradscope.facts.memory import AllocatorUse, MemoryPeak, MemoryPhase, MemoryUse
from gradscope.report import Report
from gradscope.reporters.memory_words import LEAST_SHARE, share_text, size_text, when
from gradscope.reporters.screen.findings import row_lines
from gradscope.reporters.screen.frames import Mark, frame, has_source
from gradscope.reporters.screen.memory.stack import stack_lines
from gradscope.reporters.screen.page import STYLES, Page
from gradscope.reporters.screen.words import clip_end, duration, group_names, plural, pointed

_ONE_OF = {"cpu": "the CPU"}


def peak_lines(report: Report, memory: MemoryUse, page: Page) -> list[Text]:
    """The header, the peak with its place and its parts, and the totals."""
    lines = [
        Text(line, STYLES["heading"])
        for line in pointed(_header(report, memory, page), page.width, page.width)
    ]
    peak = memory.peak
    if peak is None:
        return [*lines, Text("no tensor was alive: there is nothing to measure", STYLES["warning"])]
    lines += [_peak_line(peak, report.recording.steps, page), *_place(peak, report.recording, page)]
    return [*lines, *stack_lines(peak.kinds, page), *row_lines(list(_totals(memory, peak, page)), page)]


def _header(report: Report, memory: MemoryUse, page: Page) -> list[str]:
    """`model.py:GPT on the CPU`, `a step is forward and backward, 4.3 s`."""
    device = "fake tensors" if memory.is_fake else _ONE_OF.get(memory.device, page.text(memory.device))
    parts = [f"{page.text(page.shortened(report.target))} on {device}"]
    steps = report.recording.steps
    if steps:
        parts.append(plural(steps, "step"))
    phases = [phase.value for phase in (MemoryPhase.FORWARD, MemoryPhase.BACKWARD) if _has(memory, phase)]
    if _has(memory, MemoryPhase.OPTIMIZER):
        optimizer = page.text(memory.optimizer or "the optimizer")
        parts.append(f"a step is {', '.join(phases)} and {optimizer}{_seconds(memory)}")
    elif phases:
        parts.append(f"a step is {' and '.join(phases)}{_seconds(memory)}")
    return parts


def _has(memory: MemoryUse, phase: MemoryPhase) -> bool:
    return any(peak.phase is phase for peak in memory.peaks)


def _seconds(memory: MemoryUse) -> str:
    return f", {duration(memory.step_seconds)}" if memory.step_seconds else ""


def _peak_line(peak: MemoryPeak, steps: int, page: Page) -> Text:
    words = f" {when(peak, steps)}"
    if peak.module:
        words += f", in {page.text(peak.module)}"
    if peak.op:
        words += f": {page.text(peak.op)}"
    line = Text.assemble("peak ", (size_text(peak.size), STYLES["heading"]))
    return line.append(clip_end(words, page.width - line.cell_len))


def _place(peak: MemoryPeak, recording: Recording, page: Page) -> Iterator[Text]:
    """The line that reached the peak, marked where its source is known."""
    location = peak.location
    if location is None:
        return
    head = Text.assemble(("  --> ", STYLES["gutter"]), page.at(location))
    inside = (location.function or "").replace("<locals>.", "")
    if inside not in ("", "<module>"):
        head.append(
            clip_end(f"  in {page.text(inside)}", max(0, page.width - head.cell_len)), STYLES["faint"]
        )
    yield head
    source = recording.sources.get(location.path, ())
    if has_source(source, location):
        yield from frame(source, [Mark(location, "", primary=False)], page, STYLES["second"])


def _totals(memory: MemoryUse, peak: MemoryPeak, page: Page) -> Iterator[tuple[str, str]]:
    phases = [each for each in memory.peaks if each.phase is not MemoryPhase.OUTSIDE or each is peak]
    if len(phases) > 1:
        yield "phases", ", ".join(f"{each.phase.value} {size_text(each.size)}" for each in phases)
    optimizer = f"{page.text(memory.optimizer)}'s state" if memory.optimizer else "optimizer state"
    totals = (
        ("saved", memory.saved),
        ("parameters", memory.parameters),
        ("gradients", memory.gradients),
        (optimizer, memory.optimizer_state),
        ("buffers", memory.buffers),
        ("held by Python", memory.python_kept),
    )
    told = [f"{name} {size_text(size)}" for name, size in totals if size > LEAST_SHARE * peak.size]
    if told:
        yield "totals", ", ".join(told)
    if memory.allocator is not None:
        yield "allocator", allocator_text(memory.allocator)


def allocator_text(use: AllocatorUse) -> str:
    """`17.4 GiB reserved for 14.7 GiB: 15% fragmented, 2 retries`."""
    text = f"{size_text(use.reserved)} reserved for {size_text(use.allocated)} of tensors"
    text += f", {share_text(use.reserved - use.allocated, use.reserved) or '0%'} fragmented"
    return f"{text}, {plural(use.retries, 'retry', 'retries')}" if use.retries else text


def grouped(names: tuple[str, ...], page: Page, limit: int = 2) -> str:
    """Paths of modules in a few words: `h.*.attn (12)`."""
    return page.text(group_names(names, limit))
