"""GS106 and GS107: parameters that a module or an optimizer does not know."""

from dataclasses import replace

import pytest

from gradscope.finding import Confidence, Severity

from .facts_samples import Source, check, got, leaf, modules, only, optimizer, registered

SOURCE = Source(
    """
    class Net(nn.Module):
        def __init__(self):
            self.layers = [nn.Linear(4, 4) for _ in range(2)]
            self.scale = torch.ones(4, requires_grad=True)
        def forward(self, x):
            gate = nn.Linear(4, 1)
    opt = torch.optim.SGD(net.parameters(), lr=0.1)
    net = Net()
    second = torch.optim.SGD(net.parameters(), lr=0.1)
    """
)
LAYERS = [
    leaf(
        f"layers[{i}].weight", got(), stored_in=f"Net.layers[{i}].weight", stored_at=SOURCE.at("self.layers")
    )
    for i in range(2)
]
OWNER = optimizer("head.weight")


def test_layers_in_a_list_are_one_finding():
    found = only("GS106", SOURCE.recording(leaves=tuple(LAYERS), optimizers=(OWNER,)))
    assert found.message == "Net.layers (2 parameters) is not registered in Net: parameters() leaves it out"
    assert (found.location, found.severity) == (SOURCE.at("self.layers"), Severity.ERROR)
    assert found.fix == "self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])"


def test_a_tensor_attribute_is_to_be_a_parameter():
    scale = leaf(
        "scale",
        got(),
        is_parameter=False,
        stored_in="Net.scale",
        stored_at=SOURCE.at("self.scale"),
        called_inside="net",
    )
    found = only("GS106", SOURCE.recording(leaves=(scale,), optimizers=(OWNER,)))
    assert found.message.startswith("Net.scale is not registered")
    assert found.fix == "self.scale = nn.Parameter(torch.ones(4))"
    without_optimizer = SOURCE.recording(leaves=(scale,))
    assert check("GS106", without_optimizer) == []


def test_a_layer_made_in_forward():
    made = SOURCE.at("nn.Linear(4, 1)", function="Net.forward")
    gate = leaf("gate", got(), called_inside="net", module_class="Linear", made_at=made)
    found = only("GS106", SOURCE.recording(leaves=(gate,)))
    assert found.message.startswith("the Linear made in Net.forward is not registered in net")
    assert found.location == made
    assert found.label == "made anew at every forward, with new random values"
    assert found.fix == "self.linear = Linear(...) once, in __init__, and call self.linear here"


