"""`--redact` and the memory of a run: bytes, modules and lines, and nothing of the program's text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gradscope.facts import LineMemory, MemoryUse, SavedAt, UnusedGraph
from gradscope.finding import Location
from gradscope.report import Report
from gradscope.reporters import memory_page
from gradscope.reporters.memory_timeline import timeline_of
from gradscope.reporters.redaction import redact

from .memory_examples import (
    gpt_memory,
    memory_cuda,
    memory_failures,
    memory_fake,
    memory_floor,
    memory_gpt,
    memory_script,
    memory_sweep,
    report,
)
from .rendering import json_text, text
from .samples import HOME

ALL = (memory_gpt, memory_script, memory_cuda, memory_floor, memory_fake, memory_sweep, memory_failures)


def every_format(of: Report) -> str:
    hidden = redact(of, HOME)
    page = memory_page.render(hidden, HOME).decode()
    data = page[page.index('type="application/json"') : page.rindex("<script")]
    return text(of, redact=True) + json_text(of, redact=True) + data + timeline_of(hidden, HOME)


def hidden(memory: MemoryUse, **more: object) -> MemoryUse:
    found = redact(report(memory, **more), HOME).recording.memory
    assert found is not None
    return found


@pytest.mark.parametrize("sample", ALL)
def test_no_source_and_no_path_is_left_in_any_format(sample: Callable[[], Report]) -> None:
    whole = sample()
    shown = every_format(whole)
    lines = [line.strip() for source in whole.recording.sources.values() for line in source]
    assert [line for line in lines if len(line) > 3 and line in shown] == []
    assert "/home" not in shown
    assert "checkpoint(" not in shown


def test_what_is_kept() -> None:
    before, after = gpt_memory(), hidden(gpt_memory())
    assert after.modules == before.modules
    assert after.curve == before.curve
    assert [each.saved for each in after.lines] == [each.saved for each in before.lines]
    assert [each.peak for each in after.strategies] == [each.peak for each in before.strategies]
    assert [each.choices for each in after.strategies] == [each.choices for each in before.strategies]
    assert [each.time_ratio for each in after.strategies] == [each.time_ratio for each in before.strategies]
    assert after.plan is not None
    assert before.plan is not None
    assert (after.plan.budget, after.plan.floor) == (before.plan.budget, before.plan.floor)
    assert after.lines[0].location.path == "model.py"
    assert after.peaks[1].location is not None
    assert after.peaks[1].location.path == "model.py"


def test_calls_code_and_differences_are_out() -> None:
    script = memory_script().recording.memory
    assert script is not None
    assert [each.call for each in hidden(script).unused] == ["", ""]
    assert hidden(gpt_memory()).code is None
    cuda = memory_cuda().recording.memory
    assert cuda is not None
    differing = hidden(cuda).strategies[2]
    assert differing.largest_difference is None
    assert differing.different == cuda.strategies[2].different


def test_reasons_lose_messages_of_exceptions() -> None:
    failures = memory_failures().recording.memory
    assert failures is not None
    after = hidden(failures)
    assert after.strategies[0].failure == "out of memory"
    assert after.blocks[3].reason == "its forward changes a tensor of its own"
    assert after.blocks[9].reason == failures.blocks[9].reason
    sweep = memory_sweep().recording.memory
    assert sweep is not None
    found = hidden(sweep).sweep
    assert found is not None
    assert [point.failure for point in found.points] == [None] * 5 + ["out of memory"]


def test_what_quotes_the_source_is_out() -> None:
    where = Location(f"{HOME}/net.py", 1, 1)
    source = {where.path: ("h = self.secret(x + 1)",)}
    saved = SavedAt(
        "AddBackward0", "self", (1,), "float32", 4, 1, where, ("net",), "h = self.secret(x) without it"
    )
    memory = MemoryUse("cpu", (), largest=(saved,), not_compared="net.py calls self.secret(x + 1) twice")
    after = hidden(memory, sources=source)
    assert after.largest[0].cheaper is None
    assert after.not_compared == "..."


def test_paths_outside_are_hidden() -> None:
    outside = Location("/srv/secret/net.py", 3)
    memory = MemoryUse(
        "cpu",
        (),
        lines=(LineMemory(outside, 1, 1, ()),),
        unused=(UnusedGraph(outside, "net(x)", 1, 1, 1),),
        not_compared="/srv/secret/net.py has no module",
    )
    after = hidden(memory)
    assert {each.location.path for each in (*after.lines, *after.unused)} == {"<path>"}
    assert "secret" not in every_format(report(memory))


def test_it_is_pure_and_can_be_repeated() -> None:
    whole = memory_gpt()
    once = redact(whole, HOME)
    assert redact(once, HOME) == once
    assert whole == memory_gpt()
    again = redact(replace(once, redacted=False), HOME)
    assert again.recording.memory == once.recording.memory
