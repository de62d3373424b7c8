"""GS701 and GS702: checkpoints that sever, and checkpoints that recompute something else."""

from dataclasses import replace

import pytest

from gradscope.engine import judge
from gradscope.facts import (
    Backward,
    Cut,
    CutKind,
    MissingGraph,
    Recomputed,
    RecomputedOp,
    Severance,
    SeveredLeaf,
    SeveringCheckpoint,
    StepOrder,
    StepOutOfOrder,
)
from gradscope.finding import Confidence, Severity
from gradscope.rules._parts import operand
from gradscope.syntax import line_assigning

from .facts_samples import Source, check, got, only, optimizer, registered

SOURCE = Source(
    """
    def forward(self, x):
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=True)
        return self.head(x)
    loss = model(x).mean()
    loss.backward()
    """
)
CALL = SOURCE.at("checkpoint(block, x, use_reentrant=True)")
NAMES = ("blocks.0.weight", "blocks.1.weight", "blocks.2.weight")


def severed(name, **more):
    cut = Cut(CutKind.CHECKPOINT, "linear", SOURCE.at("block"), block=CALL)
    return SeveredLeaf(name, (cut,), (), SOURCE.at("loss.backward()"), **more)


def recording(*facts, reason=None, leaves=None, source=SOURCE, **more):
    known = leaves or [registered("net", name, optimizers=(0,)) for name in NAMES]
    lines = (SeveringCheckpoint(CALL, "Block", reason, 1, 12, 12),) if reason else ()
    return source.recording(
        severed=facts,
        leaves=tuple(known),
        optimizers=(optimizer(*NAMES),),
        severing_checkpoints=lines,
        **more,
    )


# ---------------------------------------------------------------- GS701


def test_all_blocks_of_one_line_are_one_finding_and_no_other_rule_tells_them():
    whole = recording(*map(severed, NAMES), reason=Severance.FROZEN)
    found = only("GS701", whole)
    assert (found.location, found.severity, found.subjects) == (CALL, Severity.ERROR, NAMES)
    assert found.message == (
        "blocks.* (3 parameters) gets no gradient: nothing that this reentrant checkpoint is given requires"
        " a gradient"
    )
    assert found.fix.startswith("x = checkpoint(block, x, use_reentrant=False); or give it an input")
    assert [(note.heading, note.text) for note in found.notes] == [
        ("calls", "all 12 calls of this line gave no gradient")
    ]
    assert [one.code for one in judge(whole)[0]] == ["GS701"]


@pytest.mark.parametrize(
    ("reason", "message", "fix"),
    [
        (Severance.NO_TENSOR, "is given no tensor", "pass a tensor that requires a gradient"),
        (Severance.NESTED, "looks into no dict, list or object that it is given", "arguments of their own"),
        (Severance.NESTED_OUTPUT, "looks into no dict, list or object that it returns", "in a tuple"),
    ],
)
def test_the_reason_is_told_with_its_own_way_out(reason, message, fix):
    found = only("GS701", recording(severed(NAMES[0]), reason=reason))
    assert message in found.message
    assert fix in found.fix
    assert found.evidence["reason"] == reason.value


@pytest.mark.parametrize(
    "change",
    [{"requires_grad": False}, {"gradient": got()}, {"optimizers": ()}],
    ids=["frozen", "trained by another way", "owned by no optimizer"],
)
def test_what_is_meant_is_silent(change):
    leaves = [replace(registered("net", NAMES[0], optimizers=(0,)), **change)]
    assert check("GS701", recording(severed(NAMES[0]), leaves=leaves)) == []


def test_leaves_with_another_way_make_it_a_warning():
    leaves = [
        registered("net", NAMES[0], optimizers=(0,)),
        registered("net", NAMES[1], got(), optimizers=(0,)),
    ]
    found = only("GS701", recording(*map(severed, NAMES[:2]), leaves=leaves))
    assert (found.severity, found.subjects) == (Severity.WARNING, NAMES[:1])


def test_a_loss_without_a_graph_is_its_consequence():
    cut = severed(NAMES[0]).cuts
    missing = MissingGraph(SOURCE.at("loss.backward()"), "backward", cut, (), None, ended_program=True)
    (found,), _ = judge(recording(severed(NAMES[0]), missing_graphs=(missing,), reason=Severance.FROZEN))
    assert (found.code, found.location) == ("GS701", CALL)
    assert [one.code for one in found.consequences] == ["GS101"]
    assert [(one.location, one.message) for one in found.related] == [
        (SOURCE.at("loss.backward()"), "this backward has no graph to walk")
    ]


