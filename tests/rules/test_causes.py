"""One cause, one finding: what is folded into what."""

from dataclasses import replace

from gradscope import engine
from gradscope.facts import (
    Cut,
    CutKind,
    GradWithoutGraph,
    MissingGraph,
    NonfiniteBirth,
    NonfiniteForward,
    NonleafGradRead,
    OptimizerFact,
    Rebinding,
    RetainedGraph,
    SecondBackward,
    SeveredLeaf,
    SilentMutation,
    Step,
    ZeroedAt,
)
from gradscope.finding import Finding, Severity

from .facts_samples import Source, got, leaf

SOURCE = Source(
    """
    w = w - lr * w.grad
    print(w.grad)
    h = encoder(x).detach()
    h.sum().backward()
    total += loss
    d = torch.sqrt(sq)
    """
)
REBOUND = Rebinding(SOURCE.at("w - lr * w.grad"), "w", "sub", read_at=SOURCE.at("w.grad", 1))
READ = NonleafGradRead(SOURCE.at("w.grad", 1), "w", "sub", REBOUND.location)
CUT = Cut(CutKind.DETACH, "detach", SOURCE.at("encoder(x).detach()"))
BACKWARD = SOURCE.at("h.sum().backward()")
MISSING = MissingGraph(BACKWARD, "backward", (CUT,), (), None, ended_program=True)
KEPT = RetainedGraph("total", SOURCE.at("total += loss"), None, "add", 5, accumulated=True)
SEVERED = SeveredLeaf("w", (CUT,), (), BACKWARD)
BIRTH = NonfiniteBirth(
    "nan", "nan", "SqrtBackward0", SOURCE.at("torch.sqrt(sq)"), None, None, (), ("w",), 1, BACKWARD, step=2
)
FORWARD = NonfiniteForward("nan", "sqrt", SOURCE.at("torch.sqrt(sq)"), (), None, "nan", BACKWARD, step=2)


def codes(recording, **chosen):
    found, _ = engine.judge(recording, **chosen)
    return [(one.code, [inner.code for inner in one.consequences]) for one in found]


def test_a_read_is_a_consequence_of_the_rebinding():
    recording = SOURCE.recording(rebindings=(REBOUND,), nonleaf_grad_reads=(READ,))
    assert codes(recording) == [("GS104", ["GS105"])]


def test_another_read_stands_by_itself():
    elsewhere = replace(READ, location=SOURCE.at("total += loss"))
    assert codes(SOURCE.recording(rebindings=(REBOUND,), nonleaf_grad_reads=(elsewhere,))) == [
        ("GS104", []),
        ("GS105", []),
    ]


def test_a_severed_leaf_is_a_consequence_of_the_missing_graph_on_the_same_line():
    recording = SOURCE.recording(missing_graphs=(MISSING,), severed=(SEVERED,), leaves=(leaf("w"),))
    assert codes(recording) == [("GS101", ["GS102"])]


def test_a_missing_graph_is_a_consequence_of_the_rebinding_that_lost_it():
    cut = replace(CUT, location=REBOUND.location)
    missing = replace(MISSING, cuts=(cut,))
    severed = replace(SEVERED, cuts=(cut,))
    recording = SOURCE.recording(
        rebindings=(replace(REBOUND, read_at=None),),
        missing_graphs=(missing,),
        severed=(severed,),
        leaves=(leaf("w"),),
    )
    assert codes(recording) == [("GS104", ["GS101", "GS102"])]


def test_a_second_backward_explains_the_graph_kept_by_the_same_line():
    carrier = Step("AddBackward0", KEPT.kept_at)
    second = SecondBackward(BACKWARD, BACKWARD, (carrier,), None, None, ended_program=True)
    assert codes(SOURCE.recording(second_backwards=(second,), retained_graphs=(KEPT,))) == [
        ("GS301", ["GS302"])
    ]


def test_a_gradient_call_explains_what_stops_at_it():
    call = GradWithoutGraph(CUT.location, None, BACKWARD, ("x",))
    missing = replace(MISSING, cuts=(replace(CUT, kind=CutKind.DATA),))
    assert codes(SOURCE.recording(grads_without_graph=(call,), missing_graphs=(missing,))) == [
        ("GS303", ["GS101"])
    ]


