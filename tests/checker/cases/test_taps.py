"""The class is seen at work, and afterwards as it was."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import Function

from gradscope.checker.cases._taps import replaced, tapped

X = torch.ones(3, requires_grad=True)


class Base(Function):
    @staticmethod
    def forward(ctx, x, factor=2.0):
        ctx.save_for_backward(x)
        ctx.factor = factor
        ctx.set_materialize_grads(False)
        return x * factor

    @staticmethod
    def backward(ctx, grad_output):
        if ctx.factor == 0:
            raise ValueError("no factor")
        return grad_output * ctx.factor, None


class Derived(Base):
    """Inherits both methods."""


def methods(function):
    return {name: vars(function).get(name) for name in ("forward", "backward", "setup_context", "vjp")}


def test_calls_and_assignments_are_seen_in_order():
    with tapped(Derived) as calls:
        Derived.apply(X, 3.0).sum().backward()
    (forward,) = calls.forwards
    (backward,) = calls.backwards
    assert [one.name for one in forward.assigned] == ["to_save", "factor", "materialize_grads"]
    assert forward.args[0] is X
    assert forward.args[1] == 3.0
    assert [one is X for one in forward.tensors_of("to_save")] == [True]
    assert backward.ctx is forward.ctx
    assert calls.forward_of(backward.ctx) is forward
    assert backward.returned[1] is None
    assert backward.changed == ()
    lines = [one.location.line for one in forward.assigned]
    assert lines == sorted(lines)
    assert len(set(lines)) == 3


@pytest.mark.parametrize("factor", [2.0, 0])
def test_the_class_is_as_it_was(factor):
    before = methods(Base), methods(Derived), set(vars(Derived._backward_cls))
    with tapped(Derived) as calls:
        try:
            Derived.apply(X, factor).sum().backward()
        except ValueError as error:
            seen = error
        else:
            seen = None
    assert calls.backwards[0].error is seen
    assert (methods(Base), methods(Derived), set(vars(Derived._backward_cls))) == before


def test_two_contexts_do_not_mix():
    with tapped(Base) as calls:
        (Base.apply(X, 2.0) + Base.apply(2 * X, 5.0)).sum().backward()
    forwards = [calls.forward_of(call.ctx) for call in calls.backwards]
    assert {forward.last("factor").value for forward in forwards} == {2.0, 5.0}


def test_an_attribute_comes_back_also_after_an_error():
    class Owner:
        own = 1

    def fail():
        with replaced(Owner, "own", 2), replaced(Owner, "new", 3):
            assert (Owner.own, Owner.new) == (2, 3)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert Owner.own == 1
    assert not hasattr(Owner, "new")