@pytest.mark.parametrize(
    "change",
    [
        {"optimizers": (0,)},
        {"gradient": None},
        {"root": "net"},
        {"stored_in": None},
        {"requires_grad": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_unregistered_silent(change):
    assert check("GS106", SOURCE.recording(leaves=(replace(LAYERS[0], **change),))) == []


# ---------------------------------------------------------------- GS107

BODY = [registered("net", name, got()) for name in ("body.weight", "body.bias")]
HEAD = [registered("net", name, got()) for name in ("head.weight", "head.bias")]
MODULES = modules("net", "", "body", "head")
BUILT = SOURCE.at("torch.optim.SGD(net.parameters(), lr=0.1)")


def owned(leaves, index=0):
    return [replace(one, optimizers=(index,)) for one in leaves]


STEPPING = (optimizer(location=BUILT),)


def recording(*leaves, optimizers=STEPPING, **more):
    known = {"modules": MODULES, **more}
    return SOURCE.recording(leaves=leaves, optimizers=optimizers, **known)


def test_an_optimizer_left_with_the_old_model():
    made = SOURCE.at("net = Net()")
    stale = optimizer("old.weight", location=BUILT, orphans=("tensor (3, 2)", "tensor (3, 2)"))
    found = only("GS107", recording(*(replace(one, made_at=made) for one in BODY), optimizers=(stale,)))
    assert (
        found.message
        == "SGD does not own body.* (2 parameters); it still owns 2 tensors that no loss depends on"
    )
    assert (found.severity, found.confidence) == (Severity.ERROR, Confidence.CERTAIN)
    assert found.location == BUILT
    assert [(one.location, one.message) for one in found.related] == [(made, "made here")]
    assert found.fix == "build the optimizer after line 8: opt = torch.optim.SGD(net.parameters(), lr=0.1)"


def test_orphans_of_other_shapes_do_not_make_it_certain():
    other = optimizer("old.weight", location=BUILT, orphans=("tensor (7)",))
    found = only("GS107", recording(*owned(BODY), *HEAD, optimizers=(other,)))
    assert found.confidence is Confidence.PROBABLE


def test_a_replaced_head():
    where = SOURCE.at("net = Net()")
    head = [replace(one, replaced_at=where) for one in HEAD]
    found = only(
        "GS107", recording(*owned(BODY), *head, optimizers=(optimizer("body.weight", location=BUILT),))
    )
    assert found.subjects == ("head.weight", "head.bias")
    assert found.related[0].message == "replaced here, after the optimizer was built"


def test_a_replaced_backbone_under_a_trained_head_is_a_linear_probe():
    body = [replace(one, replaced_at=SOURCE.at("net = Net()")) for one in BODY]
    assert (
        check("GS107", recording(*body, *owned(HEAD), optimizers=(optimizer("head.weight", location=BUILT),)))
        == []
    )


def test_two_optimizers_of_one_model():
    critic = registered("critic", "critic.weight", got())
    second = SOURCE.at("torch.optim.SGD(net.parameters(), lr=0.1)", 1)
    both = [optimizer("body.weight", location=place) for place in (BUILT, second)]
    body = replace(BODY[0], optimizers=(0, 1))
    found = only("GS107", recording(body, critic, optimizers=tuple(both)))
    assert found.message == "two optimizers own body.weight, and critic.weight has none"
    assert (found.location, found.related[0].location) == (second, BUILT)


def test_a_forgotten_head_is_probable():
    found = only("GS107", recording(*owned(BODY), *HEAD))
    assert found.message == "head.* (2 parameters) gets gradients, but no optimizer owns them"
    assert (found.severity, found.confidence) == (Severity.ERROR, Confidence.PROBABLE)
    assert 'opt.add_param_group({"params": net.head.parameters()})' in found.fix


def test_a_forgotten_model_is_a_probable_warning():
    critic = registered("critic", "critic.weight", got())
    body = optimizer("body.weight", "body.bias", location=BUILT)
    found = only("GS107", recording(*owned(BODY), critic, optimizers=(body,)))
    assert (found.severity, found.confidence, found.subjects) == (
        Severity.WARNING,
        Confidence.PROBABLE,
        ("critic.weight",),
    )


def test_a_model_of_which_only_the_beginning_is_owned_is_a_warning():
    rest = [registered("net", f"head.{i}", got()) for i in range(3)]
    found = only("GS107", recording(*owned(BODY), *rest))
    assert (found.severity, found.notes[0].text) == (
        Severity.WARNING,
        "only the beginning of the same model is trained",
    )


def test_the_middle_of_a_model_is_forgotten():
    names = ("a.weight", "b.weight", "c.weight")
    leaves = [registered("net", name, got(), optimizers=() if name == "b.weight" else (0,)) for name in names]
    assert only("GS107", recording(*leaves, modules=modules("net", "a", "b", "c"))).subjects == ("b.weight",)


@pytest.mark.parametrize(
    ("leaves", "optimizers"),
    [
        ((*BODY, *owned(HEAD)), None),
        (owned(BODY), None),
        (BODY, (optimizer("image", location=BUILT),)),
        ([replace(one, root_training=False) for one in BODY], None),
        ((*owned(BODY), *(replace(one, root_training=False) for one in HEAD)), None),
        ((*owned(BODY), *HEAD), (optimizer("body.weight", steps=0),)),
        ((*owned(BODY), *(replace(one, gradient=None) for one in HEAD)), None),
        (BODY, ()),
    ],
    ids=[
        "a linear probe",
        "all owned",
        "the optimizer of an image",
        "a loss network",
        "a part in eval mode",
        "no step",
        "no gradient",
        "no optimizer",
    ],
)
def test_silent(leaves, optimizers):
    known = recording(*leaves) if optimizers is None else recording(*leaves, optimizers=optimizers)
    assert check("GS107", known) == []


def test_silent_where_a_few_parameters_are_picked_out_by_name():
    names = [f"{layer}.{kind}" for layer in ("a", "b", "c") for kind in ("weight", "bias")]
    leaves = [
        registered("net", name, got(), shape=(4,) if name.endswith("bias") else (4, 4)) for name in names
    ]
    leaves = [replace(one, optimizers=(0,)) if one.name.endswith("bias") else one for one in leaves]
    assert check("GS107", recording(*leaves, modules=modules("net", "a", "b", "c"))) == []


def test_the_result_of_an_op_on_a_parameter():
    source = Source("self.scale = nn.Parameter(torch.ones(3)).to(dtype)")
    where = source.at("self.scale")
    kept = leaf("scale", got(), stored_in="Net.scale", stored_at=where, stored_result="to")
    found = only("GS106", source.recording(leaves=(kept,), optimizers=(OWNER,)))
    assert found.label == "the result of to, which is no Parameter any more"
    assert found.fix == "self.scale = nn.Parameter(torch.ones(3).to(dtype))"


def test_a_new_group_holds_nothing_that_is_owned_already():
    taken = ("a.weight", "c.bias", "d.weight", "e.weight")
    names = (*taken, "b.0.weight", "b.1.weight", "c.weight")
    leaves = [registered("net", name, got(), optimizers=(0,) if name in taken else ()) for name in names]
    owner = optimizer(*taken, location=BUILT)
    facts = recording(*leaves, optimizers=(owner,), modules=modules("net", "a", "b.0", "b.1", "c", "d", "e"))
    found = only("GS107", facts)
    assert 'add_param_group({"params": [*net.b.parameters(), net.c.weight]})' in found.fix