def test_a_loss_that_is_not_finite_explains_its_gradients():
    assert codes(SOURCE.recording(nonfinite_forwards=(FORWARD,), births=(BIRTH,))) == [("GS403", ["GS401"])]


def test_an_earlier_gradient_explains_the_parameter_that_it_spoiled():
    later = replace(FORWARD, step=3, source="w", op="linear", location=BACKWARD)
    recording = SOURCE.recording(nonfinite_forwards=(later,), births=(BIRTH,), leaves=(leaf("w", got()),))
    assert codes(recording) == [("GS401", ["GS403"])]
    of_another = replace(recording, births=(replace(BIRTH, reached=("v",)),), leaves=(leaf("w"), leaf("v")))
    assert codes(of_another) == [("GS401", []), ("GS403", [])]


def test_an_earlier_gradient_does_not_explain_what_the_program_computed_later():
    later = replace(FORWARD, step=3, location=BACKWARD)
    assert codes(SOURCE.recording(nonfinite_forwards=(later,), births=(BIRTH,))) == [
        ("GS401", []),
        ("GS403", []),
    ]


def test_what_a_silent_write_spoiled_is_its_consequence():
    write = SilentMutation(
        "storage", "fill_", SOURCE.at("total += loss"), "SqrtBackward0", BIRTH.location, BACKWARD
    )
    assert codes(SOURCE.recording(silent_mutations=(write,), births=(BIRTH,))) == [("GS203", ["GS401"])]
    elsewhere = replace(write, saved_at=None)
    assert codes(SOURCE.recording(silent_mutations=(elsewhere,), births=(BIRTH,))) == [
        ("GS203", []),
        ("GS401", []),
    ]


def test_zero_gradients_follow_from_a_loss_that_is_not_finite():
    zero = ZeroedAt("ReluBackward0", "relu", BACKWARD, ("w",), (), 2)
    recording = SOURCE.recording(
        nonfinite_forwards=(FORWARD,), zeroed=(zero,), leaves=(leaf("w", got(2, zero=2)),)
    )
    assert codes(recording) == [("GS403", ["GS108"])]


def test_a_finding_takes_the_highest_severity_of_what_is_folded_into_it():
    caught = replace(MISSING, ended_program=False)
    recording = SOURCE.recording(missing_graphs=(caught,), severed=(SEVERED,), leaves=(leaf("w"),))
    (found,), _ = engine.judge(recording)
    assert (found.code, found.severity) == ("GS101", Severity.ERROR)


def test_a_finding_without_subjects_has_no_leaves_in_common():
    first = Finding("GS106", "a", Severity.ERROR, "first", subjects=("w",))
    second = Finding("GS107", "b", Severity.ERROR, "second")
    assert len(engine.fold([first, second], SOURCE.recording())) == 2


def test_findings_that_explain_each_other_are_one():
    first = Finding("GS106", "a", Severity.ERROR, "first", subjects=("w",))
    second = Finding("GS107", "b", Severity.ERROR, "second", subjects=("w",))
    third = Finding("GS103", "c", Severity.WARNING, "third", subjects=("w",))
    ((found, consequences),) = engine.fold([third, second, first], SOURCE.recording())
    assert found.message == "first"
    assert {one.message for one in consequences} == {"second", "third"}


def test_a_parameter_that_holds_a_computed_value_needs_no_optimizer():
    written = replace(SEVERED, leaf="hyper.weight", written_to=("net.weight",))
    leaves = (
        replace(leaf("hyper.weight"), root="hyper", root_called=True, optimizers=(0,)),
        replace(leaf("net.weight", got()), root="net", root_called=True),
    )
    owner = OptimizerFact("SGD", BACKWARD, ("hyper.weight",), steps=2)
    recording = SOURCE.recording(severed=(written,), leaves=leaves, optimizers=(owner,))
    assert codes(recording) == [("GS102", ["GS107"])]
    by_itself = SOURCE.recording(leaves=leaves, optimizers=(owner,))
    assert codes(by_itself) == [("GS107", [])]
