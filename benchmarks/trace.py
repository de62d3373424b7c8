"""What `gradscope trace` costs: ratios to the plain program, side by side in one run.

    python benchmarks/trace.py                       every workload, five repetitions
    python benchmarks/trace.py --only mlp --reps 9
    python benchmarks/trace.py --profile "tiny ops"  where the recorder's time goes
    python benchmarks/trace.py --write               adds a section to benchmarks/RESULTS.md

In each repetition the same step is timed plain, under torch's anomaly mode and under the recorder: its
first backwards, while hooks sit on every node, and again once they are off. Times are CPU seconds of the
thread (backward runs in it on a CPU); a ratio compares with the plain step of the same repetition. The
least of the ratios says what the recorder costs, the median what this machine made of it.
"""

from __future__ import annotations

import argparse
import cProfile
import datetime
import os
import platform
import pstats
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from workloads import WORKLOADS, Step

import gradscope
from gradscope.facts import ProgramEnd
from gradscope.recorder import Recorder

BACKWARDS_WITH_NODE_HOOKS = 20
VARIANTS = ("anomaly", "anomaly, check_nan", "recorder, first", "recorder, steady")


@dataclass
class Measured:
    """One workload: ratios of each variant in each repetition, and what the recorder takes by itself."""

    name: str
    goal: float
    plain_seconds: list[float] = field(default_factory=list)
    ratios: dict[str, list[float]] = field(default_factory=lambda: {variant: [] for variant in VARIANTS})
    wall_ratios: dict[str, list[float]] = field(default_factory=lambda: {variant: [] for variant in VARIANTS})
    outside_seconds: list[float] = field(default_factory=list)  # entering, leaving, making the recording


def timed(step: Step, times: int) -> tuple[float, float]:
    """CPU and wall seconds for one of `times` steps."""
    wall, cpu = time.perf_counter(), time.thread_time()
    for _ in range(times):
        step()
    return (time.thread_time() - cpu) / times, (time.perf_counter() - wall) / times


def measure(name: str, repetitions: int) -> Measured:
    build, times, goal = WORKLOADS[name]
    torch.manual_seed(0)
    step = build()
    step()
    measured = Measured(name, goal)
    for _ in range(repetitions):
        plain = timed(step, times)
        results = dict(one_round(step, times, measured))
        again = timed(step, times)
        base = [statistics.mean(pair) for pair in zip(plain, again, strict=True)]
        measured.plain_seconds.append(base[0])
        for variant, (cpu, wall) in results.items():
            measured.ratios[variant].append(cpu / base[0])
            measured.wall_ratios[variant].append(wall / base[1])
    return measured


def one_round(step: Step, times: int, measured: Measured) -> Iterator[tuple[str, tuple[float, float]]]:
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        yield "anomaly", timed(step, times)
    with torch.autograd.set_detect_anomaly(True, check_nan=True):
        yield "anomaly, check_nan", timed(step, times)
    recorder = Recorder()
    begun = time.thread_time()
    recorder.__enter__()
    entered = time.thread_time()
    try:
        yield "recorder, first", timed(step, times)
        for _ in range(max(0, BACKWARDS_WITH_NODE_HOOKS + 1 - times)):
            step()
        yield "recorder, steady", timed(step, times)
    finally:
        leaving = time.thread_time()
        recorder.__exit__(None, None, None)
    recorder.recording(ProgramEnd())
    measured.outside_seconds.append(entered - begun + time.thread_time() - leaving)


def seconds_of(command: list[str], repetitions: int) -> float:
    """Median wall seconds of a process."""
    seconds = []
    for _ in range(repetitions):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds)


