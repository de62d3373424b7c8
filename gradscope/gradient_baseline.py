"""What a baseline keeps of a target's gradients, and how those of a later run differ from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gradscope.facts import Backward, Drift, GradientStats, Leaf, Recording
from gradscope.gradient_comparison import (
    OTHER_ARITHMETIC,
    OTHER_NUMBERS,
    SAME,
    TOLERANCE,
    Comparison,
    Place,
    Widening,
    size,
)
from gradscope.gradient_statistics import (
    GradientStatistics,
    LossFigures,
    Measured,
    ParameterFigures,
    written,
)

# ---------------------------------------------------------------- what is kept


def statistics_of(recording: Recording, environment: Mapping[str, str]) -> GradientStatistics:
    """What a run showed of its gradients.

    `environment` is that of its process; "processor" and "threads" in it are those of `arithmetic()`.
    """
    leaves = _kept_leaves(recording)
    return GradientStatistics(
        _measured(recording, leaves, environment),
        {key: _loss_figures(one) for key, one in _named_losses(recording)},
        {leaf.name: _figures(leaf.gradient) for leaf in leaves},
    )


def _kept_leaves(recording: Recording) -> list[Leaf]:
    """Trainable parameters, what optimizers own, and tensors with a name of their own that got a gradient."""
    return [
        leaf
        for leaf in recording.leaves
        if leaf.requires_grad
        and (leaf.is_parameter or leaf.optimizers or (leaf.gradient is not None and leaf.name.isidentifier()))
    ]


def _measured(recording: Recording, leaves: list[Leaf], environment: Mapping[str, str]) -> Measured:
    on_cpu = all(leaf.device.partition(":")[0] == "cpu" for leaf in leaves)
    return Measured(
        environment.get("torch", recording.torch_version),
        environment.get("platform", ""),
        "cpu" if on_cpu else environment.get("device", recording.device),
        environment.get("processor", "") if on_cpu else "",
        environment.get("threads", "") if on_cpu else "",
        tuple(sorted({leaf.dtype for leaf in leaves})),
    )


def _named_losses(recording: Recording) -> Iterator[tuple[str, Backward]]:
    """The backwards whose losses are known, by names that stay when lines move: "loss in train"."""
    seen: dict[str, int] = {}
    for one in recording.backwards:
        if one.loss is None or one.last_loss is None:
            continue
        function = one.location.function if one.location is not None else None
        inside = f" in {function}" if function and not function.startswith("<") else ""
        name = f"{one.root or 'loss'}{inside}"
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name} #{seen[name]}", one


def _loss_figures(one: Backward) -> LossFigures:
    assert one.loss is not None
    assert one.last_loss is not None
    return LossFigures(written(one.loss), written(one.last_loss), one.count)


def _figures(stats: GradientStats | None) -> ParameterFigures:
    if stats is None:
        return ParameterFigures()
    return ParameterFigures(written(stats.norm), written(stats.last_norm), stats.backwards)


# ---------------------------------------------------------------- what differs


def drift_between(
    old: GradientStatistics,
    recording: Recording,
    environment: Mapping[str, str],
    *,
    baseline: str,
    tolerance: float | None = None,
) -> Drift:
    """How a run's gradients differ from `old`, which stands in the baseline of that name.

    `tolerance` takes the place of `TOLERANCE`, and is widened like it. `environment` is as for
    `statistics_of`.
    """
    new = statistics_of(recording, environment)
    other, widening = _other_hardware(old.measured, new.measured)
    base = TOLERANCE if tolerance is None else tolerance
    comparison = Comparison(base, widening)
    if widening is not OTHER_NUMBERS:
        _compare_losses(comparison, old, new, recording, widening)
    _compare_parameters(comparison, old, new, recording, widening)
    return Drift(
        baseline,
        comparison.tolerance,
        comparison.compared,
        tuple(comparison.drifts),
        other,
        comparison.tolerance / base if base else widening.factor,
        tuple(name for name in old.parameters if name not in new.parameters),
        tuple(name for name in new.parameters if name not in old.parameters),
    )


def _other_hardware(old: Measured, new: Measured) -> tuple[tuple[str, ...], Widening]:
    """What differs in where it was measured, in words, and how much wider the tolerance is for it."""
    said: list[str] = []
    widest = SAME
    pairs = (
        ("", old.device, new.device, OTHER_NUMBERS),
        ("", old.platform, new.platform, OTHER_NUMBERS),
        ("torch ", old.torch, new.torch, OTHER_ARITHMETIC),
        ("", old.processor, new.processor, OTHER_ARITHMETIC),
        ("threads: ", old.threads, new.threads, OTHER_ARITHMETIC),
    )
    for noun, before, now, widening in pairs:
        if before and now and before != now:
            said.append(f"{noun}{now}, not {before}")
            widest = max(widest, widening, key=lambda one: one.factor)
    return tuple(said), widest


def _compare_losses(
    comparison: Comparison,
    old: GradientStatistics,
    new: GradientStatistics,
    recording: Recording,
    widening: Widening,
) -> None:
    """A loss may be a small difference of large terms: the largest norm tells how large."""
    sizes = [size(one.norm) for each in (old, new) for one in each.parameters.values()]
    sizes += [
        size(value) for each in (old, new) for one in each.losses.values() for value in (one.first, one.last)
    ]
    floor = widening.floor * max(sizes, default=0.0)
    lines = {key: one.location for key, one in _named_losses(recording)}
    for key, before in old.losses.items():
        now = new.losses.get(key)
        if now is None:
            continue
        where = Place(key, lines[key])
        comparison.first(where, "loss", before.first, now.first, floor)
        comparison.last(where, "last loss", before.last, now.last, floor, (before.backwards, now.backwards))


def _compare_parameters(
    comparison: Comparison,
    old: GradientStatistics,
    new: GradientStatistics,
    recording: Recording,
    widening: Widening,
) -> None:
    """Every model has floors of its own: two of them may have losses of different sizes."""
    models: dict[str | None, list[Leaf]] = {}
    for leaf in recording.leaves:
        if leaf.name in old.parameters and leaf.name in new.parameters:
            models.setdefault(leaf.root, []).append(leaf)
    for leaves in models.values():
        pairs = [(leaf, old.parameters[leaf.name], new.parameters[leaf.name]) for leaf in leaves]
        figures = [one for _, before, now in pairs for one in (before, now)]
        first = widening.floor * max(size(one.norm) for one in figures)
        last = widening.floor * max(size(one.last_norm) for one in figures)
        for leaf, before, now in pairs:
            where = Place(leaf.name, leaf.registered_at or leaf.made_at)
            counts = (before.backwards, now.backwards)
            if before.is_zero or now.is_zero:
                comparison.lost_or_gained(where, before, now, max(first, last))
            elif not comparison.first(where, "norm", before.norm, now.norm, first):
                comparison.last(where, "last norm", before.last_norm, now.last_norm, last, counts)
