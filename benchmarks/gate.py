"""How long a gate takes beside running its targets one by one, and whether its verdicts ever change.

    python benchmarks/gate.py             this project's own gate, five times (minutes)
    python benchmarks/gate.py --runs 20   so many times
    python benchmarks/gate.py --write     into benchmarks/RESULTS.md

Everything is told by one run of this script, side by side, on the clock: the gate with one target at a time
and with two, `gradscope trace` of every target, and Python alone. Each round runs all four on the same ten
examples; given is the median of the rounds, and its ratio to Python alone. Then the project's whole gate is
run, and its verdicts, its findings and its gradient norms are compared with those of the first run.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

PROJECT = Path(__file__).resolve().parent.parent
START, END = "<!-- gate: begin -->", "<!-- gate: end -->"
ROUNDS = 3
EXAMPLES = (
    "accumulation",
    "checkpoint",
    "frozen_encoder",
    "gan",
    "loop",
    "residual",
    "retain_graph",
    "rosenbrock",
    "training_loop",
    "wgan_gp",
)
SCRIPTS = [f"examples/{name}.py" for name in EXAMPLES]
GATE = [sys.executable, "-m", "gradscope", "gate", *SCRIPTS]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """One command in the project's folder, quietly."""
    return subprocess.run(words, cwd=PROJECT, capture_output=True, encoding="utf-8")


def each_alone(*before: str) -> None:
    """Every script in a process of its own, one after the other."""
    for script in SCRIPTS:
        run(*before, script)


WAYS: dict[str, Callable[[], object]] = {
    "python, one by one": lambda: each_alone(sys.executable),
    "gradscope trace, one by one": lambda: each_alone(sys.executable, "-m", "gradscope", "trace"),
    "gradscope gate": lambda: run(*GATE, "--jobs", "1"),
    "gradscope gate --jobs 2": lambda: run(*GATE, "--jobs", "2"),
}


def times() -> str:
    """A table of seconds and ratios, ten targets each."""
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            began = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - began)
    alone = median(seconds["python, one by one"])
    rows = [f"| {name} | {median(each):.1f} | {median(each) / alone:.2f} |" for name, each in seconds.items()]
    return "\n".join(["| ten examples | seconds | ratio |", "|---|---|---|", *rows])


def verdicts(report: dict[str, Any]) -> dict[str, Any]:
    """What must not change: verdicts, findings and norms, without times."""
    return {
        target["name"]: (
            target["verdict"],
            target["new"],
            target["known"],
            [finding["message"] for finding in target["report"]["findings"]],
            [each["gradient"] for each in target["report"]["parameters"]],
        )
        for target in report["targets"]
    }


def changes(runs: int) -> str:
    """Runs the project's gate so often, and tells what differed from the first run."""
    first: dict[str, Any] = {}
    differing: set[str] = set()
    statuses = set()
    for number in range(runs):
        jobs = str(1 + number % 3)
        ran = run(sys.executable, "-m", "gradscope", "gate", "--jobs", jobs, "--format", "json")
        statuses.add(ran.returncode)
        found = verdicts(json.loads(ran.stdout))
        first = first or found
        differing |= {name for name in first if first[name] != found[name]}
    said = ", ".join(sorted(differing)) or "none"
    return (
        f"{runs} runs of this project's gate, {len(first)} targets, 1 to 3 at a time: exit status "
        f"{', '.join(map(str, sorted(statuses)))}; targets whose verdict, findings or gradient norms "
        f"differed from the first run: {said}."
    )


def main() -> None:
    """Prints, or writes, the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    machine = f"{platform.machine()}, {os.cpu_count()} cores; torch {torch.__version__}"
    head = f"## gate, {datetime.date.today()}\n\n{machine}, Python {platform.python_version()}"
    text = "\n\n".join([head, times(), changes(options.runs)])
    print(text)
    if options.write:
        write(text)


def write(text: str) -> None:
    """Puts the text into RESULTS.md, in the place of what stands there."""
    results = Path(__file__).with_name("RESULTS.md")
    whole = results.read_text(encoding="utf-8")
    section = f"{START}\n{text}\n{END}"
    if START in whole:
        before, rest = whole.split(START)
        whole = before + section + rest.partition(END)[2]
    else:
        whole = f"{whole.rstrip()}\n\n{section}\n"
    results.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main()
