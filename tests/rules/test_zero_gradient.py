from dataclasses import replace

import pytest

from gradscope.facts import ZeroedAt
from gradscope.finding import Severity

from .facts_samples import Source, check, got, leaf, only, registered, stats

SOURCE = Source(
    """
    h = torch.relu(x)
    r = torch.round(x)
    r = self.quantise(x)
    p = torch.softmax(x, dim=1)
    """
)
STUCK = [registered("net", f"stem.{name}", got(3, zero=3)) for name in ("weight", "bias")]
ALIVE = registered("net", "head.weight", got(3))
NAMES = ("stem.weight", "stem.bias")
DEAD = ZeroedAt(
    "ReluBackward0",
    "relu",
    SOURCE.at("torch.relu(x)"),
    NAMES,
    (stats("result", zeros=8, smallest=0.0, largest=0.0),),
    3,
)


def recording(*facts, leaves=(*STUCK, ALIVE), steps=3, **more):
    return SOURCE.recording(zeroed=facts, leaves=leaves, steps=steps, **more)


def test_a_dead_relu():
    found = only("GS108", recording(DEAD))
    assert found.message == (
        "the gradient of stem.* (2 parameters) is exactly 0: every input of relu is 0 or less at all 8 places"
    )
    assert (found.location, found.severity, found.count) == (DEAD.location, Severity.WARNING, 3)
    assert found.fix.startswith("h = F.leaky_relu(x, 0.01); ")


def test_an_error_where_nothing_learns():
    assert only("GS108", recording(DEAD, leaves=tuple(STUCK))).severity is Severity.ERROR


@pytest.mark.parametrize(
    ("node", "saved", "reason"),
    [
        ("RoundBackward0", (), "round is flat, its derivative is 0 everywhere"),
        ("SigmoidBackward0", (stats("result", smallest=1.0, largest=1.0),), "exactly 0 or 1 (1 to 1)"),
        ("SoftmaxBackward0", (stats("result", smallest=1.0, largest=1.0),), "over a dimension of size 1"),
        ("SoftmaxBackward0", (stats("result", smallest=0.0, largest=1.0),), "exactly one-hot"),
        ("ExpBackward0", (stats("result", zeros=8),), "exp has underflowed to 0"),
        ("WhereBackward0", (), "where selects nothing of it"),
        ("ClampBackward1", (), "outside the range"),
        ("MmBackward0", (stats("mat2", zeros=8),), "the other factor of mm is all zeros"),
        ("MseLossBackward0", (), "mse_loss compares equal values"),
        ("NativeLayerNormBackward0", (), "normalises over a single element"),
        ("MyFunctionBackward", (), "my_function passes on only zeros"),
        ("torch::autograd::CopySlices", (), "copy_slices writes in place and passes on only zeros"),
        ("EmbeddingBackward0", (), "embedding passes on only zeros"),
    ],
)
def test_the_reason_comes_from_the_node_and_what_it_saved(node, saved, reason):
    found = only("GS108", recording(replace(DEAD, node=node, op=None, saved=saved, location=None)))
    assert reason in found.message


def padded(*indices):
    """What an embedding with a padding_idx of 0 saved: its smallest and largest index, and that."""
    smallest, largest = indices
    return (
        stats("indices", smallest=smallest, largest=largest),
        stats("padding_idx", 1, zeros=1, smallest=0, largest=0),
    )


LONG = "torch.nn.functional.some_very_long_name_of_a_function(x)"


