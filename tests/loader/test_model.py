"""Modules, factories and functions as targets."""

from __future__ import annotations

import sys

import pytest
import torch

from gradscope.errors import InputError, TargetError, UsageError
from gradscope.recorder import Recorder
from tests.loader.conftest import Run, Write

MODEL = """
    import torch
    from torch import nn

    seen = []

    class Net(nn.Module):
        def __init__(self, width=2):
            super().__init__()
            self.linear = nn.Linear(3, width)
        def forward(self, x, scale=1.0):
            seen.append((x.shape, x.dtype, float(scale), self.training, x.clone()))
            return self.linear(x) * scale

    class Wide(nn.Module):
        def __init__(self, dim, heads, dropout=0.1):
            super().__init__()

    class Plain:
        pass

    class Holder:
        net = Net()

    net = Net()
    number = 3

    def build():
        return Net(4)

    def loss():
        return net(torch.ones(1, 3)).sum()

    def energy(x, k=2.0):
        seen.append(x.requires_grad)
        return (k * x ** 2).sum()

    def nothing():
        pass

    def text():
        return "loss"
"""


@pytest.fixture(autouse=True)
def model(write: Write) -> None:
    write("model.py", MODEL)


def gradients() -> list[torch.Tensor | None]:
    return [parameter.grad for parameter in sys.modules["model"].net.parameters()]


@pytest.mark.parametrize(
    "target", ["model.py:Net", "model.py:net", "model.py:build", "model:net", "model.py:Holder.net"]
)
def test_a_class_an_instance_and_a_factory(target: str, run_model: Run) -> None:
    run_model(target, "randn(5, 3)")
    (shape, dtype, scale, training, _), *rest = sys.modules["model"].seen
    assert (tuple(shape), dtype, scale, training) == ((5, 3), torch.float32, 1.0, True)
    assert not rest


def test_backward_gives_the_instance_its_gradients(run_model: Run) -> None:
    run_model("model.py:net", "ones(5, 3)", "scale=2", loss="sum")
    weight, bias = gradients()
    assert torch.equal(weight, torch.full((2, 3), 10.0))
    assert torch.equal(bias, torch.full((2,), 10.0))


def test_a_function_that_returns_a_loss(run_model: Run) -> None:
    assert run_model("model.py:loss") == []
    weight, _ = gradients()
    assert torch.equal(weight, torch.ones(2, 3))
    assert len(sys.modules["model"].seen) == 1


def test_the_inputs_of_a_function_become_leaves_where_nothing_else_is_one(run_model: Run) -> None:
    notes = run_model("model.py:energy", "randn(3)", "k=3")
    assert sys.modules["model"].seen == [False, True]
    assert notes == [
        "the inputs of model.py:energy were made to require a gradient, because nothing else of it does"
    ]


def test_the_inputs_of_a_module_with_parameters_do_not(run_model: Run) -> None:
    assert not any("require a gradient" in note for note in run_model("model.py:Net", "randn(1, 3)"))


def test_steps_are_passes_over_the_same_values(run_model: Run) -> None:
    notes = run_model("model.py:net", "randn(2, 3)", steps=3, loss="sum")
    passes = [values for *_, values in sys.modules["model"].seen]
    assert len(passes) == 3
    assert torch.equal(passes[0], passes[1])
    assert torch.equal(passes[1], passes[2])
    assert notes == []
    _, bias = gradients()
    assert bias.tolist() == [2.0, 2.0]  # of the last pass alone


def test_a_pass_that_changes_its_input_does_not_change_the_next(write: Write, run_model: Run) -> None:
    write(
        "changing.py",
        """
        import torch
        from torch import nn
        seen = []
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.w = nn.Parameter(torch.ones(2))
            def forward(self, x):
                seen.append(x.tolist())
                x += 1
                return (x * self.w).sum()
        """,
    )
    run_model("changing.py:Net", "zeros(2)", steps=2)
    assert sys.modules["changing"].seen == [[0.0, 0.0], [0.0, 0.0]]


def test_a_seed_makes_weights_and_inputs_the_same_again(run_model: Run) -> None:
    def first_input(**options: object) -> torch.Tensor:
        run_model("model.py:Net", "randn(2, 3)", **options)
        found: torch.Tensor = sys.modules.pop("model").seen[0][-1]
        return found

    assert torch.equal(first_input(), first_input(seed=0))
    assert not torch.equal(first_input(), first_input(seed=1))


def test_the_dtype_is_that_of_weights_and_inputs(run_model: Run) -> None:
    run_model("model.py:net", "randn(2, 3)", dtype="float64")
    assert sys.modules["model"].seen[0][1] is torch.float64
    assert sys.modules["model"].net.linear.weight.dtype is torch.float64
    assert torch.get_default_dtype() is torch.float32


