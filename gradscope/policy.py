"""The command line and the configuration as one: which rules are judged, what is silenced, what fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradscope.config import Config
from gradscope.errors import UsageError
from gradscope.finding import Severity
from gradscope.rule_names import codes_of
from gradscope.rules import all_rules
from gradscope.silence import Silencer, by_rule, in_files


@dataclass(frozen=True, slots=True)
class Policy:
    """How one recording is judged.

    `select` are names of rules, none for all. `judged` are the codes of the rules that can show a
    finding. `fail_on` None means that no finding fails the command. `remarks` are for the report.
    """

    select: tuple[str, ...]
    silencers: tuple[Silencer, ...]
    judged: frozenset[str]
    fail_on: Severity | None
    remarks: tuple[str, ...] = ()


def policy(config: Config, select: Sequence[str], ignore: Sequence[str], fail_on: str | None) -> Policy:
    """The policy of a command line in a configuration; the names must exist.

    `--select` takes the place of the configuration's `select` and `ignore`, `--ignore` adds to them,
    `--fail-on` takes the place of `fail-on`. Raises UsageError where no rule is left.
    """
    chosen = tuple(select) or config.select
    kept = () if select else config.ignore
    judged = (_codes(chosen) or frozenset(all_rules())) - _codes((*ignore, *kept))
    if not judged:
        raise UsageError(
            "every rule that is selected is also ignored, so nothing would be checked",
            where=[f"--> {config.name}"] if config.name and not (select and ignore) else (),
            try_next="--select GS  checks all rules, whatever the configuration ignores",
        )
    silencers = [by_rule(ignore, "--ignore {}"), by_rule(kept, f"ignore in {config.name}")]
    for pattern, names in config.per_file_ignores:
        silencers.append(in_files(pattern, names, f'per-file-ignores "{pattern.text}" in {config.name}'))
    narrowed = f"only {', '.join(chosen)} checked: select in {config.name}"
    return Policy(
        chosen,
        tuple(silencers),
        judged,
        threshold(fail_on or config.fail_on or "error"),
        (narrowed,) if config.select and not select else (),
    )


def _codes(names: Sequence[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(codes_of, names))


def threshold(fail_on: str) -> Severity | None:
    """The severity that `--fail-on` names, None for `never`."""
    return None if fail_on == "never" else Severity(fail_on)
