"""GS201 to GS204: changes that backward cannot live with."""

from dataclasses import replace

import pytest

from gradscope.facts import Change, InplaceConflict, InplaceRefused, SilentMutation
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, leaf, only

SOURCE = Source(
    """
    att = F.softmax(scores, dim=-1)
    att *= 0.5
    att[0] = 1.0
    att.add_(bias)
    h = self.act(att)
    optimizer.step()
    w -= lr * w.grad
    loss.backward()
    """
)
BACKWARD = SOURCE.at("loss.backward()")
SAVED = SOURCE.at("F.softmax(scores, dim=-1)")


def change(text, op, version=1):
    return Change(op, SOURCE.at(text), version)


CONFLICT = InplaceConflict(
    node="SoftmaxBackward0",
    saved="result",
    saved_at=SAVED,
    shape=(4, 4),
    dtype="float32",
    version=1,
    expected_version=0,
    changes=(change("att *= 0.5", "mul_"),),
    backward=BACKWARD,
    ended_program=True,
)


def test_both_lines_are_named():
    found = only("GS201", SOURCE.recording(inplace_conflicts=(CONFLICT,)))
    assert found.message == "`att` was changed in place after softmax saved it for backward"
    assert (found.location, found.severity) == (SOURCE.at("att *= 0.5"), Severity.ERROR)
    assert found.label == "changed here by mul_ (version 1), before the backward at line 8"
    assert [(one.location, one.message) for one in found.related] == [
        (SAVED, "SoftmaxBackward0 saved its result here (version 0)"),
        (BACKWARD, "this backward needs version 0"),
    ]
    assert found.fix == "att = att * 0.5"


@pytest.mark.parametrize(
    ("text", "op", "fix"),
    [
        ("att[0] = 1.0", "__setitem__", "att = att.clone(); att[0] = 1.0"),
        ("att.add_(bias)", "add_", "att = att.add(bias)"),
        ("self.act(att)", "relu_", "make `self.act` with inplace=False"),
        ("optimizer.step()", "SGD.step", "call every backward() first: move `optimizer.step()` below line 8"),
    ],
)
def test_the_fix_is_in_the_terms_of_the_change(text, op, fix):
    fact = replace(CONFLICT, changes=(change(text, op),))
    assert only("GS201", SOURCE.recording(inplace_conflicts=(fact,))).fix == fix


def test_a_parameter_is_updated_after_the_backward_and_not_rebound():
    fact = replace(CONFLICT, subject="w", changes=(change("w -= lr * w.grad", "sub_"),))
    found = only("GS201", SOURCE.recording(inplace_conflicts=(fact,), leaves=(leaf("w"),)))
    assert found.fix == "update it after the backward: move `w -= lr * w.grad` below line 8"


def test_an_optimizer_is_named_as_the_one_that_changed_it():
    fact = replace(CONFLICT, subject="weight", changes=(change("optimizer.step()", "SGD.step"),))
    assert "changed by the optimizer" in only("GS201", SOURCE.recording(inplace_conflicts=(fact,))).message


def test_the_first_of_several_changes_is_the_finding():
    fact = replace(CONFLICT, changes=(*CONFLICT.changes, change("att.add_(bias)", "add_", 2)))
    found = only("GS201", SOURCE.recording(inplace_conflicts=(fact,)))
    assert found.location == SOURCE.at("att *= 0.5")
    assert "and changed again here" in [one.message for one in found.related]


def test_an_unseen_change_is_probable_and_stands_at_the_backward():
    found = only("GS201", SOURCE.recording(inplace_conflicts=(replace(CONFLICT, changes=()),)))
    assert (found.location, found.confidence) == (BACKWARD, Confidence.PROBABLE)
    assert "a tensor of shape [4, 4]" in found.message


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        ("GS201", {"inplace_conflicts": (replace(CONFLICT, ended_program=False),)}),
        ("GS202", {"inplace_refused": (InplaceRefused("leaf", "add_", SAVED, "a leaf Variable"),)}),
        ("GS204", {"inplace_refused": (InplaceRefused("view", "add_", SAVED, "is a view"),)}),
    ],
)
def test_what_the_program_catches_is_information(code, facts):
    found = only(code, SOURCE.recording(**facts))
    assert found.severity is Severity.INFO
    assert "caught" in found.notes[0].text


