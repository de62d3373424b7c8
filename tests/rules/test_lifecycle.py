"""GS301 to GS303: graphs that are walked twice, kept too long, or not made."""

from dataclasses import replace

import pytest

from gradscope.facts import Cut, CutKind, GradWithoutGraph, MissingGraph, RetainedGraph, SecondBackward, Step
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, only

SOURCE = Source(
    """
    for x in data:
        hidden = cell(x, hidden)
        loss = hidden.sum()
        loss.backward()
        total += loss
        losses.append(loss)
        mean = mean + loss * 2
        meter.update(loss, 3)
    first.backward()
    second.backward()
    """
)
BACKWARD = SOURCE.at("loss.backward()")
CARRIED = SecondBackward(
    BACKWARD,
    BACKWARD,
    (
        Step("TanhBackward0", SOURCE.at("cell(x, hidden)")),
        Step("AddmmBackward0", SOURCE.at("cell(x, hidden)")),
    ),
    "TanhBackward0",
    SOURCE.at("cell(x, hidden)"),
    ended_program=True,
)


def test_the_line_that_carries_the_old_graph_over():
    found = only("GS301", SOURCE.recording(second_backwards=(CARRIED,)))
    assert (found.location, found.severity) == (SOURCE.at("cell(x, hidden)"), Severity.ERROR)
    assert (
        found.message
        == "backward runs into the graph of an earlier step, which the backward of line 4 has freed"
    )
    assert found.label == "`hidden` carries the old graph into this step"
    assert found.fix == "hidden = hidden.detach() before line 2, at the start of each step"
    assert [(one.location, one.message) for one in found.related] == [
        (BACKWARD, "this backward freed the graph one step earlier, and runs into it now")
    ]
    assert found.notes[0].text == "tanh (2) -> linear"


def test_two_losses_of_one_graph():
    freed, second = SOURCE.at("first.backward()"), SOURCE.at("second.backward()")
    fact = SecondBackward(second, freed, (), "MulBackward0", SOURCE.at("hidden.sum()"), ended_program=True)
    found = only("GS301", SOURCE.recording(second_backwards=(fact,)))
    assert found.location == second
    assert found.message == "a second backward walks a graph that the backward of line 9 has freed"
    assert found.fix == (
        "add the losses up and call backward() once, "
        "or keep the graph in line 9: first.backward(retain_graph=True)"
    )
    assert [one.location for one in found.related] == [SOURCE.at("hidden.sum()"), freed]


def test_one_graph_walked_in_every_iteration():
    fact = replace(CARRIED, carriers=())
    found = only("GS301", SOURCE.recording(second_backwards=(fact,)))
    assert found.message == "the same graph is walked again: it was built once, before the loop"
    assert found.fix == "compute the loss anew in each iteration"


def test_what_is_built_once_is_to_be_computed_anew_and_never_detached():
    source = Source(
        """
        mixing = model.mixing()
        for x in data:
            loss = model(x, mixing)
            loss.backward()
        """
    )
    backward, used = source.at("loss.backward()"), source.at("model(x, mixing)")
    fact = SecondBackward(
        backward,
        backward,
        (Step("MmBackward0", used),),
        "SoftmaxBackward0",
        source.at("model.mixing()"),
        subject="mixing",
        ended_program=True,
        recurrent=False,
        built_by=source.at("mixing = model.mixing()"),
    )
    found = only("GS301", source.recording(second_backwards=(fact,)))
    assert (found.location.line, found.subjects) == (1, ("mixing",))
    assert (
        found.message == "`mixing` is built once and used in every step, "
        "but the backward of line 4 frees its graph"
    )
    assert found.fix.endswith(": mixing = model.mixing()")
    assert "detach" not in found.fix
    assert [(one.location.line, one.message) for one in found.related] == [
        (3, "it is used again here"),
        (4, "this backward freed the graph one step earlier, and runs into it now"),
    ]


@pytest.mark.parametrize("carriers", [(), CARRIED.carriers])
def test_several_losses_of_one_graph_without_a_step_between(carriers):
    fact = replace(CARRIED, carriers=carriers, recurrent=False, stepped=False)
    found = only("GS301", SOURCE.recording(second_backwards=(fact,)))
    assert found.location == BACKWARD
    assert found.message == "several backwards walk one graph, and the first has freed it"
    assert found.fix == (
        "add the losses up and call backward() once, or pass retain_graph=True to all but the last"
    )


