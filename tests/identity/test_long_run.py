"""Twenty thousand steps of a small loop: what the recorder holds does not grow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MARKS = (100, 2_000, 20_000)


@pytest.fixture(scope="module")
def held():
    pytest.importorskip("psutil")
    script = Path(__file__).with_name("long_run.py")
    command = [sys.executable, str(script), str(MARKS[-1]), *map(str, MARKS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_step_was_seen(held):
    assert held["steps"] == MARKS[-1]
    assert held["ops"] > 10 * MARKS[-1]


def test_python_objects_do_not_accumulate(held):
    first, second, last = held["measured"]
    # 18,000 steps; one object kept for each would be 18,000 blocks.
    assert last[1] - second[1] < 1_000, _growth(second, last)
    # Tables with a fixed size may fill up meanwhile; nothing kept for every step could hide in this.
    assert last[1] - first[1] < 10_000, _growth(first, last)


def test_resident_memory_is_flat(held):
    _, second, last = held["measured"]
    grown_bytes = last[2] - second[2]
    # A kept graph of this net is about 5 kB: 18,000 of them would be 90 MB.
    assert grown_bytes < 8 * 2**20, (
        f"{grown_bytes / 2**20:.1f} MiB more at step {last[0]} than at {second[0]}"
    )


def _growth(before: list, after: list) -> str:
    grown = {name: count - before[3].get(name, 0) for name, count in after[3].items()}
    most = sorted(grown.items(), key=lambda item: -item[1])[:8]
    return f"{after[1] - before[1]} blocks more at step {after[0]} than at {before[0]}; objects: {most}"
