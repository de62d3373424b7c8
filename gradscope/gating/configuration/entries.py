"""One entry of `[[tool.gradscope.gate.targets]]` -> its targets, with the defaults of all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradscope.config_file import ConfigFile
from gradscope.facts.limits import Limits
from gradscope.finding import Location
from gradscope.gating.configuration import values
from gradscope.gating.configuration.keys import GATE, OF_GRADIENTS, SETTINGS, check_keys, settings
from gradscope.gating.configuration.target_files import targets_named
from gradscope.gating.settings import COMMANDS, SEED, TIME_LIMIT, GateTarget
from gradscope.loader.options import Options
from gradscope.rule_names import codes_of
from gradscope.rules import all_rules
from gradscope.toml_places import Path


def targets_of(
    file: ConfigFile, path: Path, entry: dict[str, Any], defaults: dict[str, Any]
) -> list[tuple[Path, GateTarget]]:
    """The targets of an entry, each with the path of the entry's command key; they have only given names."""
    command = _command(file, path, entry)
    own = checked(file, path, settings(file, path, entry, command))
    merged = _merged(defaults, own, command)
    _check_rules(file, path, merged, command)
    stated = (*path, command)
    folder = values.folder(file, (*path, "folder"), entry["folder"]) if "folder" in entry else ""
    texts = targets_named(file, stated, entry, folder)
    name = values.line(file, (*path, "name"), entry["name"], 'name = "small"') if "name" in entry else ""
    at = _location(file, stated)
    if texts == (entry[command].strip(),) or not name:
        return [(stated, _target(command, text, name, folder, merged, at)) for text in texts]
    return [(stated, _target(command, text, f"{name}: {text}", folder, merged, at)) for text in texts]


def _command(file: ConfigFile, path: Path, entry: dict[str, Any]) -> str:
    found = [command for command in COMMANDS if command in entry]
    if len(found) == 1:
        return found[0]
    if found:
        what = f"a target is run by one command, and this one says {' and '.join(found)}"
        raise file.wrong((*path, found[1]), what, "a [[tool.gradscope.gate.targets]] for each")
    check_keys(file, path, entry, is_target=True)
    first = next(iter(entry), None)
    at = path if first is None else (*path, first)
    raise file.wrong(at, "a target must say what it runs: trace, check or memory", 'trace = "train.py"')


def _merged(defaults: dict[str, Any], own: dict[str, Any], command: str) -> dict[str, Any]:
    """The settings of a target: its own take the place of the defaults, variables are added to them."""
    kept = {key: value for key, value in defaults.items() if command in SETTINGS[key].commands}
    if "input" in own or "inputs" in own:
        kept = {key: value for key, value in kept.items() if key not in ("input", "inputs")}
    if own.get("fake", kept.get("fake")):
        kept = {key: value for key, value in kept.items() if key not in OF_GRADIENTS}
    merged = {**kept, **own}
    if "environment" in kept and "environment" in own:
        merged["environment"] = tuple((dict(kept["environment"]) | dict(own["environment"])).items())
    return merged


def checked(file: ConfigFile, path: Path, read: dict[str, Any]) -> dict[str, Any]:
    """The settings of one table; UsageError where two of them contradict each other."""
    if "input" in read and "inputs" in read:
        raise file.wrong((*path, "inputs"), "input and inputs both give the inputs; use one of them")
    if "capture" in read and read.get("no-run"):
        raise file.wrong((*path, "no-run"), "capture runs a script, and no-run none; use one of them")
    if read.get("forbid") and read.get("fail-on") == "never":
        raise file.wrong((*path, "forbid"), "nothing fails where fail-on is never; use one of them")
    for name in read.get("forbid", ()):
        if codes_of(name) <= _codes(read.get("ignore", ())):
            what = f"{name} is forbidden and ignored, so it would never fail"
            raise file.wrong((*path, "forbid"), what)
    for key in OF_GRADIENTS:
        if key in read and read.get("fake"):
            what = f"{key} is measured of gradients, and fake tensors have no values"
            raise file.wrong((*path, key), what, "fake = false")
    return read


def _check_rules(file: ConfigFile, path: Path, merged: dict[str, Any], command: str) -> None:
    """Raises UsageError for rules that are expected and cannot be found, or must not."""
    ignored = _codes(merged.get("ignore", ()))
    of_command = "check" if command == "check" else "trace"
    findable = {code for code, rule in all_rules().items() if rule.command in (of_command, "gate")}
    for name in merged.get("expect", ()):
        at = (*path, "expect")
        where = at if file.place(at) else (*GATE, "expect")
        if codes_of(name) <= _codes(merged.get("forbid", ())):
            raise file.wrong(where, f"{name} is expected and forbidden")
        if codes_of(name) <= ignored:
            raise file.wrong(where, f"{name} is expected and ignored, so it would never be found")
        if not codes_of(name) & findable:
            raise file.wrong(where, f"{name} is expected, and is no rule that {command} can find")


def _codes(names: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(codes_of, names))


def _location(file: ConfigFile, path: Path) -> Location:
    place = file.place(path)
    assert place is not None
    return Location(file.path, place.line, place.start + 1, None, place.end + 1)


def _target(
    command: str, text: str, name: str, folder: str, merged: dict[str, Any], at: Location
) -> GateTarget:
    def of(key: str, otherwise: Any = None) -> Any:
        return merged.get(key, otherwise)

    return GateTarget(
        name=name,
        command=command,
        target=text,
        stated_at=at,
        arguments=of("arguments", ()),
        folder=folder,
        options=_options(merged),
        capture=of("capture"),
        no_run=of("no-run", False),
        against=of("against"),
        check_time_limit=of("check-time-limit"),
        budget=of("budget"),
        blocks=of("blocks", ()),
        fake=of("fake", False),
        environment=of("environment", ()),
        select=of("select", ()),
        ignore=of("ignore", ()),
        forbid=of("forbid", ()),
        expect=of("expect", ()),
        fail_on=of("fail-on"),
        exit_status=of("exit-status", 0),
        limits=_limits(merged, at),
        drift_tolerance=of("drift-tolerance"),
        time_limit=of("time-limit", TIME_LIMIT),
        memory_limit=of("memory-limit"),
    )


def _options(merged: dict[str, Any]) -> Options:
    return Options(
        inputs=merged.get("input", ()),
        inputs_file=merged.get("inputs"),
        loss=merged.get("loss"),
        device=merged.get("device", "auto"),
        dtype=merged.get("dtype"),
        amp=merged.get("amp"),
        seed=merged.get("seed", SEED),
        steps=merged.get("steps"),
        optimizer=merged.get("optimizer"),
    )


def _limits(merged: dict[str, Any], at: Location) -> Limits:
    return Limits(
        max_norm_ratio=merged.get("max-norm-ratio"),
        min_gradient_share=merged.get("min-gradient-share"),
        max_saved=merged.get("max-saved"),
        max_peak=merged.get("max-peak"),
        max_relative_error=merged.get("max-relative-error"),
        stated_at=at,
    )