@pytest.mark.parametrize("ends", [True, False])
def test_a_loss_without_a_graph_and_without_leaves_that_are_known(ends):
    missing = MissingGraph(None, "backward", severed("w").cuts, (), None, ended_program=ends)
    found = only("GS701", recording(missing_graphs=(missing,)))
    assert found.severity is (Severity.ERROR if ends else Severity.INFO)
    assert found.message.startswith("the loss has no graph: nothing that this reentrant checkpoint")


def test_in_the_code_of_transformers_the_model_is_told():
    path = "/venv/site-packages/transformers/modeling_layers.py"
    library = Source("return self._gradient_checkpointing_func(partial(call), x)", path)
    place = library.at("self._gradient_checkpointing_func(partial(call), x)")
    fact = replace(severed(NAMES[0]), cuts=(Cut(CutKind.CHECKPOINT, "linear", None, block=place),))
    assert "model.enable_input_require_grads()" in only("GS701", recording(fact, source=library)).fix


# ---------------------------------------------------------------- GS702


REGION = Source(
    """
    def forward(self, x):
        self.calls += 1
        mask = draw(x.shape)
        h = self.inner(x) * (1 + self.calls)
        h = h * mask
        if coin():
            return torch.relu(h)
        return torch.tanh(h)
    y = checkpoint(net, x, use_reentrant=False, preserve_rng_state=False)
    loss.backward()
    centre.mul_(0.9)
    """
)
CHECKPOINT = REGION.at("checkpoint(net, x, use_reentrant=False, preserve_rng_state=False)")
SCALED = RecomputedOp(
    CHECKPOINT,
    "Net",
    "mul",
    REGION.at("self.inner(x) * (1 + self.calls)", function="forward"),
    Recomputed.SCALAR,
    difference=0.5,
    first="2",
    again="3",
    backward=REGION.at("loss.backward()"),
    differing=3,
    compared=4,
    saved=1,
    of=4,
)


def judged(**changes):
    return only("GS702", REGION.recording(recomputed_ops=(replace(SCALED, **changes),)))


def test_the_op_with_the_two_numbers():
    found = judged()
    assert (found.location, found.severity, found.count) == (SCALED.location, Severity.ERROR, 3)
    assert found.confidence is Confidence.CERTAIN
    assert found.message == "Net is recomputed otherwise than it ran: mul is given another number"
    assert found.label == "2 in the first run, 3 when it is recomputed"
    assert [(one.location, one.message) for one in found.related] == [
        (CHECKPOINT, "what this checkpoint runs is run again in the backward")
    ]
    assert found.notes[0].text.startswith("gradients are wrong: 1 of 4 tensors that the backward needs")
    assert found.evidence["differing"] == 3


@pytest.mark.parametrize(
    ("changes", "message", "fix"),
    [
        (
            {"cause": Recomputed.RANDOM, "op": "dropout", "preserves_rng": False},
            "dropout draws other random numbers",
            "y = checkpoint(net, x, use_reentrant=False)",
        ),
        ({"cause": Recomputed.RANDOM, "op": "dropout"}, "draws other", "draw before the checkpoint"),
        ({"cause": Recomputed.GENERATOR, "op": "randn"}, "no checkpoint sets back", "draw before"),
        (
            {"cause": Recomputed.DATA, "op": "tensor"},
            "numbers from Python or NumPy",
            "pass it as an argument",
        ),
        (
            {"op": "batch_norm", "first": "True", "again": "False"},
            "batch_norm runs in eval mode, in train mode in the first run",
            "switch to eval mode after the backward",
        ),
        (
            {"cause": Recomputed.WRITTEN, "leaf": "net.weight", "written_at": REGION.at("centre.mul_(0.9)")},
            "net.weight was written to in between",
            "change net.weight after the backward (line 11)",
        ),
        (
            {"cause": Recomputed.INPUT, "first": "a.weight", "again": "b.weight", "leaf": "b.weight"},
            "mul is given b.weight, in the first run a.weight",
            "pass it as an argument",
        ),
        (
            {"cause": Recomputed.PATH, "op": "relu", "first": "relu", "again": ""},
            "relu does not run again",
            "decide before the checkpoint",
        ),
        (
            {"cause": Recomputed.PATH, "op": "relu", "first": "", "again": "relu"},
            "relu runs, which did not run before",
            "decide before the checkpoint",
        ),
        ({"cause": Recomputed.UNKNOWN}, "mul gives another result", "leave line 4 out of the checkpoint"),
    ],
)
def test_each_cause_in_words(changes, message, fix):
    found = judged(**changes)
    assert message in found.message
    assert found.fix.startswith(fix) or fix in found.fix