@pytest.mark.parametrize(
    ("line", "written", "node", "saved", "reason"),
    [
        ("head(drop(h))", "drop(h)", "CopySlices", (), "`drop(h)` drops every element that the loss"),
        ("F.dropout(h, 0.9)", None, "MulBackward0", (), "`F.dropout(h, 0.9)` drops every element"),
        ("h[:, 0] = 0", "h[:, 0]", "CopySlices", (), "every element of `h` that the loss depends on is over"),
        ("h[:, 0].zero_()", None, "CopySlices", (), "every element of `h` that the loss depends on is over"),
        ("h[mask] = 0", "h[mask]", "IndexPutBackward0", (), "every element of `h` that the loss depends on"),
        ("h[0] *= 0 * x", None, "CopySlices", (), "copy_slices writes in place and passes on only zeros"),
        ("relu6_(h)", None, "CopySlices", (), "`relu6_(h)` writes in place and passes on only zeros"),
        (
            "emb(i)",
            None,
            "EmbeddingBackward0",
            padded(0, 0),
            "every index of `emb(i)` is the padding_idx, 0,",
        ),
        ("emb(i)", None, "EmbeddingBackward0", padded(0, 3), "embedding in `emb(i)` passes on only zeros"),
        ("h ** 0", None, "PowBackward0", (), "pow in `h ** 0` passes on only zeros"),
        ("Gate.apply(h)", None, "GateBackward", (), ": `Gate.apply(h)` passes on only zeros"),
        (LONG, None, "PowBackward0", (), "exactly 0: pow passes on only zeros"),
    ],
)
def test_what_happens_is_told_in_the_words_of_the_line(line, written, node, saved, reason):
    source = Source(line)
    fact = replace(DEAD, node=node, op=None, saved=saved, location=source.at(written or line))
    found = only("GS108", source.recording(zeroed=(fact,), leaves=(*STUCK, ALIVE), steps=3))
    assert reason in found.message


@pytest.mark.parametrize(
    ("line", "node", "advice"),
    [
        ("drop(h)", "CopySlices", "a smaller p: nothing is left of its input"),
        ("h.zero_()", "ZeroBackward0", "check what is written here"),
        ("emb(i)", "EmbeddingBackward0", "check the indices"),
        ("Gate.apply(h)", "GateBackward", "check what the backward of Gate returns"),
    ],
)
def test_what_to_do_about_it(line, node, advice):
    source = Source(line)
    fact = replace(DEAD, node=node, op=None, saved=(), location=source.at(line))
    found = only("GS108", source.recording(zeroed=(fact,), leaves=(*STUCK, ALIVE), steps=3))
    assert found.fix.startswith(advice)


def test_a_parameter_of_zeros_inside_a_call_that_drops_is_the_factor():
    source = Source("y = drop(h)")
    fact = replace(
        DEAD,
        node="MulBackward0",
        op="mul",
        saved=(),
        factor="gate",
        factor_is_leaf=True,
        location=source.at("drop(h)"),
    )
    found = only("GS108", source.recording(zeroed=(fact,), leaves=(*STUCK, ALIVE), steps=3))
    assert "it is multiplied by `gate`, which is all zeros" in found.message


def test_a_factor_of_zeros_is_named():
    masked = replace(DEAD, node="MulBackward0", op="mul", saved=(), factor="mask")
    assert "it is multiplied by `mask`, which is all zeros" in only("GS108", recording(masked)).message


def test_a_factor_written_in_the_source_is_silent():
    assert check("GS108", recording(replace(DEAD, factor="0", constant_factor=True))) == []


ZERO_INIT = replace(
    DEAD, node="MmBackward0", op="mm", saved=(), factor="up", factor_is_leaf=True, backwards=1
)


@pytest.mark.parametrize(
    ("factor", "steps", "backwards", "expected"),
    [
        (leaf("up", got(1), zero_at_start=True), 1, 1, 0),
        (leaf("up", got(4), zero_at_start=True), 1, 4, 0),
        (leaf("up", got(3), zero_at_start=True), 3, 3, 1),
        (leaf("up", got(1, zero=1), zero_at_start=True), 1, 1, 1),
        (leaf("up", None, zero_at_start=True, requires_grad=False), 1, 1, 1),
    ],
    ids=["first backward", "micro-batches of one step", "never moves", "stuck at zero itself", "frozen"],
)
def test_a_trained_factor_that_starts_at_zero(factor, steps, backwards, expected):
    fact = replace(ZERO_INIT, backwards=backwards)
    assert len(check("GS108", recording(fact, leaves=(*STUCK, ALIVE, factor), steps=steps))) == expected


def test_a_layer_whose_first_input_is_zero_is_silent_until_a_second_backward():
    hidden = replace(DEAD, node="AddmmBackward0", op="addmm", saved=(), factor="mat1", backwards=1)
    assert check("GS108", recording(hidden)) == []
    assert len(check("GS108", recording(replace(hidden, backwards=2)))) == 1


