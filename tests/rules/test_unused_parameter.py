from dataclasses import replace

import pytest

from gradscope.facts import ModuleFact, SeveredLeaf
from gradscope.finding import Severity

from .facts_samples import Source, check, got, leaf, only, optimizer, registered

SOURCE = Source(
    """
    class Net(nn.Module):
        def __init__(self):
            self.fc1 = nn.Linear(4, 8)
            self.fc3 = nn.Linear(8, 8)
            self.heads = nn.ModuleList(nn.Linear(8, 2) for _ in range(3))
            self.gain = nn.Parameter(torch.ones(4))
            self.last = Block()
            self.h = nn.ModuleList([Small(), Large()])
            self.key = nn.Linear(8, 8)
            self.deep_key = nn.Linear(8, 8)
    """
)
FC3 = SOURCE.at("self.fc3")
USED = registered("net", "fc1.weight", got())


def unused(name, where=FC3, **more):
    known = {"module_called": False, "registered_at": where, **more}
    return registered("net", name, **known)


PAIR = (unused("fc3.weight"), unused("fc3.bias"))


def test_a_module_that_was_never_called_is_one_finding():
    found = only("GS103", SOURCE.recording(leaves=(USED, *PAIR)))
    assert found.message == "fc3 (2 parameters) is never used: its module was never called"
    assert (found.location, found.severity) == (FC3, Severity.WARNING)
    assert found.subjects == ("fc3.weight", "fc3.bias")
    assert "call self.fc3 in forward" in found.fix


def test_a_forward_that_runs_without_its_own_parameter():
    gain = unused("gain", SOURCE.at("self.gain"), module_called=True, module_class="Net")
    found = only("GS103", SOURCE.recording(leaves=(USED, gain)))
    assert found.message == "net.gain is never used: the forward of Net ran without it"
    assert "use self.gain in forward" in found.fix


def test_modules_of_one_line_are_one_finding():
    heads = [unused(f"heads.{i}.weight", SOURCE.at("self.heads")) for i in (1, 2)]
    found = only("GS103", SOURCE.recording(leaves=(USED, *heads)))
    assert found.message == "heads.* (2 parameters) is never used: its module was never called"
    assert "call self.heads in forward" in found.fix


def test_one_of_a_list_is_named_by_its_index():
    head = unused("heads.1.weight", SOURCE.at("self.heads"))
    assert "call self.heads[1]" in only("GS103", SOURCE.recording(leaves=(USED, head))).fix


def test_a_part_of_which_nothing_ran_is_named_as_a_whole():
    parts = [unused(f"decoder.{i}.weight", unused_module="decoder") for i in (0, 2)]
    found = only("GS103", SOURCE.recording(leaves=(USED, *parts)))
    assert found.message.startswith("decoder.* (2 parameters) is never used")
    assert "call self.decoder in forward" in found.fix


def test_modules_of_two_lines_are_two_findings():
    other = unused("fc2.weight", SOURCE.at("self.heads"))
    assert len(check("GS103", SOURCE.recording(leaves=(USED, *PAIR, other)))) == 2


LAST = SOURCE.at("self.last")
BLOCK = tuple(ModuleFact("net", path, "Block", 1, registered_at=LAST) for path in ("last", "last.norm"))


def ran(name, **more):
    """A parameter of a module that ran, whose result no loss depends on."""
    return unused(name, SOURCE.at("self.fc1"), module_called=True, used=True, **more)


def test_a_result_that_goes_nowhere_is_told_of_the_outermost_module():
    inside = (ran("last.attention.key.weight"), ran("last.norm.weight"), ran("last.norm.bias"))
    found = only("GS103", SOURCE.recording(leaves=(USED, *inside), modules=BLOCK))
    assert found.message == (
        "last.* (3 parameters) get no gradient: they took part, but no loss depends on the result"
    )
    assert (found.location, found.evidence["module"]) == (LAST, "last")
    assert found.subjects == tuple(one.name for one in inside)
    assert found.fix.startswith("let the loss depend on what self.last gives, or delete it")


@pytest.mark.parametrize(
    ("other", "outermost"),
    [
        (registered("net", "last.attention.key.weight", got()), "last.norm"),
        (registered("net", "last.attention.key.weight", reached=True), "last.norm"),
        (registered("net", "last.attention.key.weight", requires_grad=False), "last"),
    ],
    ids=["got a gradient", "in the graph of a backward", "frozen"],
)
def test_the_outermost_module_has_no_other_trained_parameter(other, outermost):
    found = only("GS103", SOURCE.recording(leaves=(USED, other, ran("last.norm.weight")), modules=BLOCK))
    assert (found.evidence["module"], found.location) == (outermost, LAST)


def test_parts_for_different_reasons_are_different_findings():
    never = unused("last.extra.weight", SOURCE.at("self.gain"), unused_module="last.extra")
    aside = unused("last.scale", SOURCE.at("self.fc1"), module_called=True, module_class="Block")
    found = check("GS103", SOURCE.recording(leaves=(USED, ran("last.norm.weight"), never, aside)))
    assert [one.subjects for one in found] == [("last.norm.weight",), ("last.extra.weight",), ("last.scale",)]


