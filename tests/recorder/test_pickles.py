"""Tensors that leave through pickle and come back."""

import copy
import io
import pickle

import torch
from torch import nn

from gradscope.facts import CutKind
from gradscope.recorder import Recorder


def through_a_file(tensor):
    file = io.BytesIO()
    torch.save({"h": tensor}, file)
    file.seek(0)
    return torch.load(file)["h"]


def through_pickle(tensor):
    return pickle.loads(pickle.dumps(tensor))


def severed(again):
    torch.manual_seed(0)
    encoder, head = nn.Linear(3, 2), nn.Linear(2, 1)
    recorder = Recorder()
    with recorder:
        again_h = again(encoder(torch.randn(4, 3)))
        head(again_h).sum().backward()
    recording = recorder.recording()
    assert not [text for text in recording.not_seen if "fault" in text]
    return {fact.leaf: [cut.kind for cut in fact.cuts] for fact in recording.severed}, again_h


def test_the_value_is_followed():
    for again in (through_a_file, through_pickle, copy.copy):
        facts, _ = severed(again)
        assert list(facts.values()) == [[CutKind.NEW_TENSOR]] * 2, again


def test_what_was_loaded_before_makes_no_difference():
    through_a_file(torch.ones(1))
    facts, _ = severed(through_a_file)
    assert list(facts.values()) == [[CutKind.NEW_TENSOR]] * 2
    through_a_file(torch.ones(1))
    known = torch._weights_only_unpickler._get_allowed_globals()
    assert known["torch._utils._rebuild_tensor_v2"] is torch._utils._rebuild_tensor_v2


def test_what_comes_back_is_what_torch_gives():
    _, tensor = severed(through_a_file)
    assert type(tensor) is torch.Tensor
    assert (tensor.shape, tensor.requires_grad, tensor.is_leaf) == ((4, 2), True, True)


def test_a_checkpoint_starts_afresh():
    net = nn.Linear(3, 1)
    recorder = Recorder()
    with recorder:
        net.weight.data.copy_(through_a_file(net.state_dict()["weight"]))
        net(torch.ones(2, 3)).sum().backward()
    assert recorder.recording().severed == ()


def test_torch_is_as_it_was_afterwards():
    before = torch._utils._rebuild_tensor_v2, torch.Tensor._reduce_ex_internal
    with Recorder():
        assert torch._utils._rebuild_tensor_v2 is not before[0]
    assert (torch._utils._rebuild_tensor_v2, torch.Tensor._reduce_ex_internal) == before
