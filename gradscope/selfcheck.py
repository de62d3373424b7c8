"""Whether the recorder works with the torch that is installed: a tiny program is recorded and looked at.

The recorder relies on parts of torch that are not promised to stay. What breaks first is checked here.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from gradscope.facts import ProgramEnd, Recording
from gradscope.recorder import Recorder

PATH = "<gradscope doctor>"
PROGRAM = """\
import torch
from torch import nn
torch.manual_seed(0)
layer, head = nn.Linear(3, 2), nn.Linear(2, 1)
optimizer = torch.optim.SGD([*layer.parameters(), *head.parameters()], lr=0.1)
hidden = layer(torch.randn(4, 3))
kept = hidden.detach()
loss = head(kept).pow(2).mean()
loss.backward()
optimizer.step()
x = torch.ones(2, requires_grad=True)
y = x.exp()
y.mul_(2)
try:
    y.sum().backward()
except RuntimeError:
    pass
"""
_BACKWARD, _STOP, _SAVED, _WRITE = 9, 7, 12, 13
_NODES = 6  # two leaves, t, addmm, pow, mean


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, and what was seen where it is not as it should be."""

    what: str
    wrong: str = ""


def self_check() -> list[Check]:
    """Records the program and checks its facts; never raises."""
    outside = _state_outside()
    try:
        recording = _record()
    except Exception as error:  # noqa: BLE001  whatever it is, it is the result
        return [Check("a program can be recorded", f"{type(error).__name__}: {error}")]
    checks = [_checked(what, look, recording) for what, look in _LOOKS]
    after = _state_outside()
    gone = "" if after == outside else f"before {outside}, after {after}"
    return [*checks, Check("every hook is taken out again", gone)]


def _record() -> Recording:
    linecache.cache[PATH] = (len(PROGRAM), None, PROGRAM.splitlines(keepends=True), PATH)
    state = torch.get_rng_state()
    recorder = Recorder(graph_of=1)
    try:
        with recorder:
            exec(compile(PROGRAM, PATH, "exec"), {"__name__": PATH})
        return recorder.recording(ProgramEnd())
    finally:
        torch.set_rng_state(state)
        linecache.cache.pop(PATH, None)


def _state_outside() -> tuple[object, ...]:
    engine = vars(torch.autograd)["_engine_run_backward"]
    return (torch._C._len_torch_function_stack(), torch.is_anomaly_enabled(), engine, torch.Tensor.backward)


def _checked(what: str, look: Callable[[Recording], Iterator[str]], recording: Recording) -> Check:
    return Check(what, "; ".join(look(recording)))


def _backwards(recording: Recording) -> Iterator[str]:
    lines = [fact.location.line if fact.location else None for fact in recording.backwards]
    if _BACKWARD not in lines:
        yield f"backward at line {_BACKWARD}, seen at {lines}"
    if recording.steps != 1:
        yield f"one optimizer step, {recording.steps} seen"


def _gradients(recording: Recording) -> Iterator[str]:
    found = [leaf.name for leaf in recording.leaves if leaf.gradient is not None and leaf.gradient.norm > 0]
    if len(found) < 2:
        yield f"the gradients of two parameters, seen {found}"


def _cuts(recording: Recording) -> Iterator[str]:
    lines = {cut.location.line for fact in recording.severed for cut in fact.cuts if cut.location}
    if lines != {_STOP}:
        yield f"a gradient stopped at line {_STOP}, seen at {sorted(lines)}"


def _writes(recording: Recording) -> Iterator[str]:
    facts = recording.inplace_conflicts
    saved = [fact.saved_at.line for fact in facts if fact.saved_at]
    written = [change.location.line for fact in facts for change in fact.changes if change.location]
    if saved != [_SAVED] or written != [_WRITE]:
        yield f"a tensor saved at line {_SAVED} and changed at {_WRITE}, seen {saved} and {written}"


def _graph(recording: Recording) -> Iterator[str]:
    nodes = recording.graph.nodes if recording.graph is not None else ()
    seen = [node for node in nodes if node.incoming is not None and node.seconds is not None]
    if len(nodes) != _NODES or len(seen) != _NODES:
        yield f"{_NODES} nodes of the backward at line {_BACKWARD}, seen {len(nodes)}, measured {len(seen)}"


def _own_faults(recording: Recording) -> Iterator[str]:
    yield from (text for text in recording.not_seen if "gradscope" in text)


_LOOKS: tuple[tuple[str, Callable[[Recording], Iterator[str]]], ...] = (
    ("backward passes and steps are seen, with their lines", _backwards),
    ("gradients are read", _gradients),
    ("values are followed where no gradient flows", _cuts),
    ("backward nodes and in-place changes know their lines", _writes),
    ("the graph of a backward is taken down", _graph),
    ("no fault of the recorder's own", _own_faults),
)
