"""The page of `gradscope memory` in a real browser: the curve, strategies, tables, code, hostile names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gradscope.report import Report
from gradscope.reporters import memory_page
from gradscope.reporters.redaction import redact
from tests.reporters.memory_examples import (
    GIB,
    HOSTILE,
    memory_cuda,
    memory_empty,
    memory_failures,
    memory_fake,
    memory_floor,
    memory_gpt,
    memory_hostile,
    memory_script,
    memory_sweep,
)
from tests.reporters.samples import HOME

Opened = Callable[..., Any]
ALL = (
    memory_gpt,
    memory_script,
    memory_cuda,
    memory_floor,
    memory_fake,
    memory_sweep,
    memory_failures,
    memory_hostile,
    memory_empty,
)


@pytest.fixture
def shown(opened_file: Opened) -> Opened:
    """Opens the page of a report."""

    def open_page(report: Report, **options: Any) -> Any:
        return opened_file(memory_page.render(report, HOME), **options)

    return open_page


@pytest.mark.parametrize(
    ("sample", "scheme"), [*((each, "light") for each in ALL), (memory_gpt, "dark"), (memory_sweep, "dark")]
)
def test_every_page_opens_in_silence(sample: Callable[[], Report], scheme: str, shown: Opened) -> None:
    page = shown(sample(), color_scheme=scheme)
    assert page.text_content("#title")
    assert page.is_visible("#peak")
    visible = page.evaluate(
        "[...document.querySelectorAll('section')].filter((s) => !s.hidden && s.children.length < 2)"
    )
    assert visible == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0


def test_the_curve_reads_out_the_moment_below_the_pointer(shown: Opened) -> None:
    page = shown(memory_gpt())
    assert "backward, the peak" in page.text_content("#moment")
    assert "14.7 GiB" in page.text_content("#moment .total")
    box = page.locator("#curve").bounding_box()
    page.mouse.move(box["x"] + 90, box["y"] + 100)
    told = page.text_content("#moment")
    assert "forward" in told
    assert "the peak" not in told
    assert "14.7 GiB" not in told
    assert page.evaluate("window.gradscope.curve.at") < 10
    page.mouse.move(5, 5)
    assert "the peak" in page.text_content("#moment")


def test_the_curve_is_read_by_keyboard_too(shown: Opened) -> None:
    page = shown(memory_gpt())
    peak = page.evaluate("window.gradscope.curve.at")
    page.focus("#curve")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("window.gradscope.curve.at") == peak - 1
    page.keyboard.press("End")
    assert page.evaluate("window.gradscope.curve.at") == page.evaluate(
        "window.gradscope.curve.totals.length - 1"
    )
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Home")
    assert page.evaluate("window.gradscope.curve.at") == peak


def test_fake_tensors_have_no_times(shown: Opened) -> None:
    sample = memory_gpt()
    assert sample.recording.memory is not None
    memory = replace(sample.recording.memory, is_fake=True, step_seconds=None)
    page = shown(replace(sample, recording=replace(sample.recording, memory=memory)))
    assert not [text for text in page.locator("#curve text").all_text_contents() if text.endswith("ms")]
    assert "ms" not in page.text_content("#moment .head")
    page.hover("#curve", position={"x": 90, "y": 100})
    assert page.evaluate("window.gradscope.curve.at") < 10


def test_areas_of_kinds_lie_over_shaded_phases(shown: Opened) -> None:
    page = shown(memory_script())
    kinds = page.evaluate("[...document.querySelectorAll('#curve [data-kind]')].map((e) => e.dataset.kind)")
    assert kinds == ["parameter", "buffer", "input", "optimizer_state", "gradient", "saved", "other"]
    phases = page.evaluate(
        "[...document.querySelectorAll('#curve [data-phase]')].map((e) => e.dataset.phase)"
    )
    assert phases == ["forward", "backward", "optimizer"] * 4
    highest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('#curve circle')].map((e) => +e.getAttribute('cy')))"
    )
    assert 20 < highest < 60
    assert not page.locator("#curve .budget").count()


def test_the_curve_follows_the_width_of_the_window(shown: Opened) -> None:
    page = shown(memory_gpt())
    before = page.get_attribute("#curve", "viewBox")
    page.set_viewport_size({"width": 700, "height": 800})
    page.locator(f"#curve:not([viewBox='{before}'])").wait_for()
    assert "14.7 GiB" in page.text_content("#moment .total")


def test_strategies_stand_against_the_budget(shown: Opened) -> None:
    page = shown(memory_gpt())
    rows = page.locator("#checkpointing tr.choice")
    assert rows.count() == 5
    assert rows.nth(4).text_content().startswith("plan for 6 GiBrecommended5.94 GiB")
    ends = page.evaluate(
        """[...document.querySelectorAll("#checkpointing tr.choice")].map((row) => {
            const edge = (name) => row.querySelector(name).getBoundingClientRect();
            return edge(".all").right <= edge(".limit").left + 1;
        })"""
    )
    assert ends == [False, True, False, False, True]
    assert page.locator("#checkpointing .strip i").count() == 12
    assert "recomputed: 7" in page.text_content("#checkpointing .below")
    rows.nth(2).click()
    assert "every second block: 12 blocks" in page.text_content("#checkpointing .below")
    assert rows.nth(2).get_attribute("aria-selected") == "true"


def test_what_failed_and_what_differs_is_told(shown: Opened) -> None:
    page = shown(memory_failures())
    told = page.text_content("#checkpointing")
    assert "out of memory: 14.7 GiB were needed" in told
    assert "left out: h.3, h.4: its forward changes" in told
    assert "two plain steps already differ" in told
    page = shown(memory_cuda())
    page.click("#checkpointing tr.choice:nth-child(3)")
    assert "gradients differ by up to 0.00032" in page.text_content("#checkpointing .below")
    assert "15% fragmented, 2 retries" in page.text_content("#peak")


def test_the_floor_is_told_where_nothing_fits(shown: Opened) -> None:
    told = shown(memory_floor()).text_content("#checkpointing")
    assert "No plan fits in 2.00 GiB: the least that checkpointing reaches is 4.02 GiB." in told
    assert "of it temporary 1.88 GiB" in told


def test_modules_open_and_close(shown: Opened) -> None:
    page = shown(memory_gpt())
    rows = page.locator("#modules tbody tr:visible")
    names = [text.strip() for text in page.locator("#modules tbody tr:visible .mono").all_text_contents()]
    assert names == ["model", "wte", "drop", "h.0-11", "ln_1", "attn", "qkv", "ln_2", "mlp", "ln_f", "head"]
    page.click("[aria-label='Open mlp']")
    assert rows.count() == 13
    page.click("[aria-label='Close h.0-11']")
    assert rows.count() == 6
    page.click("[aria-label='Open h.0-11']")
    assert rows.count() == 13
    page.click("[aria-label='Close model']")
    assert rows.count() == 1


def test_long_tables_are_shown_whole_when_asked_for(shown: Opened) -> None:
    sample = memory_gpt()
    memory = sample.recording.memory
    assert memory is not None
    memory = replace(memory, lines=memory.lines * 4)
    page = shown(replace(sample, recording=replace(sample.recording, memory=memory)))
    assert page.locator("#lines tbody tr").count() == 12
    page.click("#lines button")
    assert page.locator("#lines tbody tr").count() == 36
    assert page.locator("#lines button").count() == 0


def test_the_code_is_copied_whole(shown: Opened) -> None:
    sample = memory_gpt()
    assert sample.recording.memory is not None
    page = shown(sample, permissions=["clipboard-read", "clipboard-write"])
    page.click("#code button")
    page.locator("#code button:not(:text-is('Copy'))").wait_for()
    code = sample.recording.memory.code
    if page.text_content("#code button") == "Copied":
        assert page.evaluate("navigator.clipboard.readText()") == code
    else:
        assert page.evaluate("getSelection().toString()").strip() == str(code).strip()


def test_a_sweep_is_two_lines_and_a_table(shown: Opened) -> None:
    page = shown(memory_sweep())
    assert page.locator("#sweep circle").count() == 11  # the last plain one failed
    assert page.locator("#sweep tbody tr").count() == 6
    assert "out of memory: 21.0 GiB asked for" in page.text_content("#sweep tbody tr:last-child")
    assert "1,0243.26 GiB949 MiB28%now" in page.text_content("#sweep tbody tr:nth-child(4)")


def test_sizes_are_written_as_in_the_terminal(shown: Opened) -> None:
    from gradscope.reporters.memory_words import size_text

    page = shown(memory_hostile())
    sizes = [
        0,
        1,
        1023,
        1024,
        1536,
        10_239,
        10_240,
        1023 * 1024,
        1024**2 - 1,
        3 * GIB + 7,
        99 * 1024,
        5 * 1024**5,
    ]
    written = page.evaluate(
        """(sizes) => {
            const { plan, strategies } = window.gradscope.data;
            return sizes.map((size) => {
                const shown = window.gradscope.strategies.bar({ peak: size, saved: 0 });
                return shown.title.replace(/^peak /, "").replace(/, of it saved 0 B$/, "");
            });
        }""",
        sizes,
    )
    assert written == [size_text(size) for size in sizes]


def test_hostile_names_are_text(shown: Opened) -> None:
    page = shown(memory_hostile())
    assert page.locator("img").count() == 0
    printable = HOSTILE.replace("\x1b", "\\x1b")
    assert page.text_content("#title") == printable
    assert page.locator("script").count() == 2
    for place in (
        "#peak",
        "#checkpointing",
        "#code",
        "#sweep",
        "#unused",
        "#modules",
        "#lines",
        "#tensors",
        "#notes",
    ):
        assert printable in page.text_content(place), place
    assert "\u202e" not in page.content()


def test_a_redacted_page_has_no_source_and_no_code(shown: Opened) -> None:
    page = shown(redact(memory_gpt(), HOME))
    assert page.is_hidden("#code")
    text = page.content()
    assert "softmax(dim" not in text
    assert HOME not in text
    assert "model.py:45" in text
