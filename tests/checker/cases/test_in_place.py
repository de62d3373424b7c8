"""Inputs that forward changes in place."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.in_place import in_place
from gradscope.facts.checks import Outcome
from tests.checker.cases.settings import setting_of

X, OTHER = torch.linspace(-1, 1, 6).reshape(2, 3), torch.linspace(1, 2, 6).reshape(2, 3)


def double(x):
    """A function of the program's, a call away."""
    x.mul_(2)


class Doubled(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        return x

    @staticmethod
    def backward(ctx, grad_output):
        return 2 * grad_output


class Marked(Doubled):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)


class OfAView(Doubled):
    @staticmethod
    def forward(ctx, x):
        x.view(-1)[:] *= 2
        return x


class PastTheVersion(Doubled):
    @staticmethod
    def forward(ctx, x):
        y = x.data
        y *= 2
        return y


class WithNumpy(Doubled):
    @staticmethod
    def forward(ctx, x):
        x.detach().numpy()[:] *= 2
        return x.clone()


class Elsewhere(Doubled):
    @staticmethod
    def forward(ctx, x):
        double(x)
        return x.clone()


class NotReturned(Doubled):
    @staticmethod
    def forward(ctx, x):
        y = 2 * x
        x.zero_()
        return y


class TakenBack(Doubled):
    @staticmethod
    def forward(ctx, x):
        x.neg_()
        y = -2 * x
        x.neg_()
        return y


class Statistics(Function):
    """A running mean and a counter, as batch normalisation has them."""

    @staticmethod
    def forward(ctx, x, mean, count):
        mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
        count += 1
        return x - x.mean(0)

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output - grad_output.mean(0), None, None


class Codebook(Function):
    """The output is computed with the buffer before it moves."""

    @staticmethod
    def forward(ctx, x, book):
        y = x * book
        ctx.save_for_backward(book.clone())
        book.lerp_(x, 0.1)
        return y

    @staticmethod
    def backward(ctx, grad_output):
        (book,) = ctx.saved_tensors
        return grad_output * book, None


class IntoABank(Function):
    """The bank is changed and returned, with values of another input."""

    @staticmethod
    def forward(ctx, bank, update):
        bank[:1] += update
        return bank

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, grad_output[:1]


def writes(function, *args):
    return in_place(setting_of(function, *args))


@pytest.mark.parametrize(
    ("function", "line", "past_version", "returned"),
    [
        (Doubled, "x.mul_(2)", False, True),
        (OfAView, "x.view(-1)[:] *= 2", False, True),
        (PastTheVersion, "y *= 2", True, True),
        (WithNumpy, "x.detach().numpy()[:] *= 2", True, False),
        (NotReturned, "x.zero_()", False, False),
    ],
)
def test_an_unmarked_write_is_told_with_its_line(function, line, past_version, returned):
    facts = writes(function, X)
    (fact,) = facts.unmarked_writes
    assert facts.outcome.outcome is Outcome.FAILED
    assert (fact.input, fact.input_name) == (0, "x")
    assert (fact.past_version, fact.returned, fact.matters) == (past_version, returned, True)
    lines, start = inspect.getsourcelines(function.forward)
    assert fact.location is not None
    assert lines[fact.location.line - start].strip() == line


def test_the_line_may_be_in_a_function_that_forward_calls():
    (fact,) = writes(Elsewhere, X).unmarked_writes
    assert fact.location is not None
    assert fact.location.function == "double"


def test_a_marked_one_is_right():
    facts = writes(Marked, X)
    assert facts.unmarked_writes == []
    assert facts.outcome.outcome is Outcome.PASSED


def test_a_change_that_is_taken_back_is_none():
    assert writes(TakenBack, X).outcome.outcome is Outcome.NOT_APPLICABLE


def test_buffers_do_not_matter():
    facts = writes(Statistics, X, torch.zeros(3), torch.tensor(0))
    assert [(fact.input_name, fact.matters) for fact in facts.unmarked_writes] == [
        ("mean", False),
        ("count", False),
    ]
    assert facts.outcome.outcome is Outcome.PASSED


def test_a_buffer_that_the_program_asks_no_gradient_of_does_not_matter():
    (fact,) = writes(Codebook, X, OTHER).unmarked_writes
    assert (fact.input_name, fact.matters) == ("book", True)
    (fact,) = writes(Codebook, X.clone().requires_grad_(), OTHER).unmarked_writes
    assert not fact.matters


def test_a_bank_that_is_returned_matters():
    (fact,) = writes(IntoABank, X, torch.ones(1, 3)).unmarked_writes
    assert (fact.input_name, fact.returned, fact.matters) == ("bank", True, True)


def test_the_arguments_are_not_changed():
    before = X.clone()
    writes(Doubled, X)
    assert torch.equal(X, before)
    assert X._version == 0
