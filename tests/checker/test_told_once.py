"""What is said of a function is said once, and the same in every run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from gradscope.checker.point import Sample
from gradscope.checker.run import check_function
from gradscope.checker.subjects.discovery import subject_of


class Halved(Function):
    """A backward that rounds to float16."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, how: object = None) -> Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return (2 * grad).half(), None


def test_samples_that_show_the_same_rounding_are_one_note() -> None:
    subject = subject_of(Halved, "Halved")
    assert subject is not None
    generator = torch.Generator().manual_seed(0)
    samples = [Sample((torch.randn(*shape, generator=generator),)) for shape in ((4, 3), (2, 4, 3))]
    checked = check_function(subject, samples)
    assert len(checked.samples) == 2
    assert sum("the gradient differs by" in note for note in checked.notes) == 1


def test_an_object_without_a_repr_has_no_address() -> None:
    subject = subject_of(Halved, "Halved")
    assert subject is not None
    (sample,) = check_function(subject, [Sample((torch.ones(2), object()))]).samples
    assert "<object object>" in sample.text
