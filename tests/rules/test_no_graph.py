from dataclasses import replace

import pytest

from gradscope.facts import Backward, Cut, CutKind, ExitedLeaf, MissingGraph, SeveredLeaf, Step
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, leaf, only

SOURCE = Source(
    """
    x = torch.ones(3, requires_grad=True)
    y = x * 2
    z = y.detach()
    loss = (z * 2).sum()
    loss.backward()
    """
)
PATH = (
    Step("leaf", None),
    Step("mul", SOURCE.at("x * 2")),
    Step("detach", SOURCE.at("y.detach()"), cut=True),
    Step("mul", SOURCE.at("z * 2")),
    Step("sum", SOURCE.at("(z * 2).sum()")),
)
CUT = Cut(CutKind.DETACH, "detach", SOURCE.at("y.detach()"))
FACT = MissingGraph(SOURCE.at("loss.backward()"), "backward", (CUT,), PATH, None, ended_program=True)


def test_names_the_line_that_lost_the_graph():
    found = only("GS101", SOURCE.recording(missing_graphs=(FACT,)))
    assert found.location == SOURCE.at("y.detach()")
    assert found.severity is Severity.ERROR
    assert found.message == "backward() on `loss`, which has no graph: the gradient stopped at detach()"
    assert found.fix == "z = y"
    assert [related.location for related in found.related] == [FACT.location]
    assert found.notes[0].text == "leaf -> mul (2) -> detach (3) -> mul (4) -> sum"


def test_the_path_begins_with_the_name_of_the_leaf_where_it_is_known():
    severed = SeveredLeaf("x", (CUT,), PATH, FACT.location)
    found = only("GS101", SOURCE.recording(missing_graphs=(FACT,), severed=(severed,)))
    assert found.notes[0].text.startswith("x -> mul (2)")


def test_a_caught_exception_is_information():
    found = only("GS101", SOURCE.recording(missing_graphs=(replace(FACT, ended_program=False),)))
    assert found.severity is Severity.INFO
    assert "caught this exception" in found.notes[-1].text


def test_a_block_is_blamed_rather_than_the_op_inside():
    source = Source(
        """
        with torch.no_grad():
            h = net(x)
        h.sum().backward()
        """
    )
    cut = Cut(CutKind.NO_GRAD, "linear", source.at("net(x)"), block=source.at("torch.no_grad()"))
    fact = MissingGraph(source.at("h.sum().backward()"), "backward", (cut,), (), None, ended_program=True)
    found = only("GS101", source.recording(missing_graphs=(fact,)))
    assert found.location == source.at("torch.no_grad()")
    assert "backward() on `h.sum()`" in found.message
    assert found.related[0].message == "linear ran here without a graph"
    assert found.fix == "move `h = net(x)` out of the block of line 1"


def test_without_a_cut_it_says_why():
    constant = replace(FACT, cuts=(), path=())
    found = only("GS101", SOURCE.recording(missing_graphs=(constant,)))
    assert found.location == FACT.location
    assert "no tensor that it was computed from requires a gradient" in found.message

    frozen = SOURCE.recording(missing_graphs=(constant,), leaves=(leaf("w", requires_grad=False),))
    assert "every tensor it could depend on is frozen (1 leaf)" in only("GS101", frozen).message

    off = replace(constant, grad_disabled=SOURCE.at("x * 2"))
    found = only("GS101", SOURCE.recording(missing_graphs=(off,)))
    assert (found.location, found.related[0].location) == (SOURCE.at("x * 2"), FACT.location)


def test_every_further_stop_is_related():
    second = Cut(CutKind.DATA, "data", SOURCE.at("(z * 2).sum()"))
    found = only("GS101", SOURCE.recording(missing_graphs=(replace(FACT, cuts=(CUT, second)),)))
    assert [related.message for related in found.related] == [
        "and stops here again",
        "this backward() has no graph to walk",
    ]


def test_a_gradient_without_create_graph_belongs_to_another_rule():
    cut = replace(CUT, kind=CutKind.GRAD_CALL, op="autograd.grad")
    recording = SOURCE.recording(missing_graphs=(replace(FACT, cuts=(cut,)),))
    assert check("GS101", recording) == []
    assert only("GS303", recording).location == CUT.location


def test_a_number_is_followed_by_its_name_into_the_backward():
    source = Source(
        """
        part = net(x).mean().item()
        loss = torch.FloatTensor([part]).sum()
        other = 1
        loss.backward()
        """
    )
    cut = Cut(CutKind.PYTHON_NUMBER, "item", source.at("net(x).mean().item()"))
    left = ExitedLeaf("net.weight", (cut,), (), (cut.location,), None)
    fact = MissingGraph(source.at("loss.backward()"), "backward", (), (), None, ended_program=True)
    found = only("GS101", source.recording(missing_graphs=(fact,), exited=(left,)))
    assert (found.location, found.confidence) == (cut.location, Confidence.PROBABLE)
    unrelated = replace(left, exits=(source.at("other = 1"),))
    assert (
        only("GS101", source.recording(missing_graphs=(fact,), exited=(unrelated,))).location == fact.location
    )


@pytest.mark.parametrize(
    ("count", "failed", "severity"),
    [(3, 3, "error"), (3, 2, "error"), (3, 1, "info"), (1, 1, "info")],
)
def test_a_backward_that_fails_in_every_step_is_an_error(count, failed, severity):
    line = Backward(FACT.location, "backward", count, 0, 0, None, None, failed=failed)
    facts = SOURCE.recording(missing_graphs=(replace(FACT, ended_program=False),), backwards=(line,))
    assert only("GS101", facts).severity == severity
