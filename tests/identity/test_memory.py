"""Programs whose memory is recorded run as they do without that, bit for bit."""

from __future__ import annotations

import pytest

from gradscope.folds.storages import StorageLog
from gradscope.recorder import Recorder

from .running import PROGRAMS, Run, _run, difference, run_plain

COMMANDS = [
    ["accumulation.py"],
    ["attention.py"],
    ["captured.py"],
    ["checkpointed.py", "non-reentrant"],
    ["checkpointed.py", "reentrant"],
    ["compiled.py", "aot_eager"],
    ["custom_function.py"],
    ["functional.py"],
    ["hooks.py"],
    ["lbfgs.py"],
    ["mixed_precision.py"],
    ["modes.py"],
    ["packed_tensors.py"],
    ["parametrized.py"],
    ["retained.py"],
    ["sharpness.py"],
    ["sparse.py"],
    ["step_in_backward.py"],
    ["threads.py"],
    ["train_loop.py", "gpt2"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_program_runs_as_it_does_without_us(command: list[str]) -> None:
    path, arguments = PROGRAMS / command[0], command[1:]
    plain = run_plain(path, *arguments)
    assert plain.end.error is None, f"{path.name} fails by itself:\n{plain.end.error.rendered}"
    recorder = Recorder(storages=StorageLog())
    run: Run = _run(path, tuple(arguments), recorder)
    assert run.end.error is None, f"{path.name} fails when recorded:\n{run.end.error.rendered}"
    assert not difference(plain.stdout, run.stdout), difference(plain.stdout, run.stdout)
    assert run.warned <= plain.warned, f"new warnings: {run.warned - plain.warned}"
    recording = recorder.recording(run.end)
    faults = [text for text in recording.not_seen if "fault" in text]
    assert not faults, faults
    memory = recording.memory
    assert memory is not None
    assert memory.peak is not None
    for peak in memory.peaks:
        assert sum(peak.kinds.values()) == peak.size
