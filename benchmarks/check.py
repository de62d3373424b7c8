"""`gradscope check`'s comparison beside torch.autograd.gradcheck, in one run: speed, memory, power, alarms.

    python benchmarks/check.py                     speed and memory (minutes; gradcheck slow takes most)
    python benchmarks/check.py --power 100         planted errors, 100 seeds each
    python benchmarks/check.py --alarms 500        runs on functions that are right
    python benchmarks/check.py --corpus            torch's own op_db, verdicts beside gradcheck's
    python benchmarks/check.py --write             all of it, into benchmarks/RESULTS.md

Times are CPU seconds of the process, the least of a few runs. Memory is what a process of its own needs at
its peak beyond what it held before, gradcheck's and ours measured in the same way.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from custom_functions import FUNCTIONS, clean, inputs_of, planted
from torch import Tensor
from torch.autograd import gradcheck

import gradscope
from gradscope.checker.numeric import Comparison, compare
from gradscope.checker.point import Deadline, Point, Sample
from gradscope.checker.subject import Subject
from gradscope.facts.checks import SubjectKind

SIZES = {100: (10, 10), 1024: (32, 32), 4096: (64, 64), 10_000: (100, 100)}
TIMED = ("softmax", "layer norm", "matmul")
LARGEST_SLOW = 4096
WAYS = ("gradcheck slow", "gradcheck fast", "gradscope")
START, END = "<!-- check: begin -->", "<!-- check: end -->"


def compared(call: Callable[..., object], inputs: Sequence[object], *, locate: bool = True) -> Comparison:
    point = Point.of(Subject("f", SubjectKind.FUNCTION, call), Sample(tuple(inputs)))
    return compare(point, Deadline(60.0), locate=locate)


def run_once(way: str, call: Callable[..., object], inputs: Sequence[Tensor]) -> bool:
    """Whether the gradient is found right."""
    if way == "gradscope":
        done = compared(call, inputs)
        return not (done.wrong or done.failed)
    leaves = tuple(one.detach().clone().requires_grad_() for one in inputs)
    return bool(gradcheck(call, leaves, fast_mode=way == "gradcheck fast", raise_exception=False))


# ---------------------------------------------------------------- speed and memory


def seconds_of(way: str, name: str, size: int) -> float:
    """Least CPU seconds of a few runs, of one where it takes long."""
    call, inputs = FUNCTIONS[name], inputs_of(name, *SIZES[size], seed=0)
    least = float("inf")
    for _ in range(1 if way == "gradcheck slow" and size > 1024 else 3):
        begun = time.process_time()
        assert run_once(way, call, inputs)
        least = min(least, time.process_time() - begun)
    return least


def peak_of(way: str, name: str, size: int) -> float:
    """MiB that a process of its own needs beyond what it held before, at its peak."""
    command = [sys.executable, __file__, "--peak", way, name, str(size)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def print_peak(way: str, name: str, size: int) -> None:
    torch.set_num_threads(1)
    call = FUNCTIONS[name]
    assert run_once(way, call, inputs_of(name, 3, 3, seed=0))  # imports, and whatever is made once
    inputs = inputs_of(name, *SIZES[size], seed=0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew from here
    before = memory_of_this_process("VmRSS")
    run_once(way, call, inputs)
    print((memory_of_this_process("VmHWM") - before) / 1024)


def memory_of_this_process(kind: str) -> float:
    """KiB: what is held now (VmRSS), or was at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{kind}:"))


def speed() -> str:
    rows = [["function", "elements", "slow", "fast", "gradscope", "vs slow", "slow MiB", "our MiB", "memory"]]
    for size in SIZES:
        for name in TIMED:
            slow_too = size <= LARGEST_SLOW
            seconds = {way: seconds_of(way, name, size) for way in WAYS if slow_too or way != WAYS[0]}
            ours = seconds["gradscope"]
            slow = seconds.get("gradcheck slow")
            peak = peak_of("gradscope", name, size)
            slow_peak = peak_of("gradcheck slow", name, size) if slow_too else None
            rows.append(
                [
                    name,
                    f"{size:,}",
                    f"{1e3 * slow:,.0f} ms" if slow is not None else "",
                    f"{1e3 * seconds['gradcheck fast']:.1f} ms",
                    f"{1e3 * ours:.1f} ms",
                    f"{slow / ours:,.0f}x" if slow is not None else "",
                    f"{slow_peak:,.1f}" if slow_peak is not None else "",
                    f"{peak:,.1f}",
                    f"1/{slow_peak / max(peak, 0.1):,.0f}" if slow_peak is not None else "",
                ]
            )
            print(" ".join(rows[-1]), file=sys.stderr, flush=True)
    return table(rows)


# ---------------------------------------------------------------- power and alarms