def test_a_layer_fed_by_the_dead_op_is_told_with_it():
    head = registered("net", "head.weight", got(3, zero=3))
    fed = replace(DEAD, node="AddmmBackward0", op="addmm", leaves=("head.weight",), saved=(), factor="mat1")
    bias = registered("net", "head.bias", got(3))
    found = only("GS108", recording(fed, DEAD, leaves=(*STUCK, head, bias)))
    assert found.location == DEAD.location
    assert found.subjects == ("stem.weight", "stem.bias", "head.weight")
    assert "head.weight" in found.notes[0].text


def test_leaves_that_once_got_a_gradient_are_left_out():
    thawed = replace(STUCK[0], gradient=got(3, zero=2))
    assert only("GS108", recording(DEAD, leaves=(thawed, STUCK[1], ALIVE))).subjects == ("stem.bias",)
    assert check("GS108", recording(replace(DEAD, leaves=NAMES[:1]), leaves=(thawed, ALIVE))) == []


def test_a_zero_that_is_simply_the_answer():
    plain = leaf("x", got(1, zero=1), is_parameter=False)
    once = replace(DEAD, leaves=("x",), backwards=1)
    assert check("GS108", recording(once, leaves=(plain,))) == []
    trained = replace(plain, gradient=got(2, zero=2))
    assert len(check("GS108", recording(replace(once, backwards=2), leaves=(trained,)))) == 1


def test_two_ways_to_the_loss_are_one_finding():
    other = replace(DEAD, node="RoundBackward0", op="round", location=SOURCE.at("torch.round(x)"), saved=())
    found = only("GS108", recording(DEAD, other))
    assert found.related[0].location == SOURCE.at("torch.round(x)")
    assert "the other way to the loss: round is flat" in found.related[0].message


def test_the_fix_is_written_only_where_the_op_stands_in_the_line():
    rounded = replace(DEAD, node="RoundBackward0", op="round", saved=())
    written = replace(rounded, location=SOURCE.at("torch.round(x)"))
    assert only("GS108", recording(written)).fix.startswith("r = x + (torch.round(x) - x).detach(); ")
    hidden = replace(rounded, location=SOURCE.at("self.quantise(x)"))
    assert only("GS108", recording(hidden)).fix.startswith("a straight-through estimator: x + (round(x) - x)")


@pytest.mark.parametrize(
    ("written", "node", "factor", "named"),
    [
        ("h * mask", "MulBackward0", "other", "`mask`"),
        ("mask * h", "MulBackward0", "self", "`mask`"),
        ("h.mul(mask)", "MulBackward0", "other", "`mask`"),
        ("torch.mul(h, mask)", "MulBackward0", "other", "`mask`"),
        ("self.fc(h)", "AddmmBackward0", "mat1", "`h`"),
        ("self.fc(h)", "AddmmBackward0", "mat2", "its other factor"),
        ("F.linear(h, w)", "AddmmBackward0", "mat2", "`w`"),
        ("h @ w", "MmBackward0", "mat2", "`w`"),
    ],
)
def test_a_factor_is_named_as_the_program_writes_it(written, node, factor, named):
    source = Source(f"y = {written}")
    fact = replace(DEAD, node=node, op=None, saved=(), factor=factor, location=source.at(written))
    found = only("GS108", source.recording(zeroed=(fact,), leaves=(*STUCK, ALIVE), steps=3))
    assert f"it is multiplied by {named}, which is all zeros" in found.message


def test_a_margin_that_is_met_is_no_dead_unit():
    source = Source("loss = torch.relu(1 - y * score).mean()")
    fact = replace(DEAD, location=source.at("torch.relu(1 - y * score)"))
    found = only("GS108", source.recording(zeroed=(fact,), leaves=(*STUCK, ALIVE), steps=3))
    assert "the margin of this loss is met at all 8 places" in found.message
    assert "dead" not in found.fix


def test_a_hook_that_gives_zeros_is_named():
    fact = replace(
        DEAD, node="hook", op="hook", location=SOURCE.at("self.quantise(x)"), saved=(), hook="mask"
    )
    found = only("GS108", recording(fact))
    assert found.message == "the gradient of stem.* (2 parameters) is exactly 0: the hook mask makes it so"
    assert found.label == "this hook got a gradient and passed on only zeros"
    assert found.location == fact.location
    assert found.evidence["hook"] == "mask"
    assert "requires_grad_(False)" in found.fix
