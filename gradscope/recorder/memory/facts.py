"""The memory of a run as facts: peaks, totals, and what the chosen graph keeps."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import torch

from gradscope.facts.memory import AllocatorUse, MemoryKind, MemoryPeak, MemoryPhase, MemoryUse, SavedAt
from gradscope.finding import Location
from gradscope.folds.cheaper.advice import advice
from gradscope.folds.cheaper.view import GraphView
from gradscope.folds.kept_graph import KeptGraph, KeptPlace, users_of
from gradscope.folds.kept_rows import KeptRows
from gradscope.recorder.memory.kept_graph import Taken
from gradscope.recorder.memory.watch import MemoryWatch
from gradscope.recorder.modules import Modules
from gradscope.recorder.places import Loc


class MemoryFacts:
    """Reads what a watch has taken. `device` is what the run was on; one that an error ended is cut short."""

    def __init__(
        self, watch: MemoryWatch, modules: Modules, device: str, *, is_cut_short: bool = False
    ) -> None:
        self._watch = watch
        self._log = watch.log
        self._modules = modules
        self._device = device
        self._is_cut_short = is_cut_short

    def fact(self) -> MemoryUse:
        """All of it."""
        log, watch = self._log, self._watch
        stepped = watch.step_ends[-1] if watch.step_ends else -1
        marks = {*(event for _, event in log.peaks.values()), watch.before_backward, watch.after_backward}
        kinds = log.kinds_at({*marks, stepped, log.now - 1})
        before = kinds.get(watch.before_backward) or kinds.get(log.now - 1, {})
        after = kinds.get(watch.after_backward) or before
        rows = self._rows()
        saved = rows.saved if rows is not None else before.get(MemoryKind.SAVED, 0)
        known = [kind for kind in MemoryKind if kind not in (MemoryKind.SAVED, MemoryKind.OTHER)]
        kept = sum(before.values()) - sum(before.get(kind, 0) for kind in known) - saved
        return MemoryUse(
            device=self._device,
            peaks=tuple(self._peaks(kinds)),
            parameters=before.get(MemoryKind.PARAMETER, 0),
            buffers=before.get(MemoryKind.BUFFER, 0),
            inputs=before.get(MemoryKind.INPUT, 0),
            gradients=after.get(MemoryKind.GRADIENT, 0),
            optimizer_state=kinds.get(stepped, {}).get(MemoryKind.OPTIMIZER_STATE, 0),
            optimizer=", ".join(watch.optimizers) or None,
            saved=saved,
            python_kept=max(0, kept) if rows is not None else 0,
            modules=rows.modules(self._classes()) if rows is not None else (),
            lines=rows.lines() if rows is not None else (),
            largest=self._largest(rows) if rows is not None else (),
            unused=watch.unused.facts(is_cut_short=self._is_cut_short),
            curve=log.curve(),
            allocator=_allocator(),
        )

    # ------------------------------------------------------------ peaks

    def _peaks(self, kinds: dict[int, dict[MemoryKind, int]]) -> Iterator[MemoryPeak]:
        ends = self._watch.step_ends or self._watch.pass_ends
        for phase in MemoryPhase:
            if phase not in self._log.peaks:
                continue
            size, event = self._log.peaks[phase]
            if not size:
                continue
            number = self._log.born_at(event)
            made = self._watch.makers.entry(self._log.makers[number]) if number is not None else None
            op, loc, root = made if made is not None else (None, None, -1)
            yield MemoryPeak(
                size=size,
                phase=phase,
                kinds=kinds.get(event, {}),
                location=_location(loc),
                module=self._module(loc, root) if loc is not None else None,
                op=op,
                step=bisect_right(ends, event - 1),
            )

    # ------------------------------------------------------------ the graph

    def _rows(self) -> KeptRows | None:
        taken = self._watch.taken
        return KeptRows(self._graph(taken), self._size_of) if taken is not None else None

    def _size_of(self, number: int) -> int:
        return self._log.sizes[number] if self._log.kind(number) is MemoryKind.SAVED else 0

    def _largest(self, rows: KeptRows) -> tuple[SavedAt, ...]:
        found = rows.rows()
        known = advice(GraphView(rows.graph, self._size_of), found, rows.saved)
        return tuple(
            row.fact(known[index].text, known[index].size) if index in known else row.fact()
            for index, row in enumerate(found)
        )

    def _graph(self, taken: Taken) -> KeptGraph:
        """The graph with names of modules and lines."""
        classes = self._classes()
        paths = [(loc, self._module(loc, root)) for loc, root in taken.places]
        places = tuple(KeptPlace(_location(loc), path, classes.get(path or "")) for loc, path in paths)
        nodes = tuple(taken.nodes)
        device = "cpu" if taken.devices <= {"cpu"} else next(iter(taken.devices - {"cpu"}))
        return KeptGraph(nodes, places, device, users_of(nodes))

    def _module(self, loc: Loc, root: int) -> str | None:
        if loc.module is None or not 0 <= root < len(self._modules.roots):
            return None
        root, path = self._watch.roots.path(root, loc.module)
        return ".".join(filter(None, (self._modules.roots[root].name, path)))

    def _classes(self) -> dict[str, str]:
        return {
            ".".join(filter(None, (root.name, fact.path))): fact.class_name
            for root in self._modules.roots
            if not self._watch.roots.is_inside(root.ordinal)
            for fact in root.facts
        }


def _location(loc: Loc | None) -> Location | None:
    return loc.location() if loc is not None else None


def _allocator() -> AllocatorUse | None:
    """The figures of the accelerator that reserved most; None where none was used."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    devices = range(torch.cuda.device_count())
    stats: list[dict[str, Any]] = [torch.cuda.memory_stats(device) for device in devices]
    most = max(stats, key=lambda each: each.get("reserved_bytes.all.peak", 0), default={})
    if not most.get("reserved_bytes.all.peak"):
        return None
    return AllocatorUse(
        allocated=most.get("allocated_bytes.all.peak", 0),
        reserved=most["reserved_bytes.all.peak"],
        requested=most.get("requested_bytes.all.peak", 0),
        retries=most.get("num_alloc_retries", 0),
    )
