from dataclasses import replace

import pytest

from gradscope.facts import Cut, CutKind, ExitedLeaf, GradWithoutGraph, ModuleFact, SeveredLeaf, Step
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


def test_a_reentrant_checkpoint_is_told_by_its_own_rule():
    cut = Cut(CutKind.CHECKPOINT, "linear", SOURCE.at("encoder(batch)"))
    assert check("GS102", recording(severed(NAMES[0], cut))) == []


LINES = Source(
    """
    a = enc(x).detach()
    b = enc(x).data
    s = loss.item()
    t = float(loss)
    c = torch.tensor([f(x), g(x)])
    d = torch.tensor(parts)
    u = torch.tensor(head(x).mean().item(), requires_grad=True)
    v = torch.tensor([left.item(), right.item()]).sum()
    i = logits.argmax(-1)
    m = score > 0.5
    p = nn.Parameter(h)
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
        (CutKind.PYTHON_NUMBER, "item", "head(x).mean().item()", "keep the tensor: u = head(x).mean()"),
        (CutKind.PYTHON_NUMBER, "item", "right.item()", "tensor: v = torch.stack([left, right]).sum()"),
        (CutKind.NEW_TENSOR, "tensor", "torch.tensor([f(x), g(x)])", "c = torch.stack([f(x), g(x)])"),
        (CutKind.NEW_TENSOR, "tensor", "torch.tensor(parts)", "d = torch.stack(parts) for a list of tensors"),
        (CutKind.INTEGER, "argmax", "logits.argmax(-1)", "gumbel_softmax"),
        (CutKind.INTEGER, "gt", "score > 0.5", "torch.sigmoid"),
        (CutKind.NEW_PARAMETER, "Parameter", "nn.Parameter(h)", "use the tensor itself"),
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


ROUTED = Source(
    """
    k = gate(x).argmax()
    y = experts[k](x)
    print(k)
    loss = y.mean() + extra
    """
)
ARGMAX = Cut(CutKind.INTEGER, "argmax", ROUTED.at("gate(x).argmax()"))


def exited(exit_text, *cuts, exits=None):
    last = Cut(CutKind.CHOICE, "index", ROUTED.at(exit_text))
    return ExitedLeaf(NAMES[0], (*cuts, last), (), exits or (last.location,), None)


def routed(*facts, source=ROUTED, **more):
    leaves = (registered("net", NAMES[0], optimizers=(0,)), registered("net", "e.weight", got()))
    return source.recording(exited=facts, leaves=leaves, optimizers=(optimizer(NAMES[0]),), **more)


def test_a_value_that_only_chooses_is_cut_where_it_left_torch():
    found = only("GS102", routed(exited("experts[k]", ARGMAX)))
    assert (found.location, found.confidence) == (ROUTED.at("experts[k]"), Confidence.PROBABLE)
    assert "it stops at index(), whose result only chooses what is computed" in found.message
    assert [(one.location, one.message) for one in found.related] == [
        (ARGMAX.location, "its gradient ends here already")
    ]
    assert check("GS103", routed(exited("experts[k]", ARGMAX))) == []


def test_a_value_that_is_only_printed_chooses_nothing():
    source = Source("k = gate(x).mean()\nprint(k.item())")
    cut = Cut(CutKind.PYTHON_NUMBER, "item", source.at("k.item()"))
    fact = ExitedLeaf(NAMES[0], (cut,), (), (cut.location,), None)
    assert check("GS102", routed(fact, source=source)) == []


def test_a_choice_is_followed_out_of_the_function_that_returns_it():
    source = Source(
        """
        def route(x):
            return gate(x).argmax().item()
        y = experts[route(x)](x)
        """
    )
    cut = Cut(CutKind.CHOICE, "item", source.at("gate(x).argmax().item()"))
    fact = ExitedLeaf(NAMES[0], (cut,), (), (cut.location, source.at("route(x)", 1)), None)
    assert only("GS102", routed(fact, source=source)).location == cut.location
    inside = replace(fact, exits=fact.exits[:1])
    assert check("GS102", routed(inside, source=source)) == []


def test_a_way_inside_torch_comes_before_a_choice():
    inside = SeveredLeaf(NAMES[0], (replace(ARGMAX, location=ROUTED.at("y.mean()")),), (), None)
    found = only("GS102", routed(exited("experts[k]", ARGMAX), severed=(inside,)))
    assert found.location == ROUTED.at("y.mean()")


def test_what_is_written_into_a_parameter_is_to_be_called_with():
    source = Source("target.weight.data = w")
    cut = Cut(CutKind.DATA, "data =", source.at("target.weight.data"))
    fact = SeveredLeaf("hyper.weight", (cut,), (), None, written_to=("target.weight",))
    leaves = (
        registered("hyper", "hyper.weight", optimizers=(0,)),
        registered("target", "target.weight", got(), module=""),
    )
    found = only("GS102", source.recording(severed=(fact,), leaves=leaves, optimizers=(optimizer("hyper"),)))
    assert "torch.func.functional_call(target, {'weight': w}, inputs)" in found.fix
    assert "stops at .data =, which writes the values without their graph" in found.message


@pytest.mark.parametrize(
    ("name", "silent"), [("teacher.0.weight", True), ("ema_net.weight", True), ("encoder.0.weight", False)]
)
def test_a_part_that_is_called_a_teacher_is_left_alone(name, silent):
    block = Cut(CutKind.NO_GRAD, "linear", SOURCE.at("encoder(batch)"))
    leaves = (registered("net", name, optimizers=(0,)),)
    facts = recording(severed(name, block), leaves=leaves, owned=(), modules=(ModuleFact("net", "", "Net"),))
    assert (check("GS102", facts) == []) is silent
