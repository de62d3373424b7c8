"""The leaves: parameters and tensors that gradients are accumulated into, and what they got.

A leaf is described while it lives (names come from the program's frames and modules), and one that is
made anew each step under the same name and shape is one entry. Statistics come from one fused norm over
all gradients of a backward; the dearer ones are taken on a leaf's first backward and on non-finite ones.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Container, Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from gradscope.facts import GradientStats, Leaf, OptimizerFact
from gradscope.recorder.attributes import assignment_of, result_in, stored_in
from gradscope.recorder.modules import Modules, Root
from gradscope.recorder.names import variable_name
from gradscope.recorder.norms import dense_values, norms_of
from gradscope.recorder.now import Now
from gradscope.recorder.optimizers import OptimizerEntry, Optimizers
from gradscope.recorder.places import Loc
from gradscope.recorder.stats import dtype_name, is_freed

_MOST_OF_A_NAME = 100


@dataclass(slots=True)
class LeafEntry:
    """One leaf, or a line of leaves that replaced each other under one name."""

    tensor: weakref.ref[Tensor]
    name: str
    shape: tuple[int, ...]
    dtype: str
    device: str
    is_parameter: bool
    wants: bool
    root: Root | None = None
    module: str | None = None
    module_class: str | None = None
    chain: tuple[tuple[str, Loc | None], ...] = ()  # modules down to its own, and where each was registered
    root_training: bool = True
    called_inside: str | None = None
    stored_in: str | None = None
    stored_at: Loc | None = None
    stored_result: str | None = None
    made_at: Loc | None = None
    replaced_at: Loc | None = None
    zero_at_start: bool = False
    reached: bool = False
    used: bool = False
    order: int = 0
    stats: dict[str, float] = field(default_factory=dict)


class Leaves:
    """The table of leaves by `id`, valid while the weak reference leads to the same tensor."""

    def __init__(self, now: Now, modules: Modules, optimizers: Optimizers) -> None:
        self._now = now
        self._modules = modules
        self._optimizers = optimizers
        self._by_id: dict[int, LeafEntry] = {}
        self._by_name: dict[tuple[str, tuple[int, ...]], LeafEntry] = {}
        self._count = 0
        self.latest: list[tuple[LeafEntry, float]] = []  # the norms of the last backward

    def __len__(self) -> int:
        return len(self._by_name)

    def entry(self, tensor: Tensor) -> LeafEntry:
        """The entry of a leaf, made on first sight."""
        entry = self._by_id.get(id(tensor))
        if entry is not None and entry.tensor() is tensor:
            return entry
        name, shape = self._name(tensor), tuple(tensor.shape)
        key = (name, shape)
        for again in range(2, _MOST_OF_A_NAME):
            known = self._by_name.get(key)
            if known is None:
                break
            if known.tensor() is None:
                known.tensor = weakref.ref(tensor)
                self._by_id[id(tensor)] = known
                return known
            key = (f"{name}#{again}", shape)
        entry = LeafEntry(
            weakref.ref(tensor),
            key[0],
            key[1],
            dtype_name(tensor.dtype),
            str(tensor.device),
            isinstance(tensor, nn.Parameter),
            tensor.requires_grad,
            order=self._count,
        )
        entry.made_at = self._modules.registered_at(tensor)
        self._count += 1
        self._by_id[id(tensor)] = self._by_name[key] = entry
        return entry

    def known_name(self, tensor: Tensor) -> str | None:
        """The name of a leaf that has an entry; None where it has none yet."""
        entry = self._by_id.get(id(tensor))
        return entry.name if entry is not None and entry.tensor() is tensor else None

    def name_of(self, leaf: int) -> str:
        """The name of the leaf with that id, as last known."""
        entry = self._by_id.get(leaf)
        return entry.name if entry is not None else f"tensor {leaf:#x}"

    def _name(self, tensor: Tensor) -> str:
        roots = list(self._modules.living_roots())
        for root in self._modules.roots:
            name = root.parameters.get(id(tensor))
            if name is not None and (root.module() is None or any(root is living for living, _ in roots)):
                return self._registered_name(root, tensor)
        name = variable_name(tensor)
        if name is not None:
            return name
        for _, module in roots:
            stored = stored_in(module, tensor)
            if stored is not None:
                return stored[2]
        stranger = self._modules.stranger(tensor)
        shape = ", ".join(map(str, tensor.shape))
        return f"{stranger[1]} parameter ({shape})" if stranger else f"tensor ({shape})"

    def _registered_name(self, root: Root, parameter: Tensor) -> str:
        name = root.parameters[id(parameter)]
        return f"{root.name}.{name}" if len(self._modules.roots) > 1 else name

    def _rename(self, entry: LeafEntry, name: str) -> None:
        """A leaf seen before its module was (by an optimizer, say) gets its module's name for it."""
        key = (name, entry.shape)
        if entry.name == name or key in self._by_name:
            return
        del self._by_name[entry.name, entry.shape]
        entry.name = name
        self._by_name[key] = entry

    # ------------------------------------------------------------ what they are

    def copy_structure(self) -> None:
        """Describes every parameter of the living roots, and every owned tensor, as they are now."""
        for root, module in self._modules.living_roots():
            owners: dict[int, tuple[str, nn.Module]] = {}
            for path, owner in module.named_modules():
                for parameter in owner._parameters.values():
                    owners.setdefault(id(parameter), (path, owner))  # a tied one goes by its first name
            for parameter in module.parameters():
                shapeless: bool = is_lazy(parameter)  # before its first forward
                if shapeless:
                    continue
                entry = self.entry(parameter)
                path, owner = owners[id(parameter)]
                entry.root, entry.module, entry.module_class = root, path, type(owner).__name__
                self._rename(entry, self._registered_name(root, parameter))
                entry.wants = parameter.requires_grad
                entry.root_training = module.training
                chain = _chain(module, path)
                entry.chain = tuple((p, self._modules.registered_at(m)) for p, m in chain)
                entry.replaced_at = self._modules.replaced_at([parameter, *(m for _, m in chain)])
        for optimizer in self._optimizers.entries:
            for reference in optimizer.owned.values():
                owned = reference()
                if owned is not None:
                    self.entry(owned)
        for entry in self._by_name.values():
            tensor = entry.tensor()
            if tensor is not None and entry.root is None:
                self._describe_unregistered(entry, tensor)

    def _describe_unregistered(self, entry: LeafEntry, tensor: Tensor) -> None:
        stranger = self._modules.stranger(tensor)
        if stranger is not None:
            entry.called_inside, entry.module_class = stranger
        if entry.stored_in is None:
            for root, module in self._modules.living_roots():
                stored = stored_in(module, tensor)
                if stored is None and (found := result_in(module, tensor)) is not None:
                    stored, entry.stored_result = found
                if stored is not None:
                    owner, attribute, path = stored
                    entry.stored_in = f"{type(owner).__name__}.{path}"
                    entry.called_inside = entry.called_inside or root.name
                    entry.stored_at = assignment_of(owner, attribute)
                    break

    # ------------------------------------------------------------ what they got

    def any_waiting(self, reached: Container[int], received: Container[int]) -> bool:
        """Whether a living parameter that wants a gradient got none so far, nor gets one in this backward."""
        return any(
            entry.is_parameter and entry.wants and entry.order not in received and id(tensor) not in reached
            for entry in self._by_name.values()
            if (tensor := entry.tensor()) is not None
        )

    def before_first_step(self, tensors: Iterable[Tensor]) -> None:
        """Notes which leaves hold only zeros when they are first differentiated."""
        for tensor in tensors:
            entry = self.entry(tensor)
            entry.reached = True
            if "seen" not in entry.stats:
                entry.stats["seen"] = 1
                plain = tensor.layout is torch.strided and tensor.numel() > 0 and tensor.device.type != "meta"
                entry.zero_at_start = plain and not is_freed(tensor) and not bool(tensor.detach().any())

    def got(self, pairs: list[tuple[Tensor, Tensor]]) -> bool:
        """Folds the gradients of one backward; True for a warning sign: non-finite, or up tenfold."""
        dense = [(leaf, dense_values(gradient)) for leaf, gradient in pairs]
        norms = norms_of([g for _, g in dense])
        alarming = False
        self.latest = []
        for (leaf, gradient), norm in zip(dense, norms, strict=True):
            entry = self.entry(leaf)
            stats = entry.stats
            first = not stats.get("backwards")
            stats["backwards"] = stats.get("backwards", 0) + 1
            if norm == 0:
                stats["zero_backwards"] = stats.get("zero_backwards", 0) + 1
            nonfinite = not math.isfinite(norm) and not bool(torch.isfinite(gradient).all())
            if not math.isfinite(norm) and not nonfinite:
                norm = float(gradient.double().norm())  # the squares overflowed, not the gradient
            self.latest.append((entry, norm))
            if nonfinite:
                stats["nonfinite_backwards"] = stats.get("nonfinite_backwards", 0) + 1
            if first:
                stats["norm"] = stats["smallest"] = stats["largest"] = norm
                _first_look(stats, gradient)
            elif nonfinite and not (stats.get("nan") or stats.get("inf")):
                _count_nonfinite(stats, gradient)
            if nonfinite or (not first and norm > 10 * stats["largest"] > 0):
                alarming = True
            stats["last"] = norm
            if math.isfinite(norm):
                stats["smallest"] = min(stats["smallest"], norm) if math.isfinite(stats["smallest"]) else norm
                stats["largest"] = max(stats["largest"], norm) if math.isfinite(stats["largest"]) else norm
        return alarming

    # ------------------------------------------------------------ facts

    def facts(self, used: Iterable[int]) -> tuple[Leaf, ...]:
        """Every leaf, in the order of first sight; `used` are the ids of those that an op took in."""
        for key in used:
            if key in self._by_id:
                self._by_id[key].used = True
        owners: dict[int, list[int]] = {}
        for index, optimizer in enumerate(self._optimizers.entries):
            for _, entry in self._owned(optimizer):
                owners.setdefault(id(entry), []).append(index)
        return tuple(
            self._fact(entry, tuple(owners.get(id(entry), ())))
            for entry in sorted(self._by_name.values(), key=lambda e: e.order)
        )

    def by_order(self) -> dict[int, LeafEntry]:
        """Every entry by its `order`, which stays when a leaf is made anew or gets another name."""
        return {entry.order: entry for entry in self._by_name.values()}

    def optimizer_facts(self) -> tuple[OptimizerFact, ...]:
        """Every optimizer, with the names of what it owns and of what it is left alone with."""
        return tuple(self._optimizer_fact(optimizer) for optimizer in self._optimizers.entries)

    def _owned(self, optimizer: OptimizerEntry) -> list[tuple[int, LeafEntry]]:
        """The entries of what an optimizer owns, also of what is gone by now.

        Ids are used again once a model is gone; a tensor's weak reference is one object for all who ask.
        """
        entries = {id(entry.tensor): entry for entry in self._by_name.values()}
        return [
            (key, entry)
            for key, reference in optimizer.owned.items()
            if (entry := entries.get(id(reference))) is not None
        ]

    def _optimizer_fact(self, optimizer: OptimizerEntry) -> OptimizerFact:
        owned = self._owned(optimizer)
        orphans = [
            entry.name
            for key, entry in owned
            if entry.root is None and not entry.stats.get("backwards") and key not in optimizer.fed
        ]
        return OptimizerFact(
            optimizer.class_name,
            optimizer.loc.location(),
            tuple(entry.name for _, entry in owned),
            tuple(orphans),
            optimizer.steps,
        )

    def _fact(self, entry: LeafEntry, optimizers: tuple[int, ...]) -> Leaf:
        s = entry.stats
        gradient = None
        if s.get("backwards"):
            gradient = GradientStats(
                int(s["backwards"]),
                int(s.get("zero_backwards", 0)),
                s["norm"],
                s["last"],
                s["smallest"],
                s["largest"],
                s.get("max_abs", 0.0),
                s.get("zero_share", 0.0),
                int(s.get("nan", 0)),
                int(s.get("inf", 0)),
                int(s.get("nonfinite_backwards", 0)),
            )
        root = entry.root
        unused = [(p, loc) for p, loc in entry.chain if root is not None and not root.was_called(p)]
        registered = (unused[0][1] if unused else None) or entry.made_at
        return Leaf(
            entry.name,
            entry.shape,
            entry.dtype,
            entry.device,
            entry.is_parameter,
            entry.wants,
            root=root.name if root else None,
            module=entry.module,
            module_class=entry.module_class,
            module_called=bool(root and root.was_called(entry.module or "")),
            unused_module=unused[0][0] if unused else None,
            root_called=bool(root and root.with_gradient),
            root_training=entry.root_training,
            called_inside=entry.called_inside,
            alive=entry.tensor() is not None,
            reached=entry.reached,
            made_at=entry.made_at.location() if entry.made_at else None,
            registered_at=registered.location() if registered else None,
            stored_in=entry.stored_in,
            stored_result=entry.stored_result,
            stored_at=entry.stored_at.location() if entry.stored_at else None,
            replaced_at=entry.replaced_at.location() if entry.replaced_at else None,
            optimizers=optimizers,
            zero_at_start=entry.zero_at_start,
            gradient=gradient,
            used=entry.used,
        )


def _chain(root: nn.Module, path: str) -> list[tuple[str, nn.Module]]:
    """The modules from the root (excluded) down to `path`."""
    found, module, so_far = [], root, ""
    for part in path.split(".") if path else ():
        module = module._modules[part]  # type: ignore[assignment]
        so_far = f"{so_far}.{part}".lstrip(".")
        found.append((so_far, module))
    return found


def _first_look(stats: dict[str, float], gradient: Tensor) -> None:
    if gradient.numel() == 0:
        return
    stats["zero_share"] = 1.0 - float(torch.count_nonzero(gradient)) / gradient.numel()
    smallest, largest = torch.aminmax(gradient)
    stats["max_abs"] = max(abs(float(smallest)), abs(float(largest)))
    _count_nonfinite(stats, gradient)


def _count_nonfinite(stats: dict[str, float], gradient: Tensor) -> None:
    stats["nan"] = float(torch.isnan(gradient).sum())
    stats["inf"] = float(torch.isinf(gradient).sum())