def test_two_players_of_one_graph():
    freed, second = SOURCE.at("first.backward()"), SOURCE.at("second.backward()")
    fact = replace(CARRIED, location=second, freed_by=freed, recurrent=False, subject="fake")
    found = only("GS301", SOURCE.recording(second_backwards=(fact,)))
    assert found.location == second
    assert found.fix.startswith("use fake.detach() in the loss of line 9, if that is not to train")
    assert found.fix.endswith("first.backward(retain_graph=True)")
    not_stepped = replace(fact, stepped=False)
    assert "detach" not in only("GS301", SOURCE.recording(second_backwards=(not_stepped,))).fix


def test_a_caught_second_backward_is_information():
    fact = replace(CARRIED, ended_program=False)
    assert only("GS301", SOURCE.recording(second_backwards=(fact,))).severity is Severity.INFO


# ---------------------------------------------------------------- GS302


def retained(text, steps=5, **more):
    known = {"holder": "total", "kept_at": SOURCE.at(text), "made_at": SOURCE.at("hidden.sum()"), "op": "sum"}
    return RetainedGraph(**{**known, "steps": steps, "accumulated": False, **more})


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("total += loss", "total += loss.detach() (or .item(), for a Python number)"),
        ("losses.append(loss)", "losses.append(loss.detach()) (or .item(), for a Python number)"),
        ("mean = mean + loss * 2", "mean = mean + (loss * 2).detach() (or .item(), for a Python number)"),
        ("meter.update(loss, 3)", "meter.update(loss.detach(), 3) (or .item(), for a Python number)"),
    ],
)
def test_what_is_kept_is_detached(text, fix):
    found = only("GS302", SOURCE.recording(retained_graphs=(retained(text),)))
    assert (found.fix, found.location, found.severity) == (fix, SOURCE.at(text), Severity.WARNING)
    assert found.message == "`total` keeps the graphs of 5 old steps alive"
    assert found.related[0].message == "what is kept is made here by sum"


def test_two_old_steps_may_be_an_accumulation():
    assert check("GS302", SOURCE.recording(retained_graphs=(retained("total += loss", steps=2),))) == []


def test_arguments_that_were_gathered_have_no_detach():
    source = Source(
        """
        def log(self, **metrics):
            self.records.append(metrics)
        """
    )
    kept = source.at("self.records.append(metrics)")
    fact = RetainedGraph("history.records", kept, None, "exp", 5, accumulated=False)
    found = only("GS302", source.recording(retained_graphs=(fact,)))
    assert found.fix == "keep the value without its graph: .detach(), or .item() for a Python number"


def test_an_unknown_holder_is_probable_and_stands_where_the_tensor_was_made():
    fact = retained("total += loss", holder=None, kept_at=None, exact=False)
    found = only("GS302", SOURCE.recording(retained_graphs=(fact,)))
    assert (found.location, found.confidence) == (SOURCE.at("hidden.sum()"), Confidence.PROBABLE)
    assert found.fix.startswith("keep the value without its graph")


# ---------------------------------------------------------------- GS303

PENALTY = Source(
    """
    slope, = torch.autograd.grad(score.sum(), x, retain_graph=True)
    loss = score.mean() + slope.pow(2).mean()
    loss.backward()
    """
)
CALL = PENALTY.at("torch.autograd.grad(score.sum(), x, retain_graph=True)")
DEAD_TERM = GradWithoutGraph(
    CALL, PENALTY.at("score.mean() + slope.pow(2).mean()"), PENALTY.at("loss.backward()"), ("x",), 4
)


def test_a_penalty_without_a_graph():
    found = only("GS303", PENALTY.recording(grads_without_graph=(DEAD_TERM,)))
    assert (found.location, found.count, found.severity) == (CALL, 4, Severity.ERROR)
    assert (
        found.message
        == "the gradient with respect to x is part of the loss, but backward cannot differentiate it"
    )
    assert found.fix == "slope, = torch.autograd.grad(score.sum(), x, retain_graph=True, create_graph=True)"
    assert [one.location.line for one in found.related] == [2, 3]


def test_a_loss_of_nothing_but_that_gradient():
    cut = Cut(CutKind.GRAD_CALL, "autograd.grad", CALL)
    fact = MissingGraph(PENALTY.at("loss.backward()"), "backward", (cut,), (), None, ended_program=False)
    found = only("GS303", PENALTY.recording(missing_graphs=(fact,)))
    assert (found.location, found.severity) == (CALL, Severity.INFO)
    assert found.related[0].message == "this backward() has no graph to walk"


def test_a_read_of_grad_is_replaced_by_a_call():
    source = Source("penalty = x.grad.norm()")
    fact = replace(DEAD_TERM, location=source.at("x.grad"), used=None, backward=None)
    found = only("GS303", source.recording(grads_without_graph=(fact,)))
    assert found.fix == "torch.autograd.grad(loss, inputs, create_graph=True), in place of reading .grad"