def power(seeds: int) -> str:
    """Planted errors that are found, of all that were planted; the seeds take the functions in turn."""
    sizes = {100: (10, 10), 1024: (32, 32), 4096: (64, 64)}
    rows = [["error in", "of elements", "of 10 %", "of 1 %", "of 0.1 %"]]
    names = list(FUNCTIONS)
    for where in ("element", "row", "column", "all"):
        for size, shape in sizes.items():
            row = [where, f"{size:,}"]
            for share in (0.1, 0.01, 0.001):
                found = 0
                for seed in range(seeds):
                    name = names[seed % len(names)]
                    inputs = [*inputs_of(name, *shape, seed), planted(where, share, seed)]
                    done = compared(FUNCTIONS[name], inputs, locate=False)
                    found += any(one.input == 0 for one in done.wrong)
                row.append(f"{found:,} / {seeds:,}")
            rows.append(row)
            print(" ".join(row), file=sys.stderr, flush=True)
    return table(rows)


def located(seeds: int) -> str:
    """Whether the one wrong element of 4,096 is named."""
    right = tried = 0
    names = list(FUNCTIONS)
    for seed in range(seeds):
        name = names[seed % len(names)]
        change = planted("element", 0.001, seed)
        done = compared(FUNCTIONS[name], [*inputs_of(name, 64, 64, seed), change])
        marked = torch.ones(64, 64, dtype=torch.float64)
        place = tuple((change(marked) != 1).nonzero()[0].tolist())
        tried += 1
        right += [one.element for one in done.wrong] == [place]
    return (
        f"One element of 4,096 wrong by 0.1 %: the right element, and no other, named in {right} of {tried}."
    )


def alarms(runs: int) -> str:
    """Right functions that are called wrong."""
    false, count = [], 0
    seed = 0
    while count < runs:
        for one in clean(seed):
            if count == runs:
                break
            count += 1
            done = compared(one.call, one.inputs)
            if done.wrong or done.failed:
                false.append(f"{one.name}, seed {seed}: {done.failed or done.wrong[0]}")
        seed += 1
    return "\n".join([f"{len(false)} false alarms in {count} runs on functions that are right.", *false])


# ---------------------------------------------------------------- torch's own ops


def corpus() -> str:
    """op_db, first sample of each op in float64: verdicts that differ from gradcheck's slow mode."""
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from tests.checker.numeric.opinfos import verdicts

    rows = list(verdicts())
    differing = [row for row in rows if row.ours != row.gradchecks]
    equal = len(rows) - len(differing)
    lines = [f"{len(rows)} ops: {equal} verdicts equal gradcheck's slow mode, {len(differing)} differ."]
    lines += [f"- {row.name}: gradcheck {row.gradchecks}, gradscope {row.ours}" for row in differing]
    return "\n".join(lines)


# ---------------------------------------------------------------- output


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def machine() -> str:
    """The processor and the versions, in one line."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), model)
    versions = f"gradscope {gradscope.__version__}, torch {torch.__version__}"
    return f"{model}, {os.cpu_count()} cores, 1 torch thread; {versions}, Python {platform.python_version()}"


def write(parts: Iterable[str]) -> None:
    """Puts the section between its markers in RESULTS.md; at the end where there are none yet."""
    path = Path(__file__).with_name("RESULTS.md")
    text = path.read_text(encoding="utf-8")
    section = "\n".join([START, "\n\n".join(parts), END])
    head, found, rest = text.partition(START)
    text = head + section + rest.partition(END)[2] if found else f"{text.rstrip()}\n\n{section}\n"
    path.write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--power", type=int, metavar="SEEDS", help="only planted errors, so many seeds each")
    parser.add_argument("--alarms", type=int, metavar="RUNS", help="only right functions, so many runs")
    parser.add_argument("--corpus", action="store_true", help="only torch's own ops")
    parser.add_argument("--peak", nargs=3, metavar=("WAY", "NAME", "SIZE"), help=argparse.SUPPRESS)
    parser.add_argument("--write", action="store_true", help="everything, into benchmarks/RESULTS.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    if options.peak:
        way, name, size = options.peak
        print_peak(way, name, int(size))
        return
    if options.write:
        today = datetime.datetime.now(tz=datetime.UTC).date()
        seeds, runs = options.power or 100, options.alarms or 500
        parts = [
            f"## check, {today}",
            machine(),
            f"CPU time; memory beyond what was held before. No slow mode above {LARGEST_SLOW:,} elements.",
            speed(),
            f"Planted errors found, of {seeds} seeds each ({', '.join(FUNCTIONS)} in turn):",
            power(seeds),
            located(seeds),
            alarms(runs),
            corpus(),
        ]
        write(parts)
        print("\n\n".join(parts))
    elif options.power:
        print(power(options.power), located(options.power), sep="\n\n")
    elif options.alarms:
        print(alarms(options.alarms))
    elif options.corpus:
        print(corpus())
    else:
        print(machine(), speed(), sep="\n\n")


if __name__ == "__main__":
    main()
