"""The page of `gradscope memory` in the terminal: what is said, and that it fits on any terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from gradscope.facts import (
    Block,
    Gradients,
    MemoryKind,
    MemoryPeak,
    MemoryPhase,
    MemoryUse,
    ModuleMemory,
    Plan,
    Strategy,
    StrategyKind,
    SweepPoint,
)
from gradscope.report import Report
from gradscope.reporters import render
from gradscope.reporters.screen.page import cells

from .memory_examples import (
    CODE,
    GIB,
    MIB,
    gpt_memory,
    memory_crash,
    memory_cuda,
    memory_empty,
    memory_failures,
    memory_fake,
    memory_floor,
    memory_gpt,
    memory_hostile,
    memory_script,
    memory_sweep,
    report,
    sweep,
)
from .rendering import text
from .samples import HOME

ALL = (
    memory_gpt,
    memory_script,
    memory_cuda,
    memory_floor,
    memory_fake,
    memory_sweep,
    memory_failures,
    memory_empty,
    memory_crash,
)


def lines(of: Report | MemoryUse, width: int = 80) -> list[str]:
    return text(of if isinstance(of, Report) else report(of), width).splitlines()


def found(start: str, among: list[str]) -> str:
    """The one line that begins so."""
    (line,) = [each for each in among if each.startswith(start)]
    return line


@pytest.mark.parametrize("sample", ALL)
@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_fits_on_a_screen_and_a_half(sample: object, width: int) -> None:
    assert callable(sample)
    shown = lines(sample(), width)
    assert max(map(cells, shown)) <= width
    assert len(shown) <= 60


@pytest.mark.parametrize("width", [40, 50, 60, 70])
@pytest.mark.parametrize("sample", [memory_gpt, memory_script, memory_cuda, memory_failures, memory_fake])
def test_tables_keep_to_a_narrow_terminal(sample: object, width: int) -> None:
    assert callable(sample)
    shown = [line for line in lines(sample(), width) if "GiB  " in line or "MiB  " in line]
    assert shown
    assert max(map(cells, shown)) <= max(width, 62 if width < 62 else 0)


def test_the_peak_says_when_and_where() -> None:
    shown = lines(memory_script())
    assert shown[0] == "train.py on the CPU · 40 steps · a step is forward, backward and Adam, 412 ms"
    assert shown[-1] == "peak 897 MiB · 2 graphs never used · no findings"
    head = shown[1]
    assert head.startswith("peak 897 MiB in the forward of step 11, in ResNet.layer1.0.conv2: aten::")
    assert shown[shown.index(head) + 1] == "  --> train.py:30:28"
    assert found("  phases", shown).split("  ")[-1] == "forward 897 MiB, backward 754 MiB, optimizer 214 MiB"
    assert "Adam's state" in found("  totals", shown)


def test_the_bar_is_as_long_as_its_parts() -> None:
    kinds = {MemoryKind.SAVED: 600, MemoryKind.PARAMETER: 300, MemoryKind.OTHER: 99, MemoryKind.INPUT: 1}
    memory = MemoryUse("cpu", (MemoryPeak(1000, MemoryPhase.FORWARD, kinds),))
    shown = lines(memory, 104)
    (bar,) = [line for line in shown if "██" in line]
    assert (bar.count("█"), bar.count("▓"), bar.count("▒")) == (60, 30, 10)
    assert "  █ saved for backward 600 B   ▓ parameters 300 B   ▒ temporary 99 B   inputs 1 B" in shown


def test_the_bar_is_drawn_in_ascii_where_it_must_be() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "ascii", write_through=True)
    render("text", memory_gpt(), out, width=80, color=False, cwd=HOME)
    shown = raw.getvalue().decode("ascii")
    assert "  # saved for backward 11.9 GiB   = temporary 1.58 GiB   + gradients 786 MiB" in shown
    assert "#####===" in shown
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "ascii", write_through=True)
    render("text", memory_sweep(), out, width=80, color=False, cwd=HOME)
    assert "  .. plain   o every block" in raw.getvalue().decode("ascii")


def test_unused_graphs_are_told_with_what_to_do() -> None:
    joined = " ".join(line.strip() for line in lines(memory_script()))
    assert "this graph is never used: 310 MiB at train.py:34, model(held_out) (3 times); wrap it" in joined
    assert "12.0 MiB at metrics.py:61, self.net(x); wrap it" in joined
    assert "never used" not in text(memory_gpt())


# ---------------------------------------------------------------- who saves what


def test_equal_blocks_are_folded_and_the_largest_are_opened() -> None:
    shown = lines(memory_gpt())
    rows = shown[shown.index("saved by module             bytes  share") + 1 :][:6]
    assert [row[:22].rstrip() for row in rows] == [
        "  model (GPT)",
        "    h.0-11: 12 x Block",
        "      attn",
        "      mlp",
        "        down",
        "",
    ]
    assert rows[1].endswith("946 MiB each")
    assert rows[3].endswith("1.12 GiB itself")


def test_bars_are_to_one_scale() -> None:
    shown = lines(memory_script())
    bars = {line.split()[0]: line.count("█") for line in shown if " MiB " in line and "%" in line}
    assert bars["model"] == 16
    assert bars["bn1"] == bars["relu"] == 2
    assert bars["layer1.0-1:"] == 6


def test_a_wide_model_gets_a_few_rows() -> None:
    modules = [ModuleMemory("net", "Net", 400 * MIB, 0)]
    modules += [ModuleMemory(f"net.part{'x' * n}", f"Part{n}", 20 * MIB, 20 * MIB) for n in range(20)]
    shown = lines(replace(gpt_memory(), modules=tuple(modules)))
    assert sum(line.startswith("    part") for line in shown) == 6
    assert "    ... and 14 more modules" in shown
    modules[1:] = [*modules[1:6], ModuleMemory("net.tiny", "Tiny", 1, 1)]
    shown = lines(replace(gpt_memory(), modules=tuple(modules)))
    assert sum(line.startswith("    part") for line in shown) == 5
    assert not any("more modules" in line for line in shown)
    assert not any("tiny" in line for line in shown)


def test_long_tables_say_where_the_rest_is() -> None:
    shown = lines(memory_gpt())
    assert "  ... and 4 more lines, in --format json" in shown
    assert "  ... and 2 more tensors, in --format json" in shown
    joined = " ".join(line.strip() for line in shown)
    assert "cheaper  8.69 GiB less: F.scaled_dot_product_attention(q, k, v, is_causal=True)" in joined


def test_tensors_that_can_be_had_cheaper_go_first() -> None:
    shown = [line for line in lines(memory_gpt(), 120) if " of " in line and "Backward0 · " in line]
    assert [line.split(" of ")[1].split(" ")[0] for line in shown] == [
        "SoftmaxBackward0",
        "BmmBackward0",
        "LogSoftmaxBackward0",
    ]


def test_from_python_the_next_step_is_one_of_python() -> None:
    shown = lines(replace(memory_floor(), target="gradscope.memory(GPT)"))
    assert found("  try", shown).endswith('budget="4.1GiB"')
    assert "  ... and 2 more tensors, in .json()" in shown


def test_a_line_without_source_is_told_by_its_nodes() -> None:
    whole = memory_gpt()
    shown = lines(replace(whole, recording=replace(whole.recording, sources={})))
    assert found("  model.py:45", shown).endswith("  SoftmaxBackward0, MaskedFillBackward0")


# ---------------------------------------------------------------- checkpointing


def test_the_table_compares_with_none() -> None:
    shown = lines(memory_gpt())
    assert found("every block", shown).split() == (
        ["every", "block", "4.09", "GiB", "28%", "1.21", "GiB", "1.38x", "100%", "identical"]
    )
    assert found("plan for 6 GiB", shown).endswith("1.21x     58%  identical  <- fits")
    wide = found("every block", lines(memory_gpt(), 120)).split()
    assert wide[4:8] == ["28%", "1.21", "GiB", "10%"]
    assert "recomputed" in found("checkpointing", lines(memory_gpt(), 120))


def test_the_row_of_the_code_is_marked_where_there_is_no_plan() -> None:
    shown = lines(memory_cuda())
    assert [line for line in shown if "<-" in line] == [found("every block", shown)]
    assert found("every block", shown).endswith("identical  <- code")
    assert found("to apply", shown) == "to apply every block, paste this where the model is made:"


def test_gradients_that_differ_are_named_and_in_colour() -> None:
    joined = " ".join(line.strip() for line in lines(memory_cuda(), 120))
    assert "differ  every second block: the gradients of h.*.attn.qkv.weight (12) by up to 3.2e-04" in joined
    coloured = text(memory_cuda(), color=True)
    assert "\x1b[1;31mdiffer" in coloured
    assert "\x1b[32midentical" in coloured


def test_a_strategy_over_the_budget_does_not_fit() -> None:
    memory = gpt_memory()
    assert memory.plan is not None
    memory = replace(memory, plan=replace(memory.plan, budget=5 * GIB))
    assert found("plan for 5 GiB", lines(memory)).endswith("<- over")


def test_what_failed_stands_in_its_row_and_whole_below() -> None:
    shown = lines(memory_failures())
    assert found("no checkpointing", shown) == "no checkpointing     out of memory"
    assert found("  failed", shown).startswith(
        "  failed    no checkpointing: out of memory: 14.7 GiB were needed"
    )
    assert "vary" in found("selective", shown)
    assert found("  vary", shown).endswith("two plain steps already differ, so gradients cannot be compared")
    joined = " ".join(line.strip() for line in shown)
    assert "left out  h.3-4: its forward changes a tensor of its own: self.cache; h.9: it is called" in joined


def test_columns_that_nobody_filled_are_left_out() -> None:
    head = found("checkpointing", lines(memory_fake()))
    assert head.split() == ["checkpointing", "peak", "saved", "step", "recomputed"]


def test_the_plan_is_told_block_by_block() -> None:
    shown = lines(memory_gpt())
    assert found("  the plan", shown).endswith("h.0-6 recomputed, h.7-9 matmuls kept, h.10-11 plain")
    assert found("  predicted", shown).endswith("5.91 GiB and 1.20x")


def test_a_plan_that_alternates_is_told_by_option() -> None:
    memory = gpt_memory()
    assert memory.plan is not None
    assert memory.plan.strategy is not None
    choices = tuple("block" if number % 2 else "attn" for number in range(12))
    planned = replace(memory.plan.strategy, choices=choices)
    shown = lines(replace(memory, plan=replace(memory.plan, strategy=planned)))
    first = shown.index(found("  the plan", shown))
    assert shown[first].endswith("6 only attn recomputed (h.0, h.2, h.4, h.6, h.8 ...), 6 recomputed")
    assert shown[first + 1].strip() == "(h.1, h.3, h.5, h.7, h.9 ...)"


@pytest.mark.parametrize(
    ("floor", "typed"),
    [
        (int(4.018 * GIB), "4.1GiB"),
        (4 * GIB, "4GiB"),
        (900 * MIB + 1, "900.1MiB"),
        (5000, "4.9KiB"),
        (7, "7"),
    ],
)
def test_the_floor_is_a_budget_to_type(floor: int, typed: str) -> None:
    memory = replace(gpt_memory(), plan=Plan(1, None, floor))
    assert found("  try", lines(memory)).split() == ["try", "--budget", typed]


def test_the_floor_says_what_it_is_made_of() -> None:
    shown = lines(memory_floor())
    assert "no plan fits in 2 GiB: the least that checkpointing reaches is 4.02 GiB" in shown
    assert found("  of it", shown).startswith("  of it    temporary 1.88 GiB, saved for backward 1.21 GiB")
    assert not any("to apply" in line for line in shown)
    assert shown[-1] == "peak 14.7 GiB · no plan fits in 2 GiB · no findings"


def test_the_code_stands_for_itself() -> None:
    shown = text(memory_gpt())
    assert f"to apply the plan, paste this where the model is made:\n{CODE}\n" in shown


def test_what_was_not_compared_is_told() -> None:
    joined = " ".join(line.strip() for line in lines(memory_script()))
    assert "not compared  a script is run once as it is; name its model, as train.py:build" in joined


# ---------------------------------------------------------------- the sweep


def test_a_sweep_is_a_table_and_a_plot() -> None:
    shown = lines(memory_sweep())
    assert found("            1,024", shown).split() == [
        "1,024",
        "3.26",
        "GiB",
        "949",
        "MiB",
        "28%",
        "<-",
        "now",
    ]
    assert found("            4,096", shown).endswith("-     2.21 GiB         out of memory")
    assert "          peak in GiB" in shown
    assert found("           ⠤⠤", shown).strip() == "⠤⠤ plain   o every block"
    wide = lines(memory_sweep(), 120)
    assert "saved" in found("  sequence length ", wide)


def test_two_points_are_no_curve() -> None:
    few = replace(sweep(fails=False), points=(SweepPoint(1, MIB, MIB), SweepPoint(2, 2 * MIB, MIB)))
    shown = lines(replace(gpt_memory(), sweep=few))
    assert "peak by sequence length (fake tensors)" in shown
    assert not any("⠤⠤" in line for line in shown)


# ---------------------------------------------------------------- little, strange and hostile


def test_nothing_alive_is_said() -> None:
    assert lines(memory_empty()) == [
        "train.py on the CPU",
        "no tensor was alive: there is nothing to measure",
        "",
        "nothing was measured",
    ]


def test_findings_come_first() -> None:
    shown = lines(memory_crash())
    assert shown[0].startswith("error[GS201] inplace-saved")
    assert shown[-1] == "1 error · nothing was measured · program's exit status 1"


def test_strange_facts_do_not_break_the_page() -> None:
    strategies = (
        Strategy(StrategyKind.EVERY_BLOCK, (), 5, None, None, float("inf"), None, Gradients.DIFFERENT),
        Strategy(StrategyKind.NONE, ("none",), 0, None, 0),
        Strategy(StrategyKind.SELECTIVE, (), failure=""),
    )
    memory = gpt_memory(
        strategies=strategies, blocks=(Block("a", "A", 0, None),), modules=(), lines=(), largest=()
    )
    shown = lines(memory)
    assert "the gradients of some parameters" in " ".join(shown)
    assert max(map(cells, shown)) <= 80


def test_nothing_of_a_hostile_name_reaches_the_terminal() -> None:
    assert "\x1b" not in text(memory_hostile())
    assert "\u202e" not in text(memory_hostile())
    assert "[/red]" in text(memory_hostile())


def test_a_redacted_page_has_no_source() -> None:
    shown = text(memory_gpt(), redact=True)
    assert "softmax(dim" not in shown
    assert "paste this" not in shown
    assert "model.py:45" in shown
    assert "model(held_out)" not in text(memory_script(), redact=True)
