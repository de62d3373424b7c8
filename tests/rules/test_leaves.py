"""GS104 and GS105: names that lost their leaf, and gradients read where none is kept."""

from dataclasses import replace

import pytest

from gradscope.facts import Cut, CutKind, MissingGraph, NonleafGradRead, Rebinding
from gradscope.finding import Severity

from .facts_samples import Source, check, only

SOURCE = Source(
    """
    w = torch.randn(3, requires_grad=True) / 9
    w = w - lr * w.grad
    x = x * 2
    v = torch.clamp(v, 0)
    u = u.to(device)
    print(w.grad)
    optimizer = SGD([w])
    """
)
UPDATE = Rebinding(SOURCE.at("w - lr * w.grad"), "w", "sub", read_at=SOURCE.at("w.grad", 1))


def rebinding(text, name, op, **more):
    return Rebinding(SOURCE.at(text), name, op, **more)


def test_an_update_that_loses_the_leaf():
    found = only("GS104", SOURCE.recording(rebindings=(UPDATE,)))
    assert found.location == UPDATE.location
    assert found.severity is Severity.ERROR
    assert (
        found.message
        == "`w` was given to a new tensor: its .grad is None, because only leaves keep a gradient"
    )
    assert found.related[0].location == SOURCE.at("w.grad", 1)
    assert found.fix == "with torch.no_grad(): w -= lr * w.grad; then w.grad = None"


def test_silent_without_a_consequence():
    harmless = replace(UPDATE, read_at=None)
    assert check("GS104", SOURCE.recording(rebindings=(harmless,))) == []
    lost = replace(harmless, leaf_lost=True)
    assert check("GS104", SOURCE.recording(rebindings=(lost,))) == []


def test_a_trained_leaf_that_is_gone():
    gone = replace(UPDATE, read_at=None, leaf_lost=True, leaf_had_gradient=True)
    assert "the leaf that was trained is gone" in only("GS104", SOURCE.recording(rebindings=(gone,))).message
    next_step = replace(gone, location=SOURCE.at("x * 2"), name="x", op="mul")
    assert check("GS104", SOURCE.recording(rebindings=(next_step,))) == []


def test_a_backward_without_a_graph_because_of_it():
    quiet = replace(UPDATE, read_at=None)
    cut = Cut(CutKind.DATA, "data", SOURCE.at("w - lr"))
    missing = MissingGraph(SOURCE.at("print(w.grad)"), "backward", (cut,), (), None, ended_program=True)
    found = only("GS104", SOURCE.recording(rebindings=(quiet,), missing_graphs=(missing,)))
    assert "the new tensor has no graph" in found.message


@pytest.mark.parametrize(
    ("text", "name", "op", "fix"),
    [
        ("x * 2", "x", "mul", "x2 = x * 2, and use x2 below: `x` stays the leaf"),
        ("torch.clamp(v, 0)", "v", "clamp", "v2 = torch.clamp(v, 0), and use v2 below: `v` stays the leaf"),
        ("u.to(device)", "u", "to", "make `u` as it is needed"),
    ],
)
def test_the_fix_never_rebinds_the_leaf(text, name, op, fix):
    found = only(
        "GS104", SOURCE.recording(rebindings=(rebinding(text, name, op, read_at=SOURCE.at("print")),))
    )
    assert fix in found.fix
    assert not found.fix.startswith(f"{name} =")


def test_an_optimizer_that_refuses_it():
    fact = rebinding("torch.clamp(v, 0)", "v", "clamp", optimizer_at=SOURCE.at("SGD([w])"))
    found = only("GS104", SOURCE.recording(rebindings=(fact,)))
    assert "the optimizer refuses it" in found.message
    assert found.related[0].message == "can't optimize a non-leaf tensor"
    assert found.fix == "with torch.no_grad(): v.copy_(torch.clamp(v, 0))"


def test_what_was_given_to_the_optimizer_never_was_a_leaf():
    text = "torch.randn(3, requires_grad=True) / 9"
    fact = rebinding(text, "", "div", optimizer_at=SOURCE.at("SGD([w])"), leaf_lost=True)
    found = only("GS104", SOURCE.recording(rebindings=(fact,)))
    assert found.location == SOURCE.at(text)
    assert found.fix == "w = (torch.randn(3) / 9).requires_grad_()"


READ = NonleafGradRead(SOURCE.at("w.grad", 1), "w", "sub", SOURCE.at("w - lr * w.grad"), count=3)


def test_a_read_names_both_ways_to_the_gradient():
    found = only("GS105", SOURCE.recording(nonleaf_grad_reads=(READ,)))
    assert (found.severity, found.count, found.location) == (Severity.WARNING, 3, READ.location)
    assert found.message == "the .grad of `w` is None: it is the result of sub, not a leaf"
    assert found.fix == "w.retain_grad() before backward(), or grad, = torch.autograd.grad(loss, w)"
    assert found.related[0].message == "`w` is made here by sub"


def test_a_read_without_a_name_takes_it_from_the_line():
    nameless = replace(READ, name=None, made_at=None, ended_program=True)
    found = only("GS105", SOURCE.recording(nonleaf_grad_reads=(nameless,)))
    assert (found.subjects, found.severity, found.related) == (("w",), Severity.ERROR, ())
