from dataclasses import replace

import pytest

from gradscope.facts import Cut, CutKind, GradWithoutGraph, SeveredLeaf, Step
from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, got, only, optimizer, registered

SOURCE = Source(
    """
    for batch in data:
        h = encoder(batch)
        h = torch.from_numpy(smooth(h.detach().numpy()))
        loss = head(h).mean()
        loss.backward()
    """
)
NAMES = ("encoder.0.weight", "encoder.0.bias", "encoder.2.weight", "encoder.2.bias")
DETACH = Cut(CutKind.DETACH, "detach", SOURCE.at("h.detach()"))


def severed(name, *cuts):
    path = (Step("leaf", None), Step("mean", SOURCE.at("head(h).mean()")))
    return SeveredLeaf(name, cuts, path, SOURCE.at("loss.backward()"))


def recording(*facts, source=SOURCE, owned=NAMES, leaves=None, **more):
    known = leaves or [registered("net", name) for name in NAMES]
    known = tuple(replace(one, optimizers=(0,)) if one.name in owned else one for one in known)
    return source.recording(severed=facts, leaves=known, optimizers=(optimizer(*owned),), **more)


def test_all_leaves_behind_one_stop_are_one_finding():
    found = only("GS102", recording(*(severed(name, DETACH) for name in NAMES)))
    assert found.location == DETACH.location
    assert found.severity is Severity.ERROR
    assert found.subjects == NAMES
    assert found.message == "encoder.* (4 parameters) gets no gradient: it stops at detach()"
    assert found.notes[0].text == "encoder.0.weight -> mean (4)"
    assert "encoder.requires_grad_(False)" in found.fix


def test_two_stops_are_two_findings():
    other = replace(DETACH, location=SOURCE.at("encoder(batch)"))
    facts = [severed(NAMES[0], DETACH), severed(NAMES[1], other)]
    assert len(check("GS102", recording(*facts))) == 2


@pytest.mark.parametrize(
    "change",
    [{"requires_grad": False}, {"gradient": got()}, {"optimizers": ()}],
    ids=["frozen", "trained in another backward", "owned by no optimizer"],
)
def test_a_stop_that_is_meant_is_silent(change):
    leaves = [replace(registered("net", NAMES[0], optimizers=(0,)), **change)]
    assert check("GS102", recording(severed(NAMES[0], DETACH), leaves=leaves, owned=())) == []


def test_without_any_optimizer_a_leaf_counts_by_itself():
    source = SOURCE.recording(severed=(severed("w", DETACH),), leaves=(registered("net", "w"),))
    assert only("GS102", source).subjects == ("w",)


def test_it_is_a_warning_where_some_of_the_leaves_behind_it_have_another_way():
    leaves = [registered("net", NAMES[0]), registered("net", NAMES[1], got())]
    found = only("GS102", recording(*(severed(name, DETACH) for name in NAMES[:2]), leaves=leaves))
    assert (found.severity, found.subjects) == (Severity.WARNING, (NAMES[0],))


def test_ops_of_one_block_are_one_finding_at_the_block():
    source = Source(
        """
        with torch.no_grad():
            a = first(x)
            b = second(a)
        """
    )
    block = source.at("torch.no_grad()")
    cuts = [
        Cut(CutKind.NO_GRAD, "linear", source.at(f"{name}("), block=block) for name in ("first", "second")
    ]
    facts = [severed(name, cut) for name, cut in zip(NAMES, cuts, strict=False)]
    found = only("GS102", recording(*facts, source=source))
    assert found.location == block
    assert found.related[0].location.line == 2


def test_an_inferred_way_is_probable():
    exit_, entry = SOURCE.at("h.detach().numpy()"), SOURCE.at("torch.from_numpy")
    cut = Cut(CutKind.NUMPY, "numpy", exit_, resumed=entry, certain=False)
    found = only("GS102", recording(severed(NAMES[0], cut)))
    assert found.confidence is Confidence.PROBABLE
    assert found.related[0].message == "the value goes on from here"
    assert "stay in torch" in found.fix


def test_a_gradient_call_that_another_rule_explains_is_left_to_it():
    cut = Cut(CutKind.GRAD_CALL, "autograd.grad", SOURCE.at("encoder(batch)"))
    explained = GradWithoutGraph(SOURCE.at("encoder(batch)"), None, None, ())
    assert check("GS102", recording(severed(NAMES[0], cut), grads_without_graph=(explained,))) == []
    assert "without create_graph" in only("GS102", recording(severed(NAMES[0], cut))).message


LINES = Source(
    """
    a = enc(x).detach()
    b = enc(x).data
    s = loss.item()
    t = float(loss)
    c = torch.tensor([f(x), g(x)])
    d = torch.tensor(parts)
    i = logits.argmax(-1)
    m = score > 0.5
    p = nn.Parameter(h)
    k = checkpoint(block, h, use_reentrant=True)
    g, = torch.autograd.grad(y, x)
    """
)


@pytest.mark.parametrize(
    ("kind", "op", "text", "fix"),
    [
        (CutKind.DETACH, "detach", "enc(x).detach()", "a = enc(x)"),
        (CutKind.DATA, "data", "enc(x).data", "b = enc(x)"),
        (CutKind.PYTHON_NUMBER, "item", "loss.item()", "keep the tensor: s = loss"),
        (CutKind.PYTHON_NUMBER, "float", "float(loss)", "keep the tensor: t = loss"),
        (CutKind.NEW_TENSOR, "tensor", "torch.tensor([f(x), g(x)])", "c = torch.stack([f(x), g(x)])"),
        (CutKind.NEW_TENSOR, "tensor", "torch.tensor(parts)", "d = torch.stack(parts) for a list of tensors"),
        (CutKind.INTEGER, "argmax", "logits.argmax(-1)", "gumbel_softmax"),
        (CutKind.INTEGER, "gt", "score > 0.5", "torch.sigmoid"),
        (CutKind.NEW_PARAMETER, "Parameter", "nn.Parameter(h)", "use the tensor itself"),
        (CutKind.CHECKPOINT, "linear", "checkpoint(block, h, use_reentrant=True)", "use_reentrant=False"),
        (CutKind.GRAD_CALL, "autograd.grad", "torch.autograd.grad(y, x)", "grad(y, x, create_graph=True)"),
        (CutKind.NOT_DIFFERENTIABLE, "searchsorted", "score > 0.5", "replace searchsorted"),
    ],
)
def test_the_fix_is_in_the_terms_of_the_line(kind, op, text, fix):
    found = only("GS102", recording(severed(NAMES[0], Cut(kind, op, LINES.at(text))), source=LINES))
    assert fix in found.fix


@pytest.mark.parametrize(
    ("header", "text", "fix"),
    [
        ("with torch.no_grad():", "torch.no_grad()", "move `h = encode(x)` out of the block"),
        ("@torch.no_grad()", "@torch.no_grad()", "take the decorator @torch.no_grad() away"),
        ("torch.set_grad_enabled(False)", "torch.set_grad_enabled(False)", "torch.set_grad_enabled(True)"),
        ("h = encode(x)", "encode(x)", "take the decorator @torch.no_grad() away from encode()"),
    ],
)
def test_the_fix_of_a_block_depends_on_how_it_was_entered(header, text, fix):
    source = Source(f"{header}\n    h = encode(x)" if header.endswith(":") else f"{header}\nh = encode(x)")
    cut = Cut(CutKind.NO_GRAD, "linear", source.at("encode(x)", -1), block=source.at(text))
    assert fix in only("GS102", recording(severed(NAMES[0], cut), source=source)).fix
