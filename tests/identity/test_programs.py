"""Real training programs run under the recorder as they run without it, bit for bit, and nothing is found."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from .running import PROGRAMS, difference, run_plain, run_recorded

COMMANDS = [
    ["accumulation.py"],
    ["attention.py"],
    ["captured.py"],
    ["checkpointed.py", "non-reentrant"],
    ["checkpointed.py", "reentrant"],
    ["compiled.py", "aot_eager"],
    ["compiled.py", "eager"],
    ["custom_function.py"],
    ["distributed.py"],
    ["functional.py"],
    ["hooks.py"],
    ["images.py"],
    ["lbfgs.py"],
    ["long_chain.py"],
    ["mixed_precision.py"],
    ["modes.py"],
    ["moving_average.py"],
    ["packed_tensors.py"],
    ["parametrized.py"],
    ["recurrent.py"],
    ["retained.py"],
    ["sharpness.py"],
    ["sparse.py"],
    ["spectrum.py"],
    ["step_in_backward.py"],
    ["threads.py"],
    ["train_by_lightning.py"],
    ["train_by_trainer.py", "gpt2"],
    ["train_by_trainer.py", "llama"],
    ["train_by_trainer.py", "resnet"],
    ["train_by_trainer.py", "t5"],
    ["train_loop.py", "gpt2"],
    ["train_loop.py", "llama"],
    ["train_loop.py", "resnet"],
    ["train_loop.py", "t5"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_program_runs_as_it_does_without_us(command):
    path, arguments = PROGRAMS / command[0], command[1:]
    if path.name == "train_by_lightning.py" and importlib.util.find_spec("lightning") is None:
        pytest.skip("lightning is not installed")
    plain = run_plain(path, *arguments)
    assert plain.end.error is None, f"{path.name} fails by itself:\n{plain.end.error.rendered}"
    recorded = run_recorded(path, *arguments)
    assert recorded.end.error is None, f"{path.name} fails when recorded:\n{recorded.end.error.rendered}"
    assert "gradient" in plain.stdout, f"{path.name} printed no gradients"
    assert not difference(plain.stdout, recorded.stdout), difference(plain.stdout, recorded.stdout)
    assert recorded.warned <= plain.warned, f"new warnings: {recorded.warned - plain.warned}"
    assert not recorded.findings, f"{' '.join(command)}: {recorded.describe()}"
    faults = [text for text in recorded.recording.not_seen if "fault" in text]
    assert not faults, faults
    assert recorded.recording.backward_passes or command[0] == "functional.py", "no backward was seen"


@pytest.mark.parametrize("backend", ["aot_eager", "eager"])
def test_what_a_compiled_region_hides_is_said(backend):
    recorded = run_recorded(PROGRAMS / "compiled.py", backend)
    assert any("compile" in sentence for sentence in recorded.recording.not_seen), recorded.recording.not_seen


@pytest.mark.parametrize("model", ["gpt2", "llama", "resnet", "t5"])
def test_every_parameter_of_a_real_model_is_named(model):
    recorded = run_recorded(PROGRAMS / "train_loop.py", model)
    parameters = dict(recorded.names["model"].named_parameters())
    leaves = {leaf.name: leaf for leaf in recorded.recording.leaves if leaf.is_parameter}
    assert sorted(leaves) == sorted(parameters)
    for name, leaf in leaves.items():
        assert leaf.shape == tuple(parameters[name].shape), name
        assert leaf.optimizers == (0,), name
        assert leaf.gradient is not None, name
        assert leaf.gradient.backwards == 3, name
    assert recorded.recording.steps == 3
    assert [backward.count for backward in recorded.recording.backwards] == [3]


def test_the_norms_are_those_of_the_gradients():
    recorded = run_recorded(PROGRAMS / "images.py")
    leaves = {leaf.name: leaf for leaf in recorded.recording.leaves}
    for name, parameter in recorded.names["model"].named_parameters():
        norm = torch.linalg.vector_norm(parameter.grad).item()
        assert leaves[name].gradient.last_norm == pytest.approx(norm, rel=1e-5, abs=1e-12), name