def start_up(repetitions: int) -> list[tuple[str, float, str]]:
    """Seconds of whole processes: (what, seconds, goal)."""
    python = sys.executable
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, "one_step.py")
        script.write_text("import torch\nx = torch.ones(2, requires_grad=True)\n(x * 2).sum().backward()\n")
        bare = seconds_of([python, "-c", "pass"], repetitions)
        helped = seconds_of([python, "-m", "gradscope", "--help"], repetitions)
        plain = seconds_of([python, str(script)], repetitions)
        traced = seconds_of([python, "-m", "gradscope", "trace", str(script)], repetitions)
    seen = "import sys, gradscope.cli; print('torch' in sys.modules)"
    imports = subprocess.run([python, "-c", seen], check=True, capture_output=True, text=True).stdout.strip()
    return [
        ("python -c pass", bare, ""),
        ("gradscope --help", helped, "about 0.1 s"),
        ("  torch imported by it", float(imports == "True"), "0"),
        ("python one_step.py", plain, ""),
        ("gradscope trace one_step.py", traced, ""),
        ("  fixed start-up", traced - plain, "at most 0.5 s"),
    ]


def table(measured: list[Measured]) -> str:
    """Least and median ratio of each variant, as Markdown that reads well in a terminal."""
    head = ["workload", "plain step", *VARIANTS, "goal", "by itself"]
    rows = [head]
    for m in measured:
        cells = [f"{min(m.ratios[v]):.2f} ({statistics.median(m.ratios[v]):.2f})" for v in VARIANTS]
        plain = f"{1e3 * statistics.median(m.plain_seconds):.1f} ms"
        alone = f"{statistics.median(m.outside_seconds):.2f} s"
        rows.append([m.name, plain, *cells, f"{m.goal:.1f}", alone])
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def processes_table(rows: list[tuple[str, float, str]]) -> str:
    lines = ["| process                     | seconds | goal          |", "|---|---|---|"]
    lines += [f"| {what:<27} | {seconds:7.2f} | {goal:<13} |" for what, seconds, goal in rows]
    return "\n".join(lines)


def machine() -> str:
    """The processor and the versions, in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), model)
    threads = f"{os.cpu_count()} cores, {torch.get_num_threads()} torch thread"
    versions = f"gradscope {gradscope.__version__}, torch {torch.__version__}"
    return f"{model}, {threads}; {versions}, Python {platform.python_version()}"


def profile(name: str, first: bool) -> None:
    """Prints where the recorder's own time goes in the first or the steady steps of a workload."""
    build, times, _ = WORKLOADS[name]
    step = build()
    step()
    with Recorder():
        for _ in range(0 if first else BACKWARDS_WITH_NODE_HOOKS + 1):
            step()
        profiler = cProfile.Profile()
        profiler.enable()
        for _ in range(times):
            step()
        profiler.disable()
    print(f"{name}: {times} {'first' if first else 'steady'} steps under cProfile, by own time")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=[*WORKLOADS], help="a workload; may be repeated")
    parser.add_argument("--reps", type=int, default=5, help="repetitions (default 5)")
    parser.add_argument("--no-start-up", action="store_true", help="leave out the timing of whole processes")
    parser.add_argument("--profile", choices=[*WORKLOADS], help="profile one workload instead")
    parser.add_argument("--first", action="store_true", help="with --profile: the first backwards")
    parser.add_argument("--write", action="store_true", help="add a section to benchmarks/RESULTS.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.profile:
        profile(options.profile, options.first)
        return
    text = [f"{machine()}", "", "Ratio to the plain step, CPU time: least (median)."]
    print("\n".join(text), flush=True)
    measured = []
    for name in options.only or WORKLOADS:
        measured.append(measure(name, options.reps))
        print(f"  {name} done", file=sys.stderr)
    text += ["", table(measured)]
    print("\n" + text[-1])
    if not options.no_start_up:
        text += ["", processes_table(start_up(options.reps))]
        print("\n" + text[-1])
    if options.write:
        today = datetime.datetime.now(tz=datetime.UTC).date()
        with Path(__file__).with_name("RESULTS.md").open("a", encoding="utf-8") as file:
            file.write(f"## trace, {today}\n\n" + "\n".join(text) + "\n\n")


if __name__ == "__main__":
    main()
