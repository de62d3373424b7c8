"""Which gradient calls without a graph are a term of the loss, and which are used on purpose."""

import pytest

from gradscope.facts import CutKind
from gradscope.folds.dead_terms import dead_terms
from gradscope.folds.flow import Severing, Value


class Place:
    """A place of no file."""

    def location(self):
        return None


WEIGHT, INPUT, TEACHER = 1, 2, 3


def leaf(key, requires_grad=True):
    return Value("leaf", (), Place(), requires_grad, 0, leaf=key)


def made(op, *parents, cut=None):
    grad = cut is None and any(parent.requires_grad for parent in parents)
    return Value(op, parents, Place(), grad, 0, cut=cut)


def constant_gradient(of, op="autograd.grad"):
    return made(op, of, leaf(INPUT), cut=Severing(CutKind.GRAD_CALL))


def found(root):
    return [call for call, _ in dead_terms([root], lambda key: key == WEIGHT)]


@pytest.mark.parametrize("size", ["pow", "square", "abs", "norm", "sqrt", "linalg_vector_norm"])
def test_a_residual_is_followed_through_its_size(size):
    output = made("linear", leaf(WEIGHT), leaf(INPUT))
    call = constant_gradient(output)
    assert found(made("mean", made(size, made("add", call, output)))) == [call]


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_loss_compares_a_gradient_with_an_output(loss):
    output = made("linear", leaf(WEIGHT), leaf(INPUT))
    call = constant_gradient(output)
    assert found(made(loss, made("mul", call), output)) == [call]


def test_a_frozen_network_gives_a_target():
    target = constant_gradient(made("linear", leaf(TEACHER, requires_grad=False), leaf(INPUT)))
    output = made("linear", leaf(WEIGHT), leaf(INPUT))
    assert found(made("mse_loss", output, target)) == []


def test_a_leaf_that_is_moved_along_a_gradient_is_an_update():
    weight = leaf(WEIGHT)
    call = constant_gradient(made("linear", weight, leaf(INPUT)))
    assert found(made("pow", made("sub", weight, made("mul", call)))) == []
    assert found(made("pow", made("sub", made("clone", weight), made("mul", call)))) == []


def test_a_gradient_that_enters_a_network_or_weighs_a_loss_is_meant():
    output = made("linear", leaf(WEIGHT), leaf(INPUT))
    call = constant_gradient(output)
    assert found(made("mean", made("linear", leaf(WEIGHT), made("add", output, call)))) == []
    assert found(made("mean", made("mul", output, call))) == []


def test_a_read_of_grad_is_not_asked_what_it_was_computed_from():
    read = constant_gradient(leaf(TEACHER), op="grad")
    assert found(made("add", made("linear", leaf(WEIGHT), leaf(INPUT)), read)) == [read]


def test_what_moves_a_leaf_again_and_again_is_an_update_too():
    weight, learned = leaf(WEIGHT), made("linear", leaf(WEIGHT), leaf(INPUT))
    call = constant_gradient(made("linear", weight, leaf(INPUT)))
    once = made("sub", weight, made("mul", made("add", call, learned)))
    twice = made("sub", once, made("mul", made("add", call, learned)))
    assert found(made("sum", made("pow", twice))) == []


def test_a_learned_weight_of_a_loss_hides_no_penalty():
    output = made("linear", leaf(WEIGHT), leaf(INPUT))
    call = constant_gradient(output)
    penalty = made("mul", made("add", output, made("pow", call)))
    assert found(made("add", leaf(WEIGHT), penalty)) == [call]