def test_the_branch_that_came_out_otherwise_is_the_place():
    relu, tanh = REGION.at("torch.relu(h)"), REGION.at("torch.tanh(h)")
    found = judged(
        cause=Recomputed.PATH,
        op="relu",
        location=relu,
        first="relu",
        again="tanh",
        instead=tanh,
        parted=(relu, tanh),
    )
    assert (found.location.line, found.location.column) == (
        REGION.at("coin()").line,
        REGION.at("coin()").column,
    )
    assert found.label == "this comes out otherwise in the backward"
    assert [one.message for one in found.related][:2] == [
        "the first run went on with relu",
        "the recomputation went on with tanh",
    ]


def test_a_tensor_that_torch_shows_no_op_of_is_looked_up_by_its_name():
    place = REGION.at("h * mask", function="forward")
    found = judged(cause=Recomputed.INPUT, location=place, given=1, first="", again="")
    assert found.location.line == REGION.at("mask = draw").line
    assert found.confidence is Confidence.PROBABLE
    assert "other values in `mask`" in found.message
    assert (place, "mul uses it here") in [(one.location, one.message) for one in found.related]


@pytest.mark.parametrize("changes", [{"cause": Recomputed.UNKNOWN}, {"drifted": True}])
def test_what_may_have_another_reason_is_probable(changes):
    assert judged(**changes).confidence is Confidence.PROBABLE


@pytest.mark.parametrize(
    ("ended", "failed", "severity"),
    [(True, 1, Severity.ERROR), (False, 1, Severity.INFO), (False, 3, Severity.ERROR)],
)
def test_what_torch_raised_is_told_and_counts_where_it_ended_something(ended, failed, severity):
    fact = replace(SCALED, raised="CheckpointError: another shape", ended_program=ended)
    backward = Backward(REGION.at("loss.backward()"), "backward", 3, 9, 4, 1.0, 1.0, failed=failed)
    found = only("GS702", REGION.recording(recomputed_ops=(fact,), backwards=(backward,)))
    assert found.severity is severity
    assert ("torch raised", "CheckpointError: another shape") in [(n.heading, n.text) for n in found.notes]
    assert found.evidence["ended_program"] is ended


def test_a_reentrant_checkpoint_differentiates_the_second_run():
    assert "those of the second run" in judged(reentrant=True, saved=0, of=0).notes[0].text


def test_a_step_between_forward_and_backward_is_the_cause():
    leaf = registered("net", "net.weight", got(), optimizers=(0,))
    step = StepOutOfOrder(StepOrder.INSIDE_PASS, REGION.at("centre.mul_(0.9)"), "SGD")
    fact = replace(SCALED, cause=Recomputed.WRITTEN, leaf="net.weight")
    whole = REGION.recording(
        leaves=(leaf,),
        optimizers=(optimizer("net.weight"),),
        steps_out_of_order=(step,),
        recomputed_ops=(fact,),
    )
    (found,), _ = judge(whole)
    assert (found.code, [one.code for one in found.consequences]) == ("GS503", ["GS702"])


# ---------------------------------------------------------------- what a line shows of an argument


@pytest.mark.parametrize(
    ("text", "op", "position", "found"),
    [
        ("h * mask", "mul", 1, "mask"),
        ("mask > 0.4", "gt", 0, "mask"),
        ("F.linear(x, w)", "linear", 1, "w"),
        ("x.mul(scale)", "mul", 0, "x"),
        ("x.mul(scale)", "mul", 1, "scale"),
        ("table[i]", "getitem", 0, "table"),
        ("torch.cat([x, state], -1)", "cat", 0, None),
        ("self.inner(x)", "linear", 1, None),
        ("x + y", "add", 2, None),
    ],
)
def test_the_text_of_an_argument(text, op, position, found):
    assert operand(text, op, position) == found


def test_the_line_that_gave_a_name_its_value():
    source = "def f(x):\n    m = a()\n    m, n = b(), 1\n    return x * m\nm = c()\n"
    assert line_assigning(source, "m", 4) == 3
    assert line_assigning(source, "x", 4) is None
    assert line_assigning("def f(:", "m", 1) is None