def test_amp_is_an_autocast_around_the_passes(write: Write, run_model: Run) -> None:
    write(
        "half.py",
        """
        from torch import nn
        dtypes = []
        class Net(nn.Linear):
            def forward(self, x):
                out = super().forward(x)
                dtypes.append(out.dtype)
                return out
        def build():
            return Net(3, 2)
        """,
    )
    run_model("half.py:build", "randn(2, 3)", amp="bfloat16")
    assert sys.modules["half"].dtypes == [torch.bfloat16]
    assert not torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize(
    ("target", "inputs", "kind", "said", "advice"),
    [
        ("Nett", (), TargetError, "model.py has no Nett; did you mean Net or net?", ""),
        ("net.liner", (), TargetError, "model.py:net has no liner", ""),
        ("Wide", (), TargetError, "needs the arguments dim, heads to be", "gradscope trace model.py:build"),
        ("Plain", (), TargetError, "model.py:Plain is a class, but not an nn.Module", ""),
        ("number", (), TargetError, "model.py:number is of type int", ""),
        ("nothing", (), TargetError, "model.py:nothing() returned None", ""),
        ("text", (), UsageError, "no floating-point tensor to take a loss from: 'loss'", "a function of"),
        ("loss", ("3",), InputError, "model.py:loss takes no inputs", ""),
        (
            "energy",
            (),
            InputError,
            "(x, k=2.0) needs inputs",
            "gradscope trace model.py:energy --input 'x=...'",
        ),
        ("Net", ("sclae=1", "ones(1)"), InputError, "keyword argument 'sclae'; did you mean scale?", ""),
        ("Net", ("scale=1",), InputError, "missing a required argument: 'x'", "add --input 'x=...'"),
        ("Net", ("1", "2", "3"), InputError, "do not fit Net.forward(x, scale=1.0): too many", ""),
    ],
)
def test_what_cannot_be_traced_says_why(
    target: str, inputs: tuple[str, ...], kind: type[UsageError], said: str, advice: str, run_model: Run
) -> None:
    with pytest.raises(kind) as caught:
        run_model(f"model.py:{target}", *inputs)
    assert said in caught.value.what
    assert not advice or caught.value.try_next[0].startswith(advice)


def test_a_failing_call_says_what_it_was_given(run_model: Run) -> None:
    with pytest.raises(RuntimeError, match="cannot be multiplied") as caught:
        run_model("model.py:Net", "randn(4, 5)")
    assert caught.value.__notes__ == ["  model.py:Net was called with --input 'randn(4, 5)': float32 (4, 5)"]


def test_the_modules_own_inputs_are_used(write: Write, run_model: Run) -> None:
    write(
        "model.py",
        MODEL + "\n    def gradscope_inputs():\n        return {'x': torch.ones(7, 3), 'scale': 3.0}\n",
    )
    run_model("model.py:Net")
    shape, _, scale, *_ = sys.modules["model"].seen[0]
    assert (tuple(shape), scale) == ((7, 3), 3.0)


def test_a_guess_from_the_first_layer_is_said_to_be_one(run_model: Run) -> None:
    notes = run_model("model.py:Net")
    assert notes[0].startswith("inputs: --input 'randn(2, 3)', guessed from linear; ")


def test_a_shape_that_forward_refuses_is_not_guessed(write: Write, run_model: Run) -> None:
    write(
        "digits.py",
        """
        from torch import nn
        def build():
            convolutions = nn.Conv2d(1, 4, 5), nn.MaxPool2d(2), nn.Flatten()
            return nn.Sequential(*convolutions, nn.Linear(4 * 12 * 12, 10))
        """,
    )
    assert "randn(2, 1, 28, 28)" in run_model("digits.py:build")[0]


def test_more_inputs_than_can_be_guessed_are_asked_for(write: Write, run_model: Run) -> None:
    write(
        "pair.py",
        """
        from torch import nn
        class Pair(nn.Linear):
            def __init__(self):
                super().__init__(3, 2)
            def forward(self, left, right):
                return super().forward(left) * right
        """,
    )
    with pytest.raises(InputError) as caught:
        run_model("pair.py:Pair")
    assert caught.value.what == "Pair.forward(left, right) needs inputs"
    assert caught.value.try_next == (
        "gradscope trace pair.py:Pair --input 'left=randn(2, 3)' --input 'right=...'",
        "(the shape of left is a guess from Pair)",
    )


def test_no_layer_no_guess(write: Write, run_model: Run) -> None:
    write(
        "scale.py",
        "from torch import nn\nclass Scale(nn.Module):\n    def forward(self, x):\n        return x * 2\n",
    )
    with pytest.raises(InputError) as caught:
        run_model("scale.py:Scale")
    assert (
        caught.value.try_next[1]
        == "(no layer of Scale tells a shape; or define gradscope_inputs() beside it)"
    )


def test_what_the_program_raises_comes_out(write: Write, run_model: Run) -> None:
    write("broken.py", "import no_such_module_at_all\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        run_model("broken.py:Net")


def test_the_inputs_go_by_the_names_of_the_arguments(run_model: Run) -> None:
    with Recorder() as recorder:
        run_model("model.py:energy", "randn(3)", "k=3")
    assert [leaf.name for leaf in recorder.recording().leaves] == ["x"]
