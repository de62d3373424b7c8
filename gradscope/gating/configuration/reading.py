"""`[tool.gradscope.gate]` of a configuration file as `GateSettings`, and those targets that are named."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from gradscope.config import Config
from gradscope.config_file import ConfigFile, kind
from gradscope.errors import UsageError, closest
from gradscope.gating.configuration import values
from gradscope.gating.configuration.entries import checked, targets_of
from gradscope.gating.configuration.keys import GATE, settings
from gradscope.gating.configuration.target_names import named
from gradscope.gating.settings import GateSettings
from gradscope.toml_places import Path

_TARGETS: Final = (*GATE, "targets")
_INIT: Final = "gradscope gate --init  writes a first one from what it finds here"
_EXAMPLE: Final = '[[tool.gradscope.gate.targets]]\n        trace = "train.py"'


def read_gate(config: Config) -> GateSettings:
    """The gate of a configuration's file, which is read once more.

    Raises UsageError where there is none, where it lists nothing to run, and for whatever in it is wrong.
    """
    if not config.path:
        what = "no pyproject.toml here or in a folder above has a [tool.gradscope.gate]"
        raise UsageError(what, try_next=_INIT)
    file = ConfigFile.read(config.path, config.name)
    tool = file.tables.get("tool", {}).get("gradscope", {})
    if "gate" not in tool:
        raise UsageError(f"{config.name} has no [tool.gradscope.gate]", try_next=_INIT)
    table = tool["gate"]
    defaults = checked(file, GATE, settings(file, GATE, table))
    jobs = _jobs(file, table.get("jobs", 1))
    baseline = _baseline(file, table) or config.baseline
    stated = [
        each
        for number, entry in enumerate(_entries(file, table))
        for each in targets_of(file, (*_TARGETS, number), entry, defaults)
    ]
    return GateSettings(os.path.dirname(config.path), config.name, named(file, stated), jobs, baseline)


def chosen(settings: GateSettings, names: Sequence[str]) -> GateSettings:
    """The gate of the targets that are meant by names or patterns of names ("examples/*"), in its own order.

    A name may also be the text of a target. Raises UsageError for one that means none.
    """
    kept: set[str] = set()
    for name in names:
        found = {each.name for each in settings.targets if name in (each.name, each.target)}
        found |= {each.name for each in settings.targets if fnmatchcase(each.name, name)}
        if not found:
            raise _none_called(settings, name)
        kept |= found
    return replace(settings, targets=tuple(each for each in settings.targets if each.name in kept))


def _none_called(settings: GateSettings, name: str) -> UsageError:
    known = [each.name for each in settings.targets]
    near = closest(name, known)
    few = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
    advice = [f"gradscope gate '{each}'" if " " in each else f"gradscope gate {each}" for each in near]
    what = f"{settings.name} has no target called {name}"
    return UsageError(what, try_next=advice or [f"the targets are {few}"])


# ---------------------------------------------------------------- what stands beside the targets


def _entries(file: ConfigFile, table: dict[str, Any]) -> list[dict[str, Any]]:
    entries = table.get("targets", [])
    path: Path = _TARGETS if "targets" in table else GATE
    if not isinstance(entries, list):
        raise file.wrong(path, f"targets must be a list of tables, not {kind(entries)}", _EXAMPLE)
    for number, entry in enumerate(entries):
        if not isinstance(entry, dict):
            what = f"targets must be a list of tables, and holds {kind(entry)}"
            raise file.wrong((*path, number), what, _EXAMPLE)
    if not entries:
        what = "[tool.gradscope.gate] lists no targets, so nothing would be run"
        raise file.wrong(path, what, _EXAMPLE, _INIT)
    return entries


def _jobs(file: ConfigFile, value: Any) -> int:
    if value == "auto":
        return cores()
    path = (*GATE, "jobs")
    if isinstance(value, str):
        raise file.wrong(path, f'jobs must be a whole number or "auto", not "{value}"', 'jobs = "auto"')
    return int(values.whole(1, 1024)(file, path, value, 'jobs = "auto"'))


def cores() -> int:
    """How many processors this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable is not None else os.cpu_count() or 1


def _baseline(file: ConfigFile, table: dict[str, Any]) -> str | None:
    if "baseline" not in table:
        return None
    path = (*GATE, "baseline")
    found = values.text(file, path, table["baseline"], 'baseline = "gradscope-baseline.json"')
    return os.path.normpath(os.path.join(os.path.dirname(file.path), found))