# ---------------------------------------------------------------- GS202 and GS204

REFUSALS = Source(
    """
    x += 1
    x[0] = 5
    first, second = y.split(2)
    first.mul_(3)
    """
)


def refusal(kind, text, op="add_", **more):
    return InplaceRefused(kind, op, REFUSALS.at(text), "refused", ended_program=True, **more)


def test_a_leaf_gets_both_ways_out():
    found = only("GS202", REFUSALS.recording(inplace_refused=(refusal("leaf", "x += 1"),)))
    assert found.message == "`x` is a leaf that requires a gradient and cannot change in place"
    assert found.fix == "for an update: with torch.no_grad(): x += 1; for a computation: x2 = x + 1"
    assert found.severity is Severity.ERROR


def test_a_view_of_a_leaf():
    fact = refusal("leaf-view", "x[0] = 5", "__setitem__", view_made_at=REFUSALS.at("x += 1"))
    found = only("GS202", REFUSALS.recording(inplace_refused=(fact,)))
    assert "a view of a leaf" in found.message
    assert found.fix.endswith("for a computation: x2 = x.clone(); x2[0] = 5")
    assert found.related[0].message == "the view was made here"


def test_a_view_names_where_it_was_made():
    made = REFUSALS.at("y.split(2)")
    fact = refusal("view", "first.mul_(3)", "mul_", view_op="split", view_made_at=made)
    recording = REFUSALS.recording(inplace_refused=(fact,))
    found = only("GS204", recording)
    assert found.message == "`first` is one of several views that split made: it cannot be changed in place"
    assert (found.related[0].location, found.fix) == (made, "first = first.mul(3)")
    assert check("GS202", recording) == []


def test_a_view_made_under_no_grad():
    fact = replace(
        refusal("view", "first.mul_(3)"), message="A view was created in no_grad mode and is being"
    )
    found = only("GS204", REFUSALS.recording(inplace_refused=(fact,)))
    assert "a view made under no_grad" in found.message
    assert "same side of the no_grad block" in found.fix


# ---------------------------------------------------------------- GS203

SILENT = Source(
    """
    y = x.exp()
    y.data.mul_(2)
    array[0] = 7.0
    loss.backward()
    """
)
WRITE = SilentMutation(
    "data",
    "mul_",
    SILENT.at("y.data.mul_(2)"),
    "ExpBackward0",
    SILENT.at("x.exp()"),
    SILENT.at("loss.backward()"),
)


def test_a_write_through_data():
    found = only("GS203", SILENT.recording(silent_mutations=(WRITE,)))
    assert found.message == "`y` was changed through .data after exp saved it: the gradient is wrong"
    assert (found.location, found.confidence) == (WRITE.location, Confidence.CERTAIN)
    assert [one.location.line for one in found.related] == [1, 4]
    assert found.fix == "y = y.mul(2)"


def test_a_write_through_numpy_is_inferred():
    where = SILENT.at("array[0] = 7.0")
    fact = replace(WRITE, how="numpy", op="write", location=where, exact=False, after=SILENT.at("y.data"))
    found = only("GS203", SILENT.recording(silent_mutations=(fact,)))
    assert (found.location, found.confidence) == (where, Confidence.PROBABLE)
    assert "still as it was saved here" in [one.message for one in found.related]
    assert found.fix == "write into a copy: .detach().cpu().numpy().copy()"
    fact = replace(fact, array_first=True)
    found = only("GS203", SILENT.recording(silent_mutations=(fact,)))
    assert (
        found.fix == "give torch a copy of the array: torch.tensor(array), or torch.from_numpy(array.copy())"
    )


def test_a_parameter_is_written_after_the_backward():
    recording = SILENT.recording(silent_mutations=(replace(WRITE, subject="y"),), leaves=(leaf("y"),))
    assert only("GS203", recording).fix == "change it after the backward of line 4"
