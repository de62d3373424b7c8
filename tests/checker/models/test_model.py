"""Whole models: seeded faults are found and located, healthy ones are silent and stay as they were."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from gradscope.checker.models.checking import check_model
from gradscope.checker.models.loss import Loss
from gradscope.checker.point import Deadline, Sample
from gradscope.checker.subjects.discovery import subject_of
from gradscope.facts import CheckedModel, Recording
from gradscope.finding import Finding, Severity
from gradscope.rules._checked_models import model_findings


class SlopedSwish(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return grad * (s + x * s * (1 - s)) * 1.01


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return -grad


class Activation(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Block(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(8), nn.Linear(8, 12), nn.Linear(12, 8)
        self.act = Activation(function)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.down(self.act(self.up(self.norm(x))))


class Tower(nn.Module):
    """Blocks of which the one of number `odd` has an activation of its own."""

    def __init__(self, function: Callable[[Tensor], Tensor], odd: int = 2, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(5, 8)
        self.blocks = nn.ModuleList(Block(function if n == odd else functional.silu) for n in range(depth))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def check(
    module: nn.Module, *args: Any, seconds: float = 30.0, loss: Loss | None = None, **kwargs: Any
) -> CheckedModel:
    subject = subject_of(module, type(module).__name__)
    assert subject is not None
    return check_model(subject, Sample(args, kwargs), Deadline(seconds), loss)


def findings(checked: CheckedModel) -> list[Finding]:
    return list(model_findings(Recording(checked_models=(checked,))))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


# ------------------------------------------------------------------------ losses


class Heads(nn.Module):
    """Two outputs, of which the second has a wrong backward."""

    def __init__(self) -> None:
        super().__init__()
        self.right, self.odd = nn.Linear(5, 3), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.right(x), SlopedSwish.apply(self.odd(x))


def test_only_what_the_loss_takes_is_differentiated() -> None:
    x = torch.randn(4, 5)
    first, second = (Loss("--loss f", lambda y, _args, n=n: y[n].square().mean()) for n in (0, 1))
    checked = check(Heads(), x, loss=first)
    assert (checked.failure, checked.wrong, checked.objective) == ("", (), "--loss f")
    assert {wrong.name for wrong in check(Heads(), x, loss=second).wrong} == {"x", "odd.weight", "odd.bias"}


def test_a_loss_may_cut_draw_and_look_at_the_inputs_as_a_module_may() -> None:
    """What it detaches is held constant, its random numbers repeat, and its tensors are float64."""

    def of(output: Tensor, args: Sequence[Any]) -> Tensor:
        drawn = output - output.detach() / 2 + torch.randn(3)
        return functional.mse_loss(drawn, args[0][:, :3]) * torch.tensor(2.0)

    checked = check(Tower(functional.silu), torch.randn(6, 5), loss=Loss("--loss of", of))
    assert (checked.failure, checked.wrong) == ("", ())


# ------------------------------------------------------------------------ faults


def test_a_wrong_backward_deep_inside_is_found_at_its_function() -> None:
    checked = check(Tower(SlopedSwish.apply), torch.randn(6, 5))
    names = [wrong.name for wrong in checked.wrong]
    assert names[0] == "x"
    assert set(names[1:]) == {
        *("stem.weight", "stem.bias"),
        *(
            f"blocks.{n}.{part}.{kind}"
            for n in (0, 1)
            for part in ("norm", "up", "down")
            for kind in ("weight", "bias")
        ),
        *(f"blocks.2.{part}.{kind}" for part in ("norm", "up") for kind in ("weight", "bias")),
    }
    assert checked.wrong[-1].ratio == pytest.approx(1.01, abs=1e-6)
    assert checked.module is not None
    assert (checked.module.name, checked.module.type_name) == ("blocks.2.act", "Activation")
    assert checked.function is not None
    assert checked.function.name == "SlopedSwish"
    (finding,) = findings(checked)
    assert finding.severity is Severity.ERROR
    assert finding.location == checked.function.backward
    assert finding.location is not None
    assert "SlopedSwish" in finding.message


def test_time_that_is_over_still_leaves_one_wrong_parameter_named() -> None:
    checked = check(Tower(SlopedSwish.apply), torch.randn(6, 5), seconds=0.0)
    assert [wrong.name for wrong in checked.wrong] == ["blocks.2.up.bias"]
    assert checked.module is not None
    assert "time" in " ".join(checked.notes)


def test_one_percent_on_the_input_gradient_of_one_layer() -> None:
    tower = Tower(functional.silu)

    def scale(module: nn.Module, given: Any, returned: Any) -> Any:
        return tuple(grad * 1.01 for grad in given)

    tower.blocks[1].up.register_full_backward_hook(scale)
    checked = check(tower, torch.randn(6, 5))
    assert checked.wrong[-1].name == "blocks.1.norm.bias"
    assert checked.module is not None
    assert checked.module.name == "blocks.1.up"


def test_code_between_modules_is_at_fault() -> None:
    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(SlopedSwish.apply(2 * self.a(x)))

    checked = check(Between(), torch.randn(3, 4))
    assert [wrong.name for wrong in checked.wrong] == ["x", "a.weight", "a.bias"]
    assert checked.module is not None
    assert checked.module.between
    assert checked.module.name == ""
    assert checked.function is not None


def test_a_function_that_forgets_its_weight() -> None:
    class Forgetful(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            ctx.save_for_backward(weight)
            return x * weight

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
            (weight,) = ctx.saved_tensors
            return grad * weight, None

    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return Forgetful.apply(x, self.weight)

    checked = check(nn.Sequential(nn.Linear(4, 4), Scale(), nn.Linear(4, 2)), torch.randn(3, 4))
    (wrong,) = checked.wrong
    assert (wrong.name, wrong.analytical) == ("1.weight", None)
    assert checked.module is not None
    assert checked.module.name == "1"
    assert checked.function is not None
    assert checked.function.name == "Forgetful"


def test_a_detach_is_named_and_trace_is_pointed_at() -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x).detach().relu())

    checked = check(Cut(), torch.randn(3, 4))
    assert not checked.wrong
    assert [one.name for one in checked.unreached] == ["a.weight", "a.bias"]
    (finding,) = findings(checked)
    assert finding.severity is Severity.WARNING
    assert "gradscope trace" in finding.fix


# ------------------------------------------------------------------------ what is meant


def test_gradient_reversal_is_deliberate() -> None:
    class Adversary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(Reverse.apply(self.a(x)))

    checked = check(Adversary(), torch.randn(3, 4))
    assert checked.wrong
    assert checked.deliberate
    assert not findings(checked)


def test_stops_of_a_straight_through_estimator_and_a_teacher_are_constants() -> None:
    class Student(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.teacher = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            with torch.no_grad():
                target = self.teacher(x).view(-1, 4)
            z = self.net(x)
            rounded = z + (z.round() - z).detach()
            sampled = functional.gumbel_softmax(z, hard=True)
            return {"loss": (rounded - target).pow(2).mean() * z.abs().max().item(), "sampled": sampled}

    checked = check(Student(), torch.randn(3, 4))
    assert not checked.wrong
    assert checked.error is not None
    assert checked.error < 1e-8
    assert not findings(checked)


# ------------------------------------------------------------------------ healthy models


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(5, 6, 2, dropout=0.3), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, (h, _) = self.lstm(x)
        return self.head(y), h


class Tied(nn.Module):
    """Integer inputs, a padding row, a shared and a frozen parameter, an unused one."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6, padding_idx=0)
        self.mix, self.spare = nn.Linear(6, 6), nn.Linear(2, 2)
        self.head = nn.Linear(6, 11, bias=False)
        self.head.weight = self.embed.weight
        self.mix.bias.requires_grad_(False)

    def forward(self, tokens: Tensor) -> Tensor:
        return functional.log_softmax(self.head(functional.relu(self.mix(self.embed(tokens)))), -1)


