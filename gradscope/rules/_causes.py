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


_LINKS: tuple[tuple[tuple[str, ...], tuple[str, ...], Explains], ...] = (
    (("GS104",), ("GS105",), _names_its_line),
    (("GS104",), ("GS101", "GS102"), _on_its_line),
    (("GS303", "GS101"), ("GS102",), _on_its_line),
    (("GS303",), ("GS101",), _on_its_line),
    (("GS301",), ("GS302",), _names_its_line),
    (("GS201",), ("GS503",), _names_its_line),
    (("GS403",), ("GS401", "GS402"), _not_later),
    (("GS401", "GS402", "GS403"), ("GS403",), _spoiled_a_parameter),
    (("GS403",), ("GS108",), _always),
    (("GS203",), ("GS108", "GS401", "GS402"), _names_its_line),
    # the same leaves, from the most telling to the least
    (("GS106",), ("GS107", "GS102", "GS103", "GS108"), _has_its_leaves),
    (("GS107",), ("GS102", "GS103", "GS108"), _has_its_leaves),
    (("GS102",), ("GS103", "GS108"), _has_its_leaves),
    (("GS103",), ("GS108",), _has_its_leaves),
)
