"""Real training programs of which a graph is taken down run as they run without that, bit for bit."""

from __future__ import annotations

import pytest

from .running import PROGRAMS, difference, run_plain, run_recorded

COMMANDS = [
    ["attention.py"],
    ["checkpointed.py", "non-reentrant"],
    ["checkpointed.py", "reentrant"],
    ["compiled.py", "aot_eager"],
    ["custom_function.py"],
    ["distributed.py"],
    ["hooks.py"],
    ["images.py"],
    ["long_chain.py"],
    ["mixed_precision.py"],
    ["packed_tensors.py"],
    ["parametrized.py"],
    ["recurrent.py"],
    ["retained.py"],
    ["sharpness.py"],
    ["sparse.py"],
    ["spectrum.py"],
    ["step_in_backward.py"],
    ["threads.py"],
    ["train_loop.py", "gpt2"],
]


LATER = [["images.py"], ["mixed_precision.py"], ["retained.py"], ["threads.py"]]


@pytest.mark.parametrize(
    ("number", "command"),
    [*((1, command) for command in COMMANDS), *((3, command) for command in LATER)],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_nothing_changes_and_the_graph_is_there(command: list[str], number: int) -> None:
    path = PROGRAMS / command[0]
    plain, recorded = run_plain(path, *command[1:]), run_recorded(path, *command[1:], graph_of=number)
    assert not difference(plain.stdout, recorded.stdout), difference(plain.stdout, recorded.stdout)
    assert recorded.warned <= plain.warned, f"new warnings: {recorded.warned - plain.warned}"
    assert not recorded.findings, recorded.describe()
    assert not [text for text in recorded.recording.not_seen if "fault" in text]
    graph = recorded.recording.graph
    assert graph is not None
    assert graph.number == number
    assert graph.leaves
    assert graph.not_seen == ()
    assert all(graph.nodes[index].incoming is not None for index, _ in graph.roots)
