"""What wrote where: the log of in-place changes, and the explanations drawn from it.

The version counter detects writes; the log only remembers who bumped it. A conflict (torch raises) is
explained by matching the broken saved tensor's storage and version with the log. A write past the
counter (`.data`, `set_`) is looked for among the saved tensors of the next backward.
"""

from __future__ import annotations

import re
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gradscope.facts import Change, InplaceConflict, SilentMutation
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label, saved_tensors
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, here
from gradscope.recorder.stats import dtype_name
from gradscope.recorder.values import base_of, version

_VERSIONS = re.compile(r"is at version (\d+); expected version (\d+)")
_MOST_WRITES = 20_000
_EPOCHS_KEPT = 8
_current_sequence_nr = torch._C._autograd._get_sequence_nr


@dataclass(frozen=True, slots=True)
class Write:
    """One change of a storage's content by an op, from version `before` to `after`."""

    storage: int
    before: int
    after: int
    op: str
    loc: Loc
    sequence_nr: int
    epoch: int


@dataclass(frozen=True, slots=True)
class UnversionedWrite:
    """A change that the version counter of the tensors already saved does not show."""

    storage: int
    how: str
    op: str
    loc: Loc
    sequence_nr: int
    epoch: int


def storage_of(tensor: Tensor) -> int:
    """The address of a tensor's storage object, 0 where it has none (functorch wrappers, meta)."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):
        return 0


@dataclass(slots=True, eq=False)
class _Mutation:
    """A silent write that a saved tensor suffered from, and the `id` of the leaf whose memory it is."""

    write: UnversionedWrite
    node: str
    saved_at: Loc | None
    backward: Loc
    leaf: int | None
    count: int = 1


class WriteLog:
    """A bounded history of writes."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._writes: deque[Write] = deque(maxlen=_MOST_WRITES)
        self._unversioned: list[UnversionedWrite] = []
        self._aliases: dict[int, weakref.ref[Tensor]] = {}
        self._handed_out: set[int] = set()
        self._mutations: dict[tuple[Loc, str], _Mutation] = {}

    def install(self, patches: Patches) -> None:
        """`Tensor.set_` and writes to a bare storage do not go through `__torch_function__`."""
        log = self
        set_storage = Tensor.set_

        def set_(this: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            with torch._C.DisableTorchFunction():
                before = version(this)
                result = set_storage(this, *args, **kwargs)
                log._now.guarded("set_", log._exchanged, this, before, here(1))
            return result

        patches.replace(Tensor, "set_", set_)
        for name in ("fill_", "copy_", "__setitem__"):
            patches.replace(torch.UntypedStorage, name, self._storage_write(name))

    def _storage_write(self, name: str) -> Any:
        write = getattr(torch.UntypedStorage, name)

        def write_to_storage(storage: Any, *args: Any, **kwargs: Any) -> Any:
            result = write(storage, *args, **kwargs)
            self._now.guarded("a storage write", self._remember_storage, storage._cdata, name, here(1))
            return result

        return write_to_storage

    def _remember_storage(self, storage: int, op: str, loc: Loc) -> None:
        write = UnversionedWrite(storage, "storage", op, loc, _current_sequence_nr(), self._now.epoch)
        self._remember(write)

    def handed_out(self, tensor: Tensor) -> None:
        """The program holds `tensor`'s storage, and can write it through other tensors."""
        self._handed_out.add(storage_of(tensor))

    def _exchanged(self, tensor: Tensor, before: int, loc: Loc) -> None:
        """A tensor got other memory: those who saved it see the new one, and the bumped version."""
        self._writes.append(
            Write(
                storage_of(tensor),
                before,
                version(tensor),
                "set_",
                loc,
                _current_sequence_nr(),
                self._now.epoch,
            )
        )
        self.unversioned(tensor, "set_", "set_", loc)

    def wrote(self, tensor: Tensor, before: int, op: str, loc: Loc, sequence_nr: int) -> None:
        """An op bumped `tensor`'s version; `sequence_nr` is the one current before it ran.

        The number before matters: an in-place op that saves its own result (relu_) would otherwise look
        like a write after the save.
        """
        storage = storage_of(tensor)
        epoch = self._now.epoch
        self._writes.append(Write(storage, before, version(tensor), op, loc, sequence_nr, epoch))
        base = base_of(tensor)
        if storage in self._handed_out:
            self._remember(UnversionedWrite(storage, "storage", op, loc, sequence_nr, self._now.epoch))
        if self._is_alias(tensor) or (base is not None and self._is_alias(base)):
            self._remember(UnversionedWrite(storage, "data", op, loc, sequence_nr, self._now.epoch))

    def tick(self) -> None:
        """Forgets writes of old epochs: the graphs that could miss them are gone, or were told of."""
        while self._writes and self._writes[0].epoch < self._now.epoch - _EPOCHS_KEPT:
            self._writes.popleft()

    def stepped(self, versions: Iterable[tuple[Tensor, int]], op: str, loc: Loc) -> None:
        """An optimizer changed its parameters."""
        sequence_nr = _current_sequence_nr()
        for tensor, before in versions:
            after = version(tensor)
            if after != before:
                self._writes.append(
                    Write(storage_of(tensor), before, after, op, loc, sequence_nr, self._now.epoch)
                )

    def unversioned_alias(self, alias: Tensor) -> None:
        """`alias` shares memory with another tensor, but not its version counter."""
        if len(self._aliases) > 4096:
            self._aliases = {key: ref for key, ref in self._aliases.items() if ref() is not None}
        self._aliases[id(alias)] = weakref.ref(alias)

    def unversioned(self, tensor: Tensor, how: str, op: str, loc: Loc) -> None:
        """A tensor's memory was exchanged or written outside its version counter."""
        sequence_nr = _current_sequence_nr()
        self._remember(UnversionedWrite(storage_of(tensor), how, op, loc, sequence_nr, self._now.epoch))

    def first_since(self, storage: int, version: int) -> Write | UnversionedWrite | None:
        """The first known write to a storage after it had this version; None where none is known."""
        seen = next((w for w in self._writes if w.storage == storage and w.before >= version), None)
        return seen or next((w for w in self._unversioned if w.storage == storage), None)

    def _remember(self, write: UnversionedWrite) -> None:
        kept = [w for w in self._unversioned if w.epoch >= self._now.epoch - 2]
        self._unversioned = [*kept[-2000:], write]

    def _is_alias(self, tensor: Tensor) -> bool:
        reference = self._aliases.get(id(tensor))
        return reference is not None and reference() is tensor

    @property
    def suspicious(self) -> bool:
        """Whether the next backward's saved tensors should be looked at."""
        return bool(self._unversioned)

    def look_for_mutations(self, nodes: Sequence[Any], backward: Loc) -> None:
        """Compares unversioned writes with the saved tensors of a graph that is about to run backward."""
        newest: dict[int, UnversionedWrite] = {}
        for write in self._unversioned:
            newest[write.storage] = write
        latest = max((w.sequence_nr for w in self._unversioned), default=-1)
        for node in nodes:
            born = node._sequence_nr()
            if born >= latest:
                continue
            for saved in saved_tensors(node):
                last = newest.get(storage_of(saved.tensor)) if saved.intact else None
                if last is not None and last.sequence_nr > born:
                    self._fold_mutation(last, node, backward, nodes)
        self._unversioned = [w for w in self._unversioned if w.epoch >= self._now.epoch - 1]

    def _fold_mutation(self, write: UnversionedWrite, node: Any, backward: Loc, nodes: Sequence[Any]) -> None:
        label, key = node_label(node), (write.loc, write.how)
        known = self._mutations.get(key)
        if known is None:
            leaf = _leaf_at(write.storage, nodes)
            self._mutations[key] = _Mutation(write, label, place_of(node), backward, leaf)
        elif known.backward is not backward or known.node == label:
            known.count += 1

    def mutations(self, leaf_name: Callable[[int], str]) -> tuple[SilentMutation, ...]:
        """The silent mutations found, one for each writing line. `leaf_name` names a leaf by its id."""
        return tuple(
            SilentMutation(
                one.write.how,
                one.write.op,
                one.write.loc.location(),
                one.node,
                one.saved_at.location() if one.saved_at else None,
                one.backward.location(),
                leaf_name(one.leaf) if one.leaf is not None else None,
                count=one.count,
            )
            for one in self._mutations.values()
        )

    def explain_conflict(
        self, nodes: Sequence[Any], backward: Loc, subject_of: Any
    ) -> InplaceConflict | None:
        """After torch raised "modified by an inplace operation": who saved, and who wrote since."""
        for node in sorted(nodes, key=lambda n: n._sequence_nr(), reverse=True):
            for saved in saved_tensors(node):
                match = None if saved.intact else _VERSIONS.search(saved.error)
                if match is None:
                    continue
                have, expected = int(match[1]), int(match[2])
                storage, born = storage_of(saved.tensor), node._sequence_nr()
                changes = [
                    Change(w.op, w.loc.location(), w.after)
                    for w in self._writes
                    if w.storage == storage
                    and w.before >= expected
                    and w.after <= have
                    and w.sequence_nr > born
                ]
                place = place_of(node)
                return InplaceConflict(
                    node_label(node),
                    saved.name,
                    place.location() if place else None,
                    tuple(saved.tensor.shape),
                    dtype_name(saved.tensor.dtype),
                    have,
                    expected,
                    tuple(changes),
                    backward.location(),
                    subject_of(saved.tensor),
                    ended_program=True,
                )
        return None


def _leaf_at(storage: int, nodes: Iterable[Any]) -> int | None:
    """The `id` of the leaf with this storage among those that a graph ends in."""
    leaves = (variable for node in nodes if (variable := getattr(node, "variable", None)) is not None)
    return next((id(leaf) for leaf in leaves if storage and storage_of(leaf) == storage), None)