class Convolutional(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)),
        )


def transformer() -> nn.Module:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True), 2)


def normalised() -> nn.Module:
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(4, 4))
    return nn.Sequential(spectral, nn.ReLU(), nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))


def gpt2() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_embd=16, n_head=2, vocab_size=30, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    return transformers.GPT2LMHeadModel(config)


def t5() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=2, vocab_size=30, decoder_start_token_id=0
    )
    return transformers.T5ForConditionalGeneration(config)


def tokens() -> dict[str, Tensor]:
    ids = torch.randint(0, 30, (2, 6))
    return {"input_ids": ids, "labels": ids}


HEALTHY: dict[str, tuple[Callable[[], nn.Module], Callable[[], Any]]] = {
    "mlp": (lambda: Tower(functional.relu), lambda: torch.randn(6, 5)),
    "deep relu": (lambda: Tower(functional.relu, 1, 12), lambda: torch.randn(9, 5)),
    "conv, train": (Convolutional, lambda: torch.randn(3, 2, 8, 8)),
    "conv, eval": (lambda: Convolutional().eval(), lambda: torch.randn(3, 2, 8, 8)),
    "transformer": (transformer, lambda: torch.randn(2, 5, 8)),
    "transformer, eval": (lambda: transformer().eval(), lambda: torch.randn(2, 5, 8)),
    "lstm": (Recurrent, lambda: torch.randn(4, 2, 5)),
    "tied": (Tied, lambda: torch.tensor([[0, 3, 5], [2, 0, 0]])),
    "normalised": (normalised, lambda: torch.randn(5, 4)),
    "zeros": (lambda: Tower(functional.relu), lambda: torch.zeros(6, 5)),
    "gpt2": (gpt2, tokens),
    "t5": (t5, tokens),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_model_is_silent_and_stays_as_it_was(name: str) -> None:
    build, inputs = HEALTHY[name]
    module, given = build(), inputs()
    given = given if isinstance(given, dict) else {next(iter(_parameters(module))): given}
    before, modes = copy.deepcopy(module.state_dict()), [part.training for part in module.modules()]
    inputs_before = copy.deepcopy(given)
    generator, dtype = torch.get_rng_state(), torch.get_default_dtype()
    methods = dict(vars(Tensor))

    checked = check(module, **given)

    assert checked.failure == ""
    assert checked.wrong == checked.unreached == ()
    assert not findings(checked)
    assert checked.error is not None
    assert checked.error < 1e-7
    assert checked.looked_at == checked.parameters + len(checked.inputs)
    after = module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert [part.training for part in module.modules()] == modes
    assert all(not part._forward_hooks and not part._forward_pre_hooks for part in module.modules())
    assert all(torch.equal(given[key], inputs_before[key]) for key in given)
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.get_default_dtype() is dtype
    assert dict(vars(Tensor)) == methods


def _parameters(module: nn.Module) -> list[str]:
    import inspect

    return list(inspect.signature(module.forward).parameters)


def test_frozen_parameters_are_left_out_and_shared_ones_counted_once() -> None:
    checked = check(Tied(), torch.tensor([[1, 3], [2, 4]]))
    assert checked.parameters == 4  # embed.weight, mix.weight, spare.weight, spare.bias
    assert checked.inputs == ()


def test_a_cast_to_float32_inside_is_said_and_is_no_alarm() -> None:
    class Careless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": functional.mse_loss(self.a(x).float(), torch.zeros(4))}

    with pytest.warns(UserWarning, match="target size"):
        checked = check(Careless(), torch.randn(3, 4))
    assert not checked.wrong
    assert checked.error is not None
    assert checked.error < 1e-8
    (line,) = checked.low_precision
    assert line.path == __file__
    assert checked.is_exact


def test_a_fault_behind_a_layer_of_zeros_is_seen() -> None:
    tower = Tower(SlopedSwish.apply)
    nn.init.zeros_(tower.head.weight)
    assert check(tower, torch.randn(6, 5)).wrong


# ------------------------------------------------------------------------ what cannot be checked


def test_a_forward_that_raises_is_told_in_one_sentence() -> None:
    checked = check(nn.Linear(4, 4), torch.randn(3, 5))
    assert "RuntimeError" in checked.failure
    assert "\n" not in checked.failure
    assert not findings(checked)


def test_what_is_not_finite_is_told() -> None:
    class Log(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.log(x * self.weight * 0.0)

    assert "finite" in check(Log(), torch.ones(3)).failure


def test_a_forward_that_no_seed_repeats_is_told() -> None:
    class Restless(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) * torch.rand(1, generator=GENERATOR, dtype=x.dtype)

    assert "another value" in check(Restless(), torch.randn(3, 4)).failure


GENERATOR = torch.Generator().manual_seed(0)


def test_an_input_that_must_be_a_leaf() -> None:
    class Asking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            x.requires_grad = True
            return self.a(x)

    assert check(Asking(), torch.randn(3, 4)).failure == ""


def test_a_model_that_keeps_state_and_a_generator_of_its_own() -> None:
    class Noisy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.generator = nn.Linear(4, 4), torch.Generator().manual_seed(5)
            self.seen: list[Tensor] = []
            self.scale: float = 1.0

        def forward(self, x: Tensor) -> Tensor:
            self.scale *= 1.1
            self.seen.append(x)
            noise = torch.randn(x.shape, generator=self.generator, dtype=x.dtype)
            return self.a(x + 0.1 * noise) * self.scale * len(self.seen)

    module = Noisy()
    state = module.generator.get_state()
    checked = check(module, torch.randn(3, 4))
    assert checked.failure == ""
    assert not checked.wrong
    assert (module.scale, module.seen) == (1.0, [])
    assert torch.equal(module.generator.get_state(), state)
