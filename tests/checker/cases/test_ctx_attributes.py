"""Tensors kept as attributes of ctx."""

from __future__ import annotations

import inspect
from dataclasses import replace

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases.ctx_attributes import ctx_attributes
from gradscope.checker.watched import Watched
from gradscope.facts.checks import Outcome
from gradscope.finding import Location
from tests.checker.cases.settings import setting_of

X, WEIGHT = torch.randn(4, 3), torch.randn(4, 3)


class Base(Function):
    @staticmethod
    def backward(ctx, grad_output):
        return grad_output, grad_output


class Input(Base):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.x = x
        return x * weight


class View(Base):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.turned = x.t()
        return x * weight


class Detached(Base):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.copy = weight.detach()
        return x * weight


class InTuple(Base):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.kept = {"both": [x.shape, (weight, 1)]}
        return x * weight


class Output(Base):
    @staticmethod
    def forward(ctx, x, weight):
        y = x * weight
        ctx.y = y
        return y


class Apart(Base):
    @staticmethod
    def forward(x, weight):
        return x * weight

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.x, ctx.weight = inputs
        ctx.y = output


class Intermediate(Base):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.mask = x > 0
        ctx.shape = x.shape
        ctx.scale = 2.0
        return x * weight


class Saved(Base):
    @staticmethod
    def forward(ctx, x, weight):
        y = x * weight
        ctx.save_for_backward(x, weight, y)
        ctx.save_for_forward(x)
        ctx.set_materialize_grads(False)
        return y


def escaping(function):
    facts = ctx_attributes(setting_of(function, X, WEIGHT))
    found = [fact for fact in facts.context_tensors if fact.escapes]
    assert (facts.outcome.outcome is Outcome.FAILED) == bool(found)
    return found


def line_of(function, fact):
    method = function.setup_context if function is Apart else function.forward
    lines, start = inspect.getsourcelines(method)
    assert fact.location is not None
    return lines[fact.location.line - start].strip()


@pytest.mark.parametrize(
    ("function", "attribute", "holds", "line"),
    [
        (Input, "x", "input x", "ctx.x = x"),
        (View, "turned", "input x", "ctx.turned = x.t()"),
        (Detached, "copy", "input weight", "ctx.copy = weight.detach()"),
        (InTuple, "kept", "input weight", 'ctx.kept = {"both": [x.shape, (weight, 1)]}'),
        (Output, "y", "output 0", "ctx.y = y"),
    ],
)
def test_an_input_or_output_is_told_with_the_line_of_its_assignment(function, attribute, holds, line):
    (fact,) = escaping(function)
    assert (fact.attribute, fact.holds) == (attribute, holds)
    assert (fact.numel, fact.nbytes) == (12, 48)
    assert line_of(function, fact) == line


def test_only_an_output_itself_leaks():
    assert [fact.leaks for fact in escaping(Output)] == [True]
    assert [fact.leaks for fact in escaping(Input)] == [False]


def test_setup_context_is_looked_at_too():
    facts = escaping(Apart)
    assert [(fact.attribute, fact.holds) for fact in facts] == [
        ("x", "input x"),
        ("weight", "input weight"),
        ("y", "output 0"),
    ]
    assert line_of(Apart, facts[0]) == "ctx.x, ctx.weight = inputs"


def test_intermediates_and_what_is_saved_are_no_such_thing():
    assert escaping(Intermediate) == []
    assert escaping(Saved) == []
    (mask,) = ctx_attributes(setting_of(Intermediate, X, WEIGHT)).context_tensors
    assert (mask.attribute, mask.holds, mask.escapes) == ("mask", "intermediate", False)


def test_an_index_that_is_an_input_counts():
    class Index(Function):
        @staticmethod
        def forward(ctx, x, index):
            ctx.index = index
            return x[index]

        @staticmethod
        def backward(ctx, grad_output):
            return torch.zeros(4, 3).index_add(0, ctx.index, grad_output), None

    facts = ctx_attributes(setting_of(Index, X, torch.tensor([0, 2])))
    assert [fact.holds for fact in facts.context_tensors] == ["input index"]


def test_what_the_program_did_is_told():
    where = Location("train.py", 31)
    setting = replace(setting_of(Input, X, WEIGHT), watched=Watched(3, changed=(("x", where),)))
    (fact,) = ctx_attributes(setting).context_tensors
    assert fact.changed_at == where


def test_a_custom_op_with_a_list_of_tensors_has_the_names_of_its_elements():
    def setup_context(ctx, inputs, output):
        ctx.second = inputs[0][1]
        ctx.sizes = [len(each) for each in inputs[0]]

    with torch.library._scoped_library("gradscope_ctx_attributes", "DEF"):

        @torch.library.custom_op("gradscope_ctx_attributes::joined", mutates_args=())
        def joined(parts: list[torch.Tensor], factor: float) -> torch.Tensor:
            return torch.cat(parts) * factor

        joined.register_autograd(
            lambda ctx, grad: (list(grad.split(ctx.sizes)), None), setup_context=setup_context
        )
        facts = ctx_attributes(setting_of(joined, [X, WEIGHT], 1.0))
    assert [(fact.attribute, fact.holds) for fact in facts.context_tensors] == [
        ("second", "input args[0][1]")
    ]
