"""Plans for a memory budget beside what a step then takes, and beside other ways to keep to the budget.

    python benchmarks/memory.py                     every model (minutes)
    python benchmarks/memory.py --only gpt2         one model
    python benchmarks/memory.py --ckptplan FOLDER   ckptplan, installed into a folder, plans too
    python benchmarks/memory.py --write             into benchmarks/RESULTS.md

Ten budgets from the lowest peak that can be reached up to the plain step's. Peaks are those of the CPU's
allocator, by torch's profiler. Times are CPU seconds of the process: each round runs a plain step and then
one step of every strategy; given is the median, over the rounds, of the ratio to the plain step.

The others, where they keep to the budget: every k-th block in one checkpoint, for k from 1 to the number of
blocks, the fastest that fits; and the plan of ckptplan's dynamic programming. ckptplan refuses to profile
activations on a CPU (TimingOnlyProfileError), so it is given our own figures for every block.
torch.distributed._tools plans with `sac_ilp`, from the figures of its `SACEstimator`, which ends the process
on a CPU ("terminate called after throwing an instance of 'python_error'"): of its tools `MemTracker` alone
runs here, and its peak of the plain step is given.
"""

from __future__ import annotations

import argparse
import datetime
import gc
import os
import platform
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import Tensor, nn

from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from gradscope.loader.options import Options
from gradscope.loader.placement import choose_placement
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices
from gradscope.memory_use.blocks import find_blocks
from gradscope.memory_use.checkpointing import applied
from gradscope.memory_use.costs import Costs, calibrated, cost, timed_costs
from gradscope.memory_use.measuring import measure
from gradscope.memory_use.planned import planned
from gradscope.memory_use.planner import Planner
from gradscope.memory_use.prediction import Prediction
from gradscope.memory_use.step_trace import trace_step
from gradscope.memory_use.trying import try_blocks

BUDGETS = 10
ROUNDS = 7
LEGEND = (
    "MiB, and CPU time of a step to that of a plain one. every k-th: the fastest k that fits. ckptplan: its "
    "dynamic programming with our figures of every block, as it profiles no activations on a CPU; some of "
    "its plans go over.\n"
)

# ---------------------------------------------------------------- models


class OwnLoss(nn.Module):
    """A language model of transformers, which gives its loss."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, tokens: Tensor) -> Tensor:
        loss: Tensor = self.inner(input_ids=tokens, labels=tokens).loss
        return loss


class Logits(nn.Module):
    """An image model of transformers."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner(pixel_values=images).logits
        return logits


