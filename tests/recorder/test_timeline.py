"""The timeline of programs: what is nested in what, and which op a node of the backward came from."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from gradscope.facts import ProgramEnd
from gradscope.recorder import Recorder, StepLimit
from gradscope.recorder.timeline import timeline as recorder_timeline
from gradscope.timeline_file import TimelineFile
from tests.traces import Event, Trace, read


class Recorded:
    """What a block left: `trace` can be read when it is over."""

    trace: Trace
    said: str
    not_seen: tuple[str, ...]


@pytest.fixture
def timeline(tmp_path: Path) -> Callable[..., Any]:
    """Records the block, and holds the file to what a viewer needs."""

    @contextmanager
    def recording(max_steps: int | None = None, **limits: int) -> Iterator[Recorded]:
        path = tmp_path / "timeline.json"
        file = TimelineFile(str(path), **limits)
        recorder = Recorder(max_steps=max_steps, timeline=file.buffer)
        recorded = Recorded()
        try:
            with recorder:
                yield recorded
        finally:
            recorded.said = file.finish("a test", {})
            recorded.trace = read(path)
            recorded.not_seen = recorder.recording(ProgramEnd()).not_seen
            assert not [text for text in recorded.not_seen if "fault" in text]

    return recording


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 1)))


def line(one: Event) -> str:
    """The last part of an event's place: the line number in this file."""
    return str(one.args["line"]).rpartition(":")[2]


def has_arrows(trace: Trace) -> None:
    """Every node but those of leaves is reached by one arrow, from the line that made it."""
    reached = [end for _, end in trace.arrows]
    nodes = [one for one in trace.events("node") if one.name != "AccumulateGrad"]
    assert nodes
    assert sorted(map(id, reached)) == sorted(map(id, nodes))
    assert all(line(start) == line(end) for start, end in trace.arrows if start.category == "op")


