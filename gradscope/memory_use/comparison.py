"""Ways of checkpointing set side by side: the same step with each, its memory, time and gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gradscope.facts import Gradients, Strategy, StrategyKind
from gradscope.loader.work import Work
from gradscope.memory_use.agreed import BLOCK, NONE, SELECTIVE, BlockModule, Choices, Measured
from gradscope.memory_use.garbage import only_new_garbage
from gradscope.memory_use.gradients import Reference, StepGradients, compared, copied_gradients
from gradscope.memory_use.measuring import clean_up, in_short, is_on_fake, measure, memory_error
from gradscope.memory_use.timing import SECONDS, time_steps
from gradscope.memory_use.trying import Tried


@dataclass(frozen=True, slots=True)
class Comparison:
    """`strategies` in the order of their kinds; `step_seconds` is a plain step, None where none was timed."""

    strategies: tuple[Strategy, ...]
    step_seconds: float | None = None


def compare(
    work: Work,
    tried: Tried,
    chosen: Mapping[StrategyKind, Choices],
    seconds: float = SECONDS,
    say: Callable[[str], None] = lambda _text: None,
) -> Comparison:
    """Runs the work with each of the choices, of which the first is no checkpointing at all.

    A strategy whose step fails says why and the next one is run. Steps are timed for about so many
    `seconds`; not at all on fake tensors, or where the plain step fails. `say` is told what is done now.
    """
    with only_new_garbage():
        strategies = []
        for kind, choices in chosen.items():
            say("a step without checkpointing" if kind is StrategyKind.NONE else f"a step with {kind}")
            strategies.append(_measured(work, tried, kind, choices))
        if is_on_fake(work) or strategies[0].failure is not None:
            return Comparison(tuple(strategies))
        say("timing steps in turn")
        return _with_times(work, tried.blocks, strategies, seconds)


def usual_choices(blocks: Sequence[BlockModule]) -> dict[StrategyKind, Choices]:
    """The choices of the strategies that need no plan; those that choose nothing new are left out."""
    every = tuple(_best(block, BLOCK) for block in blocks)
    able = [number for number, choice in enumerate(every) if choice != NONE]
    chosen = {StrategyKind.NONE: (NONE,) * len(blocks)}
    if able:
        chosen[StrategyKind.EVERY_BLOCK] = every
    if len(able) > 1:
        second = set(able[1::2])
        chosen[StrategyKind.EVERY_SECOND] = tuple(
            choice if number in second else NONE for number, choice in enumerate(every)
        )
    if any(SELECTIVE in block.options for block in blocks):
        chosen[StrategyKind.SELECTIVE] = tuple(_best(block, SELECTIVE, BLOCK) for block in blocks)
    return chosen


def _best(block: BlockModule, *options: str) -> str:
    return next((option for option in options if option in block.options), NONE)


def _measured(work: Work, tried: Tried, kind: StrategyKind, choices: Choices) -> Strategy:
    """One strategy's memory and gradients."""
    found: list[StepGradients] = []
    try:
        measured = measure(work, tried.blocks, choices, lambda: found.append(copied_gradients(work)))
    except Exception as error:  # noqa: BLE001  the user's code is run in ways that it may not bear
        failure = memory_error(error) or in_short(error)
    else:
        return _judged(_strategy(kind, choices, measured), tried.reference, found[0])
    clean_up(work)
    return Strategy(kind, choices, failure=failure)


def _strategy(kind: StrategyKind, choices: Choices, measured: Measured) -> Strategy:
    return Strategy(
        kind,
        choices,
        peak=measured.peak,
        peak_phase=measured.phase,
        saved=measured.saved,
        reserved=measured.reserved,
    )


def _judged(strategy: Strategy, reference: Reference, gradients: StepGradients) -> Strategy:
    """With what the gradients are beside the reference."""
    if reference.gradients is None:
        return strategy
    difference = compared(reference.gradients, gradients)
    names = tuple(name for name in difference.names if name not in reference.unstable)
    if strategy.kind is StrategyKind.NONE:
        unstable = reference.unstable or difference.names
        return replace(strategy, gradients=Gradients.NOT_REPRODUCIBLE if unstable else Gradients.REFERENCE)
    if names:
        return replace(
            strategy,
            gradients=Gradients.DIFFERENT,
            different=names,
            largest_difference=difference.largest,
        )
    same = Gradients.NOT_REPRODUCIBLE if reference.unstable else Gradients.IDENTICAL
    return replace(strategy, gradients=same)


def _with_times(
    work: Work, blocks: Sequence[BlockModule], strategies: list[Strategy], seconds: float
) -> Comparison:
    timed = [each for each in strategies if each.failure is None and each.kind is not StrategyKind.NONE]
    try:
        times = time_steps(work, blocks, [each.choices for each in timed], seconds)
    except (MemoryError, RuntimeError) as error:
        if memory_error(error) is None:
            raise
        times = None
    if times is None:  # what was measured fits only just: there are no times then
        clean_up(work)
        return Comparison(tuple(strategies))
    by_kind = {
        each.kind: replace(each, time_ratio=ratio, recomputed=recomputed)
        for each, ratio, recomputed in zip(timed, times.ratios, times.recomputed, strict=True)
    }
    by_kind[StrategyKind.NONE] = replace(strategies[0], time_ratio=1.0, recomputed=0.0)
    return Comparison(tuple(by_kind.get(each.kind, each) for each in strategies), times.plain)
