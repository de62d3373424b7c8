"""What keeps an object alive has a name: a variable, an attribute, a closure's variable, or none."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from gradscope.recorder.holders import Holder, holders_of

SEEN_BY_ALL: list[object] = []

pytestmark = pytest.mark.usefixtures("nothing_is_frozen")


class Thing:
    """Something that is held."""


class Keeper:
    shared: list[object] = []  # noqa: RUF012  a class attribute is what is tested

    def __init__(self, kept: object) -> None:
        self.kept = kept

    def method(self) -> object:
        return self.kept


@dataclass(slots=True)
class Slotted:
    kept: object


def names(told: list[Holder]) -> list[str]:
    """Asked for before the assertion: pytest keeps what an assertion looks at in variables."""
    return [holder.name for holder in told]


def make(number: int = 3) -> list[Thing]:
    return [Thing() for _ in range(number)]


@pytest.mark.parametrize("container", [list, deque, set, tuple], ids=lambda kind: kind.__name__)
def test_a_container_in_a_variable(container):
    held = container(make(1))
    told = holders_of([next(iter(held))])
    assert names(told) == ["held"]


@pytest.mark.parametrize("kind", [dict, OrderedDict, lambda: defaultdict(None)])
def test_a_dict_in_an_attribute(kind):
    keeper = Keeper(kind())
    keeper.kept["a"] = Thing()
    told = holders_of([keeper.kept["a"]])
    assert names(told) == ["keeper.kept"]


def test_the_variable_of_an_object_is_called_by_the_object_s_class_where_it_has_none():
    keepers = [Keeper([Thing()])]
    told = holders_of([keepers[0].kept[0]])
    assert names(told) == ["Keeper.kept", "keepers"]


def test_slots_and_class_attributes():
    slotted = Slotted([Thing()])
    Keeper.shared.append(Thing())
    try:
        told = holders_of([slotted.kept[0]]), holders_of([Keeper.shared[0]])
    finally:
        Keeper.shared.clear()
    assert [names(one)[0] for one in told] == ["slotted.kept", "Keeper.shared"]


def test_a_variable_of_a_file():
    SEEN_BY_ALL.append(Thing())
    try:
        (holder,) = holders_of(SEEN_BY_ALL[:1])
    finally:
        SEEN_BY_ALL.clear()
    assert holder == Holder("SEEN_BY_ALL", 1, growing=True, path=__file__)


def test_a_closure_s_variable_and_its_file():
    def factory():
        inside = make(1)

        def look():
            return inside[0]

        return look

    look = factory()
    holder = holders_of([look()])[0]
    assert holder == Holder("inside", 1, growing=True, path=__file__)


def test_how_many_of_the_objects_a_holder_reaches():
    rows = [{"loss": thing} for thing in make()]
    lone = Keeper(Thing())
    told = holders_of([*(row["loss"] for row in rows), lone.kept])
    assert {one.name: one.reached for one in told} == {"rows": 3, "lone.kept": 1}


def test_a_tuple_cannot_grow():
    items = make()
    drawn = tuple(items)
    told = {one.name: one.growing for one in holders_of(items)}
    assert told == {"drawn": False, "items": True}
    assert drawn


def test_an_underscore_names_nothing():
    _ = make(1)
    told = holders_of([_[0]])
    assert names(told) == []


def test_a_module_s_buffer_is_called_by_its_own_name():
    model = nn.Module()
    model.register_buffer("mean", torch.zeros(2))
    told = holders_of([model.mean])
    assert names(told) == ["model.mean"]


def test_what_nothing_names():
    told = holders_of([Thing()])
    assert told == []
