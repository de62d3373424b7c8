"""`gradscope.testing.assert_gradients`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gradscope.errors import UsageError
from gradscope.testing import assert_gradients

X = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    def __init__(self, change: Callable[[Tensor], Tensor] = lambda hidden: hidden) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.second = nn.Linear(4, 1)
        self.change = change
        self.calls = 0

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        self.calls += 1
        hidden = self.change(torch.tanh(self.norm(self.first(x))))
        return self.second(hidden) * scale


def squared(output: Tensor) -> Tensor:
    return output.pow(2).mean()


def weighted(output: Tensor) -> Tensor:
    """A loss under which the bias before a normalisation gets more than zeros: rounding is no gradient."""
    return (output * torch.arange(1.0, 1.0 + output.numel()).reshape(output.shape)).pow(2).sum()


@pytest.mark.parametrize(
    "inputs",
    [X, (X,), [X, 2.0], {"x": X, "scale": 2.0}],
    ids=["tensor", "tuple", "list", "dict"],
)
def test_good_gradients_are_told(inputs: Any) -> None:
    gradients = assert_gradients(Net(), inputs, loss=weighted)
    assert gradients.findings == ()
    assert set(gradients.norms) == {
        "first.weight", "first.bias", "norm.weight", "norm.bias", "second.weight", "second.bias",
    }  # fmt: skip
    assert all(norm > 0 for norm in gradients.norms.values())
    assert "6 parameters" in repr(gradients)
    assert gradients.report.target == "assert_gradients(Net)"


def test_everything_is_as_before() -> None:
    net = Net()
    net.second.bias.grad = torch.ones(1)
    state = {name: value.clone() for name, value in net.state_dict().items()}
    generator, mode, x = torch.get_rng_state(), net.training, X.clone()
    assert_gradients(net, x, loss=weighted)
    with pytest.raises(AssertionError):
        assert_gradients(net, x * float("nan"))
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert net.second.bias.grad is not None
    assert net.second.bias.grad.item() == 1
    assert net.first.weight.grad is None
    assert torch.equal(torch.get_rng_state(), generator)
    assert net.training is mode
    assert net.calls == 0
    assert torch.equal(x, X)
    assert x.grad is None


def fails(*said: str, **given: Any) -> str:
    net, inputs = given.pop("net", None) or Net(), given.pop("inputs", X)
    with pytest.raises(AssertionError) as raised:
        assert_gradients(net, inputs, **given)
    text = str(raised.value)
    assert all(each in text for each in said), text
    return text


def test_a_severed_gradient_is_named_once() -> None:
    text = fails(
        "the gradients of Net: GS102 severed-gradient\n",
        "hidden.detach()",
        "gradscope explain GS102",
        net=Net(lambda hidden: hidden.detach()),
    )
    assert "GS902" not in text


def test_a_parameter_without_gradient_counts() -> None:
    net = Net()
    net.unused = nn.Linear(2, 2)
    fails("GS902 gradient-share-limit", "6 of 8", "unused", net=net, loss=weighted)
    assert_gradients(net, X, loss=weighted, min_gradient_share=0.75)
    fails("GS902", net=net, loss=weighted, min_gradient_share=0.76)


def test_zeros_are_no_gradient() -> None:
    fails("GS902 gradient-share-limit", "zeros only", net=Net(lambda hidden: hidden * 0.0))


@pytest.mark.parametrize("share", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("ignore", [(), ("GS4", "GS9")])
def test_nan_never_passes(share: float, ignore: tuple[str, ...]) -> None:
    fails(
        "NaN" if not ignore else "the loss is nan",
        inputs=X * float("nan"),
        min_gradient_share=share,
        ignore=ignore,
    )


def test_a_nan_gradient_of_a_finite_loss_never_passes() -> None:
    net = Net(lambda hidden: hidden.mul(0).sqrt())
    fails("NaN", net=net, min_gradient_share=0.0)
    fails("the gradient is not finite: ", net=net, min_gradient_share=0.0, ignore=["GS4"])


def test_a_nan_loss_with_finite_gradients_never_passes() -> None:
    fails(
        "the loss is nan",
        loss=lambda output: output.mean() + float("nan"),
        ignore=["GS4"],
        min_gradient_share=0,
    )


def test_a_nan_can_be_expected() -> None:
    net = Net(lambda hidden: hidden.mul(0).sqrt())
    assert_gradients(net, X, expect="GS401", min_gradient_share=0.1)


def test_the_ratio_of_norms() -> None:
    assert_gradients(Net(), X, loss=weighted, max_norm_ratio=1e9)
    fails(
        "GS901 norm-ratio-limit", net=Net(lambda hidden: hidden * 1e-6), loss=weighted, max_norm_ratio=100.0
    )


def test_rules_are_forbidden_ignored_and_expected() -> None:
    part = Net()
    part.unused = nn.Linear(2, 2)
    given: dict[str, Any] = {"loss": weighted, "min_gradient_share": 0.5}
    assert_gradients(part, X, **given)
    fails("GS103 unused-parameter", net=part, forbid="GS103", **given)
    fails("GS103 unused-parameter", net=part, fail_on="warning", **given)
    assert_gradients(part, X, forbid="GS103", ignore="unused-parameter", **given)
    assert_gradients(part, X, forbid="GS103", expect="GS103", **given)
    fails("GS102 was expected and not found", expect="GS102", **given)


def test_a_loss_without_graph_is_a_finding() -> None:
    fails("GS101 no-graph", "detach()", loss=lambda output: output.detach().mean())


def test_a_backward_that_torch_refuses_is_a_finding() -> None:
    def changed(hidden: Tensor) -> Tensor:
        out = hidden.exp()
        out += 1
        return out

    fails("GS201 inplace-saved", "out += 1", net=Net(changed))


def test_what_the_program_raises_comes_out() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        assert_gradients(Net(), torch.ones(2, 7))
    with pytest.raises(ZeroDivisionError):
        assert_gradients(Net(lambda hidden: hidden * (1 / 0)), X)


def test_a_function_may_call_the_modules() -> None:
    net = Net()
    gradients = assert_gradients(lambda: weighted(net(X)))
    assert len(gradients.norms) == 6
    assert net.first.weight.grad is None


def test_it_works_without_grad_mode() -> None:
    with torch.no_grad():
        assert_gradients(Net(), X, loss=weighted)
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"min_gradient_share": 1.5}, "min_gradient_share=1.5 is not a number from 0 to 1"),
        ({"min_gradient_share": float("nan")}, "min_gradient_share=nan is not"),
        ({"max_norm_ratio": float("nan")}, "max_norm_ratio=nan is not a number from 1 on"),
        ({"fail_on": "errors"}, "fail_on='errors' is not"),
        ({"ignore": "GS10X"}, "ignore GS10X: no such rule; did you mean GS10"),
        ({"expect": ["nothing"]}, "expect nothing: no such rule"),
        ({"loss": lambda output: output}, "loss() returned"),
    ],
)
def test_what_cannot_be_asked(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        assert_gradients(Net(), X, **given)


def test_what_has_no_gradients_cannot_be_asserted() -> None:
    with pytest.raises(UsageError, match="meta device"):
        assert_gradients(nn.Linear(2, 2, device="meta"), torch.ones(1, 2, device="meta"))
    with pytest.raises(UsageError, match="has no step"):
        assert_gradients(3, X)  # type: ignore[arg-type]  # what is no module
    fails("GS101 no-graph", net=nn.ReLU())