def test_a_training_step(timeline: Callable[..., Any]) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = DataLoader(TensorDataset(torch.randn(4, 3)), batch_size=2)
    with timeline() as recorded:
        for (batch,) in batches:
            optimizer.zero_grad()
            predicted = model(batch)
            loss = predicted.pow(2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    trace = recorded.trace
    phases = [
        "next batch",
        "zero_grad",
        "forward Sequential",
        "loss",
        "backward",
        "clip_grad_norm_",
        "SGD.step",
    ]
    steps = [one.tree() for one in trace.tracks["training steps"]]
    assert steps == [("step 1", phases), ("step 2", phases), "next batch"]

    forward = trace.events("forward", "Sequential")[0]
    assert forward.tree() == (
        "Sequential",
        [("0", ["linear"]), ("1", [("0", ["tanh"]), ("1", ["linear"])])],
    )
    inner = trace.events("op", "tanh")[0]
    assert inner.args == {**inner.args, "module": "1.0", "output": "float32 (2, 4)"}
    assert inner.args["expression"] == "model(batch)"

    (backward, _) = trace.events("backward")[:2]
    assert backward.name.startswith("backward test_timeline.py:")
    assert [one.name for one in backward.inside][:3] == ["MeanBackward0", "PowBackward0", "AddmmBackward0"]
    assert backward.inside[1].args["expression"] == "predicted.pow(2)"
    assert backward.inside[1].args["gradient"] == "(2, 1)"
    assert {one.args["leaf"] for one in trace.events("node", "AccumulateGrad")} == {
        "0.weight",
        "0.bias",
        "1.1.weight",
        "1.1.bias",
    }
    has_arrows(trace)
    assert ("linear", "TBackward0") in [(start.name, end.name) for start, end in trace.arrows]


def test_a_gan_has_a_step_for_each_of_its_optimizers(timeline: Callable[..., Any]) -> None:
    generator, critic = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizers = [torch.optim.SGD(each.parameters(), lr=0.1) for each in (critic, generator)]
    criterion = nn.MSELoss()
    with timeline() as recorded, torch.random.fork_rng():
        for optimizer in optimizers:
            fake = generator(torch.randn(4, 2))
            loss = criterion(critic(fake), torch.ones(4, 1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    steps = [one.tree() for one in recorded.trace.tracks["training steps"]]
    phases = ["forward Linear", "forward Linear", "loss", "zero_grad", "backward", "SGD.step"]
    assert steps == [("step 1", phases), ("step 2", phases)]
    has_arrows(recorded.trace)


def test_the_closure_of_a_step_is_inside_it(timeline: Callable[..., Any]) -> None:
    model, x = net(), torch.ones(2, 3)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        return loss

    with timeline() as recorded:
        optimizer.step(closure)
    inside = ["zero_grad", "forward Sequential", "loss", "backward"]
    assert recorded.trace.tracks["training steps"][0].tree() == ("step 1", [("LBFGS.step", inside)])


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return 3 * x * x * gradient


class Refusing(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        raise ValueError("no gradient")


def test_a_custom_function(timeline: Callable[..., Any]) -> None:
    x = torch.ones(2, requires_grad=True)
    with timeline() as recorded:
        Cube.apply(x).sum().backward()
    (function,) = recorded.trace.events("function")
    assert function.tree() == ("Cube.apply", ["pow"])
    assert ("Cube.apply", "CubeBackward") in [(a.name, b.name) for a, b in recorded.trace.arrows]
    has_arrows(recorded.trace)


def test_a_backward_that_raises(timeline: Callable[..., Any]) -> None:
    x = torch.ones(2, requires_grad=True)
    with timeline() as recorded:
        with pytest.raises(ValueError, match="no gradient"):
            Refusing.apply(x * 2).sum().backward()
        (x * 3).sum().backward()
    first, second = recorded.trace.events("backward")
    assert [one.name for one in first.inside] == ["SumBackward0", "RefusingBackward"]
    assert first.inside[1].args["raised"] is True
    assert [one.name for one in second.inside] == ["SumBackward0", "MulBackward0", "AccumulateGrad"]


def test_an_op_that_raises(timeline: Callable[..., Any]) -> None:
    with timeline() as recorded, pytest.raises(RuntimeError):
        torch.ones(2) @ torch.ones(3)
    assert recorded.trace.events("op", "matmul")[0].args["raised"] == "RuntimeError"


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_recomputes(timeline: Callable[..., Any], reentrant: bool) -> None:
    layer = net()[0]

    def block(x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(layer(x)).exp()

    x = torch.ones(2, 3, requires_grad=True)
    checkpoint(block, x, use_reentrant=reentrant).sum().backward()
    plain, x.grad = x.grad, None
    with timeline() as recorded:
        checkpoint(block, x, use_reentrant=reentrant).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, plain)
    again = [one for one in recorded.trace.events("op", "tanh") if one.outer is not None]
    inside = again[-1].outer
    assert inside is not None
    assert [one.name for one in inside.inside if one.category in ("op", "module")][-3:] == [
        "Linear",
        "tanh",
        "exp",
    ]
    assert inside.name == ("CheckpointFunctionBackward" if reentrant else "recompute")
    if reentrant:
        nested = recorded.trace.events("backward")
        assert len(nested) == 2
        assert [one.name for one in nested if one.outer is inside] == [nested[0].name]
    has_arrows(recorded.trace)


def test_second_derivatives_come_of_the_first_pass(timeline: Callable[..., Any]) -> None:
    x = torch.ones(2, requires_grad=True)
    with timeline() as recorded:
        (first,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        torch.autograd.grad(first.sum(), x)
    made = [(a.name, b.name) for a, b in recorded.trace.arrows if a.category == "node"]
    assert made
    assert {start for start, _ in made} == {"PowBackward0"}
    reached = {id(end) for _, end in recorded.trace.arrows}
    assert all(id(one) in reached for one in recorded.trace.events("node"))


def test_a_compiled_region_is_one_slice(timeline: Callable[..., Any]) -> None:
    model, x = net(), torch.ones(2, 3)
    with timeline() as recorded:
        compiled = torch.compile(lambda t: model(t).sum(), backend="aot_eager", fullgraph=True)
        compiled(x).backward()
    (region,) = recorded.trace.events("opaque")
    assert region.tree() == "compiled test_a_compiled_region_is_one_slice.<locals>.<lambda>"
    (arrow,) = recorded.trace.arrows
    assert (arrow[0], arrow[1].name) == (region, "CompiledFunctionBackward")


def test_threads_have_tracks_of_their_own(timeline: Callable[..., Any]) -> None:
    def work() -> None:
        x = torch.ones(2, requires_grad=True)
        (x * 2).sum().backward()

    with timeline() as recorded:
        for _ in range(2):
            thread = threading.Thread(target=work, name="worker")
            thread.start()
            thread.join()
        work()
    names = {"thread worker", "thread worker #2", "main thread"}
    assert names <= set(recorded.trace.tracks)
    trees = [
        [
            one.tree()[0] if one.inside else one.name
            for one in recorded.trace.tracks[name]
            if one.category != "gradscope"
        ]
        for name in sorted(names)
    ]
    assert trees[0] == trees[1] == trees[2]
    has_arrows(recorded.trace)


class Interrupted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.layer(x)
        raise KeyboardInterrupt


def test_what_an_interrupt_left_open_ends_where_it_was_left(timeline: Callable[..., Any]) -> None:
    interrupted, after = Interrupted(), nn.Linear(3, 3)
    with timeline() as recorded:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                interrupted(torch.ones(1, 3))
        after(torch.ones(1, 3))
    forwards = recorded.trace.events("forward")
    assert [one.name for one in forwards] == ["Interrupted", "Interrupted", "Linear"]
    assert all(one.outer is None for one in forwards)


def test_a_step_that_raises(timeline: Callable[..., Any]) -> None:
    class Broken(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            raise ValueError("no step")

    model = net()
    optimizer = Broken(model.parameters(), lr=0.1)
    with timeline() as recorded:
        with pytest.raises(ValueError, match="no step"):
            optimizer.step()
        model(torch.ones(1, 3))
    assert [one.name for one in recorded.trace.tracks["training steps"]] == [
        "Broken.step",
        "forward Sequential",
    ]


def test_the_last_step_is_whole(timeline: Callable[..., Any]) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def train() -> None:
        while True:
            model(torch.ones(1, 3)).sum().backward()
            optimizer.step()

    with timeline(max_steps=2) as recorded, pytest.raises(StepLimit):
        train()
    phases = ["forward Sequential", "loss", "backward", "SGD.step"]
    assert [one.tree() for one in recorded.trace.tracks["training steps"]] == [
        ("step 1", phases),
        ("step 2", phases),
    ]


def test_a_pass_inside_a_pass_over_the_same_graph(timeline: Callable[..., Any]) -> None:
    x = torch.ones(2, requires_grad=True)
    with timeline() as recorded:
        y = x.exp()
        z, total = y.sin(), y.sum()

        def nested(gradient: torch.Tensor) -> None:
            torch.autograd.grad(total, x, retain_graph=True)

        z.register_hook(nested)
        z.sum().backward()
    outer, inner = recorded.trace.events("backward")
    assert inner.ended <= outer.ended
    names = [one.name for one in outer.inside if one.category == "node"]
    assert names == ["SumBackward0", "SinBackward0", "ExpBackward0", "AccumulateGrad"]


def test_other_function_modes_see_what_they_saw(timeline: Callable[..., Any]) -> None:
    class Listening(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.heard: list[str] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.heard.append(func.__name__)
            return func(*args, **(kwargs or {}))

    def program() -> list[str]:
        with Listening() as listening:
            x = torch.ones(2, requires_grad=True)
            (x * 2).sum().backward()
        return listening.heard

    with Recorder():
        without = program()
    with timeline() as recorded:
        with_it = program()
    assert with_it == without
    assert recorded.trace.events("op", "mul")


def test_the_gradients_are_the_same_to_the_bit(timeline: Callable[..., Any]) -> None:
    def train() -> list[torch.Tensor]:
        model = nn.Sequential(net(), nn.Dropout(0.5))
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(4, 3)).pow(2).mean().backward()
            optimizer.step()
        return [*model.parameters(), *(p.grad for p in model.parameters() if p.grad is not None)]

    plain = train()
    with timeline():
        timed = train()
    assert all(torch.equal(one, other) for one, other in zip(plain, timed, strict=True))


def test_graphs_die_as_they_would(timeline: Callable[..., Any]) -> None:
    class Marked:
        pass

    def program() -> weakref.ref[Marked]:
        loss = (x * 2).sum()
        mark = Marked()
        loss.grad_fn.metadata["mark"] = mark  # type: ignore[union-attr]  # it has a graph
        loss.backward()
        return weakref.ref(mark)

    x = torch.ones(2, requires_grad=True)
    with timeline():
        gc.disable()
        try:
            assert program()() is None
        finally:
            gc.enable()


def test_what_is_an_op_and_what_is_not(timeline: Callable[..., Any]) -> None:
    x = torch.ones(2, 2)
    with timeline() as recorded:
        torch.randn_like(x)
        x.add_(1)
        x.max(dim=0)
        x.numpy()
        x.sum().item()
        _ = x.shape, x.device, x.dim(), x.T
    seen = [(one.name, one.args["output"]) for one in recorded.trace.events("op")]
    assert seen == [
        ("randn_like", "float32 (2, 2)"),
        ("add_", "float32 (2, 2)"),
        ("max", "float32 (2,), int64 (2,)"),
        ("numpy", "ndarray"),
        ("sum", "float32 ()"),
        ("item", "float"),
        (".T", "float32 (2, 2)"),
    ]


def test_times_on_an_accelerator_are_of_launching(
    timeline: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with timeline() as recorded:
        torch.ones(2).exp()
    assert recorded.said == "the timeline (2 slices) is in " + recorded.said.rpartition(" ")[2]
    monkeypatch.setattr(recorder_timeline, "_accelerator_was_used", lambda: True)
    with timeline() as recorded:
        torch.ones(2).exp()
    assert recorded.said.endswith("launched its kernels, not those that the kernels took")
    assert recorded.trace.document["otherData"]["not in the timeline"][-1] in recorded.said


def test_nothing_is_put_in_without_it() -> None:
    apply, door = vars(torch.autograd.Function)["apply"], nn.utils.clip_grad_norm_
    with Recorder() as recorder:
        assert vars(torch.autograd.Function)["apply"] is apply
        assert nn.utils.clip_grad_norm_ is door
        assert recorder._mode.timed is None


def test_everything_is_taken_out(timeline: Callable[..., Any]) -> None:
    before = (vars(torch.autograd.Function)["apply"], nn.utils.clip_grad_norm_, DataLoader.__iter__)
    with timeline():
        kept = nn.utils.clip_grad_norm_
    assert (vars(torch.autograd.Function)["apply"], nn.utils.clip_grad_norm_, DataLoader.__iter__) == before
    x = torch.ones(1, requires_grad=True)
    x.sum().backward()
    assert kept([x], 1.0).item() == 1.0


def test_a_long_run_keeps_its_beginning_and_its_end(timeline: Callable[..., Any]) -> None:
    x = torch.ones(1)
    with timeline(most=20, last=5) as recorded:
        for number in range(100):
            x = x.exp() if number == 99 else x.mul(1)
    trace = recorded.trace
    assert [one.name for one in trace.tracks["main thread"]] == ["mul"] * 24 + ["exp"]
    (gap,) = trace.tracks["left out"]
    assert gap.name == trace.document["otherData"]["left out"]
    assert gap.name.startswith("75 slices were left out")
