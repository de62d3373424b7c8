"""Five thousand steps of a small loop: what the recorder holds does not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = 5_000
EARLY = range(100, 1_100, 100)
LATE = range(STEPS - 900, STEPS + 1, 100)


@pytest.fixture(scope="module")
def held():
    pytest.importorskip("psutil")
    script = Path(__file__).with_name("long_run.py")
    command = [sys.executable, str(script), str(STEPS), *map(str, [*EARLY, *LATE])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_step_was_seen(held):
    assert held["steps"] == STEPS
    assert held["ops"] > 10 * STEPS


def test_python_objects_do_not_accumulate(held):
    # Tables that are swept now and then go up and down: their lowest points are compared.
    early, late = lowest(held, EARLY, 1), lowest(held, LATE, 1)
    # 3,000 steps and more lie between; one object kept for each would be 3,000 blocks.
    assert late[1] - early[1] < 2_000, growth(early, late)


def test_resident_memory_is_flat(held):
    early, late = lowest(held, EARLY, 2), lowest(held, LATE, 2)
    grown_bytes = late[2] - early[2]
    # A kept graph of this net is about 5 kB: 3,000 of them would be 15 MB.
    assert grown_bytes < 6 * 2**20, f"{grown_bytes / 2**20:.1f} MiB more at step {late[0]} than at {early[0]}"


def lowest(held: dict, steps: range, column: int) -> list:
    """The measurement, among those after `steps`, with the least in `column`."""
    return min((row for row in held["measured"] if row[0] in steps), key=lambda row: row[column])


def growth(before: list, after: list) -> str:
    grown = {name: count - before[3].get(name, 0) for name, count in after[3].items()}
    most = sorted(grown.items(), key=lambda item: -item[1])[:8]
    return f"{after[1] - before[1]} blocks more at step {after[0]} than at {before[0]}; objects: {most}"
