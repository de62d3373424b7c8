"""The keys of `[tool.gradscope.gate]` and of its targets: what each takes, and which commands it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gradscope.config import FAIL_ON
from gradscope.config_file import SECTION, ConfigFile
from gradscope.errors import UsageError
from gradscope.gating.configuration import values
from gradscope.gating.configuration.values import Reader
from gradscope.gating.settings import COMMANDS
from gradscope.loader.options import AMP, DTYPES, OPTIMIZERS
from gradscope.toml_places import Path

GATE: Final = (*SECTION, "gate")
_RUN: Final = ("trace", "memory")
_CHECK: Final = ("check",)
_MEMORY: Final = ("memory",)
_SECONDS: Final = "a number of seconds"


@dataclass(frozen=True, slots=True)
class Key:
    """What a key takes. `example` is what may stand behind it, `commands` those that it is for."""

    read: Reader
    example: str
    commands: tuple[str, ...] = COMMANDS

    def value(self, file: ConfigFile, path: Path, value: Any) -> Any:
        """What is meant by a value; UsageError where it is not of the right kind."""
        return self.read(file, path, value, f"{path[-1]} = {self.example}")


SETTINGS: Final[dict[str, Key]] = {
    "arguments": Key(values.texts, '["--epochs", "1"]'),
    "environment": Key(values.environment, '{ OMP_NUM_THREADS = "1" }'),
    "time-limit": Key(values.above(0, _SECONDS), "120"),
    "memory-limit": Key(values.size, '"4 GiB"'),
    "select": Key(values.some_rules, '["GS1", "GS4"]'),
    "ignore": Key(values.rules, '["GS103"]'),
    "forbid": Key(values.rules, '["GS102", "GS4"]'),
    "expect": Key(values.rules, '["GS401"]'),
    "fail-on": Key(values.one_of(FAIL_ON), '"warning"'),
    "exit-status": Key(values.whole(0, 255), "1", _RUN),
    "input": Key(values.text_or_texts, '["randn(8, 3, 32, 32)"]'),
    "inputs": Key(values.text, '"batch.pt"'),
    "loss": Key(values.loss, '"cross_entropy"'),
    "device": Key(values.text, '"cpu"'),
    "seed": Key(values.whole(0), "0"),
    "steps": Key(values.whole(1), "5", _RUN),
    "dtype": Key(values.one_of(DTYPES), '"float64"', _RUN),
    "amp": Key(values.one_of(AMP), '"bf16"', _RUN),
    "capture": Key(values.text, '"train.py"', _CHECK),
    "no-run": Key(values.switch, "true", _CHECK),
    "against": Key(values.text, '"derivatives.py:df"', _CHECK),
    "check-time-limit": Key(values.above(0, _SECONDS), "2", _CHECK),
    "optimizer": Key(values.one_of(OPTIMIZERS), '"adamw"', _MEMORY),
    "budget": Key(values.budget, '"8 GiB"', _MEMORY),
    "blocks": Key(values.text_or_texts, '["layers.*"]', _MEMORY),
    "fake": Key(values.switch, "true", _MEMORY),
    "max-norm-ratio": Key(values.above(1, "a ratio"), "1e6", _RUN),
    "min-gradient-share": Key(values.share, "0.9", _RUN),
    "drift-tolerance": Key(values.above(0, "a relative difference"), "0.05", _RUN),
    "max-saved": Key(values.size, '"500 MiB"', _MEMORY),
    "max-peak": Key(values.size, '"4 GiB"', _MEMORY),
    "max-relative-error": Key(values.above(0, "a relative error"), "1e-4", _CHECK),
}
"""What may stand in a target, and as the default of all targets of its commands beside them."""

OF_GRADIENTS: Final = ("max-norm-ratio", "min-gradient-share", "drift-tolerance")
"""What is measured of gradients, which fake tensors do not have."""

TARGET_ONLY: Final = (*COMMANDS, "name", "exclude", "folder")
GATE_ONLY: Final = ("targets", "jobs", "baseline")
TARGET_KEYS: Final = (*TARGET_ONLY, *SETTINGS)
GATE_KEYS: Final = (*GATE_ONLY, *SETTINGS)
_MEANT: Final = {
    "timeout": "time-limit",
    "env": "environment",
    "args": "arguments",
    "cwd": "folder",
    "working-directory": "folder",
    "script": "trace",
    "file": "trace",
    "path": "trace",
    "target": "targets",
    "workers": "jobs",
}
"""What people call some keys elsewhere."""


def settings(file: ConfigFile, path: Path, table: dict[str, Any], command: str = "") -> dict[str, Any]:
    """The settings in a table, read, by key; those of a gate where `command` is "", else those of a target.

    Raises UsageError for a key that is none or not for the command, and for a value of the wrong kind.
    """
    check_keys(file, path, table, is_target=bool(command))
    found = {key: SETTINGS[key] for key in table if key in SETTINGS}
    for key, setting in found.items():
        if command and command not in setting.commands:
            raise _not_for(file, (*path, key), command)
    return {key: setting.value(file, (*path, key), table[key]) for key, setting in found.items()}


def check_keys(file: ConfigFile, path: Path, table: dict[str, Any], *, is_target: bool) -> None:
    """Raises UsageError for a key that a target, or else a gate, does not have."""
    known = TARGET_KEYS if is_target else GATE_KEYS
    for key in table:
        if key not in known:
            raise _unknown(file, (*path, key), known, is_target=is_target)


def _unknown(file: ConfigFile, path: Path, known: tuple[str, ...], *, is_target: bool) -> UsageError:
    key, name = str(path[-1]), "a target" if is_target else "[tool.gradscope.gate]"
    if is_target and key in GATE_ONLY:
        return file.wrong(path, f"{key} is for all targets: it belongs to [tool.gradscope.gate]")
    if not is_target and key in TARGET_ONLY:
        what = f"{key} is of one target: it belongs to [[tool.gradscope.gate.targets]]"
        return file.wrong(path, what, f'[[tool.gradscope.gate.targets]]\n        {key} = "..."')
    guess = _MEANT.get(key, "")
    return file.unknown(path, name, known, guess if guess in known else "")


def _not_for(file: ConfigFile, path: Path, command: str) -> UsageError:
    commands = SETTINGS[str(path[-1])].commands
    return file.wrong(path, f"{path[-1]} is for {' and '.join(commands)}, and this is a {command} target")
