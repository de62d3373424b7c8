"""The slices of backward passes: the engine's call, and each node that ran in it.

Two doors, one inside the other. The outer one puts the hooks of the nodes in before the recorder's own
watches do theirs, so that ours are the first to run after a node; the inner one is the last before the
engine, so that what the recorder does before and after a pass is told apart from the pass.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.autograd
from torch import Tensor

from gradscope.folds.timeline import Detail, Slice
from gradscope.recorder.creation import place_of
from gradscope.recorder.graph import node_label, walk
from gradscope.recorder.node_hooks import AccumulateGrad
from gradscope.recorder.node_times import NOT_RUN, NodeTimes, without_collection
from gradscope.recorder.now import Now
from gradscope.recorder.patches import Patches
from gradscope.recorder.places import Loc, intern_loc, user_frame
from gradscope.recorder.timeline.steps import BACKWARD
from gradscope.recorder.timeline.tracks import Open, Tracks
from gradscope.recorder.values import is_plain

_OWN_WORK_NS = 20_000  # less of it is not worth a slice
_clock = time.perf_counter_ns
_get_ident = threading.get_ident


class _Pass:
    """One pass while it runs, and what its nodes are called: that is asked before the graph is freed."""

    def __init__(self, begun_ns: int, place: Loc, name: str) -> None:
        self.begun_ns = begun_ns
        self.place = place
        self.name = name
        self.nodes: list[Any] = []
        self.times = NodeTimes(detailed=True)
        self.engine = (0, 0)


class EngineSlices:
    """The two doors. `leaf_name` gives the name of a leaf."""

    def __init__(self, now: Now, tracks: Tracks, leaf_name: Callable[[Tensor], str | None]) -> None:
        self._now = now
        self._tracks = tracks
        self._leaf_name = leaf_name
        self._passes: dict[int, list[_Pass]] = {}
        self._hooked: set[Any] = set()
        self._lock = threading.Lock()

    def install_inner(self, patches: Patches) -> None:
        """Around the engine; before the recorder's own door is put in."""
        run = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

        def _engine_run_backward(*args: Any, **kwargs: Any) -> Any:
            passes = self._passes.get(_get_ident())
            if not passes or torch.compiler.is_compiling():
                return run(*args, **kwargs)
            this = passes[-1]
            track = self._tracks.here()
            is_phase = len(passes) == 1 and not self._now.in_engine_thread
            one = Open(0, BACKWARD, this.name, this.place, is_phase=is_phase)
            one.begun_ns = begun = _clock()
            track.begin(one)
            try:
                return run(*args, **kwargs)
            finally:
                this.engine = (begun, _clock())
                track.end(one, this.engine[1])

        patches.replace(torch.autograd, "_engine_run_backward", _engine_run_backward)

    def install_outer(self, patches: Patches) -> None:
        """Around the recorder's own door."""
        run = torch.autograd._engine_run_backward  # type: ignore[attr-defined]

        def _engine_run_backward(t_outputs: Any, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return run(t_outputs, *args, **kwargs)
            begun = _clock()
            this = _Pass(begun, intern_loc(user_frame(sys._getframe(1))), "")
            self._passes.setdefault(_get_ident(), []).append(this)
            self._now.guarded("a pass in the timeline", self._begin, this, t_outputs, kwargs)
            try:
                return run(t_outputs, *args, **kwargs)
            finally:
                self._passes[_get_ident()].pop()
                self._now.guarded("a pass in the timeline", self._end, this)

        patches.replace(torch.autograd, "_engine_run_backward", _engine_run_backward)

    def _begin(self, this: _Pass, outputs: Sequence[Any], kwargs: dict[str, Any]) -> None:
        where = this.place.location()
        at = f" {os.path.basename(where.path)}:{where.line}" if where is not None else ""
        this.name = ("backward" if kwargs.get("accumulate_grad") else "grad") + at
        if all(not isinstance(each, Tensor) or is_plain(each) for each in outputs):
            nodes = walk(outputs)[0]
            with self._lock:  # a node inside two passes at once is the outer one's
                this.nodes = [node for node in nodes if node not in self._hooked]
                self._hooked.update(this.nodes)
            this.times.attach(this.nodes)

    def _end(self, this: _Pass) -> None:
        this.times.detach()
        with self._lock:
            self._hooked.difference_update(this.nodes)
        with without_collection():
            self._add_nodes(this)
        this.nodes = []
        self._add_own_work(this)
        self._tracks.here().pause()

    def _add_own_work(self, this: _Pass) -> None:
        track, (begun, ended) = self._tracks.here(), this.engine
        for start, stop in ((this.begun_ns, begun), (ended, _clock())):
            if begun and stop - start > _OWN_WORK_NS:
                track.add(Slice(start, stop, track.number, "gradscope", "gradscope's own work"))

    def _add_nodes(self, this: _Pass) -> None:
        times = this.times
        ends = _ends(times, this.engine[1])
        for index, node in enumerate(this.nodes):
            begun, place = times.begun_ns[index], place_of(node)
            if begun == NOT_RUN:
                continue
            track = self._tracks.of(times.threads[index])
            track.made(*times.made[index], begun, None)  # nodes of the second order come of this one
            gradients = tuple((shape, None) for shape in times.shapes[index])
            details: list[tuple[str, Detail]] = [("gradient", gradients)]
            if times.ended_ns[index] == NOT_RUN:
                details.append(("raised", True))
            origin = None
            if type(node) is AccumulateGrad:
                name_of_leaf = self._leaf_name(node.variable)
                if name_of_leaf is not None:
                    details.append(("leaf", name_of_leaf))
            else:
                origin = self._tracks.origin(node._sequence_nr(), place)
            name = node_label(node)
            track.add(Slice(begun, ends[index], track.number, "node", name, place, tuple(details), origin))


def _ends(times: NodeTimes, engine_end: int) -> list[int]:
    """When each node ended; one that raised, where the next of its thread began, or the engine ended."""
    ends = list(times.ended_ns)
    for index, begun in enumerate(times.begun_ns):
        if begun != NOT_RUN and (ends[index] == NOT_RUN or ends[index] < begun):
            later = (
                other
                for other, thread in zip(times.begun_ns, times.threads, strict=True)
                if other > begun and thread == times.threads[index]
            )
            ends[index] = min(later, default=max(begun, engine_end))
    return ends
