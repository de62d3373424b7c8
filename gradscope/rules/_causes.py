"""What explains what: when one finding is only the consequence of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from gradscope.facts import Recording
from gradscope.finding import Finding

Explains: TypeAlias = Callable[[Finding, Finding, Recording], bool]


def explains(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """Whether `effect` would not be there without `cause`."""
    return any(
        cause.code in causes and effect.code in effects and test(cause, effect, recording)
        for causes, effects, test in _LINKS
    )


def cause_of(effect: int, findings: Sequence[Finding], recording: Recording) -> int | None:
    """The index of the first finding that explains the one at index `effect`, None where none does."""
    return next(
        (
            index
            for index, finding in enumerate(findings)
            if index != effect and explains(finding, findings[effect], recording)
        ),
        None,
    )


def places(finding: Finding) -> set[tuple[str, int]]:
    """The path and line of every place that a finding names."""
    own = [finding.location] if finding.location else []
    return {location.at for location in [*own, *(related.location for related in finding.related)]}


def _names_its_line(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The effect's own line is one of the cause's."""
    return effect.location is not None and effect.location.at in places(cause)


def _on_its_line(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The cause's own line is one of the effect's."""
    return cause.location is not None and cause.location.at in places(effect)


def _step(finding: Finding) -> int:
    step = finding.evidence.get("step")
    return step if isinstance(step, int) else 0


def _not_later(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The loss was not finite in the effect's backward or before: its gradients had to follow."""
    return _step(cause) <= _step(effect)


def _spoiled_a_parameter(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """An earlier step left a parameter non-finite, and the effect is an op that was handed it later."""
    source = effect.evidence.get("source")
    if not isinstance(source, str) or _step(cause) >= _step(effect):
        return False
    return cause.code == "GS403" or recording.leaf(source) is None or source in cause.subjects


def _always(cause: Finding, effect: Finding, recording: Recording) -> bool:
    return True


def _has_its_leaves(cause: Finding, effect: Finding, recording: Recording) -> bool:
    return bool(effect.subjects) and set(effect.subjects) <= set(cause.subjects)


def _writes_its_leaves(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The effect's leaves hold what the cause cut off: no optimizer should own them."""
    written = cause.evidence.get("written_to")
    return isinstance(written, list) and not set(effect.subjects).isdisjoint(map(str, written))


def _owns_its_leaves_twice(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The effect's leaves were stepped by an optimizer that was given them by mistake."""
    twice = cause.evidence.get("twice")
    return isinstance(twice, list) and bool(effect.subjects) and set(effect.subjects) <= set(twice)


def _stepped_in_between(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """A step between forward and backward wrote to the weights that a checkpoint then reads again."""
    leaf = recording.leaf(str(effect.evidence.get("leaf")))
    stepped = cause.evidence.get("order") == "inside-pass" and effect.evidence.get("cause") == "written"
    return stepped and leaf is not None and bool(leaf.optimizers)


def _owners(finding: Finding) -> set[str]:
    return {name.rpartition(".")[0] for name in finding.subjects}


def _has_its_modules(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """The gradient of the effect's modules had shrunk to nothing on its way to them."""
    return bool(effect.subjects) and _owners(effect) <= _owners(cause)


def _grew_into_it(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """Finite gradients grew until one overflowed, and the effect is of that backward or of a later one.

    Where they grew over the layers, an overflow in a later step follows from it, a NaN of another
    kind (the square root of a zero) does not.
    """
    overflow = cause.evidence.get("overflow")
    if isinstance(overflow, int):
        return _step(effect) >= overflow
    overflowed = "inf" in (effect.evidence.get("kind"), effect.evidence.get("born"))
    by_a_step = recording.leaf(str(effect.evidence.get("source"))) is not None
    over_layers = cause.evidence.get("over") in ("depth", "uses")
    return over_layers and _step(effect) > _step(cause) and (overflowed or by_a_step)


def _feeds_the_wrong_optimizer(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """Two optimizers own one model: what the second loss of it does not reach, the other steps with."""
    return cause.evidence.get("reason") == "shared" and effect.evidence.get("unfed") is True


def _of_its_function(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """Both are about one checked function, and the effect stands at its backward."""
    name = cause.evidence.get("function")
    return any(
        checked.name == name and effect.location is not None and effect.location == place
        for checked in recording.checked
        for place in (checked.backward, checked.location)
    )


def _rounds_its_gradients(cause: Finding, effect: Finding, recording: Recording) -> bool:
    """A gradient of too few digits is wrong by their rounding."""
    return cause.evidence.get("fault") == "dtype" and _of_its_function(cause, effect, recording)


_LINKS: tuple[tuple[tuple[str, ...], tuple[str, ...], Explains], ...] = (
    (("GS104",), ("GS105",), _names_its_line),
    (("GS104",), ("GS101", "GS102"), _on_its_line),
    (("GS303", "GS101"), ("GS102",), _on_its_line),
    (("GS701",), ("GS101", "GS102"), _on_its_line),
    (("GS102",), ("GS107",), _writes_its_leaves),
    (("GS107",), ("GS102",), _feeds_the_wrong_optimizer),
    (("GS107",), ("GS501",), _owns_its_leaves_twice),
    (("GS303",), ("GS101",), _on_its_line),
    (("GS301",), ("GS302",), _names_its_line),
    (("GS106",), ("GS301",), _names_its_line),
    (("GS201",), ("GS503",), _names_its_line),
    (("GS503",), ("GS702",), _stepped_in_between),
    (("GS405",), ("GS401", "GS402", "GS403", "GS407"), _grew_into_it),
    (("GS501", "GS502", "GS503"), ("GS405",), _names_its_line),
    (("GS404",), ("GS108",), _has_its_modules),
    (("GS403",), ("GS401", "GS402", "GS407"), _not_later),
    (("GS401", "GS402", "GS403", "GS407"), ("GS403",), _spoiled_a_parameter),
    (("GS403",), ("GS108",), _always),
    (("GS203",), ("GS108", "GS401", "GS402"), _names_its_line),
    (("GS406",), ("GS108",), _has_its_modules),  # a bias before a normalisation has nothing to lose
    (("GS406",), ("GS404",), _has_its_leaves),
    (("GS604", "GS606"), ("GS601", "GS603"), _of_its_function),
    (("GS605",), ("GS603",), _on_its_line),  # what is kept is a copy without a graph
    (("GS602",), ("GS601",), _rounds_its_gradients),
    # the same leaves, from the most telling to the least
    (("GS106",), ("GS107", "GS102", "GS103", "GS108"), _has_its_leaves),
    (("GS107",), ("GS102", "GS103", "GS108"), _has_its_leaves),
    (("GS701",), ("GS102", "GS103", "GS108"), _has_its_leaves),
    (("GS102",), ("GS103", "GS108"), _has_its_leaves),
    (("GS102",), ("GS108",), _on_its_line),  # the other factor stays the zeros it began with
    (("GS103",), ("GS108",), _has_its_leaves),
)