KEYS = (SOURCE.at("self.key"), SOURCE.at("self.deep_key"))


def test_the_same_part_of_every_layer_is_one_finding():
    layers = [
        unused(f"h.{i}.key.{name}", KEYS[i], unused_module=f"h.{i}.key")
        for i in (0, 1)
        for name in ("weight", "bias")
    ]
    found = only("GS103", SOURCE.recording(leaves=(USED, *layers)))
    assert found.message.startswith("h.*.key in 2 blocks (4 parameters) is never used")
    assert (found.location, [one.location for one in found.related]) == (KEYS[0], [KEYS[1]])
    assert "call self.key in forward" in found.fix
    assert found.subjects == tuple(one.name for one in layers)


def test_the_same_own_parameter_of_every_layer_is_one_finding():
    layers = [
        unused(f"h.{i}.scale", KEYS[i], module_called=True, module_class="Block", module=f"h.{i}")
        for i in (0, 1)
    ]
    found = only("GS103", SOURCE.recording(leaves=(USED, *layers)))
    assert found.message == (
        "h.*.scale in 2 blocks (2 parameters) are never used: the forward of Block ran without them"
    )


def test_several_modules_of_one_line_are_all_named_in_the_fix():
    pair = [ran(f"{name}.weight", module=name) for name in ("left", "right")]
    found = only("GS103", SOURCE.recording(leaves=(USED, *pair)))
    assert found.fix.startswith("let the loss depend on what self.left and self.right give, or delete")
    both = [unused(name, module_called=True, module_class="Net") for name in ("gain", "shift")]
    assert only("GS103", SOURCE.recording(leaves=(USED, *both))).fix.startswith(
        "use self.gain and self.shift in forward"
    )


def test_unlike_parts_of_layers_are_told_apart():
    layers = [unused(f"h.{i}.{part}.weight", KEYS[i]) for i, part in enumerate(("key", "value"))]
    assert len(check("GS103", SOURCE.recording(leaves=(USED, *layers)))) == 2


def test_with_several_models_the_part_is_named_with_its_own():
    layers = [
        unused(f"net.h.{i}.key.{name}", KEYS[i], unused_module=f"h.{i}.key", module=f"h.{i}.key")
        for i in (0, 1)
        for name in ("weight", "bias")
    ]
    found = only("GS103", SOURCE.recording(leaves=(USED, *layers)))
    assert found.message.startswith("net.h.*.key in 2 blocks (4 parameters)")


@pytest.mark.parametrize(
    "change",
    [
        {"requires_grad": False},
        {"gradient": got()},
        {"root_called": False},
        {"root": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_silent(change):
    recording = SOURCE.recording(leaves=(USED, replace(PAIR[0], **change)))
    assert check("GS103", recording) == []


def test_silent_where_no_parameter_of_the_model_got_a_gradient():
    learning_elsewhere = leaf("w", got())
    recording = SOURCE.recording(leaves=(replace(USED, gradient=None), *PAIR, learning_elsewhere))
    assert check("GS103", recording) == []


def test_silent_where_something_stops_its_gradient():
    severed = tuple(SeveredLeaf(one.name, (), (), None) for one in PAIR)
    assert check("GS103", SOURCE.recording(leaves=(USED, *PAIR), severed=severed)) == []


def test_silent_where_no_optimizer_owns_it_although_there_is_one():
    recording = SOURCE.recording(leaves=(USED, *PAIR), optimizers=(optimizer("fc1.weight"),))
    assert check("GS103", recording) == []
    owned = tuple(replace(one, optimizers=(0,)) for one in PAIR)
    assert len(check("GS103", replace(recording, leaves=(USED, *owned)))) == 1


DICT = (
    ModuleFact("net", "heads", "ModuleDict"),
    ModuleFact("net", "heads.a", "Linear", called=2),
    ModuleFact("net", "heads.b", "Linear"),
)


def test_another_key_of_a_dict_of_heads_ran():
    head = unused("heads.b.weight", SOURCE.at("self.heads"), unused_module="heads.b")
    found = only("GS103", SOURCE.recording(leaves=(USED, head), modules=DICT))
    assert found.severity is Severity.INFO
    assert found.message == "heads.b.weight was not chosen in this run: heads['a'] was"
    assert "call self.heads['b'] in forward" in found.fix


def test_a_dict_of_heads_none_of_which_ran_is_a_warning():
    head = unused("heads.b.weight", SOURCE.at("self.heads"), unused_module="heads.b")
    quiet = (DICT[0], replace(DICT[1], called=0), DICT[2])
    found = only("GS103", SOURCE.recording(leaves=(USED, head), modules=quiet))
    assert (found.severity, "was not chosen" in found.message) == (Severity.WARNING, False)
