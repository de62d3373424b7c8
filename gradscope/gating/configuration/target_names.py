"""The names of a gate's targets: each is unique, and as short as that allows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace

from gradscope.config_file import ConfigFile
from gradscope.errors import UsageError
from gradscope.gating.settings import GateTarget
from gradscope.toml_places import Path


def named(file: ConfigFile, stated: Sequence[tuple[Path, GateTarget]]) -> tuple[GateTarget, ...]:
    """Targets with names, from those that the configuration states and where: the path of the command key.

    One that has no name is called by its target text; where that is not enough the command stands before it,
    and the arguments behind. Raises UsageError where two still have one name, or one key in a baseline.
    """
    targets = [target for _, target in stated]
    known: dict[str, GateTarget] = {}
    keys: dict[str, GateTarget] = {}
    for path, target in stated:
        name = target.name or _name(target, targets)
        if name in known:
            raise _twice(file, path, name, known[name], target)
        key = target.name or _key(target)
        if key in keys:
            raise _twice(file, path, f"{key} in a baseline", keys[key], target)
        known[name] = keys[key] = replace(target, name=name, key=key)
    return tuple(known.values())


def _name(target: GateTarget, targets: Sequence[GateTarget]) -> str:
    alike = [each for each in targets if not each.name and _text(each) == _text(target)]
    same_command = [each for each in alike if each.command == target.command]
    lead = f"{target.command} " if len(same_command) < len(alike) else ""
    differ = len({each.arguments for each in same_command}) > 1
    rest = f" {shlex.join(target.arguments)}" if differ and target.arguments else ""
    return f"{lead}{_text(target)}{rest}"


def _text(target: GateTarget) -> str:
    """What it runs, as seen from the folder of the configuration."""
    if not target.folder:
        return target.target
    between = ": " if target.target.startswith("-m ") else "/"
    return f"{target.folder}{between}{target.target}"


def _key(target: GateTarget) -> str:
    """What a target runs, in full."""
    lead = "" if target.command == "trace" else f"{target.command} "
    rest = f" {shlex.join(target.arguments)}" if target.arguments else ""
    return f"{lead}{_text(target)}{rest}"


def _twice(file: ConfigFile, path: Path, name: str, first: GateTarget, second: GateTarget) -> UsageError:
    lines = sorted({first.stated_at.line, second.stated_at.line})
    where = f"lines {lines[0]} and {lines[1]}" if len(lines) > 1 else f"line {lines[0]}"
    return file.wrong(
        path,
        f"two targets are called {name}: {where}",
        'name = "..."  in one of them',
        "exclude = [...]  where a pattern names a file that another target names too",
    )
