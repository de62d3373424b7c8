"""Real training programs whose calls are watched run as they run without that, bit for bit."""

from __future__ import annotations

import pytest

from .running import PROGRAMS, difference, run_captured, run_plain

COMMANDS = [
    ["accumulation.py"],
    ["attention.py"],
    ["captured.py"],
    ["checkpointed.py", "non-reentrant"],
    ["checkpointed.py", "reentrant"],
    ["compiled.py", "eager"],
    ["custom_function.py"],
    ["functional.py"],
    ["hooks.py"],
    ["lbfgs.py"],
    ["mixed_precision.py"],
    ["modes.py"],
    ["packed_tensors.py"],
    ["retained.py"],
    ["sharpness.py"],
    ["sparse.py"],
    ["step_in_backward.py"],
    ["threads.py"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_program_runs_as_it_does_without_us(command: list[str]) -> None:
    path, arguments = PROGRAMS / command[0], command[1:]
    plain = run_plain(path, *arguments)
    assert plain.end.error is None, f"{path.name} fails by itself:\n{plain.end.error.rendered}"
    captured, capture = run_captured(path, *arguments)
    assert captured.end.error is None, f"{path.name} fails when watched:\n{captured.end.error.rendered}"
    assert not difference(plain.stdout, captured.stdout), difference(plain.stdout, captured.stdout)
    assert captured.warned <= plain.warned, f"new warnings: {captured.warned - plain.warned}"
    assert not capture.faults
