"""Two threads that differentiate, step and run ops at one moment are each seen as if they were alone."""

from __future__ import annotations

import threading

import torch
from torch import nn

from gradscope.facts import Recording
from gradscope.recorder import Recorder

_PATIENCE_SECONDS = 30.0


def _at_one_moment(one, other) -> Recording:
    """Runs `other` in a thread of its own from inside `one`, which is called with that as its pause."""
    failed: list[BaseException] = []

    def tell_of_failure() -> None:
        try:
            other()
        except BaseException as error:  # noqa: BLE001  told by the thread that waits
            failed.append(error)

    def pause() -> None:
        thread = threading.Thread(target=tell_of_failure)
        thread.start()
        thread.join(_PATIENCE_SECONDS)
        assert not thread.is_alive()

    recorder = Recorder()
    with recorder:
        one(pause)
    assert failed == []
    return recorder.recording()


def _net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def test_a_backward_inside_anothers_time() -> None:
    held: list[nn.Module] = []

    def train(pause=None) -> None:
        net = _net()
        held.append(net)
        out = net(torch.ones(2, 3))
        if pause is not None:
            out.register_hook(lambda gradient: pause())
        out.sum().backward()

    recording = _at_one_moment(train, train)
    received = {leaf.name: leaf.gradient and leaf.gradient.backwards for leaf in recording.leaves}
    assert len(received) == 8, received
    assert set(received.values()) == {1}, received
    assert sum(line.count for line in recording.backwards) == 2
    assert [text for text in recording.not_seen if "fault" in text] == []


def test_the_end_of_a_backward_inside_anothers_time() -> None:
    """The other thread's pass begins and ends while the first is between its engine and its bookkeeping."""
    held: list[nn.Module] = []

    def train() -> None:
        for _ in range(30):
            net = _net()
            held.append(net)
            net(torch.ones(2, 3)).sum().backward()

    recorder = Recorder()
    with recorder:
        threads = [threading.Thread(target=train) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE_SECONDS)
    recording = recorder.recording()
    assert [text for text in recording.not_seen if "fault" in text] == []
    assert sum(line.count for line in recording.backwards) == 120


def test_ops_while_another_thread_steps() -> None:
    """Torch's own code of an optimizer is not recorded; what another thread computes meanwhile is."""
    net = _net()

    def lose_the_graph() -> None:
        frozen = net(torch.ones(2, 3)).detach()
        try:
            frozen.sum().backward()
        except RuntimeError:
            return
        raise AssertionError("the graph was lost, and backward ran all the same")

    class Pausing(torch.optim.SGD):
        def step(self, closure=None):
            self.pause()
            return super().step(closure)

    def step(pause) -> None:
        optimizer = Pausing(net.parameters(), lr=0.1)
        optimizer.pause = pause
        net(torch.ones(2, 3)).sum().backward()
        optimizer.step()

    recording = _at_one_moment(step, lose_the_graph)
    (missing,) = recording.missing_graphs
    assert [cut.op for cut in missing.cuts] == ["detach"]