class Twice(nn.Sequential):
    """Convolution, BatchNorm and ReLU in place, twice."""

    def __init__(self, inside: int, out: int) -> None:
        layers: list[nn.Module] = []
        for size in (inside, out):
            layers += [nn.Conv2d(size, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        super().__init__(*layers)


class UNet(nn.Module):
    """Four levels; the skip of each goes from the way down to the way up."""

    def __init__(self, size: int = 16, levels: int = 4) -> None:
        super().__init__()
        sizes = [size * 2**level for level in range(levels)]
        self.down = nn.ModuleList(Twice(*pair) for pair in zip([3, *sizes], sizes, strict=False))
        self.middle = Twice(sizes[-1], 2 * sizes[-1])
        self.larger = nn.ModuleList(nn.ConvTranspose2d(2 * each, each, 2, 2) for each in reversed(sizes))
        self.up = nn.ModuleList(Twice(2 * each, each) for each in reversed(sizes))
        self.head = nn.Conv2d(size, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            skips.append(block(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.middle(x)
        for larger, block in zip(self.larger, self.up, strict=True):
            x = block(torch.cat([larger(x), skips.pop()], 1))
        out: Tensor = self.head(x)
        return out


class Recurrent(nn.Module):
    """LSTMs one after another."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(depth))
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x, _ = layer(x)
        out: Tensor = self.head(x)
        return out


def work_of(module: nn.Module, given: Tensor) -> Work:
    placement = choose_placement(Options(device="cpu"))
    return Work(module.train(), "model", Inputs((given,)), find_loss("mean"), placement)


def gpt2() -> Work:
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"n_layer": 12, "n_head": 4, "n_embd": 192, "n_positions": 128, "vocab_size": 1_000}
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(**sizes, **ends, use_cache=False, loss_type="ForCausalLM")
    return work_of(OwnLoss(GPT2LMHeadModel(config)), torch.randint(0, 1_000, (4, 128)))


def vit() -> Work:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=192,
        num_hidden_layers=8,
        num_attention_heads=4,
        intermediate_size=768,
        image_size=64,
        patch_size=8,
    )
    return work_of(Logits(ViTForImageClassification(config)), torch.randn(8, 3, 64, 64))


def unet() -> Work:
    return work_of(UNet(), torch.randn(8, 3, 64, 64))


def lstm() -> Work:
    return work_of(Recurrent(192, 8), torch.randn(16, 96, 192))


MODELS: dict[str, tuple[str, Callable[[], Work]]] = {
    "gpt2": ("GPT-2, 12 layers, width 192, 4 x 128 tokens, dropout 0.1", gpt2),
    "vit": ("ViT, 8 layers, width 192, 8 images of 64 x 64", vit),
    "unet": ("U-Net, 4 levels, skips, BatchNorm, ReLU in place, 8 images of 64 x 64", unet),
    "lstm": ("8 LSTMs one after another, width 192, 16 x 96 steps", lstm),
}

# ---------------------------------------------------------------- time


def ratios(work: Work, blocks: Sequence[BlockModule], strategies: Iterable[Choices]) -> dict[Choices, float]:
    """CPU time of a step with each of the choices to that of a plain step, whose own is in seconds."""
    plain = (NONE,) * len(blocks)
    wanted = [choices for choices in dict.fromkeys(strategies) if choices != plain]
    seconds(work, blocks, plain)
    found: dict[Choices, list[float]] = {choices: [] for choices in wanted}
    bases = []
    for _ in range(ROUNDS):
        base = seconds(work, blocks, plain)
        for choices in wanted:
            found[choices].append(seconds(work, blocks, choices) / base)
        bases.append(base)
    return {plain: median(bases), **{choices: median(each) for choices, each in found.items()}}


def seconds(work: Work, blocks: Sequence[BlockModule], choices: Choices) -> float:
    gc.collect()
    gc.disable()
    try:
        with applied(blocks, choices):
            begun = time.process_time()
            work.step(_nothing, _nothing, _nothing)
            taken = time.process_time() - begun
    finally:
        gc.enable()
        work.zero_grad()
    return taken


def _nothing() -> None:
    """Nothing is noted."""


# ---------------------------------------------------------------- strategies


def every_kth(blocks: Sequence[BlockModule], k: int) -> Choices:
    return tuple(BLOCK if number % k == 0 and BLOCK in b.options else NONE for number, b in enumerate(blocks))


def of_ckptplan(
    prediction: Prediction, blocks: Sequence[BlockModule], costs: Costs, budget: int
) -> Choices | None:
    """The blocks that ckptplan checkpoints; what each saves and costs is what we found. None: infeasible."""
    from ckptplan.api import declare_blocks, plan_checkpoints
    from ckptplan.errors import InfeasibleTargetError
    from ckptplan.types import BlockProfile

    nothing = (NONE,) * len(blocks)
    plain = prediction.saved(nothing)
    saved = [
        plain - prediction.saved((*nothing[:number], BLOCK, *nothing[number + 1 :]))
        for number in range(len(blocks))
    ]
    known = dict.fromkeys(BlockProfile.__dataclass_fields__) | {
        "device": "cpu",
        "dtype": "torch.float32",
        "input_shape_signature": "",
        "output_shape_signature": "",
        "param_count": 1,
        "trainable_param_count": 1,
        "timing_only": False,
        "activation_bytes_method": "isolated_forward_delta",
        "forward_time_ms_mean": 1.0,
        "forward_time_ms_std": 0.0,
        "recompute_time_upper_bound_ms_std": 0.0,
        "recompute_time_source": "measured_full_recompute_early_stop_disabled",
        "num_warmup": 1,
        "num_trials": 1,
        "is_stochastic": False,
        "is_stateful": False,
        "stochastic_submodules": (),
        "stateful_submodules": (),
        "eligible_for_checkpoint": True,
        "warnings": (),
        "pytorch_version": torch.__version__,
        "profiler_version": "0",
    }
    profiles = [
        BlockProfile(
            **known
            | {
                "block_id": str(number),
                "order": number,
                "activation_bytes_estimate": saved[number],
                "recompute_time_upper_bound_ms_mean": 1e3 * costs[number][BLOCK],
            }
        )
        for number in range(len(blocks))
    ]
    declared = declare_blocks(
        nn.ModuleList(block.module for block in blocks),
        [(str(number), block.module) for number, block in enumerate(blocks)],
    )
    target = sum(saved) - (prediction.peak(nothing) - budget)
    if target < 0:
        return None
    try:
        plan = plan_checkpoints(
            profiles,
            declared,
            target_kind="activation_budget_bytes",
            target_value=target,
            activation_bucket_bytes=max(1, sum(saved) // 2_000),
        )
    except InfeasibleTargetError:
        return None
    return tuple(BLOCK if decision.checkpointed else NONE for decision in plan.decisions)


def tracked_peak(work: Work) -> int:
    """What torch's MemTracker tells of a plain step."""
    from torch.distributed._tools.mem_tracker import MemTracker

    work.zero_grad()
    tracker = MemTracker()
    tracker.track_external(*work.roots)
    with tracker:
        work.step(_nothing, _nothing, _nothing)
    work.zero_grad()
    peak: Mapping[Any, Mapping[str, int]] = tracker.get_tracker_snapshot("peak")
    return sum(device["Total"] for device in peak.values())


# ---------------------------------------------------------------- one model


@dataclass
class Row:
    """One budget; by strategy its choices, None where it has none."""

    budget: int
    plan: Choices
    predicted: int
    others: dict[str, Choices | None] = field(default_factory=dict)


def section(name: str, with_ckptplan: bool) -> str:
    """The table of one model, and what is to be said about it."""
    described, make = MODELS[name]
    torch.manual_seed(0)
    work = make()
    blocks = try_blocks(work, find_blocks(work)).blocks
    nothing, every = (NONE,) * len(blocks), every_kth(blocks, 1)
    begun = time.process_time()
    trace = trace_step(work, blocks)
    traced = time.process_time() - begun
    selective = tuple(SELECTIVE if SELECTIVE in block.options else NONE for block in blocks)
    first = ratios(work, blocks, [every, selective])
    uniform = [
        (choices, (first[choices] - 1) * first[nothing])
        for choices in (every, selective)
        if choices != nothing
    ]
    costs = calibrated(timed_costs(work, blocks), uniform)
    begun = time.process_time()
    planner = Planner(Prediction(trace), costs)
    low, high = planner.prediction.peak(planner.floor()), planner.prediction.peak(nothing)
    peaks = {nothing: measure(work, blocks, nothing)}
    rows = []
    for number in range(BUDGETS):
        budget = low + (high - low) * (number + 1) // (BUDGETS + 1)
        made = planned(work, blocks, trace, budget, costs, peaks)
        assert made.choices is not None
        assert made.measured is not None
        assert made.predicted_peak is not None
        peaks[made.choices] = made.measured
        row = Row(budget, made.choices, made.predicted_peak)
        fitting = []
        for k in range(1, len(blocks) + 1):
            choices = every_kth(blocks, k)
            if choices not in peaks:
                peaks[choices] = measure(work, blocks, choices)
            if peaks[choices].peak <= budget:
                fitting.append(choices)
        row.others["every k-th"] = min(fitting, key=lambda each: cost(costs, each), default=None)
        if with_ckptplan:
            row.others["ckptplan"] = of_ckptplan(planner.prediction, blocks, costs, budget)
        rows.append(row)
        print(name, f"{budget:,}", Counter(made.choices), file=sys.stderr, flush=True)
    begun = time.process_time()
    Planner(Prediction(trace), costs).plan((low + high) // 2)
    planning = time.process_time() - begun
    chosen = [each for row in rows for each in (row.plan, *row.others.values()) if each is not None]
    for choices in chosen:
        if choices not in peaks:
            peaks[choices] = measure(work, blocks, choices)
    times = ratios(work, blocks, [every, *chosen])
    return "\n".join(
        [
            f"### {described}\n",
            f"Plain: {mib(high)} MiB, MemTracker {mib(tracked_peak(work))} MiB (tensors alone), "
            f"{1e3 * times[nothing]:.0f} ms. Lowest: {mib(low)} MiB; every block: "
            f"{mib(planner.prediction.peak(every))} MiB, x{times[every]:.2f}. "
            f"Traced in {traced:.2f} s, planned in {1e3 * planning:.0f} ms.\n",
            table_of(rows, {choices: found.peak for choices, found in peaks.items()}, times, costs, nothing),
        ]
    )


def table_of(
    rows: Sequence[Row],
    peaks: Mapping[Choices, int],
    times: dict[Choices, float],
    costs: Costs,
    nothing: Choices,
) -> str:
    plain = times[nothing]
    times = {**times, nothing: 1.0}
    names = list(rows[0].others)
    table = [
        ["budget", "plan", "predicted", "measured", "ratio", "step predicted", "measured", "ratio", *names]
    ]
    slower: list[float] = []
    for row in rows:
        peak, expected, taken = peaks[row.plan], 1 + cost(costs, row.plan) / plain, times[row.plan]
        others = []
        for choices in row.others.values():
            if choices is None:
                others.append("none fits")
            elif peaks[choices] > row.budget:
                others.append(f"over: {mib(peaks[choices])}")
            else:
                others.append(f"x{times[choices]:.2f}")
                slower.append(taken / times[choices])
        table.append(
            [
                mib(row.budget),
                in_words(row.plan),
                mib(row.predicted),
                mib(peak) + ("" if peak <= row.budget else " OVER"),
                f"{row.predicted / peak:.4f}",
                f"x{expected:.3f}",
                f"x{taken:.3f}",
                f"{expected / taken:.3f}",
                *others,
            ]
        )
    text = f"{aligned(table)}\n{LEGEND}"
    if slower:
        text += f"\nThe plan's step takes {min(slower):.2f} to {max(slower):.2f} of theirs, where they fit.\n"
    return text


def in_words(choices: Choices) -> str:
    counted = Counter(choices)
    order = sorted(counted, key=lambda option: (option != BLOCK, option == NONE, option))
    return " ".join(f"{counted[option]} {option}" for option in order)


def mib(size: int) -> str:
    return f"{size / 2**20:,.2f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append(f"| {' | '.join(cells)} |")
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- results


def write(name: str, text: str) -> None:
    """Puts a model's part into RESULTS.md, in the place of the one that stands there."""
    start, end = f"<!-- memory {name}: begin -->", f"<!-- memory {name}: end -->"
    results = Path(__file__).with_name("RESULTS.md")
    old = results.read_text(encoding="utf-8")
    head = (
        f"## memory, {name}, {datetime.date.today()}\n\n{platform.machine()}, {os.cpu_count()} cores, 1 "
        f"torch thread; torch {torch.__version__}, Python {platform.python_version()}\n\n"
    )
    part = f"{start}\n{head}{text}{end}\n"
    before, found, rest = old.partition(start)
    after = rest.partition(end)[2].lstrip("\n")
    new = f"{before}{part}\n{after}".rstrip() + "\n" if found else f"{old.rstrip()}\n\n{part}"
    results.write_text(new, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=list(MODELS))
    parser.add_argument("--ckptplan", metavar="FOLDER")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if options.ckptplan:
        sys.path.append(options.ckptplan)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    for name in [options.only] if options.only else MODELS:
        text = section(name, bool(options.ckptplan))
        print(text)
        if options.write:
            write(name, text)


if __name__ == "__main__":
    main()
