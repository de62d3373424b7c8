"""From an output to a scalar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch.nn import functional

from gradscope.errors import UsageError
from gradscope.loader.inputs import Inputs
from gradscope.loader.loss import find_loss
from tests.loader.conftest import Write

LOGITS = torch.linspace(-1, 2, 24).view(2, 3, 4)
SCALAR = torch.tensor(2.5)


@dataclass
class Output:
    logits: torch.Tensor
    loss: torch.Tensor | None = None


def loss_of(output: Any, spec: str | None = None, *inputs: object) -> tuple[torch.Tensor, list[str]]:
    notes: list[str] = []
    return find_loss(spec)(output, Inputs(inputs), notes.append), notes


@pytest.mark.parametrize(
    ("output", "expected", "notes"),
    [
        (SCALAR, SCALAR, []),
        (Output(LOGITS, SCALAR), SCALAR, []),
        ({"logits": LOGITS, "loss": SCALAR}, SCALAR, []),
        ((LOGITS, SCALAR), SCALAR, ["loss: [1] of the output, its only scalar"]),
        ({"a": LOGITS, "total": SCALAR}, SCALAR, ["loss: ['total'] of the output, its only scalar"]),
        (LOGITS, LOGITS.mean(), ["loss: the mean of the output, float32 (2, 3, 4); another one with --loss"]),
        (
            (torch.arange(3), LOGITS, None),
            LOGITS.mean(),
            [
                "loss: taken from [1] of the output",
                "loss: the mean of the output, float32 (2, 3, 4); another one with --loss",
            ],
        ),
        (
            Output(LOGITS),
            LOGITS.mean(),
            [
                "loss: taken from .logits of the output",
                "loss: the mean of the output, float32 (2, 3, 4); another one with --loss",
            ],
        ),
    ],
)
def test_what_the_output_offers(output: Any, expected: torch.Tensor, notes: list[str]) -> None:
    found, said = loss_of(output)
    assert torch.equal(found, expected)
    assert said == notes


def test_the_named_losses() -> None:
    assert torch.equal(loss_of(LOGITS, "mean")[0], LOGITS.mean())
    assert torch.equal(loss_of(LOGITS, "sum")[0], LOGITS.sum())
    target = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loss_of(LOGITS, "mse")[0], functional.mse_loss(LOGITS, target))


@pytest.mark.parametrize(
    ("shape", "dimension", "classes"), [((5,), 0, 5), ((2, 5), 1, 5), ((2, 3, 5), 2, 5), ((2, 5, 3, 4), 1, 5)]
)
def test_cross_entropy_knows_where_the_classes_are(
    shape: tuple[int, ...], dimension: int, classes: int
) -> None:
    # Equal scores give log(classes) whatever the labels are.
    found, notes = loss_of(torch.zeros(shape), "cross_entropy")
    torch.testing.assert_close(found, torch.tensor(float(classes)).log())
    assert f"the {classes} classes of dimension {dimension}, random labels" in notes[0]


def test_targets_are_the_same_again_and_leave_the_generators_alone() -> None:
    state = torch.get_rng_state()
    assert torch.equal(loss_of(LOGITS, "mse")[0], loss_of(LOGITS, "mse")[0])
    assert torch.equal(loss_of(LOGITS, "cross_entropy")[0], loss_of(LOGITS, "cross_entropy")[0])
    assert torch.equal(torch.get_rng_state(), state)


def test_a_function_of_the_users(write: Write) -> None:
    write(
        "losses.py",
        """
        def alone(output):
            return (output ** 2).sum()
        def against(output, x, weight=2.0):
            return weight * ((output - x) ** 2).sum()
        def wide(output):
            return output
        def number(output):
            return 3.0
        constant = 1
        """,
    )
    assert torch.equal(loss_of(LOGITS, "losses.py:alone")[0], (LOGITS**2).sum())
    shifted = LOGITS + 1
    assert torch.equal(loss_of(LOGITS, "losses.py:against", shifted)[0], 2 * ((LOGITS - shifted) ** 2).sum())
    with pytest.raises(UsageError, match=r"losses.py:wide returned a tensor of shape \(2, 3, 4\)"):
        loss_of(LOGITS, "losses.py:wide")
    with pytest.raises(UsageError, match=r"losses.py:number returned 3.0; backward needs a tensor"):
        loss_of(LOGITS, "losses.py:number")
    with pytest.raises(UsageError, match="is of type int, not a function"):
        loss_of(LOGITS, "losses.py:constant")
    with pytest.raises(UsageError, match=r"losses\.py has no alnoe; did you mean alone"):
        loss_of(LOGITS, "losses.py:alnoe")


def test_importing_a_loss_leaves_the_programs_arguments_alone(write: Write) -> None:
    import sys

    write("losses.py", "def alone(output):\n    return output.sum()\n")
    argv, path0 = list(sys.argv), sys.path[0]
    loss_of(LOGITS, "losses.py:alone")
    assert sys.argv == argv
    assert sys.path[0] == path0


def test_what_no_loss_can_be_made_of() -> None:
    with pytest.raises(UsageError, match="--loss cros_entropy is not a loss; did you mean cross_entropy"):
        find_loss("cros_entropy")
    with pytest.raises(UsageError, match="no floating-point tensor to take a loss from"):
        loss_of((torch.arange(3), "text"))
    with pytest.raises(UsageError, match="the output is one number"):
        loss_of(SCALAR, "cross_entropy")
