"""The module tree: sums, folding, and what is said about each row."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from rich.cells import cell_len

from gradscope.facts import (
    Backward,
    GradientStats,
    Leaf,
    ModuleFact,
    ProgramEnd,
    ProgramError,
    Recording,
)
from gradscope.reporters.screen.backwards import backward_lines
from gradscope.reporters.screen.bars import bar
from gradscope.reporters.screen.branches import branches, totals
from gradscope.reporters.screen.page import Page
from gradscope.reporters.screen.tree import MOST_ROWS, tree_lines
from gradscope.reporters.screen.unfold import unfold

from .samples import linear, modules, parameter, stats
from .samples_models import deep_gpt, frozen_encoder, gan, gpt


def shown(recording: Recording, width: int = 80) -> list[str]:
    return [line.plain.rstrip() for line in tree_lines(recording, Page(width))]


def row(recording: Recording, name: str) -> str:
    return next(line for line in shown(recording) if line.strip().startswith(name))


def of(*leaves: Leaf, root: str = "Net", **paths: str) -> Recording:
    return Recording(leaves=leaves, modules=modules(root, root, paths))


def test_sums_of_gradients() -> None:
    first = replace(stats(3.0, largest=1.0, zero=1.0), nan=2)
    second = replace(stats(4.0, largest=2.0, zero=0.0), inf=3)
    sums = totals([parameter("a", (1,), first), parameter("b", (3,), second), parameter("c", (5,), None)])
    assert (sums.numel, sums.norm, sums.max_abs, sums.zero_share) == (9, 5.0, 2.0, 0.25)
    assert (sums.nan, sums.inf, sums.reached, sums.missing, sums.frozen) == (2, 3, 2, 1, 0)


def test_a_nan_norm_stays_nan() -> None:
    sums = totals([parameter("a", (1,), stats(math.nan)), parameter("b", (1,), stats(math.inf))])
    assert math.isnan(sums.norm)
    assert math.isnan(sums.max_abs)


def test_a_gradient_of_no_backward_is_no_gradient() -> None:
    sums = totals([parameter("a", (2,), GradientStats())])
    assert (sums.reached, sums.missing) == (0, 1)


def test_a_small_model_is_shown_whole() -> None:
    recording = of(
        *linear("encoder.0", (4, 3), 1.0), *linear("encoder.2", (3, 2), 0.5), *linear("head", (2, 1), 0.1)
    )
    names = [
        line.split("  ")[0] if not line.startswith(" ") else line[: line.index("  ", 8)]
        for line in shown(recording)[1:]
    ]
    assert [name.strip() for name in names] == [
        "Net",
        "encoder",
        "0",
        "weight",
        "bias",
        "2",
        "weight",
        "bias",
        "head",
        "weight",
        "bias",
    ]


def test_folded_blocks_are_bars() -> None:
    lines = shown(gpt().recording)
    assert any(line.startswith("  h [12 x Block]") for line in lines)
    assert sum("█" in line for line in lines) == 12
    assert len(lines) <= MOST_ROWS + 1


def test_very_different_blocks_are_on_a_log_scale_and_sampled() -> None:
    lines = shown(deep_gpt().recording)
    assert next(line for line in lines if "[48 x Block]" in line).endswith("log scale")
    bars = [line for line in lines if "█" in line]
    numbers = [int(line.split()[0]) for line in bars]
    assert (len(bars), numbers[0], numbers[-1]) == (12, 0, 47)
    lengths = [line.count("█") for line in bars]
    assert lengths == sorted(lengths, reverse=True)


def test_frozen_missing_and_zero_are_said_in_words() -> None:
    recording = frozen_encoder().recording
    assert row(recording, "encoder").endswith("222k  frozen")
    assert row(recording, "auxiliary").endswith("650  no gradient")
    assert row(recording, "gate").endswith("100%  always zero")
    assert not any("weight" in line and "frozen" in line for line in shown(recording))


def test_a_closed_branch_counts_what_is_missing_in_it() -> None:
    leaves = []
    for number in range(40):
        leaves += linear(f"layer{number}", (4, 4), 0.1)
    leaves[1] = replace(leaves[1], gradient=None)
    leaves[3] = replace(leaves[3], requires_grad=False, gradient=None)
    recording = of(*leaves)
    lines = shown(recording)
    assert lines[1:] == [lines[1]]
    assert lines[1].endswith("1 no gradient, 1 frozen")


def test_room_that_is_left_goes_to_what_is_in_trouble() -> None:
    leaves = [leaf for number in range(14) for leaf in linear(f"layer{number}", (4, 4), 0.1)]
    leaves[11] = replace(leaves[11], gradient=None)
    leaves[20] = replace(leaves[20], gradient=replace(stats(math.nan), nan=7))
    lines = shown(of(*leaves))
    indented = [line for line in lines if line.startswith("    ")]
    assert len(indented) == 5  # the columns' heads, and two parameters of each of the two layers
    assert row(of(*leaves), "layer10").endswith("7 NaN")
    assert any(line.strip().startswith("bias") and line.endswith("no gradient") for line in lines)


def test_nan_and_inf_are_counted() -> None:
    broken = replace(stats(math.nan), nan=2_048, inf=3)
    line = row(
        of(parameter("head.weight", (4, 512), broken), parameter("head.bias", (4,), stats(0.1))), "weight"
    )
    assert line.split() == ["weight", "2k", "nan", "nan", "0%", "2k", "NaN,", "3", "Inf"]


def test_a_root_that_no_backward_went_through_stays_closed() -> None:
    target = [
        replace(leaf, root_called=False) for leaf in linear("q.0", (4, 4), None, root="target", called=False)
    ]
    recording = Recording(
        leaves=(*linear("q.0", (4, 4), 0.5, root="online"), *target),
        modules=(*modules("online", "Net", {}), *modules("target", "Net", {})),
    )
    assert shown(recording)[-1].split("  ")[-1] == "no backward through it"


def test_leaves_in_no_module_are_listed_apart() -> None:
    loose = [parameter(f"x{i}", (2,), stats(1.0), root=None) for i in range(10)]
    lines = shown(of(*linear("head", (2, 2), 0.1), *loose))
    start = lines.index("in no module")
    assert lines[start + 1].startswith("  x0")
    assert lines[-1] == "  and 2 more"
    alone = shown(Recording(leaves=tuple(loose[:2])))
    assert [line.split()[0] for line in alone] == ["parameters", "x0", "x1"]


def test_two_roots_bear_their_names_and_classes() -> None:
    lines = shown(gan().recording)
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")] == [
        "generator (Sequential)",
        "discriminator (Sequential)",
    ]


def test_the_last_norm_is_shown_where_there_is_room() -> None:
    assert "at last" not in shown(gpt().recording, 80)[0]
    assert "at last" in shown(gpt().recording, 120)[0]
    once = of(*linear("head", (2, 2), 0.1))
    assert "at last" not in shown(once, 120)[0]


def test_columns_are_aligned() -> None:
    for recording in (gpt().recording, gan().recording, frozen_encoder().recording):
        head, *lines = shown(recording, 120)
        end = head.index("zero") + len("zero")
        assert all(line[:end].rstrip()[-1] in "%nre" for line in lines if len(line) >= end)
        assert all("%" not in line or line[end - 1] == "%" for line in lines)


@pytest.mark.parametrize("width", [70, 80, 120])
def test_long_names_are_clipped_rather_than_wrapped(width: int) -> None:
    name = "a_very_long_name_of_a_module_that_somebody_generated.with_a_long_name_inside"
    broken = replace(stats(0.5), nan=3, inf=3)
    recording = of(
        parameter(f"{name}.weight", (3,), broken),
        parameter("b", (3,), None),
        parameter("語" * 40, (3,), broken),
    )
    lines = shown(recording, width)
    assert all(cell_len(line) <= width for line in lines)
    assert len(lines) == 5


def test_only_children_are_taken_into_their_parents() -> None:
    leaves = linear("module.encoder.layer", (2, 2), 0.1, root="DDP")
    (root,) = branches(leaves, modules("DDP", "DDP", {}))
    assert root.name == "DDP.module.encoder.layer"
    assert [child.name for child in root.children] == ["weight", "bias"]


def test_runs_need_one_class_and_numbers_for_names() -> None:
    def run(*classes: str) -> list[str]:
        paths = {f"h.{i}": name for i, name in enumerate(classes)}
        leaves = [leaf for path in paths for leaf in linear(path, (2, 2), 0.1)]
        facts = [
            ModuleFact("Net", "", "Net"),
            *(ModuleFact("Net", path, name) for path, name in paths.items()),
        ]
        (root,) = branches([*leaves, *linear("z", (2, 2), 0.1)], facts)
        inner = root.children[0]
        return [inner.name] if inner.is_run else [child.name for child in inner.children]

    assert run("B", "B", "B", "B") == ["h"]
    assert run("B", "B") == ["0", "1"]
    assert run("A", "B", "B", "B", "C") == ["0", "1-3", "4"]
    assert run("A", "B", "A", "B") == ["0", "1", "2", "3"]


def test_a_parameter_and_a_module_of_one_name_do_not_clash() -> None:
    leaves = [parameter("a", (2,), stats(1.0)), *linear("a", (2, 2), 0.1)]
    (root,) = branches(leaves, modules("Net", "Net", {}))
    assert [child.name for child in root.children] == ["a", "a"]
    assert len(root.leaves) == 3


@pytest.mark.parametrize("limit", [1, 5, 10, 28, 60, 400])
def test_no_more_rows_than_the_limit(limit: int) -> None:
    for recording in (gpt().recording, deep_gpt().recording, gan().recording, frozen_encoder().recording):
        roots = branches(recording.leaves, recording.modules)
        assert len(unfold(roots, limit)) <= max(limit, len(roots))


def test_a_failed_first_backward_blames_no_parameter() -> None:
    leaves = tuple(linear("head", (2, 2), None))
    backwards = (Backward(None, "backward", 1, 3, 0, 1.0, 1.0),)
    recording = Recording(backwards=backwards, leaves=leaves, modules=modules("Net", "Net", {}))
    failed = replace(recording, program=ProgramEnd(1, ProgramError("RuntimeError", "", (), "")))
    assert "no gradient" in "".join(line.plain for line in backward_lines(recording, Page()))
    assert [line.plain for line in backward_lines(failed, Page())] == ["backward  loss 1  3 nodes  0 leaves"]


def test_nothing_to_show() -> None:
    assert tree_lines(Recording(backwards=(Backward(None, "grad", 1, 0, 0, None, None),)), Page()) == []


def test_bars() -> None:
    assert [bar(share, 4) for share in (0.0, 0.001, 0.125, 0.5, 0.53, 1.0)] == [
        "",
        "▏",
        "▌",
        "██",
        "██▏",
        "████",
    ]


def test_a_run_drops_its_long_class_rather_than_half_of_its_name() -> None:
    blocks = [leaf for i in range(12) for leaf in linear(f"encoder.layers.{i}", (4, 4), 1.0)]
    paths = {f"encoder.layers.{i}": "ALongNameOfAnEncoderLayer" for i in range(12)}
    recording = of(*blocks, **paths)
    assert row(recording, "Net.encoder.layers").startswith("Net.encoder.layers [12 blocks]")
    assert any("[12 x ALongNameOfAnEncoderLayer]" in line for line in shown(recording, 120))
