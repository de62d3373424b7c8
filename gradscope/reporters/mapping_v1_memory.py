"""The memory of a run in the JSON report's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gradscope.facts import memory as facts
from gradscope.reporters import schema_v1_memory as v1
from gradscope.reporters.mapping_v1_places import Places

_KINDS: Final = {
    facts.MemoryKind.PARAMETER: "parameters",
    facts.MemoryKind.BUFFER: "buffers",
    facts.MemoryKind.INPUT: "inputs",
    facts.MemoryKind.GRADIENT: "gradients",
    facts.MemoryKind.OPTIMIZER_STATE: "optimizer_state",
    facts.MemoryKind.SAVED: "saved",
    facts.MemoryKind.OTHER: "temporary",
}


def memory_v1(use: facts.MemoryUse, shape: Places) -> v1.Memory:
    """Every fact; the tables have a row each."""
    peak = use.peak
    return v1.Memory(
        device=use.device,
        is_fake=use.is_fake,
        peak=None if peak is None else _peak(peak, shape),
        peaks=[_peak(each, shape) for each in use.peaks],
        parameters=use.parameters,
        buffers=use.buffers,
        inputs=use.inputs,
        gradients=use.gradients,
        optimizer_state=use.optimizer_state,
        optimizer=use.optimizer,
        saved=use.saved,
        python_kept=use.python_kept,
        step_seconds=use.step_seconds,
        allocator=None if use.allocator is None else _allocator(use.allocator),
        unused=[_unused(each, shape) for each in use.unused],
        plan=None if use.plan is None else _plan(use.plan, shape),
        strategies=[_strategy(each, shape) for each in use.strategies],
        recommended=None if use.recommended is None else use.recommended.value,
        code=use.code,
        not_compared=use.not_compared,
        blocks=[_block(each) for each in use.blocks],
        sweep=None if use.sweep is None else _sweep(use.sweep),
        modules=[v1.MemoryModule(each.path, each.class_name, each.saved, each.own) for each in use.modules],
        lines=[
            v1.MemoryLine(shape.place(each.location), each.saved, each.tensors, list(each.ops))
            for each in use.lines
        ],
        largest=[_tensor(each, shape) for each in use.largest],
        curve=[_moment(each) for each in use.curve],
    )


def _kinds(kinds: Mapping[facts.MemoryKind, int]) -> v1.Kinds:
    return v1.Kinds(**{_KINDS[kind]: size for kind, size in kinds.items()})


def _moment(each: facts.Moment) -> v1.MemoryMoment:
    kinds = {name: each.kinds.get(kind, 0) for kind, name in _KINDS.items()}
    return v1.MemoryMoment(each.seconds, each.phase.value, **kinds)


def _peak(peak: facts.MemoryPeak, shape: Places) -> v1.MemoryPeak:
    return v1.MemoryPeak(
        bytes=peak.size,
        phase=peak.phase.value,
        kinds=_kinds(peak.kinds),
        location=shape.maybe_place(peak.location),
        module=peak.module,
        op=peak.op,
        step=peak.step,
    )


def _allocator(use: facts.AllocatorUse) -> v1.Allocator:
    return v1.Allocator(use.allocated, use.reserved, use.requested, use.retries, use.fragmentation)


def _unused(each: facts.UnusedGraph, shape: Places) -> v1.UnusedGraph:
    call = shape.value(each.call)
    return v1.UnusedGraph(shape.place(each.location), call, each.size, each.nodes, each.count)


def _tensor(each: facts.SavedAt, shape: Places) -> v1.MemoryTensor:
    return v1.MemoryTensor(
        op=each.op,
        name=each.name,
        shape=list(each.shape),
        dtype=each.dtype,
        bytes=each.size,
        count=each.count,
        location=shape.maybe_place(each.location),
        modules=list(each.modules),
        cheaper=each.cheaper,
        cheaper_by=each.cheaper_by,
    )


def _block(block: facts.Block) -> v1.MemoryBlock:
    return v1.MemoryBlock(
        path=block.path,
        class_name=block.class_name,
        saved=block.saved,
        seconds=block.seconds,
        calls=block.calls,
        options=list(block.options),
        reason=block.reason,
    )


def _strategy(each: facts.Strategy, shape: Places) -> v1.Strategy:
    return v1.Strategy(
        kind=each.kind.value,
        choices=list(each.choices),
        peak=each.peak,
        peak_phase=None if each.peak_phase is None else each.peak_phase.value,
        saved=each.saved,
        time_ratio=each.time_ratio,
        recomputed=each.recomputed,
        gradients=each.gradients.value,
        different=list(each.different),
        largest_difference=shape.maybe_value(each.largest_difference),
        predicted_peak=each.predicted_peak,
        predicted_time_ratio=each.predicted_time_ratio,
        reserved=each.reserved,
        failure=each.failure,
    )


def _plan(plan: facts.Plan, shape: Places) -> v1.Plan:
    return v1.Plan(
        budget=plan.budget,
        strategy=None if plan.strategy is None else _strategy(plan.strategy, shape),
        floor=plan.floor,
        floor_kinds=_kinds(plan.floor_kinds),
        assumptions=list(plan.assumptions),
    )


def _sweep(sweep: facts.Sweep) -> v1.Sweep:
    points = [
        v1.SweepPoint(
            value=each.value,
            plain=each.plain,
            checkpointed=each.checkpointed,
            plain_saved=each.plain_saved,
            checkpointed_saved=each.checkpointed_saved,
            failure=each.failure,
        )
        for each in sweep.points
    ]
    return v1.Sweep(sweep.kind.value, points, sweep.current, sweep.on_fake)
