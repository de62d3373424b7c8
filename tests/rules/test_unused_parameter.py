from dataclasses import replace

import pytest

from gradscope.facts import SeveredLeaf
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
